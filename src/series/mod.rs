//! The series: a pure function on a grid, with the bits of mockseries 0.3.1.
//!
//! ```text
//! t(i) = origin + i * step
//! plain(i) = trend(t(i) - origin) + day(t(i)) + week(t(i)) + noise(seed, i)
//! curve(i) = plain(i), except at the ticks that incidents cover
//! value(i) = curve(i) of a gauge; of a counter the sum of max(0, curve(j)) * step in seconds, in
//!            the order of the grid, over start < j <= i: the start is the origin or the last reset
//! ```
//!
//! The same bits on every host and in every build: IEEE operations in a fixed order and a
//! logarithm of our own. Must never see a clock, a socket, a file, a global or std's mathematics
//! (sqrt, which IEEE 754 defines to the bit, excepted).

mod counter;
mod grid;
mod incidents;
mod ln;
mod modular;
mod noise;
mod pchip;
mod schedule;
mod seasonality;
mod timeline;
mod trend;

pub use counter::{MetricType, Starts};
pub use grid::{Grid, TimestampMs};
pub use incidents::{Effect, Incident, Incidents, Kind};
pub use noise::{NoiseParams, Seed};
pub use schedule::Schedule;
pub use seasonality::{Period, Seasonality, WEEKDAYS};
pub use timeline::Troubled;
pub use trend::Trend;

use std::iter;
use std::ops::Range;

use noise::Deviates;
use seasonality::SeasonCursor;
use timeline::Timeline;

/// A series: what its value is at each index of its grid. A clone is cheap.
#[derive(Clone, Debug)]
pub struct Series {
    /// Whether the curves are the values, or what they grow by.
    pub metric_type: MetricType,
    /// The trend.
    pub trend: Trend,
    /// The daily curve, if there is one.
    pub seasonality: Option<Seasonality>,
    /// The weekly curve, which is added after it, if there is one.
    pub weekly_seasonality: Option<Seasonality>,
    /// The noise's distribution and seed.
    pub noise: NoiseParams,
    /// The times.
    pub grid: Grid,
    /// What is added to UTC for the curves' local time, in milliseconds. The bits are the
    /// reference's for whole seconds.
    pub utc_offset_ms: i64,
    /// Known trouble.
    pub incidents: Incidents,
}

/// The value of a series at a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The grid point.
    pub timestamp: TimestampMs,
    /// The value; never -0.0, which not every remote-write encoder and receiver keeps.
    pub value: f64,
}

/// What a series has at one tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// The grid point.
    pub timestamp: TimestampMs,
    /// As in `Sample`; none in a gap.
    pub value: Option<f64>,
    /// Whether an incident covers the tick; true in a gap.
    pub is_anomaly: bool,
}

impl Tick {
    /// Returns the sample, if there is one.
    pub fn sample(self) -> Option<Sample> {
        self.value.map(|value| Sample { timestamp: self.timestamp, value })
    }
}

impl From<Sample> for Tick {
    fn from(Sample { timestamp, value }: Sample) -> Self {
        Self { timestamp, value: Some(value), is_anomaly: false }
    }
}

/// One time that an incident comes; it covers at least one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When it starts and when it is over; both may be off the grid.
    pub times: Range<TimestampMs>,
    /// The indexes of the ticks that it covers.
    pub ticks: Range<u64>,
}

impl Series {
    /// Returns the ticks from `index` on. Costs `index` deviates of noise, and of a counter the
    /// values since its last start (docs/design.md, "The series").
    ///
    /// # Panics
    /// When the trend's unit or the grid's step is 0, and where `Grid::time_of(index)` does.
    pub fn iter_from(&self, index: u64) -> SeriesIter {
        let mut deviates = Deviates::new(self.noise.seed);
        let mut skipped = 0;
        let is_counter = self.metric_type == MetricType::Counter;
        let start = if is_counter { self.starts().tick(index) } else { index };
        let timeline = (is_counter || !self.incidents.is_empty()).then(|| {
            let mut timeline = Timeline::new(self.incidents.clone(), self.grid.step_ms, start);
            // Held values from before are computed on the way, at no extra cost.
            for (first, held) in timeline.held_since_before(start) {
                deviates.skip(first - skipped);
                skipped = first;
                let noise = self.noise.value(deviates.clone().next());
                *held = Some(Curves::new(self, first).next_sum().1 + noise);
            }
            Box::new(if is_counter { timeline.of_counter() } else { timeline })
        });
        deviates.skip(start - skipped);
        let curves = Curves::new(self, start);
        let mut iter = SeriesIter { curves, noise: self.noise, deviates, timeline };
        while iter.index() < index {
            iter.next();
        }
        iter
    }

