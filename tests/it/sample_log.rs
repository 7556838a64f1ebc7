//! The log of a live run, line by line: it can be compared with that of the program it replaces.

use push_live_metrics::report::utc_time;
use push_live_metrics::series::TimestampMs;

use crate::support::cmd::Cmd;
use crate::support::process::Run;
use crate::support::scripted_receiver::ScriptedReceiver;
use crate::support::time::now_ms;

const LABELS: &str = "{'cpu': 'lina_cp_avg', 'tenant_uuid': 'abc123', 'uuid': 'device-456'}";
/// What the sample does not have; the first two are followed by a command.
const OTHERS: [&str; 5] =
    ["To continue after a stop:", "To verify it:", "Origin: ", "Local time: ", "Target: "];

/// Returns a line with its time, as in `[2026-01-01 00:00:00,000]`, replaced.
fn without_time(line: &str) -> String {
    let is_time = |text: &str| {
        let digits_as_0 = |c: char| if c.is_ascii_digit() { '0' } else { c };
        text.chars().map(digits_as_0).eq("[0000-00-00 00:00:00,000]".chars())
    };
    match line.split_at_checked(25) {
        Some((time, rest)) if is_time(time) => format!("[TIME]{rest}"),
        _ => line.to_owned(),
    }
}

/// Returns the lines that the sample has too.
fn lines(run: &Run) -> Vec<String> {
    let is_other = |line: &str| OTHERS.iter().any(|other| line.contains(other));
    let lines = run.stderr.lines().filter(|line| !line.starts_with("push-live-metrics "));
    lines.map(without_time).filter(|line| !is_other(line)).collect()
}

/// Returns the line with the wait as it is where fifteen pushes take no time; a busy machine has
/// some seconds less of it left.
fn as_if_at_once(line: String) -> String {
    let seconds = line
        .strip_prefix("[TIME] [INFO] Sleeping for ")
        .and_then(|rest| rest.strip_suffix(" seconds..."))
        .and_then(|seconds| seconds.parse::<f64>().ok());
    match seconds {
        Some(seconds) if seconds > 0.0 && seconds <= 60.0 => {
            "[TIME] [INFO] Sleeping for 60 seconds...".into()
        }
        _ => line,
    }
}

#[test]
fn a_live_run_logs_the_sample_line_by_line() {
    let receiver = ScriptedReceiver::start([]);
    // Fifteen are due; the next one is so a minute later.
    let start_ms = now_ms() / 1000 * 1000 - 14 * 60_000;
    let labels = "cpu=lina_cp_avg,tenant_uuid=abc123,uuid=device-456";
    let push = Cmd::to(&receiver.url())
        .without("log-format")
        .without("interval")
        .flag("labels", labels)
        .flag("duration", "30")
        .flag("start-epoch", (start_ms / 1000).to_string())
        .start();
    push.wait_for("Sleeping for", 1);
    push.signal("INT");
    let run = push.wait();
    run.assert_code(130);

    let time = |tick: i64| utc_time(TimestampMs(start_ms + tick * 60_000));
    let rule = "=".repeat(80);
    let mut expected = [
        format!("Generating timeseries from {} to {}", time(0), time(30)),
        "Duration: 30 minutes".into(),
        "Metric: cpu".into(),
        format!("Labels: {LABELS}"),
        "Generated 30 datapoints".into(),
        rule.clone(),
        "Starting live metric push (1 datapoint per minute)".into(),
        "Press Ctrl+C to stop".into(),
        rule.clone(),
    ]
    .to_vec();
    for (point, tick) in receiver.stored().iter().zip(0..15) {
        let value = f64::from_bits(point.bits);
        expected.push(format!("[{}/30] Timestamp: {}", tick + 1, time(tick)));
        expected.push(format!("✓ Pushed cpu = {value:.2} (labels: {LABELS})"));
    }
    expected.push("Sleeping for 60 seconds...".into());
    let mut expected: Vec<String> =
        expected.iter().map(|text| format!("[TIME] [INFO] {text}")).collect();
    // Without time and level.
    expected.extend([rule.clone(), "Interrupted! Pushed 15/30 datapoints".into(), rule]);
    let logged: Vec<String> = lines(&run).into_iter().map(as_if_at_once).collect();
    assert_eq!(logged[..expected.len()], expected, "{}", run.stderr);
    receiver.finish();
}
