//! Each way in which a receiver can misbehave, and the run that gets over it: every datapoint
//! arrives, once, in order, to the bit. The receiver checks the rest (support/ledger.rs).

use std::time::Duration;

use crate::support::cmd::Cmd;
use crate::support::process::Run;
use crate::support::scripted_receiver::ScriptedReceiver;
use crate::support::side_by_side::side_by_side;
use crate::support::step::{Answer, Read, Step, Then};

const MS: Duration = Duration::from_millis(1);

fn ok() -> Step {
    Step::status(204)
}

/// Ten datapoints get to a receiver that does this first.
#[track_caller]
fn deliver(steps: Vec<Step>, timeout: &str) -> Run {
    let receiver = ScriptedReceiver::start(steps);
    let run = Cmd::to(&receiver.url()).flag("timeout", timeout).run();
    run.assert_all_delivered(&receiver);
    receiver.finish();
    run
}

/// Each of these costs so many more attempts.
#[track_caller]
fn check<S: Into<Step>>(retries: u64, steps: impl IntoIterator<Item = S>) {
    let steps = steps.into_iter().map(Into::into);
    side_by_side(steps, |step: Step| check_all(retries, "60s", vec![ok(), step]));
}

#[track_caller]
fn check_all(retries: u64, timeout: &str, steps: Vec<Step>) {
    let shown = format!("{steps:?}");
    let run = deliver(steps, timeout);
    assert_eq!(run.summary().retries, retries, "after {shown:.300}\n{}", run.stderr);
}

#[test]
fn a_port_that_is_closed_for_a_while_loses_nothing() {
    side_by_side([vec![Step::Refuse], vec![ok(), ok(), Step::Refuse]], |steps| {
        let receiver = ScriptedReceiver::start(steps);
        let running = Cmd::to(&receiver.url()).start();
        running.wait_for_event("retry", 1);
        receiver.open();
        running.wait().assert_all_delivered(&receiver);
        receiver.finish();
    });
}

#[test]
fn a_connection_that_ends_before_an_answer_is_retried() {
    check_all(1, "60s", vec![Step::Close(Read::Nothing)]);
    check_all(1, "60s", vec![Step::Close(Read::HalfHead)]);
    check(1, [Step::reset_halfway(), Step::Reset, Step::Close(Read::All)]);
    let several = [Step::Close(Read::Nothing), Step::reset_halfway(), Step::Close(Read::All)];
    let several = several.into_iter().chain([Step::status(500)]);
    check_all(4, "60s", several.flat_map(|step| [ok(), step]).collect());
}

#[test]
fn a_connection_that_ends_between_datapoints_costs_nothing() {
    // It has ended by the time that the next one is due.
    let one: Step = Answer::status(204).then(Then::Close).into();
    let receiver = ScriptedReceiver::start(vec![one; 3]);
    let run = Cmd::to(&receiver.url()).ticks(3, 1000).starting_now().run();
    run.assert_all_delivered(&receiver);
    assert_eq!(run.summary().retries, 0, "{}", run.stderr);
    receiver.finish();
}

#[test]
fn an_answer_that_takes_too_long_is_retried_after_the_timeout() {
    let filled = Answer::status(204).header("X-Filler", "0123456789");
    let error = Answer::status(503).body("x".repeat(500));
    let steps = [
        Step::Stall,
        Answer::status(204).meaning(0).paced(1, 600 * MS).into(),
        filled.cut(40, Then::Stall, false).into(),
        error.cut(300, Then::Stall, true).into(),
    ];
    side_by_side(steps, |step| check_all(1, "4s", vec![ok(), step]));
}

#[test]
fn an_answer_that_breaks_off_is_retried() {
    let filled = || Answer::status(204).header("X-Filler", "0123456789");
    check(1, [1, 11, 26, 40, 49].map(|cut| filled().cut(cut, Then::Close, false)));
    check(1, [Answer::status(503).body("x".repeat(500)).cut(300, Then::Close, true)]);
}

