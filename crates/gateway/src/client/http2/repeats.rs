//! Fields of answers in the form that the crate `h2` takes them, remembered: most answers repeat what the last ones said.
//!
//! What is remembered is neither checked nor copied anew. And it tells what is worth a place in the table of fields that
//! a connection keeps (RFC 7541, section 2.3.2): a value that no other answer has, a count or an id, would push out what
//! is repeated, and be compared with all that came before it. So a value is indexed once it has come again.

use foldhash::fast::FixedState;
use http::header::{HeaderName, HeaderValue, SET_COOKIE};
use std::cell::RefCell;
use std::hash::BuildHasher;

/// Names that are remembered at most; of two with the same place, the later one has it.
const NAMES: usize = 256;
/// Longest name that is remembered, bytes.
const NAME_BYTES: usize = 64;
/// Values of a name that are remembered; the oldest gives way.
const VALUES: usize = 4;
/// Longest value that is remembered, bytes. Longer ones are few, and always indexed.
const VALUE_BYTES: usize = 256;

/// What the answers of a thread have repeated.
#[derive(Default)]
pub(crate) struct Repeats {
    places: RefCell<Vec<Option<Box<Name>>>>,
}

/// The number of names alone: values may be secrets.
impl std::fmt::Debug for Repeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.places.borrow().iter().flatten().count();
        f.debug_struct("Repeats").field("names", &names).finish_non_exhaustive()
    }
}

/// A name and its last values.
struct Name {
    /// As answers write it.
    written: Box<[u8]>,
    name: HeaderName,
    values: [Option<HeaderValue>; VALUES],
    /// Where the next value goes.
    next: usize,
}

impl Repeats {
    /// A field. `None` if it is none that HTTP/2 could carry.
    pub(super) fn field(&self, name: &[u8], value: &[u8]) -> Option<(HeaderName, HeaderValue)> {
        if name.len() > NAME_BYTES {
            return Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?));
        }
        let mut places = self.places.borrow_mut();
        if places.is_empty() {
            places.resize_with(NAMES, || None);
        }
        let place = FixedState::default().hash_one(name) as usize % NAMES;
        let place = places.get_mut(place)?;
        let known = match place {
            Some(known) if *known.written == *name => known,
            _ => place.insert(Box::new(Name::new(name)?)),
        };
        let value = known.value(value)?;
        Some((known.name.clone(), value))
    }
}

impl Name {
    fn new(written: &[u8]) -> Option<Name> {
        let name = HeaderName::from_bytes(written).ok()?;
        Some(Name { written: written.into(), name, values: [const { None }; VALUES], next: 0 })
    }

    fn value(&mut self, value: &[u8]) -> Option<HeaderValue> {
        let known = self.values.iter().flatten().find(|known| known.as_bytes() == value);
        if let Some(known) = known {
            return Some(known.clone());
        }
        let mut new = HeaderValue::from_bytes(value).ok()?;
        // A secret is not kept; the crate indexes no cookie anyway.
        if value.len() <= VALUE_BYTES && self.name != SET_COOKIE {
            if let Some(place) = self.values.get_mut(self.next) {
                *place = Some(new.clone());
            }
            self.next = (self.next + 1) % VALUES;
            // As a "literal never indexed" (RFC 7541, section 6.2.3): the crate knows no other that it does not index.
            new.set_sensitive(true);
        }
        Some(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_indexed(repeats: &Repeats, name: &str, value: &str) -> bool {
        let (found, field) = repeats.field(name.as_bytes(), value.as_bytes()).unwrap();
        assert_eq!((found.as_str(), field.as_bytes()), (&*name.to_ascii_lowercase(), value.as_bytes()));
        !field.is_sensitive()
    }

    #[test]
    fn a_value_is_indexed_once_it_comes_again() {
        let repeats = Repeats::default();
        for expected in [false, true, true] {
            assert_eq!(is_indexed(&repeats, "Content-Type", "text/html"), expected);
            assert_eq!(is_indexed(&repeats, "content-type", "text/css"), expected);
        }
        for count in 0..100 {
            assert!(!is_indexed(&repeats, "X-RateLimit-Remaining", &count.to_string()));
        }
        assert!(is_indexed(&repeats, "X-RateLimit-Remaining", "99"));
        assert!(!is_indexed(&repeats, "X-RateLimit-Remaining", "9"), "it was long ago");
    }

    #[test]
    fn cookies_and_what_is_long_are_not_remembered() {
        let repeats = Repeats::default();
        let long = "x".repeat(VALUE_BYTES + 1);
        for (name, value) in [("Set-Cookie", "a=b"), ("Content-Security-Policy", &long), (&long, "a")] {
            assert!(is_indexed(&repeats, name, value), "{name}");
        }
        let places = repeats.places.borrow();
        assert!(places.iter().flatten().all(|name| name.values.iter().all(Option::is_none)));
    }

    #[test]
    fn what_http2_cannot_carry_is_no_field() {
        let repeats = Repeats::default();
        for _ in 0..2 {
            assert!(repeats.field(b"a b", b"c").is_none());
            assert!(repeats.field(b"a", b"b\nc").is_none());
            assert!(repeats.field(b"", b"c").is_none());
        }
    }

    proptest! {
        #[test]
        fn a_field_is_what_it_would_be_without_memory(
            fields in prop::collection::vec(("[a-cA-C:]{0,3}", "[a-b\u{0}é]{0,2}"), 0..600),
        ) {
            let repeats = Repeats::default();
            for (name, value) in &fields {
                let expected = HeaderName::from_bytes(name.as_bytes()).ok()
                    .zip(HeaderValue::from_bytes(value.as_bytes()).ok());
                prop_assert_eq!(repeats.field(name.as_bytes(), value.as_bytes()), expected);
            }
        }
    }
}
