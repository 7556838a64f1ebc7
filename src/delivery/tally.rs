//! The accounting of a run: what became of every planned sample.
//!
//! Pure. Every sample is counted once, and planned = accepted + rejected + undelivered +
//! unconfirmed + not yet due at any moment.

use std::ops::Range;

use crate::error::Exit;
use crate::series::Schedule;

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The receiver took it.
    Accepted,
    /// The receiver refused it.
    Rejected,
    /// It was not taken in time; it is not there.
    Undelivered,
    /// An attempt may have stored it, and no later one settled it; it may be there.
    Unconfirmed,
}

/// Ranges beyond this many are counted, not listed.
const RANGE_COUNT_MAX: usize = 10;

/// A contiguous range of grid indices, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRange {
    /// Index of the first tick.
    pub first: u64,
    /// Index of the last tick.
    pub last: u64,
    /// How many samples are missing in them; a receiver may have the others.
    pub count: u64,
    /// What to do about it.
    pub remedy: Remedy,
}

/// What to do about ticks that were not all accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// Send them again: they are not there.
    Send,
    /// Verify first: some of them may be stored, and it is not known which.
    Verify,
}

/// Ranges of ticks, of which the first ten are listed and the others counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    listed: Vec<IndexRange>,
    count: u64,
    last: Option<Last>,
}

/// The last tick in any range, and what to do about its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    index: u64,
    remedy: Remedy,
    /// The tick at which a range follows it: the next one, or the one after a gap.
    next: u64,
}

impl Ranges {
    /// Adds a range, which joins the one before where it follows it; ranges come in order.
    pub fn add(&mut self, range: IndexRange) {
        let IndexRange { first, last, count, remedy } = range;
        match &mut self.last {
            Some(before)
                if first <= before.index || (first <= before.next && remedy == before.remedy) =>
            {
                before.index = before.index.max(last);
                before.next = before.index + 1;
                // When the requests of one tick had different fates, the worse one counts.
                before.remedy = before.remedy.max(remedy);
                if self.count == self.listed.len() as u64
                    && let Some(range) = self.listed.last_mut()
                {
                    (range.last, range.remedy) = (before.index, before.remedy);
                    range.count += count;
                }
            }
            _ => {
                self.count += 1;
                if self.listed.len() < RANGE_COUNT_MAX {
                    self.listed.push(range);
                }
                self.last = Some(Last { index: last, remedy, next: last + 1 });
            }
        }
    }

    /// Skips ticks without a datapoint: ranges on both sides are joined. They come in order.
    pub fn skip(&mut self, gap: Range<u64>) {
        if let Some(last) = self.last.as_mut().filter(|last| last.next == gap.start) {
            last.next = gap.end;
        }
    }

    /// Tells whether tick `index`, or a later one, is in a range.
    fn reaches(&self, index: u64) -> bool {
        self.last.is_some_and(|last| last.index >= index)
    }

    /// Returns the ranges that are listed.
    pub fn listed(&self) -> &[IndexRange] {
        &self.listed
    }

    /// Returns the ticks from the first in any range to the last.
    pub fn span(&self) -> Option<Range<u64>> {
        let first = self.listed.first()?.first;
        self.last.map(|last| first..last.index + 1)
    }

    /// Returns how many ranges there are besides those listed.
    pub fn more_count(&self) -> u64 {
        self.count - self.listed.len() as u64
    }
}

/// What became of the samples of a run so far. Counts are in samples unless named otherwise.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Which ticks have how many samples.
    pub schedule: Schedule,
    /// Indexes on the grid, to the last tick that has a sample.
    pub ticks: Range<u64>,
    /// How many of them have a sample.
    pub tick_count: u64,
    /// Those of them that are not dealt with.
    pub ticks_left: u64,
    /// The samples of these ticks.
    scheduled: u64,
    /// Ticks from the first that is not dealt with on, and how many samples each of them has.
    next: (Range<u64>, u64),
    /// The samples of the next tick that are dealt with.
    next_done: u64,
    /// Samples that the receiver took.
    pub accepted: u64,
    /// Samples that the receiver refused.
    pub rejected: u64,
    /// Samples given up.
    pub undelivered: u64,
    /// Samples that may have been stored.
    pub unconfirmed: u64,
    /// Attempts beyond the first, counted apart.
    pub retries: u64,
    /// Whether the receiver may have samples from an earlier run that have not been read yet.
    pub is_unread: bool,
    /// Whether a final answer came at all.
    pub is_anything_answered: bool,
    /// Whether a series had another value at one of our times already.
    pub has_conflict: bool,
    /// Samples that were there before the run, which are not planned.
    pub there: u64,
    /// Samples, the next ones to settle, that may have been stored by an attempt without answer.
    open: u64,
    missing: Ranges,
    last_accepted: Option<u64>,
}

