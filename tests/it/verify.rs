//! verify, --verify and --resume, against the real receivers and against ones that lie.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::process::Run;
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::scripted_receiver::Script;
use crate::support::side_by_side::side_by_side;
use crate::support::step::{Answer, Step, Then};
use crate::support::time::now_ms;
use crate::support::window::Window;

const STEP_MS: i64 = 100;
const TICKS: i64 = 100;

/// Returns ticks that begin so long ago.
pub(crate) fn series_of(url: &str, age_ms: i64) -> Window {
    Window::now(url.into(), "cpu=a", 0, STEP_MS).starting(now_ms() - age_ms)
}

/// Runs each command that a run printed, and returns how many there were.
pub(crate) fn run_printed_commands(run: &Run) -> usize {
    let commands = run.printed_commands("; to send exactly that:");
    for command in &commands {
        run.run_printed(command).assert_code(0);
    }
    commands.len()
}

#[track_caller]
fn check_verify(setup: RealSetup) {
    let Some(receiver) = setup.start() else { return };
    let series = || series_of(&receiver.write_url(), 3 * TICKS * STEP_MS);
    let ours = series();
    // Series of the same metric that have labels beside ours are others.
    let other = Window { labels: "cpu=a,core=1".into(), origin_ms: ours.origin_ms, ..series() };
    other.and(&["--seed", "7"]).push(0, TICKS);
    ours.run("", 0, TICKS).assert_code(0);

    let sum = "Verify: 100 planned = 100 matching + 0 missing + 0 different; 0 unexpected";
    ours.check(TICKS, 0, sum);

    let wrong = Window { origin_ms: ours.origin_ms, ..series() }.and(&["--seed", "7"]);
    let run = wrong.check(TICKS, 5, "100 planned = 0 matching + 0 missing + 100 different;");
    assert_eq!(run.stderr.matches("Different at ").count(), 10, "{}", run.stderr);
    run.assert_says("And 90 more are different");
    let hint = run.stderr.find("--origin, --seed or the step are probably not those");
    assert!(hint.is_some() && hint < run.stderr.find("Different at "), "{}", run.stderr);

    let run = ours.check(2 * TICKS, 5, "200 planned = 100 matching + 100 missing + 0 different;");
    assert_eq!(run_printed_commands(&run), 1, "one range\n{}", run.stderr);
    ours.check(2 * TICKS, 0, "200 planned = 200 matching + 0 missing + 0 different;");
}

#[test]
fn verify_finds_what_differs_in_each_receiver() {
    side_by_side(RealReceiver::each(), |(setup, _)| check_verify(setup));
}

#[test]
fn samples_off_the_grid_are_unexpected_and_stale_markers_are_not() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let mut series = series_of(&receiver.write_url(), 2 * TICKS * STEP_MS);
    series.push(0, 10);
    series.origin_ms += 50;
    series.push(10, 11);
    series.origin_ms -= 50;
    series.push(11, 20);
    let series = series.and(&["--quiet"]);
    let run = series.clone().and(&["--stale-marker"]).run("", 20, 21);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let expected = "21 planned = 20 matching + 1 missing + 0 different; 1 unexpected";
    series.check(21, 5, expected);
}

#[test]
fn a_fan_out_is_read_series_by_series() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let mut series = series_of(&receiver.write_url(), 2 * TICKS * STEP_MS);
    series.labels = "host=web-{01..20}".into();
    let series = series.and(&["--verify"]);
    let run = series.run("", 0, 5);
    run.assert_code(0).assert_says("✓ Verified: all 100 datapoints match to the bit");
}

/// The labels that a Prometheus adds to what is read from it do not hide a series.
#[test]
fn external_labels_of_the_receiver_are_passed_over() {
    let Some(receiver) = RealReceiver::prometheus3().external_label("region", "eu").start() else {
        return;
    };
    let series = series_of(&receiver.write_url(), 2 * TICKS * STEP_MS);
    series.push(0, TICKS);
    series.check(TICKS, 0, "100 planned = 100 matching");
}

/// It keeps what it is sent twice, and shows nothing that is older than it keeps.
#[test]
fn a_victoriametrics_has_its_own_warnings() {
    let Some(receiver) = RealReceiver::victoriametrics().start() else { return };
    let mut series = series_of(&receiver.write_url(), 2 * TICKS * STEP_MS);
    series.push(0, 10);
    series.push(0, 10);
    let run = series.check(10, 0, "10 planned = 10 matching + 0 missing + 0 different;");
    run.assert_says("10 datapoints stored more than once").assert_says("-dedup.minScrapeInterval");
    assert!(!run.stderr.contains("-retentionPeriod"), "{}", run.stderr);
    series.origin_ms -= 50 * 86_400_000;
    series.check(10, 5, "10 planned = 0 matching + 10 missing").assert_says("-retentionPeriod");
}

