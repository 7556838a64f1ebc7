//! The backfill verb into files: complete or not there at all, and good for promtool.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::cmd::Cmd;
use crate::support::folder::Folder;
use crate::support::in_root;
use crate::support::process::{Run, Running};
use crate::support::real_receiver::RealReceiver;
use crate::support::window::{Window, assert_same_bits};

/// Ends early enough for blocks.
fn day() -> Window {
    let past = Window::past(96, 15 * 60);
    let start_ms = past.start_ms - 4 * 3_600_000;
    past.starting(start_ms)
}

/// Takes seconds to write.
fn days() -> Window {
    Window::from(0, 800_000, 1000)
}

/// Takes minutes to write.
fn years() -> Window {
    Window { start_ms: 0, origin_ms: 0, step_ms: 1000, ..day() }
}

fn export(window: &Window, file: &str) -> Cmd {
    window.cmd("backfill").flag("output", file)
}

fn is_whole(path: impl AsRef<Path>) -> bool {
    fs::read_to_string(path).unwrap().ends_with("# EOF\n")
}

#[test]
fn promtool_takes_the_file_and_prometheus_has_every_sample() {
    let promtool = in_root("target/receivers/bin/promtool2");
    let Some(mut receiver) = RealReceiver::prometheus3().start() else { return };
    let (folder, past) = (Folder::new(), day());
    let file = folder.file("day.om");
    export(&past, &file).run().assert_code(0).assert_says("Wrote 96 datapoints to ");
    let mut check = Command::new(&promtool);
    let checked = check.args(["check", "metrics"]).stdin(File::open(&file).unwrap()).output();
    assert!(checked.as_ref().unwrap().status.success(), "{checked:?}");
    receiver.kill();
    let mut script = Command::new(in_root("scripts/backfill-blocks.sh"));
    let blocks = script.arg(&file).arg(receiver.data_folder()).env("PROMTOOL", &promtool).output();
    assert!(blocks.as_ref().unwrap().status.success(), "{blocks:?}");
    receiver.restart();
    assert_same_bits(&past.stored(&receiver), &past.planned());
}

#[test]
fn a_file_is_as_an_ordinary_one() {
    let folder = Folder::new();
    let (file, link) = (folder.file("new.om"), folder.file("link"));
    export(&day(), &file).shell(r#"umask 027; "$0" "$@""#).run().assert_code(0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(is_whole(&file));

    // One that is there keeps its mode, and is there through a link as well.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    fs::write(&file, "old").unwrap();
    symlink("new.om", &link).unwrap();
    export(&day(), &link).run().assert_code(2).assert_says("is there already");
    export(&day(), &link).switch("force").run().assert_code(0);
    assert!(is_whole(&file) && Path::new(&link).is_symlink());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o604);
    assert_eq!(folder.names(), ["link", "new.om"]);
}

/// /dev/null itself is not put at risk by a test: a link to it, and a FIFO.
#[test]
fn what_is_no_file_is_written_into() {
    let folder = Folder::new();
    let (null, fifo) = (folder.file("null"), folder.file("fifo"));
    symlink("/dev/null", &null).unwrap();
    export(&day(), &null).switch("force").run().assert_code(0);
    assert!(Path::new(&null).is_symlink());
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());

    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let (day, path) = (day(), fifo.clone());
    let reader = thread::spawn(move || fs::read_to_string(path).unwrap());
    export(&day, &fifo).run().assert_code(0);
    assert_eq!(reader.join().unwrap(), export(&day, "-").run().stdout);
    assert_eq!(folder.names(), ["fifo", "null"]);
}

/// Fails unless a run came to this code and one line.
#[track_caller]
fn check_line(run: &Run, code: i32, line: &str) {
    assert_eq!(run.stderr, format!("push-live-metrics: {line}\n"));
    run.assert_code(code);
}

