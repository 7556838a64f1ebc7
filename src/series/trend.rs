//! The linear trend, in the order of operations of mockseries' `LinearTrend`. Knows elapsed time
//! only, never the time of day.

/// A straight line: `flat_base + coefficient * (elapsed / unit)`.
///
/// Source: mockseries 0.3.1, `trend/linear_trend.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The value at the grid's origin.
    pub flat_base: f64,
    /// What the value gains in one unit of time.
    pub coefficient: f64,
    /// The unit of time in microseconds, at least 1.
    pub unit_us: u64,
}

impl Trend {
    /// Returns the trend's value `elapsed_ms` milliseconds after the origin.
    ///
    /// The bits are the reference's for up to 285 years (2^53 microseconds) of elapsed time and
    /// unit; Python divides longer times as whole numbers, which may differ in the last bit.
    pub fn at(&self, elapsed_ms: u64) -> f64 {
        let elapsed_us = elapsed_ms as f64 * 1000.0;
        self.flat_base + self.coefficient * (elapsed_us / self.unit_us as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::Trend;

    /// The reference script's: from 5, 0.1 more every 0.95 h.
    const DEFAULT: Trend = Trend { flat_base: 5.0, coefficient: 0.1, unit_us: 3_420_000_000 };

    #[track_caller]
    fn check(trend: Trend, elapsed_ms: u64, expected: f64) {
        assert_eq!(trend.at(elapsed_ms).to_bits(), expected.to_bits());
    }

    #[test]
    fn rises_by_the_coefficient_in_a_unit() {
        check(DEFAULT, 0, 5.0);
        check(DEFAULT, 3_420_000, 5.1);
        check(DEFAULT, 60_000, 5.0 + 0.1 * (60e6 / 3420e6));
        check(Trend { coefficient: -2.0, ..DEFAULT }, 34_200_000, -15.0);
        check(Trend { unit_us: 1, coefficient: 1.0, flat_base: 0.0 }, 7, 7000.0);
    }
}
