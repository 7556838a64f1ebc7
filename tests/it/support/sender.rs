//! Runs the real binary: an environment with nothing in it, a folder of its own, a limit on
//! its time; and reads what it said.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use push_live_metrics::cli::{self, Environment, config};
use push_live_metrics::series::TimestampMs;

use super::folder::Folder;
use super::json::Json;
use super::receiver::Receiver;
use super::wire::Point;

/// No run may take longer.
const LIMIT: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(1);

/// A command that is not run yet.
pub(crate) struct Sender {
    flags: Vec<(String, Option<String>)>,
    variables: Vec<(String, String)>,
    folder: Arc<Folder>,
    shell: Option<String>,
}

impl Sender {
    /// Returns ten datapoints, 20 ms apart, for this address.
    pub(crate) fn to(url: &str) -> Sender {
        Sender::bare()
            .flag("metric-name", "cpu")
            .flag("labels", "k=v")
            .flag("url", url)
            .ticks(10, 20)
            .flag("log-format", "json")
    }

    /// Returns a command without any flag.
    pub(crate) fn bare() -> Sender {
        let folder = Arc::new(Folder::new());
        Sender { flags: Vec::new(), variables: Vec::new(), folder, shell: None }
    }

    /// Sets a flag, in place of the value that it had.
    pub(crate) fn flag(self, name: &str, value: &str) -> Sender {
        let mut sender = self.without(name);
        sender.flags.push((name.into(), Some(value.into())));
        sender
    }

    /// Adds a flag beside others of its name.
    pub(crate) fn and_flag(mut self, name: &str, value: &str) -> Sender {
        self.flags.push((name.into(), Some(value.into())));
        self
    }

    /// Takes a flag away.
    pub(crate) fn without(mut self, name: &str) -> Sender {
        self.flags.retain(|(flag, _)| flag != name);
        self
    }

    /// Sets a flag that has no value.
    pub(crate) fn switch(mut self, name: &str) -> Sender {
        self.flags.push((name.into(), None));
        self
    }

    /// Sets how many datapoints there are and how far they are apart.
    pub(crate) fn ticks(self, count: u64, interval_ms: u64) -> Sender {
        self.flag("interval", &format!("{interval_ms}ms"))
            .flag("duration", &format!("{}ms", count * interval_ms))
    }

    /// Has the first datapoint due now, and not at the last whole second.
    pub(crate) fn starting_now(self) -> Sender {
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is past 1970");
        let (seconds, ms) = (since_epoch.as_secs(), since_epoch.subsec_millis());
        self.flag("start-epoch", &format!("{seconds}.{ms:03}"))
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Sender {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Writes a file into the current directory of the command.
    pub(crate) fn file(self, name: &str, content: &str) -> Sender {
        self.folder.write(name, content);
        self
    }

    /// Runs it by a shell, as `"$0" "$@"`.
    pub(crate) fn shell(self, script: &str) -> Sender {
        Sender { shell: Some(script.into()), ..self }
    }

    /// Returns the folder it is run in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the arguments as they are typed.
    pub(crate) fn args(&self) -> Vec<String> {
        let arg =
            |(name, value): &(String, Option<String>)| [Some(format!("--{name}")), value.clone()];
        self.flags.iter().flat_map(arg).flatten().collect()
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        let binary = env!("CARGO_BIN_EXE_push-live-metrics");
        let mut command = match &self.shell {
            None => Command::new(binary),
            Some(script) => {
                let mut command = Command::new("sh");
                command.args(["-c", script, binary]);
                command
            }
        };
        command.args(self.args());
        self.spawn(command)
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Run {
        self.start().wait()
    }

    fn spawn(self, mut command: Command) -> Running {
        let binary = Path::new(env!("CARGO_BIN_EXE_push-live-metrics"));
        let binaries = binary.parent().expect("a binary is in a folder");
        let mut child = command
            .env_clear()
            // For sh and what it calls; the command itself is found here, too.
            .env("PATH", format!("{}:/usr/bin:/bin", binaries.display()))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let stdout = Capture::of(child.stdout.take().expect("it is a pipe"));
        let stderr = Capture::of(child.stderr.take().expect("it is a pipe"));
        Running { sender: self, child, start: Instant::now(), stdout, stderr }
    }
}

/// What comes out of a pipe.
struct Capture {
    text: Arc<(Mutex<Vec<u8>>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Capture {
    fn of(mut pipe: impl Read + Send + 'static) -> Capture {
        let text = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let shared = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut bytes) {
                let mut text = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.extend(&bytes[..count]);
                shared.1.notify_all();
            }
        });
        Capture { text, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        let text = self.text.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("a reader does not panic");
        }
        self.so_far()
    }
}

/// A command that is running.
pub(crate) struct Running {
    sender: Sender,
    child: Child,
    start: Instant,
    stdout: Capture,
    stderr: Capture,
}

impl Running {
    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, as in "INT"; returns when that was.
    pub(crate) fn signal(&self, name: &str) -> Instant {
        let before = Instant::now();
        kill(name, self.pid());
        before
    }

    /// Waits until its stderr holds `text`, `count` times.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str, count: usize) {
        let (mutex, changed) = &*self.stderr.text;
        let stderr = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        let is_missing =
            |bytes: &mut Vec<u8>| String::from_utf8_lossy(bytes).matches(text).count() < count;
        let (stderr, timeout) = changed
            .wait_timeout_while(stderr, LIMIT, is_missing)
            .unwrap_or_else(PoisonError::into_inner);
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(!timeout.timed_out(), "{count} times {text:?} in:\n{stderr}");
    }

    /// Waits until a log line of this event is there, `count` times.
    #[track_caller]
    pub(crate) fn wait_for_event(&self, event: &str, count: usize) {
        self.wait_for(&format!(r#""event":"{event}""#), count);
    }

    /// Waits until it ends.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Run {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if self.start.elapsed() > LIMIT {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("it did not end:\n{}", self.stderr.all());
            }
            thread::sleep(POLL);
        };
        let end = Instant::now();
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or(0));
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        let Running { sender, start, .. } = self;
        Run { sender, code, stdout, stderr, start, end }
    }
}

