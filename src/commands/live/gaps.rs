//! The gaps of a live run, each logged once: when it begins, and when it ends.

use std::ops::Range;

use crate::error::Escaped;
use crate::plan::{Named, Plan};
use crate::report::{Field, Report};
use crate::series::Kind;

/// The gaps that are still to be logged.
pub(super) struct Gaps<'a> {
    plan: &'a Plan,
    /// Of each incident that is a gap, which ticks it covers next.
    next: Vec<(Range<u64>, &'a Named)>,
}

impl<'a> Gaps<'a> {
    /// The gaps of a run that begins with the tick `index`.
    pub(super) fn new(plan: &'a Plan, index: u64) -> Self {
        let gaps = plan.incidents.iter().filter(|named| named.incident.kind == Kind::Gap);
        let next = gaps.filter_map(|gap| Some((covered(plan, gap, index)?, gap))).collect();
        Self { plan, next }
    }

    /// The tick at which the next one begins.
    pub(super) fn next(&self) -> Option<u64> {
        self.next.iter().map(|(ticks, _)| ticks.start).min()
    }

    /// Logs what begins at the tick `index`, or began before.
    pub(super) fn log(&mut self, index: u64, report: &Report) {
        let plan = self.plan;
        self.next.retain_mut(|(ticks, gap)| {
            if ticks.start > index {
                return true;
            }
            let until = plan.model.grid.time_of(ticks.end);
            let (number, count) = (gap.incident.number, gap.series_count);
            let of = match plan.own_count() {
                1 => String::new(),
                all => format!(" of {count} of {all} series"),
            };
            let fields = [
                ("incident", Field::Count(number.into())),
                ("series_count", Field::Count(count)),
                ("until", Field::Time(until)),
            ];
            let text = format!(
                "Gap: no datapoint{of} until {} (incident {number}: {})",
                report.local_time(until),
                Escaped(&gap.text)
            );
            report.info("gap", &fields, &text);
            covered(plan, gap, ticks.end).map(|next| *ticks = next).is_some()
        });
    }
}

/// The ticks of the window that a gap covers next, from the tick `index` on.
fn covered(plan: &Plan, gap: &Named, index: u64) -> Option<Range<u64>> {
    let ticks = index..plan.window.end_index();
    plan.model.occurrences(&gap.incident, ticks).next().map(|occurrence| occurrence.ticks)
}
