//! Nothing is lost: runs through faults of every kind, into a real Prometheus that dies and
//! comes back, end with every sample in it, to the bit, once, in order.
//!
//! CHAOS_TICKS is how many ticks (1,000; `make chaos` runs 20,000), CHAOS_SEED
//! the seed of the faults (it is printed), CHAOS_KILLS how often Prometheus is killed (2).

use std::thread;
use std::time::{Duration, Instant};

use crate::support::process::tail;
use crate::support::proxy::Proxy;
use crate::support::proxy::fault::{Fault, at_random};
use crate::support::real_receiver::RealReceiver;
use crate::support::variable;
use crate::support::window::{Window, assert_same_bits};

/// The sender's `--timeout`: a stall costs that much and the backoff.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A fault in every 140 requests or less: about half of the time goes into them.
const GAP_MAX: u32 = 140;

#[test]
fn chaos_ends_with_every_sample_stored_once() {
    let tick_count: u64 = variable("CHAOS_TICKS").unwrap_or(1000);
    let seed = variable("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("chaos: {tick_count} ticks, CHAOS_SEED={seed}");
    let Some(mut receiver) = RealReceiver::prometheus2().start() else { return };
    let proxy = Proxy::start(receiver.address(), TIMEOUT, at_random(seed, GAP_MAX, &Fault::ALL));
    let window = Window::now(proxy.write_url(), "run=chaos", tick_count.cast_signed(), 20);
    let begin = Instant::now();
    let mut push = window.start(&["--timeout", &format!("{}ms", TIMEOUT.as_millis())]);

    let mut killed = Vec::new();
    let mut rng = fastrand::Rng::with_seed(seed);
    let kill_count = variable("CHAOS_KILLS").unwrap_or(2);
    for kill in 1..=kill_count {
        let at = usize::try_from(tick_count * kill / (kill_count + 1)).unwrap();
        while proxy.tick_count() < at && push.is_running() {
            thread::sleep(Duration::from_micros(rng.u64(100..2000)));
        }
        receiver.kill();
        killed.push(Instant::now());
        thread::sleep(Duration::from_millis(rng.u64(50..500)));
        receiver.restart();
    }
    let run = push.wait();
    let took = begin.elapsed();
    let record = proxy.record();
    println!("{record}took {took:.1?}, Prometheus killed at {killed:?}");
    println!("{}", tail(&run.stderr, if run.code == 0 { 1 } else { 30 }));
    if !record.violations.is_empty() {
        let failed = run.stderr.lines().filter(|line| line.contains('✗'));
        println!("{}", failed.collect::<Vec<_>>().join("\n"));
    }

    assert_eq!(record.violations, Vec::<String>::new());
    assert_same_bits(&window.stored(&receiver), &window.planned());
    // What it keeps through another start, it has in its log.
    receiver.restart();
    assert_same_bits(&window.stored(&receiver), &window.planned());
    assert_eq!(run.code, 0, "the exit code");
    let summary = format!("Summary: {tick_count} planned = {tick_count} accepted + 0 rejected");
    assert!(run.stderr.contains(&summary), "{summary}");
    let is_complete = Fault::ALL.iter().all(|fault| record.faults.contains(fault));
    assert!(is_complete || record.faults.len() < Fault::ALL.len(), "every kind of fault");
}

/// A tick of 2,001 series is two requests, of which either can fail.
#[test]
fn a_fan_out_over_two_requests_loses_nothing() {
    const TICK_COUNT: i64 = 60;
    let seed = variable("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("fan-out: CHAOS_SEED={seed}");
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let timeout = Duration::from_secs(2);
    let proxy = Proxy::start(receiver.address(), timeout, at_random(seed, 30, &Fault::ALL));
    let window = Window::now(proxy.write_url(), "run={1..2001}", TICK_COUNT, 100);
    let run = window.start(&["--timeout", "2s"]).wait();
    run.assert_code(0);

    let record = proxy.record();
    println!("{record}{}", tail(&run.stderr, 1));
    assert_eq!(record.violations, Vec::<String>::new());
    assert_eq!(record.entries.len(), 2 * usize::try_from(TICK_COUNT).unwrap(), "requests");
    // Series k has seed 42 + k; the first, one in the middle, and those beside the cut.
    for k in [0, 1000, 1999, 2000] {
        let of_series = Window { labels: format!("run={}", k + 1), ..window.clone() };
        let of_series = of_series.and(&["--seed", &(42 + k).to_string()]);
        assert_same_bits(&of_series.stored(&receiver), &of_series.planned());
    }
    let time = window.end_ms / 1000 + 1;
    let query = format!("count(count_over_time(cpu[5m])=={TICK_COUNT})").replace('=', "%3D");
    let (_, answer) = receiver.get(&format!("/api/v1/query?query={query}&time={time}"));
    assert!(answer.contains("\"2001\"]"), "whole series: {answer}");
}
