//! Errors for people to read, and the exit codes that scripts read.
//!
//! Reporting only: what a receiver's answer means for a datapoint is decided on
//! `http::Outcome`, never on these. No message ever holds a secret.

use std::fmt;
use std::io;
use std::path::Path;

/// How a run ended, as the process exit code. Documented in `--help`, never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Every datapoint was accepted, read back equal, or written out.
    Success = 0,
    /// Finished, but some datapoints were rejected, not delivered or unconfirmed.
    Incomplete = 1,
    /// Usage or configuration; nothing was sent.
    Usage = 2,
    /// Refused before anything was accepted.
    Refused = 3,
    /// Nothing was accepted, or could be read, before time ran out.
    Unreachable = 4,
    /// Verify found missing or different datapoints, or one in a gap; or an alert missed an
    /// incident or fired without one.
    Different = 5,
    /// A bug in this program or in a library: a panic. Something may have been sent.
    Bug = 101,
    /// Interrupted by SIGINT, SIGTERM or SIGHUP, after the summary.
    Interrupted = 130,
}

/// An error that ends the program.
#[derive(Debug)]
pub enum Error {
    /// A flag, a variable or a line of `.env` that cannot be used.
    BadInput(BadInput),
    /// A file or stdout could not be read or written.
    Io {
        /// What could not be done, as in "write to stdout".
        what: String,
        /// What the system answered.
        source: io::Error,
        /// What to do next; may be empty.
        hint: &'static str,
        /// The exit code.
        exit: Exit,
    },
}

/// One unusable input: what was typed where, why it cannot be used, and what to do instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadInput {
    /// The flag, variable or file line, as in `--duration` or `.env line 3`.
    pub subject: String,
    /// The value as typed; `None` where there is none, or where it is a secret.
    pub value: Option<String>,
    /// What is wrong with it.
    pub problem: String,
    /// What to do instead.
    pub hint: String,
}

impl BadInput {
    /// Returns the error with the place of the value; no `value` where there is none, or where it
    /// is a secret.
    #[must_use]
    pub fn at(self, subject: &str, value: Option<&str>) -> BadInput {
        BadInput { subject: subject.into(), value: value.map(Into::into), ..self }
    }
}

/// Returns the error of a value; who knows its place adds it by `at`.
pub fn unusable(problem: impl Into<String>, hint: impl Into<String>) -> BadInput {
    BadInput { problem: problem.into(), hint: hint.into(), ..BadInput::default() }
}

impl Error {
    /// Returns the error of a file that the command line or `.env` names; `doing` is what was
    /// being done, as in "read the token in".
    pub fn file(doing: &str, path: &Path, source: io::Error, hint: &'static str) -> Error {
        let path = Escaped(&path.to_string_lossy()).to_string();
        Error::Io { what: format!("{doing} '{path}'"), source, hint, exit: Exit::Usage }
    }

    /// Returns the error of a stdout that did not take what was asked for.
    pub fn on_stdout(source: io::Error) -> Error {
        Error::Io { what: "write to stdout".into(), source, hint: "", exit: Exit::Usage }
    }

    /// Returns the exit code that this error ends the process with.
    pub fn exit(&self) -> Exit {
        match self {
            Error::BadInput(_) => Exit::Usage,
            Error::Io { exit, .. } => *exit,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::BadInput(input) => input.fmt(f),
            Error::Io { what, source, hint: "", .. } => write!(f, "cannot {what}: {source}"),
            Error::Io { what, source, hint, .. } => write!(f, "cannot {what}: {source}; {hint}"),
        }
    }
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Any of them may quote what was typed.
        write!(f, "{}", Escaped(&self.subject))?;
        if let Some(value) = &self.value {
            write!(f, " '{}'", Escaped(value))?;
        }
        let colon = if self.subject.is_empty() { "" } else { ": " };
        write!(f, "{colon}{}", Escaped(&self.problem))?;
        if !self.hint.is_empty() {
            write!(f, "; {}", Escaped(&self.hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            Error::BadInput(_) => None,
        }
    }
}

impl From<BadInput> for Error {
    fn from(input: BadInput) -> Self {
        Error::BadInput(input)
    }
}

/// Shows text from outside on one line: control characters escaped, long text cut.
pub struct Escaped<'a>(pub &'a str);

/// What `Escaped` shows of a text, in characters.
const SHOWN_CHARS_MAX: usize = 1024;

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        // Most text needs no escape, and a call for each character is slow.
        if self.0.len() <= SHOWN_CHARS_MAX && self.0.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return f.write_str(self.0);
        }
        for (count, c) in self.0.chars().enumerate() {
            if count == SHOWN_CHARS_MAX {
                return f.write_str("...");
            }
            // Format characters can reorder a terminal line as well as control ones can.
            match c {
                '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(f, "{}", c.escape_unicode())?;
                }
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, expected: &str) {
        assert_eq!(Escaped(input).to_string(), expected);
    }

    #[test]
    fn text_from_outside_stays_on_one_line() {
        check("plain ✓ text", "plain ✓ text");
        check("a\nb\r\x1b[31m", "a\\nb\\r\\u{1b}[31m");
        for c in ['\u{200b}', '\u{200f}', '\u{2028}', '\u{202e}', '\u{2066}', '\u{2069}'] {
            check(&format!("{c}evil"), &format!("{}evil", c.escape_unicode()));
        }
        check(&"x".repeat(2000), &format!("{}...", "x".repeat(1024)));
    }

    #[test]
    fn bad_input_names_the_subject_the_value_and_the_hint() {
        let input = BadInput {
            subject: "--duration".into(),
            value: Some("0".into()),
            problem: "is not positive".into(),
            hint: "give whole minutes".into(),
        };
        assert_eq!(input.to_string(), "--duration '0': is not positive; give whole minutes");
    }
}
