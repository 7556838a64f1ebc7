//! Prints what is generated from the table of flags: the man page, the guide's tables, and the
//! completions for bash, zsh and fish. scripts/dist.sh ships them, tests/it/docs.rs checks them.
//!
//! Usage: cargo run --example flags man|guide|bash|zsh|fish
//!        (guide rewrites docs/guide.md between its two comments)

#![allow(clippy::disallowed_methods, reason = "a program of its own")]

use std::{env, fs, io};

use push_live_metrics::cli::flags::{Flag, SECTIONS, Verb};
use push_live_metrics::cli::{self, Command, Environment};
use push_live_metrics::series::TimestampMs;

const NAME: &str = "push-live-metrics";
const GUIDE: &str = "docs/guide.md";
const BEGIN: &str = "<!-- flags: begin (written by `cargo run --example flags guide`) -->\n";
const END: &str = "<!-- flags: end -->\n";
/// The flags that are not in the table, with their texts.
const ASIDE: [(&str, &str); 4] = [
    ("-h", "Print one screen of help."),
    ("--help", "Print all of the help."),
    ("-V", "Print the version."),
    ("--version", "Print the version."),
];

fn main() -> io::Result<()> {
    match env::args().nth(1).as_deref() {
        Some("man") => print_out(&man_page()),
        Some("bash") => print_out(&bash()),
        Some("zsh") => print_out(&zsh()),
        Some("fish") => print_out(&fish()),
        Some("guide") => {
            let guide = fs::read_to_string(GUIDE)?;
            let guide = in_guide(&guide).ok_or_else(|| io::Error::other("no flags: comments"))?;
            fs::write(GUIDE, guide)
        }
        _ => Err(io::Error::other("usage: flags man|guide|bash|zsh|fish")),
    }
}

fn print_out(text: &str) -> io::Result<()> {
    io::Write::write_all(&mut io::stdout(), text.as_bytes())
}

/// Returns what `--help` prints, with these words before it.
fn help(words: &[&str]) -> String {
    let environment = Environment::new(Default::default(), "/nonexistent".into());
    let words = words.iter().chain(&["--help"]).map(Into::into);
    match cli::parse(words, &environment, TimestampMs(0)).map(|invocation| invocation.command) {
        Ok(Command::Print(text)) => text,
        other => unreachable!("--help prints: {other:?}"),
    }
}

/// Returns the verbs that are words.
fn words() -> impl Iterator<Item = &'static str> {
    Verb::ALL.iter().map(|verb| verb.word()).filter(|word| !word.is_empty())
}

/// Returns what may be the first word: the verbs, and help.
fn first_words() -> String {
    Verb::ALL.iter().map(|verb| verb.name()).chain(["help"]).collect::<Vec<_>>().join(" ")
}

fn flags() -> impl Iterator<Item = &'static Flag> {
    SECTIONS.iter().flat_map(|(_, flags)| *flags)
}

/// Returns the verbs that a flag is for, as in `live, backfill`; nothing where it is for all.
fn verbs_of(flag: &Flag) -> String {
    let names: Vec<&str> = flag.verbs.iter().map(|verb| verb.name()).collect();
    if flag.verbs == Verb::ALL { String::new() } else { names.join(", ") }
}

fn capitalized(heading: &str) -> String {
    heading[..1].to_owned() + &heading[1..].to_lowercase()
}

/// Returns the guide with its tables of flags made anew; `None` where it does not mark their place.
pub(crate) fn in_guide(guide: &str) -> Option<String> {
    let (before, rest) = guide.split_once("<!-- flags: begin ")?;
    let (_, after) = rest.split_once(END)?;
    let cell = |text: &str| text.replace('|', "\\|");
    let mut tables = String::new();
    for (heading, flags) in SECTIONS {
        tables += &format!("\n| {} | Default | |\n|---|---|---|\n", capitalized(heading));
        for flag in *flags {
            let usage = cell(format!("--{} {}", flag.name, flag.value).trim_end());
            let quoted = format!("`{}`", cell(flag.default));
            let default = if flag.default.is_empty() { "" } else { &quoted };
            let mut text = cell(flag.help);
            if !verbs_of(flag).is_empty() {
                text += &format!(" ({})", verbs_of(flag));
            }
            if !flag.variable.is_empty() {
                text += &format!(" Variable: `{}`.", flag.variable);
            }
            tables += &format!("| `{usage}` | {default} | {text} |\n");
        }
    }
    for (flag, text) in ASIDE {
        tables += &format!("| `{flag}` |  | {text} |\n");
    }
    Some(format!("{before}{BEGIN}{tables}\n{END}{after}"))
}

