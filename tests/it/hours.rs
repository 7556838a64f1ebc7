//! Hours, days and clocks that are set, in milliseconds: the live run on a clock of the test's
//! own, against a receiver on loopback.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use push_live_metrics::clock::Clock;
use push_live_metrics::commands::live;
use push_live_metrics::commands::push::Push;
use push_live_metrics::error::Exit;
use push_live_metrics::report::Report;

use crate::support::clock::FakeClock;
use crate::support::cmd::Cmd;
use crate::support::ledger::STALE_NAN_BITS;
use crate::support::library::{live_config, points};
use crate::support::log::{Log, Summary};
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::step::{Answer, Step};
use crate::support::wire::Point;

/// 2025-12-17 11:00:00 UTC.
const START_MS: i64 = 1_765_969_200_000;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A run on a clock of its own.
struct Hours {
    exit: Exit,
    log: Log,
    planned: Vec<Point>,
}

impl Hours {
    /// Runs `sender` in this process, from `START_MS` on.
    #[track_caller]
    fn run(sender: Cmd, clock: &FakeClock) -> Hours {
        let (config, output) = live_config(&sender.args(), START_MS);
        let text = Arc::new(Mutex::new(Vec::new()));
        let report = Arc::new(Report::new(output, Box::new(Shared(Arc::clone(&text)))));
        let exit = live::run(&Push::new(&config, report).unwrap(), clock);
        let log = Log::read(&String::from_utf8(text.lock().unwrap().clone()).unwrap());
        Hours { exit, log, planned: points(&config.plan) }
    }

    #[track_caller]
    fn assert_all_delivered(&self, receiver: &ScriptedReceiver) {
        assert_eq!(self.exit, Exit::Success, "{:?}", self.summary());
        assert_eq!(receiver.stored(), self.planned);
        assert_eq!(self.summary().accepted, self.planned.len() as u64);
    }

    #[track_caller]
    fn summary(&self) -> Summary {
        self.log.summary()
    }
}

/// A log that is kept.
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a run of one datapoint a minute.
fn minutes(receiver: &ScriptedReceiver, count: u64) -> Cmd {
    Cmd::to(&receiver.url()).ticks(count, 60_000)
}

/// Returns a receiver that goes by the clock.
fn receiver(clock: &FakeClock, steps: impl IntoIterator<Item = Step>) -> ScriptedReceiver {
    Script::new(steps).now(clock.now_fn()).start()
}

/// Returns when each request arrived, in milliseconds after the start.
fn arrivals_ms(receiver: &ScriptedReceiver) -> Vec<i64> {
    receiver.requests().iter().map(|request| request.at_ms - START_MS).collect()
}

/// Delivers so many datapoints, one a minute, to a receiver that does this first; returns when
/// each request arrived.
#[track_caller]
fn deliver(
    clock: &FakeClock,
    steps: impl IntoIterator<Item = Step>,
    count: u64,
) -> (Hours, Vec<i64>) {
    let receiver = receiver(clock, steps);
    let hours = Hours::run(minutes(&receiver, count), clock);
    hours.assert_all_delivered(&receiver);
    let arrivals = arrivals_ms(&receiver);
    receiver.finish();
    (hours, arrivals)
}

/// Returns the times of so many minutes.
fn on_the_minute(count: i64) -> Vec<i64> {
    (0..count).map(|minute| minute * 60_000).collect()
}

#[test]
fn a_day_passes_on_the_minute() {
    let (_, arrivals) = deliver(&FakeClock::at(START_MS), [], 1440);
    assert_eq!(arrivals, on_the_minute(1440), "each at its time, without drift");
}

#[test]
fn slow_answers_make_no_drift() {
    let clock = FakeClock::at(START_MS);
    let slow = clock.clone();
    let script = Script::new([]).now(clock.now_fn()).choose(move |_, _| {
        slow.advance(17 * SECOND);
        Step::status(204)
    });
    let receiver = script.start();
    Hours::run(minutes(&receiver, 100), &clock).assert_all_delivered(&receiver);
    let expected: Vec<i64> = (0..100).map(|minute| minute * 60_000 + 17_000).collect();
    assert_eq!(arrivals_ms(&receiver), expected);
}

