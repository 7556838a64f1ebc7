//! Runs over a window of a series' grid, and what they should have stored in a real receiver.

use std::time::{Duration, Instant};

use super::cmd::Cmd;
use super::library::{empty_environment, only_samples, plan};
use super::process::{Run, Running};
use super::real_receiver::RealReceiver;
use super::time::{now_ms, seconds};

/// A million samples take minutes on a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(1800);

/// A window of a series, and how it is pushed or read.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// The target; empty for none.
    pub(crate) url: String,
    pub(crate) name: &'static str,
    pub(crate) labels: String,
    pub(crate) origin_ms: i64,
    pub(crate) start_ms: i64,
    /// Excluded.
    pub(crate) end_ms: i64,
    pub(crate) step_ms: i64,
    /// What else is typed.
    pub(crate) flags: Vec<String>,
}

/// Returns the time in whole minutes, as seconds since 1970.
pub(crate) fn this_minute() -> i64 {
    now_ms() / 60_000 * 60
}

impl Window {
    /// Returns a window of so many ticks from `start_ms` on.
    pub(crate) fn from(start_ms: i64, count: i64, step_ms: i64) -> Window {
        let (url, labels, flags) = (String::new(), "a=b".into(), Vec::new());
        let end_ms = start_ms + count * step_ms;
        Window { url, name: "cpu", labels, origin_ms: start_ms, start_ms, end_ms, step_ms, flags }
    }

    /// Returns a window of so many ticks, some seconds apart, that ends at the last whole minute.
    pub(crate) fn past(count: i64, step: i64) -> Window {
        Window::from((this_minute() - count * step) * 1000, count, step * 1000)
    }

    /// Returns a window that begins now.
    pub(crate) fn now(url: String, labels: &str, count: i64, step_ms: i64) -> Window {
        Window { url, labels: labels.into(), ..Window::from(now_ms(), count, step_ms) }
    }

    /// Moves its start, and the origin with it.
    pub(crate) fn starting(self, start_ms: i64) -> Window {
        let end_ms = self.end_ms - self.start_ms + start_ms;
        Window { origin_ms: start_ms, start_ms, end_ms, ..self }
    }

    /// Returns the window of these ticks of its grid.
    pub(crate) fn ticks(&self, first: i64, end: i64) -> Window {
        let tick = |index: i64| self.origin_ms + index * self.step_ms;
        Window { start_ms: tick(first), end_ms: tick(end), ..self.clone() }
    }

