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
const KEPT: Flag = Flag {
    name: "",
    value: "",
    help: "",
    default: "",
    variable: "",
    repeatable: false,
    rerun: true,
    verbs: Verb::ALL,
};
/// A flag about this run only: its window, its last step, its output.
const ONCE: Flag = Flag { rerun: false, ..KEPT };
/// Such a flag of the live verb.
const LIVE: Flag = Flag { verbs: &[Verb::Live], ..ONCE };
/// Such a flag of the live verb, and of a preview of it.
const LIVE_WINDOW: Flag = Flag { verbs: &[Verb::Live, Verb::Preview], ..ONCE };
/// Such a flag of the backfill verb.
const BACKFILL: Flag = Flag { verbs: &[Verb::Backfill], ..ONCE };
/// Such a flag of the verbs that push.
const PUSHED: Flag = Flag { verbs: &[Verb::Live, Verb::Backfill], ..ONCE };
/// Such a flag of the verbs that take a window of the past.
const PAST_WINDOW: Flag = Flag { verbs: &[Verb::Backfill, Verb::Preview, Verb::Verify], ..ONCE };
/// Such a flag of the preview verb.
const PREVIEW: Flag = Flag { verbs: &[Verb::Preview], ..ONCE };

/// Every flag but `-h`, `--help` and `--version`, under its heading in `--help`.
pub const SECTIONS: &[(&str, &[Flag])] = &[
    ("SERIES", SERIES),
    ("WINDOW", WINDOW),
    ("TARGET", TARGET),
    ("DELIVERY", DELIVERY),
    ("OUTPUT", OUTPUT),
];

const SERIES: &[Flag] = &[
    Flag {
        name: "metric-name",
        value: "NAME",
        help: "Name of the metric. Required. Characters other than [a-zA-Z0-9_:] become '_'.",
        ..KEPT
    },
    Flag {
        name: "labels",
        value: "K=V,...",
        help: "Labels of the series. Required; repeat it for further series. A value may be \
               \"quoted\" to hold commas. {1..500} or {001..500} in a value without quotes makes \
               that many series, 10000 in all.",
        repeatable: true,
        ..KEPT
    },
    Flag {
        name: "description",
        value: "TEXT",
        help: "HELP of the metric.",
        default: "Live metric data",
        ..KEPT
    },
    Flag {
        name: "trend-coefficient",
        value: "X",
        help: "How much the trend grows per trend unit.",
        default: "0.1",
        ..KEPT
    },
    Flag {
        name: "flat-base",
        value: "X",
        help: "Value of the trend at the origin.",
        default: "5",
        ..KEPT
    },
    Flag {
        name: "trend-unit",
        value: "DURATION",
        help: "Time in which the trend grows by its coefficient.",
        default: "57m",
        ..KEPT
    },
    Flag {
        name: "seasonality",
        value: "default|none|HH:MM=V,...",
        help: "Daily curve, through these values at these times of day.",
        default: "default",
        ..KEPT
    },
    Flag {
        name: "weekly-seasonality",
        value: "none|DAY[THH:MM]=V,...",
        help: "Weekly curve, added to the daily one: through these values on these days, Mon to \
               Sun, at midnight or at a time, as in Mon=0,Sat=-6,SunT12:00=-8.",
        default: "none",
        ..KEPT
    },
    Flag { name: "noise-mean", value: "X", help: "Mean of the noise.", default: "0", ..KEPT },
    Flag {
        name: "noise-std",
        value: "X",
        help: "Standard deviation of the noise.",
        default: "3",
        ..KEPT
    },
    Flag {
        name: "seed",
        value: "N",
        help: "Seed of the noise; of several series, series k has seed N + k.",
        default: "42",
        ..KEPT
    },
    Flag {
        name: "utc-offset",
        value: "+HH:MM",
        help: "Shifts both curves from UTC to local time.",
        default: "+00:00",
        ..KEPT
    },
    Flag {
        name: "origin",
        value: "TIME",
        help: "Time of datapoint 0 of the series, where trend and noise begin. By default the \
               window's first datapoint. The same origin gives the same values in every run.",
        ..ONCE
    },
];

const WINDOW: &[Flag] = &[
    Flag {
        name: "duration",
        value: "MINUTES",
        help: "How long to push; 10s, 2h and 21d work too. Required for live, unless --end-epoch \
               is given. Preview: show what such a live run would push.",
        ..LIVE_WINDOW
    },
    Flag {
        name: "interval",
        value: "DURATION",
        help: "Time from one datapoint to the next.",
        default: "60s",
        ..LIVE_WINDOW
    },
    Flag {
        name: "since",
        value: "DURATION",
        help: "The window from this long ago until now, both rounded down to the step; replaces \
               --start-epoch and --end-epoch.",
        ..PAST_WINDOW
    },
    Flag {
        name: "start-epoch",
        value: "TIME",
        help: "Time of the first datapoint. Live: overdue datapoints are pushed at once. By \
               default now, rounded down to the second, or with --origin the latest datapoint \
               that is due. Preview: by default now, rounded down to the step.",
        ..ONCE
    },
    Flag {
        name: "end-epoch",
        value: "TIME",
        help: "End of the window: only datapoints before this time. Live: in place of --duration. \
               Preview: by default a day after the start.",
        ..ONCE
    },
    Flag {
        name: "step-size",
        value: "DURATION",
        help: "Time from one datapoint to the next; a bare number is minutes.",
        default: "15m",
        ..PAST_WINDOW
    },
    Flag {
        name: "resume",
        help: "First read what the receiver has of the window. Live: continue after the newest \
               datapoint; the window then starts at --origin unless --start-epoch is given. \
               Backfill: send only what is missing. If the receiver has a different value, \
               nothing is sent and the exit code is 5.",
        ..PUSHED
    },
];