/// An outage of 50 minutes in a day of minutes.
fn check_outage(fault: impl Fn(usize) -> Step + Send + Sync + 'static) {
    const FROM_MS: i64 = START_MS + 600 * 60_000 - 1;
    const TO_MS: i64 = FROM_MS + 50 * 60_000;
    // The delays double from 500 ms to 16 s: 6 of them, 31.5 s without jitter. Those after
    // them are 30 s. Jitter takes off a tenth at most, so there are at most 1 + 6 + 1 attempts
    // in the first 31.5 * 0.9 = 28.35 s, counted generously, and one each 27 s after that:
    // (3000 - 28.35) / 27 = 110.06. A backoff that starts anew with each datapoint, or is not
    // one, makes many more.
    const ATTEMPTS_MAX: usize = 1 + 6 + 1 + 110;
    let clock = FakeClock::at(START_MS);
    let script = Script::new([]).now(clock.now_fn()).choose(move |now_ms, count| {
        if (FROM_MS..TO_MS).contains(&now_ms) { fault(count) } else { Step::status(204) }
    });
    let receiver = script.start();
    let hours = Hours::run(minutes(&receiver, 1440), &clock);
    hours.assert_all_delivered(&receiver);
    let requests = receiver.requests();
    let during = requests.iter().filter(|r| (FROM_MS..TO_MS).contains(&r.at_ms));
    let attempts = during.clone().count();
    assert!((90..=ATTEMPTS_MAX).contains(&attempts), "{attempts} attempts in the outage");
    assert!(during.clone().all(|request| request.body == requests[600].body), "the oldest only");
    assert_eq!(hours.summary().retries, attempts as u64);
    // What queued up goes out at once, oldest first (the receiver sees to the order).
    let first_after = requests.iter().position(|request| request.at_ms >= TO_MS).unwrap();
    let drained = &requests[first_after..first_after + 50];
    assert!(drained.iter().all(|request| request.at_ms == drained[0].at_ms));
    assert!(drained[0].at_ms < TO_MS + 30_000, "back within one delay");
    receiver.finish();
}

#[test]
fn an_outage_of_50_minutes_loses_nothing() {
    check_outage(|_| Step::status(503));
    check_outage(|count| if count % 2 == 0 { Step::Reset } else { Step::status(502) });
}

#[test]
fn an_outage_longer_than_the_age_gives_up_what_is_too_old() {
    const FROM_MS: i64 = START_MS + 10 * 60_000;
    const TO_MS: i64 = FROM_MS + 90 * 60_000;
    let clock = FakeClock::at(START_MS);
    let script = Script::new([]).now(clock.now_fn()).giving_up().choose(|now_ms, _| {
        Step::status(if (FROM_MS..TO_MS).contains(&now_ms) { 503 } else { 204 })
    });
    let receiver = script.start();
    let hours = Hours::run(minutes(&receiver, 200), &clock);
    // The first one is tried for an hour, the second for what is left of the outage.
    assert_eq!(hours.exit, Exit::Incomplete);
    // A 503 may be a gateway's that had passed it on.
    assert_eq!(hours.summary().counts(), [199, 0, 0, 1, 0]);
    receiver.finish();
}

