//! The command line as typed: a verb, and flags with their values.
//!
//! No IO and no cross-checks: the callers apply units.

use std::ffi::OsString;

use lexopt::Arg::{Long, Short, Value};

use super::flags::{Flag, VERDICT, Verb, find, flags};
use crate::error::{BadInput, unusable};

/// What the command line asks for. Not `Debug`: values may be secrets.
pub(super) enum Parsed {
    /// `-h`: one screen of help.
    ShortHelp(Verb),
    /// `--help` or `help`: all of it.
    Help(Verb),
    /// `--version` or `-V`.
    Version,
    /// A run of this verb.
    Run(Verb, Args),
}

/// Flags with their values, in the order typed.
#[derive(Default)]
pub(super) struct Args(Vec<(&'static Flag, String)>);

/// Flags that exclude each other; the error names the first of the pair.
const EXCLUSIVE: &[(&str, &str)] = &[
    ("quiet", "verbose"),
    ("since", "duration"),
    ("since", "interval"),
    ("step-size", "duration"),
    ("step-size", "interval"),
    ("start-epoch", "since"),
    ("end-epoch", "since"),
    ("end-epoch", "duration"),
    ("env", "url"),
    ("verify", "output"),
    ("resume", "output"),
    ("dry-run", "output"),
];
/// Flags that need another one, and the hint where it is not there.
const NEEDING: &[(&str, &str, &str)] = &[
    ("force", "output", "leave it out"),
    ("client-cert", "client-key", "give both"),
    ("client-key", "client-cert", "give both"),
];

/// Reads the arguments after the program's name.
///
/// # Errors
/// An argument is not a flag, lacks its value or has one too many, is not UTF-8, or is given twice.
pub(super) fn parse(raw: impl Iterator<Item = OsString>) -> Result<Parsed, BadInput> {
    let mut parser = lexopt::Parser::from_args(raw);
    let mut args = Args::default();
    let (mut verb, mut is_help) = (None, false);
    loop {
        let chosen = verb.unwrap_or(Verb::Live);
        let name = match parser.next() {
            Ok(Some(Long("help"))) => return Ok(Parsed::Help(chosen)),
            Ok(Some(Short('h'))) => return Ok(Parsed::ShortHelp(chosen)),
            Ok(Some(Long("version") | Short('V'))) => return Ok(Parsed::Version),
            Ok(Some(Long(name))) => name.to_string(),
            Ok(Some(Short(c))) => {
                let error = unusable("is not a flag", "see -h");
                return Err(error.at(&format!("-{c}"), None));
            }
            Ok(Some(Value(text))) => {
                let text = text.to_string_lossy();
                match Verb::ALL.iter().find(|verb| verb.name() == text) {
                    _ if verb.is_some() || !args.0.is_empty() => return Err(args.stray(&text)),
                    None if text == "help" && !is_help => is_help = true,
                    None => return Err(unknown_verb(&text)),
                    found => verb = found.copied(),
                }
                continue;
            }
            Ok(None) if is_help => return Ok(Parsed::Help(chosen)),
            Ok(None) => return args.check_pairs(chosen).map(|()| Parsed::Run(chosen, args)),
            // All that lexopt refuses here is `--switch=value`, of a switch typed before.
            Err(error) => {
                let switch = args.0.last().map_or("", |(flag, _)| flag.name);
                debug_assert!(matches!(error, lexopt::Error::UnexpectedValue { .. }));
                return Err(bad_flag(switch, "takes no value", "leave out = and the rest"));
            }
        };
        let flag = find(&name).ok_or_else(|| unknown_flag(&name))?;
        if !flag.verbs.contains(&chosen) {
            return Err(foreign(flag, chosen));
        }
        let value = if flag.value.is_empty() { String::new() } else { value(&mut parser, flag)? };
        if !flag.repeatable && args.has(flag.name) {
            return Err(bad_flag(flag.name, "is given twice", "leave one of them out"));
        }
        args.0.push((flag, value));
    }
}

fn value(parser: &mut lexopt::Parser, flag: &Flag) -> Result<String, BadInput> {
    let (value, attached) = match parser.optional_value() {
        Some(value) => (Some(value), true),
        None => (parser.value().ok(), false),
    };
    let hint = format!("write --{} {}", flag.name, flag.value);
    let Some(value) = value else {
        return Err(bad_flag(flag.name, "has no value", &hint));
    };
    // The value may be a secret header, so it is not shown.
    let value = value
        .into_string()
        .map_err(|_| bad_flag(flag.name, "has a value that is not UTF-8", &hint))?;
    let next = value.strip_prefix("--").and_then(|text| find(text.split('=').next()?));
    match next {
        Some(next) if !attached => {
            Err(bad_flag(flag.name, &format!("has no value before --{}", next.name), &hint))
        }
        _ => Ok(value),
    }
}

fn foreign(flag: &Flag, verb: Verb) -> BadInput {
    let takers: Vec<&str> = flag.verbs.iter().map(|verb| verb.name()).collect();
    let problem = format!("is a flag of {}, not of {}", takers.join(", "), verb.name());
    let hint = match verb {
        Verb::Backfill if VERDICT.contains(flag) => "rules see only what arrives live",
        _ => "see --help",
    };
    bad_flag(flag.name, &problem, hint)
}

fn unknown_flag(name: &str) -> BadInput {
    let names = flags().map(|flag| flag.name).chain(["help", "version"]);
    let hint = match nearest(name, names) {
        Some(known) => format!("did you mean --{known}?"),
        None => "see --help".into(),
    };
    bad_flag(name, "is not a flag", &hint)
}

fn unknown_verb(word: &str) -> BadInput {
    let hint = match nearest(word, Verb::ALL.iter().map(|verb| verb.name()).chain(["help"])) {
        Some(known) => format!("did you mean {known}?"),
        None => "the verbs are live (the default), backfill, preview, verify and help".into(),
    };
    unusable("is not a verb", hint).at("argument", Some(word))
}

/// Returns the name that was probably meant.
pub(super) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names
        .map(|name| (if name.starts_with(typed) { 0 } else { distance(typed, name) }, name))
        .min()?;
    (distance <= 3.min(name.len() / 2) && !typed.is_empty()).then_some(name)
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
    /// Returns the error of a word that is neither verb, flag nor value.
    fn stray(&self, word: &str) -> BadInput {
        let is_verb = Verb::ALL.iter().any(|verb| verb.name() == word);
        let (shown, hint) = match self.0.last() {
            _ if is_verb => (Some(word), "put the verb first, before every flag".to_owned()),
            Some((flag, _)) if !flag.value.is_empty() => {
                let name = flag.name;
                let hint = format!("if it belongs to --{name}, put the whole value in quotes");
                // What follows a header may be its secret.
                (Some(word).filter(|_| name != "header"), hint)
            }
            _ => (Some(word), "see -h".to_owned()),
        };
        unusable("is not expected here", hint).at("argument", shown)
    }

    fn check_pairs(&self, verb: Verb) -> Result<(), BadInput> {
        for (flag, other) in EXCLUSIVE {
            if self.has(flag) && self.has(other) {
                let problem = format!("is given together with --{other}");
                return Err(self.bad(flag, &problem, "leave one of them out"));
            }
        }
        let judged = "add it: alerts are judged then";
        let judging = VERDICT.iter().map(|flag| (flag.name, "verify", judged));
        for (flag, other, hint) in NEEDING.iter().copied().chain(judging) {
            // A verb that does not take the other one does not need it.
            let is_taken = find(other).is_some_and(|other| other.verbs.contains(&verb));
            if is_taken && self.has(flag) && !self.has(other) {
                return Err(self.bad(flag, &format!("is given without --{other}"), hint));
            }
        }
        Ok(())
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

    /// Returns the error of a flag and its value, if it was given and takes one.
    pub(super) fn bad(&self, name: &str, problem: &str, hint: &str) -> BadInput {
        let takes_value = find(name).is_some_and(|flag| !flag.value.is_empty());
        let value = self.given(name).filter(|_| takes_value);
        unusable(problem, hint).at(&format!("--{name}"), value)
    }

    /// Returns what `parser` makes of the flag's value or its default.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parser: impl Fn(&str) -> Result<T, BadInput>,
    ) -> Result<T, BadInput> {
        let value = self.value(name);
        parser(value).map_err(|error| error.at(&format!("--{name}"), Some(value)))
    }

    /// Returns what `parser` makes of the flag's value, if it was given.
    pub(super) fn parsed_if_given<T>(
        &self,
        name: &str,
        parser: impl Fn(&str) -> Result<T, BadInput>,
    ) -> Result<Option<T>, BadInput> {
        self.has(name).then(|| self.parsed(name, parser)).transpose()
    }
}

/// Returns the error of a flag whose value is not shown.
fn bad_flag(name: &str, problem: &str, hint: &str) -> BadInput {
    unusable(problem, hint).at(&format!("--{name}"), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::Random;

    fn shown(raw: &[&str]) -> String {
        match parse(raw.iter().map(OsString::from)) {
            Ok(Parsed::Run(verb, args)) => {
                let word = Some(verb.word().to_string()).filter(|word| !word.is_empty());
                let typed = args.0.iter().map(|(flag, value)| format!("{}={value}", flag.name));
                word.into_iter().chain(typed).collect::<Vec<_>>().join(" ")
            }
            Ok(Parsed::ShortHelp(verb)) => format!("{} -h", verb.name()),
            Ok(Parsed::Help(verb)) => format!("{} --help", verb.name()),
            Ok(Parsed::Version) => "--version".into(),
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
        check(&["--duration", "x", "-h"], "live -h");
        check(&["--help", "--nonsense"], "live --help");
        check(&["preview", "--help"], "preview --help");
        check(&["--version"], "--version");
        check(&["-V"], "--version");
        check(&["help"], "live --help");
        check(&["help", "verify"], "verify --help");
        check(&["backfill", "-h"], "backfill -h");
    }

    #[test]
    fn an_unknown_flag_is_refused() {
        check(&["--durtion", "3"], "--durtion: is not a flag; did you mean --duration?");
        check(&["--metric_name=x"], "--metric_name: is not a flag; did you mean --metric-name?");
        check(&["--label", "a=b"], "--label: is not a flag; did you mean --labels?");
        check(&["--end", "3"], "--end: is not a flag; did you mean --end-epoch?");
        check(&["--halp"], "--halp: is not a flag; did you mean --help?");
        check(&["--frobnicate"], "--frobnicate: is not a flag; see --help");
        check(&["--=x"], "--: is not a flag; see --help");
        check(&["-d", "3"], "-d: is not a flag; see -h");
    }

    #[test]
    fn a_verb_comes_first_and_takes_its_own_flags() {
        check(&["backfill", "--since", "21d"], "backfill since=21d");
        check(&["live", "--duration", "3"], "duration=3");
        check(
            &["--since", "21d"],
            "--since: is a flag of backfill, preview, verify, not of live; see --help",
        );
        check(
            &["backfill", "--duration=1"],
            "--duration: is a flag of live, preview, not of backfill; see --help",
        );
        let first = "is not expected here; put the verb first, before every flag";
        check(&["--seed=1", "backfill"], &format!("argument 'backfill': {first}"));
        check(&["backfill", "preview"], &format!("argument 'preview': {first}"));
    }

    #[test]
    fn an_unknown_verb_gets_a_suggestion() {
        check(&["backfil"], "argument 'backfil': is not a verb; did you mean backfill?");
        check(&["hepl"], "argument 'hepl': is not a verb; did you mean help?");
        let verbs = "the verbs are live (the default), backfill, preview, verify and help";
        check(&["push"], &format!("argument 'push': is not a verb; {verbs}"));
        check(&["--", "--seed"], &format!("argument '--seed': is not a verb; {verbs}"));
        check(&[""], &format!("argument '': is not a verb; {verbs}"));
    }

    #[test]
    fn a_value_that_the_shell_split_wants_quotes() {
        check(
            &["--labels", "a=b,", "c=d"],
            "argument 'c=d': is not expected here; \
             if it belongs to --labels, put the whole value in quotes",
        );
        check(
            &["--header", "X-Api-Key:", "s3cret"],
            "argument: is not expected here; \
             if it belongs to --header, put the whole value in quotes",
        );
        check(&["--quiet", "x"], "argument 'x': is not expected here; see -h");
        check(&["preview", "x"], "argument 'x': is not expected here; see -h");
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
