//! An answer to remote read: never a panic, never more memory than the limit, and only samples
//! that were asked for, in the order of time.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use push_live_metrics::labels::LabelSet;
use push_live_metrics::read_back::message::{Found, Query, decode, unpack};
use push_live_metrics::read_back::{ANSWER_BYTES_MAX, TimeRange};
use push_live_metrics::series::TimestampMs;

fuzz_target!(|data: &[u8]| {
    // A checked snappy block is seldom met by chance, so most inputs are the message itself.
    let Some((&kind, body)) = data.split_first() else { return };
    let message = if kind % 8 == 0 { unpack(body) } else { Ok(body.to_vec()) };
    let Ok(message) = message else { return };
    assert!(message.len() <= ANSWER_BYTES_MAX.max(data.len()));

    let labels = LabelSet::new("cpu", vec![("k".into(), "v".into())]);
    let other_names: BTreeSet<String> =
        if kind & 8 == 0 { BTreeSet::new() } else { ["x".to_owned()].into() };
    let range = TimeRange { start: TimestampMs(1000), end: TimestampMs(9000) };
    let query = Query { labels: &labels, other_names: &other_names, range };
    let mut samples = Vec::new();
    match decode(&message, query, &mut samples) {
        Ok(Found::Samples) => {
            let times: Vec<TimestampMs> = samples.iter().map(|sample| sample.timestamp).collect();
            assert!(times.is_sorted());
            assert!(times.iter().all(|time| (range.start..=range.end).contains(time)));
        }
        Ok(Found::Others(names)) => {
            assert!(!names.is_empty() && samples.is_empty());
            assert!(names.iter().any(|name| !other_names.contains(name)));
        }
        Err(error) => drop(error.to_string()),
    }
});
