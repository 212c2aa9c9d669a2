//! What lua-resty-expr documents and tests, said in our own words, and the laws that must hold for any input.

use super::eval::{Matcher, Variable, Variables};
use super::{Expr, Logic};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;

struct Vars(HashMap<&'static str, Variable<'static>>);

impl Variables for Vars {
    fn get(&self, name: &str) -> Option<Variable<'_>> {
        self.0.get(name).cloned()
    }
}

fn text(value: &'static str) -> Variable<'static> {
    Variable::from(value)
}

fn list(values: &[&'static str]) -> Variable<'static> {
    Variable::List(values.iter().copied().map(Variable::from).collect())
}

fn matches(vars: &Value, values: &[(&'static str, Variable<'static>)]) -> bool {
    let expr = Expr::parse(vars).unwrap();
    Matcher::compile(&expr).matches(&Vars(values.iter().cloned().collect()))
}

/// One comparison on the variable `k`.
fn holds(comparison: Value, left: Option<Variable<'static>>) -> bool {
    let mut parts = vec![json!("k")];
    parts.extend(comparison.as_array().unwrap().iter().cloned());
    let values: Vec<_> = left.into_iter().map(|left| ("k", left)).collect();
    matches(&json!([parts]), &values)
}

fn error(vars: Value) -> String {
    Expr::parse(&vars).unwrap_err().0
}

#[test]
fn the_empty_list_matches_everything() {
    assert!(matches(&json!([]), &[]));
    assert!(matches(&json!({}), &[]), "Lua cannot tell an empty object from an empty list");
}

#[test]
fn what_is_no_expression_is_refused_with_the_known_texts() {
    for (vars, expected) in [
        (json!(null), "missing argument rule"),
        (json!(["k", "==", "v"]), "rule should be wrapped inside brackets"),
        (json!([1, 2]), "rule should be wrapped inside brackets"),
        (json!([["k", "=", "v"]]), "invalid operator '='"),
        (json!([["k", "INVALID", 10]]), "invalid operator 'invalid'"),
        (json!([["k", "!", "<"]]), "invalid operator '!'"),
        (json!([["k"]]), "invalid expression"),
        (json!([[]]), "rule too short"),
        (json!([{}]), "rule too short"),
        (json!([["!", "k", "==", "1"]]), "bad 'not' expression"),
        (json!(["OR", ["k", ">", 10]]), "rule too short"),
        (json!(["OR", ["k", ">", 10], ["AND"]]), "rule too short"),
        (json!([["k", "==", "v"], "OR"]), "invalid expression"),
        (json!([["k", null, "v"]]), "invalid expression"),
        (json!("k == v"), "invalid expression"),
    ] {
        assert_eq!(error(vars.clone()), expected, "{vars}");
    }
    let text = Expr::parse(&json!([["k", "=", "v"]])).unwrap_err().to_string();
    assert_eq!(text, "failed to validate the 'vars' expression: invalid operator '='");
}

#[test]
fn address_lists_are_checked_when_they_are_read() {
    for (value, expected) in [
        (json!(null), "invalid ip address"),
        (json!(""), "invalid ip address"),
        (json!([]), "invalid ip address"),
        (json!([""]), "invalid ip address: "),
        (json!("1.2.3.4/33"), "invalid ip address: 1.2.3.4/33"),
        (json!(["10.0.0.0/8", "here"]), "invalid ip address: here"),
    ] {
        assert_eq!(error(json!([["k", "ipmatch", value]])), expected, "{value}");
    }
    assert_eq!(error(json!([["k", "ipmatch"]])), "invalid ip address");
}

#[test]
fn lists_nested_too_deeply_are_refused() {
    let nest = |depth: usize| (0..depth).fold(json!(["k", "==", "v"]), |inner, _| json!([inner]));
    assert!(Expr::parse(&nest(60)).is_ok());
    assert_eq!(error(nest(100)), "invalid expression");
}

#[test]
fn equality_is_raw_unless_the_literal_is_a_number() {
    assert!(holds(json!(["==", "v"]), Some(text("v"))));
    assert!(!holds(json!(["==", "v"]), Some(text("V"))));
    assert!(!holds(json!(["==", "v"]), None));
    assert!(holds(json!(["==", 1]), Some(text("1.0"))), "a number literal makes the left side a number");
    assert!(!holds(json!(["==", 1]), Some(text("one"))));
    assert!(!holds(json!(["==", 1]), None));
    assert!(!holds(json!(["==", "1"]), Some(Variable::Number(1.0))), "a number is not a text");
    assert!(holds(json!(["==", true]), Some(Variable::Bool(true))));
    assert!(!holds(json!(["==", "true"]), Some(Variable::Bool(true))));
    assert!(holds(json!(["==", null]), None));
    assert!(!holds(json!(["==", null]), Some(text(""))));
    assert!(!holds(json!(["==", ["v"]]), Some(list(&["v"]))), "tables are equal to themselves only");
}

#[test]
fn inequality_is_the_exact_opposite() {
    assert!(!holds(json!(["~=", "v"]), Some(text("v"))));
    assert!(holds(json!(["~=", "w"]), Some(text("v"))));
    assert!(holds(json!(["~=", "v"]), None));
    assert!(!holds(json!(["~=", 18]), Some(text("18"))));
    assert!(holds(json!(["~=", 18]), Some(text("16"))));
    assert!(holds(json!(["~=", 18]), Some(text("aa"))));
    assert!(holds(json!(["~=", 18]), None));
    assert!(!holds(json!(["~=", "18"]), Some(text("18"))));
    assert!(holds(json!(["~=", null]), Some(text("v"))));
    assert!(!holds(json!(["~=", null]), None));
}

#[test]
fn order_compares_numbers_only() {
    assert!(holds(json!([">", 10]), Some(text("11"))));
    assert!(!holds(json!([">", 10]), Some(text("9"))));
    assert!(!holds(json!([">", 10]), None));
    assert!(!holds(json!([">", 10]), Some(text("many"))));
    assert!(holds(json!([">=", "2"]), Some(text("2"))), "a text literal is read as a number");
    assert!(!holds(json!([">=", 3]), Some(text("2"))));
    assert!(!holds(json!(["<=", "2"]), Some(text("3"))));
    assert!(holds(json!(["<=", 3]), Some(text("3"))));
    assert!(!holds(json!(["<", "x"]), Some(text("1"))));
    assert!(!holds(json!(["<", 2]), Some(Variable::Bool(true))));
}

#[test]
fn patterns_search_anywhere_in_the_text() {
    assert!(holds(json!(["~~", "[Mm]obile"]), Some(text("a Mobile one"))));
    assert!(!holds(json!(["~~", "^mobile"]), Some(text("a mobile"))));
    assert!(!holds(json!(["~~", "[a-z]{1,4}"]), None));
    assert!(!holds(json!(["~~", "DEV"]), Some(text("dev"))));
    assert!(holds(json!(["~*", "DEV"]), Some(text("a dev box"))));
    assert!(!holds(json!(["~*", "A"]), Some(text(""))));
    assert!(!holds(json!(["~~", "^\\d$"]), Some(text("٣"))), "a digit is an ASCII digit");
    assert!(holds(json!(["~~", "^[äö]$"]), Some(text("ö"))));
}

#[test]
fn a_broken_or_hostile_pattern_is_never_true_and_is_told_on_request() {
    for pattern in ["(", "a(?=b)", "(a)\\1", "((a{100}){100}){100}"] {
        let vars = json!([["k", "~~", pattern]]);
        assert!(!matches(&vars, &[("k", text("ab"))]), "{pattern}");
        let told = Expr::parse(&vars).unwrap().check_patterns().unwrap_err().0;
        assert!(told.starts_with("the pattern \""), "{told}");
    }
    assert!(holds(json!(["!", "~~", "("]), Some(text("ab"))));
    assert!(Expr::parse(&json!(["OR", ["k", "~~", "a"], ["k", "~*", 1]])).unwrap().check_patterns().is_ok());
}

#[test]
fn in_and_has_compare_elements_raw() {
    assert!(holds(json!(["in", ["1", "2"]]), Some(text("2"))));
    assert!(!holds(json!(["in", ["1", "2"]]), Some(text("4"))));
    assert!(!holds(json!(["in", ["1", null]]), None));
    assert!(!holds(json!(["in", [1, 2]]), Some(text("1"))), "a text is not a number");
    assert!(holds(json!(["in", [1, 2]]), Some(Variable::Number(1.0))));
    assert!(!holds(json!(["in", "12"]), Some(text("1"))));
    assert!(holds(json!(["has", "a"]), Some(list(&["a", "b"]))));
    assert!(!holds(json!(["has", "a"]), Some(list(&["b"]))));
    assert!(!holds(json!(["has", "a"]), Some(list(&[]))));
    assert!(!holds(json!(["has", "a"]), Some(text("a"))), "only a list has elements");
    assert!(!holds(json!(["has", null]), None));
}

#[test]
fn ipmatch_takes_addresses_and_blocks() {
    for (value, expected) in [
        (json!("127.0.0.1"), true),
        (json!("127.0.0.0/16"), true),
        (json!(["127.0.0.1", "127.0.0.2"]), true),
        (json!(["127.0.0.2", "::1"]), false),
    ] {
        assert_eq!(holds(json!(["ipmatch", value]), Some(text("127.0.0.1"))), expected, "{value}");
    }
    assert!(holds(json!(["ipmatch", ["10.0.0.0/8", "::1"]]), Some(text("::1"))));
    assert!(!holds(json!(["ipmatch", "0.0.0.0/0"]), Some(text("localhost"))));
    assert!(!holds(json!(["ipmatch", "0.0.0.0/0"]), None));
}

#[test]
fn not_reverses_and_is_true_for_what_is_absent() {
    assert!(!holds(json!(["!", ">", 10]), Some(text("11"))));
    assert!(holds(json!(["!", ">", 10]), Some(text("9"))));
    assert!(holds(json!(["!", "<", 18]), None));
    assert!(holds(json!(["!", "in", ["a"]]), None));
    assert!(holds(json!(["!", "ipmatch", "::/0"]), None));
}

#[test]
fn operators_are_read_in_any_case_and_two_elements_mean_equal() {
    assert!(holds(json!(["HAS", "a"]), Some(list(&["a"]))));
    assert!(holds(json!(["IpMatch", "::1"]), Some(text("::1"))));
    assert!(holds(json!(["v"]), Some(text("v"))));
    assert!(!holds(json!(["v"]), Some(text("w"))));
    assert!(holds(json!(["V2"]), Some(text("V2"))), "the literal keeps its case");
    assert!(holds(json!(["=="]), None), "an operator without a literal compares with nothing");
}

#[test]
fn a_list_is_an_and() {
    let vars = json!([["a", "==", "1"], ["b", "==", "2"]]);
    assert!(matches(&vars, &[("a", text("1")), ("b", text("2"))]));
    assert!(!matches(&vars, &[("a", text("1")), ("b", text("3"))]));
    assert!(!matches(&vars, &[]));
}

#[test]
fn logical_operators_take_nested_lists_with_or_without_an_operator() {
    let a = ("a", text("1"));
    let b = ("b", text("2"));
    let (is_a, is_b) = (json!(["a", "==", "1"]), json!(["b", "==", "2"]));
    for (operator, both, one, none) in [
        ("AND", true, false, false),
        ("or", true, true, false),
        ("!And", false, true, true),
        ("!OR", false, false, true),
    ] {
        let vars = json!([operator, is_a, is_b]);
        let wrapped = json!([operator, [is_a], ["AND", is_b, is_b]]);
        for vars in [vars, wrapped] {
            assert_eq!(matches(&vars, &[a.clone(), b.clone()]), both, "{vars}");
            assert_eq!(matches(&vars, std::slice::from_ref(&a)), one, "{vars}");
            assert_eq!(matches(&vars, &[]), none, "{vars}");
        }
    }
    let nested = Expr::parse(&json!([["OR", is_a, is_b], ["c", "==", "3"]])).unwrap();
    let Expr::Logic { operator: Logic::And, operands } = nested else { panic!("an implicit AND") };
    assert!(matches!(&operands[0], Expr::Logic { operator: Logic::Or, .. }));
}

fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-5i32..20).prop_map(Value::from),
        "[a-c0-9.*(/:]{0,6}".prop_map(Value::from),
        prop::collection::vec("[a-c0-9]{0,2}", 0..3).prop_map(Value::from),
    ]
}

