//! The live verb: pushes each datapoint when its time has come, oldest first, losing nothing.
//!
//! The loop holds one tick at a time. There is no queue: overdue ticks are generated when
//! their turn comes, so an outage costs no memory, however long.

mod gaps;
mod resume;

use gaps::Gaps;

use super::push::{Push, PushConfig};
use std::ops::Range;

use crate::clock::{Clock, Interrupted};
use crate::delivery::{Delivery, Ending, Summary};
use crate::error::Exit;
use crate::plan::{Plan, Window};
use crate::remote_write::STALE_NAN_BITS;
use crate::report::announce::{announce_plan, announce_target};
use crate::report::words::{count_of, rounded_seconds, step_in_words};
use crate::report::{Field, Level, Report};
use crate::series::{Sample, Tick, TimestampMs};

/// Pushes the window; returns when it is over, refused or interrupted.
pub fn run(push: &Push<'_>, clock: &dyn Clock) -> Exit {
    if push.is_all_in_gap() {
        return Exit::Success;
    }
    announce(push.config, &push.summary.report);
    let mut window = push.config.plan.window;
    let verify = push.verify(clock);
    if push.config.resume
        && let Some(verify) = verify
    {
        window = match resume::rest(verify, &push.summary) {
            Ok(rest) => rest,
            Err(exit) => return exit,
        };
    }
    let planned = push.summary.tally().planned();
    let exit = match planned {
        0 => push.summary.print(Ending::Finished),
        _ => send(push, window, clock),
    };
    match verify.filter(|_| push.config.verify) {
        Some(verify) => verify.after_push(&push.summary, exit),
        None => exit,
    }
}

fn send(push: &Push<'_>, window: Window, clock: &dyn Clock) -> Exit {
    let PushConfig { plan, stale_marker, .. } = push.config;
    let (summary, delivery) = (&*push.summary, push.delivery(plan, clock));
    let gaps = Gaps::new(plan, window.first_index);
    let tick_count = plan.schedule.tick_count(plan.window.ticks());
    let mut ticks = Ticks { plan, window, summary, clock, delivery, gaps, tick_count };
    let ending = ticks.send_all();
    if ending != Ending::Finished {
        summary.give_up_due(clock.now());
    }
    if *stale_marker {
        ticks.stale_marker(ending);
    }
    summary.print(ending)
}

/// Logs what is going to be pushed, from where and to where.
fn announce(config: &PushConfig, report: &Report) {
    let plan = &config.plan;
    announce_plan("Generating", plan, report);
    if let Some(verdict) = &config.verdict {
        verdict.announce(plan, report);
    }
    announce_target(&config.target, report);
    config.rerun.announce(plan.times(), report);
    let (ticks, count) = (plan.schedule.tick_count(plan.window.ticks()), plan.sample_count());
    let each = match plan.label_sets.len() {
        1 => String::new(),
        series_count if count == ticks * series_count as u64 => {
            format!(" ({ticks} for each of {series_count} series)")
        }
        series_count => format!(" (at {} of {series_count} series)", count_of(ticks, "tick")),
    };
    let fields = [("planned", Field::Count(count)), ("ticks", Field::Count(ticks))];
    let text = format!("Generated {}{each}", count_of(count, "datapoint"));
    report.info("generated", &fields, &text);
    report.rule();
    let step = step_in_words(plan.model.grid.step_ms);
    let text = format!("Starting live metric push (1 datapoint per {step})");
    report.info("starting", &[("planned", Field::Count(count))], &text);
    report.text(Level::Info, "Press Ctrl+C to stop");
    report.rule();
}

/// The loop's state.
struct Ticks<'a> {
    plan: &'a Plan,
    /// What is left of the window.
    window: Window,
    summary: &'a Summary,
    clock: &'a dyn Clock,
    delivery: Delivery<'a>,
    gaps: Gaps<'a>,
    /// Ticks of the whole window that have a datapoint.
    tick_count: u64,
}