/// Escapes what roff would make something else of: a backslash, hyphens and quotes that are to be
/// copied, a dot at the start.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

/// Returns the lines of a section of the help, without its heading.
fn section<'a>(help: &'a str, heading: &str) -> impl Iterator<Item = &'a str> {
    let is_heading = |line: &str| !line.is_empty() && !line.starts_with(' ');
    let lines = help.lines().skip_while(move |line| *line != heading).skip(1);
    lines.take_while(move |line| !is_heading(line))
}

/// Returns a section of names and their texts, which stand on the same line or on those below.
fn named(help: &str, heading: &str) -> String {
    let mut page = format!(".SH {heading}\n");
    let mut has_names = false;
    for line in section(help, heading) {
        let text = line.trim();
        let is_name = line.len() > 2 && line.starts_with("  ") && !line.starts_with("   ");
        has_names |= line.is_empty() || heading == "EXIT STATUS";
        match text.split_once("  ") {
            _ if text.is_empty() => {}
            Some((name, text)) if is_name => {
                page += &format!(".TP\n\\fB{}\\fR\n{}\n", roff(name), roff(text.trim()));
            }
            None if is_name && has_names => page += &format!(".TP\n\\fB{}\\fR\n", roff(text)),
            _ => page += &format!("{}\n", roff(text)),
        }
    }
    page
}

/// Returns the man page, in roff.
pub(crate) fn man_page() -> String {
    let help_of_all = help(&[]);
    let purpose = |help: &str| -> String {
        let lines = help.lines().take_while(|line| !line.is_empty());
        lines.map(|line| roff(line) + "\n").collect()
    };
    let mut page = format!(
        ".TH PUSH\\-LIVE\\-METRICS 1 \"\" \"{NAME} {}\" \"User Commands\"\n.SH NAME\n{} \\- push a \
         live synthetic time series by Prometheus remote write\n.SH SYNOPSIS\n.nf\n",
        env!("CARGO_PKG_VERSION"),
        roff(NAME)
    );
    for line in section(&help_of_all, "USAGE").filter(|line| !line.is_empty()) {
        let usage = line.trim().split("  ").next().unwrap_or_default();
        page += &format!("\\fB{}\\fR{}\n", roff(NAME), roff(&usage[NAME.len()..]));
    }
    page += &format!(".fi\n.SH DESCRIPTION\n{}", purpose(&help_of_all));
    for verb in words() {
        page += &format!(".SS {verb}\n{}", purpose(&help(&[verb])));
    }
    page += ".SH OPTIONS\n";
    for (heading, flags) in SECTIONS {
        page += &format!(".SS {}\n", capitalized(heading));
        for flag in *flags {
            let mut notes = String::new();
            for (before, text) in
                [("default: ", flag.default), ("variable: ", flag.variable), ("", &verbs_of(flag))]
            {
                if !text.is_empty() {
                    notes += &format!(" [{before}{text}]");
                }
            }
            let value = if flag.value.is_empty() { "" } else { &format!(" {}", flag.value) };
            page += &format!(
                ".TP\n\\fB\\-\\-{}\\fR\\fI{}\\fR{}\n{}\n",
                roff(flag.name),
                roff(value),
                roff(&notes),
                roff(flag.help)
            );
        }
    }
    for (flag, text) in ASIDE {
        page += &format!(".TP\n\\fB{}\\fR\n{}\n", roff(flag), roff(text));
    }
    page += ".SS Notation\n";
    let after = help_of_all.split("\nTIME is ").nth(1).unwrap_or_default();
    let notation = after.split("\n\n").next().unwrap_or_default();
    page += &format!("TIME is {}\n", roff(notation));
    page += &named(&help_of_all, "EXIT STATUS");
    page += &named(&help_of_all, "ENVIRONMENT");
    page += ".SH EXAMPLES\n.nf\n";
    section(&help_of_all, "EXAMPLES").for_each(|line| page += &format!("{}\n", roff(line)));
    page + ".fi\n"
}

