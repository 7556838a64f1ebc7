//! The duties of a sender that only Remote-Write 1.0 has, or that are the same for both and need
//! one test: docs/protocol.md 1. The others: spec.rs.

use crate::spec::Version::V1;
use crate::support::cmd::Cmd;
use crate::support::ledger::STALE_NAN_BITS;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::step::{Answer, Step};

#[test]
fn must_1_2_zero_is_sent_as_protobuf_has_it() {
    let flat = |sender: Cmd| {
        let sender = sender.flag("seasonality", "none").flag("noise-std", "0");
        sender.flag("flat-base", "0").flag("trend-coefficient", "0")
    };
    let (_, requests) = V1.run_with([], flat);
    assert!(requests.iter().all(|request| request.content.points[0].bits == 0));
}

#[test]
fn must_1_8_send_the_version_header() {
    // With the first request, with those tried again, and whatever an answer's version is.
    let other = Answer::status(204).header("X-Prometheus-Remote-Write-Version", "2.0.0");
    let (_, requests) = V1.run([other.into(), Step::status(503)]);
    for request in requests {
        assert_eq!(request.header("X-Prometheus-Remote-Write-Version"), Some("0.1.0"));
        assert!(!request.content.points.is_empty(), "no empty probe");
    }
}

#[test]
fn must_1_11_only_send_valid_names() {
    let odd = |sender: Cmd| {
        let sender = sender.flag("metric-name", "9 cpu.usage:5m-é");
        sender.flag("labels", "123=x,a.b=y,é=✓ any UTF-8 \u{1f600}")
    };
    let (run, requests) = V1.run_with([], odd);
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
        V1.check_refused("labels", labels);
    }
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
    let (run, requests) = V1.run([Step::status(204), Step::status(400)]);
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().rejected), (10, 3));
}
