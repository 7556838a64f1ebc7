//! A receiver: where it is, what it speaks and as whom it is spoken to.
//!
//! Values that hold secrets print as `***`, and a secret in a file is read again each time.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use super::Version;
use crate::error::Error;

/// What stands where a secret was.
pub const REDACTED: &str = "REDACTED";
/// Largest file of one secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A receiver, how to reach it and with which credentials.
#[derive(Clone)]
pub struct Target {
    /// Absolute URL without user and password. Its query may hold a secret: log `shown_url`.
    pub url: String,
    /// Where the URL came from, in words, as in "--url" or "ENV in .env".
    pub source: String,
    /// Credentials for this target only.
    pub auth: Auth,
    /// Additional request headers, none of them reserved.
    pub headers: Vec<(String, Secret)>,
    /// Certificates and verification.
    pub tls: TlsOptions,
    /// The proxy for this URL, chosen by its scheme; may hold credentials.
    pub proxy: Option<Secret>,
    /// Which messages are sent.
    pub protocol: Protocol,
    /// Limit for one attempt, from connect to the end of the answer.
    pub timeout: Duration,
}

impl Target {
    /// Returns the URL with the secrets in its query replaced.
    pub fn shown_url(&self) -> String {
        redacted(&self.url)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Target");
        shown.field("url", &self.shown_url()).field("source", &self.source);
        shown.field("auth", &self.auth).finish_non_exhaustive()
    }
}

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

/// Credentials of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// None.
    None,
    /// `Authorization: Bearer TOKEN`.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
}

/// A value that must not be printed: given, or read from a file again for each request.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The value itself.
    Inline(String),
    /// A file that holds the value; a trailing line end is not part of it.
    File(PathBuf),
}

impl Secret {
    /// Returns the value, which may be empty; that of a file as it is now.
    ///
    /// # Errors
    /// When the file cannot be read, is larger than 64 KiB, or is not UTF-8.
    pub fn read(&self) -> Result<String, Error> {
        let path = match self {
            Secret::Inline(value) => return Ok(value.clone()),
            Secret::File(path) => path,
        };
        let mut text = String::new();
        let read = File::open(path)
            .and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text))
            .and_then(|bytes| match bytes as u64 > SECRET_BYTES_MAX {
                true => Err(io::Error::other("it is larger than 64 KiB")),
                false => Ok(()),
            });
        read.map_err(|source| Error::File {
            doing: "read the secret in",
            path: path.clone(),
            source,
            way_out: "check its name and permissions",
        })?;
        let length = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(length);
        Ok(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Inline(_) => f.write_str("***"),
            Secret::File(path) => write!(f, "@{}", path.display()),
        }
    }
}

/// TLS settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// PEM file of the roots that replace the bundled ones.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the client certificate chain and its key.
    pub client_cert: Option<(PathBuf, PathBuf)>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
}

/// Returns the URL with the values of query parameters that look secret replaced.
pub fn redacted(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.into() };
    let shown = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if looks_secret(name) => format!("{name}={REDACTED}"),
        _ => parameter.to_string(),
    });
    format!("{path}?{}", shown.collect::<Vec<_>>().join("&"))
}

/// Returns whether a header or query parameter of this name holds a secret, by all appearance.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["key", "token", "secret", "auth", "password", "cookie"].iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn secrets_in_a_query_are_not_shown() {
        assert_eq!(redacted("http://h/?a=b&api_KEY=s=x&c"), "http://h/?a=b&api_KEY=REDACTED&c");
        assert_eq!(redacted("http://h/token=x"), "http://h/token=x");
    }
}
