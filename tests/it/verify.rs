//! verify, --verify and --resume, against the real receivers and against ones that lie.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::support::receivers::{Receiver, Setup};

const STEP_MS: i64 = 100;
const TICKS: i64 = 100;

fn now_ms() -> i64 {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since_epoch.as_millis()).unwrap()
}

/// A series that begins at a time of its own and is pushed to one address.
#[derive(Clone)]
struct Series {
    url: String,
    origin_ms: i64,
    step_ms: i64,
    labels: String,
    more: Vec<String>,
}

impl Series {
    fn new(url: &str, age_ms: i64) -> Series {
        let origin_ms = now_ms() - age_ms;
        let (labels, more) = ("cpu=a".into(), Vec::new());
        Series { url: url.into(), origin_ms, step_ms: STEP_MS, labels, more }
    }

    fn and(mut self, flags: &[&str]) -> Series {
        self.more.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Returns the command for ticks `first..end`; the verb "" is live.
    fn command(&self, verb: &str, first: i64, end: i64) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_push-live-metrics"));
        let time = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
        if !verb.is_empty() {
            command.arg(verb);
        }
        command.args(["--metric-name", "verified", "--labels", &self.labels, "--url", &self.url]);
        command.args(["--origin", &time(self.origin_ms)]);
        command.args(["--start-epoch", &time(self.origin_ms + first * self.step_ms)]);
        command.args(["--end-epoch", &time(self.origin_ms + end * self.step_ms)]);
        let step_flag = if verb.is_empty() { "--interval" } else { "--step-size" };
        command.args([step_flag, &format!("{}ms", self.step_ms)]);
        command.args(&self.more);
        command.env_clear().env("TZ", "UTC").current_dir(env!("CARGO_TARGET_TMPDIR"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the command; returns exit code and log.
    fn run(&self, verb: &str, first: i64, end: i64) -> (i32, String) {
        shown(&self.command(verb, first, end).output().unwrap())
    }

    #[track_caller]
    fn push(&self, first: i64, end: i64) {
        let (code, log) = self.run("backfill", first, end);
        assert_eq!(code, 0, "{log}");
    }

    #[track_caller]
    fn check(&self, end: i64, expected_code: i32, expected: &str) -> String {
        let (code, log) = self.run("verify", 0, end);
        assert_eq!(code, expected_code, "{log}");
        assert!(log.contains(expected), "no {expected:?} in\n{log}");
        log
    }
}

fn shown(output: &Output) -> (i32, String) {
    let log = String::from_utf8(output.stderr.clone()).unwrap();
    (output.status.code().expect("no signal has ended it"), log)
}

/// Runs each command that a log prints, and returns how many there were.
fn run_printed_commands(log: &str) -> usize {
    let folder = Path::new(env!("CARGO_BIN_EXE_push-live-metrics")).parent().unwrap();
    let commands = log.lines().filter_map(|line| line.split_once(": push-live-metrics "));
    commands
        .map(|(_, flags)| {
            let command = format!("push-live-metrics {flags}");
            let output =
                Command::new("/bin/sh").args(["-c", &command]).env("PATH", folder).output();
            let (code, log) = shown(&output.unwrap());
            assert_eq!(code, 0, "{command}\n{log}");
        })
        .count()
}

#[track_caller]
fn check_verify(setup: Setup) {
    let Some(receiver) = setup.start() else { return };
    let series = || Series::new(&receiver.write_url(), 3 * TICKS * STEP_MS);
    let ours = series();
    // Series of the same metric that have labels beside ours are others.
    let other = Series { labels: "cpu=a,core=1".into(), origin_ms: ours.origin_ms, ..series() };
    other.and(&["--seed", "7"]).push(0, TICKS);
    let (code, log) = ours.run("", 0, TICKS);
    assert_eq!(code, 0, "{log}");

    let sum = "Verify: 100 planned = 100 matching + 0 missing + 0 different; 0 unexpected";
    ours.check(TICKS, 0, sum);

    let wrong = Series { origin_ms: ours.origin_ms, ..series() }.and(&["--seed", "7"]);
    let log = wrong.check(TICKS, 5, "100 planned = 0 matching + 0 missing + 100 different;");
    assert_eq!(log.matches("Different at ").count(), 10, "{log}");
    assert!(log.contains("and 90 more are different"), "{log}");

    let log = ours.check(2 * TICKS, 5, "200 planned = 100 matching + 100 missing + 0 different;");
    assert_eq!(run_printed_commands(&log), 1, "one range\n{log}");
    ours.check(2 * TICKS, 0, "200 planned = 200 matching + 0 missing + 0 different;");
}

#[test]
fn verify_prometheus2() {
    check_verify(Receiver::prometheus2());
}

#[test]
fn verify_prometheus3() {
    check_verify(Receiver::prometheus3());
}

#[test]
fn verify_victoriametrics() {
    check_verify(Receiver::victoriametrics());
}

#[test]
fn gaps_are_repaired_where_late_samples_are_taken() {
    let setup = Receiver::prometheus3().out_of_order_time_window("1h");
    let Some(receiver) = setup.start() else { return };
    let series = Series::new(&receiver.write_url(), 2 * TICKS * STEP_MS);
    for first in [1, 20, 40] {
        series.push(first, first + 10);
    }
    let log = series.check(60, 5, "60 planned = 30 matching + 30 missing + 0 different;");
    assert!(log.contains("out_of_order_time_window"), "{log}");
    assert_eq!(run_printed_commands(&log), 4, "{log}");
    series.check(60, 0, "60 planned = 60 matching");
}

#[test]
fn samples_off_the_grid_are_unexpected_and_stale_markers_are_not() {
    let Some(receiver) = Receiver::prometheus2().start() else { return };
    let mut series = Series::new(&receiver.write_url(), 2 * TICKS * STEP_MS);
    series.push(0, 10);
    series.origin_ms += 50;
    series.push(10, 11);
    series.origin_ms -= 50;
    series.push(11, 20);
    let series = series.and(&["--quiet"]);
    let (code, log) =
        series.command("", 20, 21).arg("--stale-marker").output().map(|o| shown(&o)).unwrap();
    assert_eq!((code, log.as_str()), (0, ""));
    let expected = "21 planned = 20 matching + 1 missing + 0 different; 1 unexpected";
    series.check(21, 5, expected);
}

#[test]
fn a_fan_out_is_read_series_by_series() {
    let Some(receiver) = Receiver::prometheus3().start() else { return };
    let mut series = Series::new(&receiver.write_url(), 2 * TICKS * STEP_MS);
    series.labels = "host=web-{01..20}".into();
    let series = series.and(&["--verify"]);
    let (code, log) = series.run("", 0, 5);
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("✓ Verified: all 100 datapoints match to the bit"), "{log}");
}

/// The labels that a Prometheus adds to what is read from it do not hide a series.
#[test]
fn external_labels_of_the_receiver_are_passed_over() {
    let Some(receiver) = Receiver::prometheus3().external_label("region", "eu").start() else {
        return;
    };
    let series = Series::new(&receiver.write_url(), 2 * TICKS * STEP_MS);
    series.push(0, TICKS);
    series.check(TICKS, 0, "100 planned = 100 matching");
}

#[test]
fn verify_follows_a_push() {
    let Some(receiver) = Receiver::victoriametrics().start() else { return };
    let series = Series::new(&receiver.write_url(), 2 * TICKS * STEP_MS).and(&["--verify"]);
    for (verb, first, end) in [("backfill", 0, 50), ("", 50, 60)] {
        let (code, log) = series.run(verb, first, end);
        assert_eq!(code, 0, "{log}");
        assert!(log.contains("datapoints match within 2e-12"), "{log}");
    }
}

/// Kills the run twenty times, in other moments each time, and starts the same command again.
#[track_caller]
fn check_resume(setup: Setup) {
    let Some(receiver) = setup.start() else { return };
    let mut series = Series::new(&receiver.write_url(), 0);
    series.step_ms = 20;
    let resumed = series.clone().and(&["--resume"]);
    let tick_count = 300;
    for kill in 0..20 {
        let mut child = resumed.command("", 0, tick_count).spawn().unwrap();
        wait_for_pushes(&mut child, 1 + kill % 4);
        // Not to wait for anything: for the signal to come at another phase of the next tick.
        thread::sleep(Duration::from_millis(kill as u64));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (code, log) = resumed.run("", 0, tick_count);
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("] [INFO] Resuming: "), "{log}");
    series.check(tick_count, 0, "300 planned = 300 matching + 0 missing + 0 different;");
}

/// Returns when it has logged so many pushes.
fn wait_for_pushes(child: &mut Child, count: usize) {
    let log = BufReader::new(child.stderr.take().unwrap());
    let pushes = log.lines().map_while(Result::ok).filter(|line| line.contains("✓ Pushed"));
    assert_eq!(pushes.take(count).count(), count, "it goes on that long");
}

#[test]
fn resume_after_twenty_kills_prometheus2() {
    check_resume(Receiver::prometheus2());
}

#[test]
fn resume_after_twenty_kills_prometheus3() {
    check_resume(Receiver::prometheus3());
}

#[test]
fn resume_has_nothing_to_do_when_all_is_there() {
    let Some(receiver) = Receiver::prometheus2().start() else { return };
    let series = Series::new(&receiver.write_url(), 2 * TICKS * STEP_MS);
    series.push(0, TICKS);
    let (code, log) = series.and(&["--resume", "--verify"]).run("", 0, TICKS);
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("Resuming: 0 of 100 datapoints are left"), "{log}");
    assert!(log.contains("all 100 datapoints match"), "{log}");
}

/// Answers every request on a loopback port with a 200 and this body; returns the address.
fn liar(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1/write", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(stream);
            let head = stream.by_ref().lines().map_while(Result::ok).take_while(|l| !l.is_empty());
            let length = head.filter_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            let request_bytes = length.sum();
            let _ = stream.read_exact(&mut vec![0; request_bytes]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
            let answer = [format!("{head}Connection: close\r\n\r\n").as_bytes(), &body].concat();
            let _ = stream.get_mut().write_all(&answer);
        }
    });
    url
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// Returns a length-delimited protobuf field.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(content.len() as u64), content.to_vec()].concat()
}

