//! What STYLE.md says is law and no lint checks: the shape of the files, where clocks are read, which crate may know
//! which. It reads the repository as text; a finding names its file and line.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const MEDIAN_LINES: usize = 150;
const MOST_LINES: usize = 800;
const MOST_FEATURES: usize = 10;
/// Names that say nothing about what is inside.
const NAMES_WITHOUT_MEANING: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "misc", "prelude"];

/// Libraries, and the only crates that may build with them.
const AT_HOME: [(&str, &[&str]); 6] = [
    ("anyhow", &["tealgate"]),
    ("axum", &["admin", "tealgate"]),
    ("clap", &["tealgate"]),
    ("hyper", &["admin", "load", "release", "tealgate", "testkit"]),
    ("rusqlite", &["store"]),
    ("saphyr", &["tealgate"]),
];

/// One text file of the repository.
struct File {
    /// Its path from the root of the repository, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The lines with their numbers, comments cut off.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.map(|(index, line)| (index + 1, line.split_once("//").map_or(line, |(code, _)| code)))
    }

    /// The crate that the file belongs to.
    fn owner(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::canonicalize(root).expect("the root of the repository")
}

/// Every file of the repository that is not built.
fn files() -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the repository") {
            let path = entry.expect("an entry of a directory").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if name != "target" && name != ".git" {
                    directories.push(path);
                }
                continue;
            }
            // A worktree's `.git` is a file.
            if name != ".git" && path.is_file() {
                files.push(read(&root, &path));
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(files.iter().filter(|file| file.is_rust()).count() > 100, "this is not the repository");
    files
}

fn read(root: &Path, path: &Path) -> File {
    let relative = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{relative}: {error}"));
    let text = String::from_utf8(bytes).unwrap_or_else(|_| panic!("{relative} is not UTF-8 text"));
    File { path: relative, text }
}

fn rust_files() -> Vec<File> {
    files().into_iter().filter(File::is_rust).collect()
}

fn nothing_found(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// The lines of code in which one of the patterns stands.
fn with(files: &[File], patterns: &[String]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (number, line) in file.code() {
            for pattern in patterns.iter().filter(|pattern| line.contains(pattern.as_str())) {
                findings.push(format!("{}:{number}: {pattern}", file.path));
            }
        }
    }
    findings
}

#[test]
fn files_are_short() {
    let mut lengths = Vec::new();
    let mut findings = Vec::new();
    for file in rust_files() {
        let lines = file.text.lines().count();
        if lines > MOST_LINES {
            findings.push(format!("{}: {lines} lines", file.path));
        }
        lengths.push(lines);
    }
    nothing_found(&format!("at most {MOST_LINES} lines a file"), &findings);
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= MEDIAN_LINES, "the median of the files has {median} lines, at most {MEDIAN_LINES}");
}

/// Unit tests in a file of their own (`tests.rs`) and the parts of a test binary are explained by what they belong to.
#[test]
fn a_module_begins_by_saying_what_it_is() {
    let explained_elsewhere = |file: &File| {
        let part_of_a_test = file.path.split_once("/tests/").is_some_and(|(_, rest)| {
            let depth = rest.matches('/').count();
            depth > 1 || (depth == 1 && file.name() != "main.rs")
        });
        file.name() == "tests.rs" || part_of_a_test
    };
    let findings: Vec<String> = rust_files()
        .iter()
        .filter(|file| !explained_elsewhere(file))
        .filter(|file| !file.text.lines().next().unwrap_or_default().starts_with("//! "))
        .map(|file| file.path.clone())
        .collect();
    nothing_found("a module begins with `//!`", &findings);
}

#[test]
fn names_have_a_meaning() {
    let mut findings = Vec::new();
    for file in rust_files() {
        for part in file.path.trim_end_matches(".rs").split('/') {
            if NAMES_WITHOUT_MEANING.contains(&part) {
                findings.push(file.path.clone());
            }
        }
        for (number, line) in file.code() {
            let module = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            let name = module.strip_prefix("mod ").map(|name| name.trim_end_matches([';', '{', ' ']));
            if name.is_some_and(|name| NAMES_WITHOUT_MEANING.contains(&name)) {
                findings.push(format!("{}:{number}", file.path));
            }
        }
    }
    nothing_found("a module is named after what it does", &findings);
}