/// A command that has ended.
pub(crate) struct Run {
    sender: Sender,
    /// Its exit code; the signal that ended it, negative.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
}

impl Run {
    /// Returns how long it took.
    pub(crate) fn took(&self) -> Duration {
        self.end - self.start
    }

    /// Fails unless it ended with this code.
    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Run {
        assert_eq!(self.code, code, "the exit code; stderr:\n{}", self.stderr);
        self
    }

    /// Returns the log.
    #[track_caller]
    pub(crate) fn log(&self) -> Log {
        Log::read(&self.stderr)
    }

    /// Returns the counts at the end, which must add up.
    #[track_caller]
    pub(crate) fn summary(&self) -> Summary {
        self.log().summary()
    }

    /// Returns every datapoint that was planned, made by the library, by time and labels.
    #[track_caller]
    pub(crate) fn planned(&self) -> Vec<Point> {
        let variables = self.sender.variables.iter().map(|(key, value)| (key.into(), value.into()));
        let environment = Environment::new(variables.collect(), self.sender.folder().to_path_buf());
        let start_ms = self.log().only("window").get("start").number();
        planned(&self.sender.args(), &environment, start_ms)
    }

    /// Fails unless the receiver holds every datapoint, once, to the bit, and the counts say so.
    #[track_caller]
    pub(crate) fn assert_all_delivered(&self, receiver: &Receiver) -> &Run {
        self.assert_code(0);
        let planned = self.planned();
        assert_eq!(receiver.stored(), planned, "what is stored, and what was planned");
        let summary = self.summary();
        assert_eq!(summary.accepted, planned.len() as u64, "{summary:?}");
        assert!(summary.commands.is_empty(), "{summary:?}");
        self
    }

    /// Runs a command that this run printed, in the same surroundings.
    #[track_caller]
    pub(crate) fn run_printed(&self, printed: &str) -> Run {
        let mut command = Command::new("sh");
        command.args(["-c", printed]);
        let sender = Sender {
            flags: Vec::new(),
            variables: self.sender.variables.clone(),
            folder: Arc::clone(&self.sender.folder),
            shell: None,
        };
        sender.spawn(command).wait()
    }
}

/// Sends a process a signal, as in "INT". By the shell's own kill: /bin/kill is of a package
/// (procps) that small machines do without.
#[track_caller]
pub(crate) fn kill(name: &str, pid: u32) {
    let command = format!("kill -{name} {pid}");
    let status = Command::new("/bin/sh").args(["-c", &command]).status();
    assert!(status.expect("there is /bin/sh").success(), "{command}");
}

