//! The integration tests: one crate, so that it links once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::exit,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "tests, their helpers included"
)]

mod accounting;
mod alerts;
mod backfill;
mod bad_input;
mod blocks;
mod burn_rate;
mod chaos;
mod connections;
mod continuation;
mod counters;
mod demo;
mod docs;
#[cfg(feature = "tls")]
mod empty_root;
mod export;
mod fan_out;
mod fates;
mod faults;
mod generated;
mod golden;
mod hours;
mod incidents;
mod live_check;
mod local_time;
mod logs;
mod preview;
mod promtool;
mod proxies;
mod rates;
mod resume;
mod sample_log;
mod secrets;
mod signals;
mod spec;
mod spec_v1;
mod spec_v2;
mod statuses;
mod support;
mod terminal;
mod tidy;
#[cfg(feature = "tls")]
mod tls;
mod trouble;
mod trust;
mod truth;
mod verdict;
mod verify;
mod walk;
mod wire;
