//! Delivery: the samples of a run, request by request, until the fate of each is known.
//!
//! A request is settled before the next one is made, so the samples of a series go out in the
//! order of time, and one that is maybe stored is never sent together with a new one.

mod attempts;
mod cut;
mod rerun;
mod summary;
mod tally;

use std::ops::Range;
use std::process;
use std::slice;
use std::time::Duration;

use crate::clock::{Clock, StepWatch};
use crate::http::{Backoff, Client};
use crate::plan::Plan;
use crate::remote_write::{Body, Protocol, TimeSeries, Version};
use crate::series::{Sample, TimestampMs};
pub use cut::Cut;
pub use rerun::Rerun;
pub use summary::{Ending, Missing, Summary};
pub use tally::{Fate, IndexRange, Ranges, Remedy, Tally};

/// So many rejections in a row, and nothing accepted, end a live run.
const REJECTIONS_MAX: u32 = 3;

/// How samples are sent.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryConfig {
    /// As which messages.
    pub protocol: Protocol,
    /// Samples in one request at most.
    pub batch_size: usize,
    /// How long it is tried.
    pub limits: RetryLimits,
}

/// How long delivery of a sample is tried.
#[derive(Clone, Copy, Debug)]
pub struct RetryLimits {
    /// A sample is given up this long after its first failed attempt.
    pub give_up_after: Duration,
    /// After the last tick, pending samples are tried for this long.
    pub flush_timeout: Duration,
}

/// How delivery of a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// All its samples have this fate.
    Settled(Fate),
    /// A part of its samples is stored.
    Partly {
        /// How many the receiver wrote; it does not say which.
        written: u64,
        /// The fate of the others.
        rest: Fate,
    },
    /// The run ends here; its samples have this fate, or are not yet due.
    Ended(Option<Fate>, Ending),
}

/// Sends the requests of one run, and counts what becomes of their samples.
pub struct Delivery<'a> {
    /// So many rejections in a row, and nothing accepted, end the run.
    pub rejections_max: u32,
    /// Whether a part of the window may be there that was not looked for.
    pub does_resume_help: bool,
    /// How the samples of a tick are cut into requests.
    pub cut: Cut,
    plan: &'a Plan,
    client: &'a Client,
    summary: &'a Summary,
    clock: &'a dyn Clock,
    limits: RetryLimits,
    body: Body,
    version: Version,
    may_fall_back: bool,
    /// When the run's last sample is due.
    last_due: TimestampMs,
    backoff: Backoff,
    steps: StepWatch,
    /// No attempt before this, on the steady clock.
    next_attempt: Duration,
    /// The last answer that settled a request, on the steady clock.
    last_settled: Duration,
    is_anything_accepted: bool,
    rejections_in_a_row: u32,
    is_skew_reported: bool,
}

impl<'a> Delivery<'a> {
    /// Returns the delivery of the samples of `plan`; nothing is sent yet.
    pub fn new(
        config: DeliveryConfig,
        plan: &'a Plan,
        client: &'a Client,
        summary: &'a Summary,
        clock: &'a dyn Clock,
    ) -> Self {
        Self {
            rejections_max: REJECTIONS_MAX,
            does_resume_help: false,
            cut: Cut::new(plan, config.batch_size),
            plan,
            client,
            summary,
            clock,
            limits: config.limits,
            body: Body::default(),
            version: config.protocol.first_version(),
            may_fall_back: config.protocol == Protocol::Auto,
            last_due: summary.last_due(),
            backoff: Backoff::new(clock.now().0.unsigned_abs() ^ u64::from(process::id())),
            steps: StepWatch::new(clock),
            next_attempt: Duration::ZERO,
            last_settled: clock.steady(),
            is_anything_accepted: false,
            rejections_in_a_row: 0,
            is_skew_reported: false,
        }
    }

    /// Sends the samples of `ticks`, given by series, in as few requests as they fit; returns
    /// whether all of them were accepted.
    ///
    /// # Errors
    /// What ends the run instead.
    pub fn ticks<'s>(
        &mut self,
        ticks: Range<u64>,
        samples: impl Fn(usize) -> &'s [Sample],
    ) -> Result<bool, Ending>
    where
        'a: 's,
    {
        let plan = self.plan;
        let mut is_accepted = true;
        for part in self.cut.parts.clone() {
            let series = plan.time_series(part.clone(), part.map(&samples));
            if series.is_empty() {
                continue;
            }
            // Several ticks have one part: all series.
            let ranges: Vec<_> = match ticks.end - ticks.start {
                1 => vec![(ticks.clone(), series.len() as u64)],
                _ => plan.schedule.ranges(ticks.clone()).filter(|(_, n)| *n > 0).collect(),
            };
            let delivered = match self.is_over() {
                true => Delivered::Settled(Fate::Undelivered),
                false => self.send(&series),
            };
            is_accepted &= self.settle(&ranges, delivered)?;
        }
        Ok(is_accepted)
    }

    /// Counts what became of a request for ranges of ticks, each of so many samples; returns
    /// whether all of them were accepted.
    fn settle(
        &mut self,
        ranges: &[(Range<u64>, u64)],
        delivered: Delivered,
    ) -> Result<bool, Ending> {
        let mut tally = self.summary.tally();
        let mut settle = |fate| {
            for (ticks, samples_each) in ranges {
                ticks.clone().for_each(|index| tally.settle(index, *samples_each, fate));
            }
        };
        match delivered {
            Delivered::Settled(fate) => {
                settle(fate);
                Ok(fate == Fate::Accepted)
            }
            Delivered::Partly { written, rest } => {
                tally.settle_part(ranges, written, rest);
                Ok(false)
            }
            Delivered::Ended(fate, ending) => {
                fate.into_iter().for_each(settle);
                Err(ending)
            }
        }
    }

    /// Sends a stale marker for each series, and tries once unless `is_retried`; returns whether
    /// all of them were accepted.
    pub fn markers(&mut self, marker: Sample, is_retried: bool) -> bool {
        let plan = self.plan;
        self.cut.parts.clone().into_iter().all(|part| {
            let samples = part.clone().map(|_| slice::from_ref(&marker));
            let series = plan.time_series(part, samples);
            self.attempt(&series, is_retried) == Delivered::Settled(Fate::Accepted)
        })
    }

    /// Sends `series` in one request, and again until its fate is known, the time for it is over,
    /// or a signal comes.
    pub fn send(&mut self, series: &[TimeSeries<'_>]) -> Delivered {
        self.attempt(series, true)
    }
}
