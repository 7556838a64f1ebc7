//! Pushes a live, reproducible synthetic time series to a Prometheus remote-write endpoint.

/// errors
pub mod error;
