//! The duties of a sender that both versions of Remote-Write have: each case here is a test for
//! 1.0 and one for 2.0, named after the rules of docs/protocol.md 1 and 2. README.md here has the
//! tables, and what has no test; spec_v1.rs and spec_v2.rs have what only one version has.
//!
//! Source: prometheus/docs docs/specs/prw/remote_write_spec.md, remote_write_spec_2_0.md (rc.4).
//! The receiver (support/ledger.rs) insists on the message's form in every test here.

use crate::support::cmd::Cmd;
use crate::support::ledger::{Messages, Request, STALE_NAN_BITS};
use crate::support::process::Run;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::step::{Answer, Step};
use crate::support::{wire, wire_v2};

/// A version, with a receiver that takes no other; runs are of ten ticks of three series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}
use Version::{V1, V2};

impl Version {
    /// Returns a receiver that does this first.
    pub(crate) fn script(self, steps: impl IntoIterator<Item = Step>) -> Script {
        match self {
            V1 => Script::new(steps),
            V2 => Script::new(steps).v2(Messages::V2, 3),
        }
    }

    /// Returns a status with what a receiver of this version says of the samples it wrote.
    fn answer(self, status: u16, written: u64) -> Answer {
        let answer = Answer::status(status);
        if self == V1 { answer } else { answer.written(written) }
    }

    pub(crate) fn cmd(self, receiver: &ScriptedReceiver) -> Cmd {
        let protocol = if self == V1 { "1" } else { "2" };
        Cmd::to(&receiver.url()).flag("labels", "k={1..3}").flag("protocol", protocol)
    }

    /// Runs it into a receiver that does this first.
    #[track_caller]
    pub(crate) fn run(self, steps: impl IntoIterator<Item = Step>) -> (Run, Vec<Request>) {
        self.run_with(steps, |cmd| cmd)
    }

    #[track_caller]
    pub(crate) fn run_with(
        self,
        steps: impl IntoIterator<Item = Step>,
        change: impl FnOnce(Cmd) -> Cmd,
    ) -> (Run, Vec<Request>) {
        let receiver = self.script(steps).start();
        let run = change(self.cmd(&receiver)).run();
        let requests = receiver.requests();
        receiver.finish();
        (run, requests)
    }

    /// Fails unless this is refused in one line before anything is sent.
    #[track_caller]
    pub(crate) fn check_refused(self, flag: &str, value: &str) {
        let (run, requests) = self.run_with([], |cmd| cmd.flag(flag, value));
        run.assert_code(2);
        assert_eq!((requests.len(), run.stderr.lines().count()), (0, 1), "{}", run.stderr);
    }
}

/// Makes a case a test for each version.
macro_rules! both {
    ($case:ident: $v1:ident, $v2:ident) => {
        #[test]
        fn $v1() {
            $case(V1);
        }

        #[test]
        fn $v2() {
            $case(V2);
        }
    };
}

both!(any_url: must_1_1_post_a_write_request_to_any_url, must_2_1_support_the_2_0_message);
fn any_url(version: Version) {
    for path in ["/", "/api/v1/write", "/a/b%20c/", "/x?tenant=a&b=%2F", "/?a=b"] {
        let receiver = version.script([]).path(path).start();
        version.cmd(&receiver).ticks(2, 20).run().assert_all_delivered(&receiver);
        for request in receiver.requests() {
            assert_eq!(request.line, format!("POST {path} HTTP/1.1"));
        }
    }
}

both!(milliseconds: must_1_2_milliseconds_and_float64, must_2_10_milliseconds_and_float64);
fn milliseconds(version: Version) {
    // An interval that is no whole second, values to their last bit.
    let receiver = version.script([]).start();
    let cmd = version.cmd(&receiver).flag("start-epoch", "1700000000.007").ticks(10, 33);
    cmd.run().assert_all_delivered(&receiver);
    let times = receiver.requests().into_iter().map(|request| request.timestamp_ms());
    assert!(times.eq((0..10).map(|k| 1_700_000_000_007 + k * 33)));
}

both!(four_headers: must_1_3_send_exactly_the_four_headers, must_2_2_send_the_four_headers);
fn four_headers(version: Version) {
    // Each of them, as it has to be, and no other one: the receiver insists on that.
    let (_, requests) = version.run([Step::status(503)]);
    assert_eq!(requests.len(), 11);
    assert!(requests.iter().all(|request| request.is_v2() == (version == V2)));
}

both!(custom_headers: may_1_4_custom_headers, may_2_2_custom_headers);
fn custom_headers(version: Version) {
    let receiver = version.script([Step::status(503)]).header("X-Scope-OrgID").start();
    let run = version.cmd(&receiver).flag("header", "X-Scope-OrgID: tenant-1").run();
    run.assert_all_delivered(&receiver);
    let requests = receiver.requests();
    assert!(requests.iter().all(|request| request.header("X-Scope-OrgID") == Some("tenant-1")));
}

