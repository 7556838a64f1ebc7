//! The integration tests, one crate for all of them.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests, their helpers included")]

mod bad_input;
mod golden;
