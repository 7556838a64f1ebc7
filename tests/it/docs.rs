//! The documents against the program, and against one another: what `--help` says stands in them,
//! and every link, path, document and rule that is named anywhere exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::process::binary;
use crate::support::{in_root, text_of as read};
use crate::tidy::texts;

#[path = "../../examples/flags.rs"]
#[expect(dead_code, reason = "its main")]
mod flags;

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

/// Returns the names that the guide does not have.
fn not_in_the_guide(names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let guide = read("docs/guide.md");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let words: BTreeSet<&str> = guide.split(|c| !is_word(c)).collect();
    names.into_iter().filter(|name| !words.contains(name.as_str())).collect()
}

#[test]
fn the_guide_has_the_flags_of_the_table() {
    let guide = read("docs/guide.md");
    let anew = flags::in_guide(&guide).expect("the guide marks the place of the tables");
    assert!(guide == anew, "docs/guide.md is old: run `cargo run --example flags guide`");
}

/// Returns the words of the man page as they are shown, one space between them.
fn man_page() -> String {
    let mut page = flags::man_page();
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
        if !is_heading && !line.contains("[FLAGS]") && !line.contains("help [VERB]  ") {
            paragraph.extend(line.split_whitespace());
        }
    }
    assert!(paragraph_count > 60, "{paragraph_count}");
    for line in section(&help, "USAGE") {
        let (usage, _) = line.trim().split_once("  ").unwrap();
        assert!(page.contains(usage), "the man page has: {usage}");
    }
}

/// Completes a command line by the script for bash.
fn completed_by_bash(words: &[&str]) -> Vec<String> {
    let script = "COMP_WORDS=(push-live-metrics \"${@:2}\")\nCOMP_CWORD=$(($# - 1))\n\
                  compopt() { COMPREPLY=(a-file); }\neval \"$1\"\n\
                  _push_live_metrics x \"${@: -1}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"\n\
                  echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    let output = bash.args(["-c", script, "bash", &flags::bash()]).args(words).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(Into::into).collect()
}

