//! Shadow traffic: a share of the requests that the live version answers is copied to the new one, and the answers are
//! compared. No user sees, waits for, or is hurt by a copy.
//!
//! A request thread only draws (`Shadow::draw`), keeps what passes (`Capture`, `kept.rs`), and hands it over once the
//! user has the whole answer. All the rest is done on two threads of their own: `cast` sends the copies and reads
//! their answers (`ask`), `account` compares them ([`compare`]) and counts (`tally`). So nothing that the new
//! version does can reach a user; and no copy is counted in series, health, limits, retries or logs.

mod account;
mod ask;
mod capture;
mod cast;
pub mod compare;
mod registry;
mod tally;

pub(crate) use capture::Capture;
pub use registry::Shadows;

use crate::balance::random::Random;
use crate::claim::Claim;
use crate::kept::{Kept, Memory};
use crate::request::Request;
use crate::table::Target;
use cast::Copied;
use compare::Terms;
use http1::{Framing, Known};
use model::traffic_split::ShadowRule;
use std::sync::Arc;
use std::time::Instant;
use tally::Tally;
use telemetry::report::Skipped;
use tokio::sync::mpsc;

/// The header that marks copies. A client's own is not forwarded.
const MARK: Known = Known::XTealgateShadow;
/// Shares are told in millionths.
const WHOLE_PPM: usize = 1_000_000;

/// The shadow of a rule.
#[derive(Debug)]
pub struct Shadow {
    rule: ShadowRule,
    terms: Terms,
    /// Where copies go.
    to: Arc<Target>,
    /// Where the requests of the rule go.
    live: Vec<Arc<Target>>,
    tally: Arc<Tally>,
    random: Random,
    memory: Arc<Memory>,
    copies: mpsc::Sender<Box<Copied>>,
}

/// Draws a request that was claimed: gives what is to be kept of it, if it is to be copied. Without a shadow this is one
/// branch.
#[inline]
pub(crate) fn draw(
    claim: &Claim<'_>,
    request: &Request<'_>,
    thread: usize,
    began: Instant,
) -> Option<Box<Capture>> {
    claim.shadow?.draw(request, claim.route.websocket, thread, began)
}

impl Shadow {
    fn draw(
        self: &Arc<Shadow>,
        request: &Request<'_>,
        websocket: bool,
        thread: usize,
        began: Instant,
    ) -> Option<Box<Capture>> {
        if !self.falls_on(self.rule.share_ppm, thread) {
            return None;
        }
        self.tally.sampled();
        match self.obstacle(request, websocket, began) {
            Some(why) => {
                self.tally.skip(why);
                None
            }
            None => Some(Box::new(Capture::new(self, request))),
        }
    }

    /// Why a request that was drawn is not copied.
    fn obstacle(&self, request: &Request<'_>, websocket: bool, began: Instant) -> Option<Skipped> {
        let rule = &self.rule;
        let head = request.head;
        let is_too_large = |length| length > rule.max_body_bytes;
        if !rule.copies(head.method()) {
            Some(Skipped::Method)
        } else if request.is_grpc() || websocket && head.upgrade().is_some() {
            Some(Skipped::Stream)
        } else if matches!(head.framing(), Framing::Length(length) if is_too_large(length)) {
            Some(Skipped::Size)
        } else if self.tally.is_full(rule.max_in_flight) {
            Some(Skipped::InFlight)
        } else if !self.tally.has_rate(began, rule.max_per_s) {
            Some(Skipped::Rate)
        } else {
            None
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.rule.id
    }

    /// Chance, with this probability.
    fn falls_on(&self, ppm: u32, thread: usize) -> bool {
        self.random.below(thread, WHOLE_PPM) < ppm as usize
    }

    /// Nothing of a body yet.
    fn keep(&self) -> Kept {
        Kept::new(&self.memory, self.rule.max_body_bytes)
    }
}
