//! Every bad input: one line on stderr that names the flag or variable, with its value and what
//! is wrong with it; exit code 2; nothing on stdout. The whole texts are asserted where they are
//! made, in src/.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::support::cmd::Cmd;

/// Nothing listens there: a run that got this far would fail with another exit code.
const URL: &str = "http://127.0.0.1:9/api/v1/write";

/// Returns a command whose input is all right.
fn good() -> Cmd {
    let cmd = Cmd::bare().flag("metric-name", "cpu").flag("labels", "cpu=lina_cp_avg");
    cmd.flag("duration", "1").flag("url", URL)
}

/// Returns a backfill of which only the window is missing.
fn backfill() -> Cmd {
    good().verb("backfill").without("duration")
}

/// Fails unless the command is refused in one line that begins like this.
#[track_caller]
fn check(cmd: Cmd, beginning: &str) {
    let run = cmd.run();
    run.assert_code(2);
    assert_eq!((run.stdout.as_str(), run.stderr.lines().count()), ("", 1), "{}", run.stderr);
    let line = run.stderr.strip_prefix("push-live-metrics: ");
    assert!(line.is_some_and(|line| line.starts_with(beginning)), "{beginning}\n{}", run.stderr);
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
}

/// Checks values of one flag: each is named, and then this is wrong with it.
#[track_caller]
fn check_values(cmd: &Cmd, flag: &str, cases: &[(&str, &str)]) {
    for (value, wrong) in cases {
        check(cmd.clone().flag(flag, *value), &format!("--{flag} '{value}': {wrong}"));
    }
}

#[test]
fn a_required_flag_that_is_missing_is_named() {
    for flag in ["metric-name", "labels", "duration"] {
        check(good().without(flag), &format!("--{flag} is required; see -h"));
        check(good().flag(flag, ""), &format!("--{flag} '': is "));
    }
    check(good().without("url"), "target: is not named; give --url");
}

#[test]
fn an_unknown_flag_is_named() {
    check(good().flag("durtion", "1"), "--durtion: is not a flag; did you mean --duration?");
    check(good().flag("token", "s3cret"), "--token: is not a flag; see --help");
}

#[test]
fn a_bad_duration_is_named() {
    let cases = [
        ("0", "is zero"),
        ("-5", "is negative"),
        ("1.5", "is not a whole number"),
        ("soon", "is not a duration"),
        ("5260321", "is over 10 years"),
        ("59s", "is shorter than the interval"),
    ];
    check_values(&good(), "duration", &cases);
    let step = backfill().flag("since", "1d");
    let cases = [("0", "is zero"), ("0ms", "is zero"), ("1.5s", "is not a whole number")];
    check_values(&step, "step-size", &cases);
    check_values(&step, "step-size", &[("100us", "is not a duration")]);
}

#[test]
fn a_bad_number_is_named() {
    for flag in ["trend-coefficient", "flat-base", "noise-mean", "noise-std"] {
        let cases = [("NaN", "is not finite"), ("inf", "is not finite"), ("x", "is not a number")];
        check_values(&good(), flag, &cases);
    }
    for size in ["0", "-1", "100001", "many"] {
        let cmd = backfill().flag("since", "1d");
        check_values(
            &cmd,
            "batch-size",
            &[(size, "is not a size of batches; give a whole number")],
        );
    }
}

#[test]
fn a_bad_label_is_named_with_its_pair() {
    for (labels, pair, wrong) in [
        ("a=1,cpu", "cpu", "has no '='"),
        ("=x", "=x", "has no name"),
        ("a.b=1,a_b=2", "a_b=2", "gives label 'a_b' again"),
        ("__name__=x", "__name__=x", "is for label '__name__'"),
        ("a=\"x,b=1", "a=\"x,b=1", "has a quote that is not closed"),
    ] {
        check(good().flag("labels", labels), &format!("--labels pair '{pair}': {wrong}"));
    }
    let not_utf8 = OsString::from_vec(b"cpu=\xff".to_vec());
    check(good().flag("labels", not_utf8), "--labels: has a value that is not UTF-8");
}

