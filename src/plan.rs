//! What a run is about: some series, and a window of the grid that they share.
//!
//! Pure: no clock, file or socket.

use std::ops::Range;
use std::time::Duration;

use crate::labels::LabelSet;
use crate::remote_write::{Metadata, TimeSeries};
use crate::series::{
    Incident, Incidents, MetricType, Sample, Schedule, Series, SeriesIter, Starts, TimestampMs,
};

/// What a run is about: some series, and a window of their grid.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The sanitised metric name.
    pub metric_name: String,
    /// One label set a series, `__name__` included, in the order given; then those of the truth.
    pub label_sets: Vec<LabelSet>,
    /// The metric of the truth, if it was asked for: one more series for each, 1 inside its
    /// incidents and 0 outside.
    pub truth: Option<Truth>,
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

/// The metric that has the truth.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The sanitised metric name.
    pub metric_name: String,
    /// HELP of the metric.
    pub help: String,
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
        let with_lists =
            series.start.min(self.by_series.len())..series.end.min(self.by_series.len());
        let without = (series.len() - with_lists.len()) as u64;
        Schedule::new(self.model.grid.step_ms, &self.by_series[with_lists]).with_more(without)
    }

    /// Returns how many series there are without those of the truth.
    pub fn own_count(&self) -> usize {
        self.label_sets.len() / (1 + usize::from(self.truth.is_some()))
    }

    /// Returns series `k`, which must not be one of the truth.
    pub fn series(&self, k: usize) -> Series {
        let series = self.model.with_seed_plus(u32::try_from(k).expect("series are bounded"));
        let incidents = self.by_series.get(k).cloned().unwrap_or_default();
        Series { incidents, ..series }
    }

    /// Returns the ticks of each series from `index` on, in the order of the label sets. Each
    /// is made when it is asked for: collected, they are 2.6 KB a series.
    pub fn iters_from(&self, index: u64) -> impl Iterator<Item = SeriesIter> {
        (0..self.label_sets.len()).map(move |k| self.iter_from(k, index))
    }

    /// Returns the ticks of series `k` from `index` on.
    pub fn iter_from(&self, k: usize, index: u64) -> SeriesIter {
        match k.checked_sub(self.own_count()) {
            None => self.series(k).iter_from(index),
            Some(k) => self.series(k).truth_from(index),
        }
    }

    /// Returns when the values of series `k` start from 0, if it is a counter.
    pub fn starts(&self, k: usize) -> Option<Starts<'_>> {
        let is_counter = self.model.metric_type == MetricType::Counter && k < self.own_count();
        let incidents = self.by_series.get(k).map_or(&[][..], |own| own);
        is_counter.then_some(Starts { grid: self.model.grid, incidents })
    }

    /// Returns what a message has of these series; those without a sample are left out.
    pub fn time_series<'a>(
        &'a self,
        series: Range<usize>,
        samples: impl Iterator<Item = &'a [Sample]>,
    ) -> Vec<TimeSeries<'a>> {
        let with_samples = series.zip(samples).filter(|(_, samples)| !samples.is_empty());
        let time_series = |(k, samples)| {
            let (labels, starts) = (&self.label_sets[k], self.starts(k));
            TimeSeries { labels, samples, starts }
        };
        with_samples.map(time_series).collect()
    }

    /// Returns the times from the first tick to the one after the last.
    pub fn times(&self) -> Range<TimestampMs> {
        let grid = self.model.grid;
        grid.time_of(self.window.first_index)..grid.time_of(self.window.end_index())
    }

    /// Returns what stands before the samples of each metric.
    pub fn metadata(&self) -> Vec<Metadata<'_>> {
        let (metric_name, help) = (self.metric_name.as_str(), self.description.as_str());
        let own = Metadata { metric_name, metric_type: self.model.metric_type, help };
        let truth = self.truth.iter().map(|Truth { metric_name, help }| Metadata {
            metric_name,
            metric_type: MetricType::Gauge,
            help,
        });
        [own].into_iter().chain(truth).collect()
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
    /// Returns the index after the last tick.
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
    let largest = units.iter().find(|(_, unit_ms)| ms > 0 && ms.is_multiple_of(*unit_ms));
    largest.map_or(format!("{ms}ms"), |(unit, unit_ms)| format!("{}{unit}", ms / unit_ms))
}
