//! A command line that works, for tests to add to.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Command, CommandLine, Environment, PushConfig, parse};
use crate::error::Error;
use crate::plan::Plan;
use crate::series::TimestampMs;

/// 2025-12-17T11:00:00.250Z.
pub(super) const NOW_MS: i64 = 1_765_969_200_250;

/// Returns what a command is started with, to add to.
pub(super) fn start() -> Setup {
    Setup::default()
}

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

    /// Parses `verb` (live has no word) with metric and label; for live with a duration, and for
    /// what has a target with one on loopback, unless others are named.
    pub(super) fn parse(&self, verb: &str) -> Result<CommandLine, Error> {
        let mut raw = vec!["--metric-name=cpu", "--labels=cpu=lina_cp_avg"];
        if !verb.is_empty() {
            raw.insert(0, verb);
        } else if !self.has("--duration") && !self.has("--end-epoch") {
            raw.push("--duration=30");
        }
        let named = |name: &str| self.variables.contains_key(&OsString::from(name));
        let is_target_named = ["--url", "--env"].into_iter().any(|flag| self.has(flag))
            || ["REMOTE_WRITE_URL", "ENV"].into_iter().any(named)
            || self.directory.is_some();
        if !is_target_named && verb != "preview" {
            raw.push("--url=http://localhost:9090/api/v1/write");
        }
        let directory = match &self.directory {
            Some(directory) => directory.0.clone(),
            None => PathBuf::from("/nowhere"),
        };
        let environment = Environment::new(self.variables.clone(), directory);
        let raw = raw.into_iter().map(OsString::from).chain(self.flags.iter().cloned());
        parse(raw, &environment, TimestampMs(NOW_MS))
    }

    fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag.to_str().unwrap().starts_with(name))
    }

    #[track_caller]
    pub(super) fn invocation(&self) -> CommandLine {
        self.parse("").expect("the command line is right")
    }

    #[track_caller]
    pub(super) fn live(&self) -> PushConfig {
        match self.invocation().command {
            Command::Live(config) => *config,
            other => panic!("is {other:?}"),
        }
    }

    /// Returns what `verb` would be about.
    pub(super) fn plan(&self, verb: &str) -> Result<Plan, Error> {
        self.parse(verb).map(|invocation| match invocation.command {
            Command::Live(config) => config.plan,
            Command::Verify(config) => config.plan,
            Command::Preview(config) => config.plan,
            other => panic!("is {other:?}"),
        })
    }

    #[track_caller]
    pub(super) fn error(&self) -> String {
        self.parse("").expect_err("the command line is wrong").to_string()
    }
}

/// Checks the error of a live run.
#[track_caller]
pub(super) fn check_error(setup: &Setup, expected: &str) {
    assert_eq!(setup.error(), expected);
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
