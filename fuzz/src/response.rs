//! An upstream's answer: the same however it arrives, and the same to hyper once it is sent on.

use crate::oracle::hyper::{answer_by_hyper, forwarded_response};
use crate::oracle::pieces::{PARTIAL, response_outcome};
use crate::{cut, tight};
use http1::Limits;

/// Runs the target. Panics on a finding.
pub fn run(data: &[u8]) {
    let (ends, input) = cut(data);
    for limits in [Limits::default(), tight()] {
        let whole = response_outcome(input, &[], &limits);
        // What is wrong with a long head may be said late, once it may have ended.
        if whole != PARTIAL {
            assert_eq!(response_outcome(input, &ends, &limits), whole);
        }
    }
    if let Some((out, expected)) = forwarded_response(input) {
        assert_eq!(answer_by_hyper(&out), Some(expected), "{}", out.escape_ascii());
    }
}
