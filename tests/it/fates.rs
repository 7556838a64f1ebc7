//! What becomes of a sample when an answer is lost, is a gateway's, or speaks of a part only:
//! counted as unconfirmed where it may be stored, and only there.

use crate::support::cmd::Cmd;
use crate::support::ledger::Messages;
use crate::support::process::Run;
use crate::support::proxy::Proxy;
use crate::support::proxy::fault::Fault;
use crate::support::real_receiver::RealReceiver;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::side_by_side::side_by_side;
use crate::support::step::{Answer, Step};
use crate::support::window::{Window, assert_same_bits};

use std::time::Duration;

const MINUTE: i64 = 60;
/// The sender's own.
const TIMEOUT: Duration = Duration::from_secs(10);

fn statuses(statuses: &[u16]) -> Vec<Step> {
    statuses.iter().map(|status| Step::status(*status)).collect()
}

/// Returns a backfill of 1,000 datapoints in ten batches.
fn thousand() -> Window {
    Window::past(1000, MINUTE).and(&["--batch-size", "100"])
}

/// Returns the counts of a run: accepted, rejected, undelivered, unconfirmed.
#[track_caller]
fn counts(run: &Run) -> [usize; 4] {
    ["accepted", "rejected", "undelivered", "unconfirmed"].map(|word| run.count(word))
}

/// Backfills 1,000 datapoints into a receiver that does this first, and then takes all.
#[track_caller]
fn backfill(flags: &[&str], steps: impl IntoIterator<Item = Step>) -> Run {
    let receiver = Script::new(steps).unchecked().start();
    thousand().and(flags).backfill(&receiver.url())
}

#[test]
fn a_rejection_after_an_attempt_that_may_be_stored_is_unconfirmed() {
    // Then it may be a duplicate, or out of order.
    let lost = [400, 409, 413, 422].map(|status| (Step::Reset, status));
    let failed = [500, 501, 502, 503, 504, 505, 529].map(|status| (Step::status(status), 400));
    side_by_side(
        lost.into_iter().chain(failed).chain([(Step::status(503), 409)]),
        |(first, second)| {
            let receiver =
                ScriptedReceiver::start([Step::status(204), first, Step::status(second)]);
            let run = Cmd::to(&receiver.url()).run();
            run.assert_ends(1, [9, 0, 0, 1, 0]);
            assert_eq!(run.summary().commands.len(), 1);
        },
    );
}

#[test]
fn a_400_after_429_is_rejected() {
    // Refused as too much, nothing of it is stored.
    let receiver = ScriptedReceiver::start(statuses(&[204, 429, 400]));
    Cmd::to(&receiver.url()).run().assert_ends(1, [9, 1, 0, 0, 0]);
}

#[test]
fn a_backfill_goes_on_after_a_rejection() {
    let run = backfill(&[], statuses(&[204, 400, 204, 422, 413]));
    run.assert_code(1);
    assert_eq!(counts(&run), [700, 300, 0, 0], "{}", run.stderr);
    run.assert_says("--batch-size");
}

#[test]
fn a_backfill_goes_on_after_an_unknown_fate() {
    // Also at its first batch: that one may well be stored.
    for steps in [&[204, 503, 400][..], &[500, 400], &[504, 409]] {
        let run = backfill(&[], statuses(steps));
        run.assert_code(1);
        assert_eq!(counts(&run), [900, 0, 0, 100], "{steps:?}: {}", run.stderr);
    }
}

#[test]
fn a_backfill_that_is_refused_at_its_first_batch_ends_with_3() {
    side_by_side([400, 409, 413, 422, 401], |status| {
        let run = backfill(&[], statuses(&[status]));
        run.assert_code(3);
        assert_eq!(counts(&run), [0, 100, 900, 0], "{}", run.stderr);
        let is_named = run.stderr.contains("backfill --resume sends only");
        assert_eq!(is_named, matches!(status, 400 | 409), "{status}: {}", run.stderr);
    });
}

#[test]
fn a_run_of_which_every_datapoint_is_unconfirmed_by_an_answer_ends_with_1() {
    let receiver = Script::new([]).choose(|_, n| Step::status([503, 400][n % 2])).start();
    let run = Cmd::to(&receiver.url()).ticks(3, 20).run();
    run.assert_ends(1, [0, 0, 0, 3, 0]);
}

#[test]
fn the_oldest_of_a_batch_that_was_taken_in_part_are_the_refused_ones() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let past = thousand().and(&["--protocol", "2"]);
    let there = past.ticks(0, 60);
    there.backfill(&receiver.write_url()).assert_code(0);
    let run = past.backfill(&receiver.write_url());
    run.assert_code(1);
    // The newest of those that are there, no. 59, is taken once more.
    assert_eq!(counts(&run), [941, 59, 0, 0], "{}", run.stderr);
    let (start, end) = (past.start_ms / 1000, past.start_ms / 1000 + 59 * MINUTE);
    run.assert_says(&format!("--start-epoch {start} --end-epoch {end} "));
    assert_same_bits(&past.stored(&receiver), &past.planned());
}

