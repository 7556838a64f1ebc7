//! The messages of remote read: `prometheus.ReadRequest` and the SAMPLES `ReadResponse`.
//!
//! Values are bits, never arithmetic: a signalling NaN stays one.
//! Source: prometheus prompb/remote.proto and prompb/types.proto for the field numbers;
//! prometheus.io, "Remote Read API", for the headers and the snappy block.

use std::collections::{BTreeMap, BTreeSet};

use quick_protobuf::{Result as WriteResult, Writer};
use snap::raw::{Decoder, Encoder, decompress_len};

use super::answer::{
    AllSeries, Labels, OTHER_NAMES_MAX, ReadError, SAMPLES_MAX, TimeRange, sort_by_time, unreadable,
};
use super::fields::{Fields, nested};
use crate::error::Escaped;
use crate::labels::LabelSet;
use crate::remote_write::STALE_NAN_BITS;
use crate::series::{Sample, TimestampMs};

/// The headers of a request.
pub const REQUEST_HEADERS: &[(&str, &str)] = &[
    ("Content-Encoding", "snappy"),
    ("Content-Type", "application/x-protobuf"),
    ("X-Prometheus-Remote-Read-Version", "0.1.0"),
];
/// Labels that a receiver makes from a series' metadata; they do not make it another series.
/// Source: Prometheus 3.8, feature `type-and-unit-labels`; Cortex has it, too.
const METADATA_LABELS: [&str; 2] = ["__type__", "__unit__"];

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

/// One series over some time.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The series' complete label set.
    pub labels: &'a LabelSet,
    /// Names that other series have: a series that has one of them is not meant.
    pub other_names: &'a BTreeSet<String>,
    /// The time.
    pub range: TimeRange,
}

impl Query<'_> {
    /// Returns what each label has to equal; what has to be absent equals "".
    pub fn matchers(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.labels.pairs();
        let others = self.other_names.iter().filter(|name| position(self.labels, name).is_none());
        let ours = labels.iter().map(|(name, value)| (&**name, &**value));
        ours.chain(others.map(|name| (name.as_str(), "")))
    }
}

/// Returns the body of the request.
pub fn encode(query: Query<'_>) -> Vec<u8> {
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

/// Unpacks an answer of at most `bytes_max`.
///
/// # Errors
/// It is not a snappy block, or says that it is too large; nothing has been allocated for it then.
pub fn unpack(body: &[u8], bytes_max: usize) -> Result<Vec<u8>, ReadError> {
    let corrupt = |_| ReadError::Unreadable("it is not a snappy block".into());
    match decompress_len(body).map_err(corrupt)? {
        length if length > bytes_max => Err(ReadError::TooLarge),
        _ => Decoder::new().decompress_vec(body).map_err(corrupt),
    }
}

/// What an answer holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The queried series, or nothing.
    Samples,
    /// Only series with more labels than ours, of these names.
    Others(Vec<String>),
}

/// Decodes the samples of the queried series from an unpacked answer.
///
/// A series that has more labels than ours is another one: their names are returned, and the next
/// query asks for series without them. If it comes again, the receiver adds these labels to every
/// answer (Prometheus' `external_labels`), and the series is ours. Ours may be stored in several
/// parts, which differ in the labels made of their metadata: 1.0 has none, 2.0 has a type.
///
/// # Errors
/// The message is malformed, or does not fit the query.
pub fn decode(
    message: &[u8],
    query: Query<'_>,
    samples: &mut Vec<Sample>,
) -> Result<Found, ReadError> {
    samples.clear();
    let mut ours = BTreeMap::new();
    let mut others = BTreeSet::new();
    for series in nested(only_result(message)?, RESULT_TIMESERIES) {
        let series = series?;
        let (of_metadata, more_names) = more_labels(series, query.labels)?;
        if !more_names.iter().all(|name| query.other_names.contains(name)) {
            others.extend(more_names);
            if others.len() > OTHER_NAMES_MAX {
                return unreadable("it holds too many series that were not asked for");
            }
        } else if ours.insert(of_metadata, series).is_some() {
            return unreadable("it holds the series twice");
        }
    }
    if ours.is_empty() && !others.is_empty() {
        return Ok(Found::Others(others.into_iter().collect()));
    }
    for series in ours.values() {
        read_samples(series, query.range, samples)?;
    }
    if ours.len() > 1 {
        sort_by_time(samples);
    }
    Ok(Found::Samples)
}

fn only_result(message: &[u8]) -> Result<&[u8], ReadError> {
    let mut results = nested(message, RESPONSE_RESULTS);
    match (results.next(), results.next()) {
        (Some(result), None) => result,
        _ => unreadable("it does not hold the one result that was asked for"),
    }
}

