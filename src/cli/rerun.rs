//! The command that sends a part of a run again, ready for a shell and without secrets.

use std::time::Duration;

use super::args::Args;
use super::config::Rerun;
use super::flags::{self, Verb};
use super::target::Choice;
use super::units::show_duration;
use crate::remote_write::{REDACTED, looks_secret, redacted};
use crate::series::{Grid, TimestampMs};

impl Rerun {
    /// Keeps what was typed and is not the default, and names the target wherever it came from.
    pub(super) fn new(verb: Verb, args: &Args, choice: &Choice, grid: Grid) -> Rerun {
        let step_flag = if verb == Verb::Live { "--interval" } else { "--step-size" };
        let [verify_args, args] = [Verb::Verify, verb].map(|verb| kept(verb, args, choice));
        Rerun { args, verify_args, step_flag, grid }
    }

    /// Returns the command that sends the ticks from `start` on and before `end`.
    pub fn command(&self, start: TimestampMs, end: TimestampMs) -> String {
        self.joined(&self.args, start, end, self.step_flag)
    }

    /// Returns the command that verifies them.
    pub fn verify_command(&self, start: TimestampMs, end: TimestampMs) -> String {
        self.joined(&self.verify_args, start, end, "--step-size")
    }

    fn joined(
        &self,
        args: &[String],
        start: TimestampMs,
        end: TimestampMs,
        step_flag: &str,
    ) -> String {
        let words =
            ["push-live-metrics".into()].into_iter().chain(args.iter().map(|arg| quoted(arg)));
        let command = words.collect::<Vec<String>>().join(" ");
        let Grid { origin, step_ms } = self.grid;
        let step = show_duration(Duration::from_millis(step_ms));
        format!(
            "{command} --origin {origin} --start-epoch {start} --end-epoch {end} {step_flag} {step}"
        )
    }
}

/// Returns the arguments of `verb` that were typed, but for its window.
fn kept(verb: Verb, args: &Args, choice: &Choice) -> Vec<String> {
    let mut kept: Vec<String> =
        Some(verb.word()).filter(|word| !word.is_empty()).into_iter().map(Into::into).collect();
    for flag in flags::flags().filter(|flag| flag.rerun && flag.verbs.contains(&verb)) {
        let values: Vec<String> = match (flag.name, choice) {
            ("url", Choice::Url(url)) => vec![redacted(&url.value)],
            ("env", Choice::Preset(env)) => vec![env.value.clone()],
            ("read-url", _) => args.all("read-url").map(redacted).collect(),
            ("header", _) => args.all("header").map(shown_header).collect(),
            (name, _) => args.all(name).map(Into::into).collect(),
        };
        let is_switch = flag.value.is_empty();
        for value in values.into_iter().filter(|value| is_switch || value != flag.default) {
            let flag = format!("--{}", flag.name);
            // A value that looks like a flag belongs to its own by the sign alone.
            match value.starts_with("--") {
                true => kept.push(format!("{flag}={value}")),
                false => kept.extend([flag].into_iter().chain((!is_switch).then_some(value))),
            }
        }
    }
    kept
}

fn shown_header(typed: &str) -> String {
    match typed.split_once(':') {
        Some((name, value)) if looks_secret(name) && !value.trim().starts_with('@') => {
            format!("{name}: {REDACTED}")
        }
        _ => typed.into(),
    }
}

/// Quotes a word for a POSIX shell, where it needs it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    if !word.contains(char::is_control) {
        return quoted(word);
    }
    // On one line, and nothing that a terminal would act on.
    let octal = |c: char| c.to_string().bytes().map(|b| format!("\\{b:03o}")).collect();
    let escaped = word.chars().map(|c| match c {
        '\\' => r"\\".to_owned(),
        '%' => "%%".to_owned(),
        c if c.is_control() => octal(c),
        c => c.to_string(),
    });
    format!("\"$(printf {})\"", quoted(&escaped.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Setup;
    use super::*;

    #[track_caller]
    fn check(setup: &Setup, expected: &str) {
        let [start, end] = [1_765_969_200_000, 1_765_969_260_250].map(TimestampMs);
        let command = setup.live().rerun.command(start, end);
        let window = "--origin 1765969200 --start-epoch 1765969200 --end-epoch 1765969260.250 \
                      --interval 1m";
        let before = "push-live-metrics --metric-name cpu --labels cpu=lina_cp_avg";
        assert_eq!(command, format!("{before} {expected} {window}"));
    }

    #[test]
    fn defaults_and_the_window_are_left_out() {
        let flags = ["--duration", "10", "--flat-base", "5", "--quiet", "--noise-std", "2"];
        let flags = Setup::default().flags(&flags).flags(&["--insecure-skip-verify"]);
        let url = "--url http://localhost:9090/api/v1/write";
        check(&flags, &format!("--noise-std 2 {url} --insecure-skip-verify"));
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        let flags = ["--description", "It's 50% $5, \"x\"", "--labels", "a=\"b,c\""];
        let expected = r#"--labels 'a="b,c"' --description 'It'\''s 50% $5, "x"' --url http://h/"#;
        check(&Setup::default().flags(&flags).flags(&["--url", "http://h/"]), expected);
        check(&Setup::default().flags(&["--url=http://h/?a&b"]), "--url 'http://h/?a&b'");
        let flags = ["--url=http://h/", "--description", "a\n100%\\\u{85}'"];
        let expected = r#"--description "$(printf 'a\012100%%\\\302\205'\''')" --url http://h/"#;
        check(&Setup::default().flags(&flags), expected);
        let flags = ["--url=http://h/", "--description=--quiet"];
        check(&Setup::default().flags(&flags), "--description=--quiet --url http://h/");
    }

    #[test]
    fn the_target_is_named_wherever_it_came_from() {
        let by_url = Setup::default().variable("REMOTE_WRITE_URL", "http://h/w");
        check(&by_url, "--url http://h/w");
        let by_env = Setup::default().variable("ENV", "us").variable("CDO_TOKEN", "t");
        check(&by_env, "--env us");
    }

    #[test]
    fn secrets_are_left_out() {
        let flags =
            ["--url", "https://h/?tenant=a&api_key=s3cret", "--header", "X-Api-Key: s3cret"];
        let setup = Setup::default().flags(&flags).flags(&["--header", "X-Scope-OrgID: demo"]);
        let url = "--url 'https://h/?tenant=a&api_key=REDACTED'";
        let headers = "--header 'X-Api-Key: REDACTED' --header 'X-Scope-OrgID: demo'";
        check(&setup, &format!("{url} {headers}"));
        let setup = Setup::default().file("key", "s3cret\n");
        let header = format!("X-Api-Key: @{}", setup.path("key"));
        let setup = setup.flags(&["--url=http://localhost/", "--header", &header]);
        check(&setup, &format!("--url http://localhost/ --header '{header}'"));
    }
}
