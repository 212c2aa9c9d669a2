//! A body in each framing: content, end and trailers do not depend on how the bytes arrive.

use crate::oracle::pieces::body_outcome;
use crate::{cut, tight};
use http1::{Framing, Limits};

/// Runs the target. Panics on a finding.
pub fn run(data: &[u8]) {
    let (ends, input) = cut(data);
    let length = data.first().map_or(0, |first| u64::from(*first));
    for framing in [Framing::None, Framing::Length(length), Framing::Chunked, Framing::UntilClose] {
        for limits in [Limits::default(), tight()] {
            let whole = body_outcome(framing, input, &[], &limits);
            assert_eq!(body_outcome(framing, input, &ends, &limits), whole);
        }
    }
}