/// Samples share a block with larger ones before and after what is verified, which cost them digits.
#[test]
fn a_victoriametrics_keeps_fewer_digits_next_to_large_values() {
    let Some(receiver) = RealReceiver::victoriametrics().start() else { return };
    let huge = |tick| format!("--incident=scale@{}ms+{STEP_MS}ms=1e12", tick * STEP_MS);
    let reset = |tick| format!("--incident=reset@{}ms", tick * STEP_MS);
    let series = series_of(&receiver.write_url(), 2 * TICKS * STEP_MS).of_counter();
    let series = series.and(&[&huge(1), &reset(10), &reset(20), &huge(30)]);
    series.push(0, 40);
    for (first, end) in [(10, 20), (20, 30)] {
        series.run("verify", first, end).assert_code(0);
        let resumed = series.clone().and(&["--resume"]).run("", first, end);
        resumed.assert_code(0).assert_says("nothing was left to push");
    }
    let other = series.and(&["--seed", "7"]).run("verify", 10, 20);
    other.assert_code(5).assert_says("10 planned = 1 matching + 0 missing + 9 different;");
}

#[test]
fn verify_follows_a_push() {
    let Some(receiver) = RealReceiver::victoriametrics().start() else { return };
    let series = series_of(&receiver.write_url(), 2 * TICKS * STEP_MS).and(&["--verify"]);
    for (verb, first, end) in [("backfill", 0, 50), ("", 50, 60)] {
        let run = series.run(verb, first, end);
        run.assert_code(0).assert_says("datapoints match within 2e-12");
    }
}

/// Kills the run twenty times, in other moments each time, and starts the same command again.
#[track_caller]
fn check_resume(setup: RealSetup) {
    let Some(receiver) = setup.start() else { return };
    let mut series = series_of(&receiver.write_url(), 0);
    // The kills are over long before the window is, so that each run has something to push.
    series.step_ms = 50;
    let resumed = series.clone().and(&["--resume"]);
    let tick_count = 300;
    for kill in 0..20 {
        let run = resumed.ticks(0, tick_count).cmd("").start();
        run.wait_for("✓ Pushed", 1 + kill % 4);
        // Not to wait for anything: for the signal to come at another phase of the next tick.
        thread::sleep(Duration::from_millis(kill as u64));
        run.kill();
    }
    resumed.run("", 0, tick_count).assert_code(0).assert_says("] [INFO] Resuming: ");
    series.check(tick_count, 0, "300 planned = 300 matching + 0 missing + 0 different;");
}

#[test]
fn resume_after_twenty_kills_has_all_of_the_window() {
    side_by_side([RealReceiver::prometheus2(), RealReceiver::prometheus3()], check_resume);
}

/// The newest sample of the window is of another seed: in the middle, and at its end.
#[test]
fn a_different_value_is_not_resumed_after() {
    for setup in [RealReceiver::prometheus2(), RealReceiver::victoriametrics()] {
        let Some(receiver) = setup.start() else { return };
        let series = series_of(&receiver.write_url(), 2 * TICKS * STEP_MS);
        series.push(0, 50);
        series.clone().and(&["--seed", "7"]).push(50, 51);
        for end in [51, TICKS] {
            let run = series.clone().and(&["--resume"]).run("", 0, end);
            run.assert_code(5).assert_says("nothing was sent: 1 datapoint stored with another");
            run.assert_says("Different at ");
        }
        let sum = "100 planned = 50 matching + 49 missing + 1 different; 0 unexpected";
        series.check(TICKS, 5, sum);
    }
}

/// One has half of the window, the other nothing: what it lacks is not sent to both again.
#[test]
fn resume_goes_on_behind_the_series_that_has_most() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let series = series_of(&receiver.write_url(), 2 * TICKS * STEP_MS);
    series.push(0, TICKS / 2);
    let both = series.and(&["--labels", "cpu=b", "--resume"]);
    let run = both.run("", 0, TICKS);
    run.assert_code(0).assert_says("Resuming: 102 of 200 datapoints are left");
    run.assert_says("Some series lack more than the newest datapoint");
}

/// What else may be wrong with an answer is tried in read_back/message.rs.
#[test]
fn malformed_answers_are_one_error_line_and_little_memory() {
    let snappy = |message: &[u8]| snap::raw::Encoder::new().compress_vec(message).unwrap();
    for (body, expected) in [
        (vec![], "it is not a snappy block"),
        (b"<html>no</html>".to_vec(), "it is not a snappy block"),
        (snappy(&[]), "it does not hold the one result that was asked for"),
        (snappy(&vec![0; 2 << 20]), "its protobuf message is malformed"),
        (vec![255, 255, 255, 255, 15, 0], "even for the shortest time it is too large"),
        (vec![0; 3 << 20], "even for the shortest time it is too large"),
    ] {
        let answer = Answer::status(200).body(body).then(Then::Close);
        let liar = Script::new([]).unchecked().otherwise(answer).start();
        let series = series_of(&liar.url(), 100 * STEP_MS);
        // Address space, not memory: what it has at hand for itself, and far below 4 GB.
        let limited = "ulimit -v 400000; exec \"$0\" \"$@\"";
        let run = series.ticks(0, 50).cmd("verify").shell(limited).run();
        run.assert_code(4).assert_says(&format!("the answer cannot be read: {expected}"));
        assert_eq!(run.stderr.matches("[ERROR]").count(), 1, "{}", run.stderr);
    }
}

