//! One request until its fate is known: attempts, waits between them, and when to give up.
//!
//! Only an `Outcome` is branched on; the text of an answer is shown, never interpreted.

use std::process;
use std::time::Duration;

use super::{AfterSilence, Delivered, Fate, Request, Summary};
use crate::cli::config::Patience;
use crate::clock::{Clock, Interrupted, SLICE_MAX, StepWatch};
use crate::remote_write::{Backoff, Outcome, Reply, Sender, Version, describe_status};
use crate::report::{Field, Level, Report};
use crate::series::TimestampMs;

/// A receiver's clock is remarked on when it is further than this from ours.
const CLOCK_SKEW_MAX_MS: u64 = 5000;
/// What a backoff waits for, in the terminal's status line.
const NEXT_ATTEMPT: &str = "next attempt";
/// So many rejections in a row, and nothing accepted, end a run.
const REJECTIONS_MAX: u32 = 3;

/// Delivers the requests of a run, one after the other.
pub struct Courier<'a, C> {
    clock: &'a C,
    report: &'a Report,
    summary: &'a Summary,
    sender: &'a Sender,
    patience: Patience,
    /// When the run's last datapoint is due.
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

impl<'a, C: Clock> Courier<'a, C> {
    /// Returns a courier of the run of `summary` that has delivered nothing yet.
    pub fn new(clock: &'a C, summary: &'a Summary, sender: &'a Sender, patience: Patience) -> Self {
        let seed = clock.now().0.unsigned_abs() ^ u64::from(process::id());
        Self {
            clock,
            report: &summary.report,
            summary,
            sender,
            patience,
            last_due: summary.last_due(),
            backoff: Backoff::new(seed),
            steps: StepWatch::new(clock),
            next_attempt: Duration::ZERO,
            last_settled: clock.steady(),
            is_anything_accepted: false,
            rejections_in_a_row: 0,
            is_skew_reported: false,
        }
    }

    /// Tells whether nothing more is to be tried: the run's last datapoint is long due.
    pub fn is_over(&self) -> bool {
        self.backoff.failure_count() > 0 && self.flush_left().is_zero()
    }

    /// Waits until the wall clock shows `time`, for what is named in the terminal's status line.
    ///
    /// # Errors
    /// `Interrupted` when a signal came.
    pub fn wait_until(&mut self, time: TimestampMs, what: &str) -> Result<(), Interrupted> {
        loop {
            self.report_step();
            let left = self.clock.left_until(time);
            if left.is_zero() {
                return if self.clock.is_interrupted() { Err(Interrupted) } else { Ok(()) };
            }
            self.wait(left, what)?;
        }
    }

    /// Lets some of `left` pass, at most what may pass without a look at the wall clock.
    fn wait(&self, left: Duration, what: &str) -> Result<(), Interrupted> {
        self.summary.show_wait(what, left, self.clock.now());
        self.clock.sleep(left.min(SLICE_MAX))
    }

    /// Tries `request` until its fate is known, the time for it is over, or a signal comes.
    pub fn deliver(&mut self, request: Request<'_>) -> Delivered {
        let fate_unknown = request.after_silence == AfterSilence::SendAgainStillUnknown;
        let mut failure = Failure { first: None, attempt_count: 0, fate_unknown };
        loop {
            if self.wait_for_attempt(request.newest).is_err() {
                return Delivered::Interrupted { fate_unknown: failure.fate_unknown };
            }
            let reply = self.sender.attempt(
                request.version,
                request.body,
                failure.attempt_count,
                self.clock.now(),
            );
            self.summary.tally().retries += u64::from(failure.attempt_count > 0);
            failure.attempt_count += 1;
            self.compare_clocks(&reply);
            let text = format!(
                "Attempt {}: {} samples in {} bytes as {:?}: {:?}",
                failure.attempt_count,
                request.sample_count,
                request.body.len(),
                request.version,
                reply.outcome
            );
            self.report.log(Level::Debug, "attempt", &[], &text);
            if let Some(delivered) = self.react(reply, &mut failure, request) {
                return delivered;
            }
        }
    }

    /// Tries `request` once, now, whatever came before.
    pub fn deliver_once(&mut self, request: Request<'_>) -> Delivered {
        let reply = self.sender.attempt(request.version, request.body, 0, self.clock.now());
        match reply.outcome {
            Outcome::Accepted => Delivered::Settled(Fate::Accepted),
            Outcome::Rejected { status, reason } => self.rejected(Some(status), &reason, false),
            Outcome::Retryable { reason, .. } | Outcome::Untrusted { reason } => {
                self.log_given_up(&reason);
                Delivered::Settled(Fate::Undelivered)
            }
        }
    }

