//! Smoke: a list of HTTP requests and what they must answer, sent to each instance directly and, through the gateway's
//! preview, on the way that users will take.
//!
//! No answer is a failure of the version under test; what could not be asked at all is inconclusive.

use super::evidence::{Evidence, is_secret_header};
use super::expectation::differences;
use super::way::{Way, without_query};
use super::{GateContext, GateOutcome, GateRunner, Verdict, way};
use crate::clock;
use async_trait::async_trait;
use model::policy::SmokeRequest;
use std::time::Duration;

/// What its requests call themselves.
const AGENT: &str = "tealgate-smoke";

/// The smoke gate.
#[derive(Clone, Debug)]
pub(super) struct Smoke {
    /// What is asked.
    pub(super) requests: Vec<SmokeRequest>,
    /// Whether it is asked through the preview, too.
    pub(super) through_gate: bool,
}

#[async_trait]
impl GateRunner for Smoke {
    async fn run(&self, context: &GateContext) -> GateOutcome {
        let began = clock::monotonic();
        let mut evidence = Evidence::new(self.secrets(context));
        let ways = self.ways(context, &mut evidence);
        if self.requests.is_empty() {
            evidence.note(Verdict::Inconclusive, "the gate has no requests");
        }
        let (mut asked, mut unheeded) = (0_usize, 0_usize);
        for way in &ways {
            for request in &self.requests {
                let Some(limit) = way::limit(context, began) else {
                    evidence.note(
                        Verdict::Inconclusive,
                        &format!("{}: not asked: out of time", line(way, request)),
                    );
                    continue;
                };
                asked += 1;
                let (verdict, said, is_error) = ask(way, request, limit, &evidence).await;
                unheeded += usize::from(is_error && request.expect.any_status);
                evidence.note(verdict, &format!("{}: {said}", line(way, request)));
            }
        }
        let summary = summary(asked, unheeded, &evidence);
        evidence.into_outcome(&summary)
    }
}

impl Smoke {
    /// What must not be seen in the evidence: an answer may repeat what it was sent.
    fn secrets(&self, context: &GateContext) -> Vec<String> {
        let sent = self.requests.iter().flat_map(|request| &request.headers);
        let sent = sent.filter(|(name, _)| is_secret_header(name)).map(|(_, value)| value.clone());
        sent.chain(context.preview.iter().map(|(_, token)| token.clone())).collect()
    }

    fn ways<'a>(&self, context: &'a GateContext, evidence: &mut Evidence) -> Vec<Way<'a>> {
        let mut ways = Vec::new();
        if context.instances.is_empty() {
            evidence.note(Verdict::Inconclusive, "no instance is known");
        }
        if matches!(context.scheme.as_str(), "http" | "https") {
            let is_secure = context.scheme == "https";
            ways.extend(context.instances.iter().map(|(host, port)| Way::direct(host, *port, is_secure)));
        } else {
            let what =
                format!("direct: {} is not supported by smoke gates, only http and https", context.scheme);
            evidence.note(Verdict::Inconclusive, &what);
        }
        match (self.through_gate, &context.preview, context.gateway) {
            (false, _, _) => {}
            (true, None, _) => {
                evidence.note(Verdict::Pass, "through the gate: not asked: the preview is switched off");
            }
            (true, Some(_), None) => {
                evidence.note(Verdict::Inconclusive, "through the gate: no gateway is known");
            }
            (true, Some(preview), Some(gateway)) => {
                ways.push(Way::through_gate(gateway, context, Some(preview)));
            }
        }
        ways
    }
}

/// The verdict, what was said, and whether the answer was a server's error.
async fn ask(
    way: &Way<'_>,
    request: &SmokeRequest,
    limit: Duration,
    evidence: &Evidence,
) -> (Verdict, String, bool) {
    let line = (request.method.as_str(), request.path.as_str());
    let http_request = match way.request(AGENT, line, &request.headers, request.body.as_deref()) {
        Ok(http_request) => http_request,
        Err(error) => return (Verdict::Inconclusive, format!("is no proper request: {error}"), false),
    };
    let began = clock::monotonic();
    let answer = way.send(http_request, limit).await;
    let took = clock::monotonic().saturating_duration_since(began).as_millis();
    match answer {
        Err(why) => (Verdict::Fail, why, false),
        Ok(answer) => {
            let found = differences(&answer, &request.expect, &|text| evidence.masked(text));
            let (verdict, said) = judged(answer.status.as_u16(), took, &found);
            (verdict, said, answer.status.is_server_error())
        }
    }
}

fn judged(status: u16, took_ms: u128, found: &[String]) -> (Verdict, String) {
    let said = format!("{status} in {took_ms} ms");
    if found.is_empty() {
        (Verdict::Pass, said)
    } else {
        (Verdict::Fail, format!("{said}: {}", found.join("; ")))
    }
}

fn line(way: &Way<'_>, request: &SmokeRequest) -> String {
    format!("{} {} {} {}", way.name, way.address(), request.method, without_query(&request.path))
}

/// How many went wrong, or were servers' errors that the gate does not look at (`unheeded`), and how the first of them did: what was asked, what came, and what should have come.
fn summary(asked: usize, unheeded: usize, evidence: &Evidence) -> String {
    let (failed, open) = (evidence.failed(), evidence.inconclusive());
    let (wrong, many) = match (failed, open) {
        (0, 0) if unheeded > 0 => {
            return format!(
                "{asked} requests answered, {unheeded} with 5xx, which this gate does not look at"
            );
        }
        (0, 0) => return format!("{asked} requests answered as they should"),
        (0, 1) => ("1 check could not be made; the others answered as they should".to_owned(), false),
        (0, _) => (format!("{open} checks could not be made; the others answered as they should"), true),
        _ => (format!("{failed} of {asked} requests failed"), failed > 1),
    };
    let first = evidence.first().unwrap_or_default();
    if many { format!("{wrong}; the first: {first}") } else { format!("{wrong}: {first}") }
}
