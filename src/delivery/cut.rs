//! Cuts the samples of a run into requests, by number and by size.

use std::ops::Range;

use crate::plan::Plan;
use crate::remote_write::label_bytes;

/// A message is not larger than this before it is compressed: half of what Prometheus takes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// A sample in a message: 22 bytes at most, and what 2.0 has in a series besides.
const SAMPLE_BYTES_MAX: usize = 32;

/// How the samples of a run are cut into requests.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut {
    /// The ends of the parts of a tick, as indices of its series.
    part_ends: Vec<usize>,
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
        let mut part_ends = Vec::new();
        let (mut start, mut end, mut bytes) = (0, 0, 0);
        for size in sizes {
            let is_full = end - start == batch_size || bytes + size > bytes_max;
            if is_full && end > start {
                part_ends.push(end);
                (start, bytes) = (end, 0);
            }
            end += 1;
            bytes += size;
        }
        part_ends.push(end);
        let ticks_per_request = if part_ends.len() == 1 { (batch_size / end).max(1) } else { 1 };
        Self { part_ends, ticks_per_request: ticks_per_request as u64 }
    }

    /// Returns the parts of a tick, oldest series first, as indices of its series.
    pub fn parts(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = [0].into_iter().chain(self.part_ends.iter().copied());
        starts.zip(&self.part_ends).map(|(start, end)| start..*end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sizes: &[usize], batch_size: usize, part_ends: &[usize], ticks_per_request: u64) {
        let cut = Cut::with(sizes.iter().copied(), batch_size, 100);
        assert_eq!(cut, Cut { part_ends: part_ends.to_vec(), ticks_per_request });
    }

    #[test]
    fn parts_are_cut_by_number_and_by_size() {
        check(&[10; 3], 10, &[3], 3);
        check(&[10; 3], 2, &[2, 3], 1);
        check(&[10; 3], 1, &[1, 2, 3], 1);
        check(&[40; 5], 2000, &[2, 4, 5], 1);
        check(&[50; 2], 2000, &[2], 1000);
        // What is too large by itself goes by itself.
        check(&[200, 1, 200, 1, 1], 10, &[1, 2, 3, 5], 1);
    }
}
