//! The summary of a run: its counts, and the commands that send what is missing. The main thread
//! prints it, or the signal handler's thread when the main thread is stuck. Also the status line
//! that is shown during a wait.

use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{IndexRange, Ranges, Remedy, Tally};
use crate::clock::{Clock, Shutdown, Step, SystemClock};
use crate::delivery::Rerun;
use crate::error::Exit;
use crate::plan::Plan;
use crate::report::words::count_of;
use crate::report::{Field, Level, Report, json_text};
use crate::series::{Schedule, TimestampMs};

/// A shorter wait would make the status line flicker.
const WAIT_SHOWN_MIN: Duration = Duration::from_millis(500);

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every tick was dealt with.
    Finished,
    /// A signal came.
    Interrupted,
    /// The receiver refused before it accepted anything.
    Refused,
    /// What the receiver has of the window could not be read, so nothing was sent.
    Unread(Exit),
}

/// What the summary is made of, shared with the thread that prints it when the main one is stuck.
pub struct Summary {
    /// The log.
    pub report: Arc<Report>,
    tally: Mutex<Tally>,
    rerun: Rerun,
    is_printed: AtomicBool,
}

impl Summary {
    /// Returns the summary of a run that has not begun.
    pub fn new(report: Arc<Report>, plan: &Plan, rerun: Rerun) -> Self {
        let tally = Tally::new(&plan.schedule, plan.window.ticks());
        Self { report, tally: Mutex::new(tally), rerun, is_printed: AtomicBool::new(false) }
    }

    /// Returns the counts, for as short a time as it takes to change one.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the last tick is due.
    pub fn last_due(&self) -> TimestampMs {
        let tally = self.tally();
        self.rerun.grid.time_of(tally.ticks.end.saturating_sub(1))
    }

    /// Reduces a run that has not begun to `missing` samples of these ticks.
    pub fn begin_with(&self, ticks: Range<u64>, missing: u64) {
        let mut tally = self.tally();
        *tally = Tally::new(&tally.schedule, ticks);
        tally.there = tally.planned() - missing;
    }

    /// Returns what ends this run when its main thread is stuck in one of its requests.
    pub fn shutdown(self: &Arc<Self>, cancellers: Vec<Step>, clock: Arc<SystemClock>) -> Shutdown {
        let summary = Arc::clone(self);
        let finish = move || {
            let mut tally = summary.tally();
            // An attempt that is stuck in a connect or a name look-up has sent nothing; one before
            // it may have.
            tally.settle_open();
            summary.give_up(&mut tally, clock.now());
            summary.print_held(&tally, Ending::Interrupted);
            // Held until the process ends: the main thread must not count any more.
            mem::forget(tally);
        };
        let cancel = move || cancellers.iter().for_each(|cancel| cancel());
        Shutdown { cancel: Box::new(cancel), finish: Box::new(finish), ..Shutdown::default() }
    }

    /// Counts as undelivered, or as unconfirmed before the window was read, what was due by `now`
    /// and is not settled.
    pub fn give_up_due(&self, now: TimestampMs) {
        self.give_up(&mut self.tally(), now);
    }

    fn give_up(&self, tally: &mut Tally, now: TimestampMs) {
        let due_end = self.due_end(tally, now);
        tally.give_up_before(due_end);
    }

    /// Returns the index after the last tick that is due.
    fn due_end(&self, tally: &Tally, now: TimestampMs) -> u64 {
        self.rerun.grid.end_at(now).clamp(tally.ticks.start, tally.ticks.end)
    }

    /// Shows in the terminal's status line what the run waits for, and how far it has come.
    pub fn show_wait(&self, what: &str, left: Duration, now: TimestampMs) {
        if !self.report.has_status() || left < WAIT_SHOWN_MIN {
            return;
        }
        let tally = self.tally();
        // Empty when the clock was set back.
        let due = tally.next_index()..self.due_end(&tally, now);
        let pending = tally.schedule.tick_count(due);
        let (seconds, done) =
            (left.as_millis().div_ceil(1000), tally.tick_count - tally.ticks_left);
        let mut text = format!("{what} in {seconds} s, {done}/{}", tally.tick_count);
        let end = self.rerun.grid.time_of(tally.ticks.end.saturating_sub(1));
        drop(tally);
        if end > now {
            text += &format!(", ends {}", self.report.time_of_day(end, now));
        }
        if pending > 0 {
            text += &format!(", {pending} pending");
        }
        self.report.status(&text);
    }

    /// Prints the summary, once in a run, and returns the exit code.
    pub fn print(&self, ending: Ending) -> Exit {
        self.print_held(&self.tally(), ending)
    }

    /// Prints while the counts are held, so that nothing more is counted.
    fn print_held(&self, tally: &Tally, ending: Ending) -> Exit {
        let exit = match ending {
            Ending::Finished => tally.exit(),
            Ending::Interrupted => Exit::Interrupted,
            Ending::Refused => Exit::Refused,
            Ending::Unread(exit) => exit,
        };
        if self.is_printed.swap(true, Ordering::SeqCst) {
            return exit;
        }
        if exit != Exit::Success {
            self.report.end_quiet();
        }
        self.print_counts(tally, ending, exit);
        exit
    }

