//! When to try again: exponential backoff with jitter, and `Retry-After` in its place.
//!
//! Pure: it counts failures and names durations; it never sleeps.
//! Source of the bounds: docs/delivery.md.

use std::time::Duration;

/// The first delay after a failure.
const DELAY_MIN: Duration = Duration::from_millis(500);
/// The longest delay, without a `Retry-After`.
const DELAY_MAX: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is followed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// The most that jitter takes off a delay.
const JITTER: f64 = 0.1;

/// Failures in a row and the delay that follows from them.
///
/// One for a whole run: an answer resets it, a new datapoint does not.
#[derive(Clone, Debug)]
pub struct Backoff {
    failure_count: u32,
    rng: fastrand::Rng,
}

impl Backoff {
    /// Returns a backoff without failures; `seed` decides the jitter.
    pub fn new(seed: u64) -> Self {
        Self { failure_count: 0, rng: fastrand::Rng::with_seed(seed) }
    }

    /// Notes an answer that ends the retries: an acceptance or a rejection.
    pub fn settled(&mut self) {
        self.failure_count = 0;
    }

    /// Notes a retryable failure; returns how long to wait before the next attempt.
    ///
    /// A positive `retry_after` takes the place of our own delay, up to five minutes.
    pub fn failed(&mut self, retry_after: Option<Duration>) -> Duration {
        let doublings = self.failure_count.min(16);
        self.failure_count = self.failure_count.saturating_add(1);
        let delay = DELAY_MIN.saturating_mul(1 << doublings).min(DELAY_MAX);
        // Taken off, not added, so that the bound is one.
        let jittered = delay.mul_f64(1.0 - JITTER * self.rng.f64());
        match retry_after {
            Some(after) if !after.is_zero() => after.min(RETRY_AFTER_MAX),
            _ => jittered,
        }
    }

    /// Returns the number of failures in a row.
    pub fn failure_count(&self) -> u32 {
        self.failure_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_500_ms_to_30_s_less_jitter() {
        for seed in 0..100 {
            let mut backoff = Backoff::new(seed);
            for full_ms in [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000] {
                let delay = backoff.failed(None);
                let full = Duration::from_millis(full_ms);
                assert!(delay <= full && delay >= full.mul_f64(0.9), "{delay:?} of {full:?}");
            }
        }
    }

    #[test]
    fn an_answer_resets_the_backoff() {
        let mut backoff = Backoff::new(1);
        for _ in 0..100 {
            backoff.failed(None);
        }
        assert_eq!(backoff.failure_count(), 100);
        backoff.settled();
        assert!(backoff.failed(None) <= DELAY_MIN);
    }

    #[test]
    fn retry_after_takes_the_place_of_the_delay_up_to_five_minutes() {
        let mut backoff = Backoff::new(1);
        assert_eq!(backoff.failed(Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(backoff.failed(Some(Duration::from_secs(86_400))), RETRY_AFTER_MAX);
        assert!(backoff.failed(Some(Duration::ZERO)) >= Duration::from_millis(1800));
    }
}
