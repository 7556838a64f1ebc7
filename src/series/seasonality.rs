//! The curves of the day and of the week: a monotone piecewise cubic (PCHIP) through knots,
//! periodic, in scipy's order of operations. Days are UTC; the host's time zone has no effect.

use std::sync::Arc;

use super::TimestampMs;
use super::pchip::cubics;

const DAY_MINUTES: u32 = 1_440;
const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// The days of the week in the order of its curve.
pub const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// The epoch is a Thursday.
const EPOCH_SINCE_MONDAY_MS: i64 = 3 * DAY_MS;

/// The reference script's knots, two hours apart.
const DEFAULT_VALUES: [f64; 12] =
    [1.0, 10.8, 18.1, 19.5, 17.6, 15.8, 14.1, 12.8, 10.3, 8.7, 3.6, 1.8];

/// The time after which a curve repeats itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday's midnight to the next.
    Week,
}

impl Period {
    /// Returns its length in minutes.
    pub const fn minutes(self) -> u32 {
        match self {
            Self::Day => DAY_MINUTES,
            Self::Week => 7 * DAY_MINUTES,
        }
    }

    const fn ms(self) -> i64 {
        self.minutes() as i64 * MINUTE_MS
    }

    /// Shows a minute of the period as a flag takes it: `08:30`, `SatT08:30`.
    fn shown(self, minute: u32) -> String {
        let (day, minute) = match WEEKDAYS.get((minute / DAY_MINUTES) as usize) {
            Some(day) if self == Self::Week => (format!("{day}T"), minute % DAY_MINUTES),
            _ => (String::new(), minute),
        };
        format!("{day}{:02}:{:02}", minute / 60, minute % 60)
    }

    /// Returns how far into the period a time is, in UTC.
    const fn ms_at(self, time: TimestampMs) -> i64 {
        match self {
            Self::Day => time.0.rem_euclid(DAY_MS),
            Self::Week => (time.0.rem_euclid(self.ms()) + EPOCH_SINCE_MONDAY_MS) % self.ms(),
        }
    }
}

/// A curve over a period. A clone shares the coefficients.
#[derive(Clone, Debug, PartialEq)]
pub struct Seasonality {
    period: Period,
    segments: Arc<[Segment]>,
}

/// The cubic from one knot to the next one, the last one's next being the first one of the next
/// period.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    /// The knot's time since the period began.
    start_ms: i64,
    /// Of the powers 0 to 3 of the seconds since the knot.
    coefficients: [f64; 4],
}

impl Default for Seasonality {
    /// Returns the reference script's curve of the day.
    fn default() -> Self {
        let knots: Vec<_> = (0..).step_by(120).zip(DEFAULT_VALUES).collect();
        Self::new(Period::Day, &knots).expect("the default knots are in order")
    }
}

impl Seasonality {
    /// Returns the curve through `knots`, pairs of a minute of the period and a value, in any
    /// order (they are sorted, as the reference does). One knot makes a constant.
    ///
    /// # Errors
    /// When there is no knot, or two at one minute, when a minute is not in the period or a value
    /// is not finite, and when two neighbours are too far apart for a float.
    pub fn new(period: Period, knots: &[(u32, f64)]) -> Result<Self, String> {
        let mut knots = knots.to_vec();
        knots.sort_unstable_by_key(|&(minute, _)| minute);
        check_knots(period, &knots)?;
        let segment = |(&(minute, _), coefficients): (&(u32, f64), [f64; 4])| {
            if !coefficients.iter().all(|c| c.is_finite()) {
                let at = period.shown(minute);
                return Err(format!("the seasonality is too steep after its knot {at}"));
            }
            Ok(Segment { start_ms: i64::from(minute) * MINUTE_MS, coefficients })
        };
        let cubics = cubics(&knots, period.minutes());
        let segments = knots.iter().zip(cubics).map(segment).collect::<Result<_, _>>()?;
        Ok(Self { period, segments })
    }

    /// Returns the index of the segment that a time of the period lies in.
    fn segment_at(&self, period_ms: i64) -> usize {
        let after = self.segments.partition_point(|segment| segment.start_ms <= period_ms);
        after.checked_sub(1).unwrap_or(self.segments.len() - 1)
    }
}

