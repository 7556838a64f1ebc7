//! `--resume`: finds what a receiver lacks of the window, and sends only that.
//!
//! The window is read twice: first as a whole, to see that no other values are stored, then just
//! ahead of each batch, so that memory is flat. A refused batch is read again, because the last
//! request of a sender that was killed may have been stored meanwhile. What is still missing is
//! sent in parts, because a Prometheus refuses all series of a request when the samples of one are
//! too old.

use std::iter;
use std::mem;
use std::ops::Range;
use std::time::Duration;

use crate::commands::verify::compare::Finding;
use crate::commands::verify::{Comparison, Verify, compare_window};
use crate::delivery::{Delivered, Delivery, Ending, Fate, Summary};
use crate::error::Exit;
use crate::plan::Plan;
use crate::read_back::{ReadError, TimeRange};
use crate::remote_write::TimeSeries;
use crate::report::Field;
use crate::report::words::count_of;
use crate::series::{Grid, Sample, SeriesIter, Tick};

/// Maximum number of samples read ahead; a byte of memory each.
const KNOWN_MAX: u64 = 4 * 1024 * 1024;
/// Maximum number of requests into which a refused batch is cut.
const PARTS_MAX: usize = 100;
/// What a receiver has of a window.
pub(super) struct Stored {
    /// The ticks from the first that is missing to the last; none when nothing is.
    pub(super) missing: Option<Range<u64>>,
    /// Whether it has anything of the window.
    pub(super) is_any: bool,
}

/// Reads the window and sets the summary to what is missing of it.
///
/// # Errors
/// The exit code of a run that ended here, and said why: it cannot be read, or is not the series.
pub(super) fn look(verify: Verify<'_>, summary: &Summary) -> Result<Stored, Exit> {
    let Verify { plan, report, .. } = verify;
    summary.tally().is_unread = true;
    let url = verify.shown_url();
    let text = format!("Reading what is already stored from {url}");
    report.info("reading", &[("url", Field::Text(&url))], &text);
    let findings = compare_window(verify, Duration::ZERO)
        .map_err(|error| verify.end_unread(&error, summary))?;
    verify.check_resumable(&findings, summary)?;
    let (missing, count) = (findings.missing, plan.sample_count());
    let text = format!("Resuming: {missing} of {} are missing", count_of(count, "datapoint"));
    report.info("resuming", &[("left", Field::Count(missing))], &text);
    let span = findings.missing_span();
    let end = plan.window.end_index();
    summary.begin_with(span.clone().unwrap_or(end..end), missing);
    Ok(Stored { missing: span, is_any: missing < count })
}

/// Sends of each batch what is missing.
pub(super) struct Rest<'a> {
    summary: &'a Summary,
    comparison: Comparison<'a>,
    /// The ticks that were read last.
    chunk: Range<u64>,
    /// Whether each sample of these ticks is missing, series by series.
    is_missing: Vec<bool>,
    /// By series, whether the receiver refused it when it was sent alone.
    is_refused: Vec<bool>,
    /// Whether something of the batch before was refused.
    was_refused: bool,
}

impl<'a> Rest<'a> {
    /// Returns the rest of the window; nothing is read yet.
    pub(super) fn new(verify: Verify<'a>, summary: &'a Summary) -> Self {
        let series_count = verify.plan.label_sets.len();
        let ticks_max = (KNOWN_MAX / series_count as u64).max(1);
        Self {
            summary,
            comparison: Comparison::new(verify, ticks_max),
            chunk: 0..0,
            is_missing: Vec::new(),
            is_refused: vec![false; series_count],
            was_refused: false,
        }
    }

    /// Returns what is compared.
    pub(super) fn verify(&self) -> Verify<'a> {
        self.comparison.verify
    }

    /// Reads what is stored from the first of `ticks` on, unless it was read before; returns the
    /// end of what was read. `iters` stand at that first tick.
    ///
    /// # Errors
    /// The receiver's samples cannot be read.
    pub(super) fn read(
        &mut self,
        ticks: Range<u64>,
        iters: &[SeriesIter],
    ) -> Result<u64, ReadError> {
        if !self.chunk.contains(&ticks.start) {
            let (first, series_count) = (ticks.start, iters.len());
            let new = |tick_count: usize| vec![false; tick_count * series_count];
            let note = |is_missing: &mut Vec<bool>, k: usize, finding| {
                if let Finding::Missing { tick } = finding {
                    let tick_count = is_missing.len() / series_count;
                    is_missing[k * tick_count + tick] = true;
                }
            };
            let (count, is_missing) = self.comparison.chunk(ticks, iters, new, note)?;
            (self.chunk, self.is_missing) = (first..first + count, is_missing);
        }
        Ok(self.chunk.end)
    }

    /// Sends the missing ones of `samples`, which are those of `ticks` by series.
    ///
    /// # Errors
    /// What ends the run instead.
    pub(super) fn send(
        &mut self,
        ticks: Range<u64>,
        samples: &mut [Vec<Sample>],
        delivery: &mut Delivery<'a>,
    ) -> Result<(), Ending> {
        let count = |samples: &[Vec<Sample>]| samples.iter().map(Vec::len).sum::<usize>();
        let all = count(samples);
        self.leave_out_stored(samples);
        self.summary.tally().pass((all - count(samples)) as u64);
        let fates = Vec::new();
        let mut batch = Batch { rest: self, delivery, ticks, samples, fates, is_refused: false };
        let result = batch.send_all();
        let Batch { mut fates, is_refused, .. } = batch;
        self.was_refused = is_refused;
        fates.sort_by_key(|(index, _)| *index);
        let mut tally = self.summary.tally();
        fates.into_iter().for_each(|(index, fate)| tally.settle(index, 1, fate));
        result
    }

    fn leave_out_stored(&self, samples: &mut [Vec<Sample>]) {
        let (grid, chunk) = (self.verify().plan.model.grid, &self.chunk);
        let is_missing = self.is_missing.chunks(length(chunk));
        for (samples, is_missing) in samples.iter_mut().zip(is_missing) {
            samples.retain(|sample| {
                let index = index_of(*sample, grid);
                is_missing[length(&(chunk.start..index))]
            });
        }
    }
}

