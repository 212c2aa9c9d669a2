//! Nothing that arrives makes the codec panic, loop, or point outside of its input.

use http1::{BodyDecoder, Framing, Limits, Parsed, RequestHead, ResponseHead, Step, target};
use proptest::prelude::*;

use crate::generate;

fn limits() -> impl Strategy<Value = Limits> {
    let size = || prop_oneof![0..64_usize, Just(4096), Just(usize::MAX)];
    (size(), size(), size(), size(), size()).prop_map(
        |(head_bytes, headers, target_bytes, trailer_bytes, chunk_line_bytes)| Limits {
            head_bytes,
            headers,
            target_bytes,
            trailer_bytes,
            chunk_line_bytes,
        },
    )
}

fn read_request(input: &[u8], limits: &Limits) {
    let mut head = RequestHead::default();
    match head.parse(input, limits) {
        Ok(Parsed::Complete { consumed }) => assert!(consumed <= input.len() && consumed > 0),
        Ok(Parsed::Partial) => {}
        Err(error) => assert!(matches!(error.status(), 400 | 414 | 417 | 431 | 501 | 505), "{error:?}"),
    }
    let mut path = Vec::new();
    let _ = target::normalize(head.path(), &mut path);
    let names: usize = head.headers().map(|header| header.name.len() + header.value.len()).sum();
    assert!(names + head.target().len() + head.method().len() <= input.len());
    let _ =
        (head.query(), head.host_name(), head.host_port(), head.upgrade(), head.framing(), head.keep_alive());
}

fn read_response(input: &[u8], limits: &Limits) {
    let mut head = ResponseHead::default();
    if let Ok(Parsed::Complete { consumed }) = head.parse(input, limits) {
        assert!(consumed <= input.len() && consumed > 0);
    }
    let _ = (head.reason(), head.framing("GET"), head.upgrade(), head.keep_alive(), head.headers().count());
}

fn read_body(framing: Framing, input: &[u8], limits: &Limits) {
    let mut decoder = BodyDecoder::new(framing, limits);
    let mut rest = input;
    // Each step but the last consumes something, so this is more than any body can take.
    for _ in 0..=input.len() {
        match decoder.decode(rest) {
            Ok(Step::Data { skip, len }) => {
                assert!(len > 0 && skip + len <= rest.len());
                rest = &rest[skip + len..];
            }
            Ok(Step::Need { consumed }) => return assert_eq!(consumed, rest.len()),
            Ok(Step::End { consumed }) => return assert!(consumed <= rest.len() && decoder.is_finished()),
            Err(error) => return assert!(matches!(error.status(), 400 | 431)),
        }
    }
    panic!("the decoder does not come to an end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn damaged_messages_are_survived(
        request in generate::broken(generate::request(), 6),
        response in generate::broken(generate::response(), 6),
        body in generate::broken(generate::chunked_body(), 6),
        limits in limits(),
    ) {
        for limits in [limits, Limits::default()] {
            for input in [&request, &response, &body] {
                read_request(input, &limits);
                read_response(input, &limits);
                read_body(Framing::Chunked, input, &limits);
                read_body(Framing::Length(7), input, &limits);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_survived(input in prop::collection::vec(any::<u8>(), 0..200), limits in limits()) {
        read_request(&input, &limits);
        read_response(&input, &limits);
        read_body(Framing::Chunked, &input, &limits);
    }
}