both!(reserved_headers:
    must_not_1_4_let_reserved_headers_be_set,
    must_not_2_2_let_reserved_headers_be_set
);
fn reserved_headers(version: Version) {
    let names = "Host Content-Encoding Content-Length Content-Type User-Agent Connection Keep-Alive \
        Proxy-Authenticate Proxy-Authorization WWW-Authenticate Accept-Encoding \
        X-Prometheus-Remote-Write-Version X-Prometheus-Remote-Read-Version X-Amz-Date \
        X-Amz-Security-Token X-Amz-Content-Sha256 Authorization Transfer-Encoding Retry-Attempt";
    for name in names.split_whitespace() {
        for name in [name.to_owned(), name.to_ascii_lowercase()] {
            version.check_refused("header", &format!("{name}: x"));
        }
    }
}

both!(snappy_block: must_1_5_snappy_block_not_framed, must_2_2_post_protobuf_in_a_snappy_block);
fn snappy_block(version: Version) {
    let (_, requests) = version.run([]);
    assert_eq!(requests.len(), 10);
    for request in requests {
        let message = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
        let decode = if version == V1 { wire::write_request } else { wire_v2::request };
        assert_eq!(decode(&message), Ok(request.content));
        let mut framed = snap::read::FrameDecoder::new(&request.body[..]);
        assert!(std::io::copy(&mut framed, &mut std::io::sink()).is_err());
    }
}

both!(metadata: must_1_6_the_schema_given, should_2_10_metadata_in_every_series);
fn metadata(version: Version) {
    // In 1.0 it is outside the specification, and every receiver takes or ignores it. The decoders
    // here take no field but those given.
    let help = "Température ≥ 0";
    let (_, requests) = version.run_with([], |cmd| cmd.flag("description", help));
    for request in requests {
        let (kind, metric_family_name, help) = (2, "cpu".into(), help.into());
        let metadata = wire::Metadata { kind, metric_family_name, help };
        let count = if version == V1 { 1 } else { 3 };
        assert_eq!(request.content.metadata, vec![metadata; count]);
    }
}

both!(success_body: must_1_7_ignore_the_body_of_a_success, must_2_5_ignore_the_body_of_a_success);
fn success_body(version: Version) {
    let bodies = ["error: out of order sample", "HTTP/1.1 500 Error\r\n\r\n", "\0\u{1b}[31m", "{}"];
    let (run, requests) = version.run(bodies.map(|body| version.answer(200, 3).body(body).into()));
    run.assert_code(0);
    assert_eq!(requests.len(), 10);
    assert!(!run.stderr.contains("out of order") && !run.stderr.contains("HTTP"));
}

both!(several_series:
    must_1_9_the_complete_label_set_with_each_sample,
    should_2_7_put_several_series_into_a_request
);
fn several_series(version: Version) {
    let labels = "cpu=lina_cp_avg,tenant_uuid=abc123,uuid=device-{1..3}";
    let (_, requests) = version.run_with([Step::status(503)], |cmd| cmd.flag("labels", labels));
    for request in requests {
        let label = |k: usize| request.content.points.iter().map(move |point| &point.labels[k]);
        assert!(label(0).all(|label| *label == ("__name__".into(), "cpu".into())));
        assert!(label(1).all(|label| label.0 == "cpu") && label(2).all(|l| l.0 == "tenant_uuid"));
        assert!(label(3).map(|label| &label.1).eq(["device-1", "device-2", "device-3"]));
    }
}

both!(name_and_sample: should_1_10_contain_the_name, must_2_10_labels_and_a_sample_in_every_series);
fn name_and_sample(version: Version) {
    let (_, requests) = version.run([]);
    for request in requests {
        let points = &request.content.points;
        let is_named = |point: &wire::Point| point.labels[0] == ("__name__".into(), "cpu".into());
        assert!(points.len() == 3 && points.iter().all(is_named), "{points:?}");
    }
}

both!(unique_names: must_not_1_10_repeat_label_names, must_not_2_12_repeat_names);
fn unique_names(version: Version) {
    // Also two that become one.
    for labels in ["a=1,a=2", "a.b=1,a-b=2", "__name__=other"] {
        version.check_refused("labels", labels);
    }
}

both!(sorted_names: must_1_10_sort_label_names, must_2_12_sort_label_names);
fn sorted_names(version: Version) {
    // By byte, so that upper case is first and `_` is between.
    let labels = "b=1,a=2,_c=3,Z=4,aa=5,a_=6,A=7,a0={1..3}";
    let (_, requests) = version.run_with([], |cmd| cmd.flag("labels", labels));
    let labels = &requests[0].content.points[0].labels;
    let names: Vec<&str> = labels.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["A", "Z", "__name__", "_c", "a", "a0", "a_", "aa", "b"]);
}

