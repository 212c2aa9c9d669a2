//! What all gateways have counted of the copies, over all looks. Pure.
//!
//! A gateway's counts only grow, and a process that is started again is another gateway. So what one had counted when it was
//! seen last holds, also after it went; what it counted after that is not known, and the account says which gateways
//! that are.

use crate::gate::Shadowing;
use crate::report::ShadowSummary;
use std::collections::{BTreeMap, BTreeSet};
use telemetry::report::ShadowReport;

#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The last word of each gateway that was ever seen to copy.
    known: BTreeMap<String, ShadowReport>,
    /// The gateways that live, as of the last look, and those of them that do not copy.
    alive: BTreeSet<String>,
    idle: BTreeSet<String>,
    /// The last look has shown something.
    read: bool,
}

impl Tally {
    pub(super) fn look(&mut self, seen: Vec<Shadowing>) {
        self.read = true;
        self.alive.clear();
        self.idle.clear();
        for Shadowing { gateway, report } in seen {
            self.alive.insert(gateway.clone());
            match report {
                Some(report) => _ = self.known.insert(gateway, report),
                None => _ = self.idle.insert(gateway),
            }
        }
    }

    pub(super) fn look_in_vain(&mut self) {
        self.read = false;
    }

    /// Why the copies have not begun everywhere; `None`: they have.
    pub(super) fn waits_for(&self) -> Option<String> {
        if !self.read {
            return Some("the gateways' counts cannot be read".to_owned());
        }
        if self.alive.is_empty() {
            return Some("no gateway is alive, so nothing is copied".to_owned());
        }
        let idle: Vec<&str> = self.idle.iter().map(String::as_str).collect();
        (!idle.is_empty()).then(|| format!("{} has not begun to copy requests", idle.join(", ")))
    }

    /// Why a gateway makes no copies; `None`: none has said so.
    pub(super) fn refused(&self) -> Option<String> {
        let living = self.known.iter().filter(|(gateway, _)| self.alive.contains(*gateway));
        let mut refused = living.filter_map(|(gateway, report)| Some((gateway, report.refused.as_ref()?)));
        refused.next().map(|(gateway, why)| format!("{gateway} makes no copies: {why}"))
    }

    /// At the end: whether the last word was heard at all.
    pub(super) fn unread(&self) -> Result<(), String> {
        match self.waits_for() {
            Some(why) if !self.read || self.alive.is_empty() => Err(why),
            _ => Ok(()),
        }
    }

    /// Gateways that live and had not begun at the last look: they came late.
    pub(super) fn late(&self) -> impl Iterator<Item = &str> {
        self.idle.iter().map(String::as_str)
    }

    pub(super) fn summary(&self, asks_twice: bool) -> ShadowSummary {
        let mut total = ShadowReport::default();
        self.known.values().for_each(|report| total.merge(report));
        let gone = self.known.keys().filter(|gateway| !self.alive.contains(*gateway));
        ShadowSummary::of(&total, self.known.keys().cloned().collect(), gone.cloned().collect(), asks_twice)
    }
}
