//! The two axes of a chart: round values, and round times of the day.
//!
//! Pure. Where a series may be off by no bit, a chart may be off by half a dot.

use crate::report::utc_time;
use crate::series::TimestampMs;

/// A spread below this is drawn as none, so that no quotient overflows.
const SPREAD_TINY: f64 = 1e-300;
/// A spread of less than this part of the values is drawn as none: its labels would be alike.
const SPREAD_MIN: f64 = 1e-12;
/// A number longer than this is written with an exponent, if that is shorter.
const FIXED_CHARS_MAX: usize = 9;

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// What may lie between two marks of the time axis.
#[rustfmt::skip]
const TIME_STEPS_MS: &[u64] = &[
    1, 2, 5, 10, 20, 50, 100, 200, 500,
    SECOND_MS, 2 * SECOND_MS, 5 * SECOND_MS, 10 * SECOND_MS, 15 * SECOND_MS, 30 * SECOND_MS,
    MINUTE_MS, 2 * MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS,
    HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS,
    DAY_MS, 2 * DAY_MS, 5 * DAY_MS, 10 * DAY_MS, 20 * DAY_MS, 50 * DAY_MS, 100 * DAY_MS,
    200 * DAY_MS, 500 * DAY_MS, 1000 * DAY_MS, 2000 * DAY_MS,
];

/// The values from bottom to top: a label at every so many rows, each a multiple of a round step.
#[derive(Clone, Debug)]
pub(super) struct ValueAxis {
    step: f64,
    /// The power of ten in `step`.
    exponent: i32,
    /// The lowest label, in steps.
    lowest: f64,
    interval_count: usize,
    rows_per_interval: usize,
}

impl ValueAxis {
    /// Returns an axis of up to about `rows` rows on which `min` and `max` both lie.
    pub(super) fn new(mut min: f64, mut max: f64, rows: usize) -> Self {
        let size = min.abs().max(max.abs());
        if max - min <= SPREAD_TINY.max(size * SPREAD_MIN) {
            let margin = if size < 1e10 * SPREAD_TINY { 1.0 } else { size / 10.0 };
            (min, max) = (min - margin, max + margin);
        }
        let (step, exponent) = round_up((max - min) / 5.0);
        let (lowest, highest) = ((min / step).floor(), (max / step).ceil());
        let interval_count = index(highest - lowest).max(1);
        let rows_per_interval = (rows / interval_count).max(1);
        Self { step, exponent, lowest, interval_count, rows_per_interval }
    }

    /// Returns how many rows the axis has.
    pub(super) fn rows(&self) -> usize {
        self.interval_count * self.rows_per_interval + 1
    }

    /// Returns what stands at a row, counted from the top: a label of up to `chars_max`
    /// characters, of which there are 9 at least, or nothing.
    pub(super) fn label(&self, row: usize, chars_max: usize) -> String {
        let from_bottom = self.rows() - 1 - row;
        if !from_bottom.is_multiple_of(self.rows_per_interval) {
            return String::new();
        }
        let value = (self.lowest + (from_bottom / self.rows_per_interval) as f64) * self.step;
        let label = self.number(value, 0);
        // At its longest: a sign, a digit, the point, more digits, and e-300.
        if label.len() <= chars_max { label } else { format!("{value:.*e}", chars_max - 8) }
    }

    /// Returns a value as exact as the labels, and by so many digits more.
    pub(super) fn number(&self, value: f64, more_digits: i32) -> String {
        if value == 0.0 {
            return "0".into();
        }
        let exponent = self.exponent - more_digits;
        let decimals = usize::try_from(-exponent).unwrap_or(0);
        let fixed = format!("{value:.decimals$}");
        if fixed.len() <= FIXED_CHARS_MAX {
            return fixed;
        }
        let digits = usize::try_from(magnitude(value) - exponent).unwrap_or(0);
        let scientific = format!("{value:.digits$e}");
        if scientific.len() < fixed.len() { scientific } else { fixed }
    }

