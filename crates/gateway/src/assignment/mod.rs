//! Which user has which colour, for as long as a release lasts.
//!
//! Each user has a point in [0, 1), and each choice of a rule an interval as long as its share; the new version's
//! begins at 0 and only grows. So an assignment is *monotone*: who saw the new version at 10 % sees it at 50 %, and a
//! share of 0 leaves nobody on it. Points are keyed by the release's salt: another release assigns anew, and nobody can
//! work out from outside which value leads where.
//!
//! By header, consumer or address a point is a keyed hash, so of N users the new version gets a binomial number: within
//! 2·√(p·(1 − p)/N) of its share p in 95 of 100 releases. A cookie carries its point itself, signed; the points of new
//! ones come from a low-discrepancy sequence, so of N users the share is exact within (2 + log₂ N)/N per thread.

mod cookie;
#[cfg(test)]
mod tests;

use crate::balance::sequence::Sequence;
use aws_lc_rs::hmac;
use foldhash::HashMap;
use model::expr::eval::{Variable, Variables};
use model::policy::StickyBy;
use model::secret::SecretKey;
use model::traffic_split::StickyRule;
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

/// What makes assignments: the key that all gateways of a store share, and where each release's cookies have come to.
#[derive(Debug)]
pub(crate) struct Assigner {
    key: hmac::Key,
    threads: usize,
    /// By salt; kept while a table uses it, so that a recompiled route goes on where it was.
    sequences: HashMap<String, Arc<Sequence>>,
}

/// Cookies of one name that are looked at.
const MAX_COOKIES: usize = 8;

/// What an assignment is made by: the variables of a request, and all of its cookies.
pub trait Cookies: Variables {
    /// The values of the cookies with this name, in their order.
    fn cookies<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str>;
}

/// The assignment of one rule.
#[derive(Debug)]
pub struct Assignment {
    by: StickyBy,
    /// The variable whose value is hashed; of a cookie, none is.
    variable: String,
    /// Name of the cookie.
    name: String,
    max_age_s: u64,
    /// Keyed by the gateways' key and the salt.
    key: hmac::Key,
    sequence: Arc<Sequence>,
    /// Where each choice's interval ends, as a fraction of 2⁶⁴.
    ends: Box<[u128]>,
}

/// A choice, and what the client has to be told.
#[derive(Clone, Copy, Debug)]
pub struct Assigned<'a> {
    /// The place of the choice in the rule.
    pub choice: usize,
    /// The cookie that keeps it.
    pub issued: Option<Issued<'a>>,
    /// The point of who asks; `None`: the choice is the request's alone.
    pub point: Option<u64>,
}

/// A cookie that goes to the client with its answer.
#[derive(Clone, Copy, Debug)]
pub struct Issued<'a> {
    assignment: &'a Assignment,
    point: u64,
    secure: bool,
}

impl Assigner {
    /// One for `threads` threads.
    pub(crate) fn new(key: &SecretKey, threads: usize) -> Assigner {
        let SecretKey(key) = key;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Assigner { key, threads, sequences: HashMap::default() }
    }

    /// The assignment of a rule with these weights, in the order of its choices. `None`: no choice has a weight.
    pub(crate) fn assignment(&mut self, rule: &StickyRule, weights: &[u32]) -> Option<Assignment> {
        let ends = ends(weights)?;
        let variable = match rule.by {
            StickyBy::Cookie => String::new(),
            StickyBy::Header => format!("http_{}", rule.name.to_ascii_lowercase().replace('-', "_")),
            StickyBy::Consumer => "consumer_name".to_owned(),
            StickyBy::Address => "remote_addr".to_owned(),
        };
        let sequence = self.sequences.entry(rule.salt.clone()).or_insert_with(|| {
            // Not the same in two gateways, nor after a restart: their users would be assigned in step.
            let random = RandomState::new();
            Arc::new(Sequence::new(self.threads, |thread| random.hash_one(thread)))
        });
        Some(Assignment {
            by: rule.by,
            variable,
            name: rule.name.clone(),
            max_age_s: rule.max_age_s,
            key: hmac::Key::new(
                hmac::HMAC_SHA256,
                hmac::sign(&self.key, format!("salt\0{}", rule.salt).as_bytes()).as_ref(),
            ),
            sequence: Arc::clone(sequence),
            ends,
        })
    }

    /// Forgets the sequences that nothing uses any more.
    pub(crate) fn forget_unused(&mut self) {
        self.sequences.retain(|_, sequence| Arc::strong_count(sequence) > 1);
    }
}

impl Assignment {
    /// Assigns a request.
    pub fn assign<V: Cookies>(&self, variables: &V, thread: usize) -> Option<Assigned<'_>> {
        if self.by == StickyBy::Cookie {
            return self.by_cookie(variables, thread);
        }
        let point = self.point_of(variables);
        Some(Assigned { choice: self.choice_at(point)?, issued: None, point: Some(point) })
    }

    fn by_cookie<V: Cookies>(&self, variables: &V, thread: usize) -> Option<Assigned<'_>> {
        // There may be others of the name, of other paths and times: a browser sends them, too, perhaps before ours.
        let mut cookies = variables.cookies(&self.name).take(MAX_COOKIES);
        let kept = cookies.find_map(|value| self.point_in(value));
        drop(cookies);
        if let Some(point) = kept {
            return Some(Assigned { choice: self.choice_at(point)?, issued: None, point: Some(point) });
        }
        let point = self.sequence.next(thread);
        let secure = text(variables, "scheme").is_some_and(|scheme| scheme == "https");
        let issued = Some(Issued { assignment: self, point, secure });
        Some(Assigned { choice: self.choice_at(point)?, issued, point: Some(point) })
    }

    /// The point of a user who is known by a value; who lacks the value is known by the address.
    fn point_of<V: Variables>(&self, variables: &V) -> u64 {
        let named = match self.by {
            StickyBy::Header | StickyBy::Consumer => text(variables, &self.variable),
            StickyBy::Cookie | StickyBy::Address => None,
        };
        let mut mac = hmac::Context::with_key(&self.key);
        match named.filter(|value| !value.is_empty()) {
            Some(value) => {
                mac.update(b"value\0");
                mac.update(value.as_bytes());
            }
            None => {
                mac.update(b"address\0");
                mac.update(network(&text(variables, "remote_addr").unwrap_or_default()).as_bytes());
            }
        }
        let mac = mac.sign();
        mac.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }

    /// The choice whose interval holds a point.
    fn choice_at(&self, point: u64) -> Option<usize> {
        self.ends.iter().position(|end| u128::from(point) < *end)
    }
}

/// Where the intervals of choices with these weights end; `None`: all weights are 0.
fn ends(weights: &[u32]) -> Option<Box<[u128]>> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let mut sum = 0;
    let end = |weight: &u32| {
        sum += u128::from(*weight);
        (sum << 64) / total
    };
    (total > 0).then(|| weights.iter().map(end).collect())
}

/// What an address is known by: all of an IPv4 address, the network part of an IPv6 address, whose rest a client
/// changes as it likes (RFC 8981).
fn network(address: &str) -> Cow<'_, str> {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64").into()
        }
        _ => address.into(),
    }
}

fn text<'a, V: Variables>(variables: &'a V, name: &str) -> Option<Cow<'a, str>> {
    match variables.get(name) {
        Some(Variable::Text(text)) => Some(text),
        _ => None,
    }
}
