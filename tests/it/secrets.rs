//! No secret is ever shown: not in a log of any kind, not in an error, not in the printed
//! commands, not in the process list, not when a receiver sends it back.

use std::fs;

use crate::support::cmd::Cmd;
use crate::support::process::Run;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::side_by_side::side_by_side;
use crate::support::step::{Answer, Read, Step};

const SECRET: &str = "s3cr3t-t0ken";
/// `user:s3cr3t-t0ken` in base64.
const BASIC: &str = "dXNlcjpzM2NyM3QtdDBrZW4=";

/// The ways to give a secret, for requests to a URL.
const WAYS: [fn(Cmd) -> Cmd; 7] = [
    |sender| sender.env("REMOTE_WRITE_TOKEN", SECRET),
    |sender| sender.file("t", SECRET).env("REMOTE_WRITE_TOKEN_FILE", "t"),
    |sender| sender.file(".env", format!("REMOTE_WRITE_TOKEN={SECRET}\n")),
    |sender| {
        let sender = sender.file("vars", format!("export REMOTE_WRITE_TOKEN='{SECRET}'\n"));
        sender.flag("env-file", "vars")
    },
    |sender| sender.env("REMOTE_WRITE_USERNAME", "user").env("REMOTE_WRITE_PASSWORD", SECRET),
    |sender| {
        let sender = sender.file("p", format!("{SECRET}\n")).env("REMOTE_WRITE_USERNAME", "user");
        sender.env("REMOTE_WRITE_PASSWORD_FILE", "p")
    },
    |sender| sender.file("h", SECRET).flag("header", "X-Api-Key: @h"),
];

/// The ways to log.
const LOGS: [fn(Cmd) -> Cmd; 3] = [
    |sender| sender.switch("verbose"),
    |sender| sender.switch("verbose").flag("log-format", "text"),
    |sender| sender.switch("quiet").flag("log-format", "text"),
];

