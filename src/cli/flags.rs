//! The flags: one table for the parser, the help, the documents and the completions, and the
//! verbs that take them.

/// A flag, for the parser and for `--help`.
#[derive(Debug, PartialEq, Eq)]
pub struct Flag {
    /// Long name without its dashes.
    pub name: &'static str,
    /// What its value is called; empty for a switch.
    pub value: &'static str,
    /// What it does, as a sentence.
    pub help: &'static str,
    /// The value it has when it is not given, as it would be typed.
    pub default: &'static str,
    /// The variable that stands in for it.
    pub variable: &'static str,
    /// Whether it may be given more than once.
    pub repeatable: bool,
    /// Whether a command that sends a part of this run again needs it.
    pub rerun: bool,
    /// The verbs that take it.
    pub verbs: &'static [Verb],
}

/// What is done with a window of the series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Push each datapoint when its time has come; the verb that needs no word.
    Live,
    /// Push, or write, the past at once.
    Backfill,
    /// Draw any window, or print it as CSV.
    Preview,
    /// Read back and compare.
    Verify,
}

impl Verb {
    /// Every verb.
    pub const ALL: &[Verb] = &[Verb::Live, Verb::Backfill, Verb::Preview, Verb::Verify];

    /// Returns the word for it; empty for live.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Live => "",
            verb => verb.name(),
        }
    }

    /// Returns its name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Live => "live",
            Verb::Backfill => "backfill",
            Verb::Preview => "preview",
            Verb::Verify => "verify",
        }
    }
}

/// A flag that a command to continue the run repeats.
const KEPT: Flag = Flag::new(true, Verb::ALL);
/// A flag about this run only: its window, its last step, its output.
const ONCE: Flag = Flag::new(false, Verb::ALL);
/// Such a flag of some verbs.
const LIVE: Flag = Flag::new(false, &[Verb::Live]);
const LIVE_WINDOW: Flag = Flag::new(false, &[Verb::Live, Verb::Preview]);
const BACKFILL: Flag = Flag::new(false, &[Verb::Backfill]);
const PUSHED: Flag = Flag::new(false, &[Verb::Live, Verb::Backfill]);
const PAST_WINDOW: Flag = Flag::new(false, &[Verb::Backfill, Verb::Preview, Verb::Verify]);
/// A flag that is repeated only by commands that verify; see `rerun_args`.
const JUDGING: Flag = Flag::new(true, &[Verb::Live, Verb::Verify]);
const PREVIEW: Flag = Flag::new(false, &[Verb::Preview]);

impl Flag {
    const fn new(rerun: bool, verbs: &'static [Verb]) -> Flag {
        let (name, value, help, default, variable) = ("", "", "", "", "");
        Flag { name, value, help, default, variable, repeatable: false, rerun, verbs }
    }

    const fn flag(self, name: &'static str, value: &'static str, help: &'static str) -> Flag {
        Flag { name, value, help, ..self }
    }

    const fn default(self, default: &'static str) -> Flag {
        Flag { default, ..self }
    }

    const fn variable(self, variable: &'static str) -> Flag {
        Flag { variable, ..self }
    }

    const fn repeatable(self) -> Flag {
        Flag { repeatable: true, ..self }
    }

    const fn kept(self) -> Flag {
        Flag { rerun: true, ..self }
    }
}

/// Every flag but `-h`, `--help` and `--version`, under its heading in `--help`.
pub const SECTIONS: &[(&str, &[Flag])] = &[
    ("SERIES", SERIES),
    ("WINDOW", WINDOW),
    ("TARGET", TARGET),
    ("DELIVERY", DELIVERY),
    ("VERDICT", VERDICT),
    ("OUTPUT", OUTPUT),
];

