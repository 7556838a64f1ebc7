//! The two axes of a chart: round values, and round times of the day.
//!
//! Pure. Values are exact to the bit elsewhere; here half a dot is exact enough.

use crate::report::utc_time;
use crate::series::TimestampMs;

/// A larger value is drawn at this one, and values that are all smaller than its inverse at 0.
const VALUE_MAX: f64 = 1e300;
/// A spread below this fraction of the values is drawn as none: its labels would be equal.
const SPREAD_MIN: f64 = 1e-12;

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What may lie between two marks of the time axis: a unit and how many of it.
const TIME_STEPS: &[(i64, &[i64])] = &[
    (1, &[1, 2, 5, 10, 20, 50, 100, 200, 500]),
    (SECOND_MS, &[1, 2, 5, 10, 15, 30]),
    (MINUTE_MS, &[1, 2, 5, 10, 15, 30]),
    (HOUR_MS, &[1, 2, 3, 6, 12]),
    (DAY_MS, &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]),
];
const LONGEST_TIME_STEP_MS: i64 = 2000 * DAY_MS;

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
    /// Whether numbers have an exponent: they are too long without.
    is_scientific: bool,
}

impl ValueAxis {
    /// Returns an axis of up to about `rows` rows on which `min` and `max` both lie.
    pub(super) fn new(min: f64, max: f64, rows: usize) -> Self {
        let [mut min, mut max] = [min, max].map(|value| value.clamp(-VALUE_MAX, VALUE_MAX));
        let size = min.abs().max(max.abs());
        if size * VALUE_MAX < 1.0 {
            (min, max) = (-1.0, 1.0);
        } else if max - min <= size * SPREAD_MIN {
            (min, max) = (min - size / 10.0, max + size / 10.0);
        }
        let (step, exponent) = round_up((max - min) / 5.0);
        let (lowest, highest) = ((min / step).floor(), (max / step).ceil());
        let interval_count = index(highest - lowest).max(1);
        let rows_per_interval = (rows / interval_count).max(1);
        let is_scientific = size >= 1e7 || exponent < -4;
        Self { step, exponent, lowest, interval_count, rows_per_interval, is_scientific }
    }

    /// Returns how many rows the axis has.
    pub(super) fn rows(&self) -> usize {
        self.interval_count * self.rows_per_interval + 1
    }

    /// Returns the label of a row, counted from the top; empty for the rows between labels.
    pub(super) fn label(&self, row: usize) -> String {
        let from_bottom = self.rows() - 1 - row;
        if !from_bottom.is_multiple_of(self.rows_per_interval) {
            return String::new();
        }
        let steps = self.lowest + (from_bottom / self.rows_per_interval) as f64;
        self.number(steps * self.step, 0)
    }

    /// Returns a value as exact as the labels, and by so many digits more.
    pub(super) fn number(&self, value: f64, more_digits: i32) -> String {
        let decimals = usize::try_from(more_digits - self.exponent).unwrap_or(0);
        match self.is_scientific {
            _ if value == 0.0 => "0".into(),
            true => format!("{value:.3e}"),
            false => format!("{value:.decimals$}"),
        }
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

    /// Returns the cells under which labels stand, of `columns`, and the labels: as many round
    /// times as have room; the first time where no round one is in the window.
    pub(super) fn marks(&self, columns: usize) -> Vec<(usize, String)> {
        let span_ms = self.last.0 - self.first.0;
        let fits = |step_ms: &i64| {
            let label_columns = self.label(1, *step_ms).len() as i64 + 2;
            span_ms.saturating_mul(label_columns) <= step_ms * columns as i64
        };
        let mut steps_ms =
            TIME_STEPS.iter().flat_map(|(unit_ms, counts)| counts.iter().map(|n| n * *unit_ms));
        let step_ms = steps_ms.find(fits).unwrap_or(LONGEST_TIME_STEP_MS);
        let mark = |time_ms, step_ms| {
            (self.position(TimestampMs(time_ms), columns), self.label(time_ms, step_ms))
        };
        let first_ms = self.first.0 + (-self.first.0).rem_euclid(step_ms);
        let times_ms = (0..).map(|k| first_ms + k * step_ms).take_while(|ms| *ms <= self.last.0);
        let marks: Vec<_> = times_ms.map(|time_ms| mark(time_ms, step_ms)).collect();
        if marks.is_empty() { vec![mark(self.first.0, 1)] } else { marks }
    }

    /// Returns what tells a multiple of `step_ms` from the others: its date at midnight, else its
    /// time of day.
    fn label(&self, time_ms: i64, step_ms: i64) -> String {
        let text = utc_time(TimestampMs(time_ms));
        let is_midnight = time_ms.rem_euclid(DAY_MS) == 0;
        let is_years = self.last.0 - self.first.0 > 360 * DAY_MS;
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
