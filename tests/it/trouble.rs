//! Known incidents through the binary: gaps that no receiver gets, the truth beside the series and
//! in files, against the real receivers.
//!
//! INCIDENT_TICKS is how many ticks the live runs have, a second apart (20).

use std::thread;
use std::time::{Duration, Instant};

use crate::support::cmd::Cmd;
use crate::support::json::Json;
use crate::support::process::shell;
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::side_by_side::side_by_side;
use crate::support::step::Answer;
use crate::support::time::{now_ms, seconds};
use crate::support::window::{Window, assert_within, this_minute};
use crate::support::{text_of, variable};

/// What nights are made of, in the four weeks.
const NIGHTS: [&str; 6] = [
    "--incident",
    "gap@2h+15m/24h",
    "--incident",
    "spike@3h+30m/24h=40",
    "--incident",
    "flat@5h+20m/1d",
];

/// Gaps in 50 of 500 series and a shift in 10.
const FLEET: [&str; 6] = [
    "--incident",
    "gap@4s+5s,n={101..150}",
    "--incident",
    "shift@2s+9s=40,n={11..20}",
    "--incident",
    "gap@12s+2s,n=500",
];

/// Returns the lines of `preview --format FORMAT` of a window.
fn preview(window: &Window, format: &str) -> String {
    let window = Window { url: String::new(), ..window.clone() };
    let run = window.cmd("preview").without("truth-metric").flag("format", format).run();
    run.assert_code(0);
    run.stdout.clone()
}

#[track_caller]
fn check_fleet(setup: RealSetup, error_max: f64) {
    let Some(receiver) = setup.start() else { return };
    let ticks: i64 = variable("INCIDENT_TICKS").unwrap_or(20);
    let window = Window::now(receiver.write_url(), "n={1..500}", ticks, 1000)
        .starting(now_ms() / 1000 * 1000)
        .and(&FLEET);
    let planned = 1000 * ticks - 50 * 5 - 2;
    let run = window.cmd("").flag("truth-metric", "is_known").switch("verify").run();
    run.assert_code(0).assert_says(&format!("Summary: {planned} planned in {ticks} ticks of 1000"));
    run.assert_says(&format!("{planned} matching + 0 missing + 0 different; 0 unexpected"));
    run.assert_says("Gap: no datapoint of 50 of 500 series until ");

    // Of the receiver by queries of its own.
    let (mut truth, mut values) = (Vec::new(), Vec::new());
    for n in 1..=500 {
        let selector = |name: &str| format!("{name}{{n=\"{n}\"}}");
        let read = |name| receiver.samples(&selector(name), window.start_ms, window.end_ms);
        truth.push(read("is_known"));
        values.push(read("cpu"));
    }
    let csv = preview(&window, "truth");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("timestamp,value,is_anomaly,incident,series"));
    for (truth, values) in truth.iter().zip(&values) {
        let (mut expected_truth, mut expected) = (Vec::new(), Vec::new());
        for line in lines.by_ref().take(truth.len()) {
            let fields: Vec<&str> = line.split(',').collect();
            let time_ms = fields[0].parse::<i64>().unwrap() * 1000;
            expected_truth.push((time_ms, fields[2].parse().unwrap()));
            expected.extend(fields[1].parse().ok().map(|value: f64| (time_ms, value)));
        }
        assert_eq!(truth, &expected_truth);
        assert_within(values, &expected, error_max);
    }
    assert_eq!(lines.next(), None);
    let counts: Vec<i64> = [1, 15, 120, 500].map(|n: usize| values[n - 1].len() as i64).into();
    assert_eq!(counts, [ticks, ticks, ticks - 5, ticks - 2]);
    assert_eq!(truth[14].iter().filter(|(_, value)| *value == 1.0).count(), 9);
}

#[test]
fn a_fleet_with_gaps_is_stored_with_its_truth_in_each_receiver() {
    side_by_side(RealReceiver::each(), |(setup, error_max)| check_fleet(setup, error_max));
}

