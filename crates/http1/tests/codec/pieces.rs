//! However the bytes are cut, the outcome is the same.

use http1::{BodyDecoder, BodyError, Framing, Limits, Parsed, RequestHead, ResponseHead, Step};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::generate;

/// Small bounds, so that the properties reach them.
fn tight() -> Limits {
    Limits { head_bytes: 300, headers: 6, target_bytes: 24, trailer_bytes: 20, chunk_line_bytes: 12 }
}

/// Feeds ever longer prefixes, ending with the whole, until there is an outcome.
fn fed<T, E>(
    input: &[u8],
    cuts: &[Index],
    mut parse: impl FnMut(&[u8]) -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    ends.sort_unstable();
    for end in ends {
        if let Some(outcome) = parse(&input[..end])? {
            return Ok(Some(outcome));
        }
    }
    parse(input)
}

fn described<'a>(headers: impl Iterator<Item = http1::Header<'a>>) -> Vec<(String, Vec<u8>)> {
    headers.map(|header| (header.name.to_owned(), header.value.to_owned())).collect()
}

fn request_outcome(input: &[u8], cuts: &[Index], limits: &Limits) -> String {
    let mut head = RequestHead::default();
    let outcome = fed(input, cuts, |prefix| match head.parse(prefix, limits)? {
        Parsed::Complete { consumed } => Ok(Some(consumed)),
        Parsed::Partial => Ok::<_, http1::RequestError>(None),
    });
    match outcome {
        Ok(Some(_)) => {
            let line =
                (head.method(), head.path(), head.query(), head.host(), head.framing(), head.keep_alive());
            format!("{outcome:?} {line:?} {:?}", described(head.headers()))
        }
        other => format!("{other:?}"),
    }
}

fn response_outcome(input: &[u8], cuts: &[Index], limits: &Limits) -> String {
    let mut head = ResponseHead::default();
    let outcome = fed(input, cuts, |prefix| match head.parse(prefix, limits)? {
        Parsed::Complete { consumed } => Ok(Some(consumed)),
        Parsed::Partial => Ok::<_, http1::ResponseError>(None),
    });
    match outcome {
        Ok(Some(_)) => {
            let line = (head.status(), head.reason(), head.framing("GET"), head.keep_alive());
            format!("{outcome:?} {line:?} {:?}", described(head.headers()))
        }
        other => format!("{other:?}"),
    }
}

type Decoded = (Vec<u8>, usize, Vec<(String, Vec<u8>)>);

/// Decodes a stream that arrives in the given pieces; content is kept until the error or the end.
fn body_outcome(
    framing: Framing,
    input: &[u8],
    cuts: &[Index],
    limits: &Limits,
) -> Result<Decoded, BodyError> {
    let mut decoder = BodyDecoder::new(framing, limits);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    ends.push(input.len());
    ends.sort_unstable();
    let (mut content, mut at) = (Vec::new(), 0);
    for end in ends {
        while at < end {
            let step = decoder.decode(&input[at..end])?;
            if let Step::Data { skip, len } = step {
                content.extend_from_slice(&input[at + skip..at + skip + len]);
            }
            at += step.consumed();
            if let Step::End { .. } = step {
                let trailers =
                    decoder.trailers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                return Ok((content, at, trailers));
            }
        }
    }
    decoder.eof()?;
    Ok((content, at, Vec::new()))
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_request_head_does_not_depend_on_cuts(input in generate::broken(generate::request(), 3), cuts in cuts()) {
        for limits in [Limits::default(), tight()] {
            prop_assert_eq!(request_outcome(&input, &cuts, &limits), request_outcome(&input, &[], &limits));
        }
    }

    #[test]
    fn a_response_head_does_not_depend_on_cuts(input in generate::broken(generate::response(), 3), cuts in cuts()) {
        for limits in [Limits::default(), tight()] {
            prop_assert_eq!(response_outcome(&input, &cuts, &limits), response_outcome(&input, &[], &limits));
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
                prop_assert_eq!(body_outcome(framing, &input, &cuts, &limits), whole);
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
