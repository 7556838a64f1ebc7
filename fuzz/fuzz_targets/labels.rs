//! `--metric-name` in the first line, one `--labels` in each of the others: never a panic, and
//! what is taken is what a receiver takes.

#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use push_live_metrics::labels::{parse, sanitise_metric_name};

fuzz_target!(|text: &str| {
    // Thousands of series take milliseconds, so of the inputs with a range one in eight will do.
    if text.contains("..") && text.len() % 8 != 0 {
        return;
    }
    let mut lines = text.split('\n');
    let mut warnings = Vec::new();
    let typed = lines.next().unwrap_or("");
    let Ok(metric_name) = sanitise_metric_name("--metric-name", typed, &mut warnings) else {
        return;
    };
    let typed: Vec<&str> = lines.collect();
    let Ok(label_sets) = parse(&typed, &metric_name, &mut warnings) else { return };
    assert!(label_sets.len() <= 10_000);
    assert_eq!(label_sets.iter().collect::<HashSet<_>>().len(), label_sets.len());
    // Of a fan-out only one value differs, so the first and the last will do.
    for label_set in label_sets.iter().take(2).chain(label_sets.last()) {
        let pairs = label_set.pairs();
        assert!(pairs.is_sorted_by(|a, b| a.0 < b.0), "sorted and unique: {label_set}");
        for (name, value) in pairs {
            assert!(!value.is_empty());
            assert!(name == "__name__" || !name.starts_with("__"), "{name}");
            assert!(!name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty());
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
        }
        assert!(!label_set.to_string().contains('\n'));
    }
});
