//! The document of the rules names the tests that prove them; this one proves that they exist.

use std::path::Path;

#[test]
fn every_rule_in_the_document_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("../../docs/http1-framing.md")).unwrap();
    let rules = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Rule"));
    let mut count = 0;
    for rule in rules {
        let named = rule.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for test in named.split(", ") {
            let (module, name) =
                test.trim_matches('`').split_once("::").unwrap_or_else(|| panic!("no test in {rule}"));
            let file = match module {
                "authority" => root.join("src/request/authority.rs"),
                "known" => root.join("src/known.rs"),
                _ => root.join(format!("tests/codec/{module}.rs")),
            };
            let source = std::fs::read_to_string(&file)
                .unwrap_or_else(|_| panic!("{test}: no file {}", file.display()));
            assert!(source.contains(&format!("fn {name}(")), "{test} does not exist: {rule}");
            count += 1;
        }
    }
    assert!(count > 60, "the document has its tables");
}
