//! The first lines of a run's log: what is generated and where it goes.

use std::ops::Range;

use super::words::in_words;
use super::{Field, Report, times};
use crate::http::Target;
use crate::plan::Plan;

/// Label sets that are logged one by one.
const LABEL_SETS_MAX: usize = 3;

/// Logs what is done with the series, such as "Generating", their window and their origin.
pub fn announce_plan(doing: &str, plan: &Plan, report: &Report) {
    let Range { start, end } = plan.times();
    let (from, to) = (report.local_time(start), report.local_time(end));
    let times = [("start", Field::Time(start)), ("end", Field::Time(end))];
    report.info("window", &times, &format!("{doing} timeseries from {from} to {to}"));
    let duration_ms = end.0.abs_diff(start.0);
    let duration_s = [("duration_s", Field::Value(duration_ms as f64 / 1000.0))];
    report.info("duration", &duration_s, &format!("Duration: {}", in_words(duration_ms)));
    let metric = [("metric", Field::Text(&plan.metric_name))];
    report.info("metric", &metric, &format!("Metric: {}", plan.metric_name));
    for labels in plan.label_sets.iter().take(LABEL_SETS_MAX) {
        report.info("labels", &[("labels", Field::Labels(labels))], &format!("Labels: {labels}"));
    }
    if let Some(more @ 1..) = plan.label_sets.len().checked_sub(LABEL_SETS_MAX) {
        let count = [("count", Field::Count(more as u64))];
        report.info("more_series", &count, &format!("(and {more} more series)"));
    }
    let origin = plan.model.grid.origin;
    report.info("origin", &[("origin", Field::Time(origin))], &format!("Origin: {origin}"));
    let zone = times::zone(start..end);
    report.info("zone", &[("zone", Field::Text(&zone))], &format!("Local time: {zone}"));
}

/// Logs the target and where it came from.
pub fn announce_target(target: &Target, report: &Report) {
    let text = format!("Target: {} (from {})", target.shown_url(), target.shown_source());
    report.info("target", &[("url", Field::Text(&target.shown_url()))], &text);
}