fn check_knots(period: Period, knots: &[(u32, f64)]) -> Result<(), String> {
    if knots.is_empty() {
        return Err("a seasonality needs at least one knot".into());
    }
    for (i, &(minute, value)) in knots.iter().enumerate() {
        let (at, hours) = (period.shown(minute), period.minutes() / 60);
        if minute >= period.minutes() {
            return Err(format!("the seasonality's knot {at} is not a time before {hours:02}:00"));
        }
        if !value.is_finite() {
            return Err(format!("the seasonality's knot {at}={value} must be a finite number"));
        }
        if i > 0 && knots[i - 1].0 == minute {
            return Err(format!("the seasonality has two knots at {at}; keep one"));
        }
    }
    Ok(())
}

/// A place on the curve that moves on in equal steps. Keeps the segment it is in.
#[derive(Clone, Debug)]
pub(super) struct SeasonCursor {
    curve: Seasonality,
    period_ms: i64,
    utc_offset_ms: i64,
    /// The time since the period began in UTC, and what a step adds to it.
    at_ms: i64,
    step_ms: i64,
    /// The current segment is good from `start_ms` (of the same period or before) up to `end_ms`.
    start_ms: i64,
    end_ms: i64,
    coefficients: [f64; 4],
}

impl SeasonCursor {
    /// Returns the cursor at `time`.
    pub(super) fn new(
        curve: Seasonality,
        utc_offset_ms: i64,
        time: TimestampMs,
        step_ms: u64,
    ) -> Self {
        let period_ms = curve.period.ms();
        let mut cursor = Self {
            period_ms,
            utc_offset_ms: utc_offset_ms.rem_euclid(period_ms),
            at_ms: curve.period.ms_at(time),
            step_ms: (step_ms % period_ms.unsigned_abs()).cast_signed(),
            start_ms: 0,
            end_ms: 0,
            coefficients: [0.0; 4],
            curve,
        };
        cursor.find_segment();
        cursor
    }

    /// Returns the curve's value here, then moves on by a step.
    ///
    /// Source: scipy 1.11.4, `interpolate/_ppoly.pyx`, `evaluate_poly1`.
    pub(super) fn next_value(&mut self) -> f64 {
        if self.at_ms < self.start_ms || self.at_ms >= self.end_ms {
            self.find_segment();
        }
        // The knot's second is whole, so that only the time itself is rounded, as in Python.
        let s = period_seconds(self.at_ms) - (self.start_ms / 1000) as f64;
        let [c0, c1, c2, c3] = self.coefficients;
        let s2 = s * s;
        self.at_ms += self.step_ms;
        if self.at_ms >= self.period_ms {
            self.at_ms -= self.period_ms;
        }
        c0 + c1 * s + c2 * s2 + c3 * (s2 * s)
    }

    /// Finds the segment by local time and notes where it begins and ends in UTC.
    fn find_segment(&mut self) {
        let period_ms = self.period_ms;
        let local_ms = (self.at_ms + self.utc_offset_ms) % period_ms;
        let found = self.curve.segment_at(local_ms);
        let segments = &self.curve.segments;
        let next = segments[(found + 1) % segments.len()].start_ms;
        let since_ms = (local_ms - segments[found].start_ms).rem_euclid(period_ms);
        let left_ms = (next - local_ms - 1).rem_euclid(period_ms) + 1;
        self.start_ms = self.at_ms - since_ms;
        self.end_ms = self.at_ms + left_ms;
        self.coefficients = segments[found].coefficients;
    }
}

/// Returns a time in seconds, rounded as Python's `second + microsecond * 1e-06` is.
///
/// Source: mockseries 0.3.1, `seasonality/daily_seasonality.py`, `weekly_seasonality.py`.
fn period_seconds(period_ms: i64) -> f64 {
    (period_ms / 1000) as f64 + (period_ms % 1000 * 1000) as f64 * 1e-06
}

#[cfg(test)]
mod tests {
    use super::Period::{Day, Week};
    use super::{Period, SeasonCursor, Seasonality, TimestampMs};

