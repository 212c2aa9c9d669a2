//! The same over HTTP/2, where a head has no lines and content has no framing of its own: what is hidden in a request must
//! not come out as one where it is written for an upstream of HTTP/1.

use super::{HIDDEN, Stage};
use testkit::clock::eventually;
use testkit::frames::{
    DATA, END_HEADERS, END_STREAM, End, Frames, HEADERS, PROTOCOL_ERROR, block, frame, pseudo,
};

impl Stage {
    /// How a request ends whose head has further fields and whose content is the hidden one, in two frames.
    async fn end_of(&self, fields: &[(&str, &str)]) -> End {
        let mut client = Frames::connect(self.gate.gateway()).await;
        let (first, rest) = HIDDEN.as_bytes().split_at(7);
        let request = [
            frame(HEADERS, END_HEADERS, 1, &block(fields)),
            frame(DATA, 0, 1, first),
            frame(DATA, END_STREAM, 1, rest),
        ];
        client.send(request.concat()).await;
        client.end_of(1).await
    }
}

fn post_with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&pseudo("POST")[..], more].concat()
}

#[tokio::test]
async fn what_is_hidden_in_a_request_of_http2_stays_hidden() {
    let stage = Stage::set().await;
    // H2.CL: a length that is not that of the content. H2.TE and CRLF: fields that would frame or split what is written.
    let refused: [(&str, Vec<(&str, &str)>); 14] = [
        ("H2.CL: none", post_with(&[("content-length", "0")])),
        ("H2.CL: shorter", post_with(&[("content-length", "3")])),
        ("H2.CL: longer", post_with(&[("content-length", "3000")])),
        ("H2.CL: two", post_with(&[("content-length", "33"), ("content-length", "0")])),
        ("H2.CL: list", post_with(&[("content-length", "33, 0")])),
        ("H2.TE", post_with(&[("transfer-encoding", "chunked")])),
        ("H2.TE: cased", post_with(&[("Transfer-Encoding", "chunked")])),
        ("connection", post_with(&[("connection", "content-length")])),
        ("CRLF in a value", post_with(&[("x", "y\r\ntransfer-encoding: chunked")])),
        ("LF in a value", post_with(&[("x", "y\ntransfer-encoding: chunked")])),
        ("CRLF in a name", post_with(&[("x: y\r\ntransfer-encoding", "chunked")])),
        (
            "CRLF in the path",
            vec![
                (":method", "POST"),
                (":scheme", "http"),
                (":path", "/ HTTP/1.1\r\nHost: h\r\n\r\nGET /hidden"),
                (":authority", "h"),
            ],
        ),
        (
            "CRLF in the method",
            vec![
                (":method", "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\nPOST"),
                (":scheme", "http"),
                (":path", "/"),
                (":authority", "h"),
            ],
        ),
        (
            "CRLF in the authority",
            vec![
                (":method", "POST"),
                (":scheme", "http"),
                (":path", "/"),
                (":authority", "h\r\ntransfer-encoding: chunked"),
            ],
        ),
    ];
    for (name, fields) in &refused {
        let end = stage.end_of(fields).await;
        let as_asked = matches!(
            end,
            End::Answered(400) | End::Reset(PROTOCOL_ERROR) | End::Closed(Some(PROTOCOL_ERROR))
        );
        assert!(as_asked, "{name}: {end:?}");
    }
    for fields in [post_with(&[]), post_with(&[("content-length", "33")])] {
        assert_eq!(stage.end_of(&fields).await, End::Answered(200));
    }
    eventually("both whole requests", async || {
        stage.upstream.requests().iter().filter(|got| got.complete).count() == 2
    })
    .await;
    for got in stage.upstream.requests() {
        assert_eq!(got.target, "/", "nothing that was hidden came out");
        assert!(!got.complete || got.body_bytes == HIDDEN.len() as u64, "{got:?}");
    }
}
