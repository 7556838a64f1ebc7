//! The duties of a sender, Remote-Write 1.0: each MUST and SHOULD of docs/protocol.md 1
//! has a test that is named after it. README.md here has the table, and what has no test.
//!
//! Source: prometheus/docs docs/specs/prw/remote_write_spec.md.

use crate::support::cmd::Cmd;
use crate::support::ledger::{Request, STALE_NAN_BITS};
use crate::support::process::Run;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::step::{Answer, Step};
use crate::support::wire;

/// Runs ten datapoints into a receiver that does this first.
#[track_caller]
fn run(steps: impl IntoIterator<Item = Step>) -> (Run, Vec<Request>) {
    run_with(steps, |sender| sender)
}

#[track_caller]
fn run_with(
    steps: impl IntoIterator<Item = Step>,
    change: impl FnOnce(Cmd) -> Cmd,
) -> (Run, Vec<Request>) {
    let receiver = ScriptedReceiver::start(steps);
    let run = change(Cmd::to(&receiver.url())).run();
    let requests = receiver.requests();
    receiver.finish();
    (run, requests)
}

/// Fails unless these flags are refused before anything is sent.
#[track_caller]
fn check_refused(change: impl FnOnce(Cmd) -> Cmd) {
    let (run, requests) = run_with([], change);
    run.assert_code(2);
    assert_eq!(requests.len(), 0);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
}

#[test]
fn must_1_1_post_a_write_request_to_any_url() {
    for path in ["/", "/api/v1/write", "/a/b%20c/", "/x?tenant=a&b=%2F", "/?a=b"] {
        let receiver = Script::new([]).path(path).start();
        Cmd::to(&receiver.url()).ticks(2, 20).run().assert_all_delivered(&receiver);
        for request in receiver.requests() {
            assert_eq!(request.line, format!("POST {path} HTTP/1.1"));
            let message = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
            assert_eq!(wire::write_request(&message), Ok(request.content));
        }
    }
}

#[test]
fn must_1_2_milliseconds_and_float64() {
    // An interval that is no whole second, values to their last bit.
    let (run, requests) =
        run_with([], |sender| sender.flag("start-epoch", "1700000000.007").ticks(10, 33));
    for (request, planned) in requests.iter().zip(run.planned()) {
        assert_eq!(request.content.points, std::slice::from_ref(&planned));
        assert_eq!((planned.timestamp_ms - 1_700_000_000_007) % 33, 0);
    }
    assert_eq!(requests.len(), 10);
}

#[test]
fn must_1_2_zero_is_sent_as_protobuf_has_it() {
    let flat = |sender: Cmd| {
        let sender = sender.flag("seasonality", "none").flag("noise-std", "0");
        sender.flag("flat-base", "0").flag("trend-coefficient", "0")
    };
    let (_, requests) = run_with([], flat);
    assert!(requests.iter().all(|request| request.content.points[0].bits == 0));
}

#[test]
fn must_1_3_send_exactly_the_four_headers() {
    let (_, requests) = run([Step::status(503)]);
    assert_eq!(requests.len(), 11);
    for request in requests {
        let version = concat!("push-live-metrics/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("Content-Encoding"), Some("snappy"));
        assert_eq!(request.header("Content-Type"), Some("application/x-protobuf"));
        assert_eq!(request.header("User-Agent"), Some(version));
        assert_eq!(request.header("X-Prometheus-Remote-Write-Version"), Some("0.1.0"));
    }
}

#[test]
fn may_1_4_custom_headers() {
    let receiver = Script::new([Step::status(503)]).header("X-Scope-OrgID").start();
    let run = Cmd::to(&receiver.url()).flag("header", "X-Scope-OrgID: tenant-1").run();
    run.assert_all_delivered(&receiver);
    for request in receiver.requests() {
        assert_eq!(request.header("X-Scope-OrgID"), Some("tenant-1"));
    }
}

#[test]
fn must_not_1_4_let_reserved_headers_be_set() {
    for name in [
        "Host",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "User-Agent",
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "WWW-Authenticate",
        "Accept-Encoding",
        "X-Prometheus-Remote-Write-Version",
        "X-Prometheus-Remote-Read-Version",
        "X-Amz-Date",
        "X-Amz-Security-Token",
        "X-Amz-Content-Sha256",
        "Authorization",
        "Transfer-Encoding",
        "Retry-Attempt",
    ] {
        for name in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
            check_refused(|sender| sender.flag("header", format!("{name}: x")));
        }
    }
}

#[test]
fn must_1_5_snappy_block_not_framed() {
    let (_, requests) = run([]);
    for request in requests {
        assert!(snap::raw::Decoder::new().decompress_vec(&request.body).is_ok());
        let mut framed = snap::read::FrameDecoder::new(&request.body[..]);
        assert!(std::io::copy(&mut framed, &mut std::io::sink()).is_err());
    }
}

