//! The documents say what the code does: every field and flag is described, every default is right, every example is
//! read, every command line is understood, every link leads somewhere.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use clap::{CommandFactory as _, Parser as _};
use model::policy::ReleasePolicy;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tealgate::cli::Cli;
use tealgate::config;
use tealgate::config::limits::Limits;
use tealgate::config::settings::Settings;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn reference() -> String {
    read("docs/configuration.md")
}

/// The Markdown files of the repository, by their paths from its root.
fn documents() -> Vec<String> {
    in_directories(&["", "docs", "benches"], "md")
}

fn in_directories(directories: &[&str], extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    for directory in directories {
        for entry in fs::read_dir(root().join(directory)).expect("a directory of the repository") {
            let name = entry.expect("an entry of a directory").file_name().to_string_lossy().into_owned();
            if name.ends_with(&format!(".{extension}")) {
                found.push(if directory.is_empty() { name } else { format!("{directory}/{name}") });
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no .{extension} in {directories:?}");
    found
}

/// A fenced block of a Markdown file.
struct Block {
    /// The heading that it stands below.
    heading: String,
    /// What stands behind the fence: `yaml`, `sh`, ...
    language: String,
    text: String,
    line: usize,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut heading = String::new();
    let mut inside = false;
    for (index, line) in markdown.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            if !inside {
                let (heading, language) = (heading.clone(), language.to_owned());
                blocks.push(Block { heading, language, text: String::new(), line: index + 1 });
            }
            inside = !inside;
        } else if inside {
            let block = blocks.last_mut().expect("the block that is open");
            block.text.push_str(line);
            block.text.push('\n');
        } else if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim().to_owned();
        }
    }
    assert!(!inside, "a block is not closed");
    blocks
}

fn block_below(heading: &str) -> String {
    let mut blocks = blocks(&reference()).into_iter();
    let block = blocks.find(|block| block.heading == heading && block.language == "yaml");
    block.unwrap_or_else(|| panic!("there is no yaml below {heading:?}")).text
}

/// Every name of a field and of a choice in a JSON schema.
fn names(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                found.extend(properties.keys().cloned());
            }
            let choices = object.get("enum").and_then(Value::as_array).into_iter().flatten();
            let choices = choices.chain(object.get("const"));
            found.extend(choices.filter_map(|choice| Some(choice.as_str()?.to_owned())));
            object.values().for_each(|value| names(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

/// Whether a name stands in a text as a word of its own.
fn mentions(text: &str, name: &str) -> bool {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').any(|word| word == name)
}

#[test]
fn every_field_and_choice_is_in_the_reference() {
    let mut fields = BTreeSet::new();
    names(&schemars::schema_for!(Settings).to_value(), &mut fields);
    names(&model::app::app_schema(), &mut fields);
    assert!(fields.len() > 80 && fields.contains("keep_failed_ms") && fields.contains("as_configured"));
    let reference = reference();
    let missing: Vec<_> = fields.iter().filter(|field| !mentions(&reference, field)).collect();
    assert!(missing.is_empty(), "docs/configuration.md does not say anything of {missing:?}");
}

#[test]
fn every_flag_of_serve_is_in_the_reference() {
    let cli = Cli::command();
    let serve = cli.find_subcommand("serve").expect("serve");
    let reference = reference();
    let flags = serve.get_arguments().filter(|argument| !argument.is_hide_set());
    let flags: Vec<String> = flags
        .filter_map(|flag| Some(format!("--{}", flag.get_long().filter(|name| *name != "help")?)))
        .collect();
    assert!(flags.len() >= 10, "{flags:?}");
    let missing: Vec<_> = flags.iter().filter(|flag| !reference.contains(&format!("`{flag}"))).collect();
    assert!(missing.is_empty(), "docs/configuration.md does not say anything of {missing:?}");
}

#[test]
fn the_defaults_are_those_of_the_code() {
    let settings =
        config::parse("reference", &block_below("Settings"), plugins::ALL).expect("right").settings;
    assert_eq!(settings, Settings::default());
    let loaded = config::parse("reference", &block_below("Release policy"), plugins::ALL).expect("right");
    let app = loaded.resources.iter().find_map(|resource| resource.value.get("release")).expect("an app");
    let policy: ReleasePolicy = serde_json::from_value(app.clone()).expect("a policy");
    assert_eq!(policy, ReleasePolicy::default());
    let shown = app.as_object().expect("an object").len();
    let all = serde_json::to_value(ReleasePolicy::default()).expect("JSON");
    assert_eq!(shown, all.as_object().expect("an object").len(), "the block shows every default");
}

#[test]
fn the_tests_that_limits_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/tests/gateway");
    let in_folder = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path).expect("tests").flatten().map(|entry| entry.path()).collect()
    };
    let files = in_folder(&root);
    let files = files.into_iter().flat_map(|path| if path.is_dir() { in_folder(&path) } else { vec![path] });
    let files = files.chain(in_folder(&root.join("../../../plugins/src/limit_count")));
    let tests: String = files.map(|path| std::fs::read_to_string(path).expect("a test")).collect();
    let reference = reference();
    let table = reference.split("Each is driven over its bound by a test:").nth(1).expect("the table");
    let rows = table.lines().skip_while(|line| !line.starts_with("| `")).skip(1);
    let rows: Vec<&str> = rows.take_while(|line| !line.is_empty()).filter(|row| row.contains('`')).collect();
    let limits = serde_json::to_value(Limits::default()).expect("JSON");
    for limit in limits.as_object().expect("an object").keys() {
        let named =
            |row: &&str| row.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{limit}`")));
        assert!(rows.iter().any(named), "no test is named for {limit}");
    }
    let over_http2 =
        reference.split("| `limits.` | over HTTP/2 | test |").nth(1).expect("the table of HTTP/2");
    let over_http2 = over_http2.lines().skip(2).take_while(|line| !line.is_empty());
    for row in rows.into_iter().chain(over_http2) {
        for name in row.rsplit('|').nth(1).expect("a cell").split(", ") {
            let name = name.trim().trim_matches('`');
            assert!(name.is_empty() || tests.contains(&format!("fn {name}(")), "there is no test {name}");
        }
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let reference = reference();
    let limits = serde_json::to_value(Limits::default()).expect("JSON");
    for (name, default) in limits.as_object().expect("an object") {
        let row = reference.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("there is no row for {name}"));
        let default = default.to_string();
        assert!(row.split('|').any(|cell| cell.trim() == default), "{name} is {default} by default: {row}");
    }
}

