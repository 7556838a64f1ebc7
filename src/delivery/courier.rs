//! One request until its fate is known: attempts, waits between them, and when to give up.
//!
//! Only an `Outcome` is branched on; the text of an answer is shown, never interpreted.

use std::process;
use std::time::Duration;

use super::rejection::Rejection;
use super::{Delivered, Fate, Request, Summary};
use crate::clock::{Clock, Interrupted, SLICE_MAX, StepWatch};
use crate::delivery::RetryLimits;
use crate::http::{Backoff, Client, Outcome, Reply};
use crate::remote_write::{self, is_conflict, samples_written};
use crate::report::{Field, Level, Report};
use crate::series::TimestampMs;

/// A receiver's clock is remarked on when it is further than this from ours.
const CLOCK_SKEW_MAX_MS: u64 = 5000;
/// What a backoff waits for, in the terminal's status line.
const NEXT_ATTEMPT: &str = "next attempt";
/// So many rejections in a row, and nothing accepted, end a live run.
const REJECTIONS_MAX: u32 = 3;

/// Delivers the requests of a run, one after the other.
pub struct Courier<'a, C> {
    clock: &'a C,
    report: &'a Report,
    summary: &'a Summary,
    sender: &'a Client,
    patience: RetryLimits,
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
    rejections_max: u32,
    /// Whether a part of the window may be there that was not looked for.
    does_resume_help: bool,
    is_skew_reported: bool,
}

