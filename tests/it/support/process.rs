//! Runs the real binary, or a shell that calls it, within a limit on its time, and keeps what it
//! says, whenever it dies.

use std::fs;
use std::io::Read;
use std::mem;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::cmd::Cmd;

/// The path of the binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_push-live-metrics");
const POLL: Duration = Duration::from_millis(1);

/// Returns the binary, with nothing in its environment and nothing to read.
pub(crate) fn binary() -> Command {
    bare(BINARY)
}

/// Returns a shell that finds the binary by its name, and little else.
pub(crate) fn shell(script: &str) -> Command {
    let folder = Path::new(BINARY).parent().expect("a binary is in a folder");
    let mut shell = bare("/bin/sh");
    shell.args(["-c", script]).env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    shell
}

fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    command
}

/// Sends a signal, as in "INT"; returns when that was, before anything was done for it.
#[track_caller]
pub(crate) fn signal(pid: u32, name: &str) -> Instant {
    let before = Instant::now();
    // std can send SIGKILL only; kill is a builtin of every sh.
    let status = shell(&format!("kill -{name} {pid}")).status();
    assert!(status.expect("sh is there").success(), "kill -{name} {pid}");
    before
}

/// Kills what is left of a group of processes.
fn kill_group(pid: u32) {
    // Perhaps nothing is.
    let _ = shell(&format!("kill -s KILL -- -{pid}")).stderr(Stdio::null()).status();
}

/// Waits until a child ends; kills it and returns None when that takes too long.
pub(crate) fn wait_until(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    while Instant::now() <= deadline {
        if let Some(status) = child.try_wait().expect("our child can be waited for") {
            return Some(status);
        }
        thread::sleep(POLL);
    }
    child.kill().expect("a child that was not waited for can be killed");
    child.wait().expect("a killed child ends");
    None
}

/// What comes out of a pipe.
#[derive(Debug)]
struct Capture {
    shared: Arc<(Mutex<Captured>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Captured {
    bytes: Vec<u8>,
    is_over: bool,
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Capture {
    fn of(mut pipe: impl Read + Send + 'static) -> Capture {
        let shared = Arc::<(Mutex<Captured>, Condvar)>::default();
        let ours = Arc::clone(&shared);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let count = pipe.read(&mut bytes).unwrap_or(0);
                let mut captured = ours.0.lock().unwrap_or_else(PoisonError::into_inner);
                captured.bytes.extend(&bytes[..count]);
                captured.is_over = count == 0;
                ours.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Capture { shared, reader: Some(reader) }
    }

    fn lock(&self) -> MutexGuard<'_, Captured> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it holds `text`, `count` times, or does not any more; returns all of it.
    fn wait_for(&self, text: &str, count: usize, limit: Duration) -> Result<(), String> {
        let is_there = |captured: &Captured| captured.text().matches(text).count() >= count;
        let is_to_come = |captured: &mut Captured| !captured.is_over && !is_there(captured);
        let waited = self.shared.1.wait_timeout_while(self.lock(), limit, is_to_come);
        let captured = waited.unwrap_or_else(PoisonError::into_inner).0;
        if is_there(&captured) { Ok(()) } else { Err(captured.text()) }
    }

    /// Returns all that comes, until the pipe is closed.
    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("a reader does not panic");
        }
        String::from_utf8(mem::take(&mut self.lock().bytes)).expect("what it says is UTF-8")
    }
}

/// A command that is running. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    cmd: Cmd,
    child: Child,
    start: Instant,
    stdout: Capture,
    stderr: Capture,
}

impl Running {
    /// Starts a command, `process` with the arguments of `cmd`.
    pub(super) fn start(cmd: Cmd, mut process: Command) -> Running {
        let process = process.args(cmd.args()).envs(cmd.variables.iter().cloned());
        let process = process.current_dir(cmd.folder());
        let process = process.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = process.spawn().expect("the binary was built");
        let stdout = Capture::of(child.stdout.take().expect("it is a pipe"));
        let stderr = Capture::of(child.stderr.take().expect("it is a pipe"));
        Running { cmd, child, start: Instant::now(), stdout, stderr }
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our child can be waited for").is_none()
    }

