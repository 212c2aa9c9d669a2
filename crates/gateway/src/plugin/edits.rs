//! Changes of header fields that plugins asked for: noted first, done when the head is written.

use super::few::Few;
use http1::{Known, write};
use std::borrow::Cow;
use std::cell::Ref;

/// Changes that fit without an allocation.
const INLINE: usize = 3;

/// Changes of one head, in the order in which they were asked for.
#[derive(Debug, Default)]
pub struct Edits<'r> {
    list: Few<Edit<'r>, INLINE>,
    /// One bit for each length of a name that what comes is to be without: most fields need no further look.
    taken: u64,
}

#[derive(Debug)]
struct Edit<'r> {
    name: Cow<'r, str>,
    change: Change<'r>,
}

#[derive(Debug)]
enum Change<'r> {
    /// This value and no other.
    Set(FieldValue<'r>),
    /// This value, if there is no other.
    SetIfAbsent(FieldValue<'r>),
    /// This value besides others.
    Add(FieldValue<'r>),
    /// None.
    Remove,
}

/// The name of a field, and whether it is one that plugins may change. Who uses the same one again and again keeps it.
#[derive(Clone, Debug)]
pub struct FieldName<'r> {
    text: Cow<'r, str>,
    is_allowed: bool,
}

impl FieldName<'static> {
    /// One that the gate itself uses, and that needs no check.
    pub(super) const fn ours(name: &'static str) -> Self {
        FieldName { text: Cow::Borrowed(name), is_allowed: true }
    }
}

impl<'r> From<Cow<'r, str>> for FieldName<'r> {
    fn from(text: Cow<'r, str>) -> Self {
        let is_allowed = !is_of_the_gate(&text) && write::check_field(&text, b"").is_ok();
        FieldName { text, is_allowed }
    }
}

impl<'r> From<&'r str> for FieldName<'r> {
    fn from(text: &'r str) -> Self {
        Cow::Borrowed(text).into()
    }
}

impl From<String> for FieldName<'_> {
    fn from(text: String) -> Self {
        Cow::<str>::Owned(text).into()
    }
}

impl<'r> From<&'r FieldName<'_>> for FieldName<'r> {
    fn from(name: &'r FieldName<'_>) -> Self {
        FieldName { text: Cow::Borrowed(&name.text), is_allowed: name.is_allowed }
    }
}

/// The value of a field.
#[derive(Debug)]
pub enum FieldValue<'r> {
    /// A text.
    Text(Cow<'r, str>),
    /// A number, written without a copy of its digits.
    Number(u64),
}

impl FieldValue<'_> {
    fn write(&self, out: &mut Vec<u8>, name: &str) {
        match self {
            FieldValue::Text(text) => write::header(out, name, text.as_bytes()),
            FieldValue::Number(number) => write::number_header(out, name, *number),
        }
    }
}

impl<'r> From<&'r str> for FieldValue<'r> {
    fn from(text: &'r str) -> Self {
        FieldValue::Text(Cow::Borrowed(text))
    }
}

impl<'r> From<Cow<'r, str>> for FieldValue<'r> {
    fn from(text: Cow<'r, str>) -> Self {
        FieldValue::Text(text)
    }
}

impl From<String> for FieldValue<'_> {
    fn from(text: String) -> Self {
        FieldValue::Text(Cow::Owned(text))
    }
}

impl From<u64> for FieldValue<'_> {
    fn from(number: u64) -> Self {
        FieldValue::Number(number)
    }
}

impl<'r> Edits<'r> {
    /// Gives the field this value and no other.
    pub fn set(&mut self, name: impl Into<FieldName<'r>>, value: impl Into<FieldValue<'r>>) {
        self.push(name.into(), Change::Set(value.into()));
    }

    /// Gives the field this value, unless it has one.
    pub fn set_if_absent(&mut self, name: impl Into<FieldName<'r>>, value: impl Into<FieldValue<'r>>) {
        self.push(name.into(), Change::SetIfAbsent(value.into()));
    }

    /// Gives the field this value besides others.
    pub fn add(&mut self, name: impl Into<FieldName<'r>>, value: impl Into<FieldValue<'r>>) {
        self.push(name.into(), Change::Add(value.into()));
    }

