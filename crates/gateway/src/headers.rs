//! What is written to the upstream and to the client: every head anew, from what was parsed.
//!
//! Hop-by-hop fields end here (RFC 9110, section 7.6.1); framing is our own on each side; `X-Forwarded-*` say who
//! asked (APISIX §3.5).

use crate::assignment::Issued;
use crate::request::Request;
use crate::table::{Node, Target};
use crate::trust::{Standing, said};
use http1::{Framing, Known, ResponseHead, Version, write};
use model::upstream::PassHost;

/// Writes the head of the request that goes to `node`. `upgrade` is the protocol that is passed on, if one is.
pub(crate) fn write_request(
    out: &mut Vec<u8>,
    request: &Request<'_>,
    target: &Target,
    node: &Node,
    upgrade: Option<&str>,
) {
    let head = request.head;
    out.extend_from_slice(head.method().as_bytes());
    out.push(b' ');
    request.write_target(out);
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(match &target.pass_host {
        // An HTTP/1.0 client may name no host; HTTP/1.1 must.
        PassHost::Pass if request.authority().is_empty() => node.host_header.as_bytes(),
        PassHost::Pass => request.authority().as_bytes(),
        PassHost::Node => node.host_header.as_bytes(),
        PassHost::Rewrite(host) => host.as_bytes(),
    });
    out.extend_from_slice(b"\r\n");
    let edits = request.run.as_ref().map(|run| run.forward()).filter(|edits| !edits.is_empty());
    head.write_fields(out, |header| match header.known {
        Known::Host
        | Known::ContentLength
        | Known::Forwarded
        | Known::XRealIp
        | Known::XForwardedProto
        | Known::XForwardedHost
        | Known::XForwardedFor
        | Known::XForwardedPort
        | Known::Lookalike
        // Who sends a request is ours to say, and no client's.
        | Known::XConsumerUsername
        | Known::XConsumerCustomId
        | Known::XCredentialIdentifier => false,
        // Nor what is a copy; a gateway before this one knows.
        Known::XTealgateShadow => request.connection.standing == Standing::Trusted,
        _ => edits.is_none_or(|edits| edits.keeps(header.name)),
    });
    if let Some(edits) = edits {
        edits.write(out, |name| head.header(name).is_some());
    }
    write_forwarded(out, request);
    match head.framing() {
        Framing::Length(length) => write::content_length(out, length),
        Framing::Chunked => write::chunked(out),
        Framing::None | Framing::UntilClose => {}
    }
    if let Some(protocol) = upgrade {
        write::header(out, "Connection", b"Upgrade");
        write::header(out, "Upgrade", protocol.as_bytes());
    }
    write::end(out);
}

fn write_forwarded(out: &mut Vec<u8>, request: &Request<'_>) {
    let Request { connection, head, .. } = request;
    out.extend_from_slice(b"X-Real-IP: ");
    out.extend_from_slice(request.client_text().as_bytes());
    out.extend_from_slice(b"\r\nX-Forwarded-For: ");
    let before = head.values(Known::XForwardedFor).filter(|value| !value.is_empty());
    for before in before.filter(|_| connection.standing != Standing::Stranger) {
        out.extend_from_slice(before);
        out.extend_from_slice(b", ");
    }
    // The hop that we know, not the client: whoever reads on skips what they trust.
    out.extend_from_slice(connection.peer_text.as_bytes());
    out.extend_from_slice(b"\r\nX-Forwarded-Proto: ");
    let proto = said(connection, head, Known::XForwardedProto);
    out.extend_from_slice(proto.unwrap_or(connection.scheme.as_bytes()));
    let host = said(connection, head, Known::XForwardedHost).unwrap_or(request.authority().as_bytes());
    if !host.is_empty() {
        out.extend_from_slice(b"\r\nX-Forwarded-Host: ");
        out.extend_from_slice(host);
    }
    out.extend_from_slice(b"\r\nX-Forwarded-Port: ");
    let port = said(connection, head, Known::XForwardedPort);
    out.extend_from_slice(port.unwrap_or(connection.local_port_text.as_bytes()));
    out.extend_from_slice(b"\r\n");
}

/// How an answer is framed towards the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnswerFraming {
    /// The body is written in chunks.
    pub(crate) chunked: bool,
    /// The connection stays open afterwards.
    pub(crate) keep_alive: bool,
}

