use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn head(media_type: &str) -> Head {
    Head { status: 200, media_type: Some(media_type.to_owned()), ..Head::default() }
}

fn bodies(live: &[u8], other: &[u8], media_type: &str, terms: &Terms) -> Comparison {
    let head = head(media_type);
    compare(Answer { head: &head, body: Ok(live) }, Answer { head: &head, body: Ok(other) }, terms)
}

fn of_json(live: &Value, other: &Value, ignore: &[&str]) -> Comparison {
    let ignore = ignore.iter().map(|path| JsonPath::parse(path).unwrap()).collect();
    let terms = Terms { ignore, shows_values: true, ..Terms::default() };
    bodies(live.to_string().as_bytes(), other.to_string().as_bytes(), "application/json", &terms)
}

/// Place and manner of what differs.
fn groups(found: &Comparison) -> Vec<(String, String)> {
    found.differences.iter().map(|one| (one.place.clone(), one.what.clone())).collect()
}

fn group(place: &str, what: &str) -> (String, String) {
    (place.to_owned(), what.to_owned())
}

#[test]
fn json_is_compared_by_its_structure() {
    let live = json!({"a": 1, "b": [{"c": "x"}, {"c": "y"}], "gone": true, "n": null});
    let same = r#"{"n":null, "gone":true, "b":[{"c":"x"},{"c":"y"}], "a":1.0}"#;
    let found = bodies(live.to_string().as_bytes(), same.as_bytes(), "application/json", &Terms::default());
    assert!(found.is_same(), "{found:?}");
    let other = json!({"a": "1", "b": [{"c": "z"}, {"c": "z"}, 3], "n": false, "new": 1});
    let expected = [
        group("$.a", "number → text"),
        group("$.b[*].c", "value"),
        group("$.b[*]", "added"),
        group("$.gone", "missing"),
        group("$.n", "null → boolean"),
        group("$.new", "added"),
    ];
    let found = of_json(&live, &other, &[]);
    assert_eq!(groups(&found), expected);
    assert_eq!(found.differences[0].values.as_deref(), Some(r#"1 → "1""#));
}

#[test]
fn what_is_ignored_is_not_compared_with_all_below_it() {
    let live = json!({"now": 1, "items": [{"id": 1, "price": 2}], "meta": {"trace": {"id": "a"}}});
    let other = json!({"now": 2, "items": [{"id": 9, "price": 2}], "meta": {"trace": {"id": "b"}, "x": 1}});
    let found = of_json(&live, &other, &["$.now", "$.items[*].id", "$.meta.*"]);
    assert!(found.is_same(), "{found:?}");
    assert_eq!(groups(&of_json(&live, &other, &["$.items", "$.meta"])), [group("$.now", "value")]);
    assert!(of_json(&live, &json!("anything"), &["$"]).is_same());
}

#[test]
fn values_are_shown_only_where_they_may_be() {
    let found = bodies(br#"{"a":"secret"}"#, br#"{"a":"other"}"#, "application/json", &Terms::default());
    assert_eq!(groups(&found), [group("$.a", "value")]);
    assert!(!format!("{found:?}").contains("secret"), "{found:?}");
}

#[test]
fn statuses_types_and_named_headers_are_compared() {
    let terms = Terms { headers: vec!["cache-control".into(), "x-gone".into()], ..Terms::default() };
    let live = Head { headers: vec![Some("no-store".into()), Some("1".into())], ..head("text/html") };
    let other =
        Head { status: 500, media_type: None, headers: vec![Some("max-age=1".into()), None], ..live.clone() };
    let answer = |head| Answer { head, body: Ok(b"") };
    let found = compare(answer(&live), answer(&other), &terms);
    let kinds: Vec<_> =
        found.differences.iter().map(|one| (one.kind, one.place.as_str(), &*one.what)).collect();
    assert_eq!(
        kinds,
        [
            (DifferenceKind::Status, "", "200 → 500"),
            (DifferenceKind::ContentType, "", "text/html → none"),
            (DifferenceKind::Header, "cache-control", "value"),
            (DifferenceKind::Header, "x-gone", "missing"),
        ]
    );
    assert!(compare(answer(&live), answer(&live), &terms).is_same());
}

#[test]
fn what_is_no_json_is_compared_by_its_bytes() {
    let terms = Terms::default();
    let what = |live: &[u8], other: &[u8], media_type| groups(&bodies(live, other, media_type, &terms));
    assert_eq!(what(b"a", b"b", "text/plain"), [group("", "content")]);
    assert_eq!(what(b"", b"b", "text/plain"), [group("", "added")]);
    assert_eq!(what(b"a", b"", "text/plain"), [group("", "missing")]);
    assert_eq!(what(b"{", b"{}", "application/problem+json"), [group("", "not JSON → JSON")]);
    assert_eq!(what(b"{}", b"<html>", "application/json"), [group("", "JSON → not JSON")]);
    assert_eq!(what(b"{", b"[", "application/json"), [group("", "content")]);
}

#[test]
fn what_is_compressed_or_was_not_kept_is_left_out_unless_it_is_the_same() {
    let encoded = Head { is_encoded: true, ..head("text/plain") };
    let of = |body| Answer { head: &encoded, body };
    let terms = Terms::default();
    assert_eq!(compare(of(Ok(b"a")), of(Ok(b"b")), &terms).left_out, Some(LeftOut::Encoded));
    assert_eq!(compare(of(Ok(b"a")), of(Ok(b"a")), &terms), Comparison::default());
    assert_eq!(compare(of(Ok(b"a")), of(Err(LeftOut::Size)), &terms).left_out, Some(LeftOut::Size));
}

#[test]
fn deep_and_wide_bodies_are_bounded() {
    let deep = |letter: &str| format!("{}{letter}{}", "[".repeat(100_000), "]".repeat(100_000));
    let found = bodies(deep("1").as_bytes(), deep("2").as_bytes(), "application/json", &Terms::default());
    assert_eq!(groups(&found), [group("", "content")]);
    let wide = |value: u8| {
        let fields = (0..1_000).map(|number| format!("\"k{number}\":{value}"));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    };
    let found = bodies(wide(1).as_bytes(), wide(2).as_bytes(), "application/json", &Terms::default());
    assert_eq!((found.differences.len(), found.is_cut), (MAX_DIFFERENCES, true));
    let many = |value: &str| format!("[{value}{}]", ",0".repeat(MAX_VALUES));
    let found = bodies(many("1").as_bytes(), many("2").as_bytes(), "application/json", &Terms::default());
    assert_eq!((found.differences.len(), found.left_out), (0, Some(LeftOut::Size)));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        (-3i8..3).prop_map(|number| Value::from(f64::from(number))),
        "[ab]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ab@1]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_answer_does_not_differ_from_itself(value in any_json()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let found = bodies(value.to_string().as_bytes(), pretty.as_bytes(), "application/json", &Terms::default());
        prop_assert!(found.is_same(), "{:?}", found);
    }

    #[test]
    fn both_ways_find_the_same_places(one in any_json(), two in any_json()) {
        let there = of_json(&one, &two, &[]);
        let back = of_json(&two, &one, &[]);
        let turned = |what: &str| match what.split_once(" → ") {
            Some((from, to)) => format!("{to} → {from}"),
            None if what == "missing" => "added".to_owned(),
            None if what == "added" => "missing".to_owned(),
            None => what.to_owned(),
        };
        let mut there: Vec<_> = groups(&there).into_iter().map(|(place, what)| (place, turned(&what))).collect();
        let mut back = groups(&back);
        there.sort();
        back.sort();
        prop_assert_eq!(there, back);
    }

    #[test]
    fn what_was_told_can_be_ignored(one in any_json(), two in any_json()) {
        let found = of_json(&one, &two, &[]);
        let places: Vec<&str> = found.differences.iter().map(|one| one.place.as_str()).collect();
        prop_assume!(!found.is_cut);
        let left = of_json(&one, &two, &places);
        prop_assert!(left.is_same(), "{:?} without {:?}", left, places);
    }

    #[test]
    fn no_bytes_panic(one in prop::collection::vec(any::<u8>(), 0..64), two in prop::collection::vec(any::<u8>(), 0..64)) {
        let found = bodies(&one, &two, "application/json", &Terms::default());
        prop_assert!(found.differences.len() <= MAX_DIFFERENCES);
    }
}
