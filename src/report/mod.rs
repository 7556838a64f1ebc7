//! The only writer to stderr: log lines as text or JSON, held back when quiet.
//!
//! Never fails and never panics: a run goes on when its log cannot be written. Callers escape text
//! from outside. Escape codes for the status line and for colours go to a
//! terminal only, never to a file or a pipe.

#![allow(clippy::disallowed_methods, reason = "here it is written")]

pub mod announce;
pub mod progress;
pub mod stdout;
pub mod terminal;
mod times;
pub mod words;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{mem, panic};

use crate::error::{Escaped, Exit};
use crate::labels::LabelSet;
use crate::series::TimestampMs;
pub use times::utc_time;

/// Width of a rule, unless the terminal is narrower.
const RULE_COLUMNS: usize = 80;
/// Width of the time and level of a line, as in `[2026-01-01 00:00:00,000] [INFO] `.
const PREFIX_COLUMNS: usize = 33;
/// Maximum width of a status line.
const STATUS_COLUMNS: usize = 79;
/// Moves to the start of the terminal's line and erases it.
/// Source: ECMA-48, section 8.3.41, "EL".
const ERASE_LINE: &str = "\r\x1b[K";
/// Turns wrapping off and on again: the terminal cuts a status line at its width of that moment.
/// A line that wraps cannot be erased, so each redraw would leave a row.
/// Source: DEC STD 070, "DECAWM".
const NO_WRAP: [&str; 2] = ["\x1b[?7l", "\x1b[?7h"];
/// Lines that `--quiet` keeps; the oldest are dropped first.
const HELD_LINES_MAX: usize = 200;

/// What is logged, and as what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputConfig {
    /// Nothing, unless something goes wrong.
    pub quiet: bool,
    /// Also lines of `Level::Debug`.
    pub verbose: bool,
    /// One JSON object per line instead of text.
    pub json: bool,
}

/// The importance of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Only with `--verbose`.
    Debug,
    /// Progress.
    Info,
    /// A problem that the run may still recover from.
    Warning,
    /// A datapoint or the run has failed.
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

