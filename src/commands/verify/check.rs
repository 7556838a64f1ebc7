//! The reading of a window, and its comparison with the series, chunk by chunk.
//!
//! Only reads. Memory is flat in the length of the window, whatever it holds.

use std::ops::Range;
use std::time::Duration;

use super::Subject;
use super::compare::{Finding, compare};
use super::findings::{Findings, Part};
use crate::clock::Clock;
use crate::plan::Plan;
use crate::read_back::{ReadError, Reader, TICKS_PER_CHUNK, TimeRange};
use crate::report::Report;
use crate::series::{Sample, SeriesIter};

/// From one look for a missing sample to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Compares ticks of a plan with what a receiver has of them.
pub(crate) struct Comparison<'a, C> {
    pub(crate) reader: Reader<'a, C>,
    plan: &'a Plan,
    clock: &'a C,
    samples: Vec<Sample>,
    ticks_max: u64,
}

impl<'a, C: Clock> Comparison<'a, C> {
    /// Returns a comparison that reads at most `ticks_max` ticks at a time.
    pub(crate) fn new(
        subject: Subject<'a>,
        clock: &'a C,
        report: &'a Report,
        ticks_max: u64,
    ) -> Self {
        let reader = Reader::new(clock, report, subject.source);
        let ticks_max = ticks_max.min(TICKS_PER_CHUNK);
        Self { reader, plan: subject.plan, clock, samples: Vec::new(), ticks_max }
    }

    /// Compares the first of `ticks`, at which `iters` stand, series by series; returns how many
    /// they are. What is found is noted in what `new` makes for that many.
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
            let range = TimeRange::of_ticks(self.plan.model.grid, ticks.start, count);
            let mut notes = new(tick_count);
            for (k, iter) in iters.iter().enumerate() {
                let expected = iter.clone().take(tick_count);
                match self.series(k, range, expected, |finding| note(&mut notes, k, finding)) {
                    // The series has more samples in between than ours.
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

    /// Compares what should be there of series `k` with what is.
    ///
    /// # Errors
    /// The receiver's samples cannot be read.
    pub(crate) fn series(
        &mut self,
        k: usize,
        range: TimeRange,
        expected: impl Iterator<Item = Sample>,
        on: impl FnMut(Finding),
    ) -> Result<(), ReadError> {
        if self.clock.is_interrupted() {
            return Err(ReadError::Interrupted);
        }
        self.reader.read(&self.plan.label_sets[k], range, &mut self.samples)?;
        compare(expected, &self.samples, self.reader.relative_error_max(), on);
        Ok(())
    }
}

/// A check of a whole window.
pub(crate) struct Check<'a, C> {
    plan: &'a Plan,
    clock: &'a C,
    comparison: Comparison<'a, C>,
    patience: ShowPatience,
}

impl<'a, C: Clock> Check<'a, C> {
    /// Returns a check that has read nothing yet; what was pushed just now shows `shown_within`.
    pub(crate) fn new(
        subject: Subject<'a>,
        clock: &'a C,
        report: &'a Report,
        shown_within: Duration,
    ) -> Self {
        let comparison = Comparison::new(subject, clock, report, TICKS_PER_CHUNK);
        let patience = ShowPatience::new(shown_within);
        Self { plan: subject.plan, clock, comparison, patience }
    }

    /// Returns the relative error of the values read; `None` where they are those sent.
    pub(crate) fn relative_error_max(&self) -> Option<f64> {
        self.comparison.reader.relative_error_max()
    }

    /// Compares the window.
    ///
    /// # Errors
    /// The receiver's samples cannot be read.
    pub(crate) fn all(&mut self) -> Result<Findings, ReadError> {
        let (plan, window) = (self.plan, self.plan.window);
        let mut findings = Findings::default();
        // The series from the chunk's first tick on.
        let mut iters: Vec<_> = plan.iters_from(window.first_index).collect();
        let mut index = window.first_index;
        while index < window.end_index() {
            let note = |part: &mut Part, k: usize, finding| part.note(&plan.label_sets[k], finding);
            let ticks = index..window.end_index();
            let (count, part) = self.comparison.chunk(ticks, &iters, Part::new, note)?;
            if part.missing > 0 && self.patience.wait(self.clock, &self.comparison.reader)? {
                continue;
            }
            findings.add(index, part);
            let count_of_each = usize::try_from(count).expect("a chunk fits memory");
            for iter in &mut iters {
                iter.nth(count_of_each - 1).expect("a series is endless");
            }
            index += count;
        }
        Ok(findings)
    }
}

/// How long something may be missing before that is believed.
#[derive(Default)]
pub(crate) struct ShowPatience {
    shown_within: Duration,
    /// When something was missing for the first time, on the steady clock.
    since: Option<Duration>,
}

impl ShowPatience {
    /// Returns the patience with what shows `shown_within`.
    pub(crate) fn new(shown_within: Duration) -> Self {
        Self { shown_within, since: None }
    }

    /// Waits a little and returns true, unless what is missing had its time to show.
    ///
    /// # Errors
    /// `Interrupted` when a signal came.
    pub(crate) fn wait<C: Clock>(
        &mut self,
        clock: &C,
        reader: &Reader<'_, C>,
    ) -> Result<bool, ReadError> {
        let shown_within = self.shown_within.max(reader.shows_within());
        let now = clock.steady();
        if now - *self.since.get_or_insert(now) >= shown_within {
            return Ok(false);
        }
        clock.sleep(LOOK_INTERVAL).map_err(|_| ReadError::Interrupted)?;
        Ok(true)
    }
}
