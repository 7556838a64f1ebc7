//! A verdict in words: which incidents were noticed and when, what fired for nothing, the counts.

use super::Verify;
use super::alerts::Judging;
use super::judge::{FalseAlarm, Fate, Judged, KEPT_MAX, OF_THE_ALERT, Verdict};
use crate::error::{Escaped, Exit};
use crate::labels::LabelSet;
use crate::read_back::Labels;
use crate::report::words::{count_of, in_words};
use crate::report::{Field, Level, Report};

impl Judging<'_> {
    /// Says what alerts noticed, and what may be wrong with them; returns the exit code.
    pub(super) fn print(&self, verdict: &Verdict, hints: &[String]) -> Exit {
        let report = self.verify.report;
        let (exit, level, sign) = match verdict.is_good() {
            true if verdict.is_always_firing() => {
                report.end_quiet();
                (Exit::Success, Level::Warning, "✓")
            }
            true => (Exit::Success, Level::Info, "✓"),
            false => {
                report.end_quiet();
                (Exit::Different, Level::Error, "✗")
            }
        };
        let (detected, false_alarms) =
            (verdict.detected, count_of(verdict.false_alarms, "false alarm"));
        let incidents = count_of(detected + verdict.missed, "incident");
        let text = format!("{sign} Verdict: {detected} of {incidents} detected, {false_alarms}");
        report.title(level, "verdict", &text);
        self.print_incidents(verdict);
        self.print_false_alarms(verdict);
        for (alert, counts) in self.config.alerts.iter().zip(&verdict.by_alert) {
            let fields = [
                ("alert", Field::Text(alert.name())),
                ("detected", Field::Count(counts.detected)),
                ("false_alarms", Field::Count(counts.false_alarms)),
            ];
            let name = quoted(alert.name());
            let false_alarms = count_of(counts.false_alarms, "false alarm");
            let text = format!("{name}: {} of {incidents}, {false_alarms}", counts.detected);
            report.info("alert_counts", &fields, &text);
        }
        hints.iter().for_each(|hint| report.hint(level, hint));
        print_summary(verdict, report, (exit, level));
        exit
    }

    /// Logs a line for each incident and series; of many for the missed first.
    fn print_incidents(&self, verdict: &Verdict) {
        let kept = verdict.kept_missed.iter().chain(&verdict.kept_detected);
        let mut shown: Vec<&Judged> = kept.take(KEPT_MAX).collect();
        shown.sort_unstable_by_key(|judged| (judged.times.start, judged.number, judged.series));
        for judged in &shown {
            self.print_incident(judged);
        }
        let more = verdict.detected + verdict.missed - shown.len() as u64;
        let text = format!("And {}", count_of(more, "more incident"));
        self.verify.report.more(Level::Info, "more_incidents", more, &text);
    }

    fn print_incident(&self, judged: &Judged) {
        let Verify { plan, report, .. } = self.verify;
        let labels = &plan.label_sets[judged.series];
        let (alert, number) = (&self.config.alerts[judged.alert], judged.number);
        let named = &plan.incidents[usize::from(number) - 1];
        let mut fields = vec![
            ("incident", Field::Count(number.into())),
            ("kind", Field::Text(named.incident.kind.name())),
            ("labels", Field::Labels(labels)),
            ("start", Field::Time(judged.times.start)),
            ("end", Field::Time(judged.times.end)),
        ];
        let name = quoted(alert.name());
        let after = |ms: i64| format!("{name} after {}", in_words(ms.unsigned_abs()));
        let (level, outcome, text, delay_ms) = match judged.fate {
            Fate::Detected(None) => {
                (Level::Info, "already_firing", format!("✓ {name} was firing already"), None)
            }
            Fate::Detected(Some(ms)) => {
                (Level::Info, "detected", format!("✓ {}", after(ms)), Some(ms))
            }
            Fate::Late(ms) => (Level::Error, "late", format!("✗ late: {}", after(ms)), Some(ms)),
            Fate::Missed => (Level::Error, "missed", "✗ missed".to_owned(), None),
        };
        fields.push(("outcome", Field::Text(outcome)));
        if judged.fate != Fate::Missed {
            fields.push(("alert", Field::Text(alert.name())));
        }
        fields.extend(delay_ms.map(|ms| ("delay_s", Field::Value(ms as f64 / 1000.0))));
        let time = report.local_time(judged.times.start);
        let mut text = format!("Incident {number} at {time}, {}: {text}", Escaped(&named.text));
        if plan.own_count() > 1 {
            text += &format!(" (labels: {labels})");
        }
        report.log(level, "alert", &fields, &text);
    }

    fn print_false_alarms(&self, verdict: &Verdict) {
        let report = self.verify.report;
        for FalseAlarm { span, alert, labels } in &verdict.kept_false_alarms {
            let (name, labels) = (self.config.alerts[*alert].name(), shown_labels(labels));
            let fields = [
                ("outcome", Field::Text("false_alarm")),
                ("alert", Field::Text(name)),
                ("labels", Field::Labels(&labels)),
                ("start", Field::Time(span.first)),
                ("end", Field::Time(span.last)),
            ];
            let (name, first, last) =
                (quoted(name), report.local_time(span.first), report.local_time(span.last));
            let text = format!("✗ False alarm: {name} from {first} to {last} (labels: {labels})");
            report.log(Level::Error, "alert", &fields, &text);
        }
        let more = verdict.false_alarms - verdict.kept_false_alarms.len() as u64;
        let text = format!("And {}", count_of(more, "more false alarm"));
        report.more(Level::Error, "more_false_alarms", more, &text);
    }
}

fn print_summary(verdict: &Verdict, report: &Report, (exit, level): (Exit, Level)) {
    let Verdict { detected, missed, late, false_alarms, .. } = *verdict;
    let mut fields = vec![
        ("incidents", Field::Count(detected + missed)),
        ("detected", Field::Count(detected)),
        ("missed", Field::Count(missed)),
        ("late", Field::Count(late)),
        ("false_alarms", Field::Count(false_alarms)),
        ("exit_code", Field::Count(exit as u64)),
    ];
    let mut text = format!(
        "Alerts: {} = {detected} detected + {missed} missed ({late} late); {}",
        count_of(detected + missed, "incident"),
        count_of(false_alarms, "false alarm")
    );
    if let Some(delays) = verdict.delays() {
        let [min, median, max] = delays.map(|ms| ms as f64 / 1000.0);
        fields.extend([
            ("delay_min_s", Field::Value(min)),
            ("delay_median_s", Field::Value(median)),
            ("delay_max_s", Field::Value(max)),
        ]);
        let [min, median, max] = delays.map(|ms| in_words(ms.unsigned_abs()));
        text += &format!("; delay min {min}, median {median}, max {max}");
    }
    report.log(level, "alert_summary", &fields, &text);
}

/// Returns a name from outside as it stands in a line.
pub(super) fn quoted(name: &str) -> String {
    format!("'{}'", Escaped(name))
}

/// Returns the labels of an alert's series that tell it from the others of that alert, with plain
/// names.
pub(super) fn shown_labels(labels: &Labels) -> LabelSet {
    let is_odd = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let plain = labels.iter().map(|(name, value)| (name.replace(is_odd, "_"), value.clone()));
    let is_shown = |(name, value): &(String, String)| {
        !OF_THE_ALERT.contains(&name.as_str()) && !value.is_empty()
    };
    // Two may have become one.
    let mut shown = Labels::new();
    shown.extend(plain.filter(is_shown));
    LabelSet::new("ALERTS", shown.into_iter().collect())
}
