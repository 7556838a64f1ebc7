//! The command line as typed: which flags there are and what stood behind them.
//!
//! No IO and no cross-checks; units and meanings are applied by whoever asks for a flag.

use std::ffi::OsString;

use lexopt::Arg::{Long, Short, Value};

use super::units::Unusable;
use crate::error::BadInput;

/// What is done with a window of the series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Push it as time goes by; the one that needs no word.
    Live,
    /// Read it back.
    Verify,
}

impl Verb {
    const ALL: &[Verb] = &[Verb::Live, Verb::Verify];

    /// Returns the word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Verb::Live => "live",
            Verb::Verify => "verify",
        }
    }

    fn find(word: &str) -> Option<Verb> {
        Verb::ALL.iter().copied().find(|verb| verb.name() == word)
    }
}

/// A flag, for the parser and for `--help`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flag {
    /// Long name without its dashes.
    pub(super) name: &'static str,
    /// What its value is called; empty for a switch.
    pub(super) value: &'static str,
    /// What it does, as a sentence.
    pub(super) help: &'static str,
    /// The value it has when it is not given, as it would be typed.
    pub(super) default: &'static str,
    /// The variable that stands in for it.
    pub(super) variable: &'static str,
    /// Whether it may be given more than once.
    pub(super) repeatable: bool,
    /// Whether a command that sends a part of this run again needs it.
    pub(super) rerun: bool,
    /// The verbs that know it.
    pub(super) verbs: &'static [Verb],
}

impl Flag {
    /// Returns the one verb that knows it, if the others do not.
    pub(super) fn only_verb(&self) -> Option<Verb> {
        if let [verb] = self.verbs { Some(*verb) } else { None }
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
/// The same of live runs, and of those that look back.
const LIVE_ONCE: Flag = Flag { verbs: &[Verb::Live], ..ONCE };
const VERIFY_ONCE: Flag = Flag { verbs: &[Verb::Verify], ..ONCE };

/// Every flag but `-h`, `--help` and `--version`, under its heading in `--help`.
pub(super) const SECTIONS: &[(&str, &[Flag])] = &[
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
        help: "Moves the curve of the day from UTC to local time.",
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
        help: "How long to push; 10s, 2h and 21d work too. Required, unless --end-epoch is given.",
        ..LIVE_ONCE
    },
    Flag {
        name: "end-epoch",
        value: "TIME",
        help: "The window ends before this time. For live in place of --duration.",
        ..ONCE
    },
    Flag {
        name: "interval",
        value: "DURATION",
        help: "Time from one datapoint to the next.",
        default: "60s",
        ..LIVE_ONCE
    },
    Flag {
        name: "start-epoch",
        value: "TIME",
        help: "Time of the first datapoint; live pushes datapoints of the past at once, and by \
               default starts now, cut to the whole second; with --origin at its latest datapoint \
               that is due.",
        ..ONCE
    },
    Flag {
        name: "resume",
        help: "Go on after the newest datapoint that the receiver has of the window, which then \
               starts at --origin unless --start-epoch is given.",
        ..LIVE_ONCE
    },
    Flag {
        name: "since",
        value: "DURATION",
        help: "The window is the last 21d, say, in place of --start-epoch and --end-epoch; both \
               ends are on the grid.",
        ..VERIFY_ONCE
    },
    Flag {
        name: "step-size",
        value: "DURATION",
        help: "Time from one datapoint to the next; a bare number is minutes.",
        default: "15m",
        ..VERIFY_ONCE
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
               .../prometheus/api/v1/read for .../api/v1/push and .../api/prom/read for \
               .../api/prom/push.",
        ..ONCE
    },
    Flag {
        name: "read-api",
        value: "prometheus|victoriametrics",
        help: "What is spoken there: remote read, or the CSV export of VictoriaMetrics. By default \
               its answer tells.",
        ..ONCE
    },
];

const DELIVERY: &[Flag] = &[
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
        verbs: &[Verb::Live],
        ..KEPT
    },
    Flag {
        name: "stale-marker",
        help: "End the series with a stale marker, so that graphs end there.",
        ..LIVE_ONCE
    },
    Flag {
        name: "verify",
        help: "Read the window back at the end and compare it, as the verb does.",
        ..LIVE_ONCE
    },
];