/// Returns the datapoints that these arguments ask for when they are typed at `now_ms`.
#[track_caller]
pub(crate) fn planned(args: &[String], environment: &Environment, now_ms: i64) -> Vec<Point> {
    let plan = live_config(args, environment, now_ms).0.plan;
    let count = usize::try_from(plan.window.tick_count).expect("a test has few");
    let mut points: Vec<Point> = plan
        .label_sets
        .iter()
        .zip(plan.iters_from(plan.window.first_index))
        .flat_map(|(labels, iter)| {
            iter.take(count).map(move |sample| Point {
                timestamp_ms: sample.timestamp.0,
                labels: labels.pairs().to_vec(),
                bits: sample.value.to_bits(),
            })
        })
        .collect();
    points.sort();
    points
}

/// Returns what the arguments of a live run are checked to.
#[track_caller]
pub(crate) fn live_config(
    args: &[String],
    environment: &Environment,
    now_ms: i64,
) -> (Box<config::LiveConfig>, config::OutputConfig) {
    let args = args.iter().map(OsString::from);
    let invocation = cli::parse(args, environment, TimestampMs(now_ms))
        .unwrap_or_else(|error| panic!("{error}"));
    match invocation.command {
        config::Command::Live(config) => (config, invocation.output),
        other => panic!("no live run: {other:?}"),
    }
}

/// Returns an environment without variables and without files.
pub(crate) fn empty_environment() -> Environment {
    Environment::new(HashMap::new(), PathBuf::from("/nonexistent"))
}

/// A log in JSON, line by line.
#[derive(Debug)]
pub(crate) struct Log(pub(crate) Vec<Json>);

impl Log {
    /// Reads a log, every line of which must be an object.
    #[track_caller]
    pub(crate) fn read(text: &str) -> Log {
        let line = |line: &str| {
            let json = Json::parse(line).unwrap_or_else(|error| panic!("{error} in: {line}"));
            for name in ["time", "level", "event", "message"] {
                json.get(name).text();
            }
            json
        };
        Log(text.lines().map(line).collect())
    }

    /// Returns the lines of an event.
    pub(crate) fn events(&self, event: &str) -> Vec<&Json> {
        self.0.iter().filter(|line| line.get("event").text() == event).collect()
    }

    /// Returns the one line of an event.
    #[track_caller]
    pub(crate) fn only(&self, event: &str) -> &Json {
        let lines = self.events(event);
        assert_eq!(lines.len(), 1, "{event} in {self:#?}");
        lines[0]
    }

    /// Returns the messages of an event.
    pub(crate) fn messages(&self, event: &str) -> Vec<&str> {
        self.events(event).into_iter().map(|line| line.get("message").text()).collect()
    }

    /// Returns the counts at the end, which must add up.
    #[track_caller]
    pub(crate) fn summary(&self) -> Summary {
        let line = self.only("summary");
        assert_eq!(self.0.last(), Some(line), "the summary is the last line");
        let count = |name: &str| u64::try_from(line.get(name).number()).expect("not negative");
        let text = |command: &Json| command.get("command").text().to_owned();
        let summary = Summary {
            planned: count("planned"),
            accepted: count("accepted"),
            rejected: count("rejected"),
            undelivered: count("undelivered"),
            unconfirmed: count("unconfirmed"),
            not_yet_due: count("not_yet_due"),
            retries: count("retries"),
            missing_more: count("missing_more"),
            commands: line.get("missing").array().iter().map(text).collect(),
        };
        let sum = summary.accepted
            + summary.rejected
            + summary.undelivered
            + summary.unconfirmed
            + summary.not_yet_due;
        assert_eq!(summary.planned, sum, "{summary:?}");
        summary
    }
}

/// The counts at the end of a run, in samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) planned: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) undelivered: u64,
    pub(crate) unconfirmed: u64,
    pub(crate) not_yet_due: u64,
    pub(crate) retries: u64,
    pub(crate) missing_more: u64,
    /// The commands that send what is missing.
    pub(crate) commands: Vec<String>,
}

impl Summary {
    /// Returns the counts that add up: accepted, rejected, undelivered, unconfirmed, not yet due.
    pub(crate) fn counts(&self) -> [u64; 5] {
        [self.accepted, self.rejected, self.undelivered, self.unconfirmed, self.not_yet_due]
    }
}
