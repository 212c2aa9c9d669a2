//! The answers of a recording upstream, right and wrong.

use super::{Behaviour, Received, Shared, locked, record};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use std::io::{Error, ErrorKind};

type Body = UnsyncBoxBody<Bytes, Error>;

/// Bytes per frame of a body.
const FRAME_BYTES: usize = 16 * 1_024;

/// The answer to a request; an error closes the connection.
pub(super) async fn to(
    request: Request<Incoming>,
    connection: u64,
    shared: &Shared,
) -> Result<Response<Body>, Error> {
    if request.uri().path() == "/__ids" {
        let lines: String = locked(&shared.ids).iter().map(|(id, count)| format!("{id} {count}\n")).collect();
        return Ok(Response::new(body(lines.into(), Rest::Comes)));
    }
    let behaviour = *locked(&shared.behaviour);
    let received = record(request, connection, shared).await;
    if behaviour == Behaviour::Held {
        shared.permits.acquire().await.map_err(Error::other)?.forget();
    }
    let id = if behaviour == Behaviour::Lie { "someone-else" } else { &received.id };
    let whole = echo(id, &received);
    let (status, rest) = match behaviour {
        Behaviour::Hangup => return Err(hangup()),
        Behaviour::Status(status) => (status, Rest::Comes),
        Behaviour::CutAfter(bytes) => (StatusCode::OK, Rest::BreaksOff(bytes)),
        Behaviour::StallAfter(bytes) => (StatusCode::OK, Rest::Stalls(bytes)),
        Behaviour::Echo | Behaviour::Held | Behaviour::Lie => (StatusCode::OK, Rest::Comes),
    };
    let answer = Response::builder()
        .status(status)
        .header("content-length", whole.len())
        .header("x-request-id", id)
        .header("x-colour", &shared.name);
    answer.body(body(whole, rest)).map_err(Error::other)
}

fn echo(id: &str, received: &Received) -> Bytes {
    let query = received.target.split_once('?').map_or("", |(_, query)| query);
    let size = query.split('&').find_map(|pair| pair.strip_prefix("size="));
    let size = size.map_or(0, |size| size.parse().unwrap());
    let line = format!("{id} {:08x}\n", received.body_crc32);
    line.into_bytes().into_iter().chain((b'a'..=b'z').cycle().take(size)).collect()
}

/// What comes of a body after so many bytes.
enum Rest {
    Comes,
    BreaksOff(usize),
    Stalls(usize),
}

/// A body in frames.
fn body(whole: Bytes, rest: Rest) -> Body {
    let shown = match rest {
        Rest::Comes => whole.len(),
        Rest::BreaksOff(bytes) | Rest::Stalls(bytes) => bytes.min(whole.len()),
    };
    let shown = whole.slice(..shown);
    let data: Vec<_> =
        shown.chunks(FRAME_BYTES).map(|frame| Ok(Frame::data(shown.slice_ref(frame)))).collect();
    let data = stream::iter(data);
    match rest {
        Rest::Comes => StreamBody::new(data).boxed_unsync(),
        Rest::Stalls(_) => StreamBody::new(data.chain(stream::pending())).boxed_unsync(),
        Rest::BreaksOff(_) => {
            let end = stream::iter([()]).then(async |()| {
                // hyper drops what it has not written yet when a body fails, and it writes when the body makes it wait.
                tokio::task::yield_now().await;
                Err(hangup())
            });
            StreamBody::new(data.chain(end)).boxed_unsync()
        }
    }
}

fn hangup() -> Error {
    Error::new(ErrorKind::ConnectionAborted, "hangs up, as it was told to")
}
