//! The natural logarithm with the same bits on every host: additions, multiplications, divisions
//! and bit manipulation, nothing else. std's `ln` is the C library's and differs between glibc
//! and musl, and between processors with and without FMA. Must never call std's mathematics.

/// ln 2 as a multiple of 2^-41, so that its product with an exponent is exact, and the rest.
const LN_2: (f64, f64) = (0.6931471805601177, -1.7239444525614835e-13);

/// ln(6/8) to ln(11/8), each as a multiple of 2^-41 and the rest.
const LN_EIGHTHS: [(f64, f64); 6] = [
    (-0.28768207245184385, 6.292357389008195e-14),
    (-0.13353139262471814, 1.9551393909415374e-13),
    (0.0, 0.0),
    (0.11778303565643, -4.654729747598445e-14),
    (0.22314355131402408, 1.856757095979601e-13),
    (0.31845373111855224, -1.7625431312172662e-14),
];

/// 2^49: one unit in the last place of a sum with it is an eighth.
const EIGHTHS: f64 = 562_949_953_421_312.0;

/// The upper bits of a mantissa: few enough that the products below are exact.
const UPPER_BITS: u64 = !0 << 28;

/// Returns the natural logarithm of a positive normal number, within 0.51 ulp.
///
/// With x = 2^k m, m in 0.6875..1.375, and c the eighth nearest to m:
/// ln x = k ln 2 + ln c + 2 atanh(s), s = (m - c) / (m + c), so |s| <= 1/23. Everything down to
/// the first power of s is summed in double-double; what follows is smaller by s^2 / 3.
pub(super) fn ln(x: f64) -> f64 {
    debug_assert!(x.is_normal() && x > 0.0, "ln of {x:e}");
    let k = x.to_bits().wrapping_sub(0.6875f64.to_bits()).cast_signed() >> 52;
    let m = f64::from_bits(x.to_bits().wrapping_sub((k << 52).cast_unsigned()));
    let nearest = m + EIGHTHS;
    let c = nearest - EIGHTHS;
    let (ln_c, ln_c_rest) = LN_EIGHTHS[(nearest.to_bits() & 15) as usize - 6];

    // s in two parts, the second from the remainder of the division, which is exact.
    let f = m - c;
    let m_upper = f64::from_bits(m.to_bits() & UPPER_BITS);
    let s_upper = f64::from_bits((f / (m + c)).to_bits() & UPPER_BITS);
    let remainder = f - s_upper * (m_upper + c) - s_upper * (m - m_upper);
    let s_lower = remainder / (m + c);

    let k = k as f64;
    let whole = k * LN_2.0 + ln_c; // exact
    let upper = whole + 2.0 * s_upper;
    let upper_rest = 2.0 * s_upper - (upper - whole); // exact: whole is 0 or the larger
    let s = s_upper + s_lower;
    let s2 = s * s;
    let p = 2.0 / 9.0 + s2 * (2.0 / 11.0 + s2 * (2.0 / 13.0));
    let p = 2.0 / 3.0 + s2 * (2.0 / 5.0 + s2 * (2.0 / 7.0 + s2 * p));
    upper + (upper_rest + (2.0 * s_lower + s * s2 * p + (k * LN_2.1 + ln_c_rest)))
}

#[cfg(test)]
mod tests {
    use super::ln;

    /// Lines of x, the logarithm rounded, and what is left of it (from mpmath), as bits in hex.
    const TABLE: &str = include_str!("../../tests/golden/ln.txt");

    #[test]
    fn stays_below_0_51_ulp() {
        let mut ulps_max: f64 = 0.0;
        for line in TABLE.lines() {
            let number = |hex| f64::from_bits(u64::from_str_radix(hex, 16).unwrap());
            let [x, expected, rest] = line.split(' ').map(number).collect::<Vec<_>>()[..] else {
                panic!("not three numbers: {line}");
            };
            let ulp = expected.abs().next_up() - expected.abs();
            let ulps = ((ln(x) - expected) - rest).abs() / ulp;
            assert!(ulps < 0.51, "ln({x:e}) is {ulps} ulp off");
            ulps_max = ulps_max.max(ulps);
        }
        println!("ln: at most {ulps_max:.5} ulp off in {} values", TABLE.lines().count());
        assert!(TABLE.lines().count() >= 3000 && ulps_max >= 0.49, "the table is not the table");
    }

    #[track_caller]
    fn check(x: f64, expected: f64) {
        assert_eq!(ln(x).to_bits(), expected.to_bits(), "ln({x:e})");
    }

    #[test]
    fn powers_of_two_and_one() {
        check(1.0, 0.0);
        check(2.0, std::f64::consts::LN_2);
        check(0.5, -std::f64::consts::LN_2);
        check(f64::MIN_POSITIVE, -708.3964185322641);
        check(f64::MAX, 709.782712893384);
    }
}