/// Backfilled, then continued live at the tick after, which is due: one series.
#[test]
fn four_weeks_with_bad_nights_have_no_seam() {
    let setups = [(RealReceiver::prometheus3(), 0.0), (RealReceiver::victoriametrics(), 2e-12)];
    side_by_side(setups, |(setup, error_max)| {
        let Some(receiver) = setup.start() else { return };
        const TICKS: i64 = 28 * 1440;
        let origin_ms = (this_minute() - (TICKS - 3) * 60) * 1000;
        let mut window = Window::from(origin_ms, TICKS, 60_000).and(&NIGHTS);
        window = window.and(&["--weekly-seasonality", "Mon=0,Sat=-6,SunT12:00=-8"]);
        window.url = receiver.write_url();
        window.push(0, TICKS - 6);
        let live = window.run("", TICKS - 6, TICKS - 3);
        live.assert_code(0);
        let count = window.ticks(0, TICKS - 3).planned().len();
        window.check(TICKS - 3, 0, &format!("Verify: {count} planned = {count} matching"));
        let window = window.ticks(0, TICKS - 3);
        assert_within(&window.stored(&receiver), &window.planned(), error_max);
        assert!(count < window.count() - 27 * 15, "{count}");
    });
}

/// The gaps are from tick 10 to 20 and from 60 to 70.
fn gapped(url: &str) -> Window {
    let window = Window::now(url.into(), "cpu=a", 100, 100).starting(now_ms() - 20_000);
    window.and(&["--incident", "gap@1s+1s/5s"])
}

#[test]
fn a_sample_in_a_gap_is_unexpected() {
    side_by_side([RealReceiver::prometheus3(), RealReceiver::victoriametrics()], |setup| {
        let Some(receiver) = setup.out_of_order_time_window("1h").start() else { return };
        let window = gapped(&receiver.write_url());
        window.run("", 0, 100).assert_code(0).assert_says("80 planned = 80 accepted");
        window.check(100, 0, "80 matching + 0 missing + 0 different; 0 unexpected");
        let plain = Window { flags: Vec::new(), ..window.clone() };
        plain.run("", 14, 15).assert_code(0);
        // A VictoriaMetrics shows it after a second or two.
        let deadline = Instant::now() + Duration::from_secs(60);
        while window.stored(&receiver).len() < 81 {
            assert!(Instant::now() < deadline, "the datapoint does not show");
            thread::sleep(Duration::from_millis(100));
        }
        let run = window.check(100, 5, "80 matching + 0 missing + 0 different; 1 unexpected");
        run.assert_says("Unexpected: 1 with our labels in a gap or off the grid, the first at ");
        for verb in ["", "backfill"] {
            let run = window.ticks(0, 100).cmd(verb).switch("resume").run();
            // The newest datapoint is that of the series.
            run.assert_code(if verb.is_empty() { 0 } else { 5 });
        }
    });
}

#[test]
fn what_is_resumed_passes_over_gaps() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let window = gapped(&receiver.write_url());
    for (verb, labels) in [("", "cpu=live"), ("backfill", "cpu=backfill")] {
        let window = Window { labels: labels.into(), ..window.clone() };
        // Ends in a gap, and in the middle of a batch.
        window.push(0, 65);
        let run = window.cmd(verb).switch("resume").switch("verify").run();
        run.assert_code(0).assert_says("30 planned = 30 accepted").assert_says("80 matching");
        let run = window.cmd(verb).switch("resume").run();
        run.assert_code(0).assert_says("nothing was left to push");
        let run = window.cmd(verb).switch("resume").flag("log-format", "json").run();
        run.assert_ends(0, [0; 5]);
    }
}

