//! Heads for the tests of both parsers: whole ones of which some bytes are others, and the end is cut off.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A head of one of `lines` and some of `fields`, a few bytes of a body behind it, with damage.
pub(crate) fn damaged(
    lines: &'static [&'static str],
    fields: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<Index>(), any::<u8>()), 0..3);
    let special = select(b"\r\n\t :\0\x7f".to_vec());
    let bytes = (changes, prop::option::of((any::<Index>(), special)), 0..4usize);
    let fields = prop::collection::vec(select(fields), 0..6);
    (select(lines), fields, bytes).prop_map(|(line, fields, (changes, special, cut))| {
        let mut head = [line, &fields.concat(), "\r\nbody"].concat().into_bytes();
        for (at, byte) in changes.into_iter().chain(special) {
            let at = at.index(head.len());
            head[at] = byte;
        }
        let cut = if cut == 3 { head.len() / 2 } else { 0 };
        head.truncate(head.len() - cut);
        head
    })
}
