//! Runs of one series into a real receiver, on a grid of their own.

use std::time::Duration;

use super::library::{empty_environment, only_samples, plan};
use super::process::{Running, Surroundings};
use super::time::{now_ms, seconds};

/// What a run is given beyond the time that its window takes.
const PATIENCE: Duration = Duration::from_secs(180);

/// The flags of a run of one series whose grid is fixed by `start_ms`, so that what it
/// plans follows from its flags alone.
#[derive(Clone, Debug)]
pub(crate) struct Flags {
    pub(crate) write_url: String,
    /// The value of the series' one label.
    pub(crate) run: String,
    pub(crate) start_ms: i64,
    pub(crate) tick_count: u64,
    pub(crate) interval_ms: u64,
}

impl Flags {
    /// Returns a run that begins now.
    pub(crate) fn new(write_url: String, run: &str, tick_count: u64, interval_ms: u64) -> Flags {
        Flags { write_url, run: run.into(), start_ms: now_ms(), tick_count, interval_ms }
    }

    /// Returns the time behind the last tick.
    pub(crate) fn end_ms(&self) -> i64 {
        self.start_ms + i64::try_from(self.tick_count * self.interval_ms).unwrap()
    }

    /// Returns what selects the series at a receiver.
    pub(crate) fn selector(&self) -> String {
        format!("chaos{{run=\"{}\"}}", self.run)
    }

    /// Returns the arguments for the whole window.
    pub(crate) fn args(&self) -> Vec<String> {
        let start = seconds(self.start_ms);
        let end = seconds(self.end_ms());
        self.args_with(&["--start-epoch", &start, "--end-epoch", &end])
    }

    /// Returns the arguments with another window.
    pub(crate) fn args_with(&self, window: &[&str]) -> Vec<String> {
        let (run, interval) = (format!("run={}", self.run), format!("{}ms", self.interval_ms));
        let series = ["--metric-name", "chaos", "--labels", &run, "--interval", &interval];
        let target = ["--url", &self.write_url];
        [&series[..], &target, window].concat().into_iter().map(str::to_owned).collect()
    }

    /// Returns an empty environment, and the time that the window takes.
    pub(crate) fn surroundings(&self) -> Surroundings {
        let left_ms = u64::try_from(self.end_ms() - now_ms()).unwrap_or(0);
        Surroundings::new(PATIENCE + Duration::from_millis(left_ms))
    }

    /// Starts a run of the whole window, with more flags.
    pub(crate) fn start(&self, more: &[&str]) -> Running {
        let more = more.iter().map(|flag| (*flag).to_owned());
        self.surroundings().start(self.args().into_iter().chain(more).collect())
    }

    /// Returns every sample of the window, made by the library: milliseconds and bits.
    pub(crate) fn planned(&self) -> Vec<(i64, u64)> {
        self.planned_with_seed(42)
    }

    /// Returns the same for another seed than the default.
    pub(crate) fn planned_with_seed(&self, seed: u32) -> Vec<(i64, u64)> {
        let seed = ["--seed".to_owned(), seed.to_string()];
        let args: Vec<String> = self.args().into_iter().chain(seed).collect();
        let plan = plan(&args, &empty_environment(), self.start_ms);
        let window = &plan.window;
        assert_eq!((window.first_index, window.tick_count), (0, self.tick_count));
        bits(&only_samples(&plan))
    }
}

/// Returns samples with the bits of their values.
pub(crate) fn bits(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples.iter().map(|&(timestamp_ms, value)| (timestamp_ms, value.to_bits())).collect()
}
