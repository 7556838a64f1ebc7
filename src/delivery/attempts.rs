//! One request until its fate is known: attempts, waits between them, and when to give up.
//!
//! Only an `Outcome` is branched on; the text of an answer is shown, never interpreted.

use std::time::Duration;

use super::{Delivered, Delivery, Ending, Fate};
use crate::clock::{Interrupted, SLICE_MAX};
use crate::http::{Outcome, Reply};
use crate::remote_write::{
    self, TimeSeries, Version, is_conflict, rejection_hint, samples_written,
};
use crate::report::{Field, Level};
use crate::series::TimestampMs;

/// A receiver's clock that differs from ours by more than this is warned of.
const CLOCK_SKEW_MAX_MS: u64 = 5000;
/// What the status line says during a backoff.
const NEXT_ATTEMPT: &str = "next attempt";
/// Why a 2xx does not count as an answer to a 2.0 message.
const NOT_UNDERSTOOD: &str = "2xx without Written headers: the 2.0 message was not understood";
/// The hint for a backfill that is refused at its first batch.
const RESUME_HINT: &str = "a part of the window may be there already: backfill --resume sends \
                           only what is missing";

/// A request under way.
struct Request {
    sample_count: u64,
    /// The newest timestamp in it; it is never sent before that time.
    newest: TimestampMs,
    is_retried: bool,
    attempt_count: u32,
    first_failure: Option<Duration>,
    /// Whether an attempt may have stored its samples although no answer said so.
    maybe_stored: bool,
}

