//! The preview verb and `--dry-run`: what is shown, and that nothing is sent.

use crate::support::cmd::Cmd;
use crate::support::scripted_receiver::ScriptedReceiver;
use crate::support::window::{Window, assert_same_bits};
use crate::support::{in_root, variable};

/// 2025-12-17T11:00:00Z.
const START: &str = "1765969200";
const START_MS: i64 = 1_765_969_200_000;

/// Returns a command with a series, in an environment that knows nothing but UTF-8.
fn cmd(verb: &str) -> Cmd {
    let cmd = Cmd::bare().verb(verb).flag("metric-name", "cpu");
    let cmd = cmd.flag("labels", "cpu=lina_cp_avg,uuid=device-456");
    cmd.env("LANG", "C.UTF-8").env("TERM", "xterm")
}

fn preview() -> Cmd {
    cmd("preview").flag("start-epoch", START)
}

fn csv() -> Cmd {
    preview().flag("format", "csv")
}

/// Ten years of seconds, which would take minutes to print.
fn endless(cmd: Cmd) -> Cmd {
    cmd.flag("end-epoch", "2081000000").flag("step-size", "1s")
}

/// Runs it to a good end; returns stdout.
#[track_caller]
fn shown(cmd: Cmd) -> String {
    let run = cmd.run();
    assert_eq!((run.stderr.as_str(), run.code), ("", 0));
    run.stdout
}

