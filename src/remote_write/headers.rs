//! The headers of a request: those of the protocol, and the secrets in the others.

use std::fs::File;
use std::io::{self, Read};

use super::Version;
use crate::cli::config::{Auth, Secret, Target};
use crate::error::Error;

/// How the sender names itself.
pub(super) const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
/// What is read of a file that holds a secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

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

/// Returns the secret; that of a file as it is now.
///
/// # Errors
/// When the file cannot be read or holds nothing.
pub(super) fn read_secret(secret: &Secret) -> Result<String, Error> {
    let path = match secret {
        Secret::Inline(value) => return Ok(value.clone()),
        Secret::File(path) => path,
    };
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(SECRET_BYTES_MAX).read_to_string(&mut text))
        .and_then(|_| match text.trim_end_matches(['\r', '\n']) {
            "" => Err(io::Error::other("it is empty")),
            value => Ok(value.to_owned()),
        });
    read.map_err(|source| Error::File {
        doing: "read the secret in",
        path: path.clone(),
        source,
        way_out: "put the value there, or name another file",
    })
}
