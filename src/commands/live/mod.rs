//! The live verb: pushes each datapoint when its time has come, oldest first, losing nothing.
//!
//! The loop holds one tick at a time. What is due behind it is no queue but the rest of the
//! series, generated when its turn comes: an outage costs no memory, however long.

mod resume;

use std::sync::Arc;

use crate::clock::{Clock, Interrupted, LastResort, SystemClock};
use crate::commands::verify::{self, Subject};
use crate::delivery::{Courier, Ending, Pusher, Requests, Rerun, RetryLimits, RunEnder, Summary};
use crate::error::{Error, Exit};
use crate::http::{Client, Target};
use crate::plan::{Plan, Window};
use crate::read_back::{ReadConfig, ReadError, Source};
use crate::remote_write::STALE_NAN_BITS;
use crate::report::announce::{announce_plan, announce_target};
use crate::report::words::{counted, rounded_seconds, step_in_words};
use crate::report::{Field, Level, Report};
use crate::series::{Sample, TimestampMs};

/// What the live verb needs.
#[derive(Debug)]
pub struct LiveConfig {
    /// The ticks to push.
    pub plan: Plan,
    /// Where to, and as whom.
    pub target: Target,
    /// How long to try.
    pub patience: RetryLimits,
    /// What its requests are to be.
    pub requests: Requests,
    /// Whether a stale marker ends the series.
    pub stale_marker: bool,
    /// Where to read, for `resume` and `verify`; there when one of them is set.
    pub read: Option<ReadConfig>,
    /// Whether to go on after what the receiver has of the window.
    pub resume: bool,
    /// Whether to read the window back in the end.
    pub verify: bool,
    /// The command line without its window, to print commands that continue this run.
    pub rerun: Rerun,
}

/// A live run.
pub struct Live<'a> {
    config: &'a LiveConfig,
    sender: Client,
    /// Where to read back.
    source: Option<Source<'a>>,
    summary: Arc<Summary>,
}

impl<'a> Live<'a> {
    /// Returns a run of `config`; connects to nothing yet.
    ///
    /// # Errors
    /// When certificates or the proxy cannot be used.
    pub fn new(config: &'a LiveConfig, report: Arc<Report>) -> Result<Self, Error> {
        let sender = Client::new(&config.target)?;
        let source = config.read.as_ref().map(Source::new).transpose()?;
        let summary = Summary::new(report, &config.plan, config.rerun.clone());
        Ok(Self { config, sender, source, summary: Arc::new(summary) })
    }

    /// Returns what ends this run from outside when it does not end by itself.
    pub fn last_resort(&self, clock: Arc<SystemClock>) -> impl LastResort + use<> {
        let reads = self.source.as_ref().map(Source::canceller);
        let cancellers = reads.into_iter().chain([self.sender.canceller()]).collect();
        RunEnder::new(cancellers, &self.summary, clock)
    }

    /// Returns the counts and words of the run.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Pushes the window; returns when it is over, refused or interrupted.
    pub fn run(&self, clock: &impl Clock) -> Exit {
        let report: &Report = &self.summary.report;
        announce(self.config, report);
        let mut window = self.config.plan.window;
        if self.config.resume {
            match self.resume(clock) {
                Ok(Some(rest)) => window = rest,
                Ok(None) => return verify::end_unsent(Exit::Different, &self.summary, clock.now()),
                Err(error) => return verify::end_unread(&error, &self.summary, clock.now()),
            }
        }
        let exit = match window.tick_count {
            0 => self.summary.print(Ending::Finished),
            _ => self.push(window, clock),
        };
        match self.subject().filter(|_| self.config.verify) {
            Some(subject) => verify::after_push(subject, clock, &self.summary, exit),
            None => exit,
        }
    }

