//! A pair of burn-rate rules on counters: it fires at the tick that the values of the window say,
//! in promtool, and in a Prometheus that evaluates it while they are pushed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::process::Command;

use crate::support::cmd::Cmd;
use crate::support::folder::Folder;
use crate::support::real_receiver::{RealReceiver, brought};
use crate::support::time::{now_ms, seconds};
use crate::support::window::Window;
use crate::support::wire::Point;

/// The share of failed requests at which the pair fires: 14.4 times a budget of 1 %.
const SHARE: f64 = 14.4 * 0.01;
/// 5 requests a second each, one in 21 fails.
const LABELS: [&str; 2] = ["code=500", "code=200,pod={1..20}"];
const RATE: &str = "--flat-base=5 --noise-std=0.5 --seasonality=none --trend-coefficient=0 \
                    --type=counter";

fn rate_flags() -> Vec<&'static str> {
    RATE.split_whitespace().collect()
}

/// Returns the pair over a long and a short range.
fn rules(long: &str, short: &str) -> String {
    let burns = |range: &str| {
        let rate = |selector: &str| format!("sum(rate(requests_total{selector}[{range}]))");
        format!("{} / {} > {SHARE}", rate("{code=\"500\"}"), rate(""))
    };
    let expr = format!("{} and {}", burns(long), burns(short));
    format!("groups: [{{name: burn, rules: [{{alert: Burn, expr: '{expr}'}}]}}]\n")
}

/// The values of the counters, tick by tick.
struct Counters {
    failed: Vec<Vec<f64>>,
    all: Vec<Vec<f64>>,
}

impl Counters {
    fn of(points: &[Point]) -> Counters {
        let mut series: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        for Point { labels, bits, .. } in points {
            series.entry(labels.clone()).or_default().push(f64::from_bits(*bits));
        }
        let is_failed = |labels: &[(String, String)]| labels.iter().any(|pair| pair.1 == "500");
        let failed = series.iter().filter(|(labels, _)| is_failed(labels));
        let failed = failed.map(|(_, values)| values.clone()).collect();
        Counters { failed, all: series.into_values().collect() }
    }

    /// Tells whether the pair fires at a tick, by the samples that each range has there.
    fn burns(&self, tick: usize, counts: [usize; 2]) -> bool {
        let increase = |series: &[Vec<f64>], count: usize| -> f64 {
            let first = tick - (count - 1);
            let grown = |values: &Vec<f64>| -> f64 {
                values[first..=tick].windows(2).map(|pair| (pair[1] - pair[0]).max(0.0)).sum()
            };
            series.iter().map(grown).sum()
        };
        let share = |count| increase(&self.failed, count) / increase(&self.all, count);
        counts.into_iter().all(|count| share(count) > SHARE)
    }

    /// Returns the first ticks at which the pair fires and does not any more.
    fn fires(&self, ticks: Range<usize>, counts: [usize; 2]) -> Range<usize> {
        let mut ticks = ticks.skip_while(|tick| !self.burns(*tick, counts));
        let start = ticks.next().expect("it fires");
        start..ticks.find(|tick| !self.burns(*tick, counts)).expect("it ends")
    }
}

