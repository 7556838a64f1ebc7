//! The messages of remote read: `prometheus.ReadRequest` and the SAMPLES `ReadResponse`.
//!
//! Values are bits, never arithmetic: a signalling NaN stays one.
//! Source: prometheus prompb/remote.proto and prompb/types.proto for the field numbers;
//! prometheus.io, "Remote Read API", for the headers and the snappy block.

use std::collections::BTreeSet;

use quick_protobuf::{Result as WriteResult, Writer};
use snap::raw::{Decoder, Encoder, decompress_len};

use super::fields::Fields;
use super::{ANSWER_BYTES_MAX, OTHER_NAMES_MAX, ReadError, SAMPLES_MAX, TimeRange, unreadable};
use crate::error::Escaped;
use crate::labels::LabelSet;
use crate::series::{Sample, TimestampMs};

/// Tags to write: field number << 3 | wire type (0 varint, 2 length-delimited).
const REQUEST_QUERIES: u32 = 1 << 3 | 2;
const REQUEST_ACCEPTED_RESPONSE_TYPES: u32 = 2 << 3 | 2;
const QUERY_START_TIMESTAMP_MS: u32 = 1 << 3;
const QUERY_END_TIMESTAMP_MS: u32 = 2 << 3;
const QUERY_MATCHERS: u32 = 3 << 3 | 2;
const MATCHER_NAME: u32 = 2 << 3 | 2;
const MATCHER_VALUE: u32 = 3 << 3 | 2;
/// `ReadRequest.ResponseType.SAMPLES`.
const RESPONSE_TYPE_SAMPLES: u8 = 0;

/// Field numbers to read.
const RESPONSE_RESULTS: u64 = 1;
const RESULT_TIMESERIES: u64 = 1;
const TIME_SERIES_LABELS: u64 = 1;
const TIME_SERIES_SAMPLES: u64 = 2;
const LABEL_NAME: u64 = 1;
const LABEL_VALUE: u64 = 2;
const SAMPLE_VALUE: u64 = 1;
const SAMPLE_TIMESTAMP: u64 = 2;

/// What is asked for: one series over some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    /// The series' complete label set.
    pub(super) labels: &'a LabelSet,
    /// Names that other series have: a series that has one of them is not meant.
    pub(super) other_names: &'a BTreeSet<String>,
    /// The time.
    pub(super) range: TimeRange,
}

impl Query<'_> {
    /// Returns what each label has to equal; what has to be absent equals "".
    pub(super) fn matchers(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.labels.pairs();
        let others = self.other_names.iter().filter(|name| position(self.labels, name).is_none());
        let ours = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        ours.chain(others.map(|name| (name.as_str(), "")))
    }
}

/// Returns the body of the request.
pub(super) fn encode(query: Query<'_>) -> Vec<u8> {
    let message = request(query).expect("writing to a Vec cannot fail");
    Encoder::new().compress_vec(&message).expect("the message is far below 4 GiB")
}

/// Messages from the inside out, so that each knows its length.
fn request(query: Query<'_>) -> WriteResult<Vec<u8>> {
    let mut inner = Vec::new();
    let mut writer = Writer::new(&mut inner);
    writer.write_with_tag(QUERY_START_TIMESTAMP_MS, |w| w.write_int64(query.range.start.0))?;
    writer.write_with_tag(QUERY_END_TIMESTAMP_MS, |w| w.write_int64(query.range.end.0))?;
    for (name, value) in query.matchers() {
        let mut matcher = Vec::new();
        let mut matcher_writer = Writer::new(&mut matcher);
        // The type is EQ, which is 0 and left out.
        matcher_writer.write_with_tag(MATCHER_NAME, |w| w.write_string(name))?;
        matcher_writer.write_with_tag(MATCHER_VALUE, |w| w.write_string(value))?;
        writer.write_with_tag(QUERY_MATCHERS, |w| w.write_bytes(&matcher))?;
    }
    let mut message = Vec::new();
    let mut writer = Writer::new(&mut message);
    writer.write_with_tag(REQUEST_QUERIES, |w| w.write_bytes(&inner))?;
    writer.write_with_tag(REQUEST_ACCEPTED_RESPONSE_TYPES, |w| {
        w.write_bytes(&[RESPONSE_TYPE_SAMPLES])
    })?;
    Ok(message)
}

/// Unpacks an answer into `message`, which has its length afterwards.
///
/// # Errors
/// It is no snappy block, or says that it is too large; nothing has been allocated for it then.
pub(super) fn unpack(body: &[u8], message: &mut Vec<u8>) -> Result<(), ReadError> {
    let corrupt = |_| ReadError::Unreadable("it is not a snappy block".into());
    let length = decompress_len(body).map_err(corrupt)?;
    if length > ANSWER_BYTES_MAX {
        return Err(ReadError::TooLarge);
    }
    message.clear();
    message.resize(length, 0);
    let written = Decoder::new().decompress(body, message).map_err(corrupt)?;
    message.truncate(written);
    Ok(())
}