/// Returns the delays before the second, third, ... attempt, in milliseconds.
#[track_caller]
fn delays_ms(sender: impl FnOnce(Cmd) -> Cmd, steps: Vec<Step>) -> Vec<i64> {
    let clock = FakeClock::at(START_MS);
    let count = steps.len();
    let receiver = receiver(&clock, steps);
    // Long enough for the flush timeout to be far away.
    Hours::run(sender(minutes(&receiver, 20)), &clock).assert_all_delivered(&receiver);
    let arrivals = arrivals_ms(&receiver);
    arrivals.windows(2).take(count).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn a_new_datapoint_does_not_start_the_backoff_anew() {
    // With an age of 0 each datapoint has one attempt; the delays grow all the same.
    let clock = FakeClock::at(START_MS);
    let script = Script::new([]).now(clock.now_fn()).giving_up().otherwise(Step::status(503));
    let receiver = script.start();
    let sender = Cmd::to(&receiver.url()).ticks(100, 1000).flag("give-up-after", "0s");
    let hours = Hours::run(sender, &clock);
    assert_eq!(hours.exit, Exit::Unreachable);
    let arrivals = arrivals_ms(&receiver);
    let longest = arrivals.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(longest.is_some_and(|ms| ms >= 27_000), "{arrivals:?}");
}

#[test]
fn an_answer_starts_the_backoff_anew() {
    let (busy, fine) = (Step::status(503), Step::status(204));
    let steps = vec![busy.clone(), busy.clone(), busy.clone(), fine, busy];
    let delays = delays_ms(|sender| sender, steps);
    assert!((450..=500).contains(&delays[4]), "{delays:?}");
}

#[test]
fn retry_after_takes_the_place_of_the_backoff_for_five_minutes_at_most() {
    for (value, expected_ms) in [
        ("7", 7000..=7000),
        // START_MS and 42 s.
        ("Wed, 17 Dec 2025 11:00:42 GMT", 42_000..=42_000),
        ("301", 300_000..=300_000),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300_000..=300_000),
        ("0", 450..=500),
        ("soon", 450..=500),
        ("Wed, 17 Dec 2025 10:59:59 GMT", 450..=500),
    ] {
        for status in [429, 503] {
            let delays = delays_ms(|sender| sender, vec![Step::retry_after(status, value)]);
            assert!(expected_ms.contains(&delays[0]), "{value:?}: {delays:?}");
        }
    }
}

#[test]
fn retry_after_is_clipped_to_what_is_left() {
    // Of the sample's age.
    let step = || vec![Step::retry_after(503, "250")];
    let delays = delays_ms(|sender| sender.flag("give-up-after", "20s"), step());
    assert_eq!(delays[0], 20_000);
    // Of the flush timeout: one datapoint, so it runs from the start.
    let delays = delays_ms(|sender| sender.ticks(1, 60_000).flag("flush-timeout", "9s"), step());
    assert_eq!(delays[0], 9000);
}

#[test]
fn a_clock_set_forward_makes_what_is_due_go_out_at_once() {
    let clock = FakeClock::at(START_MS).step(150 * SECOND, 30 * 60_000);
    let (hours, arrivals) = deliver(&clock, [], 60);
    let at_once = arrivals[3];
    assert!((1_950_000..=1_951_000).contains(&at_once), "{arrivals:?}");
    let mut expected = on_the_minute(60);
    expected[3..33].fill(at_once);
    assert_eq!(arrivals, expected);
    let text = hours.log.only("clock_step").get("message").text();
    assert!(text.contains("forward by 1800.0 s"), "{text}");
}

#[test]
fn a_clock_set_back_makes_the_run_wait_and_never_look_ahead() {
    // Also while a datapoint is tried again, whose first attempt fails at 60 s.
    let steps = [vec![], vec![Step::status(204), Step::status(503)]];
    for ((at, seconds), steps) in [(150 * SECOND, 3600), (60_200 * MS, 600)].into_iter().zip(steps)
    {
        let clock = FakeClock::at(START_MS).step(at, -1000 * seconds);
        let (hours, mut arrivals) = deliver(&clock, steps, 10);
        arrivals.dedup_by_key(|ms| *ms / 60_000);
        assert_eq!(arrivals, on_the_minute(10), "by the clock, however late");
        let text = hours.log.only("clock_step").get("message").text();
        assert!(text.contains(&format!("back by {seconds}.0 s")), "{text}");
    }
}

#[test]
fn a_tick_of_many_requests_is_given_up_whole_when_the_flush_timeout_is_over() {
    let clock = FakeClock::at(START_MS);
    let receiver = receiver(&clock, []);
    receiver.close();
    let sender = minutes(&receiver, 1).flag("labels", "k={1..9999}");
    let hours = Hours::run(sender.flag("flush-timeout", "2s"), &clock);
    assert_eq!(hours.exit, Exit::Unreachable);
    assert_eq!(hours.summary().undelivered, 9_999);
    assert!(clock.steady() < 3 * SECOND, "{:?}", clock.steady());
}

