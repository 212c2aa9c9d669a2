//! What an answer says besides its status: whether the business is content with it, and which version it is from.
//!
//! Compiled for each choice of a rule that asks (a release's); an answer of any other costs one branch. A header is looked
//! up in the head that was parsed anyway; the body is never looked at, so no stream is held up or cut anew.

use http1::ResponseHead;
use model::policy::FailsIf;
use model::traffic_split::AnswersRule;
use telemetry::found::{Found, Origin};

/// Answers from here on have failed already, and are asked no more.
const SERVER_ERROR: u16 = 500;

/// What is asked of the answers of one choice.
#[derive(Debug)]
pub struct Examination {
    checks: Box<[(Box<str>, FailsIf)]>,
    /// The header that says which version it is, and which it must be.
    identity: Option<(Box<str>, Box<str>)>,
}

impl Examination {
    /// What a rule asks of the answers of an upstream with this id; `None`: nothing.
    pub(crate) fn new(rule: &AnswersRule, upstream: Option<&str>) -> Option<Examination> {
        let lower = |name: &str| name.to_ascii_lowercase().into_boxed_str();
        let checks: Box<[_]> =
            rule.checks.iter().map(|check| (lower(&check.header), check.fails_if.clone())).collect();
        let identity = rule.identity.as_ref().and_then(|identity| {
            let version = identity.versions.get(upstream?)?;
            Some((lower(&identity.header), version.as_str().into()))
        });
        (!checks.is_empty() || identity.is_some()).then_some(Examination { checks, identity })
    }

    /// What an answer says.
    pub(crate) fn of(&self, answer: &ResponseHead) -> Found {
        let mut found = Found::default();
        if answer.status() < SERVER_ERROR {
            for (place, (header, fails_if)) in self.checks.iter().enumerate() {
                if fails_if.fails(answer.header(header)) {
                    found = found.failed(place);
                }
            }
        }
        let Some((header, version)) = &self.identity else { return found };
        found.from(match answer.header(header) {
            Some(said) if said == version.as_bytes() => Origin::Right,
            Some(_) => Origin::Other,
            None => Origin::Silent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http1::{Limits, Parsed};
    use model::traffic_split::{CheckRule, IdentityRule};

    fn answer(status: u16, fields: &str) -> ResponseHead {
        let mut head = ResponseHead::default();
        let text = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n{fields}\r\n");
        assert!(matches!(head.parse(text.as_bytes(), &Limits::default()), Ok(Parsed::Complete { .. })));
        head
    }

    fn rule() -> AnswersRule {
        let check = |header: &str, fails_if| CheckRule { header: header.to_owned(), fails_if };
        AnswersRule {
            checks: vec![
                check("X-Order-Ok", FailsIf::Equals("false".to_owned())),
                check("x-trace", FailsIf::Missing),
            ],
            identity: Some(IdentityRule {
                header: "X-Version".to_owned(),
                versions: [("green".to_owned(), "2".to_owned())].into(),
            }),
        }
    }

    #[test]
    fn an_answer_says_by_its_headers_what_it_failed_and_where_it_is_from() {
        let green = Examination::new(&rule(), Some("green")).unwrap();
        let of = |status, fields| {
            let found = green.of(&answer(status, fields));
            (found.failed_checks(), found.origin())
        };
        assert_eq!(of(200, "X-ORDER-OK: false\r\nx-version: 2\r\n"), (0b11, Some(Origin::Right)));
        assert_eq!(of(404, "x-order-ok: true\r\nx-trace: 1\r\n"), (0, Some(Origin::Silent)));
        assert_eq!(
            of(500, "x-order-ok: false\r\nX-Version: 1\r\n"),
            (0, Some(Origin::Other)),
            "failed already"
        );
    }

    #[test]
    fn who_is_not_asked_costs_nothing() {
        let other = Examination::new(&rule(), Some("blue")).unwrap();
        assert_eq!(other.of(&answer(200, "x-trace: 1\r\nx-version: 9\r\n")), Found::default());
        let identity_only = AnswersRule { checks: Vec::new(), ..rule() };
        assert!(Examination::new(&identity_only, None).is_none());
        assert!(Examination::new(&AnswersRule::default(), Some("green")).is_none());
    }
}