    /// Returns the dot of a value, counted from the top, where a row has `dots_per_row`.
    pub(super) fn dot(&self, value: f64, dots_per_row: usize) -> usize {
        let steps = value / self.step - self.lowest;
        let dots_per_step = (self.rows_per_interval * dots_per_row) as f64;
        let from_bottom = steps * dots_per_step + (dots_per_row - 1) as f64 / 2.0;
        let last = self.rows() * dots_per_row - 1;
        last - index(from_bottom).min(last)
    }
}

/// Returns the nearest whole number; 0 below it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn index(number: f64) -> usize {
    number.round() as usize
}

/// Returns the least of 1, 2 and 5 times a power of ten that is not below `number`, and the power.
fn round_up(number: f64) -> (f64, i32) {
    let exponent = magnitude(number);
    let power = 10_f64.powi(exponent);
    match number / power {
        ratio if ratio <= 1.0 => (power, exponent),
        ratio if ratio <= 2.0 => (2.0 * power, exponent),
        ratio if ratio <= 5.0 => (5.0 * power, exponent),
        _ => (10.0 * power, exponent + 1),
    }
}

/// Returns the power of ten at or below `number`; exact, as its text is.
fn magnitude(number: f64) -> i32 {
    let text = format!("{number:e}");
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

/// A mark of the time axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TimeMark {
    /// The cell under which it stands.
    pub(super) column: usize,
    /// Its date at midnight, else its time of day.
    pub(super) label: String,
}

/// The times from left to right.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeAxis {
    /// The first sample's time, moved to the time of day that is shown.
    pub(super) first: TimestampMs,
    /// The last sample's, likewise.
    pub(super) last: TimestampMs,
}

impl TimeAxis {
    /// Returns where a time lies among `count` dots or cells.
    pub(super) fn position(&self, time: TimestampMs, count: usize) -> usize {
        let (past, span) = (time.0 - self.first.0, (self.last.0 - self.first.0).max(1));
        index(past as f64 / span as f64 * (count - 1) as f64)
    }

    /// Returns the marks for an axis of `columns` cells: as many round times as have room.
    pub(super) fn marks(&self, columns: usize) -> Vec<TimeMark> {
        let span_ms = self.last.0.abs_diff(self.first.0);
        let fits = |step_ms: &&u64| {
            let label_columns = self.label(TimestampMs(1), **step_ms).len() as u64 + 2;
            span_ms.saturating_mul(label_columns) <= *step_ms * columns as u64
        };
        let longest = TIME_STEPS_MS[TIME_STEPS_MS.len() - 1];
        let step_ms = *TIME_STEPS_MS.iter().find(fits).unwrap_or(&longest);
        let step = i64::try_from(step_ms).expect("a step is a few years at most");
        let before = self.first.0.rem_euclid(step);
        let round = self.first.0 - before + if before == 0 { 0 } else { step };
        let times = (0..).map(|k| round + k * step).take_while(|time| *time <= self.last.0);
        let mut marks: Vec<TimeMark> =
            times.map(|time| self.mark(time, step_ms, columns)).collect();
        if marks.is_empty() {
            // A window between two round times.
            marks.push(self.mark(self.first.0, 1, columns));
        }
        marks
    }

    fn mark(&self, time_ms: i64, step_ms: u64, columns: usize) -> TimeMark {
        let time = TimestampMs(time_ms);
        TimeMark { column: self.position(time, columns), label: self.label(time, step_ms) }
    }

    /// Returns what tells a multiple of `step_ms` from the others.
    fn label(&self, time: TimestampMs, step_ms: u64) -> String {
        let text = utc_time(time);
        let is_midnight = time.0.rem_euclid(DAY_MS as i64) == 0;
        let is_years = self.last.0.abs_diff(self.first.0) > 360 * DAY_MS;
        let shown = match step_ms {
            DAY_MS.. if is_years => 0..10,
            MINUTE_MS.. if is_midnight => 5..10,
            MINUTE_MS.. => 11..16,
            SECOND_MS.. => 11..19,
            _ => 11..text.len(),
        };
        text.get(shown).unwrap_or(&text).to_owned()
    }
}
