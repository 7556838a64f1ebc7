//! The real receivers start, answer, die and come back as the tests that use them rely on.
//! The samples are written by hand-made bytes, so the sender is not involved.

use crate::support::real_receiver::{RealReceiver, RealSetup};
use crate::support::time::now_ms;

/// A value with all its bits in use, and one that a sloppy reader would round.
const VALUES: [f64; 2] = [0.1 + 0.2, 12.345_678_901_234_567];

/// Returns a remote-write 1.0 request of one sample of `smoke{a="b"}`: protobuf inside a
/// snappy block that is one literal. All of it stays below 128 bytes, so that each length
/// is one byte.
fn write_request(timestamp_ms: i64, value: f64) -> Vec<u8> {
    let length_of = |body: &[u8]| u8::try_from(body.len()).expect("below 128 bytes");
    let field = |tag: u8, body: &[u8]| [&[tag, length_of(body)], body].concat();
    let text = |tag: u8, text: &str| field(tag, text.as_bytes());
    let label =
        |name: &str, value: &str| field(0x0a, &[text(0x0a, name), text(0x12, value)].concat());
    let sample = [&[0x09], &value.to_le_bytes()[..], &[0x10], &varint(timestamp_ms)].concat();
    let series = [label("__name__", "smoke"), label("a", "b"), field(0x12, &sample)].concat();
    let request = field(0x0a, &series);
    let literal = 60 << 2;
    [&[length_of(&request), literal, length_of(&request) - 1], &request[..]].concat()
}

fn varint(value: i64) -> Vec<u8> {
    let groups = value.ilog2() / 7;
    let group = |i: u32| u8::try_from((value >> (7 * i)) & 0x7f).expect("seven bits");
    (0..=groups).map(|i| if i == groups { group(i) } else { group(i) | 0x80 }).collect()
}

fn write(receiver: &RealReceiver, timestamp_ms: i64, value: f64) -> u16 {
    let headers = [
        "Content-Encoding: snappy",
        "Content-Type: application/x-protobuf",
        "X-Prometheus-Remote-Write-Version: 0.1.0",
    ];
    receiver.post("/api/v1/write", &headers, &write_request(timestamp_ms, value)).0
}

/// Writes, stops, starts, writes, crashes, starts: what was accepted is there each time.
#[track_caller]
fn check_keeps_its_samples(setup: RealSetup, keeps_through_a_crash: bool, relative_error_max: f64) {
    let Some(mut receiver) = setup.start() else {
        return;
    };
    let write_url = format!("http://{}/api/v1/write", receiver.address());
    let start_ms = now_ms() - 2000;
    let stored =
        |receiver: &RealReceiver| receiver.samples("smoke{a=\"b\"}", start_ms, start_ms + 1001);
    assert_eq!(stored(&receiver), []);

    assert_eq!(write(&receiver, start_ms, VALUES[0]), 204);
    receiver.restart();
    assert_eq!(receiver.write_url(), write_url, "the same port");
    assert_eq!(write(&receiver, start_ms + 1001, VALUES[1]), 204);
    if keeps_through_a_crash {
        receiver.kill();
        receiver.restart();
    }

    let samples = stored(&receiver);
    assert_eq!(samples.len(), 2, "{samples:?}");
    for (i, &(timestamp_ms, value)) in samples.iter().enumerate() {
        assert_eq!(timestamp_ms, [start_ms, start_ms + 1001][i]);
        let relative_error = (value / VALUES[i] - 1.0).abs();
        assert!(relative_error <= relative_error_max, "{value} for {}", VALUES[i]);
    }
    assert_eq!(
        receiver.samples("smoke", start_ms, start_ms),
        samples[..1],
        "the window's ends count"
    );
}

#[test]
fn prometheus2_keeps_its_samples() {
    check_keeps_its_samples(RealReceiver::prometheus2(), true, 0.0);
}

#[test]
fn prometheus3_keeps_its_samples() {
    check_keeps_its_samples(RealReceiver::prometheus3(), true, 0.0);
}

#[test]
fn victoriametrics_keeps_its_samples() {
    check_keeps_its_samples(RealReceiver::victoriametrics(), false, 2e-12);
}

#[track_caller]
fn check_out_of_order_time_window(setup: fn() -> RealSetup) {
    let now_ms = now_ms();
    for (window, status) in [(None, 400), (Some("30m"), 204)] {
        let setup = window.map_or_else(setup, |window| setup().out_of_order_time_window(window));
        let Some(receiver) = setup.flag("--log.level=debug").start() else {
            return;
        };
        assert_eq!(write(&receiver, now_ms, 1.0), 204);
        assert_eq!(write(&receiver, now_ms - 60_000, 2.0), status, "window {window:?}");
    }
}

#[test]
fn prometheus2_takes_late_samples_when_told() {
    check_out_of_order_time_window(RealReceiver::prometheus2);
}

#[test]
fn prometheus3_takes_late_samples_when_told() {
    check_out_of_order_time_window(RealReceiver::prometheus3);
}
