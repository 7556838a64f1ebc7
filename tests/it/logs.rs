//! The log in JSON against docs/logs.md: the table has every event and field, and no other.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::cmd::Cmd;
use crate::support::json::Json;
use crate::support::process::Run;
use crate::support::real_receiver::RealReceiver;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::step::{Answer, Step};
use crate::support::text_of;
use crate::support::window::this_minute;
use crate::tidy::sources;

/// What every line has.
const COMMON: [&str; 4] = ["time", "level", "event", "message"];

/// The tables of docs/logs.md.
struct Tables {
    /// Levels and fields of each event.
    events: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>,
    /// Types of each field.
    fields: BTreeMap<String, BTreeSet<String>>,
}

impl Tables {
    fn read() -> Tables {
        let text = text_of("docs/logs.md");
        let names = |cell: &str| -> BTreeSet<String> {
            cell.split('`').skip(1).step_by(2).map(Into::into).collect()
        };
        let words = |cell: &str| -> BTreeSet<String> {
            let words = cell.split(|c: char| !c.is_ascii_alphabetic());
            words.filter(|word| !word.is_empty() && *word != "or").map(Into::into).collect()
        };
        let rows = |heading: &str| {
            let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap();
            let section = section.split("\n## ").next().unwrap();
            let rows = section.lines().filter(|line| line.starts_with("| `"));
            rows.map(|row| row.split('|').map(Into::into).collect()).collect::<Vec<Vec<String>>>()
        };
        let name = |row: &[String]| names(&row[1]).pop_first().unwrap();
        let event = |row: Vec<String>| (name(&row), (words(&row[2]), names(&row[3])));
        Tables {
            events: rows("Events").into_iter().map(event).collect(),
            fields: rows("Fields").into_iter().map(|row| (name(&row), words(&row[2]))).collect(),
        }
    }

    /// Returns what a line has that the tables have not.
    fn not_in(&self, line: &Json) -> Vec<String> {
        let (event, level) = (line.get("event").text(), line.get("level").text());
        let Some((levels, fields)) = self.events.get(event) else {
            return vec![format!("the event `{event}`")];
        };
        let mut missing = Vec::new();
        if !levels.contains(level) && !levels.contains("any") {
            missing.push(format!("the level {level} of `{event}`"));
        }
        let Json::Object(members) = line else { unreachable!("it has members") };
        for (name, value) in members.iter().filter(|(name, _)| !COMMON.contains(&name.as_str())) {
            if !fields.contains(name) {
                missing.push(format!("the field `{name}` of `{event}`"));
            }
            let kind = kind(value);
            if !self.fields.get(name).is_some_and(|kinds| kinds.contains(kind)) {
                missing.push(format!("the type {kind} of `{name}`"));
            }
        }
        missing
    }