#[test]
fn must_1_6_the_schema_given() {
    // The decoder here takes fields 1 and 3 of a write request and nothing else; 3 is metadata,
    // outside the specification, which every receiver takes or ignores (README.md).
    let (_, requests) = run_with([], |sender| sender.flag("labels", "k={1..3}"));
    for request in requests {
        assert_eq!(request.content.points.len(), 3);
        let [metadata] = &request.content.metadata[..] else { panic!("{request:?}") };
        let (kind, name) = (metadata.kind, metadata.metric_family_name.as_str());
        assert_eq!((kind, name, metadata.help.as_str()), (2, "cpu", "Live metric data"));
    }
}

#[test]
fn must_1_7_ignore_the_body_of_a_success() {
    let bodies = ["error: out of order sample", "HTTP/1.1 500 Error\r\n\r\n", "\0\u{1b}[31m", "{}"];
    let (run, requests) = run(bodies.map(|body| Answer::status(200).body(body).into()));
    run.assert_code(0);
    assert_eq!(requests.len(), 10);
    assert!(!run.stderr.contains("out of order") && !run.stderr.contains("HTTP"));
}

#[test]
fn must_1_8_send_the_version_header() {
    // With the first request, with those tried again, and whatever an answer's version is.
    let other = Answer::status(204).header("X-Prometheus-Remote-Write-Version", "2.0.0");
    let (_, requests) = run([other.into(), Step::status(503)]);
    for request in requests {
        assert_eq!(request.header("X-Prometheus-Remote-Write-Version"), Some("0.1.0"));
        assert!(!request.content.points.is_empty(), "no empty probe");
    }
}

#[test]
fn must_1_9_the_complete_label_set_with_each_sample() {
    let labels = "cpu=lina_cp_avg,tenant_uuid=abc123,uuid=device-{1..2}";
    let (_, requests) = run_with([Step::status(503)], |sender| sender.flag("labels", labels));
    for point in requests.iter().flat_map(|request| &request.content.points) {
        let names: Vec<&str> = point.labels.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["__name__", "cpu", "tenant_uuid", "uuid"]);
    }
}

#[test]
fn should_1_10_contain_the_name() {
    let (_, requests) = run([]);
    for request in requests {
        assert_eq!(request.content.points[0].labels[0], ("__name__".into(), "cpu".into()));
    }
}

#[test]
fn must_not_1_10_repeat_label_names() {
    check_refused(|sender| sender.flag("labels", "a=1,a=2"));
    // Two that become one.
    check_refused(|sender| sender.flag("labels", "a.b=1,a-b=2"));
    check_refused(|sender| sender.flag("labels", "__name__=other"));
}

#[test]
fn must_1_10_sort_label_names() {
    // By byte, so that upper case is first and `_` is between.
    let labels = "b=1,a=2,_c=3,Z=4,aa=5,a_=6,A=7,a0=8";
    let (_, requests) = run_with([], |sender| sender.flag("labels", labels));
    let labels = &requests[0].content.points[0].labels;
    let names: Vec<&str> = labels.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["A", "Z", "__name__", "_c", "a", "a0", "a_", "aa", "b"]);
}

#[test]
fn must_not_1_10_send_empty_names_or_values() {
    check_refused(|sender| sender.flag("labels", "=x"));
    let (run, requests) = run_with([], |sender| sender.flag("labels", r#"a=,b="",c=1"#));
    run.assert_code(0);
    let labels = &requests[0].content.points[0].labels;
    assert_eq!(labels[..], [("__name__".into(), "cpu".into()), ("c".into(), "1".into())]);
}

#[test]
fn must_1_11_only_send_valid_names() {
    let odd = |sender: Cmd| {
        let sender = sender.flag("metric-name", "9 cpu.usage:5m-é");
        sender.flag("labels", "123=x,a.b=y,é=✓ any UTF-8 \u{1f600}")
    };
    let (run, requests) = run_with([], odd);
    run.assert_code(0);
    let expected = [
        ("_", "✓ any UTF-8 \u{1f600}"),
        ("_123", "x"),
        ("__name__", "_9_cpu_usage:5m__"),
        ("a_b", "y"),
    ];
    let labels = &requests[0].content.points[0].labels;
    let labels: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(labels, expected);
}

#[test]
fn should_not_1_12_use_reserved_label_names() {
    for labels in ["__a=1", "__address__=x", "-_a=1", "--a=1"] {
        check_refused(|sender| sender.flag("labels", labels));
    }
}

#[test]
fn must_not_1_13_interpret_the_message_of_an_error() {
    // What a body says does not change what the status means.
    let says_final = Answer::status(503).body("400 Bad Request: out of order sample, do not retry");
    let says_retry = Answer::status(400).body("503 Service Unavailable, Retry-After: 1");
    let (run, requests) = run([says_final.into(), Step::status(204), says_retry.into()]);
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().rejected), (11, 1));
}

#[test]
fn should_1_13_log_the_message_of_an_error_as_it_is() {
    let body = "out of order sample: {\"series\": \"a\\b\"} ✓ 100%";
    let (run, _) = run([Step::status(204), Answer::status(400).body(body).into()]);
    let log = run.log();
    let message = log.events("rejected")[0].get("message").text();
    assert!(message.ends_with(&format!("HTTP 400 Bad Request: {body}")), "{message}");
}

