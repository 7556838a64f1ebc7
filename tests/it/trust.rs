//! A `.env` that was only found: it sends no secret elsewhere and stops nobody's run. And secrets
//! in files of every kind: read once, or again and again, checked each time, never waited for.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::cmd::Cmd;
use crate::support::process::Run;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::side_by_side::side_by_side;
use crate::support::step::Step;

const SECRET: &str = "s3cr3t-t0ken";

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_found_proxy_gets_nothing() {
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];
    side_by_side(names, |name| {
        let proxy = Script::new([]).unchecked().start();
        let scheme = name[..name.len() - "_PROXY".len()].to_ascii_lowercase();
        let hostile = format!("{name}=http://{}/\nSSL_CERT_FILE=ca.pem\n", proxy.address());
        let sender = Cmd::to(&format!("{scheme}://receiver.invalid/api/v1/write"));
        let sender = sender.file(".env", &hostile).ticks(1, 20);
        let sender = sender.flag("flush-timeout", "50ms").switch("allow-plain-http-credentials");
        let run = sender.env("REMOTE_WRITE_TOKEN", SECRET).run();
        assert_eq!(proxy.attempt_count(), 0, "{}", run.stderr);
        run.assert_code(4);
        // One that was asked for is used.
        let sender = Cmd::to(&format!("{scheme}://receiver.invalid/api/v1/write")).ticks(1, 20);
        let sender = sender.file("vars", format!("{name}=http://{}/\n", proxy.address()));
        let run = sender.flag("env-file", "vars").flag("flush-timeout", "50ms").run();
        run.assert_says(&format!("through the proxy of {name} in vars"));
        assert!(proxy.attempt_count() > 0);
    });
}

/// Every combination is in src/cli/env/tests.rs; here, that nothing is sent.
#[test]
fn a_found_address_gets_no_secret_that_was_asked_for_and_no_file_of_another_folder() {
    let found = ScriptedReceiver::start([]);
    let elsewhere = Cmd::to("").file("one-line", SECRET);
    let outside = elsewhere.folder().join("one-line");
    let outside = outside.to_str().unwrap();
    let sender = |more: &str| {
        let text = format!("REMOTE_WRITE_URL={}\n{more}\n", found.url());
        Cmd::to("").without("url").file(".env", &text)
    };
    let naming = |path: &str| sender(&format!("REMOTE_WRITE_TOKEN_FILE={path}"));
    let (linked, piped) = (naming("link"), naming("pipe"));
    symlink(outside, linked.folder().join("link")).unwrap();
    make_fifo(&piped.folder().join("pipe"));
    let (url, file) = ("REMOTE_WRITE_URL in .env", "REMOTE_WRITE_TOKEN_FILE in .env");
    for (sender, named) in [
        (sender("").env("REMOTE_WRITE_TOKEN", SECRET), url),
        (sender("").file("h", SECRET).flag("header", "X-Id: @h"), url),
        (naming(outside), file),
        (linked, file),
        (piped, file),
        (naming("/dev/stdin"), file),
    ] {
        let run = sender.run();
        run.assert_code(2).assert_says(named).assert_says("--env-file .env");
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
    assert_eq!(found.attempt_count(), 0);
}

#[test]
fn a_dotenv_that_cannot_be_read_stops_nobody_who_needs_nothing_of_it() {
    let makers: [fn(&Path); 3] = [
        make_fifo,
        |path| symlink(".env", path).unwrap(),
        |path| {
            // No obstacle to root.
            fs::write(path, b"\xff\xfe=\n").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        },
    ];
    side_by_side(makers, |make| {
        let receiver = ScriptedReceiver::start([]);
        let sender = Cmd::to(&receiver.url());
        make(&sender.folder().join(".env"));
        sender.clone().run().assert_all_delivered(&receiver);
        sender.without("url").run().assert_code(2).assert_says("target: is not named");
    });
}

/// Runs it by a shell, with ten datapoints for a receiver that is to get this header each time.
#[track_caller]
fn check_shell(script: &str, header: (&str, &str), change: fn(Cmd) -> Cmd) -> Run {
    let (name, value) = header;
    let receiver = Script::new([Step::status(503)]).header(name).start();
    let run = change(Cmd::to(&receiver.url())).shell(script).run();
    run.assert_code(0);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 11);
    assert!(requests.iter().all(|request| request.header(name) == Some(value)), "{requests:?}");
    run
}