/// What an answer holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The series that was asked for, or none at all.
    Samples,
    /// Only series with more labels than ours, of these names.
    Others(Vec<String>),
}

/// Takes the samples of the series that was asked for out of an unpacked answer.
///
/// A series that has labels beside ours is another one, so its names are given back to be asked
/// to be absent. When it comes again all the same, the receiver adds them to each answer
/// (Prometheus' `external_labels`), and it is ours.
///
/// # Errors
/// The message is malformed or none to this query.
pub(super) fn decode(
    message: &[u8],
    query: Query<'_>,
    samples: &mut Vec<Sample>,
) -> Result<Found, ReadError> {
    samples.clear();
    let mut results = Fields::of(message).filter(|field| is_field(field, RESPONSE_RESULTS));
    let (Some(result), None) = (results.next(), results.next()) else {
        return unreadable("it does not hold the one result that was asked for");
    };
    let mut ours = None;
    let mut others = BTreeSet::new();
    for field in Fields::of(result?.1.bytes()?) {
        let (number, value) = field?;
        if number != RESULT_TIMESERIES {
            continue;
        }
        let series = value.bytes()?;
        let more_names = more_names(series, query.labels)?;
        if !more_names.iter().all(|name| query.other_names.contains(name)) {
            others.extend(more_names);
            if others.len() > OTHER_NAMES_MAX {
                return unreadable("it holds too many series that were not asked for");
            }
        } else if ours.replace(series).is_some() {
            return unreadable("it holds the series twice");
        }
    }
    match ours {
        Some(series) => read_samples(series, query.range, samples)?,
        None if others.is_empty() => {}
        None => return Ok(Found::Others(others.into_iter().collect())),
    }
    Ok(Found::Samples)
}

fn is_field<T>(field: &Result<(u64, T), ReadError>, number: u64) -> bool {
    field.as_ref().map_or(true, |(found, _)| *found == number)
}

/// Returns the names of the labels that the series has beside all of `labels`.
fn more_names(series: &[u8], labels: &LabelSet) -> Result<Vec<String>, ReadError> {
    let mut is_there = vec![false; labels.pairs().len()];
    let mut more_names = Vec::new();
    for field in Fields::of(series).filter(|field| is_field(field, TIME_SERIES_LABELS)) {
        let (name, value) = label(field?.1.bytes()?)?;
        match position(labels, &name) {
            None if more_names.len() < OTHER_NAMES_MAX => more_names.push(name),
            None => return unreadable("it holds a series of too many labels"),
            Some(index) => {
                if labels.pairs()[index].1 != value || is_there[index] {
                    let name = Escaped(&name);
                    let problem = format!("it holds a series with another label '{name}'");
                    return unreadable(problem);
                }
                is_there[index] = true;
            }
        }
    }
    if is_there.contains(&false) {
        return unreadable("it holds a series without all of our labels");
    }
    Ok(more_names)
}

fn label(message: &[u8]) -> Result<(String, String), ReadError> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields::of(message) {
        match field? {
            (LABEL_NAME, bytes) => name = bytes.bytes()?,
            (LABEL_VALUE, bytes) => value = bytes.bytes()?,
            _ => {}
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(name), text(value)))
}

/// Returns where a label of this name stands among the sorted ones.
fn position(labels: &LabelSet, name: &str) -> Option<usize> {
    labels.pairs().binary_search_by(|(ours, _)| ours.as_str().cmp(name)).ok()
}

fn read_samples(
    series: &[u8],
    range: TimeRange,
    samples: &mut Vec<Sample>,
) -> Result<(), ReadError> {
    let mut newest = TimestampMs(i64::MIN);
    for field in Fields::of(series).filter(|field| is_field(field, TIME_SERIES_SAMPLES)) {
        let sample = sample(field?.1.bytes()?)?;
        if sample.timestamp < newest {
            return unreadable("its samples are not in the order of time");
        }
        newest = sample.timestamp;
        super::check_value(sample)?;
        if range.holds(sample.timestamp) {
            if samples.len() == SAMPLES_MAX {
                return Err(ReadError::TooLarge);
            }
            samples.push(sample);
        }
    }
    Ok(())
}

fn sample(message: &[u8]) -> Result<Sample, ReadError> {
    // Proto3 leaves zeros out.
    let (mut bits, mut timestamp_ms) = (0, 0);
    for field in Fields::of(message) {
        match field? {
            (SAMPLE_VALUE, value) => bits = value.fixed64()?,
            (SAMPLE_TIMESTAMP, value) => timestamp_ms = value.varint()?.cast_signed(),
            _ => {}
        }
    }
    Ok(Sample { timestamp: TimestampMs(timestamp_ms), value: f64::from_bits(bits) })
}
