//! The comparison of samples that should be there with those that are.
//!
//! Pure: no clock and no socket; findings are handed on, not kept.

use crate::read_back::victoriametrics::Tolerance;
use crate::remote_write::STALE_NAN_BITS;
use crate::series::{Sample, Tick, TimestampMs};

/// The result of the comparison for a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// It is there.
    Matching,
    /// It is not there; the tick counts from the first expected one.
    Missing {
        /// Ticks after the first expected one.
        tick: usize,
    },
    /// What matches is there more than once.
    Duplicate,
    /// Another value is there.
    Different {
        /// The time of both.
        timestamp: TimestampMs,
        /// The value of the series.
        expected: f64,
        /// The value that is there.
        found: f64,
    },
    /// A sample is stored at a time at which the series has none.
    Unexpected {
        /// What is there.
        sample: Sample,
        /// Whether a tick is at its time.
        is_in_gap: bool,
    },
}

/// Compares the samples of a series with those found, both in the order of time.
///
/// A stale marker is not a sample. Of several at one time, all have to match.
pub fn compare(
    expected: impl Iterator<Item = Tick>,
    found: &[Sample],
    tolerance: Option<Tolerance>,
    mut on: impl FnMut(Finding),
) {
    let samples = |sample: &&Sample| sample.value.to_bits() != STALE_NAN_BITS;
    let mut found = found.iter().filter(samples).peekable();
    for (tick, Tick { timestamp, value, .. }) in expected.enumerate() {
        let mut last = None;
        while let Some(early) = found.next_if(|sample| sample.timestamp < timestamp) {
            if last.replace(early.timestamp) != Some(early.timestamp) {
                on(Finding::Unexpected { sample: *early, is_in_gap: false });
            }
        }
        let Some(value) = value else {
            while let Some(here) = found.next_if(|sample| sample.timestamp == timestamp) {
                on(Finding::Unexpected { sample: *here, is_in_gap: true });
            }
            continue;
        };
        let mut finding = Finding::Missing { tick };
        let mut is_duplicate = false;
        while let Some(here) = found.next_if(|sample| sample.timestamp == timestamp) {
            let is_same = match tolerance {
                None => value.to_bits() == here.value.to_bits(),
                Some(tolerance) => tolerance.allows(here.value, value),
            };
            if !is_same {
                finding = Finding::Different { timestamp, expected: value, found: here.value };
            } else if matches!(finding, Finding::Missing { .. }) {
                finding = Finding::Matching;
            } else {
                is_duplicate = true;
            }
        }
        on(finding);
        if is_duplicate && finding == Finding::Matching {
            on(Finding::Duplicate);
        }
    }
    let mut last = None;
    for late in found {
        if last.replace(late.timestamp) != Some(late.timestamp) {
            on(Finding::Unexpected { sample: *late, is_in_gap: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected are the values 1, 2 and 3 at 10, 20 and 30, and none at 40, in a gap.
    #[track_caller]
    fn check(found: &[(i64, f64)], tolerance: Option<Tolerance>, shown: &str) {
        let sample = |&(ms, value): &(i64, f64)| Sample { timestamp: TimestampMs(ms), value };
        let found: Vec<Sample> = found.iter().map(sample).collect();
        let gap = Tick { timestamp: TimestampMs(40), value: None, is_anomaly: true };
        let expected = [(10, 1.0), (20, 2.0), (30, 3.0)];
        let expected = expected.iter().map(sample).map(Tick::from).chain([gap]);
        let mut findings = Vec::new();
        compare(expected, &found, tolerance, |finding| {
            findings.push(match finding {
                Finding::Matching => "match".to_owned(),
                Finding::Duplicate => "twice".to_owned(),
                Finding::Missing { tick } => format!("missing {tick}"),
                Finding::Different { timestamp, expected, found } => {
                    format!("{} is {found}, not {expected}", timestamp.0)
                }
                Finding::Unexpected { sample, is_in_gap } => {
                    let place = if is_in_gap { "in a gap" } else { "unexpected" };
                    format!("{place} {}", sample.timestamp.0)
                }
            });
        });
        assert_eq!(findings.join(", "), shown);
    }

    #[test]
    fn samples_match_are_missing_or_differ() {
        let exact = None;
        check(&[(10, 1.0), (20, 2.0), (30, 3.0)], exact, "match, match, match");
        check(&[], exact, "missing 0, missing 1, missing 2");
        check(&[(20, 2.0)], exact, "missing 0, match, missing 2");
        let next = 2.0_f64.next_up();
        check(&[(20, next)], exact, &format!("missing 0, 20 is {next}, not 2, missing 2"));
        check(&[(30, -3.0)], exact, "missing 0, missing 1, 30 is -3, not 3");
    }

    #[test]
    fn a_gap_expects_nothing() {
        let found = [(10, 1.0), (20, 2.0), (30, 3.0), (39, 1.0), (40, 1.0), (40, 2.0), (41, 1.0)];
        let shown = "match, match, match, unexpected 39, in a gap 40, in a gap 40, unexpected 41";
        check(&found, None, shown);
    }

    #[test]
    fn what_is_off_the_grid_is_unexpected_once() {
        let found = [(5, 1.0), (10, 1.0), (15, 1.0), (15, 9.0), (30, 3.0), (31, 0.0), (31, 0.0)];
        let shown = "unexpected 5, match, unexpected 15, missing 1, match, unexpected 31";
        check(&found, None, shown);
    }

    #[test]
    fn stale_markers_are_no_samples() {
        let stale = f64::from_bits(STALE_NAN_BITS);
        let found = [(10, 1.0), (11, stale), (20, stale), (30, 3.0), (31, stale)];
        check(&found, None, "match, missing 1, match");
    }

    #[test]
    fn equal_duplicates_match_once_and_are_told() {
        let found = [(10, 1.0), (10, 1.0), (20, 2.0), (20, 2.5), (30, 3.5), (30, 3.0)];
        check(&found, None, "match, twice, 20 is 2.5, not 2, 30 is 3.5, not 3");
    }

    #[test]
    fn a_lossy_receiver_is_given_its_digits() {
        let near = Some(Tolerance { magnitude_max: 3.0 });
        let found = [(10, 1.0 + 1.9e-12), (20, 2.0 - 4.1e-12), (30, 3.0)];
        let shown = format!("match, 20 is {}, not 2, match", found[1].1);
        check(&found, near, &shown);
    }
}