#[test]
fn a_bad_target_is_named() {
    let cases = [
        ("localhost:9090/write", "is not a URL"),
        ("ftp://localhost/", "does not begin with http"),
        ("http://localhost/a b", "is not a URL"),
    ];
    check_values(&good(), "url", &cases);
    check(good().flag("url", "http://user:s3cret@localhost/"), "--url: has credentials");
    check(good().flag("env", "us"), "--env 'us': is given together with --url");
    check_values(&good().without("url"), "env", &[("us.evil/", "is not a name of letters")]);
    for name in ["Host", "content-type", "User-Agent", "X-Prometheus-Remote-Write-Version"] {
        let cmd = good().flag("header", format!("{name}: x"));
        check(cmd, &format!("--header '{name}': is reserved; leave it out"));
    }
    let secret = good().flag("header", "Authorization: Bearer s3cret");
    check(secret, "--header 'Authorization': is reserved; set REMOTE_WRITE_TOKEN");
}

#[test]
fn a_bad_secret_is_named_and_not_shown() {
    let us = || good().without("url").flag("env", "us");
    check(us(), "CDO_TOKEN: is not set, and --env 'us' needs it; ");
    check(us().env("CDO_TOKEN", ""), "CDO_TOKEN: is empty");
    check(us().env("CDO_TOKEN", "s3c\nret"), "CDO_TOKEN: has a line end in it");
    check(us().file(".env", "CDO_TOKEN="), "CDO_TOKEN in .env: is empty");
    let from_file = || us().env("CDO_TOKEN_FILE", "token");
    check(from_file(), "CDO_TOKEN_FILE 'token': names a file that cannot be read: No such file");
    let two_lines = from_file().file("token", "s3c\nret\n");
    check(two_lines, "CDO_TOKEN_FILE 'token': names a file that has a line end in it");
    let bearer = good().env("REMOTE_WRITE_TOKEN", "Bearer s3cret");
    check(bearer, "REMOTE_WRITE_TOKEN: begins with 'Bearer', which is to be left out; set it");
    let found = good().without("url").file(".env", format!("REMOTE_WRITE_URL={URL}\n"));
    check(
        found.env("REMOTE_WRITE_TOKEN", "s3cret"),
        "REMOTE_WRITE_TOKEN in the environment: would go to the address of REMOTE_WRITE_URL \
         in .env, which was only found here; name the address with --url, or that file with \
         --env-file .env",
    );
    let plain = good().env("REMOTE_WRITE_TOKEN", "t").flag("url", "http://receiver.example/");
    check(
        plain,
        "--url 'http://receiver.example/': is plain http, which would show the credentials",
    );
}

#[test]
fn a_bad_file_of_variables_is_named() {
    let looping = good().without("url");
    std::os::unix::fs::symlink(".env", looping.folder().join(".env")).unwrap();
    check(looping, "target: is not named; .env cannot be read (Too many levels of symbolic links");
    let quote = good().file(".env", "# one\nREMOTE_WRITE_TOKEN='s3cret\n");
    check(quote, ".env line 2: has a quote that is not closed");
    let bytes = good().file(".env", b"REMOTE_WRITE_TOKEN=\xff");
    check(bytes, ".env line 1: is not UTF-8; write KEY=VALUE");
    let asked = |content: &[u8]| good().flag("env-file", "x.env").file("x.env", content);
    check(asked(b"# one\nTOKEN s3cret\n"), "x.env line 2: has no '='");
    check(asked(b"A=\xff"), "x.env line 1: is not UTF-8");
    check(asked(b"1=s3cret"), "x.env line 1: has an invalid variable name");
    let nowhere = good().flag("env-file", "/nowhere/x");
    check(nowhere, "cannot read variables from '/nowhere/x': No such file");
}

