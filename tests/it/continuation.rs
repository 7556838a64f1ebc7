//! One series by several runs: continued after a SIGKILL by what the log said at its start,
//! and pushed by overlapping runs of cron. A real Prometheus ends with the whole of it.

use std::thread;
use std::time::Duration;

use crate::support::process::{Run, Running, tail};
use crate::support::real_receiver::RealReceiver;
use crate::support::time::{now_ms, seconds};
use crate::support::window::{Window, assert_same_bits};

#[track_caller]
fn check_stored(receiver: &RealReceiver, window: &Window) {
    assert_same_bits(&window.stored(receiver), &window.planned());
}

#[test]
fn a_killed_run_continues_from_its_log_alone() {
    const WORKER_COUNT: u64 = 5;
    const RUNS_EACH: u64 = 10;
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let seed = fastrand::u64(..1_000_000);
    println!("seed {seed}");
    let work = |worker: u64| {
        let mut rng = fastrand::Rng::with_seed(seed + worker);
        let run = |i| killed_and_continued(&receiver, &format!("killed-{worker}-{i}"), &mut rng);
        (0..RUNS_EACH).map(run).collect::<Vec<usize>>()
    };
    let mut stored_counts: Vec<usize> = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..WORKER_COUNT).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("all is stored")).collect()
    });
    stored_counts.sort_unstable();
    println!("killed and continued after so many of 100 datapoints: {stored_counts:?}");
    // Not all after the last one: that would show nothing.
    assert!(stored_counts.iter().filter(|count| **count < 100).count() >= 25);
}

/// Kills a run at some moment and continues it; returns how much was stored in between.
#[track_caller]
fn killed_and_continued(receiver: &RealReceiver, run: &str, rng: &mut fastrand::Rng) -> usize {
    let window = Window::now(receiver.write_url(), &format!("run={run}"), 100, 10);
    let push = window.start(&[]);
    push.wait_for("✓ Pushed", rng.usize(1..40));
    // Not to wait for anything: for the kill to come at any phase of a datapoint.
    thread::sleep(Duration::from_micros(rng.u64(0..10_000)));
    let killed = push.kill();

    let before = window.stored(receiver);
    let [command] = killed.printed_commands("To continue after a stop:")[..] else {
        panic!("{killed:?}");
    };
    // What was under way at the kill may have been stored since.
    killed.run_printed(command).assert_code(0);
    check_stored(receiver, &window);
    before.len()
}

/// The stale marker lies between what was pushed and what is not yet due.
#[test]
fn an_interrupted_run_continues_by_the_command_that_it_prints() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    // Eight datapoints are due, and the next one is six seconds away.
    let start_ms = now_ms() - 7 * 6000;
    let window = Window::now(receiver.write_url(), "run=interrupted", 10, 6000);
    let window = window.starting(start_ms);
    let push = window.start(&["--stale-marker"]);
    push.wait_for("[8/10]", 1);
    push.wait_for("Sleeping for", 1);
    push.signal("INT");
    let run = push.wait();
    run.assert_code(130).assert_says("✓ Pushed a stale marker");
    let [command] = run.printed_commands("; to send exactly that:")[..] else { panic!("{run:?}") };
    assert!(run.stderr.contains("] Not sent yet: 2 datapoints from "), "{}", run.stderr);
    println!("{command}");
    run.run_printed(command).assert_code(0);
    check_stored(&receiver, &window);
}

/// At this pace one run can fall behind the other, which is then refused as out of order:
/// said in its counts, without harm to what is stored.
#[test]
fn two_runs_that_overtake_each_other_leave_the_series_whole() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let window = Window::now(receiver.write_url(), "run=race", 500, 2);
    let runs = [(); 2].map(|()| window.start(&[]));
    for Run { code, stderr, .. } in runs.map(Running::wait) {
        println!("exit code {code}; {}", tail(&stderr, 1));
    }
    check_stored(&receiver, &window);
}

/// The cron form, called by two crons once in each interval. A call that a busy machine starts late
/// is one of a later interval; four that are begun and over in their own have all its datapoints.
#[test]
fn the_cron_form_called_in_each_interval_makes_the_series() {
    const CALL_COUNT: usize = 4;
    const INTERVAL_MS: i64 = 4000;
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let start_ms = now_ms() / 1000 * 1000 + 1000;
    let window = Window::now(receiver.write_url(), "run=cron", 100, INTERVAL_MS);
    let window = window.starting(start_ms);
    let cron = window.cmd("").without("start-epoch").without("end-epoch");
    let cron = cron.flag("origin", seconds(start_ms)).flag("duration", "4s").switch("quiet");
    let mut called = Vec::new();
    for (tick_ms, _) in window.planned() {
        if called.len() == CALL_COUNT {
            break;
        }
        let wait_ms = tick_ms + 100 - now_ms();
        thread::sleep(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)));
        let calls = [(); 2].map(|()| cron.clone().start());
        for call in calls.map(Running::wait) {
            call.assert_code(0);
            let said = (call.stdout.as_str(), call.stderr.as_str());
            assert_eq!(said, ("", ""), "cron mails whatever is said");
        }
        if now_ms() < tick_ms + INTERVAL_MS {
            called.push(tick_ms);
        }
    }
    assert_eq!(called.len(), CALL_COUNT, "no more than that were late");
    let stored = window.stored(&receiver);
    let is_stored = |tick_ms: &i64| stored.iter().any(|(ms, _)| ms == tick_ms);
    assert!(called.iter().all(is_stored), "{called:?} in {stored:?}");
    let mut planned = window.planned();
    planned.retain(|(tick_ms, _)| is_stored(tick_ms));
    assert_same_bits(&stored, &planned);
}
