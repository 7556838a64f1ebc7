//! The limits of an answer, and the errors of reading.
//!
//! An answer is not trusted: every length is checked before it is used, memory is bounded, and
//! what is not understood is an error that says so, never a panic.

use std::collections::BTreeMap;
use std::fmt;

use crate::series::{Grid, Sample, TimestampMs};

/// The largest body of an answer, packed and unpacked.
pub const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Samples in one answer.
pub(super) const SAMPLES_MAX: usize = 65_536;
/// Names of labels that only other series have; with more, reading fails.
pub const OTHER_NAMES_MAX: usize = 100;

/// What a Prometheus agent answers, with 500: it keeps samples only until they are forwarded.
const ANSWER_OF_AN_AGENT: &str = "unsupported operation with WAL-only storage";

/// Returns whether an answer, as logged, will be the same at every attempt.
pub(super) fn is_final(reason: &str) -> bool {
    reason.starts_with("HTTP 501") || reason.contains(ANSWER_OF_AN_AGENT)
}

/// A range of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first millisecond.
    pub start: TimestampMs,
    /// The last millisecond.
    pub end: TimestampMs,
}

impl TimeRange {
    /// Returns the time of `count` ticks from `first` on, up to the next one.
    pub fn of_ticks(grid: Grid, first: u64, count: u64) -> Self {
        let mut end = grid.time_of(first + count);
        end.0 -= 1;
        TimeRange { start: grid.time_of(first), end }
    }

    pub(super) fn holds(self, time: TimestampMs) -> bool {
        (self.start..=self.end).contains(&time)
    }
}

/// Sorts samples by time; those of one time stay in their order.
pub(super) fn sort_by_time(samples: &mut [Sample]) {
    samples.sort_by_key(|sample| sample.timestamp);
}

/// The labels of any series, its name among them.
pub type Labels = BTreeMap<String, String>;
/// The samples of several series, by their labels.
pub type AllSeries = BTreeMap<Labels, Vec<Sample>>;

/// Why samples could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The answer does not fit the query.
    Unreadable(String),
    /// The answer is too large; a shorter range may fit.
    TooLarge,
    /// The receiver does not allow reading, or not at this address.
    Refused {
        /// For the log.
        reason: String,
        /// What to do about it, for the log.
        hint: Option<String>,
    },
    /// There was no final answer in time: the reason, for the log.
    Unreachable(String),
    /// A signal came.
    Interrupted,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Unreadable(problem) => write!(f, "the answer cannot be read: {problem}"),
            ReadError::TooLarge => {
                f.write_str("the answer cannot be read: even for the shortest time it is too large")
            }
            ReadError::Refused { reason, .. } => write!(f, "refused: {reason}"),
            ReadError::Unreachable(reason) if reason.starts_with("HTTP ") => {
                write!(f, "the receiver answered {reason}, to the last attempt")
            }
            ReadError::Unreachable(reason) => write!(f, "no answer in time: {reason}"),
            ReadError::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// Returns the error of an answer that cannot be read.
///
/// # Errors
/// Always.
pub(super) fn unreadable<T>(problem: impl Into<String>) -> Result<T, ReadError> {
    Err(ReadError::Unreadable(problem.into()))
}
