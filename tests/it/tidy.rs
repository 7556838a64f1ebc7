//! The house rules that clippy does not know: layers, who imports which crate, what pure parts do
//! not see, the code map. docs/design.md, "Layers", gives the reasons.
//!
//! Reads text, not syntax: comments and test modules are left out, rustfmt's form is relied on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const FILE_LINES_MAX: usize = 400;

/// Who may import an external crate: a file, or everything below a folder.
const IMPORTERS: &[(&str, &[&str])] = &[
    ("ctrlc", &["src/clock.rs"]),
    ("fastrand", &["src/http/retry.rs"]),
    ("lexopt", &["src/cli/args.rs"]),
    // One message module each; the other half of the wire reads answers.
    ("quick_protobuf", &["src/remote_write/v1.rs", "src/remote_write/v2.rs", "src/read_back"]),
    ("snap", &["src/remote_write/body.rs", "src/read_back"]),
    ("time", &["src/report/times.rs", "src/cli/values.rs", "src/http/dates.rs"]),
    // The client in parts: errors and certificates are ureq's own types, and it calls our resolver.
    (
        "ureq",
        &[
            "src/http/outcome.rs",
            "src/http/client.rs",
            "src/http/resolver.rs",
            "src/http/tls.rs",
            "src/http/url.rs",
        ],
    ),
    // Comes with ureq; its error texts are read, its types are for tests.
    ("rustls", &[]),
];

/// The modules from top to bottom: each imports only what stands below it. Only `main.rs`, which
/// may import anything, knows cli.
const LAYERS: &[&str] = &[
    "cli",
    "commands",
    "delivery",
    "read_back",
    "report",
    "openmetrics",
    "plan",
    "remote_write",
    "http",
    "clock",
    "labels",
    "series",
    "error",
];

/// Modules that see no clock, socket, file, process or thread.
const PURE: &[&str] = &[
    "src/series",
    "src/labels.rs",
    "src/openmetrics.rs",
    "src/plan.rs",
    "src/delivery/tally.rs",
    "src/report/words.rs",
    "src/http/base64.rs",
    "src/remote_write/body.rs",
    "src/http/dates.rs",
    "src/http/retry.rs",
    "src/remote_write/v1.rs",
    "src/remote_write/v2.rs",
];
const IMPURE: &[&str] = &[
    // Would hide the ones below.
    "std::{",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "Atomic",
    "Instant",
    "LazyLock",
    "Mutex",
    "OnceLock",
    "RwLock",
    "SystemTime",
    "static mut",
    "thread_local!",
];

/// A source file without what the rules do not look at.
pub(crate) struct Source {
    /// As in `src/cli/args.rs`.
    pub(crate) path: String,
    /// All of it.
    text: String,
    /// Its lines without comments, up to its test module; none for a module of tests.
    pub(crate) code: Vec<String>,
}

impl Source {
    fn read(path: String, text: String, is_test: bool) -> Source {
        let lines: Vec<&str> = text.lines().collect();
        let test_module = lines
            .windows(2)
            .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with('{'))
            .unwrap_or(lines.len());
        let length = if is_test { 0 } else { test_module };
        let without_comment = |line: &&str| line.split("//").next().unwrap_or_default().to_owned();
        let code = lines[..length].iter().map(without_comment).collect();
        Source { path, text, code }
    }

    fn is_in(&self, place: &str) -> bool {
        self.path == place || self.path.starts_with(&format!("{place}/"))
    }

    /// Returns number and text of each line of code.
    fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.iter().map(String::as_str))
    }
}

/// The checkout, whatever folder the test is started in.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the text files of the checkout, by path. What is built, ignored or not ours is left
/// out: `.env` may hold secrets, the lock file names where each crate comes from.
pub(crate) fn texts() -> Vec<(String, String)> {
    const PASSED_OVER: [&str; 5] = [".git", ".env", "Cargo.lock", "dist", "target"];
    let mut texts = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if PASSED_OVER.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                texts.push((path, text));
            }
        }
    }
    texts.sort();
    texts
}

/// Returns the files of `src/`.
pub(crate) fn sources() -> Vec<Source> {
    let texts = texts();
    let test_modules: Vec<String> =
        texts.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    texts
        .into_iter()
        .filter(|(path, _)| path.starts_with("src/") && path.ends_with(".rs"))
        .map(|(path, text)| {
            let is_test = test_modules.contains(&path);
            Source::read(path, text, is_test)
        })
        .collect()
}

/// Returns the files that a file declares as modules for tests only.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let folder = match path.rsplit_once('/') {
        Some((folder, "lib.rs" | "main.rs" | "mod.rs")) => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    };
    let lines: Vec<&str> = text.lines().collect();
    lines
        .windows(2)
        .filter(|pair| pair[0] == "#[cfg(test)]")
        .filter_map(|pair| pair[1].trim_start_matches("pub ").strip_prefix("mod "))
        .filter_map(|declared| declared.strip_suffix(';'))
        .map(|name| format!("{folder}/{name}.rs"))
        .collect()
}

/// Finds `word` where it is not the end of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_inside = |at: usize| line[..at].ends_with(is_part) && word.starts_with(is_part);
    line.match_indices(word).any(|(at, _)| !is_inside(at))
}

/// Finds `name::` where it begins a path: the crate `time`, not `std::time`.
fn has_crate(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let is_inside = |at: usize| {
        line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    };
    line.match_indices(&path).any(|(at, _)| !is_inside(at))
}

/// Fails with everything that was found, one finding a line.
#[track_caller]
fn check(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}\n", findings.join("\n  "));
}

