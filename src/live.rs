//! The live verb: pushes each datapoint when its time has come, oldest first, losing nothing.
//!
//! The loop holds one tick at a time. What is due behind it is no queue but the rest of the
//! series, generated when its turn comes: an outage costs no memory, however long.

use std::process;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::config::LiveConfig;
use crate::clock::{Clock, Interrupted, LastResort, SystemClock, wait_until};
use crate::delivery::{Courier, Delivered, Request, report_step};
use crate::error::{Error, Exit};
use crate::remote_write::{Body, Metadata, STALE_NAN_BITS, Sender, TimeSeries};
use crate::report::{Field, Level, Report};
use crate::series::{Sample, SeriesIter, TimestampMs};
use crate::summary::{Ending, Summary};
use crate::tally::Fate;
use crate::words::{counted, epoch_seconds, in_words, rounded_seconds};

/// Samples in one request at most; a tick of more series takes several.
/// Source: `max_samples_per_send` of Prometheus' own sender.
const SAMPLES_PER_REQUEST_MAX: usize = 2000;

/// A live run.
pub struct Live<'a> {
    config: &'a LiveConfig,
    sender: Sender,
    summary: Arc<Summary>,
}

impl<'a> Live<'a> {
    /// Returns a run of `config`; connects to nothing yet.
    ///
    /// # Errors
    /// When certificates or the proxy cannot be used.
    pub fn new(config: &'a LiveConfig, report: Arc<Report>) -> Result<Self, Error> {
        let sender = Sender::new(&config.target)?;
        let series_count = config.series.label_sets.len() as u64;
        let grid = config.series.model.grid;
        let rerun = config.rerun.clone();
        let summary = Summary::new(report, grid, config.window, series_count, rerun);
        Ok(Self { config, sender, summary: Arc::new(summary) })
    }

    /// Returns what ends this run from outside when it does not end by itself.
    pub fn last_resort(&self, clock: Arc<SystemClock>) -> impl LastResort + use<> {
        let cancel = self.sender.canceller();
        RunEnder { cancel: Some(Box::new(cancel)), summary: Arc::clone(&self.summary), clock }
    }