    fn print_counts(&self, tally: &Tally, ending: Ending, exit: Exit) {
        let headline = headline(tally, ending);
        match ending {
            Ending::Interrupted => self.report.headline("end", &headline),
            _ => self.report.title(level(exit), "end", &headline),
        }
        let missing = Missing {
            ranges: &tally.missing(),
            schedule: &tally.schedule,
            rerun: &self.rerun,
            is_older: tally.is_older_missing() && !tally.has_conflict,
        };
        let next = tally.next_index();
        missing.print(&self.report, level(exit), |range| match range.remedy {
            Remedy::Verify => "Maybe stored",
            Remedy::Send if range.first >= next => "Not sent yet",
            Remedy::Send if range.last >= next => "Not accepted, or not sent yet",
            Remedy::Send => "Not accepted",
        });
        if tally.rejected > 0 {
            let text = "what was rejected is rejected again until the reason logged above is fixed";
            self.report.hint(level(exit), text);
        }
        let fields = [
            ("planned", Field::Count(tally.planned())),
            ("accepted", Field::Count(tally.accepted)),
            ("rejected", Field::Count(tally.rejected)),
            ("undelivered", Field::Count(tally.undelivered)),
            ("unconfirmed", Field::Count(tally.unconfirmed)),
            ("not_yet_due", Field::Count(tally.not_yet_due())),
            ("ticks", Field::Count(tally.tick_count)),
            ("retries", Field::Count(tally.retries)),
            ("exit_code", Field::Count(exit as u64)),
            ("omitted_range_count", Field::Count(missing.ranges.more_count())),
            ("missing_ranges", Field::Json(&missing.json())),
        ];
        self.report.log(level(exit), "summary", &fields, &sum(tally));
    }
}

/// Ticks that a receiver does not have, and the commands that send them.
pub struct Missing<'a> {
    /// The ticks.
    pub ranges: &'a Ranges,
    /// How many samples they have.
    pub schedule: &'a Schedule,
    /// The command line.
    pub rerun: &'a Rerun,
    /// Whether the receiver has a newer tick than the first of these.
    pub is_older: bool,
}

impl Missing<'_> {
    /// Logs each range with the command that sends or verifies it; `what` says what became of it.
    pub fn print(&self, report: &Report, level: Level, what: impl Fn(&IndexRange) -> &'static str) {
        if self.ranges.listed().is_empty() {
            return;
        }
        for range in self.ranges.listed() {
            let count = range.count;
            let (first, last, command) = self.times_and_command(*range);
            let fields = [
                ("first", Field::Time(first)),
                ("last", Field::Time(last)),
                ("count", Field::Count(count)),
            ];
            // A command sends whole ticks, unless it reads before.
            let sent = self.schedule.count(range.first..range.last + 1);
            let purpose = match sent.saturating_sub(count) {
                _ if range.remedy == Remedy::Verify => "verify it".into(),
                others @ 1.. if !self.rerun.resumes() => {
                    format!("send them, and the other {others} of the same ticks again")
                }
                _ => "send exactly that".into(),
            };
            let text = format!(
                "{}: {} from {}; to {purpose}:",
                what(range),
                count_of(count, "datapoint"),
                report.local_time(first)
            );
            report.command(level, "missing", &fields, (&text, &command));
        }
        let more = self.ranges.more_count();
        let text = format!("And {}", count_of(more, "more range"));
        report.more(level, "more_missing", more, &text);
        if let Some(note) = &self.rerun.note {
            report.hint(level, note);
        }
        if self.is_older {
            let text = "older than datapoints already accepted: a Prometheus takes these only with \
                        storage.tsdb.out_of_order_time_window set in its configuration";
            report.hint(level, text);
        }
    }

    /// Returns the ranges with their commands as a JSON array.
    pub fn json(&self) -> String {
        let ranges = self.ranges.listed().iter().map(|range| {
            let (TimestampMs(first), TimestampMs(last), command) = self.times_and_command(*range);
            let command = json_text(&command);
            format!(r#"{{"first":{first},"last":{last},"command":{command}}}"#)
        });
        format!("[{}]", ranges.collect::<Vec<_>>().join(","))
    }

    /// Returns the times of the first and the last tick, and what sends or verifies them.
    fn times_and_command(&self, range: IndexRange) -> (TimestampMs, TimestampMs, String) {
        let ticks = [range.first, range.last, range.last + 1];
        let [first, last, end] = ticks.map(|tick| self.rerun.grid.time_of(tick));
        let command = match range.remedy {
            Remedy::Send => self.rerun.command(first, end),
            Remedy::Verify => self.rerun.verify_command(first, end),
        };
        (first, last, command)
    }
}

fn level(exit: Exit) -> Level {
    match exit {
        Exit::Success | Exit::Interrupted => Level::Info,
        Exit::Incomplete => Level::Warning,
        _ => Level::Error,
    }
}

fn headline(tally: &Tally, ending: Ending) -> String {
    let pushed = format!("{}/{} datapoints", tally.accepted, tally.planned());
    match ending {
        Ending::Interrupted => format!("Interrupted! Pushed {pushed}"),
        Ending::Refused => format!("Refused! Pushed {pushed}"),
        Ending::Unread(_) => format!("Nothing sent: pushed {pushed}"),
        Ending::Finished if tally.tick_count == 0 => "Finished: nothing was left to push".into(),
        Ending::Finished if tally.accepted == tally.planned() => {
            format!("Finished: all {} pushed", count_of(tally.planned(), "datapoint"))
        }
        Ending::Finished => format!("Finished, incomplete: pushed {pushed}"),
    }
}

fn sum(tally: &Tally) -> String {
    let ticks = match tally.schedule.series_count() {
        series_count @ 2.. if tally.there == 0 => {
            format!(" in {} of {series_count} series", count_of(tally.tick_count, "tick"))
        }
        _ => String::new(),
    };
    format!(
        "Summary: {} planned{ticks} = {} accepted + {} rejected + {} undelivered + {} unconfirmed \
         + {} not yet due; {} retries",
        tally.planned(),
        tally.accepted,
        tally.rejected,
        tally.undelivered,
        tally.unconfirmed,
        tally.not_yet_due(),
        tally.retries
    )
}
