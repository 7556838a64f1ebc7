//! Counters in the real receivers: what `increase()` and `rate()` make of them, against the sums
//! of the rate; what is stored, read back, resumed and made into blocks.

use std::process::Command;

use crate::support::folder::Folder;
use crate::support::in_root;
use crate::support::real_receiver::{RealReceiver, RealSetup, in_bin};
use crate::support::side_by_side::side_by_side;
use crate::support::window::{Window, assert_same_bits, assert_within};

const STEP_MS: i64 = 60_000;
const TICKS: i64 = 180;
/// The rate is below 0 in the first, higher in the second, and not seen in the third.
const TROUBLE: [&str; 8] = [
    "--incident",
    "shift@20m+10m=-60",
    "--incident",
    "scale@55m+20m=4",
    "--incident",
    "gap@130m+7m",
    "--incident",
    "reset@80m/67m",
];
/// The ticks of the resets.
const RESETS: [i64; 2] = [80, 147];

fn window() -> Window {
    Window::past(TICKS, STEP_MS / 1000).of_counter().and(&TROUBLE)
}

/// Returns what the rate adds at each tick, made of the gauge that is this rate.
fn growths(window: &Window) -> Vec<f64> {
    let without_gap = TROUBLE[..4].iter().chain(&["--type", "gauge"]).map(ToString::to_string);
    let rate = Window { flags: without_gap.collect(), ..window.clone() };
    let rates = rate.planned();
    rates.iter().map(|(_, rate)| rate.max(0.0) * (STEP_MS / 1000) as f64).collect()
}

/// Returns the exact increase from tick `from` to tick `to`. What grows between the tick before a
/// reset and the reset nobody sees.
fn increase(growths: &[f64], from: i64, to: i64) -> f64 {
    let seen = (from + 1..=to).filter(|tick| !RESETS.contains(tick));
    seen.map(|tick| growths[usize::try_from(tick).unwrap()]).sum()
}

/// Windows by their first and last tick: at the origin, with a negative rate, at a reset and
/// around it, both resets, a gap, and the whole.
const SPANS: [(i64, i64); 10] = [
    (0, 10),
    (15, 40),
    (40, 79),
    (70, 90),
    (79, 80),
    (80, 100),
    (75, 150),
    (128, 139),
    (140, 147),
    (0, 179),
];

#[track_caller]
fn assert_near(found: f64, expected: f64, error_max: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(1e-3);
    assert!(error <= error_max, "{what}: {found} is not {expected}, off by {error:e}");
}

/// What Prometheus makes of a range that begins a millisecond before the first sample: the increase
/// between the samples, and as much for that millisecond, unless the counter was 0 later.
/// Source: prometheus promql/functions.go, `extrapolatedRate`.
fn check_prometheus(setup: RealSetup, protocol: &str) {
    let Some(receiver) = setup.start() else { return };
    let window = window().and(&["--protocol", protocol]);
    window.backfill(&receiver.write_url()).assert_code(0);
    assert_same_bits(&window.stored(&receiver), &window.planned());
    let (growths, stored) = (growths(&window), window.stored(&receiver));
    for (from, to) in SPANS {
        let time = |tick: i64| window.origin_ms + tick * STEP_MS;
        let range_ms = time(to) - time(from) + 1;
        let sampled_s = (range_ms - 1) as f64 / 1000.0;
        let exact = increase(&growths, from, to);
        let first = stored.iter().find(|(ms, _)| *ms == time(from)).expect("it is no gap").1;
        let extrapolated_s = (sampled_s * first / exact.max(1e-9)).min(0.001);
        let expected = exact * (sampled_s + extrapolated_s) / sampled_s;
        let query = |function: &str| {
            let query = format!("{function}({}[{range_ms}ms])", window.selector());
            receiver.query(&query, time(to))
        };
        let what = format!("{from} to {to}");
        assert_near(query("increase"), expected, 1e-9, &what);
        assert_near(query("rate"), expected / (range_ms as f64 / 1000.0), 1e-9, &what);
    }
}

#[test]
fn prometheus2_sees_the_increase_of_the_rate() {
    check_prometheus(RealReceiver::prometheus2(), "1");
}

#[test]
fn prometheus3_sees_the_increase_of_the_rate() {
    check_prometheus(RealReceiver::prometheus3(), "2");
}

/// It does not extrapolate, and looks at the sample before the range: at its first tick. A range of
/// about a step it makes longer.
#[test]
fn victoriametrics_sees_the_increase_of_the_rate() {
    let Some(receiver) = RealReceiver::victoriametrics().start() else { return };
    let window = window();
    window.backfill(&receiver.write_url()).assert_code(0);
    assert_within(&window.stored(&receiver), &window.planned(), 2e-12);
    let url = receiver.write_url();
    let verified = Window { url, ..window.clone() }.cmd("verify").run();
    verified.assert_code(0).assert_says("173 planned = 173 matching");
    let growths = growths(&window);
    for (from, to) in SPANS.into_iter().filter(|(from, to)| to - from > 1) {
        let range_s = (to - from) * STEP_MS / 1000;
        let exact = increase(&growths, from, to);
        let query = |function: &str| {
            let query = format!("{function}({}[{range_s}s])", window.selector());
            receiver.query(&query, window.origin_ms + to * STEP_MS)
        };
        let what = format!("{from} to {to}");
        assert_near(query("increase"), exact, 1e-9, &what);
        assert_near(query("rate"), exact / range_s as f64, 1e-9, &what);
    }
}

