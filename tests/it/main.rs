//! The integration tests: one crate, so that it links once.

mod receivers_smoke;
mod support;
