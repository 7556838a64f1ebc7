//! Generated answers: whatever comes, an attempt ends in time, without a panic, with a reason
//! on one line. The same in every run.

use fastrand::Rng;
use push_live_metrics::error::Escaped;
use push_live_metrics::http::{Client as Http, Outcome, Reply, Target};
use push_live_metrics::remote_write::{self, Version};
use push_live_metrics::report::json_text;
use push_live_metrics::series::TimestampMs;

use crate::support::cmd::Cmd;
use crate::support::json::Json;
use crate::support::library::live_config;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::step::{Answer, Step};

/// 2025-12-17 11:00:00 UTC.
const NOW: TimestampMs = TimestampMs(1_765_969_200_000);

/// Returns up to `count` bytes, of all kinds.
fn bytes(rng: &mut Rng, count: usize) -> Vec<u8> {
    (0..rng.usize(..=count)).map(|_| rng.u8(..)).collect()
}

/// Returns `text` with up to three of its bytes replaced, doubled or taken out.
fn mutated(rng: &mut Rng, text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..rng.usize(..4).min(bytes.len()) {
        let at = rng.usize(..bytes.len().max(1));
        match (rng.u8(..3), bytes.get(at)) {
            (_, None) => {}
            (0, _) => bytes[at] = rng.u8(..),
            (1, Some(&byte)) => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
    }
    bytes
}

fn attempt(http: &Http) -> Outcome {
    let Reply { outcome, .. } = remote_write::post(http, Version::V1, b"x", 0, NOW);
    outcome
}

fn target(receiver: &ScriptedReceiver) -> Target {
    let sender = Cmd::to(&receiver.url()).flag("timeout", "30s");
    live_config(&sender.args(), NOW.0).0.target
}

fn receiver(steps: Vec<Step>) -> ScriptedReceiver {
    // What is posted here is no request, which is not the question.
    Script::new(steps).unchecked().start()
}

#[track_caller]
fn check_reason(outcome: &Outcome) {
    let (Outcome::Retryable { reason, .. }
    | Outcome::Rejected { reason, .. }
    | Outcome::Blocked { reason }) = outcome
    else {
        return;
    };
    assert!(!reason.contains(|c: char| c.is_control()), "{reason:?}");
    // The body's kilobyte, each byte of which may be shown as an escape, and a Location.
    assert!(reason.len() < 50_000 && !reason.is_empty(), "{} bytes", reason.len());
}

#[test]
fn any_bytes_end_an_attempt_with_a_reason_on_one_line() {
    const HEAD: &[u8] =
        b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nDate: Wed, 17 Dec 2025 11:00:42 \
        GMT\r\nLocation: http://x/\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    const PLAIN: &[u8] = b"HTTP/1.1 400 Bad\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    let mut rng = Rng::with_seed(3);
    let mut answers = Vec::new();
    for round in 0..1000 {
        answers.push(match round % 4 {
            0 => bytes(&mut rng, 200),
            1 => mutated(&mut rng, HEAD),
            2 => mutated(&mut rng, PLAIN),
            _ => {
                [b"HTTP/1.1 ", &bytes(&mut rng, 60)[..], b"\r\n\r\n", &bytes(&mut rng, 60)].concat()
            }
        });
    }
    let step = |bytes: &Vec<u8>| Answer::raw(bytes).into();
    let receiver = receiver(answers.iter().map(step).collect());
    let target = target(&receiver);
    for bytes in &answers {
        // On a connection of its own: the receiver ends each without a word.
        let outcome = attempt(&Http::new(&target).unwrap());
        check_reason(&outcome);
        // Empty lines may stand before an answer.
        if !bytes.trim_ascii_start().starts_with(b"HTTP/1.") {
            let is_none = matches!(outcome, Outcome::Retryable { maybe_stored: true, .. });
            assert!(is_none, "{outcome:?} for {}", bytes.escape_ascii());
        }
    }
    receiver.finish();
}

#[test]
fn any_text_is_escaped_and_any_log_line_is_json() {
    let mut rng = Rng::with_seed(6);
    for _ in 0..100_000 {
        let text = String::from_utf8_lossy(&bytes(&mut rng, 60)).into_owned()
            + rng
                .choice(["", "\u{202e}", "\u{2028}", "\n", "é\r", "\u{9b}31m", "\"\\"])
                .expect("there are some");
        let shown = Escaped(&text).to_string();
        assert!(!shown.contains(|c: char| c.is_control() || c == '\u{202e}'), "{shown:?}");
        assert_eq!(Json::parse(&json_text(&text)), Ok(Json::Text(text)));
    }
}