#[test]
fn a_clock_set_back_and_forth_loses_nothing() {
    let mut clock = FakeClock::at(START_MS);
    for k in 1..50 {
        let step_ms = if k % 2 == 0 { 7_000 * i64::from(k) } else { -6_500 * i64::from(k) };
        clock = clock.step(k * 47 * SECOND, step_ms);
    }
    let script = Script::new([]).now(clock.now_fn());
    let busy = |_, count| Step::status(if count % 3 == 0 { 503 } else { 204 });
    let receiver = script.choose(busy).start();
    Hours::run(minutes(&receiver, 60), &clock).assert_all_delivered(&receiver);
    receiver.finish();
}

#[test]
fn a_start_in_the_past_is_caught_up_with_oldest_first() {
    let clock = FakeClock::at(START_MS);
    let receiver = receiver(&clock, [Step::status(204), Step::status(503)]);
    let start = (START_MS / 1000 - 50 * 60).to_string();
    let sender = minutes(&receiver, 60).flag("start-epoch", &start);
    Hours::run(sender, &clock).assert_all_delivered(&receiver);
    let arrivals = arrivals_ms(&receiver);
    assert_eq!(arrivals[0], 0);
    assert!(arrivals[2..52].iter().all(|ms| *ms == arrivals[2]), "{arrivals:?}");
    assert_eq!(arrivals[52], 60_000);
    receiver.finish();
}

#[test]
fn a_start_in_the_future_is_waited_for() {
    let clock = FakeClock::at(START_MS);
    let receiver = receiver(&clock, []);
    let start = (START_MS / 1000 + 3600).to_string();
    let sender = minutes(&receiver, 5).flag("start-epoch", &start);
    Hours::run(sender, &clock).assert_all_delivered(&receiver);
    assert_eq!(arrivals_ms(&receiver)[0], 3_600_000);
}

#[test]
fn a_stale_marker_is_after_the_last_datapoint_and_not_ahead() {
    // Also of a clock that is set back while the run waits for the third datapoint; then a signal.
    let set_back = |clock: FakeClock| clock.step(90 * SECOND, -3_600_000).interrupt(100 * SECOND);
    for (change, exit) in
        [((|clock| clock) as fn(FakeClock) -> _, Exit::Success), (set_back, Exit::Interrupted)]
    {
        let clock = change(FakeClock::at(START_MS));
        let script = Script::new([]).now(clock.now_fn());
        let receiver = script.allow(|allowed| allowed.stale_marker = true).start();
        let hours = Hours::run(minutes(&receiver, 5).switch("stale-marker"), &clock);
        assert_eq!(hours.exit, exit);
        if exit == Exit::Success {
            let last = receiver.requests().pop().unwrap();
            let (time_ms, bits) = (last.timestamp_ms(), last.content.points[0].bits);
            assert_eq!((time_ms, bits), (START_MS + 4 * 60_000 + 1, STALE_NAN_BITS));
        }
        receiver.finish();
    }
}

#[test]
fn an_interrupted_run_counts_what_is_due_and_what_is_not() {
    let busy_from =
        |from: usize| move |_, count| Step::status(if count < from { 204 } else { 429 });
    for (at, counts) in [(MINUTE * 5 / 2, [3, 0, 0, 0, 7]), (MINUTE * 7 / 2, [3, 0, 1, 0, 6])] {
        let clock = FakeClock::at(START_MS).interrupt(at);
        let receiver = Script::new([]).now(clock.now_fn()).choose(busy_from(3)).start();
        let hours = Hours::run(minutes(&receiver, 10), &clock);
        assert_eq!(hours.exit, Exit::Interrupted);
        assert_eq!(hours.summary().counts(), counts);
        assert_eq!(clock.steady(), at, "at once");
    }
}

#[test]
fn the_flush_timeout_is_for_silence_not_for_a_queue_that_drains() {
    // 50 datapoints are pending at the end, and each takes two attempts and some seconds. The
    // timeout is longer than the longest backoff, so that the first of them is tried twice.
    let clock = FakeClock::at(START_MS);
    let slow = clock.clone();
    let end_ms = START_MS + 49 * 60_000;
    let script = Script::new([]).now(clock.now_fn()).choose(move |now_ms, count| {
        slow.advance(3 * SECOND);
        Step::status(if now_ms < end_ms || count % 2 == 0 { 503 } else { 204 })
    });
    let receiver = script.start();
    let hours = Hours::run(minutes(&receiver, 50).flag("flush-timeout", "40s"), &clock);
    hours.assert_all_delivered(&receiver);
}