/// What a shell may offer as a flag's value.
enum Offer {
    /// The flag has none.
    Switch,
    /// The names of files.
    Files,
    /// These words, and maybe others.
    Words(Vec<&'static str>),
    /// It cannot be known.
    Nothing,
}

fn offer(flag: &Flag) -> Offer {
    let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let words: Vec<&str> = flag.value.split('|').filter(is_word).collect();
    match flag.value {
        "" => Offer::Switch,
        value if value.starts_with("FILE") => Offer::Files,
        _ if flag.name == "env" => Offer::Words(vec!["us", "eu", "scale", "staging", "ci"]),
        _ if !words.is_empty() => Offer::Words(words),
        _ => Offer::Nothing,
    }
}

/// Returns the completions for bash.
pub(crate) fn bash() -> String {
    let mut values = String::new();
    for flag in flags() {
        let command = match offer(flag) {
            Offer::Switch => continue,
            Offer::Files => "compopt -o default".to_owned(),
            Offer::Words(words) => {
                format!("COMPREPLY=($(compgen -W '{}' -- \"$current\"))", words.join(" "))
            }
            Offer::Nothing => ":".to_owned(),
        };
        values += &format!("    --{}) {command}; return ;;\n", flag.name);
    }
    let mut by_verb = String::new();
    for verb in Verb::ALL {
        let of_verb = flags().filter(|flag| flag.verbs.contains(verb));
        let names: Vec<String> = of_verb.map(|flag| format!("--{}", flag.name)).collect();
        let pattern = if verb.word().is_empty() { "*" } else { verb.word() };
        let line = format!("    {pattern}) flags='{}' ;;\n", names.join(" "));
        // The pattern of live fits all, so it is the last one.
        by_verb = if pattern == "*" { by_verb + &line } else { line + &by_verb };
    }
    let verbs = first_words();
    format!(
        r#"# bash completion for {NAME}
_push_live_metrics() {{
  local current=$2 previous=$3 flags
  COMPREPLY=()
  case $previous in
{values}  esac
  case ${{COMP_WORDS[1]}} in
{by_verb}  esac
  flags="$flags -h --help --version"
  [ "$COMP_CWORD" != 1 ] || flags="{verbs} $flags"
  [ "${{COMP_WORDS[1]}}/$COMP_CWORD" != help/2 ] || flags="{verbs}"
  COMPREPLY=($(compgen -W "$flags" -- "$current"))
}}
complete -F _push_live_metrics {NAME}
"#
    )
}

/// Returns the completions for zsh.
pub(crate) fn zsh() -> String {
    let escaped = |text: &str| {
        let text = text.replace('\'', "'\\''");
        text.replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
    };
    let mut specs = String::new();
    for flag in flags() {
        let value = escaped(flag.value);
        let action = match offer(flag) {
            Offer::Switch => String::new(),
            Offer::Files => format!(":{value}:_files"),
            Offer::Words(words) => format!(":{value}:({})", words.join(" ")),
            Offer::Nothing => format!(":{value}: "),
        };
        let repeat = if flag.repeatable { "*" } else { "" };
        specs += &format!("  '{repeat}--{}[{}]{action}' \\\n", flag.name, escaped(flag.help));
    }
    for (flag, text) in ASIDE {
        specs += &format!("  '(- *){flag}[{text}]' \\\n");
    }
    let verbs = first_words();
    format!("#compdef {NAME}\n_arguments \\\n{specs}  '1:verb:({verbs})'\n")
}

/// Returns the completions for fish.
pub(crate) fn fish() -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let verbs = first_words();
    let mut text = format!("complete -c {NAME} -f\n");
    text += &format!("complete -c {NAME} -n __fish_use_subcommand -a '{verbs}'\n");
    for flag in flags() {
        let action = match offer(flag) {
            Offer::Switch => String::new(),
            Offer::Files => " -r -F".to_owned(),
            Offer::Words(words) => format!(" -x -a '{}'", words.join(" ")),
            Offer::Nothing => " -x".to_owned(),
        };
        let of_verbs: Vec<&str> = flag.verbs.iter().map(|verb| verb.name()).collect();
        let seen = format!("__fish_seen_subcommand_from {}", of_verbs.join(" "));
        let condition = match flag.verbs.contains(&Verb::Live) {
            _ if flag.verbs == Verb::ALL => String::new(),
            true => format!(" -n '__fish_use_subcommand; or {seen}'"),
            false => format!(" -n '{seen}'"),
        };
        let (name, help) = (flag.name, quoted(flag.help));
        text += &format!("complete -c {NAME}{condition} -l {name}{action} -d '{help}'\n");
    }
    for (flag, help) in ASIDE {
        let name = flag.trim_start_matches('-');
        let kind = if flag.starts_with("--") { "-l" } else { "-s" };
        text += &format!("complete -c {NAME} {kind} {name} -d '{help}'\n");
    }
    text
}