#[test]
fn a_secret_in_a_pipe_is_read_once() {
    let bearer = ("Authorization", "Bearer s3cr3t-t0ken");
    let stdin = r#"echo s3cr3t-t0ken | "$0" "$@""#;
    check_shell(stdin, bearer, |sender| sender.env("REMOTE_WRITE_TOKEN_FILE", "/dev/stdin"));
    let fifo = r#"mkfifo f; echo s3cr3t-t0ken > f & "$0" "$@""#;
    check_shell(fifo, bearer, |sender| sender.env("REMOTE_WRITE_TOKEN_FILE", "f"));
    let descriptor = "\"$0\" \"$@\" 3<<END\ns3cr3t-t0ken\nEND";
    let header = ("X-Id", SECRET);
    check_shell(descriptor, header, |sender| sender.flag("header", "X-Id: @/dev/fd/3"));
}

/// Returns a receiver that does something to a file before it answers the second request.
fn changing_at_the_second_request(
    path: &Path,
    change: impl Fn(&Path) + Send + Sync + 'static,
) -> ScriptedReceiver {
    let (path, count) = (path.to_owned(), AtomicU32::new(0));
    let script = Script::new([]).header("Authorization").giving_up().choose(move |_, _| {
        if count.fetch_add(1, Ordering::SeqCst) == 1 {
            change(&path);
        }
        Step::status(204)
    });
    // An attempt that is not made leaves a gap in the count.
    script.allow(|allowed| allowed.unseen_attempts = true).start()
}

#[test]
fn a_token_file_that_becomes_a_pipe_hangs_no_run() {
    let sender = Cmd::to("").ticks(5, 20).file("t", SECRET);
    let path = sender.folder().join("t");
    let receiver = changing_at_the_second_request(&path, |path| {
        fs::remove_file(path).unwrap();
        make_fifo(path);
    });
    let sender = sender.flag("url", receiver.url()).env("REMOTE_WRITE_TOKEN_FILE", "t");
    let run = sender.flag("flush-timeout", "100ms").run();
    run.assert_code(1).assert_says("it is not a regular file");
    assert_eq!(run.summary().counts(), [2, 0, 3, 0, 0]);
}

/// What is wrong with it is said, and never it; the next one is picked up.
#[test]
fn a_rotated_token_is_checked_like_the_first() {
    let cases = [
        (Some("Bearer s3cr3t"), "begins with 'Bearer', which is added for you"),
        (Some(""), "is empty"),
        (Some("s3cr3t\u{1}two\nlines"), "has a line end in it"),
        (Some("s3cr3t\ttwo"), "has a control character in it"),
        (Some("s3cr3t two"), "has a character that a token cannot have"),
        (Some("s3cr3té"), "has a character that a token cannot have"),
        (None, "No such file"),
    ];
    side_by_side(cases, |(bad, problem)| {
        let sender = Cmd::to("").ticks(5, 20).file("t", "first\n");
        let path = sender.folder().join("t");
        let rotate = |path: &Path, text: Option<&str>| {
            let other = path.with_extension("new");
            match text {
                Some(text) => fs::write(&other, text).and_then(|()| fs::rename(&other, path)),
                None => fs::remove_file(path),
            }
            .unwrap();
        };
        let receiver = changing_at_the_second_request(&path, move |path| rotate(path, bad));
        let sender = sender.flag("url", receiver.url()).switch("verbose");
        let running = sender.env("REMOTE_WRITE_TOKEN_FILE", path.to_str().unwrap()).start();
        running.wait_for(problem, 1);
        rotate(&path, Some("third"));
        let run = running.wait();
        run.assert_all_delivered(&receiver);
        assert!(!run.stderr.contains("s3cr3t"), "{}", run.stderr);
        let requests = receiver.requests();
        let tokens = requests.iter().map(|request| request.header("Authorization").unwrap());
        let [first, third] = ["Bearer first", "Bearer third"];
        assert_eq!(tokens.collect::<Vec<_>>(), [first, first, third, third, third]);
    });
}