/// Its ranges have both ends: 61 samples, a minute apart, and 6.
#[test]
fn a_burn_rate_pair_fires_at_the_computed_minute_in_promtool() {
    let Some(promtool) = brought("promtool2") else { return };
    let incidents = ["scale@70m+40m=8,code=500", "reset@87m,code=500", "reset@95m,pod=3"];
    let incidents = incidents.iter().flat_map(|text| ["--incident", text]);
    let window = Window { name: "requests_total", ..Window::from(1_765_969_200_000, 180, 60_000) };
    let cmd = |verb: &str| {
        let cmd = window.cmd(verb).without("labels").and(&rate_flags());
        let cmd = LABELS.iter().fold(cmd, |cmd, labels| cmd.and_flag("labels", *labels));
        cmd.and(&incidents.clone().collect::<Vec<_>>())
    };
    let csv = cmd("preview").flag("format", "csv").run();
    let points: Vec<Point> = csv.assert_code(0).stdout.lines().skip(1).map(point).collect();
    let fires = Counters::of(&points).fires(60..180, [61, 6]);
    println!("fires from minute {} to {}", fires.start, fires.end);
    assert!(fires.start > 80 && fires.end > 110 && fires.end < 116, "{fires:?}");

    let file = cmd("preview").flag("format", "promtool").run().stdout.clone();
    let test = |minutes: &[(usize, bool)]| {
        let folder = Folder::new();
        folder.write("rules.yml", rules("1h", "5m"));
        let expected = minutes.iter().map(|(minute, fires)| {
            let alerts = if *fires { "{exp_labels: {}}" } else { "" };
            format!("      - {{alertname: Burn, eval_time: {minute}m, exp_alerts: [{alerts}]}}\n")
        });
        let expected: String = expected.collect();
        let rules = format!("    alert_rule_test:\n{expected}rule_files: [rules.yml]\n");
        let path = folder.write("test.yml", file.clone() + &rules);
        Command::new(&promtool).args(["test", "rules"]).arg(path).output().unwrap()
    };
    let Range { start, end } = fires;
    let output = test(&[(start - 1, false), (start, true), (end - 1, true), (end, false)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!test(&[(start - 1, true)]).status.success());
}

/// Reads a line of the CSV; labels are its name alone.
fn point(line: &str) -> Point {
    let fields: Vec<&str> = line.splitn(3, ',').collect();
    let timestamp_ms = fields[0].parse::<i64>().unwrap() * 1000;
    let code = if fields[2].contains("500") { "500" } else { "200" };
    let labels = vec![("code".into(), code.into()), ("name".into(), fields[2].into())];
    Point { timestamp_ms, labels, bits: fields[1].parse::<f64>().unwrap().to_bits() }
}

/// Its ranges leave out their left end: 60 samples, 200 ms apart, and 20; it evaluates every second.
#[test]
fn a_burn_rate_pair_fires_when_computed_in_a_prometheus() {
    let Some(receiver) = RealReceiver::prometheus3().rules(&rules("12s", "4s")).start() else {
        return;
    };
    // The origin is an hour ago, so no range has the beginning of a counter.
    let start_ms = now_ms();
    let cmd = Cmd::to(&receiver.write_url()).ticks(130, 200).without("labels").and(&rate_flags());
    let cmd = LABELS.iter().fold(cmd, |cmd, labels| cmd.and_flag("labels", *labels));
    let cmd = cmd.flag("metric-name", "requests_total").flag("protocol", "2");
    let cmd = cmd.flag("origin", seconds(start_ms - 3_600_000));
    let cmd = cmd.flag("start-epoch", seconds(start_ms));
    let cmd = cmd.flag("incident", "scale@3614s+6s=8,code=500").switch("verify");
    let cmd = cmd.flag("alert", "Burn").flag("fires-within", "15s").flag("resolves-within", "15s");
    let run = cmd.run();
    let fires = Counters::of(&run.planned()).fires(60..130, [60, 20]);
    let computed_ms = i64::try_from(fires.start).unwrap() * 200 - 14_000;
    let log = run.assert_code(0).log();
    let line = log.only("alert");
    assert!(computed_ms > 3_000, "the long range says when");
    assert_eq!(line.get("outcome").text(), "detected");
    let firing =
        receiver.samples("ALERTS{alertname=\"Burn\",alertstate=\"firing\"}", start_ms, now_ms());
    let delay_ms = firing[0].0 - start_ms - 14_000;
    assert!(
        (computed_ms..computed_ms + 15_000).contains(&delay_ms),
        "{delay_ms} for {computed_ms}"
    );
}
