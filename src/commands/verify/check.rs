//! The reading of a window, and its comparison with the series, chunk by chunk.
//!
//! Only reads. Memory is flat in the length of the window and in what is stored in it.

use std::ops::Range;
use std::time::Duration;

use super::Verify;
use super::compare::{Finding, compare};
use super::findings::Findings;
use crate::plan::Plan;
use crate::read_back::victoriametrics::BLOCK_SAMPLES_MAX;
use crate::read_back::{ReadError, Reader, TICKS_PER_CHUNK, TimeRange};
use crate::series::{Sample, SeriesIter, Tick, TimestampMs};

/// From one look for a missing sample to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Compares ticks of a plan with what a receiver has of them.
pub(crate) struct Comparison<'a> {
    pub(crate) verify: Verify<'a>,
    pub(crate) reader: Reader<'a>,
    /// What was read last.
    pub(crate) samples: Vec<Sample>,
    ticks_max: u64,
    knows_neighbors: bool,
    /// How long what was accepted may take to show.
    shown_within: Duration,
    /// When something was missing for the first time, on the steady clock.
    missing_since: Option<Duration>,
}

impl<'a> Comparison<'a> {
    /// Returns a comparison that reads at most `ticks_max` ticks at a time.
    pub(crate) fn new(verify: Verify<'a>, ticks_max: u64) -> Self {
        let reader = Reader::new(verify.clock, verify.report, &verify.read_back.source);
        Self {
            verify,
            reader,
            samples: Vec::new(),
            ticks_max: ticks_max.min(TICKS_PER_CHUNK),
            knows_neighbors: false,
            shown_within: Duration::ZERO,
            missing_since: None,
        }
    }