#[test]
fn nothing_is_tried_for_longer_than_the_flush_timeout() {
    let clock = FakeClock::at(START_MS);
    let busy = |_, count| Step::status(if count < 2 { 204 } else { 429 });
    let receiver = Script::new([]).now(clock.now_fn()).giving_up().choose(busy).start();
    let hours = Hours::run(minutes(&receiver, 10).flag("flush-timeout", "45s"), &clock);
    assert_eq!(hours.exit, Exit::Incomplete);
    assert_eq!(hours.summary().counts(), [2, 0, 8, 0, 0]);
    assert_eq!(arrivals_ms(&receiver).pop(), Some(9 * 60_000 + 45_000));
    receiver.finish();
}

/// Datapoints go by our clock, and five seconds between the two are no matter.
#[test]
fn another_clock_is_warned_of_once() {
    let far = ["Thu, 17 Dec 2026 11:00:00 GMT"; 5];
    let near = [
        "garbage",
        "",
        "Wed, 17 Dec 2025 11:02:05 GMT",
        "Wed, 17 Dec 2025 11:02:55 GMT",
        "Wed, 17 Dec 2025 11:04:06 GMT",
    ];
    let past = ["Sun, 06 Nov 1994 08:49:37 GMT"; 5];
    for (dates, expected) in
        [(far, "31536000 s ahead of ours"), (near, " 6 s ahead of ours"), (past, "behind ours")]
    {
        let clock = FakeClock::at(START_MS);
        let dated = dates.map(|date| Answer::status(204).header("Date", date).into());
        let (hours, _) = deliver(&clock, dated, 5);
        let text = hours.log.only("clock_skew").get("message").text();
        assert!(text.contains(expected), "{text}");
    }
}