/// Adds every series of an unpacked answer, without the labels made of its metadata.
///
/// # Errors
/// The message is malformed, or not the answer to one query.
pub fn decode_all(
    message: &[u8],
    range: TimeRange,
    found: &mut AllSeries,
) -> Result<(), ReadError> {
    for series in nested(only_result(message)?, RESULT_TIMESERIES) {
        let series = series?;
        let mut labels = Labels::new();
        for pair in nested(series, TIME_SERIES_LABELS) {
            let (name, value) = label(pair?)?;
            if !METADATA_LABELS.contains(&name.as_str()) {
                labels.insert(name, value);
            }
        }
        let samples = found.entry(labels).or_default();
        for message in nested(series, TIME_SERIES_SAMPLES) {
            samples.extend(Some(sample(message?)?).filter(|sample| range.holds(sample.timestamp)));
        }
    }
    Ok(())
}

/// Labels that a series has besides all of ours: those of its metadata, and the others' names.
type MoreLabels = (BTreeSet<(String, String)>, Vec<String>);

fn more_labels(series: &[u8], labels: &LabelSet) -> Result<MoreLabels, ReadError> {
    let mut is_there = vec![false; labels.pairs().len()];
    let (mut of_metadata, mut more_names) = (BTreeSet::new(), Vec::new());
    for pair in nested(series, TIME_SERIES_LABELS) {
        let (name, value) = label(pair?)?;
        match position(labels, &name) {
            None if METADATA_LABELS.contains(&name.as_str()) => {
                of_metadata.insert((name, value));
            }
            None if more_names.len() < OTHER_NAMES_MAX => more_names.push(name),
            None => return unreadable("it holds a series of too many labels"),
            Some(index) => {
                if *labels.pairs()[index].1 != *value || is_there[index] {
                    let name = Escaped(&name);
                    return unreadable(format!("it holds a series with another label '{name}'"));
                }
                is_there[index] = true;
            }
        }
    }
    if is_there.contains(&false) {
        return unreadable("it holds a series without all of our labels");
    }
    Ok((of_metadata, more_names))
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
    labels.pairs().binary_search_by(|(ours, _)| (**ours).cmp(name)).ok()
}

