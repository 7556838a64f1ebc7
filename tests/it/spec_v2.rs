//! The duties of a sender, Remote-Write 2.0: the rules of docs/protocol.md 2, each with a
//! test that is named after it; and the way back to 1.0. README.md here has the table.
//!
//! Source: prometheus/docs docs/specs/prw/remote_write_spec_2_0.md (rc.4). The receiver
//! (ledger.rs, wire_v2.rs) insists on the message's form in every test here.

use crate::support::cmd::Cmd;
use crate::support::ledger::{Messages, Request, STALE_NAN_BITS};
use crate::support::process::Run;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::step::{Answer, Step};
use crate::support::{wire, wire_v2};

const CONTENT_TYPE: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
const SERIES_COUNT: u64 = 3;

/// Returns a receiver of 2.0 for three series, which does this first.
fn strict(steps: impl IntoIterator<Item = Step>) -> Script {
    Script::new(steps).v2(Messages::V2, SERIES_COUNT)
}

/// Returns a receiver for `--protocol auto`, three series too.
fn auto(steps: impl IntoIterator<Item = Step>) -> Script {
    Script::new(steps).v2(Messages::Auto, SERIES_COUNT)
}

/// Returns ten datapoints of three series, 20 ms apart, by 2.0.
fn sender(receiver: &ScriptedReceiver) -> Cmd {
    Cmd::to(&receiver.url()).flag("labels", "k={1..3}").flag("protocol", "2")
}

/// Runs them into a receiver that does this first.
#[track_caller]
fn run(steps: impl IntoIterator<Item = Step>) -> (Run, Vec<Request>) {
    let receiver = strict(steps).start();
    let run = sender(&receiver).run();
    let requests = receiver.requests();
    receiver.finish();
    (run, requests)
}

/// Runs them with `--protocol auto`.
#[track_caller]
fn run_auto(steps: impl IntoIterator<Item = Step>) -> (Run, Vec<Request>) {
    let receiver = auto(steps).start();
    let run = sender(&receiver).flag("protocol", "auto").run();
    let requests = receiver.requests();
    receiver.finish();
    (run, requests)
}

