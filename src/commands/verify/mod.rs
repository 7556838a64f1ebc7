//! The verify verb: reads a window back from the receiver and compares it with the series; then
//! judges alerts by the incidents.
//!
//! Changes nothing anywhere. Goes through the window in chunks, so that memory is flat in its
//! length, and in each through the series, so that what is missing comes in the order of time.

mod alerts;
mod check;
pub mod compare;
mod findings;
pub mod judge;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Shutdown, Step, SystemClock};
use crate::delivery::{Ending, Rerun, Summary};
use crate::error::{Error, Exit};
use crate::plan::Plan;
use crate::read_back::{ReadConfig, ReadError, Source};
use crate::report::announce::announce_plan;
use crate::report::words::count_of;
use crate::report::{Field, Level, Report};

pub use alerts::{Alert, VerdictConfig};
pub(crate) use check::{Comparison, compare_window};
pub(crate) use findings::Findings;

/// How long a receiver may take to show what it has accepted just now.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// What the verify verb needs.
#[derive(Debug)]
pub struct VerifyConfig {
    /// The ticks that are expected.
    pub plan: Plan,
    /// Where to read them.
    pub read: ReadConfig,
    /// Which alerts to judge, if any.
    pub verdict: Option<VerdictConfig>,
    /// The command line without its window, to print commands that send what is missing.
    pub rerun: Rerun,
}

/// Reads the window back and says what it found.
///
/// # Errors
/// Certificates or the proxy cannot be used.
pub fn run(
    config: &VerifyConfig,
    report: &Arc<Report>,
    clock: &SystemClock,
) -> Result<Exit, Error> {
    let VerifyConfig { plan, rerun, read, verdict } = config;
    let read_back = ReadBack::new(read, verdict.as_ref())?;
    let cancellers = read_back.cancellers();
    let cancel = Box::new(move || cancellers.iter().for_each(|cancel| cancel()));
    clock.watch_signals(Shutdown { cancel, ..Shutdown::default() });
    announce_plan("Expecting", plan, report);
    if let Some(verdict) = verdict {
        verdict.announce(plan, report);
    }
    let verify = Verify { plan, rerun, read_back: &read_back, report, clock };
    Ok(verify.judged(verify.check(Duration::ZERO)))
}

/// Where a window is read back, and which alerts are judged then.
pub(crate) struct ReadBack<'a> {
    source: Source<'a>,
    /// Which alerts to judge, if any.
    verdict: Option<&'a VerdictConfig>,
    /// Where these are read, if not there.
    alerts: Option<Source<'a>>,
}

impl<'a> ReadBack<'a> {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// Certificates or the proxy cannot be used.
    pub(crate) fn new(
        read: &'a ReadConfig,
        verdict: Option<&'a VerdictConfig>,
    ) -> Result<Self, Error> {
        let source = Source::new(read)?;
        let alerts = verdict.and_then(|verdict| verdict.read.as_ref());
        Ok(Self { source, verdict, alerts: alerts.map(Source::new).transpose()? })
    }

    /// Returns what ends the requests under way, from another thread.
    pub(crate) fn cancellers(&self) -> Vec<Step> {
        [&self.source].into_iter().chain(&self.alerts).map(Source::canceller).collect()
    }
}

/// A comparison of what should be there with what is.
#[derive(Clone, Copy)]
pub(crate) struct Verify<'a> {
    /// The ticks.
    pub(crate) plan: &'a Plan,
    /// The command line.
    pub(crate) rerun: &'a Rerun,
    /// Where to read.
    pub(crate) read_back: &'a ReadBack<'a>,
    pub(crate) report: &'a Report,
    pub(crate) clock: &'a dyn Clock,
}

