//! Runs the real binary against a real receiver: nothing in its environment but what is
//! given, its log in a file, so that it can be killed at any moment and still be read.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use push_live_metrics::cli::{self, Environment};
use push_live_metrics::series::TimestampMs;

const POLL: Duration = Duration::from_millis(1);
/// What a run is given beyond the time that its window takes.
const PATIENCE: Duration = Duration::from_secs(180);

/// The flags of a run of one series whose grid is fixed by `start_ms`, so that what it
/// plans follows from its flags alone.
#[derive(Clone, Debug)]
pub(crate) struct Flags {
    pub(crate) write_url: String,
    /// The value of the series' one label.
    pub(crate) run: String,
    pub(crate) start_ms: i64,
    pub(crate) tick_count: u64,
    pub(crate) interval_ms: u64,
}

impl Flags {
    /// Returns the time behind the last tick.
    pub(crate) fn end_ms(&self) -> i64 {
        self.start_ms + i64::try_from(self.tick_count * self.interval_ms).unwrap()
    }

    /// Returns what selects the series at a receiver.
    pub(crate) fn selector(&self) -> String {
        format!("chaos{{run=\"{}\"}}", self.run)
    }

    /// Returns the arguments for the whole window.
    pub(crate) fn args(&self) -> Vec<String> {
        let start = seconds(self.start_ms);
        let end = seconds(self.end_ms());
        self.args_with(&["--start-epoch", &start, "--end-epoch", &end])
    }

    /// Returns the arguments with another window.
    pub(crate) fn args_with(&self, window: &[&str]) -> Vec<String> {
        let (run, interval) = (format!("run={}", self.run), format!("{}ms", self.interval_ms));
        let series = ["--metric-name", "chaos", "--labels", &run, "--interval", &interval];
        let target = ["--url", &self.write_url];
        [&series[..], &target, window].concat().into_iter().map(str::to_owned).collect()
    }

    /// Returns every sample of the window, made by the library: milliseconds and bits.
    pub(crate) fn planned(&self) -> Vec<(i64, u64)> {
        self.planned_with_seed(42)
    }

    /// Returns the same for another seed than the default.
    pub(crate) fn planned_with_seed(&self, seed: u32) -> Vec<(i64, u64)> {
        let environment = Environment::new(HashMap::new(), PathBuf::from("/nonexistent"));
        let seed = ["--seed".to_owned(), seed.to_string()];
        let args = self.args().into_iter().chain(seed).map(Into::into);
        let command = cli::parse(args, &environment, TimestampMs(self.start_ms)).unwrap().command;
        let cli::Command::Live(config) = command else { panic!("not a live run: {command:?}") };
        let window = config.plan.window;
        assert_eq!((window.first_index, window.tick_count), (0, self.tick_count));
        let samples = config.plan.model.iter_from(0);
        samples
            .take(usize::try_from(self.tick_count).unwrap())
            .map(|sample| (sample.timestamp.0, sample.value.to_bits()))
            .collect()
    }
}

/// Returns epoch seconds as a flag takes them.
pub(crate) fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}

/// Returns the wall clock in milliseconds.
pub(crate) fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(elapsed.as_millis()).expect("and before the year 292 million")
}

/// A process of the binary. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub(crate) struct Push {
    child: Child,
    folder: PathBuf,
    deadline: Instant,
}

impl Push {
    /// Starts it with these arguments and variables.
    pub(crate) fn start(args: &[String], variables: &[(&str, &str)]) -> Push {
        let mut command = Command::new(env!("CARGO_BIN_EXE_push-live-metrics"));
        Push::spawn(command.args(args).env_clear().envs(variables.iter().copied()))
    }

    fn spawn(command: &mut Command) -> Push {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("push-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("the build folder is writable");
        let log = File::create(folder.join("log")).expect("its folder is writable");
        let child = command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary was built");
        Push { child, folder, deadline: Instant::now() + PATIENCE }
    }

    /// Gives it until `end_ms` and the usual patience.
    pub(crate) fn until(mut self, end_ms: i64) -> Push {
        let left_ms = u64::try_from(end_ms - now_ms()).unwrap_or(0);
        self.deadline += Duration::from_millis(left_ms);
        self
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until its log holds `text`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_for_count(text, 1);
    }

    /// Waits until its log holds `text` `count` times.
    #[track_caller]
    pub(crate) fn wait_for_count(&mut self, text: &str, count: usize) {
        loop {
            let ended = self.child.try_wait().expect("our child can be waited for");
            let log = self.log();
            if log.matches(text).count() >= count {
                return;
            }
            let is_over = ended.is_some() || Instant::now() > self.deadline;
            assert!(!is_over, "{ended:?}, not {count} times {text:?} in:\n{}", tail(&log, 30));
            thread::sleep(POLL);
        }
    }

    /// Tells whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our child can be waited for").is_none()
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child that was not waited for can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Runs a command line that this run printed, by a shell.
    pub(crate) fn start_printed(&self, command: &str) -> Push {
        let binary = Path::new(env!("CARGO_BIN_EXE_push-live-metrics"));
        let folder = binary.parent().expect("a binary is in a folder");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command]).env_clear().env("PATH", folder);
        Push::spawn(&mut shell)
    }

    /// Sends SIGINT; returns when that was, before anything was done for it.
    pub(crate) fn interrupt(&self) -> Instant {
        let before = Instant::now();
        let pid = self.pid().to_string();
        // std can send SIGKILL only; kill is a builtin of every sh.
        let status = Command::new("sh").args(["-c", "kill -INT \"$1\"", "sh", &pid]).status();
        assert!(status.expect("sh is there").success(), "kill -INT {pid}");
        before
    }

    /// Waits until it ends; returns its exit code, a signal's negative.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> i32 {
        loop {
            if let Some(status) = self.child.try_wait().expect("our child can be waited for") {
                return status.code().unwrap_or_else(|| -status.signal().unwrap_or(0));
            }
            if Instant::now() > self.deadline {
                self.kill();
                panic!("it did not end:\n{}", tail(&self.log(), 30));
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until it ends, which must be with this code.
    #[track_caller]
    pub(crate) fn assert_code(&mut self, code: i32) {
        let ended_with = self.wait();
        assert_eq!(ended_with, code, "the exit code; the log ends:\n{}", tail(&self.log(), 30));
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns samples with the bits of their values, as `Flags::planned` has them.
pub(crate) fn bits(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples.iter().map(|&(timestamp_ms, value)| (timestamp_ms, value.to_bits())).collect()
}

/// Returns the last lines of a log.
pub(crate) fn tail(log: &str, line_count: usize) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(line_count)..].join("\n")
}