    /// Adds flags.
    pub(crate) fn and(mut self, flags: &[&str]) -> Window {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// The same of a counter.
    pub(crate) fn of_counter(self) -> Window {
        Window { name: "requests_total", ..self }.and(&["--type", "counter"])
    }

    /// Returns how many ticks it has.
    pub(crate) fn count(&self) -> usize {
        usize::try_from((self.end_ms - self.start_ms) / self.step_ms).expect("it is positive")
    }

    /// Returns the command for it; the verb "" is live.
    pub(crate) fn cmd(&self, verb: &str) -> Cmd {
        let step_flag = if verb.is_empty() { "interval" } else { "step-size" };
        let mut cmd = Cmd::bare()
            .verb(verb)
            .limit(LIMIT)
            .env("TZ", "UTC")
            .flag("metric-name", self.name)
            .flag("labels", &self.labels)
            .flag("start-epoch", seconds(self.start_ms))
            .flag("end-epoch", seconds(self.end_ms))
            .flag(step_flag, format!("{}ms", self.step_ms));
        if self.origin_ms != self.start_ms {
            cmd = cmd.flag("origin", seconds(self.origin_ms));
        }
        if !self.url.is_empty() {
            cmd = cmd.flag("url", &self.url);
        }
        cmd.and(&self.flags)
    }

    /// Starts a live run with more flags.
    pub(crate) fn start(&self, more: &[&str]) -> Running {
        self.cmd("").and(more).start()
    }

    /// Starts to push it to `url`.
    pub(crate) fn start_backfill(&self, url: &str) -> Running {
        self.cmd("backfill").flag("url", url).start()
    }

    /// Pushes it to `url`.
    pub(crate) fn backfill(&self, url: &str) -> Run {
        self.start_backfill(url).wait()
    }

    /// Pushes it to `url` by the live verb.
    pub(crate) fn live(&self, url: &str) -> Run {
        self.cmd("").flag("url", url).run()
    }

    /// Runs a verb over these ticks.
    pub(crate) fn run(&self, verb: &str, first: i64, end: i64) -> Run {
        self.ticks(first, end).cmd(verb).run()
    }

    /// Pushes these ticks.
    #[track_caller]
    pub(crate) fn push(&self, first: i64, end: i64) {
        self.run("backfill", first, end).assert_code(0);
    }

    /// Verifies the ticks before `end`.
    #[track_caller]
    pub(crate) fn check(&self, end: i64, expected_code: i32, expected: &str) -> Run {
        let run = self.run("verify", 0, end);
        run.assert_code(expected_code).assert_says(expected);
        run
    }

    /// Returns what it holds, made by the library: milliseconds and values.
    pub(crate) fn planned(&self) -> Vec<(i64, f64)> {
        let args = self.cmd("").flag("url", "http://h/").args();
        let plan = plan(&args, &empty_environment(), self.start_ms);
        let samples = only_samples(&plan);
        let has_gaps = self.flags.iter().any(|flag| flag == "--incident");
        assert!(has_gaps || samples.len() == self.count());
        samples
    }

    /// Returns the selector of its series, if it is one.
    pub(crate) fn selector(&self) -> String {
        let pairs = self.labels.split(',').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        format!("{}{{{}}}", self.name, pairs.join(","))
    }

    /// Returns what a receiver has of it, if it is of one series.
    pub(crate) fn stored(&self, receiver: &RealReceiver) -> Vec<(i64, f64)> {
        receiver.samples(&self.selector(), self.start_ms, self.end_ms - 1)
    }
}

impl Run {
    /// Returns the count before `word` in the summary.
    #[track_caller]
    pub(crate) fn count(&self, word: &str) -> usize {
        let summary = self.stderr.lines().find(|line| line.contains("Summary: "));
        let words: Vec<&str> = summary.expect("a summary").split(' ').collect();
        let at = words.iter().position(|w| w.trim_end_matches(';') == word).expect("the word");
        words[at - 1].parse().expect("a count")
    }
}

/// Fails unless both hold the same times and the same bits.
#[track_caller]
pub(crate) fn assert_same_bits(stored: &[(i64, f64)], planned: &[(i64, f64)]) {
    assert_eq!(stored.len(), planned.len(), "samples");
    for (stored, planned) in stored.iter().zip(planned) {
        assert_eq!((stored.0, stored.1.to_bits()), (planned.0, planned.1.to_bits()));
    }
}

/// Fails unless both hold the same times, and values within this relative error.
#[track_caller]
pub(crate) fn assert_within(stored: &[(i64, f64)], planned: &[(i64, f64)], error_max: f64) {
    if error_max == 0.0 {
        return assert_same_bits(stored, planned);
    }
    assert_eq!(stored.len(), planned.len(), "samples");
    // Of a value far smaller than its neighbors a VictoriaMetrics keeps fewer digits.
    let magnitude_max = planned.iter().map(|(_, value)| value.abs()).fold(0.0, f64::max);
    for (stored, planned) in stored.iter().zip(planned) {
        let allowed = error_max * planned.1.abs() + 2e-18 * magnitude_max;
        let is_near = (stored.1 - planned.1).abs() <= allowed;
        assert!(stored.0 == planned.0 && is_near, "{stored:?} for {planned:?}");
    }
}

/// Lets a run go on, a little at a time, until a Prometheus has taken more than `count` samples;
/// then it is stopped, so that a machine of any speed finds it there.
pub(crate) fn stop_after_samples(run: &Running, receiver: &RealReceiver, count: f64) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let is_there = || {
        let (_, metrics) = receiver.get("/metrics");
        let is_total = |line: &&str| {
            line.starts_with("prometheus_tsdb_head_samples_appended_total")
                || line.starts_with("prometheus_tsdb_head_out_of_order_samples_appended_total")
        };
        let values = metrics.lines().filter(is_total).filter_map(|line| line.rsplit(' ').next());
        values.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>() > count
    };
    loop {
        run.signal("STOP");
        if is_there() {
            return;
        }
        assert!(Instant::now() < deadline, "no {count} samples came");
        run.signal("CONT");
    }
}
