//! Verdicts on alerts: what `verify --alert` and a live run say of them, against real receivers
//! that hold alerts of any shape, and against ones that answer as a script says.

use crate::support::cmd::Cmd;
use crate::support::json::Json;
use crate::support::process::Run;
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::step::{Answer, Step};
use crate::support::time::{now_ms, seconds};
use crate::support::window::Window;
use crate::verify::series_of;

/// Seconds from one datapoint to the next.
const STEP: i64 = 10;

/// An hour that ended some minutes ago, of the series `cpu`.
struct Hour {
    url: String,
    start_ms: i64,
}

impl Hour {
    fn of(url: String) -> Hour {
        Hour { url, start_ms: (now_ms() / 60_000 - 72) * 60_000 }
    }

    /// Returns a command over the hour, of a flat series.
    fn cmd(&self, verb: &str, labels: &str) -> Cmd {
        let flat = "--noise-std=0 --seasonality=none --trend-coefficient=0 --flat-base=1";
        let flat: Vec<&str> = flat.split(' ').collect();
        Cmd::bare()
            .verb(verb)
            .flag("url", &self.url)
            .flag("metric-name", "cpu")
            .flag("labels", labels)
            .flag("start-epoch", seconds(self.start_ms))
            .flag("end-epoch", seconds(self.start_ms + 3_600_000))
            .flag("step-size", format!("{STEP}s"))
            .flag("log-format", "json")
            .and(&flat)
    }

    /// Pushes an alert that fires in these minutes of the hour, from and to.
    fn fire(&self, labels: &str, minutes: &[(i64, i64)]) {
        for (first, last) in minutes {
            let [start, end] = [first, last].map(|minute| self.start_ms + minute * 60_000);
            let run = self
                .cmd("backfill", &format!("alertstate=firing,{labels}"))
                .flag("metric-name", "ALERTS")
                .flag("start-epoch", seconds(start))
                .flag("end-epoch", seconds(end + 1))
                .run();
            run.assert_code(0);
        }
    }
}

/// Shows outcome, incident and delay of each line of a verdict, and the counts.
fn shown(run: &Run) -> String {
    let log = run.log();
    let line = |line: &&Json| {
        let number = |name: &str| line.find(name).map_or(0, |number| number.number());
        let outcome = line.get("outcome").text();
        format!("{outcome} {} {}", number("incident"), number("delay_s"))
    };
    let lines: Vec<String> = log.events("alert").iter().map(line).collect();
    let summary = log.only("alert_summary");
    let counts = ["detected", "missed", "late", "false_alarms", "exit_code"];
    let counts = counts.map(|name| summary.get(name).number().to_string());
    format!("{}; {}", lines.join(", "), counts.join(" "))
}

