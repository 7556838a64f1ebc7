//! Counters against a loop of their own: the sum of a rate that is made of the definitions in
//! incidents.rs, tick by tick from the origin, started anew at each reset. Then the binary's words.

use fastrand::Rng;
use push_live_metrics::series::{
    Grid, Incident, Kind, MetricType, Series, SeriesIter, Starts, TimestampMs,
};

use crate::incidents::{Plain, ROUNDS, TICK_COUNT, random_incident, time_ms};
use crate::support::cmd::Cmd;
use crate::support::window::Window;

fn counter(plain: &Plain, incidents: &[Incident]) -> Series {
    Series { metric_type: MetricType::Counter, ..plain.with(incidents) }
}

fn reset(start_ms: u64, every_ms: Option<u64>, step_ms: u64) -> Incident {
    Incident { number: 1, kind: Kind::Reset, start_ms, length_ms: step_ms, every_ms }
}

/// Returns the sum at each tick before `end`, and the tick that it starts at.
fn summed(plain: &Plain, incidents: &[Incident], end: usize) -> Vec<(f64, u64)> {
    let (resets, others): (Vec<Incident>, Vec<Incident>) =
        incidents.iter().copied().partition(|incident| incident.kind == Kind::Reset);
    let is_gap = |incident: &Incident| incident.kind == Kind::Gap;
    let rates: Vec<Incident> = others.into_iter().filter(|i| !is_gap(i)).collect();
    let step_s = plain.step_ms() as f64 / 1000.0;
    let (mut sum, mut start) = (0.0, 0);
    let mut sums = Vec::new();
    for index in 0..end {
        if index == 0 || resets.iter().any(|reset| plain.start_of(reset, index).is_some()) {
            (sum, start) = (0.0, index as u64);
        } else {
            let rate = plain.expected(&rates, index).expect("it has no gap");
            sum += if rate > 0.0 { rate } else { 0.0 } * step_s;
        }
        sums.push((sum, start));
    }
    sums
}

/// Compares a window of the counter that has these incidents; returns how many resets it has.
#[track_caller]
fn check(plain: &Plain, incidents: &[Incident], window: std::ops::Range<usize>) -> usize {
    let series = counter(plain, incidents);
    let sums = summed(plain, incidents, window.end);
    let mut iter = series.iter_from(window.start as u64);
    assert_eq!(iter.index(), window.start as u64);
    let mut reset_count = 0;
    for index in window.clone() {
        let tick = iter.next().unwrap();
        let (sum, start) = sums[index];
        let what = || format!("tick {index} of {window:?}, {incidents:?}");
        let covers = |i: &&Incident| plain.start_of(i, index).is_some();
        let covering: Vec<&Incident> = incidents.iter().filter(covers).collect();
        let is_gap = covering.iter().any(|incident| incident.kind == Kind::Gap);
        let expected = (!is_gap).then_some(sum.to_bits());
        assert_eq!(tick.value.map(f64::to_bits), expected, "{}", what());
        assert_eq!(tick.timestamp, series.grid.time_of(index as u64), "{}", what());
        assert_eq!(tick.is_anomaly, !covering.is_empty(), "{}", what());
        let started = series.starts().time(tick.timestamp);
        assert_eq!(started, series.grid.time_of(start), "{}", what());
        reset_count += usize::from(index > 0 && start == index as u64);
    }
    reset_count
}

#[test]
fn a_counter_is_the_sum_of_its_rate() {
    let mut rng = Rng::with_seed(21);
    let plains = [1, 7, 1_000, 60_000].map(Plain::new);
    let (mut reset_count, mut gap_count) = (0, 0);
    for _ in 0..ROUNDS {
        let plain = &plains[rng.usize(..plains.len())];
        let step_ms = plain.step_ms();
        let mut incidents: Vec<Incident> = (0..rng.u64(..6))
            .map(|_| {
                let names = ["shift", "ramp", "spike", "scale", "noise", "flat", "gap"];
                let name = names[rng.usize(..7)];
                random_incident(&mut rng, name, step_ms)
            })
            .collect();
        for _ in 0..rng.u64(1..4) {
            let every_ms = Some(step_ms + time_ms(&mut rng, step_ms));
            let every_ms = every_ms.filter(|_| rng.u64(..3) > 0);
            let place = rng.usize(..=incidents.len());
            incidents.insert(place, reset(time_ms(&mut rng, step_ms), every_ms, step_ms));
        }
        let start = rng.usize(..99);
        reset_count += check(plain, &incidents, start..start + 24);
        gap_count += incidents.iter().filter(|incident| incident.kind == Kind::Gap).count();
    }
    println!("{reset_count} resets in {} ticks", ROUNDS * 24);
    assert!(reset_count > ROUNDS && gap_count > ROUNDS / 10, "{reset_count}, {gap_count}");
}

