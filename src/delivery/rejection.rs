//! A final answer other than a success: what is to be known of it, and what helps.

use super::Request;
use crate::http::{Outcome, Reply};
use crate::remote_write::{Version, rejection_hint, samples_written};

/// What helps a backfill that is refused at its first batch.
const RESUME_HINT: &str = "a part of the window may be there already: backfill --resume sends \
                           only what is missing";

/// A final answer other than a success.
#[derive(Debug)]
pub(super) struct Rejection {
    /// None for a 2xx to a message that was not understood.
    pub(super) status: Option<u16>,
    /// For the log.
    pub(super) reason: String,
    /// The samples may have been stored all the same.
    pub(super) maybe_stored: bool,
}

impl Rejection {
    /// Returns the rejection that says that a 2.0 message was sent to a receiver of 1.0.
    /// Source: Remote-Write 2.0 specification, "Backward and Forward Compatibility".
    pub(super) fn of_version(
        reply: &Reply,
        request: Request<'_>,
        is_anything_accepted: bool,
    ) -> Option<Self> {
        // With Written headers it was understood, and a part of it may be stored.
        let is_understood =
            request.version != Version::V2 || samples_written(request.version, reply).is_some();
        match &reply.outcome {
            // Not understood, or a gateway has taken the headers out.
            Outcome::Accepted if !is_understood => {
                let reason = "2xx without Written headers: the 2.0 message was not understood";
                Some(Self { status: None, reason: reason.into(), maybe_stored: true })
            }
            Outcome::Rejected { status, reason } if request.version == Version::V2 => {
                let may_be_first = request.may_fall_back && !is_anything_accepted;
                let is_it = *status == 415 || (*status == 400 && may_be_first && !is_understood);
                // Prometheus 2.54 to 3.6 store what they answer with 415.
                let maybe_stored = *status == 415 && request.may_fall_back;
                let reason = reason.clone();
                is_it.then_some(Self { status: Some(*status), reason, maybe_stored })
            }
            _ => None,
        }
    }

    /// Tells whether it is about who sends, and where to, and not about the samples.
    pub(super) fn is_about_access(&self) -> bool {
        matches!(self.status, Some(300..=399 | 401 | 403 | 404 | 405 | 407))
    }

    /// Returns what helps, for the log.
    pub(super) fn hints(
        &self,
        request: Request<'_>,
        is_first_batch: bool,
    ) -> impl Iterator<Item = &'static str> {
        let untried = match request.version {
            Version::V2 => Some(Version::V1),
            Version::V1 if request.may_fall_back => None,
            Version::V1 => Some(Version::V2),
        };
        // A 2xx without Written headers counts as a 415.
        let hint = rejection_hint(self.status.unwrap_or(415), &self.reason, untried);
        let may_be_there = is_first_batch && matches!(self.status, Some(400 | 409));
        hint.into_iter().chain(may_be_there.then_some(RESUME_HINT))
    }
}
