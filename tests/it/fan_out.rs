//! Many series against real receivers, by both versions of the protocol: what is stored is what
//! the series give, to the bit; a series that conflicts takes the others with it, or not; tenants.
//!
//! FAN_OUT_INTERVAL_MS=1000 has the ticks a second apart; without it they come 50 ms apart.

use crate::support::cmd::Cmd;
use crate::support::nginx::Nginx;
use crate::support::process::{Run, binary};
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::time::{now_ms, seconds};

const SERIES_COUNT: u64 = 500;
const TICK_COUNT: u64 = 20;
const LABELS: &str = "cpu=snort_avg,uuid=device-{001..500}";

fn interval_ms() -> u64 {
    match std::env::var("FAN_OUT_INTERVAL_MS") {
        Ok(ms) => ms.parse().expect("FAN_OUT_INTERVAL_MS is a number"),
        Err(_) => 50,
    }
}

/// Series of one origin, for one address.
struct Fleet {
    base_url: String,
    origin: String,
    header: Option<&'static str>,
}

impl Fleet {
    /// Begins now.
    fn new(base_url: String) -> Fleet {
        Fleet { base_url, origin: seconds(now_ms()), header: None }
    }

    /// Returns the command that pushes its first ticks.
    fn push(&self, protocol: &str, tick_count: u64) -> Cmd {
        let sender = Cmd::to(&format!("{}/api/v1/write", self.base_url))
            .flag("metric-name", "fleet")
            .flag("labels", LABELS)
            .flag("origin", &self.origin)
            .flag("start-epoch", &self.origin)
            .flag("protocol", protocol)
            .ticks(tick_count, interval_ms());
        self.header.iter().fold(sender, |sender, header| sender.flag("header", header))
    }

    /// Reads its ticks back; returns the exit code and the line that adds up.
    fn verify(&self, tick_count: u64) -> (i32, String) {
        let origin_ms: u64 = self.origin.replace('.', "").parse().unwrap();
        let end_ms = origin_ms + tick_count * interval_ms();
        let mut command = binary();
        command.args(["verify", "--metric-name", "fleet", "--labels", LABELS]);
        command.args(["--url", &format!("{}/api/v1/write", self.base_url)]);
        command.args(["--origin", &self.origin, "--start-epoch", &self.origin]);
        command.args(["--end-epoch", &format!("{}.{:03}", end_ms / 1000, end_ms % 1000)]);
        command.args(["--step-size", &format!("{}ms", interval_ms())]);
        command.args(self.header.iter().flat_map(|header| ["--header", header]));
        let output = command.current_dir("/").output().expect("the binary was built");
        let log = String::from_utf8(output.stderr).unwrap();
        let sum = log.lines().find_map(|line| line.split_once("Verify: "));
        let sum = sum.unwrap_or_else(|| panic!("no sum in\n{log}")).1.to_owned();
        println!("{sum}");
        (output.status.code().expect("no signal has ended it"), sum)
    }
}

/// Returns the line of a verify that found these counts.
fn sum(matching: u64, missing: u64, different: u64) -> String {
    let planned = matching + missing + different;
    format!(
        "{planned} planned = {matching} matching + {missing} missing + {different} different; \
         0 unexpected"
    )
}

/// Pushes all of it, and finds it; returns the run.
#[track_caller]
fn check_all_there(setup: RealSetup, protocol: &str) -> Option<Run> {
    let receiver = setup.start()?;
    let fleet = Fleet::new(receiver.url());
    let run = fleet.push(protocol, TICK_COUNT).run();
    run.assert_code(0);
    println!("--protocol {protocol}: {:?}, {:.1?}", run.summary(), run.took());
    assert_eq!(run.summary().counts(), [SERIES_COUNT * TICK_COUNT, 0, 0, 0, 0]);
    assert_eq!(fleet.verify(TICK_COUNT), (0, sum(SERIES_COUNT * TICK_COUNT, 0, 0)));
    Some(run)
}

#[test]
fn fan_out_into_prometheus3_by_1_0() {
    check_all_there(RealReceiver::prometheus3(), "1");
}

#[test]
fn fan_out_into_prometheus3_by_2_0() {
    check_all_there(RealReceiver::prometheus3(), "2");
}

#[test]
fn fan_out_into_prometheus3_by_auto_stays_at_2_0() {
    let Some(run) = check_all_there(RealReceiver::prometheus3(), "auto") else { return };
    assert_eq!(run.log().events("fallback").len(), 0, "{}", run.stderr);
}

#[test]
fn fan_out_into_prometheus2_by_auto_falls_back_once() {
    let Some(run) = check_all_there(RealReceiver::prometheus2(), "auto") else { return };
    assert_eq!(run.log().events("fallback").len(), 1, "{}", run.stderr);
    assert_eq!(run.summary().retries, 0);
}

#[test]
fn fan_out_into_prometheus2_by_2_0_is_rejected() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let run = Fleet::new(receiver.url()).push("2", 5).run();
    run.assert_code(3);
    assert_eq!(run.summary().accepted, 0, "it answers 204 and stores nothing");
}