/// Returns the most memory that this process has had, in KiB.
fn memory_peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn memory_stays_flat_over_100_000_ticks_without_a_receiver() {
    const ALONE: &str = "PUSH_LIVE_METRICS_TEST_ALONE";
    if env::var_os(ALONE).is_none() {
        // In a process of its own: the tests beside it take memory, too.
        let name = "hours::memory_stays_flat_over_100_000_ticks_without_a_receiver";
        let mut command = Command::new(env::current_exe().unwrap());
        let output = command.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let down = |tick_count: u64, age: &str| {
        let clock = FakeClock::at(START_MS);
        let receiver = receiver(&clock, []);
        receiver.close();
        let sender = Cmd::to(&receiver.url()).ticks(tick_count, 1000).switch("quiet");
        let sender = sender.flag("labels", "k={1..10}").flag("give-up-after", age);
        let (config, output) = live_config(&sender.args(), START_MS);
        let report = Arc::new(Report::new(output, Box::new(io::sink())));
        let push = Push::new(&config, report).unwrap();
        assert_eq!(live::run(&push, &clock), Exit::Unreachable);
        assert_eq!(push.summary.tally().undelivered, 10 * tick_count);
    };
    down(1000, "1h");
    down(1000, "0s");
    let before_kib = memory_peak_kib();
    // A queue of up to 100,000, a few of which are tried for an hour each; and each tried once.
    down(100_000, "1h");
    down(100_000, "0s");
    let grown_kib = memory_peak_kib() - before_kib;
    println!("{before_kib} KiB, and {grown_kib} KiB more after 200,000 ticks");
    assert!(grown_kib < 256, "{grown_kib} KiB more than after 2,000 ticks");
}

/// Until then an alert may come: for an incident, or for none in the window.
#[test]
fn a_verdict_waits_for_the_last_incident_and_the_end_of_the_window() {
    let check = |terms: [&str; 2], incidents: &[&str], until_minute: i64| {
        let nothing_read = snap::raw::Encoder::new().compress_vec(&[10, 0]).unwrap();
        let answer = Answer::status(200).body(nothing_read);
        let receiver = Script::new([]).unchecked().otherwise(answer).start();
        let sender = minutes(&receiver, 6).and(&["--verify", "--alert=A"]).and(&terms);
        let clock = FakeClock::at(START_MS);
        let run = Hours::run(sender.and(incidents), &clock);
        assert_eq!(run.exit, Exit::Different);
        let until_ms = START_MS + until_minute * 60_000;
        assert_eq!(run.log.only("waiting").get("until").number(), until_ms, "{incidents:?}");
        assert_eq!(clock.now().0, until_ms);
        assert_eq!(run.log.events("alert_summary").len(), 1);
    };
    let twice = ["--incident=shift@1m+1m=1", "--incident=gap@2m+1m"];
    check(["--fires-within=7m", "--resolves-within=1m"], &twice, 10);
    check(["--fires-within=7m", "--resolves-within=10m"], &twice, 13);
    check(["--fires-within=1m", "--resolves-within=1m"], &twice, 6);
    check(["--fires-within=1m", "--resolves-within=5m"], &["--incident=shift@5m+1h=1"], 11);
    check(["--fires-within=1m", "--resolves-within=5m"], &[], 6);
}

/// A run of two datapoints that are 1, read back as from a VictoriaMetrics.
const TWO_ONES: [&str; 6] = [
    "--noise-std=0",
    "--seasonality=none",
    "--trend-coefficient=0",
    "--flat-base=1",
    "--read-api=victoriametrics",
    "--verify",
];

/// Returns what a VictoriaMetrics answers to the questions for their samples and for label names.
fn answers_of_victoriametrics() -> [Answer; 2] {
    let csv = format!("{START_MS},1\n{},1\n", START_MS + 60_000);
    let names = r#"{"status":"success","data":["__name__","k"]}"#.to_owned();
    [csv, names].map(|text| Answer::status(200).body(text))
}

/// After the last datapoint of two, before the window is over; and shown some seconds late.
#[test]
fn a_false_alarm_for_the_last_datapoint_is_in_the_verdict() {
    for (fired_ms, shown_ms) in [(61_000, 61_000), (119_000, 124_000)] {
        let alert = format!(
            r#"{{"metric":{{"__name__":"ALERTS"}},"values":[1],"timestamps":[{}]}}"#,
            START_MS + fired_ms
        );
        let shown = move |now_ms, _| {
            let alert = if now_ms < START_MS + shown_ms { "" } else { &alert };
            Answer::status(200).body(alert).into()
        };
        let clock = FakeClock::at(START_MS);
        let [csv, names] = answers_of_victoriametrics().map(Step::from);
        let datapoints = [csv.clone(), names.clone(), csv, names];
        let steps = [Step::status(204), Step::status(204)].into_iter().chain(datapoints);
        let script = Script::new(steps).unchecked().now(clock.now_fn()).choose(shown);
        let receiver = script.start();
        let run = Hours::run(minutes(&receiver, 2).and(&TWO_ONES).and(&["--alert=A"]), &clock);
        assert_eq!(run.exit, Exit::Different, "at {fired_ms} ms");
        assert_eq!(run.log.only("alert").get("start").number(), START_MS + fired_ms);
        assert_eq!(run.log.only("verify_summary").get("matching").number(), 2);
    }
}

/// Behind a vmagent it takes that long.
#[test]
fn what_a_victoriametrics_shows_within_10_s_is_waited_for() {
    for (shown_ms, exit) in [(69_500, Exit::Success), (70_500, Exit::Different)] {
        let [csv, names] = answers_of_victoriametrics();
        // The samples, then the names of labels, and so on.
        let shown = move |now_ms, count: usize| match count % 2 {
            1 => names.clone().into(),
            _ if now_ms < START_MS + shown_ms => Answer::status(200).body(String::new()).into(),
            _ => csv.clone().into(),
        };
        let clock = FakeClock::at(START_MS);
        let pushed = [Step::status(204), Step::status(204)];
        let receiver = Script::new(pushed).unchecked().now(clock.now_fn()).choose(shown).start();
        let run = Hours::run(minutes(&receiver, 2).and(&TWO_ONES), &clock);
        assert_eq!(run.exit, exit, "shown after {shown_ms} ms");
    }
}