    /// Takes the field away.
    pub fn remove(&mut self, name: impl Into<FieldName<'r>>) {
        self.push(name.into(), Change::Remove);
    }

    /// Whether there is nothing to change.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a field that came with the message stays.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        if self.taken & bit_of(name) == 0 {
            return true;
        }
        let takes = |edit: &Edit<'_>| {
            matches!(edit.change, Change::Set(_) | Change::Remove) && edit.name.eq_ignore_ascii_case(name)
        };
        !self.list.iter().any(takes)
    }

    /// The fields to write, given whether the message itself has one of a name.
    pub(crate) fn fields(&self, has: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, &FieldValue<'r>)> {
        self.list.iter().enumerate().filter_map(move |(at, edit)| {
            let name = edit.name.as_ref();
            let (Change::Set(value) | Change::SetIfAbsent(value) | Change::Add(value)) = &edit.change else {
                return None;
            };
            let replaced = |later: &Edit<'_>| {
                matches!(later.change, Change::Set(_) | Change::Remove)
                    && later.name.eq_ignore_ascii_case(name)
            };
            if self.list.iter().skip(at + 1).any(replaced) {
                return None;
            }
            let earlier = || self.list.iter().take(at).any(|edit| edit.name.eq_ignore_ascii_case(name));
            let absent = || !earlier() && !has(name);
            let wanted = !matches!(edit.change, Change::SetIfAbsent(_)) || absent();
            wanted.then_some((name, value))
        })
    }

    /// Writes the fields.
    pub(crate) fn write(&self, out: &mut Vec<u8>, has: impl Fn(&str) -> bool) {
        self.fields(has).for_each(|(name, value)| value.write(out, name));
    }

    /// Notes a change, if it is one that may be asked for: framing and what concerns one connection is the gate's.
    fn push(&mut self, name: FieldName<'r>, change: Change<'r>) {
        let value = match &change {
            Change::Set(FieldValue::Text(text))
            | Change::SetIfAbsent(FieldValue::Text(text))
            | Change::Add(FieldValue::Text(text)) => text.as_bytes(),
            _ => b"",
        };
        let FieldName { text: name, is_allowed } = name;
        if !is_allowed || !write::is_value(value) {
            tracing::debug!(field = %name, "a plugin may not change this field, or not to this value");
            return;
        }
        if matches!(change, Change::Set(_) | Change::Remove) {
            self.taken |= bit_of(&name);
        }
        self.list.push(Edit { name, change });
    }
}

/// One of 64 bits, by the length of a name.
fn bit_of(name: &str) -> u64 {
    1 << (name.len() % 64)
}

/// All changes of the head that goes to the client: a later one beats an earlier one.
pub(crate) struct AnswerEdits<'q> {
    pub(super) early: &'q Edits<'q>,
    pub(super) late: Ref<'q, Edits<'static>>,
}

impl AnswerEdits<'_> {
    /// Whether there is nothing to change.
    pub(crate) fn is_empty(&self) -> bool {
        self.early.is_empty() && self.late.is_empty()
    }

    /// Whether a field that came with the answer stays.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        self.early.keeps(name) && self.late.keeps(name)
    }

    /// Gives each field to write, given whether the answer itself has one of a name.
    pub(crate) fn each(
        &self,
        has: impl Fn(&str) -> bool + Copy,
        mut field: impl FnMut(&str, &FieldValue<'_>),
    ) {
        for (name, value) in self.early.fields(has).filter(|(name, _)| self.late.keeps(name)) {
            field(name, value);
        }
        let same = |name: &str, set: &str| set.eq_ignore_ascii_case(name);
        let set = |name: &str| has(name) || self.early.fields(has).any(|(early, _)| same(name, early));
        for (name, value) in self.late.fields(set) {
            field(name, value);
        }
    }

    /// Writes the fields.
    pub(crate) fn write(&self, out: &mut Vec<u8>, has: impl Fn(&str) -> bool + Copy) {
        self.each(has, |name, value| value.write(out, name));
    }
}

/// Whether a field says where a message ends or how a connection goes on.
fn is_of_the_gate(name: &str) -> bool {
    let known = Known::of(name.as_bytes());
    known.is_hop_by_hop() || matches!(known, Known::ContentLength | Known::Host)
}
