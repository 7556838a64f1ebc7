//! The status line: on a terminal, and nowhere else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

/// Accepts every push until the test process ends.
fn receiver() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                // A request of one sample comes in one piece or in two; the answer to the head
                // alone is as good.
                while stream.read(&mut bytes).is_ok_and(|length| length > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                }
            });
        }
    });
    address
}

/// Returns a run of two datapoints, a second apart, the first of them due in a moment: what is
/// left to wait after it is then a whole second, whenever the test begins.
fn run() -> String {
    let start = SystemTime::UNIX_EPOCH.elapsed().unwrap() + Duration::from_millis(400);
    let start = format!("{}.{:03}", start.as_secs(), start.subsec_millis());
    let binary = env!("CARGO_BIN_EXE_push-live-metrics");
    let url = format!("http://{}/", receiver());
    let window = format!("--duration 2s --interval 1s --start-epoch {start}");
    format!("{binary} --metric-name cpu --labels a=1 --url {url} {window}")
}

/// Runs it with stderr on a terminal of 60 columns; returns what the terminal got.
fn on_terminal(run: &str, term: &str) -> Option<String> {
    let sized = format!("stty cols 60 rows 24; {run}");
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
            let missing = format!("script (util-linux) does not run: {error}");
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{missing}");
            // Not eprintln, which the test harness would capture.
            let _ = writeln!(io::stderr(), "*** SKIPPED *** {missing}");
            None
        }
    }
}

#[test]
fn a_terminal_has_a_status_line_that_leaves_no_trace() {
    let Some(text) = on_terminal(&run(), "xterm") else { return };
    let status = "next push in 1 s, 1/2, 0 pending\r\x1b[K";
    assert_eq!(text.matches(status).count(), 1, "{text:?}");
    assert!(!text.replace(status, "").contains('\x1b'), "{text:?}");
    // The rule is not wider than the terminal.
    assert!(text.contains(&format!("\n{}\r\n", "=".repeat(60))), "{text:?}");
}

#[test]
fn a_dumb_terminal_json_and_quiet_have_none() {
    for (flags, term) in [("", "dumb"), (" --log-format json", "xterm"), (" --quiet", "xterm")] {
        let Some(text) = on_terminal(&(run() + flags), term) else { return };
        assert!(!text.contains('\x1b') && !text.contains("next push"), "{text:?}");
    }
}

#[test]
fn a_file_has_none_and_rules_of_80_columns() {
    let path = std::env::temp_dir().join(format!("push-live-metrics-{}.log", std::process::id()));
    let run = run();
    let mut words = run.split(' ');
    let status = Command::new(words.next().unwrap())
        .args(words)
        .env_clear()
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stderr(File::create(&path).unwrap())
        .status()
        .unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(status.code(), Some(0), "{text}");
    assert!(
        !text.contains('\x1b') && !text.contains('\r') && !text.contains("next push"),
        "{text}"
    );
    assert!(text.contains(&format!("\n{}\n", "=".repeat(80))), "{text}");
}
