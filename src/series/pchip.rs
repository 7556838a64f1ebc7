//! Monotone piecewise cubics (PCHIP, Fritsch-Carlson) over a period that repeats, in scipy's
//! order of operations. Must never regroup a sum or a product: the bits are the contract.

/// Returns for each knot the cubic to the next one, the last one's next being the first one of
/// the next period: the coefficients of the powers 0 to 3 of the seconds since the knot.
///
/// `knots` are a minute of the period and a value, ascending. The reference copies up to 100
/// knots before and after the period, so that no end of scipy's curve touches it: the same as
/// counting in a circle.
///
/// Source: scipy 1.11.4, `interpolate/_cubic.py`, `CubicHermiteSpline.__init__`.
pub(super) fn cubics(knots: &[(u32, f64)], period_minutes: u32) -> Vec<[f64; 4]> {
    let count = knots.len();
    let line = |i: usize| Line::new(knots[i], knots[(i + 1) % count], period_minutes);
    let lines: Vec<Line> = (0..count).map(line).collect();
    let slope = |i: usize| knot_slope(lines[(i + count - 1) % count], lines[i]);
    let slopes: Vec<f64> = (0..count).map(slope).collect();
    let cubic = |i: usize| {
        let Line { seconds, slope } = lines[i];
        let (start, end) = (slopes[i], slopes[(i + 1) % count]);
        let bend = (start + end - 2.0 * slope) / seconds;
        [knots[i].1, start, (slope - start) / seconds - bend, bend / seconds]
    };
    (0..count).map(cubic).collect()
}

/// The straight line from one knot to the next.
#[derive(Clone, Copy)]
struct Line {
    seconds: f64,
    slope: f64,
}

impl Line {
    fn new((start, from): (u32, f64), (end, to): (u32, f64), period_minutes: u32) -> Self {
        let minutes = if end > start { end - start } else { end + period_minutes - start };
        let seconds = f64::from(minutes * 60);
        Self { seconds, slope: (to - from) / seconds }
    }
}

/// Returns the curve's slope at a knot: the weighted harmonic mean of the lines before and after
/// it, 0 where they do not both rise or both fall.
///
/// Source: scipy 1.11.4, `interpolate/_cubic.py`, `PchipInterpolator._find_derivatives`.
fn knot_slope(before: Line, after: Line) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::cubics;

    #[track_caller]
    fn check(knots: &[(u32, f64)], expected: &[[f64; 4]]) {
        assert_eq!(cubics(knots, 1_440), expected);
    }

    /// `scipy.interpolate.PchipInterpolator(x, y).c`; longer curves are in tests/golden/series/.
    #[test]
    fn coefficients_are_scipys() {
        check(&[(615, 7.25)], &[[7.25, 0.0, 0.0, 0.0]]);
        check(
            &[(0, 1.0), (60, 2.0), (600, 4.5)],
            &[
                [1.0, 0.0, 1.9197952218430036e-07, -3.189417454364996e-11],
                [2.0, 0.0001422070534698521, -1.633723007969837e-09, -1.1539717825473334e-14],
                [4.5, 0.0, -4.133597883597884e-09, 5.467722068251169e-14],
            ],
        );
    }
}
