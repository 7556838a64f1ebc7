//! The backfill verb by remote write: the past of a series at once. (Into a file: export.rs.)
//!
//! Sends batches of ticks, oldest first, each until its fate is known or given up; a rejected one
//! ends the run only where nothing was accepted before. Memory is flat in the window's length.

mod resume;

use std::ops::Range;
use std::sync::Arc;

use resume::{Rest, There};

use crate::clock::{Clock, LastResort, SystemClock};
use crate::commands::verify::{self, Subject};
use crate::delivery::{Courier, Ending, Pusher, Requests, Rerun, RetryLimits, RunEnder, Summary};
use crate::error::{Error, Exit};
use crate::http::{Client, Target};
use crate::plan::{Plan, Window};
use crate::read_back::{ReadConfig, ReadError, Source};
use crate::remote_write::TimeSeries;
use crate::report::announce::{announce_plan, announce_target};
use crate::report::progress::Progress;
use crate::report::words::counted;
use crate::report::{Field, Level, Report};
use crate::series::{Sample, SeriesIter, TimestampMs};

/// How old the newest datapoint may be that an ordinary Prometheus takes, in milliseconds.
/// Source: half of its head's block of two hours, prometheus tsdb/head_append.go.
const HEAD_MS: i64 = 3_600_000;

/// What the backfill verb needs to push.
#[derive(Debug)]
pub struct BackfillConfig {
    /// The ticks to push.
    pub plan: Plan,
    /// Where to, and as whom.
    pub target: Target,
    /// How long to try.
    pub patience: RetryLimits,
    /// What its requests are to be.
    pub requests: Requests,
    /// Where to read, for `resume` and `verify`; there when one of them is set.
    pub read: Option<ReadConfig>,
    /// Whether to send only what the receiver does not have of the window.
    pub resume: bool,
    /// Whether to read the window back in the end.
    pub verify: bool,
    /// The command line without its window, to print commands that continue this run.
    pub rerun: Rerun,
}

/// A backfill by remote write.
pub struct Backfill<'a> {
    config: &'a BackfillConfig,
    sender: Client,
    /// Where to read back.
    source: Option<Source<'a>>,
    summary: Arc<Summary>,
}

impl<'a> Backfill<'a> {
    /// Returns a run of `config`; connects to nothing yet.
    ///
    /// # Errors
    /// When certificates or the proxy cannot be used.
    pub fn new(config: &'a BackfillConfig, report: Arc<Report>) -> Result<Self, Error> {
        let sender = Client::new(&config.target)?;
        let summary = Summary::new(report, &config.plan, config.rerun.clone());
        let source = config.read.as_ref().map(Source::new).transpose()?;
        Ok(Self { config, sender, source, summary: Arc::new(summary) })
    }

    /// Returns what ends this run from outside when it does not end by itself.
    pub fn last_resort(&self, clock: Arc<SystemClock>) -> impl LastResort + use<> {
        let reads = self.source.as_ref().map(Source::canceller);
        let cancellers = reads.into_iter().chain([self.sender.canceller()]).collect();
        RunEnder::new(cancellers, &self.summary, clock)
    }

    /// Pushes the window; returns when it is over, refused or interrupted.
    pub fn run(&self, clock: &impl Clock) -> Exit {
        self.announce(clock.now());
        let BackfillConfig { plan, rerun, resume, .. } = self.config;
        let subject = self.source.as_ref().map(|source| Subject { plan, rerun, source });
        if let Some(subject) = subject.filter(|_| *resume) {
            return self.resume(subject, clock);
        }
        let exit = self.push(plan, None, clock);
        match subject {
            Some(subject) => verify::after_push(subject, clock, &self.summary, exit),
            None => exit,
        }
    }

    /// Pushes what is missing; ends with success only when all of the window is there.
    fn resume(&self, subject: Subject<'_>, clock: &impl Clock) -> Exit {
        let there = match resume::look(subject, clock, &self.summary) {
            Ok(there) => there,
            Err(exit) => return exit,
        };
        let Some(missing) = &there.missing else {
            let exit = self.summary.print(Ending::Finished);
            return match self.config.verify {
                true => verify::after_push(subject, clock, &self.summary, exit),
                false => exit,
            };
        };
        let (first_index, tick_count) = (missing.start, missing.end - missing.start);
        let rest = Plan { window: Window { first_index, tick_count }, ..subject.plan.clone() };
        let exit = self.push(&rest, Some(&there), clock);
        // The others were compared.
        let plan = if self.config.verify { subject.plan } else { &rest };
        verify::after_push(Subject { plan, ..subject }, clock, &self.summary, exit)
    }

