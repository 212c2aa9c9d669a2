//! What an answer says besides its status: whether the business is content with it, and which version it is from.
//!
//! Compiled for each choice of a rule that asks (a release's); an answer of any other costs one branch. A header is looked
//! up in the head that was parsed anyway. Where a field of JSON is asked for, what passes of the body is kept, bounded
//! ([`examiner`]), and looked at once the client has all of it ([`json`]): no stream is held up or cut anew.

mod examiner;
mod json;

pub(crate) use examiner::Examiner;
pub(crate) use json::is_json;

use crate::claim::Claim;
use crate::client::Client;
use crate::clock;
use crate::kept::Tee;
use crate::record::Facts;
use crate::worker::Worker;
use http1::{Framing, Known, ResponseHead};
use model::policy::{FailsIf, JsonPointer, Said};
use model::record::Ending;
use model::traffic_split::AnswersRule;
use telemetry::found::{Found, Hindrance, Origin, Outcome};
use telemetry::report::LeftOut;

/// Answers from here on have failed already, and are asked no more.
const SERVER_ERROR: u16 = 500;
/// A part of an answer is no JSON, whatever its type says.
const PARTIAL_CONTENT: u16 = 206;

/// What is asked of the answers of one choice.
#[derive(Debug)]
pub struct Examination {
    headers: Box<[Check<Box<str>>]>,
    fields: Box<[Check<JsonPointer>]>,
    /// The header that says which version it is, and which it must be.
    identity: Option<(Box<str>, Box<str>)>,
    /// What is found where nothing can be looked at.
    nothing: Found,
}

/// A check of the business.
#[derive(Debug)]
struct Check<At> {
    /// The place of its counters.
    place: usize,
    /// Where it looks.
    at: At,
    fails_if: FailsIf,
}

impl<At> Check<At> {
    /// Adds what it says.
    fn says(&self, found: Found, fails: bool) -> Found {
        found.checked(self.place, if fails { Outcome::Failed } else { Outcome::Passed })
    }
}

impl Examination {
    /// What a rule asks of the answers of an upstream with this id; `None`: nothing.
    pub(crate) fn new(rule: &AnswersRule, upstream: Option<&str>) -> Option<Examination> {
        let lower = |name: &str| name.to_ascii_lowercase().into_boxed_str();
        let checks = || rule.checks.iter().enumerate();
        let headers = checks().filter_map(|(place, check)| {
            let at = lower(check.header.as_ref()?);
            Some(Check { place, at, fails_if: check.fails_if.clone() })
        });
        let fields = checks().filter_map(|(place, check)| {
            let at = check.json.as_ref()?.place()?;
            Some(Check { place, at, fails_if: check.fails_if.clone() })
        });
        let identity = rule.identity.as_ref().and_then(|identity| {
            let version = identity.versions.get(upstream?)?;
            Some((lower(&identity.header), version.as_str().into()))
        });
        let fields: Box<[Check<JsonPointer>]> = fields.collect();
        let nothing = checks()
            .fold(Found::default(), |found, (place, _)| found.checked(place, Outcome::Unexamined))
            .hindered((!fields.is_empty()).then_some(Hindrance::Failed));
        let examination = Examination { headers: headers.collect(), fields, identity, nothing };
        (!rule.checks.is_empty() || examination.identity.is_some()).then_some(examination)
    }

    /// What is found in an answer that is not the upstream's: nothing can be said.
    pub(crate) fn of_nothing(&self) -> Found {
        self.nothing
    }

    /// What the head of an answer says.
    pub(crate) fn of(&self, answer: &ResponseHead) -> Found {
        let mut found = self.nothing;
        if answer.status() < SERVER_ERROR {
            for check in &self.headers {
                let said = answer.header(&check.at).map_or(Said::Nothing, Said::Text);
                found = check.says(found, check.fails_if.fails(said));
            }
        }
        let Some((header, version)) = &self.identity else { return found };
        found.from(match answer.header(header) {
            Some(said) if said == version.as_bytes() => Origin::Right,
            Some(_) => Origin::Other,
            None => Origin::Silent,
        })
    }

    /// What the head of an answer says that opens a stream: no body will be looked into.
    pub(crate) fn of_stream(&self, answer: &ResponseHead) -> Found {
        self.of(answer).hindered((!self.fields.is_empty()).then_some(Hindrance::NoBody))
    }

    /// What the body of an answer is added to as it passes; `None`: it is not looked at, and `found` says why. Where no
    /// check asks for a field this is one branch.
    pub(crate) fn keep(
        &self,
        worker: &Worker,
        answer: &ResponseHead,
        body: Framing,
        found: &mut Found,
    ) -> Option<Tee> {
        if self.fields.is_empty() {
            return None;
        }
        let kept = match hindrance(answer, body) {
            Some(why) => Err(why),
            None => worker.examiner.keep(body, worker.timers.now()),
        };
        // Of what is kept, and then breaks off, it stays true that it has failed.
        kept.map_err(|why| *found = found.hindered(Some(why))).ok()
    }

    /// Adds what a whole body says, to what the head of its answer has said.
    fn of_body(&self, found: Found, body: &[u8]) -> Found {
        let fails = |check: &Check<JsonPointer>| {
            // What says that it is JSON, and is not, is good for no check.
            json::said(body, &check.at, |said| check.fails_if.fails(said)).unwrap_or(true)
        };
        self.fields.iter().fold(found.hindered(None), |found, check| check.says(found, fails(check)))
    }
}

/// Why the body of an answer is no whole JSON that can be read; `None`: it is.
fn hindrance(answer: &ResponseHead, body: Framing) -> Option<Hindrance> {
    let is_coded = |value: &[u8]| !value.trim_ascii().eq_ignore_ascii_case(b"identity");
    if answer.status() >= SERVER_ERROR {
        Some(Hindrance::Failed)
    } else if matches!(body, Framing::None | Framing::Length(0)) {
        Some(Hindrance::NoBody)
    } else if !answer.values(Known::ContentType).next().is_some_and(is_json) {
        Some(Hindrance::NotJson)
    } else if answer.status() == PARTIAL_CONTENT {
        Some(Hindrance::Part)
    } else {
        answer.values(Known::ContentEncoding).any(is_coded).then_some(Hindrance::Compressed)
    }
}

/// Looks at what was kept of an answer's body, once the client has all of it.
pub(crate) async fn look_into(worker: &Worker, client: &Client, claim: &Claim<'_>, facts: &mut Facts) {
    let (Some(kept), Some(examination)) = (facts.examined.take(), claim.examination) else { return };
    if facts.ending != Ending::Whole || facts.by_gate {
        return;
    }
    // The time that this takes is not the answer's.
    facts.ended = Some(clock::now());
    // What a stream has queued goes out first.
    if client.io.is_stream() {
        tokio::task::yield_now().await;
    }
    let kept = kept.kept();
    facts.found = match kept.body() {
        // Not every framing says beforehand that there is none.
        Ok([]) => facts.found.hindered(Some(Hindrance::NoBody)),
        Ok(body) => {
            worker.examiner.spend(body.len().saturating_mul(examination.fields.len()));
            examination.of_body(facts.found, body)
        }
        Err(LeftOut::Size) => facts.found.hindered(Some(Hindrance::TooLarge)),
        Err(LeftOut::Memory | LeftOut::Encoded) => facts.found.hindered(Some(Hindrance::Busy)),
    };
}

#[cfg(test)]
mod tests;