impl Verify<'_> {
    /// Checks what a run has just pushed, after its summary; returns the exit code of both.
    ///
    /// Where all of the window is there, answers that did not say so do not matter any more.
    pub(crate) fn after_push(self, summary: &Summary, pushed: Exit) -> Exit {
        let is_anything_there = pushed != Exit::Unreachable || summary.tally().unconfirmed > 0;
        if matches!(pushed, Exit::Interrupted | Exit::Refused) || !is_anything_there {
            return pushed;
        }
        let exit = match self.check(SHOWN_WITHIN) {
            Exit::Success => Exit::Success,
            verified => graver(pushed, verified),
        };
        self.judged(exit)
    }

    /// Judges alerts, if that was asked for, after a check with this exit code; returns that of
    /// both.
    fn judged(self, checked: Exit) -> Exit {
        match (self.read_back.verdict, checked) {
            // After a failed read or a signal nothing is read again.
            (_, Exit::Interrupted | Exit::Refused | Exit::Unreachable) | (None, _) => checked,
            (Some(verdict), _) => graver(checked, alerts::judge(self, verdict)),
        }
    }

    /// Returns the address that is read.
    pub(crate) fn shown_url(self) -> String {
        self.read_back.source.config.target.shown_url()
    }

    /// Logs what is found in the window; returns the exit code.
    fn check(self, shown_within: Duration) -> Exit {
        let count = self.plan.sample_count();
        let planned = count_of(count, "datapoint");
        let text = format!("Verifying {planned}, read from {}", self.shown_url());
        self.report.info("verifying", &[("planned", Field::Count(count))], &text);
        match compare_window(self, shown_within) {
            Err(error) => self.read_failed(&error),
            Ok(findings) => findings.print(self),
        }
    }

    /// Checks that a run may go on after what is there; else ends it, after saying why.
    ///
    /// # Errors
    /// The exit code.
    pub(crate) fn check_resumable(
        self,
        findings: &Findings,
        summary: &Summary,
    ) -> Result<(), Exit> {
        if findings.is_ours() {
            return Ok(());
        }
        findings.print_not_resumed(self.report);
        summary.give_up_due(self.clock.now());
        Err(summary.print(Ending::Unread(Exit::Different)))
    }

    /// Ends a run that could not read what is left of its window; returns the exit code.
    pub(crate) fn end_unread(self, error: &ReadError, summary: &Summary) -> Exit {
        let ending = match error {
            ReadError::Interrupted => Ending::Interrupted,
            error => Ending::Unread(self.read_failed(error)),
        };
        summary.give_up_due(self.clock.now());
        summary.print(ending)
    }

    /// Logs why nothing could be read; returns the exit code.
    pub(crate) fn read_failed(self, error: &ReadError) -> Exit {
        let report = self.report;
        let exit = match error {
            ReadError::Unreadable(_) | ReadError::TooLarge | ReadError::Unreachable { .. } => {
                Exit::Unreachable
            }
            ReadError::Refused { .. } => Exit::Refused,
            ReadError::Interrupted => Exit::Interrupted,
        };
        report.end_quiet();
        let fields = [("exit_code", Field::Count(exit as u64))];
        if exit == Exit::Interrupted {
            report.info("interrupted", &fields, "Interrupted!");
            return exit;
        }
        let reason = error.to_string();
        let fields = [fields[0], ("error", Field::Text(&reason))];
        report.log(Level::Error, "read_failed", &fields, &format!("✗ Read-back failed: {reason}"));
        if let ReadError::Refused { hint: Some(hint), .. } = error {
            report.hint(Level::Error, hint);
        }
        exit
    }
}

/// Returns the exit code that takes precedence (docs/design.md, "Exit codes").
fn graver(pushed: Exit, verified: Exit) -> Exit {
    [Exit::Interrupted, Exit::Refused, Exit::Unreachable, Exit::Incomplete, Exit::Different]
        .into_iter()
        .find(|exit| [pushed, verified].contains(exit))
        .unwrap_or(verified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_of_push_and_verify_have_an_order() {
        for (pushed, verified, expected) in [
            (Exit::Success, Exit::Different, Exit::Different),
            (Exit::Incomplete, Exit::Different, Exit::Incomplete),
            (Exit::Incomplete, Exit::Unreachable, Exit::Unreachable),
            (Exit::Success, Exit::Refused, Exit::Refused),
            (Exit::Unreachable, Exit::Refused, Exit::Refused),
            (Exit::Incomplete, Exit::Interrupted, Exit::Interrupted),
            (Exit::Different, Exit::Success, Exit::Different),
            (Exit::Different, Exit::Refused, Exit::Refused),
        ] {
            assert_eq!(graver(pushed, verified), expected);
        }
    }
}