impl Tally {
    /// Returns the tally of a run that has not begun.
    pub fn new(schedule: &Schedule, ticks: Range<u64>) -> Self {
        let end = schedule.planned_end(ticks.clone()).unwrap_or(ticks.start);
        let ticks = ticks.start..end;
        let tick_count = schedule.tick_count(ticks.clone());
        let mut tally = Self {
            schedule: schedule.clone(),
            tick_count,
            ticks_left: tick_count,
            scheduled: schedule.count(ticks.clone()),
            ticks,
            ..Self::default()
        };
        tally.go_to(tally.ticks.start);
        tally
    }

    /// Counts `samples` of tick `index`; ticks come in ascending order.
    pub fn settle(&mut self, index: u64, samples: u64, fate: Fate) {
        if samples == 0 {
            return;
        }
        *match fate {
            Fate::Accepted => &mut self.accepted,
            Fate::Rejected => &mut self.rejected,
            Fate::Undelivered => &mut self.undelivered,
            Fate::Unconfirmed => &mut self.unconfirmed,
        } += samples;
        debug_assert!(self.settled() <= self.planned());
        self.open = self.open.saturating_sub(samples);
        match fate {
            Fate::Accepted => self.last_accepted = Some(index),
            fate => {
                let remedy = if fate == Fate::Unconfirmed { Remedy::Verify } else { Remedy::Send };
                let (first, last, count) = (index, index, samples);
                self.missing.add(IndexRange { first, last, count, remedy });
            }
        }
        self.pass(samples);
    }

    /// Counts a request for ranges of ticks, each of so many samples, of which `written` samples
    /// were stored; `rest` is the fate of the others.
    pub fn settle_part(&mut self, ranges: &[(Range<u64>, u64)], written: u64, rest: Fate) {
        let indexes =
            ranges.iter().flat_map(|(ticks, each)| ticks.clone().map(|index| (index, *each)));
        if self.schedule.series_count() == 1 {
            // Samples that overlap with stored ones are refused: these are the oldest.
            let count = indexes.clone().count() as u64;
            for (k, (index, _)) in (written..).zip(indexes) {
                self.settle(index, 1, if k < count { rest } else { Fate::Accepted });
            }
            return;
        }
        let (first, last) = (ranges[0].0.start, ranges[ranges.len() - 1].0.end - 1);
        self.missing.add(IndexRange { first, last, count: 0, remedy: Remedy::Verify });
        let mut accepted = written;
        for (index, samples_each) in indexes {
            let accepted_here = accepted.min(samples_each);
            accepted -= accepted_here;
            self.settle(index, accepted_here, Fate::Accepted);
            self.settle(index, samples_each - accepted_here, rest);
        }
    }

    /// Skips `samples` that were stored before the run, or are already counted.
    pub fn pass(&mut self, mut samples: u64) {
        loop {
            let (ticks, each) = &mut self.next;
            let left = each.saturating_sub(self.next_done);
            if samples < left || ticks.is_empty() {
                self.next_done += samples;
                return;
            }
            samples -= left;
            (self.next_done, ticks.start) = (0, ticks.start + 1);
            self.ticks_left -= 1;
            let index = ticks.start;
            if ticks.is_empty() {
                self.go_to(index);
            }
        }
    }

    /// Goes to the first tick from `index` on that has a sample.
    fn go_to(&mut self, index: u64) {
        self.next_done = 0;
        let mut ranges = self.schedule.ranges(index..self.ticks.end);
        for (ticks, count) in &mut ranges {
            if count > 0 {
                self.next = (ticks, count);
                return;
            }
            self.missing.skip(ticks);
        }
        self.next = (self.ticks.end..self.ticks.end, 0);
    }

    /// Returns the first tick that is not dealt with.
    pub fn next_index(&self) -> u64 {
        self.next.0.start
    }

    /// Notes that the next `samples` to settle may have been stored.
    pub fn leave_open(&mut self, samples: u64) {
        self.open = self.open.max(samples);
    }

    /// Counts as unconfirmed what was left open and is not going to be settled any more.
    pub fn settle_open(&mut self) {
        // A stale marker may be left open when no sample is left to settle.
        for _ in 0..self.open.min(self.not_yet_due()) {
            self.settle(self.next_index(), 1, Fate::Unconfirmed);
        }
    }

