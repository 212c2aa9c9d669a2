//! Patterns of expressions and schemas: PCRE as nginx compiles it, on an engine that is linear in time and bounded
//! in memory. Look-around, back references and possessive quantifiers do not exist here.

use regex::bytes::{Regex, RegexBuilder};

/// Bound on a pattern's compiled program, bytes. A pattern that needs more is refused like one that is broken.
const SIZE_LIMIT: usize = 1 << 20;
/// Bound on the lazily built automaton that a search may cache, bytes.
const CACHE_LIMIT: usize = 1 << 20;

/// Why a pattern does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {pattern:?} does not compile: {reason}")]
pub(crate) struct PatternError {
    pattern: String,
    reason: String,
}

/// Compiles a pattern. nginx compiles without PCRE's UTF mode, so a pattern sees bytes; where it uses characters
/// that bytes cannot express, such as a class with an umlaut, it is read in Unicode mode instead.
pub(crate) fn compile(pattern: &str, caseless: bool) -> Result<Regex, PatternError> {
    let build = |unicode: bool| {
        RegexBuilder::new(pattern)
            .unicode(unicode)
            .case_insensitive(caseless)
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(CACHE_LIMIT)
            .build()
    };
    build(false)
        .or_else(|error| build(true).map_err(|_| error))
        .map_err(|error| PatternError { pattern: pattern.to_owned(), reason: reason(&error) })
}

/// The last line of a syntax error says what is wrong; the lines before it draw the pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
