//! The time, waiting for it, and the signals that end a wait.
//!
//! Everything that waits does it here, in slices, against the wall clock; a test has its own
//! clock. Nothing here knows what is waited for.

use std::fs;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::error::Exit;
use crate::series::TimestampMs;

/// A wait checks the wall clock at least this often.
pub const SLICE_MAX: Duration = Duration::from_secs(1);
/// The wall clock counts as set when it and the steady clock differ by this much more than before.
const STEP_MIN_MS: i64 = 1000;
/// How long a request may take to finish after a signal.
const REQUEST_GRACE: Duration = Duration::from_millis(1000);
/// How long the main thread may take to end after its request was cancelled.
const CANCEL_GRACE: Duration = Duration::from_millis(600);
/// How long printing the summary may take: nobody may be reading the log.
const FINISH_GRACE: Duration = Duration::from_millis(400);
/// A second signal within this time counts as the first one: `timeout` signals the process and its
/// group, and a closing terminal sends SIGHUP twice.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// A wait that a signal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

/// The time, and a way to wait.
pub trait Clock {
    /// Returns the wall clock, in whole milliseconds, rounded down.
    fn now(&self) -> TimestampMs;

    /// Returns the time until the wall clock shows `time`; zero when it is past.
    fn left_until(&self, time: TimestampMs) -> Duration {
        let left_ms = time.0.saturating_sub(self.now().0);
        Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))
    }

    /// Returns the time since a fixed moment, on a clock that nobody can set.
    fn steady(&self) -> Duration;

    /// Waits for `duration`.
    ///
    /// # Errors
    /// `Interrupted` as soon as a signal has come.
    fn sleep(&self, duration: Duration) -> Result<(), Interrupted>;

    /// Tells whether a signal has come.
    fn is_interrupted(&self) -> bool;
}

/// Notices that the wall clock was set, by its distance from the steady one.
#[derive(Debug)]
pub struct StepWatch {
    offset_ms: i64,
}

impl StepWatch {
    /// Returns a watch that begins now.
    pub fn new(clock: &dyn Clock) -> Self {
        Self { offset_ms: offset_ms(clock) }
    }

    /// Returns the milliseconds by which the wall clock was set since the last look, positive for
    /// forward. A machine that was suspended looks the same: the steady clock stands still then.
    pub fn step_ms(&mut self, clock: &dyn Clock) -> Option<i64> {
        let step_ms = offset_ms(clock) - self.offset_ms;
        if step_ms.abs() < STEP_MIN_MS {
            return None;
        }
        self.offset_ms += step_ms;
        Some(step_ms)
    }
}

fn offset_ms(clock: &dyn Clock) -> i64 {
    clock.now().0 - as_ms(clock.steady())
}

fn as_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The clock of the machine; its waits end at the first signal.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
    interrupt: Arc<Interrupt>,
}

