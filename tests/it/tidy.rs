//! The house rules that clippy does not know: layers, who imports which crate, what pure parts do
//! not see, the code map. docs/design.md, "Layers", gives the reasons.
//!
//! Reads text, not syntax: comments and test modules are left out, rustfmt's form is relied on.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{in_root, text_of};

const FILE_LINES_MAX: usize = 400;
/// Without blank lines, comments and tests.
const SRC_LINES_MAX: usize = 11_000;
const SCRIPTS_LINES_MAX: usize = 2000;

/// Who may import an external crate: files, or everything below a folder.
const IMPORTERS: [(&str, &str); 8] = [
    ("ctrlc", "src/clock.rs"),
    ("fastrand", "src/http/retry.rs"),
    ("lexopt", "src/cli/args.rs"),
    // One message module each; the other half of the wire reads answers.
    ("quick_protobuf", "src/remote_write/v1.rs src/remote_write/v2.rs src/read_back"),
    ("snap", "src/remote_write/body.rs src/read_back"),
    ("time", "src/report/times.rs src/cli/values.rs src/http/dates.rs"),
    // The client in parts: errors and certificates are ureq's own types, and it calls our resolver
    // and our transport.
    ("ureq", UREQ),
    // Comes with ureq; its error texts are read, its types are for tests.
    ("rustls", ""),
];

const UREQ: &str = "src/http/outcome.rs src/http/client.rs src/http/resolver.rs src/http/tls.rs \
                    src/http/transport.rs src/http/url.rs";

/// The modules from top to bottom: each imports only what stands below it. Only `main.rs`, which
/// may import anything, knows cli.
const LAYERS: &str = "cli commands delivery read_back report openmetrics plan remote_write http \
                      clock labels series error";

/// Modules that see no clock, socket, file, process or thread.
const PURE: &str = "src/series src/labels.rs src/openmetrics.rs src/plan.rs src/delivery/tally.rs \
                    src/report/words.rs src/http/base64.rs src/remote_write/body.rs \
                    src/http/dates.rs src/http/retry.rs src/remote_write/v1.rs \
                    src/remote_write/v2.rs";
/// `std::{` would hide others.
const IMPURE: &str = "std::{ std::env std::fs std::io std::net std::process std::thread Atomic \
                      Instant LazyLock Mutex OnceLock RwLock SystemTime thread_local!";

/// What no file may name: it would tie the checkout to one machine or one registry. With a bar in
/// it, so that this file may be looked at, too.
const FOREIGN: &str = "/wo|rk/ /ro|ot/ /ho|me/ /tmp|/wt crates|.io static.rust-|lang.org \
                       pypi|.org pythonhosted|.org npm|js proxy.golang|.org rubygems|.org \
                       deb.debian|.org security.debian|.org archive.ubuntu|.com";

/// A source file without what the rules do not look at.
pub(crate) struct Source {
    /// As in `src/cli/args.rs`.
    pub(crate) path: String,
    /// Its lines without comments, up to its test module; none for a module of tests.
    pub(crate) code: Vec<String>,
}

impl Source {
    fn is_in(&self, place: &str) -> bool {
        self.path == place || self.path.starts_with(&format!("{place}/"))
    }

    /// Returns what follows each place where `word` stands, and is not the end of a longer one.
    fn after<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        // The crate `time`, not `std::time`.
        let is_path = word.ends_with("::");
        let is_part = move |c: char| c.is_ascii_alphanumeric() || c == '_' || (c == ':' && is_path);
        let after = move |line: &'a String| {
            let places = line.match_indices(word).filter(move |(at, _)| {
                !line[..*at].ends_with(is_part) || !word.starts_with(is_part)
            });
            places.map(move |(at, _)| &line[at + word.len()..])
        };
        self.code.iter().flat_map(after)
    }
}

/// Returns the text files of the checkout, by path. What is built, ignored or not ours is left
/// out: `.env` may hold secrets, the lock file names where each crate comes from.
pub(crate) fn texts() -> Vec<(String, String)> {
    const PASSED_OVER: [&str; 5] = [".git", ".env", "Cargo.lock", "dist", "target"];
    let (mut texts, mut folders) = (Vec::new(), vec![in_root("")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if PASSED_OVER.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(in_root("")).unwrap().to_str().unwrap().to_owned();
                texts.push((path, text));
            }
        }
    }
    texts.sort();
    texts
}

