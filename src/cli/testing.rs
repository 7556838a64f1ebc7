//! A command line that works, for tests to add to.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::config::{PreviewConfig, VerifyConfig};
use super::{Command, Environment, LiveConfig, parse};
use crate::error::Error;
use crate::series::TimestampMs;

/// 2025-12-17T11:00:00.250Z.
pub(super) const NOW_MS: i64 = 1_765_969_200_250;

/// What a command is started with.
#[derive(Default)]
pub(super) struct Setup {
    flags: Vec<OsString>,
    variables: HashMap<OsString, OsString>,
    directory: Option<TemporaryDirectory>,
}

impl Setup {
    pub(super) fn flags(mut self, flags: &[&str]) -> Setup {
        self.flags.extend(flags.iter().map(OsString::from));
        self
    }

    pub(super) fn variable(mut self, name: &str, value: &str) -> Setup {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Writes a file beside which the command is started.
    pub(super) fn file(mut self, name: &str, content: &str) -> Setup {
        let directory = self.directory.get_or_insert_with(TemporaryDirectory::new);
        std::fs::write(directory.0.join(name), content).unwrap();
        self
    }

    /// Returns the path of a file that was written.
    pub(super) fn path(&self, name: &str) -> String {
        let directory = self.directory.as_ref().expect("a file was written");
        directory.0.join(name).to_str().unwrap().to_string()
    }

    /// Parses with metric, label, duration and, where none is named, a target on loopback.
    pub(super) fn parse(&self) -> Result<LiveConfig, Error> {
        let window = if self.has("--duration") || self.has("--end-epoch") {
            None
        } else {
            Some("--duration=30")
        };
        match self.command(window)? {
            Command::Live(config) => Ok(*config),
            other => panic!("is {other:?}"),
        }
    }

    /// Parses a verify with metric, label and target, but without a window.
    pub(super) fn verify(&self) -> Result<VerifyConfig, Error> {
        match self.command(Some("verify"))? {
            Command::Verify(config) => Ok(*config),
            other => panic!("is {other:?}"),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag.to_str().unwrap().starts_with(name))
    }

    fn command(&self, first: Option<&str>) -> Result<Command, Error> {
        let mut raw: Vec<OsString> = first.into_iter().map(Into::into).collect();
        raw.extend(["--metric-name=cpu", "--labels=cpu=lina_cp_avg"].map(Into::into));
        raw.extend(self.flags.iter().cloned());
        let named = |name: &str| self.variables.contains_key(&OsString::from(name));
        if !self.has("--url")
            && !self.has("--env")
            && !named("REMOTE_WRITE_URL")
            && !named("ENV")
            && self.directory.is_none()
        {
            raw.push("--url=http://localhost:9090/api/v1/write".into());
        }
        let directory = match &self.directory {
            Some(directory) => directory.0.clone(),
            None => PathBuf::from("/nowhere"),
        };
        let environment = Environment::new(self.variables.clone(), directory);
        parse(raw.into_iter(), &environment, TimestampMs(NOW_MS))
    }

    /// Parses `preview` with metric and label.
    pub(super) fn preview(&self) -> Result<PreviewConfig, Error> {
        let first = ["preview", "--metric-name=cpu", "--labels=cpu=lina_cp_avg"];
        let raw = first.map(OsString::from).into_iter().chain(self.flags.iter().cloned());
        match parse(raw, &Environment::default(), TimestampMs(NOW_MS))? {
            Command::Preview(config) => Ok(*config),
            other => panic!("is {other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn live(&self) -> LiveConfig {
        self.parse().expect("the command line is right")
    }

    #[track_caller]
    pub(super) fn error(&self) -> String {
        self.parse().expect_err("the command line is wrong").to_string()
    }
}

/// A directory of its own that goes away.
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn new() -> TemporaryDirectory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("push-live-metrics-cli-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        TemporaryDirectory(path)
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
