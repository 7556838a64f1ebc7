//! README and the man page against the program itself: what `--help` says stands there, and the
//! same way.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::process::{BINARY, binary};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

fn help() -> String {
    let output = binary().arg("--help").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the lines under a heading of the help.
fn section<'a>(help: &'a str, heading: &str) -> impl Iterator<Item = &'a str> {
    let mut lines = help.lines().skip_while(move |line| *line != heading);
    assert!(lines.next().is_some(), "the help has {heading}");
    lines.take_while(|line| line.is_empty() || line.starts_with(' ')).filter(|l| !l.is_empty())
}

/// Returns what of `names` README does not hold as code.
fn not_named(names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let readme = readme();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let words: BTreeSet<&str> = readme.split(|c| !is_word(c)).collect();
    names.into_iter().filter(|name| !words.contains(name.as_str())).collect()
}

#[test]
fn the_table_of_flags_is_that_of_the_help() {
    let script = root().join("scripts/readme-flags.sh");
    let output = Command::new(script).arg("--check").arg(BINARY).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// Returns the words of the man page as they are shown, one space between them.
fn man_page() -> String {
    let script = root().join("scripts/man.sh");
    let output = Command::new(script).arg(BINARY).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut page = String::from_utf8(output.stdout).unwrap();
    for (escape, shown) in
        [("\\fB", ""), ("\\fI", ""), ("\\fR", ""), ("\\&", ""), ("\\-", "-"), ("\\(aq", "'")]
    {
        page = page.replace(escape, shown);
    }
    let is_request = |line: &&str| !line.starts_with(".TP") && !line.ends_with(".nf");
    let words = page.lines().filter(is_request).flat_map(str::split_whitespace);
    words.map(|word| word.replace("\\e", "\\")).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_man_page_has_all_of_the_help() {
    let page = man_page();
    let help = help();
    let mut paragraph = Vec::new();
    let mut paragraph_count = 0;
    // A paragraph is a flag or a name with its text; headings and USAGE have a form of their own.
    let is_start = |line: &str| line.starts_with("  ") && !line.starts_with("   ");
    for line in help.lines().chain([""]) {
        if (line.is_empty() || is_start(line)) && !paragraph.is_empty() {
            let text = std::mem::take(&mut paragraph).join(" ");
            assert!(page.contains(&text), "the man page has: {text}");
            paragraph_count += 1;
        }
        let is_heading = !line.contains(|c: char| c.is_ascii_lowercase()) && !line.starts_with(' ');
        if !is_heading && !line.contains("[FLAGS]") {
            paragraph.extend(line.split_whitespace());
        }
    }
    assert!(paragraph_count > 60, "{paragraph_count}");
    for line in section(&help, "USAGE") {
        let (usage, _) = line.trim().split_once("  ").unwrap();
        assert!(page.contains(usage), "the man page has: {usage}");
    }
}

#[test]
fn readme_names_every_flag() {
    let help = help();
    let words = help.split(|c: char| !c.is_ascii_lowercase() && c != '-');
    let flags: BTreeSet<String> =
        words.filter(|word| word.len() > 3 && word.starts_with("--")).map(Into::into).collect();
    assert!(flags.len() > 20, "{flags:?}");
    // These are of a Prometheus.
    let ours = flags.into_iter().filter(|flag| !flag.starts_with("--web"));
    assert_eq!(not_named(ours), BTreeSet::new(), "flags that README does not name");
}

#[test]
fn readme_has_a_heading_for_every_verb() {
    let help = help();
    let readme = readme();
    let headings: String =
        readme.lines().filter(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n");
    for line in section(&help, "USAGE") {
        let verb = line.split_whitespace().nth(1).unwrap();
        if !verb.starts_with('[') {
            assert!(headings.contains(&format!("`{verb}`")), "a heading with `{verb}`");
        }
    }
}

#[test]
fn readme_has_every_exit_code_in_the_words_of_the_help() {
    let readme = readme();
    for line in section(&help(), "EXIT STATUS") {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(readme.contains(&row), "README has the row: {row}");
    }
}

#[test]
fn readme_and_the_example_name_every_variable() {
    let help = help();
    let lines = section(&help, "ENVIRONMENT").skip(3);
    let names: BTreeSet<String> = lines
        .flat_map(|line| line.split(|c: char| !c.is_ascii_uppercase() && c != '_'))
        .filter(|word| word.len() > 2 && *word != "URL")
        .map(Into::into)
        .collect();
    assert!(names.contains("REMOTE_WRITE_PASSWORD_FILE") && names.contains("ENV"), "{names:?}");
    assert_eq!(not_named(names.clone()), BTreeSet::new(), "variables that README does not name");
    let example = fs::read_to_string(root().join(".env.example")).unwrap();
    for name in names.iter().filter(|name| !name.ends_with("PROXY") && !name.starts_with("SSL")) {
        assert!(example.contains(&format!("\n#{name}=")), ".env.example has {name}");
    }
}

#[test]
fn readme_names_every_make_target() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let readme = readme();
    for line in makefile.lines().filter_map(|line| line.strip_prefix(".PHONY: ")) {
        for target in line.split_whitespace() {
            assert!(readme.contains(&format!("`{target}`")), "make {target}");
        }
    }
}