/// Returns an answer with one series.
fn answer(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Vec<u8> {
    let label = |(name, value): &(&str, &str)| {
        field(1, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat())
    };
    let sample = |&(timestamp_ms, value): &(i64, f64)| {
        let bits = value.to_bits().to_le_bytes();
        let time = varint(timestamp_ms.cast_unsigned());
        field(2, &[&[9], &bits[..], &[16], &time].concat())
    };
    let labels: Vec<u8> = labels.iter().flat_map(label).collect();
    let samples: Vec<u8> = samples.iter().flat_map(sample).collect();
    field(1, &field(1, &[labels, samples].concat()))
}

fn snappy(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).unwrap()
}

#[test]
fn lies_are_one_clear_line_each_and_no_memory() {
    let origin_ms = now_ms() - 100 * STEP_MS;
    let ours = [("__name__", "verified"), ("cpu", "a")];
    let whole = snappy(&answer(&ours, &[(origin_ms, 1.0), (origin_ms + 1, 2.0)]));
    let nested = (0..1000).fold(vec![0], |inside, _| field(1, &inside));
    let others: Vec<String> = (0..1000).map(|n| format!("l{n}")).collect();
    let others: Vec<(&str, &str)> =
        ours.iter().copied().chain(others.iter().map(|name| (name.as_str(), "x"))).collect();
    for (body, expected) in [
        (vec![], "it is not a snappy block"),
        (snappy(&[]), "it does not hold the one result that was asked for"),
        (b"<html>no</html>".to_vec(), "it is not a snappy block"),
        (whole[..whole.len() / 2].to_vec(), "it is not a snappy block"),
        (vec![255, 255, 255, 255, 15, 0], "for a single step it is over 2 MiB"),
        (snappy(&vec![0; 2 << 20]), "its protobuf message is malformed"),
        (vec![0; 3 << 20], "for a single step it is over 2 MiB"),
        (snappy(&nested), "it holds a series without all of our labels"),
        (snappy(&answer(&ours[..1], &[])), "it holds a series without all of our labels"),
        (snappy(&answer(&[ours[0], ("cpu", "b")], &[])), "another label 'cpu'"),
        (snappy(&answer(&others, &[])), "it holds a series of too many labels"),
        (
            snappy(&answer(&ours, &[(origin_ms + 1, 1.0), (origin_ms, 2.0)])),
            "its samples are not in the order of time",
        ),
        (snappy(&answer(&ours, &[(origin_ms, f64::NAN)])), "is NaN, which this series never is"),
    ] {
        let series = Series { origin_ms, ..Series::new(&liar(body), 0) };
        let command = series.command("verify", 0, 50);
        // Address space, not memory: what it has at hand for itself, and far below 4 GB.
        let limited = "ulimit -v 400000; exec \"$0\" \"$@\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", limited]).arg(command.get_program()).args(command.get_args());
        let (code, log) = shown(&shell.output().unwrap());
        assert_eq!(code, 4, "{log}");
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("[ERROR]")).collect();
        assert_eq!(errors.len(), 1, "{log}");
        assert!(errors[0].contains("the answer cannot be read: "), "{log}");
        assert!(errors[0].contains(expected), "no {expected:?} in\n{log}");
    }
}

