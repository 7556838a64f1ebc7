//! The only writer to stderr: log lines as text or JSON, held back when quiet.
//!
//! Never fails and never panics: a run goes on when nobody reads its log any more. Text from
//! outside arrives here escaped. The only escape code is that of the status line, which is
//! for a terminal and never for a file or a pipe.

pub mod announce;
pub mod progress;
pub mod stdout;
pub mod terminal;
mod times;
pub mod words;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Escaped, Exit};
use crate::series::TimestampMs;
pub use times::utc_time;

/// The width of the rule between parts of the log, where the terminal is not narrower.
const RULE_COLUMNS: usize = 80;
/// A status line is cut behind this, or behind the terminal's last column but one: one that wraps
/// could not be redrawn.
const STATUS_COLUMNS: usize = 59;
/// Goes to the start of the terminal's line and erases it.
/// Source: ECMA-48, section 8.3.41, "EL".
const ERASE_LINE: &str = "\r\x1b[K";
/// What `--quiet` holds back; older lines are dropped first.
const HELD_LINES_MAX: usize = 200;

/// How a run speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputConfig {
    /// Nothing at all when all went well.
    pub quiet: bool,
    /// Debug lines too.
    pub verbose: bool,
    /// One JSON object a line instead of text.
    pub json: bool,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Only with `--verbose`.
    Debug,
    /// The course of things.
    Info,
    /// Something went wrong that may still come right.
    Warning,
    /// A datapoint, or the run, did not come right.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
        }
    }
}

