//! Each way in which a receiver can misbehave, and the run that gets over it: every datapoint
//! arrives, once, in order, to the bit. The receiver checks the rest (support/ledger.rs).

use std::time::Duration;

use crate::support::cmd::Cmd;
use crate::support::scripted_receiver::ScriptedReceiver;
use crate::support::side_by_side::side_by_side;
use crate::support::step::{Answer, Read, Step, Then};

const MS: Duration = Duration::from_millis(1);

/// Ten datapoints get to a receiver that does this first, after so many more attempts.
#[track_caller]
fn check(steps: impl IntoIterator<Item = Step>, retries: u64) {
    let receiver = ScriptedReceiver::start(steps);
    let run = Cmd::to(&receiver.url()).flag("timeout", "30s").run();
    run.assert_all_delivered(&receiver);
    assert_eq!(run.summary().retries, retries, "{}", run.stderr);
    receiver.finish();
}

/// The same, with little patience for an answer.
#[track_caller]
fn check_impatient(steps: impl IntoIterator<Item = Step>) {
    let receiver = ScriptedReceiver::start(steps);
    let run = Cmd::to(&receiver.url()).flag("timeout", "2s").run();
    run.assert_all_delivered(&receiver);
    assert_eq!(run.summary().retries, 1, "{}", run.stderr);
    receiver.finish();
}

/// Ten datapoints get to a receiver that does this first, and then closes for a while.
#[track_caller]
fn check_closed(steps: impl IntoIterator<Item = Step>) {
    let receiver = ScriptedReceiver::start(steps.into_iter().chain([Step::Refuse]));
    let running = Cmd::to(&receiver.url()).start();
    running.wait_for_event("retry", 1);
    receiver.open();
    let run = running.wait();
    run.assert_all_delivered(&receiver);
    assert!(run.summary().retries >= 1, "{}", run.stderr);
    receiver.finish();
}

#[test]
fn a_closed_port_is_tried_until_it_opens() {
    check_closed([]);
}

#[test]
fn a_port_that_closes_for_a_while_loses_nothing() {
    check_closed([Step::status(204), Step::status(204)]);
}

#[test]
fn a_connection_that_is_closed_at_once_is_retried() {
    check([Step::Close(Read::Nothing)], 1);
}

#[test]
fn a_connection_that_is_closed_in_the_head_is_retried() {
    check([Step::Close(Read::HalfHead)], 1);
}

#[test]
fn a_reset_after_half_the_body_is_retried() {
    check([Step::status(204), Step::reset_halfway()], 1);
}

#[test]
fn a_reset_after_the_body_is_retried() {
    check([Step::status(204), Step::Reset], 1);
}

