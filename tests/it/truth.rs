//! The counts of runs against what a proxy knows that loses, delays and replaces answers at
//! random: nothing is counted as accepted that is not stored, nothing as rejected that is, and
//! as unconfirmed only what an answer that was lost, or a 5xx, has left open.
//!
//! TRUTH_REQUESTS is how many requests for each receiver (240; `make chaos` has 5,000),
//! CHAOS_SEED the seed of the faults (it is printed).

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use crate::support::process::{Run, tail};
use crate::support::proxy::fault::{Fault, Injected, at_random};
use crate::support::proxy::{Entry, Proxy};
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::variable;
use crate::support::window::Window;

/// The sender's `--timeout`; an answer later than half of it may come too late.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Runs side by side, each of a series of its own.
const RUN_COUNT: u64 = 8;
/// So few that the longest run begins less than an hour before the newest sample of any: what is
/// older an ordinary Prometheus refuses.
const BATCH_SIZE: usize = 5;
/// A fault in every so many requests or less.
const GAP_MAX: u32 = 6;

const FAULTS: [Fault; 20] = [
    Fault::StoreThen(500),
    Fault::StoreThen(502),
    Fault::StoreThen(503),
    Fault::StoreThen(504),
    Fault::Status(500, None),
    Fault::Status(502, None),
    Fault::Status(503, Some("1")),
    Fault::Status(504, None),
    Fault::Status(429, None),
    Fault::Status(400, None),
    Fault::Status(409, None),
    Fault::Status(422, None),
    Fault::Reset,
    Fault::ResetAnswer,
    Fault::LoseRequest,
    Fault::LoseAnswer,
    Fault::CutAnswer,
    Fault::StallThenDeliver,
    Fault::StallAnswer,
    Fault::Refuse,
];

/// Counts in samples: accepted, rejected, undelivered, unconfirmed.
type Counts = [usize; 4];

/// What the answers to a request's attempts leave to say of its samples.
struct Verdict {
    counts: Counts,
    /// An answer may have come too late to be seen.
    is_vague: bool,
}

impl Verdict {
    fn of(entry: &Entry, sample_count: usize) -> Verdict {
        let mut maybe_stored = false;
        let mut counts = [0; 4];
        for attempt in &entry.attempts {
            let written = attempt.written.map_or(0, |count| usize::try_from(count).unwrap());
            let rest = sample_count - written;
            match attempt.status {
                Some(429) => {}
                None | Some(500..) => maybe_stored = true,
                Some(200..=299) if attempt.written.is_none() => counts = [sample_count, 0, 0, 0],
                Some(_) if maybe_stored => counts = [written, 0, 0, rest],
                Some(_) => counts = [written, rest, 0, 0],
            }
        }
        Verdict { counts, is_vague: entry.attempts.iter().any(|attempt| attempt.is_late) }
    }
}

/// A run through a proxy, and what they say of it.
struct Truth {
    past: Window,
    run: Run,
    entries: Vec<Entry>,
    sample_count: usize,
}

impl Truth {
    fn of(
        receiver: &RealReceiver,
        number: u64,
        requests: usize,
        protocol: &str,
        seed: u64,
    ) -> Truth {
        let is_live = number % 4 == 3;
        let sample_count = if is_live { 1 } else { BATCH_SIZE };
        let past = Window::past(i64::try_from(requests * sample_count).unwrap(), 1);
        let batch_size = BATCH_SIZE.to_string();
        let flags = ["--batch-size", &batch_size, "--protocol", protocol, "--timeout", "3s"];
        let past = Window { labels: format!("a={number}"), ..past }.and(&flags);
        let proxy = Proxy::start(receiver.address(), TIMEOUT, faults(seed + number));
        let url = proxy.write_url();
        let run = if is_live { past.live(&url) } else { past.backfill(&url) };
        // What is delivered late is on its way for 1.5 s at most.
        thread::sleep(Duration::from_secs(2));
        let record = proxy.record();
        assert_eq!(record.violations, Vec::<String>::new());
        Truth { past, run, entries: record.entries, sample_count }
    }

