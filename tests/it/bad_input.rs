//! Every bad input: one line on stderr with its exact text, exit code 2, nothing on stdout.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Nothing listens there: a run that got this far would fail with another exit code.
const URL: &str = "http://127.0.0.1:9/api/v1/write";

/// A command with an empty environment in a directory of its own.
struct Run {
    /// What stands before the flags.
    words: Vec<&'static str>,
    flags: Vec<(String, OsString)>,
    variables: Vec<(&'static str, OsString)>,
    directory: PathBuf,
}

/// Returns a command whose input is all right.
fn run() -> Run {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("push-live-metrics-bad-input-{}-{count}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir(&directory).unwrap();
    let flags = [
        ("--metric-name", "cpu"),
        ("--labels", "cpu=lina_cp_avg"),
        ("--duration", "1"),
        ("--url", URL),
    ];
    let flags = flags.map(|(name, value)| (name.to_string(), value.into())).into();
    Run { words: Vec::new(), flags, variables: Vec::new(), directory }
}

/// Returns a backfill of which only the window is missing.
fn backfill() -> Run {
    let mut run = run().without("--duration");
    run.words.push("backfill");
    run
}

impl Run {
    /// Sets a flag, in place of the one that is there.
    fn with(self, name: &str, value: impl Into<OsString>) -> Run {
        self.without(name).and(name, value)
    }

    /// Adds a flag.
    fn and(mut self, name: &str, value: impl Into<OsString>) -> Run {
        self.flags.push((name.to_string(), value.into()));
        self
    }

    fn without(mut self, name: &str) -> Run {
        self.flags.retain(|(flag, _)| flag != name);
        self
    }

    fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Run {
        self.variables.push((name, value.into()));
        self
    }

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Run {
        fs::write(self.directory.join(name), content).unwrap();
        self
    }

    fn command(&self, program: impl AsRef<OsStr>, first: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(first).args(&self.words);
        for (name, value) in &self.flags {
            command.arg(name).arg(value);
        }
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(&self.directory).stdin(Stdio::null());
        command
    }

    fn output(&self) -> Output {
        self.command(env!("CARGO_BIN_EXE_push-live-metrics"), &[]).output().unwrap()
    }

    /// Runs it and compares the line behind `push-live-metrics: `.
    #[track_caller]
    fn says(self, expected: &str) {
        let output = self.output();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, format!("push-live-metrics: {expected}\n"));
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn required_flags() {
    let example = "see -h for an example";
    run().without("--metric-name").says(&format!("--metric-name is required; {example}"));
    run().without("--labels").says(&format!("--labels is required; {example}"));
    run().without("--duration").says(&format!("--duration is required; {example}"));
    run().with("--metric-name", "").says("--metric-name '': is empty; give a name like cpu_usage");
    run().with("--labels", "").says(
        "--labels '': is empty; give at least one, as in --labels cpu=lina_cp_avg,uuid=device-456",
    );
    run()
        .with("--duration", "")
        .says("--duration '': is not a duration; give whole minutes, as in 30, or 10s, 2h, 21d");
}

#[test]
fn unknown_flags() {
    run().and("--durtion", "1").says("--durtion: is not a flag; did you mean --duration?");
    run().and("--token", "s3cret").says("--token: is not a flag; see --help");
}

#[test]
fn durations() {
    let minutes = "give whole minutes, as in 30, or 10s, 2h, 21d";
    let duration = |text| run().with("--duration", text);
    duration("0").says(&format!("--duration '0': is zero; {minutes}"));
    duration("-5").says(&format!("--duration '-5': is negative; {minutes}"));
    duration("1.5").says(&format!("--duration '1.5': is not a whole number; {minutes}"));
    duration("soon").says(&format!("--duration 'soon': is not a duration; {minutes}"));
    duration("5260321").says("--duration '5260321': is over 10 years; give a shorter one");
    duration("59s").says(
        "--duration '59s': is shorter than the interval of 60s; \
         give a longer one, or a shorter --interval",
    );
}

#[test]
fn coefficients() {
    let number = "give a number like 0.1 or -2e3";
    for flag in ["--trend-coefficient", "--flat-base", "--noise-mean", "--noise-std"] {
        for text in ["NaN", "inf"] {
            run().with(flag, text).says(&format!("{flag} '{text}': is not finite; {number}"));
        }
        run().with(flag, "x").says(&format!("{flag} 'x': is not a number; {number}"));
    }
}

#[test]
fn labels() {
    let labels = |text| run().with("--labels", text);
    labels("a=1,cpu").says("--labels pair 'cpu': has no '='; write name=value,name=value");
    labels("=x").says("--labels pair '=x': has no name; write name=value");
    labels("a.b=1,a_b=2")
        .says("--labels pair 'a_b=2': gives label 'a_b' a second time; leave one of them out");
    labels("__name__=x").says(
        "--labels pair '__name__=x': is for label '__name__'; \
         choose another; names that begin with __ are Prometheus's own",
    );
    labels("a=\"x,b=1")
        .says("--labels pair 'a=\"x,b=1': has a quote that is not closed; add the closing \"");
    run()
        .with("--labels", OsString::from_vec(b"cpu=\xff".to_vec()))
        .says("--labels: has a value that is not UTF-8; write --labels K=V,...");
}

#[test]
fn urls() {
    let url = |text| run().with("--url", text);
    url("localhost:9090/write")
        .says("--url 'localhost:9090/write': has no scheme; begin it with http:// or https://");
    url("ftp://localhost/").says(
        "--url 'ftp://localhost/': has another scheme than http and https; give one of these",
    );
    url("http://localhost/a b").says(
        "--url 'http://localhost/a b': has a space in it; \
         write it percent-encoded, as in %20 for a space",
    );
    url("http://user:s3cret@localhost/").says(
        "--url: holds credentials, which would be logged; \
         set REMOTE_WRITE_USERNAME and REMOTE_WRITE_PASSWORD instead",
    );
}

#[test]
fn targets() {
    run()
        .and("--env", "us")
        .says("--env 'us': is given together with --url; leave one of them out");
    run().without("--url").and("--env", "us.evil/").says(
        "--env 'us.evil/': is not a name of letters, digits and '-'; \
         give one like us, or use --url",
    );
    run().without("--url").says(
        "target: is not named; give --url (a local Prometheus: \
        http://localhost:9090/api/v1/write), \
         --env, or set REMOTE_WRITE_URL or ENV, also in .env",
    );
}

#[test]
fn tokens() {
    let us = || run().without("--url").and("--env", "us");
    us().says(
        "CDO_TOKEN: is not set, and --env 'us' needs it; \
         set it in the environment or .env, or name its file in CDO_TOKEN_FILE",
    );
    us().variable("CDO_TOKEN", "").says("CDO_TOKEN: is empty; set it again");
    us().variable("CDO_TOKEN", "s3c\nret").says("CDO_TOKEN: has a line end in it; set it again");
    us().file(".env", "CDO_TOKEN=").says("CDO_TOKEN in .env: is empty; set it again");
    us().variable("CDO_TOKEN_FILE", "token").says(
        "cannot read the secret in 'token': No such file or directory (os error 2); \
         check its name and permissions",
    );
    us().file("token", "s3c\nret\n")
        .variable("CDO_TOKEN_FILE", "token")
        .says("CDO_TOKEN_FILE 'token': names a file that has a line end in it; write it again");
    run()
        .variable("REMOTE_WRITE_TOKEN", "Bearer s3cret")
        .says("REMOTE_WRITE_TOKEN: begins with 'Bearer', which is to be left out; set it again");
    run()
        .without("--url")
        .file(".env", format!("REMOTE_WRITE_URL={URL}\n"))
        .variable("REMOTE_WRITE_TOKEN", "s3cret")
        .says(
            "REMOTE_WRITE_TOKEN in the environment: would go to the address of REMOTE_WRITE_URL \
             in .env, which was only found here; name the address with --url, or that file with \
             --env-file .env",
        );
    run().variable("REMOTE_WRITE_TOKEN", "t").with("--url", "http://receiver.example/").says(
        "--url 'http://receiver.example/': is plain http, which would show the credentials \
         to anyone on the way; use https, or add --allow-plain-http-credentials",
    );
}

#[test]
fn dotenv() {
    let looping = run().without("--url");
    std::os::unix::fs::symlink(".env", looping.directory.join(".env")).unwrap();
    looping.says(
        "target: is not named; .env cannot be read (Too many levels of symbolic links (os error \
         40)); give --url (a local Prometheus: http://localhost:9090/api/v1/write), --env, or set \
         REMOTE_WRITE_URL or ENV, also in .env",
    );
    run()
        .file(".env", "# one\nREMOTE_WRITE_TOKEN='s3cret\n")
        .says(".env line 2: has a quote that is not closed; write KEY=VALUE");
    run()
        .file(".env", b"REMOTE_WRITE_TOKEN=\xff")
        .says(".env line 1: is not UTF-8; write KEY=VALUE");
    let asked = |content: &[u8]| run().and("--env-file", "x.env").file("x.env", content);
    asked(b"# one\nTOKEN s3cret\n").says("x.env line 2: has no '='; write KEY=VALUE");
    asked(b"A=\xff").says("file x.env: is not UTF-8; save it as UTF-8");
    run().and("--env-file", "/nowhere/x").says(
        "cannot read variables from '/nowhere/x': No such file or directory (os error 2); \
         check its name and permissions",
    );
    run()
        .and("--env-file", "x.env")
        .file("x.env", "1=s3cret")
        .says("x.env line 1: has a name that is no variable's; write KEY=VALUE");
}

#[test]
fn reserved_headers() {
    for name in ["Host", "content-type", "User-Agent", "X-Prometheus-Remote-Write-Version"] {
        run()
            .and("--header", format!("{name}: x"))
            .says(&format!("--header '{name}': is reserved; leave it out"));
    }
    run().and("--header", "Authorization: Bearer s3cret").says(
        "--header 'Authorization': is reserved; \
         set REMOTE_WRITE_TOKEN, or REMOTE_WRITE_USERNAME and _PASSWORD",
    );
}

#[test]
fn windows_of_the_past() {
    let window =
        |start: &str, end: &str| backfill().and("--start-epoch", start).and("--end-epoch", end);
    for end in ["1700000000", "1600000000"] {
        window("1700000000", end)
            .says(&format!("--end-epoch '{end}': is not after --start-epoch; give a later one"));
    }
    for flag in ["--start-epoch", "--end-epoch"] {
        backfill().and("--since", "1d").and(flag, "1700000000").says(&format!(
            "{flag} '1700000000': is given together with --since; leave one of them out"
        ));
        backfill()
            .and(flag, "1700000000")
            .says("--since (or --start-epoch with --end-epoch) is required; see -h for an example");
    }
    backfill()
        .says("--since (or --start-epoch with --end-epoch) is required; see -h for an example");
    let hint = "give a longer window, or a shorter --step-size";
    backfill()
        .and("--since", "1ms")
        .and("--step-size", "10d")
        .says(&format!("--since '1ms': gives a window without a datapoint; {hint}"));
    window("1", "2")
        .and("--origin", "0")
        .says(&format!("--end-epoch '2': gives a window without a datapoint; {hint}"));
    window("1000000000", "1700000000").and("--step-size", "20ms").says(
        "--end-epoch '1700000000': gives a window of 35000000000 datapoints, over 10^10; \
         give a shorter window, or a longer --step-size",
    );
    window("1700000000", "4000000000").says(
        "--end-epoch '4000000000': is in the future; \
         give one that is past; live pushes what is to come",
    );
    window("1700000000000", "1700000900000").says(
        "--start-epoch '1700000000000': looks like milliseconds; give seconds, as in 1700000000",
    );
    window("1700000000", "1700000900000").says(
        "--end-epoch '1700000900000': looks like milliseconds; give seconds, as in 1700000900",
    );
}

#[test]
fn step_sizes() {
    let minutes = "give whole minutes, as in 30, or 10s, 2h, 21d";
    let step = |text| backfill().and("--since", "1d").and("--step-size", text);
    for text in ["0", "0s", "0ms"] {
        step(text).says(&format!("--step-size '{text}': is zero; {minutes}"));
    }
    for text in ["0.5", "1.5s", "0.5ms"] {
        step(text).says(&format!("--step-size '{text}': is not a whole number; {minutes}"));
    }
    step("100us").says(&format!("--step-size '100us': is not a duration; {minutes}"));
}

#[test]
fn outputs() {
    let output = |file| backfill().and("--since", "1d").and("--output", file);
    output(".").says("--output '.': is a folder; name a file in it");
    output("").says("--output '': is not the name of a file; name a file, or - for stdout");
    output("x.om")
        .file("x.om", "old")
        .says("--output 'x.om': is there already; name another file, or add --force to replace it");
    let past = backfill().and("--start-epoch", "0").and("--end-epoch", "3600");
    past.and("--output", "none/x.om").says(
        "cannot write 'none/x.om': No such file or directory (os error 2); \
         name a file in a folder that can be written to",
    );
    let mut forced = backfill().and("--since", "1d");
    forced.words.push("--force");
    forced.says("--force: is given without --output; leave it out");
    for size in ["0", "-1", "100001", "many"] {
        backfill().and("--since", "1d").and("--batch-size", size).says(&format!(
            "--batch-size '{size}': is not a size of batches; give a whole number, 1 to 100000"
        ));
    }
}

/// What stands in a message stays on its line, whatever it is.
#[test]
fn control_characters_are_escaped() {
    run().with("--duration", "1\n\x1b[31m").says(
        "--duration '1\\n\\u{1b}[31m': is not a duration; \
         give whole minutes, as in 30, or 10s, 2h, 21d",
    );
}

/// Runs it in a shell that redirects its output, and returns the exit code.
fn exit_code(run: &Run, redirection: &str) -> Option<i32> {
    let script = format!("exec \"$0\" \"$@\" {redirection}");
    let binary = env!("CARGO_BIN_EXE_push-live-metrics");
    let output = run.command("/bin/sh", &["-c", &script, binary]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{redirection}");
    output.status.code()
}

#[test]
fn closed_outputs() {
    for redirection in ["2>&-", ">&- 2>&-", "2>/dev/full"] {
        assert_eq!(exit_code(&run().with("--duration", "0"), redirection), Some(2));
    }
    for flag in ["--help", "-h", "--version"] {
        for redirection in [">&-", ">&- 2>&-"] {
            assert_eq!(exit_code(&run().and(flag, ""), redirection), Some(0));
        }
        assert_eq!(exit_code(&run().and(flag, ""), ">/dev/full 2>&-"), Some(2));
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for (flag, beginning) in [
        ("--help", "Pushes a live synthetic time series"),
        ("-h", "Pushes a live synthetic time series"),
        ("--version", "push-live-metrics 0."),
    ] {
        let output = run().and(flag, "").output();
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(beginning));
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    }
}