const OUTPUT: &[Flag] = &[
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

/// What the command line is about. Not `Debug`: values may be secrets.
pub(super) enum Typed {
    /// `-h`: one screen of help.
    ShortHelp,
    /// `--help`: all of it.
    Help,
    /// `--version`.
    Version,
    /// Something to do.
    Run(Verb, Args),
}

/// Flags with their values, in the order typed.
#[derive(Default)]
pub(super) struct Args(Vec<(&'static Flag, String)>);

/// Reads the arguments behind the program's name.
///
/// # Errors
/// An argument is no flag, has no value or one too many, is not UTF-8, or is given twice.
pub(super) fn parse(raw: impl Iterator<Item = OsString>) -> Result<Typed, BadInput> {
    let mut parser = lexopt::Parser::from_args(raw);
    let mut args = Args::default();
    let mut verb = None;
    loop {
        let name = match parser.next() {
            Ok(Some(Long("help"))) => return Ok(Typed::Help),
            Ok(Some(Short('h'))) => return Ok(Typed::ShortHelp),
            Ok(Some(Long("version"))) => return Ok(Typed::Version),
            Ok(Some(Long(name))) => name.to_string(),
            Ok(Some(Short(c))) => {
                return Err(bad(&format!("-{c}"), None, "is not a flag", "see -h"));
            }
            Ok(Some(Value(text))) => {
                let text = text.to_string_lossy();
                verb = match Verb::find(&text) {
                    found @ Some(_) if verb.is_none() => found,
                    _ => return Err(bad("argument", Some(&text), "belongs to no flag", "see -h")),
                };
                continue;
            }
            Ok(None) => return args.of(verb.unwrap_or(Verb::Live)),
            // All that lexopt refuses here is `--switch=value`, of a switch typed before.
            Err(error) => {
                let switch = args.0.last().map_or("", |(flag, _)| flag.name);
                debug_assert!(matches!(error, lexopt::Error::UnexpectedValue { .. }));
                return Err(bad_flag(switch, None, "takes no value", "leave out = and the rest"));
            }
        };
        let flag = find(&name).ok_or_else(|| unknown(&name))?;
        let value = if flag.value.is_empty() { String::new() } else { value(&mut parser, flag)? };
        if !flag.repeatable && args.has(flag.name) {
            return Err(bad_flag(flag.name, None, "is given twice", "leave one of them out"));
        }
        args.0.push((flag, value));
    }
}

fn value(parser: &mut lexopt::Parser, flag: &Flag) -> Result<String, BadInput> {
    let (value, attached) = match parser.optional_value() {
        Some(value) => (Some(value), true),
        None => (parser.value().ok(), false),
    };
    let way_out = format!("write --{} {}", flag.name, flag.value);
    let Some(value) = value else {
        return Err(bad_flag(flag.name, None, "has no value", &way_out));
    };
    // The value may be a secret header, so it is not shown.
    let value = value
        .into_string()
        .map_err(|_| bad_flag(flag.name, None, "has a value that is not UTF-8", &way_out))?;
    let next = value.strip_prefix("--").and_then(|text| find(text.split('=').next()?));
    match next {
        Some(next) if !attached => {
            let problem = format!("has no value before --{}", next.name);
            Err(bad_flag(flag.name, None, &problem, &way_out))
        }
        _ => Ok(value),
    }
}

fn find(name: &str) -> Option<&'static Flag> {
    flags().find(|flag| flag.name == name)
}

fn unknown(name: &str) -> BadInput {
    let names = flags().map(|flag| flag.name).chain(["help", "version"]);
    let near = names
        .map(|known| (if known.starts_with(name) { 0 } else { distance(name, known) }, known))
        .min()
        .filter(|(distance, known)| *distance <= 3.min(known.len() / 2) && !name.is_empty());
    let way_out = match near {
        Some((_, known)) => format!("did you mean --{known}?"),
        None => "see --help".into(),
    };
    bad_flag(name, None, "is not a flag", &way_out)
}

/// Returns how many characters have to be put in, taken out or replaced. Source: Levenshtein.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[row.len() - 1]
}

impl Args {
    fn of(self, verb: Verb) -> Result<Typed, BadInput> {
        match self.0.iter().find(|(flag, _)| !flag.verbs.contains(&verb)) {
            None => Ok(Typed::Run(verb, self)),
            Some((flag, _)) => {
                let problem = format!("does not belong to {}", verb.name());
                Err(bad_flag(flag.name, None, &problem, "see --help"))
            }
        }
    }

    /// Returns whether the flag was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// Returns the flag's value, if it was given.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns the flag's value or its default.
    pub(super) fn value(&self, name: &str) -> &str {
        self.given(name).or(find(name).map(|flag| flag.default)).expect("the flag is in the table")
    }

    /// Returns every value of a repeatable flag, in the order typed.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        debug_assert!(find(name).is_some(), "--{name} is in the table");
        self.0.iter().filter(move |(flag, _)| flag.name == name).map(|(_, value)| value.as_str())
    }

    /// Returns what `parser` makes of the flag's value or its default.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parser: impl Fn(&str) -> Result<T, Unusable>,
    ) -> Result<T, BadInput> {
        let value = self.value(name);
        parser(value).map_err(|error| bad_flag(name, Some(value), &error.problem, &error.way_out))
    }

    /// Returns what `parser` makes of the flag's value, if it was given.
    pub(super) fn parsed_if_given<T>(
        &self,
        name: &str,
        parser: impl Fn(&str) -> Result<T, Unusable>,
    ) -> Result<Option<T>, BadInput> {
        self.has(name).then(|| self.parsed(name, parser)).transpose()
    }
}

