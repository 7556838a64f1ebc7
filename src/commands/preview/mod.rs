//! The preview verb: shows a window of a series, as a chart, CSV or a test file. Sends nothing.
//!
//! Times are UTC moved by `--utc-offset`, the time of day that the season goes by, so that a
//! window looks the same on every host.

mod axis;
mod canvas;
mod chart;
mod rules;

use std::collections::BTreeSet;
use std::iter;
use std::ops::Range;

use chart::{COLUMNS_MIN, Mark, Style, chart};
use rules::rule_test;

use crate::error::{BadInput, Error, Escaped, Exit, unusable};
use crate::openmetrics::series_name;
use crate::plan::Plan;
use crate::report::terminal;
use crate::report::words::{count_of, offset_in_words, step_in_words, wrapped};
use crate::report::{json_text, stdout, utc_time};
use crate::series::{SeriesIter, Tick, TimestampMs};

/// The width of a chart where no terminal says otherwise.
const COLUMNS: usize = 80;
/// The height of the plot of one series, and of each of several.
const ROWS: usize = 16;
const ROWS_OF_SEVERAL: usize = 8;
/// Series beyond these are counted, not drawn.
const CHART_COUNT_MAX: usize = 3;
/// Datapoints of all charts; they take about 3 seconds.
const DRAWN_COUNT_MAX: u64 = 20_000_000;

/// What the preview verb needs.
#[derive(Debug)]
pub struct PreviewConfig {
    /// The ticks to show.
    pub plan: Plan,
    /// The format.
    pub form: PreviewForm,
}

/// The format in which a window is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewForm {
    /// A chart.
    Chart {
        /// Its width; by default that of the terminal.
        columns: Option<usize>,
        /// Plain ASCII, also when the terminal can show more.
        is_ascii: bool,
    },
    /// Lines of `timestamp,value`.
    Csv,
    /// Lines of `timestamp,value,is_anomaly,incident`.
    Truth,
    /// The times that incidents cover, as the Numenta Anomaly Benchmark has them.
    Windows,
    /// A test file of `promtool test rules`.
    RuleTest,
}

/// Shows the window on stdout; a reader that leaves early is no error.
///
/// # Errors
/// When stdout cannot take it.
pub fn run(config: &PreviewConfig) -> Result<Exit, Error> {
    stdout::check().map_err(Error::on_stdout)?;
    let plan = &config.plan;
    let printed = match config.form {
        PreviewForm::Csv => stdout::print(csv(plan, false)),
        PreviewForm::Truth => stdout::print(csv(plan, true)),
        PreviewForm::Windows => stdout::print(windows(plan)),
        PreviewForm::RuleTest => stdout::print(rule_test(plan)),
        PreviewForm::Chart { columns, is_ascii } => {
            check_count(plan)?;
            let style = Style {
                columns: columns.or_else(terminal::columns).unwrap_or(COLUMNS).max(COLUMNS_MIN),
                rows: if plan.label_sets.len() == 1 { ROWS } else { ROWS_OF_SEVERAL },
                is_ascii: is_ascii || !terminal::shows_braille(),
                is_coloured: stdout::shows_colour(),
                utc_offset_ms: plan.model.utc_offset_ms,
            };
            stdout::print(charts(plan, style))
        }
    };
    printed.map(|()| Exit::Success).map_err(Error::on_stdout)
}

/// Refuses what would take too long to draw.
fn check_count(plan: &Plan) -> Result<(), BadInput> {
    let chart_count = plan.label_sets.len().min(CHART_COUNT_MAX) as u64;
    let count = chart_count.saturating_mul(plan.window.tick_count);
    if count <= DRAWN_COUNT_MAX {
        return Ok(());
    }
    let problem = format!("has {count} datapoints to draw, over {DRAWN_COUNT_MAX}");
    let hint = "show a shorter window or a longer step, or print it with --format csv";
    Err(unusable(problem, hint).at("chart", None))
}

/// Returns series `k` in the window.
fn ticks(plan: &Plan, k: usize) -> iter::Take<SeriesIter> {
    let count = usize::try_from(plan.window.tick_count).unwrap_or(usize::MAX);
    plan.iter_from(k, plan.window.first_index).take(count)
}

/// Returns the lines of the CSV, its heading first: epoch seconds, and values in the fewest
/// digits that give the same bits. Of several series each comes whole, with its name last.
///
/// With the truth it tells whether incidents cover a tick, and which ones; a tick in a gap, which
/// is left out without it, has an empty value.
fn csv(plan: &Plan, has_truth: bool) -> impl Iterator<Item = String> {
    let count = if has_truth { plan.own_count() } else { plan.label_sets.len() };
    let (truth, is_several) = (",is_anomaly,incident", count > 1);
    let (truth, series) =
        (if has_truth { truth } else { "" }, [",series", ""][usize::from(!is_several)]);
    let lines = plan.label_sets[..count].iter().enumerate().flat_map(move |(k, labels)| {
        let name = csv_field(&series_name(labels));
        let name = if is_several { format!(",{name}") } else { String::new() };
        let mut iter = plan.iter_from(k, plan.window.first_index);
        plan.window.ticks().filter_map(move |_| {
            let Tick { timestamp, value, is_anomaly } = iter.next()?;
            if !has_truth {
                return value.map(|value| format!("{timestamp},{value:?}{name}\n"));
            }
            let value = value.map(|value| format!("{value:?}")).unwrap_or_default();
            let numbers: Vec<String> = iter.active().map(|i| i.number.to_string()).collect();
            let (flag, numbers) = (u8::from(is_anomaly), numbers.join(";"));
            Some(format!("{timestamp},{value},{flag},{numbers}{name}\n"))
        })
    });
    iter::once(format!("timestamp,value{truth}{series}\n")).chain(lines)
}