#[test]
fn a_window_from_the_middle_is_that_of_the_whole() {
    let plain = Plain::new(60_000);
    let nightly = [reset(7 * 60_000, Some(37 * 60_000), 60_000)];
    for incidents in [&[][..], &nightly] {
        let whole: Vec<_> = counter(&plain, incidents).iter_from(0).take(TICK_COUNT).collect();
        let is_growing = whole.windows(2).filter(|pair| pair[1].value > pair[0].value).count();
        assert!(is_growing > TICK_COUNT / 2 && whole[0].value == Some(0.0), "{whole:?}");
        for start in 0..TICK_COUNT {
            let mut iter = counter(&plain, incidents).iter_from(start as u64);
            // A clone goes on where it was made, and leaves the other one there.
            let ahead: Vec<_> = iter.clone().take(TICK_COUNT - start).collect();
            assert_eq!(ahead, whole[start..]);
            assert_eq!(iter.next(), Some(whole[start]));
        }
    }
}

/// What a gap leaves out is in the sum; at the end of it, and after a reset inside.
#[test]
fn a_sum_goes_on_through_gaps() {
    let plain = Plain::new(1_000);
    let gap = Incident { kind: Kind::Gap, length_ms: 20_000, ..reset(10_000, None, 1_000) };
    let whole: Vec<_> = counter(&plain, &[]).iter_from(0).take(40).collect();
    let of = |incidents: &[Incident], index| -> Option<f64> {
        counter(&plain, incidents).iter_from(index).next()?.value
    };
    assert_eq!([of(&[gap], 9), of(&[gap], 10), of(&[gap], 29)], [whole[9].value, None, None]);
    assert_eq!(of(&[gap], 30), whole[30].value);
    let inside = [gap, reset(25_000, None, 1_000)];
    check(&plain, &inside, 0..40);
    assert!(of(&inside, 30) < whole[30].value && of(&inside, 30) > Some(0.0));
    let mut before = counter(&plain, &inside).iter_from(5);
    let values: Vec<Option<f64>> = before.by_ref().take(5).map(|tick| tick.value).collect();
    assert!(values.iter().all(Option::is_some) && before.before(30).next().is_none());
    assert_eq!(before.next().unwrap().value, of(&inside, 30));
}

/// A rate below 0 adds nothing, and what would leave the finite numbers stays at their end.
#[test]
fn a_sum_never_falls_and_stays_finite() {
    let plain = Plain::new(86_400_000);
    let whole = |kind| Incident { kind, length_ms: u64::MAX / 2, ..reset(0, None, 86_400_000) };
    for (kind, expected) in [(-1e9, 0.0), (-0.0, 0.0)] {
        let mut iter = counter(&plain, &[whole(Kind::Flat(Some(kind)))]).iter_from(50);
        assert_eq!(iter.next().unwrap().value.map(f64::to_bits), Some(f64::to_bits(expected)));
    }
    let huge = [whole(Kind::Flat(Some(f64::MAX)))];
    let mut iter = counter(&plain, &huge).iter_from(0);
    let values = [(); 3].map(|()| iter.next().unwrap().value);
    assert_eq!(values, [Some(0.0), Some(f64::MAX), Some(f64::MAX)]);
}

#[test]
fn each_series_of_a_fan_out_has_its_own_sum_and_the_truth_has_none() {
    let plain = Plain::new(60_000);
    let series = counter(&plain, &[reset(300_000, None, 60_000)]);
    let values = |iter: SeriesIter| iter.take(20).map(|tick| tick.value).collect::<Vec<_>>();
    let (first, second) =
        (values(series.iter_from(0)), values(series.with_seed_plus(1).iter_from(0)));
    assert_eq!([first[0], first[5], second[0], second[5]], [Some(0.0); 4]);
    assert!((1..20).filter(|i| *i != 5).all(|i| first[i] != second[i]));
    let truth = values(series.truth_from(0));
    assert!((0..20).all(|i| truth[i] == Some(f64::from(u8::from(i == 5)))), "{truth:?}");
}

#[test]
fn a_start_is_the_origin_or_the_last_reset() {
    let grid = Grid { origin: TimestampMs(-5_500), step_ms: 1_000 };
    // Off the grid it covers the next tick.
    let incidents = [reset(2_500, Some(4_000), 1_000), reset(4_000, None, 1_000)];
    let starts = Starts { grid, incidents: &incidents };
    let ticks: Vec<u64> = (0..12).map(|index| starts.tick(index)).collect();
    assert_eq!(ticks, [0, 0, 0, 3, 4, 4, 4, 7, 7, 7, 7, 11]);
    let at = |ms| starts.time(TimestampMs(ms)).0;
    assert_eq!(
        [-5_500, -2_501, -2_500, -2_499, -1_500, 1_700].map(at),
        [-5_500, -5_500, -2_500, -2_500, -1_500, 1_500]
    );
    let far = [reset(1, Some(u64::MAX), 1_000)];
    assert_eq!(Starts { incidents: &far, ..starts }.tick(u64::MAX), 0);
}

