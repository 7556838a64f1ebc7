//! Arithmetic modulo a number: where the starts of an incident that repeats meet the grid.

use std::ops::RangeInclusive;

/// Returns the least k for which `k * factor % modulus` is in `range`, if there is one. Takes
/// about as many steps as the numbers have digits. The range ends below the modulus.
pub(super) fn least_factor(factor: u64, modulus: u64, range: RangeInclusive<u64>) -> Option<u64> {
    let (low, high) = range.into_inner();
    debug_assert!(factor < modulus && low <= high && high < modulus);
    if low == 0 {
        return Some(0);
    }
    if factor == 0 {
        return None;
    }
    // Without going around.
    let direct = low.div_ceil(factor);
    if direct * factor <= high {
        return Some(direct);
    }
    // No multiple of the factor is in the range, so it is reached after going around r times:
    // r * modulus, modulo the factor, is in the range's negative.
    let negative = |n: u64| (factor - n % factor) % factor;
    let rounds = least_factor(modulus % factor, factor, negative(high)..=negative(low))?;
    let reached = u128::from(low) + u128::from(rounds) * u128::from(modulus);
    u64::try_from(reached.div_ceil(u128::from(factor))).ok()
}

#[cfg(test)]
mod tests {
    use super::least_factor;

    #[test]
    fn it_is_the_one_that_trying_finds() {
        for modulus in 1..=24 {
            for factor in 0..modulus {
                for low in 0..modulus {
                    for high in low..modulus {
                        let is_in = |k: &u64| (low..=high).contains(&(k * factor % modulus));
                        let expected = (0..modulus).find(is_in);
                        let found = least_factor(factor, modulus, low..=high);
                        assert_eq!(found, expected, "{factor} mod {modulus} in {low}..={high}");
                    }
                }
            }
        }
    }

    #[test]
    fn large_numbers_take_no_time() {
        let modulus = (1 << 62) - 57;
        let factor = 3_141_592_653_589_793_238 % modulus;
        let k = least_factor(factor, modulus, 1..=1).unwrap();
        assert_eq!(u128::from(k) * u128::from(factor) % u128::from(modulus), 1);
    }
}
