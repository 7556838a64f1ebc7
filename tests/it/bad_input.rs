//! Every bad input: one line on stderr that names the flag or variable, with its value and what
//! is wrong with it; exit code 2; nothing on stdout. The whole texts are asserted where they are
//! made, in src/.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::support::cmd::Cmd;
use crate::support::side_by_side::side_by_side;

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

/// One of each kind; the others, word for word, are where they are made, in src/cli.
#[test]
fn what_is_bad_is_named_with_its_value() {
    let past = || backfill().flag("since", "1d");
    let window =
        |start: &str, end: &str| backfill().flag("start-epoch", start).flag("end-epoch", end);
    // Early enough for blocks.
    let old = || window("1700000000", "1700003600");
    let us = || good().without("url").flag("env", "us");
    let no_window = "--since (or --start-epoch with --end-epoch) is required; see -h";
    let empty = "gives a window without a datapoint";
    let not_utf8 = OsString::from_vec(b"cpu=\xff".to_vec());
    let cases = [
        (good().without("labels"), "--labels is required; see -h"),
        (good().flag("labels", ""), "--labels '': is "),
        (good().flag("labels", not_utf8), "--labels: has a value that is not UTF-8"),
        (good().flag("labels", "a=1,cpu"), "--labels pair 'cpu': has no '='"),
        (good().without("url"), "target: is not named; give --url"),
        (good().flag("durtion", "1"), "--durtion: is not a flag; did you mean --duration?"),
        (good().flag("token", "s3cret"), "--token: is not a flag; see --help"),
        (good().flag("duration", "59s"), "--duration '59s': is shorter than the interval"),
        // What stands in a message stays on its line, whatever it is.
        (good().flag("duration", "1\n\x1b[31m"), "--duration '1\\n\\u{1b}[31m': is not a duration"),
        (past().flag("step-size", "1.5s"), "--step-size '1.5s': is not a whole number"),
        (good().flag("noise-std", "inf"), "--noise-std 'inf': is not finite"),
        (past().flag("batch-size", "0"), "--batch-size '0': is not a batch size"),
        (past().flag("batch-size", "100001"), "--batch-size '100001': is not a batch size"),
        (good().flag("url", "localhost:9090/write"), "--url 'localhost:9090/write': is not a URL"),
        (
            good().flag("url", "ftp://localhost/"),
            "--url 'ftp://localhost/': does not begin with http",
        ),
        (good().flag("url", "http://localhost/a b"), "--url 'http://localhost/a b': is not a URL"),
        (good().flag("url", "http://user:s3cret@localhost/"), "--url: has credentials"),
        (good().flag("env", "us"), "--env 'us': is given together with --url"),
        (good().flag("header", "Host: x"), "--header 'Host': is reserved; leave it out"),
        (us(), "CDO_TOKEN: is not set, and --env 'us' needs it; "),
        (us().env("CDO_TOKEN", "s3c\nret"), "CDO_TOKEN: has a line end in it"),
        (us().file(".env", "CDO_TOKEN="), "CDO_TOKEN in .env: is empty"),
        (
            us().env("CDO_TOKEN_FILE", "token"),
            "CDO_TOKEN_FILE 'token': names a file that cannot be read: No",
        ),
        (
            good().env("REMOTE_WRITE_TOKEN", "s3cret").flag("url", "http://receiver.example/"),
            "--url 'http://receiver.example/': is plain http, which would show the credentials",
        ),
        (
            good().file(".env", "# one\nREMOTE_WRITE_TOKEN='s3cret\n"),
            ".env line 2: has a quote that is not closed",
        ),
        (
            good().flag("env-file", "x.env").file("x.env", "# one\nTOKEN s3cret\n"),
            "x.env line 2: has no '='",
        ),
        (good().flag("env-file", "/nowhere/x"), "cannot read variables from '/nowhere/x': No such"),
        (backfill(), no_window),
        (backfill().flag("end-epoch", "1700000000"), no_window),
        (past().flag("end-epoch", "17"), "--end-epoch '17': is given together with --since"),
        (window("17", "16"), "--end-epoch '16': gives a window without a datapoint"),
        (window("1", "2").flag("origin", "0"), &format!("--end-epoch '2': {empty}")),
        (window("17", "4000000000"), "--end-epoch '4000000000': is in the future"),
        (window("17", "1700000900000"), "--end-epoch '1700000900000': looks like milliseconds"),
        (
            window("0", "1700000000").flag("step-size", "1ms"),
            "--end-epoch '1700000000': gives a window of 1700000000000 datapoints, over 10^12; ",
        ),
        (old().flag("output", "."), "--output '.': is a folder; name a file in it"),
        (old().flag("output", ""), "--output '': is not the name of a file; name a file, or -"),
        (old().flag("output", "none/x.om"), "cannot write 'none/x.om': No such file"),
        (
            old().flag("output", "x.om").file("x.om", "old"),
            "--output 'x.om': is there already; name another file, or add --force",
        ),
        (past().switch("force"), "--force: is given without --output"),
    ];
    side_by_side(cases, |(cmd, beginning): (Cmd, &str)| check(cmd, beginning));
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