/// The value of a field of a JSON line.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// A count.
    Count(u64),
    /// A time, written as epoch milliseconds.
    Time(TimestampMs),
    /// A sample's value, or seconds.
    Value(f64),
    /// Text.
    Text(&'a str),
    /// The labels of a series, without its name.
    Labels(&'a LabelSet),
    /// JSON, unchanged.
    Json(&'a str),
}

/// The log of a run.
pub struct Report {
    config: OutputConfig,
    /// The terminal's width, where there is one.
    columns: usize,
    has_status: bool,
    has_colour: bool,
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
        report.has_colour = terminal::shows_colour(&io::stderr()) && !config.json;
        if io::stderr().is_terminal() {
            report.has_status = terminal::can_erase() && !config.json;
            report.columns = terminal::columns().unwrap_or(report.columns);
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
        let (state, columns) = (Mutex::new(state), RULE_COLUMNS + PREFIX_COLUMNS);
        Self { config, columns, has_status: false, has_colour: false, state }
    }

    /// Logs one line; `event` and `fields` are for JSON, `message` is for people.
    pub fn log(&self, level: Level, event: &str, fields: &[(&str, Field<'_>)], message: &str) {
        if self.is_logged(level) {
            self.put(self.line(level, event, fields, message));
        }
    }

    fn is_logged(&self, level: Level) -> bool {
        match level {
            Level::Debug => self.is_verbose(),
            Level::Info => !self.lock().quiet,
            Level::Warning | Level::Error => true,
        }
    }

    /// Logs what to do about the previous line.
    pub fn hint(&self, level: Level, hint: &str) {
        self.log(level, "hint", &[("hint", Field::Text(hint))], &format!("  Hint: {hint}"));
    }

    /// Logs how many more there are than were logged, unless there are none.
    pub fn more(&self, level: Level, event: &str, count: u64, message: &str) {
        if count > 0 {
            self.log(level, event, &[("count", Field::Count(count))], message);
        }
    }

    /// Logs a line to a text log only.
    pub fn text(&self, level: Level, message: &str) {
        if !self.config.json {
            self.log(level, "", &[], message);
        }
    }

    /// Logs a message and a command. In a text log the command is on a line of its own, without
    /// time and level, so that it can be copied.
    pub fn command(
        &self,
        level: Level,
        event: &str,
        fields: &[(&str, Field<'_>)],
        (message, command): (&str, &str),
    ) {
        let fields = [fields, &[("command", Field::Text(command))]].concat();
        let separator = if self.config.json { " " } else { "\n" };
        self.log(level, event, &fields, &format!("{message}{separator}{command}"));
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
            let level = match (self.has_colour, level) {
                (true, Level::Warning) => "\x1b[33mWARNING\x1b[0m",
                (true, Level::Error) => "\x1b[31mERROR\x1b[0m",
                _ => level.name(),
            };
            ["[", &times::local_now(), "] [", level, "] ", message, "\n"].concat()
        }
    }

    /// Tells whether lines of `Level::Debug` are logged.
    pub fn is_verbose(&self) -> bool {
        self.config.verbose
    }

    /// Logs a line of `Level::Info`.
    pub fn info(&self, event: &str, fields: &[(&str, Field<'_>)], message: &str) {
        self.log(Level::Info, event, fields, message);
    }

    /// Logs a line of `=` between parts of a text log.
    pub fn rule(&self) {
        let columns = RULE_COLUMNS.min(self.columns.saturating_sub(PREFIX_COLUMNS));
        self.text(Level::Info, &"=".repeat(columns));
    }

    /// Logs a line; in a text log between two rules.
    pub fn title(&self, level: Level, event: &str, message: &str) {
        self.rule();
        self.log(level, event, &[], message);
        self.rule();
    }

    /// Logs a headline; in a text log between two rules, all without time and level.
    pub fn headline(&self, event: &str, message: &str) {
        if self.config.json {
            self.info(event, &[], message);
        } else if self.is_logged(Level::Info) {
            let rule = "=".repeat(RULE_COLUMNS.min(self.columns));
            self.put(format!("{rule}\n{message}\n{rule}\n"));
        }
    }

    /// Tells whether `status` shows anything: stderr is a terminal, the log is text.
    pub fn has_status(&self) -> bool {
        self.has_status
    }

    /// Redraws the terminal's last line, which is erased before anything else is printed; an empty
    /// text only erases it. Does nothing without a terminal, or when quiet.
    pub fn status(&self, text: &str) {
        let mut state = self.lock();
        if self.has_status && !state.quiet {
            let columns = STATUS_COLUMNS.min(self.columns.saturating_sub(1));
            let shown: String = text.chars().take(columns).collect();
            let [before, after] = if shown.is_empty() { ["", ""] } else { NO_WRAP };
            state.write(&format!("{before}{shown}{after}"));
            state.is_status_shown = !shown.is_empty();
        }
    }

    /// Ends `--quiet`, because something went wrong: prints what was held back, and all that
    /// follows.
    pub fn end_quiet(&self) {
        let mut state = self.lock();
        state.quiet = false;
        if state.held_dropped > 0 {
            let text = format!("{} earlier lines were dropped (--quiet)", state.held_dropped);
            let count = [("count", Field::Count(state.held_dropped))];
            state.write(&self.line(Level::Warning, "dropped", &count, &text));
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

    /// Returns `time` as local time of day, with its date where that is not the date `now`.
    pub fn time_of_day(&self, time: TimestampMs, now: TimestampMs) -> String {
        let (time, now) = (self.local_time(time), self.local_time(now));
        let date = now.split_inclusive(' ').next().unwrap_or_default();
        time.strip_prefix(date).unwrap_or(&time).to_owned()
    }

    /// Returns `time` as local date and time, with milliseconds where it has any.
    pub fn local_time(&self, time: TimestampMs) -> String {
        times::local_time(time)
    }
}

impl State {
    fn write(&mut self, line: &str) {
        let erase = if mem::take(&mut self.is_status_shown) { ERASE_LINE } else { "" };
        // In one call. Errors are ignored: the datapoints matter more than their log.
        let _ = self.out.write_all([erase, line].concat().as_bytes());
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
            Field::Labels(labels) => write!(line, "{}", json_labels(labels)),
            Field::Json(json) => write!(line, "{json}"),
        };
    }
    let _ = writeln!(line, r#","message":{}}}"#, json_text(message));
    line
}

fn json_labels(labels: &LabelSet) -> String {
    let pairs = labels.pairs().iter().filter(|(name, _)| &**name != "__name__");
    let members = pairs.map(|(name, value)| format!("\"{name}\":{}", json_text(value)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
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

/// Makes a panic print one line without a backtrace and then call `exit`.
///
/// Input can cause one panic: ureq expects that a client certificate and its key are a pair, and
/// finds out at the first connection.
pub fn on_panic(is_json: bool, exit: fn(Exit) -> !) {
    panic::set_hook(Box::new(move |info| {
        let message = info.payload_as_str().unwrap_or("no message");
        let (text, code) = if message.starts_with("valid client auth certificate: ") {
            let text = "--client-key: does not belong to --client-cert, or one of them is invalid; \
                        give a certificate (X.509 v3) and the key that it was made with";
            (text.into(), Exit::Usage)
        } else {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let message = Escaped(message);
            (format!("internal error at {place}: {message}; please report this"), Exit::Bug)
        };
        print_error(&text, code, is_json);
        exit(code);
    }));
}

/// Prints the error that ends the process on one line.
pub fn print_error(error: &str, exit: Exit, is_json: bool) {
    let line = if is_json {
        let fields = [("error", Field::Text(error)), ("exit_code", Field::Count(exit as u64))];
        json_line(Level::Error, "error", &fields, error)
    } else {
        let name = env!("CARGO_PKG_NAME");
        match terminal::shows_colour(&io::stderr()) {
            true => format!("\x1b[31m{name}:\x1b[0m {error}\n"),
            false => format!("{name}: {error}\n"),
        }
    };
    let _ = io::stderr().write_all(line.as_bytes());
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
        report.headline("end", "Interrupted!");
        report.status(&"x".repeat(100));
        report.status("");
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let text = text.replace(&"=".repeat(80), "RULE").replace("\x1b[?7l", "<");
        assert_eq!(text.replace("\x1b[?7h", ">"), expected);
    }

    #[test]
    fn a_status_line_is_erased_before_anything_else() {
        let cut = "x".repeat(79);
        let expected =
            format!("<one>\r\x1b[K<two>\r\x1b[KRULE\nInterrupted!\nRULE\n<{cut}>\r\x1b[K");
        check(OutputConfig::default(), true, &expected);
    }

    #[test]
    fn there_is_no_status_line_without_a_terminal_or_when_quiet() {
        check(OutputConfig::default(), false, "RULE\nInterrupted!\nRULE\n");
        check(OutputConfig { quiet: true, ..OutputConfig::default() }, true, "");
    }

    #[test]
    fn fields_are_json() {
        let pairs = [("a", "x\"y"), ("b", "1")].map(|(name, value)| (name.into(), value.into()));
        let labels = LabelSet::new("cpu", pairs.to_vec());
        let fields = [
            ("labels", Field::Labels(&labels)),
            ("value", Field::Value(f64::NAN)),
            ("delay_s", Field::Value(0.5)),
        ];
        let line = json_line(Level::Info, "pushed", &fields, "text");
        let expected =
            r#""event":"pushed","labels":{"a":"x\"y","b":"1"},"value":null,"delay_s":0.5,"#;
        assert!(line.contains(expected), "{line}");
    }
}
