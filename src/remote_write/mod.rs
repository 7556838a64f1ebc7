//! The sending side of the Remote-Write protocol: its messages and its headers.
//!
//! Knows no command and no clock.

mod body;
mod protocol;
pub mod v1;
pub mod v2;

pub use body::Body;
pub use protocol::{Protocol, headers, is_conflict, post, rejection_hint, samples_written};
pub use v1::label_bytes;

use crate::labels::LabelSet;
use crate::series::{MetricType, Sample, Starts};

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
    /// When its values start from 0, if it is a counter.
    pub starts: Option<Starts<'a>>,
}

/// Type and HELP of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Metadata<'a> {
    /// The metric name.
    pub metric_name: &'a str,
    /// Its type.
    pub metric_type: MetricType,
    /// The help text; may be empty.
    pub help: &'a str,
}

impl Metadata<'_> {
    /// Returns the number of its type, which is the same in both versions.
    /// Source: prometheus prompb/types.proto, `MetricMetadata.MetricType`.
    fn type_number(&self) -> i32 {
        match self.metric_type {
            MetricType::Counter => 1,
            MetricType::Gauge => 2,
        }
    }
}