#[test]
fn of_several_series_the_range_that_was_taken_in_part_is_to_be_verified() {
    let receiver = Script::new([Step::written(100), Step::written(60)])
        .otherwise(Step::written(100))
        .unchecked()
        .start();
    let past = thousand().and(&["--protocol", "2", "--labels", "a=c"]);
    let run = past.backfill(&receiver.url());
    run.assert_code(1);
    assert_eq!(counts(&run), [1960, 40, 0, 0], "{}", run.stderr);
    let origin = past.origin_ms / 1000;
    let (start, end) = (origin + 50 * MINUTE, origin + 100 * MINUTE);
    run.assert_says(&format!(
        "push-live-metrics verify --metric-name cpu --labels a=b --labels a=c --url {} \
         --protocol 2 --origin {origin} --start-epoch {start} --end-epoch {end} --step-size 1m",
        receiver.url()
    ));
    assert!(run.printed_commands("; to send exactly that:").is_empty(), "{}", run.stderr);
}

#[test]
fn a_part_after_an_unknown_fate_leaves_the_rest_unconfirmed() {
    for steps in [
        [Step::status(503), Answer::status(400).written(1).into()],
        [Step::Reset, Answer::status(400).written(1).into()],
        [Step::Reset, Step::written(1)],
    ] {
        let run =
            backfill(&["--protocol", "2"], steps.into_iter().chain(vec![Step::written(100); 9]));
        run.assert_code(1);
        assert_eq!(counts(&run), [901, 0, 0, 99], "{}", run.stderr);
    }
}

/// A backfill goes on after the batch, by 1.0; a live run loses nothing.
#[test]
fn a_gateway_that_strips_the_written_headers_leaves_a_batch_open() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let strip = |_| Some((Fault::StripWritten, Duration::ZERO));
    let proxy = Proxy::start(receiver.address(), TIMEOUT, strip);
    let past = thousand().and(&["--protocol", "auto"]);
    let run = past.backfill(&proxy.write_url());
    run.assert_code(1);
    assert_eq!(counts(&run), [900, 0, 0, 100], "{}", run.stderr);
    assert_same_bits(&past.stored(&receiver), &past.planned());
    let live = Window { labels: "a=live".into(), ..Window::past(10, MINUTE) };
    let live = live.and(&["--protocol", "auto"]);
    let proxy = Proxy::start(receiver.address(), TIMEOUT, strip);
    live.live(&proxy.write_url()).assert_code(0);
    assert_same_bits(&live.stored(&receiver), &live.planned());
}

/// Prometheus 2.54 to 3.6 answer 415 to a message that they were told to refuse, and store it.
#[test]
fn a_415_of_which_the_samples_are_stored_leaves_a_batch_open() {
    let only_1_0 = "--web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest";
    let Some(receiver) = RealReceiver::prometheus3().flag(only_1_0).start() else { return };
    let past = thousand().and(&["--protocol", "auto"]);
    let run = past.backfill(&receiver.write_url());
    assert_same_bits(&past.stored(&receiver), &past.planned());
    assert_eq!(counts(&run), [900, 0, 0, 100], "{}", run.stderr);
    run.assert_code(1);
}

#[test]
fn a_2xx_that_counts_exemplars_or_histograms_only_is_of_2_0() {
    for kind in ["Exemplars", "Histograms"] {
        let name = format!("X-Prometheus-Remote-Write-{kind}-Written");
        let only: Step = Answer::status(204).header(&name, "0").into();
        let receiver = Script::new([Step::written(1), only]).v2(Messages::Auto, 1).unchecked();
        let receiver = receiver.start();
        let run = Cmd::to(&receiver.url()).flag("protocol", "auto").run();
        run.assert_ends(1, [9, 1, 0, 0, 0]);
        assert_eq!(run.log().events("fallback").len(), 0);
        assert_eq!(receiver.requests().len(), 10);
    }
}

#[test]
fn what_the_receiver_says_of_a_conflict_is_shown_with_its_own_hint() {
    let text = "duplicate sample for timestamp 1; overrides not allowed: existing 1, new value 2";
    let conflict: Step = Answer::status(400).body(text).into();
    let receiver = ScriptedReceiver::start([Step::status(204), conflict]);
    let run = Cmd::to(&receiver.url()).run();
    run.assert_code(1).assert_says("Hint: another run stored another value at this time");
    assert!(!run.stderr.contains("out_of_order_time_window"), "{}", run.stderr);
}

#[test]
fn a_415_names_the_version_that_was_not_tried() {
    for (protocol, hint) in [("1", "give --protocol 2"), ("2", "give --protocol 1")] {
        let receiver = Script::new(statuses(&[415])).unchecked().start();
        let run = Cmd::to(&receiver.url()).flag("protocol", protocol).ticks(1, 20).run();
        run.assert_says(hint);
    }
}