    fn wait_for_attempt(&mut self, newest: TimestampMs) -> Result<(), Interrupted> {
        loop {
            self.report_step();
            let left = self.next_attempt.saturating_sub(self.clock.steady());
            // Where less is left of the run than of the delay, the last attempt is at its end.
            let left = left.min(self.flush_left());
            if left.is_zero() {
                break;
            }
            self.wait(left, NEXT_ATTEMPT)?;
        }
        // After the wall clock was set back the sample is in the future again.
        self.wait_until(newest, NEXT_ATTEMPT)
    }

    fn react(
        &mut self,
        reply: Reply,
        failure: &mut Failure,
        request: Request<'_>,
    ) -> Option<Delivered> {
        // A 1.0 receiver may send the header by mistake: Prometheus 3.8.0 does.
        let written = reply.written.filter(|_| request.version == Version::V2);
        if let Some((status, reason)) = self.wrong_version(&reply, request) {
            self.settle();
            let fate_unknown = failure.fate_unknown;
            return Some(match request.may_fall_back {
                true => Delivered::WrongVersion { reason, fate_unknown },
                false => self.rejected(status, &reason, fate_unknown),
            });
        }
        match reply.outcome {
            Outcome::Accepted => {
                self.settle();
                let written = written.unwrap_or(request.sample_count);
                self.is_anything_accepted |= written > 0;
                self.rejections_in_a_row = 0;
                Some(self.partly(written, request, Delivered::Settled(Fate::Accepted)))
            }
            Outcome::Rejected { status, reason } => {
                self.settle();
                let delivered = self.rejected(Some(status), &reason, failure.fate_unknown);
                match written {
                    None | Some(0) => Some(delivered),
                    Some(written) => Some(self.partly(written, request, delivered)),
                }
            }
            Outcome::Untrusted { reason } if !self.is_anything_accepted => {
                self.report.log(Level::Error, "refused", &[], &format!("✗ Push refused: {reason}"));
                Some(Delivered::Refused(Fate::Undelivered))
            }
            Outcome::Untrusted { reason } => self.failed(Attempt(None, reason), failure, request),
            Outcome::Retryable { after, fate_unknown, reason } => {
                failure.fate_unknown |= fate_unknown;
                if failure.fate_unknown {
                    // For whoever ends the run while the next attempt is stuck in a connect.
                    self.summary.tally().leave_open(request.sample_count);
                }
                self.failed(Attempt(after, reason), failure, request)
            }
        }
    }

    /// Tells an answer to a 2.0 message that only a receiver of 1.0 gives.
    /// Source: Remote-Write 2.0 specification, "Backward and Forward Compatibility".
    fn wrong_version(&self, reply: &Reply, request: Request<'_>) -> Option<(Option<u16>, String)> {
        if request.version != Version::V2 {
            return None;
        }
        match &reply.outcome {
            Outcome::Accepted if reply.written.is_none() => {
                let reason = "2xx without Written headers: the 2.0 message was not understood";
                Some((None, reason.into()))
            }
            Outcome::Rejected { status: 415, reason } => Some((Some(415), reason.clone())),
            // With Written headers it was understood, and a part of it may be stored.
            Outcome::Rejected { status: 400, reason }
                if request.may_fall_back
                    && !self.is_anything_accepted
                    && reply.written.is_none() =>
            {
                Some((Some(400), reason.clone()))
            }
            _ => None,
        }
    }

    fn partly(&mut self, written: u64, request: Request<'_>, whole: Delivered) -> Delivered {
        if written >= request.sample_count {
            return whole;
        }
        self.is_anything_accepted |= written > 0;
        let text = format!("The receiver wrote {written} of {} samples", request.sample_count);
        self.report.log(Level::Warning, "partial", &[], &text);
        Delivered::Partly(written)
    }

    fn settle(&mut self) {
        self.backoff.settled();
        self.next_attempt = Duration::ZERO;
        self.last_settled = self.clock.steady();
    }

