//! The backfill verb by remote write: the past of a series at once.
//!
//! Sends batches of ticks, oldest first, each until its fate is known or given up; a rejected one
//! ends the run only where nothing was accepted before. Memory is flat in the window's length.

mod resume;

use resume::{Rest, Stored};

use super::push::{Push, PushConfig};
use crate::clock::Clock;
use crate::commands::verify::Verify;
use crate::delivery::{Delivery, Ending, Summary};
use crate::error::Exit;
use crate::plan::{Plan, Window};
use crate::read_back::ReadError;
use crate::report::announce::{announce_plan, announce_target};
use crate::report::progress::Progress;
use crate::report::words::count_of;
use crate::report::{Field, Level};
use crate::series::{Sample, SeriesIter, TimestampMs};

/// How old the newest datapoint may be that an ordinary Prometheus takes, in milliseconds.
/// Source: half of its head's block of two hours, prometheus tsdb/head_append.go.
const HEAD_MS: i64 = 3_600_000;

/// Pushes the window; returns when it is over, refused or interrupted.
pub fn run(push: &Push<'_>, clock: &dyn Clock) -> Exit {
    if push.is_all_in_gap() {
        return Exit::Success;
    }
    announce(push, clock.now());
    let PushConfig { plan, resume, .. } = push.config;
    match push.verify(clock) {
        None => send(push, plan, None, clock),
        Some(verify) if *resume => send_missing(push, verify, clock),
        Some(verify) => verify.after_push(&push.summary, send(push, plan, None, clock)),
    }
}

/// Pushes what is missing; ends with success only when all of the window is there.
fn send_missing(push: &Push<'_>, verify: Verify<'_>, clock: &dyn Clock) -> Exit {
    let stored = match resume::look(verify, &push.summary) {
        Ok(stored) => stored,
        Err(exit) => return exit,
    };
    let Some(missing) = &stored.missing else {
        let exit = push.summary.print(Ending::Finished);
        return match push.config.verify {
            true => verify.after_push(&push.summary, exit),
            false => exit,
        };
    };
    let (first_index, tick_count) = (missing.start, missing.end - missing.start);
    let rest = Plan { window: Window { first_index, tick_count }, ..verify.plan.clone() };
    let verify_rest = Verify { plan: &rest, ..verify };
    let exit = send(push, &rest, Some((verify_rest, &stored)), clock);
    // The others were compared.
    let verify = if push.config.verify { verify } else { verify_rest };
    verify.after_push(&push.summary, exit)
}

/// Pushes `plan`; where it is resumed, what is not stored.
fn send(
    push: &Push<'_>,
    plan: &Plan,
    resumed: Option<(Verify<'_>, &Stored)>,
    clock: &dyn Clock,
) -> Exit {
    let summary = &*push.summary;
    let mut delivery = push.delivery(plan, clock);
    // When one batch is rejected, the next ones would be too, unless a part of the window is
    // stored: then only what is missing in its middle may be rejected.
    let is_any_stored = resumed.is_some_and(|(_, stored)| stored.is_any);
    delivery.rejections_max = if is_any_stored { u32::MAX } else { 1 };
    delivery.does_resume_help = resumed.is_none();
    let planned = summary.tally().planned();
    let text = format!("Starting backfill of {}", count_of(planned, "datapoint"));
    summary.report.info("starting", &[("planned", Field::Count(planned))], &text);
    let mut batches = Batches {
        plan,
        summary,
        clock,
        progress: Progress::new(&summary.report, planned, clock.steady()),
        delivery,
        samples: vec![Vec::new(); plan.label_sets.len()],
        rest: resumed.map(|(verify, _)| Rest::new(verify, summary)),
    };
    let ending = batches.send_all().err().unwrap_or(Ending::Finished);
    summary.give_up_due(clock.now());
    summary.print(ending)
}

fn announce(push: &Push<'_>, now: TimestampMs) {
    let PushConfig { plan, rerun, target, .. } = push.config;
    let report = &push.summary.report;
    announce_plan("Generating", plan, report);
    announce_target(target, report);
    if now.0 - plan.times().start.0 > HEAD_MS {
        let text = "The window begins more than an hour ago: a Prometheus that has newer data \
                    takes it only with storage.tsdb.out_of_order_time_window set in its \
                    configuration; for blocks instead, see --output";
        report.log(Level::Warning, "old_window", &[], text);
    }
    rerun.announce(plan.times(), report);
    report.rule();
}

/// The loop's state.
struct Batches<'a> {
    plan: &'a Plan,
    summary: &'a Summary,
    clock: &'a dyn Clock,
    progress: Progress<'a>,
    delivery: Delivery<'a>,
    /// The samples of a batch, by series.
    samples: Vec<Vec<Sample>>,
    /// What is resumed.
    rest: Option<Rest<'a>>,
}

impl Batches<'_> {
    fn send_all(&mut self) -> Result<(), Ending> {
        let window = self.plan.window;
        let mut iters: Vec<_> = self.plan.iters_from(window.first_index).collect();
        let ticks_per_batch = self.delivery.cut.ticks_per_request;
        let mut index = window.first_index;
        while index < window.end_index() && !self.delivery.is_over() {
            let mut end = window.end_index().min(index + ticks_per_batch);
            if let Some(rest) = &mut self.rest {
                match rest.read(index..window.end_index(), &iters) {
                    Ok(known_end) => end = end.min(known_end),
                    Err(ReadError::Interrupted) => return Err(Ending::Interrupted),
                    Err(error) => {
                        rest.verify().read_failed(&error);
                        return Ok(());
                    }
                }
            }
            self.generate(&mut iters, end);
            if let Some(rest) = &mut self.rest {
                rest.send(index..end, &mut self.samples, &mut self.delivery)?;
            } else {
                self.delivery.ticks(index..end, |k| &self.samples[k])?;
            }
            self.progress.show(self.summary.tally().settled(), self.clock.steady());
            index = end;
        }
        Ok(())
    }

    fn generate(&mut self, iters: &mut [SeriesIter], end: u64) {
        for (samples, iter) in self.samples.iter_mut().zip(iters) {
            samples.clear();
            samples.extend(iter.before(end));
        }
    }
}