    /// Returns how many samples are counted wrong.
    fn wrong(&self, receiver: &RealReceiver, totals: &mut Counts) -> usize {
        let counted =
            ["accepted", "rejected", "undelivered", "unconfirmed"].map(|word| self.run.count(word));
        let verdicts: Vec<Verdict> =
            self.entries.iter().map(|entry| Verdict::of(entry, self.sample_count)).collect();
        let vague = verdicts.iter().filter(|verdict| verdict.is_vague).count() * self.sample_count;
        let mut wrong = 0;
        for (k, counted) in counted.into_iter().enumerate() {
            let due: usize = verdicts.iter().map(|verdict| verdict.counts[k]).sum();
            wrong += counted.abs_diff(due).saturating_sub(vague);
            totals[k] += counted;
        }
        let key = |&(time_ms, value): &(i64, f64)| (time_ms, value.to_bits());
        let stored: HashSet<_> = self.past.stored(receiver).iter().map(key).collect();
        let planned: Vec<_> = self.past.planned().iter().map(key).collect();
        assert_eq!(planned.len(), self.sample_count * verdicts.len(), "each request came");
        for (verdict, batch) in verdicts.iter().zip(planned.chunks(self.sample_count)) {
            let there = batch.iter().filter(|sample| stored.contains(sample)).count();
            let [accepted, rejected, _, _] = verdict.counts;
            let too_few = accepted.saturating_sub(there);
            let too_many = (there + rejected).saturating_sub(self.sample_count);
            wrong += if verdict.is_vague { 0 } else { too_few + too_many };
        }
        wrong
    }
}

/// Returns the choice of faults of a run, whose first requests go through: else it may be refused.
fn faults(seed: u64) -> impl FnMut(usize) -> Option<Injected> + Send + 'static {
    let mut chosen = at_random(seed, GAP_MAX, &FAULTS);
    move |number| if number < 2 { None } else { chosen(number) }
}

#[track_caller]
fn check(setup: RealSetup, protocols: &[&'static str]) {
    let requests = variable("TRUTH_REQUESTS").unwrap_or(240_u64).div_ceil(RUN_COUNT);
    let seed = variable("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let Some(receiver) = setup.start() else { return };
    println!("truth: {RUN_COUNT} runs of {requests} requests, CHAOS_SEED={seed}");
    let requests = usize::try_from(requests).unwrap();
    let truths: Vec<Truth> = thread::scope(|scope| {
        let run = |number: u64| {
            let protocol = protocols[usize::try_from(number).unwrap() % protocols.len()];
            Truth::of(&receiver, number, requests, protocol, seed)
        };
        let runs: Vec<_> = (0..RUN_COUNT).map(|number| scope.spawn(move || run(number))).collect();
        runs.into_iter().map(|run| run.join().expect("a run ends")).collect()
    });
    let (mut totals, mut wrong_total) = ([0; 4], 0);
    for (number, truth) in truths.iter().enumerate() {
        let wrong = truth.wrong(&receiver, &mut totals);
        let attempts: usize = truth.entries.iter().map(|entry| entry.attempts.len()).sum();
        println!(
            "  run {number}: {} requests in {attempts} attempts, {wrong} wrong; {}",
            truth.entries.len(),
            tail(&truth.run.stderr, 1)
        );
        wrong_total += wrong;
    }
    println!("  accepted, rejected, undelivered, unconfirmed: {totals:?}");
    assert_eq!(wrong_total, 0, "samples are counted wrong");
    let [accepted, rejected, undelivered, unconfirmed] = totals;
    assert!(accepted > 0 && rejected > 0 && unconfirmed > 0 && undelivered == 0, "{totals:?}");
}

#[test]
fn the_counts_are_true_of_prometheus2() {
    check(RealReceiver::prometheus2(), &["1"]);
}

#[test]
fn the_counts_are_true_of_prometheus3() {
    check(RealReceiver::prometheus3(), &["1", "2", "2"]);
}
