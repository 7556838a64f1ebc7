//! The protocol around a message: versions, request headers, answer headers, hints.

use super::Version;
use crate::http::{Client, Reply, Request, status_hint};
use crate::series::TimestampMs;

/// Which messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// 1.0 only.
    V1,
    /// 2.0 only.
    V2,
    /// 2.0, and 1.0 after the receiver turned out not to know it.
    Auto,
}

impl Protocol {
    /// Returns the version of a run's first request.
    pub fn first_version(self) -> Version {
        match self {
            Protocol::V1 => Version::V1,
            Protocol::V2 | Protocol::Auto => Version::V2,
        }
    }
}

/// Returns the headers of every request with `version`.
pub fn headers(version: Version) -> [(&'static str, &'static str); 3] {
    let (content_type, protocol_version) = match version {
        Version::V1 => ("application/x-protobuf", "0.1.0"),
        // No space after the semicolon: receivers compare it as it stands.
        Version::V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    };
    [
        ("Content-Encoding", "snappy"),
        ("Content-Type", content_type),
        ("X-Prometheus-Remote-Write-Version", protocol_version),
    ]
}

/// Posts a compressed message once; `retry_count` is 0 for its first attempt.
pub fn post(
    client: &Client,
    version: Version,
    body: &[u8],
    retry_count: u32,
    now: TimestampMs,
) -> Reply {
    let retry_attempt = retry_count.to_string();
    let mut headers = headers(version).to_vec();
    if retry_count > 0 {
        headers.push(("Retry-Attempt", &retry_attempt));
    }
    let request = Request { url: client.url(), headers: &headers, body, answer_bytes_max: None };
    client.post(request, now)
}

/// Returns how many samples a receiver says it wrote of a message of `version`, 0 where it
/// counts other kinds only.
///
/// A receiver of 1.0 may send the header by mistake (Prometheus 3.8.0 does), so it is not read.
/// Source: Remote-Write 2.0 specification, "Required Written Response Headers".
pub fn samples_written(version: Version, reply: &Reply) -> Option<u64> {
    let header = |kind| reply.header(&format!("X-Prometheus-Remote-Write-{kind}-Written"));
    match (version, header("Samples")) {
        (Version::V1, _) => None,
        (Version::V2, Some(text)) => text.parse().ok(),
        (Version::V2, None) => header("Histograms").or(header("Exemplars")).map(|_| 0),
    }
}

/// Returns a hint for a rejected request, for the log; `untried` is a version of remote write
/// that the receiver was not sent, `auth_source` as for `status_hint`.
pub fn rejection_hint(
    status: u16,
    reason: &str,
    untried: Option<Version>,
    auth_source: &str,
) -> Option<String> {
    let hint = match (status, untried) {
        (404 | 405, _) => {
            "check the path (Prometheus /api/v1/write, Mimir /api/v1/push, Thanos \
             /api/v1/receive), and that Prometheus runs with --web.enable-remote-write-receiver"
        }
        (413, _) => "the receiver takes no request of this size: give a smaller --batch-size",
        (415, Some(Version::V1)) => {
            "the receiver does not take remote write 2.0: give --protocol 1, or auto"
        }
        (415, Some(Version::V2)) => {
            "the receiver does not take remote write 1.0: give --protocol 2"
        }
        (415, None) => "the receiver takes neither version of remote write: check the path",
        _ if is_conflict(reason) => "another run stored another value at this time",
        _ => return status_hint(status, auth_source),
    };
    Some(hint.into())
}

/// Tells, for hints only, whether the series has another value at this time already.
pub fn is_conflict(reason: &str) -> bool {
    // Prometheus' words.
    reason.contains("duplicate sample for timestamp")
}
