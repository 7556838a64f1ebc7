//! Where a live run goes on: after what the receiver already has of its window.
//!
//! Only reads. Gaps before the newest stored sample are left to verify and its commands: a
//! Prometheus would not take them now.

use std::cmp;

use crate::cli::config::Plan;
use crate::clock::Clock;
use crate::read_back::{Reader, Source};
use crate::remote_read::{ReadError, TimeRange};
use crate::report::Report;

/// Ticks in one answer: about 300 KB.
const TICKS_PER_CHUNK: u64 = 16_384;

/// Returns the first tick of the window that is newer than what the receiver has of it; for
/// several series, than what it has of the one that it has least of.
///
/// A sample that some series have already is sent to them once more, which every receiver takes
/// of the newest.
///
/// # Errors
/// The receiver's samples cannot be read.
pub(super) fn first_index(
    plan: &Plan,
    source: &Source<'_>,
    clock: &impl Clock,
    report: &Report,
) -> Result<u64, ReadError> {
    let (grid, window) = (plan.model.grid, plan.window);
    let due_end = grid.index_at_or_before(clock.now()).map_or(0, |index| index + 1);
    let mut reader = Reader::new(clock, report, source);
    let mut samples = Vec::new();
    let mut resume_index = window.end_index();
    for labels in &plan.label_sets {
        let mut end = window.end_index().min(due_end.max(window.first_index));
        let mut ticks_max = TICKS_PER_CHUNK;
        // Backwards from now, as the newest one is what is looked for.
        while end > window.first_index {
            if clock.is_interrupted() {
                return Err(ReadError::Interrupted);
            }
            let tick_count = ticks_max.min(end - window.first_index);
            let range = TimeRange::of_ticks(grid, end - tick_count, tick_count);
            match reader.read(labels, range, &mut samples) {
                Err(ReadError::TooLarge) if tick_count > 1 => ticks_max = tick_count / 2,
                Err(error) => return Err(error),
                Ok(()) => match samples.last() {
                    None => end -= tick_count,
                    Some(newest) => {
                        let index = grid.index_at_or_before(newest.timestamp);
                        end = index.expect("it is in the range that was asked for") + 1;
                        break;
                    }
                },
            }
        }
        resume_index = cmp::min(resume_index, end);
    }
    Ok(resume_index)
}
