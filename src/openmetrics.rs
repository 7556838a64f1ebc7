//! OpenMetrics text: what `promtool tsdb create-blocks-from openmetrics` reads.
//!
//! Formats only. Source: OpenMetrics 1.0, "Text format"; timestamps are seconds there.

use std::fmt::Write as _;

use crate::labels::LabelSet;
use crate::remote_write::Metadata;
use crate::series::{MetricType, Sample};

/// The last line of a complete exposition.
pub const END: &str = "# EOF\n";

/// What the samples of a counter have after the name of their family.
const TOTAL: &str = "_total";

/// Returns the name of a metric family, or none of a counter whose samples cannot be one's.
pub fn family_name(metric_name: &str, metric_type: MetricType) -> Option<&str> {
    match metric_type {
        MetricType::Gauge => Some(metric_name),
        MetricType::Counter => metric_name.strip_suffix(TOTAL).filter(|name| !name.is_empty()),
    }
}

/// Returns the lines before a metric's samples.
///
/// # Panics
/// When the metric has no `family_name`.
pub fn header(metadata: Metadata<'_>) -> String {
    let Metadata { metric_name, metric_type, .. } = metadata;
    let name = family_name(metric_name, metric_type).expect("it is checked");
    let mut text = String::new();
    if !metadata.help.is_empty() {
        let _ = writeln!(text, "# HELP {name} {}", escaped(metadata.help));
    }
    let _ = writeln!(text, "# TYPE {name} {}", metric_type.name());
    text
}

/// Returns a series as a query names it: `cpu{a="b",c="d"}`.
pub fn series_name(labels: &LabelSet) -> String {
    let mut name = String::new();
    let mut pairs = String::new();
    for (label, value) in labels.pairs() {
        if &**label == "__name__" {
            name.push_str(value);
        } else {
            let comma = if pairs.is_empty() { "" } else { "," };
            let _ = write!(pairs, "{comma}{label}=\"{}\"", escaped(value));
        }
    }
    if !pairs.is_empty() {
        let _ = write!(name, "{{{pairs}}}");
    }
    name
}

/// The lines of one series.
pub struct Lines {
    /// Everything before the value.
    prefix: String,
}

impl Lines {
    /// Returns the lines of the series with these labels.
    pub fn of(labels: &LabelSet) -> Self {
        Self { prefix: series_name(labels) + " " }
    }

    /// Appends the line of `sample`, its value in the fewest digits that give the same bits.
    pub fn push(&self, sample: Sample, text: &mut String) {
        text.push_str(&self.prefix);
        // Debug, not Display: that writes 1e300 with 301 digits.
        let _ = writeln!(text, "{:?} {}", sample.value, sample.timestamp);
    }
}

/// Returns `text` escaped as HELP and label values are.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::TimestampMs;

    #[track_caller]
    fn check(labels: &[(&str, &str)], value: f64, ms: i64, expected: &str) {
        let labels = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let mut text = String::new();
        let sample = Sample { timestamp: TimestampMs(ms), value };
        Lines::of(&LabelSet::new("cpu", labels)).push(sample, &mut text);
        assert_eq!(text, expected);
    }

    #[test]
    fn a_line_holds_labels_value_and_seconds() {
        check(
            &[("a", "b"), ("c", "d,e")],
            12.5,
            1_700_000_000_000,
            "cpu{a=\"b\",c=\"d,e\"} 12.5 1700000000\n",
        );
        check(&[], -3.0, 1_700_000_000_125, "cpu -3.0 1700000000.125\n");
        check(&[("a", "q\"u\\o\nte")], 1e300, 5, "cpu{a=\"q\\\"u\\\\o\\nte\"} 1e300 0.005\n");
        check(&[], 0.1 + 0.2, -1500, "cpu 0.30000000000000004 -1.500\n");
    }

    #[test]
    fn the_header_names_help_and_type() {
        let metric_type = MetricType::Gauge;
        let metadata = |help| Metadata { metric_name: "cpu", metric_type, help };
        assert_eq!(
            header(metadata("it's\n\"x\"")),
            "# HELP cpu it's\\n\\\"x\\\"\n# TYPE cpu gauge\n"
        );
        assert_eq!(header(metadata("")), "# TYPE cpu gauge\n");
        let (metric_name, metric_type) = ("cpu_s_total", MetricType::Counter);
        let counter = header(Metadata { metric_name, metric_type, help: "x" });
        assert_eq!(counter, "# HELP cpu_s x\n# TYPE cpu_s counter\n");
    }

    #[test]
    fn a_family_of_counters_has_a_name_without_total() {
        assert_eq!(family_name("a_total", MetricType::Counter), Some("a"));
        assert_eq!(family_name("a_total", MetricType::Gauge), Some("a_total"));
        let not_a_counter = ["a", "total", "_total", "a_total_s", "a_totals"];
        assert!(not_a_counter.iter().all(|n| family_name(n, MetricType::Counter).is_none()));
    }
}
