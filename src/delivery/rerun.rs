//! The command that sends a part of a run again, ready for a shell and without secrets.

use std::time::Duration;

use crate::plan::show_duration;
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
    /// The flag that the step is given with.
    pub step_flag: &'static str,
    /// The grid, by its origin and step.
    pub grid: Grid,
    /// Whether it is a backfill that can read what is there, and sends only what is missing.
    pub resumes: bool,
}

impl Rerun {
    /// Returns the command that sends the ticks from `start` on and before `end`.
    pub fn command(&self, start: TimestampMs, end: TimestampMs) -> String {
        let resume = if self.resumes { " --resume" } else { "" };
        self.joined(&self.args, start, end, self.step_flag) + resume
    }

    /// Returns the command that verifies them.
    pub fn verify_command(&self, start: TimestampMs, end: TimestampMs) -> String {
        self.joined(&self.verify_args, start, end, "--step-size")
    }

    fn joined(
        &self,
        args: &[String],
        start: TimestampMs,
        end: TimestampMs,
        step_flag: &str,
    ) -> String {
        let words =
            ["push-live-metrics".into()].into_iter().chain(args.iter().map(|arg| quoted(arg)));
        let command = words.collect::<Vec<String>>().join(" ");
        let Grid { origin, step_ms } = self.grid;
        let step = show_duration(Duration::from_millis(step_ms));
        format!(
            "{command} --origin {origin} --start-epoch {start} --end-epoch {end} {step_flag} {step}"
        )
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
