//! The arguments that the command to send a part of a run again repeats, without secrets.

use super::args::Args;
use super::env::{Setting, Source};
use super::flags::{self, Flag, VERDICT, Verb};
use super::receiver::Name;
use crate::delivery::Rerun;
use crate::http::{REDACTED, Target, looks_secret, redacted};
use crate::series::Grid;

/// Keeps what was typed and is not the default, and always names the target.
pub(super) fn rerun(
    verb: Verb,
    args: &Args,
    (name, target): (&Name, &Target),
    grid: Grid,
) -> Rerun {
    let url = shown_url(name, target);
    let [verify_args, args] =
        [Verb::Verify, verb].map(|verb| repeated(verb, args, name, url.as_deref()));
    let mut notes = Vec::new();
    if let (Name::Url(Setting { place, .. }), None) = (name, &url) {
        notes.push(format!("the address comes from {place}, as in this run"));
    }
    if args.iter().chain(&verify_args).any(|arg| arg.contains(REDACTED)) {
        notes.push(format!("replace {REDACTED} by your secret"));
    }
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    Rerun { args, verify_args, note, is_live: verb == Verb::Live, grid, is_readable: false }
}

/// Returns the arguments of `verb` that were typed, without its window.
fn repeated(verb: Verb, args: &Args, name: &Name, url: Option<&str>) -> Vec<String> {
    let mut repeated: Vec<String> =
        Some(verb.word()).filter(|word| !word.is_empty()).into_iter().map(Into::into).collect();
    // Alerts are judged once, by the command that verifies the whole window.
    let is_repeated = |flag: &&Flag| {
        flag.rerun
            && flag.verbs.contains(&verb)
            && (verb == Verb::Verify || !VERDICT.contains(flag))
    };
    for flag in flags::flags().filter(is_repeated) {
        let values: Vec<String> = match (flag.name, name) {
            ("url", Name::Url(_)) => url.into_iter().map(Into::into).collect(),
            ("env", Name::Preset(env)) => vec![env.value.clone()],
            (name @ ("read-url" | "alert-url"), _) => args.all(name).map(redacted).collect(),
            ("header", _) => args.all("header").map(shown_header).collect(),
            (name, _) => args.all(name).map(Into::into).collect(),
        };
        let is_switch = flag.value.is_empty();
        for value in values.into_iter().filter(|value| is_switch || value != flag.default) {
            let flag = format!("--{}", flag.name);
            // A value that looks like a flag needs the `=`.
            match value.starts_with("--") {
                true => repeated.push(format!("{flag}={value}")),
                false => repeated.extend([flag].into_iter().chain((!is_switch).then_some(value))),
            }
        }
    }
    repeated
}

/// Returns the URL as a command names it; none when it has a secret and came from a variable, which
/// the command reads again.
fn shown_url(name: &Name, target: &Target) -> Option<String> {
    let url = target.shown_url();
    match name {
        Name::Url(setting) if url != target.url && setting.source != Source::Flag => None,
        _ => Some(url),
    }
}

fn shown_header(typed: &str) -> String {
    match typed.split_once(':') {
        Some((name, value)) if looks_secret(name) && !value.trim().starts_with('@') => {
            format!("{name}: {REDACTED}")
        }
        _ => typed.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Setup;
    use crate::series::TimestampMs;

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
        check(
            &Setup::default().flags(&["--url=http://h/?db=a&rp=b"]),
            "--url 'http://h/?db=a&rp=b'",
        );
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

    fn note(setup: &Setup) -> Option<String> {
        setup.live().rerun.note
    }

    #[test]
    fn secrets_are_left_out_and_the_note_says_so() {
        let flags =
            ["--url", "https://h/?tenant=a&api_key=s3cret", "--header", "X-Api-Key: s3cret"];
        let setup = Setup::default().flags(&flags).flags(&["--header", "X-Scope-OrgID: demo"]);
        let url = "--url 'https://h/?tenant=a&api_key=REDACTED'";
        let headers = "--header 'X-Api-Key: REDACTED' --header 'X-Scope-OrgID: demo'";
        check(&setup, &format!("{url} {headers}"));
        assert_eq!(note(&setup).as_deref(), Some("replace REDACTED by your secret"));
        let setup = Setup::default().file("key", "s3cret\n");
        let header = format!("X-Api-Key: @{}", setup.path("key"));
        let setup = setup.flags(&["--url=http://localhost/", "--header", &header]);
        check(&setup, &format!("--url http://localhost/ --header '{header}'"));
        assert_eq!(note(&setup), None);
        let setup = Setup::default()
            .flags(&["--url=https://h/s3cret-t0ken/w"])
            .variable("REMOTE_WRITE_TOKEN", "s3cret-t0ken");
        check(&setup, "--url https://h/REDACTED/w");
    }

    #[test]
    fn a_secret_url_is_taken_from_where_it_was() {
        let url = "https://h/?api_key=s3cret";
        let place = "REMOTE_WRITE_URL";
        let by_variable = Setup::default().variable(place, url);
        let command = by_variable.live().rerun.args.join(" ");
        assert!(command.ends_with("cpu=lina_cp_avg"), "{command}");
        let expected = "the address comes from REMOTE_WRITE_URL, as in this run";
        assert_eq!(note(&by_variable).as_deref(), Some(expected));
        let by_file = Setup::default().file("vars", &format!("{place}={url}"));
        let by_file = by_file.flags(&["--env-file=vars"]);
        assert!(by_file.live().rerun.args.ends_with(&["--env-file".into(), "vars".into()]));
        let expected = "the address comes from REMOTE_WRITE_URL in vars, as in this run";
        assert_eq!(note(&by_file).as_deref(), Some(expected));
    }
}
