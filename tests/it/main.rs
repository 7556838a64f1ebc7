//! The integration tests: one crate, so that it links once.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests, their helpers included")]

mod bad_input;
mod chaos;
mod continuation;
mod docs;
mod golden;
mod live_check;
mod receivers_smoke;
mod support;
mod tidy;
mod wire;