#[test]
fn access_that_is_refused_and_receivers_that_are_gone_have_their_codes() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let series = series_of(&receiver.write_url(), 2 * TICKS * STEP_MS);
    let url = format!("--read-url={}/nowhere", receiver.url());
    let run = series.and(&[&url]).run("verify", 0, 1);
    run.assert_code(3).assert_says("refused: HTTP 404").assert_says("Hint: check --read-url");

    // At once, whatever there is left of the time.
    for (status, text) in [
        (500, "unsupported operation with WAL-only storage"), // a Prometheus agent
        (501, "not implemented"),
        (400, "unsupported path requested: \"/api/v1/read\""), // vmagent
    ] {
        let answer = Answer::status(status).body(text);
        let forwarder = Script::new([]).unchecked().otherwise(answer).start();
        let run = series_of(&forwarder.url(), 1000).run("verify", 0, 1);
        run.assert_code(3).assert_says("refused: HTTP ").assert_says("Hint: check --read-url");
        assert!(!run.stderr.contains("Read failed"), "{}", run.stderr);
    }
    let failing = Script::new([]).unchecked().otherwise(Step::status(500)).start();
    let series = series_of(&failing.url(), 1000).and(&["--flush-timeout", "0s"]);
    series.run("verify", 0, 1).assert_code(4).assert_says("the receiver answered HTTP 500");

    let gone = series_of("http://127.0.0.1:9/api/v1/write", 1000);
    let run = gone.and(&["--flush-timeout", "0s"]).run("verify", 0, 1);
    run.assert_code(4).assert_says("no answer in time: ");

    let other = series_of("http://127.0.0.1:9/api/v1/receive", 1000);
    other.run("verify", 0, 1).assert_code(2);
}

#[test]
fn a_victoriametrics_is_asked_for_labels_of_any_length() {
    let Some(receiver) = RealReceiver::victoriametrics().start() else { return };
    let mut series = series_of(&receiver.write_url(), 2 * TICKS * STEP_MS);
    // Percent-encoded they are 21 KB, more than any server takes of an address.
    let value = "é,".repeat(600);
    series.labels = ["a", "b", "c", "d"].map(|name| format!("{name}=\"{value}\"")).join(",");
    series.push(0, TICKS);
    series.check(TICKS, 0, "100 planned = 100 matching");
}

/// As Cortex 1.21.1 has them: one address to read from beside each to push to, and 404 elsewhere.
#[test]
fn cortex_is_read_where_it_can_be() {
    for (write, read) in
        [("/api/v1/push", "/prometheus/api/v1/read"), ("/api/prom/push", "/api/prom/api/v1/read")]
    {
        let script = Script::new([]).unchecked().path(write).otherwise(Step::status(404));
        let receiver = script.start();
        series_of(&receiver.url(), 1000).run("verify", 0, 1).assert_code(3);
        assert_eq!(receiver.requests()[0].line, format!("POST {read} HTTP/1.1"));
    }
}

#[test]
fn a_victoriametrics_that_names_other_labels_each_time_is_not_asked_for_ever() {
    // It is asked for samples and for labels by turns.
    let names = |n| format!(r#"{{"status":"success","data":["__name__","l{n}"]}}"#);
    let script = Script::new([]).unchecked().choose(move |_, n| {
        let body = if n % 2 == 1 { names(n) } else { String::new() };
        Answer::status(200).body(body).into()
    });
    let receiver = script.start();
    let series = series_of(&receiver.url(), 1000).and(&["--read-api", "victoriametrics"]);
    let run = series.run("verify", 0, 1);
    run.assert_code(4).assert_says("series with our labels have too many others");
    assert!(receiver.requests()[1].line.starts_with("POST /api/v1/labels "));
}

/// Reads a window of a million samples. The peak of its memory is that of the whole run.
#[test]
fn a_million_samples_take_little_memory() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let mut series = series_of(&receiver.write_url(), 10_100_000);
    series.step_ms = 10;
    series.push(0, 1_000_000);
    let started = Instant::now();
    let (run, peak_kib) = series.ticks(0, 1_000_000).cmd("verify").start().wait_with_peak();
    run.assert_code(0).assert_says("all 1000000 datapoints match to the bit");
    println!("a million samples: {:?}, {peak_kib} KiB at most", started.elapsed());
    assert!((1..16 * 1024).contains(&peak_kib), "{peak_kib} KiB");
}
