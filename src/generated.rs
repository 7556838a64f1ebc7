//! Generated input for the tests of parsers: the same texts in every run.

/// Marsaglia's xorshift64: small, and good enough to stumble over things.
pub(crate) struct Random(u64);

impl Random {
    /// Returns a generator; `seed` must not be 0.
    pub(crate) fn new(seed: u64) -> Random {
        assert!(seed != 0, "xorshift stays at 0");
        Random(seed)
    }

    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound
    }

    /// Returns a text of up to 24 of these characters.
    pub(crate) fn text(&mut self, alphabet: &str) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        let length = self.below(25);
        (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }

    /// Returns `text` with up to 3 of its characters replaced, doubled or taken out.
    pub(crate) fn mutated(&mut self, text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..self.below(4) {
            if chars.is_empty() {
                break;
            }
            let at = self.below(chars.len());
            match self.below(3) {
                0 => chars[at] = [' ', '0', '9', '-', '.', ':', '"', 'é', '\n'][self.below(9)],
                1 => chars.insert(at, chars[at]),
                _ => drop(chars.remove(at)),
            }
        }
        chars.into_iter().collect()
    }
}
