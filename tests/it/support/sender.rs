//! A run of the binary into a receiver of the test's own, flag by flag, and what the receiver
//! must have of it: the datapoints that the library says.

use std::path::Path;
use std::time::Duration;

use push_live_metrics::cli::Environment;

use super::library;
use super::log::{Log, Summary};
use super::process::{Run, Running, Surroundings};
use super::scripted_receiver::ScriptedReceiver;
use super::time::{now_ms, seconds};
use super::wire::Point;

/// No run may take longer.
const LIMIT: Duration = Duration::from_secs(120);

/// A command that is not run yet.
pub(crate) struct Sender {
    flags: Vec<(String, Option<String>)>,
    surroundings: Surroundings,
    shell: Option<String>,
}

impl Sender {
    /// Returns ten datapoints, 20 ms apart, for this address.
    pub(crate) fn to(url: &str) -> Sender {
        Sender::bare()
            .flag("metric-name", "cpu")
            .flag("labels", "k=v")
            .flag("url", url)
            .ticks(10, 20)
            .flag("log-format", "json")
    }

    /// Returns a command without any flag.
    pub(crate) fn bare() -> Sender {
        Sender { flags: Vec::new(), surroundings: Surroundings::new(LIMIT), shell: None }
    }

    /// Sets a flag, in place of the value that it had.
    pub(crate) fn flag(self, name: &str, value: &str) -> Sender {
        let mut sender = self.without(name);
        sender.flags.push((name.into(), Some(value.into())));
        sender
    }

    /// Adds a flag beside others of its name.
    pub(crate) fn and_flag(mut self, name: &str, value: &str) -> Sender {
        self.flags.push((name.into(), Some(value.into())));
        self
    }

    /// Takes a flag away.
    pub(crate) fn without(mut self, name: &str) -> Sender {
        self.flags.retain(|(flag, _)| flag != name);
        self
    }

    /// Sets a flag that has no value.
    pub(crate) fn switch(mut self, name: &str) -> Sender {
        self.flags.push((name.into(), None));
        self
    }

    /// Sets how many datapoints there are and how far they are apart.
    pub(crate) fn ticks(self, count: u64, interval_ms: u64) -> Sender {
        self.flag("interval", &format!("{interval_ms}ms"))
            .flag("duration", &format!("{}ms", count * interval_ms))
    }

    /// Has the first datapoint due now, and not at the last whole second.
    pub(crate) fn starting_now(self) -> Sender {
        self.flag("start-epoch", &seconds(now_ms()))
    }

    /// Sets a variable.
    pub(crate) fn env(self, name: &str, value: &str) -> Sender {
        Sender { surroundings: self.surroundings.env(name, value), ..self }
    }

    /// Writes a file into the current directory of the command.
    pub(crate) fn file(self, name: &str, content: &str) -> Sender {
        self.surroundings.folder.write(name, content);
        self
    }

    /// Runs it by a shell, as `"$0" "$@"`.
    pub(crate) fn shell(self, script: &str) -> Sender {
        Sender { shell: Some(script.into()), ..self }
    }

    /// Returns the folder it is run in.
    pub(crate) fn folder(&self) -> &Path {
        self.surroundings.folder.path()
    }

    /// Returns the arguments as they are typed.
    pub(crate) fn args(&self) -> Vec<String> {
        let arg =
            |(name, value): &(String, Option<String>)| [Some(format!("--{name}")), value.clone()];
        self.flags.iter().flat_map(arg).flatten().collect()
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        match &self.shell {
            None => self.surroundings.start(self.args()),
            Some(script) => self.surroundings.start_in_shell(script, self.args()),
        }
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

    /// Returns every datapoint that was planned, made by the library, by time and labels.
    #[track_caller]
    pub(crate) fn planned(&self) -> Vec<Point> {
        let Surroundings { variables, folder, .. } = &self.surroundings;
        let variables = variables.iter().map(|(key, value)| (key.into(), value.into()));
        let environment = Environment::new(variables.collect(), folder.path().to_path_buf());
        let start_ms = self.log().only("window").get("start").number();
        library::points(&library::plan(&self.args, &environment, start_ms))
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