const TARGET: &[Flag] = &[
    Flag {
        name: "url",
        value: "URL",
        help: "Remote-write endpoint, as in http://localhost:9090/api/v1/write.",
        variable: "REMOTE_WRITE_URL",
        ..KEPT
    },
    Flag {
        name: "env",
        value: "NAME",
        help: "Environment to push to, instead of --url: us, eu, scale, staging, ci, or the name \
               of another one.",
        variable: "ENV",
        ..KEPT
    },
    Flag {
        name: "env-file",
        value: "FILE",
        help: "File of variables to read instead of .env in the current directory.",
        ..KEPT
    },
    Flag {
        name: "header",
        value: "'K: V'",
        help: "Additional request header, as in 'X-Scope-OrgID: tenant'. 'K: @FILE' reads the \
               value from a file. Repeatable.",
        repeatable: true,
        ..KEPT
    },
    Flag {
        name: "ca-file",
        value: "FILE",
        help: "PEM certificates to trust instead of the bundled ones.",
        variable: "SSL_CERT_FILE",
        ..KEPT
    },
    Flag {
        name: "client-cert",
        value: "FILE",
        help: "PEM certificate chain to present to the receiver; needs --client-key.",
        ..KEPT
    },
    Flag { name: "client-key", value: "FILE", help: "PEM key of --client-cert.", ..KEPT },
    Flag {
        name: "insecure-skip-verify",
        help: "Accept any certificate. For test hosts only.",
        ..KEPT
    },
    Flag {
        name: "allow-plain-http-credentials",
        help: "Send credentials to another host over plain http.",
        ..KEPT
    },
    Flag {
        name: "read-url",
        value: "URL",
        help: "Where to read datapoints back. By default .../api/v1/read for .../api/v1/write, \
               .../prometheus/api/v1/read for .../api/v1/push and .../api/prom/api/v1/read \
               for .../api/prom/push.",
        ..KEPT
    },
    Flag {
        name: "read-api",
        value: "prometheus|victoriametrics",
        help: "How to read there: by remote read, or by the CSV export of VictoriaMetrics. \
               Detected by default.",
        ..KEPT
    },
];

const DELIVERY: &[Flag] = &[
    Flag {
        name: "protocol",
        value: "1|2|auto",
        help: "Version of remote write. auto starts with 2.0 and falls back to 1.0 if the receiver \
               does not support it.",
        default: "1",
        ..KEPT
    },
    Flag {
        name: "timeout",
        value: "DURATION",
        help: "Time limit of one attempt.",
        default: "10s",
        ..KEPT
    },
    Flag {
        name: "flush-timeout",
        value: "DURATION",
        help: "How long to keep trying after the last datapoint is due, and when reading.",
        default: "60s",
        ..KEPT
    },
    Flag {
        name: "give-up-after",
        value: "DURATION",
        help: "How long to try a datapoint again, from its first failed attempt on.",
        default: "1h",
        ..KEPT
    },
    Flag {
        name: "stale-marker",
        help: "Send a stale marker after the last datapoint, so that graphs end there.",
        ..LIVE
    },
    Flag {
        name: "verify",
        help: "At the end read the window back and compare it, as the verify verb does.",
        ..PUSHED
    },
    Flag {
        name: "batch-size",
        value: "N",
        help: "Maximum number of datapoints in one request.",
        default: "2000",
        ..Flag { rerun: true, ..PUSHED }
    },
];

const OUTPUT: &[Flag] = &[
    Flag {
        name: "output",
        value: "FILE|-",
        help: "Write OpenMetrics text to this file instead of pushing; - is stdout. Needs no \
               target.",
        ..BACKFILL
    },
    Flag { name: "force", help: "Replace the file of --output if it exists.", ..BACKFILL },
    Flag {
        name: "dry-run",
        help: "Show what would be sent, decoded, and send nothing. Needs no target and no token.",
        ..PUSHED
    },
    Flag {
        name: "format",
        value: "chart|csv",
        help: "A chart, or lines of timestamp,value: epoch seconds, and the value in the fewest \
               digits that give the same bits. With several series a third field names the series.",
        default: "chart",
        ..PREVIEW
    },
    Flag {
        name: "width",
        value: "COLUMNS",
        help: "Width of the chart, 20 to 1000. By default COLUMNS, the width of the terminal, or \
               80.",
        ..PREVIEW
    },
    Flag {
        name: "ascii",
        help: "Draw with plain ASCII. The default unless LC_ALL, LC_CTYPE or LANG says UTF-8.",
        ..PREVIEW
    },
    Flag { name: "quiet", help: "Print nothing if all went well.", ..ONCE },
    Flag { name: "verbose", help: "Also log each attempt and each value.", ..ONCE },
    Flag {
        name: "log-format",
        value: "text|json",
        help: "Format of the log lines on stderr.",
        default: "text",
        ..ONCE
    },
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