    /// Counts what is left of every tick before `index_end` as undelivered, or as unconfirmed if
    /// the receiver may have it.
    pub fn give_up_before(&mut self, index_end: u64) {
        let ticks = self.next_index()..index_end.min(self.ticks.end);
        if ticks.is_empty() {
            return;
        }
        let left = self.schedule.count(ticks.clone()) - self.next_done;
        let left = left.min(self.not_yet_due());
        if left > 0 {
            let (count, remedy) = match self.is_unread {
                true => (&mut self.unconfirmed, Remedy::Verify),
                false => (&mut self.undelivered, Remedy::Send),
            };
            *count += left;
            let (first, last, count) = (ticks.start, ticks.end - 1, left);
            self.missing.add(IndexRange { first, last, count, remedy });
        }
        self.ticks_left -= self.schedule.tick_count(ticks.clone());
        self.go_to(ticks.end);
    }

    /// Returns the samples planned.
    pub fn planned(&self) -> u64 {
        self.scheduled - self.there
    }

    /// Returns the samples whose fate is known.
    pub fn settled(&self) -> u64 {
        self.accepted + self.rejected + self.undelivered + self.unconfirmed
    }

    /// Returns the samples whose time has not come.
    pub fn not_yet_due(&self) -> u64 {
        self.planned() - self.settled()
    }

    /// Returns the ticks to send again; those not yet due come last.
    pub fn missing(&self) -> Ranges {
        let mut all = self.missing.clone();
        let (next, end) = (self.next_index(), self.ticks.end);
        let count = self.not_yet_due();
        if next < end && count > 0 {
            all.add(IndexRange { first: next, last: end - 1, count, remedy: Remedy::Send });
        }
        all
    }

    /// Returns the last tick dealt with, if the receiver took it.
    pub fn last_accepted_if_newest(&self) -> Option<u64> {
        self.last_accepted.filter(|accepted| !self.missing.reaches(*accepted))
    }

    /// Tells whether a tick to send again is older than one that was accepted.
    pub fn is_older_missing(&self) -> bool {
        let mut to_send = self.missing.listed.iter().filter(|range| range.remedy == Remedy::Send);
        let is_older = match (to_send.next(), self.last_accepted) {
            (Some(range), Some(accepted)) => range.first < accepted,
            _ => false,
        };
        // When a run is resumed, samples after the stored ones are not refused.
        is_older || (self.there > 0 && self.rejected > 0)
    }

