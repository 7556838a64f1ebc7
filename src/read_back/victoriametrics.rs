//! VictoriaMetrics, which has no remote read: its label names, and its export as CSV and JSON lines.
//!
//! It keeps about 12 digits of a value, so what is read here is never compared by its bits.
//! Source: docs.victoriametrics.com, "How to export CSV data" and "How to export data in JSON line
//! format"; docs/protocol.md 3C.4.

use std::collections::BTreeSet;

use super::answer::{
    AllSeries, Labels, OTHER_NAMES_MAX, ReadError, SAMPLES_MAX, TimeRange, sort_by_time, unreadable,
};
use super::message::Query;
use crate::remote_write::STALE_NAN_BITS;
use crate::series::{Sample, TimestampMs};

/// Most samples of a block.
/// Source: VictoriaMetrics, lib/storage/block.go, maxRowsPerBlock.
pub const BLOCK_SAMPLES_MAX: u64 = 8 * 1024;

/// How far a value read may be from the one that was sent.
///
/// A block of samples shares one decimal exponent, and whole numbers of 64 bits: a value far
/// smaller than another one in its block loses digits.
/// Source: VictoriaMetrics, lib/decimal, CalibrateScale; measured on 1.79.5, for values of
/// 1e-8 to 1e12 in one block: 0.82e-12 of the value, and 1e-18 of the largest one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tolerance {
    /// The largest absolute value among those read.
    pub magnitude_max: f64,
}

impl Tolerance {
    /// Returns whether `found` may be what a receiver keeps of `value`.
    pub fn allows(self, found: f64, value: f64) -> bool {
        (found - value).abs() <= 2e-12 * value.abs() + 2e-18 * self.magnitude_max
    }
}

/// Part of its answer to remote read.
pub const ANSWER_TO_REMOTE_READ: &str = "unsupported path requested";

/// The headers of a request. Its parameters are posted, because label values make them longer
/// than the address that a server or a proxy takes.
pub const REQUEST_HEADERS: &[(&str, &str)] =
    &[("Content-Type", "application/x-www-form-urlencoded")];

/// Returns the address and the parameters of a request for the names of all labels that series
/// of this metric have.
///
/// From the epoch on: without a start it would only look at the last days or minutes.
pub fn label_names(read_url: &str, query: Query<'_>, now: TimestampMs) -> (String, String) {
    let selector = selector(query.matchers().filter(|(name, _)| *name == "__name__"), now);
    (url(read_url, "labels"), format!("match[]={}&start=1", encoded(&selector)))
}

/// Returns the address and the parameters of a request for the samples of the series.
pub fn export(read_url: &str, query: Query<'_>, now: TimestampMs) -> (String, String) {
    let parameters = format!("format=__timestamp__:unix_ms,__value__&{}", selected(query, now));
    (url(read_url, "export/csv"), parameters)
}

/// Returns the address and the parameters of a request for all series that have these labels.
pub fn export_all(read_url: &str, query: Query<'_>, now: TimestampMs) -> (String, String) {
    (url(read_url, "export"), selected(query, now))
}

fn selected(query: Query<'_>, now: TimestampMs) -> String {
    let selector = selector(query.matchers(), now);
    let seconds = |time: TimestampMs| format!("{}.{:03}", time.0 / 1000, time.0.max(0) % 1000);
    let (start, end) = (seconds(query.range.start), seconds(query.range.end));
    format!("match[]={}&start={start}&end={end}", encoded(&selector))
}

/// Returns the address next to `.../api/v1/read`, with the same query.
fn url(read_url: &str, path: &str) -> String {
    let query_start = read_url.find('?').unwrap_or(read_url.len());
    let (address, query) = read_url.split_at(query_start);
    let base = address.strip_suffix("/read").unwrap_or(address).trim_end_matches('/');
    format!("{base}/{path}{query}")
}