    /// Deals with a final answer; one without `status` is a 2xx to a message not understood.
    fn rejected(&mut self, status: Option<u16>, reason: &str, fate_unknown: bool) -> Delivered {
        let is_about_access = matches!(status, Some(300..=399 | 401 | 403 | 404 | 405 | 407));
        let field = status.map(|status| ("status", Field::Count(u64::from(status))));
        let log = |text: &str| self.report.log(Level::Error, "rejected", field.as_slice(), text);
        if fate_unknown && matches!(status, Some(400 | 409)) {
            log(&format!("✗ Push rejected: {reason}; an attempt before had no answer"));
            return Delivered::Settled(Fate::Unconfirmed);
        }
        self.rejections_in_a_row += 1;
        log(&format!("✗ Push rejected: {reason}"));
        if let Some(hint) = describe_status(status.unwrap_or(415)) {
            log(&format!("  Hint: {hint}"));
        }
        // Who does not get in is told nothing about the samples.
        let is_open = fate_unknown && is_about_access;
        let fate = if is_open { Fate::Unconfirmed } else { Fate::Rejected };
        let is_hopeless = is_about_access || self.rejections_in_a_row >= REJECTIONS_MAX;
        match is_hopeless && !self.is_anything_accepted {
            true => Delivered::Refused(fate),
            false => Delivered::Settled(fate),
        }
    }

    fn failed(
        &mut self,
        Attempt(after, reason): Attempt,
        failure: &mut Failure,
        request: Request<'_>,
    ) -> Option<Delivered> {
        if self.clock.is_interrupted() {
            return Some(Delivered::Interrupted { fate_unknown: failure.fate_unknown });
        }
        let now = self.clock.steady();
        let first = *failure.first.get_or_insert(now);
        let age_left = (first + self.patience.max_sample_age).saturating_sub(now);
        let left = age_left.min(self.flush_left());
        let delay = self.backoff.failed(after);
        self.next_attempt = now + delay;
        if left.is_zero() {
            self.log_given_up(&reason);
            let fate = if failure.fate_unknown { Fate::Unconfirmed } else { Fate::Undelivered };
            return Some(Delivered::Settled(fate));
        }
        // What is left may be less than the delay: then the last attempt is the one at its end.
        let delay = delay.min(left);
        self.next_attempt = now + delay;
        let is_to_ask = failure.fate_unknown && request.after_silence == AfterSilence::Ask;
        let next = match is_to_ask {
            true => "the oldest datapoint alone".to_owned(),
            false => format!("attempt {}", failure.attempt_count + 1),
        };
        let seconds = delay.as_secs_f64();
        let text = format!("✗ Push failed: {reason}; {next} in {seconds:.1} s");
        let attempt = ("attempt", Field::Count(u64::from(failure.attempt_count)));
        let delay = ("delay_s", Field::Value(seconds));
        self.report.log(Level::Warning, "retry", &[attempt, delay], &text);
        is_to_ask.then_some(Delivered::Unanswered)
    }

    /// Returns what is left of the time for what is pending after the last datapoint is due.
    /// An answer meanwhile starts it anew: a queue that drains is not cut off.
    fn flush_left(&self) -> Duration {
        let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let (now, steady) = (self.clock.now(), self.clock.steady());
        let until_due = ms(self.last_due.0.saturating_sub(now.0));
        let since_due = ms(now.0.saturating_sub(self.last_due.0));
        let due_at = (steady + until_due).saturating_sub(since_due);
        (due_at.max(self.last_settled) + self.patience.flush_timeout).saturating_sub(steady)
    }

    fn log_given_up(&self, reason: &str) {
        let text = format!("✗ Push failed: {reason}; given up");
        self.report.log(Level::Error, "given_up", &[], &text);
    }

    /// Logs that the wall clock was set, or that the machine slept.
    fn report_step(&mut self) {
        let Some(step_ms) = self.steps.step_ms(self.clock) else { return };
        let direction = if step_ms < 0 { "back" } else { "forward" };
        let seconds = step_ms.abs() as f64 / 1000.0;
        let text = format!("The clock went {direction} by {seconds:.1} s; going by the new time");
        self.report.log(Level::Warning, "clock_step", &[], &text);
    }

    fn compare_clocks(&mut self, reply: &Reply) {
        let Some(theirs) = reply.date else { return };
        let ours = self.clock.now();
        if self.is_skew_reported || ours.0.abs_diff(theirs.0) <= CLOCK_SKEW_MAX_MS {
            return;
        }
        self.is_skew_reported = true;
        let text = format!(
            "The receiver's clock is {} s {} ours; check both",
            ours.0.abs_diff(theirs.0) / 1000,
            if theirs.0 > ours.0 { "ahead of" } else { "behind" }
        );
        self.report.log(Level::Warning, "clock_skew", &[], &text);
    }
}

/// What is known of a request that failed so far.
struct Failure {
    first: Option<Duration>,
    attempt_count: u32,
    fate_unknown: bool,
}

/// An attempt that may be repeated: the receiver's `Retry-After`, and why.
struct Attempt(Option<Duration>, String);
