//! The accounting of a run: what became of every planned sample.
//!
//! Pure. Every sample is counted once, and planned = accepted + rejected + undelivered +
//! unconfirmed + not yet due at any moment.

use crate::error::Exit;

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The receiver took it.
    Accepted,
    /// The receiver refused it.
    Rejected,
    /// It was not taken in time; it is not there.
    Undelivered,
    /// An attempt had no answer, and no later one settled it; it may be there.
    Unconfirmed,
}

/// Ranges beyond this many are counted, not kept.
const RANGE_COUNT_MAX: usize = 10;

/// A contiguous range of grid indices, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRange {
    /// Index of the first tick.
    pub first: u64,
    /// Index of the last tick.
    pub last: u64,
}

/// Ranges of ticks, of which the first ten are kept and the others counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    kept: Vec<IndexRange>,
    count: u64,
    last: Option<u64>,
}

impl Ranges {
    /// Adds a range, which joins the one before where it follows it; ranges come in order.
    pub fn add(&mut self, range: IndexRange) {
        let follows = self.last.is_some_and(|last| range.first <= last + 1);
        self.last = Some(range.last);
        if !follows {
            self.count += 1;
            if self.kept.len() < RANGE_COUNT_MAX {
                self.kept.push(range);
            }
        } else if self.count <= RANGE_COUNT_MAX as u64
            && let Some(current) = self.kept.last_mut()
        {
            current.last = range.last;
        }
    }

    /// Returns the ranges that were kept.
    pub fn kept(&self) -> &[IndexRange] {
        &self.kept
    }

    /// Returns how many ranges there are beside those kept.
    pub fn more_count(&self) -> u64 {
        self.count - self.kept.len() as u64
    }
}

/// What became of the samples of a run so far. Counts are in samples unless named otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Index on the grid of the first tick.
    pub first_index: u64,
    /// Ticks planned.
    pub tick_count: u64,
    /// Samples a tick.
    pub series_count: u64,
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
    /// Ticks of which every sample was accepted.
    pub ticks_accepted: u64,
    /// Whether the receiver may have any of it from a run before, which is still to be read.
    pub is_unread: bool,
    /// Samples, the next ones to settle, that may have been stored by an attempt without answer.
    open: u64,
    missing: Ranges,
    last_accepted: Option<u64>,
}

impl Tally {
    /// Returns the tally of a run that has not begun.
    pub fn new(first_index: u64, tick_count: u64, series_count: u64) -> Self {
        Self {
            first_index,
            tick_count,
            series_count,
            accepted: 0,
            rejected: 0,
            undelivered: 0,
            unconfirmed: 0,
            retries: 0,
            ticks_accepted: 0,
            is_unread: false,
            open: 0,
            missing: Ranges::default(),
            last_accepted: None,
        }
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
        if fate != Fate::Accepted {
            self.missing.add(IndexRange { first: index, last: index });
            return;
        }
        self.last_accepted = Some(index);
        if self.settled().is_multiple_of(self.series_count) && self.missing.last != Some(index) {
            self.ticks_accepted += 1;
        }
    }

    /// Notes that the next `samples` to settle may have been stored.
    pub fn leave_open(&mut self, samples: u64) {
        self.open = self.open.max(samples);
    }

    /// Counts as unconfirmed what was left open and is not going to be settled any more.
    pub fn settle_open(&mut self) {
        // A stale marker is left open too, when nothing is left to settle.
        for _ in 0..self.open.min(self.not_yet_due()) {
            let index = self.first_index + self.settled() / self.series_count;
            self.settle(index, 1, Fate::Unconfirmed);
        }
    }

    /// Counts as undelivered what is left of every tick before `index_end`; as unconfirmed where
    /// the receiver may have it.
    pub fn give_up_before(&mut self, index_end: u64) {
        let due = (index_end - self.first_index).min(self.tick_count) * self.series_count;
        let left = due.saturating_sub(self.settled());
        if left > 0 {
            let first = self.first_index + self.settled() / self.series_count;
            *if self.is_unread { &mut self.unconfirmed } else { &mut self.undelivered } += left;
            self.missing.add(IndexRange { first, last: index_end - 1 });
        }
    }

    /// Returns the samples planned.
    pub fn planned(&self) -> u64 {
        self.tick_count * self.series_count
    }

    /// Returns the samples whose fate is known.
    pub fn settled(&self) -> u64 {
        self.accepted + self.rejected + self.undelivered + self.unconfirmed
    }

