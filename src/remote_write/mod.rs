//! The sending side of the Remote-Write protocol: messages, one attempt, and when to try again;
//! and the questions that are asked over the same connection.
//!
//! Knows no verb, and no clock but the time that an answer needs to be read.

mod base64;
mod body;
mod failure;
mod header_time;
mod headers;
mod hints;
mod http;
mod redact;
mod resolver;
mod retry;
mod secret;
mod target;
#[cfg(feature = "tls")]
mod tls;
mod tls_errors;
pub mod v1;
pub mod v2;

pub use body::Body;
pub use headers::shown_headers;
pub use hints::{describe_rejection, describe_status, is_conflict};
pub use http::{Canceller, Outcome, Question, Reply, Sender};
pub use redact::{REDACTED, Secrets, has_secret_parameter, looks_secret, redacted};
pub use retry::Backoff;
pub use secret::{Problem, Secret, check_header_value, check_text, check_token};
pub use target::{Auth, Protocol, ProxySetting, Target, TlsOptions, is_secret_header};
pub use v1::label_bytes;

use crate::labels::LabelSet;
use crate::series::Sample;

/// The value of a stale marker: one NaN of all, never sent as anything else.
/// Source: Remote-Write 1.0 specification, "Stale Markers"; prometheus model/value/value.go.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Which message a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Remote-Write 1.0: `prometheus.WriteRequest`.
    V1,
    /// Remote-Write 2.0: `io.prometheus.write.v2.Request`.
    V2,
}

/// One series of a request: its complete label set and samples in timestamp order.
#[derive(Clone, Copy, Debug)]
pub struct TimeSeries<'a> {
    /// Labels, `__name__` among them, sorted by name.
    pub labels: &'a LabelSet,
    /// At least one sample.
    pub samples: &'a [Sample],
}

/// HELP of a metric; its type is gauge.
#[derive(Clone, Copy, Debug)]
pub struct Metadata<'a> {
    /// The metric name.
    pub metric_name: &'a str,
    /// The help text; may be empty.
    pub help: &'a str,
}