#[track_caller]
fn check_verdict(setup: RealSetup) {
    let Some(receiver) = setup.start() else { return };
    let hour = Hour::of(receiver.write_url());
    let incidents =
        ["--incident", "shift@10m+5m=40", "--incident", "gap@30m+6m", "--incident", "flat@50m+5m"];
    hour.cmd("backfill", "host=a").and(&incidents).run().assert_code(0);
    hour.fire("alertname=Good,host=a,severity=page", &[(11, 16), (31, 37), (51, 56)]);
    hour.fire("alertname=Deaf,host=a", &[(51, 56)]);
    hour.fire("alertname=Hasty", &[(2, 3), (11, 16), (31, 37), (43, 44), (51, 58)]);
    hour.fire("alertname=Other,host=b", &[(11, 16)]);
    if receiver.is_victoriametrics() {
        // It shows what it has accepted seconds later, unless it is told to.
        assert_eq!(receiver.get("/internal/force_flush").0, 200);
    }
    let verdict = |flags: &[&str]| hour.cmd("verify", "host=a").and(&incidents).and(flags).run();
    let good = "detected 1 60, detected 2 60, detected 3 60; 3 0 0 0 0";
    assert_eq!(shown(&verdict(&["--alert", "Good"])), good);
    let deaf = "missed 1 0, missed 2 0, detected 3 60; 1 2 0 0 5";
    assert_eq!(shown(&verdict(&["--alert", "Deaf"])), deaf);
    let hasty = "detected 1 60, detected 2 60, detected 3 60, false_alarm 0 0, false_alarm 0 0; \
                 3 0 0 2 5";
    assert_eq!(shown(&verdict(&["--alert", "Hasty"])), hasty);
    let missed = "missed 1 0, missed 2 0, missed 3 0; 0 3 0 0 5";
    let run = verdict(&["--alert", "Other"]);
    assert_eq!(shown(&run), missed);
    assert!(run.stderr.contains("'Other' has the labels of no series of this run: {'host': 'b'}"));
    let run = verdict(&["--alert", "Goood"]);
    assert_eq!(shown(&run), missed);
    let hint = "is the name right? Others were pending or fired: 'Deaf', 'Good', 'Hasty', 'Other'";
    assert!(run.stderr.contains(hint), "{}", run.stderr);
    // The more, the better, but for false alarms.
    let all = verdict(&["--alert", "Deaf", "--alert", "Good"]);
    assert_eq!(shown(&all), good);
    let late = verdict(&["--alert", "Good", "--fires-within", "50s"]);
    assert_eq!(shown(&late), "late 1 60, late 2 60, late 3 60; 0 3 3 0 5");
    // Any metric may be a detector; of these series, one is of another host.
    let run = verdict(&["--detector", "ALERTS"]);
    assert_eq!(shown(&run), hasty, "{}", run.stderr);
    let run = verdict(&["--alert", "Good", "--quiet"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
fn alerts_in_prometheus3_are_judged() {
    check_verdict(RealReceiver::prometheus3().out_of_order_time_window("3h"));
}

#[test]
fn alerts_in_victoriametrics_are_judged() {
    check_verdict(RealReceiver::victoriametrics());
}

/// The truth is a detector that is never wrong, but it needs its time to be seen.
#[test]
fn a_live_run_waits_for_its_verdict() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let flags = ["--verify", "--truth-metric", "anomaly", "--detector", "anomaly"];
    let terms = ["--fires-within", "3s", "--resolves-within", "1s"];
    let incidents = ["--incident", "shift@1s+500ms=40", "--incident", "gap@1700ms+300ms"];
    let cmd = Cmd::to(&receiver.write_url()).starting_now().ticks(20, 100);
    let cmd = cmd.and(&flags).and(&terms).and(&incidents);
    let run = cmd.clone().run();
    run.assert_code(0);
    assert_eq!(shown(&run), "detected 1 0, detected 2 0; 2 0 0 0 0");
    let log = run.log();
    let event = |line: &Json| line.get("event").text().to_owned();
    let events: Vec<String> = log.0.iter().map(event).collect();
    let place = |name: &str| events.iter().position(|event| event == name).expect(name);
    let in_order = ["judging", "starting", "summary", "verify_summary", "verdict"];
    assert!(in_order.map(place).is_sorted(), "{events:?}");
}

/// A good rule, one whose `for` is too long, and one that fires on anything.
const RULES: &str = r#"
groups:
  - name: verdict
    rules:
      - {alert: Good, expr: cpu > 20}
      - {alert: Deaf, expr: cpu > 20, for: 1m}
      - {alert: Hasty, expr: max(cpu) > 0}
"#;

#[test]
fn rules_of_a_prometheus_are_judged() {
    let Some(receiver) = RealReceiver::prometheus3().rules(RULES).start() else { return };
    let flat = "--noise-std=0 --seasonality=none --trend-coefficient=0 --flat-base=1";
    let flat: Vec<&str> = flat.split(' ').collect();
    let alerts = ["--verify", "--alert", "Good"];
    let terms = ["--fires-within", "10s", "--resolves-within", "5s"];
    let cmd = Cmd::to(&receiver.write_url()).ticks(50, 200);
    let cmd = cmd.flag("start-epoch", seconds(now_ms())).and(&flat).and(&terms);
    let cmd = cmd.flag("incident", "shift@5s+5s=40");
    let run = cmd.clone().and(&alerts).run();
    run.assert_code(0);
    let log = run.log();
    let line = log.only("alert");
    assert_eq!(line.get("outcome").text(), "detected");
    let verify = |alert: &str| {
        let window = log.only("window");
        let time = |name: &str| seconds(window.get(name).number());
        let cmd = cmd.clone().verb("verify").without("interval").without("duration");
        let cmd = cmd.flag("step-size", "200ms").flag("start-epoch", time("start"));
        cmd.flag("end-epoch", time("end")).flag("alert", alert).run()
    };
    let good = verify("Good");
    good.assert_code(0);
    assert_eq!(good.log().only("alert").get("delay_s"), line.get("delay_s"));
    let deaf = verify("Deaf");
    assert_eq!(shown(&deaf), "missed 1 0; 0 1 0 0 5");
    let hint = "'Deaf' was pending and never fired: is its 'for' too long?";
    assert!(deaf.stderr.contains(hint), "{}", deaf.stderr);
    // It fires since the first datapoint, and so notices anything.
    verify("Hasty").assert_code(0);
}

/// Ten ticks a second apart, each with the value 1, some time ago.
fn ten_ticks() -> Window {
    let flat = ["--noise-std=0", "--seasonality=none", "--trend-coefficient=0", "--flat-base=1"];
    let series = series_of("", 100_000);
    Window { step_ms: 1000, ..series }.and(&flat).and(&["--log-format", "json"])
}

fn body(text: impl AsRef<[u8]>) -> Answer {
    Answer::status(200).body(text)
}

/// Returns an alert 'A' that fires at these seconds of a window, with more labels, as a
/// VictoriaMetrics tells.
fn firing(window: &Window, labels: &str, at: &[i64]) -> Step {
    let values = vec!["1"; at.len()].join(",");
    let times: Vec<String> = at.iter().map(|s| (window.origin_ms + s * 1000).to_string()).collect();
    let (head, times) = (r#"{"metric":{"__name__":"ALERTS","alertname":"A""#, times.join(","));
    let tail = format!(r#"}},"values":[{values}],"timestamps":[{times}]}}"#);
    body(format!("{head}{labels}{tail}\n")).into()
}

/// Answers as a VictoriaMetrics with the datapoints of a window first, then with these steps.
fn victoriametrics(window: &Window, steps: Vec<Step>) -> ScriptedReceiver {
    let line = |n: i64| format!("{},1\n", window.origin_ms + n * 1000);
    let csv = body((0..10).map(line).collect::<String>());
    let names = body(r#"{"status":"success","data":["__name__","cpu"]}"#);
    // It asks again without the labels that others might have.
    let ours = [csv.clone(), names.clone(), csv, names].map(Step::from);
    let steps = ours.into_iter().chain(steps);
    Script::new(steps).unchecked().otherwise(body("")).start()
}

/// Judges 'A' in these ticks.
fn judge(window: &Window, receiver: &ScriptedReceiver, flags: &[&str]) -> Run {
    let window = Window { url: receiver.url(), ..window.clone() };
    let terms = ["--alert=A", "--fires-within=3s", "--resolves-within=2s"];
    window.ticks(0, 10).cmd("verify").and(&terms).and(flags).run()
}

const VICTORIAMETRICS: &str = "--read-api=victoriametrics";

#[test]
fn without_incidents_any_firing_is_a_false_alarm() {
    let window = ten_ticks();
    let receiver = victoriametrics(&window, vec![firing(&window, "", &[3, 4])]);
    let run = judge(&window, &receiver, &[VICTORIAMETRICS]);
    assert_eq!(shown(&run), "false_alarm 0 0; 0 0 0 1 5");
    let expected = "no incident is given, so any firing is a false alarm";
    assert!(run.log().only("judging").get("message").text().contains(expected));
    let run = judge(&window, &victoriametrics(&window, vec![]), &[VICTORIAMETRICS]);
    assert_eq!(shown(&run), "; 0 0 0 0 0");
    assert!(
        run.stderr.contains("Verdict: 0 of 0 incidents detected, 0 false alarms"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_alert_that_always_fires_detects_everything_and_is_asked_after() {
    let window = ten_ticks();
    let always: Vec<i64> = (-9..13).collect();
    let receiver = victoriametrics(&window, vec![firing(&window, "", &always)]);
    let run = judge(&window, &receiver, &[VICTORIAMETRICS, "--incident=shift@2s+2s=0"]);
    assert_eq!(shown(&run), "already_firing 1 0; 1 0 0 0 0");
    let hint = run.log().only("hint").get("hint").text().to_owned();
    assert!(hint.contains("do they ever resolve?"), "{hint}");
    let receiver = victoriametrics(&window, vec![firing(&window, "", &always)]);
    let quiet = [VICTORIAMETRICS, "--incident=shift@2s+2s=0", "--quiet"];
    let run = judge(&window, &receiver, &quiet);
    run.assert_code(0).assert_says("do they ever resolve?");
}

#[test]
fn what_is_missing_is_said_before_the_verdict() {
    let empty = snap::raw::Encoder::new().compress_vec(&[10, 0]).unwrap();
    let receiver = Script::new([]).unchecked().otherwise(body(empty)).start();
    let run = judge(&ten_ticks(), &receiver, &["--incident=shift@2s+2s=1"]);
    assert_eq!(shown(&run), "missed 1 0; 0 1 0 0 5");
    let log = run.log();
    let events: Vec<&str> = log.0.iter().map(|line| line.get("event").text()).collect();
    let place = |name: &str| events.iter().position(|event| *event == name).expect(name);
    assert!(place("missing") < place("verdict"), "{events:?}");
    // The verdict is good, and the datapoints are not.
    let run = judge(&ten_ticks(), &receiver, &[]);
    assert_eq!(shown(&run), "; 0 0 0 0 0");
    run.assert_code(5);
}

/// Rules do not have the labels that a Prometheus adds to what is read from it.
#[test]
fn labels_that_the_receiver_adds_to_alerts_are_passed_over() {
    let setup = RealReceiver::prometheus3().external_label("host", "of-the-receiver");
    let Some(receiver) = setup.start() else { return };
    let hour = Hour::of(receiver.write_url());
    let incident = ["--incident", "shift@10m+5m=40"];
    hour.cmd("backfill", "host=a").and(&incident).run().assert_code(0);
    hour.fire("alertname=Aggregated", &[(11, 16)]);
    hour.fire("alertname=Other,host=b", &[(11, 16)]);
    // One of another rack as well, whose label is not the receiver's.
    hour.fire("alertname=Racks,rack=1", &[(11, 16)]);
    hour.fire("alertname=Racks,rack=2", &[(40, 41)]);
    let verdict =
        |labels, name| shown(&hour.cmd("verify", labels).and(&incident).flag("alert", name).run());
    assert_eq!(verdict("host=a", "Aggregated"), "detected 1 60; 1 0 0 0 0");
    assert_eq!(verdict("host=a", "Other"), "missed 1 0; 0 1 0 0 5");
    assert_eq!(verdict("host=a,rack=1", "Racks"), "detected 1 60; 1 0 0 0 0");
}

/// A receiver names labels as it likes.
#[test]
fn odd_labels_of_alerts_break_no_line() {
    let window = ten_ticks();
    let odd =
        r#","a\"\n\u001b[31m":"b\"\n\u001b[31m","a__n__\u001b[31m":"c","e":"","__name-_":"x""#;
    for format in ["--log-format=json", "--log-format=text"] {
        let receiver = victoriametrics(&window, vec![firing(&window, odd, &[3])]);
        let mut window = window.clone();
        window.flags.retain(|flag| !["--log-format", "json"].contains(&flag.as_str()));
        let run = judge(&window, &receiver, &[VICTORIAMETRICS, format]);
        run.assert_code(5);
        let is_json = format.ends_with("json");
        assert!(run.stderr.lines().all(|line| line.starts_with(if is_json { '{' } else { '[' })));
        assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
        if is_json {
            assert_eq!(shown(&run), "false_alarm 0 0; 0 0 0 1 5");
        }
    }
}

#[test]
fn an_answer_that_is_too_large_is_asked_for_in_parts() {
    let window = ten_ticks();
    let (large, empty) = (body(vec![b'\n'; 3 << 20]), body(""));
    // From 5 minutes before to 3 seconds after, down to an eighth, which is taken as it is; then
    // a quarter, a half and the rest, where the alert is.
    let steps = [vec![large; 5], vec![empty; 2]].concat().into_iter().map(Step::from);
    let steps = steps.chain([firing(&window, "", &[3])]).collect();
    let receiver = victoriametrics(&window, steps);
    let run = judge(&window, &receiver, &[VICTORIAMETRICS, "--incident=shift@2s+2s=0"]);
    assert_eq!(shown(&run), "detected 1 1; 1 0 0 0 0");
}

#[test]
fn alerts_that_cannot_be_read_have_their_codes() {
    let window = ten_ticks();
    let run = |alert_url: &str| {
        let flags = [VICTORIAMETRICS, "--flush-timeout=0s", "--alert-url", alert_url];
        judge(&window, &victoriametrics(&window, vec![]), &flags)
    };
    for (status, hint) in [(401, "check ALERT_URL_TOKEN, "), (404, "check --alert-url: ")] {
        let refusing = Script::new([]).unchecked().otherwise(Step::status(status)).start();
        let run = run(&refusing.url());
        run.assert_code(3);
        assert!(run.log().only("hint").get("message").text().contains(hint), "{}", run.stderr);
        assert_eq!(refusing.requests().len(), 1);
    }
    run("http://127.0.0.1:9/api/v1/read").assert_code(4);
}

/// Neither a bearer token nor a secret header of the target is for whoever has the alerts.
#[test]
fn the_secrets_of_the_target_do_not_go_to_the_alerts() {
    let window = ten_ticks();
    let receiver = victoriametrics(&window, vec![]);
    let alerts = Script::new([]).unchecked().otherwise(body("")).start();
    let window = Window { url: receiver.url(), ..window };
    let headers = ["--header", "X-Api-Key: s3cret-key", "--header", "X-Scope-OrgID: demo"];
    let cmd = window.ticks(0, 10).cmd("verify").and(&headers).and(&[VICTORIAMETRICS]);
    let cmd = cmd.flag("alert", "A").flag("alert-url", alerts.url());
    let cmd = cmd.env("REMOTE_WRITE_TOKEN", "s3cret-ours").env("ALERT_URL_TOKEN", "s3cret-theirs");
    let run = cmd.run();
    run.assert_code(0);
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    let heads = |receiver: &ScriptedReceiver| format!("{:?}", receiver.requests());
    let (ours, theirs) = (heads(&receiver), heads(&alerts));
    assert!(ours.contains("s3cret-ours") && ours.contains("s3cret-key"), "{ours}");
    assert!(!ours.contains("s3cret-theirs"), "{ours}");
    assert!(theirs.contains("s3cret-theirs") && theirs.contains("demo"), "{theirs}");
    assert!(!theirs.contains("s3cret-ours") && !theirs.contains("s3cret-key"), "{theirs}");
}

#[test]
fn a_signal_ends_the_wait_for_alerts() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let flags = ["--verify", "--alert", "A", "--incident", "shift@100ms+100ms=1"];
    let run = Cmd::to(&receiver.write_url()).starting_now().ticks(5, 100).and(&flags).start();
    run.wait_for(r#""event":"waiting""#, 1);
    run.signal("INT");
    let run = run.wait();
    run.assert_code(130);
    assert_eq!(run.log().only("interrupted").get("exit_code").number(), 130);
}

/// The alerts of a fleet over a week: each day of them is too much for one answer.
#[test]
fn a_verdict_over_a_week_takes_little_memory() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let Some(alerts) = RealReceiver::prometheus2().start() else { return };
    let minute = 60_000;
    let week = Window::from((now_ms() / minute - 8 * 1440) * minute, 7 * 1440, minute);
    let fleet = Window { labels: "host={001..200}".into(), step_ms: 15 * minute, ..week.clone() };
    let repeated = ["--incident", "shift@10m+50m/100m=40", "--log-format", "json"];
    let fleet = Window { url: receiver.write_url(), ..fleet }.and(&repeated);
    fleet.cmd("backfill").run().assert_code(0);
    // They fire from the 2nd minute of each incident to its end.
    let week = Window { labels: "alertname=A,alertstate=firing,host={001..200}".into(), ..week };
    let fired = ["--incident", "gap@0s+12m", "--incident", "gap@1h+52m/100m"];
    let fired = Window { url: alerts.write_url(), ..week.clone() }.and(&fired);
    fired.cmd("backfill").flag("metric-name", "ALERTS").run().assert_code(0);
    let verdict = fleet.cmd("verify").flag("alert", "A").flag("resolves-within", "0s");
    let alert_url = alerts.write_url().replace("write", "read");
    let (run, peak_kib) = verdict.flag("alert-url", alert_url).start().wait_with_peak();
    println!("{:?}, {peak_kib} KiB at most", run.took());
    run.assert_code(0);
    let summary = run.log().only("alert_summary").clone();
    let counts = ["incidents", "detected", "false_alarms", "delay_max_s"];
    assert_eq!(counts.map(|name| summary.get(name).number()), [20_200, 20_200, 0, 120]);
    assert!((1..24 * 1024).contains(&peak_kib), "{peak_kib} KiB");
}
