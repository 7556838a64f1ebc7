//! The verify verb: reads a window back from the receiver and compares it with the series.
//!
//! Changes nothing anywhere. Goes through the window in chunks, so that memory is flat in its
//! length, and in each through the series, so that what is missing comes in the order of time.

mod check;
pub mod compare;
mod findings;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, LastResort};
use crate::delivery::{Ending, Rerun, Summary};
use crate::error::{Error, Exit};
use crate::http::{Canceller, status_hint};
use crate::plan::Plan;
use crate::read_back::{ReadConfig, ReadError, Source};
use crate::report::announce::announce_plan;
use crate::report::words::counted;
use crate::report::{Field, Level, Report};
use crate::series::TimestampMs;

pub(crate) use check::{Check, Comparison, ShowPatience};
pub(crate) use findings::{Findings, Part};

/// How long a receiver may take to show what it has accepted just now.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// What the verify verb needs.
#[derive(Debug)]
pub struct VerifyConfig {
    /// The ticks that are expected.
    pub plan: Plan,
    /// Where to read them.
    pub read: ReadConfig,
    /// The command line without its window, to print commands that send what is missing.
    pub rerun: Rerun,
}

/// What is compared with what.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The ticks.
    pub plan: &'a Plan,
    /// The command line.
    pub rerun: &'a Rerun,
    /// Where to read.
    pub source: &'a Source<'a>,
}

/// A run of the verify verb.
pub struct Verify<'a> {
    config: &'a VerifyConfig,
    report: Arc<Report>,
    source: Source<'a>,
}

impl<'a> Verify<'a> {
    /// Returns a run of `config`; connects to nothing yet.
    ///
    /// # Errors
    /// When certificates or the proxy cannot be used.
    pub fn new(config: &'a VerifyConfig, report: Arc<Report>) -> Result<Self, Error> {
        Ok(Self { config, report, source: Source::new(&config.read)? })
    }

    /// Returns what ends this run from outside when it does not end by itself.
    pub fn last_resort(&self) -> impl LastResort + use<> {
        self.source.canceller()
    }

    /// Reads the window back and says what it found.
    pub fn run(&self, clock: &impl Clock) -> Exit {
        let VerifyConfig { plan, rerun, .. } = self.config;
        announce_plan("Expecting", plan, &self.report);
        let subject = Subject { plan, rerun, source: &self.source };
        subject.announce(&self.report);
        subject.check(clock, &self.report, Duration::ZERO)
    }
}

/// What only reads has nothing to wind up.
impl LastResort for Canceller {
    fn cancel_request(&self) {
        self.cancel();
    }
}

/// Checks what a run has just pushed, after its summary; returns the exit code of both.
///
/// Where all of the window is there, answers that did not say so do not matter any more.
pub fn after_push(
    subject: Subject<'_>,
    clock: &impl Clock,
    summary: &Summary,
    pushed: Exit,
) -> Exit {
    let is_anything_there = pushed != Exit::Unreachable || summary.tally().unconfirmed > 0;
    if matches!(pushed, Exit::Interrupted | Exit::Refused) || !is_anything_there {
        return pushed;
    }
    subject.announce(&summary.report);
    match (pushed, subject.check(clock, &summary.report, SHOWN_WITHIN)) {
        (_, Exit::Success) => Exit::Success,
        (pushed, verified) => graver(pushed, verified),
    }
}

/// Returns the exit code that takes precedence (docs/design.md, "Exit codes").
fn graver(pushed: Exit, verified: Exit) -> Exit {
    [Exit::Interrupted, Exit::Refused, Exit::Unreachable, Exit::Incomplete]
        .into_iter()
        .find(|exit| [pushed, verified].contains(exit))
        .unwrap_or(verified)
}

/// Ends a run that could not read what is left of its window; returns the exit code.
pub fn end_unread(error: &ReadError, summary: &Summary, now: TimestampMs) -> Exit {
    if *error != ReadError::Interrupted {
        return end_unsent(report_failure(error, &summary.report), summary, now);
    }
    summary.give_up_due(now);
    summary.print(Ending::Interrupted)
}

/// Ends a run that is not going to send anything; returns the exit code.
pub fn end_unsent(exit: Exit, summary: &Summary, now: TimestampMs) -> Exit {
    summary.give_up_due(now);
    summary.print(Ending::Unread(exit))
}

/// Logs why nothing could be read; returns the exit code.
pub fn report_failure(error: &ReadError, report: &Report) -> Exit {
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
    let hint = match error {
        ReadError::Refused { status: Some(400 | 404 | 405 | 501), .. } => Some(
            "check --read-url: not every receiver can be read, and one that forwards (Prometheus \
             agent, vmagent) keeps nothing; name the one that it forwards to",
        ),
        ReadError::Refused { status: Some(status), .. } => status_hint(*status),
        _ => None,
    };
    if let Some(hint) = hint {
        report.hint(Level::Error, hint);
    }
    exit
}

impl Subject<'_> {
    fn announce(&self, report: &Report) {
        let count = self.plan.sample_count();
        let text = format!(
            "Verifying {}, read from {}",
            counted(count, "datapoint"),
            self.source.config.target.shown_url()
        );
        report.info("verifying", &[("planned", Field::Count(count))], &text);
    }

    fn check(self, clock: &impl Clock, report: &Report, shown_within: Duration) -> Exit {
        let mut check = Check::new(self, clock, report, shown_within);
        match check.all() {
            Err(error) => report_failure(&error, report),
            Ok(findings) => findings.print(self, report, check.relative_error_max(), clock.now()),
        }
    }
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
        ] {
            assert_eq!(graver(pushed, verified), expected);
        }
    }
}