#[test]
fn a_connection_that_is_closed_without_an_answer_is_retried() {
    check([Step::status(204), Step::Close(Read::All)], 1);
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
fn a_missing_answer_is_retried_after_the_timeout() {
    check_impatient([Step::status(204), Step::Stall]);
}

#[test]
fn an_answer_that_dribbles_in_time_is_an_answer() {
    check([Answer::status(204).paced(1, 3 * MS).into()], 0);
}

#[test]
fn an_answer_that_dribbles_for_too_long_is_retried() {
    check_impatient([Answer::status(204).meaning(0).paced(1, 300 * MS).into()]);
}

#[test]
fn an_answer_that_breaks_off_in_its_head_is_retried() {
    side_by_side([1, 11, 26, 40, 49], |cut| {
        let answer = Answer::status(204).header("X-Filler", "0123456789");
        check([answer.cut(cut, Then::Close, false).into()], 1);
    });
}

#[test]
fn an_answer_that_stops_in_its_head_is_retried() {
    let answer = Answer::status(204).header("X-Filler", "0123456789");
    check_impatient([answer.cut(40, Then::Stall, false).into()]);
}

#[test]
fn an_error_that_breaks_off_in_its_body_is_retried() {
    let error = Answer::status(503).body("x".repeat(500));
    check([error.cut(300, Then::Close, true).into()], 1);
}

#[test]
fn an_error_that_stops_in_its_body_is_retried() {
    let error = Answer::status(503).body("x".repeat(500));
    check_impatient([error.cut(300, Then::Stall, true).into()]);
}

#[test]
fn a_success_whose_body_breaks_off_is_a_success() {
    let success = Answer::status(200).body("x".repeat(500));
    check([success.cut(300, Then::Close, true).into()], 0);
}

#[test]
fn a_success_whose_body_never_ends_is_a_success() {
    let success = Answer::status(200).body("x".repeat(500));
    check([success.cut(300, Then::Stall, true).into()], 0);
}

#[test]
fn a_success_with_ten_megabytes_is_a_success() {
    check([Answer::status(200).body(vec![b'x'; 10_000_000]).into()], 0);
}

#[test]
fn an_interim_answer_is_not_the_answer() {
    for interim in ["100 Continue", "103 Early Hints"] {
        let both = format!("HTTP/1.1 {interim}\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
        check([Answer::raw(both).meaning(204).then(Then::KeepAlive).into()], 0);
    }
}

#[test]
fn a_head_that_does_not_end_is_not_read_to_its_end() {
    let endless = Answer::status(204).endless(&format!("X-Filler: {}\r\n", "x".repeat(50)));
    check([endless.meaning(0).into()], 1);
}

#[test]
fn a_header_that_does_not_end_is_not_read_to_its_end() {
    let endless = Answer::raw("HTTP/1.1 204 No Content\r\nX-Filler: ").endless("xxxxxxxxxxxxxxxx");
    check([endless.into()], 1);
}

#[test]
fn an_error_of_ten_megabytes_is_shown_to_its_first_kilobyte() {
    let receiver =
        ScriptedReceiver::start([Answer::status(503).body(vec![b'x'; 10_000_000]).into()]);
    let run = Cmd::to(&receiver.url()).run();
    run.assert_all_delivered(&receiver);
    let log = run.log();
    let shown = log.only("retry").get("message").text();
    assert_eq!(shown.matches('x').count(), 1024, "{shown}");
}

#[test]
fn an_error_that_stops_behind_its_first_kilobyte_is_not_waited_for() {
    let error = Answer::status(503).body("x".repeat(2000));
    let receiver = ScriptedReceiver::start([error.cut(1200, Then::Stall, true).into()]);
    let run = Cmd::to(&receiver.url()).flag("timeout", "35s").run();
    run.assert_all_delivered(&receiver);
    assert!(run.took() < 30_000 * MS, "{:?}", run.took());
}

#[test]
fn an_error_that_never_ends_is_not_read_to_its_end() {
    let endless = Answer::raw("HTTP/1.1 500 Error\r\n\r\n").endless(&"x".repeat(10_000));
    check([endless.meaning(500).into()], 1);
}

#[test]
fn an_answer_that_is_not_http_is_retried() {
    let lines = ["SSH-2.0-OpenSSH_9.2", "HTTP/1.1 20 OK", "HTTP/1.1 abc", "\0\u{1}\u{2}", "204"];
    side_by_side(lines, |line| check([Answer::raw(format!("{line}\r\n\r\n")).into()], 1));
}

#[test]
fn answers_of_http_1_0_are_understood() {
    check([Answer::http10(503).body("busy").into()], 1);
    check([Answer::http10(204).into(), Answer::http10(200).body("ok").into()], 0);
}

#[test]
fn chunked_bodies_are_read() {
    check([Answer::status(200).body("all right, thank you").chunked().into()], 0);
    let receiver = ScriptedReceiver::start([Answer::status(503)
        .body("come back in a while")
        .chunked()
        .into()]);
    let run = Cmd::to(&receiver.url()).run();
    run.assert_all_delivered(&receiver);
    assert!(run.stderr.contains(": come back in a while;"), "{}", run.stderr);
}

#[test]
fn malformed_chunks_do_not_change_the_status() {
    let head = "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n";
    side_by_side(["nonsense\r\n", "ffffffffffffffffff\r\n", "-5\r\nabc\r\n", ""], |body| {
        check([Answer::raw(format!("{head}{body}")).meaning(503).into()], 1);
    });
}

#[test]
fn several_faults_in_one_run_lose_nothing() {
    let steps = [
        Step::status(204),
        Step::Close(Read::Nothing),
        Step::status(204),
        Step::reset_halfway(),
        Step::status(204),
        Step::Close(Read::All),
        Step::status(204),
        Step::status(500),
    ];
    check(steps, 4);
}

#[test]
fn the_series_of_a_fan_out_share_their_fate() {
    let steps = [Step::status(503), Step::status(204), Step::Reset];
    let receiver = ScriptedReceiver::start(steps);
    let run = Cmd::to(&receiver.url()).flag("labels", "k={1..3}").run();
    run.assert_all_delivered(&receiver);
    assert_eq!(receiver.requests().len(), 12, "ten ticks, one request each, two again");
    receiver.finish();
}

#[test]
fn a_tick_of_two_requests_is_finished_before_the_next() {
    let steps = [Step::status(204), Step::status(503), Step::status(204), Step::Reset];
    let receiver = ScriptedReceiver::start(steps);
    let sender = Cmd::to(&receiver.url()).flag("labels", "k={1..2001}").ticks(3, 20);
    sender.run().assert_all_delivered(&receiver);
    let sizes: Vec<usize> =
        receiver.requests().iter().map(|request| request.content.points.len()).collect();
    assert_eq!(sizes, [2000, 1, 1, 2000, 2000, 1, 2000, 1]);
    receiver.finish();
}

#[test]
fn a_tick_is_cut_by_the_batch_size() {
    let receiver = ScriptedReceiver::start([Step::status(204), Step::status(503)]);
    let sender = Cmd::to(&receiver.url()).flag("labels", "k={1..7}").ticks(2, 20);
    sender.flag("batch-size", "3").run().assert_all_delivered(&receiver);
    let sizes: Vec<usize> =
        receiver.requests().iter().map(|request| request.content.points.len()).collect();
    assert_eq!(sizes, [3, 3, 3, 1, 3, 3, 1]);
    receiver.finish();
}