#[test]
fn must_1_14_send_the_samples_of_a_series_in_order() {
    // The receiver fails a test by itself where one is older than the last one of its series.
    let steps = [Step::status(503), Step::Reset, Step::status(204), Step::status(500)];
    let (run, requests) = run_with(steps, |sender| sender.flag("labels", "k={1..3}"));
    run.assert_code(0);
    let times: Vec<i64> = requests.iter().map(Request::timestamp_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn must_1_15_retry_5xx_with_a_backoff() {
    let (run, requests) = run([500, 503].map(Step::status));
    run.assert_code(0);
    // At least: what more it is, is the machine's. To the millisecond: hours.rs.
    let apart = |k: usize| requests[k + 1].at_ms - requests[k].at_ms;
    assert!(apart(0) >= 450 && apart(1) >= 900, "{} ms, {} ms", apart(0), apart(1));
    assert!(requests[..3].iter().all(|request| request.body == requests[0].body));
}

#[test]
fn must_not_1_16_retry_2xx_or_4xx() {
    let statuses = [200, 202, 204, 400, 404, 409, 413, 422, 499];
    let (run, requests) = run(statuses.map(Step::status));
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().retries), (10, 0));
    let answers: Vec<u16> = requests.iter().map(|request| request.status).take(9).collect();
    assert_eq!(answers, statuses);
}

#[test]
fn may_1_16_retry_429() {
    let (run, requests) = run([Step::status(429)]);
    run.assert_code(0);
    assert_eq!(requests.len(), 11);
}

#[test]
fn must_1_17_send_a_stale_marker_when_asked() {
    let markers = |script: Script| script.allow(|allowed| allowed.stale_marker = true).start();
    let receiver = markers(Script::new([]));
    let sender = Cmd::to(&receiver.url()).flag("labels", "k={1..3}").ticks(3, 20);
    sender.switch("stale-marker").run().assert_code(0);
    let requests = receiver.requests();
    let (marker, last) = (&requests[3], &requests[2]);
    assert_eq!(marker.content.points.len(), 3);
    assert!(marker.content.points.iter().all(|point| point.bits == STALE_NAN_BITS));
    assert!(marker.timestamp_ms() > last.timestamp_ms() && requests.len() == 4);
    receiver.finish();
}

#[test]
fn must_1_17_say_when_a_stale_marker_was_not_taken() {
    let steps = [Step::status(204), Step::status(204), Step::status(400)];
    let receiver = Script::new(steps).allow(|allowed| allowed.stale_marker = true).start();
    let sender = Cmd::to(&receiver.url()).ticks(2, 20).switch("quiet");
    let run = sender.switch("stale-marker").run();
    run.assert_code(0);
    assert!(run.stderr.contains("The stale marker was not accepted"), "{}", run.stderr);
    receiver.finish();
}

#[test]
fn must_1_17_not_send_a_stale_marker_before_what_is_pending() {
    let receiver = Script::new([Step::status(204)]).giving_up().otherwise(Step::status(503));
    let receiver = receiver.start();
    let sender = Cmd::to(&receiver.url()).ticks(3, 20).flag("flush-timeout", "100ms");
    let run = sender.switch("stale-marker").run();
    run.assert_code(1);
    assert!(receiver.requests().iter().all(|r| r.content.points[0].bits != STALE_NAN_BITS));
}

#[test]
fn must_not_1_17_use_its_value_otherwise() {
    // Without the flag the receiver takes none. This is the deviation that README.md names.
    let (run, requests) = run([]);
    run.assert_code(0);
    assert_eq!(requests.len(), 10);
}

#[test]
fn should_1_18_keep_samples_during_an_outage() {
    let receiver = ScriptedReceiver::start([Step::status(204), Step::Refuse]);
    let running = Cmd::to(&receiver.url()).start();
    running.wait_for_event("retry", 1);
    receiver.open();
    running.wait().assert_all_delivered(&receiver);
}

#[test]
fn should_1_18_support_basic_auth() {
    let receiver = Script::new([]).header("Authorization").start();
    let sender = Cmd::to(&receiver.url()).env("REMOTE_WRITE_USERNAME", "user");
    sender.env("REMOTE_WRITE_PASSWORD", "päss:word").run().assert_all_delivered(&receiver);
    for request in receiver.requests() {
        assert_eq!(request.header("Authorization"), Some("Basic dXNlcjpww6Rzczp3b3Jk"));
    }
}

#[test]
fn must_1_20_a_400_does_not_have_its_request_sent_again() {
    // A part of it may have been written.
    let steps = [Step::status(204), Step::status(400)];
    let (run, requests) = run_with(steps, |sender| sender.flag("labels", "k={1..3}"));
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().rejected), (10, 3));
}

#[test]
fn every_test_is_in_the_table() {
    let (table, tests) = (include_str!("README.md"), include_str!("spec_v1.rs"));
    let names = tests.lines().filter_map(|line| line.strip_prefix("fn ")?.split_once("()"));
    for (name, _) in names.filter(|(name, _)| name.contains("_1_")) {
        assert!(table.contains(&format!("`{name}`")), "{name}");
    }
}