#[test]
fn promtool_takes_a_counter_and_its_blocks_read_back_equal() {
    let Some(mut receiver) = RealReceiver::prometheus3().start() else { return };
    let (folder, past) = (Folder::new(), window());
    let start_ms = past.start_ms - 4 * 3_600_000;
    let past = past.starting(start_ms);
    let file = folder.file("counter.om");
    let export = past.cmd("backfill").and(&["--output", &file, "--truth-metric", "is_known"]);
    export.run().assert_code(0);
    let text = std::fs::read_to_string(&file).unwrap();
    let types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    assert_eq!(types, ["# TYPE requests counter", "# TYPE is_known gauge"]);
    assert!(!text.contains("_created"));
    receiver.kill();
    let blocks = Command::new(in_root("scripts/backfill-blocks.sh"))
        .arg(&file)
        .arg(receiver.data_folder())
        .env("PROMTOOL", in_bin("promtool2"))
        .output()
        .unwrap();
    assert!(blocks.status.success(), "{blocks:?}");
    receiver.restart();
    assert_same_bits(&past.stored(&receiver), &past.planned());
    let growths = growths(&past);
    let found = receiver.query(
        &format!("increase({}[{}ms])", past.selector(), 78 * STEP_MS + 1),
        past.origin_ms + 79 * STEP_MS,
    );
    assert_near(found, increase(&growths, 1, 79), 1e-6, "of blocks");
    let nothing = receiver.get("/api/v1/series?match[]={__name__=~\".*created\"}").1;
    assert!(nothing.contains("\"data\":[]"), "{nothing}");
    let url = format!("{}/api/v1/write", receiver.url());
    let verified = Window { url, ..past }.cmd("verify").flag("truth-metric", "is_known").run();
    verified.assert_code(0).assert_says("353 planned = 353 matching");
}

/// A fleet, each with resets of its own, by live and by backfill, in parts that are resumed.
#[test]
fn parts_of_a_fleet_are_resumed_and_verified_to_the_bit() {
    let setups = [(RealReceiver::prometheus3(), "2"), (RealReceiver::prometheus2(), "1")];
    side_by_side(setups, |(setup, protocol)| {
        let Some(receiver) = setup.start() else { return };
        let flags = ["--incident", "reset@30s/40s,n=2", "--incident", "gap@50s+5s,n={2..3}"];
        let mut window =
            Window::past(100, 1).of_counter().and(&flags).and(&["--protocol", protocol]);
        (window.labels, window.url) = ("n={1..3}".into(), receiver.write_url());
        window.push(0, 37);
        for (verb, end) in [("", 60), ("backfill", 80), ("", 100)] {
            let cmd = window.ticks(0, end).cmd(verb).switch("resume").switch("verify");
            cmd.run().assert_code(0);
        }
        let run = window.check(100, 0, "290 planned = 290 matching + 0 missing + 0 different");
        assert!(run.stderr.contains("match to the bit"), "{}", run.stderr);
        let other = window.clone().and(&["--seed", "9"]);
        other.check(100, 5, "different");
    });
}

/// As a Prometheus from 3.8 on stores it with created-timestamp-zero-ingestion: where the gap
/// hides the first tick, and where it hides that of a reset.
#[test]
fn a_zero_sample_at_a_start_is_expected_in_a_gap() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let gaps = ["--incident", "gap@0s+3s", "--incident", "gap@10s+5s", "--incident", "reset@12s"];
    let mut window = Window::past(100, 1).of_counter().and(&gaps);
    window.url = receiver.write_url();
    let zeros = ["--trend-coefficient=0", "--seasonality=none", "--noise-std=0", "--flat-base=0"];
    let zero = Window { flags: Vec::new(), ..window.clone() }.and(&zeros);
    for (first, end) in [(0, 10), (10, 20)] {
        zero.push(first + first / 5, first + first / 5 + 1);
        window.push(first, end);
    }
    window.check(20, 0, "12 planned = 12 matching + 0 missing + 0 different; 0 unexpected");
    for verb in ["", "backfill"] {
        let run = window.ticks(0, 25).cmd(verb).switch("resume").run();
        run.assert_code(0);
    }
    // Elsewhere in a gap it is one, and for a gauge anywhere.
    zero.push(25, 26);
    let later = window.clone().and(&["--incident", "gap@25s+2s"]);
    later.check(27, 5, "17 planned = 17 matching + 0 missing + 0 different; 1 unexpected");
    let mut gauge = zero.clone();
    gauge.flags.extend(gaps[..4].iter().map(ToString::to_string));
    gauge.check(3, 5, "1 unexpected");
}

/// That one reads field 6 of a series, which is not sent any more.
#[test]
fn prometheus_3_5_makes_no_zero_sample() {
    let setup = RealReceiver::prometheus3();
    let setup = setup.flag("--enable-feature=created-timestamp-zero-ingestion");
    let Some(receiver) = setup.start() else { return };
    let mut window = Window::past(100, 1).of_counter().and(&["--protocol", "2"]);
    window.url = receiver.write_url();
    window.push(50, 60);
    let stored = receiver.samples(&window.selector(), window.start_ms, window.end_ms);
    assert_eq!(stored.len(), 10, "{stored:?}");
    window.check(60, 5, "60 planned = 10 matching + 50 missing + 0 different; 0 unexpected");
}

#[test]
fn a_counter_ends_with_a_stale_marker() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let mut window = Window::past(10, 1).of_counter().and(&["--protocol", "2"]);
    window.url = receiver.write_url();
    window.start(&["--stale-marker"]).wait().assert_code(0).assert_says("✓ Pushed a stale marker");
    window.check(10, 0, "10 planned = 10 matching");
}
