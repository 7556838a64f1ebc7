//! Runs of the real binary over a window of the past, and what they should have stored.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use push_live_metrics::cli::config::{self, Plan};
use push_live_metrics::cli::{self, Environment};
use push_live_metrics::series::TimestampMs;

use super::receivers::Receiver;

/// The series of every run here.
pub(crate) const SELECTOR: &str = "cpu{a=\"b\"}";
const BINARY: &str = env!("CARGO_BIN_EXE_push-live-metrics");

/// A window, and what is to be done with it.
#[derive(Clone)]
pub(crate) struct Past {
    /// Seconds since 1970.
    pub(crate) origin: i64,
    /// Seconds since 1970.
    pub(crate) start: i64,
    /// Seconds since 1970, excluded.
    pub(crate) end: i64,
    /// In seconds.
    pub(crate) step: i64,
    /// What else is typed.
    pub(crate) flags: Vec<String>,
}

/// Returns the time in whole minutes, as seconds since 1970.
pub(crate) fn now() -> i64 {
    let seconds = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is past 1970").as_secs();
    i64::try_from(seconds / 60 * 60).expect("and before the year 292 million")
}

impl Past {
    /// Returns a window of `count` datapoints that ends at the last whole minute.
    pub(crate) fn of(count: i64, step: i64) -> Past {
        let end = now();
        let start = end - count * step;
        Past { origin: start, start, end, step, flags: Vec::new() }
    }

    /// Adds flags.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Past {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    fn args(&self, verb: &str) -> Vec<String> {
        let step_flag = if verb.is_empty() { "--interval" } else { "--step-size" };
        let words = [
            verb,
            "--metric-name",
            "cpu",
            "--labels",
            "a=b",
            "--origin",
            &self.origin.to_string(),
            "--start-epoch",
            &self.start.to_string(),
            "--end-epoch",
            &self.end.to_string(),
            step_flag,
            &format!("{}s", self.step),
        ]
        .map(ToOwned::to_owned);
        let words = words.into_iter().filter(|word| !word.is_empty());
        words.chain(self.flags.iter().cloned()).collect()
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(BINARY);
        command.args(self.args(verb)).env_clear().env("TZ", "UTC").stdin(Stdio::null());
        command
    }

    /// Returns what the window holds, made by the library.
    pub(crate) fn planned(&self) -> Vec<(i64, f64)> {
        let environment = Environment::new(HashMap::new(), PathBuf::from("/nonexistent"));
        let words = self.args("backfill").into_iter().chain(["--url", "http://h/"].map(Into::into));
        let now = TimestampMs(now() * 1000 + 60_000);
        let invocation = cli::parse(words.map(OsString::from), &environment, now);
        let command = invocation.expect("the window is all right").command;
        let config::Command::Backfill(config) = command else { panic!("no backfill") };
        let Plan { model, window, .. } = config.plan;
        let count = usize::try_from(window.tick_count).expect("a test has few");
        let samples = model.iter_from(window.first_index).take(count);
        samples.map(|sample| (sample.timestamp.0, sample.value)).collect()
    }

    /// Returns what a receiver has between start and end.
    pub(crate) fn stored(&self, receiver: &Receiver) -> Vec<(i64, f64)> {
        receiver.samples(SELECTOR, self.start * 1000, self.end * 1000 - 1)
    }

    /// Pushes it to `url` and returns when that is done.
    pub(crate) fn backfill(&self, url: &str) -> Run {
        self.start_backfill(url).wait()
    }

    /// Begins to push it to `url`.
    pub(crate) fn start_backfill(&self, url: &str) -> Running {
        let mut command = self.command("backfill");
        command.args(["--url", url]).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().expect("the binary was built"))
    }

    /// Pushes it to `url` by the live verb.
    pub(crate) fn live(&self, url: &str) -> Run {
        Run::of(self.command("").args(["--url", url]).output().expect("the binary was built"))
    }

    /// Runs it with more flags, and without a target.
    pub(crate) fn export(&self, flags: &[&str]) -> Run {
        let output = self.command("backfill").args(flags).output();
        Run::of(output.expect("the binary was built"))
    }

    /// Returns it as `sh` runs it: `"$@"` in `script` is the export with these flags.
    pub(crate) fn export_in_shell(&self, script: &str, flags: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", BINARY]).args(self.args("backfill")).args(flags);
        command.stdin(Stdio::null());
        command
    }
}

/// A run that goes on.
pub(crate) struct Running(Child);

impl Running {
    /// Waits until it ends.
    pub(crate) fn wait(self) -> Run {
        Run::of(self.0.wait_with_output().expect("it is our child"))
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) -> Run {
        self.0.kill().expect("it was not waited for");
        self.wait()
    }
}

/// A run that has ended.
pub(crate) struct Run {
    /// Its exit code, if it had one.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    fn of(output: Output) -> Run {
        let text = |bytes| String::from_utf8(bytes).expect("all of it is UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Run { code: output.status.code(), stdout, stderr }
    }

    /// Fails unless it ended with this code.
    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Run {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        self
    }

    /// Fails unless its log holds this.
    #[track_caller]
    pub(crate) fn assert_says(&self, text: &str) -> &Run {
        assert!(self.stderr.contains(text), "{text:?} in:\n{}", self.stderr);
        self
    }

    /// Returns the count before `word` in the summary.
    #[track_caller]
    pub(crate) fn count(&self, word: &str) -> usize {
        let summary = self.stderr.lines().find(|line| line.contains("Summary: "));
        let words: Vec<&str> = summary.expect("a summary").split(' ').collect();
        let at = words.iter().position(|w| w.trim_end_matches(';') == word).expect("the word");
        words[at - 1].parse().expect("a count")
    }
}

/// Fails unless both hold the same times and the same bits.
#[track_caller]
pub(crate) fn assert_same_bits(stored: &[(i64, f64)], planned: &[(i64, f64)]) {
    assert_eq!(stored.len(), planned.len(), "samples");
    for (stored, planned) in stored.iter().zip(planned) {
        assert_eq!((stored.0, stored.1.to_bits()), (planned.0, planned.1.to_bits()));
    }
}

/// Waits until a Prometheus has taken more than `count` samples.
pub(crate) fn wait_for_samples(receiver: &Receiver, count: f64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_there = || {
        let (_, metrics) = receiver.get("/metrics");
        let is_total = |line: &&str| {
            line.starts_with("prometheus_tsdb_head_samples_appended_total")
                || line.starts_with("prometheus_tsdb_head_out_of_order_samples_appended_total")
        };
        let values = metrics.lines().filter(is_total).filter_map(|line| line.rsplit(' ').next());
        values.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>() > count
    };
    while !is_there() {
        assert!(Instant::now() < deadline, "no {count} samples came");
    }
}

/// A folder that goes when it is dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// Makes one that is empty.
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("push-live-metrics-past-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("the folder for temporary files is writable");
        Folder(path)
    }

    /// Returns the path of a file in it, to be typed.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("it is UTF-8").to_owned()
    }

    /// Returns the names in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("it is there").flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
