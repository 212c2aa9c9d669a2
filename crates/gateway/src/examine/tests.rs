use super::*;
use http1::{Limits, Parsed};
use model::policy::JsonField;
use model::traffic_split::{CheckRule, IdentityRule};

fn answer(status: u16, fields: &str) -> ResponseHead {
    let mut head = ResponseHead::default();
    let text = format!("HTTP/1.1 {status} x\r\n{fields}\r\n");
    assert!(matches!(head.parse(text.as_bytes(), &Limits::default()), Ok(Parsed::Complete { .. })));
    head
}

fn header(name: &str, fails_if: FailsIf) -> CheckRule {
    CheckRule { name: String::new(), header: Some(name.to_owned()), json: None, fails_if }
}

fn field(pointer: &str, fails_if: FailsIf) -> CheckRule {
    CheckRule {
        name: String::new(),
        header: None,
        json: Some(JsonField { pointer: pointer.to_owned() }),
        fails_if,
    }
}

fn rule() -> AnswersRule {
    AnswersRule {
        checks: vec![
            header("X-Order-Ok", FailsIf::Equals("false".into())),
            field("/error", FailsIf::Present),
            header("x-trace", FailsIf::Missing),
            field("/order/id", FailsIf::Missing),
        ],
        identity: Some(IdentityRule {
            header: "X-Version".to_owned(),
            versions: [("green".to_owned(), "2".to_owned())].into(),
        }),
    }
}

/// By which checks it was found to have failed, to have passed, and to be unknown.
fn checks(found: Found) -> [u8; 3] {
    [Outcome::Failed, Outcome::Passed, Outcome::Unexamined].map(|outcome| found.checks(outcome))
}

#[test]
fn an_answer_says_by_its_headers_what_it_failed_and_where_it_is_from() {
    let green = Examination::new(&rule(), Some("green")).unwrap();
    let of = |status, fields| {
        let found = green.of(&answer(status, fields));
        (checks(found), found.origin())
    };
    let body = 0b1010;
    assert_eq!(of(200, "X-ORDER-OK: false\r\nx-version: 2\r\n"), ([0b101, 0, body], Some(Origin::Right)));
    assert_eq!(of(404, "x-order-ok: true\r\nx-trace: 1\r\n"), ([0, 0b101, body], Some(Origin::Silent)));
    let failed_already = of(500, "x-order-ok: false\r\nX-Version: 1\r\n");
    assert_eq!(failed_already, ([0, 0, 0b1111], Some(Origin::Other)));
}

#[test]
fn a_body_says_the_rest_and_one_that_is_not_the_json_it_says_it_is_fails() {
    let green = Examination::new(&rule(), None).unwrap();
    let head = green.of(&answer(200, "x-order-ok: true\r\n"));
    let of = |body: &str| checks(green.of_body(head, body.as_bytes()));
    assert_eq!(of(r#"{"order": {"id": 7}, "error": null}"#), [0b100, 0b1011, 0]);
    assert_eq!(of(r#"{"order": {}, "error": "sold out"}"#), [0b1110, 0b1, 0]);
    assert_eq!(of("<html>"), [0b1110, 0b1, 0]);
}

#[test]
fn only_whole_plain_json_can_be_looked_at_and_what_else_it_is_is_known() {
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    let of = |status, fields: &str, body| hindrance(&answer(status, fields), body);
    let length = Framing::Length(9);
    for (status, body) in [(200, length), (404, Framing::Chunked), (200, Framing::UntilClose)] {
        assert_eq!(of(status, json, body), None);
    }
    let plain = "content-type: Application/Problem+JSON\r\ncontent-encoding: Identity\r\n";
    assert_eq!(of(200, plain, length), None);
    let coded = format!("{json}content-encoding: gzip\r\n");
    for (status, fields, body, why) in [
        (200, json, Framing::None, Hindrance::NoBody),
        (200, json, Framing::Length(0), Hindrance::NoBody),
        (500, json, length, Hindrance::Failed),
        (206, json, length, Hindrance::Part),
        (200, "", length, Hindrance::NotJson),
        (200, "content-type: text/html\r\ncontent-encoding: gzip\r\n", length, Hindrance::NotJson),
        (200, &coded, length, Hindrance::Compressed),
    ] {
        assert_eq!(of(status, fields, body), Some(why), "{status} {fields}");
    }
}

#[test]
fn who_is_not_asked_costs_nothing() {
    let identity_only = AnswersRule { checks: Vec::new(), ..rule() };
    let other = Examination::new(&rule(), Some("blue")).unwrap();
    assert_eq!(other.of(&answer(200, "x-version: 9\r\n")).origin(), None);
    assert!(Examination::new(&identity_only, None).is_none());
    assert!(Examination::new(&AnswersRule::default(), Some("green")).is_none());
}