/// Fails unless 2.0 was tried once, and everything arrived by 1.0, with one line in the log.
#[track_caller]
fn check_falls_back(first: impl Into<Step>) {
    // What follows is a receiver of 1.0: no Written headers.
    let receiver = auto([first.into()]).otherwise(Step::status(204)).start();
    let run = sender(&receiver).flag("protocol", "auto").run();
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

#[test]
fn must_2_1_support_the_2_0_message() {
    let receiver = strict([]).start();
    sender(&receiver).run().assert_all_delivered(&receiver);
    assert_eq!(receiver.requests().len(), 10);
}

#[test]
fn must_2_2_post_protobuf_in_a_snappy_block() {
    let (_, requests) = run([]);
    for request in requests {
        assert_eq!(request.line, "POST /api/v1/write HTTP/1.1");
        let message = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
        assert_eq!(wire_v2::request(&message), Ok(request.content));
        let mut framed = snap::read::FrameDecoder::new(&request.body[..]);
        assert!(std::io::copy(&mut framed, &mut std::io::sink()).is_err());
    }
}

#[test]
fn must_2_2_send_the_four_headers() {
    let (_, requests) = run([Step::status(503)]);
    assert_eq!(requests.len(), 11);
    for request in requests {
        for name in
            ["Content-Encoding", "Content-Type", "X-Prometheus-Remote-Write-Version", "User-Agent"]
        {
            assert!(request.header(name).is_some(), "{name}");
        }
        assert_eq!(request.header("Content-Encoding"), Some("snappy"));
    }
}

#[test]
fn may_2_2_custom_headers() {
    let receiver = strict([]).header("X-Scope-OrgID").start();
    let run = sender(&receiver).flag("header", "X-Scope-OrgID: tenant-1").run();
    run.assert_all_delivered(&receiver);
    let requests = receiver.requests();
    assert!(requests.iter().all(|request| request.header("X-Scope-OrgID") == Some("tenant-1")));
}

#[test]
fn must_not_2_2_let_reserved_headers_be_set() {
    // The whole list: spec_v1.rs; it is the same for both.
    let receiver = strict([]).start();
    for name in ["Content-Type", "content-encoding", "X-Prometheus-Remote-Write-Version"] {
        let run = sender(&receiver).flag("header", format!("{name}: x")).run();
        run.assert_code(2);
    }
    assert_eq!(receiver.requests().len(), 0);
}

#[test]
fn must_2_3_send_the_content_type_exactly() {
    let (_, requests) = run([]);
    assert!(requests.iter().all(|r| r.header("Content-Type") == Some(CONTENT_TYPE)));
    // To a receiver of 1.0 the one that it knows.
    let (_, requests) = run_auto([Step::status(415)]);
    let types: Vec<_> = requests[..2].iter().map(|r| r.header("Content-Type")).collect();
    assert_eq!(types, [Some(CONTENT_TYPE), Some("application/x-protobuf")]);
}

#[test]
fn must_2_4_send_the_version_of_the_message() {
    let version = |request: &Request| {
        request.header("X-Prometheus-Remote-Write-Version").map(ToOwned::to_owned)
    };
    let (_, requests) = run([]);
    assert!(requests.iter().all(|request| version(request).as_deref() == Some("2.0.0")));
    let (_, requests) = run_auto([Step::status(415)]);
    assert!(requests[1..].iter().all(|request| version(request).as_deref() == Some("0.1.0")));
}

#[test]
fn should_2_4_name_product_and_version() {
    let agent = concat!("push-live-metrics/", env!("CARGO_PKG_VERSION"));
    let (_, requests) = run([]);
    assert!(requests.iter().all(|request| request.header("User-Agent") == Some(agent)));
}

#[test]
fn must_2_5_ignore_the_body_of_a_success() {
    let bodies = ["error: out of order sample", "HTTP/1.1 500 Error\r\n\r\n", "\0\u{1b}[31m"];
    let (run, requests) =
        run(bodies.map(|body| Answer::status(200).written(SERIES_COUNT).body(body).into()));
    run.assert_code(0);
    assert_eq!(requests.len(), 10);
    assert!(!run.stderr.contains("out of order") && !run.stderr.contains("HTTP"));
}

#[test]
fn must_not_2_5_interpret_the_message_of_an_error() {
    let says_final = Answer::status(503).body("415 Unsupported Media Type, 400, out of order");
    let says_retry = Answer::status(400).written(0).body("503, Retry-After: 1, wrote 3 samples");
    let (run, requests) = run([says_final.into(), Step::written(3), says_retry.into()]);
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().rejected), (11, 3));
}

#[test]
fn should_2_5_log_the_message_of_an_error_as_it_is() {
    let body = "out of order sample: {\"series\": \"a\\b\"} ✓ 100%";
    let (run, _) = run([Step::written(3), Answer::status(400).written(0).body(body).into()]);
    let log = run.log();
    let message = log.events("rejected")[0].get("message").text();
    assert!(message.ends_with(&format!("HTTP 400 Bad Request: {body}")), "{message}");
}

#[test]
fn may_2_6_count_what_was_written() {
    let (run, requests) = run([Step::written(3), Step::written(2), Step::written(0)]);
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
    let (run, requests) = run([partial(1), Step::written(3), partial(0), partial(2)]);
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().counts()), (10, [24, 6, 0, 0, 0]));
    // A missing header is 0: all of it is rejected.
    assert_eq!(run.log().events("partial").len(), 2, "{}", run.stderr);
    assert_eq!(run.log().events("rejected").len(), 3, "{}", run.stderr);
}

#[test]
fn may_2_6_take_a_missing_header_on_a_400_as_nothing_written() {
    let (run, _) = run([Step::written(3), Step::status(400)]);
    run.assert_code(1);
    assert_eq!(run.summary().counts(), [27, 3, 0, 0, 0]);
}

#[test]
fn must_not_2_6_read_written_headers_after_a_1_0_message() {
    // As Prometheus 3.8.0 answers: 0 on every success.
    let receiver = Script::new([]).otherwise(Step::written(0)).start();
    sender(&receiver).flag("protocol", "1").run().assert_all_delivered(&receiver);
    receiver.finish();
    let receiver = auto([Step::status(415)]).otherwise(Step::written(0)).start();
    sender(&receiver).flag("protocol", "auto").run().assert_all_delivered(&receiver);
}

