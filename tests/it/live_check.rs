//! The main job against every real receiver side by side: what is stored is what the series
//! gives, on the grid; no token shows; Ctrl+C counts right, at once.
//!
//! LIVE_CHECK_MINUTES=5 makes it five ticks at the real interval of a minute
//! (`make live-check`); without it they are a second apart.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::flags::{Flags, bits};
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::time::now_ms;

const TOKEN: &str = "t0ken-that-must-not-show";

/// Returns how many ticks there are and how far they are apart.
fn ticks() -> (u64, u64) {
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
    let flags = Flags {
        start_ms: now_ms() / 1000 * 1000,
        ..Flags::new(receiver.write_url(), "live", tick_count, interval_ms)
    };
    let mut args = flags.args();
    args.push("--verbose".into());
    let push = flags.surroundings().env("REMOTE_WRITE_TOKEN", TOKEN).start(args);
    push.wait_for("✓ Pushed chaos", 1);
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

    let stored = receiver.samples(&flags.selector(), flags.start_ms, flags.end_ms());
    let planned = flags.planned();
    assert_eq!(stored.len(), planned.len(), "{stored:?}");
    let mut worst: f64 = 0.0;
    for (i, (&(stored_ms, value), &(planned_ms, planned_bits))) in
        stored.iter().zip(&planned).enumerate()
    {
        assert_eq!(stored_ms, planned_ms);
        let offset_ms = i64::try_from(u64::try_from(i).unwrap() * interval_ms).unwrap();
        assert_eq!(stored_ms - flags.start_ms, offset_ms, "exactly on the grid");
        let planned = f64::from_bits(planned_bits);
        worst = worst.max((value / planned - 1.0).abs());
        println!("{stored_ms} planned {planned_bits:016x} stored {:016x}", value.to_bits());
    }
    println!("{tick_count} ticks {interval_ms} ms apart, largest relative error {worst:e}");
    assert!(worst <= relative_error_max, "{worst:e}");
    if relative_error_max == 0.0 {
        assert_eq!(bits(&stored), planned);
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
        let flags = Flags::new(receiver.write_url(), &format!("interrupted-{i}"), 5, 60_000);
        let flags = Flags { start_ms, ..flags };
        let push = flags.start(&[]);
        push.wait_for("[3/5]", 1);
        push.wait_for("Sleeping for", 1);
        let interrupted_at = push.signal("INT");
        let run = push.wait();
        let took = run.end - interrupted_at;
        run.assert_code(130).assert_says("Interrupted! Pushed 3/5 datapoints");
        let counts = "5 planned = 3 accepted + 0 rejected + 0 undelivered + 0 unconfirmed \
                      + 2 not yet due; 0 retries";
        run.assert_says(counts);
        let stored = receiver.samples(&flags.selector(), flags.start_ms, flags.end_ms());
        assert_eq!(bits(&stored), flags.planned()[..3]);
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