fn variable() -> impl Strategy<Value = Option<Variable<'static>>> {
    prop_oneof![
        Just(None),
        "[a-c0-9.:]{0,6}".prop_map(|text| Some(Variable::Text(text.into()))),
        (-5i32..20).prop_map(|number| Some(Variable::Number(number.into()))),
        any::<bool>().prop_map(|truth| Some(Variable::Bool(truth))),
        Just(Some(list(&["a", "1"]))),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "AND", "!or", "!", "==", "~=", ">", "~~", "in", "has", "ipmatch", "k", "v", "(",
    ]);
    let leaf = prop_oneof![literal(), word.prop_map(Value::from)];
    leaf.prop_recursive(5, 60, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn not_is_the_negation_for_every_operator_and_value(
        operator in prop::sample::select(vec!["==", "~=", ">", ">=", "<", "<=", "~~", "~*", "in", "has", "ipmatch"]),
        literal in literal(),
        left in variable(),
    ) {
        let plain = json!([["k", operator, literal]]);
        let negated = json!([["k", "!", operator, literal]]);
        prop_assert_eq!(Expr::parse(&plain).is_ok(), Expr::parse(&negated).is_ok());
        if Expr::parse(&plain).is_ok() {
            let values: Vec<_> = left.into_iter().map(|left| ("k", left)).collect();
            prop_assert_ne!(matches(&plain, &values), matches(&negated, &values));
        }
    }

    #[test]
    fn no_json_makes_parsing_or_evaluation_panic(vars in any_json(), left in variable()) {
        if let Ok(expr) = Expr::parse(&vars) {
            let _ = expr.check_patterns();
            let values = left.into_iter().map(|left| ("k", left)).collect();
            let _ = Matcher::compile(&expr).matches(&Vars(values));
        }
    }
}
