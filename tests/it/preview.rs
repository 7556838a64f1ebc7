//! The preview verb and `--dry-run`: what is shown, and that nothing is sent.

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use push_live_metrics::series::{
    Grid, Incidents, NoiseParams, Sample, Seasonality, Series, Tick, TimestampMs, Trend,
};

use crate::support::process::{BINARY, binary, shell};

/// 2025-12-17T11:00:00Z.
const START: &str = "1765969200";

/// Returns a command with a series, in an environment that knows nothing but UTF-8.
fn command(first: &[&str], flags: &[&str]) -> Command {
    let mut command = binary();
    command.args(first).args(["--metric-name", "cpu"]).args(flags);
    if !flags.contains(&"--labels") {
        command.args(["--labels", "cpu=lina_cp_avg,uuid=device-456"]);
    }
    command.env("LANG", "C.UTF-8").env("TERM", "xterm").current_dir("/");
    command
}

fn preview(flags: &[&str]) -> Command {
    command(&["preview", "--start-epoch", START], flags)
}

/// Runs it to a good end; returns stdout.
#[track_caller]
fn shown(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert_eq!((String::from_utf8(stderr).unwrap().as_str(), status.code()), ("", Some(0)));
    String::from_utf8(stdout).unwrap()
}

/// Compares with `tests/charts/NAME_WIDTH.txt`, which this program has drawn and people have
/// looked at; after a change on purpose the test draws them anew with `DRAW=1` set.
#[track_caller]
fn check_chart(name: &str, flags: &[&str]) {
    for width in ["60", "80", "200"] {
        let mut command = preview(flags);
        command.args(["--width", width]);
        let chart = shown(command);
        let columns: usize = width.parse().unwrap();
        for line in chart.lines() {
            assert!(line.chars().count() <= columns, "{line}");
        }
        let path = format!("{}/tests/charts/{name}_{width}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("DRAW").is_some() {
            std::fs::write(&path, &chart).unwrap();
        }
        assert_eq!(chart, std::fs::read_to_string(path).unwrap());
    }
}

#[test]
fn charts_of_a_day_an_hour_and_21_days() {
    check_chart("day", &[]);
    check_chart("hour", &["--duration", "60"]);
    check_chart("21_days", &["--end-epoch", "1767783600"]);
}

fn default_series(step_ms: u64) -> impl Iterator<Item = Sample> {
    let grid = Grid { origin: TimestampMs(1_765_969_200_000), step_ms };
    let (trend, noise) = (Trend::default(), NoiseParams::default());
    let seasonality = Some(Seasonality::default());
    let series = Series {
        trend,
        seasonality,
        weekly_seasonality: None,
        noise,
        grid,
        utc_offset_ms: 0,
        incidents: Incidents::default(),
    };
    series.iter_from(0).filter_map(Tick::sample)
}

#[test]
fn csv_has_the_bits_of_the_series() {
    let csv = shown(preview(&["--duration", "100s", "--interval", "100ms", "--format", "csv"]));
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("timestamp,value"));
    let mut count = 0;
    for (line, sample) in lines.zip(default_series(100)) {
        let (seconds, value) = line.split_once(',').unwrap();
        let (whole, ms) = seconds.split_once('.').unwrap_or((seconds, "000"));
        assert_eq!(format!("{whole}{ms}"), sample.timestamp.0.to_string());
        assert_eq!(value.parse::<f64>().unwrap().to_bits(), sample.value.to_bits());
        count += 1;
    }
    assert_eq!(count, 1000);
}

#[test]
fn csv_of_several_series_names_each() {
    let flags = ["--format", "csv", "--labels", "a={1..2},b=\"x,\\\"y\"", "--duration", "2"];
    let csv = shown(preview(&flags));
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0], "timestamp,value,series");
    assert!(lines[1].starts_with("1765969200,21."), "{}", lines[1]);
    assert!(lines[1].ends_with(r#","cpu{a=""1"",b=""x,\""y""}""#), "{}", lines[1]);
    assert!(lines[4].starts_with("1765969260,"), "{}", lines[4]);
    assert!(lines[4].ends_with(r#","cpu{a=""2"",b=""x,\""y""}""#), "{}", lines[4]);
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    // Ten years of seconds would take minutes to print.
    for (format, begin) in [("csv", b"timestamp,value\n"), ("promtool", b"# A test of rule")] {
        let end = ["--end-epoch", "2081000000", "--step-size", "1s", "--format", format];
        let mut command = preview(&end);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 16];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        assert_eq!(&first, begin);
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        assert_eq!((status.code(), String::from_utf8(stderr).unwrap().as_str()), (Some(0), ""));
    }
}

#[test]
fn a_locale_without_utf_8_gets_ascii_and_no_escape_codes() {
    let flags = ["--duration", "60", "--labels", "city=Zürich"];
    let mut command = preview(&flags);
    command.env("LC_ALL", "C");
    let ascii = shown(command);
    assert!(ascii.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "{ascii}");
    assert!(ascii.contains("cpu{city=\"Z\\u{fc}rich\"}"), "{ascii}");
    let mut command = preview(&flags);
    command.arg("--ascii");
    assert_eq!(shown(command), ascii);
    let braille = shown(preview(&flags));
    assert!(braille.contains('⢀') && !braille.contains('\x1b'), "{braille}");
}

#[test]
fn the_width_is_that_of_the_flag_or_of_columns() {
    let width_of = |chart: &str| {
        let axis = chart.lines().find(|line| line.contains('└')).unwrap();
        axis.chars().count()
    };
    let mut command = preview(&[]);
    command.env("COLUMNS", "33");
    assert_eq!(width_of(&shown(command)), 33);
    let mut command = preview(&["--width", "44"]);
    command.env("COLUMNS", "33");
    assert_eq!(width_of(&shown(command)), 44);
}

#[test]
fn several_series_are_drawn_up_to_three() {
    let chart = shown(preview(&["--labels", "host={1..5}", "--width", "60"]));
    assert!(chart.contains("\ncpu{host=\"3\"}\n") && !chart.contains("host=\"4\""), "{chart}");
    assert!(chart.ends_with("\n(and 2 more series; --format csv prints all)\n"), "{chart}");
}

#[test]
fn too_many_datapoints_are_not_drawn() {
    let output = preview(&["--end-epoch", "2081000000", "--step-size", "1s"]).output().unwrap();
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "push-live-metrics: chart: has 315030800 datapoints to draw, and takes 20000000 at most; \
         show a shorter window or a longer step, or print it with --format csv\n"
    );
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}

#[test]
fn a_dry_run_sends_nothing_and_shows_no_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/write?api_key=s3cret", listener.local_addr().unwrap());
    for first in [
        ["--dry-run", "--duration=5", "--start-epoch=1765969200"],
        ["backfill", "--dry-run", "--since=21d"],
    ] {
        let mut command = command(&first, &["--url", &url, "--header", "X-Api-Key: s3cret"]);
        command.env("REMOTE_WRITE_TOKEN", "s3cret");
        let text = shown(command);
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("\n  Authorization: Bearer ***\n  X-Api-Key: ***\n"), "{text}");
        let nobody = listener.accept().map(|_| ()).map_err(|error| error.kind());
        assert_eq!(nobody, Err(ErrorKind::WouldBlock));
    }
}

