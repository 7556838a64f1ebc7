//! A proxy between sender and receiver: what it refuses, and that each message names it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::support::cmd::Cmd;
use crate::support::process::Run;
use crate::support::real_receiver::free_address;
use crate::support::scripted_receiver::{BlackHole, Script, ScriptedReceiver};
use crate::support::side_by_side::side_by_side;
use crate::support::step::{Read as How, Step};

/// An address that nobody has.
const NOWHERE: &str = "http://192.0.2.1/api/v1/write";

/// Returns ten datapoints for `url` through this proxy.
fn sender(url: &str, proxy: SocketAddr) -> Cmd {
    Cmd::to(url).env("HTTP_PROXY", format!("http://{proxy}")).flag("flush-timeout", "100ms")
}

/// Fails unless what the run ended with names the proxy, also in words that --quiet leaves.
#[track_caller]
fn check(proxy: SocketAddr, code: i32, text: &str) -> Run {
    let is_silent = text.contains("timed out");
    let timeout = if is_silent { "300ms" } else { "60s" };
    let quiet = sender(NOWHERE, proxy).flag("timeout", timeout).switch("quiet").run();
    quiet.assert_code(code);
    let expected = format!("proxy {proxy}: {text}");
    assert!(quiet.stderr.contains(&expected), "{expected} in {}", quiet.stderr);
    quiet
}

fn answering(step: impl Into<Step>) -> ScriptedReceiver {
    Script::new([]).unchecked().otherwise(step).start()
}

#[test]
fn a_refusal_is_final() {
    side_by_side([403, 405, 407], |status| {
        let proxy = answering(Step::status(status));
        let text = format!("it answered CONNECT with HTTP {status}; ");
        let run = check(proxy.address(), 3, &text);
        let [accepted, rejected, undelivered, unconfirmed, not_yet_due] = run.summary().counts();
        assert_eq!([accepted, rejected, unconfirmed], [0, 0, 0], "{}", run.stderr);
        assert_eq!(undelivered + not_yet_due, 10);
        assert_eq!(proxy.attempt_count(), 1);
    });
}

#[test]
fn a_failure_is_not_final() {
    side_by_side([400, 429, 500, 502, 503, 504], |status| {
        let proxy = answering(Step::status(status));
        check(proxy.address(), 4, &format!("it answered CONNECT with HTTP {status}"));
    });
}

#[test]
fn a_proxy_that_is_not_there_or_says_nothing_is_retried() {
    check(free_address(), 4, "connection refused");
    check(answering(Step::Close(How::Nothing)).address(), 4, "");
    check(answering(Step::Stall).address(), 4, "timed out while connecting");
    let black_hole = BlackHole::open();
    check(black_hole.address(), 4, "timed out while connecting");
}

/// A tunnel to `receiver`, whatever it is asked for.
fn tunnel(receiver: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let _ = connect(client, receiver);
        }
    });
    address
}

fn connect(mut client: TcpStream, receiver: SocketAddr) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let server = TcpStream::connect(receiver)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    for (mut from, mut to) in
        [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)]
    {
        thread::spawn(move || std::io::copy(&mut from, &mut to));
    }
    Ok(())
}

#[test]
fn a_tunnel_is_used_and_named_when_the_receiver_is_silent() {
    let receiver = ScriptedReceiver::start([]);
    let run = sender("http://192.0.2.1:9/", tunnel(receiver.address())).run();
    run.assert_all_delivered(&receiver);
    let receiver = answering(Step::Stall);
    let proxy = tunnel(receiver.address());
    let run = sender("http://192.0.2.1:9/", proxy).flag("timeout", "4s").run();
    let expected = format!("192.0.2.1:9 through proxy {proxy}: timed out without an answer");
    assert!(run.stderr.contains(&expected), "{expected} in {}", run.stderr);
}

#[test]
fn names_are_sent_in_lower_case() {
    let proxy = answering(Step::status(502));
    sender("http://Receiver.Example:9/Path", proxy.address()).run().assert_code(4);
    assert_eq!(proxy.requests()[0].line, "CONNECT receiver.example:9 HTTP/1.1");
}
