//! What live and backfill share: a tick's samples into requests, and their fates into the tally.

use std::ops::Range;

use super::{Courier, Cut, Delivered, Ending, Fate, Request, Summary};
use crate::clock::{Clock, Interrupted};
use crate::plan::Plan;
use crate::remote_write::{Body, Protocol, TimeSeries, Version};
use crate::report::Level;
use crate::series::{Sample, TimestampMs};

/// What the requests of a run are to be.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    /// Of which version.
    pub protocol: Protocol,
    /// How many samples they hold at most.
    pub batch_size: usize,
}

/// Sends requests of one run and keeps its tally.
pub struct Pusher<'a, C> {
    courier: Courier<'a, C>,
    plan: &'a Plan,
    summary: &'a Summary,
    cut: Cut,
    body: Body,
    version: Version,
    may_fall_back: bool,
}

impl<'a, C: Clock> Pusher<'a, C> {
    /// Returns a pusher that has sent nothing yet.
    pub fn new(
        courier: Courier<'a, C>,
        plan: &'a Plan,
        summary: &'a Summary,
        requests: Requests,
    ) -> Self {
        let Requests { protocol, batch_size } = requests;
        let version = protocol.first_version();
        let may_fall_back = protocol == Protocol::Auto;
        let (cut, body) = (Cut::new(plan, batch_size), Body::default());
        Self { courier, plan, summary, cut, body, version, may_fall_back }
    }

    /// Returns how many ticks fit one request.
    pub fn ticks_per_request(&self) -> u64 {
        self.cut.ticks_per_request
    }

    /// Returns the series that go into one request each, as indices.
    pub fn parts(&self) -> Vec<Range<usize>> {
        self.cut.parts().collect()
    }

    /// Tells whether the time for what is pending is over.
    pub fn is_over(&self) -> bool {
        self.courier.is_over()
    }

    /// Tells whether the last attempt had no final answer.
    pub fn is_failing(&self) -> bool {
        self.courier.is_failing()
    }

    /// Waits until the wall clock shows `due`.
    ///
    /// # Errors
    /// `Interrupted` when a signal came.
    pub fn wait_until(&mut self, due: TimestampMs) -> Result<(), Interrupted> {
        self.courier.wait_until(due, "next push")
    }

    /// Pushes the samples of tick `index`, one for each series, in as few requests as they fit.
    ///
    /// Returns whether all of them were accepted.
    ///
    /// # Errors
    /// What ends the run instead.
    pub fn tick(&mut self, index: u64, samples: &[Sample]) -> Result<bool, Ending> {
        let mut is_accepted = true;
        for part in self.parts() {
            let sample_count = part.len() as u64;
            let delivered = match self.is_over() {
                true => Delivered::Settled(Fate::Undelivered),
                false => self.part(part, samples, Courier::deliver),
            };
            is_accepted &= self.settle(index..index + 1, sample_count, delivered)?;
        }
        Ok(is_accepted)
    }

    /// Counts what became of `ticks`, of which a request held `samples_each`.
    ///
    /// Returns whether all of them were accepted.
    ///
    /// # Errors
    /// What ends the run instead.
    pub fn settle(
        &mut self,
        ticks: Range<u64>,
        samples_each: u64,
        delivered: Delivered,
    ) -> Result<bool, Ending> {
        let mut tally = self.summary.tally();
        let (fate, ending) = match delivered {
            Delivered::Settled(fate) => (fate, None),
            Delivered::Partly { written, rest } => {
                tally.settle_part(ticks, samples_each, written, rest);
                return Ok(false);
            }
            Delivered::Refused(fate) => (fate, Some(Ending::Refused)),
            Delivered::Interrupted { maybe_stored: true } => {
                (Fate::Unconfirmed, Some(Ending::Interrupted))
            }
            Delivered::Interrupted { maybe_stored: false } => return Err(Ending::Interrupted),
            Delivered::WrongVersion { .. } => unreachable!("who sends deals with it"),
        };
        ticks.for_each(|index| tally.settle(index, samples_each, fate));
        ending.map_or(Ok(fate == Fate::Accepted), Err)
    }

    /// Pushes stale markers, one for each series; tries once only unless `is_patient`.
    ///
    /// Returns whether all of them were accepted.
    pub fn markers(&mut self, markers: &[Sample], is_patient: bool) -> bool {
        let deliver = if is_patient { Courier::deliver } else { Courier::deliver_once };
        self.parts()
            .into_iter()
            .all(|part| self.part(part, markers, deliver) == Delivered::Settled(Fate::Accepted))
    }

    /// Sends the samples of a part of a tick.
    fn part(
        &mut self,
        part: Range<usize>,
        samples: &[Sample],
        deliver: Deliver<'a, C>,
    ) -> Delivered {
        let series: Vec<TimeSeries<'_>> = self.plan.label_sets[part.clone()]
            .iter()
            .zip(samples[part].chunks(1))
            .map(|(labels, samples)| TimeSeries { labels, samples })
            .collect();
        self.send(&series, deliver)
    }

    /// Sends `series` in one request.
    pub fn send(&mut self, series: &[TimeSeries<'_>], deliver: Deliver<'a, C>) -> Delivered {
        let newest = series
            .iter()
            .filter_map(|series| series.samples.last())
            .map(|sample| sample.timestamp)
            .max()
            .expect("a request holds a sample");
        let sample_count = series.iter().map(|series| series.samples.len() as u64).sum();
        let mut maybe_stored = false;
        loop {
            let version = self.version;
            let delivered = deliver(
                &mut self.courier,
                Request {
                    version,
                    body: self.body.encode(version, series, self.plan.metadata()),
                    sample_count,
                    newest,
                    may_fall_back: self.may_fall_back,
                    maybe_stored,
                },
            );
            let Delivered::WrongVersion { reason, maybe_stored: as_other } = delivered else {
                return delivered;
            };
            maybe_stored = as_other;
            let text = format!("Falling back to remote write 1.0 for this run: {reason}");
            self.summary.report.log(Level::Warning, "fallback", &[], &text);
            self.version = Version::V1;
        }
    }
}

/// A way to deliver a request: until its fate is known, or once.
type Deliver<'a, C> = fn(&mut Courier<'a, C>, Request<'_>) -> Delivered;
