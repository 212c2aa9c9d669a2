use super::*;
use proptest::prelude::*;
use serde_json::json;

fn value(text: &str) -> Value {
    Document::parse(text).unwrap().value
}

fn first_error(text: &str) -> DocumentError {
    Document::parse(text).unwrap_err().remove(0)
}

#[test]
fn scalars_have_the_types_of_the_core_schema() {
    let text = "a: 1\nb: 1.5\nc: true\nd: ~\ne: off\nf: '1'\ng:\nh: 127.0.0.1:80\n";
    let expected = json!({
        "a": 1, "b": 1.5, "c": true, "d": null, "e": "off", "f": "1", "g": null, "h": "127.0.0.1:80"
    });
    assert_eq!(value(text), expected);
}

#[test]
fn an_empty_document_and_a_comment_are_null() {
    assert_eq!(value(""), Value::Null);
    assert_eq!(value("# nothing\n#END\n"), Value::Null);
}

#[test]
fn every_node_has_a_line_and_a_column() {
    let document = Document::parse("listen: x\nroutes:\n  - id: a\n    uri: /\n  - {id: b}\n").unwrap();
    let at = |pointer: &str| {
        let position = document.position(pointer);
        (position.line, position.column)
    };
    assert_eq!(at("/listen"), (1, 1));
    assert_eq!(at("/routes/0/uri"), (4, 5));
    assert_eq!(at("/routes/1/id"), (5, 6));
    assert_eq!(at("/routes/1/absent/deeper"), (5, 5));
}

#[test]
fn a_syntax_error_has_its_line() {
    let error = first_error("a: 1\nb: [1, 2\nc: 3\n");
    assert!(error.position.line >= 2, "{error:?}");
    assert!(error.message.starts_with("not valid YAML"), "{error:?}");
}

#[test]
fn a_nul_does_not_end_the_document_unnoticed() {
    for (text, place) in [("a: 1\n\0b: 2\n", (2, 1)), ("\0", (1, 1)), ("a: \"x\u{1}\"\n", (1, 6))] {
        let error = first_error(text);
        assert_eq!((error.position.line, error.position.column), place, "{error:?}");
        assert!(error.message.contains("must not be in it"), "{error:?}");
    }
}

#[test]
fn all_repeated_keys_are_told_at_once() {
    let errors = Document::parse("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n").unwrap_err();
    let told: Vec<_> = errors.iter().map(|error| (error.position.line, error.pointer.as_str())).collect();
    assert_eq!(told, [(4, "/b/c"), (5, "/a")]);
}

#[test]
fn aliases_are_expanded() {
    assert_eq!(value("a: &x {n: 1}\nb: *x\n"), json!({"a": {"n": 1}, "b": {"n": 1}}));
}

#[test]
fn a_bomb_of_aliases_is_refused_before_it_is_expanded() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 10].join(", ")));
    }
    let error = first_error(&text);
    assert!(error.message.contains("what aliases stand for included"), "{error:?}");
}

#[test]
fn nesting_is_bounded() {
    let error = first_error(&format!("{}{}", "[".repeat(100), "]".repeat(100)));
    assert!(error.message.contains("nested deeper"), "{error:?}");
}

#[test]
fn what_yaml_has_and_json_has_not_is_refused() {
    for (text, part) in [
        ("a: !include x\n", "tag `!include`"),
        ("a: .nan\n", "`.nan` cannot be read"),
        ("? [a, b]\n: 1\n", "a key must be a plain text"),
        ("a: 1\n---\nb: 2\n", "second document"),
        ("a: *b\n", "not valid YAML"),
    ] {
        let error = first_error(text);
        assert!(error.message.contains(part), "{text:?}: {error:?}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a-c:\\-\\[\\]{},&*!|>'\"# \n\t?%@0-9.~]{0,80}") {
        let _ = Document::parse(&text);
    }

    #[test]
    fn json_is_read_as_what_it_is(
        numbers in proptest::collection::vec(any::<i64>(), 0..5),
        texts in proptest::collection::vec("[ -~]{0,12}", 0..5),
    ) {
        let expected = json!({"numbers": numbers, "texts": texts, "deep": {"x": [true, null]}});
        prop_assert_eq!(value(&serde_json::to_string_pretty(&expected).unwrap()), expected);
    }
}
