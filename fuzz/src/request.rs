//! A request on the wire: what we read of it does not depend on how it arrives, and what we send on is the same one
//! message to hyper.

use crate::oracle::hyper::{NEXT, accept, forwarded, is_uri_query, next, read_by_hyper};
use crate::oracle::pieces::{PARTIAL, request_outcome};
use crate::{cut, tight};
use http1::{Form, Limits};

/// Runs the target. Panics on a finding.
pub fn run(data: &[u8]) {
    let (ends, input) = cut(data);
    for limits in [Limits::default(), tight()] {
        let whole = request_outcome(input, &[], &limits);
        // What is wrong with a long head may be said late, once it may have ended.
        if whole != PARTIAL {
            assert_eq!(request_outcome(input, &ends, &limits), whole);
        }
    }
    let Some(accepted) = accept(input).filter(|accepted| accepted.head.form() == Form::Origin) else {
        return;
    };
    let Some((mut bytes, expected)) = forwarded(&accepted) else { return };
    // To a request of HTTP/1.0 without one, the gateway adds a host.
    if accepted.head.has(http1::Known::Host) {
        let again = accept(&bytes).expect("what is sent on is accepted");
        assert_eq!(again.consumed, bytes.len());
    }
    if is_uri_query(&expected.target) {
        bytes.extend_from_slice(NEXT);
        assert_eq!(read_by_hyper(&bytes), [expected, next()], "{}", bytes.escape_ascii());
    }
}
