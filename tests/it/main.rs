//! The integration tests: one crate, so that it links once.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests, their helpers included")]

mod backfill;
mod bad_input;
mod export;
mod golden;
mod receivers_smoke;
mod support;
mod wire;
