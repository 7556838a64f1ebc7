//! stub
pub mod config;
use crate::error::Error;
use crate::series::TimestampMs;
use std::ffi::OsString;
pub struct Environment;
impl Environment {
    pub fn of_process() -> Self {
        Self
    }
}
pub fn parse(
    _raw: impl Iterator<Item = OsString>,
    _e: &Environment,
    _now: TimestampMs,
) -> Result<config::Command, Error> {
    unimplemented!()
}
