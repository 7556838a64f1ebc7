//! The binary with its flags, environment and files; and what a scripted receiver must have of its
//! run: the datapoints that the library says.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use push_live_metrics::cli::Environment;

use super::folder::Folder;
use super::library;
use super::log::{Log, Summary};
use super::process::{BINARY, Run, Running, binary, shell};
use super::scripted_receiver::ScriptedReceiver;
use super::time::{now_ms, seconds};
use super::wire::Point;

/// A command that is not run yet: an empty environment, an empty folder.
#[derive(Clone, Debug)]
pub(crate) struct Cmd {
    verb: String,
    /// Names, without their dashes.
    flags: Vec<(String, Option<OsString>)>,
    pub(super) variables: Vec<(String, OsString)>,
    folder: Arc<Folder>,
    shell: Option<String>,
    /// How long it may take.
    pub(super) limit: Duration,
}

impl Cmd {
    /// Returns ten datapoints, 20 ms apart, for this address.
    pub(crate) fn to(url: &str) -> Cmd {
        Cmd::bare()
            .flag("metric-name", "cpu")
            .flag("labels", "k=v")
            .flag("url", url)
            .ticks(10, 20)
            .flag("log-format", "json")
    }

    /// Returns a command without any flag.
    pub(crate) fn bare() -> Cmd {
        Cmd {
            verb: String::new(),
            flags: Vec::new(),
            variables: Vec::new(),
            folder: Arc::new(Folder::new()),
            shell: None,
            limit: Duration::from_secs(120),
        }
    }

    /// Sets the verb; "" is live.
    pub(crate) fn verb(self, verb: &str) -> Cmd {
        Cmd { verb: verb.into(), ..self }
    }

    /// Gives it more time.
    pub(crate) fn limit(self, limit: Duration) -> Cmd {
        Cmd { limit, ..self }
    }

    /// Sets a flag, in place of the value that it had.
    pub(crate) fn flag(self, name: &str, value: impl Into<OsString>) -> Cmd {
        self.without(name).and_flag(name, value)
    }

    /// Adds a flag beside others of its name.
    pub(crate) fn and_flag(mut self, name: &str, value: impl Into<OsString>) -> Cmd {
        self.flags.push((name.into(), Some(value.into())));
        self
    }

    /// Adds words as they are typed: each flag in one, or in two with its value.
    pub(crate) fn and<T: AsRef<str>>(mut self, words: &[T]) -> Cmd {
        for word in words.iter().map(AsRef::as_ref) {
            match (word.strip_prefix("--"), self.flags.last_mut()) {
                (Some(flag), _) => self.flags.push((flag.into(), None)),
                (None, Some((_, value))) => *value = Some(word.into()),
                (None, None) => panic!("{word} has no flag"),
            }
        }
        self
    }

    /// Takes all flags away, and the verb.
    pub(crate) fn without_flags(self) -> Cmd {
        Cmd { flags: Vec::new(), verb: String::new(), ..self }
    }

    /// Takes a flag away.
    pub(crate) fn without(mut self, name: &str) -> Cmd {
        self.flags.retain(|(flag, _)| flag != name);
        self
    }

    /// Sets a flag that has no value.
    pub(crate) fn switch(mut self, name: &str) -> Cmd {
        self.flags.push((name.into(), None));
        self
    }

    /// Sets how many datapoints there are and how far they are apart.
    pub(crate) fn ticks(self, count: u64, interval_ms: u64) -> Cmd {
        self.flag("interval", format!("{interval_ms}ms"))
            .flag("duration", format!("{}ms", count * interval_ms))
    }

    /// Has the first datapoint due now, and not at the last whole second.
    pub(crate) fn starting_now(self) -> Cmd {
        self.flag("start-epoch", seconds(now_ms()))
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Cmd {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Writes a file into its folder.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Cmd {
        self.folder.write(name, content);
        self
    }

    /// Runs it by a shell, as `"$0" "$@"`.
    pub(crate) fn shell(self, script: &str) -> Cmd {
        Cmd { shell: Some(script.into()), ..self }
    }

    /// Returns the folder it is run in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the arguments as they are typed.
    pub(crate) fn args(&self) -> Vec<OsString> {
        let verb = Some(OsString::from(&self.verb)).filter(|verb| !verb.is_empty());
        let typed = |(name, value): &(String, Option<OsString>)| {
            [Some(OsString::from(format!("--{name}"))), value.clone()]
        };
        verb.into_iter().chain(self.flags.iter().flat_map(typed).flatten()).collect()
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        let process = match &self.shell {
            None => binary(),
            Some(script) => {
                let mut shell = shell(script);
                shell.arg(BINARY);
                shell
            }
        };
        Running::start(self, process)
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Run {
        self.start().wait()
    }
}

impl Run {
    /// Returns the log, which must be in JSON.
    #[track_caller]
    pub(crate) fn log(&self) -> Log {
        Log::read(&self.stderr)
    }

    /// Returns the counts at the end, which must add up.
    #[track_caller]
    pub(crate) fn summary(&self) -> Summary {
        self.log().summary()
    }

    /// Fails unless it ended with this code and these counts, as `Summary::counts` has them.
    #[track_caller]
    pub(crate) fn assert_ends(&self, code: i32, counts: [u64; 5]) -> &Run {
        self.assert_code(code);
        assert_eq!(self.summary().counts(), counts, "{}", self.stderr);
        self
    }

    /// Returns every datapoint that was planned, made by the library, by time and labels.
    #[track_caller]
    pub(crate) fn planned(&self) -> Vec<Point> {
        let variables = self.cmd.variables.iter().map(|(key, value)| (key.into(), value.clone()));
        let folder = self.cmd.folder.path().to_path_buf();
        let environment = Environment::new(variables.collect(), folder);
        let start_ms = self.log().only("window").get("start").number();
        library::points(&library::plan(&self.cmd.args(), &environment, start_ms))
    }

    /// Fails unless the receiver holds every datapoint, once, to the bit, and the counts say so.
    #[track_caller]
    pub(crate) fn assert_all_delivered(&self, receiver: &ScriptedReceiver) -> &Run {
        self.assert_code(0);
        let planned = self.planned();
        assert_eq!(receiver.stored(), planned, "what is stored, and what was planned");
        let summary = self.summary();
        assert_eq!(summary.accepted, planned.len() as u64, "{summary:?}");
        assert!(summary.commands.is_empty(), "{summary:?}");
        self
    }
}