    /// Returns the counts and words of the run.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Pushes the window; returns when it is over, refused or interrupted.
    pub fn run(&self, clock: &impl Clock) -> Exit {
        let report: &Report = &self.summary.report;
        announce(self.config, report);
        let seed = clock.now().0.unsigned_abs() ^ u64::from(process::id());
        let mut push = Push {
            config: self.config,
            summary: &self.summary,
            clock,
            courier: Courier::new(clock, report, &self.sender, self.config.patience, seed),
            body: Body::default(),
        };
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
    let (series, window) = (&config.series, config.window);
    let grid = series.model.grid;
    let info = |event: &str, fields: &[(&str, Field<'_>)], message: &str| {
        report.info(event, fields, message);
    };
    for warning in &config.warnings {
        report.log(Level::Warning, "config", &[], warning);
    }
    let start = grid.time_of(window.first_index);
    let end = grid.time_of(window.first_index + window.tick_count);
    let (from, to) = (report.local_time(start), report.local_time(end));
    let times = [("start", Field::Time(start)), ("end", Field::Time(end))];
    info("window", &times, &format!("Generating timeseries from {from} to {to}"));
    let duration_ms = u64::try_from(end.0 - start.0).unwrap_or(u64::MAX);
    info("duration", &[], &format!("Duration: {}", in_words(duration_ms)));
    info("metric", &[], &format!("Metric: {}", series.metric_name));
    for labels in series.label_sets.iter().take(3) {
        info("labels", &[], &format!("Labels: {labels}"));
    }
    if let Some(more @ 1..) = series.label_sets.len().checked_sub(3) {
        info("labels", &[], &format!("(and {more} more series)"));
    }
    let origin = epoch_seconds(grid.origin);
    let text = format!("Origin: {origin} (to continue or verify this series: --origin {origin})");
    info("origin", &[("origin", Field::Time(grid.origin))], &text);
    let target = &config.target;
    info("target", &[], &format!("Target: {} (from {})", target.shown_url(), target.source));
    let count = window.tick_count;
    let fields = [("ticks", Field::Count(count))];
    info("generated", &fields, &format!("Generated {}", counted(count, "datapoint")));
    report.rule();
    let each = match grid.step_ms {
        60_000 => "minute".to_owned(),
        1000 => "second".to_owned(),
        step_ms => in_words(step_ms),
    };
    info("starting", &[], &format!("Starting live metric push (1 datapoint per {each})"));
    info("starting", &[], "Press Ctrl+C to stop");
    report.rule();
}

/// A way to deliver a request: until its fate is known, or once.
type Deliver<'a, C> = fn(&mut Courier<'a, C>, Request<'_>) -> Delivered;

/// The loop's state.
struct Push<'a, C> {
    config: &'a LiveConfig,
    summary: &'a Summary,
    clock: &'a C,
    courier: Courier<'a, C>,
    body: Body,
}

impl<'a, C: Clock> Push<'a, C> {
    fn all_ticks(&mut self) -> Ending {
        let window = self.config.window;
        let model = &self.config.series.model;
        let window_end = window.first_index + window.tick_count;
        let mut series: Vec<SeriesIter> = (0u32..)
            .zip(&self.config.series.label_sets)
            .map(|(k, _)| model.with_seed_plus(k).iter_from(window.first_index))
            .collect();
        let mut samples: Vec<Sample> = Vec::with_capacity(series.len());
        for index in window.first_index..window_end {
            if self.wait_for_tick(index).is_err() {
                return Ending::Interrupted;
            }
            if self.courier.is_over(self.last_due()) {
                self.summary.tally().give_up_before(window_end);
                break;
            }
            samples.clear();
            samples.extend(series.iter_mut().filter_map(Iterator::next));
            if let Err(ending) = self.tick(index, &samples) {
                return ending;
            }
        }
        Ending::Finished
    }

    fn last_due(&self) -> TimestampMs {
        let window = self.config.window;
        self.config.series.model.grid.time_of(window.first_index + window.tick_count - 1)
    }

    fn wait_for_tick(&self, index: u64) -> Result<(), Interrupted> {
        let report = &self.summary.report;
        let due = self.config.series.model.grid.time_of(index);
        if let Ok(left_ms @ 1..) = u64::try_from(due.0 - self.clock.now().0) {
            report.info("sleeping", &[], &format!("Sleeping for {}...", rounded_seconds(left_ms)));
        }
        wait_until(self.clock, due, |step_ms| report_step(report, step_ms))
    }

    /// Pushes the samples of one tick, one for each series.
    fn tick(&mut self, index: u64, samples: &[Sample]) -> Result<(), Ending> {
        let number = index - self.config.window.first_index + 1;
        let time = self.config.series.model.grid.time_of(index);
        let report = &self.summary.report;
        let (count, local_time) = (self.config.window.tick_count, report.local_time(time));
        let fields = [("tick", Field::Count(number)), ("timestamp", Field::Time(time))];
        report.info("tick", &fields, &format!("[{number}/{count}] Timestamp: {local_time}"));
        let mut is_accepted = true;
        for (start, chunk) in chunks(samples) {
            let delivered = self.request(start, chunk, Courier::deliver);
            let mut tally = self.summary.tally();
            tally.retries = self.courier.retry_count();
            let (fate, ending) = match delivered {
                Delivered::Settled(fate) => (fate, None),
                Delivered::Refused(fate) => (fate, Some(Ending::Refused)),
                Delivered::Interrupted { fate_unknown: true } => {
                    (Fate::Unconfirmed, Some(Ending::Interrupted))
                }
                Delivered::Interrupted { fate_unknown: false } => return Err(Ending::Interrupted),
            };
            tally.settle(index, chunk.len() as u64, fate);
            is_accepted &= fate == Fate::Accepted;
            if let Some(ending) = ending {
                return Err(ending);
            }
        }
        if is_accepted {
            self.log_pushed(samples);
        }
        Ok(())
    }

