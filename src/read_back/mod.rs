//! Reads the samples of a series from a receiver, and retries until there is a final answer.
//!
//! A receiver that answers remote read as VictoriaMetrics does is read by its CSV export from
//! then on.

mod answer;
mod fields;
pub mod message;
pub mod victoriametrics;

use std::collections::BTreeSet;
use std::time::Duration;

pub use answer::{ANSWER_BYTES_MAX, AllSeries, Labels, OTHER_NAMES_MAX, ReadError, TimeRange};
pub use message::Query;

use answer::{is_final, sort_by_time, unreadable};
use message::Found;
use victoriametrics::{ANSWER_TO_REMOTE_READ, Tolerance};

use crate::clock::{Clock, Step};
use crate::error::Error;
use crate::http::{Backoff, Client, Outcome, Request, Target, status_hint};
use crate::labels::LabelSet;
use crate::report::{Field, Level, Report};
use crate::series::Sample;

/// Ticks in one request: an answer of about 300 KB.
pub const TICKS_PER_CHUNK: u64 = 16_384;

/// How long a VictoriaMetrics may take to show a sample: up to 4.1 s by itself, longer
/// through a vmagent.
const VICTORIAMETRICS_SHOWS_WITHIN: Duration = Duration::from_secs(10);

/// The hint for an address that cannot be read, after the flag that names it.
const READ_URL_HINT: &str = "it has to be an address of remote read, as in .../api/v1/read; not \
                             every receiver can be read, and one that forwards (Prometheus \
                             agent, vmagent) keeps nothing; name the one that it forwards to";

/// Where and how samples are read back.
#[derive(Clone, Debug)]
pub struct ReadConfig {
    /// The remote-read address, with the credentials that belong to it.
    pub target: Target,
    /// How.
    pub api: ReadApi,
    /// How long one request is retried.
    pub give_up_after: Duration,
}

/// How a receiver is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadApi {
    /// Remote read, unless it answers as VictoriaMetrics does.
    Auto,
    /// Remote read.
    Prometheus,
    /// The CSV export of VictoriaMetrics.
    VictoriaMetrics,
}

/// Headers that say what a body is.
type Headers = &'static [(&'static str, &'static str)];

/// A receiver to read from.
#[derive(Debug)]
pub struct Source<'a> {
    /// Where it is and what it speaks.
    pub config: &'a ReadConfig,
    client: Client,
}

impl<'a> Source<'a> {
    /// Returns the receiver that `config` names; connects to nothing yet.
    ///
    /// # Errors
    /// When certificates or the proxy cannot be used.
    pub fn new(config: &'a ReadConfig) -> Result<Self, Error> {
        Ok(Self { config, client: Client::new(&config.target)? })
    }

    /// Returns what ends the request under way, from another thread.
    pub fn canceller(&self) -> Step {
        self.client.canceller()
    }
}

/// Reads from one receiver.
pub struct Reader<'a> {
    clock: &'a dyn Clock,
    report: &'a Report,
    source: &'a Source<'a>,
    api: ReadApi,
    tolerance: Tolerance,
    backoff: Backoff,
    other_names: BTreeSet<String>,
    /// The largest body of an answer, packed and unpacked.
    pub answer_bytes_max: usize,
}