/// Returns the error of a flag; no `value` where it was not given or is a secret.
pub(super) fn bad_flag(name: &str, value: Option<&str>, problem: &str, way_out: &str) -> BadInput {
    bad(&format!("--{name}"), value, problem, way_out)
}

/// Returns the error of anything else that was given.
pub(super) fn bad(subject: &str, value: Option<&str>, problem: &str, way_out: &str) -> BadInput {
    BadInput {
        subject: subject.into(),
        value: value.map(Into::into),
        problem: problem.into(),
        way_out: way_out.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::Random;

    fn shown(raw: &[&str]) -> String {
        match parse(raw.iter().map(OsString::from)) {
            Ok(Typed::Run(_, args)) => {
                let typed = args.0.iter().map(|(flag, value)| format!("{}={value}", flag.name));
                typed.collect::<Vec<_>>().join(" ")
            }
            Ok(Typed::ShortHelp) => "-h".into(),
            Ok(Typed::Help) => "--help".into(),
            Ok(Typed::Version) => "--version".into(),
            Err(error) => error.to_string(),
        }
    }

    #[track_caller]
    fn check(raw: &[&str], expected: &str) {
        assert_eq!(shown(raw), expected);
    }

    #[test]
    fn flags_take_values_in_two_ways() {
        check(&[], "");
        check(&["--seed", "1", "--url=http://h?a=b"], "seed=1 url=http://h?a=b");
        check(&["--trend-coefficient", "-0.1"], "trend-coefficient=-0.1");
        check(&["--labels", "a=1", "--labels", "b=2"], "labels=a=1 labels=b=2");
        check(&["--description", "--not a flag--", "--quiet"], "description=--not a flag-- quiet=");
        check(&["--description=--labels"], "description=--labels");
        check(&["--description="], "description=");
    }

    #[test]
    fn help_and_version_come_before_anything_else() {
        check(&["--duration", "x", "-h"], "-h");
        check(&["--help", "--nonsense"], "--help");
        check(&["--version"], "--version");
    }

    #[test]
    fn a_verb_takes_its_own_flags() {
        check(&["verify", "--since", "1h"], "since=1h");
        check(&["--since", "1h", "verify"], "since=1h");
        check(&["live", "--duration", "1"], "duration=1");
        check(&["--since", "1h"], "--since: does not belong to live; see --help");
        check(&["verify", "--duration", "1"], "--duration: does not belong to verify; see --help");
        check(&["verify", "verify"], "argument 'verify': belongs to no flag; see -h");
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        check(&["--durtion", "3"], "--durtion: is not a flag; did you mean --duration?");
        check(&["--metric_name=x"], "--metric_name: is not a flag; did you mean --metric-name?");
        check(&["--label", "a=b"], "--label: is not a flag; did you mean --labels?");
        check(&["--end", "3"], "--end: is not a flag; did you mean --end-epoch?");
        check(&["--halp"], "--halp: is not a flag; did you mean --help?");
        check(&["--frobnicate"], "--frobnicate: is not a flag; see --help");
        check(&["--=x"], "--: is not a flag; see --help");
        check(&["-d", "3"], "-d: is not a flag; see -h");
        check(&["cpu"], "argument 'cpu': belongs to no flag; see -h");
        check(&["--", "--seed"], "argument '--seed': belongs to no flag; see -h");
    }

    #[test]
    fn values_are_there_once() {
        check(&["--seed"], "--seed: has no value; write --seed N");
        check(&["--seed", "--url=x"], "--seed: has no value before --url; write --seed N");
        check(&["--quiet=1"], "--quiet: takes no value; leave out = and the rest");
        check(&["--seed=1", "--seed=1"], "--seed: is given twice; leave one of them out");
        check(&["--quiet", "--quiet"], "--quiet: is given twice; leave one of them out");
    }

    #[test]
    fn the_table_is_in_order() {
        for flag in flags() {
            assert_eq!(flags().filter(|other| other.name == flag.name).count(), 1);
            assert!(flag.help.ends_with('.') && flag.help.is_ascii(), "--{}", flag.name);
        }
    }

    #[test]
    fn generated_arguments_never_panic() {
        let mut random = Random::new(5);
        let words: Vec<String> = flags().map(|flag| format!("--{}", flag.name)).collect();
        for _ in 0..100_000 {
            let raw = (0..random.below(6)).map(|_| match random.below(3) {
                0 => words[random.below(words.len())].clone(),
                1 => random.mutated("--metric-name=cpu"),
                _ => random.text("-=hq é1a"),
            });
            let raw: Vec<OsString> = raw.collect::<Vec<_>>().into_iter().map(Into::into).collect();
            let _ = parse(raw.into_iter());
        }
    }
}
