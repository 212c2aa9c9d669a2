//! What is kept of a request on its way through the gateway, so that it can be copied once it has been answered.

use super::ask::Question;
use super::cast::Copied;
use super::compare::Head;
use super::{MARK, Shadow};
use crate::claim::Claim;
use crate::forward::hash_key;
use crate::headers;
use crate::kept::{Kept, Tee};
use crate::record::Facts;
use crate::request::Request;
use crate::table::{Target, Turn};
use crate::worker::Worker;
use http1::{Framing, Known, ResponseHead, write};
use model::record::Ending;
use model::traffic_split::SAFE_METHODS;
use std::sync::Arc;
use telemetry::report::{LeftOut, Skipped};

/// Most bytes of a path that an example shows.
const MAX_PATH_BYTES: usize = 200;

/// A request that is to be copied.
#[derive(Debug)]
pub(crate) struct Capture {
    shadow: Arc<Shadow>,
    /// Its body; `None`: it has none.
    body: Option<Tee>,
    /// The live version's answer, once it has come.
    answer: Option<(Head, Tee)>,
    /// What became of it was counted.
    is_counted: bool,
}

impl Capture {
    pub(super) fn new(shadow: &Arc<Shadow>, request: &Request<'_>) -> Capture {
        let has_body = !matches!(request.head.framing(), Framing::None | Framing::Length(0));
        Capture {
            shadow: Arc::clone(shadow),
            body: has_body.then(|| shadow.keep().tee()),
            answer: None,
            is_counted: false,
        }
    }

    /// What the request's body is added to as it passes.
    pub(crate) fn body(&self) -> Option<Tee> {
        self.body.clone()
    }

    /// The head of the answer has come from the upstream. Gives what its body is added to as it passes.
    pub(crate) fn answered(&mut self, answer: &ResponseHead) -> Tee {
        let body = self.shadow.keep().tee();
        self.answer = Some((head_of(answer, &self.shadow), Tee::clone(&body)));
        body
    }

    /// The exchange has ended: the copy is handed over, if the user got the whole answer of an upstream.
    pub(crate) fn end(mut self, worker: &Worker, request: &Request<'_>, claim: &Claim<'_>, facts: &Facts) {
        self.is_counted = true;
        if let Err(why) = self.hand_over(worker, request, claim, facts) {
            self.shadow.tally.skip(why);
        }
    }

    fn hand_over(
        &mut self,
        worker: &Worker,
        request: &Request<'_>,
        claim: &Claim<'_>,
        facts: &Facts,
    ) -> Result<(), Skipped> {
        let shadow = &self.shadow;
        let is_whole = facts.ending == Ending::Whole && !facts.by_gate && facts.body_read;
        let (head, answer) = self.answer.take().filter(|_| is_whole).ok_or(Skipped::Unfinished)?;
        // A table without it runs: whoever took the rule away meets no copy after that.
        let table = worker.table();
        let is_cast = || table.route(&claim.route.id).is_some_and(|route| route.casts(shadow.id()));
        if table.revision != claim.revision && !is_cast() {
            return Err(Skipped::Over);
        }
        let body = self.body.as_ref().map(Kept::take);
        match body.as_ref().map_or(Ok(&[][..]), Kept::body) {
            Ok(_) => {}
            Err(LeftOut::Memory) => return Err(Skipped::Memory),
            Err(LeftOut::Size | LeftOut::Encoded) => return Err(Skipped::Size),
        }
        let slot = shadow.tally.slot(shadow.rule.max_in_flight).ok_or(Skipped::InFlight)?;
        let turn = Turn { thread: worker.thread, tried: &[], now: facts.claimed };
        let node = shadow.to.pick(&turn, |on, key| hash_key(request, claim.route, on, key)).ok();
        let to = node.and_then(|node| question(worker, request, &shadow.to, node));
        let again =
            shadow.asks_again(request, worker.thread).then(|| shadow.other_node(claim, facts)).flatten();
        let again = again.and_then(|(target, node)| question(worker, request, target, node));
        let copied = Copied {
            slot,
            method: request.head.method().to_owned(),
            path: shortened(&request.logged_path()),
            to,
            again,
            body,
            live: (head, Kept::take(&answer)),
            shadow: Arc::clone(shadow),
        };
        shadow.copies.try_send(Box::new(copied)).map_err(|_| Skipped::InFlight)
    }
}

/// One whose exchange was dropped in its midst.
impl Drop for Capture {
    fn drop(&mut self) {
        if !self.is_counted {
            self.shadow.tally.skip(Skipped::Unfinished);
        }
    }
}

impl Shadow {
    /// Whether the live version is asked once more.
    fn asks_again(&self, request: &Request<'_>, thread: usize) -> bool {
        SAFE_METHODS.contains(&request.head.method()) && self.falls_on(self.rule.noise_ppm, thread)
    }

    /// The node of the live version after the one that has answered, so that what differs between nodes shows; that one
    /// itself, if there is no other. Its turn is nobody's: the order in which users are served stays as it is.
    fn other_node(&self, claim: &Claim<'_>, facts: &Facts) -> Option<(&Arc<Target>, usize)> {
        let target = self.live.iter().find(|target| target.uid == claim.target.uid)?;
        let answered = facts.node?;
        let is_up = |node: &usize| target.standing.as_ref().is_none_or(|standing| standing.is_up(*node));
        let usable = || target.usable().filter(is_up);
        let next = usable().filter(|node| *node > answered).min().or_else(|| usable().min());
        Some((target, next.unwrap_or(answered)))
    }
}

/// The request as it is forwarded to a node, marked as a copy; `None`: it cannot be sent there.
fn question(worker: &Worker, request: &Request<'_>, target: &Arc<Target>, node: usize) -> Option<Question> {
    let mut head = Vec::new();
    headers::write_request(&mut head, request, target, target.nodes.get(node)?, None);
    // Before the empty line that ends it.
    head.truncate(head.len().saturating_sub(b"\r\n".len()));
    write::header(&mut head, MARK.name(), b"1");
    write::end(&mut head);
    let tls = target.shown.connectors(&worker.tls, worker.table().client_certificates()).ok()?;
    Some(Question {
        target: Arc::clone(target),
        node,
        tls,
        host: request.host().to_owned(),
        method: request.head.method().to_owned(),
        head,
        chunked: request.head.framing() == Framing::Chunked,
    })
}

/// What is compared of an answer's head.
pub(super) fn head_of(answer: &ResponseHead, shadow: &Shadow) -> Head {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let media_type = answer.values(Known::ContentType).next().map(|value| {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        text(essence.trim_ascii()).to_ascii_lowercase()
    });
    let is_coding = |value: &[u8]| !value.trim_ascii().eq_ignore_ascii_case(b"identity");
    let value_of = |name: &String| {
        let named = answer.headers().filter(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| text(header.value)).reduce(|all, value| format!("{all}, {value}"))
    };
    Head {
        status: answer.status(),
        media_type,
        is_encoded: answer.values(Known::ContentEncoding).any(is_coding),
        headers: shadow.terms.headers.iter().map(value_of).collect(),
    }
}

fn shortened(path: &str) -> String {
    match path.char_indices().find(|(at, _)| *at >= MAX_PATH_BYTES) {
        None => path.to_owned(),
        Some((at, _)) => format!("{}…", path.get(..at).unwrap_or_default()),
    }
}
