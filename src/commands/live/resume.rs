//! Where a live run goes on: after what the receiver already has of its window.
//!
//! Only reads. Gaps before the newest stored sample are left to verify and its commands: a
//! Prometheus would not take them now.

use std::iter;

use crate::clock::Clock;
use crate::commands::verify::compare::compare;
use crate::commands::verify::{Findings, Part, ShowPatience};
use crate::plan::Plan;
use crate::read_back::{ReadError, Reader, Source, TICKS_PER_CHUNK, TimeRange};
use crate::remote_write::STALE_NAN_BITS;
use crate::report::{Level, Report};
use crate::series::{Sample, TimestampMs};

/// Returns the first tick of the window that is newer than what the receiver has of it; none,
/// after saying why, when its newest sample is not that of the series.
///
/// Of several series some may have a tick that others lack, and it is sent to all once more, which
/// every receiver takes of the newest. What they lack before that one is left out: the others
/// would be refused with it.
///
/// # Errors
/// The receiver's samples cannot be read.
pub(super) fn first_index(
    plan: &Plan,
    source: &Source<'_>,
    clock: &impl Clock,
    report: &Report,
) -> Result<Option<u64>, ReadError> {
    let window = plan.window;
    let due_end = plan.model.grid.index_at_or_before(clock.now()).map_or(0, |index| index + 1);
    let due_end = window.end_index().min(due_end.max(window.first_index));
    let reader = Reader::new(clock, report, source);
    let mut search = Search { plan, clock, reader, samples: Vec::new(), found: Part::new(1) };
    let mut patience = ShowPatience::default();
    loop {
        search.found = Part::new(1);
        // Behind the newest sample of the series that has least, and of the one that has most.
        let (mut least, mut most) = (due_end, window.first_index);
        for k in 0..plan.label_sets.len() {
            let end = search.end_of(k, due_end)?;
            (least, most) = (least.min(end), most.max(end));
        }
        let is_ours = search.found.different == 0;
        if is_ours && least < due_end && patience.wait(clock, &search.reader)? {
            continue;
        }
        let mut findings = Findings::default();
        findings.add(0, search.found);
        if !findings.may_resume(report) {
            return Ok(None);
        }
        let index = least.max(most.saturating_sub(1));
        if index > least {
            let text = "Some series lack more than the newest datapoint; verify tells which";
            report.log(Level::Warning, "gaps", &[], text);
        }
        return Ok(Some(index));
    }
}

/// The search for the newest samples of the series.
struct Search<'a, C> {
    plan: &'a Plan,
    clock: &'a C,
    reader: Reader<'a, C>,
    samples: Vec<Sample>,
    /// What the newest samples are, compared with the series.
    found: Part,
}

impl<C: Clock> Search<'_, C> {
    /// Returns the index after the newest sample that series `k` has before tick `end`.
    fn end_of(&mut self, k: usize, mut end: u64) -> Result<u64, ReadError> {
        let (grid, first) = (self.plan.model.grid, self.plan.window.first_index);
        let mut ticks_max = TICKS_PER_CHUNK;
        // Backwards from now, as the newest one is what is looked for.
        while end > first {
            if self.clock.is_interrupted() {
                return Err(ReadError::Interrupted);
            }
            let tick_count = ticks_max.min(end - first);
            let range = TimeRange::of_ticks(grid, end - tick_count, tick_count);
            match self.reader.read(&self.plan.label_sets[k], range, &mut self.samples) {
                Err(ReadError::TooLarge) if tick_count > 1 => ticks_max = tick_count / 2,
                Err(error) => return Err(error),
                Ok(()) => match self.samples.last() {
                    None => end -= tick_count,
                    Some(newest) => {
                        let index = grid.index_at_or_before(newest.timestamp);
                        end = index.expect("it is in the range that was asked for") + 1;
                        self.compare_newest(k);
                        break;
                    }
                },
            }
        }
        Ok(end)
    }

    /// Compares the newest of the samples read that stands on the grid with that of series `k`.
    fn compare_newest(&mut self, k: usize) {
        let grid = self.plan.model.grid;
        let tick = |time: TimestampMs| {
            grid.index_at_or_before(time).filter(|index| grid.time_of(*index) == time)
        };
        let newest = self.samples.iter().rev().find_map(|sample| {
            let is_stale = sample.value.to_bits() == STALE_NAN_BITS;
            tick(sample.timestamp).filter(|_| !is_stale)
        });
        let Some(index) = newest else { return };
        let series = u32::try_from(k).expect("series are bounded");
        let mut iter = self.plan.model.with_seed_plus(series).iter_from(index);
        let expected = iter.next().expect("a series is endless");
        // A VictoriaMetrics may have several at this time.
        let start = self.samples.partition_point(|found| found.timestamp < expected.timestamp);
        let end = self.samples.partition_point(|found| found.timestamp <= expected.timestamp);
        let (labels, found) = (&self.plan.label_sets[k], &mut self.found);
        let relative_error_max = self.reader.relative_error_max();
        compare(iter::once(expected), &self.samples[start..end], relative_error_max, |finding| {
            found.note(labels, finding);
        });
    }
}
