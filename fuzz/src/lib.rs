//! What is done with untrusted bytes, one module a target: it must not panic, and what two readers make of the same
//! bytes must agree. `scripts/fuzz` runs the targets.
#![forbid(unsafe_code)]

#[path = "../../crates/http1/tests/codec/oracle/mod.rs"]
#[allow(dead_code, reason = "each side uses what it needs")]
mod oracle;

pub mod body;
pub mod compare;
pub mod proxy;
pub mod request;
pub mod resource;
pub mod response;

/// Splits the input into bytes that say where to cut, and the bytes to be cut.
fn cut(data: &[u8]) -> (Vec<usize>, &[u8]) {
    let Some((count, rest)) = data.split_first() else { return (Vec::new(), data) };
    let (cuts, input) = rest.split_at(usize::from(count % 8).min(rest.len()));
    let ends = cuts.iter().map(|cut| usize::from(*cut) * (input.len() + 1) / 256).collect();
    (ends, input)
}

/// Small bounds, so that short inputs reach them.
fn tight() -> http1::Limits {
    http1::Limits { head_bytes: 300, headers: 6, target_bytes: 24, trailer_bytes: 20, chunk_line_bytes: 12 }
}