#[test]
fn an_answer_that_comes_is_an_answer_whatever_its_body_does() {
    let long = || Answer::status(200).body("x".repeat(500));
    let interim = |status| {
        let both = format!("HTTP/1.1 {status}\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
        Answer::raw(both).meaning(204).then(Then::KeepAlive)
    };
    let answers = [
        Answer::status(204).paced(1, 3 * MS),
        long().cut(300, Then::Close, true),
        long().cut(300, Then::Stall, true),
        Answer::status(200).body(vec![b'x'; 10_000_000]),
        Answer::status(200).body("all right, thank you").chunked(),
        interim("100 Continue"),
        interim("103 Early Hints"),
        Answer::http10(204),
        Answer::http10(200).body("ok"),
    ];
    check(0, answers);
}

#[test]
fn what_does_not_end_is_not_read_to_its_end() {
    let endless = Answer::status(204).endless(&format!("X-Filler: {}\r\n", "x".repeat(50)));
    let header = Answer::raw("HTTP/1.1 204 No Content\r\nX-Filler: ").endless("xxxxxxxxxxxxxxxx");
    let body = Answer::raw("HTTP/1.1 500 Error\r\n\r\n").endless(&"x".repeat(10_000));
    check(1, [endless.meaning(0), header, body.meaning(500)]);
}

#[test]
fn an_error_is_shown_to_its_first_kilobyte_and_not_waited_for_after_it() {
    let stalled = Answer::status(503).body("x".repeat(2000)).cut(1200, Then::Stall, true);
    side_by_side([Answer::status(503).body(vec![b'x'; 10_000_000]), stalled], |error| {
        let run = deliver(vec![error.into()], "60s");
        assert!(run.took() < 50_000 * MS, "{:?}", run.took());
        let log = run.log();
        let shown = log.only("retry").get("message").text();
        assert_eq!(shown.matches('x').count(), 1024, "{shown}");
    });
}

#[test]
fn an_answer_that_is_not_http_is_retried() {
    let lines = ["SSH-2.0-OpenSSH_9.2", "HTTP/1.1 20 OK", "HTTP/1.1 abc", "\0\u{1}\u{2}", "204"];
    check(1, lines.map(|line| Answer::raw(format!("{line}\r\n\r\n"))));
}

#[test]
fn an_error_in_any_form_of_http_is_retried() {
    let head = "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n";
    let malformed = ["nonsense\r\n", "ffffffffffffffffff\r\n", "-5\r\nabc\r\n", ""];
    check(1, malformed.map(|body| Answer::raw(format!("{head}{body}")).meaning(503)));
    check(1, [Answer::http10(503).body("busy")]);
    let run = deliver(vec![Answer::status(503).body("in a while").chunked().into()], "60s");
    run.assert_says(": in a while;");
}

#[test]
fn the_requests_of_a_fan_out_are_finished_tick_by_tick() {
    let faults = || [ok(), Step::status(503), ok(), Step::Reset];
    side_by_side(
        [
            ("1..3", 3, "2000", vec![3, 3, 3, 3, 3]),
            ("1..2001", 3, "2000", vec![2000, 1, 1, 2000, 2000, 1, 2000, 1]),
            ("1..7", 2, "3", vec![3, 3, 3, 1, 1, 3, 3, 1]),
        ],
        |(series, ticks, batch_size, expected)| {
            let receiver = ScriptedReceiver::start(faults());
            let sender = Cmd::to(&receiver.url()).flag("labels", format!("k={{{series}}}"));
            let run = sender.ticks(ticks, 20).flag("batch-size", batch_size).run();
            run.assert_all_delivered(&receiver);
            let requests = receiver.requests();
            let sizes = requests.iter().map(|request| request.content.points.len());
            assert_eq!(sizes.collect::<Vec<_>>(), expected);
            receiver.finish();
        },
    );
}