#[test]
fn imports_say_what_they_import() {
    let everything = format!("use crate::{}", '*');
    nothing_found("an import names what it imports", &with(&rust_files(), &[everything]));
}

#[test]
fn clocks_are_read_in_clock_modules_only() {
    let reads = [("Instant", "now"), ("SystemTime", "now"), ("Timestamp", "now"), ("Zoned", "now")];
    let pauses = [("thread", "sleep"), ("time", "sleep"), ("time", "sleep_until")];
    let patterns: Vec<String> =
        reads.iter().chain(&pauses).map(|(owner, call)| format!("{owner}::{call}(")).collect();
    let mut files = rust_files();
    files.retain(|file| file.name() != "clock.rs");
    nothing_found("time is an argument; it is read in `clock.rs`", &with(&files, &patterns));
}

#[test]
fn nothing_is_left_unfinished() {
    let patterns: Vec<String> = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!(")).to_vec();
    nothing_found("no stubs, no leftovers", &with(&rust_files(), &patterns));
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|halves| halves.concat());
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.name() != "Cargo.lock") {
        for (index, line) in file.text.lines().enumerate() {
            let mut words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
            if words.any(|word| marks.iter().any(|mark| mark == word)) {
                findings.push(format!("{}:{}", file.path, index + 1));
            }
        }
    }
    nothing_found("what is to be done stands in an issue", &findings);
}

#[test]
fn every_crate_forbids_unsafe_code() {
    let is_root = |path: &str| {
        path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs") || path.contains("/src/bin/")
    };
    let findings: Vec<String> = rust_files()
        .iter()
        .filter(|file| is_root(&file.path) && !file.text.contains("\n#![forbid(unsafe_code)]\n"))
        .map(|file| file.path.clone())
        .collect();
    nothing_found("`#![forbid(unsafe_code)]` in every crate", &findings);
}

#[test]
fn nothing_but_cargo_builds_it_and_there_is_little_to_choose() {
    let files = files();
    let scripts: Vec<String> =
        files.iter().filter(|file| file.name() == "build.rs").map(|file| file.path.clone()).collect();
    nothing_found("no build script", &scripts);
    let features: Vec<String> = manifests(&files)
        .iter()
        .flat_map(|(owner, manifest)| {
            section(manifest, "features").into_iter().map(move |(name, _)| format!("{owner}/{name}"))
        })
        .collect();
    assert!(features.len() <= MOST_FEATURES, "at most {MOST_FEATURES} features: {features:?}");
}

#[test]
fn pure_code_does_no_io() {
    let impure = ["fs", "process", "thread", "env"].map(|name| format!("std::{name}"));
    let sockets = ["TcpStream", "TcpListener", "UdpSocket"].map(|name| format!("net::{name}"));
    let mut patterns: Vec<String> = impure.into_iter().chain(sockets).collect();
    patterns.extend(["tokio::".to_owned(), "rustix::".to_owned(), "hyper".to_owned(), "::clock".to_owned()]);
    let pure = ["model/src", "http1/src", "judge/src", "release/src/plan", "release/src/machine"];
    let mut files = rust_files();
    files.retain(|file| {
        pure.iter().any(|pure| file.path.starts_with(&format!("crates/{pure}/"))) && file.name() != "tests.rs"
    });
    assert!(files.len() > 30, "the pure modules have moved");
    nothing_found(
        "`model`, `http1`, `judge`, `release::{plan, machine}` do no I/O",
        &with(&files, &patterns),
    );
}

