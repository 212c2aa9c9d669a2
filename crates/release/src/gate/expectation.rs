//! Whether an answer is what a smoke request expects. Pure.

use super::evidence::is_secret_header;
use crate::target::request::{Answer, BODY_MAX};
use model::policy::Expectation;
use serde_json::Value;

/// Longest value that is quoted, characters.
const QUOTE_MAX: usize = 80;

/// All that differs from the expectation, in words; empty: the answer is right. `mask` takes the secrets out of what is
/// quoted, before it is cut.
pub(super) fn differences(
    answer: &Answer,
    expect: &Expectation,
    mask: &dyn Fn(&str) -> String,
) -> Vec<String> {
    let mut found = Vec::new();
    let status = answer.status.as_u16();
    let is_right = match expect.statuses.as_slice() {
        _ if expect.any_status => true,
        [] => answer.status.is_success(),
        statuses => statuses.contains(&status),
    };
    if !is_right && expect.statuses.is_empty() {
        found.push(format!("status {status} instead of 200 to 299"));
    } else if !is_right {
        found.push(format!("status {status} instead of {:?}", expect.statuses));
    }
    found.extend(
        expect.headers.iter().filter_map(|(name, value)| header_difference(answer, name, value, mask)),
    );
    found.extend(body_differences(answer, expect, mask));
    found
}

fn header_difference(
    answer: &Answer,
    name: &str,
    expected: &str,
    mask: &dyn Fn(&str) -> String,
) -> Option<String> {
    let mut values = answer.headers.get_all(name).iter().peekable();
    if values.peek().is_none() {
        return Some(format!("no header {name}"));
    }
    let found: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    if found.iter().any(|value| value == expected) {
        return None;
    }
    if is_secret_header(name) {
        return Some(format!("header {name} differs"));
    }
    Some(format!(
        "header {name} is {} instead of {}",
        quote(&mask(&found.join(", "))),
        quote(&mask(expected))
    ))
}

fn body_differences(answer: &Answer, expect: &Expectation, mask: &dyn Fn(&str) -> String) -> Vec<String> {
    if expect.body_contains.is_none() && expect.json.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if answer.truncated {
        found.push(format!("the body has more than {BODY_MAX} bytes; only that much of it was looked at"));
    }
    if let Some(text) = &expect.body_contains
        && !String::from_utf8_lossy(&answer.body).contains(text)
    {
        let body = String::from_utf8_lossy(&answer.body);
        found.push(format!(
            "the body does not contain {}; it is {}",
            quote(&mask(text)),
            quote(&mask(&body))
        ));
    }
    if expect.json.is_empty() {
        return found;
    }
    match serde_json::from_slice::<Value>(&answer.body) {
        Err(error) => found.push(format!("the body is no JSON: {error}")),
        Ok(body) => {
            found.extend(expect.json.iter().filter_map(|(pointer, expected)| match body.pointer(pointer) {
                None => Some(format!("nothing stands at {pointer}")),
                Some(value) if same(value, expected) => None,
                Some(value) => {
                    let (value, expected) =
                        (quote(&mask(&value.to_string())), quote(&mask(&expected.to_string())));
                    Some(format!("{pointer} is {value} instead of {expected}"))
                }
            }))
        }
    }
    found
}

/// JSON knows one kind of number: 1 is 1.0.
fn same(value: &Value, expected: &Value) -> bool {
    let as_numbers = || Some(value.as_f64()? == expected.as_f64()?);
    value == expected || as_numbers().unwrap_or(false)
}

fn quote(text: &str) -> String {
    let short: String = text.chars().take(QUOTE_MAX).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("{short:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, body: &str) -> Answer {
        let mut headers = http::HeaderMap::new();
        headers.append("x-one", "1".parse().unwrap());
        headers.append("x-one", "2".parse().unwrap());
        headers.append("set-cookie", "session=s3cret".parse().unwrap());
        Answer {
            status: status.try_into().unwrap(),
            headers,
            body: body.as_bytes().to_vec(),
            truncated: false,
        }
    }

    fn differences(answer: &Answer, expect: &Expectation) -> Vec<String> {
        super::differences(answer, expect, &|text| text.replace("s3cret", "***"))
    }

    fn expect(value: Value) -> Expectation {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn without_an_expectation_any_2xx_is_right() {
        assert!(differences(&answer(204, ""), &Expectation::default()).is_empty());
        assert_eq!(
            differences(&answer(302, ""), &Expectation::default()),
            ["status 302 instead of 200 to 299"]
        );
        assert!(differences(&answer(302, ""), &expect(json!({"statuses": [301, 302]}))).is_empty());
        let found = differences(&answer(200, ""), &expect(json!({"statuses": [301, 302]})));
        assert_eq!(found, ["status 200 instead of [301, 302]"]);
    }

    #[test]
    fn headers_must_have_the_exact_value_and_secret_ones_are_not_shown() {
        assert!(differences(&answer(200, ""), &expect(json!({"headers": {"X-One": "2"}}))).is_empty());
        let found = differences(
            &answer(200, ""),
            &expect(json!({"headers": {"x-one": "3", "x-two": "", "set-cookie": "a=b"}})),
        );
        assert_eq!(
            found,
            ["header set-cookie differs", r#"header x-one is "1, 2" instead of "3""#, "no header x-two"]
        );
    }

    #[test]
    fn the_body_must_contain_the_text() {
        assert!(
            differences(&answer(200, "a version 2!"), &expect(json!({"body_contains": "version 2"})))
                .is_empty()
        );
        let found = differences(&answer(200, &"x".repeat(100)), &expect(json!({"body_contains": "v2"})));
        assert_eq!(found, [format!("the body does not contain \"v2\"; it is {:?}...", "x".repeat(80))]);
    }

    #[test]
    fn a_secret_that_is_cut_in_two_is_masked_all_the_same() {
        let body = format!("{}s3cret", "x".repeat(76));
        let found = differences(&answer(200, &body), &expect(json!({"body_contains": "v2"})));
        assert_eq!(
            found,
            [format!("the body does not contain \"v2\"; it is {:?}", format!("{}***", "x".repeat(76)))]
        );
    }

    #[test]
    fn json_pointers_must_lead_to_the_values() {
        let body = r#"{"a": {"b": [1, "two"]}, "c": null}"#;
        let right = json!({"json": {"/a/b/0": 1.0, "/a/b/1": "two", "/c": null, "/a": {"b": [1, "two"]}}});
        assert!(differences(&answer(200, body), &expect(right)).is_empty());
        let found = differences(&answer(200, body), &expect(json!({"json": {"/a/b/0": 2, "/d": null}})));
        assert_eq!(found, [r#"/a/b/0 is "1" instead of "2""#, "nothing stands at /d"]);
        let found = differences(&answer(200, "<html>"), &expect(json!({"json": {"/a": 1}})));
        assert!(found[0].starts_with("the body is no JSON"), "{found:?}");
    }

    #[test]
    fn a_body_that_was_cut_is_never_right() {
        let cut = Answer { truncated: true, ..answer(200, "v2") };
        assert_eq!(differences(&cut, &expect(json!({"body_contains": "v2"}))).len(), 1);
        assert!(differences(&cut, &Expectation::default()).is_empty());
    }
}
