//! Pushes a live, reproducible synthetic time series to a Prometheus remote-write endpoint.

pub mod announce;
pub mod backfill;
pub mod cli;
pub mod clock;
pub mod delivery;
pub mod error;
pub mod export;
#[cfg(test)]
mod generated;
pub mod labels;
pub mod live;
pub mod openmetrics;
pub mod push;
pub mod remote_write;
pub mod report;
pub mod series;
pub mod summary;
pub mod tally;
pub mod words;
