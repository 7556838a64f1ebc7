//! The times in the log: local ones, each with the offset from UTC that it has itself.

use push_live_metrics::report::utc_time;
use push_live_metrics::series::TimestampMs;

use crate::support::cmd::Cmd;
use crate::support::process::Run;
use crate::support::scripted_receiver::ScriptedReceiver;
use crate::support::time::{now_ms, seconds};

/// Central Europe's rule, which takes no database.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Returns a run that says what it expects, and finds nobody to ask.
fn verify(zone: &str, start: &str, end: &str) -> Run {
    let sender = Cmd::to("http://127.0.0.1:9/api/v1/write").without("interval");
    let sender = sender.without("duration").without("log-format").flag("flush-timeout", "0s");
    let window = sender.flag("start-epoch", start).flag("end-epoch", end).flag("step-size", "1d");
    window.env("TZ", zone).shell(r#"exec "$0" verify "$@""#).run()
}

#[test]
fn a_time_is_shown_with_its_own_offset() {
    // One of the two has another offset than now, whenever that is.
    for (start, end, expected) in [
        ("2025-07-01T00:00:00+02:00", "2025-07-03T00:00:00+02:00", ["2025-07-01", "2025-07-03"]),
        ("2025-01-15T00:00:00+01:00", "2025-01-17T00:00:00+01:00", ["2025-01-15", "2025-01-17"]),
    ] {
        let run = verify(BERLIN, start, end);
        let [from, to] = expected.map(|date| format!("{date} 00:00:00"));
        run.assert_says(&format!("Expecting timeseries from {from} to {to}\n"));
    }
}

#[test]
fn the_log_says_once_which_zone_it_is() {
    let [start, end] = ["2025-07-01T00:00:00Z", "2025-12-01T00:00:00Z"];
    for (zone, expected) in [
        ("XXX-5:30", "Local time: UTC+05:30\n"),
        ("XXX3:30", "Local time: UTC-03:30\n"),
        ("", "Local time: UTC\n"),
        // What no database knows.
        ("Nowhere/Land", "Local time: UTC\n"),
        (BERLIN, " now, UTC+02:00 at the start, UTC+01:00 at the end of the window\n"),
    ] {
        let run = verify(zone, start, end);
        assert_eq!(run.stderr.matches(expected).count(), 1, "{}", run.stderr);
        assert_eq!(run.stderr.matches("Local time: ").count(), 1, "{}", run.stderr);
    }
}

/// Returns a zone, of UTC so far, whose summer begins at this time.
fn summer_from(change_ms: i64) -> String {
    let (days, in_day) = (change_ms.div_euclid(DAY_MS), change_ms.rem_euclid(DAY_MS) / 1000);
    let year: i64 = utc_time(TimestampMs(change_ms))[..4].parse().unwrap();
    let leap_days = (year - 1969) / 4 - (year - 1901) / 100 + (year - 1601) / 400;
    let day = days - (year - 1970) * 365 - leap_days;
    let time = format!("{}:{}:{}", in_day / 3600, in_day / 60 % 60, in_day % 60);
    format!("AAA0BBB-1,{day}/{time},{}/0", (day + 180) % 365)
}

#[test]
fn the_offset_changes_during_a_run() {
    let receiver = ScriptedReceiver::start([]);
    let start = now_ms() / 1000 * 1000;
    let change = start + 2000;
    let sender = Cmd::to(&receiver.url()).ticks(12, 250).flag("log-format", "text");
    let zone = summer_from(change);
    let run = sender.flag("start-epoch", seconds(start)).env("TZ", &zone).run();
    run.assert_code(0);
    let local = |ms| utc_time(TimestampMs(if ms < change { ms } else { ms + HOUR_MS }));
    for (number, ms) in (1..=12).zip((start..).step_by(250)) {
        run.assert_says(&format!("[{number}/12] Timestamp: {}\n", local(ms)));
    }
    // The log's own times: the last line is written after the change, and soon.
    let last = run.stderr.lines().last().unwrap();
    let hours: Vec<String> = [0, HOUR_MS / 2].map(|ms| local(change + ms)[..13].into()).into();
    assert!(hours.iter().any(|hour| last.starts_with(&format!("[{hour}:"))), "{zone} {last}");
}