#[test]
fn a_window_in_a_gap_sends_nothing() {
    let receiver = ScriptedReceiver::start([]);
    let cmd = Cmd::to(&receiver.url()).flag("incident", "gap@10h+1h/12h");
    let origin_ms = now_ms() - 10 * 3_600_000 - 600_000;
    for cmd in [
        // The cron form: the tick that is due.
        cmd.clone().flag("origin", seconds(origin_ms)).ticks(1, 1000),
        cmd.clone().flag("origin", seconds(origin_ms)).ticks(10, 1000),
        cmd.verb("backfill")
            .without("interval")
            .without("duration")
            .flag("origin", seconds(origin_ms / 1000 * 1000))
            .flag("since", "5m")
            .flag("step-size", "1s"),
    ] {
        let run = cmd.run();
        run.assert_code(0);
        run.log().only("no_datapoint");
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
    assert_eq!(receiver.attempt_count(), 0);
}

#[test]
fn gaps_are_logged_when_they_begin_and_the_run_ends_with_its_last_datapoint() {
    let receiver = ScriptedReceiver::start([]);
    // Ten ticks, 20 ms apart: 3 to 5 and from 8 on have no datapoint.
    let cmd = Cmd::to(&receiver.url()).starting_now();
    let cmd = cmd.and_flag("incident", "gap@60ms+60ms").and_flag("incident", "gap@160ms+9d");
    let run = cmd.and_flag("incident", "scale@20ms+100ms=2").run();
    run.assert_all_delivered(&receiver);
    let log = run.log();
    let start = log.only("window").get("start").number();
    let untils: Vec<i64> =
        log.events("gap").iter().map(|event| event.get("until").number() - start).collect();
    assert_eq!(untils, [120]);
    let ticks: Vec<i64> =
        log.events("tick").iter().map(|event| event.get("tick").number()).collect();
    assert_eq!(ticks, [1, 2, 3, 4, 5]);
    let counts: Vec<i64> =
        log.events("incident").iter().map(|event| event.get("count").number()).collect();
    assert_eq!(counts, [3, 2, 5]);
    assert_eq!(run.summary().accepted, 5);
}

/// What is missing on both sides of a gap is one range, and its command has the incidents.
#[test]
fn missing_ranges_go_on_over_gaps() {
    for verb in ["", "backfill"] {
        let receiver =
            Script::new([Answer::status(200).into()]).otherwise(Answer::status(400)).start();
        let start_ms = now_ms() / 1000 * 1000 - 20_000;
        let window = Window::from(start_ms, 10, 1000).and(&["--labels", "a={1..3}"]);
        let window = window.and(&["--incident", "gap@3s+2s", "--incident", "gap@7s+1s,a=2"]);
        let cmd = window.cmd(verb).without("labels").flag("labels", "a={1..3}");
        let cmd = cmd.flag("url", receiver.url()).flag("batch-size", "3");
        let run = cmd.flag("log-format", "json").run();
        run.assert_code(1);
        let summary = run.summary();
        assert_eq!((summary.accepted, summary.rejected), (3, 20), "{}", run.stderr);
        let [command] = &summary.commands[..] else { panic!("{summary:?}") };
        assert!(command.contains("--incident gap@3s+2s --incident gap@7s+1s,a=2"), "{command}");
    }
}

#[test]
fn an_interrupted_run_continues_after_a_gap() {
    let receiver = ScriptedReceiver::start([]);
    // Eight seconds are left of the gap: enough for the signal on any machine.
    let start_ms = now_ms() / 1000 * 1000 - 8000;
    let cmd = Cmd::to(&receiver.url()).flag("start-epoch", seconds(start_ms)).ticks(6, 4000);
    let push = cmd.flag("incident", "gap@8s+8s").start();
    push.wait_for_event("gap", 1);
    push.signal("INT");
    let run = push.wait();
    run.assert_code(130);
    let summary = run.summary();
    assert_eq!(summary.counts(), [2, 0, 0, 0, 2], "{}", run.stderr);
    let [command] = &summary.commands[..] else { panic!("{summary:?}") };
    run.run_printed(command).assert_code(0);
    assert_eq!(receiver.stored(), run.planned());
}

/// As the benchmark's scorer reads them: pairs of times by name.
#[test]
fn windows_are_those_of_the_benchmark() {
    let window = Window::from(1_765_969_200_000, 60, 60_000);
    let window = Window { labels: "a={1..3},b=\"x\\\"y\"".into(), ..window };
    let flags = ["gap@10m+5m,a=1", "shift@12m+5m=4,a=1", "ramp@40m+90s/30m=1,a={1..2}"];
    let flags: Vec<&str> = flags.iter().flat_map(|text| ["--incident", text]).collect();
    let json = preview(&window.and(&flags), "windows");
    // This parser knows of no space.
    let dense = json.replace('\n', "").replace("  ", "").replace(": [", ":[").replace(", ", ",");
    let parsed = Json::parse(&dense).expect("it is JSON");
    let ramp = ["11:40", "11:41"];
    let expected: [&[[&str; 2]]; 3] = [&[["11:10", "11:16"], ramp], &[ramp], &[]];
    for (a, expected) in (1..).zip(expected) {
        let windows = parsed.get(&format!(r#"cpu{{a="{a}",b="x\"y"}}"#)).array();
        let times = windows.iter().map(|pair| pair.array().iter().map(Json::text).collect());
        let full = |pair: &[&str; 2]| pair.map(|time| format!("2025-12-17 {time}:00.000000"));
        let expected: Vec<[String; 2]> = expected.iter().map(full).collect();
        assert_eq!(times.collect::<Vec<Vec<&str>>>(), expected);
    }
}

#[test]
fn the_truth_is_a_table() {
    let window = Window::from(1_765_969_200_000, 10, 60_000);
    let flags = ["--incident", "gap@2m+3m", "--incident", "flat@4m+2m=7", "--noise-std", "0"];
    let csv = preview(&window.and(&flags), "truth");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "timestamp,value,is_anomaly,incident");
    assert!(lines[1].starts_with("1765969200,19.9") && lines[1].ends_with(",0,"), "{}", lines[1]);
    let inside = ["1765969320,,1,1", "1765969380,,1,1", "1765969440,,1,1;2", "1765969500,7.0,1,2"];
    assert_eq!(lines[3..7], inside);
}

#[test]
fn truth_metrics_are_a_family_of_their_own() {
    let window = Window::from(1_765_969_200_000, 5, 60_000).and(&["--incident", "gap@1m+2m"]);
    let cmd = window.cmd("backfill").flag("truth-metric", "cpu_known");
    let run = cmd.flag("output", "-").run();
    run.assert_code(0).assert_says("Wrote 8 datapoints");
    let lines: Vec<&str> = run.stdout.lines().collect();
    let families: Vec<usize> =
        (0..lines.len()).filter(|i| lines[*i].starts_with("# TYPE")).collect();
    assert_eq!(families, [1, 6], "{lines:?}");
    let values: Vec<&str> = lines[7..12].iter().map(|l| l.split(' ').nth(1).unwrap()).collect();
    assert_eq!(values, ["0.0", "1.0", "1.0", "0.0", "0.0"]);
}

/// Each is drawn by the command above it.
#[test]
fn the_charts_of_the_guide_are_those_of_the_binary() {
    let guide = text_of("docs/guide.md");
    let section = guide.split("## Known incidents").nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let mut count = 0;
    for block in section.split("```sh\n").skip(1) {
        let (command, rest) = block.split_once("```\n\n```text\n").expect("a chart");
        let (chart, _) = rest.split_once("```").expect("its end");
        let mut shell = shell(command);
        let output = shell.env("LC_ALL", "C.UTF-8").env("COLUMNS", "80").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), chart, "{command}");
        count += 1;
    }
    assert_eq!(count, 3);
}

