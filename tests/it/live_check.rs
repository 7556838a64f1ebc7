//! The main job against every real receiver: what is stored is what the series gives, on the grid.
//!
//! LIVE_CHECK_MINUTES=5 makes it five ticks at the real interval of a minute
//! (`make live-check`); without it they are a second apart.

use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::side_by_side::side_by_side;
use crate::support::time::now_ms;
use crate::support::variable;
use crate::support::window::{Window, assert_within};

/// Runs against one receiver; no value may be further off than this.
#[track_caller]
fn check_receiver(setup: RealSetup, relative_error_max: f64) {
    let Some(receiver) = setup.start() else { return };
    let minutes: Option<i64> = variable("LIVE_CHECK_MINUTES");
    let (count, interval_ms) = minutes.map_or((5, 1000), |minutes| (minutes, 60_000));
    let window = Window::now(receiver.write_url(), "run=live", count, interval_ms);
    let window = window.starting(now_ms() / 1000 * 1000);
    let run = window.cmd("").switch("verbose").run();
    println!("{}", run.stderr);
    let summary = format!(
        "Summary: {count} planned = {count} accepted + 0 rejected + 0 undelivered \
         + 0 unconfirmed + 0 not yet due; 0 retries"
    );
    run.assert_code(0).assert_says(&summary);
    let stored = window.stored(&receiver);
    assert_within(&stored, &window.planned(), relative_error_max);
    for (tick, (time_ms, value)) in (0..).zip(&stored) {
        assert_eq!(time_ms - window.start_ms, tick * interval_ms, "exactly on the grid");
        println!("{time_ms} {:016x}", value.to_bits());
    }
}

#[test]
fn live_values_are_those_of_the_series() {
    side_by_side(RealReceiver::each(), |(setup, error_max)| check_receiver(setup, error_max));
}
