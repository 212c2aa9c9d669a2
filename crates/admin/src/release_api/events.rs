//! `GET /tealgate/v1/events`: what happens in releases, as server-sent events (HTML standard, "Server-sent events").
//!
//! Each event is named `release`, its data is one JSON object, and its id can be sent back as `Last-Event-ID` to go on
//! behind it. Ids are good within one run of the server; after a restart an old id gives all events that are kept, so
//! that none is missed. Without an id the stream begins now, and with `?since=0` at the oldest event that is kept.

use crate::release_api::ReleaseApi;
use crate::release_api::refusal::Refusal;
use crate::server::{Stopping, stopped};
use crate::wire::query::Query;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use release::controller::Controller;
use release::events::ReleaseEvent;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Most streams at a time; more are refused, so that the other calls keep their connections.
pub(super) const MOST_STREAMS: usize = 64;
/// A comment is sent when there was nothing to say for so long, so that a dead connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One reader.
struct Follower {
    controller: Arc<Controller>,
    /// Which run of the server the ids belong to.
    run: Arc<str>,
    /// Only this app's events.
    app: Option<String>,
    /// The last event that was looked at.
    seen: u64,
    waiting: VecDeque<ReleaseEvent>,
    newest: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

/// Opens a stream.
pub(super) async fn follow(
    State(api): State<ReleaseApi>,
    Extension(stopping): Extension<Stopping>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let controller = api.controller()?;
    let place = api.streams.clone().try_acquire_owned().map_err(|_| {
        let what = format!("there are {MOST_STREAMS} event streams already");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what, "close one, or ask again later")
    })?;
    let query = Query::of(&uri);
    let newest = controller.subscribe();
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let seen = match (last, query.get("since")) {
        (Some(id), _) => seen(id, &api.run),
        (None, Some(since)) => since.parse().unwrap_or(0),
        (None, None) => *newest.borrow(),
    };
    let follower = Follower {
        controller,
        run: api.run.clone(),
        app: query.get("app").map(str::to_owned),
        seen,
        waiting: VecDeque::new(),
        newest,
        stop: stopping.0,
        _place: place,
    };
    let events = stream::unfold(follower, |mut follower| async {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// A name for this run of the server that no other run has.
pub(super) fn run_name() -> Arc<str> {
    let mut random = [0_u8; 8];
    // Without random bytes all runs have one name; then an old id may miss events, and nothing worse.
    let _ = getrandom::fill(&mut random);
    hex::encode(random).into()
}

/// The number in an id of this run; an id of another run means that nothing was seen.
fn seen(id: &str, run: &str) -> u64 {
    id.split_once('.').filter(|(of, _)| *of == run).and_then(|(_, seq)| seq.parse().ok()).unwrap_or(0)
}

impl Follower {
    /// The next event; `None` when the server shuts down.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                let id = format!("{}.{}", self.run, event.seq);
                let data = serde_json::to_string(&event).ok()?;
                return Some(Event::default().event("release").id(id).data(data));
            }
            self.newest.mark_unchanged();
            let new = self.controller.events_since(self.seen);
            if let Some(last) = new.last() {
                self.seen = last.seq;
                let app = self.app.as_deref();
                self.waiting =
                    new.into_iter().filter(|event| app.is_none_or(|app| app == event.app)).collect();
                continue;
            }
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                () = stopped(&mut self.stop) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::seen;

    #[test]
    fn an_id_counts_only_within_its_run() {
        assert_eq!(seen("ab12.7", "ab12"), 7);
        for other in ["cd34.7", "7", "", "ab12.", "ab12.x", ".7"] {
            assert_eq!(seen(other, "ab12"), 0, "{other}");
        }
    }
}
