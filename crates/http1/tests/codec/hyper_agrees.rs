//! Differential: what we accept, another parser reads the same, both as it came and as we send it on.

use crate::generate;
use crate::oracle::hyper::{
    NEXT, accept, answer_by_hyper, forwarded, forwarded_response, is_uri_query, next, read_by_hyper,
};
use http1::Form;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_we_send_on_is_one_message_to_hyper(input in generate::broken(generate::request(), 2)) {
        let accepted = accept(&input).filter(|accepted| accepted.head.form() == Form::Origin);
        let Some((mut bytes, expected)) = accepted.as_ref().and_then(forwarded) else { return Ok(()) };
        prop_assume!(is_uri_query(&expected.target));
        bytes.extend_from_slice(NEXT);
        prop_assert_eq!(read_by_hyper(&bytes), [expected, next()], "{}", bytes.escape_ascii());
    }

    #[test]
    fn what_we_accept_is_one_message_to_hyper_or_none(input in generate::broken(generate::request(), 3)) {
        let Some(accepted) = accept(&input) else { return Ok(()) };
        prop_assume!(accepted.head.keep_alive() && accepted.head.method() != "CONNECT");
        let bytes = [&input[..accepted.consumed], NEXT].concat();
        let seen = read_by_hyper(&bytes);
        // hyper may refuse what we accept, but must not read something else.
        if let Some(first) = seen.first() {
            prop_assert_eq!(first.method.as_str(), accepted.head.method());
            prop_assert_eq!(&first.content, &accepted.content, "{}", bytes.escape_ascii());
            prop_assert_eq!(&seen[1..], [next()], "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_response_that_we_send_on_is_the_same_to_hyper(input in generate::broken(generate::response(), 2)) {
        let Some((out, expected)) = forwarded_response(&input) else { return Ok(()) };
        prop_assert_eq!(answer_by_hyper(&out), Some(expected), "{}", out.escape_ascii());
    }
}

#[test]
fn a_valid_request_is_accepted_and_seen_by_hyper() {
    let input = b"POST /a/../b%20c?d HTTP/1.1\r\nHost: h\r\nConnection: x-gone\r\nX-Gone: 1\r\nX-Kept: 2\r\n\
                  Transfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\n0\r\nT: 1\r\n\r\n";
    let (mut bytes, expected) = forwarded(&accept(input).unwrap()).unwrap();
    assert_eq!(expected.target, "/b%20c?d");
    assert!(!expected.fields.iter().any(|(name, _)| name == "x-gone"));
    bytes.extend_from_slice(NEXT);
    assert_eq!(read_by_hyper(&bytes), [expected, next()]);
}