    /// Compares as many of `ticks` as fit one answer, series by series; returns their number, and
    /// the notes: `new` makes them for that number, `note` adds a finding. `iters` stand at the
    /// first tick.
    ///
    /// # Errors
    /// The receiver's samples cannot be read.
    pub(crate) fn chunk<T>(
        &mut self,
        ticks: Range<u64>,
        iters: &[SeriesIter],
        new: impl Fn(usize) -> T,
        note: impl Fn(&mut T, usize, Finding),
    ) -> Result<(u64, T), ReadError> {
        'shorter: loop {
            let count = self.ticks_max.min(ticks.end - ticks.start);
            let tick_count = usize::try_from(count).expect("a chunk fits memory");
            let range = TimeRange::of_ticks(self.verify.plan.model.grid, ticks.start, count);
            let mut notes = new(tick_count);
            for (k, iter) in iters.iter().enumerate() {
                let expected = iter.clone().take(tick_count);
                match self.series(k, range, expected, |finding| note(&mut notes, k, finding)) {
                    // The receiver has more samples than the grid has ticks.
                    Err(ReadError::TooLarge) if count > 1 => {
                        self.ticks_max = count / 2;
                        continue 'shorter;
                    }
                    result => result?,
                }
            }
            return Ok((count, notes));
        }
    }

    /// Compares the expected samples of series `k` with those that the receiver has.
    ///
    /// # Errors
    /// The receiver's samples cannot be read.
    pub(crate) fn series(
        &mut self,
        k: usize,
        range: TimeRange,
        expected: impl Iterator<Item = Tick>,
        on: impl FnMut(Finding),
    ) -> Result<(), ReadError> {
        self.read(k, range)?;
        self.compare(k, expected, &self.samples, on);
        Ok(())
    }

    /// Compares the expected samples of series `k` with those found.
    pub(crate) fn compare(
        &self,
        k: usize,
        expected: impl Iterator<Item = Tick>,
        found: &[Sample],
        mut on: impl FnMut(Finding),
    ) {
        let starts = self.verify.plan.starts(k);
        // A Prometheus with created-timestamp-zero-ingestion adds it, in a gap too.
        let is_start = |Sample { timestamp, value }: Sample| {
            value.to_bits() == 0 && starts.is_some_and(|starts| starts.time(timestamp) == timestamp)
        };
        compare(expected, found, self.reader.tolerance(), |finding| match finding {
            Finding::Unexpected { sample, .. } if is_start(sample) => {}
            finding => on(finding),
        });
    }

    /// Reads the samples of series `k`.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn read(&mut self, k: usize, range: TimeRange) -> Result<(), ReadError> {
        if self.verify.clock.is_interrupted() {
            return Err(ReadError::Interrupted);
        }
        self.reader.read(&self.verify.plan.label_sets[k], range, &mut self.samples)
    }

    /// Waits a little and returns true; false when missing samples have had enough time to show.
    ///
    /// # Errors
    /// `Interrupted` when a signal came.
    pub(crate) fn waits_for_missing(&mut self) -> Result<bool, ReadError> {
        let clock = self.verify.clock;
        let shown_within = self.shown_within.max(self.reader.shows_within());
        let now = clock.steady();
        if now - *self.missing_since.get_or_insert(now) >= shown_within {
            return Ok(false);
        }
        clock.sleep(LOOK_INTERVAL).map_err(|_| ReadError::Interrupted)?;
        Ok(true)
    }

    /// Reads, once, what a VictoriaMetrics may have in one block with samples of the window, which
    /// tells how far these may be off; returns whether it did.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn learns_from_neighbors(&mut self) -> Result<bool, ReadError> {
        if self.knows_neighbors || self.reader.tolerance().is_none() {
            return Ok(false);
        }
        (self.knows_neighbors, self.missing_since) = (true, None);
        let Plan { model, label_sets, .. } = self.verify.plan;
        let Range { start, end } = self.verify.plan.times();
        let length_ms = (BLOCK_SAMPLES_MAX * model.grid.step_ms).cast_signed();
        let before = TimeRange {
            start: TimestampMs((start.0 - length_ms).max(0)),
            end: TimestampMs(start.0 - 1),
        };
        let after = TimeRange { start: end, end: TimestampMs(end.0 + length_ms) };
        for (k, range) in (0..label_sets.len()).flat_map(|k| [(k, before), (k, after)]) {
            match self.read(k, range) {
                Ok(()) | Err(ReadError::TooLarge) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Compares the whole window; what was pushed just now shows `shown_within`.
///
/// # Errors
/// The receiver's samples cannot be read.
pub(crate) fn compare_window(
    verify: Verify<'_>,
    shown_within: Duration,
) -> Result<Findings, ReadError> {
    let mut comparison = Comparison { shown_within, ..Comparison::new(verify, TICKS_PER_CHUNK) };
    loop {
        let findings = compare_all(&mut comparison)?;
        if findings.different == 0 || !comparison.learns_from_neighbors()? {
            return Ok(findings);
        }
    }
}

fn compare_all(comparison: &mut Comparison<'_>) -> Result<Findings, ReadError> {
    let plan = comparison.verify.plan;
    let window = plan.window;
    let mut findings = Findings::default();
    // The series from the chunk's first tick on.
    let mut iters: Vec<_> = plan.iters_from(window.first_index).collect();
    let mut index = window.first_index;
    while index < window.end_index() {
        let note = |all: &mut Findings, k: usize, one| all.note(&plan.label_sets[k], one);
        let ticks = index..window.end_index();
        let (count, all) =
            comparison.chunk(ticks, &iters, |count| findings.with_chunk(count), note)?;
        if all.missing > findings.missing && comparison.waits_for_missing()? {
            continue;
        }
        findings = all.end_chunk(index, &plan.schedule);
        let count_of_each = usize::try_from(count).expect("a chunk fits memory");
        for iter in &mut iters {
            iter.nth(count_of_each - 1).expect("a series is endless");
        }
        index += count;
    }
    findings.is_lossy = comparison.reader.tolerance().is_some();
    Ok(findings)
}