    /// Returns what the receiver does not have of the window yet; none when what it has is not
    /// the series.
    fn resume(&self, clock: &impl Clock) -> Result<Option<Window>, ReadError> {
        let report: &Report = &self.summary.report;
        let plan = &self.config.plan;
        let window = plan.window;
        self.summary.tally().is_unread = true;
        let source = self.source.as_ref().expect("who resumes knows where to read");
        let Some(first_index) = resume::first_index(plan, source, clock, report)? else {
            return Ok(None);
        };
        let (done, count) = (first_index - window.first_index, window.tick_count);
        let (left, planned) = (count - done, counted(count, "datapoint"));
        let gaps = match done {
            0 => "",
            _ => ", after the newest one that is there (verify finds gaps before it)",
        };
        let text = format!("Resuming: {left} of {planned} are left{gaps}");
        let series_count = plan.label_sets.len() as u64;
        report.info("resuming", &[("left", Field::Count(left * series_count))], &text);
        self.summary.begin_at(first_index);
        Ok(Some(Window { first_index, tick_count: count - done }))
    }

    /// Returns the whole window as something to read back.
    fn subject(&self) -> Option<Subject<'_>> {
        let LiveConfig { plan, rerun, .. } = self.config;
        self.source.as_ref().map(|source| Subject { plan, rerun, source })
    }

    fn push(&self, window: Window, clock: &impl Clock) -> Exit {
        let courier = Courier::new(clock, &self.summary, &self.sender, self.config.patience);
        let LiveConfig { plan, requests, .. } = self.config;
        let pusher = Pusher::new(courier, plan, &self.summary, *requests);
        let mut push = Push { config: self.config, window, summary: &self.summary, clock, pusher };
        let ending = push.all_ticks();
        if ending != Ending::Finished {
            self.summary.give_up_due(clock.now());
        }
        if self.config.stale_marker {
            push.stale_marker(ending);
        }
        self.summary.print(ending)
    }
}

/// Logs what is going to be pushed, from where and to where.
fn announce(config: &LiveConfig, report: &Report) {
    let plan = &config.plan;
    announce_plan("Generating", plan, report);
    announce_target(&config.target, report);
    config.rerun.announce(plan.times(), report);
    let (ticks, count) = (plan.window.tick_count, plan.sample_count());
    let each = match plan.label_sets.len() {
        1 => String::new(),
        series_count => format!(" ({ticks} for each of {series_count} series)"),
    };
    let fields = [("planned", Field::Count(count)), ("ticks", Field::Count(ticks))];
    let text = format!("Generated {}{each}", counted(count, "datapoint"));
    report.info("generated", &fields, &text);
    report.rule();
    let step = step_in_words(plan.model.grid.step_ms);
    let text = format!("Starting live metric push (1 datapoint per {step})");
    report.info("starting", &[("planned", Field::Count(count))], &text);
    report.text(Level::Info, "Press Ctrl+C to stop");
    report.rule();
}

/// The loop's state.
struct Push<'a, C> {
    config: &'a LiveConfig,
    /// What is left of the window.
    window: Window,
    summary: &'a Summary,
    clock: &'a C,
    pusher: Pusher<'a, C>,
}

impl<'a, C: Clock> Push<'a, C> {
    fn all_ticks(&mut self) -> Ending {
        let window = self.window;
        // What makes the samples of later ticks is kept only where there are any: for ten
        // thousand series it is 26 MB, and touching them half of the time of a tick from cron.
        let mut series = Vec::new();
        let first = self.config.plan.iters_from(window.first_index);
        let mut samples: Vec<Sample> = if window.tick_count == 1 {
            first.filter_map(|mut iter| iter.next()).collect()
        } else {
            series.extend(first);
            Vec::new()
        };
        for index in window.first_index..window.end_index() {
            if self.wait_for_tick(index).is_err() {
                return Ending::Interrupted;
            }
            if self.pusher.is_over() {
                self.summary.tally().give_up_before(window.end_index());
                break;
            }
            if !series.is_empty() {
                samples.clear();
                samples.extend(series.iter_mut().filter_map(Iterator::next));
            }
            if let Err(ending) = self.tick(index, &samples) {
                return ending;
            }
        }
        Ending::Finished
    }