/// Ten minutes of a rate of 2.5 a second, and a reset between the ticks 4 and 5.
fn steady() -> Window {
    let rate = ["--flat-base=2.5", "--seasonality=none", "--noise-std=0", "--trend-coefficient=0"];
    let window = Window::from(1_765_969_200_000, 10, 60_000).of_counter().and(&rate);
    window.and(&["--incident", "reset@270s"])
}

/// Runs `preview --format FORMAT`; returns the lines.
fn preview(format: &str) -> Vec<String> {
    let run = steady().cmd("preview").flag("format", format).run();
    run.assert_code(0);
    run.stdout.lines().map(Into::into).collect()
}

#[test]
fn a_reset_is_one_anomalous_tick() {
    let lines = preview("truth");
    assert_eq!(lines[1], "1765969200,0.0,0,");
    let around = ["1765969440,600.0,0,", "1765969500,0.0,1,1", "1765969560,150.0,0,"];
    assert_eq!(lines[5..8], around);
    let csv = preview("csv");
    assert_eq!((csv[5].as_str(), csv[6].as_str()), ("1765969440,600.0", "1765969500,0.0"));
    let time = "\"2025-12-17 11:05:00.000000\"";
    assert!(preview("windows")[2].ends_with(&format!("[{time}, {time}]")), "{lines:?}");
    let chart = preview("chart");
    let has = |text: &str| chart.iter().any(|line| line.contains(text));
    assert!(has("min 0, mean") && has("max 600") && has("1: reset@270s"), "{chart:?}");
}

#[test]
fn a_dry_run_shows_type_and_starts() {
    let dry = |protocol| {
        let cmd = steady().cmd("backfill").switch("dry-run").flag("protocol", protocol);
        let run = cmd.run();
        run.assert_code(0);
        run.stdout.clone()
    };
    let (first, second) = (dry("1"), dry("2"));
    assert!(first.contains("Metadata: counter, help") && !first.contains("since"), "{first}");
    let line = |time: &str, rest: &str| {
        assert!(second.lines().any(|l| l.contains(time) && l.ends_with(rest)), "{second}");
    };
    line("1765969260000", " 150.0, since 1765969200000");
    line("1765969740000", " 600.0, since 1765969500000");
}

#[test]
fn a_counter_is_named_total() {
    let named = |name: &str| steady().cmd("backfill").flag("metric-name", name).flag("output", "-");
    for (name, hint) in [("cpu", "cpu_total"), ("_total", "_total_total"), ("a-totals", "a_totals")]
    {
        let run = named(name).run();
        run.assert_code(2);
        assert!(run.stdout.is_empty(), "{}", run.stdout);
        run.assert_says("is not a name that ends in _total, as that of a counter does; give ");
        run.assert_says(&format!("give {hint}"));
    }
    named("a-total").run().assert_code(0).assert_says("'a-total' is sent as 'a_total'");
    // Elsewhere it is for the reader to know.
    for verb in ["preview", "backfill"] {
        let cmd = steady().cmd(verb).flag("metric-name", "cpu");
        let run = if verb == "backfill" { cmd.switch("dry-run").run() } else { cmd.run() };
        run.assert_code(0)
            .assert_says("[WARNING] --metric-name 'cpu': is not a name that ends in _total");
        let gauge = steady().cmd(verb).flag("metric-name", "cpu").flag("type", "gauge");
        let gauge = if verb == "backfill" { gauge.switch("dry-run") } else { gauge };
        assert!(!gauge.without("incident").run().stderr.contains("_total"));
    }
}

/// OpenMetrics has one family of a name, and that of `cpu_total` is `cpu`.
#[test]
fn a_family_is_not_that_of_the_truth_too() {
    let cmd = |truth| {
        let cmd = steady().cmd("backfill").flag("metric-name", "cpu_total");
        cmd.flag("truth-metric", truth)
    };
    let run = cmd("cpu").flag("output", "-").run();
    run.assert_code(2).assert_says("--truth-metric 'cpu': ");
    assert!(run.stdout.is_empty(), "{}", run.stdout);
    cmd("cpu_truth").flag("output", "-").run().assert_code(0);
    cmd("cpu").switch("dry-run").run().assert_code(0);
}

#[test]
fn printed_commands_have_the_type() {
    let url = "http://127.0.0.1:9/api/v1/write";
    let cmd = Cmd::to(url).flag("metric-name", "requests_total").flag("type", "counter");
    let run = cmd.flag("flush-timeout", "0s").flag("incident", "reset@1s").run();
    run.assert_code(4);
    let commands = run.summary().commands;
    let all = commands.iter().all(|command| command.contains(" --type counter "));
    assert!(!commands.is_empty() && all, "{commands:?}");
    let log = run.log();
    assert_eq!(log.only("metric").get("type").text(), "counter");
    assert_eq!(log.only("incident").get("kind").text(), "reset");
}
