use super::*;
use crate::damaged::damaged;
use proptest::prelude::*;

/// All that can be read from a head.
fn read(head: &RequestHead) -> String {
    let fields: Vec<_> = head.fields.slots().iter().zip(head.headers()).collect();
    let values: Vec<_> = head.headers().map(|header| header.value).collect();
    format!("{fields:?} {values:?} {head:?} {} {} {}", head.method(), head.target(), head.host())
}

const LINES: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST /a/b%20c?d=e&f HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "GET http://a/b HTTP/1.1\r\n",
    "GET /\"{ HTTP/1.1\r\n",
    "GET / HTTP/1.0\r\n",
];

const FIELDS: &[&str] = &[
    "Host: a:80\r\n",
    "accept: */*, x\r\n",
    "X-Empty:\r\n",
    "X-Blank: \r\n",
    "X-Narrow:a\r\n",
    "X-Wide:  a\r\n",
    "X-Behind: a \r\n",
    "X-Tab: a\tb\r\n",
    "X-Text: \u{e4}\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close, x-tab\r\n",
    "Expect: 100-continue\r\n",
    "X_y.z~: a: b\r\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_short_way_leads_where_the_long_one_does(bytes in damaged(LINES, FIELDS), headers in 1usize..8, target_bytes in 1usize..16) {
        let limits = Limits { headers, target_bytes, ..Limits::default() };
        let mut short = RequestHead::default();
        if let Some(len) = short.load_plain(&bytes, &limits) {
            let short = short.conclude().map(|()| (len, read(&short)));
            let mut long = RequestHead::default();
            let long = long.parse_any(&bytes, false, &limits).map(|parsed| match parsed {
                Parsed::Complete { consumed } => (consumed, read(&long)),
                Parsed::Partial => (0, String::new()),
            });
            prop_assert_eq!(short, long);
        }
    }
}

#[test]
fn a_head_as_nearly_all_are_takes_the_short_way() {
    let head = b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
    assert_eq!(RequestHead::default().load_plain(head, &Limits::default()), Some(head.len()));
}
