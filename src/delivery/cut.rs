//! Cuts the samples of a run into requests, by number and by size.

use std::ops::Range;

use crate::plan::Plan;
use crate::remote_write::label_bytes;

/// A message is not larger than this before it is compressed: half of what Prometheus takes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// A sample in a message: 33 bytes at most, and what 2.0 has in a series besides.
const SAMPLE_BYTES_MAX: usize = 43;

/// How the samples of a run are cut into requests.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut {
    /// The parts of a tick, as indices of its series.
    pub parts: Vec<Range<usize>>,
    /// Ticks that fit one request; 1 where a tick takes several.
    pub ticks_per_request: u64,
}

impl Cut {
    /// Returns how requests hold `batch_size` samples at most.
    pub fn new(plan: &Plan, batch_size: usize) -> Self {
        let bytes_max = MESSAGE_BYTES_MAX - batch_size * SAMPLE_BYTES_MAX - plan.description.len();
        Self::with(plan.label_sets.iter().map(label_bytes), batch_size, bytes_max)
    }

    fn with(sizes: impl Iterator<Item = usize>, batch_size: usize, bytes_max: usize) -> Self {
        let mut parts = Vec::new();
        let (mut part, mut bytes) = (0..0, 0);
        for size in sizes {
            if part.len() == batch_size || (bytes + size > bytes_max && !part.is_empty()) {
                parts.push(part.clone());
                (part.start, bytes) = (part.end, 0);
            }
            part.end += 1;
            bytes += size;
        }
        let ticks_per_request = match parts.is_empty() {
            true => (batch_size / part.end).max(1) as u64,
            false => 1,
        };
        parts.push(part);
        Self { parts, ticks_per_request }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sizes: &[usize], batch_size: usize, part_ends: &[usize], ticks_per_request: u64) {
        let cut = Cut::with(sizes.iter().copied(), batch_size, 100);
        let ends: Vec<usize> = cut.parts.iter().map(|part| part.end).collect();
        assert_eq!((&ends[..], cut.ticks_per_request), (part_ends, ticks_per_request));
        assert!(cut.parts.windows(2).all(|pair| pair[0].end == pair[1].start));
    }

    #[test]
    fn parts_are_cut_by_number_and_by_size() {
        check(&[10; 3], 10, &[3], 3);
        check(&[10; 3], 2, &[2, 3], 1);
        check(&[10; 3], 1, &[1, 2, 3], 1);
        check(&[40; 5], 2000, &[2, 4, 5], 1);
        check(&[50; 2], 2000, &[2], 1000);
        // A series that is too large for a request with others gets its own.
        check(&[200, 1, 200, 1, 1], 10, &[1, 2, 3, 5], 1);
    }
}
