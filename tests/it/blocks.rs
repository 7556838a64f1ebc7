//! scripts/backfill-blocks.sh: what a Prometheus has of other series is whole afterwards, and an
//! upload to Mimir is tried again and ends when it is told to. A mimirtool is not here: a stand-in
//! answers as the real one was seen to.

use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::folder::Folder;
use crate::support::in_root;
use crate::support::process::{self, wait_until};
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::side_by_side::side_by_side;
use crate::support::window::{Window, assert_same_bits, this_minute};

fn script() -> Command {
    Command::new(in_root("scripts/backfill-blocks.sh"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Puts a day that ends now into a Prometheus, as the script says it should be done.
fn check_other_series_are_whole(setup: RealSetup) {
    let Some(mut receiver) = setup.start() else { return };
    let folder = Folder::new();
    let other = Window::past(60, 60);
    other.backfill(&receiver.write_url()).assert_code(0);
    let file = folder.file("day.om");
    let day_until = |end: i64| {
        let day = Window::from((end - 86_400) * 1000, 1440, 60_000);
        Window { labels: "series=old".into(), ..day }
    };
    let into_data = |day: &Window| {
        let export = day.cmd("backfill").flag("output", &file).switch("force");
        export.run().assert_code(0);
        let mut command = script();
        command.arg(&file).arg(receiver.data_folder());
        command.env("PROMTOOL", in_root("target/receivers/bin/promtool2")).output().unwrap()
    };
    let refused = into_data(&day_until(this_minute()));
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let said = stderr(&refused);
    let named = said.split("--end-epoch ").nth(1).and_then(|rest| rest.split(',').next());
    let end = named.and_then(|time| time.parse().ok()).expect(&said);
    assert!(end <= this_minute() - 3 * 3600 && end > this_minute() - 4 * 3600, "{said}");
    let output = into_data(&day_until(end));
    assert!(output.status.success(), "{output:?}");
    receiver.restart();
    for window in [other, day_until(end)] {
        assert_same_bits(&window.stored(&receiver), &window.planned());
    }
}

#[test]
fn a_prometheus_keeps_its_other_series() {
    let setups = [RealReceiver::prometheus2(), RealReceiver::prometheus3()];
    side_by_side(setups, check_other_series_are_whole);
}

/// Returns a folder with a file, a data folder and the tools.
fn stand_ins(mimirtool: &str) -> Folder {
    let folder = Folder::new();
    let promtool = "for out; do :; done\n\
                    for block in 01A 01B; do\n\
                    mkdir \"$out/$block\"\necho {} >\"$out/$block/meta.json\"\ndone";
    for (name, content) in [("promtool", promtool), ("mimirtool", mimirtool)] {
        let path = folder.write(name, format!("#!/bin/sh\n{content}\n"));
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    fs::create_dir(folder.path().join("data")).unwrap();
    folder.write("old.om", format!("m 1 {}\n# EOF\n", this_minute() - 4 * 3600));
    folder
}

fn with_tools(folder: &Folder) -> Command {
    let mut command = script();
    command
        .env("PROMTOOL", folder.path().join("promtool"))
        .env("MIMIRTOOL", folder.path().join("mimirtool"))
        .env("TMPDIR", folder.path())
        .env_remove("MAX_BLOCK_DURATION");
    command
}

#[test]
fn a_file_that_ends_too_late_is_refused_unless_there_is_nothing_to_lose() {
    let folder = stand_ins("");
    let (young, data) = (folder.file("young.om"), folder.path().join("data"));
    let run = |flags: &[&str], file: &str| {
        with_tools(&folder).args(flags).arg(file).arg(&data).output().unwrap()
    };
    folder.write("young.om", format!("m 1 {}\n# EOF\n", this_minute() - 3 * 3600 + 1200));
    let refused = run(&[], &young);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(!data.join("01A").exists() && !folder.path().join("data/01B").exists());
    let forced = run(&["--no-other-series"], &young);
    assert!(forced.status.success(), "{forced:?}");
    assert!(data.join("01A/meta.json").is_file() && data.join("01B/meta.json").is_file());

    // A Prometheus that was stopped yesterday has its last hours from then.
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir_all(data.join("wal")).unwrap();
    let segment = data.join("wal/00000000");
    fs::write(&segment, "").unwrap();
    let set_age = |age: u64| {
        let file = fs::File::options().append(true).open(&segment).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
    };
    set_age(86_400);
    let empty = run(&[], &folder.file("old.om"));
    assert!(empty.status.success(), "{empty:?}");
    fs::write(&segment, "samples").unwrap();
    set_age(86_400);
    let stopped = run(&[], &folder.file("old.om"));
    assert_eq!(stopped.status.code(), Some(2), "{stopped:?}");
    let end = this_minute() - 86_400 - 3 * 3600;
    assert!([end - 60, end].iter().any(|end| stderr(&stopped).contains(&end.to_string())));
}

fn upload(folder: &Folder) -> Command {
    let mut command = with_tools(folder);
    command.arg(folder.file("old.om")).arg("mimir");
    command
        .env("MIMIR_ADDRESS", "http://localhost:9009")
        .env("MIMIR_TENANT_ID", "demo")
        .env_remove("MIMIR_API_KEY")
        .env_remove("MIMIR_API_KEY_FILE");
    command
}

/// A mimirtool that notes its arguments, and fails until it has done so `N` times.
const FAILS_UNTIL: &str = r#"
case $* in *--help) echo "  HELP" >&2; exit 0 ;; esac
for block; do case $block in */01?/) [ -f "$block/meta.json" ] || exit 9 ;; esac; done
echo "$@" >>"${0%/*}/calls"
[ "$(wc -l <"${0%/*}/calls")" -ge N ]"#;

#[test]
fn an_upload_is_tried_three_times_with_the_same_blocks() {
    for (calls, help, flag) in
        [("1", "--sleep-time=20s", "--sleep-time=500ms "), ("3", "", ""), ("4", "", "")]
    {
        let folder = stand_ins(&FAILS_UNTIL.replace("HELP", help).replace('N', calls));
        let output = upload(&folder).output().unwrap();
        let expected = if calls == "4" { 1 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{output:?}");
        let noted = fs::read_to_string(folder.path().join("calls")).unwrap();
        let lines: Vec<&str> = noted.lines().collect();
        assert_eq!(lines.len(), calls.parse::<usize>().unwrap().min(3));
        assert!(lines.iter().all(|line| *line == lines[0]), "{lines:?}");
        assert!(lines[0].starts_with(&format!("backfill {flag}/")), "{lines:?}");
        assert_eq!(stderr(&output).contains("others are stored"), expected == 1);
    }
}

#[test]
fn what_an_upload_is_given_is_checked_before_anything_is_done() {
    let folder = stand_ins(&FAILS_UNTIL.replace('N', "1"));
    folder.write("empty", "");
    for (name, value, says) in [
        ("MIMIR_ADDRESS", "http://me:S3CR3T@localhost:9009", "MIMIR_API_KEY_FILE"),
        ("MIMIR_ADDRESS", "http://me:S3C/R3T@localhost:9009", "MIMIR_API_KEY_FILE"),
        ("MIMIR_ADDRESS", "http://localhost:9009/?token=S3CR3T", "a query"),
        ("MIMIR_ADDRESS", "localhost:9009", "'localhost:9009' does not begin with http://"),
        ("MIMIR_ADDRESS", "http://localhost:9009/api/v1/push", "is the push path"),
        ("MIMIR_API_KEY_FILE", "/", "cannot read MIMIR_API_KEY_FILE '/'"),
        ("MIMIR_API_KEY_FILE", "/none", "cannot read MIMIR_API_KEY_FILE '/none'"),
        ("MIMIR_API_KEY_FILE", &folder.file("empty"), "is empty"),
    ] {
        let output = upload(&folder).env(name, value).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{value}: {said}");
        assert!(said.contains(says) && !said.contains("S3C"), "{value}: {said}");
        assert!(!folder.path().join("calls").exists());
    }
}

#[test]
fn a_signal_ends_an_upload_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 143)] {
        let folder =
            stand_ins("case $* in *--help) exit ;; esac\necho $$ >\"${0%/*}/pid\"\nexec sleep 600");
        let mut child = upload(&folder).stderr(std::process::Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        let pid = loop {
            let noted = fs::read_to_string(folder.path().join("pid")).unwrap_or_default();
            if let Ok(pid) = noted.trim().parse::<u32>() {
                break pid;
            }
            assert!(Instant::now() < deadline, "mimirtool is not started");
        };
        process::signal(child.id(), signal);
        let status = wait_until(&mut child, deadline);
        assert_eq!(status.and_then(|status| status.code()), Some(code), "SIG{signal}");
        let is_gone = || fs::read_to_string(format!("/proc/{pid}/stat")).is_err();
        while !is_gone() {
            assert!(Instant::now() < deadline, "mimirtool goes on");
        }
        assert!(!folder.names().iter().any(|name| name.starts_with("backfill-blocks.")));
    }
}
