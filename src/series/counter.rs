//! Counters: the type of a metric, and when the values of a counter start from 0.

use super::{Grid, Incident, Kind, TimestampMs};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricType {
    /// The curve is the value.
    Gauge,
    /// The curve is a rate per second, and the value its sum.
    Counter,
}

impl MetricType {
    /// Returns its name, as a flag and OpenMetrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// When the values of a counter start from 0: at the origin, and at each reset.
#[derive(Clone, Copy, Debug)]
pub struct Starts<'a> {
    /// The times.
    pub grid: Grid,
    /// The incidents of the series, resets among them.
    pub incidents: &'a [Incident],
}

impl Starts<'_> {
    /// Returns the tick since which the value at the tick `index` is summed.
    pub fn tick(&self, index: u64) -> u64 {
        let resets = self.incidents.iter().filter(|incident| incident.kind == Kind::Reset);
        resets.filter_map(|reset| reset.begun_by(index, self.grid.step_ms)).max().unwrap_or(0)
    }

    /// Returns the time since which the value at `time` is summed.
    pub fn time(&self, time: TimestampMs) -> TimestampMs {
        let index = self.grid.index_at_or_before(time).unwrap_or(0);
        self.grid.time_of(self.tick(index))
    }
}