    /// Returns the samples whose time has not come.
    pub fn not_yet_due(&self) -> u64 {
        self.planned() - self.settled()
    }

    /// Returns the ticks that want sending again; what is not yet due is the last of them.
    pub fn missing(&self) -> Ranges {
        let mut all = self.missing.clone();
        let end = self.first_index + self.tick_count;
        let next = self.first_index + self.settled() / self.series_count;
        if next < end {
            all.add(IndexRange { first: next, last: end - 1 });
        }
        all
    }

    /// Returns the newest tick of which a sample was accepted.
    pub fn last_accepted(&self) -> Option<u64> {
        self.last_accepted
    }

    /// Returns the last tick dealt with, if the receiver took it.
    pub fn last_accepted_if_newest(&self) -> Option<u64> {
        self.last_accepted.filter(|accepted| self.missing.last.is_none_or(|last| last < *accepted))
    }

    /// Tells whether a tick that wants sending again is older than one that was accepted.
    pub fn is_older_missing(&self) -> bool {
        match (self.missing.kept.first(), self.last_accepted) {
            (Some(range), Some(accepted)) => range.first < accepted,
            _ => false,
        }
    }

    /// Returns how a run that came to its end did: every sample taken, some, or none.
    pub fn exit(&self) -> Exit {
        match (self.accepted, self.rejected) {
            (accepted, _) if accepted == self.planned() => Exit::Success,
            (0, 0) => Exit::Unreachable,
            _ => Exit::Incomplete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> IndexRange {
        IndexRange { first, last }
    }

    #[test]
    fn ranges_join_where_ticks_follow_each_other() {
        let mut tally = Tally::new(100, 10, 1);
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
        assert_eq!(tally.missing().kept(), [range(101, 102), range(104, 109)]);
        assert_eq!((tally.undelivered, tally.not_yet_due(), tally.ticks_accepted), (3, 3, 2));
        assert_eq!(tally.exit(), Exit::Incomplete);
    }

    #[test]
    fn ten_ranges_are_kept_and_the_others_counted() {
        let mut tally = Tally::new(0, 60, 1);
        for index in 0..60 {
            let fate = if index % 2 == 0 { Fate::Accepted } else { Fate::Rejected };
            tally.settle(index, 1, fate);
        }
        let ranges = tally.missing();
        assert_eq!((ranges.kept().len(), ranges.more_count()), (10, 20));
        assert_eq!(ranges.kept()[9], range(19, 19));
    }

    #[test]
    fn a_tick_of_many_series_counts_once() {
        let mut tally = Tally::new(0, 3, 5);
        tally.settle(0, 3, Fate::Accepted);
        tally.settle(0, 2, Fate::Accepted);
        tally.settle(1, 3, Fate::Rejected);
        tally.settle(1, 2, Fate::Accepted);
        assert_eq!((tally.accepted, tally.ticks_accepted, tally.not_yet_due()), (7, 1, 5));
        assert_eq!(tally.missing().kept(), [range(1, 2)]);
        tally.give_up_before(3);
        assert_eq!((tally.undelivered, tally.not_yet_due()), (5, 0));
    }

    #[test]
    fn what_was_left_open_is_unconfirmed() {
        let mut tally = Tally::new(0, 4, 2);
        tally.leave_open(2);
        tally.settle(0, 2, Fate::Accepted);
        tally.settle_open();
        assert_eq!(tally.unconfirmed, 0);
        tally.leave_open(4);
        tally.leave_open(2);
        tally.settle(1, 1, Fate::Accepted);
        tally.settle_open();
        assert_eq!((tally.accepted, tally.unconfirmed, tally.not_yet_due()), (3, 3, 2));
        assert_eq!(tally.missing().kept(), [range(1, 3)]);
        tally.leave_open(100);
        tally.settle_open();
        assert_eq!((tally.unconfirmed, tally.not_yet_due()), (5, 0));
    }

    #[test]
    fn the_exit_code_follows_from_the_counts() {
        let with = |fate| {
            let mut tally = Tally::new(0, 1, 1);
            tally.settle(0, 1, fate);
            tally.exit()
        };
        assert_eq!(with(Fate::Accepted), Exit::Success);
        assert_eq!(with(Fate::Rejected), Exit::Incomplete);
        assert_eq!(with(Fate::Undelivered), Exit::Unreachable);
        assert_eq!(with(Fate::Unconfirmed), Exit::Unreachable);
    }
}
