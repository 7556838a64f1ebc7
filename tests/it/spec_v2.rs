//! The duties of a sender that only Remote-Write 2.0 has, and the way back to 1.0: docs/protocol.md
//! 2. The others: spec.rs.

use crate::spec::Version::{V1, V2};
use crate::support::ledger::{Messages, Request};
use crate::support::process::Run;
use crate::support::scripted_receiver::Script;
use crate::support::step::{Answer, Step};

const SERIES_COUNT: u64 = 3;

/// Returns a receiver for `--protocol auto` that does this first.
fn auto(steps: impl IntoIterator<Item = Step>) -> Script {
    Script::new(steps).v2(Messages::Auto, SERIES_COUNT)
}

/// Runs them with `--protocol auto`.
#[track_caller]
fn run_auto(steps: impl IntoIterator<Item = Step>) -> (Run, Vec<Request>) {
    let receiver = auto(steps).start();
    let run = V2.cmd(&receiver).flag("protocol", "auto").run();
    let requests = receiver.requests();
    receiver.finish();
    (run, requests)
}

/// Fails unless 2.0 was tried once, and everything arrived by 1.0, with one line in the log.
#[track_caller]
fn check_falls_back(first: impl Into<Step>) {
    // What follows is a receiver of 1.0: no Written headers.
    let receiver = auto([first.into()]).otherwise(Step::status(204)).start();
    let run = V2.cmd(&receiver).flag("protocol", "auto").run();
    run.assert_all_delivered(&receiver);
    let requests = receiver.requests();
    receiver.finish();
    let is_v2: Vec<bool> = requests.iter().map(Request::is_v2).collect();
    assert_eq!(is_v2[..2], [true, false], "{is_v2:?}");
    assert!(is_v2[1..].iter().all(|is_v2| !is_v2) && is_v2.len() == 11, "{is_v2:?}");
    assert_eq!(requests[0].content.points, requests[1].content.points);
    assert_eq!(requests[1].retry_attempt(), 0, "another message, no retry");
    let message = run.log().only("fallback").get("message").text().to_owned();
    assert!(message.starts_with("Falling back to remote write 1.0 for this run: "), "{message}");
    assert_eq!(run.summary().retries, 0);
}

/// Sends ten requests of 2.0, and then, after one that is refused, ten of 1.0: the receiver insists
/// on all headers of both.
#[track_caller]
fn check_headers() {
    let (_, requests) = V2.run([]);
    assert!(requests.iter().all(Request::is_v2) && requests.len() == 10);
    let (_, requests) = run_auto([Step::status(415)]);
    assert!(requests[0].is_v2() && !requests[1..].iter().any(Request::is_v2));
}

#[test]
fn must_2_3_send_the_content_type_exactly() {
    check_headers();
}

#[test]
fn must_2_4_send_the_version_of_the_message() {
    check_headers();
}

#[test]
fn should_2_4_name_product_and_version() {
    check_headers();
}

#[test]
fn may_2_6_count_what_was_written() {
    let (run, requests) = V2.run([Step::written(3), Step::written(2), Step::written(0)]);
    run.assert_code(1);
    assert_eq!(requests.len(), 10, "nothing is sent again");
    assert_eq!(run.summary().counts(), [26, 4, 0, 0, 0]);
    let warnings = run.log();
    let warnings = warnings.events("partial");
    let said: Vec<_> = warnings.iter().map(|line| line.get("message").text()).collect();
    let expected = ["The receiver wrote 2 of 3 samples", "The receiver wrote 0 of 3 samples"];
    assert_eq!(said, expected);
    assert!(warnings.iter().all(|line| line.get("level").text() == "warning"), "{warnings:?}");
}

#[test]
fn may_2_6_count_what_was_written_on_a_400() {
    let partial = |written| Answer::status(400).written(written).body("duplicate sample").into();
    let (run, requests) = V2.run([partial(1), Step::written(3), partial(0), partial(2)]);
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().counts()), (10, [24, 6, 0, 0, 0]));
    // A missing header is 0: all of it is rejected.
    assert_eq!(run.log().events("partial").len(), 2, "{}", run.stderr);
    assert_eq!(run.log().events("rejected").len(), 3, "{}", run.stderr);
}

#[test]
fn may_2_6_take_a_missing_header_on_a_400_as_nothing_written() {
    let (run, _) = V2.run([Step::written(3), Step::status(400)]);
    run.assert_ends(1, [27, 3, 0, 0, 0]);
}

