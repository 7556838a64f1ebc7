//! `preview --format promtool`: the promtool of both Prometheus takes the file as it is, has our
//! bits, and has an alert fire at the minute that the incident says.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::cmd::Cmd;
use crate::support::folder::Folder;
use crate::support::real_receiver::{brought, in_bin};
use crate::support::text_of;
use crate::support::window::Window;

/// 2025-12-17T11:00:00Z.
const START_MS: i64 = 1_765_969_200_000;
/// A label value that YAML and PromQL have to escape, as it is typed, and in YAML and PromQL.
const NOTE: &str = "\"it's \\\"ü\\\" \\\\ \u{1f600}\u{85}\n\"";
const NOTE_IN_YAML: &str = r#""it's \"ü\" \\ \U0001f600\x85\n""#;

/// Three series, an hour of minutes: an incident to fire at, a gap, and numbers of every form.
fn window() -> Window {
    let window = Window::from(START_MS, 60, 60_000);
    let incidents = ["shift@10m+10m=100,host=web-2", "gap@30m+4m,host=web-1"];
    let numbers =
        ["0", "5e-324", "1.2345678901234567e99", "-1e16", "123456789012345", "0.1", "-7", "1e-7"];
    let mut window = Window { labels: format!("host=web-{{1..3}},note={NOTE}"), ..window };
    for incident in incidents {
        window = window.and(&["--incident", incident]);
    }
    for (minute, number) in numbers.iter().enumerate() {
        window = window.and(&["--incident", &format!("flat@{minute}m+1m={number},host=web-3")]);
    }
    // The one way to infinity.
    let scaled = ["--incident", "scale@59m+1m=1e100,host=web-3"];
    let infinite = (0..4).fold(window, |window, _| window.and(&scaled));
    infinite.and(&["--truth-metric", "is_known"])
}

fn preview(window: &Window, format: &str) -> String {
    let run = window.cmd("preview").flag("format", format).run();
    run.assert_code(0);
    run.stdout.clone()
}

/// Runs `promtool test rules` on the file with something appended, and a file of rules.
fn test_rules(promtool: &Path, file: &str, appended: &str) -> Output {
    let folder = Folder::new();
    folder.write(
        "rules.yml",
        "groups: [{name: g, rules: [{record: copy, expr: cpu}, {alert: High, for: 2m, \
         expr: 'cpu{host=\"web-2\"} > 80', labels: {severity: page}}]}]\n",
    );
    let path = folder.write("test.yml", format!("{file}{appended}"));
    Command::new(promtool).args(["test", "rules"]).arg(path).output().unwrap()
}

