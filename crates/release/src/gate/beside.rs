//! Beside: both versions are asked the same, at the same moments, and the new one must not fail where the old one does not.
//!
//! It needs no expectation: the old version says what can be had. A 5xx, or no whole answer, is a failure; so is a 4xx, where
//! the old version has what was asked (2xx or 3xx). Where the old version
//! fails at least half as often, nothing can be said, as for the guard.

use super::evidence::{Evidence, is_secret_header};
use super::way::{Way, without_query};
use super::{GateContext, GateOutcome, GateRunner, Verdict, way};
use crate::clock;
use async_trait::async_trait;
use model::policy::{self, BesideRequest};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Failures of the new version after which a request is asked no more: it is known, and each may take its whole limit.
const ENOUGH: u32 = 3;
/// Requests that the line names.
const NAMED: usize = 4;
/// What is said where there is no request.
const NOTHING: &str = "nothing was asked";
/// What its requests call themselves.
const AGENT: &str = "tealgate-beside";

/// The gate.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    /// What is asked.
    pub(super) policy: policy::Beside,
}

/// What one version has said to one request.
#[derive(Debug, Default)]
struct Side {
    asked: u32,
    failed: u32,
    /// Answered with 4xx.
    refused: u32,
    /// The statuses, and the words where there was none.
    said: BTreeSet<String>,
}

/// What both have said to one request.
#[derive(Debug)]
struct Compared {
    /// `GET /cart`.
    what: String,
    new: Side,
    old: Side,
}

#[async_trait]
impl GateRunner for Beside {
    async fn run(&self, context: &GateContext) -> GateOutcome {
        let began = clock::monotonic();
        let mut evidence = Evidence::new(self.secrets(context));
        let (new, old) = match ways(context) {
            Ok(ways) => ways,
            Err(why) => {
                evidence.note(Verdict::Inconclusive, &why);
                return evidence.into_outcome(&why);
            }
        };
        judged(&self.compare(context, began, (&new, &old)).await, evidence)
    }
}

impl Beside {
    /// What must not be seen in the evidence.
    fn secrets(&self, context: &GateContext) -> Vec<String> {
        let sent = self.policy.requests.iter().flat_map(|request| &request.headers);
        let sent = sent.filter(|(name, _)| is_secret_header(name)).map(|(_, value)| value.clone());
        sent.chain(context.preview.iter().map(|(_, token)| token.clone())).collect()
    }

    /// Asks both versions, each instance at least once, and each request once before any is asked again: so that one slow answer
    /// costs the others as little as can be.
    async fn compare(
        &self,
        context: &GateContext,
        began: Instant,
        (new, old): (&[Way<'_>], &[Way<'_>]),
    ) -> Vec<Compared> {
        let mut compared: Vec<Compared> = self.policy.requests.iter().map(Compared::of).collect();
        let instances = u32::try_from(new.len()).unwrap_or(u32::MAX);
        let rounds = self.policy.rounds.max(instances);
        for ((new, old), _) in new.iter().cycle().zip(old.iter().cycle()).zip(0..rounds) {
            for (request, one) in self.policy.requests.iter().zip(&mut compared) {
                if one.new.failed >= ENOUGH {
                    continue;
                }
                let Some(limit) = way::limit(context, began) else { return compared };
                let (new, old) = tokio::join!(ask(new, request, limit), ask(old, request, limit));
                // Cut off by the gate's own end, it says nothing of either.
                if way::limit(context, began).is_none() {
                    return compared;
                }
                one.new.heard(new);
                one.old.heard(old);
                context.progress.tell(&one.words());
            }
        }
        compared
    }
}