#[test]
fn must_not_2_6_read_written_headers_after_a_1_0_message() {
    // As Prometheus 3.8.0 answers: 0 on every success.
    let receiver = Script::new([]).otherwise(Step::written(0)).start();
    V1.cmd(&receiver).run().assert_all_delivered(&receiver);
    receiver.finish();
    let receiver = auto([Step::status(415)]).otherwise(Step::written(0)).start();
    V2.cmd(&receiver).flag("protocol", "auto").run().assert_all_delivered(&receiver);
}

#[test]
fn should_2_6_take_2xx_without_written_headers_as_415() {
    for status in [200, 202, 204] {
        check_falls_back(Answer::status(status));
    }
    // Strictly 2: nothing is counted as accepted.
    let receiver = V2.script([]).otherwise(Step::status(204)).start();
    let run = V2.cmd(&receiver).run();
    run.assert_code(3);
    assert_eq!(run.summary().accepted, 0);
    assert!(run.stderr.contains("2xx without Written headers"), "{}", run.stderr);
    assert!(
        run.stderr.contains("Hint: the receiver does not take remote write 2.0"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("\"status\":"), "there is no such status: {}", run.stderr);
    let requests = receiver.requests();
    assert!(requests.len() == 3 && requests.iter().all(Request::is_v2), "{requests:?}");
}

#[test]
fn must_not_2_6_infer_the_version_from_response_headers() {
    let says_1 = Answer::status(204).header("X-Prometheus-Remote-Write-Version", "0.1.0");
    let (run, requests) = run_auto([says_1.written(SERIES_COUNT).into()]);
    run.assert_code(0);
    assert!(requests.iter().all(Request::is_v2));
    let says_2 = Answer::status(204).header("X-Prometheus-Remote-Write-Version", "2.0.0");
    check_falls_back(says_2);
}

#[test]
fn may_2_8_fall_back_on_415() {
    check_falls_back(Answer::status(415).body("unsupported message"));
}

#[test]
fn may_2_8_fall_back_on_415_later() {
    // As after an upgrade that went the other way: remembered from then on.
    let (run, requests) = run_auto([Step::written(3), Step::written(3), Step::status(415)]);
    run.assert_code(0);
    assert_eq!(run.summary().accepted, 30);
    let is_v2: Vec<bool> = requests.iter().map(Request::is_v2).collect();
    assert_eq!(is_v2, [[true; 3].as_slice(), &[false; 8]].concat());
}

#[test]
fn should_2_8_expect_400_from_a_receiver_of_1_0() {
    check_falls_back(Answer::status(400).body("snappy: corrupt input"));
}

#[test]
fn should_2_8_expect_400_for_the_first_request_only() {
    // Later it is about the samples: no message of 1.0 follows.
    let (run, requests) = run_auto([Step::written(3), Step::status(400)]);
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().counts()), (10, [27, 3, 0, 0, 0]));
    assert!(requests.iter().all(Request::is_v2));
}

#[test]
fn should_2_8_stay_where_a_first_400_has_written_headers() {
    // It was understood, and a part of it is stored; by 1.0 that part would be sent again.
    for written in [0, 2] {
        let (run, requests) = run_auto([Answer::status(400).written(written).into()]);
        run.assert_ends(1, [27 + written, 3 - written, 0, 0, 0]);
        assert!(requests.iter().all(Request::is_v2) && requests.len() == 10);
    }
}

#[test]
fn may_2_8_fall_back_after_retries() {
    // Those say nothing about the version.
    let receiver = auto([Step::status(503), Step::Reset, Step::status(415)]);
    let receiver = receiver.otherwise(Step::status(204)).start();
    let run = V2.cmd(&receiver).flag("protocol", "auto").run();
    run.assert_all_delivered(&receiver);
    let is_v2: Vec<bool> = receiver.requests().iter().map(Request::is_v2).collect();
    assert_eq!(is_v2[..4], [true, true, true, false]);
}

#[test]
fn may_2_8_fall_back_once_only() {
    // A 415 to the message of 1.0 is final; the first one may have stored what it refused.
    let (run, requests) = run_auto([Step::status(415), Step::status(415)]);
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().counts()), (11, [27, 0, 0, 3, 0]));
    assert_eq!(run.log().events("fallback").len(), 1);
}