/// Set once, by the first signal, which also ends a sleep.
#[derive(Debug, Default)]
struct Interrupt {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Interrupt {
    fn set(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now(), interrupt: Arc::default() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> TimestampMs {
        // A clock before 1970 counts as 1970: no sample has a time before it.
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        TimestampMs(as_ms(since_epoch))
    }

    fn left_until(&self, time: TimestampMs) -> Duration {
        // Finer than `now`, which would make a tick up to a millisecond late.
        let due = Duration::from_millis(u64::try_from(time.0).unwrap_or(0));
        due.saturating_sub(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
    }

    fn steady(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Result<(), Interrupted> {
        let Interrupt { changed, .. } = &*self.interrupt;
        let waited = changed.wait_timeout_while(self.interrupt.lock(), duration, |is_set| !*is_set);
        let (is_set, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *is_set { Err(Interrupted) } else { Ok(()) }
    }

    fn is_interrupted(&self) -> bool {
        *self.interrupt.lock()
    }
}

/// The steps that end a run after a signal; each is taken when the one before did not end it.
pub struct Shutdown {
    /// Cancels the request under way.
    pub cancel: Step,
    /// The last work before the process ends. The main thread is stuck and may hold any lock; the
    /// process ends soon after, whether this has returned or not.
    pub finish: Step,
    /// The work that takes no time, before the process ends at once.
    pub discard: Step,
}

/// A step of a shutdown.
pub type Step = Box<dyn Fn() + Send + Sync>;

impl Default for Shutdown {
    fn default() -> Self {
        Self { cancel: Box::new(|| ()), finish: Box::new(|| ()), discard: Box::new(|| ()) }
    }
}

impl SystemClock {
    /// Has SIGINT, SIGTERM and SIGHUP end all waits. What still runs then is first cancelled and
    /// then ended by `shutdown`; a second signal ends it at once.
    ///
    /// Under nohup, where SIGHUP is ignored, nothing is installed, so that the run outlives the
    /// terminal: ctrlc can only take all three signals or none.
    pub fn watch_signals(&self, shutdown: Shutdown) {
        // ctrlc blocks the signals before it starts its thread: without a thread nothing would
        // react to them.
        if is_hangup_ignored() || thread::Builder::new().spawn(|| ()).is_err() {
            return;
        }
        let interrupt = Arc::clone(&self.interrupt);
        let shutdown = Arc::new(shutdown);
        let mut first: Option<Instant> = None;
        let handler = move || match first {
            None => {
                first = Some(Instant::now());
                interrupt.set();
                let shutdown = Arc::clone(&shutdown);
                // This thread waits for the second signal.
                on_another_thread(move || end_stuck_run(&shutdown));
            }
            Some(first) if first.elapsed() < SAME_SIGNAL => {}
            Some(_) => {
                (shutdown.discard)();
                exit();
            }
        };
        // Without a handler a signal ends the process as it does any other: good enough to run.
        drop(ctrlc::set_handler(handler));
    }
}

/// Gives the main thread time to end, then ends the process.
fn end_stuck_run(shutdown: &Arc<Shutdown>) {
    thread::sleep(REQUEST_GRACE);
    (shutdown.cancel)();
    thread::sleep(CANCEL_GRACE);
    let finishing = Arc::clone(shutdown);
    // This can block, too: on a log that nobody reads, or on a lock of the main thread.
    on_another_thread(move || {
        (finishing.finish)();
        exit();
    });
    thread::sleep(FINISH_GRACE);
    (shutdown.discard)();
    exit();
}

/// Does `work` on another thread, or on this one if no thread can be started.
fn on_another_thread(work: impl Fn() + Clone + Send + 'static) {
    if thread::Builder::new().spawn(work.clone()).is_err() {
        work();
    }
}

#[expect(clippy::exit, reason = "the main thread may be stuck")]
fn exit() -> ! {
    process::exit(i32::from(Exit::Interrupted as u8))
}

fn is_hangup_ignored() -> bool {
    /// SIGHUP is signal 1: the lowest bit.
    const SIGHUP_BIT: u64 = 1;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & SIGHUP_BIT != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_signal_ends_a_sleep_of_any_length() {
        let clock = SystemClock::default();
        let interrupt = Arc::clone(&clock.interrupt);
        assert_eq!(clock.sleep(Duration::ZERO), Ok(()));
        let sleeper = thread::spawn(move || {
            let woken = clock.sleep(HOUR);
            (woken, clock.sleep(HOUR), clock.is_interrupted())
        });
        interrupt.set();
        assert_eq!(sleeper.join().unwrap(), (Err(Interrupted), Err(Interrupted), true));
    }

    #[test]
    fn a_stuck_run_has_two_seconds() {
        assert!(REQUEST_GRACE + CANCEL_GRACE + FINISH_GRACE <= Duration::from_secs(2));
        // A second signal is known before the first has ended the run.
        assert!(SAME_SIGNAL < REQUEST_GRACE);
    }
}
