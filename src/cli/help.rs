//! The texts of `-h`, `--help` and `--version`: those in `help/`, and the flags of the parser's
//! table.

use super::flags::{Flag, SECTIONS, Verb};
use crate::report::words::wrapped;

/// Width of every text, in columns.
const COLUMNS: usize = 80;
/// Indentation of the text about a flag.
const INDENT: &str = "      ";

/// Returns the purpose of a verb, and its examples; the file has them in this order.
fn purpose_and_examples(verb: Verb) -> (&'static str, &'static str) {
    let text = match verb {
        Verb::Live => include_str!("help/live.txt"),
        Verb::Backfill => include_str!("help/backfill.txt"),
        Verb::Preview => include_str!("help/preview.txt"),
        Verb::Verify => include_str!("help/verify.txt"),
    };
    text.split_once("\n\n").expect("a purpose is a paragraph")
}

/// Returns one screen of help.
pub(super) fn short(verb: Verb) -> String {
    let (purpose, examples) = purpose_and_examples(verb);
    if verb == Verb::Live {
        let two = examples.split("\n\n").take(2).collect::<Vec<_>>().join("\n\n");
        let flags = include_str!("help/required_flags.txt");
        return format!("{purpose}\n\nEXAMPLES\n{two}\n\n{flags}");
    }
    let all = format!("Every flag: push-live-metrics {} --help", verb.name());
    format!("{purpose}\n\nEXAMPLES\n{examples}\n{all}\n")
}

/// Returns all of the help of a verb; for live that of every verb.
pub(super) fn long(verb: Verb) -> String {
    let (purpose, usage) = (purpose_and_examples(verb).0, include_str!("help/usage.txt"));
    let mut text = format!("{purpose}\n\n{usage}");
    for (heading, flags) in SECTIONS {
        text.push_str(&format!("\n{heading}\n"));
        let is_shown = |flag: &&Flag| verb == Verb::Live || flag.verbs.contains(&verb);
        flags.iter().filter(is_shown).for_each(|flag| text.push_str(&describe(flag)));
    }
    for (name, does) in [
        ("-h", "Print one screen of help."),
        ("--help", "Print all of the help."),
        ("-V", "Print the version."),
        ("--version", "Print the version."),
    ] {
        text.push_str(&format!("  {name}\n{INDENT}{does}\n"));
    }
    let verbs = if verb == Verb::Live { Verb::ALL } else { &[verb] };
    let examples: Vec<&str> = verbs.iter().map(|verb| purpose_and_examples(*verb).1).collect();
    let reference = include_str!("help/reference.txt");
    format!("{text}\n{reference}\nEXAMPLES\n{}", examples.join("\n"))
}

/// Returns name and version.
pub(super) fn version() -> String {
    let tls = if cfg!(feature = "tls") { "" } else { " (without TLS)" };
    format!("push-live-metrics {}{tls}\n", env!("CARGO_PKG_VERSION"))
}

fn describe(flag: &Flag) -> String {
    let mut usage = format!("  --{}", flag.name);
    let verbs: Vec<&str> = flag.verbs.iter().map(|verb| verb.name()).collect();
    let verbs = if flag.verbs == Verb::ALL { String::new() } else { verbs.join(", ") };
    for (before, text, after) in [
        (" ", flag.value, ""),
        (" [default: ", flag.default, "]"),
        (" [variable: ", flag.variable, "]"),
        (" [", &verbs, "]"),
    ] {
        if !text.is_empty() {
            usage += &format!("{before}{text}{after}");
        }
    }
    let help = wrapped(flag.help, COLUMNS - INDENT.len());
    let help = help.iter().map(|line| format!("{INDENT}{line}\n")).collect::<String>();
    format!("{usage}\n{help}")
}

#[cfg(test)]
mod tests {
    use super::super::flags::flags;
    use super::*;

    #[test]
    fn every_line_fits() {
        for verb in Verb::ALL {
            for line in short(*verb).lines().chain(long(*verb).lines()) {
                assert!(line.len() <= COLUMNS, "{line}");
            }
            assert!(short(*verb).lines().count() <= 24);
        }
    }

    #[test]
    fn help_has_every_flag_and_default() {
        for flag in flags() {
            for verb in flag.verbs.iter().chain([&Verb::Live]) {
                assert!(long(*verb).contains(&format!("  --{}", flag.name)), "--{}", flag.name);
            }
        }
        assert!(!long(Verb::Preview).contains("  --dry-run"));
        assert!(
            long(Verb::Live).contains("\n  --interval DURATION [default: 60s] [live, preview]\n")
        );
    }

    #[test]
    fn examples_are_commands_that_parse() {
        let help = long(Verb::Live);
        let (_, examples) = help.split_once("\nEXAMPLES\n").unwrap();
        let commands = examples.replace("\\\n", " ");
        let commands: Vec<&str> =
            commands.lines().filter(|line| line.starts_with("  push-live-metrics ")).collect();
        assert_eq!(commands.len(), 10);
        for command in commands {
            let words = command.split('\'').enumerate().flat_map(|(part, text)| {
                let words: Vec<&str> =
                    if part % 2 == 1 { vec![text] } else { text.split_whitespace().collect() };
                words
            });
            let parsed = super::super::args::parse(words.skip(1).map(Into::into));
            assert!(parsed.is_ok(), "{command}");
        }
    }
}
