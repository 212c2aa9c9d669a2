use super::*;
use crate::damaged::damaged;
use proptest::prelude::*;

/// All that can be read from a head.
fn read(head: &ResponseHead) -> String {
    let fields: Vec<_> = head.fields.slots().iter().zip(head.headers()).collect();
    let values: Vec<_> = head.headers().map(|header| header.value).collect();
    format!("{fields:?} {values:?} {head:?} {:?}", head.reason())
}

const LINES: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 304 Not Modified\r\n",
    "HTTP/1.1 204 \r\n",
    "HTTP/1.1 100\r\n",
    "HTTP/1.1 099 Low\r\n",
    "HTTP/1.0 200 OK\r\n",
];

const FIELDS: &[&str] = &[
    "Server: a\r\n",
    "X-Empty:\r\n",
    "X-Wide:  a\r\n",
    "Set-Cookie: a=b; c\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: keep-alive, x-empty\r\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_short_way_leads_where_the_long_one_does(bytes in damaged(LINES, FIELDS), headers in 1usize..8) {
        let limits = Limits { headers, ..Limits::default() };
        let mut short = ResponseHead::default();
        if let Some(len) = short.load_plain(&bytes, &limits) {
            let short = short.conclude().map(|()| (len, read(&short)));
            let mut long = ResponseHead::default();
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
    let head = b"HTTP/1.1 404 Not Found\r\nServer: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ResponseHead::default().load_plain(head, &Limits::default()), Some(head.len()));
}
