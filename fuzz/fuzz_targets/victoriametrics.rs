//! VictoriaMetrics' answers, CSV and the list of label names: never a panic, and only samples
//! that were asked for, in the order of time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use push_live_metrics::read_back::victoriametrics::{parse_csv, parse_label_names};
use push_live_metrics::read_back::{OTHER_NAMES_MAX, TimeRange};
use push_live_metrics::series::TimestampMs;

fuzz_target!(|data: &[u8]| {
    if let Ok(names) = parse_label_names(data) {
        assert!(names.len() <= OTHER_NAMES_MAX);
    }
    let range = TimeRange { start: TimestampMs(1000), end: TimestampMs(9000) };
    let mut samples = Vec::new();
    if parse_csv(data, range, &mut samples).is_ok() {
        assert!(samples.is_sorted_by_key(|sample| sample.timestamp));
        let is_asked_for = |time| (range.start..=range.end).contains(&time);
        assert!(samples.iter().all(|sample| is_asked_for(sample.timestamp)));
    }
});