impl Ticks<'_> {
    /// Ends with the last tick at which a series has a datapoint.
    fn send_all(&mut self) -> Ending {
        let window = self.window;
        let end = self.summary.tally().ticks.end;
        // What makes the samples of later ticks is kept only where there are any: for ten
        // thousand series it is 26 MB, and touching them half of the time of a tick from cron.
        let mut series = Vec::new();
        let first = self.plan.iters_from(window.first_index);
        let sample = |tick: Option<Tick>| tick.and_then(Tick::sample);
        let mut samples: Vec<Option<Sample>> = if window.tick_count == 1 {
            first.map(|mut iter| sample(iter.next())).collect()
        } else {
            series.extend(first);
            Vec::new()
        };
        for (ticks, count) in self.plan.schedule.ranges(window.first_index..end) {
            if count == 0 {
                if self.wait_in_gap(ticks.clone()).is_err() {
                    return Ending::Interrupted;
                }
                // Nothing is sent, but the iterators must advance.
                for iter in &mut series {
                    iter.before(ticks.end).next();
                }
                continue;
            }
            for index in ticks {
                if self.wait_for_tick(index, "next push").is_err() {
                    return Ending::Interrupted;
                }
                self.gaps.log(index, &self.summary.report);
                if self.delivery.is_over() {
                    self.summary.tally().give_up_before(end);
                    return Ending::Finished;
                }
                if !series.is_empty() {
                    samples.clear();
                    samples.extend(series.iter_mut().map(|iter| sample(iter.next())));
                }
                if let Err(ending) = self.tick(index, &samples) {
                    return ending;
                }
            }
        }
        Ending::Finished
    }

    /// Waits for the gaps that begin in `ticks`, at which no series has a datapoint, and logs each.
    fn wait_in_gap(&mut self, ticks: Range<u64>) -> Result<(), Interrupted> {
        while let Some(first) = self.gaps.next().filter(|first| *first < ticks.end) {
            let index = first.max(ticks.start);
            self.wait_for_tick(index, "gap")?;
            self.gaps.log(index, &self.summary.report);
        }
        Ok(())
    }

    fn wait_for_tick(&mut self, index: u64, what: &str) -> Result<(), Interrupted> {
        let report = &self.summary.report;
        let due = self.plan.model.grid.time_of(index);
        if let Ok(left_ms @ 1..) = u64::try_from(due.0 - self.clock.now().0) {
            let delay_s = [("delay_s", Field::Value(left_ms as f64 / 1000.0))];
            let text = format!("Sleeping for {}...", rounded_seconds(left_ms));
            report.info("sleeping", &delay_s, &text);
        }
        self.delivery.wait_until(due, what)
    }

    /// Pushes the samples of one tick, one for each series that is not in a gap.
    fn tick(&mut self, index: u64, samples: &[Option<Sample>]) -> Result<(), Ending> {
        let (report, count) = (&self.summary.report, self.tick_count);
        let time = self.plan.model.grid.time_of(index);
        let local_time = report.local_time(time);
        // Counted over the whole window, also when a part of it is already stored.
        let number = count - self.summary.tally().ticks_left + 1;
        let fields = [("tick", Field::Count(number)), ("timestamp", Field::Time(time))];
        report.info("tick", &fields, &format!("[{number}/{count}] Timestamp: {local_time}"));
        if self.delivery.ticks(index..index + 1, |k| samples[k].as_slice())? {
            self.log_pushed(samples);
        }
        Ok(())
    }

    fn log_pushed(&self, samples: &[Option<Sample>]) {
        let plan = self.plan;
        let name = &plan.metric_name;
        let (samples, label_sets) =
            (&samples[..plan.own_count()], &plan.label_sets[..plan.own_count()]);
        let metric = ("metric", Field::Text(name));
        let of_sample = |labels, sample: &Sample| {
            [
                metric,
                ("labels", Field::Labels(labels)),
                ("timestamp", Field::Time(sample.timestamp)),
                ("value", Field::Value(sample.value)),
            ]
        };
        if let ([Some(sample)], [labels]) = (samples, label_sets) {
            let text = format!("✓ Pushed {name} = {:.2} (labels: {labels})", sample.value);
            self.summary.report.info("pushed", &of_sample(labels, sample), &text);
            return;
        }
        let values = samples.iter().flatten().map(|sample| sample.value);
        let count = values.clone().count();
        if count == 0 {
            // All are in a gap, but the truth is sent.
            return self.summary.report.info("pushed", &[metric], "✓ Pushed the truth");
        }
        let min = values.clone().fold(f64::INFINITY, f64::min);
        let max = values.clone().fold(f64::NEG_INFINITY, f64::max);
        let mean = values.sum::<f64>() / count as f64;
        let text = format!(
            "✓ Pushed {name} for {count} series (min {min:.2}, mean {mean:.2}, max {max:.2})"
        );
        let count = ("count", Field::Count(count as u64));
        self.summary.report.info("pushed", &[metric, count], &text);
        if !self.summary.report.is_verbose() {
            return; // ten thousand lines are expensive to format
        }
        for (labels, sample) in label_sets.iter().zip(samples) {
            let Some(sample) = sample else { continue };
            let text = format!("  {name} = {:.2} (labels: {labels})", sample.value);
            let fields = of_sample(labels, sample);
            self.summary.report.log(Level::Debug, "sample", &fields, &text);
        }
    }

    /// Sends a stale marker, so that graphs end, unless earlier samples are still pending.
    /// Source: Remote-Write 1.0 specification, "Stale Markers".
    fn stale_marker(&mut self, ending: Ending) {
        let report = &self.summary.report;
        // What is retried also waits until its time has come; after a signal nothing waits.
        let (is_retried, now) = (ending == Ending::Finished, self.clock.now());
        let last = self.summary.tally().last_accepted_if_newest();
        let problem = match last.map(|last| TimestampMs(self.plan.model.grid.time_of(last).0 + 1)) {
            None => "No stale marker: the newest datapoint was not accepted",
            Some(earliest) if now < earliest && !is_retried => {
                "No stale marker: it would be in the future"
            }
            Some(earliest) => {
                let value = f64::from_bits(STALE_NAN_BITS);
                let marker = Sample { timestamp: now.max(earliest), value };
                if self.delivery.markers(marker, is_retried) {
                    return report.info("stale_marker", &[], "✓ Pushed a stale marker");
                }
                "✗ The stale marker was not accepted"
            }
        };
        report.log(Level::Warning, "stale_marker", &[], problem);
        // It was requested, so without it the run was not a full success.
        report.end_quiet();
    }
}
