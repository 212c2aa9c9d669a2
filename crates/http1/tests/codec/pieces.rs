//! However the bytes are cut, the outcome is the same.

use crate::oracle::pieces::{body_outcome, request_outcome, response_outcome};
use http1::{Framing, Limits, Parsed, RequestHead};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::generate;

/// Small bounds, so that the properties reach them.
fn tight() -> Limits {
    Limits { head_bytes: 300, headers: 6, target_bytes: 24, trailer_bytes: 20, chunk_line_bytes: 12 }
}

/// Where the input is cut.
fn ends(input: &[u8], cuts: &[Index]) -> Vec<usize> {
    cuts.iter().map(|cut| cut.index(input.len() + 1)).collect()
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_request_head_does_not_depend_on_cuts(input in generate::broken(generate::request(), 3), cuts in cuts()) {
        for limits in [Limits::default(), tight()] {
            prop_assert_eq!(request_outcome(&input, &ends(&input, &cuts), &limits), request_outcome(&input, &[], &limits));
        }
    }

    #[test]
    fn a_response_head_does_not_depend_on_cuts(input in generate::broken(generate::response(), 3), cuts in cuts()) {
        for limits in [Limits::default(), tight()] {
            prop_assert_eq!(response_outcome(&input, &ends(&input, &cuts), &limits), response_outcome(&input, &[], &limits));
        }
    }

    #[test]
    fn a_body_does_not_depend_on_cuts(
        input in generate::broken(generate::chunked_body(), 2),
        cuts in cuts(),
        length in 0..40_u64,
    ) {
        for framing in [Framing::None, Framing::Length(length), Framing::Chunked, Framing::UntilClose] {
            for limits in [Limits::default(), tight()] {
                let whole = body_outcome(framing, &input, &[], &limits);
                prop_assert_eq!(body_outcome(framing, &input, &ends(&input, &cuts), &limits), whole);
            }
        }
    }
}

#[test]
fn a_head_that_arrives_byte_by_byte_is_read_like_a_whole_one() {
    let long = "v".repeat(3000);
    for (head, error) in [
        (format!("\r\nPOST /a?b HTTP/1.1\r\nHost: a\r\nX: {long}\r\nContent-Length: 1\r\n\r\n"), None),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\n\r\n"), Some("BareLf")),
        (format!("GET / HTTP/1.1\nHost: a\nX: {long}\n\n"), Some("BareLf")),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\0\r\n\r\n"), Some("InvalidValue")),
    ] {
        let mut parser = RequestHead::default();
        let outcome = (0..=head.len())
            .map(|end| parser.parse(&head.as_bytes()[..end], &Limits::default()))
            .find(|outcome| *outcome != Ok(Parsed::Partial))
            .unwrap();
        match error {
            None => assert_eq!(outcome, Ok(Parsed::Complete { consumed: head.len() })),
            Some(name) => assert!(format!("{outcome:?}").contains(name), "{outcome:?} is not {name}"),
        }
    }
}
