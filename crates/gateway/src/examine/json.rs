//! One place in a JSON text of a stranger. Nothing is built of what stands elsewhere, so that neither the depth nor the
//! size of a text costs memory, and its time is that of reading it once.

use model::policy::{JsonPointer, Said};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What some write before a text in UTF-8 (RFC 8259, section 8.1: it may be ignored).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// `application/json`, or a format that is written as JSON (RFC 6839, section 3.1); parameters do not matter.
pub(crate) fn is_json(media_type: &[u8]) -> bool {
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let ends_with = |suffix: &[u8]| {
        let start = essence.len().checked_sub(suffix.len());
        start.and_then(|start| essence.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    [&b"application/json"[..], b"text/json"].iter().any(|name| essence.eq_ignore_ascii_case(name))
        || ends_with(b"+json")
}

/// Gives what stands in a place to `look`; `None`: the text is not JSON. Of keys that come up twice the last counts.
pub(super) fn said<T>(text: &[u8], place: &JsonPointer, look: impl Fn(Said<'_>) -> T) -> Option<T> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let found = Below { steps: place.steps(), look: &look }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(found)
}

/// What is left of the way.
struct Below<'a, Look> {
    steps: &'a [Box<str>],
    look: &'a Look,
}

impl<T, Look: Fn(Said<'_>) -> T> Below<'_, Look> {
    /// A value that has nothing below it.
    fn leaf(&self, said: Said<'_>) -> T {
        (self.look)(if self.steps.is_empty() { said } else { Said::Nothing })
    }

    fn nothing(&self) -> T {
        (self.look)(Said::Nothing)
    }
}

impl<'de, T, Look: Fn(Said<'_>) -> T> DeserializeSeed<'de> for Below<'_, Look> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<T, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, T, Look: Fn(Said<'_>) -> T> Visitor<'de> for Below<'_, Look> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(self.nothing())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        Ok(self.leaf(Said::Text(if value { b"true" } else { b"false" })))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        Ok(self.leaf(Said::Whole(value.into())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        Ok(self.leaf(Said::Whole(value.into())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        Ok(self.leaf(Said::Fraction(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        Ok(self.leaf(Said::Text(value.as_bytes())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<T, A::Error> {
        let Some((step, steps)) = self.steps.split_first() else {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok((self.look)(Said::Structure));
        };
        let mut before = JsonPointer::index(step);
        let mut found = None;
        loop {
            let goes_on = if before == Some(0) {
                found = list.next_element_seed(Below { steps, look: self.look })?;
                found.is_some()
            } else {
                list.next_element::<IgnoredAny>()?.is_some()
            };
            if !goes_on {
                return Ok(found.unwrap_or_else(|| self.nothing()));
            }
            before = before.and_then(|before| before.checked_sub(1));
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<T, A::Error> {
        let Some((step, steps)) = self.steps.split_first() else {
            while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok((self.look)(Said::Structure));
        };
        let mut found = None;
        while let Some(is_it) = object.next_key_seed(Key(step))? {
            if is_it {
                found = Some(object.next_value_seed(Below { steps, look: self.look })?);
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found.unwrap_or_else(|| self.nothing()))
    }
}

/// Whether a key is this one.
struct Key<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    /// As bytes: half of a surrogate pair is no text, and may stand in a key (RFC 8259, section 8.2).
    fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<bool, E> {
        Ok(key == self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// What stands there, as JSON; objects and lists are one.
    fn at(text: &[u8], pointer: &str) -> Option<Value> {
        said(text, &JsonPointer::parse(pointer).unwrap(), |said| match said {
            Said::Nothing => Value::Null,
            Said::Text(text) => json!(String::from_utf8_lossy(text)),
            Said::Whole(number) => json!(number.to_string()),
            Said::Fraction(number) => json!(number),
            Said::Structure => json!("a structure"),
        })
    }

    #[test]
    fn a_place_is_found_and_what_is_not_there_is_nothing() {
        let text = br#" {"a": [{"b": "x"}, true, 1.5, -3], "": 18446744073709551615, "m~n/": "\u00e9", "n": null, "a2": {}} "#;
        for (pointer, expected) in [
            ("", json!("a structure")),
            ("/a", json!("a structure")),
            ("/a/0/b", json!("x")),
            ("/a/1", json!("true")),
            ("/a/2", json!(1.5)),
            ("/a/3", json!("-3")),
            ("/", json!("18446744073709551615")),
            ("/m~0n~1", json!("\u{e9}")),
            ("/a2", json!("a structure")),
        ] {
            assert_eq!(at(text, pointer), Some(expected), "{pointer}");
        }
        for nothing in ["/n", "/x", "/a/4", "/a/00", "/a/-", "/a/b", "/a/1/b", "/a/0/b/c", "/n/x", "/a2/0"] {
            assert_eq!(at(text, nothing), Some(Value::Null), "{nothing}");
        }
        assert_eq!(at(b"\xef\xbb\xbf\"a\"", ""), Some(json!("a")));
        assert_eq!(at(br#"{"\ud83d": "\ud83d", "a": 1}"#, "/a"), Some(json!("1")));
        assert_eq!(at(br#"{"a": 1, "a": "2"}"#, "/a"), Some(json!("2")), "the last counts");
    }

    #[test]
    fn what_is_not_json_up_to_its_end_is_none() {
        for wrong in
            [&b""[..], b"{", b"{} x", b"{}{}", b"{'a': 1}", b"{\"a\": 1,}", b"nul", b"\xff", b"<html>"]
        {
            assert_eq!(at(wrong, "/a"), None, "{wrong:?}");
        }
    }

    #[test]
    fn depth_and_size_are_no_danger() {
        let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert_eq!(at(format!("{{\"x\": {deep}, \"a\": 1}}").as_bytes(), "/a"), Some(json!("1")));
        assert_eq!(at(deep.as_bytes(), &"/0".repeat(16)), Some(json!("a structure")));
        assert_eq!(at("[".repeat(1 << 20).as_bytes(), ""), None);
    }

    #[test]
    fn types_of_json_are_known() {
        for json in
            ["application/json", "Application/JSON ; charset=utf-8", "text/json", "application/problem+json"]
        {
            assert!(is_json(json.as_bytes()), "{json}");
        }
        for other in ["", "json", "application/jsonl", "text/html", "application/xml; a=+json", "+jso"] {
            assert!(!is_json(other.as_bytes()), "{other}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-3i8..3).prop_map(|number| Value::from(f64::from(number) / 4.0)),
            "[ab0~/\"\\\\]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab0~/]{0,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Run by hand, in a release build: what it says stands in docs/performance.md.
    #[test]
    #[ignore = "measures and asserts nothing about time"]
    fn what_reading_costs() {
        let place = JsonPointer::parse("/order/id").unwrap();
        for (bytes, rounds) in [(1_024_usize, 40_000_u32), (16_384, 2_500)] {
            let item = r#"{"sku": "A-000007", "name": "a thing", "price": 3.95, "in_stock": true}"#;
            let items = vec![item; (bytes - 60) / (item.len() + 2)].join(", ");
            let text = format!(r#"{{"items": [{items}], "order": {{"id": 4711}}}}"#);
            let round = || {
                let began = crate::clock::now();
                for _ in 0..rounds {
                    let text = std::hint::black_box(text.as_bytes());
                    assert_eq!(said(text, &place, |said| said == Said::Whole(4_711)), Some(true));
                }
                (crate::clock::now() - began) / rounds
            };
            let least = (0..21).map(|_| round()).min();
            println!("{} bytes: {least:?}", text.len());
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_tree_of_all_has_there(
            value in any_json(),
            steps in prop::collection::vec("[ab012~/]{0,2}", 0..4),
        ) {
            let pointer: String = steps
                .iter()
                .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")))
                .collect();
            let expected = match value.pointer(&pointer) {
                None | Some(Value::Null) => Value::Null,
                Some(Value::Array(_) | Value::Object(_)) => json!("a structure"),
                Some(Value::Bool(value)) => json!(value.to_string()),
                Some(Value::Number(number)) if !number.is_f64() => json!(number.to_string()),
                Some(other) => other.clone(),
            };
            prop_assert_eq!(at(value.to_string().as_bytes(), &pointer), Some(expected.clone()));
            prop_assert_eq!(at(serde_json::to_string_pretty(&value).unwrap().as_bytes(), &pointer), Some(expected));
        }

        #[test]
        fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..64), cut in 0_usize..64) {
            at(&text, "/a/0");
            let whole = br#"{"a": [{"b": "\u00e9\n"}, 1e9, true, null], "c": {"a": 1}}"#;
            prop_assert_eq!(at(&whole[..cut.min(whole.len())], "/a/0/b").is_some(), cut >= whole.len());
        }
    }
}