#[test]
fn should_2_6_take_2xx_without_written_headers_as_415() {
    for status in [200, 202, 204] {
        check_falls_back(Answer::status(status));
    }
    // Strictly 2: nothing is counted as accepted.
    let receiver = strict([]).otherwise(Step::status(204)).start();
    let run = sender(&receiver).run();
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
fn should_2_7_put_several_series_into_a_request() {
    let (_, requests) = run([]);
    for request in requests {
        let labels = request.content.points.iter().map(|point| point.labels[1].1.as_str());
        assert_eq!(labels.collect::<Vec<_>>(), ["1", "2", "3"]);
    }
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
        run.assert_code(1);
        assert_eq!(run.summary().counts(), [27 + written, 3 - written, 0, 0, 0]);
        assert!(requests.iter().all(Request::is_v2) && requests.len() == 10);
    }
}

#[test]
fn may_2_8_fall_back_after_retries() {
    // Those say nothing about the version.
    let receiver = auto([Step::status(503), Step::Reset, Step::status(415)]);
    let receiver = receiver.otherwise(Step::status(204)).start();
    let run = sender(&receiver).flag("protocol", "auto").run();
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
        let (run, requests) = run([Step::written(3), Step::status(status)]);
        run.assert_code(1);
        assert_eq!((requests.len(), run.summary().counts()), (10, counts));
        let (run, requests) = self::run([Step::status(status)]);
        run.assert_code(1);
        assert_eq!((requests.len(), run.summary().counts()), (10, counts));
        assert!(requests.iter().all(Request::is_v2));
        assert_eq!(run.log().events("fallback").len(), 0);
    }
}

#[test]
fn must_not_2_9_retry_2xx_or_4xx() {
    let statuses = [400, 409, 413, 415, 422, 499];
    let steps = statuses.map(Step::status).into_iter();
    let (run, requests) = run([Step::written(3)].into_iter().chain(steps));
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().retries), (10, 0));
}

#[test]
fn may_2_9_retry_429_and_honour_retry_after() {
    let (run, requests) = run([Step::retry_after(429, "1")]);
    run.assert_code(0);
    assert_eq!(requests.len(), 11);
    let apart_ms = requests[1].at_ms - requests[0].at_ms;
    assert!(apart_ms >= 1000, "{apart_ms} ms");
}

#[test]
fn must_2_9_retry_5xx_with_a_backoff() {
    let (run, requests) = run([500, 503].map(Step::status));
    run.assert_code(0);
    let apart = |k: usize| requests[k + 1].at_ms - requests[k].at_ms;
    assert!(apart(0) >= 450 && apart(1) >= 900, "{} {}", apart(0), apart(1));
    assert!(requests[..3].iter().all(|request| request.body == requests[0].body));
}

#[test]
fn must_2_10_milliseconds_and_float64() {
    let receiver = strict([]).start();
    let run = sender(&receiver).flag("start-epoch", "1700000000.007").ticks(10, 33).run();
    run.assert_all_delivered(&receiver);
    let times = receiver.requests().into_iter().map(|request| request.timestamp_ms());
    assert!(times.eq((0..10).map(|k| 1_700_000_000_007 + k * 33)));
}

#[test]
fn must_2_10_labels_and_a_sample_in_every_series() {
    // The receiver refuses a series without; here is one sample of each, and no more.
    let (_, requests) = run([]);
    for request in requests {
        let points = &request.content.points;
        assert_eq!(points.len(), 3);
        assert!(points.iter().all(|point| point.labels.len() == 2), "{points:?}");
    }
}

#[test]
fn should_2_10_metadata_in_every_series() {
    let receiver = strict([]).start();
    sender(&receiver).flag("description", "Température ≥ 0").run().assert_code(0);
    for request in receiver.requests() {
        let metadata = &request.content.metadata;
        assert_eq!(metadata.len(), 3);
        let ours = wire::Metadata {
            kind: 2,
            metric_family_name: "cpu".into(),
            help: "Température ≥ 0".into(),
        };
        assert!(metadata.iter().all(|metadata| *metadata == ours), "{metadata:?}");
    }
}

