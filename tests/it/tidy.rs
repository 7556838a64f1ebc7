//! The house rules, held on the sources: who may import what, what must not stand where, how
//! long things may be. docs/design.md, "Layers", gives the reasons.
//!
//! Reads text, not syntax: comments and test modules are left out, rustfmt's form is relied on.
//! A rule that makes the code worse is broken in one of the tables here, with the reason beside it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const LINE_CHARS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 400;

/// What may be longer: `file` or `file function`; its own limit in lines; why.
const LONGER: &[(&str, usize, &str)] = &[];

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
        &["src/http/outcome.rs", "src/http/client.rs", "src/http/resolver.rs", "src/http/tls.rs"],
    ),
    // Comes with ureq; its error texts are read, its types are for tests.
    ("rustls", &[]),
];

/// What a module may import of the crate, beside itself, from top to bottom: no import runs up.
/// Only `main.rs`, which may import anything, knows cli.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "commands",
            "delivery",
            "error",
            "http",
            "labels",
            "plan",
            "read_back",
            "remote_write",
            "report",
            "series",
        ],
    ),
    (
        "commands",
        &[
            "clock",
            "delivery",
            "error",
            "http",
            "labels",
            "openmetrics",
            "plan",
            "read_back",
            "remote_write",
            "report",
            "series",
        ],
    ),
    ("delivery/tally", &["error", "series"]),
    ("delivery", &["clock", "error", "http", "plan", "remote_write", "report", "series"]),
    ("read_back", &["clock", "error", "http", "labels", "remote_write", "report", "series"]),
    ("report/words", &[]),
    ("report", &["error", "http", "labels", "plan", "series"]),
    ("openmetrics", &["labels", "remote_write", "series"]),
    ("plan", &["labels", "remote_write", "series"]),
    ("remote_write", &["error", "http", "labels", "series"]),
    ("http", &["error", "series"]),
    ("clock", &["error", "series"]),
    ("labels", &["error"]),
    ("series", &[]),
    ("error", &[]),
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

