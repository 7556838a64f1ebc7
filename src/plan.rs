//! What a run is about: some series, and a window of the grid that they share.
//!
//! Pure: no clock, file or socket.

use std::ops::Range;
use std::time::Duration;

use crate::labels::LabelSet;
use crate::remote_write::Metadata;
use crate::series::{Incident, Incidents, Schedule, Series, SeriesIter, TimestampMs};

/// What a run is about: some series, and a window of their grid.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The sanitised metric name.
    pub metric_name: String,
    /// One label set a series, `__name__` included, in the order given.
    pub label_sets: Vec<LabelSet>,
    /// HELP of the metric.
    pub description: String,
    /// The model on its grid, without incidents; series k of a fan-out takes its seed + k.
    pub model: Series,
    /// Known trouble, in the order given: number k is at k - 1.
    pub incidents: Vec<Named>,
    /// The incidents of each series, in the order of the label sets; empty where there are none.
    pub by_series: Vec<Incidents>,
    /// Which ticks have how many datapoints.
    pub schedule: Schedule,
    /// The ticks.
    pub window: Window,
}

/// An incident as it was given.
#[derive(Clone, Debug)]
pub struct Named {
    /// As typed.
    pub text: String,
    /// When it comes, and what it does.
    pub incident: Incident,
    /// How many series have it.
    pub series_count: u64,
}

impl Plan {
    /// Returns how many samples it has.
    pub fn sample_count(&self) -> u64 {
        self.schedule.count(self.window.ticks())
    }

    /// Returns which ticks have how many datapoints of some of the series.
    pub fn schedule_of(&self, series: Range<usize>) -> Schedule {
        match self.by_series.get(series.clone()) {
            Some(lists) => Schedule::new(self.model.grid.step_ms, lists),
            None => Schedule::uniform(series.len() as u64),
        }
    }

    /// Returns series `k`.
    pub fn series(&self, k: usize) -> Series {
        let series = self.model.with_seed_plus(u32::try_from(k).expect("series are bounded"));
        let incidents = self.by_series.get(k).cloned().unwrap_or_default();
        Series { incidents, ..series }
    }

    /// Returns the ticks of each series from `index` on, in the order of the label sets. Each
    /// is made when it is asked for: collected, they are 2.6 KB a series.
    pub fn iters_from(&self, index: u64) -> impl Iterator<Item = SeriesIter> {
        (0..self.label_sets.len()).map(move |k| self.series(k).iter_from(index))
    }

    /// Returns the step of its grid, as a flag takes it.
    pub fn step(&self) -> String {
        show_duration(Duration::from_millis(self.model.grid.step_ms))
    }

    /// Returns the time from the first tick to behind the last one, end excluded.
    pub fn times(&self) -> Range<TimestampMs> {
        let grid = self.model.grid;
        grid.time_of(self.window.first_index)..grid.time_of(self.window.end_index())
    }

    /// Returns what stands before the samples of its metric.
    pub fn metadata(&self) -> Metadata<'_> {
        Metadata { metric_name: &self.metric_name, help: &self.description }
    }
}

/// A window of the grid: ticks `first_index..first_index + tick_count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Index of the first tick on the model's grid.
    pub first_index: u64,
    /// Number of ticks; at least 1.
    pub tick_count: u64,
}

impl Window {
    /// Returns the index behind the last tick.
    pub fn end_index(self) -> u64 {
        self.first_index + self.tick_count
    }

    /// Returns the ticks.
    pub fn ticks(self) -> Range<u64> {
        self.first_index..self.end_index()
    }
}

/// Shows a duration in its largest whole unit, as a flag takes it.
pub(crate) fn show_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    let units = [("d", 24 * 3_600_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let largest = units.iter().find(|(_, unit_ms)| ms.is_multiple_of(*unit_ms));
    largest.map_or(format!("{ms}ms"), |(unit, unit_ms)| format!("{}{unit}", ms / unit_ms))
}