/// Compares with `tests/charts/NAME_WIDTH.txt`, which this program has drawn and people have
/// looked at; after a change on purpose the test draws them anew with `DRAW=1` set.
#[test]
fn charts_of_a_day_an_hour_and_21_days() {
    let hour = || preview().flag("duration", "60");
    let weeks = || preview().flag("end-epoch", "1767783600");
    for (name, cmd) in [("day", preview()), ("hour", hour()), ("21_days", weeks())] {
        for width in [60, 80, 200] {
            let chart = shown(cmd.clone().flag("width", width.to_string()));
            assert!(chart.lines().all(|line| line.chars().count() <= width), "{chart}");
            let path = in_root(&format!("tests/charts/{name}_{width}.txt"));
            if variable::<u8>("DRAW").is_some() {
                std::fs::write(&path, &chart).unwrap();
            }
            assert_eq!(chart, std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn csv_has_the_bits_of_the_series() {
    let csv = shown(csv().flag("duration", "100s").flag("interval", "100ms"));
    let row = |line: &str| {
        let (seconds, value) = line.split_once(',').unwrap();
        let (whole, ms) = seconds.split_once('.').unwrap_or((seconds, "000"));
        (format!("{whole}{ms}").parse().unwrap(), value.parse().unwrap())
    };
    assert!(csv.starts_with("timestamp,value\n"), "{csv:.100}");
    let rows: Vec<(i64, f64)> = csv.lines().skip(1).map(row).collect();
    assert_same_bits(&rows, &Window::from(START_MS, 1000, 100).planned());
}

#[test]
fn csv_of_several_series_names_each() {
    let csv = shown(csv().flag("labels", r#"a={1..2},b="x,\"y""#).flag("duration", "2"));
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines.len(), lines[0]), (5, "timestamp,value,series"));
    for (line, time, a) in [(lines[1], START, 1), (lines[4], "1765969260", 2)] {
        assert!(line.starts_with(&format!("{time},")), "{line}");
        assert!(line.ends_with(&format!(r#","cpu{{a=""{a}"",b=""x,\""y""}}""#)), "{line}");
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    for (format, begin) in [("csv", "timestamp,value\n"), ("promtool", "# A test of rule")] {
        let cmd = endless(preview()).flag("format", format);
        let cut = cmd.shell(r#"{ "$0" "$@"; echo $? >&2; } | head -c 16"#).run();
        assert_eq!((cut.stdout.as_str(), cut.stderr.as_str()), (begin, "0\n"));
    }
}

#[test]
fn a_locale_without_utf_8_gets_ascii_and_no_escape_codes() {
    let cmd = || preview().flag("duration", "60").flag("labels", "city=Zürich");
    let ascii = shown(cmd().env("LC_ALL", "C"));
    assert!(ascii.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "{ascii}");
    assert!(ascii.contains("cpu{city=\"Z\\u{fc}rich\"}"), "{ascii}");
    assert_eq!(shown(cmd().switch("ascii")), ascii);
    let braille = shown(cmd());
    assert!(braille.contains('⢀') && !braille.contains('\x1b'), "{braille}");
}

#[test]
fn the_width_is_that_of_the_flag_or_of_columns_up_to_a_thousand() {
    let in_columns = |columns: &str| preview().env("COLUMNS", columns);
    for (cmd, width) in [
        (in_columns("33"), 33),
        (in_columns("33").flag("width", "44"), 44),
        (in_columns("99999999"), 1000),
    ] {
        let chart = shown(cmd);
        let axis = chart.lines().find(|line| line.contains('└')).unwrap();
        assert_eq!(axis.chars().count(), width);
    }
}

#[test]
fn several_series_are_drawn_up_to_three() {
    let chart = shown(preview().flag("labels", "host={1..5}").flag("width", "60"));
    assert!(chart.contains("\ncpu{host=\"3\"}\n") && !chart.contains("host=\"4\""), "{chart}");
    assert!(chart.ends_with("\n(and 2 more series; --format csv prints all)\n"), "{chart}");
}

#[test]
fn too_many_datapoints_are_not_drawn() {
    let run = endless(preview()).run();
    let line = "push-live-metrics: chart: has 315030800 datapoints to draw, over 20000000; show a \
                shorter window or a longer step, or print it with --format csv\n";
    assert_eq!((run.stderr.as_str(), run.stdout.as_str(), run.code), (line, "", 2));
}

fn dry_run(verb: &str) -> Cmd {
    cmd(verb).switch("dry-run")
}

/// A dry run of five datapoints of a fixed time: sizes of values of two different seconds differ.
fn five() -> Cmd {
    dry_run("").flag("duration", "5").flag("start-epoch", START)
}

#[test]
fn a_dry_run_sends_nothing_and_shows_no_secret() {
    let receiver = ScriptedReceiver::start([]);
    for cmd in [five(), dry_run("backfill").flag("since", "21d")] {
        let cmd = cmd.flag("url", format!("{}?api_key=s3cret", receiver.url()));
        let text =
            shown(cmd.flag("header", "X-Api-Key: s3cret").env("REMOTE_WRITE_TOKEN", "s3cret"));
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("\n  Authorization: Bearer ***\n  X-Api-Key: ***\n"), "{text}");
    }
    assert_eq!(receiver.connection_count(), 0);
}

#[test]
fn a_dry_run_shows_labels_samples_and_sizes() {
    let cmd = five().flag("url", "http://localhost/write").env("TZ", "UTC");
    let expected = "\
Dry run: nothing is sent.

POST http://localhost/write (from --url)
  Content-Encoding: snappy
  Content-Type: application/x-protobuf
  X-Prometheus-Remote-Write-Version: 0.1.0
  User-Agent: push-live-metrics/0.1.0

Labels, in the order of the message:
  __name__=\"cpu\"
  cpu=\"lina_cp_avg\"
  uuid=\"device-456\"
Metadata: gauge, help \"Live metric data\"
Samples: 5, 1 per minute
  1765969200000 (2025-12-17 11:00:00) VALUE
  1765969260000 (2025-12-17 11:01:00) VALUE
  1765969320000 (2025-12-17 11:02:00) VALUE
  ...
  1765969440000 (2025-12-17 11:04:00) VALUE

Requests: 5
The first: 1 sample, 104 bytes of protobuf, 103 after snappy
";
    let mut expected = expected.to_owned();
    for (k, (_, value)) in Window::from(START_MS, 5, 60_000).planned().iter().enumerate() {
        if k != 3 {
            expected = expected.replacen("VALUE", &format!("{value:?}"), 1);
        }
    }
    assert_eq!(shown(cmd), expected);
}

#[test]
fn a_dry_run_needs_neither_target_nor_token() {
    let run = five().run();
    assert!(run.stdout.contains("\nPOST: no target is given\n"), "{}", run.stdout);
    run.assert_code(0).assert_says("[WARNING] target: is not named; give --url");
    let run = five().flag("env", "us").run();
    assert!(run.stdout.contains("\nPOST https://www.defenseorchestrator.com/"), "{}", run.stdout);
    run.assert_code(0).assert_says("[WARNING] CDO_TOKEN: is not set, and --env 'us' needs it");
    // A fleet's size depends on the version, whoever takes it.
    let size = |protocol: &str| {
        let run = five().flag("labels", "k={1..500}").flag("protocol", protocol).run();
        run.stdout.lines().find(|line| line.starts_with("The first: ")).unwrap().to_owned()
    };
    assert!(size("1") != size("2") && size("2") == size("auto"), "{}", size("2"));
}

#[test]
fn a_dry_run_counts_requests_of_ten_years_of_milliseconds_too() {
    let live = || dry_run("").flag("duration", "10");
    let past = || dry_run("backfill").flag("since", "1d").flag("batch-size", "100");
    let years = dry_run("").flag("start-epoch", "0").flag("interval", "1ms");
    for (cmd, count) in [
        (live(), "10"),
        (live().flag("labels", "a={1..2001}"), "20"),
        (past(), "1"),
        (past().flag("labels", "a={1..10}"), "10"),
        (years.flag("duration", "3650d"), "315360000000"),
    ] {
        let text = shown(cmd.flag("url", "http://localhost/"));
        assert!(text.contains(&format!("\nRequests: {count}\n")), "{text}");
        let last = "\n  ...\n  315359999999 (1979-12-29 23:59:59.999)\n";
        assert!(count.len() < 5 || text.contains(last), "{text}");
    }
}

#[test]
fn a_closed_stdout_is_an_error() {
    for cmd in [preview(), csv()] {
        let run = cmd.shell(r#"exec "$0" "$@" >&-"#).run();
        let closed = "push-live-metrics: cannot write to stdout: it is closed";
        assert!(run.stderr.starts_with(closed), "{}", run.stderr);
        assert_eq!((run.code, run.stderr.lines().count()), (2, 1));
    }
}