/// How both are reached: themselves where their instances are known, else as users and the preview reach them.
fn ways(context: &GateContext) -> Result<(Vec<Way<'_>>, Vec<Way<'_>>), String> {
    let supported = |scheme: &str| matches!(scheme, "http" | "https");
    if !supported(&context.scheme) {
        return Err(format!(
            "nothing can be said: the new version speaks {}, not http or https",
            context.scheme
        ));
    }
    let direct = |instances: &[(String, u16)], scheme: &str| -> Vec<Way<'_>> {
        instances.iter().map(|(host, port)| Way::direct(host, *port, scheme == "https")).collect()
    };
    let live = context.live.as_ref().filter(|live| supported(&live.scheme) && !live.instances.is_empty());
    if let Some(live) = live.filter(|_| !context.instances.is_empty()) {
        return Ok((direct(&context.instances, &context.scheme), direct(&live.instances, &live.scheme)));
    }
    match (context.gateway, &context.preview) {
        (Some(gateway), Some(preview)) => Ok((
            vec![Way::through_gate(gateway, context, Some(preview))],
            vec![Way::through_gate(gateway, context, None)],
        )),
        _ => Err("nothing can be said: it is not known where both versions can be asked".to_owned()),
    }
}

/// What came: a status, or why there is none.
async fn ask(way: &Way<'_>, request: &BesideRequest, limit: Duration) -> Result<u16, String> {
    let line = (request.method.as_str(), request.path.as_str());
    let sent = way.request(AGENT, line, &request.headers, None);
    let sent = sent.map_err(|error| format!("is no proper request: {error}"))?;
    Ok(way.send(sent, limit).await?.status.as_u16())
}

impl Side {
    fn heard(&mut self, answer: Result<u16, String>) {
        self.asked += 1;
        self.failed += u32::from(!matches!(answer, Ok(status) if status < 500));
        self.refused += u32::from(matches!(answer, Ok(400..=499)));
        self.said.insert(answer.map_or_else(|why| why, |status| status.to_string()));
    }

    /// Not served, in whatever way.
    fn unserved(&self) -> u32 {
        self.failed.saturating_add(self.refused)
    }

    fn said(&self) -> String {
        let said: Vec<&str> = self.said.iter().map(String::as_str).collect();
        said.join(", ")
    }
}

impl Compared {
    /// Nothing yet.
    fn of(request: &BesideRequest) -> Compared {
        let what = format!("{} {}", request.method, without_query(&request.path));
        Compared { what, new: Side::default(), old: Side::default() }
    }

    /// Whether the new version refuses what the old one serves.
    fn is_refused(&self) -> bool {
        self.new.refused > 0 && self.old.unserved().saturating_mul(2) < self.new.unserved()
    }

    fn verdict(&self) -> Verdict {
        if self.is_refused() {
            return Verdict::Fail;
        }
        match (self.new.asked, self.new.failed, self.old.failed) {
            (0, ..) => Verdict::Inconclusive,
            (_, 0, _) => Verdict::Pass,
            (_, new, old) if old.saturating_mul(2) < new => Verdict::Fail,
            _ => Verdict::Inconclusive,
        }
    }

    /// What both have said, with how often.
    fn words(&self) -> String {
        let Compared { what, new, old } = self;
        if new.asked == 0 {
            return format!("{what}: not asked: out of time");
        }
        let [of_new, of_old] =
            [new, old].map(|side| if self.is_refused() { side.unserved() } else { side.failed });
        format!(
            "{what}: the new version failed {of_new} of {} times ({}), the old one {of_old} of {} ({})",
            new.asked,
            new.said(),
            old.asked,
            old.said()
        )
    }

    /// The same where none of the new one failed, short.
    fn told(&self) -> String {
        let (new, old) = (self.new.said(), self.old.said());
        if new == old {
            format!("{} ({new})", self.what)
        } else {
            format!("{} ({new}, the old one {old})", self.what)
        }
    }
}

