//! The main job against every real receiver side by side: what is stored is what the series
//! gives, on the grid; no token shows; Ctrl+C counts right, at once.
//!
//! LIVE_CHECK_MINUTES=5 makes it five ticks at the real interval of a minute
//! (`make live-check`); without it they are a second apart.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::time::now_ms;
use crate::support::window::{Window, assert_same_bits, assert_within};

const TOKEN: &str = "t0ken-that-must-not-show";

/// Returns how many ticks there are and how far they are apart.
fn ticks() -> (i64, i64) {
    match std::env::var("LIVE_CHECK_MINUTES") {
        Ok(minutes) => (minutes.parse().expect("LIVE_CHECK_MINUTES is a number"), 60_000),
        Err(_) => (5, 1000),
    }
}

/// Runs against one receiver; no value may be further off than this.
#[track_caller]
fn check_receiver(setup: RealSetup, relative_error_max: f64) {
    let Some(receiver) = setup.start() else { return };
    let (tick_count, interval_ms) = ticks();
    let window = Window::now(receiver.write_url(), "run=live", tick_count, interval_ms);
    let window = window.starting(now_ms() / 1000 * 1000);
    let push = window.cmd("").switch("verbose").env("REMOTE_WRITE_TOKEN", TOKEN).start();
    push.wait_for("✓ Pushed cpu", 1);
    assert_token_is_not_listed(push.pid());
    let run = push.wait();
    run.assert_code(0);

    let log = &run.stderr;
    println!("{log}");
    assert!(!log.contains(TOKEN), "the token is in the log");
    let summary = format!(
        "Summary: {tick_count} planned = {tick_count} accepted + 0 rejected + 0 undelivered \
         + 0 unconfirmed + 0 not yet due; 0 retries"
    );
    assert!(log.contains(&summary), "{log}");

    let (stored, planned) = (window.stored(&receiver), window.planned());
    assert_within(&stored, &planned, relative_error_max);
    for (tick, (time_ms, value)) in (0..).zip(&stored) {
        assert_eq!(time_ms - window.start_ms, tick * interval_ms, "exactly on the grid");
        println!("{time_ms} {:016x}", value.to_bits());
    }
}

fn assert_token_is_not_listed(pid: u32) {
    let cmdline = fs::read(format!("/proc/{pid}/cmdline")).expect("it runs");
    let cmdline = String::from_utf8_lossy(&cmdline);
    assert!(cmdline.contains("--metric-name") && !cmdline.contains(TOKEN), "{cmdline}");
    // No ps in a small container: /proc is what it reads.
    if let Ok(output) = Command::new("ps").args(["-e", "-ww", "-o", "pid,comm,args"]).output() {
        let list = String::from_utf8_lossy(&output.stdout);
        assert!(!list.contains(TOKEN), "{list}");
        println!("ps lists {} processes, the token in none", list.lines().count() - 1);
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    assert!(!status.contains(TOKEN), "{status}");
}

#[test]
fn live_values_are_those_of_the_series_in_prometheus2() {
    check_receiver(RealReceiver::prometheus2(), 0.0);
}

#[test]
fn live_values_are_those_of_the_series_in_prometheus3() {
    check_receiver(RealReceiver::prometheus3(), 0.0);
}

#[test]
fn live_values_are_those_of_the_series_in_victoriametrics() {
    check_receiver(RealReceiver::victoriametrics(), 2e-12);
}

/// Interrupts runs at tick 3 of 5, while each sleeps for most of a minute.
#[test]
fn live_ctrl_c_at_tick_3_of_5_ends_the_run_and_counts_right() {
    const RUN_COUNT: u64 = 20;
    const LIMIT: Duration = Duration::from_secs(20);
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let interrupted = |i: u64| {
        // Three are due.
        let start_ms = now_ms() - 125_000;
        let labels = format!("run=interrupted-{i}");
        let window = Window::now(receiver.write_url(), &labels, 5, 60_000).starting(start_ms);
        let push = window.start(&[]);
        push.wait_for("[3/5]", 1);
        push.wait_for("Sleeping for", 1);
        let interrupted_at = push.signal("INT");
        let run = push.wait();
        let took = run.end - interrupted_at;
        run.assert_code(130).assert_says("Interrupted! Pushed 3/5 datapoints");
        let counts = "5 planned = 3 accepted + 0 rejected + 0 undelivered + 0 unconfirmed \
                      + 2 not yet due; 0 retries";
        run.assert_says(counts);
        assert_same_bits(&window.stored(&receiver), &window.planned()[..3]);
        took
    };
    let mut took: Vec<Duration> = thread::scope(|scope| {
        let runs: Vec<_> = (0..RUN_COUNT).map(|i| scope.spawn(move || interrupted(i))).collect();
        runs.into_iter().map(|run| run.join().expect("its assertions hold")).collect()
    });
    took.sort();
    println!("from kill to the end of the process, {RUN_COUNT} times, sorted: {took:.1?}");
    assert!(took.iter().all(|took| *took < LIMIT), "{took:?}");
}
