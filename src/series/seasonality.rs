//! The daily curve: a monotone piecewise cubic (PCHIP) through knots, periodic over 24 hours, in
//! scipy's order of operations. Days are UTC; the host's time zone has no say in it.

use std::fmt;
use std::sync::Arc;

use super::TimestampMs;

const DAY_MS: i64 = 86_400_000;
const DAY_MINUTES: u32 = 1_440;
const MINUTE_MS: i64 = 60_000;

/// The reference script's knots, two hours apart.
const DEFAULT_VALUES: [f64; 12] =
    [1.0, 10.8, 18.1, 19.5, 17.6, 15.8, 14.1, 12.8, 10.3, 8.7, 3.6, 1.8];

/// A curve over the day. A clone shares the coefficients.
#[derive(Clone, Debug, PartialEq)]
pub struct Seasonality {
    segments: Arc<[Segment]>,
}

/// The cubic from one knot to the next one, the last one's next being the first one tomorrow.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    /// The knot's time of day.
    start_ms: i64,
    /// Of the powers 0 to 3 of the seconds since the knot.
    coefficients: [f64; 4],
}

/// Why knots make no curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SeasonalityError {
    /// There is no knot.
    NoKnots,
    /// A knot's minute is not one of the day's.
    MinuteOutOfDay {
        /// The minute of the day, 1,440 or more.
        minute: u32,
    },
    /// Two knots stand at one minute.
    DuplicateMinute {
        /// The minute of the day.
        minute: u32,
    },
    /// A knot's value is infinite or not a number.
    NotFinite {
        /// The minute of the day.
        minute: u32,
        /// The value.
        value: f64,
    },
    /// From this knot to its next the values lie too far apart for a 64-bit float.
    TooSteep {
        /// The minute of the day where the segment begins.
        minute: u32,
    },
}

impl fmt::Display for SeasonalityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        match *self {
            Self::NoKnots => write!(f, "a seasonality needs at least one HH:MM=VALUE"),
            Self::MinuteOutOfDay { minute } => {
                write!(f, "the seasonality's knot {} is not a time before 24:00", clock(minute))
            }
            Self::DuplicateMinute { minute } => {
                write!(f, "the seasonality has two knots at {}; keep one", clock(minute))
            }
            Self::NotFinite { minute, value } => {
                let clock = clock(minute);
                write!(f, "the seasonality's knot {clock}={value} must be a finite number")
            }
            Self::TooSteep { minute } => {
                write!(f, "the seasonality is too steep after its knot {}", clock(minute))
            }
        }
    }
}

impl std::error::Error for SeasonalityError {}

impl Default for Seasonality {
    /// Returns the reference script's curve.
    fn default() -> Self {
        let knots: Vec<_> = (0..).step_by(120).zip(DEFAULT_VALUES).collect();
        Self::new(&knots).expect("the default knots are in order")
    }
}

impl Seasonality {
    /// Returns the curve through `knots`, pairs of a minute of the day and a value, in any order
    /// (they are sorted, as the reference does). One knot makes a constant.
    ///
    /// # Errors
    /// When there is no knot, or two at one minute, when a minute is 1,440 or more or a value is
    /// not finite, and when two neighbours are too far apart for a float.
    pub fn new(knots: &[(u32, f64)]) -> Result<Self, SeasonalityError> {
        let mut knots = knots.to_vec();
        knots.sort_by_key(|&(minute, _)| minute);
        check_knots(&knots)?;
        let segments = segments(&knots);
        let finite = |segment: &Segment| segment.coefficients.iter().all(|c| c.is_finite());
        if let Some(bad) = segments.iter().position(|segment| !finite(segment)) {
            return Err(SeasonalityError::TooSteep { minute: knots[bad].0 });
        }
        Ok(Self { segments: segments.into() })
    }

    /// Returns the index of the segment that a time of day lies in.
    fn segment_at(&self, day_ms: i64) -> usize {
        let after = self.segments.partition_point(|segment| segment.start_ms <= day_ms);
        after.checked_sub(1).unwrap_or(self.segments.len() - 1)
    }
}

