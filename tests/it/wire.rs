//! The messages, byte for byte those of an independent encoder (tests/golden/README.md).

use push_live_metrics::labels::LabelSet;
use push_live_metrics::remote_write::{Metadata, TimeSeries, v1, v2};
use push_live_metrics::series::{Grid, Incident, Kind, MetricType, Sample, Starts, TimestampMs};

use crate::support::text_of;

type Label = (String, String);

/// One case of a golden file.
#[derive(Default)]
struct Case {
    name: String,
    series: Vec<(Vec<Label>, Vec<Sample>)>,
    /// Start timestamps, in order.
    starts: Vec<i64>,
    metadata: Vec<(MetricType, String, String)>,
    bytes: Vec<u8>,
}

impl Case {
    fn line(&mut self, line: &str) {
        let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
        match keyword {
            "case" => self.name = rest.into(),
            "series" => self.series.push(Default::default()),
            "label" => {
                let (name, value) = rest.split_once(' ').unwrap();
                self.series.last_mut().unwrap().0.push((name.into(), value.into()));
            }
            "metadata" => {
                let mut fields = rest.splitn(3, ' ');
                let metric_type = match fields.next() {
                    Some("1") => MetricType::Counter,
                    Some("2") => MetricType::Gauge,
                    other => panic!("type {other:?}"),
                };
                let family = fields.next().unwrap().into();
                let help = fields.next().unwrap_or_default().into();
                self.metadata.push((metric_type, family, help));
            }
            "sample" => {
                let fields: Vec<&str> = rest.split(' ').collect();
                let value = f64::from_bits(u64::from_str_radix(fields[0], 16).unwrap());
                let timestamp = TimestampMs(fields[1].parse().unwrap());
                self.starts.extend(fields.get(2).map(|start| start.parse::<i64>().unwrap()));
                self.series.last_mut().unwrap().1.push(Sample { timestamp, value });
            }
            "symbol" => {}
            "bytes" => self.bytes = from_hex(rest),
            _ => panic!("{line:?} has no known keyword"),
        }
    }

    /// Checks that `encode` gives the case's bytes.
    fn check(&self, encode: fn(&[TimeSeries<'_>], &[Metadata<'_>], &mut Vec<u8>)) {
        let labels: Vec<LabelSet> = self.series.iter().map(|(pairs, _)| label_set(pairs)).collect();
        let first = self.starts.first().copied().map(TimestampMs);
        let reset = |start: &i64| Incident {
            number: 1,
            kind: Kind::Reset,
            start_ms: start.abs_diff(self.starts[0]),
            length_ms: 1,
            every_ms: None,
        };
        let incidents: Vec<Incident> = self.starts.iter().map(reset).collect();
        let starts =
            first.map(|origin| Starts { grid: Grid { origin, step_ms: 1 }, incidents: &incidents });
        let series: Vec<TimeSeries<'_>> = labels
            .iter()
            .zip(&self.series)
            .map(|(labels, (_, samples))| TimeSeries { labels, samples, starts })
            .collect();
        let metadata = self.metadata.iter().map(|(metric_type, metric_name, help)| Metadata {
            metric_name,
            metric_type: *metric_type,
            help,
        });
        let metadata: Vec<_> = metadata.collect();
        let mut bytes = Vec::new();
        encode(&series, &metadata, &mut bytes);
        assert_eq!(hex(&bytes), hex(&self.bytes), "case {}", self.name);
    }
}

fn label_set(pairs: &[Label]) -> LabelSet {
    let (name, labels): (Vec<_>, Vec<_>) =
        pairs.iter().cloned().partition(|(name, _)| name == "__name__");
    LabelSet::new(&name[0].1, labels)
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cases(file: &str) -> Vec<Case> {
    let text = text_of(&format!("tests/golden/{file}"));
    let cases = text.trim_end_matches('\n').split("\n\n").map(|block| {
        let mut case = Case::default();
        block.lines().filter(|line| !line.starts_with('#')).for_each(|line| case.line(line));
        case
    });
    cases.filter(|case| !case.name.is_empty()).collect()
}

#[test]
fn golden_1_0_messages_have_the_official_bytes() {
    let cases = cases("write_request_v1.txt");
    // Several metrics in one request are not what this sender makes.
    let ours = cases.iter().filter(|case| case.metadata.len() <= 1);
    let count = ours.map(|case| case.check(v1::encode)).count();
    println!("{count} of {} messages compared", cases.len());
    assert!(count >= 10);
}

#[test]
fn golden_2_0_messages_have_the_official_bytes() {
    let cases = cases("write_request_v2.txt");
    let ours = cases.iter().filter(|case| {
        // The metadata stands in every series, and is the same in all of them.
        !case.series.is_empty()
            && case.metadata.len() == case.series.len()
            && case.metadata.iter().all(|metadata| *metadata == case.metadata[0])
    });
    let count = ours.map(|case| case.check(v2::encode)).count();
    println!("{count} of {} messages compared", cases.len());
    assert!(count >= 10);
}
