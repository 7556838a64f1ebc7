//! What a connection costs and carries: how many there are, the threads that they take, and how
//! long a head may be.

use std::env;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{self, Command};
use std::thread;
use std::time::Duration;

use push_live_metrics::report::on_panic;

use crate::support::cmd::Cmd;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::side_by_side::side_by_side;
use crate::support::step::{Answer, Then};
use crate::support::time::{now_ms, seconds};

const KIB: usize = 1024;

#[test]
fn answers_with_a_short_body_keep_the_connection() {
    let ok = |bytes| Answer::status(200).body("x".repeat(bytes));
    let cases = [
        (2000, ok(KIB), 1),
        (2000, ok(KIB).chunked(), 1),
        (2000, ok(0), 1),
        (10, ok(KIB + 1), 10),
        (10, ok(KIB + 1).chunked(), 10),
    ];
    side_by_side(cases, |(count, answer, connection_count)| {
        let receiver = Script::new([Answer::status(503).body("busy").into()]).otherwise(answer);
        let receiver = receiver.start();
        let start = seconds(now_ms() - 60_000);
        let sender = Cmd::to(&receiver.url()).ticks(count, 20).flag("start-epoch", &start);
        sender.run().assert_all_delivered(&receiver);
        assert_eq!(receiver.connection_count(), connection_count);
    });
}

/// A head that goes out alone is mostly there alone, for a receiver that waits for it.
#[test]
fn head_and_body_of_a_request_come_together() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let receiver = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut requests = vec![0; 200 * KIB];
        (0..200).all(|_| {
            let length = stream.read(&mut requests).unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            !requests[..length].ends_with(b"\r\n\r\n")
        })
    });
    let start = seconds(now_ms() - 60_000);
    Cmd::to(&url).ticks(200, 20).flag("start-epoch", &start).run().assert_code(0);
    assert!(receiver.join().unwrap(), "a head came alone");
}

#[test]
fn the_body_of_a_success_is_waited_for_a_second_at_most() {
    let dribbling = Answer::status(200).body("x".repeat(500)).paced(60, Duration::from_secs(1));
    let stalled = Answer::status(200).body("x".repeat(500)).chunked().cut(150, Then::Stall, true);
    let garbage = Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n");
    side_by_side([dribbling, stalled, garbage.meaning(200)], |answer| {
        let receiver = ScriptedReceiver::start([answer.into()]);
        let run = Cmd::to(&receiver.url()).flag("timeout", "60s").run();
        run.assert_all_delivered(&receiver);
        assert_eq!(run.summary().retries, 0, "{}", run.stderr);
        assert!(run.took() < Duration::from_secs(50), "{:?}", run.took());
    });
}

/// A sender that cannot start a thread: no address space is large enough for the stack.
fn without_threads(url: &str) -> Cmd {
    Cmd::to(url).env("RUST_MIN_STACK", (1_u64 << 60).to_string())
}

#[test]
fn fifty_connections_to_an_address_take_no_thread() {
    let closed = Answer::status(204).header("Connection", "close").then(Then::Close);
    let receiver = Script::new([]).otherwise(closed).start();
    without_threads(&receiver.url()).ticks(50, 20).run().assert_all_delivered(&receiver);
    assert_eq!(receiver.connection_count(), 50);
}

#[test]
fn a_run_that_can_have_no_thread_is_ended_by_a_signal() {
    let receiver = Script::new([]).start();
    let running = without_threads(&receiver.url()).ticks(10, 60_000).start();
    receiver.wait_for_requests(1);
    running.signal("TERM");
    running.wait().assert_code(-15);
}

#[test]
fn a_shortage_of_threads_is_retried() {
    let run = without_threads("http://localhost:9/").flag("flush-timeout", "1s").run();
    run.assert_ends(4, [0, 0, 10, 0, 0]);
    assert!(run.stderr.contains("no thread can be started"), "{}", run.stderr);
    assert!(run.summary().retries > 0);
}

#[test]
fn a_name_is_looked_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 16 * KIB]);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        }
    });
    let run = Cmd::to(&url).run();
    run.assert_ends(0, [10, 0, 0, 0, 0]);
}

/// The child of the test below.
#[test]
fn panics_when_it_is_told_to() {
    if env::var_os("PANIC_NOW").is_some() {
        on_panic(false, |exit| process::exit(i32::from(exit as u8)));
        panic!("what nobody\nexpects");
    }
}

#[test]
fn a_panic_is_one_line_and_ends_with_101() {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "connections::panics_when_it_is_told_to", "--nocapture"]);
    let output = child.env("PANIC_NOW", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(101));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("internal error at tests/it/connections.rs:"), "{text}");
    assert!(text.ends_with(": what nobody\\nexpects; please report this\n"), "{text}");
}

#[test]
fn a_token_of_sixty_kilobytes_is_sent() {
    let receiver = Script::new([]).header("Authorization").start();
    let sender = Cmd::to(&receiver.url()).file("token", "x".repeat(60 * KIB));
    let token = sender.folder().join("token");
    let run = sender.env("REMOTE_WRITE_TOKEN_FILE", token.to_str().unwrap()).run();
    run.assert_all_delivered(&receiver);
}

#[test]
fn an_address_of_seventeen_kilobytes_is_used() {
    let path = format!("/{}", "x".repeat(17 * KIB));
    let receiver = Script::new([]).path(&path).start();
    Cmd::to(&receiver.url()).run().assert_all_delivered(&receiver);
}

#[test]
fn a_header_that_no_request_can_have_is_named_and_nothing_is_sent() {
    let receiver = Script::new([]).start();
    let sender = Cmd::to(&receiver.url())
        .file("header", "x".repeat(64 * KIB - 12))
        .flag("header", "X-Trace: @header")
        .flag("flush-timeout", "100ms");
    let run = sender.run();
    run.assert_ends(4, [0, 0, 10, 0, 0]);
    assert!(run.stderr.contains("X-Trace") && run.stderr.contains("65536"), "{}", run.stderr);
    assert_eq!(receiver.connection_count(), 0);
}

#[test]
fn sixty_kilobytes_of_response_headers_are_read_and_more_are_named() {
    let head = |bytes| Answer::status(204).header("X-Filler", &"x".repeat(bytes));
    let receiver =
        ScriptedReceiver::start([head(63 * KIB).into(), head(65 * KIB).meaning(0).into()]);
    let run = Cmd::to(&receiver.url()).run();
    run.assert_all_delivered(&receiver);
    let log = run.log();
    let message = log.only("retry").get("message").text();
    assert!(message.contains("64 KiB of headers"), "{message}");
}