#[rustfmt::skip]
const SERIES: &[Flag] = &[
    KEPT.flag("metric-name", "NAME",
        "Name of the metric. Required. Characters other than [a-zA-Z0-9_:] become '_'."),
    KEPT.flag("labels", "K=V,...",
        "Labels of the series. Required; repeat it for further series. A value may be \"quoted\" \
         to hold commas. {1..500} or {001..500} in a value without quotes makes that many series, \
         10000 in all.").repeatable(),
    KEPT.flag("description", "TEXT", "HELP of the metric.").default("Live metric data"),
    KEPT.flag("type", "gauge|counter",
        "Type of the metric. The curve of a counter is its rate per second, 0 where it is \
         negative: a datapoint is the sum since the origin or the last reset.").default("gauge"),
    KEPT.flag("trend-coefficient", "X", "How much the trend grows per trend unit.").default("0.1"),
    KEPT.flag("flat-base", "X", "Value of the trend at the origin.").default("5"),
    KEPT.flag("trend-unit", "DURATION",
        "Time in which the trend grows by its coefficient.").default("57m"),
    KEPT.flag("seasonality", "default|none|HH:MM=V,...",
        "Daily curve, through these values at these times of day.").default("default"),
    KEPT.flag("weekly-seasonality", "none|DAY[THH:MM]=V,...",
        "Weekly curve, added to the daily one: through these values on these days, Mon to Sun, at \
         midnight or at a time, as in Mon=0,Sat=-6,SunT12:00=-8.").default("none"),
    KEPT.flag("noise-mean", "X", "Mean of the noise.").default("0"),
    KEPT.flag("noise-std", "X", "Standard deviation of the noise.").default("3"),
    KEPT.flag("seed", "N",
        "Seed of the noise; of several series, series k has seed N + k.").default("42"),
    KEPT.flag("utc-offset", "+HH:MM",
        "Offset of local time from UTC, for both curves.").default("+00:00"),
    ONCE.flag("origin", "TIME",
        "Time of datapoint 0 of the series, where trend and noise begin. By default the window's \
         first datapoint. The same origin gives the same values in every run."),
    KEPT.flag("incident", "KIND@AT+LENGTH",
        "Known trouble, as in shift@10m+5m=40. Repeatable. The full form is \
         KIND@AT+LENGTH[/EVERY][=VALUE][,LABEL=VALUE...]. KIND is shift, ramp, spike, scale, \
         noise, flat or gap; AT is a DURATION after the origin or a TIME; labels restrict it to \
         the series that have them. reset@AT[/EVERY] starts a counter from 0 again.").repeatable(),
    KEPT.flag("truth-metric", "NAME",
        "Also push, for each series, one of this name with the same labels: 1 inside its incidents \
         (gaps included) and 0 outside."),
];

#[rustfmt::skip]
const WINDOW: &[Flag] = &[
    LIVE_WINDOW.flag("duration", "MINUTES",
        "How long to push; 10s, 2h and 21d work too. Required for live, unless --end-epoch is \
         given. Preview: show what such a live run would push."),
    LIVE_WINDOW.flag("interval", "DURATION", "Time from one datapoint to the next.").default("60s"),
    PAST_WINDOW.flag("since", "DURATION",
        "The window from this long ago until now, both rounded down to the step; replaces \
         --start-epoch and --end-epoch."),
    ONCE.flag("start-epoch", "TIME",
        "Time of the first datapoint. Live: overdue datapoints are pushed at once. By default now, \
         rounded down to the second, or with --origin the latest datapoint that is due. Preview: \
         by default now, rounded down to the step."),
    ONCE.flag("end-epoch", "TIME",
        "End of the window: only datapoints before this time. Live: in place of --duration. \
         Preview: by default a day after the start."),
    PAST_WINDOW.flag("step-size", "DURATION",
        "Time from one datapoint to the next; a bare number is minutes.").default("15m"),
    PUSHED.flag("resume", "",
        "First read what the receiver has of the window. Live: continue after the newest \
         datapoint; the window then starts at --origin unless --start-epoch is given. Backfill: \
         send only what is missing. If the receiver has a different value, nothing is sent and the \
         exit code is 5."),
];

#[rustfmt::skip]
const TARGET: &[Flag] = &[
    KEPT.flag("url", "URL",
        "Remote-write endpoint, as in \
         http://localhost:9090/api/v1/write.").variable("REMOTE_WRITE_URL"),
    KEPT.flag("env", "NAME",
        "Environment to push to, instead of --url: us, eu, scale, staging, ci, or the name of \
         another one.").variable("ENV"),
    KEPT.flag("env-file", "FILE",
        "File of variables to read instead of .env in the current directory."),
    KEPT.flag("header", "'K: V'",
        "Additional request header, as in 'X-Scope-OrgID: tenant'. 'K: @FILE' reads the value from \
         a file. Repeatable.").repeatable(),
    KEPT.flag("ca-file", "FILE",
        "PEM certificates to trust instead of the bundled ones.").variable("SSL_CERT_FILE"),
    KEPT.flag("client-cert", "FILE",
        "PEM certificate chain to present to the receiver; needs --client-key."),
    KEPT.flag("client-key", "FILE", "PEM key of --client-cert."),
    KEPT.flag("insecure-skip-verify", "", "Accept any certificate. For test hosts only."),
    KEPT.flag("allow-plain-http-credentials", "",
        "Send credentials to another host over plain http."),
    KEPT.flag("read-url", "URL",
        "Where to read datapoints back. By default .../api/v1/read for .../api/v1/write, \
         .../prometheus/api/v1/read for .../api/v1/push and .../api/prom/api/v1/read for \
         .../api/prom/push."),
    KEPT.flag("read-api", "prometheus|victoriametrics",
        "How to read there: by remote read, or by the CSV export of VictoriaMetrics. Detected by \
         default."),
];

