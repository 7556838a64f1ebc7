//! The status line and colours: on a terminal, and nowhere else.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use crate::support::folder::Folder;
use crate::support::process::{BINARY, binary};
use crate::support::scripted_receiver::ScriptedReceiver;
use crate::support::side_by_side::side_by_side;
use crate::support::skip;
use crate::support::step::Step;
use crate::support::time::{now_ms, seconds};

/// Returns a run of two datapoints, the first of them due in a while: it waits for it, however
/// long it takes to start.
fn run(receiver: &ScriptedReceiver) -> String {
    let start = seconds(now_ms() + 5000);
    let window = format!("--duration 2s --interval 1s --start-epoch {start}");
    format!("--metric-name cpu --labels a=1 --url {} {window}", receiver.url())
}

/// Runs it with stdout and stderr on a terminal of 60 columns; returns what the terminal got.
fn on_terminal(run: &str, term: &str) -> Option<String> {
    on_terminal_with("", run, term)
}

/// Does the same with these variables, as in `A=1 B=2`.
fn on_terminal_with(variables: &str, run: &str, term: &str) -> Option<String> {
    let sized = format!("stty cols 60 rows 24; {variables} {BINARY} {run}");
    let output = Command::new("script")
        .args(["-qec", &sized, "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("TERM", term)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap()),
        Err(error) => {
            skip(&format!("script (util-linux), which does not run: {error}"));
            None
        }
    }
}

#[test]
fn a_terminal_has_a_status_line_that_leaves_no_trace() {
    let receiver = ScriptedReceiver::start([]);
    let Some(text) = on_terminal(&run(&receiver), "xterm") else { return };
    let mut statuses = (1..=5).map(|left| format!("\x1b[?7lnext push in {left} s, 0/2, ends "));
    assert!(statuses.any(|status| text.contains(&status)), "{text:?}");
    // Whichever there were, each was erased: nothing but these is of a terminal.
    let count = text.matches("\x1b[?7lnext push in ").count();
    assert_eq!(count, text.matches("\x1b[?7h\r\x1b[K").count(), "{text:?}");
    assert_eq!(3 * count, text.matches('\x1b').count(), "{text:?}");
    // The rule ends at the terminal's last column.
    assert!(text.contains(&format!("] [INFO] {}\r\n", "=".repeat(60 - 33))), "{text:?}");
}

#[test]
fn a_dumb_terminal_json_and_quiet_have_none() {
    let cases = [("", "dumb"), (" --log-format json", "xterm"), (" --quiet", "xterm")];
    side_by_side(cases, |(flags, term)| {
        let receiver = ScriptedReceiver::start([]);
        let Some(text) = on_terminal(&(run(&receiver) + flags), term) else { return };
        assert!(!text.contains('\x1b') && !text.contains("next push"), "{text:?}");
    });
}

#[test]
fn warnings_errors_and_the_line_of_a_chart_have_colours() {
    let preview = "preview --metric-name cpu --labels a=1 --since 1d";
    let shown = |variables: &str, term: &str| -> Option<[String; 3]> {
        let receiver = ScriptedReceiver::start([Step::status(503), Step::status(400)]);
        let pushed = on_terminal_with(variables, &run(&receiver), term)?;
        let refused = on_terminal_with(variables, "--nonsense", term)?;
        Some([pushed, refused, on_terminal_with(variables, preview, term)?])
    };
    side_by_side(
        [("LANG=C.UTF-8", "xterm"), ("NO_COLOR=1", "xterm"), ("", "dumb")],
        |(set, term)| {
            let Some(texts) = shown(set, term) else { return };
            if set != "LANG=C.UTF-8" {
                return assert!(texts.iter().all(|text| !text.contains("\x1b[3")), "{texts:?}");
            }
            let [pushed, refused, chart] = texts;
            assert!(pushed.contains("] [\x1b[33mWARNING\x1b[0m] ✗ Push failed"), "{pushed:?}");
            assert!(pushed.contains("] [\x1b[31mERROR\x1b[0m] ✗ Push rejected"), "{pushed:?}");
            assert!(refused.starts_with("\x1b[31mpush-live-metrics:\x1b[0m "), "{refused:?}");
            assert!(chart.contains("\x1b[36m"), "{chart:?}");
        },
    );
}

#[test]
fn a_file_has_none_and_rules_of_80_columns() {
    let (receiver, folder) = (ScriptedReceiver::start([]), Folder::new());
    let path = folder.path().join("log");
    let status = binary()
        .args(run(&receiver).split(' '))
        .env("TERM", "xterm")
        .stderr(File::create(&path).unwrap())
        .status()
        .unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(status.code(), Some(0), "{text}");
    assert!(
        !text.contains('\x1b') && !text.contains('\r') && !text.contains("next push"),
        "{text}"
    );
    assert!(text.contains(&format!("] [INFO] {}\n", "=".repeat(80))), "{text}");
}

#[test]
fn a_width_of_zero_in_the_environment_leaves_that_of_the_terminal() {
    let preview = "preview --metric-name cpu --labels a=1 --ascii";
    for (columns, expected) in [("COLUMNS=50", 50), ("COLUMNS=0", 60), ("COLUMNS=", 60)] {
        let Some(text) = on_terminal_with(columns, preview, "dumb") else { return };
        let longest = text.lines().map(str::len).max();
        assert_eq!(longest, Some(expected), "{columns}\n{text}");
    }
}