    fn wait_for_tick(&mut self, index: u64) -> Result<(), Interrupted> {
        let report = &self.summary.report;
        let due = self.config.plan.model.grid.time_of(index);
        if let Ok(left_ms @ 1..) = u64::try_from(due.0 - self.clock.now().0) {
            let delay_s = [("delay_s", Field::Value(left_ms as f64 / 1000.0))];
            let text = format!("Sleeping for {}...", rounded_seconds(left_ms));
            report.info("sleeping", &delay_s, &text);
        }
        self.pusher.wait_until(due)
    }

    /// Pushes the samples of one tick, one for each series.
    fn tick(&mut self, index: u64, samples: &[Sample]) -> Result<(), Ending> {
        // Of the whole window, also when a part of it is there already.
        let number = index - self.config.plan.window.first_index + 1;
        let time = self.config.plan.model.grid.time_of(index);
        let report = &self.summary.report;
        let (count, local_time) = (self.config.plan.window.tick_count, report.local_time(time));
        let fields = [("tick", Field::Count(number)), ("timestamp", Field::Time(time))];
        report.info("tick", &fields, &format!("[{number}/{count}] Timestamp: {local_time}"));
        if self.pusher.tick(index, samples)? {
            self.log_pushed(samples);
        }
        Ok(())
    }

    fn log_pushed(&self, samples: &[Sample]) {
        let plan = &self.config.plan;
        let name = &plan.metric_name;
        let metric = ("metric", Field::Text(name));
        let of_sample = |labels, sample: &Sample| {
            [
                metric,
                ("labels", Field::Labels(labels)),
                ("timestamp", Field::Time(sample.timestamp)),
                ("value", Field::Value(sample.value)),
            ]
        };
        if let ([sample], [labels]) = (samples, &plan.label_sets[..]) {
            let text = format!("✓ Pushed {name} = {:.2} (labels: {labels})", sample.value);
            self.summary.report.info("pushed", &of_sample(labels, sample), &text);
            return;
        }
        let values = samples.iter().map(|sample| sample.value);
        let min = values.clone().fold(f64::INFINITY, f64::min);
        let max = values.clone().fold(f64::NEG_INFINITY, f64::max);
        let mean = values.sum::<f64>() / samples.len() as f64;
        let text = format!(
            "✓ Pushed {name} for {} series (min {min:.2}, mean {mean:.2}, max {max:.2})",
            samples.len()
        );
        let count = ("count", Field::Count(samples.len() as u64));
        self.summary.report.info("pushed", &[metric, count], &text);
        if !self.summary.report.is_verbose() {
            return; // ten thousand lines are not worth making for nobody
        }
        for (labels, sample) in plan.label_sets.iter().zip(samples) {
            let text = format!("  {name} = {:.2} (labels: {labels})", sample.value);
            let fields = of_sample(labels, sample);
            self.summary.report.log(Level::Debug, "sample", &fields, &text);
        }
    }

    /// Ends the series for those who look at it, unless something is pending before its end.
    /// Source: Remote-Write 1.0 specification, "Stale Markers".
    fn stale_marker(&mut self, ending: Ending) {
        let report = &self.summary.report;
        let log = |level, text: &str| {
            report.log(level, "stale_marker", &[], text);
            // It was asked for, so a run without it did not go all well.
            if level == Level::Warning {
                report.end_quiet();
            }
        };
        let Some(last) = self.summary.tally().last_accepted_if_newest() else {
            log(Level::Warning, "No stale marker: the newest datapoint is not there");
            return;
        };
        let after_last = TimestampMs(self.config.plan.model.grid.time_of(last).0 + 1);
        // What is delivered patiently waits until its time has come; after a signal nothing waits.
        if self.clock.now() < after_last && ending != Ending::Finished {
            log(Level::Warning, "No stale marker: it would be in the future");
            return;
        }
        let timestamp = self.clock.now().max(after_last);
        let marker = Sample { timestamp, value: f64::from_bits(STALE_NAN_BITS) };
        let markers = vec![marker; self.config.plan.label_sets.len()];
        match self.pusher.markers(&markers, ending == Ending::Finished) {
            true => log(Level::Info, "✓ Pushed a stale marker"),
            false => log(Level::Warning, "✗ The stale marker was not accepted"),
        }
    }
}
