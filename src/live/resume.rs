//! Where a live run goes on: after what the receiver already has of its window.
//!
//! Only reads. Gaps before the newest stored sample are left to verify and its commands: a
//! Prometheus would not take them now.

use crate::cli::config::Plan;
use crate::clock::Clock;
use crate::read_back::{Reader, Source, TICKS_PER_CHUNK};
use crate::remote_read::{ReadError, TimeRange};
use crate::report::{Level, Report};

/// Returns the first tick of the window that is newer than what the receiver has of it.
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
) -> Result<u64, ReadError> {
    let (grid, window) = (plan.model.grid, plan.window);
    let due_end = grid.index_at_or_before(clock.now()).map_or(0, |index| index + 1);
    let mut reader = Reader::new(clock, report, source);
    let mut samples = Vec::new();
    // Behind the newest sample of the series that has least, and of the one that has most.
    let (mut least, mut most) = (window.end_index(), window.first_index);
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
        (least, most) = (least.min(end), most.max(end));
    }
    let index = least.max(most.saturating_sub(1));
    if index > least {
        let text = "Some series lack more than the newest datapoint; verify tells which";
        report.log(Level::Warning, "resuming", &[], text);
    }
    Ok(index)
}
