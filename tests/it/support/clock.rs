//! A clock on which hours pass at once: time goes on in `sleep`, and where a test says so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use push_live_metrics::clock::{Clock, Interrupted};
use push_live_metrics::series::TimestampMs;

use super::serving::Now;

/// A day at most: more waits than this have no end.
const SLEEP_COUNT_MAX: u64 = 5_000_000;

/// A clock of a test; a clone shows the same time.
#[derive(Clone)]
pub(crate) struct FakeClock(Arc<Mutex<Time>>);

struct Time {
    /// What the wall clock shows beside the steady one, in nanoseconds.
    offset_ns: i128,
    steady: Duration,
    /// When the wall clock is set, and by how many milliseconds; in order.
    steps: VecDeque<(Duration, i64)>,
    interrupt_at: Option<Duration>,
    sleep_count: u64,
}

impl FakeClock {
    /// Returns a clock that shows this time.
    pub(crate) fn at(now_ms: i64) -> FakeClock {
        FakeClock(Arc::new(Mutex::new(Time {
            offset_ns: i128::from(now_ms) * 1_000_000,
            steady: Duration::ZERO,
            steps: VecDeque::new(),
            interrupt_at: None,
            sleep_count: 0,
        })))
    }

    /// Sets the wall clock by this many milliseconds, so long after the start.
    pub(crate) fn step(self, at: Duration, step_ms: i64) -> FakeClock {
        self.lock().steps.push_back((at, step_ms));
        self
    }

    /// Has a signal come so long after the start.
    pub(crate) fn interrupt(self, at: Duration) -> FakeClock {
        self.lock().interrupt_at = Some(at);
        self
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, duration: Duration) {
        self.lock().advance(duration);
    }

    /// Returns a function that tells the wall clock's milliseconds.
    pub(crate) fn now_fn(&self) -> Now {
        let clock = self.clone();
        Arc::new(move || clock.now().0)
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Time {
    fn advance(&mut self, duration: Duration) {
        self.steady += duration;
        while let Some((at, step_ms)) = self.steps.front()
            && *at <= self.steady
        {
            self.offset_ns += i128::from(*step_ms) * 1_000_000;
            self.steps.pop_front();
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt_at.is_some_and(|at| at <= self.steady)
    }
}

impl Clock for FakeClock {
    fn now(&self) -> TimestampMs {
        let time = self.lock();
        let ns = i128::try_from(time.steady.as_nanos()).expect("not for ever") + time.offset_ns;
        TimestampMs(i64::try_from(ns.div_euclid(1_000_000)).expect("not for ever"))
    }

    fn steady(&self) -> Duration {
        self.lock().steady
    }

    fn sleep(&self, duration: Duration) -> Result<(), Interrupted> {
        let mut time = self.lock();
        time.sleep_count += 1;
        assert!(time.sleep_count < SLEEP_COUNT_MAX, "it waits for ever");
        let end = time.steady + duration;
        match time.interrupt_at {
            Some(at) if at <= end => {
                let until = at.saturating_sub(time.steady);
                time.advance(until);
                Err(Interrupted)
            }
            _ => {
                time.advance(duration);
                Ok(())
            }
        }
    }

    fn is_interrupted(&self) -> bool {
        self.lock().is_interrupted()
    }
}