/// A request of which nothing can be said although both were asked spoils what is known of the others as little as it proves
/// anything. One that was never asked is unknown, whatever is known of the others.
fn judged(compared: &[Compared], mut evidence: Evidence) -> GateOutcome {
    let of = |verdict: Verdict| compared.iter().filter(move |one| one.verdict() == verdict);
    let (failed, good, open) = (of(Verdict::Fail), of(Verdict::Pass), of(Verdict::Inconclusive));
    let proven = good.clone().next().is_some();
    for one in compared {
        let verdict = one.verdict();
        let spared = proven && one.new.asked > 0 && verdict == Verdict::Inconclusive;
        let verdict = if spared { Verdict::Pass } else { verdict };
        evidence.note(verdict, &one.words());
    }
    if compared.is_empty() {
        evidence.note(Verdict::Inconclusive, NOTHING);
    }
    let unknown: Vec<String> = open.map(Compared::words).collect();
    let unknown = unknown.first().map(|first| match unknown.len() {
        1 => format!("nothing can be said of {first}"),
        many => format!("nothing can be said of {many} requests, the first: {first}"),
    });
    let wrong: Vec<String> = failed.map(Compared::words).collect();
    let summary = match (wrong.as_slice(), proven) {
        ([first], _) => first.clone(),
        ([first, more @ ..], _) => format!("{first}; and {} more requests", more.len()),
        ([], true) => {
            let named: Vec<String> = good.clone().take(NAMED).map(Compared::told).collect();
            let more = good.count().saturating_sub(named.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let text = format!(
                "asked both versions the same, and the new one failed none: {}{more}",
                named.join(", ")
            );
            [Some(text), unknown].into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
        ([], false) => unknown.unwrap_or_else(|| NOTHING.to_owned()),
    };
    evidence.into_outcome(&summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(statuses: &[u16]) -> Side {
        let mut side = Side::default();
        statuses.iter().for_each(|status| side.heard(Ok(*status)));
        side
    }

    fn compared(new: &[u16], old: &[u16]) -> Compared {
        Compared { what: "GET /".to_owned(), new: side(new), old: side(old) }
    }

    fn outcome(compared: &[Compared]) -> (Verdict, String) {
        let outcome = judged(compared, Evidence::new(Vec::new()));
        (outcome.verdict, outcome.summary)
    }

    #[test]
    fn the_new_version_fails_where_the_old_one_does_so_less_than_half_as_often() {
        for (new, old, verdict) in [
            (&[200, 200][..], &[200, 200][..], Verdict::Pass),
            (&[404, 404], &[200, 200], Verdict::Fail),
            (&[404, 200], &[301, 200], Verdict::Fail),
            (&[404, 404], &[404, 404], Verdict::Pass),
            (&[404, 404], &[404, 200], Verdict::Pass),
            (&[401, 401], &[500, 500], Verdict::Pass),
            (&[500, 500], &[404, 404], Verdict::Fail),
            (&[200, 200], &[500, 500], Verdict::Pass),
            (&[200, 500], &[200, 200], Verdict::Fail),
            (&[500, 500, 500], &[500, 200, 200], Verdict::Fail),
            (&[500, 500], &[500, 200], Verdict::Inconclusive),
            (&[503, 200], &[503, 503], Verdict::Inconclusive),
            (&[], &[], Verdict::Inconclusive),
        ] {
            assert_eq!(compared(new, old).verdict(), verdict, "{new:?} {old:?}");
        }
    }

    #[test]
    fn the_line_says_what_both_answered_and_never_that_all_is_well_where_nothing_is_known() {
        let (good, bad, ill) =
            (compared(&[200, 301], &[200]), compared(&[500], &[200]), compared(&[500], &[500]));
        assert_eq!(
            outcome(&[bad]),
            (
                Verdict::Fail,
                "GET /: the new version failed 1 of 1 times (500), the old one 0 of 1 (200)".to_owned()
            )
        );
        let refused = "GET /: the new version failed 2 of 2 times (404), the old one 0 of 2 (200)".to_owned();
        assert_eq!(outcome(&[compared(&[404, 404], &[200, 200])]), (Verdict::Fail, refused));
        let unknown = "nothing can be said of GET /: the new version failed 1 of 1 times (500), the old one 1 of 1 (500)";
        assert_eq!(outcome(std::slice::from_ref(&ill)), (Verdict::Inconclusive, unknown.to_owned()));
        let both =
            "asked both versions the same, and the new one failed none: GET / (200, 301, the old one 200)";
        assert_eq!(outcome(&[good, ill]), (Verdict::Pass, format!("{both}; {unknown}")));
        let (verdict, said) = outcome(&[compared(&[200], &[200]), compared(&[], &[])]);
        assert_eq!(verdict, Verdict::Inconclusive, "{said}");
        assert!(said.ends_with("; nothing can be said of GET /: not asked: out of time"), "{said}");
        assert_eq!(outcome(&[]), (Verdict::Inconclusive, "nothing was asked".to_owned()));
    }
}