#[track_caller]
fn assert_nothing_shown(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        for secret in [SECRET, BASIC, "s3cr3t"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// Runs each way to give a secret with each way to log, into a receiver that does this.
#[track_caller]
fn check(expected_code: i32, steps: impl IntoIterator<Item = impl Into<Step>>) {
    let steps: Vec<Step> = steps.into_iter().map(Into::into).collect();
    let cases = WAYS.into_iter().flat_map(|way| LOGS.map(|log| (way, log)));
    side_by_side(cases, |(way, log)| {
        let script = Script::new(steps.clone()).giving_up().header("Authorization");
        let script = script.allow(|allowed| allowed.steps_left = true);
        let receiver = script.header("X-Api-Key").start();
        let sender = log(way(Cmd::to(&receiver.url()).ticks(3, 20)));
        let run = sender.flag("flush-timeout", "50ms").flag("timeout", "5s").run();
        run.assert_code(expected_code);
        assert_nothing_shown(&run);
    });
}

#[test]
fn not_shown_when_all_goes_well_or_nothing_does() {
    check(0, [Step::status(204)]);
    check(1, [Step::status(204), Step::status(400)]);
    let garbage: Step = Answer::raw("garbage\r\n\r\n").into();
    let lost = [Step::Close(Read::Nothing), Step::reset_halfway(), Step::Close(Read::All)];
    for step in lost.into_iter().chain([Step::Stall, garbage]) {
        check(4, vec![step; 3]);
    }
}

#[test]
fn not_shown_when_the_receiver_refuses() {
    for status in [401, 403, 407] {
        let answer = Answer::status(status).header("WWW-Authenticate", "Bearer realm=\"x\"");
        check(3, [answer.body("no")]);
    }
    for location in [
        "http://elsewhere.example/".to_owned(),
        format!("http://elsewhere.example/?token={SECRET}"),
        format!("https://user:{SECRET}@elsewhere.example/"),
        format!("/login/{SECRET}?%74oken={SECRET}&db=x;p={SECRET}#{SECRET}"),
    ] {
        check(3, [Answer::status(307).header("Location", &location)]);
    }
}

#[test]
fn not_shown_when_the_receiver_sends_it_back() {
    for body in [
        format!("invalid token '{SECRET}'"),
        format!("bad header: Bearer {SECRET}"),
        // Cut off where no more is read.
        format!("{}{SECRET}", "x".repeat(1024 - 6)),
    ] {
        check(3, [Answer::status(401).body(body)]);
    }
    // The rest of it is shown as it came, also of an answer that is not final.
    for (way, sent, shown) in [
        (WAYS[0], format!("Bearer {SECRET}"), "Bearer REDACTED"),
        (WAYS[4], format!("Basic {BASIC}"), "Basic REDACTED"),
    ] {
        let late = Answer::status(503).body(format!("bad\theader: {sent}, 's3cr3t'"));
        let receiver = Script::new([late.into()]).header("Authorization").start();
        let run = way(Cmd::to(&receiver.url())).run();
        run.assert_code(0);
        let retry = run.log().messages("retry")[0].to_owned();
        assert!(retry.contains(&format!(r": bad\theader: {shown}, 's3cr3t';")), "{retry}");
    }
}

#[test]
fn not_shown_when_the_host_is_not_there() {
    side_by_side(WAYS, |way| {
        let sender = way(Cmd::to("https://no-such-host.invalid/api/v1/write"));
        let run = sender.ticks(2, 20).flag("flush-timeout", "50ms").switch("verbose").run();
        run.assert_code(4);
        assert_nothing_shown(&run);
    });
}

#[test]
fn not_shown_when_a_bad_url_holds_it() {
    for url in [
        format!("http://user:{SECRET}@127.0.0.1:9/"),
        format!("ftp://user:{SECRET}@127.0.0.1:9/"),
        format!("user:{SECRET}@127.0.0.1:9/"),
        format!("http://{SECRET}@[::1/"),
        format!("http://user:{SECRET}@host:99999/?token={SECRET}"),
        format!("ftp://127.0.0.1:9/?token={SECRET}"),
        format!("http://127.0.0.1:9/?token={SECRET} x"),
        format!("http://example.com/?token={SECRET}"),
    ] {
        for sender in [
            Cmd::to("").flag("url", &url),
            Cmd::to("").without("url").env("REMOTE_WRITE_URL", &url),
            Cmd::to("").without("url").file(".env", format!("REMOTE_WRITE_URL={url}\n")),
        ] {
            let run = sender.run();
            run.assert_code(2);
            assert_nothing_shown(&run);
        }
    }
}

#[test]
fn not_shown_when_a_proxy_is_in_the_way() {
    let cases = ["http", "https"]
        .into_iter()
        .flat_map(|scheme| [(scheme, Some(407), 3), (scheme, Some(502), 4), (scheme, None, 4)]);
    side_by_side(cases, |(scheme, status, code)| {
        let step = status.map_or(Step::Close(Read::Nothing), Step::status);
        let proxy = Script::new([]).unchecked().otherwise(step).start();
        let url = format!("http://user:{SECRET}@{}/", proxy.address());
        // An address that nobody has.
        let sender = Cmd::to(&format!("{scheme}://192.0.2.1/api/v1/write")).ticks(3, 20);
        let sender = sender.env("HTTP_PROXY", &url).env("HTTPS_PROXY", &url).switch("verbose");
        let run = sender.flag("flush-timeout", "50ms").run();
        run.assert_code(code);
        assert_nothing_shown(&run);
        assert!(proxy.attempt_count() > 0, "the proxy was asked");
        for request in proxy.requests() {
            let credentials = request.header("Proxy-Authorization").unwrap();
            assert!(credentials.eq_ignore_ascii_case(&format!("basic {BASIC}")), "{credentials}");
        }
    });
}

#[test]
fn not_shown_when_it_cannot_be_used() {
    let bad = format!("{SECRET} two words\u{1}");
    for sender in [
        Cmd::to("http://127.0.0.1:9/").env("REMOTE_WRITE_TOKEN", &bad),
        Cmd::to("http://127.0.0.1:9/").file("t", &bad).env("REMOTE_WRITE_TOKEN_FILE", "t"),
        Cmd::to("http://127.0.0.1:9/").file(".env", format!("REMOTE_WRITE_TOKEN='{SECRET}\n")),
        Cmd::to("http://127.0.0.1:9/").file("v", format!("{SECRET}\n")).flag("env-file", "v"),
        Cmd::to("http://127.0.0.1:9/")
            .file("v", format!("BAD NAME={SECRET}\n"))
            .flag("env-file", "v"),
        Cmd::to("").without("url").file(".env", format!("ENV=u.s\rCDO_TOKEN={SECRET}\r")),
        Cmd::to("").without("url").file(".env", format!("ENV=u.s CDO_TOKEN={SECRET}\n")),
        Cmd::to("http://127.0.0.1:9/").env("REMOTE_WRITE_PASSWORD", SECRET),
        Cmd::to("http://127.0.0.1:9/")
            .env("REMOTE_WRITE_TOKEN", SECRET)
            .env("REMOTE_WRITE_USERNAME", "user")
            .env("REMOTE_WRITE_PASSWORD", SECRET),
        Cmd::to("http://192.0.2.1/").env("REMOTE_WRITE_TOKEN", SECRET),
        Cmd::to("http://127.0.0.1:9/").flag("header", format!("Authorization: {SECRET}")),
        Cmd::to("http://127.0.0.1:9/").flag("header", format!("Bearer {SECRET}")),
        Cmd::to("http://127.0.0.1:9/").flag("header", format!("X-Api-Key: {SECRET}\u{7f}")),
        Cmd::to("http://192.0.2.1/")
            .env("HTTP_PROXY", format!("http://user:{SECRET}@:not-a-port/")),
    ] {
        let run = sender.run();
        run.assert_code(2);
        assert_nothing_shown(&run);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
}

#[test]
fn not_shown_in_the_process_list_or_the_printed_commands() {
    side_by_side(WAYS, |way| {
        let script = Script::new([Step::status(204), Step::status(400), Step::Stall]);
        let script = script.allow(|allowed| allowed.steps_left = true);
        let receiver = script.header("Authorization").header("X-Api-Key").start();
        let running = way(Cmd::to(&receiver.url())).flag("timeout", "60s").start();
        receiver.wait_for_requests(3);
        let cmdline = fs::read(format!("/proc/{}/cmdline", running.pid())).unwrap();
        let cmdline = String::from_utf8_lossy(&cmdline);
        assert!(cmdline.contains("--metric-name") && !cmdline.contains("s3cr3t"), "{cmdline}");
        running.signal("INT");
        let run = running.wait();
        run.assert_code(130);
        assert_nothing_shown(&run);
        assert!(!run.summary().commands.is_empty());
    });
}

#[test]
fn not_sent_to_where_a_redirect_points() {
    let other = ScriptedReceiver::start([]);
    for status in [301, 302, 303, 307, 308] {
        let step = Answer::status(status).header("Location", &other.url());
        let receiver = Script::new([step.into()]).header("Authorization").start();
        let run = Cmd::to(&receiver.url()).env("REMOTE_WRITE_TOKEN", SECRET).run();
        run.assert_code(3);
    }
    assert_eq!(other.attempt_count(), 0);
}

#[test]
fn values_of_a_query_are_not_shown_and_the_log_says_what_to_fill_in() {
    let names = ["api_key", "p", "sig", "pass", "X-Amz-Signature", "jwt", "%74oken", "a=b;token"];
    side_by_side(names.into_iter().flat_map(|name| LOGS.map(|log| (name, log))), |(name, log)| {
        let path = format!("/write?db=x&{name}={SECRET}");
        let receiver = Script::new([Step::status(204), Step::status(400)]).path(&path).start();
        let run = log(Cmd::to(&receiver.url()).ticks(3, 20)).run();
        run.assert_code(1).assert_says("REDACTED'");
        assert_nothing_shown(&run);
        run.assert_says("Hint: replace REDACTED by your secret");
        assert!(receiver.requests()[0].line.contains(SECRET), "the receiver gets it");
    });
}

#[test]
fn a_secret_url_of_a_variable_is_taken_from_there_by_the_printed_command() {
    let places: [fn(Cmd, &str) -> Cmd; 3] = [
        |sender, url| sender.env("REMOTE_WRITE_URL", url),
        |sender, url| sender.file(".env", format!("REMOTE_WRITE_URL={url}\n")),
        |sender, url| {
            sender.file("vars", format!("REMOTE_WRITE_URL={url}\n")).flag("env-file", "vars")
        },
    ];
    side_by_side(places, |put| {
        let path = format!("/write?sig={SECRET}");
        let script = Script::new([Step::status(204), Step::status(400)]).path(&path);
        let receiver = script.start();
        let run = put(Cmd::to("").without("url").ticks(3, 20), &receiver.url()).run();
        run.assert_code(1).assert_says("Hint: the address comes from REMOTE_WRITE_URL");
        assert_nothing_shown(&run);
        receiver.next_run();
        run.run_printed(&run.summary().commands[0]).assert_code(0);
        assert_eq!(receiver.stored(), run.planned());
    });
}

#[test]
fn headers_that_are_secret_by_name_are_not_in_the_printed_commands() {
    // Typed on the command line they are in the process list, which is what `@FILE` is for.
    side_by_side(["X-Api-Key", "X-Pass", "X-Session", "X-Signature", "X-Auth"], |name| {
        let script = Script::new([Step::status(204), Step::status(400)]);
        let receiver = script.header(name).start();
        let sender = Cmd::to(&receiver.url()).flag("header", format!("{name}: {SECRET}"));
        let run = sender.switch("verbose").run();
        run.assert_code(1);
        assert_nothing_shown(&run);
        assert!(run.summary().commands[0].contains(&format!("'{name}: REDACTED'")));
        run.assert_says("replace REDACTED by your secret");
    });
}