#[test]
fn completions_are_those_of_the_verb_and_of_the_flag() {
    assert_eq!(completed_by_bash(&["ver"]), ["verify"]);
    assert_eq!(completed_by_bash(&["li"]), ["live"]);
    assert_eq!(completed_by_bash(&["live", "--dur"]), ["--duration"]);
    assert_eq!(completed_by_bash(&["hel"]), ["help"]);
    assert_eq!(completed_by_bash(&["help", "pre"]), ["preview"]);
    assert_eq!(completed_by_bash(&["--pro"]), ["--protocol"]);
    assert_eq!(completed_by_bash(&["backfill", "--res"]), ["--resume"]);
    assert!(completed_by_bash(&["preview", "--res"]).is_empty());
    assert_eq!(completed_by_bash(&["--protocol", ""]), ["1", "2", "auto"]);
    let formats = ["chart", "csv", "truth", "windows", "promtool"];
    assert_eq!(completed_by_bash(&["preview", "--format", ""]), formats);
    assert_eq!(completed_by_bash(&["--ca-file", ""]), ["a-file"]);
    assert!(completed_by_bash(&["--seed", ""]).is_empty());
    for script in [flags::zsh(), flags::fish()] {
        let named = |name: &str| script.contains(&format!("-{name}[")) || script.contains(name);
        let all = help();
        let flags = all.lines().filter_map(|line| line.trim().strip_prefix("--"));
        let missing: Vec<&str> =
            flags.filter_map(|line| line.split(' ').next()).filter(|name| !named(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(script.contains("live backfill preview verify help"), "{script}");
    }
}

#[test]
fn the_guide_has_a_heading_for_every_verb() {
    let guide = read("docs/guide.md");
    for line in section(&help(), "USAGE").filter(|line| line.contains("[FLAGS]")) {
        let verb = line.split_whitespace().nth(1).unwrap();
        if !verb.starts_with('[') {
            assert!(guide.contains(&format!("\n## `{verb}`\n")), "a heading with `{verb}`");
        }
    }
}

#[test]
fn readme_has_every_exit_code_in_the_words_of_the_help() {
    let readme = read("README.md");
    for line in section(&help(), "EXIT STATUS") {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(readme.contains(&row), "README has the row: {row}");
    }
}

#[test]
fn the_guide_and_the_example_name_every_variable() {
    let help = help();
    let lines = section(&help, "ENVIRONMENT").skip(3);
    let names: BTreeSet<String> = lines
        .flat_map(|line| line.split(|c: char| !c.is_ascii_uppercase() && c != '_'))
        .filter(|word| word.len() > 2 && *word != "URL")
        .map(Into::into)
        .collect();
    assert!(names.contains("REMOTE_WRITE_PASSWORD_FILE") && names.contains("ENV"), "{names:?}");
    let missing = not_in_the_guide(names.clone());
    assert_eq!(missing, BTreeSet::new(), "variables that docs/guide.md does not name");
    let example = read(".env.example");
    for name in names.iter().filter(|name| !name.ends_with("PROXY") && !name.starts_with("SSL")) {
        assert!(example.contains(&format!("\n#{name}=")), ".env.example has {name}");
    }
}

#[test]
fn the_guide_names_every_make_target() {
    let makefile = read("Makefile");
    let targets = makefile.lines().filter_map(|line| line.strip_prefix(".PHONY: "));
    let targets = targets.flat_map(str::split_whitespace).map(Into::into);
    let missing = not_in_the_guide(targets);
    assert_eq!(missing, BTreeSet::new(), "make targets that docs/guide.md does not name");
}

#[test]
fn readme_has_200_lines_at_most() {
    assert!(read("README.md").lines().count() <= 200);
}

/// A document, as a citation needs it.
struct Document {
    headings: Vec<String>,
    /// The numbers of its rules and sections, as in `2.6` and `3C`.
    rules: BTreeSet<String>,
}

impl Document {
    fn read(path: &Path) -> Option<Document> {
        let text = fs::read_to_string(path).ok()?;
        let mut fenced = false;
        let mut headings = Vec::new();
        for line in text.lines() {
            fenced ^= line.starts_with("```");
            if !fenced && line.starts_with('#') {
                headings.push(line.trim_start_matches('#').trim().to_owned());
            }
        }
        let numbers = headings.iter().filter_map(|heading| heading.split_once(". "));
        let bold = text.split("**").skip(1).step_by(2);
        let rules = numbers.map(|(number, _)| number).chain(bold);
        let rules = rules.filter(|rule| is_rule(rule)).map(Into::into).collect();
        Some(Document { headings, rules })
    }

    /// Returns the anchors of its headings, as the usual renderers of Markdown make them.
    fn anchors(&self) -> impl Iterator<Item = String> {
        self.headings.iter().map(|heading| {
            let heading = heading.to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
    }
}

/// Tells the number of a rule from other words: `2.6`, `3C`, `3C.4`.
fn is_rule(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || c == '.' || ('A'..='F').contains(&c))
        && !word.ends_with('.')
}

/// Joins the lines of a comment, so that a citation may be broken.
fn joined(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.trim();
        let comment = ["//! ", "/// ", "// ", "# "].iter().find_map(|mark| line.strip_prefix(mark));
        comment.unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join(" ")
}

/// Returns each document that a text names, and what follows its name.
fn documents_named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.match_indices(".md").filter_map(|(at, _)| {
        let (before, after) = (&text[..at + 3], &text[at + 3..]);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
        let start = before.rfind(|c| !is_name(c)).map_or(0, |end| end + 1);
        let name = before[start..].trim_start_matches("./");
        let is_whole = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '*');
        let is_path = name.len() > 3 && !name.contains("://") && !before[..start].ends_with('$');
        (is_whole && is_path).then_some((name, after))
    })
}

/// Finds the file that `path` names, from the folder of the file that names it, the root or docs/.
fn find(path: &str, from: &Path) -> Option<std::path::PathBuf> {
    let folders = [from.with_file_name(""), in_root(""), in_root("docs")];
    folders.iter().map(|folder| folder.join(path)).find(|path| path.exists())
}

/// Returns what is wrong with the documents and rules that a text cites.
fn bad_citations(text: &str, from: &Path) -> Vec<String> {
    let text = joined(text);
    let mut bad = Vec::new();
    for (name, after) in documents_named(&text) {
        // The specifications are documents of Prometheus.
        if name.contains("remote_write_spec") {
            continue;
        }
        let Some(document) = find(name, from).and_then(|path| Document::read(&path)) else {
            bad.push(format!("{name} is not there"));
            continue;
        };
        let after = after.trim_start_matches([',', ' ']);
        let quoted = after.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        // Anything else in quotes is code.
        let is_heading = |text: &str| text.starts_with(|c: char| c.is_ascii_uppercase());
        if let Some((heading, _)) = quoted.filter(|(heading, _)| is_heading(heading))
            && !document.headings.iter().any(|there| there == heading)
        {
            bad.push(format!("{name} has no heading {heading:?}"));
        }
        let after = after.trim_start_matches("section ").trim_start_matches("sections ");
        let words = after.split([' ', ',']).map(|word| word.trim_end_matches(['.', ')', ';', ':']));
        let words = words.filter(|word| !word.is_empty() && !["and", "to"].contains(word));
        for rule in words.take_while(|word| is_rule(word)) {
            if !document.rules.contains(rule) {
                bad.push(format!("{name} has no rule {rule}"));
            }
        }
    }
    bad
}

/// Returns what is wrong with the links of a document, and with the paths it names as code.
fn bad_links(text: &str, from: &Path) -> Vec<String> {
    let mut bad = Vec::new();
    for (at, _) in text.match_indices("](") {
        let link = text[at + 2..].split(')').next().unwrap_or_default();
        if link.contains("://") {
            continue;
        }
        let shown = text[..at].rsplit('[').next().unwrap_or_default();
        let (path, anchor) = link.split_once('#').map_or((link, None), |(p, a)| (p, Some(a)));
        let path = if path.is_empty() { from.into() } else { from.with_file_name("").join(path) };
        let document = Document::read(&path);
        let is_there = match (&document, anchor) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(document), Some(anchor)) => document.anchors().any(|there| there == anchor),
        };
        if !is_there {
            bad.push(format!("({link}) leads nowhere"));
        }
        // The archive of a release has the documents only.
        if ["src/", "tests/", "scripts/"].iter().any(|folder| link.contains(folder)) {
            bad.push(format!("({link}) is not in the archive: name it as code"));
        }
        if is_rule(shown) && !document.is_some_and(|document| document.rules.contains(shown)) {
            bad.push(format!("[{shown}]({link}): there is no such rule"));
        }
    }
    for code in text.split('`').skip(1).step_by(2) {
        let is_ours = ["src/", "tests/", "scripts/", "docs/", "fuzz/"].iter();
        let is_path = !code.contains([' ', '*']) && is_ours.clone().any(|at| code.starts_with(at));
        // What a run leaves behind, and what is Prometheus' own.
        let is_foreign = code.starts_with("docs/specs") || code.starts_with("fuzz/artifacts");
        if is_path && !is_foreign && find(code, from).is_none() {
            bad.push(format!("`{code}` is not there"));
        }
    }
    bad
}

#[test]
fn what_is_cited_is_there() {
    // In two halves, so that this file may be looked at, too.
    let foreign =
        [("DES", "IGN"), ("STY", "LE"), ("REMOTE_", "WRITE.md")].map(|(a, b)| a.to_owned() + b);
    let mut bad = Vec::new();
    for (path, text) in texts() {
        if path.starts_with("tests/golden/") && !path.ends_with(".md") {
            continue;
        }
        let from = in_root(&path);
        let mut found =
            if path == "tests/it/docs.rs" { Vec::new() } else { bad_citations(&text, &from) };
        if path.ends_with(".md") {
            found.extend(bad_links(&text, &from));
        }
        let words: BTreeSet<&str> =
            text.split(|c: char| !c.is_ascii_alphanumeric() && !"_.".contains(c)).collect();
        let named = foreign.iter().filter(|word| {
            words.iter().any(|found| found == word || found.strip_suffix(".md") == Some(word))
        });
        found.extend(named.map(|word| format!("{word} is no document of this project")));
        bad.extend(found.into_iter().map(|what| format!("{path}: {what}")));
    }
    assert!(bad.is_empty(), "\n  {}\n", bad.join("\n  "));
}