impl Request {
    fn new(series: &[TimeSeries<'_>], is_retried: bool) -> Self {
        let newest = series.iter().filter_map(|series| series.samples.last());
        Self {
            sample_count: series.iter().map(|series| series.samples.len() as u64).sum(),
            newest: newest.map(|sample| sample.timestamp).max().expect("it holds a sample"),
            is_retried,
            attempt_count: 0,
            first_failure: None,
            maybe_stored: false,
        }
    }

    /// Returns the fate of its samples when they are not tried any more.
    fn given_up(&self) -> Fate {
        if self.maybe_stored { Fate::Unconfirmed } else { Fate::Undelivered }
    }

    fn interrupted(&self) -> Delivered {
        Delivered::Ended(self.maybe_stored.then_some(Fate::Unconfirmed), Ending::Interrupted)
    }
}

impl Delivery<'_> {
    /// Tells whether delivery gives up: the run's last sample has been due for too long.
    pub fn is_over(&self) -> bool {
        self.is_failing() && self.flush_left().is_zero()
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

    /// Waits for some of `left`, no longer than a wait may last without a look at the wall clock.
    fn wait(&self, left: Duration, what: &str) -> Result<(), Interrupted> {
        self.summary.show_wait(what, left, self.clock.now());
        self.clock.sleep(left.min(SLICE_MAX))
    }

    /// Sends `series` in one request; repeats it when that helps and `is_retried`.
    pub(super) fn attempt(&mut self, series: &[TimeSeries<'_>], is_retried: bool) -> Delivered {
        let mut request = Request::new(series, is_retried);
        loop {
            if is_retried && self.wait_for_attempt(request.newest).is_err() {
                return request.interrupted();
            }
            // The same bytes at every attempt, except after a fallback.
            let (version, now) = (self.version, self.clock.now());
            let body = self.body.encode(version, series, &self.plan.metadata());
            let reply = remote_write::post(self.client, version, body, request.attempt_count, now);
            let body_bytes = body.len();
            self.summary.tally().retries += u64::from(request.attempt_count > 0);
            request.attempt_count += 1;
            self.compare_clocks(&reply);
            if self.summary.report.is_verbose() {
                let text = format!(
                    "Attempt {}: {} samples in {body_bytes} bytes as {version:?}: {:?}",
                    request.attempt_count, request.sample_count, reply.outcome
                );
                let attempt = [("attempt", Field::Count(u64::from(request.attempt_count)))];
                self.summary.report.log(Level::Debug, "attempt", &attempt, &text);
            }
            if let Some(delivered) = self.react(reply, &mut request) {
                return delivered;
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

    /// Returns how delivery ended, or `None` for another attempt.
    fn react(&mut self, reply: Reply, request: &mut Request) -> Option<Delivered> {
        let written = samples_written(self.version, &reply);
        if self.version == Version::V2
            && let Some((reason, maybe_stored)) = self.not_understood(&reply.outcome, written)
        {
            return self.fall_back(&reason, maybe_stored, request);
        }
        match reply.outcome {
            Outcome::Accepted => {
                self.settle_attempts();
                self.rejections_in_a_row = 0;
                let written = written.unwrap_or(request.sample_count);
                self.is_anything_accepted |= written > 0;
                let rest = if request.maybe_stored { Fate::Unconfirmed } else { Fate::Rejected };
                Some(match written >= request.sample_count {
                    true => Delivered::Settled(Fate::Accepted),
                    false => self.partly(written, request, rest),
                })
            }
            Outcome::Rejected { status, reason } => {
                self.settle_attempts();
                // Counted first: a request that was stored in part does not end the run as refused.
                self.is_anything_accepted |= written > Some(0);
                match (written, self.rejected(Some(status), &reason, request)) {
                    (Some(written @ 1..), Delivered::Settled(rest)) => {
                        Some(self.partly(written, request, rest))
                    }
                    (_, delivered) => Some(delivered),
                }
            }
            Outcome::Blocked { reason } if !self.is_anything_accepted => {
                let text = format!("✗ Push refused: {reason}");
                let error = [("error", Field::Text(&reason))];
                self.summary.report.log(Level::Error, "refused", &error, &text);
                Some(Delivered::Ended(Some(request.given_up()), Ending::Refused))
            }
            Outcome::Blocked { reason } => self.failed(None, &reason, request),
            Outcome::Retryable { after, maybe_stored, reason } => {
                request.maybe_stored |= maybe_stored;
                if request.maybe_stored {
                    // So that a shutdown knows it, when the next attempt is stuck in a connect.
                    self.summary.tally().leave_open(request.sample_count);
                }
                self.failed(after, &reason, request)
            }
        }
    }

    /// Returns why a receiver did not read a message as 2.0, and whether it may still have stored
    /// its samples.
    /// Source: Remote-Write 2.0 specification, "Backward and Forward Compatibility".
    fn not_understood(&self, outcome: &Outcome, written: Option<u64>) -> Option<(String, bool)> {
        match outcome {
            // Or a gateway has taken the headers out.
            Outcome::Accepted if written.is_none() => Some((NOT_UNDERSTOOD.to_owned(), true)),
            // Prometheus 2.54 to 3.6 store what they answer with 415.
            Outcome::Rejected { status: 415, reason } if self.may_fall_back => {
                Some((reason.clone(), true))
            }
            Outcome::Rejected { status: 400, reason }
                // With Written headers it was understood, and a part of it may be stored.
                if self.may_fall_back && !self.is_anything_accepted && written.is_none() =>
            {
                Some((reason.clone(), false))
            }
            _ => None,
        }
    }

    /// Goes on with 1.0 where that is allowed.
    fn fall_back(
        &mut self,
        reason: &str,
        maybe_stored: bool,
        request: &mut Request,
    ) -> Option<Delivered> {
        self.settle_attempts();
        request.maybe_stored |= maybe_stored;
        if !self.may_fall_back {
            return Some(self.rejected(None, reason, request));
        }
        let text = format!("Falling back to remote write 1.0 for this run: {reason}");
        self.summary.report.log(Level::Warning, "fallback", &[], &text);
        self.version = Version::V1;
        (request.attempt_count, request.first_failure) = (0, None);
        None
    }

    fn partly(&self, written: u64, request: &Request, rest: Fate) -> Delivered {
        let count = request.sample_count;
        let text = format!("The receiver wrote {written} of {count} samples");
        self.summary.report.log(Level::Warning, "partial", &[], &text);
        match written {
            0 => Delivered::Settled(rest),
            _ => Delivered::Partly { written: written.min(count), rest },
        }
    }

    fn settle_attempts(&mut self) {
        self.backoff.settled();
        self.next_attempt = Duration::ZERO;
        self.last_settled = self.clock.steady();
        self.summary.tally().is_anything_answered = true;
    }

    /// Handles a final answer; it has no status when it is a 2xx that does not count.
    fn rejected(&mut self, status: Option<u16>, reason: &str, request: &Request) -> Delivered {
        let report = &self.summary.report;
        let mut fields = vec![("error", Field::Text(reason))];
        fields.extend(status.map(|status| ("status", Field::Count(u64::from(status)))));
        let (fate, doubt) = match request.maybe_stored {
            true => (Fate::Unconfirmed, "; an attempt before may have been stored"),
            false => (Fate::Rejected, ""),
        };
        let text = format!("✗ Push rejected: {reason}{doubt}");
        report.log(Level::Error, "rejected", &fields, &text);
        // The answers to samples that the receiver has already.
        let may_be_there = matches!(status, Some(400 | 409));
        if request.maybe_stored && may_be_there {
            return Delivered::Settled(fate);
        }
        self.rejections_in_a_row += 1;
        // Answers about access or the address, not about the samples.
        let is_about_access = matches!(status, Some(300..=399 | 401 | 403 | 404 | 405 | 407));
        let is_hopeless = is_about_access || self.rejections_in_a_row >= self.rejections_max;
        let is_refused = is_hopeless && !self.is_anything_accepted;
        let untried = match self.version {
            Version::V2 => Some(Version::V1),
            Version::V1 if self.may_fall_back => None,
            Version::V1 => Some(Version::V2),
        };
        // A 2xx that does not count is a 415.
        let hint =
            rejection_hint(status.unwrap_or(415), reason, untried, self.client.auth_source());
        let is_first_batch = is_refused && self.does_resume_help;
        let resume = (is_first_batch && may_be_there).then(|| RESUME_HINT.to_owned());
        for hint in hint.into_iter().chain(resume) {
            report.hint(Level::Error, &hint);
        }
        self.summary.tally().has_conflict |= is_conflict(reason);
        match is_refused {
            true => Delivered::Ended(Some(fate), Ending::Refused),
            false => Delivered::Settled(fate),
        }
    }

    /// Schedules the next attempt, or returns how delivery ended.
    fn failed(
        &mut self,
        after: Option<Duration>,
        reason: &str,
        request: &mut Request,
    ) -> Option<Delivered> {
        if request.is_retried && self.clock.is_interrupted() {
            return Some(request.interrupted());
        }
        let now = self.clock.steady();
        let first = *request.first_failure.get_or_insert(now);
        let age_left = (first + self.limits.give_up_after).saturating_sub(now);
        let left = age_left.min(self.flush_left());
        let delay = self.backoff.failed(after);
        self.next_attempt = now + delay;
        if left.is_zero() || !request.is_retried {
            let text = format!("✗ Push failed: {reason}; given up");
            let error = [("error", Field::Text(reason))];
            self.summary.report.log(Level::Error, "given_up", &error, &text);
            return Some(Delivered::Settled(request.given_up()));
        }
        // What is left may be less than the delay: then the last attempt is the one at its end.
        let delay = delay.min(left);
        self.next_attempt = now + delay;
        let (next, seconds) = (request.attempt_count + 1, delay.as_secs_f64());
        let text = format!("✗ Push failed: {reason}; attempt {next} in {seconds:.1} s");
        let attempt = ("attempt", Field::Count(u64::from(request.attempt_count)));
        let delay = ("delay_s", Field::Value(seconds));
        let error = ("error", Field::Text(reason));
        self.summary.report.log(Level::Warning, "retry", &[attempt, delay, error], &text);
        None
    }

    /// Returns the time left for pending samples after the last one is due. Each answer restarts
    /// it, so that a run that catches up is not cut off.
    fn flush_left(&self) -> Duration {
        let steady = self.clock.steady();
        let since_due = self.clock.now().0.saturating_sub(self.last_due.0);
        let since_due = Duration::from_millis(u64::try_from(since_due).unwrap_or(0));
        let due_at = (steady + self.clock.left_until(self.last_due)).saturating_sub(since_due);
        (due_at.max(self.last_settled) + self.limits.flush_timeout).saturating_sub(steady)
    }

    /// Logs that the wall clock was set, or that the machine slept.
    fn report_step(&mut self) {
        let Some(step_ms) = self.steps.step_ms(self.clock) else { return };
        let direction = if step_ms < 0 { "back" } else { "forward" };
        let seconds = step_ms.abs() as f64 / 1000.0;
        let text = format!("The clock went {direction} by {seconds:.1} s; using the new time");
        self.summary.report.log(Level::Warning, "clock_step", &[], &text);
    }

    fn compare_clocks(&mut self, reply: &Reply) {
        let Some(theirs) = reply.date() else { return };
        let ours = self.clock.now();
        let skew_ms = ours.0.abs_diff(theirs.0);
        if self.is_skew_reported || skew_ms <= CLOCK_SKEW_MAX_MS {
            return;
        }
        self.is_skew_reported = true;
        let place = if theirs.0 > ours.0 { "ahead of" } else { "behind" };
        let text = format!("The receiver's clock is {} s {place} ours; check both", skew_ms / 1000);
        self.summary.report.log(Level::Warning, "clock_skew", &[], &text);
    }
}
