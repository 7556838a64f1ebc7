//! Runs of the real binary over a window of the past, and what they should have stored.

use std::process::Command;
use std::time::{Duration, Instant};

use super::library::{empty_environment, only_samples, plan};
use super::process::{self, BINARY, Run, Running, Surroundings};
use super::real_receiver::RealReceiver;
use super::time::now_ms;

/// The series of every run here that names no other.
pub(crate) const SELECTOR: &str = "cpu{a=\"b\"}";
/// A million samples take minutes on a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(1800);

/// A window, and what is to be done with it.
#[derive(Clone)]
pub(crate) struct Past {
    /// Seconds since 1970.
    pub(crate) origin: i64,
    /// Seconds since 1970.
    pub(crate) start: i64,
    /// Seconds since 1970, excluded.
    pub(crate) end: i64,
    /// In seconds.
    pub(crate) step: i64,
    /// The value of the series' one label.
    pub(crate) label: String,
    /// What else is typed.
    pub(crate) flags: Vec<String>,
}

/// Returns the time in whole minutes, as seconds since 1970.
pub(crate) fn now() -> i64 {
    now_ms() / 60_000 * 60
}

impl Past {
    /// Returns a window of `count` datapoints that ends at the last whole minute.
    pub(crate) fn of(count: i64, step: i64) -> Past {
        let end = now();
        let start = end - count * step;
        Past { origin: start, start, end, step, label: "b".into(), flags: Vec::new() }
    }

    /// Adds flags.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Past {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    fn args(&self, verb: &str) -> Vec<String> {
        let step_flag = if verb.is_empty() { "--interval" } else { "--step-size" };
        let words = [
            verb,
            "--metric-name",
            "cpu",
            "--labels",
            &format!("a={}", self.label),
            "--origin",
            &self.origin.to_string(),
            "--start-epoch",
            &self.start.to_string(),
            "--end-epoch",
            &self.end.to_string(),
            step_flag,
            &format!("{}s", self.step),
        ]
        .map(ToOwned::to_owned);
        let words = words.into_iter().filter(|word| !word.is_empty());
        words.chain(self.flags.iter().cloned()).collect()
    }

    /// Starts a run with more flags; the verb "" is live.
    fn start(&self, verb: &str, more: &[&str]) -> Running {
        let more = more.iter().map(|flag| (*flag).to_owned());
        let args = self.args(verb).into_iter().chain(more).collect();
        Surroundings::new(LIMIT).env("TZ", "UTC").start(args)
    }

    /// Returns what the window holds, made by the library.
    pub(crate) fn planned(&self) -> Vec<(i64, f64)> {
        let target = ["--url", "http://h/"].map(ToOwned::to_owned);
        let args: Vec<String> = self.args("backfill").into_iter().chain(target).collect();
        only_samples(&plan(&args, &empty_environment(), now() * 1000 + 60_000))
    }

    /// Returns what a receiver has between start and end.
    pub(crate) fn stored(&self, receiver: &RealReceiver) -> Vec<(i64, f64)> {
        let selector = format!("cpu{{a=\"{}\"}}", self.label);
        receiver.samples(&selector, self.start * 1000, self.end * 1000 - 1)
    }

    /// Pushes it to `url` and returns when that is done.
    pub(crate) fn backfill(&self, url: &str) -> Run {
        self.start_backfill(url).wait()
    }

    /// Begins to push it to `url`.
    pub(crate) fn start_backfill(&self, url: &str) -> Running {
        self.start("backfill", &["--url", url])
    }

    /// Pushes it to `url` by the live verb.
    pub(crate) fn live(&self, url: &str) -> Run {
        self.start("", &["--url", url]).wait()
    }

    /// Runs it with more flags, and without a target.
    pub(crate) fn export(&self, flags: &[&str]) -> Run {
        self.start("backfill", flags).wait()
    }

    /// Returns it as `sh` runs it: `"$@"` in `script` is the export with these flags.
    pub(crate) fn export_in_shell(&self, script: &str, flags: &[&str]) -> Command {
        let mut shell = process::shell(script);
        shell.args(["sh", BINARY]).args(self.args("backfill")).args(flags);
        shell
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

/// Waits until a Prometheus has taken more than `count` samples.
pub(crate) fn wait_for_samples(receiver: &RealReceiver, count: f64) {
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
    while !is_there() {
        assert!(Instant::now() < deadline, "no {count} samples came");
    }
}
