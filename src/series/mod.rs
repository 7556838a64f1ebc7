//! The series: a pure function on a grid, with the bits of mockseries 0.3.1.
//!
//! ```text
//! t(i) = origin + i * step
//! value(i) = trend(t(i) - origin) + day(t(i)) + week(t(i)) + noise(seed, i)
//! ```
//!
//! The same bits on every host and in every build: IEEE operations in a fixed order and a
//! logarithm of our own. Must never see a clock, a socket, a file, a global or std's mathematics
//! (sqrt, which IEEE 754 defines to the bit, excepted).

mod grid;
mod ln;
mod noise;
mod pchip;
mod seasonality;
mod trend;

pub use grid::{Grid, TimestampMs};
pub use noise::{NoiseParams, Seed};
pub use seasonality::{KnotTime, Period, Seasonality, SeasonalityError, WEEKDAYS};
pub use trend::Trend;

use noise::Noise;
use seasonality::SeasonCursor;

/// A series: what its value is at each index of its grid. A clone is cheap.
#[derive(Clone, Debug)]
pub struct Series {
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
}

/// One point of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The grid point.
    pub timestamp: TimestampMs,
    /// The value; never -0.0, which not every remote-write encoder and receiver keeps.
    pub value: f64,
}

impl Series {
    /// Returns the samples from `index` on. Costs `index` deviates of noise (docs/design.md, "The
    /// series").
    ///
    /// # Panics
    /// When the trend's unit or the grid's step is 0, and where `Grid::time_of(index)` does.
    pub fn iter_from(&self, index: u64) -> SeriesIter {
        assert!(self.trend.unit_us > 0, "a trend's unit is at least a microsecond");
        assert!(self.grid.step_ms > 0, "a grid's step is at least a millisecond");
        let time = self.grid.time_of(index);
        let cursor = |curve: &Seasonality| {
            SeasonCursor::new(curve.clone(), self.utc_offset_ms, time, self.grid.step_ms)
        };
        SeriesIter {
            trend: self.trend,
            day: self.seasonality.as_ref().map(cursor),
            week: self.weekly_seasonality.as_ref().map(cursor),
            noise: Noise::from_index(self.noise, index),
            grid: self.grid,
            index,
        }
    }

    /// Returns the same series with seed + `k` (modulo 2^32), which is series `k` of a fan-out.
    pub fn with_seed_plus(&self, k: u32) -> Self {
        let seed = Seed(self.noise.seed.0.wrapping_add(k));
        Self { noise: NoiseParams { seed, ..self.noise }, ..self.clone() }
    }
}

/// The samples of a series from some index on, endless. Owns its state, about 2.6 KB.
#[derive(Clone, Debug)]
pub struct SeriesIter {
    trend: Trend,
    day: Option<SeasonCursor>,
    week: Option<SeasonCursor>,
    noise: Noise,
    grid: Grid,
    index: u64,
}

impl SeriesIter {
    /// Returns the index of the sample that `next` gives.
    pub fn index(&self) -> u64 {
        self.index
    }
}

impl Iterator for SeriesIter {
    type Item = Sample;

    /// Returns the next sample; always there.
    ///
    /// # Panics
    /// Where `Grid::time_of` does.
    fn next(&mut self) -> Option<Sample> {
        let timestamp = self.grid.time_of(self.index);
        self.index += 1;
        let trend = self.trend.at(timestamp.0.abs_diff(self.grid.origin.0));
        let day = self.day.as_mut().map_or(0.0, SeasonCursor::next_value);
        let week = self.week.as_mut().map_or(0.0, SeasonCursor::next_value);
        // The reference sums from 0.0, too.
        let value = 0.0 + trend + day + week + self.noise.next_value();
        Some(Sample { timestamp, value })
    }
}
