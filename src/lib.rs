//! Pushes a live, reproducible synthetic time series to a Prometheus remote-write endpoint.

pub mod cli;

/// errors
pub mod error;

#[cfg(test)]
pub(crate) mod generated;

pub mod labels;

/// The pure function of time that everything pushes, and its iterator.
pub mod series;
