//! The command that sends a part of a run again, ready for a shell and without secrets.

use std::ops::Range;
use std::time::Duration;

use crate::plan::show_duration;
use crate::report::{Level, Report};
use crate::series::{Grid, TimestampMs};

/// The command line as typed, without its window and its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rerun {
    /// Arguments that define series, target and delivery, unquoted, in flag-table order.
    pub args: Vec<String>,
    /// Those of them that the verify verb takes, after its word.
    pub verify_args: Vec<String>,
    /// What to know before one of the commands is run, where a secret was left out of it.
    pub note: Option<String>,
    /// Whether it is a live run.
    pub is_live: bool,
    /// The grid, by its origin and step.
    pub grid: Grid,
    /// Whether the receiver can be read.
    pub is_readable: bool,
}

impl Rerun {
    /// Logs the commands that continue the run after a stop, and that verify it.
    pub fn announce(&self, window: Range<TimestampMs>, report: &Report) {
        let Range { start, end } = window;
        let continued = match (self.is_live, self.is_readable) {
            (true, true) => Some(self.command(start, end) + " --resume"),
            (true, false) => Some(self.joined(&self.args, "", end, true)),
            (false, true) => Some(self.command(start, end)),
            (false, false) => None,
        };
        if let Some(command) = continued {
            report.command(Level::Info, "continue", &[], ("To continue after a stop:", &command));
        }
        if self.is_readable {
            let command = self.verify_command(start, end);
            report.command(Level::Info, "verify", &[], ("To verify it:", &command));
        }
        if let Some(note) = &self.note {
            report.hint(Level::Info, note);
        }
    }

    /// Returns the command that sends the ticks from `start` on and before `end`.
    pub fn command(&self, start: TimestampMs, end: TimestampMs) -> String {
        let resume = if self.resumes() { " --resume" } else { "" };
        self.joined(&self.args, &format!(" --start-epoch {start}"), end, self.is_live) + resume
    }

    /// Tells whether the command sends only what is missing.
    pub fn resumes(&self) -> bool {
        self.is_readable && !self.is_live
    }

    /// Returns the command that verifies them.
    pub fn verify_command(&self, start: TimestampMs, end: TimestampMs) -> String {
        self.joined(&self.verify_args, &format!(" --start-epoch {start}"), end, false)
    }

    fn joined(&self, args: &[String], start: &str, end: TimestampMs, is_live: bool) -> String {
        let words =
            ["push-live-metrics".into()].into_iter().chain(args.iter().map(|arg| quoted(arg)));
        let command = words.collect::<Vec<String>>().join(" ");
        let Grid { origin, step_ms } = self.grid;
        let step = show_duration(Duration::from_millis(step_ms));
        let step_flag = if is_live { "--interval" } else { "--step-size" };
        format!("{command} --origin {origin}{start} --end-epoch {end} {step_flag} {step}")
    }
}

/// Quotes a word for a POSIX shell, where it needs it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    if !word.contains(char::is_control) {
        return quoted(word);
    }
    // On one line, and nothing that a terminal would act on.
    let octal = |c: char| c.to_string().bytes().map(|b| format!("\\{b:03o}")).collect();
    let escaped = word.chars().map(|c| match c {
        '\\' => r"\\".to_owned(),
        '%' => "%%".to_owned(),
        c if c.is_control() => octal(c),
        c => c.to_string(),
    });
    format!("\"$(printf {})\"", quoted(&escaped.collect::<String>()))
}
