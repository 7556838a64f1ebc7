//! The log of a run in JSON, and the counts at its end.

use super::json::Json;

/// A log in JSON, line by line.
#[derive(Debug)]
pub(crate) struct Log(pub(crate) Vec<Json>);

impl Log {
    /// Reads a log, every line of which must be an object.
    #[track_caller]
    pub(crate) fn read(text: &str) -> Log {
        let line = |line: &str| {
            let json = Json::parse(line).unwrap_or_else(|error| panic!("{error} in: {line}"));
            for name in ["time", "level", "event", "message"] {
                json.get(name).text();
            }
            json
        };
        Log(text.lines().map(line).collect())
    }

    /// Returns the lines of an event.
    pub(crate) fn events(&self, event: &str) -> Vec<&Json> {
        self.0.iter().filter(|line| line.get("event").text() == event).collect()
    }

    /// Returns the one line of an event.
    #[track_caller]
    pub(crate) fn only(&self, event: &str) -> &Json {
        let lines = self.events(event);
        assert_eq!(lines.len(), 1, "{event} in {self:#?}");
        lines[0]
    }

    /// Returns the messages of an event.
    pub(crate) fn messages(&self, event: &str) -> Vec<&str> {
        self.events(event).into_iter().map(|line| line.get("message").text()).collect()
    }

    /// Returns the counts at the end, which must add up.
    #[track_caller]
    pub(crate) fn summary(&self) -> Summary {
        let line = self.only("summary");
        assert_eq!(self.0.last(), Some(line), "the summary is the last line");
        let count = |name: &str| u64::try_from(line.get(name).number()).expect("not negative");
        let text = |command: &Json| command.get("command").text().to_owned();
        let summary = Summary {
            planned: count("planned"),
            accepted: count("accepted"),
            rejected: count("rejected"),
            undelivered: count("undelivered"),
            unconfirmed: count("unconfirmed"),
            not_yet_due: count("not_yet_due"),
            retries: count("retries"),
            omitted_range_count: count("omitted_range_count"),
            commands: line.get("missing_ranges").array().iter().map(text).collect(),
        };
        let sum = summary.accepted
            + summary.rejected
            + summary.undelivered
            + summary.unconfirmed
            + summary.not_yet_due;
        assert_eq!(summary.planned, sum, "{summary:?}");
        summary
    }
}

/// The counts at the end of a run, in samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) planned: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) undelivered: u64,
    pub(crate) unconfirmed: u64,
    pub(crate) not_yet_due: u64,
    pub(crate) retries: u64,
    pub(crate) omitted_range_count: u64,
    /// The commands that send what is missing.
    pub(crate) commands: Vec<String>,
}

impl Summary {
    /// Returns the counts that add up: accepted, rejected, undelivered, unconfirmed, not yet due.
    pub(crate) fn counts(&self) -> [u64; 5] {
        [self.accepted, self.rejected, self.undelivered, self.unconfirmed, self.not_yet_due]
    }
}