    /// Returns when its values start from 0, if it is a counter.
    pub fn starts(&self) -> Starts<'_> {
        Starts { grid: self.grid, incidents: &self.incidents }
    }

    /// Returns ticks from `index` on that are 1 where incidents cover them, gaps too, and 0
    /// elsewhere.
    ///
    /// # Panics
    /// As `iter_from`.
    pub fn truth_from(&self, index: u64) -> SeriesIter {
        let timeline = Timeline::new(self.incidents.clone(), self.grid.step_ms, index).of_truth();
        let bare = Self { seasonality: None, weekly_seasonality: None, ..self.clone() };
        SeriesIter {
            curves: Curves::new(&bare, index),
            noise: self.noise,
            deviates: Deviates::new(self.noise.seed),
            timeline: Some(Box::new(timeline)),
        }
    }

    /// Returns the same series with seed + `k` (modulo 2^32), which is series `k` of a fan-out.
    pub fn with_seed_plus(&self, k: u32) -> Self {
        let seed = Seed(self.noise.seed.0.wrapping_add(k));
        Self { noise: NoiseParams { seed, ..self.noise }, ..self.clone() }
    }

    /// Returns the ranges of `ticks` that incidents cover, overlaps merged.
    pub fn troubled(&self, ticks: Range<u64>) -> Troubled {
        Troubled::new(self.incidents.clone(), self.grid.step_ms, ticks)
    }

    /// Returns the occurrences of an incident that cover any of `ticks`, whole, in order.
    pub fn occurrences(
        &self,
        incident: &Incident,
        ticks: Range<u64>,
    ) -> impl Iterator<Item = Occurrence> + use<> {
        let (incident, grid) = (*incident, self.grid);
        let mut index = ticks.start;
        iter::from_fn(move || {
            let found = incident.coverage_from(index, grid.step_ms)?;
            index = found.ticks.end;
            let start = TimestampMs(grid.origin.0.saturating_add_unsigned(found.start_ms));
            let end = TimestampMs(start.0.saturating_add_unsigned(incident.length_ms));
            Some(Occurrence { times: start..end, ticks: found.ticks })
        })
        .take_while(move |occurrence| occurrence.ticks.start < ticks.end)
    }
}

/// The sum of trend, day and week from some index on.
#[derive(Clone, Debug)]
struct Curves {
    trend: Trend,
    day: Option<SeasonCursor>,
    week: Option<SeasonCursor>,
    grid: Grid,
    index: u64,
}

impl Curves {
    fn new(series: &Series, index: u64) -> Self {
        let Series { trend, grid, utc_offset_ms, .. } = *series;
        assert!(trend.unit_us > 0, "a trend's unit is at least a microsecond");
        assert!(grid.step_ms > 0, "a grid's step is at least a millisecond");
        let time = grid.time_of(index);
        let cursor = |curve: &Seasonality| {
            SeasonCursor::new(curve.clone(), utc_offset_ms, time, grid.step_ms)
        };
        let (day, week) = (&series.seasonality, &series.weekly_seasonality);
        Self { trend, day: day.as_ref().map(cursor), week: week.as_ref().map(cursor), grid, index }
    }

    /// Returns the time of the next tick and the curves' sum there.
    // Two callers would make it a call, at 2 % of what a value costs.
    #[inline(always)]
    fn next_sum(&mut self) -> (TimestampMs, f64) {
        let timestamp = self.grid.time_of(self.index);
        self.index += 1;
        let trend = self.trend.at(timestamp.0.abs_diff(self.grid.origin.0));
        let day = self.day.as_mut().map_or(0.0, SeasonCursor::next_value);
        let week = self.week.as_mut().map_or(0.0, SeasonCursor::next_value);
        // The reference sums from 0.0, too.
        (timestamp, 0.0 + trend + day + week)
    }
}

/// What a series has from some index on, endless. Owns its state, about 2.6 KB, and 16 bytes for
/// each incident.
#[derive(Clone, Debug)]
pub struct SeriesIter {
    curves: Curves,
    noise: NoiseParams,
    deviates: Deviates,
    /// There when there are incidents, and of a counter.
    timeline: Option<Box<Timeline>>,
}

impl SeriesIter {
    /// Returns the index of the tick that comes next.
    pub fn index(&self) -> u64 {
        self.curves.index
    }

    /// Returns the samples before the tick `end`, passing over gaps.
    pub fn before(&mut self, end: u64) -> impl Iterator<Item = Sample> {
        iter::from_fn(move || {
            while self.index() < end {
                if let Some(sample) = self.next().and_then(Tick::sample) {
                    return Some(sample);
                }
            }
            None
        })
    }

    /// Returns the incidents that covered the tick given out last, in the order given.
    pub fn active(&self) -> impl Iterator<Item = &Incident> {
        self.timeline.iter().flat_map(|timeline| timeline.active())
    }
}

impl Iterator for SeriesIter {
    type Item = Tick;

    /// Returns what the series has at the next tick; always there.
    ///
    /// # Panics
    /// Where `Grid::time_of` does.
    fn next(&mut self) -> Option<Tick> {
        let deviate = self.deviates.next();
        let (timestamp, curves) = self.curves.next_sum();
        let Some(timeline) = &mut self.timeline else {
            let value = Some(curves + self.noise.value(deviate));
            return Some(Tick { timestamp, value, is_anomaly: false });
        };
        let value = timeline.value(self.curves.index - 1, curves, self.noise, deviate);
        Some(Tick { timestamp, value, is_anomaly: timeline.active().len() > 0 })
    }
}
