//! backfill --resume: whatever is there already, all of the window is there in the end, once.
//!
//! `RESUME_KILLS` is how often a backfill is killed (20), `RESUME_SEED` when (it is printed).

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::support::process::Run;
use crate::support::proxy::Proxy;
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::scripted_receiver::Script;
use crate::support::side_by_side::side_by_side;
use crate::support::step::Step;
use crate::support::variable;
use crate::support::window::{Window, assert_within};
use crate::verify::{run_printed_commands, series_of};

/// Ticks of a window; a second apart, so that it is younger than what a Prometheus refuses.
const TICKS: i64 = 1000;

fn series(receiver: &RealReceiver, labels: &str) -> Window {
    let mut series = series_of(&receiver.write_url(), (TICKS + 10) * 1000);
    series.step_ms = 1000;
    series.labels = labels.into();
    series
}

/// Resumes the whole window.
fn resume(series: &Window) -> Run {
    series.clone().and(&["--resume", "--batch-size", "100"]).run("backfill", 0, TICKS)
}

/// Fails unless all of the window is there.
#[track_caller]
fn check_whole(series: &Window, planned: usize) {
    let sum = format!("{planned} planned = {planned} matching + 0 missing + 0 different; 0");
    series.check(TICKS, 0, &sum);
}

/// Nothing, a part, and all of it is there.
#[test]
fn what_is_missing_is_sent_and_no_more() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    for there in [0, 250] {
        let series = series(&receiver, &format!("there={there}"));
        if there > 0 {
            series.push(0, there);
        }
        let missing = TICKS - there;
        let run = resume(&series);
        run.assert_code(0);
        run.assert_says(&format!("Resuming: {missing} of 1000 datapoints are missing"));
        run.assert_says(&format!("Summary: {missing} planned = {missing} accepted + 0 rejected"));
        check_whole(&series, 1000);
        let run = resume(&series.clone().and(&["--log-format", "json"]));
        run.assert_ends(0, [0; 5]).assert_says("Resuming: 0 of 1000 datapoints are missing");
    }
}

#[test]
fn a_refusal_of_the_first_batch_ends_it_where_nothing_is_there() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let writing = Script::new([]).unchecked().otherwise(Step::status(400)).start();
    let series = Window { url: writing.url(), ..series(&receiver, "a=b") };
    let read_url = receiver.url() + "/api/v1/read";
    let run = resume(&series.and(&["--read-url", &read_url]));
    run.assert_code(3).assert_says("1000 planned = 0 accepted + 100 rejected");
    assert!(!run.stderr.contains("backfill --resume sends"), "{}", run.stderr);
}

/// One has most of the window, one some, one nothing; and one has a hole, which is refused. All
/// else gets through, by 1.0, where one refused sample takes all of a request with it, and by 2.0.
#[test]
fn of_a_fan_out_each_series_gets_what_it_lacks() {
    side_by_side(["1", "2"], |protocol| {
        let Some(receiver) = RealReceiver::prometheus3().start() else { return };
        let all = series(&receiver, "n={1..4}");
        let one = |n: i64| {
            let seed = (41 + n).to_string();
            let one = Window { labels: format!("n={n}"), ..all.clone() };
            one.and(&["--seed", &seed])
        };
        one(1).push(0, 900);
        one(2).push(0, 455);
        one(4).push(0, 500);
        one(4).push(510, 600);
        let run = resume(&all.clone().and(&["--protocol", protocol]));
        run.assert_code(1).assert_says("Resuming: 2055 of 4000 datapoints are missing");
        run.assert_says("Summary: 2055 planned = 2045 accepted + 10 rejected + 0 undelivered");
        let sum = "4000 planned = 3990 matching + 10 missing + 0 different";
        all.check(TICKS, 5, sum);
        // Again, with nothing else left.
        let run = resume(&all);
        run.assert_code(1).assert_says("10 planned = 0 accepted + 10 rejected");
        run.assert_says("out_of_order_time_window");
    });
}

#[test]
fn holes_are_filled_where_late_samples_are_taken() {
    let prometheus = RealReceiver::prometheus3().out_of_order_time_window("1h");
    let kinds = [(prometheus, 4), (RealReceiver::victoriametrics(), 1)];
    side_by_side(kinds, |(setup, command_count): (RealSetup, usize)| {
        let Some(receiver) = setup.start() else { return };
        let series = series(&receiver, "a=b");
        for first in [5, 300, 700] {
            series.push(first, first + 100);
        }
        // Of a VictoriaMetrics each takes more than 10 s.
        if command_count == 1 {
            resume(&series).assert_code(0).assert_says("700 planned = 700 accepted");
        } else {
            let run = series.check(TICKS, 5, "1000 planned = 300 matching + 700 missing");
            assert_eq!(run_printed_commands(&run), command_count, "{}", run.stderr);
            let resuming = run.stderr.matches(" --resume\n").count();
            assert_eq!(resuming, command_count, "{}", run.stderr);
            run.assert_says("out_of_order_time_window");
        }
        check_whole(&series, 1000);
    });
}

#[test]
fn a_different_value_is_said_before_anything_is_sent() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let series = series(&receiver, "a=b");
    series.push(0, 500);
    series.clone().and(&["--seed", "7"]).push(500, 501);
    let run = resume(&series);
    run.assert_code(5).assert_says("nothing was sent: 1 datapoint stored with another value");
    series.check(TICKS, 5, "1000 planned = 500 matching + 499 missing + 1 different");
}

