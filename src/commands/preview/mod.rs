//! The preview verb: shows a window of a series, as a chart or as CSV. Sends nothing.
//!
//! Times are UTC moved by `--utc-offset`, the time of day that the season goes by, so that a
//! window looks the same on every host.

mod axis;
mod canvas;
mod chart;

use std::iter;

use chart::{COLUMNS_MIN, Style, chart, wrapped};

use crate::error::{BadInput, Error, Escaped, Exit};
use crate::openmetrics::series_name;
use crate::plan::Plan;
use crate::report::terminal;
use crate::report::words::{counted, offset_in_words, step_in_words};
use crate::report::{stdout, utc_time};
use crate::series::{Sample, SeriesIter, TimestampMs};

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
    /// As what.
    pub form: PreviewForm,
}

/// As what a window is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewForm {
    /// A chart.
    Chart {
        /// Its width; the terminal's where there is none.
        columns: Option<usize>,
        /// Plain ASCII, whatever the terminal can show.
        is_ascii: bool,
    },
    /// Lines of `timestamp,value`.
    Csv,
}

/// Shows the window on stdout; a reader that leaves early is no error.
///
/// # Errors
/// When stdout cannot take it.
pub fn run(config: &PreviewConfig) -> Result<Exit, Error> {
    stdout::check().map_err(Error::Stdout)?;
    let plan = &config.plan;
    let printed = match config.form {
        PreviewForm::Csv => stdout::print(csv(plan)),
        PreviewForm::Chart { columns, is_ascii } => {
            check_count(plan)?;
            let style = Style {
                columns: columns.or_else(terminal::columns).unwrap_or(COLUMNS).max(COLUMNS_MIN),
                rows: if plan.label_sets.len() == 1 { ROWS } else { ROWS_OF_SEVERAL },
                is_ascii: is_ascii || !terminal::shows_braille(),
                utc_offset_ms: plan.model.utc_offset_ms,
            };
            stdout::print(charts(plan, style))
        }
    };
    printed.map(|()| Exit::Success).map_err(Error::Stdout)
}

/// Refuses what would take too long to draw.
fn check_count(plan: &Plan) -> Result<(), BadInput> {
    let chart_count = plan.label_sets.len().min(CHART_COUNT_MAX) as u64;
    let count = chart_count.saturating_mul(plan.window.tick_count);
    if count <= DRAWN_COUNT_MAX {
        return Ok(());
    }
    let problem = format!("has {count} datapoints to draw, and takes {DRAWN_COUNT_MAX} at most");
    let hint = "show a shorter window or a longer step, or print it with --format csv";
    Err(BadInput::new("chart", None, &problem, hint))
}

/// Returns series `k` in the window.
fn samples(plan: &Plan, k: u32) -> iter::Take<SeriesIter> {
    let count = usize::try_from(plan.window.tick_count).unwrap_or(usize::MAX);
    plan.model.with_seed_plus(k).iter_from(plan.window.first_index).take(count)
}

/// Returns the lines of the CSV, its heading first: epoch seconds, and values in the fewest
/// digits that give the same bits. Of several series each comes whole, with its name behind.
fn csv(plan: &Plan) -> impl Iterator<Item = String> {
    let is_several = plan.label_sets.len() > 1;
    let heading = if is_several { "timestamp,value,series\n" } else { "timestamp,value\n" };
    let lines = (0..).zip(&plan.label_sets).flat_map(move |(k, labels)| {
        let name = if is_several {
            ",".to_owned() + &csv_field(&series_name(labels))
        } else {
            String::new()
        };
        samples(plan, k)
            .map(move |Sample { timestamp, value }| format!("{timestamp},{value:?}{name}\n"))
    });
    iter::once(heading.to_owned()).chain(lines)
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
        lines.extend(chart(samples(plan, k), style));
        lines
    });
    let more = plan.label_sets.len().saturating_sub(CHART_COUNT_MAX);
    let more =
        (more > 0).then(|| line(&format!("(and {more} more series; --format csv prints all)")));
    line(&window_in_words(plan))
        .into_iter()
        .chain(drawn)
        .chain(more.into_iter().flatten())
        .map(|line| line + "\n")
}

fn window_in_words(plan: &Plan) -> String {
    let model = &plan.model;
    let time = |index| utc_time(TimestampMs(model.grid.time_of(index).0 + model.utc_offset_ms));
    let (first, last) = (time(plan.window.first_index), time(plan.window.end_index() - 1));
    let step = step_in_words(model.grid.step_ms);
    let count = counted(plan.window.tick_count, "datapoint");
    let zone = offset_in_words(i32::try_from(model.utc_offset_ms / 1000).expect("within a day"));
    format!("{count}, 1 per {step}, from {first} to {last} {zone}")
}

/// Returns a text with everything but ASCII escaped.
fn ascii(text: &str) -> String {
    let shown = |c: char| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() };
    text.chars().map(shown).collect()
}