    #[track_caller]
    fn check(period: Period, knots: &[(u32, f64)], expected: &str) {
        assert_eq!(Seasonality::new(period, knots).unwrap_err(), expected);
    }

    #[test]
    fn refuses_knots_by_name() {
        check(Day, &[], "a seasonality needs at least one knot");
        let expected = "the seasonality's knot 24:00 is not a time before 24:00";
        check(Day, &[(0, 1.0), (1440, 2.0)], expected);
        let expected = "the seasonality's knot 168:00 is not a time before 168:00";
        check(Week, &[(10_080, 2.0)], expected);
        let expected = "the seasonality has two knots at 00:05; keep one";
        check(Day, &[(5, 1.0), (65, 2.0), (5, 1.0)], expected);
        let expected = "the seasonality has two knots at SunT23:59; keep one";
        check(Week, &[(10_079, 1.0), (10_079, 2.0)], expected);
        let expected = "the seasonality's knot 01:30=NaN must be a finite number";
        check(Day, &[(0, 1.0), (90, f64::NAN)], expected);
        let expected = "the seasonality is too steep after its knot 00:00";
        check(Day, &[(0, -f64::MAX), (61, f64::MAX)], expected);
        let expected = "the seasonality is too steep after its knot TueT00:01";
        check(Week, &[(1441, -f64::MAX), (1500, f64::MAX)], expected);
    }

    #[test]
    fn order_of_knots_does_not_matter() {
        let knots = [(0, 1.0), (700, 5.0), (1439, -2.0)];
        let shuffled = [knots[2], knots[0], knots[1]];
        assert_eq!(Seasonality::new(Day, &knots), Seasonality::new(Day, &shuffled));
    }

    /// A cursor that keeps its segment gives what one made afresh for each time gives.
    #[track_caller]
    fn check_kept(period: Period, knots: &[(u32, f64)], utc_offset_ms: i64, step_ms: u64) {
        let curve = Seasonality::new(period, knots).unwrap();
        let at = |ms| SeasonCursor::new(curve.clone(), utc_offset_ms, TimestampMs(ms), step_ms);
        let mut kept = at(-86_400_007);
        for i in 0..3_000 {
            let ms = -86_400_007 + i * step_ms.cast_signed();
            assert_eq!(kept.next_value().to_bits(), at(ms).next_value().to_bits(), "{ms}");
        }
    }

    #[test]
    fn kept_segments_are_the_right_ones() {
        let three = [(1, 7.0), (2, 8.0), (1439, -1.0)];
        check_kept(Day, &[(615, 7.0)], 0, 59_999);
        check_kept(Day, &[(0, 1.0), (720, 2.0)], 3_600_000, 3_600_000);
        check_kept(Day, &three, -34_200_000, 29_999);
        check_kept(Day, &three, 1, 90_000_001);
        check_kept(Week, &[(615, 7.0)], 0, 359_999);
        check_kept(Week, &three, -34_200_000, 2_999_999);
        check_kept(Week, &[(0, 1.0), (10_079, 2.0)], 86_399_999, 3_600_000);
        check_kept(Week, &three, 1, 604_800_001);
    }

    /// 1970-01-05 was the first Monday.
    #[test]
    fn weeks_begin_on_monday() {
        let at = |ms| Week.ms_at(TimestampMs(ms));
        assert_eq!(at(4 * super::DAY_MS), 0);
        assert_eq!(at(4 * super::DAY_MS - 1), 604_799_999);
        assert_eq!(at(0), 3 * super::DAY_MS);
        assert_eq!(at(-3 * super::DAY_MS), 0);
        for ms in [i64::MIN, i64::MAX] {
            assert!((0..604_800_000).contains(&at(ms)));
        }
    }

    #[test]
    fn passes_through_the_knots() {
        let mut cursor = SeasonCursor::new(Seasonality::default(), 0, TimestampMs(0), 7_200_000);
        assert_eq!(super::DEFAULT_VALUES.map(|_| cursor.next_value()), super::DEFAULT_VALUES);
    }
}