/// Pushes into a receiver that has another value for the first tick of one series.
#[track_caller]
fn check_conflict(protocol: &str, rejected: u64) {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let fleet = Fleet::new(receiver.url());
    let conflict = fleet.push("2", 1).flag("labels", "cpu=snort_avg,uuid=device-123");
    conflict.flag("seed", "7").run().assert_code(0);

    let run = fleet.push(protocol, 5).run();
    run.assert_code(1);
    let planned = 5 * SERIES_COUNT;
    assert_eq!(run.summary().counts(), [planned - rejected, rejected, 0, 0, 0]);
    assert_eq!(run.log().events("fallback").len(), 0, "{}", run.stderr);
    assert_eq!(run.log().events("rejected").len(), 1, "{}", run.stderr);
    assert_eq!(fleet.verify(5), (5, sum(planned - rejected, rejected - 1, 1)));
}

#[test]
fn one_conflict_by_2_0_costs_one_sample() {
    check_conflict("2", 1);
}

#[test]
fn one_conflict_by_auto_costs_one_sample() {
    check_conflict("auto", 1);
}

#[test]
fn one_conflict_by_1_0_costs_the_whole_request() {
    check_conflict("1", SERIES_COUNT);
}

#[test]
fn tenants_behind_nginx_have_their_own_receivers() {
    let (Some(first), Some(second)) =
        (RealReceiver::prometheus3().start(), RealReceiver::prometheus2().start())
    else {
        return;
    };
    let tenants = [("tenant-a", first.address()), ("tenant-b", second.address())];
    let Some(nginx) = Nginx::start(&tenants) else { return };
    let fleet = |header| Fleet { header, ..Fleet::new(nginx.url()) };

    let ours = fleet(Some("X-Scope-OrgID: tenant-a"));
    ours.push("2", 5).run().assert_code(0);
    let count = 5 * SERIES_COUNT;
    assert_eq!(ours.verify(5), (0, sum(count, 0, 0)));
    // The other tenant has nothing of it, and a receiver that only knows 1.0.
    let theirs = Fleet { header: Some("X-Scope-OrgID: tenant-b"), ..ours };
    assert_eq!(theirs.verify(5), (5, sum(0, count, 0)));
    let run = theirs.push("auto", 5).run();
    run.assert_code(0);
    assert_eq!(run.log().events("fallback").len(), 1, "{}", run.stderr);
    assert_eq!(theirs.verify(5), (0, sum(count, 0, 0)));
    let direct = |receiver: &RealReceiver| Fleet {
        base_url: receiver.url(),
        origin: theirs.origin.clone(),
        header: None,
    };
    assert_eq!(direct(&first).verify(5), (0, sum(count, 0, 0)));
    assert_eq!(direct(&second).verify(5), (0, sum(count, 0, 0)));

    for header in [None, Some("X-Scope-OrgID: tenant-c")] {
        let run = fleet(header).push("2", 5).run();
        run.assert_code(3);
        let hint = "the tenant header is missing";
        assert!(run.stderr.contains("no org id") && run.stderr.contains(hint), "{}", run.stderr);
    }
}

/// The description of a 2.0 message: docs/receivers.md says what becomes of it.
#[test]
fn prometheus3_keeps_the_description_and_does_not_list_it() {
    let Some(receiver) =
        RealReceiver::prometheus3().flag("--no-storage.tsdb.wal-compression").start()
    else {
        return;
    };
    let help = "A description of our own";
    let push = Fleet::new(receiver.url()).push("2", 1).flag("labels", "k=v");
    push.flag("description", help).run().assert_code(0);
    // That lists what active scrape targets said, and nothing else.
    let (status, listed) = receiver.get("/api/v1/metadata");
    assert_eq!((status, listed.contains("\"data\":{}")), (200, true), "{listed}");
    let log = std::fs::read(receiver.data_folder().join("wal/00000000")).unwrap();
    let count = log.windows(help.len()).filter(|part| *part == help.as_bytes()).count();
    assert_eq!(count, 1, "it is in the write-ahead log, with its series");
}

/// Returns labels of 9 times 2,000 bytes for 2,000 series: 36 MB a tick.
fn long_labels() -> String {
    let long = "x".repeat(2000);
    let labels = (1..=9).map(|k| format!("label_{k}={long}"));
    labels.chain(["k={1..2000}".to_owned()]).collect::<Vec<_>>().join(",")
}

/// Prometheus takes 32 MiB.
#[test]
fn a_request_has_16_mib_at_most() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    for (verb, window) in [(None, ["--duration", "1s"]), (Some("backfill"), ["--since", "4s"])] {
        let mut command = binary();
        command.args(verb).args(["--metric-name", verb.unwrap_or("live")]);
        command.args(["--labels", &long_labels(), "--batch-size", "100000"]).args(window);
        command.args([if verb.is_some() { "--step-size" } else { "--interval" }, "1s"]);
        command.args(["--url", &receiver.write_url(), "--timeout", "60s"]).current_dir("/");
        let output = command.output().expect("the binary was built");
        let log = String::from_utf8_lossy(&output.stderr);
        let end = log.split_once("Summary: ").map_or(&*log, |(_, end)| end);
        assert_eq!(output.status.code(), Some(0), "{end:.1000}");
    }
}