fn check_knots(knots: &[(u32, f64)]) -> Result<(), SeasonalityError> {
    if knots.is_empty() {
        return Err(SeasonalityError::NoKnots);
    }
    for (i, &(minute, value)) in knots.iter().enumerate() {
        if minute >= DAY_MINUTES {
            return Err(SeasonalityError::MinuteOutOfDay { minute });
        }
        if !value.is_finite() {
            return Err(SeasonalityError::NotFinite { minute, value });
        }
        if i > 0 && knots[i - 1].0 == minute {
            return Err(SeasonalityError::DuplicateMinute { minute });
        }
    }
    Ok(())
}

/// Returns the cubics of the periodic curve.
///
/// The reference copies up to 100 knots before and after the day, so that no end of scipy's
/// curve touches it: the same as counting in a circle.
///
/// Source: scipy 1.11.4, `interpolate/_cubic.py`, `CubicHermiteSpline.__init__`.
fn segments(knots: &[(u32, f64)]) -> Vec<Segment> {
    let count = knots.len();
    let rises: Vec<Rise> =
        (0..count).map(|i| Rise::new(knots[i], knots[(i + 1) % count])).collect();
    let slopes: Vec<f64> =
        (0..count).map(|i| knot_slope(rises[(i + count - 1) % count], rises[i])).collect();
    let segment = |i: usize| {
        let (minute, value) = knots[i];
        let Rise { seconds, slope } = rises[i];
        let (start, end) = (slopes[i], slopes[(i + 1) % count]);
        let bend = (start + end - 2.0 * slope) / seconds;
        let square = (slope - start) / seconds - bend;
        let coefficients = [value, start, square, bend / seconds];
        Segment { start_ms: i64::from(minute) * MINUTE_MS, coefficients }
    };
    (0..count).map(segment).collect()
}

/// The straight line from one knot to the next.
#[derive(Clone, Copy)]
struct Rise {
    seconds: f64,
    slope: f64,
}

impl Rise {
    fn new((start, from): (u32, f64), (end, to): (u32, f64)) -> Self {
        let minutes = if end > start { end - start } else { end + DAY_MINUTES - start };
        let seconds = f64::from(minutes * 60);
        Self { seconds, slope: (to - from) / seconds }
    }
}

/// Returns the curve's slope at a knot: the weighted harmonic mean of the lines before and after
/// it, 0 where they do not both rise or both fall.
///
/// Source: scipy 1.11.4, `interpolate/_cubic.py`, `PchipInterpolator._find_derivatives`.
fn knot_slope(before: Rise, after: Rise) -> f64 {
    let rising = before.slope > 0.0 && after.slope > 0.0;
    let falling = before.slope < 0.0 && after.slope < 0.0;
    if !rising && !falling {
        return 0.0;
    }
    let before_weight = 2.0 * after.seconds + before.seconds;
    let after_weight = after.seconds + 2.0 * before.seconds;
    let mean = (before_weight / before.slope + after_weight / after.slope)
        / (before_weight + after_weight);
    1.0 / mean
}

/// A place on the curve that moves on in equal steps. Keeps the segment it is in.
#[derive(Clone, Debug)]
pub(super) struct SeasonCursor {
    curve: Seasonality,
    utc_offset_ms: i64,
    /// The time of day in UTC, and what a step adds to it.
    day_ms: i64,
    step_ms: i64,
    /// The current segment is good from `start_ms` (of the same day or before) up to `end_ms`.
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
        let mut cursor = Self {
            curve,
            utc_offset_ms: utc_offset_ms.rem_euclid(DAY_MS),
            day_ms: time.0.rem_euclid(DAY_MS),
            step_ms: (step_ms % DAY_MS.unsigned_abs()).cast_signed(),
            start_ms: 0,
            end_ms: 0,
            coefficients: [0.0; 4],
        };
        cursor.find_segment();
        cursor
    }

    /// Returns the curve's value here, then moves on by a step.
    ///
    /// Source: scipy 1.11.4, `interpolate/_ppoly.pyx`, `evaluate_poly1`.
    pub(super) fn next_value(&mut self) -> f64 {
        if self.day_ms < self.start_ms || self.day_ms >= self.end_ms {
            self.find_segment();
        }
        // The knot's second is whole, so that only the time of day is rounded, as in Python.
        let s = day_seconds(self.day_ms) - (self.start_ms / 1000) as f64;
        let [c0, c1, c2, c3] = self.coefficients;
        let s2 = s * s;
        self.day_ms += self.step_ms;
        if self.day_ms >= DAY_MS {
            self.day_ms -= DAY_MS;
        }
        c0 + c1 * s + c2 * s2 + c3 * (s2 * s)
    }

    /// Finds the segment by local time and notes where it begins and ends in UTC's day.
    fn find_segment(&mut self) {
        let local_ms = (self.day_ms + self.utc_offset_ms) % DAY_MS;
        let found = self.curve.segment_at(local_ms);
        let segments = &self.curve.segments;
        let next = segments[(found + 1) % segments.len()].start_ms;
        let since_ms = (local_ms - segments[found].start_ms).rem_euclid(DAY_MS);
        let left_ms = (next - local_ms - 1).rem_euclid(DAY_MS) + 1;
        self.start_ms = self.day_ms - since_ms;
        self.end_ms = self.day_ms + left_ms;
        self.coefficients = segments[found].coefficients;
    }
}