impl<'a, C: Clock> Courier<'a, C> {
    /// Returns a courier of the run of `summary` that has delivered nothing yet.
    pub fn new(
        clock: &'a C,
        summary: &'a Summary,
        sender: &'a Client,
        patience: RetryLimits,
    ) -> Self {
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
            rejections_max: REJECTIONS_MAX,
            does_resume_help: false,
            is_skew_reported: false,
        }
    }

    /// Ends the run at its first rejection already, where nothing was accepted: in a backfill
    /// the next batch would be rejected, too.
    pub fn for_backfill(self) -> Self {
        Self { rejections_max: 1, does_resume_help: true, ..self }
    }

    /// Goes on whatever is rejected, but for want of access, where a part of the window is there:
    /// what it lacks in the middle may be refused. Else ends as a backfill does.
    pub fn for_resume(self, is_any_there: bool) -> Self {
        Self { rejections_max: if is_any_there { u32::MAX } else { 1 }, ..self }
    }

    /// Tells whether nothing more is to be tried: the run's last datapoint is long due.
    pub fn is_over(&self) -> bool {
        self.backoff.failure_count() > 0 && self.flush_left().is_zero()
    }

    /// Tells whether the last attempt had no final answer.
    pub fn is_failing(&self) -> bool {
        self.backoff.failure_count() > 0
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
        let maybe_stored = request.maybe_stored;
        let mut failure = Failure { first: None, attempt_count: 0, maybe_stored };
        loop {
            if self.wait_for_attempt(request.newest).is_err() {
                return Delivered::Interrupted { maybe_stored: failure.maybe_stored };
            }
            let reply = remote_write::post(
                self.sender,
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
            let attempt = [("attempt", Field::Count(u64::from(failure.attempt_count)))];
            self.report.log(Level::Debug, "attempt", &attempt, &text);
            if let Some(delivered) = self.react(reply, &mut failure, request) {
                return delivered;
            }
        }
    }

    /// Tries `request` once, now, whatever came before.
    pub fn deliver_once(&mut self, request: Request<'_>) -> Delivered {
        let reply =
            remote_write::post(self.sender, request.version, request.body, 0, self.clock.now());
        match reply.outcome {
            Outcome::Accepted => Delivered::Settled(Fate::Accepted),
            Outcome::Rejected { status, reason } => self
                .rejected(Rejection { status: Some(status), reason, maybe_stored: false }, request),
            Outcome::Retryable { reason, .. } | Outcome::Blocked { reason } => {
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
        let written = samples_written(request.version, &reply);
        let wrong_version = Rejection::of_version(&reply, request, self.is_anything_accepted);
        if let Some(mut rejection) = wrong_version {
            self.settle();
            rejection.maybe_stored |= failure.maybe_stored;
            let Rejection { reason, maybe_stored, .. } = rejection;
            return Some(match request.may_fall_back {
                true => Delivered::WrongVersion { reason, maybe_stored },
                false => self.rejected(Rejection { reason, ..rejection }, request),
            });
        }
        let maybe_stored = failure.maybe_stored;
        match reply.outcome {
            Outcome::Accepted => {
                self.settle();
                self.rejections_in_a_row = 0;
                let written = written.unwrap_or(request.sample_count);
                self.is_anything_accepted |= written > 0;
                let rest = if maybe_stored { Fate::Unconfirmed } else { Fate::Rejected };
                Some(match written >= request.sample_count {
                    true => Delivered::Settled(Fate::Accepted),
                    false => self.partly(written, request, rest),
                })
            }
            Outcome::Rejected { status, reason } => {
                self.settle();
                // Before it is judged: what is written in part is no refusal of the run.
                self.is_anything_accepted |= written > Some(0);
                let rejection = Rejection { status: Some(status), reason, maybe_stored };
                let delivered = self.rejected(rejection, request);
                match (written, delivered) {
                    (Some(written @ 1..), Delivered::Settled(rest)) => {
                        Some(self.partly(written, request, rest))
                    }
                    (_, delivered) => Some(delivered),
                }
            }
            Outcome::Blocked { reason } if !self.is_anything_accepted => {
                let error = [("error", Field::Text(&reason))];
                let text = format!("✗ Push refused: {reason}");
                self.report.log(Level::Error, "refused", &error, &text);
                Some(Delivered::Refused(failure.unsettled()))
            }
            Outcome::Blocked { reason } => self.failed(Attempt(None, reason), failure),
            Outcome::Retryable { after, maybe_stored, reason } => {
                failure.maybe_stored |= maybe_stored;
                if failure.maybe_stored {
                    // For whoever ends the run while the next attempt is stuck in a connect.
                    self.summary.tally().leave_open(request.sample_count);
                }
                self.failed(Attempt(after, reason), failure)
            }
        }
    }

    fn partly(&mut self, written: u64, request: Request<'_>, rest: Fate) -> Delivered {
        let text = format!("The receiver wrote {written} of {} samples", request.sample_count);
        self.report.log(Level::Warning, "partial", &[], &text);
        match written {
            0 => Delivered::Settled(rest),
            _ => Delivered::Partly { written: written.min(request.sample_count), rest },
        }
    }

    fn settle(&mut self) {
        self.backoff.settled();
        self.next_attempt = Duration::ZERO;
        self.last_settled = self.clock.steady();
        self.summary.tally().is_anything_answered = true;
    }

    /// Deals with a final answer.
    fn rejected(&mut self, rejection: Rejection, request: Request<'_>) -> Delivered {
        let Rejection { status, reason, maybe_stored } = &rejection;
        let error = ("error", Field::Text(reason));
        let status_field = ("status", Field::Count(u64::from(status.unwrap_or_default())));
        let fields = if status.is_some() { &[error, status_field][..] } else { &[error] };
        let (fate, doubt) = match *maybe_stored {
            true => (Fate::Unconfirmed, "; an attempt before may have been stored"),
            false => (Fate::Rejected, ""),
        };
        let text = format!("✗ Push rejected: {reason}{doubt}");
        self.report.log(Level::Error, "rejected", fields, &text);
        // What a receiver says to samples that it has already.
        if *maybe_stored && matches!(status, Some(400 | 409)) {
            return Delivered::Settled(fate);
        }
        self.rejections_in_a_row += 1;
        let is_about_access = rejection.is_about_access();
        let is_hopeless = is_about_access || self.rejections_in_a_row >= self.rejections_max;
        let is_refused = is_hopeless && !self.is_anything_accepted;
        let is_first_batch = is_refused && self.does_resume_help;
        for hint in rejection.hints(request, is_first_batch) {
            self.report.hint(Level::Error, hint);
        }
        self.summary.tally().has_conflict |= is_conflict(reason);
        if is_refused { Delivered::Refused(fate) } else { Delivered::Settled(fate) }
    }

    fn failed(
        &mut self,
        Attempt(after, reason): Attempt,
        failure: &mut Failure,
    ) -> Option<Delivered> {
        if self.clock.is_interrupted() {
            return Some(Delivered::Interrupted { maybe_stored: failure.maybe_stored });
        }
        let now = self.clock.steady();
        let first = *failure.first.get_or_insert(now);
        let age_left = (first + self.patience.give_up_after).saturating_sub(now);
        let left = age_left.min(self.flush_left());
        let delay = self.backoff.failed(after);
        self.next_attempt = now + delay;
        if left.is_zero() {
            self.log_given_up(&reason);
            return Some(Delivered::Settled(failure.unsettled()));
        }
        // What is left may be less than the delay: then the last attempt is the one at its end.
        let delay = delay.min(left);
        self.next_attempt = now + delay;
        let (next, seconds) = (failure.attempt_count + 1, delay.as_secs_f64());
        let text = format!("✗ Push failed: {reason}; attempt {next} in {seconds:.1} s");
        let attempt = ("attempt", Field::Count(u64::from(failure.attempt_count)));
        let delay = ("delay_s", Field::Value(seconds));
        let error = ("error", Field::Text(&reason));
        self.report.log(Level::Warning, "retry", &[attempt, delay, error], &text);
        None
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
        self.report.log(Level::Error, "given_up", &[("error", Field::Text(reason))], &text);
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
        let Some(theirs) = reply.date() else { return };
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
    maybe_stored: bool,
}

impl Failure {
    /// Returns the fate of samples that are not tried any more.
    fn unsettled(&self) -> Fate {
        if self.maybe_stored { Fate::Unconfirmed } else { Fate::Undelivered }
    }
}

/// An attempt that may be repeated: the receiver's `Retry-After`, and why.
struct Attempt(Option<Duration>, String);
