//! The chain of hashes: writing entries, and reading them back with proof.
//!
//! An entry's text is one JSON object whose last member is `hash`: SHA-256 over all bytes before it, so that no
//! canonical form of JSON is needed. `prev` is the hash of the entry before; the first one's is empty.

use super::Event;
use crate::plan::FORMAT;
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use store::JournalEntry;

const HASH_MEMBER: &str = ",\"hash\":\"";

/// One entry, read and proven.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// 1, 2, 3, ...
    pub seq: u64,
    /// When it was written, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who: a person's key, or the controller that decided.
    pub actor: String,
    /// What.
    pub event: Event,
}

/// Where the next entry goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of the last entry, counting a torn one; 0: none.
    pub seq: u64,
    /// Hash of the last entry that counts; empty: none.
    pub hash: String,
}

/// A journal, read and proven.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    /// The entries that count.
    pub entries: Vec<Entry>,
    /// Where to go on.
    pub head: Head,
    /// The last entry was cut off in the middle and does not count; the next one must say so.
    pub torn: Option<u64>,
}

/// What is wrong with a journal. Releases of its app are refused until someone has looked; traffic goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// An entry is missing or out of order.
    #[error("entry {expected} is missing: {found} stands there")]
    Gap {
        /// The number that should be there.
        expected: u64,
        /// The number that is.
        found: u64,
    },
    /// An entry is no entry.
    #[error("entry {seq} cannot be read: {what}")]
    Unreadable {
        /// Which.
        seq: u64,
        /// Why.
        what: String,
    },
    /// An entry was changed after it was written.
    #[error("entry {seq} was changed after it was written: its hash does not fit")]
    Changed {
        /// Which.
        seq: u64,
    },
    /// An entry does not follow the one before it.
    #[error("entry {seq} does not follow the entry before it")]
    Unchained {
        /// Which.
        seq: u64,
    },
    /// A newer Tealgate wrote it.
    #[error(
        "entry {seq} has format {found}, but this version reads only up to {FORMAT}; use a newer tealgate"
    )]
    NewerFormat {
        /// Which.
        seq: u64,
        /// Its format.
        found: u32,
    },
}

#[derive(Serialize)]
struct Unsealed<'a> {
    format: u32,
    seq: u64,
    at_ms: i64,
    actor: &'a str,
    event: &'a Event,
    prev: &'a str,
}

#[derive(Deserialize)]
struct Sealed {
    seq: u64,
    at_ms: i64,
    actor: String,
    event: Event,
    prev: String,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Makes the entry that follows `head`.
///
/// # Errors
/// If the event cannot be written as JSON: a map with keys that are no texts, which no event has.
pub fn seal(
    head: &Head,
    at_ms: i64,
    actor: &str,
    event: &Event,
) -> Result<(JournalEntry, Head), serde_json::Error> {
    let seq = head.seq.saturating_add(1);
    let unsealed = Unsealed { format: FORMAT, seq, at_ms, actor, event, prev: &head.hash };
    let mut body = serde_json::to_string(&unsealed)?;
    body.truncate(body.len().saturating_sub(1));
    let hash = hash_of(&body);
    body.push_str(HASH_MEMBER);
    body.push_str(&hash);
    body.push_str("\"}");
    Ok((JournalEntry { seq, body }, Head { seq, hash }))
}

/// Reads a journal and proves that it is whole.
///
/// # Errors
/// With the first damage. A last entry that was cut off is none: it is reported as torn and does not count.
pub fn read(entries: &[JournalEntry]) -> Result<Chain, Damage> {
    read_on(&Head::default(), entries)
}

/// Reads the entries that follow `head`, and proves that they do.
///
/// # Errors
/// As [`read`].
pub fn read_on(head: &Head, entries: &[JournalEntry]) -> Result<Chain, Damage> {
    let mut chain = Chain { head: head.clone(), ..Chain::default() };
    for (place, stored) in entries.iter().enumerate() {
        let expected = chain.head.seq.saturating_add(1);
        if stored.seq != expected {
            return Err(Damage::Gap { expected, found: stored.seq });
        }
        if is_cut_off(&stored.body) {
            let follower = entries.get(place + 1).map(|next| says_dropped(&next.body, stored.seq));
            match follower {
                Some(false) => {
                    let what = "it is cut off in the middle, yet others follow".to_owned();
                    return Err(Damage::Unreadable { seq: stored.seq, what });
                }
                Some(true) => {}
                None => chain.torn = Some(stored.seq),
            }
            chain.head.seq = stored.seq;
            continue;
        }
        chain.push(stored)?;
    }
    Ok(chain)
}

impl Chain {
    fn push(&mut self, stored: &JournalEntry) -> Result<(), Damage> {
        let seq = stored.seq;
        let unreadable = |error: serde_json::Error| Damage::Unreadable { seq, what: error.to_string() };
        let Format { format } = serde_json::from_str(&stored.body).map_err(unreadable)?;
        if format > FORMAT {
            return Err(Damage::NewerFormat { seq, found: format });
        }
        let Some((hashed, hash)) = split_hash(&stored.body) else {
            return Err(Damage::Unreadable { seq, what: "it has no hash".to_owned() });
        };
        if hash_of(hashed) != hash {
            return Err(Damage::Changed { seq });
        }
        let sealed: Sealed = serde_json::from_str(&stored.body).map_err(unreadable)?;
        if sealed.seq != seq || sealed.prev != self.head.hash {
            return Err(Damage::Unchained { seq });
        }
        self.head = Head { seq, hash: hash.to_owned() };
        let Sealed { at_ms, actor, event, .. } = sealed;
        self.entries.push(Entry { seq, at_ms, actor, event });
        Ok(())
    }
}

/// Whether a text ends in the middle of a JSON value, as a torn write does; other mistakes are damage.
fn is_cut_off(body: &str) -> bool {
    match serde_json::from_str::<serde::de::IgnoredAny>(body) {
        Ok(_) => false,
        Err(error) => error.is_eof(),
    }
}

fn says_dropped(body: &str, seq: u64) -> bool {
    let sealed: Result<Sealed, _> = serde_json::from_str(body);
    sealed.is_ok_and(|sealed| sealed.event == Event::Dropped { seq })
}

fn split_hash(body: &str) -> Option<(&str, &str)> {
    let (hashed, hash) = body.rsplit_once(HASH_MEMBER)?;
    Some((hashed, hash.strip_suffix("\"}")?))
}

fn hash_of(text: &str) -> String {
    hex::encode(digest(&SHA256, text.as_bytes()))
}
