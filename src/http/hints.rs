//! The words of errors: what a status asks for.

use crate::remote_write::Version;

/// How Prometheus puts it that the series has another value at this time already.
const CONFLICT: &str = "duplicate sample for timestamp";

/// Returns a hint for a request that was refused, for the log; `untried` is a version of remote
/// write that the receiver was not asked to take.
pub fn describe_rejection(
    status: u16,
    reason: &str,
    untried: Option<Version>,
) -> Option<&'static str> {
    Some(match (status, untried) {
        (413, _) => "the receiver takes no request of this size: give a smaller --batch-size",
        (415, Some(Version::V1)) => {
            "the receiver does not take remote write 2.0: give --protocol 1, or auto"
        }
        (415, Some(Version::V2)) => {
            "the receiver does not take remote write 1.0: give --protocol 2"
        }
        (415, None) => "the receiver takes neither version of remote write: check the path",
        _ if is_conflict(reason) => "another run has put another value there",
        _ => return describe_status(status),
    })
}

/// Tells, for the words of hints only, whether the series has another value at this time already.
pub fn is_conflict(reason: &str) -> bool {
    reason.contains(CONFLICT)
}

/// Returns a hint for statuses that are about access or address, for the log.
pub fn describe_status(status: u16) -> Option<&'static str> {
    Some(match status {
        300..=399 => {
            "redirects are not followed: check the path (no slash at its end) and the scheme"
        }
        401 => "check the token or password, and the tenant header (--header 'X-Scope-OrgID: ...')",
        403 => "the credentials are known but may not write here: check tenant and permissions",
        404 => {
            "check the path (Prometheus /api/v1/write, Mimir /api/v1/push, Thanos \
             /api/v1/receive), and that Prometheus runs with --web.enable-remote-write-receiver"
        }
        405 => "this address does not take a POST: check the path",
        407 => "the proxy wants credentials: put them into HTTPS_PROXY or HTTP_PROXY",
        _ => return None,
    })
}