#[test]
fn a_dry_run_shows_labels_samples_and_sizes() {
    let flags = ["--duration", "5", "--start-epoch", START, "--url", "http://localhost/write"];
    let mut command = command(&["--dry-run"], &flags);
    command.env("TZ", "UTC");
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
    let values: Vec<f64> = default_series(60_000).take(5).map(|sample| sample.value).collect();
    let mut expected = expected.to_string();
    for k in [0, 1, 2, 4] {
        expected = expected.replacen("VALUE", &format!("{:?}", values[k]), 1);
    }
    assert_eq!(shown(command), expected);
}

#[test]
fn a_dry_run_needs_neither_target_nor_token() {
    let warned = |flags: &[&str]| {
        // A fixed start: sizes of values of two different seconds differ.
        let first = ["--dry-run", "--duration", "5", "--start-epoch", "1765969200"];
        let output = command(&first, flags).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (stdout, stderr) = warned(&[]);
    assert!(stdout.contains("\nPOST to no target: none is named\n"), "{stdout}");
    assert!(stderr.contains("[WARNING] target: is not named; give --url"), "{stderr}");
    // A fleet's size depends on the version, whoever takes it.
    let size = |protocol: &str| {
        let (stdout, _) = warned(&["--labels", "k={1..500}", "--protocol", protocol]);
        stdout.lines().find(|line| line.starts_with("The first: ")).unwrap().to_owned()
    };
    assert!(size("1") != size("2") && size("2") == size("auto"), "{}", size("2"));
    let (stdout, stderr) = warned(&["--env", "us"]);
    assert!(stdout.contains("\nPOST https://www.defenseorchestrator.com/"), "{stdout}");
    assert!(
        stderr.contains("[WARNING] CDO_TOKEN: is not set, and --env 'us' needs it"),
        "{stderr}"
    );
}

#[test]
fn a_dry_run_counts_requests() {
    let count = |first: &[&str], labels: &str| {
        let text = shown(command(first, &["--labels", labels, "--url", "http://localhost/"]));
        text.lines().find(|line| line.starts_with("Requests: ")).unwrap().to_owned()
    };
    let live = ["--dry-run", "--duration", "10"];
    assert_eq!(count(&live, "a=1"), "Requests: 10");
    assert_eq!(count(&live, "a={1..2001}"), "Requests: 20");
    let backfill = ["backfill", "--dry-run", "--since", "1d", "--batch-size", "100"];
    assert_eq!(count(&backfill, "a=1"), "Requests: 1");
    assert_eq!(count(&backfill, "a={1..10}"), "Requests: 10");
}

#[test]
fn a_dry_run_of_ten_years_of_milliseconds_takes_no_time() {
    let mut command = command(&["--dry-run", "--start-epoch", "0"], &["--interval", "1ms"]);
    command.args(["--duration", "3650d", "--url", "http://localhost/"]);
    let text = shown(command);
    let last = "\n  ...\n  315359999999 (1979-12-29 23:59:59.999)\n";
    assert!(text.contains(last), "{text}");
    assert!(text.contains("\nRequests: 315360000000\n"), "{text}");
}

#[test]
fn no_terminal_is_too_wide() {
    let chart = |columns: &str| {
        let mut command = preview(&[]);
        command.env("COLUMNS", columns);
        shown(command)
    };
    assert_eq!(chart("99999999"), chart("1000"));
}

#[test]
fn a_closed_stdout_is_an_error() {
    for format in ["chart", "csv"] {
        let mut command = shell("\"$@\" >&-");
        command.args(["sh", BINARY]).args(preview(&["--format", format]).get_args());
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.starts_with("push-live-metrics: cannot write to stdout: it is closed"),
            "{format}: {stderr}"
        );
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{format}");
    }
}
