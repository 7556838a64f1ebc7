//! The verdict on alerts, against real receivers that evaluate real rules: which incidents were
//! detected, how late, which were missed, which alarms were false.
//!
//! Every expectation is derived from what the receiver says its alerts did, read by a client of
//! its own and judged by the definitions (`support/judge.rs`): never from the time that things
//! take, so that a busy machine changes the alerts and not the test.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::cmd::Cmd;
use crate::support::folder::Folder;
use crate::support::json::Json;
use crate::support::judge::{self, Limits, Outcome, Raw, Span, Trouble, Verdict};
use crate::support::process::Run;
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::side_by_side::side_by_side;
use crate::support::time::{now_ms, seconds};
use crate::support::vmalert::Vmalert;

const LABELS: &str = "job=fleet,uuid={1..3}";
const DURATION_MS: i64 = 70_000;

/// The flags, and what each is: the series that has it, its start and length in seconds.
const INCIDENTS: [(&str, &str, i64, i64); 5] = [
    ("shift@12s+8s=40,uuid=1", "1", 12, 8),
    ("scale@20s+8s=4,uuid=2", "2", 20, 8),
    ("flat@14s+8s=0,uuid=3", "3", 14, 8),
    ("gap@40s+16s,uuid=3", "3", 40, 16),
    ("spike@48s+10s=60,uuid=1", "1", 48, 10),
];

const ALERTS: [&str; 5] = ["Good", "Deaf", "TriggerHappy", "Aggregated", "Flapping"];
const DETECTORS: [&str; 2] = ["fleet:outlier", "fleet:z:outlier"];
/// A sample at each evaluation.
const HEARTBEAT: &str = "fleet:heartbeat";

/// Returns rules that look back so many seconds: as long as a datapoint may take to show.
fn rules(range: i64) -> String {
    let high = format!("max_over_time(fleet_load[{range}s]) > 40");
    let low = format!("min_over_time(fleet_load[{range}s]) < 5");
    let gone = format!(
        "absent_over_time(fleet_load{{job=\"fleet\",uuid=\"3\"}}[{range}s]) \
         and on() (count_over_time(fleet_load{{uuid=\"3\"}}[10m]) > 5)"
    );
    let noisy = format!("last_over_time(fleet_load[{range}s]) > 21");
    let z = "abs(fleet_load - avg_over_time(fleet_load[1h])) / stddev_over_time(fleet_load[1h])";
    let alert = |name: &str, expression: &str, more: &str| {
        format!("  - alert: {name}\n    expr: '{expression}'\n{more}")
    };
    let record =
        |name: &str, expression: &str| format!("  - record: {name}\n    expr: '{expression}'\n");
    [
        "groups:\n- name: fleet\n  interval: 1s\n  rules:\n".to_owned(),
        record(HEARTBEAT, "vector(1)"),
        record(DETECTORS[0], &format!("{z} > bool 1.8")),
        record(DETECTORS[1], &format!("{z} > 1.8")),
        alert("Good", &format!("({high}) or ({low}) or ({gone})"), ""),
        alert("Deaf", &high, "    for: 5m\n"),
        alert("TriggerHappy", &noisy, ""),
        alert("Aggregated", &format!("max({high})"), "    labels: {severity: page}\n"),
        alert("Flapping", &format!("{high} and on() (vector(time() % 4) < 2)"), ""),
    ]
    .concat()
}

/// A fleet that was pushed live into a receiver that evaluated the rules all the while.
struct Fleet {
    receiver: RealReceiver,
    start_ms: i64,
    limits: Limits,
}

impl Fleet {
    fn end_ms(&self) -> i64 {
        self.start_ms + DURATION_MS
    }

