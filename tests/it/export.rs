//! The backfill verb into files: complete or not there at all, and good for promtool.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::folder::Folder;
use crate::support::process::{self, wait_until};
use crate::support::real_receiver::RealReceiver;
use crate::support::window::{Window, assert_same_bits};

/// Ends early enough for blocks.
fn day() -> Window {
    let past = Window::past(96, 15 * 60);
    let start_ms = past.start_ms - 4 * 3_600_000;
    past.starting(start_ms)
}

/// Takes minutes to write.
fn years() -> Window {
    Window { start_ms: 0, origin_ms: 0, step_ms: 1000, ..day() }
}

fn in_root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn promtool_takes_the_file_and_prometheus_has_every_sample() {
    let promtool = in_root("target/receivers/bin/promtool2");
    let Some(mut receiver) = RealReceiver::prometheus3().start() else { return };
    let (folder, past) = (Folder::new(), day());
    let file = folder.file("day.om");
    past.export(&["--output", &file]).assert_code(0).assert_says("Wrote 96 datapoints to ");
    let checked = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(File::open(&file).unwrap())
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
    receiver.kill();
    let blocks = Command::new(in_root("scripts/backfill-blocks.sh"))
        .arg(&file)
        .arg(receiver.data_folder())
        .env("PROMTOOL", &promtool)
        .output()
        .unwrap();
    assert!(blocks.status.success(), "{blocks:?}");
    receiver.restart();
    assert_same_bits(&past.stored(&receiver), &past.planned());
}

#[test]
fn a_file_is_as_an_ordinary_one() {
    let folder = Folder::new();
    let file = folder.file("new.om");
    let run = day().export_in_shell("umask 027; \"$@\"", &["--output", &file]).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&file).unwrap().ends_with("# EOF\n"));

    // One that is there keeps its mode, and is there through a link as well.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    fs::write(&file, "old").unwrap();
    symlink("new.om", folder.path().join("link")).unwrap();
    day()
        .export(&["--output", &folder.file("link")])
        .assert_code(2)
        .assert_says("is there already");
    day().export(&["--output", &folder.file("link"), "--force"]).assert_code(0);
    assert!(fs::read_to_string(&file).unwrap().ends_with("# EOF\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o604);
    assert!(folder.path().join("link").is_symlink());
    assert_eq!(folder.names(), ["link", "new.om"]);
}

/// /dev/null itself is not put at risk by a test: a link to it, and a FIFO.
#[test]
fn what_is_no_file_is_written_into() {
    let folder = Folder::new();
    symlink("/dev/null", folder.path().join("null")).unwrap();
    day().export(&["--output", &folder.file("null"), "--force"]).assert_code(0);
    assert!(folder.path().join("null").is_symlink());
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());

    let fifo = folder.file("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::read_to_string(fifo).unwrap()
    });
    day().export(&["--output", &fifo]).assert_code(0);
    assert_eq!(reader.join().unwrap(), day().export(&["--output", "-"]).stdout);
    assert_eq!(folder.names(), ["fifo", "null"]);
}

#[test]
fn what_cannot_be_written_is_said_in_one_line() {
    let folder = Folder::new();
    let says = |script: &str, flags: &[&str], code: i32, line: &str| {
        let output = day().export_in_shell(script, flags).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, format!("push-live-metrics: {line}\n"));
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(folder.names(), Vec::<String>::new());
    };
    let full = "No space left on device (os error 28); what was read is not whole";
    says(
        "\"$@\"",
        &["--output", "/dev/full"],
        1,
        &format!("cannot write all of it to '/dev/full': {full}"),
    );
    says(
        "\"$@\" >/dev/full",
        &["--output", "-"],
        1,
        &format!("cannot write all of it to stdout: {full}"),
    );
    let file = folder.file("x.om");
    says(
        "trap '' XFSZ; ulimit -f 1; \"$@\"",
        &["--output", &file],
        1,
        &format!(
            "cannot write all of it to '{file}': File too large (os error 27); \
             nothing of it is kept"
        ),
    );
    // Nobody may write there, root neither.
    says(
        "\"$@\"",
        &["--output", "/proc/x.om"],
        2,
        "cannot write '/proc/x.om': No such file or directory (os error 2); \
         name a file in a folder that can be written to",
    );
}

