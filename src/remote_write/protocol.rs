//! Which version is spoken, and the headers that say so.

use super::Version;
use crate::http::{Auth, Target, USER_AGENT};

/// Which version of remote write is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// 1.0 only.
    V1,
    /// 2.0 only.
    V2,
    /// 2.0, and 1.0 from the moment that the receiver turns out not to know it.
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

/// Returns what every request with `version` has.
pub(crate) fn protocol_headers(version: Version) -> [(&'static str, &'static str); 3] {
    let (content_type, protocol_version) = match version {
        Version::V1 => ("application/x-protobuf", "0.1.0"),
        // No space behind the semicolon: receivers compare it as it stands.
        Version::V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    };
    [
        ("Content-Encoding", "snappy"),
        ("Content-Type", content_type),
        ("X-Prometheus-Remote-Write-Version", protocol_version),
    ]
}

/// Returns the headers of a request that carries `version`, to be shown: secrets are redacted,
/// and no file is read.
pub fn shown_headers(version: Version, target: &Target) -> Vec<(String, String)> {
    let mut headers: Vec<_> =
        protocol_headers(version).map(|(name, value)| (name.into(), value.into())).into();
    headers.push(("User-Agent".into(), USER_AGENT.into()));
    match &target.auth {
        Auth::None => {}
        Auth::Bearer(token) => headers.push(("Authorization".into(), format!("Bearer {token:?}"))),
        Auth::Basic { password, .. } => {
            headers.push(("Authorization".into(), format!("Basic {password:?}")));
        }
    }
    headers.extend(target.headers.iter().map(|(name, value)| (name.clone(), format!("{value:?}"))));
    headers
}
