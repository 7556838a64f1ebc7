//! Pushes a live, reproducible synthetic time series to a Prometheus remote-write endpoint.

/// errors
pub mod error;

/// The pure function of time that everything pushes, and its iterator.
pub mod series;