#[test]
fn must_2_11_each_symbol_once() {
    // Texts that are a name, a value and the help at once; the receiver refuses a second copy.
    let receiver = strict([]).start();
    let run = sender(&receiver).flag("labels", "cpu=a,a=cpu,k={1..3}").flag("description", "a");
    run.run().assert_all_delivered(&receiver);
    let request = &receiver.requests()[0];
    let message = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
    let count = |text: &[u8]| message.windows(text.len()).filter(|part| part == &text).count();
    assert_eq!((count(b"\x22\x03cpu"), count(b"\x22\x01a"), count(b"\x22\x01k")), (1, 1, 1));
    assert!(message.starts_with(b"\x22\x00"), "the empty string is first");
}

#[test]
fn must_2_11_leave_the_reference_of_an_empty_help_out() {
    let receiver = strict([]).start();
    sender(&receiver).flag("description", "").run().assert_code(0);
    assert!(receiver.requests().iter().all(|request| request.content.metadata[0].help.is_empty()));
}

#[test]
fn must_2_12_sort_label_names() {
    let receiver = strict([]).start();
    let labels = "b=1,a=2,_c=3,Z=4,aa=5,a_=6,A=7,a0={1..3}";
    sender(&receiver).flag("labels", labels).run().assert_code(0);
    let requests = receiver.requests();
    let labels = &requests[0].content.points[0].labels;
    let names: Vec<&str> = labels.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["A", "Z", "__name__", "_c", "a", "a0", "a_", "aa", "b"]);
}

#[test]
fn must_not_2_12_repeat_names_or_send_empty_ones() {
    let receiver = strict([]).start();
    for labels in ["a=1,a=2", "=x", "__a=1", "__name__=x"] {
        sender(&receiver).flag("labels", labels).run().assert_code(2);
    }
    sender(&receiver).flag("labels", "a=,k={1..3}").run().assert_code(0);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 10);
    assert!(requests[0].content.points.iter().all(|point| point.labels.len() == 2));
}

#[test]
fn must_2_13_send_the_samples_of_a_series_in_order() {
    let steps = [Step::status(503), Step::Reset, Step::written(3), Step::status(500)];
    let (run, requests) = run(steps);
    run.assert_code(0);
    let times: Vec<i64> = requests.iter().map(Request::timestamp_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn may_2_14_leave_the_start_timestamp_out() {
    // A gauge has none; the receiver refuses fields 3 of a sample and 6 of a series.
    let (run, requests) = run([]);
    run.assert_code(0);
    assert_eq!(requests.len(), 10);
}

#[test]
fn must_2_15_send_a_stale_marker_when_asked() {
    let receiver = strict([]).allow(|allowed| allowed.stale_marker = true).start();
    sender(&receiver).ticks(3, 20).switch("stale-marker").run().assert_code(0);
    let requests = receiver.requests();
    let marker = &requests[3];
    assert!(requests.len() == 4 && marker.content.points.len() == 3);
    assert!(marker.content.points.iter().all(|point| point.bits == STALE_NAN_BITS));
    assert!(marker.timestamp_ms() > requests[2].timestamp_ms());
}

#[test]
fn must_not_2_15_use_its_value_otherwise() {
    // The receiver takes none without the flag; the deviation of 1.17.
    let (run, _) = run([]);
    run.assert_code(0);
}

#[test]
fn should_2_16_send_type_and_help() {
    let (_, requests) = run([]);
    let metadata = &requests[0].content.metadata[0];
    assert_eq!((metadata.kind, metadata.help.as_str()), (2, "Live metric data"));
}

#[test]
fn every_test_is_in_the_table() {
    let (table, tests) = (include_str!("README.md"), include_str!("spec_v2.rs"));
    let names = tests.lines().filter_map(|line| line.strip_prefix("fn ")?.split_once("()"));
    for (name, _) in names.filter(|(name, _)| name.contains("_2_")) {
        assert!(table.contains(&format!("`{name}`")), "{name}");
    }
}