    /// Returns the result of a finished run: every sample accepted, some, or none.
    pub fn exit(&self) -> Exit {
        match self.is_anything_answered {
            _ if self.accepted == self.planned() => Exit::Success,
            true => Exit::Incomplete,
            false => Exit::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(first: u64, tick_count: u64, series_count: u64) -> Tally {
        Tally::new(&Schedule::default().with_more(series_count), first..first + tick_count)
    }

    fn range(first: u64, last: u64, count: u64) -> IndexRange {
        IndexRange { first, last, count, remedy: Remedy::Send }
    }

    fn doubtful(first: u64, last: u64, count: u64) -> IndexRange {
        IndexRange { first, last, count, remedy: Remedy::Verify }
    }

    #[test]
    fn ranges_join_where_ticks_follow_each_other() {
        let mut tally = new(100, 10, 1);
        for (index, fate) in [
            (100, Fate::Accepted),
            (101, Fate::Rejected),
            (102, Fate::Unconfirmed),
            (103, Fate::Accepted),
            (104, Fate::Undelivered),
        ] {
            tally.settle(index, 1, fate);
        }
        tally.give_up_before(107);
        let expected = [range(101, 101, 1), doubtful(102, 102, 1), range(104, 109, 6)];
        assert_eq!(tally.missing().listed(), expected);
        assert_eq!((tally.undelivered, tally.not_yet_due()), (3, 3));
    }

    #[test]
    fn ten_ranges_are_listed_and_the_others_counted() {
        let mut tally = new(0, 60, 1);
        for index in 0..60 {
            let fate = if index % 2 == 0 { Fate::Accepted } else { Fate::Rejected };
            tally.settle(index, 1, fate);
        }
        let ranges = tally.missing();
        assert_eq!((ranges.listed().len(), ranges.more_count()), (10, 20));
        assert_eq!(ranges.listed()[9], range(19, 19, 1));
    }

    #[test]
    fn a_tick_of_many_series_counts_once() {
        let mut tally = new(0, 3, 5);
        tally.settle(0, 3, Fate::Accepted);
        tally.settle(0, 2, Fate::Accepted);
        tally.settle(1, 3, Fate::Rejected);
        tally.settle(1, 2, Fate::Accepted);
        assert_eq!((tally.accepted, tally.not_yet_due()), (7, 5));
        assert_eq!(tally.missing().listed(), [range(1, 2, 8)]);
        tally.give_up_before(3);
        assert_eq!((tally.undelivered, tally.not_yet_due()), (5, 0));
    }

    #[test]
    fn what_was_left_open_is_unconfirmed() {
        let mut tally = new(0, 4, 2);
        tally.leave_open(2);
        tally.settle(0, 2, Fate::Accepted);
        tally.settle_open();
        assert_eq!(tally.unconfirmed, 0);
        tally.leave_open(4);
        tally.leave_open(2);
        tally.settle(1, 1, Fate::Accepted);
        tally.settle_open();
        assert_eq!((tally.accepted, tally.unconfirmed, tally.not_yet_due()), (3, 3, 2));
        assert!(!tally.is_older_missing());
        assert_eq!(tally.missing().listed(), [doubtful(1, 2, 3), range(3, 3, 2)]);
        tally.leave_open(100);
        tally.settle_open();
        assert_eq!((tally.unconfirmed, tally.not_yet_due()), (5, 0));
    }

    #[test]
    fn of_one_series_the_oldest_of_a_part_are_the_others() {
        let mut tally = new(0, 20, 1);
        tally.settle_part(&[(0..10, 1)], 4, Fate::Rejected);
        assert_eq!((tally.accepted, tally.rejected), (4, 6));
        tally.settle_part(&[(10..20, 1)], 9, Fate::Unconfirmed);
        assert_eq!(tally.missing().listed(), [range(0, 5, 6), doubtful(10, 10, 1)]);
        assert!(tally.is_older_missing());
        assert_eq!(tally.last_accepted_if_newest(), Some(19));
    }

    #[test]
    fn of_several_series_a_part_is_doubtful_as_a_whole() {
        let mut tally = new(0, 30, 2);
        (0..10).for_each(|index| tally.settle(index, 2, Fate::Rejected));
        tally.settle_part(&[(10..20, 2)], 13, Fate::Rejected);
        (20..30).for_each(|index| tally.settle(index, 2, Fate::Accepted));
        assert_eq!((tally.accepted, tally.rejected), (33, 27));
        assert_eq!(tally.missing().listed(), [range(0, 9, 20), doubtful(10, 19, 7)]);
    }

    #[test]
    fn the_requests_of_one_tick_are_in_one_range() {
        let mut tally = new(0, 3, 4);
        for fate in [Fate::Rejected, Fate::Unconfirmed, Fate::Rejected] {
            tally.settle(0, 2, Fate::Rejected);
            tally.settle(0, 2, fate);
            assert_eq!(tally.missing.listed().len(), 1);
            tally = Tally { missing: tally.missing, ..new(0, 3, 4) };
        }
        assert_eq!(tally.missing.listed(), [doubtful(0, 0, 12)]);
    }

    #[test]
    fn what_was_there_is_not_planned() {
        let mut tally = Tally { there: 12, ..new(100, 10, 2) };
        tally.pass(3);
        tally.settle(101, 1, Fate::Accepted);
        assert_eq!((tally.planned(), tally.not_yet_due(), tally.next_index()), (8, 7, 102));
        let mut given_up = tally.clone();
        given_up.give_up_before(110);
        assert_eq!((given_up.undelivered, given_up.not_yet_due()), (7, 0));
        assert_eq!(given_up.missing().listed(), [range(102, 109, 7)]);
        // All of it is settled before the window ends.
        tally.settle(104, 7, Fate::Accepted);
        assert_eq!((tally.exit(), tally.missing().listed()), (Exit::Success, &[][..]));
    }

    #[test]
    fn the_exit_code_follows_from_the_counts() {
        let with = |fate, is_anything_answered| {
            let mut tally = Tally { is_anything_answered, ..new(0, 1, 1) };
            tally.settle(0, 1, fate);
            tally.exit()
        };
        assert_eq!(with(Fate::Accepted, true), Exit::Success);
        assert_eq!(with(Fate::Rejected, true), Exit::Incomplete);
        assert_eq!(with(Fate::Undelivered, false), Exit::Unreachable);
        assert_eq!(with(Fate::Unconfirmed, false), Exit::Unreachable);
        assert_eq!(with(Fate::Unconfirmed, true), Exit::Incomplete);
    }
}