#[rustfmt::skip]
const DELIVERY: &[Flag] = &[
    KEPT.flag("protocol", "1|2|auto",
        "Version of remote write. auto starts with 2.0 and falls back to 1.0 if the receiver does \
         not support it.").default("1"),
    KEPT.flag("timeout", "DURATION", "Time limit of one attempt.").default("10s"),
    KEPT.flag("flush-timeout", "DURATION",
        "How long to keep trying after the last datapoint is due, and when \
         reading.").default("60s"),
    KEPT.flag("give-up-after", "DURATION",
        "How long to try a datapoint again, from its first failed attempt on.").default("1h"),
    LIVE.flag("stale-marker", "",
        "Send a stale marker after the last datapoint, so that graphs end there."),
    PUSHED.flag("verify", "",
        "At the end read the window back and compare it, as the verify verb does."),
    PUSHED.flag("batch-size", "N",
        "Maximum number of datapoints in one request.").default("2000").kept(),
];

/// Flags that judge alerts by the incidents.
#[rustfmt::skip]
pub const VERDICT: &[Flag] = &[
    JUDGING.flag("alert", "NAME",
        "Judge the alert of this name: it must fire for each incident and for nothing else. Live: \
         needs --verify. Repeatable; one of several is enough for an incident. Rules see only what \
         arrives live.").repeatable(),
    JUDGING.flag("detector", "METRIC",
        "Judge the series of this name in the same way: it fires while it is not 0, NaN or absent. \
         Repeatable.").repeatable(),
    JUDGING.flag("fires-within", "DURATION",
        "How soon after the start of an incident an alert must fire.").default("5m"),
    JUDGING.flag("resolves-within", "DURATION",
        "How long after the end of an incident an alert may still fire for it.").default("5m"),
    JUDGING.flag("alert-url", "URL",
        "Where to read alerts; by default where datapoints are read. An address as for --read-url; \
         its secret is ALERT_URL_TOKEN, or ALERT_URL_USERNAME and ALERT_URL_PASSWORD."),
];

#[rustfmt::skip]
const OUTPUT: &[Flag] = &[
    BACKFILL.flag("output", "FILE|-",
        "Write OpenMetrics text to this file instead of pushing; - is stdout. Needs no target."),
    BACKFILL.flag("force", "", "Replace the file of --output if it exists."),
    PUSHED.flag("dry-run", "",
        "Show what would be sent, decoded, and send nothing. Needs no target and no token."),
    PREVIEW.flag("format", "chart|csv|truth|windows|promtool",
        "A chart; csv: lines of timestamp,value: epoch seconds, and the value in the fewest \
         digits that give the same bits; truth: csv with is_anomaly and the numbers of the \
         incidents; windows: JSON with the times of the incidents of each series; promtool: a file \
         for promtool test rules. With several series a last field of the CSV names the \
         series.").default("chart"),
    PREVIEW.flag("width", "COLUMNS",
        "Width of the chart, 20 to 1000. By default COLUMNS, the width of the terminal, or 80."),
    PREVIEW.flag("ascii", "",
        "Draw with plain ASCII. The default unless LC_ALL, LC_CTYPE or LANG says UTF-8."),
    ONCE.flag("quiet", "", "Print nothing if all went well."),
    ONCE.flag("verbose", "", "Also log each attempt and each value."),
    ONCE.flag("log-format", "text|json", "Format of the log lines on stderr.").default("text"),
];

/// Returns every flag, in the order of `--help`.
pub(super) fn flags() -> impl Iterator<Item = &'static Flag> {
    SECTIONS.iter().flat_map(|(_, flags)| flags.iter())
}

/// Former names of flags, which still work: old and new.
const FORMER_NAMES: &[(&str, &str)] = &[("max-sample-age", "give-up-after")];

/// Returns the flag of this name, which may be a former one.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    let former = FORMER_NAMES.iter().find(|(old, _)| *old == name);
    let name = former.map_or(name, |(_, new)| new);
    flags().find(|flag| flag.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for flag in flags() {
            assert_eq!(flags().filter(|other| other.name == flag.name).count(), 1);
            assert!(flag.help.ends_with('.') && flag.help.is_ascii(), "--{}", flag.name);
        }
    }
}