impl<'a> Reader<'a> {
    /// Returns a reader that has read nothing yet.
    pub fn new(clock: &'a dyn Clock, report: &'a Report, source: &'a Source<'a>) -> Self {
        let seed = clock.now().0.unsigned_abs();
        Self {
            clock,
            report,
            source,
            api: source.config.api,
            tolerance: Tolerance::default(),
            backoff: Backoff::new(seed),
            other_names: BTreeSet::new(),
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    /// Returns how far the values read may be from those sent; `None` where they are equal.
    pub fn tolerance(&self) -> Option<Tolerance> {
        (self.api == ReadApi::VictoriaMetrics).then_some(self.tolerance)
    }

    /// Returns how long the receiver may take to show a sample.
    pub fn shows_within(&self) -> Duration {
        match self.api {
            ReadApi::VictoriaMetrics => VICTORIAMETRICS_SHOWS_WITHIN,
            ReadApi::Auto | ReadApi::Prometheus => Duration::ZERO,
        }
    }

    /// Puts the samples of the series into `samples`, stale markers included, oldest first.
    ///
    /// # Errors
    /// They cannot be read. After `TooLarge` a shorter range may be tried.
    pub fn read(
        &mut self,
        labels: &LabelSet,
        range: TimeRange,
        samples: &mut Vec<Sample>,
    ) -> Result<(), ReadError> {
        if self.api != ReadApi::VictoriaMetrics {
            match self.read_prometheus(labels, range, samples) {
                Err(error) if self.is_of_victoriametrics(&error) => {}
                result => return result,
            }
            let text = "A VictoriaMetrics: read by its CSV export, and compared within 2e-12 of \
                        the value and 2e-18 of the largest, because it keeps about 12 digits";
            self.report.info("victoriametrics", &[], text);
        }
        self.read_victoriametrics(labels, range, samples)
    }

    /// Adds the samples of all series that have the labels of a query, and maybe more, to those
    /// `found`, stale markers included, oldest first.
    ///
    /// # Errors
    /// They cannot be read. After `TooLarge` a shorter range may be tried.
    pub fn read_all(&mut self, query: Query<'_>, found: &mut AllSeries) -> Result<(), ReadError> {
        let range = query.range;
        let url = self.source.client.url();
        if self.api != ReadApi::VictoriaMetrics {
            match self.post(url, message::REQUEST_HEADERS, &message::encode(query)) {
                Err(error) if self.is_of_victoriametrics(&error) => {}
                answer => {
                    let message = message::unpack(&answer?, self.answer_bytes_max)?;
                    message::decode_all(&message, range, found)?;
                }
            }
        }
        if self.api == ReadApi::VictoriaMetrics {
            let json = self.post_form(victoriametrics::export_all(url, query, self.clock.now()))?;
            victoriametrics::parse_json_lines(&json, range, found)?;
        }
        found.values_mut().for_each(|samples| sort_by_time(samples));
        Ok(())
    }

    /// Tells whether a VictoriaMetrics answers so, which is read as one from then on.
    fn is_of_victoriametrics(&mut self, error: &ReadError) -> bool {
        let is_one = self.api == ReadApi::Auto
            && matches!(error, ReadError::Refused { reason, .. }
                if reason.contains(ANSWER_TO_REMOTE_READ));
        if is_one {
            self.api = ReadApi::VictoriaMetrics;
        }
        is_one
    }

    fn query<'q>(&'q self, labels: &'q LabelSet, range: TimeRange) -> Query<'q> {
        Query { labels, other_names: &self.other_names, range }
    }

    fn read_prometheus(
        &mut self,
        labels: &LabelSet,
        range: TimeRange,
        samples: &mut Vec<Sample>,
    ) -> Result<(), ReadError> {
        loop {
            let request = message::encode(self.query(labels, range));
            let url = self.source.client.url();
            let answer = self.post(url, message::REQUEST_HEADERS, &request)?;
            let message = message::unpack(&answer, self.answer_bytes_max)?;
            match message::decode(&message, self.query(labels, range), samples)? {
                Found::Samples => return Ok(()),
                Found::Others(names) => self.learn(names)?,
            }
        }
    }

    fn read_victoriametrics(
        &mut self,
        labels: &LabelSet,
        range: TimeRange,
        samples: &mut Vec<Sample>,
    ) -> Result<(), ReadError> {
        let read_url = self.source.client.url();
        loop {
            let query = self.query(labels, range);
            let export = victoriametrics::export(read_url, query, self.clock.now());
            let csv = self.post_form(export)?;
            // Afterwards, so that no series can appear in between.
            let query = self.query(labels, range);
            let names = victoriametrics::label_names(read_url, query, self.clock.now());
            let names = victoriametrics::parse_label_names(&self.post_form(names)?)?;
            if names.is_subset(&self.other_names) {
                victoriametrics::parse_csv(&csv, range, samples)?;
                let magnitudes = samples.iter().map(|sample| sample.value.abs());
                let largest = &mut self.tolerance.magnitude_max;
                *largest = magnitudes.fold(*largest, f64::max);
                return Ok(());
            }
            self.learn(names)?;
        }
    }

    /// Adds names of labels that the series must not have, in every request from here on.
    fn learn(&mut self, names: impl IntoIterator<Item = String>) -> Result<(), ReadError> {
        self.other_names.extend(names);
        if self.other_names.len() > OTHER_NAMES_MAX {
            return unreadable("series with our labels have too many others");
        }
        Ok(())
    }

    fn post_form(&mut self, (url, form): (String, String)) -> Result<Vec<u8>, ReadError> {
        self.post(&url, victoriametrics::REQUEST_HEADERS, form.as_bytes())
    }

    /// Posts until there is an answer that will not change; returns its body.
    fn post(&mut self, url: &str, headers: Headers, body: &[u8]) -> Result<Vec<u8>, ReadError> {
        let (source, bytes_max) = (self.source, self.answer_bytes_max);
        let refused = |status, reason| {
            let hint = match status {
                400 | 404 | 405 | 501 => {
                    Some(format!("check {}: {READ_URL_HINT}", source.config.target.source))
                }
                status => status_hint(status, source.client.auth_source()),
            };
            Err(ReadError::Refused { reason, hint })
        };
        let mut give_up_at: Option<Duration> = None;
        let request = Request { url, headers, body, answer_bytes_max: Some(bytes_max) };
        loop {
            let reply = self.source.client.post(request, self.clock.now());
            let (after, reason) = match reply.outcome {
                Outcome::Accepted => {
                    self.backoff.settled();
                    return match reply.body.len() > bytes_max {
                        true => Err(ReadError::TooLarge),
                        false => Ok(reply.body),
                    };
                }
                Outcome::Rejected { status, reason } => return refused(status, reason),
                Outcome::Blocked { reason } => {
                    return Err(ReadError::Refused { reason, hint: None });
                }
                Outcome::Retryable { reason, .. } if is_final(&reason) => {
                    return refused(501, reason);
                }
                Outcome::Retryable { after, reason, .. } => (after, reason),
            };
            if self.clock.is_interrupted() {
                return Err(ReadError::Interrupted);
            }
            let now = self.clock.steady();
            let give_up_at = *give_up_at.get_or_insert(now + self.source.config.give_up_after);
            let left = give_up_at.saturating_sub(now);
            if left.is_zero() {
                return Err(ReadError::Unreachable(reason));
            }
            let delay = self.backoff.failed(after).min(left);
            let text = format!("✗ Read failed: {reason}; again in {:.1} s", delay.as_secs_f64());
            let fields = [
                ("attempt", Field::Count(u64::from(self.backoff.failure_count()))),
                ("delay_s", Field::Value(delay.as_secs_f64())),
                ("error", Field::Text(&reason)),
            ];
            self.report.log(Level::Warning, "retry", &fields, &text);
            self.clock.sleep(delay).map_err(|_| ReadError::Interrupted)?;
        }
    }
}
