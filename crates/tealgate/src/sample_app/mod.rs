//! The application that the demo upgrades: small, honest about what reached it, broken on request.
//!
//! `GET /healthz` is always good. Every other path is a user's. Below `/echo` the answer is the one that `load` checks
//! byte by byte; elsewhere it is a JSON echo of the request, with the time. The share that `--fail-rate` says gets a 500 instead, or with
//! `--fail-politely` a 200 that says it in JSON. `GET /__ledger` tells what reached this process; with `--ledger`
//! the same is in a file that outlives it. SIGTERM: what was begun is finished, then exit 0.

mod answer;
mod ledger;

use crate::cli::sample_app::SampleAppArgs;
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use answer::Answer;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ledger::Ledger;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// Largest request body that is read, bytes.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

struct App {
    arguments: SampleAppArgs,
    ledger: Ledger,
    users: AtomicU64,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the port cannot be bound or the ledger cannot be opened.
pub fn run(arguments: SampleAppArgs) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::internal)?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: SampleAppArgs) -> Outcome {
    let address = SocketAddr::new(arguments.address, arguments.port);
    let ledger = Ledger::open(arguments.ledger.as_deref()).map_err(|error| {
        Failure::new(
            Exit::Internal,
            anyhow::Error::new(error).context("sample-app: cannot open its ledger"),
            "",
        )
    })?;
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("sample-app: cannot listen on {address}"));
        Failure::new(Exit::Internal, error, "choose another --port")
    })?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::internal)?;
    let bound = listener.local_addr().map_err(Failure::internal)?;
    eprintln!("sample-app {} {} listens on {bound}", arguments.version, arguments.colour);
    let app = Arc::new(App { arguments, ledger, users: AtomicU64::new(0) });
    let router = Router::new()
        .route("/healthz", get(|| async { "healthy\n" }))
        .route("/__ledger", get(tell))
        .fallback(user)
        .with_state(app);
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    axum::serve(listener, router).with_graceful_shutdown(stop).await.map_err(Failure::internal)?;
    Ok(Exit::Done)
}

async fn tell(State(app): State<Arc<App>>) -> Response {
    axum::Json(app.ledger.account(&app.arguments)).into_response()
}

async fn user(State(app): State<Arc<App>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let id = head.headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    if let Err(error) = app.ledger.reached(&head.method, &id) {
        eprintln!("sample-app: cannot write its ledger: {error}");
        return (StatusCode::INTERNAL_SERVER_ERROR, "the ledger cannot be written\n").into_response();
    }
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return (StatusCode::BAD_REQUEST, "the body broke off or is too large\n").into_response();
    };
    if app.arguments.mute {
        std::future::pending::<()>().await;
    }
    let fails = fails(app.users.fetch_add(1, Ordering::Relaxed), &app.arguments);
    let answer =
        Answer { arguments: &app.arguments, id: &id, method: &head.method, uri: &head.uri, body: &body };
    let (status, content) = if fails && app.arguments.fail_politely {
        (StatusCode::OK, Body::from(r#"{"error": "this version is broken"}"#))
    } else if fails {
        (StatusCode::INTERNAL_SERVER_ERROR, Body::from("this version is broken\n"))
    } else {
        (StatusCode::OK, if head.method == Method::HEAD { Body::empty() } else { answer.body() })
    };
    let mut response = Response::new(content);
    *response.status_mut() = status;
    let is_json = !fails || app.arguments.fail_politely;
    answer.headers(response.headers_mut(), is_json);
    response
}

/// Whether the request with this number, from 0, fails: spread evenly, exact over any long run.
fn fails(number: u64, arguments: &SampleAppArgs) -> bool {
    let Some(number) = number.checked_sub(arguments.fail_after) else { return false };
    #[allow(clippy::cast_precision_loss, reason = "exact below 2^53 requests")]
    let due = |count: u64| (count as f64 * arguments.fail_rate).floor();
    due(number + 1) > due(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(fail_rate: f64, fail_after: u64) -> SampleAppArgs {
        SampleAppArgs {
            port: 0,
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            version: "v3".to_owned(),
            colour: "green".to_owned(),
            instance: "0".to_owned(),
            fail_rate,
            fail_after,
            fail_politely: false,
            numbers_as_text: false,
            json_as_text: false,
            mute: false,
            ledger: None,
        }
    }

    #[test]
    fn failures_are_exact_and_begin_when_they_are_told_to() {
        let failed = |rate, after| (0..1000).filter(|number| fails(*number, &arguments(rate, after))).count();
        assert_eq!(failed(0.0, 0), 0);
        assert_eq!(failed(0.25, 0), 250);
        assert_eq!(failed(1.0, 900), 100);
        assert!(!fails(899, &arguments(1.0, 900)));
    }
}