/// Returns the files of `src/`.
pub(crate) fn sources() -> Vec<Source> {
    let mut texts = texts();
    texts.retain(|(path, _)| path.starts_with("src/") && path.ends_with(".rs"));
    let whole = texts.iter().map(|(_, text)| text.as_str()).collect::<String>();
    let read = |(path, text): (String, String)| {
        let name = path.trim_end_matches(".rs").rsplit('/').next().unwrap_or_default();
        let is_test = whole.contains(&format!("#[cfg(test)]\nmod {name};"));
        let code =
            if is_test { "" } else { text.split("#[cfg(test)]\nmod tests {").next().unwrap() };
        let without_comment = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
        let code = code.lines().map(without_comment).collect();
        Source { path, code }
    };
    texts.into_iter().map(read).collect()
}

/// Fails with everything that was found, one finding a line.
#[track_caller]
fn check(rule: &str, findings: impl IntoIterator<Item = String>) {
    let findings: Vec<String> = findings.into_iter().collect();
    assert!(findings.is_empty(), "{rule}:\n  {}\n", findings.join("\n  "));
}

#[test]
fn each_external_crate_has_its_importer() {
    let manifest = text_of("Cargo.toml");
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| Some(line.split_once(" = ")?.0.replace('-', "_")));
    let imported = IMPORTERS.iter().filter(|(_, files)| !files.is_empty());
    assert!(names.collect::<BTreeSet<_>>().iter().eq(imported.map(|(name, _)| name)));
    let mut findings = Vec::new();
    for source in &sources() {
        for (name, files) in IMPORTERS {
            let is_used = source.after(&format!("{name}::")).next().is_some();
            if is_used && !files.split(' ').any(|file| source.is_in(file)) {
                findings.push(format!("{} uses {name}, which is for {files}", source.path));
            }
        }
    }
    check("one importer for each external crate", findings);
}

#[test]
fn modules_import_only_from_the_layers_below() {
    let mut findings = Vec::new();
    let layer = |name: &str| LAYERS.split(' ').position(|layer| layer == name);
    for source in sources().iter().filter(|source| !source.code.is_empty()) {
        let module = source.path["src/".len()..].split(['/', '.']).next().unwrap();
        for rest in source.after("crate::") {
            let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            let imported = rest.split(is_end).next().unwrap();
            if layer(module).is_none() || layer(imported) < layer(module) {
                findings.push(format!("{} imports {imported}", source.path));
            }
        }
    }
    check("layers: a module imports only what stands below it", findings);
}

#[test]
fn pure_parts_see_no_clock_socket_file_or_global() {
    let mut findings = Vec::new();
    for source in sources().iter().filter(|s| PURE.split(' ').any(|place| s.is_in(place))) {
        let seen = IMPURE.split(' ').filter(|word| source.after(word).next().is_some());
        findings.extend(seen.map(|word| format!("{} has {word}", source.path)));
    }
    check("pure parts see no clock, socket, file or global", findings);
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let long = sources().into_iter().filter(|source| source.code.len() > FILE_LINES_MAX);
    let lines = |source: Source| format!("{} has {} lines", source.path, source.code.len());
    check("a file has 400 lines at most, without its tests", long.map(lines));
    let rust = texts().into_iter().filter(|(path, _)| path.ends_with(".rs"));
    let silent = rust.filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path);
    check("a file opens with //!: what it is for, what it must never do", silent);
}

#[test]
fn what_is_added_is_paid_for_by_what_is_removed() {
    let src: Vec<String> = sources().into_iter().flat_map(|source| source.code).collect();
    let src = src.iter().filter(|line| !line.trim().is_empty()).count();
    let scripts = texts().into_iter().filter(|(path, _)| path.starts_with("scripts/"));
    let scripts: usize = scripts.map(|(_, text)| text.lines().count()).sum();
    println!("code lines in src: {src}; lines of scripts: {scripts}");
    assert!(src <= SRC_LINES_MAX && scripts <= SCRIPTS_LINES_MAX, "{src}, {scripts}");
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let foreign = FOREIGN.replace('|', "");
    let mut findings = Vec::new();
    for (path, text) in texts() {
        let named = foreign.split(' ').filter(|name| text.contains(name));
        findings.extend(named.map(|name| format!("{path} names {name}")));
    }
    check("no file names a path of one machine or the host of a package registry", findings);
}

#[test]
fn the_code_map_names_every_module() {
    let lib = text_of("src/lib.rs");
    let map = lib.lines().take_while(|line| line.starts_with("//!"));
    let words = map.flat_map(str::split_whitespace).filter(|word| word.ends_with(".rs"));
    let named = words.filter(|word| !word.starts_with("tests/")).map(ToOwned::to_owned);
    let paths = sources().into_iter().map(|source| source.path["src/".len()..].to_owned());
    let there: BTreeSet<String> = paths.filter(|path| path != "lib.rs").collect();
    let differing = &named.collect::<BTreeSet<String>>() ^ &there;
    check("src/lib.rs's code map lacks, or names what is not there", differing);
}