fn length(ticks: &Range<u64>) -> usize {
    usize::try_from(ticks.end - ticks.start).expect("what is read at once fits memory")
}

fn index_of(sample: Sample, grid: Grid) -> u64 {
    grid.index_at_or_before(sample.timestamp).expect("it is on the grid")
}

/// The missing samples of a batch while they are sent.
struct Batch<'b, 'a> {
    rest: &'b mut Rest<'a>,
    delivery: &'b mut Delivery<'a>,
    ticks: Range<u64>,
    samples: &'b mut [Vec<Sample>],
    /// Ticks of samples and what became of them, in any order.
    fates: Vec<(u64, Fate)>,
    is_refused: bool,
}

impl Batch<'_, '_> {
    fn send_all(&mut self) -> Result<(), Ending> {
        let mut refused = Vec::new();
        for part in self.delivery.cut.parts.clone() {
            let some = part.filter(|k| !self.samples[*k].is_empty());
            let (again, others): (Vec<_>, Vec<_>) = some.partition(|k| self.rest.is_refused[*k]);
            refused.extend(again);
            if !others.is_empty() {
                self.send(&others, !self.rest.was_refused)?;
            }
        }
        // In parts, so that one that is still refused does not hold up the others.
        for series in refused.chunks(refused.len().div_ceil(PARTS_MAX).max(1)) {
            let delivered = self.send_request(series);
            self.settle(series, delivered)?;
        }
        Ok(())
    }

    /// Sends these series, in parts when they are refused.
    fn send(&mut self, series: &[usize], may_look: bool) -> Result<(), Ending> {
        let delivered = self.send_request(series);
        let is_partly = matches!(delivered, Delivered::Partly { .. });
        let is_final = match delivered {
            Delivered::Settled(Fate::Accepted) | Delivered::Ended(_, Ending::Interrupted) => {
                return self.settle(series, delivered);
            }
            // A request without a final answer is not tried in parts.
            _ if self.delivery.is_failing() => return self.settle(series, delivered),
            delivered => matches!(delivered, Delivered::Ended(..)),
        };
        self.is_refused = true;
        let is_looked_for = may_look || is_partly || is_final;
        let found = if is_looked_for { self.look_again(series) } else { 0 };
        let left = series.iter().copied().filter(|k| !self.samples[*k].is_empty());
        let left: Vec<usize> = left.collect();
        match left.len() {
            0 => Ok(()),
            _ if found > 0 && !is_partly => self.send(&left, false),
            2.. if !is_partly && !is_final => {
                let (first, second) = left.split_at(left.len() / 2);
                self.send(first, false)?;
                self.send(second, false)
            }
            _ => {
                left.iter().for_each(|k| self.rest.is_refused[*k] = true);
                self.settle(&left, delivered)
            }
        }
    }

    fn send_request(&mut self, series: &[usize]) -> Delivered {
        if self.delivery.is_over() {
            return Delivered::Settled(Fate::Undelivered);
        }
        let plan = self.rest.verify().plan;
        let samples = |k: usize| iter::once(self.samples[k].as_slice());
        let request = series.iter().flat_map(|k| plan.time_series(*k..*k + 1, samples(*k)));
        let request: Vec<TimeSeries<'_>> = request.collect();
        self.delivery.send(&request)
    }

    fn plan(&self) -> &Plan {
        self.rest.verify().plan
    }

    /// Counts as accepted what is stored of these series by now; returns how many samples that is.
    fn look_again(&mut self, series: &[usize]) -> usize {
        let (grid, ticks) = (self.plan().model.grid, self.ticks.clone());
        let range = TimeRange::of_ticks(grid, ticks.start, ticks.end - ticks.start);
        let mut found = 0;
        for k in series {
            let expected = mem::take(&mut self.samples[*k]);
            let mut is_missing = vec![false; expected.len()];
            let iter = expected.iter().copied().map(Tick::from);
            let looked = self.rest.comparison.series(*k, range, iter, |finding| {
                if let Finding::Missing { tick } = finding {
                    is_missing[tick] = true;
                }
            });
            for (sample, is_missing) in expected.into_iter().zip(is_missing) {
                // When it cannot be read, the fate in the answer counts.
                if is_missing || looked.is_err() {
                    self.samples[*k].push(sample);
                } else {
                    self.fates.push((index_of(sample, grid), Fate::Accepted));
                    found += 1;
                }
            }
        }
        found
    }

    /// Counts what became of these series.
    fn settle(&mut self, series: &[usize], delivered: Delivered) -> Result<(), Ending> {
        let (fate, result) = match delivered {
            Delivered::Settled(fate) | Delivered::Partly { rest: fate, .. } => (Some(fate), Ok(())),
            Delivered::Ended(fate, ending) => (fate, Err(ending)),
        };
        let Some(fate) = fate else { return result };
        let grid = self.plan().model.grid;
        for k in series {
            self.rest.is_refused[*k] &= fate != Fate::Accepted;
            let fates = self.samples[*k].drain(..).map(|sample| (index_of(sample, grid), fate));
            self.fates.extend(fates);
        }
        result
    }
}