    /// Returns the command for it; the verb "" is live.
    fn cmd(&self, verb: &str) -> Cmd {
        let step_flag = if verb.is_empty() { "interval" } else { "step-size" };
        let within = |ms: i64| format!("{ms}ms");
        let cmd = Cmd::bare()
            .verb(verb)
            .flag("metric-name", "fleet_load")
            .flag("labels", LABELS)
            .and(&["--seasonality", "none", "--trend-coefficient", "0"])
            .and(&["--flat-base", "20", "--noise-std", "1"])
            .flag("start-epoch", seconds(self.start_ms))
            .flag("end-epoch", seconds(self.end_ms()))
            .flag(step_flag, "1s");
        let cmd = INCIDENTS.iter().fold(cmd, |cmd, (flag, ..)| cmd.and_flag("incident", *flag));
        if verb == "preview" {
            return cmd;
        }
        cmd.flag("url", self.receiver.write_url())
            .flag("log-format", "json")
            .flag("fires-within", within(self.limits.fires_within_ms))
            .flag("resolves-within", within(self.limits.resolves_within_ms))
    }

    fn troubles(&self) -> Vec<Trouble> {
        let trouble = |(number, (_, uuid, start, length)): (i64, &(_, &str, i64, i64))| {
            let start_ms = self.start_ms + start * 1000;
            let labels = [("job", "fleet"), ("uuid", uuid)];
            let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
            Trouble { incident: number, labels, start_ms, end_ms: start_ms + length * 1000 }
        };
        (1..).zip(&INCIDENTS).map(trouble).collect()
    }

    fn verify(&self, judged: &[&str]) -> Run {
        let and = |cmd: Cmd, name: &&str| {
            let flag = if DETECTORS.contains(name) { "detector" } else { "alert" };
            cmd.and_flag(flag, *name)
        };
        judged.iter().fold(self.cmd("verify"), and).run()
    }

    /// Pushes what came before the window, without incidents.
    fn backfill_an_hour(&self) {
        let plain = self.cmd("backfill").without("incident");
        let plain = plain.without("fires-within").without("resolves-within");
        let hour = [self.start_ms - 3_600_000, self.start_ms].map(seconds);
        let [start, end] = hour;
        plain.flag("start-epoch", start).flag("end-epoch", end).run().assert_code(0);
    }

    /// Reads what a series did around the window.
    fn raw(&self, selector: &str) -> Vec<Raw> {
        judge::raw(&self.receiver, selector, self.start_ms - 300_000, self.end_ms() + 300_000)
    }

    fn spans_of(&self, judged: &str) -> Vec<Span> {
        let is_detector = DETECTORS.contains(&judged);
        let alert = || format!("ALERTS{{alertname=\"{judged}\",alertstate=\"firing\"}}");
        judge::spans(&self.receiver, &self.raw(&if is_detector { judged.into() } else { alert() }))
    }

    /// Waits until the rules were evaluated, and that shows, as long as a verdict looks.
    fn wait_until_judged(&self) {
        let Limits { fires_within_ms, resolves_within_ms } = self.limits;
        let until_ms = self.end_ms() + fires_within_ms.max(resolves_within_ms);
        let newest = |raw: &Raw| raw.samples.last().map(|(time_ms, _)| *time_ms);
        wait_until("the rules are evaluated", || {
            self.raw(HEARTBEAT).iter().filter_map(newest).max() >= Some(until_ms)
        });
    }

    /// Fails unless a verdict on these alerts and detectors is what the definitions say.
    #[track_caller]
    fn assert_right(&self, run: &Run, judged: &[&str], troubles: &[Trouble]) -> Verdict {
        let spans: Vec<Vec<Span>> = judged.iter().map(|name| self.spans_of(name)).collect();
        let all = spans.concat();
        let outcomes: Vec<Outcome> =
            troubles.iter().map(|trouble| judge::outcome(trouble, &all, self.limits)).collect();
        let mut false_alarms = Vec::new();
        for (name, spans) in judged.iter().zip(&spans) {
            let window_ms = self.start_ms..self.end_ms();
            let wrong = judge::false_alarms(troubles, spans, self.limits, window_ms);
            false_alarms.extend(wrong.iter().map(|span| ((*name).to_owned(), span.first_ms())));
        }
        false_alarms.sort();
        let verdict = Verdict { outcomes, false_alarms };
        println!("{}: {judged:?}: {verdict:?}", self.receiver.url());
        assert_eq!(Verdict::of(run, troubles), verdict, "{judged:?}\n{all:#?}\n{}", run.stderr);
        let is_noticed =
            |outcome: &Outcome| matches!(outcome, Outcome::Detected(_) | Outcome::AlreadyFiring);
        let is_good = verdict.outcomes.iter().all(is_noticed) && verdict.false_alarms.is_empty();
        run.assert_code(if is_good { 0 } else { 5 });
        verdict
    }
}