#[test]
fn what_cannot_be_written_is_said_in_one_line() {
    let folder = Folder::new();
    let file = folder.file("x.om");
    let cut = "cannot write all of the output to";
    let full = "No space left on device (os error 28); the output is incomplete";
    let large = "File too large (os error 27); the incomplete file is removed";
    let nowhere = "No such file or directory (os error 2); name a file in a folder that can be \
                   written to";
    let as_it_is = r#"exec "$0" "$@""#;
    for (script, file, code, line) in [
        (as_it_is, "/dev/full", 1, format!("{cut} '/dev/full': {full}")),
        (r#"exec "$0" "$@" >/dev/full"#, "-", 1, format!("{cut} stdout: {full}")),
        (r#"trap '' XFSZ; ulimit -f 1; "$0" "$@""#, &file, 1, format!("{cut} '{file}': {large}")),
        // Nobody may write there, root neither.
        (as_it_is, "/proc/x.om", 2, format!("cannot write '/proc/x.om': {nowhere}")),
    ] {
        check_line(&export(&day(), file).shell(script).run(), code, &line);
        assert_eq!(folder.names(), Vec::<String>::new());
    }
}

#[test]
fn a_stdout_that_is_closed_or_that_nobody_reads_is_an_error() {
    let closed = "cannot write to stdout: it is closed (or /dev/null, open for reading too); \
                  redirect it with >FILE";
    let unwritable = "cannot write all of the output to stdout: Bad file descriptor (os error 9); \
                      the output is incomplete";
    for (redirection, code, line) in [
        (">&-", 2, closed),
        (">&- </dev/zero", 2, closed),
        ("1</dev/null", 1, unwritable),
        (">/dev/null", 0, ""),
        // What a daemon has.
        ("0<>/dev/null >&0", 0, ""),
    ] {
        let script = format!(r#"exec "$0" "$@" {redirection}"#);
        let run = export(&day(), "-").switch("quiet").shell(&script).run();
        match line {
            "" => assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{redirection}"),
            line => check_line(&run, code, line),
        }
    }
    let left = r#"{ "$0" "$@"; echo $? >code; } | head -c 10"#;
    let cmd = export(&years(), "-").switch("quiet").shell(left);
    let code = cmd.folder().join("code");
    let broken = "cannot write all of the output to stdout: Broken pipe (os error 32); \
                  the output is incomplete";
    let run = cmd.run();
    check_line(&run, 0, broken);
    assert_eq!(fs::read_to_string(&code).unwrap(), "1\n");
}

/// Starts to write a file; returns when there is something of it.
fn start(window: &Window, folder: &Folder, file: &str, is_forced: bool) -> Running {
    let before = folder.names();
    let cmd = export(window, file);
    let running = if is_forced { cmd.switch("force") } else { cmd }.start();
    let deadline = Instant::now() + Duration::from_secs(120);
    // A file that is written into is locked already.
    let is_written = |name: &String| {
        let length = fs::metadata(folder.path().join(name)).map_or(0, |metadata| metadata.len());
        !before.contains(name) && length > 0
    };
    while !folder.names().iter().any(is_written) {
        assert!(Instant::now() < deadline, "nothing is written");
    }
    running
}

/// Starts to write a file, and stops as soon as there is something of it; SIGCONT has it go on.
fn start_and_stop(window: &Window, folder: &Folder, file: &str, is_forced: bool) -> Running {
    let running = start(window, folder, file, is_forced);
    running.signal("STOP");
    running
}

fn go_on(stopped: Running) -> Run {
    stopped.signal("CONT");
    stopped.wait()
}

#[test]
fn a_signal_leaves_nothing_behind() {
    for signal in ["INT", "TERM"] {
        let folder = Folder::new();
        let file = folder.file("x.om");
        fs::write(&file, "old").unwrap();
        let running = start(&years(), &folder, &file, true);
        running.signal(signal);
        running.wait().assert_code(130);
        assert_eq!(folder.names(), ["x.om"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    }
}

#[test]
fn a_file_that_appears_during_the_run_is_left_alone() {
    let folder = Folder::new();
    let file = folder.file("out.om");
    let stopped = start_and_stop(&days(), &folder, &file, false);
    fs::write(&file, "precious").unwrap();
    let run = go_on(stopped);
    run.assert_code(1);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let names = folder.names();
    assert_eq!(names.len(), 2, "{names:?}");
    let kept = folder.path().join(&names[0]);
    assert!(is_whole(&kept));
    run.assert_says(&format!(
        "push-live-metrics: cannot rename the complete file '{}' to '{file}': File exists \
         (os error 17); \
         rename it to a name that is free\n",
        kept.display()
    ));
    // Nor does the next run take it away.
    export(&day(), &folder.file("next.om")).run().assert_code(0);
    assert!(is_whole(&kept));
    // Who asked for it gets it.
    let stopped = start_and_stop(&days(), &folder, &file, true);
    fs::write(&file, "less precious").unwrap();
    go_on(stopped).assert_code(0);
    assert!(is_whole(&file));
}

#[test]
fn of_two_exports_into_one_name_none_is_lost() {
    let folder = Folder::new();
    let file = folder.file("out.om");
    let first = start_and_stop(&days(), &folder, &file, false);
    export(&Window { end_ms: 200_000_000, ..days() }, &file).run().assert_code(0);
    let length = fs::metadata(&file).unwrap().len();
    go_on(first).assert_code(1);
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
    start(&years(), &folder, &file, false).kill();
    let left = folder.names();
    assert_eq!(left.len(), 1, "{left:?}");
    // Another one is being written.
    let running = start_and_stop(&years(), &folder, &file, false);
    let names = folder.names();
    assert!(names.len() == 1 && names != left, "{names:?}");
    export(&day(), &file).run().assert_code(0);
    assert_eq!(folder.names(), [names[0].as_str(), "out.om"]);
    running.kill();
    export(&day(), &file).switch("force").run().assert_code(0);
    assert_eq!(folder.names(), ["out.om"]);
}

#[test]
fn a_window_that_ends_too_late_for_blocks_is_warned_of() {
    for (hours, is_warned_of) in [(4, false), (2, true)] {
        let past = Window::past(60, 60);
        let start_ms = past.start_ms - hours * 3_600_000;
        let run = export(&past.starting(start_ms), "-").run();
        run.assert_code(0);
        assert_eq!(run.stderr.contains("[WARNING] --output: "), is_warned_of, "{}", run.stderr);
    }
}
