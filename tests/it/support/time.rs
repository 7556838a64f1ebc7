//! The wall clock, and times as flags and queries take them.

use std::time::SystemTime;

/// Returns the wall clock in milliseconds.
pub(crate) fn now_ms() -> i64 {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is past 1970");
    i64::try_from(since_epoch.as_millis()).expect("and before the year 292 million")
}

/// Returns epoch seconds, as in `1700000000.123`.
pub(crate) fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}