#[test]
fn a_receiver_that_cannot_be_read_is_named_with_the_flag() {
    let step = Step::status(404);
    let receiver = Script::new([]).unchecked().otherwise(step).start();
    let series = series_of(&receiver.url(), 100_000).and(&["--resume"]);
    series.run("backfill", 0, 10).assert_code(3).assert_says("--read-url");
    let unknown = Window { url: receiver.url().replace("write", "receive"), ..series };
    unknown.run("backfill", 0, 10).assert_code(2).assert_says("--read-url");
}

/// The last request of a sender that was killed is stored after the window was read: a part of
/// what is going to be sent.
#[test]
fn what_came_meanwhile_takes_nothing_with_it() {
    side_by_side(["1", "2"], |protocol| {
        let Some(receiver) = RealReceiver::prometheus2().start() else { return };
        // Prometheus 2.42 has no 2.0.
        let Some(receiver) = (match protocol {
            "2" => RealReceiver::prometheus3().start(),
            _ => Some(receiver),
        }) else {
            return;
        };
        let ours = series(&receiver, "a=b");
        for end in [0, 230] {
            let ours = Window { labels: format!("end={end}"), ..ours.clone() };
            if end > 0 {
                ours.push(0, end);
            }
            let (late, read_url) = (ours.clone(), receiver.url() + "/api/v1/read");
            let proxy = Proxy::start(receiver.address(), Duration::from_secs(10), move |n| {
                if n == 0 {
                    late.push(end, end + 50);
                }
                None
            });
            let through = Window { url: proxy.write_url(), ..ours.clone() };
            let run = resume(&through.and(&["--protocol", protocol, "--read-url", &read_url]));
            run.assert_code(0).assert_says(&format!(" planned = {} accepted", TICKS - end));
            check_whole(&ours, 1000);
        }
    });
}

/// One backfill that is killed.
#[derive(Clone, Copy, Debug)]
struct Kill {
    number: u64,
    protocol: &'static str,
    series_count: i64,
    /// Whether it is waited for before; else its start is a moment to kill it in, too.
    is_begun: bool,
    after: Duration,
}

/// Kills a backfill, runs the command that its log has, and compares what is there.
#[track_caller]
fn check_kill(receiver: &RealReceiver, kill: Kill, relative_error_max: f64) -> usize {
    let labels = format!("kill={},n={{1..{}}}", kill.number, kill.series_count);
    let batch_size = if kill.series_count == 1 { "20" } else { "500" };
    let mut series = series(receiver, &labels);
    series.flags = ["--protocol", kill.protocol, "--batch-size", batch_size].map(Into::into).into();
    let backfill = series.ticks(0, TICKS).cmd("backfill").start();
    if kill.is_begun {
        backfill.wait_for("Starting backfill", 1);
    }
    thread::sleep(kill.after);
    let killed = backfill.kill();
    // A VictoriaMetrics that found nothing is not asked the same again: it would say so again.
    let stored = |n: i64, more: &str| {
        let selector = format!("cpu{{kill=\"{}\",n=\"{n}\"{more}}}", kill.number);
        receiver.samples(&selector, series.origin_ms, series.origin_ms + TICKS * 1000 - 1)
    };
    let before = stored(kill.series_count, ",before=\"\"").len();
    let run = match killed.printed_commands("To continue after a stop:")[..] {
        [command, ..] => killed.run_printed(command),
        // Killed before it said anything.
        [] => series.clone().and(&["--resume"]).run("backfill", 0, TICKS),
    };
    assert_eq!(run.code, 0, "{kill:?}\n{}", run.stderr);
    for n in 1..=kill.series_count {
        let (labels, seed) = (format!("kill={},n={n}", kill.number), (41 + n).to_string());
        let one = Window { labels, ..series.clone() }.and(&["--seed", &seed]);
        assert_within(&stored(n, ""), &one.ticks(0, TICKS).planned(), relative_error_max);
    }
    before
}

/// Of a VictoriaMetrics nothing is believed to be missing for 10 s: there several are killed at
/// the same time.
#[test]
fn a_backfill_that_is_killed_is_completed_by_its_own_command() {
    const AT_ONCE: usize = 8;
    let kill_count = variable("RESUME_KILLS").unwrap_or(20);
    let seed = variable("RESUME_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("resume: {kill_count} kills, RESUME_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let kill = |number| Kill {
        number,
        protocol: ["1", "2", "auto"][rng.usize(..3)],
        series_count: *rng.choice(&[1, 50]).expect("there are two"),
        is_begun: rng.u8(..10) > 0,
        after: Duration::from_micros(rng.u64(..120_000)),
    };
    let kills: Vec<Kill> = (0..kill_count).map(kill).collect();
    let untouched = Mutex::new([0, 0, 0]);
    side_by_side(RealReceiver::each().into_iter().enumerate(), |(k, (setup, error_max))| {
        let Some(receiver) = setup.start() else { return };
        let at_once = if error_max > 0.0 { AT_ONCE } else { 1 };
        let ours: Vec<Kill> = kills.iter().copied().skip(k).step_by(3).collect();
        for kills in ours.chunks(at_once) {
            side_by_side(kills.iter().copied(), |mut kill: Kill| {
                // Only Prometheus 3 knows 2.0.
                if k != 1 && kill.protocol == "2" {
                    kill.protocol = "auto";
                }
                let before = check_kill(&receiver, kill, error_max);
                let mut counts = untouched.lock().unwrap();
                counts[if before == 0 {
                    0
                } else if before < 1000 {
                    1
                } else {
                    2
                }] += 1;
            });
        }
    });
    let [nothing, some, all] = *untouched.lock().unwrap();
    println!("killed with nothing there: {nothing}, a part: {some}, all: {all}");
    assert!(kill_count < 20 || some > 0, "none was killed in the middle");
}
