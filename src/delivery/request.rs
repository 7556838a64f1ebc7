//! A request to deliver, and how its delivery may end.

use std::time::Duration;

use super::Fate;
use crate::remote_write::Version;
use crate::series::TimestampMs;

/// A compressed message and what is to be known of it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Which message the body holds.
    pub version: Version,
    /// The body, sent unchanged at every attempt.
    pub body: &'a [u8],
    /// The samples in it.
    pub sample_count: u64,
    /// The newest timestamp in it; it is never sent before that time.
    pub newest: TimestampMs,
    /// Whether a 2.0 message may be followed by the same samples as a 1.0 one.
    pub may_fall_back: bool,
    /// Whether the same samples may have been stored by an attempt before, as another message.
    pub maybe_stored: bool,
}

/// How delivery of a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The fate of all its samples.
    Settled(Fate),
    /// A part of its samples is stored.
    Partly {
        /// How many the receiver wrote; which ones it does not say.
        written: u64,
        /// The fate of the others.
        rest: Fate,
    },
    /// The receiver does not take the 2.0 message.
    WrongVersion {
        /// For the log.
        reason: String,
        /// The samples may have been stored all the same.
        maybe_stored: bool,
    },
    /// The fate of its samples, and what the others' would be: nothing was accepted so far.
    Refused(Fate),
    /// A signal came first.
    Interrupted {
        /// The samples may have been stored.
        maybe_stored: bool,
    },
}

/// How long delivery of a sample is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryLimits {
    /// A sample is given up this long after its first failed attempt.
    pub give_up_after: Duration,
    /// After the last tick, pending samples are tried for this long.
    pub flush_timeout: Duration,
}