/// Returns the incidents that a truth file tells of.
fn troubles_of(truth: &str) -> Vec<Trouble> {
    let mut lines = truth.lines();
    assert_eq!(lines.next(), Some("timestamp,value,is_anomaly,incident,series"));
    let mut troubles: Vec<Trouble> = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.splitn(5, ',').collect();
        let [time, _, is_anomaly, incident, series] = fields[..] else { panic!("{line}") };
        assert_eq!(is_anomaly == "1", !incident.is_empty(), "{line}");
        if incident.is_empty() {
            continue;
        }
        let start_ms = time.parse::<i64>().expect("whole seconds") * 1000;
        let uuid = series
            .rsplit_once("uuid=")
            .expect("a label")
            .1
            .trim_matches(|c: char| !c.is_ascii_digit());
        let incident = incident.parse().expect("no two at once");
        let labels = [("job", "fleet"), ("uuid", uuid)]
            .map(|(name, value)| (name.into(), value.into()))
            .to_vec();
        match troubles.iter_mut().find(|t| (t.incident, &t.labels) == (incident, &labels)) {
            Some(trouble) => trouble.end_ms = start_ms + 1000,
            None => troubles.push(Trouble { incident, labels, start_ms, end_ms: start_ms + 1000 }),
        }
    }
    troubles.sort_by_key(|trouble| trouble.incident);
    troubles
}

/// Pushes the fleet live while its rules are evaluated, and checks every verdict on them.
fn check(setup: RealSetup, range: i64, limits: Limits) {
    let rules = rules(range);
    let Some(receiver) = setup.rules(&rules).start() else { return };
    let mut fleet = Fleet { receiver, start_ms: now_ms() / 1000 * 1000, limits };
    fleet.backfill_an_hour();
    let mut vmalert = None;
    if fleet.receiver.is_victoriametrics() {
        // It finds nothing for ten seconds where rules were evaluated before there was something.
        wait_until("datapoints show", || !fleet.raw("fleet_load{uuid=\"3\"}").is_empty());
        vmalert = Vmalert::start(&fleet.receiver, &rules);
        if vmalert.is_none() {
            return;
        }
    }
    fleet.start_ms = now_ms() / 1000 * 1000;
    let push = fleet.cmd("").switch("verify").flag("alert", "Good").run();
    fleet.wait_until_judged();
    drop(vmalert);

    let truth = fleet.cmd("preview").flag("format", "truth").run();
    let troubles = troubles_of(&truth.assert_code(0).stdout);
    assert_eq!(troubles, fleet.troubles());
    let good = fleet.assert_right(&push, &["Good"], &troubles);
    for name in ALERTS.iter().chain(&DETECTORS) {
        let verdict = fleet.assert_right(&fleet.verify(&[name]), &[name], &troubles);
        match *name {
            "Good" => assert_eq!(verdict, good, "at the end of the push, and later"),
            "Deaf" => assert_eq!(verdict.outcomes, [Outcome::Missed; 5]),
            "TriggerHappy" | "fleet:outlier" => assert!(!verdict.false_alarms.is_empty()),
            _ => {}
        }
    }
    fleet.assert_right(&fleet.verify(&ALERTS), &ALERTS, &troubles);
    let both = ["Deaf", DETECTORS[0]];
    fleet.assert_right(&fleet.verify(&both), &both, &troubles);
    if !fleet.receiver.is_victoriametrics() {
        check_promtool(&fleet, &rules, &push);
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        thread::sleep(Duration::from_millis(200));
    }
}

/// Returns how late the latest tick was accepted, by the log.
fn lateness_ms(push: &Run) -> i64 {
    let log = push.log();
    let ticks = log.events("tick").into_iter().zip(log.events("pushed"));
    let lateness = |(tick, pushed): (&Json, &Json)| {
        clock_ms(pushed.get("time").text()) - tick.get("timestamp").number() % 86_400_000
    };
    ticks.map(lateness).max().expect("a tick")
}

