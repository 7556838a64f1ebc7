//! What live and backfill share: what they need to know, their connections and their counts.

use std::sync::Arc;

use super::verify::{ReadBack, VerdictConfig, Verify};
use crate::clock::{Clock, Shutdown, SystemClock};
use crate::delivery::{Delivery, DeliveryConfig, Rerun, Summary};
use crate::error::Error;
use crate::http::{Client, Target};
use crate::plan::Plan;
use crate::read_back::ReadConfig;
use crate::report::Report;

/// What a command that pushes needs to know.
#[derive(Debug)]
pub struct PushConfig {
    /// The ticks to push.
    pub plan: Plan,
    /// Where to, and as whom.
    pub target: Target,
    /// How.
    pub delivery: DeliveryConfig,
    /// Whether a stale marker ends the series.
    pub stale_marker: bool,
    /// Where to read, for `resume` and `verify`; there when one of them is set.
    pub read: Option<ReadConfig>,
    /// Whether to send only what the receiver does not have of the window.
    pub resume: bool,
    /// Whether to read the window back in the end.
    pub verify: bool,
    /// Which alerts to judge after that, if any.
    pub verdict: Option<VerdictConfig>,
    /// The command line without its window, to print commands that continue this run.
    pub rerun: Rerun,
}

/// A run that pushes.
pub struct Push<'a> {
    /// What it needs to know.
    pub config: &'a PushConfig,
    /// Its log, its counts and its end.
    pub summary: Arc<Summary>,
    client: Client,
    read_back: Option<ReadBack<'a>>,
}

impl<'a> Push<'a> {
    /// Returns a run of `config`; connects to nothing yet.
    ///
    /// # Errors
    /// Certificates or the proxy cannot be used.
    pub fn new(config: &'a PushConfig, report: Arc<Report>) -> Result<Self, Error> {
        let client = Client::new(&config.target)?;
        let read_back = |read| ReadBack::new(read, config.verdict.as_ref());
        let read_back = config.read.as_ref().map(read_back).transpose()?;
        let summary = Arc::new(Summary::new(report, &config.plan, config.rerun.clone()));
        Ok(Self { config, summary, client, read_back })
    }

    /// Returns what ends this run when it goes on after a signal.
    pub fn shutdown(&self, clock: &Arc<SystemClock>) -> Shutdown {
        let reads = self.read_back.iter().flat_map(ReadBack::cancellers);
        let cancellers = reads.chain([self.client.canceller()]).collect();
        self.summary.shutdown(cancellers, Arc::clone(clock))
    }

    /// Tells whether there is nothing to push or to verify, and logs why.
    pub(super) fn is_all_in_gap(&self) -> bool {
        let is_all_in_gap = self.config.plan.sample_count() == 0 && !self.config.verify;
        if is_all_in_gap {
            let text = "Nothing to push: the whole window is in a gap";
            self.summary.report.info("no_datapoint", &[], text);
        }
        is_all_in_gap
    }

    /// Returns the delivery of the samples of `plan`.
    pub(super) fn delivery<'b>(&'b self, plan: &'b Plan, clock: &'b dyn Clock) -> Delivery<'b> {
        Delivery::new(self.config.delivery, plan, &self.client, &self.summary, clock)
    }

    /// Returns the comparison of the window with what is there, where it is read back at all.
    pub(super) fn verify<'b>(&'b self, clock: &'b dyn Clock) -> Option<Verify<'b>> {
        let PushConfig { plan, rerun, .. } = self.config;
        let report = &self.summary.report;
        let read_back = self.read_back.as_ref()?;
        Some(Verify { plan, rerun, read_back, report, clock })
    }
}