#[test]
fn every_file_says_what_it_is_for() {
    let findings: Vec<String> = texts()
        .into_iter()
        .filter(|(path, text)| path.ends_with(".rs") && !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    check("a file opens with //!: what it is for, what it must never do", &findings);
}

#[test]
fn the_external_crates_are_those_of_the_table() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let names: BTreeSet<String> = section
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| Some(line.split_once(" = ")?.0.replace('-', "_")))
        .collect();
    let expected: BTreeSet<String> =
        IMPORTERS.iter().filter(|(_, files)| !files.is_empty()).map(|(n, _)| (*n).into()).collect();
    assert_eq!(names, expected, "the run-time dependencies and the table of importers");
}

#[test]
fn each_crate_has_its_importer() {
    let mut findings = Vec::new();
    for source in &sources() {
        for (name, files) in IMPORTERS {
            for (number, line) in source.numbered() {
                if has_crate(line, name) && !files.iter().any(|file| source.is_in(file)) {
                    let place = format!("{}:{number}", source.path);
                    findings.push(format!("{place} uses {name}, which is for {files:?}"));
                }
            }
        }
    }
    check("one importer for each external crate", &findings);
}

#[test]
fn modules_import_only_from_the_layers_below() {
    let mut findings = Vec::new();
    let is_root = |source: &&Source| ["src/main.rs", "src/lib.rs"].contains(&&*source.path);
    for source in sources().iter().filter(|source| !is_root(source) && !source.code.is_empty()) {
        let module = source.path["src/".len()..].split(['/', '.']).next().unwrap_or_default();
        let layer = LAYERS.iter().position(|layer| *layer == module);
        for (number, line) in source.numbered() {
            for (at, _) in line.match_indices("crate::") {
                let imported = line[at + "crate::".len()..]
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .next();
                let below = LAYERS.iter().position(|layer| Some(*layer) == imported);
                if layer.is_none() || below < layer {
                    findings.push(format!("{}:{number}:{line}", source.path));
                }
            }
        }
    }
    check("layers: a module imports only what stands below it", &findings);
}

#[test]
fn pure_parts_see_no_clock_socket_or_global() {
    let mut findings = Vec::new();
    for source in &sources() {
        if !PURE.iter().any(|place| source.is_in(place)) {
            continue;
        }
        for (number, line) in source.numbered() {
            for word in IMPURE.iter().filter(|word| has_word(line, word)) {
                findings.push(format!("{}:{number} has {word}", source.path));
            }
        }
    }
    check("pure parts see no clock, socket, file or global", &findings);
}

#[test]
fn files_are_short() {
    let sources = sources();
    let long = sources.iter().filter(|source| source.code.len() > FILE_LINES_MAX);
    let findings: Vec<String> =
        long.map(|source| format!("{} has {} lines", source.path, source.code.len())).collect();
    check("a file has 400 lines at most, without its tests", &findings);
}

#[test]
fn the_rules_see_what_they_look_for() {
    assert!(has_crate("use time::Date;", "time") && has_crate("(time::Date)", "time"));
    assert!(!has_crate("use std::time::Duration;", "time") && !has_crate("runtime::x", "time"));
    assert!(has_word("use std::time::Instant;", "Instant") && !has_word("MyInstant", "Instant"));
    let text = "//! x\nimpl X {\n    fn a(\n        b: u8,\n    ) -> u8 {\n        b // c\n    }\n\
                \n    fn c(&self) -> u8;\n}\npub fn d() {}\n#[cfg(test)]\nmod tests {\n}\n";
    let source = Source::read("src/a/b.rs".into(), text.into(), false);
    assert_eq!((source.code.len(), source.code[5].as_str()), (11, "        b "));
    assert!(source.is_in("src/a") && !source.is_in("src/a/b"));
    let declared = test_modules("src/a/mod.rs", "mod b;\n#[cfg(test)]\nmod c;\n");
    assert_eq!(declared, ["src/a/c.rs"]);
}

/// What no file may name: it would tie the checkout to one machine or one registry.
/// Written in two halves, so that this file may be looked at, too.
const FOREIGN: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/tmp", "/wt"),
    ("crates", ".io"),
    ("static.rust-", "lang.org"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("npm", "js"),
    ("proxy.golang", ".org"),
    ("rubygems", ".org"),
    ("deb.debian", ".org"),
    ("security.debian", ".org"),
    ("archive.ubuntu", ".com"),
];

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let foreign: Vec<String> = FOREIGN.iter().map(|(a, b)| format!("{a}{b}")).collect();
    let mut findings = Vec::new();
    for (path, text) in &texts() {
        for (number, line) in (1..).zip(text.lines()) {
            for name in foreign.iter().filter(|name| line.contains(name.as_str())) {
                findings.push(format!("{path}:{number} names {name}"));
            }
        }
    }
    check("no file names a path of one machine or the host of a package registry", &findings);
}

#[test]
fn the_code_map_names_every_module() {
    let sources = sources();
    let lib = sources.iter().find(|source| source.path == "src/lib.rs").unwrap();
    let map = lib.text.lines().take_while(|line| line.starts_with("//!"));
    let words = map.flat_map(str::split_whitespace).filter(|word| word.ends_with(".rs"));
    let named: BTreeSet<&str> = words.filter(|word| !word.starts_with("tests/")).collect();
    let paths = sources.iter().map(|source| source.path.trim_start_matches("src/"));
    let there: BTreeSet<&str> = paths.filter(|path| *path != "lib.rs").collect();
    let differing: Vec<String> =
        named.symmetric_difference(&there).map(|path| (*path).to_owned()).collect();
    check("src/lib.rs's code map lacks, or names what is not there", &differing);
}
