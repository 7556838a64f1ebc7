//! The window as a test file of `promtool test rules`: series whose values are known, to which
//! the rules and what is expected of them are appended.
//!
//! Formats only, series by series. Source: Prometheus, docs/configuration, "Unit testing for rules".

use std::iter;
use std::time::Duration;

use crate::openmetrics::series_name;
use crate::plan::{Plan, show_duration};
use crate::report::utc_time;

/// The longest time between two evaluations of the rules: what a Prometheus has by default.
const EVALUATION_MS_MAX: u64 = 60_000;
/// Values in a line; YAML makes one text of all lines.
const LINE_VALUE_COUNT: u64 = 10;

/// Returns the file, in parts.
pub(super) fn rule_test(plan: &Plan) -> impl Iterator<Item = String> {
    let (step_ms, first) = (plan.model.grid.step_ms, plan.window.first_index);
    let start = utc_time(plan.model.grid.time_of(first));
    let [step, evaluation] = [step_ms, step_ms.min(EVALUATION_MS_MAX)]
        .map(|ms| show_duration(Duration::from_millis(ms)));
    let head = format!(
        "# A test of rules: promtool test rules FILE
# Its clock begins at 0, which is {start} UTC here: no rule with time() or hour() fits.
# Append what is expected at which time, for each alert all of its labels but alertname:
#    alert_rule_test:
#      - {{alertname: NAME, eval_time: 12m, exp_alerts: [{{exp_labels: {{LABEL: VALUE}}}}]}}
#rule_files: [FILE]
evaluation_interval: {evaluation}
tests:
  - interval: {step}
    input_series:
"
    );
    let series = plan.label_sets.iter().enumerate().flat_map(move |(k, labels)| {
        let name = quoted(&series_name(labels));
        let ticks = plan.iter_from(k, first).zip(0..plan.window.tick_count);
        let values = ticks.map(|(tick, position)| {
            let line = if position % LINE_VALUE_COUNT == 0 { "\n         " } else { "" };
            format!("{line} {}", tick.value.map_or_else(|| "_".to_owned(), number))
        });
        iter::once(format!("      - series: {name}\n        values: >-"))
            .chain(values)
            .chain(iter::once("\n".to_owned()))
    });
    iter::once(head).chain(series)
}

/// Returns the fewest digits that give the same bits.
fn number(value: f64) -> String {
    // Debug, not Display: that writes 1e300 with 301 digits.
    let text = format!("{value:?}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// Returns a series in single quotes. What YAML does not take there, or takes for the end of a
/// line, is escaped as in PromQL's strings.
fn quoted(series: &str) -> String {
    let mut text = String::new();
    for c in series.chars() {
        match c {
            '\'' => text.push_str("''"),
            ' '..='~' => text.push(c),
            _ if c.is_alphanumeric() => text.push(c),
            _ => text.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    format!("'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_number(value: f64, expected: &str) {
        assert_eq!(number(value), expected);
        assert_eq!(expected.parse::<f64>().unwrap().to_bits(), value.to_bits());
    }

    #[test]
    fn a_number_has_the_fewest_digits() {
        check_number(0.0, "0");
        check_number(5.0, "5");
        check_number(-12.5, "-12.5");
        check_number(0.1 + 0.2, "0.30000000000000004");
        check_number(1e15, "1000000000000000");
        check_number(1e16, "1e16");
        check_number(1e-7, "1e-7");
        check_number(5e-324, "5e-324");
        check_number(f64::MAX, "1.7976931348623157e308");
        check_number(f64::NEG_INFINITY, "-inf");
    }

    #[track_caller]
    fn check_quoted(series: &str, expected: &str) {
        assert_eq!(quoted(series), expected);
    }

    #[test]
    fn a_series_is_quoted_for_yaml() {
        check_quoted(r#"cpu{a="b"}"#, r#"'cpu{a="b"}'"#);
        check_quoted(r#"cpu{a="it's"}"#, r#"'cpu{a="it''s"}'"#);
        check_quoted(r#"cpu{a="q\"\\\n"}"#, r#"'cpu{a="q\"\\\n"}'"#);
        check_quoted("Zürich 東京", "'Zürich 東京'");
        check_quoted(
            "\t\u{7f}\u{85}\u{2028}\u{1f600}",
            r"'\U00000009\U0000007f\U00000085\U00002028\U0001f600'",
        );
    }
}
