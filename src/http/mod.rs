//! The HTTP client: posts bytes to one host, and says what the answer means.
//!
//! Knows no protocol above HTTP, and no command.

mod base64;
mod client;
mod dates;
mod outcome;
mod redact;
mod resolver;
mod retry;
mod secret;
mod target;
#[cfg(feature = "tls")]
mod tls;
mod tls_errors;
mod transport;
mod url;

pub use client::{Client, Reply, Request};
pub use outcome::{Outcome, status_hint};
pub use redact::{REDACTED, Secrets, has_secret_parameter, looks_secret, redacted};
pub use retry::Backoff;
pub use secret::{Problem, Secret, check_header_value, check_text, check_token, read_small};
pub use target::{Auth, ProxySetting, Target, TlsOptions, is_secret_header};
pub use url::HttpUrl;