/// Calls that only these files may make: the words, the files, what they are.
const RESERVED: &[(&[&str], &[&str], &str)] = &[
    (
        &["println!", "print!", "eprintln!", "eprint!", "stdout(", "stderr("],
        &["src/report/mod.rs", "src/report/stdout.rs"],
        "writes to stdout or stderr",
    ),
    (
        &["process::exit", "process::abort"],
        // The signal's last resort.
        &["src/main.rs", "src/clock.rs"],
        "ends the process",
    ),
    (
        &[".unwrap()", "panic!(", "todo!(", "unimplemented!(", "dbg!("],
        &[],
        "may panic without saying why: use a Result, or expect(\"why it holds\")",
    ),
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

    fn is_module(&self, name: &str) -> bool {
        self.path == format!("src/{name}.rs") || self.is_in(&format!("src/{name}"))
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
    for source in sources().iter().filter(|source| !is_root(source)) {
        let layer = LAYERS.iter().find(|(name, _)| source.is_module(name));
        let Some((module, below)) = layer else {
            findings.extend((!source.code.is_empty()).then(|| format!("{} has none", source.path)));
            continue;
        };
        for (number, line) in source.numbered() {
            for (at, _) in line.match_indices("crate::") {
                let imported = &line[at + "crate::".len()..];
                let is = |name: &str| {
                    imported.strip_prefix(name).is_some_and(|rest| {
                        !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                    })
                };
                if !is(module) && !below.iter().any(|name| is(name)) {
                    let place = format!("{}:{number}", source.path);
                    findings.push(format!("{place} imports crate::{imported} ({module})"));
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
fn some_calls_are_for_a_few_files_only() {
    for (words, files, what) in RESERVED {
        let mut findings = Vec::new();
        for source in sources().iter().filter(|source| !files.contains(&source.path.as_str())) {
            for (number, line) in source.numbered() {
                for word in words.iter().filter(|word| has_word(line, word)) {
                    findings.push(format!("{}:{number} has {word}", source.path));
                }
            }
        }
        let rule = format!("what {what} (allowed in: {files:?})");
        check(&rule, &findings);
    }
}

/// Returns name, first line and length of each function of a file in rustfmt's form.
fn functions(code: &[String]) -> Vec<(String, usize, usize)> {
    let mut functions = Vec::new();
    for (at, line) in code.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some((before, behind)) = line.split_once("fn ") else { continue };
        let qualifiers = ["", "pub", "const", "pub const", "pub(crate)", "pub(super)"];
        if !qualifiers.contains(&before.trim()) {
            continue;
        }
        let name = behind.split(['(', '<']).next().unwrap_or_default();
        let end = format!("{:indent$}}}", "");
        let is_one_line = line.trim_end().ends_with('}');
        let is_end = |line: &String| is_one_line || line.trim_end() == end;
        let length = code[at..].iter().position(is_end).map_or(0, |n| n + 1);
        // A declaration ends with a semicolon where a body would begin.
        let signature = code[at..].iter().find(|line| line.trim_end().ends_with(['{', ';', '}']));
        if signature.is_some_and(|line| !line.trim_end().ends_with(';')) {
            functions.push((name.to_owned(), at + 1, length));
        }
    }
    functions
}

#[test]
fn files_and_functions_are_short() {
    let mut findings = Vec::new();
    let mut longer: Vec<&str> = LONGER.iter().map(|(what, ..)| *what).collect();
    let mut measure = |what: &str, place: &str, lines: usize, lines_max: usize| {
        let exception = LONGER.iter().find(|(name, ..)| *name == what);
        let limit = exception.map_or(lines_max, |(_, limit, _)| *limit);
        if lines > limit {
            findings.push(format!("{place} {what} has {lines} lines, {limit} at most"));
        }
        if lines > lines_max {
            longer.retain(|name| *name != what);
        }
    };
    for source in &sources() {
        measure(&source.path, "", source.code.len(), FILE_LINES_MAX);
        for (name, number, length) in functions(&source.code) {
            let what = format!("{} {name}", source.path);
            measure(&what, &format!("line {number}:"), length, FUNCTION_LINES_MAX);
        }
    }
    findings.extend(longer.iter().map(|what| format!("{what} is short again: take it out")));
    check("files and functions are short (LONGER lists the exceptions)", &findings);
}

#[test]
fn the_rules_see_what_they_look_for() {
    assert!(has_crate("use time::Date;", "time") && has_crate("(time::Date)", "time"));
    assert!(!has_crate("use std::time::Duration;", "time") && !has_crate("runtime::x", "time"));
    assert!(has_word("use std::time::Instant;", "Instant") && !has_word("MyInstant", "Instant"));
    assert!(has_word("x.unwrap()", ".unwrap()") && !has_word("eprintln!(x)", "println!"));
    let text = "//! x\nimpl X {\n    fn a(\n        b: u8,\n    ) -> u8 {\n        b // c\n    }\n\
                \n    fn c(&self) -> u8;\n}\npub fn d() {}\n#[cfg(test)]\nmod tests {\n}\n";
    let source = Source::read("src/a/b.rs".into(), text.into(), false);
    assert_eq!((source.code.len(), source.code[5].as_str()), (11, "        b "));
    assert_eq!(functions(&source.code), [("a".to_owned(), 3, 5), ("d".to_owned(), 11, 1)]);
    assert!(source.is_in("src/a") && source.is_module("a/b") && !source.is_in("src/a/b"));
    let declared = test_modules("src/a/mod.rs", "mod b;\n#[cfg(test)]\nmod c;\n");
    assert_eq!(declared, ["src/a/c.rs"]);
}

#[test]
fn lines_are_short() {
    let mut findings = Vec::new();
    for (path, text) in texts().iter().filter(|(path, _)| path.ends_with(".rs")) {
        for (number, line) in (1..).zip(text.lines()) {
            let length = line.chars().count();
            if length > LINE_CHARS_MAX {
                findings.push(format!("{path}:{number} has {length} characters"));
            }
        }
    }
    check("a line of Rust has 100 characters at most", &findings);
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
    let map: String = lib.text.lines().take_while(|line| line.starts_with("//!")).fold(
        String::new(),
        |mut map, line| {
            let _ = writeln!(map, "{line}");
            map
        },
    );
    let named = |path: &str| {
        let path = path.trim_start_matches("src/");
        map.lines().any(|line| line.split_whitespace().any(|word| word == path))
    };
    let findings: Vec<&str> = sources
        .iter()
        .map(|source| source.path.as_str())
        .filter(|path| *path != "src/lib.rs" && !named(path))
        .collect();
    let findings: Vec<String> = findings.into_iter().map(Into::into).collect();
    check("src/lib.rs's code map lacks", &findings);
    let paths: BTreeSet<&str> =
        sources.iter().map(|source| source.path.trim_start_matches("src/")).collect();
    let gone: Vec<String> = map
        .split_whitespace()
        .filter(|word| word.ends_with(".rs") && !word.starts_with("tests/"))
        .filter(|word| !paths.contains(word))
        .map(Into::into)
        .collect();
    check("src/lib.rs's code map names what is not there", &gone);
}
