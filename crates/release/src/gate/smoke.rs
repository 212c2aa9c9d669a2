//! Smoke: a list of HTTP requests and what they must answer, sent to each instance directly and, through the gateway's
//! preview, on the way that users will take.
//!
//! No answer is a failure of the version under test; what could not be asked at all is inconclusive.

use super::evidence::{Evidence, is_secret_header};
use super::expectation::differences;
use super::{GateContext, GateOutcome, GateRunner, Verdict};
use crate::clock;
use crate::target::authority;
use crate::target::request::{send, send_secure};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use model::policy::SmokeRequest;
use std::time::{Duration, Instant};

/// Longest that one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// The smoke gate.
#[derive(Clone, Debug)]
pub(super) struct Smoke {
    /// What is asked.
    pub(super) requests: Vec<SmokeRequest>,
    /// Whether it is asked through the preview, too.
    pub(super) through_gate: bool,
}

/// One way to the version under test.
#[derive(Debug)]
struct Way<'a> {
    /// `direct` or `through the gate`.
    name: &'static str,
    host: String,
    port: u16,
    is_secure: bool,
    /// What `Host` says, unless the request sets it.
    authority: String,
    preview: Option<&'a (String, String)>,
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
        let mut asked = 0_usize;
        for way in &ways {
            for request in &self.requests {
                let Some(left) = time_left(context, began) else {
                    evidence.note(
                        Verdict::Inconclusive,
                        &format!("{}: not asked: out of time", line(way, request)),
                    );
                    continue;
                };
                asked += 1;
                let (verdict, said) = ask(way, request, left.min(REQUEST_LIMIT), &evidence).await;
                evidence.note(verdict, &format!("{}: {said}", line(way, request)));
            }
        }
        let summary = summary(asked, &evidence);
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
            ways.extend(context.instances.iter().map(|(host, port)| Way {
                name: "direct",
                host: host.clone(),
                port: *port,
                is_secure: context.scheme == "https",
                authority: authority(host, *port),
                preview: None,
            }));
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
            (true, Some(preview), Some(gateway)) => ways.push(Way {
                name: "through the gate",
                host: gateway.ip().to_string(),
                port: gateway.port(),
                is_secure: false,
                authority: context.host.clone().unwrap_or_else(|| gateway.to_string()),
                preview: Some(preview),
            }),
        }
        ways
    }
}

fn time_left(context: &GateContext, began: Instant) -> Option<Duration> {
    let took = clock::monotonic().saturating_duration_since(began);
    Duration::from_millis(context.timeout_ms).checked_sub(took).filter(|left| !left.is_zero())
}

async fn ask(
    way: &Way<'_>,
    request: &SmokeRequest,
    limit: Duration,
    evidence: &Evidence,
) -> (Verdict, String) {
    let http_request = match http_request(way, request) {
        Ok(http_request) => http_request,
        Err(error) => return (Verdict::Inconclusive, format!("is no proper request: {error}")),
    };
    let began = clock::monotonic();
    let answer = async {
        match way.is_secure {
            true => send_secure(&way.host, way.port, http_request).await,
            false => send(&way.host, way.port, http_request).await,
        }
    };
    let answer = tokio::time::timeout(limit, answer).await;
    let took = clock::monotonic().saturating_duration_since(began).as_millis();
    match answer {
        Err(_) => (Verdict::Fail, format!("no answer within {} ms", limit.as_millis())),
        Ok(Err(error)) => (Verdict::Fail, error.to_string()),
        Ok(Ok(answer)) => {
            let found = differences(&answer, &request.expect, &|text| evidence.masked(text));
            judged(answer.status.as_u16(), took, &found)
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

fn http_request(way: &Way<'_>, request: &SmokeRequest) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut builder = Request::builder().method(request.method.as_str()).uri(&request.path);
    let sets =
        |name: &header::HeaderName| request.headers.keys().any(|key| key.eq_ignore_ascii_case(name.as_str()));
    let defaults = [
        (header::HOST, way.authority.as_str()),
        (header::USER_AGENT, "tealgate-smoke"),
        (header::CONNECTION, "close"),
    ];
    for (name, value) in defaults {
        if !sets(&name) {
            builder = builder.header(name, value);
        }
    }
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    if let Some((name, token)) = way.preview {
        builder = builder.header(name, token);
    }
    let body = request.body.as_ref().map(|body| Bytes::copy_from_slice(body.as_bytes()));
    builder.body(Full::new(body.unwrap_or_default()))
}

/// What was asked, without the query: secrets travel there, too.
fn line(way: &Way<'_>, request: &SmokeRequest) -> String {
    let path = match request.path.split_once('?') {
        Some((path, _)) => format!("{path}?..."),
        None => request.path.clone(),
    };
    format!("{} {} {} {path}", way.name, authority(&way.host, way.port), request.method)
}

/// How many went wrong, and how the first of them did: what was asked, what came, and what should have come.
fn summary(asked: usize, evidence: &Evidence) -> String {
    let (failed, open) = (evidence.failed(), evidence.inconclusive());
    let (wrong, many) = match (failed, open) {
        (0, 0) => return format!("{asked} requests answered as they should"),
        (0, 1) => ("1 check could not be made; the others answered as they should".to_owned(), false),
        (0, _) => (format!("{open} checks could not be made; the others answered as they should"), true),
        _ => (format!("{failed} of {asked} requests failed"), failed > 1),
    };
    let first = evidence.first().unwrap_or_default();
    if many { format!("{wrong}; the first: {first}") } else { format!("{wrong}: {first}") }
}
