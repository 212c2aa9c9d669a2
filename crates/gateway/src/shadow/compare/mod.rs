//! Two answers to the same request: what differs, and in what way. Pure, and made for answers of strangers.
//!
//! Status, media type, the headers that are named, and bodies: JSON by its structure, everything else by its bytes. What
//! is told of a difference is its *group*: kind, place and manner. So the number of groups depends on what answers look
//! like and not on how many there are. Values are told only where the rule allows it.

mod json;
mod place;

use model::traffic_split::{JsonPath, ShadowRule};
use std::borrow::Cow;
use telemetry::report::{DifferenceKind, LeftOut};

/// Most groups of one pair; what goes beyond is not told, and the pair differs all the same.
pub const MAX_DIFFERENCES: usize = 32;
/// Most characters of a value that is shown.
const MAX_SHOWN: usize = 64;
/// JSON bodies with more values than this are not looked into: what was parsed takes many times the memory of its text.
const MAX_VALUES: usize = 200_000;

/// What is compared.
#[derive(Debug, Default)]
pub struct Terms {
    /// Names of headers, lower case.
    pub headers: Vec<String>,
    /// Places in JSON bodies that are not compared.
    pub ignore: Vec<JsonPath>,
    /// Values may be shown.
    pub shows_values: bool,
}

/// The head of an answer, as far as it is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its status.
    pub status: u16,
    /// Its media type, lower case, without parameters.
    pub media_type: Option<String>,
    /// Its body is compressed, or coded in some other way.
    pub is_encoded: bool,
    /// The values of the headers of [`Terms`], in their order.
    pub headers: Vec<Option<String>>,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its head.
    pub head: &'a Head,
    /// Its body, or why that was not kept.
    pub body: Result<&'a [u8], LeftOut>,
}

/// One way in which two answers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What of the answer.
    pub kind: DifferenceKind,
    /// Where.
    pub place: String,
    /// In what way.
    pub what: String,
    /// Both values, if they may be shown.
    pub values: Option<String>,
}

/// What a comparison has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What differs, each group once; at most [`MAX_DIFFERENCES`].
    pub differences: Vec<Difference>,
    /// There are more.
    pub is_cut: bool,
    /// Why the bodies were not compared; `None`: they were.
    pub left_out: Option<LeftOut>,
}

impl Terms {
    /// What a rule says; places that cannot be read are none (a rule with such is refused).
    #[must_use]
    pub fn of(rule: &ShadowRule) -> Terms {
        Terms {
            headers: rule.headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            ignore: rule.ignore.iter().filter_map(|path| JsonPath::parse(path).ok()).collect(),
            shows_values: rule.examples,
        }
    }
}

impl Comparison {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && !self.is_cut
    }

    /// Adds a group, unless it is there already. `values` is asked only where they are shown.
    fn add(
        &mut self,
        kind: DifferenceKind,
        place: Cow<'_, str>,
        what: Cow<'_, str>,
        values: impl FnOnce() -> Option<String>,
    ) {
        let mut known = self.differences.iter();
        if known.any(|one| one.kind == kind && one.place == place && one.what == what) {
            return;
        }
        if self.differences.len() == MAX_DIFFERENCES {
            self.is_cut = true;
            return;
        }
        let (place, what) = (place.into_owned(), what.into_owned());
        self.differences.push(Difference { kind, place, what, values: values() });
    }
}

/// Compares an answer of the live version with another one to the same request.
#[must_use]
pub fn compare(live: Answer<'_>, other: Answer<'_>, terms: &Terms) -> Comparison {
    let mut found = Comparison::default();
    let (before, after) = (live.head, other.head);
    if before.status != after.status {
        let what = format!("{} → {}", before.status, after.status);
        found.add(DifferenceKind::Status, "".into(), what.into(), || None);
    }
    if before.media_type != after.media_type {
        let name = |head: &Head| head.media_type.as_deref().map_or("none".to_owned(), shown);
        let what = format!("{} → {}", name(before), name(after));
        found.add(DifferenceKind::ContentType, "".into(), what.into(), || None);
    }
    compare_headers(before, after, terms, &mut found);
    match (live.body, other.body) {
        (Err(why), _) | (_, Err(why)) => found.left_out = Some(why),
        (Ok(one), Ok(two)) if one == two => {}
        _ if before.is_encoded || after.is_encoded => found.left_out = Some(LeftOut::Encoded),
        (Ok(one), Ok(two)) => compare_bodies((before, one), (after, two), terms, &mut found),
    }
    found
}

fn compare_headers(before: &Head, after: &Head, terms: &Terms, found: &mut Comparison) {
    for ((name, before), after) in terms.headers.iter().zip(&before.headers).zip(&after.headers) {
        let what = match (before, after) {
            (Some(one), Some(two)) if one != two => "value",
            (Some(_), None) => "missing",
            (None, Some(_)) => "added",
            _ => continue,
        };
        let text = |value: &Option<String>| shown(value.as_deref().unwrap_or("none"));
        let values = || terms.shows_values.then(|| format!("{} → {}", text(before), text(after)));
        found.add(DifferenceKind::Header, name.into(), what.into(), values);
    }
}

/// Bodies that are not the same bytes.
fn compare_bodies(live: (&Head, &[u8]), other: (&Head, &[u8]), terms: &Terms, found: &mut Comparison) {
    if terms.ignore.iter().any(|path| path.names(&[])) {
        return;
    }
    if is_json(live.0) && is_json(other.0) {
        if json::has_more_values(live.1, MAX_VALUES) || json::has_more_values(other.1, MAX_VALUES) {
            found.left_out = Some(LeftOut::Size);
            return;
        }
        match (serde_json::from_slice(live.1), serde_json::from_slice(other.1)) {
            (Ok(one), Ok(two)) => return json::compare(&one, &two, terms, found),
            (Ok(_), Err(_)) => return add_body(found, "JSON → not JSON"),
            (Err(_), Ok(_)) => return add_body(found, "not JSON → JSON"),
            (Err(_), Err(_)) => {}
        }
    }
    add_body(
        found,
        match (live.1.is_empty(), other.1.is_empty()) {
            (true, _) => "added",
            (_, true) => "missing",
            _ => "content",
        },
    );
}

fn add_body(found: &mut Comparison, what: &'static str) {
    found.add(DifferenceKind::Body, "".into(), what.into(), || None);
}

fn is_json(head: &Head) -> bool {
    head.media_type.as_deref().is_some_and(|name| crate::examine::is_json(name.as_bytes()))
}

/// A value as far as it is shown, without what would move a terminal's cursor.
fn shown(text: &str) -> String {
    let clean = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    let mut short: String = text.chars().take(MAX_SHOWN).map(clean).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
