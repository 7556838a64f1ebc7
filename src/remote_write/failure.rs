//! Why a request got no answer, in words, and what that means for what it carried.

use std::io;

use ureq::Timeout;

use super::Outcome;
use super::hints::{is_certificate_problem, other_roots};
use crate::error::Escaped;

/// Returns the outcome of a request that did not go out.
pub(super) fn not_sent(reason: String) -> Outcome {
    Outcome::Retryable { after: None, fate_unknown: false, reason }
}

/// Classifies an attempt that got no valid answer.
pub(super) fn failure(error: &ureq::Error) -> Outcome {
    let text = error.to_string();
    let text = text.strip_prefix("io: ").unwrap_or(&text);
    let reason = Escaped(text).to_string();
    if is_certificate_problem(text) {
        return Outcome::Untrusted { reason: reason + &other_roots(text) };
    }
    match error {
        ureq::Error::ConnectProxyFailed(_) if text.contains("407") => {
            Outcome::Rejected { status: 407, reason: "the proxy answered HTTP 407".into() }
        }
        _ if text.contains("InvalidContentType") => {
            not_sent("no TLS is spoken there; is it http in place of https?".into())
        }
        ureq::Error::LargeResponseHeader(..) => {
            unanswered("the answer has more than 64 KiB of headers".into())
        }
        ureq::Error::HostNotFound => not_sent("the host name was not found".into()),
        ureq::Error::ConnectionFailed | ureq::Error::ConnectProxyFailed(_) => not_sent(reason),
        ureq::Error::Timeout(phase @ (Timeout::Resolve | Timeout::Connect)) => {
            not_sent(format!("timed out ({phase})"))
        }
        ureq::Error::Timeout(_) => unanswered("timed out without an answer".into()),
        ureq::Error::Io(error) if never_connected(error.kind()) => not_sent(reason),
        ureq::Error::Io(_) if text.starts_with("failed to lookup address") => not_sent(reason),
        _ => unanswered(reason),
    }
}

/// Returns the outcome of a request that went out, and was not answered.
pub(super) fn unanswered(reason: String) -> Outcome {
    Outcome::Retryable { after: None, fate_unknown: true, reason }
}

fn never_connected(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, InvalidData, NetworkDown,
        NetworkUnreachable, NotConnected,
    };
    // InvalidData: the TLS handshake failed.
    matches!(
        kind,
        AddrNotAvailable
            | ConnectionRefused
            | HostUnreachable
            | InvalidData
            | NetworkDown
            | NetworkUnreachable
            | NotConnected
    )
}
