//! Where a live run continues: after what the receiver already has of its window.
//!
//! Only reads. What is missing before the newest stored sample is left to verify and its commands:
//! a Prometheus would refuse it now.

use std::iter;

use crate::commands::verify::{Comparison, Findings, Verify};
use crate::delivery::Summary;
use crate::error::Exit;
use crate::plan::Window;
use crate::read_back::{ReadError, TICKS_PER_CHUNK, TimeRange};
use crate::remote_write::STALE_NAN_BITS;
use crate::report::words::count_of;
use crate::report::{Field, Level};
use crate::series::TimestampMs;

/// Returns the part of the window after the newest sample that the receiver has.
///
/// When only some of several series have the newest tick, all of it is sent again: every receiver
/// accepts a series' newest sample twice. Older ticks that some series lack are left out: a request
/// with them would be refused for the other series too.
///
/// # Errors
/// The exit code of a run that ended here and said why: the receiver cannot be read, or its newest
/// sample is not that of the series.
pub(super) fn rest(verify: Verify<'_>, summary: &Summary) -> Result<Window, Exit> {
    summary.tally().is_unread = true;
    let Window { first_index, tick_count } = verify.plan.window;
    let (findings, least, most) =
        newest(verify).map_err(|error| verify.end_unread(&error, summary))?;
    verify.check_resumable(&findings, summary)?;
    let index = least.max(most.saturating_sub(1));
    if index > least {
        let text = "Some series lack more than the newest datapoint; verify shows what is missing";
        verify.report.log(Level::Warning, "gaps", &[], text);
    }
    let (end_index, schedule) = (first_index + tick_count, &verify.plan.schedule);
    let left = schedule.count(index..end_index);
    let planned = count_of(schedule.count(first_index..end_index), "datapoint");
    let gaps = match index - first_index {
        0 => "",
        _ => ", after the newest one that is stored (verify finds what is missing before it)",
    };
    let text = format!("Resuming: {left} of {planned} are left{gaps}");
    verify.report.info("resuming", &[("left", Field::Count(left))], &text);
    summary.begin_with(index..end_index, left);
    Ok(Window { first_index: index, tick_count: end_index - index })
}

/// Compares the newest samples; returns the tick after that of the series with the oldest one, and
/// after that of the series with the newest one.
fn newest(verify: Verify<'_>) -> Result<(Findings, u64, u64), ReadError> {
    let Verify { plan, clock, .. } = verify;
    let window = plan.window;
    let due_end = plan.model.grid.end_at(clock.now());
    let due_end = due_end.clamp(window.first_index, window.end_index());
    let mut comparison = Comparison::new(verify, TICKS_PER_CHUNK);
    loop {
        let mut findings = Findings::default().with_chunk(1);
        let (mut least, mut most) = (due_end, window.first_index);
        for k in 0..plan.label_sets.len() {
            let end = end_of(&mut comparison, k, due_end, &mut findings)?;
            // In a gap the series has no datapoint to lack.
            let next = plan.schedule_of(k..k + 1).planned(end..due_end).next();
            (least, most) = (least.min(next.map_or(due_end, |next| next.start)), most.max(end));
        }
        if findings.different > 0 && comparison.learns_from_neighbors()? {
            continue;
        }
        let may_show = findings.is_ours() && least < due_end;
        if !may_show || !comparison.waits_for_missing()? {
            return Ok((findings, least, most));
        }
    }
}

/// Returns the tick after the newest sample that series `k` has before tick `end`, which is
/// compared.
fn end_of(
    comparison: &mut Comparison<'_>,
    k: usize,
    mut end: u64,
    findings: &mut Findings,
) -> Result<u64, ReadError> {
    let plan = comparison.verify.plan;
    let (grid, first) = (plan.model.grid, plan.window.first_index);
    let mut ticks_max = TICKS_PER_CHUNK;
    // Backwards from now, because the newest sample is wanted.
    while end > first {
        let tick_count = ticks_max.min(end - first);
        match comparison.read(k, TimeRange::of_ticks(grid, end - tick_count, tick_count)) {
            Err(ReadError::TooLarge) if tick_count > 1 => ticks_max = tick_count / 2,
            Err(error) => return Err(error),
            Ok(()) => match comparison.samples.last() {
                None => end -= tick_count,
                Some(newest) => {
                    let index = grid.index_at_or_before(newest.timestamp);
                    end = index.expect("it is in the range that was asked for") + 1;
                    compare_newest(comparison, k, findings);
                    break;
                }
            },
        }
    }
    Ok(end)
}

/// Compares the newest of the samples read that stands on the grid with that of series `k`.
fn compare_newest(comparison: &Comparison<'_>, k: usize, findings: &mut Findings) {
    let (plan, samples) = (comparison.verify.plan, &comparison.samples);
    let grid = plan.model.grid;
    let tick = |time: TimestampMs| {
        grid.index_at_or_before(time).filter(|index| grid.time_of(*index) == time)
    };
    let is_value = |value: f64| value.to_bits() != STALE_NAN_BITS;
    let mut newest = samples.iter().rev().filter(|sample| is_value(sample.value));
    let Some(index) = newest.find_map(|sample| tick(sample.timestamp)) else { return };
    let expected = plan.iter_from(k, index).next().expect("a series is endless");
    // A VictoriaMetrics may have several at this time.
    let found = samples.iter().filter(|found| found.timestamp == expected.timestamp);
    let found: Vec<_> = found.copied().collect();
    comparison.compare(k, iter::once(expected), &found, |finding| {
        findings.note(&plan.label_sets[k], finding);
    });
}
