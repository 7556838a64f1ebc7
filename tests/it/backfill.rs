//! The backfill verb into real receivers: every sample arrives, once, whatever dies meanwhile.
//!
//! `BACKFILL_SAMPLES=1000000` has the runs that something dies in be as long as that.

use std::sync::Arc;
use std::time::Duration;

use crate::support::proxy::Proxy;
use crate::support::proxy::fault::Fault;
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::side_by_side::side_by_side;
use crate::support::variable;
use crate::support::window::{Window, assert_same_bits, assert_within, stop_after_samples};

const DAY: i64 = 86_400;
/// The sender's own.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The window of a run that something dies in: so long that it is in the middle when it does.
/// In seconds, not in minutes: of two years' minutes Prometheus makes 8,000 blocks meanwhile, and
/// answers nothing for minutes.
fn long_past() -> Window {
    Window::past(variable("BACKFILL_SAMPLES").unwrap_or(100_000), 1)
}

fn wide_open(setup: RealSetup) -> RealSetup {
    setup.out_of_order_time_window("3000d")
}

/// Pushes 21 days at 15 minutes and at one minute.
#[track_caller]
fn check_21_days(setup: impl Fn() -> RealSetup, relative_error_max: f64) {
    for step in [15 * 60, 60] {
        let Some(receiver) = setup().start() else { return };
        let past = Window::past(21 * DAY / step, step);
        past.backfill(&receiver.write_url()).assert_code(0);
        let (stored, planned) = (past.stored(&receiver), past.planned());
        assert_within(&stored, &planned, relative_error_max);
    }
}

#[test]
fn each_receiver_has_21_days() {
    check_21_days(RealReceiver::victoriametrics, 2e-12);
    check_21_days(|| RealReceiver::prometheus3().out_of_order_time_window("30d"), 0.0);
}

#[test]
fn live_goes_on_to_the_bit_where_backfill_ended() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let whole = Window::past(60, 60);
    let joint = whole.start_ms + 40 * 60_000;
    Window { end_ms: joint, ..whole.clone() }.backfill(&receiver.write_url()).assert_code(0);
    Window { start_ms: joint, ..whole.clone() }.live(&receiver.write_url()).assert_code(0);
    assert_same_bits(&whole.stored(&receiver), &whole.planned());
}

#[test]
fn trend_and_season_have_no_step_where_the_interval_changes() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let whole = Window::past(DAY / 60, 60).and(&["--noise-std", "0"]);
    let joint = whole.end_ms - 30 * 60_000;
    let coarse = Window { end_ms: joint, step_ms: 15 * 60_000, ..whole.clone() };
    coarse.backfill(&receiver.write_url()).assert_code(0);
    Window { start_ms: joint, ..whole.clone() }.live(&receiver.write_url()).assert_code(0);
    let mut expected = whole.planned();
    expected.retain(|(time_ms, _)| {
        *time_ms >= joint || (time_ms - whole.origin_ms) % coarse.step_ms == 0
    });
    assert_eq!(expected.len(), 94 + 30);
    assert_same_bits(&whole.stored(&receiver), &expected);
}

/// Kills the receiver in the middle and starts it again.
#[track_caller]
fn check_killed_receiver(setup: RealSetup) {
    let Some(mut receiver) = setup.start() else { return };
    let past = long_past().and(&["--batch-size", "100"]);
    let run = past.start_backfill(&receiver.write_url());
    stop_after_samples(&run, &receiver, 0.1 * past.count() as f64);
    receiver.kill();
    run.signal("CONT");
    run.wait_for("Push failed: ", 1);
    receiver.restart();
    let run = run.wait();
    run.assert_says("Push failed: ");
    // One that had stored the batch in flight, and takes nothing older than its newest, cannot
    // say so; all the same it is there.
    let unconfirmed = run.count("unconfirmed");
    assert!(unconfirmed == 0 || unconfirmed == 100, "{}", run.stderr);
    run.assert_code(if unconfirmed == 0 { 0 } else { 1 });
    assert_eq!(run.count("accepted") + unconfirmed, past.count());
    assert_same_bits(&past.stored(&receiver), &past.planned());
}

#[test]
fn all_is_there_once_after_the_receiver_was_killed() {
    check_killed_receiver(wide_open(RealReceiver::prometheus3()));
    check_killed_receiver(RealReceiver::prometheus3());
}

/// Loses something of the third request; returns what ten batches of 100 came to.
#[track_caller]
fn check_lost(setup: RealSetup, fault: Fault, code: i32, unconfirmed: usize) {
    let Some(receiver) = setup.start() else { return };
    let past = Window::past(1000, 60).and(&["--batch-size", "100"]);
    let lose = move |n| (n == 2).then_some((fault, Duration::ZERO));
    let proxy = Proxy::start(receiver.address(), TIMEOUT, lose);
    let run = past.backfill(&proxy.write_url());
    assert_eq!(proxy.record().faults, [fault]);
    run.assert_code(code).assert_says("Push failed: ");
    assert_eq!(
        (run.count("unconfirmed"), run.count("accepted")),
        (unconfirmed, 1000 - unconfirmed)
    );
    if unconfirmed > 0 {
        run.assert_says("an attempt before may have been stored");
    }
    assert_same_bits(&past.stored(&receiver), &past.planned());
}

/// Where nothing older is taken, what may be stored is unconfirmed.
#[test]
fn a_batch_that_is_lost_is_sent_again_and_counted_as_the_receiver_takes_it() {
    check_lost(RealReceiver::prometheus3(), Fault::LoseRequest, 0, 0);
    check_lost(wide_open(RealReceiver::prometheus3()), Fault::LoseAnswer, 0, 0);
    let faults = [Fault::LoseAnswer, Fault::StoreThen(500), Fault::StoreThen(503)];
    side_by_side(faults, |fault| {
        check_lost(RealReceiver::prometheus3(), fault, 1, 100);
        check_lost(RealReceiver::prometheus2(), fault, 1, 100);
    });
}

#[test]
fn what_is_refused_from_some_batch_on_is_named_as_one_range() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let receiver = Arc::new(receiver);
    let past = Window::past(1000, 60).and(&["--batch-size", "100"]);
    // In front of the third request somebody else pushes what is newer.
    let (newer, write_url) =
        (Window { start_ms: past.end_ms - 60_000, ..past.clone() }, receiver.write_url());
    let proxy = Proxy::start(receiver.address(), TIMEOUT, move |n| {
        if n == 2 {
            newer.backfill(&write_url).assert_code(0);
        }
        None
    });
    let url = proxy.write_url();
    let run = past.backfill(&url);
    assert_eq!(proxy.tick_count(), 10, "each batch is sent once");
    assert_eq!(proxy.record().violations, Vec::<String>::new());
    let counts = ["accepted", "rejected", "undelivered"].map(|word| run.count(word));
    assert_eq!(counts, [200, 800, 0]);
    run.assert_code(1).assert_says("Push rejected: HTTP 400");
    assert_eq!(past.ticks(199, 200).stored(&receiver).len(), 1, "the last of the second batch");
    let (start, rest) = (past.start_ms / 1000, past.start_ms / 1000 + 200 * 60);
    run.assert_says(&format!(
        "push-live-metrics backfill --metric-name cpu --labels a=b --url {url} --batch-size 100 \
         --origin {start} --start-epoch {rest} --end-epoch {} --step-size 1m",
        past.end_ms / 1000
    ));
    run.assert_says("out_of_order_time_window");
}