    /// Fails when a run says something that the tables have not; returns its events.
    #[track_caller]
    fn check(&self, run: &Run) -> BTreeSet<String> {
        let log = run.log();
        let missing: BTreeSet<String> = log.0.iter().flat_map(|line| self.not_in(line)).collect();
        assert!(missing.is_empty(), "docs/logs.md does not have {missing:#?}");
        log.0.iter().map(|line| line.get("event").text().to_owned()).collect()
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::Text(_) => "text",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// Fails unless the code and a table of docs/logs.md have the same names.
#[track_caller]
fn check_same(what: &str, code: &BTreeSet<String>, table: &BTreeSet<String>) {
    let (more, less): (Vec<_>, Vec<_>) =
        (code.difference(table).collect(), table.difference(code).collect());
    assert!(
        more.is_empty() && less.is_empty(),
        "{what} of the code that docs/logs.md lacks: {more:?}; that the code lacks: {less:?}"
    );
}

#[test]
fn the_tables_have_the_events_and_fields_of_the_code() {
    let (mut events, mut fields, mut call_count) = (BTreeSet::new(), BTreeSet::new(), 0);
    for source in sources().iter().filter(|source| source.path != "src/report/mod.rs") {
        let code = source.code.join(" ");
        let words = code.split_whitespace().collect::<Vec<_>>().join(" ");
        for call in
            [".info(", "report.log(", "report.more(", "report.command(", ".headline(", ".title("]
        {
            for (at, _) in words.match_indices(call) {
                call_count += 1;
                // The level, if there is one, holds no text.
                let name = words[at..].split('"').nth(1).unwrap_or_default();
                events.insert(name.to_owned());
            }
        }
        let before_field = words.split("\", Field::").map(|text| text.rsplit('"').next().unwrap());
        let names = before_field.filter(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        });
        fields.extend(names.map(ToOwned::to_owned));
    }
    assert!(call_count > 30, "{call_count}");
    events.extend(["hint", "dropped", "error"].map(ToOwned::to_owned));
    fields.extend(["hint", "command", "error", "exit_code", "count"].map(ToOwned::to_owned));
    let tables = Tables::read();
    for (name, kinds) in &tables.fields {
        let kinds = kinds.iter().filter(|kind| *kind != "null").count();
        assert_eq!(kinds, 1, "`{name}` has one type");
    }
    check_same("events", &events, &tables.events.keys().cloned().collect());
    check_same("fields", &fields, &tables.fields.keys().cloned().collect());
    let used: BTreeSet<_> = tables.events.values().flat_map(|(_, fields)| fields.clone()).collect();
    check_same("used fields", &fields, &used);
}

#[test]
fn runs_log_what_the_tables_have() {
    let tables = Tables::read();
    let mut seen = BTreeSet::new();
    let final_status = Answer::status(400).body("no").into();
    let receiver = ScriptedReceiver::start([Step::status(204), Step::status(503), final_status]);
    seen.extend(tables.check(&Cmd::to(&receiver.url()).switch("verbose").run()));
    receiver.finish();
    let receiver = ScriptedReceiver::start([]);
    let run = Cmd::to(&receiver.url()).flag("labels", "a={1..5}").switch("verbose").run();
    seen.extend(tables.check(&run));
    receiver.finish();
    let receiver = Script::new([Answer::status(401).into()]).start();
    seen.extend(tables.check(&Cmd::to(&receiver.url()).run()));
    receiver.finish();
    for event in ["window", "tick", "pushed", "sample", "retry", "attempt", "rejected", "summary"] {
        assert!(seen.contains(event), "no {event} in {seen:?}");
    }
}

#[test]
fn backfill_verify_and_resume_log_what_the_tables_have() {
    let Some(receiver) = RealReceiver::prometheus2().out_of_order_time_window("1d").start() else {
        return;
    };
    let tables = Tables::read();
    // The same for each, whenever the next minute begins.
    let start = this_minute() - 7200;
    let run = |verb: &str, end: i64, more: &str| {
        let step = if verb.is_empty() { "--interval" } else { "--step-size" };
        let words = format!(
            "--metric-name m --labels a=b --start-epoch {start} --end-epoch {} {step} 60s \
             --log-format json {more}",
            start + end,
        );
        let words: Vec<&str> = words.split_whitespace().collect();
        tables.check(&Cmd::bare().verb(verb).and(&words).run())
    };
    let url = format!("--url {}", receiver.write_url());
    let mut seen = run("backfill", 1800, &format!("{url} --verify"));
    // The rest is missing; then every value is another.
    seen.extend(run("verify", 3600, &url));
    seen.extend(run("verify", 1800, &format!("{url} --seed 7")));
    seen.extend(run("", 3600, &format!("{url} --resume --seed 7")));
    seen.extend(run("", 3600, &format!("{url} --resume")));
    seen.extend(run("", 3600, &format!("{url} --resume --stale-marker")));
    seen.extend(run("verify", 1800, "--url http://127.0.0.1:9/api/v1/write --flush-timeout 0s"));
    seen.extend(run("backfill", 1800, "--output text.om"));
    // An alert that is not there, a detector that is right, and without incidents it is wrong.
    let incident = "--incident shift@5m+5m=0";
    seen.extend(run("verify", 1800, &format!("{url} {incident} --alert A")));
    seen.extend(run("backfill", 1800, &format!("{url} {incident} --truth-metric t --resume")));
    seen.extend(run("verify", 1800, &format!("{url} {incident} --detector t")));
    seen.extend(run("verify", 1800, &format!("{url} --detector t")));
    for event in ["judging", "verdict", "alert", "alert_counts", "alert_summary"] {
        assert!(seen.contains(event), "no {event} in {seen:?}");
    }
    let expected = ["starting", "verified", "verify_summary", "different", "missing", "resuming"];
    for event in expected.into_iter().chain(["written", "read_failed", "not_resumed"]) {
        assert!(seen.contains(event), "no {event} in {seen:?}");
    }
}