/// A directory with the certificates and keys that documents and examples name: `tls/*.crt` and `tls/*.key`.
fn directory_with_certificates() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let issued =
        rcgen::generate_simple_self_signed(vec!["shop.example.com".to_owned()]).expect("a certificate");
    fs::create_dir(directory.path().join("tls")).expect("a directory");
    for (name, pem) in [
        ("shop.crt", issued.cert.pem()),
        ("shop.key", issued.signing_key.serialize_pem()),
        ("clients.crt", issued.cert.pem()),
    ] {
        fs::write(directory.path().join("tls").join(name), pem).expect("a file");
    }
    directory
}

#[test]
fn every_yaml_in_the_documents_is_right() {
    let certificates = directory_with_certificates();
    let mut count = 0;
    for document in documents() {
        for block in blocks(&read(&document)).iter().filter(|block| block.language == "yaml") {
            let place = format!("{document}:{}", block.line);
            if let Err(errors) = config::parse_in(certificates.path(), &place, &block.text, plugins::ALL) {
                panic!("{errors}");
            }
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} blocks were found");
}

#[test]
fn every_example_is_right() {
    let beside = directory_with_certificates();
    for example in in_directories(&["examples"], "yaml") {
        // Beside the certificates that an example may name.
        let copy = beside.path().join("example.yaml");
        fs::write(&copy, read(&example)).expect("a copy");
        let checked = Command::new(env!("CARGO_BIN_EXE_tealgate")).arg("check").arg(&copy).output();
        let checked = checked.expect("the binary");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}

/// The command lines of `tealgate` in a text: `tealgate ...`, also behind a `#` or a `$`, without their comments.
fn command_lines(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().map(|line| line.trim_start_matches(['#', '$', ' ']));
    let lines = lines.map(|line| line.strip_prefix("cargo run --release -- ").map_or(line.to_owned(), named));
    lines
        .filter(|line| line.starts_with("tealgate "))
        .map(|line| {
            let line = line.split(" #").next().unwrap_or(&line).trim_end_matches(['&', ' ', '\\']).to_owned();
            let line = line.split(['|', '>', ';']).next().unwrap_or(&line).to_owned();
            line.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect()
        })
        .collect()
}

fn named(arguments: &str) -> String {
    format!("tealgate {arguments}")
}

#[test]
fn every_command_line_in_the_documents_is_understood() {
    let mut lines = Vec::new();
    for document in documents() {
        for block in blocks(&read(&document)).iter().filter(|block| block.language == "sh") {
            lines.extend(command_lines(&block.text).into_iter().map(|line| (document.clone(), line)));
        }
    }
    for example in in_directories(&["examples"], "yaml") {
        lines.extend(command_lines(&read(&example)).into_iter().map(|line| (example.clone(), line)));
    }
    assert!(lines.len() >= 10, "only {} command lines were found", lines.len());
    for (place, line) in lines {
        if let Err(error) = Cli::try_parse_from(&line) {
            panic!("{place}: {}\n{error}", line.join(" "));
        }
    }
}

/// Patterns and names that stand for something are left out.
#[test]
fn every_path_in_the_documents_exists() {
    let mut count = 0;
    for document in documents() {
        let text = read(&document);
        let paths = text.split('`').skip(1).step_by(2);
        let roots = ["crates/", "scripts/", "docs/", "examples/", "packaging/", "benches/"];
        for path in paths.filter(|path| roots.iter().any(|root| path.starts_with(root))) {
            if path.contains(['{', '*', ' ']) || path.contains("NAME") {
                continue;
            }
            assert!(root().join(path).exists(), "{document}: {path} does not exist");
            count += 1;
        }
    }
    assert!(count > 30, "only {count} paths were found");
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    heading.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
}

fn has_anchor(markdown: &str, wanted: &str) -> bool {
    markdown.lines().any(|line| line.starts_with('#') && anchor(line) == wanted)
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for document in documents() {
        let text = read(&document);
        let directory = root().join(&document);
        let directory = directory.parent().expect("a directory");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let place = if path.is_empty() { root().join(&document) } else { directory.join(path) };
            assert!(place.exists(), "{document}: {target} does not exist");
            if !anchor.is_empty() {
                let there = fs::read_to_string(&place).unwrap_or_default();
                assert!(has_anchor(&there, anchor), "{document}: {target}: there is no such heading");
            }
            count += 1;
        }
    }
    assert!(count > 10, "only {count} links were found");
}