    /// Pushes `plan`; of what is resumed what is not there.
    fn push(&self, plan: &Plan, there: Option<&There>, clock: &impl Clock) -> Exit {
        let BackfillConfig { patience, requests, rerun, .. } = self.config;
        let courier = Courier::new(clock, &self.summary, &self.sender, *patience);
        let courier = match there {
            Some(there) => courier.for_resume(there.is_any),
            None => courier.for_backfill(),
        };
        let planned = self.summary.tally().planned();
        let text = format!("Starting backfill of {}", counted(planned, "datapoint"));
        self.summary.report.info("starting", &[("planned", Field::Count(planned))], &text);
        let source = self.source.as_ref().filter(|_| there.is_some());
        let mut batches = Batches {
            plan,
            summary: &self.summary,
            clock,
            progress: Progress::new(&self.summary.report, planned, clock.steady()),
            pusher: Pusher::new(courier, plan, &self.summary, *requests),
            samples: vec![Vec::new(); plan.label_sets.len()],
            rest: source
                .map(|source| Rest::new(Subject { plan, rerun, source }, clock, &self.summary)),
        };
        let ending = match batches.all() {
            Err(ending) => ending,
            Ok(()) => Ending::Finished,
        };
        self.summary.give_up_due(clock.now());
        self.summary.print(ending)
    }

    fn announce(&self, now: TimestampMs) {
        let report: &Report = &self.summary.report;
        let plan = &self.config.plan;
        announce_plan("Generating", plan, report);
        announce_target(&self.config.target, report);
        if now.0 - plan.times().start.0 > HEAD_MS {
            let text = "The window begins more than an hour ago: a Prometheus that has newer data \
                        takes it only with storage.tsdb.out_of_order_time_window set in its \
                        configuration; for blocks instead, see --output";
            report.log(Level::Warning, "old_window", &[], text);
        }
        self.config.rerun.announce(plan.times(), report);
        report.rule();
    }
}

/// The loop's state.
struct Batches<'a, C> {
    plan: &'a Plan,
    summary: &'a Summary,
    clock: &'a C,
    progress: Progress<'a>,
    pusher: Pusher<'a, C>,
    /// The samples of a batch, by series.
    samples: Vec<Vec<Sample>>,
    /// What is resumed.
    rest: Option<Rest<'a, C>>,
}

impl<C: Clock> Batches<'_, C> {
    fn all(&mut self) -> Result<(), Ending> {
        let window = self.plan.window;
        let mut iters: Vec<_> = self.plan.iters_from(window.first_index).collect();
        let ticks_per_batch = self.pusher.ticks_per_request();
        let mut index = window.first_index;
        while index < window.end_index() && !self.pusher.is_over() {
            let mut end = window.end_index().min(index + ticks_per_batch);
            if let Some(rest) = &mut self.rest {
                match rest.read(index..window.end_index(), &iters) {
                    Ok(known_end) => end = end.min(known_end),
                    Err(ReadError::Interrupted) => return Err(Ending::Interrupted),
                    Err(error) => {
                        verify::report_failure(&error, &self.summary.report);
                        return Ok(());
                    }
                }
            }
            self.generate(&mut iters, index..end);
            if let Some(rest) = &mut self.rest {
                rest.push(index..end, &mut self.samples, &mut self.pusher)?;
            } else if ticks_per_batch == 1 {
                let tick: Vec<Sample> = self.samples.iter().map(|samples| samples[0]).collect();
                self.pusher.tick(index, &tick)?;
            } else {
                self.batch(index..end)?;
            }
            self.progress.show(self.summary.tally().settled(), self.clock.steady());
            index = end;
        }
        Ok(())
    }

    fn generate(&mut self, iters: &mut [SeriesIter], ticks: Range<u64>) {
        let count = usize::try_from(ticks.end - ticks.start).expect("a batch fits memory");
        for (samples, iter) in self.samples.iter_mut().zip(iters) {
            samples.clear();
            samples.extend(iter.take(count));
        }
    }

    /// Pushes the ticks that were generated.
    fn batch(&mut self, ticks: Range<u64>) -> Result<(), Ending> {
        let series: Vec<TimeSeries<'_>> = self
            .plan
            .label_sets
            .iter()
            .zip(&self.samples)
            .map(|(labels, samples)| TimeSeries { labels, samples })
            .collect();
        let delivered = self.pusher.send(&series, Courier::deliver);
        self.pusher.settle(ticks, self.samples.len() as u64, delivered).map(|_| ())
    }
}