#[test]
fn must_not_2_8_fall_back_when_told_2() {
    for status in [415, 400, 204] {
        // A gateway may have taken the headers out of a 2xx.
        let counts = if status == 204 { [27, 0, 0, 3, 0] } else { [27, 3, 0, 0, 0] };
        let (run, requests) = V2.run([Step::written(3), Step::status(status)]);
        run.assert_code(1);
        assert_eq!((requests.len(), run.summary().counts()), (10, counts));
        let (run, requests) = V2.run([Step::status(status)]);
        run.assert_code(1);
        assert_eq!((requests.len(), run.summary().counts()), (10, counts));
        assert!(requests.iter().all(Request::is_v2));
        assert_eq!(run.log().events("fallback").len(), 0);
    }
}

#[test]
fn must_2_11_each_symbol_once() {
    // Texts that are a name, a value and the help at once; the receiver refuses a second copy.
    let receiver = V2.script([]).start();
    let run = V2.cmd(&receiver).flag("labels", "cpu=a,a=cpu,k={1..3}").flag("description", "a");
    run.run().assert_all_delivered(&receiver);
    let request = &receiver.requests()[0];
    let message = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
    let count = |text: &[u8]| message.windows(text.len()).filter(|part| part == &text).count();
    assert_eq!((count(b"\x22\x03cpu"), count(b"\x22\x01a"), count(b"\x22\x01k")), (1, 1, 1));
    assert!(message.starts_with(b"\x22\x00"), "the empty string is first");
}

#[test]
fn must_2_11_leave_the_reference_of_an_empty_help_out() {
    let receiver = V2.script([]).start();
    V2.cmd(&receiver).flag("description", "").run().assert_code(0);
    assert!(receiver.requests().iter().all(|request| request.content.metadata[0].help.is_empty()));
}

/// Runs a counter with this flag; returns the start timestamp of each sample, tick by tick. The
/// receiver refuses a counter's sample without one, and field 6 of a series.
#[track_caller]
fn starts(flag: &str, value: &str) -> Vec<Vec<i64>> {
    let (run, requests) = V2.run_with([], |cmd| {
        let cmd = cmd.flag("metric-name", "requests_total").flag("type", "counter");
        cmd.flag("start-epoch", "1700000000").flag(flag, value)
    });
    run.assert_code(0);
    assert!(requests.iter().all(|request| request.content.metadata[0].kind == 1));
    let starts = requests.iter().map(|request| request.content.starts.iter().flatten());
    starts.map(|starts| starts.copied().collect()).collect()
}

#[test]
fn should_2_14_give_the_start_timestamp_of_a_counter() {
    assert_eq!(starts("origin", "1699999999.990"), vec![vec![1_699_999_999_990; 3]; 10]);
    // Ticks are 20 ms apart; of the second series the one that is due at 100 ms is a reset.
    let (first, reset) = (1_700_000_000_000, 1_700_000_000_100);
    let mut expected = vec![vec![first; 3]; 5];
    expected.extend(vec![vec![first, reset, first]; 5]);
    assert_eq!(starts("incident", "reset@90ms,k=2"), expected);
}

#[test]
fn must_2_14_stand_for_1970_by_a_millisecond_beside_it() {
    assert_eq!(starts("start-epoch", "0"), vec![vec![-1; 3]; 10]);
}

#[test]
fn may_2_14_leave_the_start_timestamp_of_a_gauge_out() {
    let (run, requests) = V2.run_with([], |cmd| cmd.flag("incident", "gap@20ms+20ms"));
    run.assert_code(0);
    assert_eq!(requests.len(), 9);
    assert!(requests.iter().all(|request| request.content.starts == [None; 3]));
}

/// It ends each series, which starts where its last sample did; the truth beside is a gauge.
#[test]
fn should_2_14_give_the_start_timestamp_of_a_stale_marker() {
    let script = Script::new([]).v2(Messages::V2, 2);
    let receiver = script.allow(|allowed| allowed.stale_marker = true).start();
    let cmd = V2.cmd(&receiver).flag("metric-name", "requests_total").flag("type", "counter");
    let cmd = cmd.flag("start-epoch", "1700000000").switch("stale-marker").without("labels");
    let run = cmd.flag("labels", "k=1").flag("truth-metric", "t").run();
    run.assert_code(0);
    let requests = receiver.requests();
    let starts = |request: &Request| request.content.starts.clone();
    let expected = [Some(1_700_000_000_000), None];
    assert!(requests.len() == 11 && requests.iter().all(|request| starts(request) == expected));
}

#[test]
fn should_2_16_send_type_and_help() {
    let (_, requests) = V2.run([]);
    let metadata = &requests[0].content.metadata[0];
    assert_eq!((metadata.kind, metadata.help.as_str()), (2, "Live metric data"));
}
