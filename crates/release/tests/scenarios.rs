//! Scenario scripts: `tests/scenarios/*.txt` hold commands, the file of the same name in `tests/scenarios/expected`
//! what the machine says to them. The diff of an expected file is the review of a change.
//!
//! `UPDATE_GOLDEN=1 cargo nextest run -p release --test scenarios` writes the expected files anew.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod script;
mod world;

use std::fs;
use std::path::{Path, PathBuf};

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut scripts: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    scripts.sort();
    scripts
}

#[test]
fn every_scenario_says_what_is_expected() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let scripts = scripts();
    assert!(!scripts.is_empty(), "no scenarios were found");
    let mut wrong = Vec::new();
    for path in scripts {
        let expected_path = path.parent().unwrap().join("expected").join(path.file_name().unwrap());
        let said = script::run(&fs::read_to_string(&path).unwrap());
        if update {
            fs::create_dir_all(expected_path.parent().unwrap()).unwrap();
            fs::write(&expected_path, &said).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if said != expected {
            wrong.push(difference(&path, &expected, &said));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn difference(path: &Path, expected: &str, said: &str) -> String {
    let mut pairs = expected.lines().zip(said.lines()).enumerate();
    let place = pairs.find(|(_, (expected, said))| expected != said);
    let (line, (expected, said)) = place.unwrap_or((
        expected.lines().count().min(said.lines().count()),
        ("(another number of lines)", said.lines().last().unwrap_or_default()),
    ));
    format!("{} line {}:\n  expected: {expected}\n  said:     {said}", path.display(), line + 1)
}
