//! `scripts/demo.sh`, the newcomer's first commands, with fewer datapoints: what it says is so, and
//! nothing of it is left behind.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::folder::Folder;
use crate::support::in_root;
use crate::support::process::{BINARY, signal, wait_until};
use crate::support::real_receiver::brought;
use crate::walk::{digits_as_one, readme_section};

/// Returns the script in a folder with the binary, where its temporary files go too.
fn demo(folder: &Folder, arguments: &[&str], seconds: u32) -> Option<Command> {
    brought("prometheus2")?;
    let target = folder.path().join("target");
    std::fs::create_dir_all(target.join("release")).unwrap();
    symlink(BINARY, target.join("release/push-live-metrics")).unwrap();
    let mut command = Command::new(in_root("scripts/demo.sh"));
    command
        .args(arguments)
        .env("CARGO_TARGET_DIR", target)
        .env("TMPDIR", folder.path())
        .env("DEMO_SECONDS", seconds.to_string());
    Some(command)
}

#[test]
fn the_demo_finds_what_it_has_pushed() {
    let folder = Folder::new();
    let Some(mut demo) = demo(&folder, &[], 3) else { return };
    let output = demo.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(stdout.ends_with("demo: 3 of 3 datapoints found in Prometheus\n"), "{stdout}");
    assert_eq!(folder.names(), ["target"]);
}

#[test]
fn the_alert_demo_says_what_readme_shows() {
    let folder = Folder::new();
    // So short that there is one incident of the three.
    let Some(mut demo) = demo(&folder, &["alert"], 20) else { return };
    let output = demo.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(folder.names(), ["target"]);
    let plain = |text: &str| {
        let text = digits_as_one(text).replace("incidents", "incident");
        text.replace("0.0 seconds", "0 seconds")
    };
    let said =
        plain(&[output.stdout, output.stderr].map(|s| String::from_utf8(s).unwrap()).concat());
    let readme = readme_section("Alerts");
    let block = readme.split("```\n").nth(1).expect("what it says");
    assert_eq!(block.lines().count(), 10);
    let is_there = |line: &&str| !line.contains("Incident 2") && !line.contains("Incident 3");
    for line in block.lines().filter(is_there) {
        assert!(said.contains(&plain(line)), "as README shows it: {line}\n{said}");
    }
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let folder = Folder::new();
    let Some(mut demo) = demo(&folder, &["alert"], 60) else { return };
    let mut demo = demo.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let url = lines.find_map(|line| Some(line.split_once("listens on http://")?.1.to_owned()));
    let address = url.expect("the address");
    assert!(lines.any(|line| line.starts_with("min ")), "the chart");
    TcpStream::connect(&address).expect("Prometheus listens");
    signal(demo.id(), "INT");
    let status = wait_until(&mut demo, Instant::now() + Duration::from_secs(60));
    assert_eq!(status.and_then(|status| status.code()), Some(130));
    assert!(TcpStream::connect(&address).is_err(), "Prometheus is gone");
    assert_eq!(folder.names(), ["target"]);
}