/// Nothing listens there.
const URL: &str = "http://127.0.0.1:9/api/v1/write";

#[test]
fn incidents_that_cannot_be_are_refused_by_every_verb() {
    let good = Cmd::bare().flag("metric-name", "cpu").flag("labels", "a={1..2}");
    let past = good.clone().flag("since", "1h").flag("step-size", "1m");
    let verbs = [
        good.clone().flag("duration", "1").flag("url", URL),
        past.clone().verb("backfill").flag("url", URL),
        past.clone().verb("backfill").flag("output", "-"),
        past.clone().verb("verify").flag("url", URL),
        past.verb("preview"),
    ];
    let refused = |cmd: Cmd, beginning: &str| {
        let run = cmd.run();
        run.assert_code(2);
        assert_eq!((run.stdout.as_str(), run.stderr.lines().count()), ("", 1), "{}", run.stderr);
        let line = run.stderr.strip_prefix("push-live-metrics: ").unwrap_or_default();
        assert!(line.starts_with(beginning), "{beginning}\n{line}");
    };
    for (text, wrong) in [
        ("gap@1h", "has no length; write +LENGTH"),
        ("gap@1h+10m,a=3", "names a=3, which no series has"),
        ("gap@2001-01-01T00:00:00Z+10m", "is before the origin"),
        ("gap@10s+5s", "covers no datapoint; give a longer LENGTH"),
    ] {
        side_by_side(&verbs, |verb| {
            let cmd = verb.clone().flag("incident", text);
            refused(cmd, &format!("--incident '{text}': {wrong}"));
        });
    }
    let truth = |name: &str| verbs[0].clone().flag("truth-metric", name);
    refused(truth("cpu"), "--truth-metric 'cpu': is the metric itself; give another name");
    refused(truth(""), "--truth-metric '': is empty; give a name");
    let fleet = truth("is_known").flag("labels", "a={1..5001}");
    refused(fleet, "--truth-metric 'is_known': makes 10002 series of 5001, over 10000; ");
}