/// Returns a selector that was never sent before, because one that found nothing keeps finding
/// nothing for ten seconds, even after samples came in. A label that no series has makes it unique.
/// Source: docs.victoriametrics.com, "MetricsQL"; prometheus.io, "String literals"; the ten
/// seconds measured on 1.79.5, where new samples show after two otherwise.
fn selector<'a>(matchers: impl Iterator<Item = (&'a str, &'a str)>, now: TimestampMs) -> String {
    let quoted = |value: &str| {
        value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n").replace('\r', r"\r")
    };
    let pairs: Vec<String> =
        matchers.map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
    format!("{{{},asked_at_{}=\"\"}}", pairs.join(","), now.0)
}

/// Source: RFC 3986, section 2.3, unreserved characters.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => encoded.push(char::from(b)),
            b => encoded.push_str(&format!("%{b:02X}")),
        }
    }
    encoded
}

/// Parses the names in `{"status":"success","data":["__name__","a"]}`.
///
/// # Errors
/// It is something else, or more than can be told apart.
pub fn parse_label_names(json: &[u8]) -> Result<BTreeSet<String>, ReadError> {
    let text = str::from_utf8(json).ok();
    let list = text
        .filter(|text| text.contains(r#""status":"success""#))
        .and_then(|text| text.split_once(r#""data":["#)?.1.split_once(']'));
    let Some((list, _)) = list else { return unreadable("it is not a list of label names") };
    let is_plain = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let unquoted = |name: &str| {
        let name = name.strip_prefix('"')?.strip_suffix('"').filter(is_plain)?;
        Some(name.to_owned())
    };
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut found = BTreeSet::new();
    for name in names {
        let Some(name) = unquoted(name) else {
            return unreadable("another series of this metric has a name with odd characters");
        };
        found.insert(name);
    }
    if found.len() > OTHER_NAMES_MAX {
        return unreadable("series of this metric have too many different labels");
    }
    Ok(found)
}

/// Parses lines of `timestamp_ms,value`, and sorts them.
///
/// # Errors
/// A line is something else; a first line of names is skipped.
pub fn parse_csv(csv: &[u8], range: TimeRange, samples: &mut Vec<Sample>) -> Result<(), ReadError> {
    samples.clear();
    let problem = "it is not a list of timestamps and values";
    let text = str::from_utf8(csv).or_else(|_| unreadable(problem))?;
    // Newer versions write the names in the first line.
    let lines = text.lines().enumerate();
    for (_, line) in lines.filter(|(n, line)| *n > 0 || !line.starts_with("__timestamp__")) {
        let Some(sample) = parse_line(line) else { return unreadable(problem) };
        if range.holds(sample.timestamp) {
            if samples.len() == SAMPLES_MAX {
                return Err(ReadError::TooLarge);
            }
            samples.push(sample);
        }
    }
    // Blocks are exported in no particular order.
    sort_by_time(samples);
    Ok(())
}

fn parse_line(line: &str) -> Option<Sample> {
    let (timestamp_ms, value) = line.split_once(',')?;
    sample(timestamp_ms, value.parse().ok()?)
}

fn sample(timestamp_ms: &str, value: f64) -> Option<Sample> {
    // The only NaN that it keeps is the stale marker.
    let value = if value.is_nan() { f64::from_bits(STALE_NAN_BITS) } else { value };
    Some(Sample { timestamp: TimestampMs(timestamp_ms.parse().ok()?), value })
}

/// Adds the series in lines of `{"metric":{"a":"b"},"values":[1,null],"timestamps":[1,2]}`, of
/// which several may be for one.
///
/// # Errors
/// A line is something else.
pub fn parse_json_lines(
    json: &[u8],
    range: TimeRange,
    found: &mut AllSeries,
) -> Result<(), ReadError> {
    for line in json.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let series = str::from_utf8(line).ok().and_then(parse_series);
        let Some((labels, samples)) = series else {
            return unreadable("it is not a list of series in JSON");
        };
        let samples = samples.into_iter().filter(|sample| range.holds(sample.timestamp));
        found.entry(labels).or_default().extend(samples);
    }
    Ok(())
}

fn parse_series(line: &str) -> Option<(Labels, Vec<Sample>)> {
    let mut rest = line.strip_prefix(r#"{"metric":{"#)?;
    let mut labels = Labels::new();
    while let Some((name, after)) = json_string(rest.strip_prefix(',').unwrap_or(rest)) {
        let (value, after) = json_string(after.strip_prefix(':')?)?;
        labels.insert(name, value);
        rest = after;
    }
    let (values, rest) = rest.strip_prefix(r#"},"values":["#)?.split_once(']')?;
    let (times, rest) = rest.strip_prefix(r#","timestamps":["#)?.split_once(']')?;
    let number = |text: &str| match text {
        "null" => Some(f64::NAN),
        // An infinite value is in quotes.
        text => text.trim_matches('"').parse().ok(),
    };
    let count_of = |list: &str| list.split(',').count();
    let pairs = values.split(',').zip(times.split(','));
    let samples = pairs.map(|(value, time)| sample(time, number(value)?)).collect::<Option<_>>()?;
    (rest.trim() == "}" && count_of(values) == count_of(times)).then_some((labels, samples))
}

/// Returns the string that a text begins with, and what follows.
/// Source: RFC 8259, section 7.
fn json_string(text: &str) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut string = String::new();
    loop {
        string.push(match chars.next()? {
            '"' => return Some((string, chars.as_str())),
            '\\' => match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => {
                    let digits = chars.as_str().get(..4)?;
                    chars = chars.as_str()[4..].chars();
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                c => c,
            },
            c => c,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::Random;
    use crate::labels::LabelSet;

    #[test]
    fn a_value_far_smaller_than_its_neighbors_has_fewer_digits() {
        // As a VictoriaMetrics 1.79 kept it among values around 10.
        let (found, value) = (0.000_000_892_722_928_46, 0.000_000_892_722_928_469_424_9);
        assert!(Tolerance { magnitude_max: 20.0 }.allows(found, value));
        assert!(!Tolerance { magnitude_max: 2.0 }.allows(found, value));
        assert!(!Tolerance { magnitude_max: 20.0 }.allows(0.000_000_892_723, value));
        let alone = Tolerance { magnitude_max: 1.0 };
        assert!(alone.allows(1.0, 1.0 + 1.9e-12) && !alone.allows(1.0, 1.0 + 2.1e-12));
    }

    const RANGE: TimeRange = TimeRange { start: TimestampMs(1500), end: TimestampMs(2000) };

    fn shown(csv: &str) -> String {
        let mut samples = Vec::new();
        match parse_csv(csv.as_bytes(), RANGE, &mut samples) {
            Ok(()) => {
                let shown: Vec<String> = samples
                    .iter()
                    .map(|sample| format!("{}={}", sample.timestamp.0, sample.value))
                    .collect();
                shown.join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn csv_is_read_with_and_without_names_and_sorted() {
        assert_eq!(shown(""), "");
        assert_eq!(shown("2000,2.5\n1500,1e-3\n2001,3\n1499,1\n"), "1500=0.001 2000=2.5");
        assert_eq!(shown("__timestamp__:unix_ms,__value__\n1600,NaN\n"), "1600=NaN");
        let error = "the answer cannot be read: it is not a list of timestamps and values";
        for csv in ["<html>", "1600", "1600,", "1600,1\n__timestamp__,", "1600;1", "1.5,1"] {
            assert_eq!(shown(csv), error, "{csv}");
        }
    }

    fn shown_all(json: &str) -> String {
        let mut found = AllSeries::new();
        if let Err(error) = parse_json_lines(json.as_bytes(), RANGE, &mut found) {
            return error.to_string();
        }
        let shown = found.iter().map(|(labels, samples)| {
            let samples: Vec<String> = samples
                .iter()
                .map(|sample| format!("{}={}", sample.timestamp.0, sample.value))
                .collect();
            format!("{labels:?} {}", samples.join(" "))
        });
        shown.collect::<Vec<_>>().join("; ")
    }

    const LINE: &str = r#"{"metric":{"__name__":"A","b":"c"},"values":[1,null,0.5],"timestamps":[1500,1600,2001]}"#;

    #[test]
    fn json_lines_are_read_as_series() {
        assert_eq!(shown_all(""), "");
        let one = r#"{"__name__": "A", "b": "c"} 1500=1 1600=NaN"#;
        assert_eq!(shown_all(LINE), one);
        // Block by block.
        let more = LINE.replace("1500", "1700");
        assert_eq!(shown_all(&format!("{LINE}\n{more}\n")), format!("{one} 1700=1 1600=NaN"));
        let odd =
            r#"{"metric":{"a":"é\"\\,}]\n\u003c"},"values":["Infinity"],"timestamps":[1500]}"#;
        assert_eq!(shown_all(odd), r#"{"a": "é\"\\,}]\n<"} 1500=inf"#);
        let none = r#"{"metric":{},"values":[1e3],"timestamps":[2000]}"#;
        assert_eq!(shown_all(none), "{} 2000=1000");
    }

    #[test]
    fn other_json_is_refused() {
        let error = "the answer cannot be read: it is not a list of series in JSON";
        for length in 1..LINE.len() {
            assert_eq!(shown_all(&LINE[..length]), error, "{length} bytes");
        }
        for (old, new) in [
            ("[1,null,0.5]", "[1,null]"),
            ("[1,null,0.5]", "[1,true,0.5]"),
            ("1600", "16.5"),
            (r#""b":"c""#, r#""b":1"#),
            (r#""b":"c""#, r#""b":"\ud800""#),
            ("metric", "error"),
            ("]}", "]}}"),
        ] {
            assert_eq!(shown_all(&LINE.replace(old, new)), error, "{new}");
        }
    }

    #[test]
    fn names_of_labels_are_read() {
        let shown = |json: &str| match parse_label_names(json.as_bytes()) {
            Ok(names) => names.into_iter().collect::<Vec<_>>().join(" "),
            Err(_) => "unreadable".into(),
        };
        assert_eq!(shown(r#"{"status":"success","data":["__name__","b","a"]}"#), "__name__ a b");
        assert_eq!(shown(r#"{"status":"success","isPartial":false,"data":[]}"#), "");
        for json in [
            "",
            "[]",
            r#"{"data":["a"]}"#,
            r#"{"status":"success","data":["a"#,
            r#"{"status":"success","data":["a\"b"]}"#,
        ] {
            assert_eq!(shown(json), "unreadable", "{json}");
        }
    }

    #[test]
    fn requests_go_next_to_the_address_of_remote_read() {
        let labels = LabelSet::new("cpu", vec![("a".into(), "x\"é&".into())]);
        let other_names = ["a", "b"].map(String::from).into();
        let query = Query { labels: &labels, other_names: &other_names, range: RANGE };
        let (url, form) = export("http://h/api/v1/read?token=t", query, TimestampMs(7));
        assert_eq!(url, "http://h/api/v1/export/csv?token=t");
        let selector = "%7B__name__%3D%22cpu%22%2Ca%3D%22x%5C%22%C3%A9%26%22%2Cb%3D%22%22%2C\
                        asked_at_7%3D%22%22%7D";
        let format = "format=__timestamp__:unix_ms,__value__";
        let times = "&start=1.500&end=2.000";
        assert_eq!(form, format!("{format}&match[]={selector}{times}"));
        let (url, form) = label_names("http://h/api/v1/", query, TimestampMs(7));
        assert_eq!(url, "http://h/api/v1/labels");
        let selector = "%7B__name__%3D%22cpu%22%2Casked_at_7%3D%22%22%7D";
        assert_eq!(form, format!("match[]={selector}&start=1"));
    }

    #[test]
    fn generated_answers_never_panic() {
        let mut random = Random::new(11);
        for _ in 0..100_000 {
            let csv = random.mutated("1600,1.5\n1700,-2e9\n");
            let _ = shown(&csv);
            let _ = shown_all(&random.mutated(LINE));
            let json = random.mutated(r#"{"status":"success","data":["a","b"]}"#);
            let _ = parse_label_names(json.as_bytes());
        }
    }
}