    /// Sends it a signal, as in "INT"; returns when that was.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) -> Instant {
        signal(self.pid(), name)
    }

    /// Waits until its stderr holds `text`, `count` times.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str, count: usize) {
        let left = self.cmd.limit.saturating_sub(self.start.elapsed());
        if let Err(stderr) = self.stderr.wait_for(text, count, left) {
            panic!("not {count} times {text:?} in:\n{}", tail(&stderr, 30));
        }
    }

    /// Waits until a line of this event is in its log of JSON, `count` times.
    #[track_caller]
    pub(crate) fn wait_for_event(&self, event: &str, count: usize) {
        self.wait_for(&format!(r#""event":"{event}""#), count);
    }

    /// Waits until it catches SIGTERM.
    pub(crate) fn wait_for_handler(&self) {
        let is_caught = || {
            let path = format!("/proc/{}/status", self.pid());
            let status = fs::read_to_string(path).unwrap_or_default();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            mask.is_some_and(|mask| mask & (1 << 14) != 0)
        };
        while !is_caught() {
            assert!(self.start.elapsed() < self.cmd.limit, "it catches no signal");
            thread::sleep(POLL);
        }
    }

    /// Waits until it ends; also returns its peak memory, in KiB.
    #[track_caller]
    pub(crate) fn wait_with_peak(mut self) -> (Run, u64) {
        let path = format!("/proc/{}/status", self.pid());
        let peak_now = || {
            let status = fs::read_to_string(&path).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let mut peak_kib = 0;
        while self.is_running() {
            peak_kib = peak_kib.max(peak_now().unwrap_or(0));
            thread::sleep(2 * POLL);
        }
        (self.wait(), peak_kib)
    }

    /// Waits until it ends.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Run {
        let deadline = self.start + self.cmd.limit;
        let Some(status) = wait_until(&mut self.child, deadline) else {
            // What a shell has started holds the pipes open, and would outlive the test.
            kill_group(self.pid());
            // Not to its end: what it started may live on, and hold the pipe.
            panic!("it did not end:\n{}", tail(&self.stderr.lock().text(), 30));
        };
        self.ended(status)
    }

    /// Ends it as a crash would, with SIGKILL.
    pub(crate) fn kill(mut self) -> Run {
        self.child.kill().expect("a child that was not waited for can be killed");
        let status = self.child.wait().expect("a killed child ends");
        self.ended(status)
    }

    fn ended(mut self, status: ExitStatus) -> Run {
        let end = Instant::now();
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or(0));
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        Run { cmd: self.cmd.clone(), code, stdout, stderr, start: self.start, end }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(super) cmd: Cmd,
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

    /// Fails unless its stderr holds this.
    #[track_caller]
    pub(crate) fn assert_says(&self, text: &str) -> &Run {
        assert!(self.stderr.contains(text), "{text:?} in:\n{}", self.stderr);
        self
    }

    /// Returns the commands of a text log, each of which stands on a line of its own, below a line
    /// that ends like this.
    pub(crate) fn printed_commands(&self, before: &str) -> Vec<&str> {
        let lines: Vec<&str> = self.stderr.lines().collect();
        let pairs = lines.windows(2).filter(|pair| pair[0].ends_with(before));
        let commands = pairs.map(|pair| pair[1]);
        commands.filter(|line| line.starts_with("push-live-metrics ")).collect()
    }

    /// Runs a command that this run printed, in the same folder and environment.
    #[track_caller]
    pub(crate) fn run_printed(&self, printed: &str) -> Run {
        self.cmd.clone().without_flags().shell(printed).run()
    }
}

/// Returns the last lines of a log.
pub(crate) fn tail(log: &str, line_count: usize) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(line_count)..].join("\n")
}