/// A value beside the message of a JSON line.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// A count.
    Count(u64),
    /// A time, written as epoch milliseconds.
    Time(TimestampMs),
    /// A sample's value.
    Value(f64),
    /// Text.
    Text(&'a str),
    /// JSON, as it is.
    Json(&'a str),
}

/// Where a run's log goes.
pub struct Report {
    config: OutputConfig,
    rule_columns: usize,
    has_status: bool,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    is_status_shown: bool,
    quiet: bool,
    held: VecDeque<String>,
    held_dropped: u64,
}

impl Report {
    /// Returns a report to stderr.
    pub fn to_stderr(config: OutputConfig) -> Self {
        let mut report = Self::new(config, Box::new(io::stderr()));
        if io::stderr().is_terminal() {
            report.has_status = terminal::can_erase() && !config.json;
            report.rule_columns = terminal::columns().unwrap_or(RULE_COLUMNS).min(RULE_COLUMNS);
        }
        report
    }

    /// Returns a report to `out`.
    pub fn new(config: OutputConfig, out: Box<dyn Write + Send>) -> Self {
        let state = State {
            out,
            is_status_shown: false,
            quiet: config.quiet,
            held: VecDeque::new(),
            held_dropped: 0,
        };
        let state = Mutex::new(state);
        Self { config, rule_columns: RULE_COLUMNS, has_status: false, state }
    }

    /// Logs one line; `event` and `fields` are for JSON, `message` is for people.
    pub fn log(&self, level: Level, event: &str, fields: &[(&str, Field<'_>)], message: &str) {
        if level == Level::Debug && !self.is_verbose() {
            return;
        }
        let is_problem = matches!(level, Level::Warning | Level::Error);
        if self.lock().quiet && !is_problem {
            return;
        }
        self.put(self.line(level, event, fields, message));
    }

    fn line(
        &self,
        level: Level,
        event: &str,
        fields: &[(&str, Field<'_>)],
        message: &str,
    ) -> String {
        if self.config.json {
            json_line(level, event, fields, message)
        } else {
            format!("[{}] [{}] {message}\n", times::local_now(), level.name())
        }
    }

    /// Tells whether lines of `Level::Debug` are logged.
    pub fn is_verbose(&self) -> bool {
        self.config.verbose
    }

    /// Logs a line of the run's course.
    pub fn info(&self, event: &str, fields: &[(&str, Field<'_>)], message: &str) {
        self.log(Level::Info, event, fields, message);
    }

    /// Draws a line between parts of a text log.
    pub fn rule(&self) {
        if !self.config.json && !self.lock().quiet {
            self.put("=".repeat(self.rule_columns) + "\n");
        }
    }

    /// Tells whether `status` shows anything: stderr is a terminal, the log is text.
    pub fn has_status(&self) -> bool {
        self.has_status
    }

    /// Redraws the terminal's last line, which is erased before anything else is printed;
    /// an empty text only erases. Does nothing where there is no terminal, or when quiet.
    pub fn status(&self, text: &str) {
        let mut state = self.lock();
        if self.has_status && !state.quiet {
            let columns = STATUS_COLUMNS.min(self.rule_columns - 1);
            let shown: String = text.chars().take(columns).collect();
            state.write(&shown);
            state.is_status_shown = !shown.is_empty();
        }
    }

    /// Prints what `--quiet` held back, and everything from here on.
    ///
    /// Called before a summary that is not all well.
    pub fn speak_up(&self) {
        let mut state = self.lock();
        state.quiet = false;
        if state.held_dropped > 0 {
            let text = format!("({} earlier lines were not kept)", state.held_dropped);
            state.write(&self.line(Level::Warning, "not_kept", &[], &text));
        }
        while let Some(line) = state.held.pop_front() {
            state.write(&line);
        }
    }

    fn put(&self, line: String) {
        let mut state = self.lock();
        if !state.quiet {
            state.write(&line);
            return;
        }
        if state.held.len() == HELD_LINES_MAX {
            state.held.pop_front();
            state.held_dropped += 1;
        }
        state.held.push_back(line);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns `time` as local date and time, with milliseconds where it has any.
    pub fn local_time(&self, time: TimestampMs) -> String {
        times::local_time(time)
    }
}

impl State {
    fn write(&mut self, line: &str) {
        let erase = if self.is_status_shown { ERASE_LINE } else { "" };
        self.is_status_shown = false;
        // Nobody may read it any more; the datapoints go on.
        let _ = self.out.write_all(format!("{erase}{line}").as_bytes());
    }
}

fn json_line(level: Level, event: &str, fields: &[(&str, Field<'_>)], message: &str) -> String {
    let time = times::utc_now();
    let level = level.name().to_ascii_lowercase();
    let mut line = format!(r#"{{"time":"{time}","level":"{level}","event":"{event}""#);
    for (name, field) in fields {
        let _ = write!(line, r#","{name}":"#);
        let _ = match field {
            Field::Count(count) => write!(line, "{count}"),
            Field::Time(time) => write!(line, "{}", time.0),
            Field::Value(value) if value.is_finite() => write!(line, "{value}"),
            Field::Value(_) => write!(line, "null"),
            Field::Text(text) => write!(line, "{}", json_text(text)),
            Field::Json(json) => write!(line, "{json}"),
        };
    }
    let _ = writeln!(line, r#","message":{}}}"#, json_text(message));
    line
}

/// Returns `text` as a JSON string.
/// Source: RFC 8259, section 7.
pub fn json_text(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\u{0}'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// Has a panic print one line and no backtrace, and then call `exit`.
///
/// The one panic that input can cause is a library's: rustls through ureq expects that a client
/// certificate and its key are a pair, and says so at the first connection only.
pub fn on_panic(exit: fn(Exit) -> !) {
    panic::set_hook(Box::new(move |info| {
        let message = info.payload_as_str().unwrap_or("no message");
        let (text, code) = if message.starts_with("valid client auth certificate: ") {
            let text = "--client-key: does not belong to --client-cert, or one of them is no use; \
                        give a certificate (X.509 v3) and the key that it was made with";
            (text.into(), Exit::Usage)
        } else {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let message = Escaped(message);
            (format!("internal error at {place}: {message}; please report this"), Exit::Bug)
        };
        let _ = writeln!(io::stderr(), "{}: {text}", env!("CARGO_PKG_NAME"));
        exit(code);
    }));
}

/// Prints the one line that an error beside the log is worth.
pub fn print_error(error: &crate::error::Error) {
    let _ = writeln!(io::stderr(), "{}: {error}", env!("CARGO_PKG_NAME"));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What a report has written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[track_caller]
    fn check(config: OutputConfig, has_status: bool, expected: &str) {
        let written = Written::default();
        let report = Report { has_status, ..Report::new(config, Box::new(written.clone())) };
        report.status("one");
        report.status("two");
        report.rule();
        report.rule();
        report.status(&"x".repeat(100));
        report.status("");
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.replace(&"=".repeat(80), "RULE"), expected);
    }

    #[test]
    fn a_status_line_is_erased_before_anything_else() {
        let cut = "x".repeat(59);
        let expected = format!("one\r\x1b[Ktwo\r\x1b[KRULE\nRULE\n{cut}\r\x1b[K");
        check(OutputConfig::default(), true, &expected);
    }

    #[test]
    fn there_is_no_status_line_without_a_terminal_or_when_quiet() {
        check(OutputConfig::default(), false, "RULE\nRULE\n");
        check(OutputConfig { quiet: true, ..OutputConfig::default() }, true, "");
    }
}