    /// Sends one sample for each series from `start` on, in the given way.
    fn request(&mut self, start: usize, samples: &[Sample], deliver: Deliver<'a, C>) -> Delivered {
        let label_sets = &self.config.series.label_sets[start..];
        let series: Vec<TimeSeries<'_>> = label_sets
            .iter()
            .zip(samples.chunks(1))
            .map(|(labels, samples)| TimeSeries { labels, samples })
            .collect();
        let metadata = Metadata {
            metric_name: &self.config.series.metric_name,
            help: &self.config.series.description,
        };
        let last_due = self.last_due();
        let body = self.body.encode(&series, Some(metadata));
        let newest = samples[0].timestamp;
        deliver(&mut self.courier, Request { body, newest, last_due })
    }

    fn log_pushed(&self, samples: &[Sample]) {
        let series = &self.config.series;
        let name = &series.metric_name;
        if let ([sample], [labels]) = (samples, &series.label_sets[..]) {
            let text = format!("✓ Pushed {name} = {:.2} (labels: {labels})", sample.value);
            let fields = [
                ("timestamp", Field::Time(sample.timestamp)),
                ("value", Field::Value(sample.value)),
            ];
            self.summary.report.info("pushed", &fields, &text);
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
        self.summary.report.info("pushed", &[("count", Field::Count(samples.len() as u64))], &text);
        for (labels, sample) in series.label_sets.iter().zip(samples) {
            let text = format!("  {name} = {:.2} (labels: {labels})", sample.value);
            self.summary.report.log(Level::Debug, "sample", &[], &text);
        }
    }

    /// Ends the series for those who look at it, unless something is pending before its end.
    /// Source: Remote-Write 1.0 specification, "Stale Markers".
    fn stale_marker(&mut self, ending: Ending) {
        let report = &self.summary.report;
        let log = |level, text: &str| report.log(level, "stale_marker", &[], text);
        let Some(last) = self.summary.tally().last_accepted_if_newest() else {
            log(Level::Warning, "No stale marker: the newest datapoint is not there");
            return;
        };
        let after_last = TimestampMs(self.config.series.model.grid.time_of(last).0 + 1);
        if self.clock.now() < after_last {
            // Not in the same millisecond; a signal makes no difference to so short a wait.
            let _ = self.clock.sleep(Duration::from_millis(1));
        }
        let timestamp = self.clock.now().max(after_last);
        let marker = Sample { timestamp, value: f64::from_bits(STALE_NAN_BITS) };
        let deliver: Deliver<'a, C> = match ending {
            Ending::Finished => Courier::deliver,
            _ => Courier::deliver_once,
        };
        let markers = vec![marker; self.config.series.label_sets.len()];
        for (start, chunk) in chunks(&markers) {
            match self.request(start, chunk, deliver) {
                Delivered::Settled(Fate::Accepted) => log(Level::Info, "✓ Pushed a stale marker"),
                _ => log(Level::Warning, "✗ The stale marker was not accepted"),
            }
        }
    }
}

/// Returns the parts of a tick that go into one request each, with the index of their first.
fn chunks(samples: &[Sample]) -> impl Iterator<Item = (usize, &[Sample])> {
    let starts = (0..).step_by(SAMPLES_PER_REQUEST_MAX);
    starts.zip(samples.chunks(SAMPLES_PER_REQUEST_MAX))
}

/// Ends a run whose main thread is stuck in a request.
struct RunEnder {
    cancel: Option<Box<dyn FnOnce() + Send>>,
    summary: Arc<Summary>,
    clock: Arc<SystemClock>,
}

impl LastResort for RunEnder {
    fn cancel_request(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            cancel();
        }
    }

    fn exit(&mut self, at_once: bool) {
        if !at_once {
            // Stuck in a connect or a name look-up: what is due was not sent.
            self.summary.give_up_due(self.clock.now());
            self.summary.print(Ending::Interrupted);
        }
        process::exit(i32::from(Exit::Interrupted as u8));
    }
}