#[test]
fn access_that_is_refused_and_receivers_that_are_gone_have_their_codes() {
    let Some(receiver) = Receiver::prometheus3().start() else { return };
    let series = Series::new(&receiver.write_url(), 2 * TICKS * STEP_MS);
    let url = format!("--read-url={}/nowhere", receiver.url());
    let (code, log) = series.and(&[&url]).run("verify", 0, 1);
    assert_eq!(code, 3, "{log}");
    assert!(log.contains("refused: HTTP 404") && log.contains("Hint: check --read-url"), "{log}");

    let gone = Series::new("http://127.0.0.1:9/api/v1/write", 1000);
    let (code, log) = gone.and(&["--flush-timeout", "0s"]).run("verify", 0, 1);
    assert_eq!(code, 4, "{log}");
    assert!(log.contains("no answer in time: "), "{log}");

    let other = Series::new("http://127.0.0.1:9/api/v1/receive", 1000);
    let (code, log) = other.run("verify", 0, 1);
    assert_eq!(code, 2, "{log}");
}

/// As Cortex 1.21.1 has them: one address to read from beside each to push to, and 404 elsewhere.
#[test]
fn cortex_is_read_where_it_can_be() {
    for (write, read) in
        [("/api/v1/push", "/prometheus/api/v1/read"), ("/api/prom/push", "/api/prom/api/v1/read")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}{write}", listener.local_addr().unwrap());
        let receiver = thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let head: Vec<String> =
                stream.by_ref().lines().map(Result::unwrap).take_while(|l| !l.is_empty()).collect();
            let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            head[0].clone()
        });
        let (code, log) = Series::new(&url, 1000).run("verify", 0, 1);
        assert_eq!(code, 3, "{log}");
        assert_eq!(receiver.join().unwrap(), format!("POST {read} HTTP/1.1"));
    }
}

/// Reads a window of a million samples. The peak of its memory is that of the whole run.
#[test]
fn a_million_samples_take_little_memory() {
    let Some(receiver) = Receiver::prometheus2().start() else { return };
    let mut series = Series::new(&receiver.write_url(), 10_100_000);
    series.step_ms = 10;
    series.push(0, 1_000_000);
    let started = Instant::now();
    let mut child = series.command("verify", 0, 1_000_000).spawn().unwrap();
    let mut peak_kib = 0;
    while child.try_wait().unwrap().is_none() {
        peak_kib = peak_kib.max(peak_memory_kib(child.id()).unwrap_or(0));
        thread::sleep(Duration::from_millis(2));
    }
    let (code, log) = shown(&child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("all 1000000 datapoints match to the bit"), "{log}");
    println!("a million samples: {:?}, {peak_kib} KiB at most", started.elapsed());
    assert!((1..16 * 1024).contains(&peak_kib), "{peak_kib} KiB");
}

fn peak_memory_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
