//! What a receiver that misbehaves still insists on: the rules of the protocol, and of
//! docs/delivery.md, for one request and from one request to the next.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::wire::{self, Labels, Point, WriteRequest};
use super::wire_v2;

/// The value that only stale markers have.
/// Source: prometheus model/value/value.go.
pub(crate) const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Which messages a receiver takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Messages {
    /// Of 1.0 only.
    #[default]
    V1,
    /// Of 2.0 only.
    V2,
    /// Of 2.0 until an answer shows that the receiver has none, then of 1.0.
    Auto,
}

/// The content type of each version.
const CONTENT_TYPES: [&str; 2] =
    ["application/x-protobuf", "application/x-protobuf;proto=io.prometheus.write.v2.Request"];

/// What may happen beside the usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    /// Headers beside the four, Host, Content-Length and Retry-Attempt; in lower case.
    pub(crate) headers: Vec<String>,
    /// A newer datapoint although an older one is not settled: it was given up.
    pub(crate) giving_up: bool,
    /// Attempts that the receiver does not see, so that Retry-Attempt runs ahead.
    pub(crate) unseen_attempts: bool,
    /// A stale marker.
    pub(crate) stale_marker: bool,
    /// Whatever it is.
    pub(crate) anything: bool,
    /// Steps that are left over.
    pub(crate) steps_left: bool,
    /// The version of the messages.
    pub(crate) messages: Messages,
}

/// What an answer means to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Accepted,
    Final,
    Retryable,
    /// No answer, or none that is HTTP.
    Unanswered,
}

impl Meaning {
    /// Returns what a status means. Source: docs/protocol.md 3F.
    pub(crate) fn of_status(status: u16) -> Meaning {
        match status {
            200..=299 => Meaning::Accepted,
            429 | 500..=599 => Meaning::Retryable,
            _ => Meaning::Final,
        }
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    /// Names as they were written.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What the body holds; nothing when it could not be read.
    pub(crate) content: WriteRequest,
    /// When it was there, by the receiver's clock.
    pub(crate) at_ms: i64,
    /// What it was answered with; 0 for nothing.
    pub(crate) status: u16,
    /// The samples that the answer said were written.
    pub(crate) written: Option<u64>,
}

impl Request {
    /// Returns the value of a header, which must not be there twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    /// Returns the timestamp of its datapoints.
    pub(crate) fn timestamp_ms(&self) -> i64 {
        self.content.points[0].timestamp_ms
    }

    /// Tells whether it says that it is of 2.0.
    pub(crate) fn is_v2(&self) -> bool {
        self.header("Content-Type") == Some(CONTENT_TYPES[1])
    }

    /// Returns the number of the attempt, 0 for the first.
    pub(crate) fn retry_attempt(&self) -> u32 {
        self.header("Retry-Attempt").map_or(0, |text| text.parse().expect("a number"))
    }
}

/// The memory of a receiver.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) allowed: Allowed,
    /// Answered with 2xx.
    stored: BTreeMap<Labels, BTreeMap<i64, u64>>,
    /// Answered with a status that is final.
    refused: HashSet<(Labels, i64)>,
    /// What was sent last of each series.
    newest: HashMap<Labels, Point>,
    /// The body whose fate is open.
    pending: Option<Vec<u8>>,
    /// Attempts since the last one that settled something.
    attempt_count: u32,
    /// Something was answered with 2xx, or a part of it was written.
    is_anything_accepted: bool,
    /// From here on messages are of 1.0.
    has_fallen_back: bool,
    /// What has to come again, as a message of 1.0.
    to_resend: Option<Vec<Point>>,
    violations: Vec<String>,
}

impl Ledger {
    /// Returns a ledger without entries.
    pub(crate) fn new(allowed: Allowed) -> Ledger {
        Ledger { allowed, ..Ledger::default() }
    }

    /// Forgets what only holds within one run of a sender.
    pub(crate) fn next_run(&mut self) {
        self.refused.clear();
        self.newest.clear();
        self.pending = None;
        self.attempt_count = 0;
        self.is_anything_accepted = false;
        self.has_fallen_back = false;
        self.to_resend = None;
    }

    /// Notes what must not be.
    pub(crate) fn violation(&mut self, text: String) {
        self.violations.push(text);
    }

    /// Returns what must not have been.
    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Returns what was answered with 2xx, by time and labels.
    pub(crate) fn stored(&self) -> Vec<Point> {
        let mut points: Vec<Point> = self
            .stored
            .iter()
            .flat_map(|(labels, samples)| {
                samples.iter().map(|(timestamp_ms, bits)| Point {
                    timestamp_ms: *timestamp_ms,
                    labels: labels.clone(),
                    bits: *bits,
                })
            })
            .collect();
        points.sort();
        points
    }

    /// Checks a request; returns what it holds.
    pub(crate) fn receive(&mut self, request: &mut Request) {
        if self.allowed.anything {
            return;
        }
        let count = self.violations.len();
        let is_v2 = match self.allowed.messages {
            Messages::V1 => false,
            Messages::V2 => true,
            Messages::Auto => !self.has_fallen_back,
        };
        self.check_head(request, is_v2);
        let decode = if is_v2 { wire_v2::decode } else { wire::decode };
        match decode(&request.body) {
            Ok(content) => request.content = content,
            Err(error) => self.violation(error),
        }
        if self.to_resend.take().is_some_and(|points| points != request.content.points) {
            self.violation("not the same samples after the 2.0 message was refused".into());
        }
        self.check_attempt(request);
        for point in &request.content.points {
            self.check_point(point, request.at_ms);
        }
        let times = request.content.points.iter().map(|point| point.timestamp_ms);
        if times.collect::<HashSet<_>>().len() > 1 {
            self.violation("a request with more than one tick".into());
        }
        if self.violations.len() > count {
            self.violation(format!("  in {request:?}"));
        }
    }

