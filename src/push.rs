//! What live and backfill share: a tick's samples into requests, and their fates into the tally.

use crate::cli::config::{SeriesConfig, Window};
use crate::clock::Clock;
use crate::delivery::{AfterSilence, Courier, Delivered, Request};
use crate::remote_write::{Body, Metadata, TimeSeries};
use crate::series::{Sample, TimestampMs};
use crate::summary::{Ending, Summary};
use crate::tally::Fate;

/// Samples in one request at most; a tick of more series takes several.
/// Source: `max_samples_per_send` of Prometheus' own sender.
pub const SAMPLES_PER_REQUEST_MAX: usize = 2000;

/// Sends requests of one run and keeps its tally.
pub struct Pusher<'a, C> {
    courier: Courier<'a, C>,
    series: &'a SeriesConfig,
    summary: &'a Summary,
    last_due: TimestampMs,
    body: Body,
}

impl<'a, C: Clock> Pusher<'a, C> {
    /// Returns a pusher that has sent nothing yet.
    pub fn new(
        courier: Courier<'a, C>,
        series: &'a SeriesConfig,
        summary: &'a Summary,
        window: Window,
    ) -> Self {
        let last_due = series.model.grid.time_of(window.end_index() - 1);
        Self { courier, series, summary, last_due, body: Body::default() }
    }

    /// Tells whether the time for what is pending is over.
    pub fn is_over(&self) -> bool {
        self.courier.is_over(self.last_due)
    }

    /// Pushes the samples of tick `index`, one for each series, in as few requests as they fit.
    ///
    /// Returns whether all of them were accepted.
    ///
    /// # Errors
    /// What ends the run instead.
    pub fn tick(&mut self, index: u64, samples: &[Sample]) -> Result<bool, Ending> {
        let mut is_accepted = true;
        for (start, part) in parts(samples) {
            let (fate, ending) = match self.part(start, part, Courier::deliver) {
                Delivered::Settled(fate) => (fate, None),
                Delivered::Refused(fate) => (fate, Some(Ending::Refused)),
                Delivered::Interrupted { fate_unknown: true } => {
                    (Fate::Unconfirmed, Some(Ending::Interrupted))
                }
                Delivered::Interrupted { fate_unknown: false } => return Err(Ending::Interrupted),
                Delivered::Unanswered => unreachable!("one tick is sent again as it is"),
            };
            self.summary.tally().settle(index, part.len() as u64, fate);
            is_accepted &= fate == Fate::Accepted;
            if let Some(ending) = ending {
                return Err(ending);
            }
        }
        Ok(is_accepted)
    }

    /// Pushes stale markers, one for each series; tries once only unless `is_patient`.
    ///
    /// Returns whether all of them were accepted.
    pub fn markers(&mut self, markers: &[Sample], is_patient: bool) -> bool {
        let deliver = if is_patient { Courier::deliver } else { Courier::deliver_once };
        parts(markers).all(|(start, part)| {
            self.part(start, part, deliver) == Delivered::Settled(Fate::Accepted)
        })
    }

    /// Sends one sample for each series from `start` on.
    fn part(&mut self, start: usize, samples: &[Sample], deliver: Deliver<'a, C>) -> Delivered {
        let series: Vec<TimeSeries<'_>> = self.series.label_sets[start..]
            .iter()
            .zip(samples.chunks(1))
            .map(|(labels, samples)| TimeSeries { labels, samples })
            .collect();
        self.send(&series, AfterSilence::SendAgain, deliver)
    }

    /// Sends `series` in one request.
    pub fn send(
        &mut self,
        series: &[TimeSeries<'_>],
        after_silence: AfterSilence,
        deliver: Deliver<'a, C>,
    ) -> Delivered {
        let metadata =
            Metadata { metric_name: &self.series.metric_name, help: &self.series.description };
        let newest = series
            .iter()
            .filter_map(|series| series.samples.last())
            .map(|sample| sample.timestamp)
            .max()
            .expect("a request holds a sample");
        let body = self.body.encode(series, Some(metadata));
        let request = Request { body, newest, last_due: self.last_due, after_silence };
        let delivered = deliver(&mut self.courier, request);
        self.summary.tally().retries = self.courier.retry_count();
        delivered
    }
}

/// A way to deliver a request: until its fate is known, or once.
type Deliver<'a, C> = fn(&mut Courier<'a, C>, Request<'_>) -> Delivered;

/// Returns the parts of a tick that go into one request each, with the index of their first.
fn parts(samples: &[Sample]) -> impl Iterator<Item = (usize, &[Sample])> {
    let starts = (0..).step_by(SAMPLES_PER_REQUEST_MAX);
    starts.zip(samples.chunks(SAMPLES_PER_REQUEST_MAX))
}
