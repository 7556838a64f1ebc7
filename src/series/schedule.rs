//! How many series of a fan-out have a datapoint at each tick: all but those in a gap.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::incidents::Incidents;
use super::timeline::Timeline;

/// The number of datapoints at each tick. A clone is cheap.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    step_ms: u64,
    /// Series without gaps.
    without_gaps: u64,
    /// The gaps of the others, each list with how many series have it.
    with_gaps: Arc<[(Incidents, u64)]>,
}

impl Schedule {
    /// One series for each of the lists, on a grid of this step.
    pub fn new<'a>(step_ms: u64, lists: impl IntoIterator<Item = &'a Incidents>) -> Self {
        let mut without_gaps = 0;
        let mut counts: HashMap<Vec<u16>, (Incidents, u64)> = HashMap::new();
        for incidents in lists {
            let gaps = incidents.gaps();
            if gaps.is_empty() {
                without_gaps += 1;
                continue;
            }
            let numbers = gaps.iter().map(|gap| gap.number).collect();
            counts.entry(numbers).or_insert((gaps, 0)).1 += 1;
        }
        Self { step_ms, without_gaps, with_gaps: counts.into_values().collect() }
    }

    /// The same with `count` more series that have no gaps.
    pub fn with_more(self, count: u64) -> Self {
        Self { without_gaps: self.without_gaps + count, ..self }
    }

    /// How many series there are.
    pub fn series_count(&self) -> u64 {
        self.without_gaps + self.with_gaps.iter().map(|(_, count)| count).sum::<u64>()
    }

    /// Cuts `ticks` into ranges in which each tick has the same number of datapoints, which may be
    /// 0, in order.
    pub fn ranges(&self, mut ticks: Range<u64>) -> impl Iterator<Item = (Range<u64>, u64)> + use<> {
        let timeline = |(gaps, count): &(Incidents, u64)| {
            (Timeline::new(gaps.clone(), self.step_ms, ticks.start), *count)
        };
        let mut timelines: Vec<_> = self.with_gaps.iter().map(timeline).collect();
        let without_gaps = self.without_gaps;
        std::iter::from_fn(move || {
            let Range { start, mut end } = ticks;
            let mut count = without_gaps;
            for (timeline, series_count) in &mut timelines {
                timeline.advance(start);
                count += if timeline.is_gap() { 0 } else { *series_count };
                end = end.min(timeline.next_change().unwrap_or(end));
            }
            ticks.start = end;
            (start < end).then_some((start..end, count))
        })
    }

    /// How many datapoints `ticks` have.
    pub fn count(&self, ticks: Range<u64>) -> u64 {
        self.ranges(ticks).map(|(ticks, count)| (ticks.end - ticks.start) * count).sum()
    }

    /// How many of `ticks` have a datapoint.
    pub fn tick_count(&self, ticks: Range<u64>) -> u64 {
        self.planned(ticks).map(|ticks| ticks.end - ticks.start).sum()
    }

    /// The ranges of `ticks` at which there is a datapoint, in order; some may be adjacent.
    pub fn planned(&self, ticks: Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
        self.ranges(ticks).filter(|(_, count)| *count > 0).map(|(ticks, _)| ticks)
    }

    /// The index after the last of `ticks` that has a datapoint.
    pub fn planned_end(&self, ticks: Range<u64>) -> Option<u64> {
        self.planned(ticks).last().map(|planned| planned.end)
    }
}