/// Returns the lines of the JSON object with the first and the last tick of each range that
/// incidents cover, by series, in UTC.
/// Source: Numenta Anomaly Benchmark, labels/combined_windows.json.
fn windows(plan: &Plan) -> impl Iterator<Item = String> {
    let grid = plan.model.grid;
    let series = (0..plan.own_count()).zip(&plan.label_sets).map(move |(k, labels)| {
        let time = |index| {
            let text = utc_time(grid.time_of(index));
            let (seconds, ms) = text.split_once('.').unwrap_or((&text, "000"));
            format!("\"{seconds}.{ms}000\"")
        };
        let ranges = plan.series(k).troubled(plan.window.ticks());
        let ranges: Vec<String> = ranges
            .map(|range| format!("\n    [{}, {}]", time(range.start), time(range.end - 1)))
            .collect();
        let (comma, name) = (if k == 0 { "" } else { "," }, json_text(&series_name(labels)));
        let end = if ranges.is_empty() { "]" } else { "\n  ]" };
        format!("{comma}\n  {name}: [{}{end}", ranges.join(","))
    });
    iter::once("{".to_owned()).chain(series).chain(iter::once("\n}\n".to_owned()))
}

/// Returns a text as a field of CSV. Source: RFC 4180, section 2.
fn csv_field(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Returns the lines of the charts of the first series, each under its name.
fn charts(plan: &Plan, style: Style) -> impl Iterator<Item = String> {
    let line = move |text: &str| {
        let text = Escaped(text).to_string();
        let text = if style.is_ascii { ascii(&text) } else { text };
        wrapped(&text, style.columns)
    };
    let drawn = (0..).zip(&plan.label_sets).take(CHART_COUNT_MAX).flat_map(move |(k, labels)| {
        let mut lines = line(&series_name(labels));
        let marks = || marks(plan, k);
        lines.extend(chart(ticks(plan, k), marks(), style));
        let mut numbers = BTreeSet::new();
        numbers.extend(marks().map(|(number, _)| number));
        lines.extend(numbers.into_iter().flat_map(|number| {
            line(&format!("{number}: {}", plan.incidents[usize::from(number) - 1].text))
        }));
        lines
    });
    let more = plan.label_sets.len().saturating_sub(CHART_COUNT_MAX);
    let more =
        (more > 0).then(|| line(&format!("(and {more} more series; --format csv prints all)")));
    window_lines(plan, style.columns)
        .into_iter()
        .chain(drawn)
        .chain(more.into_iter().flatten())
        .map(|line| line + "\n")
}

/// Returns where incidents cover series `k` in the window.
fn marks(plan: &Plan, k: usize) -> impl Iterator<Item = Mark> {
    let (series, ticks) = (plan.series(k), plan.window.ticks());
    (0..series.incidents.len()).flat_map(move |position| {
        let (incident, grid, ticks) = (series.incidents[position], series.grid, ticks.clone());
        series.occurrences(&incident, ticks.clone()).map(move |occurrence| {
            let Range { start, end } = occurrence.ticks;
            let ends = [start.max(ticks.start), end.min(ticks.end) - 1];
            (incident.number, ends.map(|index| grid.time_of(index)))
        })
    })
}

/// Returns the lines with the count of the datapoints and their times: one, if it is not too long.
fn window_lines(plan: &Plan, columns: usize) -> Vec<String> {
    let model = &plan.model;
    let time = |index| utc_time(TimestampMs(model.grid.time_of(index).0 + model.utc_offset_ms));
    let (first, last) = (time(plan.window.first_index), time(plan.window.end_index() - 1));
    let step = step_in_words(model.grid.step_ms);
    let count = count_of(plan.schedule_of(0..1).count(plan.window.ticks()), "datapoint");
    let zone = offset_in_words(i32::try_from(model.utc_offset_ms / 1000).expect("within a day"));
    let (count, times) = match plan.window.tick_count {
        1 => (format!("{count},"), format!("{first} {zone}")),
        _ => (format!("{count}, 1 per {step},"), format!("{first} to {last} {zone}")),
    };
    let line = format!("{count} {times}");
    match line.chars().count() <= columns {
        true => vec![line],
        false => [count, times].map(|text| wrapped(&text, columns)).concat(),
    }
}

/// Returns a text with everything but ASCII escaped.
fn ascii(text: &str) -> String {
    let shown = |c: char| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() };
    text.chars().map(shown).collect()
}
