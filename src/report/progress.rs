//! The progress of a long run: a status line on a terminal, a log line every few seconds elsewhere.

use std::time::Duration;

use super::{Field, Report};

/// Time between two redraws of the status line.
const REDRAWN_EVERY: Duration = Duration::from_millis(200);
/// Time between two log lines.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

/// The progress of a run; most calls of `show` do nothing.
pub struct Progress<'a> {
    report: &'a Report,
    total: u64,
    start: Duration,
    next: Duration,
}

impl<'a> Progress<'a> {
    /// Returns the progress of a run of `total` datapoints that begins `now`, on a steady clock.
    pub fn new(report: &'a Report, total: u64, now: Duration) -> Self {
        Self { report, total, start: now, next: now + every(report) }
    }

    /// Shows that `done` datapoints are settled, unless progress was shown a moment ago.
    pub fn show(&mut self, done: u64, now: Duration) {
        if now < self.next {
            return;
        }
        self.next = now + every(self.report);
        let text = in_words(done, self.total, now.saturating_sub(self.start));
        if self.report.has_status() {
            self.report.status(&text);
        } else {
            let fields = [("done", Field::Count(done)), ("total", Field::Count(self.total))];
            self.report.info("progress", &fields, &text);
        }
    }
}

fn every(report: &Report) -> Duration {
    if report.has_status() { REDRAWN_EVERY } else { LOGGED_EVERY }
}

/// Returns the line, as in "42 %, 420000 datapoints, 51234/s, 11 s left".
fn in_words(done: u64, total: u64, elapsed: Duration) -> String {
    let elapsed_ms = elapsed.as_millis().max(1);
    let percent = u128::from(done) * 100 / u128::from(total.max(1));
    let per_second = u128::from(done) * 1000 / elapsed_ms;
    let left = match u128::from(total.saturating_sub(done)) * elapsed_ms / 1000 {
        _ if done == 0 => String::new(),
        work => match work / u128::from(done) {
            seconds @ ..120 => format!(", {seconds} s left"),
            seconds @ ..7200 => format!(", {} min left", seconds / 60),
            seconds => format!(", {} h left", seconds / 3600),
        },
    };
    format!("{percent} %, {done} datapoints, {per_second}/s{left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(done: u64, total: u64, elapsed_ms: u64, expected: &str) {
        assert_eq!(in_words(done, total, Duration::from_millis(elapsed_ms)), expected);
    }

    #[test]
    fn percent_rate_and_time_left() {
        check(0, 1000, 0, "0 %, 0 datapoints, 0/s");
        check(420, 1000, 4200, "42 %, 420 datapoints, 100/s, 5 s left");
        check(1, 1000, 1000, "0 %, 1 datapoints, 1/s, 16 min left");
        check(1, 10_000, 1000, "0 %, 1 datapoints, 1/s, 2 h left");
        check(1000, 1000, 500, "100 %, 1000 datapoints, 2000/s, 0 s left");
        check(0, 0, 0, "0 %, 0 datapoints, 0/s");
    }

    #[test]
    fn the_longest_line_fits_sixty_columns() {
        // Ten years of milliseconds for 10,000 series.
        let total = 3_150_000_000_000_000;
        assert!(in_words(10_000_000_000, total, Duration::from_secs(1000)).len() < 60);
        assert!(in_words(total, total, Duration::from_secs(1_000_000)).len() < 60);
    }
}
