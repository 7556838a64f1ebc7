//! What the proxy has seen and done: who knows what of each tick.

use std::fmt;
use std::time::Instant;

use super::fault::Fault;

/// What is known of a tick.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Each time that it was sent.
    pub(crate) attempts: Vec<Attempt>,
    /// When the receiver answered it with 2xx.
    pub(crate) stored: Vec<Instant>,
    pub(super) told: Told,
}

/// What the sender was answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempt {
    /// The status; none where it was given no whole head.
    pub(crate) status: Option<u16>,
    /// The samples that the answer said were written.
    pub(crate) written: Option<u64>,
    /// Whether the sender may have given up waiting before.
    pub(crate) is_late: bool,
}

/// What the sender knows of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    /// A final answer left for it when it may have given up waiting.
    Perhaps,
    Settled,
}

#[derive(Default)]
pub(super) struct Ticks {
    last_body: Vec<u8>,
    /// One for each tick, in the order of their first attempts.
    pub(super) entries: Vec<Entry>,
    pub(super) violations: Vec<String>,
}

impl Ticks {
    /// Notes an attempt; returns its tick's place, and its own there.
    pub(super) fn attempt(&mut self, body: &[u8]) -> (usize, usize) {
        let told = self.entries.last().map(|entry| entry.told);
        let place = self.entries.len();
        if place > 0 && self.last_body == body {
            if told == Some(Told::Settled) {
                self.violations.push(format!("tick {place} was sent again after a final answer"));
            }
            let attempts = &mut self.entries[place - 1].attempts;
            attempts.push(Attempt::default());
            return (place - 1, attempts.len() - 1);
        }
        if told == Some(Told::Nothing) {
            self.violations.push(format!("tick {} overtook the one before", place + 1));
        }
        self.last_body = body.to_vec();
        let (attempts, stored) = (vec![Attempt::default()], Vec::new());
        self.entries.push(Entry { attempts, stored, told: Told::Nothing });
        (place, 0)
    }

    /// Notes what an attempt was answered.
    pub(super) fn answer(&mut self, (place, number): (usize, usize), answer: Attempt) {
        let entry = &mut self.entries[place];
        entry.attempts[number] = answer;
        if matches!(answer.status, Some(200..=299 | 400..=428 | 430..=499)) {
            entry.told = if answer.is_late { Told::Perhaps } else { Told::Settled };
        }
    }
}

/// What a proxy has seen and done.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) entries: Vec<Entry>,
    pub(crate) faults: Vec<Fault>,
    /// Attempts that found the receiver gone.
    pub(crate) gone_count: u32,
    /// What the sender must not do, and did.
    pub(crate) violations: Vec<String>,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempt_count: usize = self.entries.iter().map(|entry| entry.attempts.len()).sum();
        let stored_twice = self.entries.iter().filter(|entry| entry.stored.len() > 1).count();
        writeln!(
            f,
            "{} ticks in {attempt_count} attempts; {} faults, {} times the receiver was gone; \
             {stored_twice} ticks took more than one 2xx from it",
            self.entries.len(),
            self.faults.len(),
            self.gone_count
        )
    }
}