#[test]
fn the_crates_know_each_other_as_the_architecture_says() {
    let files = files();
    let drawn = arrows(&files);
    let manifests = manifests(&files);
    let ours: BTreeSet<&str> = manifests.keys().map(String::as_str).collect();
    for (owner, manifest) in &manifests {
        let names = |name: &str| -> BTreeSet<String> {
            let dependencies = section(manifest, name).into_iter().map(|(name, _)| name);
            dependencies
                .map(|name| name.trim_end_matches(".workspace").to_owned())
                .filter(|name| ours.contains(name.as_str()))
                .collect()
        };
        let built = names("dependencies");
        let shown = drawn.get(owner).unwrap_or_else(|| panic!("ARCHITECTURE.md does not name `{owner}`"));
        assert_eq!(&built, shown, "what `{owner}` depends on (left: Cargo.toml, right: ARCHITECTURE.md)");
        let for_tests: BTreeSet<String> =
            names("dev-dependencies").difference(&built).filter(|name| *name != "testkit").cloned().collect();
        assert!(for_tests.is_empty(), "the tests of `{owner}` also need {for_tests:?}");
    }
    assert_eq!(drawn.len(), manifests.len(), "ARCHITECTURE.md names a crate that is not there");
    assert!(!drawn["gateway"].contains("release") && !drawn["release"].contains("gateway"));
}

#[test]
fn libraries_stay_where_they_are_needed() {
    let files = files();
    let mut findings = Vec::new();
    for (owner, manifest) in manifests(&files) {
        let dependencies = section(manifest, "dependencies");
        for (library, homes) in AT_HOME {
            let used = dependencies.iter().any(|(name, _)| name.trim_end_matches(".workspace") == library);
            if used && !homes.contains(&owner.as_str()) {
                findings.push(format!("{owner} builds with {library}"));
            }
        }
    }
    nothing_found("heavy libraries never reach the hot path, and `anyhow` stays in the binary", &findings);
}

#[test]
fn what_is_kept_is_text_that_any_machine_can_use() {
    let here = root().display().to_string();
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.name() != "Cargo.lock") {
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            findings.push(format!("{}: the last line does not end", file.path));
        }
        for (index, line) in file.text.lines().enumerate() {
            let mut wrong = |what: &str| findings.push(format!("{}:{}: {what}", file.path, index + 1));
            if line.contains(['\r', '\0']) {
                wrong("a carriage return or NUL");
            }
            if line.ends_with([' ', '\t']) {
                wrong("blanks at the end");
            }
            if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
                wrong("a conflict that was not solved");
            }
            let homes = ["home", "Users"].map(|parent| format!("/{parent}/"));
            if homes.iter().any(|home| line.contains(home)) || (here.len() > 4 && line.contains(&here)) {
                wrong("a path of one machine");
            }
        }
    }
    nothing_found("text that any machine can use", &findings);
}

/// The manifests of the workspace's crates, by the crate's name.
fn manifests(files: &[File]) -> BTreeMap<String, &str> {
    files
        .iter()
        .filter(|file| file.name() == "Cargo.toml")
        .filter_map(|file| Some((file.owner()?.to_owned(), file.text.as_str())))
        .collect()
}

/// The entries of a section of a manifest.
fn section<'a>(manifest: &'a str, name: &str) -> Vec<(String, &'a str)> {
    let header = format!("[{name}]");
    let lines = manifest.lines().skip_while(|line| line.trim() != header).skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim()))
        .collect()
}

/// The arrows between our crates, as the block below "Arrows" in ARCHITECTURE.md draws them: `crate: others`.
fn arrows(files: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let architecture = files.iter().find(|file| file.path == "ARCHITECTURE.md").expect("ARCHITECTURE.md");
    let block = architecture.text.lines().skip_while(|line| !line.ends_with("# Arrows"));
    let block = block.skip_while(|line| !line.starts_with("```")).skip(1);
    block
        .take_while(|line| !line.starts_with("```"))
        .map(|line| {
            let (owner, others) = line.split_once(':').unwrap_or_else(|| panic!("no arrow: {line}"));
            let others = others.split([',', ' ']).filter(|name| !name.is_empty());
            (owner.trim().to_owned(), others.map(str::to_owned).collect())
        })
        .collect()
}