#[test]
fn a_bad_window_of_the_past_is_named() {
    let window =
        |start: &str, end: &str| backfill().flag("start-epoch", start).flag("end-epoch", end);
    for end in ["1700000000", "1600000000"] {
        check(
            window("1700000000", end),
            &format!("--end-epoch '{end}': gives a window without a datapoint"),
        );
    }
    let required = "--since (or --start-epoch with --end-epoch) is required; see -h";
    for flag in ["start-epoch", "end-epoch"] {
        let together = backfill().flag("since", "1d").flag(flag, "1700000000");
        check(together, &format!("--{flag} '1700000000': is given together with --since"));
        check(backfill().flag(flag, "1700000000"), required);
    }
    check(backfill(), required);
    let empty = "gives a window without a datapoint";
    check_values(&backfill().flag("step-size", "10d"), "since", &[("1ms", empty)]);
    check_values(&window("1", "2").flag("origin", "0"), "end-epoch", &[("2", empty)]);
    let fine = window("0", "1700000000").flag("step-size", "1ms");
    check(
        fine,
        "--end-epoch '1700000000': gives a window of 1700000000000 datapoints, over 10^12; \
         give a shorter window, or a longer step",
    );
    check_values(&window("1700000000", ""), "end-epoch", &[("4000000000", "is in the future")]);
    let cases = [("1700000900000", "looks like milliseconds; give seconds, as in 1700000900")];
    check_values(&window("1700000000", ""), "end-epoch", &cases);
}

#[test]
fn errors_of_usage_are_json_in_a_json_log() {
    for words in [["--log-format=json", "--seed=x"], ["--seed=x", "--log-format=json"]] {
        let run = Cmd::bare().and(&words).run();
        run.assert_code(2);
        let log = run.log();
        let error = log.only("error");
        assert_eq!(error.get("exit_code").number(), 2);
        assert!(error.get("error").text().contains("--metric-name"), "{error:?}");
    }
}

#[test]
fn a_bad_output_is_named() {
    // Early enough for blocks.
    let cmd = backfill().flag("start-epoch", "1700000000").flag("end-epoch", "1700003600");
    let cases = [
        (".", "is a folder; name a file in it"),
        ("", "is not the name of a file; name a file, or - for stdout"),
        ("x.om", "is there already; name another file, or add --force to replace it"),
    ];
    check_values(&cmd.clone().file("x.om", "old"), "output", &cases);
    check(cmd.clone().flag("output", "none/x.om"), "cannot write 'none/x.om': No such file");
    check(cmd.switch("force"), "--force: is given without --output");
}

/// What stands in a message stays on its line, whatever it is.
#[test]
fn control_characters_are_escaped() {
    check(
        good().flag("duration", "1\n\x1b[31m"),
        "--duration '1\\n\\u{1b}[31m': is not a duration",
    );
}

#[test]
fn closed_outputs_do_not_change_the_exit_code() {
    let check = |cmd: Cmd, redirection: &str, code: i32| {
        let run = cmd.shell(&format!("exec \"$0\" \"$@\" {redirection}")).run();
        run.assert_code(code);
        assert_eq!(run.stderr, "", "{redirection}");
    };
    for redirection in ["2>&-", ">&- 2>&-", "2>/dev/full"] {
        check(good().flag("duration", "0"), redirection, 2);
    }
    for flag in ["help", "version"] {
        for redirection in [">&-", ">&- 2>&-"] {
            check(good().switch(flag), redirection, 0);
        }
        check(good().switch(flag), ">/dev/full 2>&-", 2);
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for (flag, beginning) in
        [("help", "Pushes a live synthetic time series"), ("version", "push-live-metrics 0.")]
    {
        let run = good().switch(flag).run();
        run.assert_code(0);
        assert!(run.stdout.starts_with(beginning) && run.stderr.is_empty(), "{run:?}");
    }
}