impl AnswerFraming {
    /// Chooses the framing for a client of a version whose connection could stay open.
    pub(crate) fn choose(body: Framing, client: Version, may_keep_alive: bool) -> AnswerFraming {
        match (body, client) {
            (Framing::None | Framing::Length(_), _) => {
                AnswerFraming { chunked: false, keep_alive: may_keep_alive }
            }
            (Framing::Chunked | Framing::UntilClose, Version::Http11) => {
                AnswerFraming { chunked: true, keep_alive: may_keep_alive }
            }
            // The end of the stream is the end of the body.
            (Framing::Chunked | Framing::UntilClose, Version::Http2) => {
                AnswerFraming { chunked: false, keep_alive: may_keep_alive }
            }
            // HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
            (Framing::Chunked | Framing::UntilClose, Version::Http10) => {
                AnswerFraming { chunked: false, keep_alive: false }
            }
        }
    }
}

/// Writes the head of the answer that goes to the client.
pub(crate) fn write_answer(
    out: &mut Vec<u8>,
    answer: &ResponseHead,
    body: Framing,
    framing: AnswerFraming,
    request: &Request<'_>,
    issued: Option<&Issued<'_>>,
) {
    write::status_line(out, answer.status(), answer.reason());
    let edits = request.run.as_ref().map(|run| run.answer());
    let edits = edits.as_ref().filter(|edits| !edits.is_empty());
    // A length without a body is information (HEAD, 304); with a body it is framing and written below.
    let tells_length = body == Framing::None && answer.status() != 204;
    answer.write_fields(out, |header| match header.known {
        Known::ContentLength => tells_length,
        _ => edits.is_none_or(|edits| edits.keeps(header.name)),
    });
    write_issued(out, issued);
    if let Some(edits) = edits {
        edits.write(out, |name| answer.header(name).is_some());
    }
    if framing.chunked {
        write::chunked(out);
    } else if let Framing::Length(length) = body {
        write::content_length(out, length);
    }
    write_connection(out, framing.keep_alive, request.head.version());
    write::end(out);
}

/// Writes the cookie that the gate itself adds, if it adds one.
fn write_issued(out: &mut Vec<u8>, issued: Option<&Issued<'_>>) {
    if let Some(issued) = issued {
        out.extend_from_slice(b"Set-Cookie: ");
        issued.write(out);
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes an interim answer (1xx).
pub(crate) fn write_interim(out: &mut Vec<u8>, answer: &ResponseHead) {
    write::status_line(out, answer.status(), answer.reason());
    // A 1xx has no content; some announce one of length 0.
    answer.write_fields(out, |header| header.known != Known::ContentLength);
    write::end(out);
}

/// The answer that switches protocols (101), with what plugins change of it.
pub(crate) fn write_upgrade(
    answer: &ResponseHead,
    request: &Request<'_>,
    issued: Option<&Issued<'_>>,
) -> Vec<u8> {
    let mut out = Vec::new();
    write::status_line(&mut out, answer.status(), answer.reason());
    let edits = request.run.as_ref().map(|run| run.answer());
    let edits = edits.as_ref().filter(|edits| !edits.is_empty());
    let keeps = |name: &str| edits.is_none_or(|edits| edits.keeps(name));
    answer.write_fields(&mut out, |header| header.known != Known::ContentLength && keeps(header.name));
    write_issued(&mut out, issued);
    if let Some(edits) = edits {
        edits.write(&mut out, |name| answer.header(name).is_some());
    }
    if let Some(protocol) = answer.upgrade() {
        write::header(&mut out, "Connection", b"Upgrade");
        write::header(&mut out, "Upgrade", protocol.as_bytes());
    }
    write::end(&mut out);
    out
}

/// Writes `Connection` where it differs from what the client's version takes for granted.
pub(crate) fn write_connection(out: &mut Vec<u8>, keep_alive: bool, client: Version) {
    match (keep_alive, client) {
        // Connections are not the business of a message there.
        (_, Version::Http2) => {}
        (false, _) => write::header(out, "Connection", b"close"),
        (true, Version::Http10) => write::header(out, "Connection", b"keep-alive"),
        (true, Version::Http11) => {}
    }
}
