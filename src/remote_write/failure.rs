//! Why a request got no answer, in words, and what that means for what it carried.

use std::io::{self, Read};

use ureq::Timeout;

use super::Outcome;
use super::hints::{is_certificate_problem, other_roots};
use crate::error::Escaped;

/// The body of a request, which notes when any of it is taken to be written.
pub(super) struct Watched<'a> {
    /// What is not written yet.
    pub(super) rest: &'a [u8],
    /// Whether any of it may have been written.
    pub(super) is_begun: bool,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_begun = true;
        self.rest.read(buffer)
    }
}

/// Returns the outcome of a request that did not go out.
pub(super) fn not_sent(reason: String) -> Outcome {
    Outcome::Retryable { after: None, maybe_stored: false, reason }
}

/// Classifies an attempt that got no valid answer. Until its body is begun, which is after the
/// connect and the handshake of TLS, nothing of it can be stored.
pub(super) fn failure(error: &ureq::Error, is_begun: bool) -> Outcome {
    let text = error.to_string();
    let text = text.strip_prefix("io: ").unwrap_or(&text);
    let reason = Escaped(text).to_string();
    if is_certificate_problem(text) {
        return Outcome::Untrusted { reason: reason + &other_roots(text) };
    }
    let reason = match error {
        ureq::Error::ConnectProxyFailed(_) if text.contains("407") => {
            return Outcome::Rejected { status: 407, reason: "the proxy answered HTTP 407".into() };
        }
        _ if text.contains("InvalidContentType") && !is_begun => {
            "no TLS is spoken there; is it http in place of https?".into()
        }
        ureq::Error::LargeResponseHeader(..) => "the answer has more than 64 KiB of headers".into(),
        // Ours: the resolver's.
        ureq::Error::Other(reason) => Escaped(&reason.to_string()).to_string(),
        ureq::Error::HostNotFound => "the host name was not found".into(),
        ureq::Error::Timeout(phase @ (Timeout::Resolve | Timeout::Connect)) => {
            format!("timed out ({phase})")
        }
        ureq::Error::Timeout(_) => "timed out without an answer".into(),
        _ => reason,
    };
    Outcome::Retryable { after: None, maybe_stored: is_begun, reason }
}
