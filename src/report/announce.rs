//! The first lines of a run's log: what is generated and where it goes.

use std::ops::Range;

use super::words::{count_of, in_words};
use super::{Field, Level, Report, times};
use crate::error::Escaped;
use crate::http::Target;
use crate::plan::{Named, Plan};
use crate::series::{Kind, MetricType, Occurrence};

/// Maximum number of label sets in the log.
const LABEL_SETS_MAX: usize = 3;

/// Logs the window, the series and their origin; `doing` is the first word, as in "Generating".
pub fn announce_plan(doing: &str, plan: &Plan, report: &Report) {
    let Range { start, end } = plan.times();
    let (from, to) = (report.local_time(start), report.local_time(end));
    let times = [("start", Field::Time(start)), ("end", Field::Time(end))];
    report.info("window", &times, &format!("{doing} timeseries from {from} to {to}"));
    let duration_ms = end.0.abs_diff(start.0);
    let duration_s = [("duration_s", Field::Value(duration_ms as f64 / 1000.0))];
    report.info("duration", &duration_s, &format!("Duration: {}", in_words(duration_ms)));
    let (name, metric_type) = (&plan.metric_name, plan.model.metric_type);
    let kind = if metric_type == MetricType::Counter { " (counter)" } else { "" };
    let fields = [("metric", Field::Text(name)), ("type", Field::Text(metric_type.name()))];
    report.info("metric", &fields, &format!("Metric: {name}{kind}"));
    for labels in plan.label_sets.iter().take(LABEL_SETS_MAX) {
        report.info("labels", &[("labels", Field::Labels(labels))], &format!("Labels: {labels}"));
    }
    let more = plan.label_sets.len().saturating_sub(LABEL_SETS_MAX) as u64;
    report.more(Level::Info, "more_series", more, &format!("(and {more} more series)"));
    let origin = plan.model.grid.origin;
    report.info("origin", &[("origin", Field::Time(origin))], &format!("Origin: {origin}"));
    for named in &plan.incidents {
        announce_incident(named, plan, report);
    }
    let zone = times::zone(start..end);
    report.info("zone", &[("zone", Field::Text(&zone))], &format!("Local time: {zone}"));
}

/// Logs what an incident is, and where it first is in the window.
fn announce_incident(named: &Named, plan: &Plan, report: &Report) {
    let (Named { text, incident, series_count }, ticks) = (named, plan.window.ticks());
    let (mut first, mut occurrence_count, mut count) = (None, 0, 0);
    for Occurrence { times, ticks: covered } in plan.model.occurrences(incident, ticks.clone()) {
        count += (covered.end.min(ticks.end) - covered.start.max(ticks.start)) * series_count;
        occurrence_count += 1;
        first.get_or_insert(times);
    }
    let mut fields = vec![
        ("incident", Field::Count(incident.number.into())),
        ("kind", Field::Text(incident.kind.name())),
        ("series_count", Field::Count(*series_count)),
        ("occurrence_count", Field::Count(occurrence_count)),
        ("count", Field::Count(count)),
    ];
    let mut line = format!("Incident {}: {}, ", incident.number, Escaped(text));
    let Some(Range { start, end }) = first else {
        return report.info("incident", &fields, &(line + "not in this window"));
    };
    fields.extend([("start", Field::Time(start)), ("end", Field::Time(end))]);
    line += &format!("from {} to {}", report.local_time(start), report.local_time(end));
    if let more @ 1.. = occurrence_count - 1 {
        line += &format!(" and {} more", count_of(more, "time"));
    }
    line += &format!(": {}", count_of(count, "datapoint"));
    if incident.kind == Kind::Gap {
        line += " left out";
    }
    if plan.own_count() > 1 {
        line += &format!(" of {series_count} series");
    }
    report.info("incident", &fields, &line);
}

/// Logs the target and where it came from.
pub fn announce_target(target: &Target, report: &Report) {
    let text = format!("Target: {} (from {})", target.shown_url(), target.shown_source());
    report.info("target", &[("url", Field::Text(&target.shown_url()))], &text);
}
