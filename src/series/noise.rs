//! Gaussian noise with the bits of numpy's legacy `RandomState`: MT19937, then Box-Muller in its
//! polar form. Hand-rolled because those bits are the contract; no other generator has them.

use super::ln::ln;

/// The seed of the noise. 0 is a seed like any other (the reference takes it for "no seed").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u32);

/// What the noise is drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseParams {
    /// The mean, finite.
    pub mean: f64,
    /// The standard deviation, finite and not negative; 0 gives the mean alone.
    pub std: f64,
    /// The seed; one seed always gives the same deviates.
    pub seed: Seed,
}

impl NoiseParams {
    /// Returns the noise that a standard deviate makes.
    pub(super) fn value(self, deviate: f64) -> f64 {
        self.mean + self.std * deviate
    }
}

/// The standard deviates of a seed, from some index on, endless.
///
/// Source: numpy 1.26, `random/src/legacy/legacy-distributions.c`, `legacy_normal`.
#[derive(Clone, Debug)]
pub(super) struct Deviates {
    twister: Twister,
    /// The half of the last pair that has not been given out.
    kept: Option<f64>,
}

impl Deviates {
    /// Returns the deviates from index 0 on.
    pub(super) fn new(seed: Seed) -> Self {
        Self { twister: Twister::new(seed), kept: None }
    }

    /// Passes over the next `count` deviates, each of which costs nearly as much as one given out.
    pub(super) fn skip(&mut self, mut count: u64) {
        if count > 0 && self.kept.take().is_some() {
            count -= 1;
        }
        for _ in 0..count / 2 {
            self.next_point(); // a pair passed over needs no logarithm
        }
        if count % 2 == 1 {
            self.next();
        }
    }

    /// Returns the next deviate.
    pub(super) fn next(&mut self) -> f64 {
        if let Some(first) = self.kept.take() {
            return first;
        }
        let (x, y, r2) = self.next_point();
        let scale = (-2.0 * ln(r2) / r2).sqrt();
        self.kept = Some(scale * x);
        scale * y
    }

    /// Returns a point inside the unit circle, and the square of its distance from the centre.
    fn next_point(&mut self) -> (f64, f64, f64) {
        loop {
            let x = 2.0 * self.twister.next_f64() - 1.0;
            let y = 2.0 * self.twister.next_f64() - 1.0;
            let r2 = x * x + y * y;
            if r2 < 1.0 && r2 != 0.0 {
                return (x, y, r2);
            }
        }
    }
}

/// The length of the state in words, and the distance of the words that are mixed.
///
/// Source: Matsumoto and Nishimura, mt19937ar.c.
const WORD_COUNT: usize = 624;
const DISTANCE: usize = 397;

/// MT19937.
#[derive(Clone)]
struct Twister {
    words: [u32; WORD_COUNT],
    /// The word to be made next.
    position: usize,
}

impl std::fmt::Debug for Twister {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Twister").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Twister {
    /// Returns the generator after `init_genrand(seed)`.
    fn new(seed: Seed) -> Self {
        let mut words = [seed.0; WORD_COUNT];
        let mut word = seed.0;
        for (i, slot) in (1..).zip(&mut words[1..]) {
            word = (word ^ (word >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i);
            *slot = word;
        }
        Self { words, position: 0 }
    }

    /// Returns the next double in [0, 1), of 53 bits from two words.
    fn next_f64(&mut self) -> f64 {
        let upper = self.next_word() >> 5;
        let lower = self.next_word() >> 6;
        (f64::from(upper) * 67_108_864.0 + f64::from(lower)) / 9_007_199_254_740_992.0
    }

    /// Makes and returns the next word. Words are made one at a time, not 624 at once, because
    /// most of ten thousand series need only a few.
    fn next_word(&mut self) -> u32 {
        let i = self.position;
        let next = if i + 1 < WORD_COUNT { i + 1 } else { 0 };
        let far = if i < WORD_COUNT - DISTANCE { i + DISTANCE } else { i + DISTANCE - WORD_COUNT };
        let word = self.words[far] ^ twist(self.words[i], self.words[next]);
        self.words[i] = word;
        self.position = next;
        temper(word)
    }
}

fn twist(word: u32, next: u32) -> u32 {
    let joined = (word & 0x8000_0000) | (next & 0x7fff_ffff);
    (joined >> 1) ^ ((joined & 1).wrapping_neg() & 0x9908_b0df)
}

fn temper(mut word: u32) -> u32 {
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c_5680;
    word ^= (word << 15) & 0xefc6_0000;
    word ^ (word >> 18)
}

#[cfg(test)]
mod tests {
    use super::{Deviates, Seed, Twister};

    /// The 10,000th draw of seed 5489 is the check that the C++ standard prescribes.
    #[test]
    fn twister_is_mt19937() {
        let mut twister = Twister::new(Seed(5489));
        let draws: Vec<u32> = (0..10_000).map(|_| twister.next_word()).collect();
        assert_eq!(draws[9_999], 4_123_659_995);
    }

    #[track_caller]
    fn check(seed: u32, expected: [f64; 3]) {
        let mut deviates = Deviates::new(Seed(seed));
        assert_eq!([(); 3].map(|()| deviates.next()), expected);
    }

    /// numpy.random.RandomState(seed).standard_normal(3)
    #[test]
    fn deviates_are_numpys() {
        check(42, NUMPY_42);
        check(0, NUMPY_0);
    }

    const NUMPY_42: [f64; 3] = [0.4967141530112327, -0.13826430117118466, 0.6476885381006925];
    const NUMPY_0: [f64; 3] = [1.764052345967664, 0.4001572083672233, 0.9787379841057392];

    #[test]
    fn skipping_gives_what_counting_gives() {
        let mut counted = Deviates::new(Seed(42));
        let mut skipped_one_by_one = counted.clone();
        for index in 0..2_000 {
            let mut skipped = Deviates::new(Seed(42));
            skipped.skip(index);
            let (expected, next) = (counted.next(), counted.clone().next());
            assert_eq!((skipped.next(), skipped.next()), (expected, next), "{index}");
            assert_eq!(skipped_one_by_one.clone().next(), expected, "{index}");
            skipped_one_by_one.skip(1);
        }
        let mut skipped = Deviates::new(Seed(42));
        for count in [1, 2, 3, 0, 1_001, 4, 1, 988] {
            skipped.skip(count);
        }
        assert_eq!(skipped.next(), counted.next());
    }
}
