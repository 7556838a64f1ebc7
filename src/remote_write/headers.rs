//! The headers of a request: those of the protocol, and the secrets in the others.

use super::{Auth, Target, Version};

/// How the sender names itself.
pub(super) const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// Returns what every request with `version` has.
pub(super) fn protocol_headers(version: Version) -> [(&'static str, &'static str); 3] {
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
