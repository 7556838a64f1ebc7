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

/// A flag that belongs to every command that continues the run.
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
/// A flag about this run only: its window, its last act, its way of speaking.
const ONCE: Flag = Flag { rerun: false, ..KEPT };
/// Such a flag of the live verb.
const LIVE: Flag = Flag { verbs: &[Verb::Live], ..ONCE };
/// Such a flag of the live verb, and of a preview of it.
const LIVE_WINDOW: Flag = Flag { verbs: &[Verb::Live, Verb::Preview], ..ONCE };
/// Such a flag of the backfill verb.
const BACKFILL: Flag = Flag { verbs: &[Verb::Backfill], ..ONCE };
/// Such a flag of the verbs that push.
const PUSHED: Flag = Flag { verbs: &[Verb::Live, Verb::Backfill], ..ONCE };
/// Such a flag of the verbs whose window need not slide.
const STRETCH: Flag = Flag { verbs: &[Verb::Backfill, Verb::Preview, Verb::Verify], ..ONCE };
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
        help: "Labels of the series. Required; repeat it for one more series each. A value may be \
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
        help: "What the trend adds in each trend unit.",
        default: "0.1",
        ..KEPT
    },
    Flag { name: "flat-base", value: "X", help: "Trend at the origin.", default: "5", ..KEPT },
    Flag {
        name: "trend-unit",
        value: "DURATION",
        help: "Time in which the trend adds its coefficient once.",
        default: "57m",
        ..KEPT
    },
    Flag {
        name: "seasonality",
        value: "default|none|HH:MM=V,...",
        help: "Curve of the day, through these values at these times.",
        default: "default",
        ..KEPT
    },
    Flag {
        name: "weekly-seasonality",
        value: "none|DAY[THH:MM]=V,...",
        help: "Curve of the week, added to that of the day: through these values on these days, \
               Mon to Sun, at midnight or at a time, as in Mon=0,Sat=-6,SunT12:00=-8.",
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
        help: "Seed of the noise; series k of several takes N + k.",
        default: "42",
        ..KEPT
    },
    Flag {
        name: "utc-offset",
        value: "+HH:MM",
        help: "Moves both curves from UTC to local time.",
        default: "+00:00",
        ..KEPT
    },
    Flag {
        name: "origin",
        value: "TIME",
        help: "Time of the series' datapoint 0, from which trend and noise count. By default the \
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
        help: "The window from this long ago until now, both cut to the step; in place of \
               --start-epoch and --end-epoch.",
        ..STRETCH
    },
    Flag {
        name: "start-epoch",
        value: "TIME",
        help: "Time of the first datapoint. Live: datapoints of the past are pushed at once; by \
               default now, cut to the whole second, with --origin its latest datapoint that is \
               due. Preview: by default now, cut to the step.",
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
        ..STRETCH
    },
    Flag {
        name: "resume",
        help: "Read first what the receiver has of the window. Live: go on after the newest \
               datapoint; the window then starts at --origin unless --start-epoch is given. \
               Backfill: send only what is missing, wherever it is. Another value there is exit \
               code 5, and nothing is sent.",
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
        help: "Environment to push to in place of --url: us, eu, scale, staging, ci or another \
               one's name.",
        variable: "ENV",
        ..KEPT
    },
    Flag {
        name: "env-file",
        value: "FILE",
        help: "File of variables to read in place of .env in the current directory.",
        ..KEPT
    },
    Flag {
        name: "header",
        value: "'K: V'",
        help: "One more request header, as in 'X-Scope-OrgID: tenant'. 'K: @FILE' reads the value \
               from a file. Repeatable.",
        repeatable: true,
        ..KEPT
    },
    Flag {
        name: "ca-file",
        value: "FILE",
        help: "PEM certificates to trust in place of the bundled ones.",
        variable: "SSL_CERT_FILE",
        ..KEPT
    },
    Flag {
        name: "client-cert",
        value: "FILE",
        help: "PEM certificate chain to show to the receiver; needs --client-key.",
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
        help: "Send credentials over plain http to another host.",
        ..KEPT
    },
    Flag {
        name: "read-url",
        value: "URL",
        help: "Where datapoints are read back. By default .../api/v1/read for .../api/v1/write, \
               .../prometheus/api/v1/read for .../api/v1/push and .../api/prom/api/v1/read \
               for .../api/prom/push.",
        ..KEPT
    },
    Flag {
        name: "read-api",
        value: "prometheus|victoriametrics",
        help: "What is spoken there: remote read, or the CSV export of VictoriaMetrics. By default \
               its answer tells.",
        ..KEPT
    },
];

const DELIVERY: &[Flag] = &[
    Flag {
        name: "protocol",
        value: "1|2|auto",
        help: "Version of remote write. auto speaks 2.0, and falls back to 1.0 once when the \
               receiver does not know it.",
        default: "1",
        ..KEPT
    },
    Flag {
        name: "timeout",
        value: "DURATION",
        help: "Limit for one attempt.",
        default: "10s",
        ..KEPT
    },
    Flag {
        name: "flush-timeout",
        value: "DURATION",
        help: "How long to try on after the last datapoint, and to try to read.",
        default: "60s",
        ..KEPT
    },
    Flag {
        name: "max-sample-age",
        value: "DURATION",
        help: "Give a datapoint up this long after its first failed attempt.",
        default: "1h",
        ..KEPT
    },
    Flag {
        name: "stale-marker",
        help: "End the series with a stale marker, so that graphs end there.",
        ..LIVE
    },
    Flag {
        name: "verify",
        help: "Read the window back at the end and compare it, as the verb does.",
        ..PUSHED
    },
    Flag {
        name: "batch-size",
        value: "N",
        help: "Datapoints in one request at most.",
        default: "2000",
        ..Flag { rerun: true, ..PUSHED }
    },
];

const OUTPUT: &[Flag] = &[
    Flag {
        name: "output",
        value: "FILE|-",
        help: "Write OpenMetrics text there instead of pushing; - is stdout. Needs no target.",
        ..BACKFILL
    },
    Flag { name: "force", help: "Replace the file of --output if it is there.", ..BACKFILL },
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
        help: "Width of the chart, 20 to 1000. By default that of COLUMNS or the terminal, else \
               80.",
        ..PREVIEW
    },
    Flag {
        name: "ascii",
        help: "Draw with plain ASCII, as is done where LC_ALL, LC_CTYPE and LANG name no UTF-8.",
        ..PREVIEW
    },
    Flag { name: "quiet", help: "Say nothing at all when all went well.", ..ONCE },
    Flag { name: "verbose", help: "Say more.", ..ONCE },
    Flag {
        name: "log-format",
        value: "text|json",
        help: "Form of the log lines on stderr.",
        default: "text",
        ..ONCE
    },
];

/// Returns every flag, in the order of `--help`.
pub(super) fn flags() -> impl Iterator<Item = &'static Flag> {
    SECTIONS.iter().flat_map(|(_, flags)| flags.iter())
}

/// Returns the flag of this name.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
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