/// Returns a time of day in seconds, rounded as Python's `second + microsecond * 1e-06` is.
///
/// Source: mockseries 0.3.1, `seasonality/daily_seasonality.py`.
fn day_seconds(day_ms: i64) -> f64 {
    (day_ms / 1000) as f64 + (day_ms % 1000 * 1000) as f64 * 1e-06
}

#[cfg(test)]
mod tests {
    use super::{SeasonCursor, Seasonality, SeasonalityError, TimestampMs};

    #[track_caller]
    fn check(knots: &[(u32, f64)], expected: &str) {
        assert_eq!(Seasonality::new(knots).unwrap_err().to_string(), expected);
    }

    #[test]
    fn refuses_knots_by_name() {
        check(&[], "a seasonality needs at least one HH:MM=VALUE");
        check(&[(0, 1.0), (1440, 2.0)], "the seasonality's knot 24:00 is not a time before 24:00");
        check(&[(5, 1.0), (65, 2.0), (5, 1.0)], "the seasonality has two knots at 00:05; keep one");
        check(
            &[(0, 1.0), (90, f64::NAN)],
            "the seasonality's knot 01:30=NaN must be a finite number",
        );
        check(
            &[(0, -f64::MAX), (61, f64::MAX)],
            "the seasonality is too steep after its knot 00:00",
        );
        let error: Box<dyn std::error::Error> = SeasonalityError::NoKnots.into();
        assert!(error.source().is_none());
    }

    #[test]
    fn order_of_knots_does_not_matter() {
        let knots = [(0, 1.0), (700, 5.0), (1439, -2.0)];
        let shuffled = [knots[2], knots[0], knots[1]];
        assert_eq!(Seasonality::new(&knots), Seasonality::new(&shuffled));
    }

    /// A cursor that keeps its segment gives what one made afresh for each time gives.
    #[test]
    fn kept_segments_are_the_right_ones() {
        let curves = [
            Seasonality::default(),
            Seasonality::new(&[(615, 7.0)]).unwrap(),
            Seasonality::new(&[(1, 7.0), (2, 8.0), (1439, -1.0)]).unwrap(),
        ];
        for (curve, utc_offset_ms, step_ms) in curves.iter().flat_map(|curve| {
            [(0, 59_999), (-34_200_000, 13), (1, 90_000_001)]
                .map(|(offset, step)| (curve, offset, step))
        }) {
            let at = |ms| SeasonCursor::new(curve.clone(), utc_offset_ms, TimestampMs(ms), step_ms);
            let mut kept = at(-86_400_000 - 7);
            for i in 0..3_000 {
                let ms = -86_400_007 + i * step_ms.cast_signed();
                assert_eq!(kept.next_value().to_bits(), at(ms).next_value().to_bits(), "{ms}");
            }
        }
    }

    #[test]
    fn passes_through_the_knots() {
        let mut cursor = SeasonCursor::new(Seasonality::default(), 0, TimestampMs(0), 7_200_000);
        assert_eq!(super::DEFAULT_VALUES.map(|_| cursor.next_value()), super::DEFAULT_VALUES);
    }
}