both!(no_empty_label:
    must_not_1_10_send_empty_names_or_values,
    must_not_2_12_send_empty_names_or_values
);
fn no_empty_label(version: Version) {
    version.check_refused("labels", "=x");
    let (run, requests) = version.run_with([], |cmd| cmd.flag("labels", r#"a=,b="",c={1..3}"#));
    run.assert_code(0);
    let names = requests[0].content.points[0].labels.iter().map(|(name, _)| name);
    assert!(names.eq(["__name__", "c"]));
}

both!(error_text_ignored:
    must_not_1_13_interpret_the_message_of_an_error,
    must_not_2_5_interpret_the_message_of_an_error
);
fn error_text_ignored(version: Version) {
    // What a body says does not change what the status means.
    let says_final = Answer::status(503).body("415, 400 Bad Request: out of order, do not retry");
    let says_retry = version.answer(400, 0).body("503, Retry-After: 1, wrote 3 samples");
    let success = version.answer(204, 3);
    let (run, requests) = version.run([says_final.into(), success.into(), says_retry.into()]);
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().rejected), (11, 3));
}

both!(error_text_logged:
    should_1_13_log_the_message_of_an_error_as_it_is,
    should_2_5_log_the_message_of_an_error_as_it_is
);
fn error_text_logged(version: Version) {
    let body = "out of order sample: {\"series\": \"a\\b\"} ✓ 100%";
    let rejection = version.answer(400, 0).body(body);
    let (run, _) = version.run([version.answer(204, 3).into(), rejection.into()]);
    let log = run.log();
    let message = log.events("rejected")[0].get("message").text();
    assert!(message.ends_with(&format!("HTTP 400 Bad Request: {body}")), "{message}");
}

both!(in_order:
    must_1_14_send_the_samples_of_a_series_in_order,
    must_2_13_send_the_samples_of_a_series_in_order
);
fn in_order(version: Version) {
    // The receiver fails a test by itself where one is older than the last one of its series.
    let success = version.answer(204, 3).into();
    let (run, requests) = version.run([Step::status(503), Step::Reset, success, Step::status(500)]);
    run.assert_code(0);
    let times: Vec<i64> = requests.iter().map(Request::timestamp_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
}

both!(retried_5xx: must_1_15_retry_5xx_with_a_backoff, must_2_9_retry_5xx_with_a_backoff);
fn retried_5xx(version: Version) {
    let (run, requests) = version.run([500, 503].map(Step::status));
    run.assert_code(0);
    // At least: what more it is, is the machine's. To the millisecond: hours.rs.
    let apart = |k: usize| requests[k + 1].at_ms - requests[k].at_ms;
    assert!(apart(0) >= 450 && apart(1) >= 900, "{} ms, {} ms", apart(0), apart(1));
    assert!(requests[..3].iter().all(|request| request.body == requests[0].body));
}

both!(final_statuses: must_not_1_16_retry_2xx_or_4xx, must_not_2_9_retry_2xx_or_4xx);
fn final_statuses(version: Version) {
    let statuses = [200, 202, 204, 400, 404, 409, 413, 415, 422];
    let answer = |status| version.answer(status, if status < 300 { 3 } else { 0 }).into();
    let (run, requests) = version.run(statuses.map(answer));
    run.assert_code(1);
    assert_eq!((requests.len(), run.summary().retries), (10, 0));
    let answers: Vec<u16> = requests.iter().map(|request| request.status).take(9).collect();
    assert_eq!(answers, statuses);
}

both!(retried_429: may_1_16_retry_429, may_2_9_retry_429_and_honour_retry_after);
fn retried_429(version: Version) {
    let (run, requests) = version.run([Step::retry_after(429, "1")]);
    run.assert_code(0);
    assert_eq!(requests.len(), 11);
    let apart_ms = requests[1].at_ms - requests[0].at_ms;
    assert!(apart_ms >= 1000, "{apart_ms} ms");
}

both!(stale_marker:
    must_1_17_send_a_stale_marker_when_asked,
    must_2_15_send_a_stale_marker_when_asked
);
fn stale_marker(version: Version) {
    let receiver = version.script([]).allow(|allowed| allowed.stale_marker = true).start();
    version.cmd(&receiver).ticks(3, 20).switch("stale-marker").run().assert_code(0);
    let requests = receiver.requests();
    let marker = &requests[3];
    assert!(requests.len() == 4 && marker.content.points.len() == 3);
    assert!(marker.content.points.iter().all(|point| point.bits == STALE_NAN_BITS));
    assert!(marker.timestamp_ms() > requests[2].timestamp_ms());
}

both!(no_stale_marker:
    must_not_1_17_use_its_value_otherwise,
    must_not_2_15_use_its_value_otherwise
);
fn no_stale_marker(version: Version) {
    // Without the flag the receiver takes none. This is the deviation that README.md names.
    let (run, requests) = version.run([]);
    run.assert_code(0);
    assert_eq!(requests.len(), 10);
}

#[test]
fn every_test_is_in_the_table() {
    let table = include_str!("README.md");
    let sources = [include_str!("spec.rs"), include_str!("spec_v1.rs"), include_str!("spec_v2.rs")];
    let mut count = 0;
    for word in sources.concat().split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let rule = ["must_", "should_", "may_"].iter().find_map(|duty| word.strip_prefix(duty));
        let rule = rule.map(|rule| rule.trim_start_matches("not_"));
        if rule.is_some_and(|rule| rule.starts_with("1_") || rule.starts_with("2_")) {
            count += 1;
            assert!(table.contains(&format!("`{word}`")), "{word}");
        }
    }
    assert!(count >= 72, "{count}");
}