#[track_caller]
fn assert_passes(promtool: &Path, file: &str, appended: &str) {
    let output = test_rules(promtool, file, appended);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Returns a promtool's expectation that the alert of the series with the incident fires or not.
fn high(minute: u32, fires: bool) -> String {
    let labels = format!("exp_labels: {{host: web-2, note: {NOTE_IN_YAML}, severity: page}}");
    let alerts = if fires { format!("{{{labels}}}") } else { String::new() };
    format!("      - {{alertname: High, eval_time: {minute}m, exp_alerts: [{alerts}]}}\n")
}

/// Returns expectations of every value of every series, as a rule has them.
fn values(window: &Window) -> String {
    let mut text = "    promql_expr_test:\n".to_owned();
    let csv = preview(window, "csv");
    for line in csv.lines().skip(1) {
        let fields: Vec<&str> = line.splitn(3, ',').collect();
        let minute = (fields[0].parse::<i64>().unwrap() - START_MS / 1000) / 60;
        // In digits of another form than those that are tested.
        let value: f64 = fields[1].parse().unwrap();
        let value = if value.is_finite() { format!("{value:.17e}") } else { ".inf".to_owned() };
        let host = fields[2].split("host=\"\"").nth(1).unwrap().split('"').next().unwrap();
        let rule = if line.contains("is_known") { "is_known" } else { "copy" };
        let _ = writeln!(
            text,
            "      - {{expr: 'max by (host) ({rule}{{host=\"{host}\"}})', eval_time: {minute}m, \
             exp_samples: [{{labels: '{{host=\"{host}\"}}', value: {value}}}]}}"
        );
    }
    text
}

/// Returns what is there of the promtools. That of Prometheus 3 may be missing: Debian has it in a
/// package of its own.
fn promtools() -> Vec<PathBuf> {
    let newer = in_bin("promtool3");
    let newer = newer.is_file().then_some(newer);
    println!("promtool of Prometheus 3: {newer:?}");
    brought("promtool2").into_iter().chain(newer).collect()
}

#[track_caller]
fn check(promtool: &Path) {
    let window = window();
    let file = preview(&window, "promtool");
    assert_passes(promtool, &file, "");

    let expected = [(11, false), (12, true), (19, true), (20, false)].map(|(m, f)| high(m, f));
    let rules = "rule_files: [rules.yml]\n";
    let all = format!("    alert_rule_test:\n{}{}{rules}", expected.concat(), values(&window));
    assert!(all.matches("eval_time").count() > 6 * 55, "{all}");
    assert_passes(promtool, &file, &all);

    // It does say no: a minute too early, and for the last bit of a value.
    let early = format!("    alert_rule_test:\n{}{rules}", high(11, true));
    assert!(!test_rules(promtool, &file, &early).status.success());
    let next = f64::from_bits(0.1_f64.to_bits() + 1);
    let other = format!(
        "    promql_expr_test: [{{expr: 'max(copy{{host=\"web-3\"}})', eval_time: 5m, \
         exp_samples: [{{value: {next}}}]}}]\n{rules}"
    );
    assert!(!test_rules(promtool, &file, &other).status.success());
}

#[test]
fn promtool_takes_the_file() {
    promtools().iter().for_each(|promtool| check(promtool));
}

#[test]
fn a_series_may_have_thousands_of_values() {
    for promtool in promtools() {
        let window = Window::from(START_MS, 7 * 1440, 60_000);
        let file = preview(&window, "promtool");
        let (_, last) = window.planned().pop().unwrap();
        let test = format!(
            "    promql_expr_test: [{{expr: cpu, eval_time: 10079m, \
             exp_samples: [{{labels: 'cpu{{a=\"b\"}}', value: {last}}}]}}]\n"
        );
        assert_passes(&promtool, &file, &test);
    }
}

#[test]
fn the_file_has_series_by_series() {
    let window = Window::from(START_MS, 12, 1_000).and(&["--incident", "gap@3s+2s"]);
    let window = window.and(&["--noise-std", "0", "--seasonality", "none", "--truth-metric", "is"]);
    let window = window.and(&["--trend-coefficient", "0"]).ticks(1, 12);
    let head = "# A test of rules: promtool test rules FILE
# Its clock begins at 0, which is 2025-12-17 11:00:01 UTC here: no rule with time() or hour() fits.
# Append what is expected at which time, for each alert all of its labels but alertname:
#    alert_rule_test:
#      - {alertname: NAME, eval_time: 12m, exp_alerts: [{exp_labels: {LABEL: VALUE}}]}
#rule_files: [FILE]
evaluation_interval: 1s
tests:
  - interval: 1s
    input_series:
";
    let series = "      - series: 'cpu{a=\"b\"}'
        values: >-
          5 5 _ _ 5 5 5 5 5 5
          5
      - series: 'is{a=\"b\"}'
        values: >-
          0 0 1 1 0 0 0 0 0 0
          0
";
    assert_eq!(preview(&window, "promtool"), format!("{head}{series}"));
}

/// What the comment says to append is right as it stands.
#[test]
fn the_comment_is_a_test_when_it_is_appended() {
    let Some(promtool) = brought("promtool2") else { return };
    let window = Window::from(START_MS, 60, 60_000).and(&["--incident", "shift@10m+10m=100"]);
    let window = Window { labels: "host=web-2".into(), ..window };
    let file = preview(&window, "promtool");
    let comment: String = file
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| line.starts_with("    ") || line.starts_with("rule_files"))
        .map(|line| format!("{line}\n"))
        .collect();
    let appended = comment
        .replace("NAME", "High")
        .replace("LABEL: VALUE", "host: web-2, severity: page")
        .replace("FILE", "rules.yml");
    assert_passes(&promtool, &file, &appended);
    assert!(!test_rules(&promtool, &file, &appended.replace("12m", "9m")).status.success());
}

#[test]
fn the_recipe_passes_as_it_stands() {
    let recipes = text_of("docs/recipes.md");
    let block = |before: &str, start: &str| {
        let rest = recipes.split_once(before).expect(before).1.split_once(start).expect(start).1;
        rest.split("```").next().unwrap().to_owned()
    };
    let rules = block("## CI: does the alert fire?", "```yaml\ngroups:").replace("2s", "2m");
    let test = block("## A rule without a server", "```sh\n");
    for promtool in promtools() {
        let script = |rules: &str| {
            let tool = format!("promtool() {{ {} \"$@\"; }}", promtool.display());
            format!("{tool}\ncat >rules.yml <<'END'\ngroups:{rules}END\n{test}")
        };
        Cmd::bare().shell(&script(&rules)).run().assert_code(0);
        Cmd::bare().shell(&script(&rules.replace("2m", "3m"))).run().assert_code(1);
    }
}
