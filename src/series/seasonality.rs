//! The daily curve: a monotone piecewise cubic (PCHIP) through knots, periodic over 24 hours, in
//! scipy's order of operations. Days are UTC; the host's time zone has no say in it.

use std::fmt;
use std::sync::Arc;

use super::TimestampMs;
use super::pchip::{DAY_MINUTES, cubics};

const DAY_MS: i64 = 86_400_000;
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
        let segment = |(&(minute, _), coefficients): (&(u32, f64), [f64; 4])| {
            if !coefficients.iter().all(|c| c.is_finite()) {
                return Err(SeasonalityError::TooSteep { minute });
            }
            Ok(Segment { start_ms: i64::from(minute) * MINUTE_MS, coefficients })
        };
        let segments = knots.iter().zip(cubics(&knots)).map(segment).collect::<Result<_, _>>()?;
        Ok(Self { segments })
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
    #[track_caller]
    fn check_kept(knots: &[(u32, f64)], utc_offset_ms: i64, step_ms: u64) {
        let curve = Seasonality::new(knots).unwrap();
        let at = |ms| SeasonCursor::new(curve.clone(), utc_offset_ms, TimestampMs(ms), step_ms);
        let mut kept = at(-86_400_007);
        for i in 0..3_000 {
            let ms = -86_400_007 + i * step_ms.cast_signed();
            assert_eq!(kept.next_value().to_bits(), at(ms).next_value().to_bits(), "{ms}");
        }
    }

    #[test]
    fn kept_segments_are_the_right_ones() {
        check_kept(&[(615, 7.0)], 0, 59_999);
        check_kept(&[(0, 1.0), (720, 2.0)], 3_600_000, 3_600_000);
        check_kept(&[(1, 7.0), (2, 8.0), (1439, -1.0)], -34_200_000, 29_999);
        check_kept(&[(1, 7.0), (2, 8.0), (1439, -1.0)], 1, 90_000_001);
    }

    #[test]
    fn passes_through_the_knots() {
        let mut cursor = SeasonCursor::new(Seasonality::default(), 0, TimestampMs(0), 7_200_000);
        assert_eq!(super::DEFAULT_VALUES.map(|_| cursor.next_value()), super::DEFAULT_VALUES);
    }
}