#[test]
fn a_reader_that_leaves_early_is_told_of() {
    let mut command = years().export_in_shell("exec \"$@\"", &["--output", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    let line = "push-live-metrics: cannot write all of it to stdout: \
                Broken pipe (os error 32); what was read is not whole\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), line);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_signal_leaves_nothing_behind() {
    for signal in ["INT", "TERM"] {
        let folder = Folder::new();
        let file = folder.file("x.om");
        fs::write(&file, "old").unwrap();
        let mut command = years().export_in_shell("exec \"$@\"", &["--output", &file, "--force"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        while folder.names().len() < 2 {
            assert!(Instant::now() < deadline, "nothing is written");
        }
        process::signal(child.id(), signal);
        let status = wait_until(&mut child, deadline);
        assert_eq!(status.and_then(|status| status.code()), Some(130), "SIG{signal}");
        assert_eq!(folder.names(), ["x.om"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    }
}

/// Takes seconds to write.
fn days() -> Window {
    Window::from(0, 800_000, 1000)
}

/// Starts it, and stops it as soon as it has written something; SIGCONT has it go on.
fn start_and_stop(past: &Window, folder: &Folder, flags: &[&str]) -> Stopped {
    let before = folder.names();
    let mut command = past.export_in_shell("exec \"$@\"", flags);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let stopped = Stopped(Some(child));
    let deadline = Instant::now() + Duration::from_secs(120);
    // A file that is written into is locked already.
    let is_written = |name: &String| {
        let length = fs::metadata(folder.path().join(name)).map_or(0, |metadata| metadata.len());
        !before.contains(name) && length > 0
    };
    while !folder.names().iter().any(is_written) {
        assert!(Instant::now() < deadline, "nothing is written");
    }
    process::signal(pid, "STOP");
    stopped
}

/// A run that is stopped. Dropping it kills it.
struct Stopped(Option<Child>);

impl Stopped {
    /// Has it go on to its end; returns its exit code and the last line of its log.
    fn go_on(mut self) -> (Option<i32>, String) {
        let child = self.0.take().expect("it is stopped");
        process::signal(child.id(), "CONT");
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), stderr.lines().last().unwrap_or_default().to_owned())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().expect("a child that was not waited for can be killed");
            child.wait().expect("a killed child ends");
        }
    }
}

fn is_whole(path: &Path) -> bool {
    fs::read_to_string(path).unwrap().ends_with("# EOF\n")
}

#[test]
fn a_file_that_appears_during_the_run_is_left_alone() {
    let folder = Folder::new();
    let file = folder.file("out.om");
    let child = start_and_stop(&days(), &folder, &["--output", &file]);
    fs::write(&file, "precious").unwrap();
    let (code, line) = child.go_on();
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(code, Some(1), "{line}");
    let names = folder.names();
    assert_eq!(names.len(), 2, "{names:?}");
    let kept = folder.path().join(&names[0]);
    assert!(is_whole(&kept));
    let expected = format!(
        "push-live-metrics: cannot give '{}' its name '{file}': File exists (os error 17); \
         it is complete: rename it",
        kept.display()
    );
    assert_eq!(line, expected);
    // Nor does the next run take it away.
    day().export(&["--output", &folder.file("next.om")]).assert_code(0);
    assert!(is_whole(&kept));
    // Who asked for it gets it.
    let child = start_and_stop(&days(), &folder, &["--output", &file, "--force"]);
    fs::write(&file, "less precious").unwrap();
    assert_eq!(child.go_on().0, Some(0));
    assert!(is_whole(Path::new(&file)));
}

#[test]
fn of_two_exports_into_one_name_none_is_lost() {
    let folder = Folder::new();
    let file = folder.file("out.om");
    let first = start_and_stop(&days(), &folder, &["--output", &file]);
    let second = Window { end_ms: 200_000_000, ..days() };
    second.export(&["--output", &file]).assert_code(0);
    let length = fs::metadata(&file).unwrap().len();
    assert_eq!(first.go_on().0, Some(1));
    assert_eq!(fs::metadata(&file).unwrap().len(), length);
    let names = folder.names();
    assert_eq!((names.len(), names[1].as_str()), (2, "out.om"), "{names:?}");
    let kept = folder.path().join(&names[0]);
    assert!(is_whole(&kept) && fs::metadata(&kept).unwrap().len() > length);
}

#[test]
fn the_next_run_takes_away_what_a_killed_one_left() {
    let folder = Folder::new();
    let file = folder.file("out.om");
    drop(start_and_stop(&years(), &folder, &["--output", &file]));
    let left = folder.names();
    assert_eq!(left.len(), 1, "{left:?}");
    // Another one is being written.
    let running = start_and_stop(&years(), &folder, &["--output", &file]);
    let names = folder.names();
    assert!(names.len() == 1 && names != left, "{names:?}");
    day().export(&["--output", &file]).assert_code(0);
    assert_eq!(folder.names(), [names[0].as_str(), "out.om"]);
    drop(running);
    day().export(&["--output", &file, "--force"]).assert_code(0);
    assert_eq!(folder.names(), ["out.om"]);
}

#[test]
fn a_closed_stdout_is_an_error() {
    let closed = "push-live-metrics: cannot write to stdout: it is closed \
                  (or /dev/null, open for reading too); redirect it with >FILE\n";
    for (script, error) in [
        ("\"$@\" >&-", closed),
        ("\"$@\" >&- </dev/zero", closed),
        (
            "\"$@\" 1</dev/null",
            "push-live-metrics: cannot write all of it to stdout: \
             Bad file descriptor (os error 9); what was read is not whole\n",
        ),
        ("\"$@\" >/dev/null", ""),
        // What a daemon has.
        ("\"$@\" 0<>/dev/null >&0", ""),
    ] {
        let flags = ["--output", "-", "--quiet"];
        let output = day().export_in_shell(script, &flags).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), error, "{script}");
        assert_eq!(output.status.success(), error.is_empty(), "{script}: {}", output.status);
    }
}

#[test]
fn a_window_that_ends_too_late_for_blocks_is_warned_of() {
    let at = |hours: i64| {
        let past = Window::past(60, 60);
        let start_ms = past.start_ms - hours * 3_600_000;
        past.starting(start_ms).export(&["--output", "-"])
    };
    at(4).assert_code(0);
    assert!(!at(4).stderr.contains("WARNING"), "{}", at(4).stderr);
    at(2).assert_code(0).assert_says("[WARNING] --output: ");
}