/// Reads the time of day of `2026-01-01T00:00:00.000Z`.
fn clock_ms(time: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| time[range].parse::<i64>().expect("digits");
    ((number(11..13) * 60 + number(14..16)) * 60 + number(17..19)) * 1000 + number(20..23)
}

/// Compares when the good alert fired live with when it fires in promtool, on the exported file.
fn check_promtool(fleet: &Fleet, rules: &str, push: &Run) {
    let Some(promtool) = fleet.receiver.promtool() else { return };
    let file = fleet.cmd("preview").flag("format", "promtool").run();
    file.assert_code(0);
    // Nothing is expected at any time, so that it says at which times there is something.
    let expected = (0..DURATION_MS / 1000).map(|second| {
        format!("      - {{alertname: Good, eval_time: {second}s, exp_alerts: []}}\n")
    });
    let tests = format!(
        "{}    alert_rule_test:\n{}rule_files: [rules.yml]\n",
        file.stdout,
        expected.collect::<String>()
    );
    let folder = Folder::new();
    folder.write("rules.yml", rules);
    let output = Command::new(promtool)
        .args(["test", "rules"])
        .arg(folder.write("tests.yml", tests))
        .output();
    let output = String::from_utf8(output.expect("promtool runs").stderr).expect("UTF-8");
    let times = output.split("alertname: Good, time: ").skip(1);
    let fired: Vec<(i64, &str)> = times.map(|part| (second(part), part)).collect();

    // Live it cannot be earlier than the data, nor later than the push and the evaluation were.
    let heartbeat = &fleet.raw(HEARTBEAT)[0].samples;
    let pause_ms = heartbeat.windows(2).map(|pair| pair[1].0 - pair[0].0).max().expect("some");
    let slack_ms = pause_ms + lateness_ms(push);
    let spans = fleet.spans_of("Good");
    for trouble in fleet.troubles() {
        let Outcome::Detected(live_ms) = judge::outcome(&trouble, &spans, fleet.limits) else {
            continue;
        };
        let start = (trouble.start_ms - fleet.start_ms) / 1000;
        let uuid = format!("uuid=\"{}\"", trouble.uuid());
        let first = fired.iter().find(|(second, part)| *second >= start && part.contains(&uuid));
        let delay_ms = (first.expect("it fires in promtool").0 - start) * 1000;
        let number = trouble.incident;
        println!("incident {number}: {live_ms} ms, in promtool {delay_ms} ms; {slack_ms} ms");
        assert!(live_ms.abs_diff(delay_ms) <= slack_ms.unsigned_abs(), "{slack_ms} ms\n{output}");
    }
}

/// Reads how many seconds `1m5s, ...` has.
fn second(text: &str) -> i64 {
    let time = text.split_once(',').expect("a comma").0.trim_end_matches('s');
    let (minutes, seconds) = time.split_once('m').unwrap_or(("0", time));
    let number = |text: &str| if text.is_empty() { 0 } else { text.parse().expect("a number") };
    number(minutes) * 60 + number(seconds)
}

#[test]
fn verdicts_are_right_whoever_evaluates_the_rules() {
    let soon = Limits { fires_within_ms: 6000, resolves_within_ms: 6000 };
    // A VictoriaMetrics shows what it has accepted after seconds; by default its rules see what is
    // 30 seconds old.
    let later = Limits { fires_within_ms: 14_000, resolves_within_ms: 14_000 };
    let victoriametrics = RealReceiver::victoriametrics().flag("-search.latencyOffset=0s");
    // The rules are evaluated, and make the head begin now, before the hour before is there.
    let prometheus = |setup: RealSetup| setup.out_of_order_time_window("2h");
    let cases = [
        (prometheus(RealReceiver::prometheus2()), 3, soon),
        (prometheus(RealReceiver::prometheus3()), 3, soon),
        (victoriametrics, 8, later),
    ];
    side_by_side(cases, |(setup, range, limits)| check(setup, range, limits));
}