    /// Notes an attempt that ended before it was read.
    pub(crate) fn receive_part(&mut self) {
        self.attempt_count += 1;
    }

    /// Notes what a request was answered with.
    pub(crate) fn answer(&mut self, request: &Request, meaning: Meaning) {
        match meaning {
            Meaning::Retryable | Meaning::Unanswered => return,
            Meaning::Final | Meaning::Accepted if self.ends_2_0(request, meaning) => {
                self.has_fallen_back = true;
                self.to_resend = Some(request.content.points.clone());
            }
            Meaning::Final | Meaning::Accepted => {
                let points = &request.content.points;
                let whole = if meaning == Meaning::Accepted { points.len() } else { 0 };
                // Which ones it wrote a receiver does not say; here it is the first ones.
                let written = match request.written.filter(|_| request.is_v2()) {
                    Some(written) => usize::try_from(written).expect("a test has few"),
                    None if request.is_v2() => 0,
                    None => whole,
                };
                let (stored, refused) = points.split_at(written.min(points.len()));
                self.is_anything_accepted |= !stored.is_empty();
                for point in stored {
                    let samples = self.stored.entry(point.labels.clone()).or_default();
                    samples.insert(point.timestamp_ms, point.bits);
                }
                let key = |point: &Point| (point.labels.clone(), point.timestamp_ms);
                self.refused.extend(refused.iter().map(key));
            }
        }
        self.pending = None;
        self.attempt_count = 0;
    }

    /// Tells whether the answer says that the receiver has no 2.0, to a sender that asks it so.
    /// Source: docs/protocol.md 2.6, 2.8 and 3F.
    fn ends_2_0(&self, request: &Request, meaning: Meaning) -> bool {
        let is_unknown = match meaning {
            Meaning::Accepted => request.written.is_none(),
            _ if request.status == 400 => !self.is_anything_accepted && request.written.is_none(),
            _ => request.status == 415,
        };
        let may = self.allowed.messages == Messages::Auto && !self.has_fallen_back;
        may && is_unknown
    }

    fn check_head(&mut self, request: &Request, is_v2: bool) {
        if !request.line.starts_with("POST /") || !request.line.ends_with(" HTTP/1.1") {
            self.violation(format!("the request line is {:?}", request.line));
        }
        let agent = concat!("push-live-metrics/", env!("CARGO_PKG_VERSION"));
        let length = request.body.len().to_string();
        let exactly = [
            ("content-encoding", "snappy"),
            ("content-type", CONTENT_TYPES[usize::from(is_v2)]),
            ("user-agent", agent),
            ("x-prometheus-remote-write-version", if is_v2 { "2.0.0" } else { "0.1.0" }),
            ("content-length", &length),
        ];
        for (name, value) in exactly {
            let values = request.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
            let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
            if values != [value] {
                self.violation(format!("header {name} is {values:?}, not [{value:?}]"));
            }
        }
        let mut names: Vec<String> =
            request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            self.violation(format!("a header is there twice: {names:?}"));
        }
        for name in names {
            let is_known = exactly.iter().any(|(known, _)| *known == name)
                || ["host", "retry-attempt"].contains(&name.as_str())
                || self.allowed.headers.contains(&name);
            if !is_known {
                self.violation(format!("header {name} should not be there"));
            }
        }
    }

    fn check_attempt(&mut self, request: &Request) {
        if let Some(pending) = &self.pending
            && *pending != request.body
        {
            if !self.allowed.giving_up {
                self.violation("a new datapoint before the last one was settled".into());
            }
            self.attempt_count = 0;
        }
        let is_known = self.pending.is_some();
        let numbered = request.retry_attempt();
        // Before the body is known an attempt that was not read may have been another one's.
        let is_right = if self.allowed.unseen_attempts || (self.allowed.giving_up && !is_known) {
            numbered >= self.attempt_count || !is_known
        } else {
            numbered == self.attempt_count
        };
        if !is_right || request.header("Retry-Attempt") == Some("0") {
            let count = self.attempt_count;
            self.violation(format!("Retry-Attempt is {numbered} after {count} attempts"));
        }
        self.attempt_count = numbered + 1;
        self.pending = Some(request.body.clone());
    }

    fn check_point(&mut self, point: &Point, now_ms: i64) {
        let Point { timestamp_ms, labels, bits } = point;
        if *timestamp_ms > now_ms {
            let ahead_ms = timestamp_ms - now_ms;
            self.violation(format!("a datapoint {ahead_ms} ms in the future"));
        }
        if f64::from_bits(*bits).is_nan() && !(self.allowed.stale_marker && *bits == STALE_NAN_BITS)
        {
            self.violation(format!("a value of {bits:#x}"));
        }
        if self.stored.get(labels).is_some_and(|samples| samples.contains_key(timestamp_ms)) {
            self.violation(format!("{timestamp_ms} was sent again after a 2xx"));
        }
        if self.refused.contains(&(labels.clone(), *timestamp_ms)) {
            self.violation(format!("{timestamp_ms} was sent again after a final answer"));
        }
        if let Some(newest) = self.newest.insert(labels.clone(), point.clone())
            && (newest.timestamp_ms > *timestamp_ms
                || (newest.timestamp_ms == *timestamp_ms && newest.bits != *bits))
        {
            self.violation(format!("{newest:?} before {point:?}"));
        }
    }
}