fn read_samples(
    series: &[u8],
    range: TimeRange,
    samples: &mut Vec<Sample>,
) -> Result<(), ReadError> {
    let mut newest = TimestampMs(i64::MIN);
    for message in nested(series, TIME_SERIES_SAMPLES) {
        let sample = sample(message?)?;
        let time = sample.timestamp;
        if time < newest {
            return unreadable("its samples are not in the order of time");
        }
        newest = time;
        // A stale marker is the one NaN that is sent.
        if sample.value.is_nan() && sample.value.to_bits() != STALE_NAN_BITS {
            let time = time.0;
            return unreadable(format!(
                "its sample at {time} ms is NaN, which this series never is"
            ));
        }
        if range.holds(time) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::Random;

    const RANGE: TimeRange = TimeRange { start: TimestampMs(1000), end: TimestampMs(2000) };

    fn unpack_one(body: &[u8]) -> Result<Vec<u8>, ReadError> {
        unpack(body, 1 << 21)
    }

    fn labels() -> LabelSet {
        LabelSet::new("cpu", vec![("a".into(), "x".into())])
    }

    /// Returns a length-delimited field.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes)
            .write_with_tag(u32::from(number) << 3 | 2, |w| w.write_bytes(content))
            .unwrap();
        bytes
    }

    fn label(name: &str, value: &str) -> Vec<u8> {
        field(1, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat())
    }

    fn sample(timestamp_ms: i64, value: f64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.write_with_tag(1 << 3 | 1, |w| w.write_fixed64(value.to_bits())).unwrap();
        writer.write_with_tag(2 << 3, |w| w.write_int64(timestamp_ms)).unwrap();
        field(2, &bytes)
    }

    fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Vec<u8> {
        let labels = labels.iter().flat_map(|(name, value)| label(name, value));
        let samples = samples.iter().flat_map(|(time, value)| sample(*time, *value));
        field(1, &labels.chain(samples).collect::<Vec<u8>>())
    }

    const OURS: &[(&str, &str)] = &[("__name__", "cpu"), ("a", "x")];

    /// Shows the samples, the others' names or the error.
    fn shown(message: &[u8], other_names: &[&str]) -> String {
        let labels = labels();
        let other_names = other_names.iter().map(|name| (*name).to_owned()).collect();
        let query = Query { labels: &labels, other_names: &other_names, range: RANGE };
        let mut samples = Vec::new();
        match decode(message, query, &mut samples) {
            Ok(Found::Samples) => {
                let shown: Vec<String> = samples
                    .iter()
                    .map(|sample| format!("{}={:x}", sample.timestamp.0, sample.value.to_bits()))
                    .collect();
                shown.join(" ")
            }
            Ok(Found::Others(names)) => format!("others: {}", names.join(" ")),
            Err(ReadError::Unreadable(problem)) => problem,
            Err(error) => format!("{error:?}"),
        }
    }

    #[track_caller]
    fn check(content: &[Vec<u8>], other_names: &[&str], expected: &str) {
        assert_eq!(shown(&field(1, &content.concat()), other_names), expected);
    }

    #[test]
    fn the_request_asks_for_one_series() {
        let labels = labels();
        let other_names = ["a", "b"].map(String::from).into();
        let query = Query { labels: &labels, other_names: &other_names, range: RANGE };
        let matcher = |name: &str, value: &str| {
            field(3, &[field(2, name.as_bytes()), field(3, value.as_bytes())].concat())
        };
        let times = vec![8, 0xe8, 7, 16, 0xd0, 15];
        let matchers = [matcher("__name__", "cpu"), matcher("a", "x"), matcher("b", "")].concat();
        let expected = [field(1, &[times, matchers].concat()), vec![18, 1, 0]].concat();
        assert_eq!(unpack_one(&encode(query)).unwrap(), expected);
    }

    #[test]
    fn the_bits_of_values_survive() {
        let values = [0.1 + 0.2, -0.0, f64::MIN_POSITIVE / 2.0, f64::from_bits(STALE_NAN_BITS)];
        let samples: Vec<(i64, f64)> = (1000..).zip(values).collect();
        let bits: Vec<String> =
            samples.iter().map(|(time, value)| format!("{time}={:x}", value.to_bits())).collect();
        check(&[series(OURS, &samples)], &[], &bits.join(" "));
        // Proto3 leaves zeros out; what we do not know is passed over.
        let zero = field(2, &[16, 0xe8, 7]);
        let unknown = [field(3, b"exemplar"), vec![0x78, 1]].concat();
        let content = [label("__name__", "cpu"), label("a", "x"), unknown, zero].concat();
        check(&[field(1, &content)], &[], "1000=0");
    }

    #[test]
    fn only_the_series_and_the_time_that_were_asked_for_are_taken() {
        check(&[], &[], "");
        let around = series(OURS, &[(999, 1.0), (1000, 0.0), (2000, 0.0), (2001, 1.0)]);
        check(&[around], &[], "1000=0 2000=0");
        let more = |value| series(&[("__name__", "cpu"), ("a", "x"), ("b", value)], &[(1500, 0.0)]);
        check(&[more("1"), more("2")], &[], "others: b");
        check(&[more("1"), series(OURS, &[(1000, 0.0)])], &[], "1000=0");
        // Asked to be absent and there all the same: the receiver adds it.
        check(&[more("1")], &["b"], "1500=0");
    }

    #[test]
    fn labels_made_of_metadata_are_no_foreign_ones() {
        let typed = |kind| [OURS, &[("__type__", kind), ("__unit__", "s")]].concat();
        let gauge = typed("gauge");
        check(&[series(&gauge, &[(1500, 1.0)])], &[], "1500=3ff0000000000000");
        // A part that was pushed by 1.0, and one by 2.0.
        let parts = [series(OURS, &[(1600, 0.0)]), series(&gauge, &[(1500, 0.0), (1700, 0.0)])];
        check(&parts, &[], "1500=0 1600=0 1700=0");
        let other = [&gauge[..], &[("b", "1")]].concat();
        check(&[series(&other, &[(1500, 0.0)])], &[], "others: b");
        check(&[series(&gauge, &[]), series(&gauge, &[])], &[], "it holds the series twice");
    }

    #[test]
    fn answers_to_another_query_are_refused() {
        let ours = || series(OURS, &[]);
        check(&[ours(), ours()], &[], "it holds the series twice");
        let other = "it holds a series with another label 'a'";
        check(&[series(&[("__name__", "cpu"), ("a", "y")], &[])], &[], other);
        check(&[series(&[("__name__", "cpu"), ("a", "x"), ("a", "x")], &[])], &[], other);
        let without = "it holds a series without all of our labels";
        check(&[series(&[("__name__", "cpu")], &[])], &[], without);
        check(&[field(1, &[])], &[], without);
        let unsorted = series(OURS, &[(1001, 0.0), (1000, 0.0)]);
        check(&[unsorted], &[], "its samples are not in the order of time");
        let nan = "its sample at 1000 ms is NaN, which this series never is";
        check(&[series(OURS, &[(1000, f64::NAN)])], &[], nan);
        let many: Vec<(String, String)> =
            (0..=OTHER_NAMES_MAX).map(|n| (format!("l{n}"), "x".into())).collect();
        let many: Vec<(&str, &str)> =
            many.iter().map(|(name, value)| (&**name, &**value)).collect();
        check(&[series(&many, &[])], &[], "it holds a series of too many labels");
        let none = "it does not hold the one result that was asked for";
        assert_eq!(shown(&[], &[]), none);
        assert_eq!(shown(&[field(1, &[]), field(1, &[])].concat(), &[]), none);
    }

    /// Shows all series of a result, with the times of their samples.
    fn shown_all(message: &[u8]) -> String {
        let mut found = AllSeries::new();
        if let Err(error) = decode_all(message, RANGE, &mut found) {
            return error.to_string();
        }
        let shown = found.iter().map(|(labels, samples)| {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let times: Vec<String> =
                samples.iter().map(|sample| sample.timestamp.0.to_string()).collect();
            format!("{}: {}", labels.join(","), times.join(" "))
        });
        shown.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn all_series_are_read_with_their_labels() {
        let alert = |host| [("__name__", "ALERTS"), ("host", host)];
        let stale = f64::from_bits(STALE_NAN_BITS);
        let all = [
            series(&alert("a"), &[(999, 1.0), (1000, 1.0), (2000, stale), (2001, 1.0)]),
            series(&alert("b"), &[(1500, f64::NAN)]),
            // A part that a receiver shows by itself.
            series(&[&alert("a")[..], &[("__type__", "gauge")]].concat(), &[(1500, 1.0)]),
        ];
        let expected = "__name__=ALERTS,host=a: 1000 2000 1500; __name__=ALERTS,host=b: 1500";
        assert_eq!(shown_all(&field(1, &all.concat())), expected);
        assert_eq!(shown_all(&field(1, &[])), "");
        let none = "the answer cannot be read: it does not hold the one result that was asked for";
        assert_eq!(shown_all(&[]), none);
        let whole = field(1, &all.concat());
        let malformed = "the answer cannot be read: its protobuf message is malformed";
        for length in 1..whole.len() {
            assert_eq!(shown_all(&whole[..length]), malformed, "{length} bytes");
        }
    }

    #[test]
    fn malformed_answers_are_refused() {
        let malformed = "its protobuf message is malformed";
        let whole = field(1, &series(OURS, &[(1000, 1.0)]));
        for length in 1..whole.len() {
            assert_eq!(shown(&whole[..length], &[]), malformed, "{length} bytes");
        }
        let mut nested = vec![0];
        for _ in 0..10_000 {
            nested = field(1, &nested[..nested.len().min(1000)]);
        }
        assert_ne!(shown(&nested, &[]), "");
        let wrong_type = field(1, &[8, 1]);
        assert_eq!(shown(&wrong_type, &[]), "a field has another type than it should");
    }

    #[test]
    fn snappy_is_checked_before_memory_is_taken() {
        let not_snappy = ReadError::Unreadable("it is not a snappy block".into());
        let block = Encoder::new().compress_vec(&[7; 1000]).unwrap();
        assert_eq!(unpack_one(&block), Ok(vec![7; 1000]));
        assert_eq!(unpack_one(&block[..block.len() - 1]), Err(not_snappy.clone()));
        assert_eq!(unpack_one(&[0xff; 9]), Err(not_snappy));
        let four_gigabytes = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        assert_eq!(unpack_one(&four_gigabytes), Err(ReadError::TooLarge));
    }

    #[test]
    fn a_hundred_thousand_mutations_never_panic() {
        let mut random = Random::new(9);
        let more = [("__name__", "cpu"), ("a", "x"), ("b", "1")];
        let valid = field(
            1,
            &[series(&more, &[(1000, 1.0)]), series(OURS, &[(1000, 1.0), (1001, -2.5)])].concat(),
        );
        let packed = Encoder::new().compress_vec(&valid).unwrap();
        let labels = labels();
        let other_names = BTreeSet::new();
        let query = Query { labels: &labels, other_names: &other_names, range: RANGE };
        let (mut samples, mut readable) = (Vec::new(), 0);
        for round in 0..100_000 {
            let mut bytes = if round % 2 == 0 { valid.clone() } else { packed.clone() };
            for _ in 0..=random.below(4) {
                mutate(&mut bytes, &mut random);
            }
            let message = if round % 2 == 0 { Ok(bytes) } else { unpack_one(&bytes) };
            let Ok(message) = message else { continue };
            let _ = decode_all(&message, RANGE, &mut AllSeries::new());
            readable += u32::from(decode(&message, query, &mut samples).is_ok());
        }
        assert!(readable > 1000, "{readable}: mutations that go unnoticed are in the values");
    }

    fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
        let byte = u8::try_from(random.below(256)).unwrap();
        if bytes.is_empty() {
            return bytes.push(byte);
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] = byte,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes.insert(at, byte),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            _ => bytes.extend_from_within(at..),
        }
    }
}
