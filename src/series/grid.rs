//! The grid of a series: which index stands at which time. Whole milliseconds and checked
//! arithmetic, so that nothing drifts and nothing wraps. Must never ask a clock.

use std::fmt;

/// Milliseconds since the Unix epoch; negative before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampMs(pub i64);

/// Shows epoch seconds, with milliseconds where there are any: `1765969200`, `1765969200.250`.
impl fmt::Display for TimestampMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        fmt::Display::fmt(&(self.0.unsigned_abs() / 1000), f)?;
        match self.0.unsigned_abs() % 1000 {
            0 => Ok(()),
            ms => write!(f, ".{ms:03}"),
        }
    }
}

/// The times `origin + index * step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The time of index 0.
    pub origin: TimestampMs,
    /// The distance of two neighbours in milliseconds, at least 1.
    pub step_ms: u64,
}

impl Grid {
    /// Returns the time of `index`.
    ///
    /// # Panics
    /// When that time is past `i64::MAX` milliseconds, the year 292,278,994. An index that
    /// `index_at_or_before` gave never is.
    pub fn time_of(&self, index: u64) -> TimestampMs {
        let time_ms = i128::from(self.origin.0) + i128::from(index) * i128::from(self.step_ms);
        TimestampMs(i64::try_from(time_ms).expect("a grid ends before the year 292,278,994"))
    }

    /// Returns the greatest index whose time is not after `time`, `None` before the origin.
    ///
    /// # Panics
    /// When the step is 0.
    pub fn index_at_or_before(&self, time: TimestampMs) -> Option<u64> {
        (time >= self.origin).then(|| time.0.abs_diff(self.origin.0) / self.step_ms)
    }

    /// Returns the index after the last one whose time is not after `time`; 0 before the origin.
    ///
    /// # Panics
    /// When the step is 0.
    pub fn end_at(&self, time: TimestampMs) -> u64 {
        self.index_at_or_before(time).map_or(0, |index| index + 1)
    }

    /// Returns the least index whose time is not before `time`, `None` when `time` is before the
    /// origin: a window that begins there asks for ticks that the series does not have.
    ///
    /// # Panics
    /// When the step is 0.
    pub fn index_at_or_after(&self, time: TimestampMs) -> Option<u64> {
        (time >= self.origin).then(|| time.0.abs_diff(self.origin.0).div_ceil(self.step_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::{Grid, TimestampMs};

    const GRID: Grid = Grid { origin: TimestampMs(-5_500), step_ms: 1_000 };

    #[track_caller]
    fn check(time_ms: i64, before: Option<u64>, after: Option<u64>) {
        assert_eq!(GRID.index_at_or_before(TimestampMs(time_ms)), before, "at or before");
        assert_eq!(GRID.index_at_or_after(TimestampMs(time_ms)), after, "at or after");
    }

    #[test]
    fn times_are_shown_as_epoch_seconds() {
        let shown = |ms| TimestampMs(ms).to_string();
        assert_eq!([0, 1_765_969_200_000].map(shown), ["0", "1765969200"]);
        assert_eq!([250, -1, -61_050].map(shown), ["0.250", "-0.001", "-61.050"]);
    }

    #[test]
    fn finds_the_neighbours_of_a_time() {
        check(i64::MIN, None, None);
        check(-5_501, None, None);
        check(-5_500, Some(0), Some(0));
        check(-5_499, Some(0), Some(1));
        check(-4_500, Some(1), Some(1));
        check(0, Some(5), Some(6));
        check(i64::MAX, Some(9_223_372_036_854_781), Some(9_223_372_036_854_782));
    }

    #[test]
    fn times_are_exact_to_the_ends_of_time() {
        let longest = Grid { origin: TimestampMs(i64::MIN), step_ms: u64::MAX };
        assert_eq!(longest.time_of(1), TimestampMs(i64::MAX));
        assert_eq!(longest.index_at_or_after(TimestampMs(i64::MAX)), Some(1));
        assert_eq!(GRID.time_of(6), TimestampMs(500));
    }

    #[test]
    #[should_panic(expected = "a grid ends before")]
    fn past_the_end_of_time() {
        GRID.time_of(u64::MAX);
    }
}
