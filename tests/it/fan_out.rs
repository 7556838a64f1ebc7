//! Many series against real receivers, by both versions of the protocol: what is stored is what
//! the series give, to the bit; a series that conflicts takes the others with it, or not; tenants.
//!
//! FAN_OUT_INTERVAL_MS=1000 has the ticks a second apart; without it they come 50 ms apart.

use crate::support::nginx::Nginx;
use crate::support::process::Run;
use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::side_by_side::side_by_side;
use crate::support::time::now_ms;
use crate::support::variable;
use crate::support::window::Window;

const SERIES_COUNT: i64 = 500;
const TICK_COUNT: i64 = 20;

/// Returns a fleet from now on, for this address.
fn fleet(url: &str) -> Window {
    let interval_ms = variable("FAN_OUT_INTERVAL_MS").unwrap_or(50);
    let labels = "cpu=snort_avg,uuid=device-{001..500}";
    Window::now(format!("{url}/api/v1/write"), labels, TICK_COUNT, interval_ms)
}

/// Pushes the first ticks.
fn push(fleet: &Window, protocol: &str, tick_count: i64) -> Run {
    let cmd = fleet.ticks(0, tick_count).cmd("").flag("protocol", protocol);
    cmd.flag("log-format", "json").run()
}

/// Fails unless verify finds these counts in the first ticks.
#[track_caller]
fn check(fleet: &Window, tick_count: i64, [matching, missing, different]: [i64; 3]) {
    let planned = tick_count * SERIES_COUNT;
    let sum = format!(
        "{planned} planned = {matching} matching + {missing} missing + {different} different; \
         0 unexpected"
    );
    fleet.check(tick_count, if matching == planned { 0 } else { 5 }, &sum);
}

/// Pushes all of it, and finds it, after so many falls to 1.0.
#[track_caller]
fn check_all_there(setup: RealSetup, protocol: &str, fallbacks: usize) {
    let Some(receiver) = setup.start() else { return };
    let (fleet, count) = (fleet(&receiver.url()), SERIES_COUNT * TICK_COUNT);
    let run = push(&fleet, protocol, TICK_COUNT);
    println!("--protocol {protocol}: {:?}, {:.1?}", run.summary(), run.took());
    run.assert_ends(0, [count.cast_unsigned(), 0, 0, 0, 0]);
    assert_eq!(run.log().events("fallback").len(), fallbacks, "{}", run.stderr);
    check(&fleet, TICK_COUNT, [count, 0, 0]);
}

#[test]
fn fan_out_into_prometheus3_by_each_version() {
    side_by_side(["1", "2", "auto"], |protocol| {
        check_all_there(RealReceiver::prometheus3(), protocol, 0);
    });
}

#[test]
fn fan_out_into_prometheus2_by_auto_falls_back_once() {
    check_all_there(RealReceiver::prometheus2(), "auto", 1);
}

#[test]
fn fan_out_into_prometheus2_by_2_0_is_rejected() {
    let Some(receiver) = RealReceiver::prometheus2().start() else { return };
    let run = push(&fleet(&receiver.url()), "2", 5);
    run.assert_code(3);
    assert_eq!(run.summary().accepted, 0, "it answers 204 and stores nothing");
}

/// Of a receiver that has another value for the first tick of one series.
#[test]
fn one_conflict_costs_one_sample_by_2_0_and_the_whole_request_by_1_0() {
    side_by_side([("2", 1), ("auto", 1), ("1", SERIES_COUNT)], |(protocol, rejected)| {
        let Some(receiver) = RealReceiver::prometheus3().start() else { return };
        let fleet = fleet(&receiver.url());
        let one = Window { labels: "cpu=snort_avg,uuid=device-123".into(), ..fleet.clone() };
        push(&one.and(&["--seed", "7"]), "2", 1).assert_code(0);
        let run = push(&fleet, protocol, 5);
        let accepted = 5 * SERIES_COUNT - rejected;
        run.assert_ends(1, [accepted.cast_unsigned(), rejected.cast_unsigned(), 0, 0, 0]);
        assert_eq!(run.log().events("fallback").len(), 0, "{}", run.stderr);
        assert_eq!(run.log().events("rejected").len(), 1, "{}", run.stderr);
        check(&fleet, 5, [accepted, rejected - 1, 1]);
    });
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
    let fleet = fleet(&nginx.url());
    let of = |tenant: &str| fleet.clone().and(&["--header", &format!("X-Scope-OrgID: {tenant}")]);
    let (all, nothing) = ([5 * SERIES_COUNT, 0, 0], [0, 5 * SERIES_COUNT, 0]);

    push(&of("tenant-a"), "2", 5).assert_code(0);
    check(&of("tenant-a"), 5, all);
    // The other tenant has nothing of it, and a receiver that only knows 1.0.
    check(&of("tenant-b"), 5, nothing);
    let run = push(&of("tenant-b"), "auto", 5);
    run.assert_code(0);
    assert_eq!(run.log().events("fallback").len(), 1, "{}", run.stderr);
    check(&of("tenant-b"), 5, all);
    for receiver in [&first, &second] {
        check(&Window { url: receiver.write_url(), ..fleet.clone() }, 5, all);
    }
    for fleet in [fleet.clone(), of("tenant-c")] {
        let run = push(&fleet, "2", 5);
        run.assert_code(3).assert_says("no org id").assert_says("the tenant header is missing");
    }
}

/// The description of a 2.0 message: docs/receivers.md says what becomes of it.
#[test]
fn prometheus3_keeps_the_description_and_does_not_list_it() {
    let setup = RealReceiver::prometheus3().flag("--no-storage.tsdb.wal-compression");
    let Some(receiver) = setup.start() else { return };
    let help = "A description of our own";
    let one = Window::now(receiver.write_url(), "k=v", 1, 1000).and(&["--description", help]);
    push(&one, "2", 1).assert_code(0);
    // That lists what active scrape targets said, and nothing else.
    let (status, listed) = receiver.get("/api/v1/metadata");
    assert_eq!((status, listed.contains("\"data\":{}")), (200, true), "{listed}");
    let log = std::fs::read(receiver.data_folder().join("wal/00000000")).unwrap();
    let count = log.windows(help.len()).filter(|part| *part == help.as_bytes()).count();
    assert_eq!(count, 1, "it is in the write-ahead log, with its series");
}

/// Prometheus takes 32 MiB; labels of 9 times 2,000 bytes for 2,000 series are 36 MB a tick.
#[test]
fn a_request_has_16_mib_at_most() {
    let Some(receiver) = RealReceiver::prometheus3().start() else { return };
    let long = "x".repeat(2000);
    let labels = (1..=9).map(|k| format!("label_{k}={long},")).collect::<String>();
    for (verb, count) in [("", 1), ("backfill", 4)] {
        let labels = format!("{labels}verb=_{verb},k={{1..2000}}");
        let window = Window::now(receiver.write_url(), &labels, count, 1000);
        let window = window.starting(now_ms() - 5000);
        let window = window.and(&["--batch-size", "100000", "--timeout", "60s"]);
        let run = window.cmd(verb).run();
        let end = run.stderr.split_once("Summary: ").map_or(&*run.stderr, |(_, end)| end);
        assert_eq!(run.code, 0, "{end:.1000}");
    }
}
