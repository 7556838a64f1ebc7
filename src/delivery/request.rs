//! A request to deliver, and how its delivery may end.

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
    /// What to do after an attempt that had no answer.
    pub after_silence: AfterSilence,
}

/// What to do after an attempt that had no answer, when the samples may have been stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterSilence {
    /// Send the same again: a receiver takes a series' newest sample twice.
    SendAgain,
    /// The same, and such an attempt was made already.
    SendAgainStillUnknown,
    /// Ask the caller: several samples of a series are not taken twice.
    Ask,
}

/// How delivery of a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The fate of all its samples.
    Settled(Fate),
    /// This many of its samples are stored, the others are rejected.
    Partly(u64),
    /// The receiver does not take the 2.0 message, and stored nothing of it.
    WrongVersion {
        /// For the log.
        reason: String,
        /// An attempt before had no answer.
        fate_unknown: bool,
    },
    /// The fate of its samples, and what the others' would be: nothing was accepted so far.
    Refused(Fate),
    /// An attempt had no answer, and the same must not simply be sent again.
    Unanswered,
    /// A signal came first.
    Interrupted {
        /// An attempt had no answer.
        fate_unknown: bool,
    },
}
