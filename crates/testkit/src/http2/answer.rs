//! How the HTTP/2 upstream answers.

use super::{Exchange, locked};
use bytes::Bytes;
use h2::{Reason, SendStream};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use std::future::poll_fn;
use std::sync::Arc;
use tokio::sync::Semaphore;

impl Exchange {
    pub(super) async fn answer(mut self) {
        let path = self.request.uri().path().to_owned();
        let mut parts = path.trim_start_matches('/').splitn(2, '/');
        let kind = parts.next().unwrap_or_default();
        let number: u32 = parts.next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let ended = match kind {
            "bidi" => self.bidi().await,
            "size" => self.size(number as usize).await,
            "crumbs" => self.crumbs(number as usize).await,
            "trailers" => self.with_trailers(number as usize),
            "trailers-only" => self.trailers_only(),
            "early" => self.early(),
            "cut" => self.cut(number).await,
            "lie" => self.lie(),
            "opened" => self.opened().await,
            "reset" => {
                self.respond.send_reset(Reason::from(number));
                Ok(())
            }
            "refuse" if self.is_refused(number as usize) => {
                self.respond.send_reset(Reason::REFUSED_STREAM);
                Ok(())
            }
            "interim" => {
                let head =
                    Response::builder().status(StatusCode::EARLY_HINTS).header("link", "</a>").body(());
                self.respond.send_informational(head.unwrap()).unwrap();
                self.echo().await
            }
            "held" => match self.hold().await {
                Ok(()) => self.echo().await,
                gone => gone,
            },
            _ => self.echo().await,
        };
        if let Err(error) = ended {
            self.note_reset(&error);
        }
    }

    fn is_refused(&self, most: usize) -> bool {
        let mut refusals = locked(&self.shared.refusals);
        *refusals += 1;
        *refusals <= most
    }

    /// Waits for a permit, or the end of the stream.
    async fn hold(&mut self) -> Result<(), h2::Error> {
        let permits = Arc::clone(&self.permits);
        permit(&permits, poll_fn(|cx| self.respond.poll_reset(cx))).await
    }

    fn head(&mut self) -> Result<SendStream<Bytes>, h2::Error> {
        self.respond.send_response(Response::new(()), false)
    }

    async fn read(&mut self) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece().await? {
            whole.extend_from_slice(&piece);
        }
        Ok((whole, self.trailers().await?))
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, h2::Error> {
        let body = self.request.body_mut();
        let Some(piece) = body.data().await.transpose()? else { return Ok(None) };
        body.flow_control().release_capacity(piece.len())?;
        self.shared.note(self.at, |seen| seen.body.extend_from_slice(&piece));
        Ok(Some(piece))
    }

    async fn trailers(&mut self) -> Result<Option<HeaderMap>, h2::Error> {
        let trailers = self.request.body_mut().trailers().await?;
        self.shared.note(self.at, |seen| seen.trailers.clone_from(&trailers));
        Ok(trailers)
    }

    async fn echo(&mut self) -> Result<(), h2::Error> {
        let (body, trailers) = self.read().await?;
        let mut stream = self.head()?;
        send(&mut stream, &body).await?;
        finish(&mut stream, trailers)
    }

    async fn bidi(&mut self) -> Result<(), h2::Error> {
        let mut stream = self.head()?;
        while let Some(piece) = self.piece().await? {
            send(&mut stream, &piece).await?;
        }
        let trailers = self.trailers().await?;
        finish(&mut stream, trailers)
    }

    async fn size(&mut self, size: usize) -> Result<(), h2::Error> {
        let mut stream = self.head()?;
        let body = b"abcdefghijklmnopqrstuvwxyz".repeat(size.div_ceil(26));
        send(&mut stream, &body[..size]).await?;
        finish(&mut stream, None)
    }

    async fn crumbs(&mut self, count: usize) -> Result<(), h2::Error> {
        let mut stream = self.head()?;
        for crumb in b"abcdefghijklmnopqrstuvwxyz".iter().cycle().take(count) {
            send(&mut stream, &[*crumb]).await?;
        }
        finish(&mut stream, None)
    }

    fn with_trailers(&mut self, bytes: usize) -> Result<(), h2::Error> {
        let mut stream = self.head()?;
        stream.send_data(Bytes::from_static(b"some"), false)?;
        let trailers = [(HeaderName::from_static("x"), HeaderValue::try_from("x".repeat(bytes)).unwrap())];
        stream.send_trailers(trailers.into_iter().collect())
    }

    fn trailers_only(&mut self) -> Result<(), h2::Error> {
        let head = Response::builder().header("content-type", "application/grpc").header("grpc-status", "5");
        self.respond.send_response(head.body(()).unwrap(), true)?;
        Ok(())
    }

    fn early(&mut self) -> Result<(), h2::Error> {
        // The rest of the request is not wanted: once this is dropped, RST_STREAM says so (NO_ERROR).
        self.head()?.send_data(Bytes::from_static(b"enough"), true)
    }

    async fn cut(&mut self, code: u32) -> Result<(), h2::Error> {
        let mut stream = self.head()?;
        stream.send_data(Bytes::from_static(b"some"), false)?;
        let permits = Arc::clone(&self.permits);
        permit(&permits, poll_fn(|cx| stream.poll_reset(cx))).await?;
        stream.send_reset(Reason::from(code));
        Ok(())
    }

    fn lie(&mut self) -> Result<(), h2::Error> {
        let head = Response::builder().header("content-length", "10").body(()).unwrap();
        self.respond.send_response(head, false)?.send_data(Bytes::from_static(b"some"), true)
    }

    async fn opened(&mut self) -> Result<(), h2::Error> {
        let mut stream = self.head()?;
        let permits = Arc::clone(&self.permits);
        permit(&permits, poll_fn(|cx| stream.poll_reset(cx))).await?;
        finish(&mut stream, None)
    }
}

async fn permit(
    permits: &Semaphore,
    reset: impl Future<Output = Result<Reason, h2::Error>>,
) -> Result<(), h2::Error> {
    tokio::select! {
        permit = permits.acquire() => {
            permit.unwrap().forget();
            Ok(())
        }
        reset = reset => Err(reset?.into()),
    }
}

/// Sends bytes as the peer takes them.
async fn send(stream: &mut SendStream<Bytes>, mut bytes: &[u8]) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        if stream.capacity() == 0 {
            match poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(capacity) => capacity?,
                None => return Err(poll_fn(|cx| stream.poll_reset(cx)).await?.into()),
            };
        }
        let (piece, rest) = bytes.split_at(stream.capacity().min(bytes.len()));
        stream.send_data(Bytes::copy_from_slice(piece), false)?;
        bytes = rest;
    }
    Ok(())
}

fn finish(stream: &mut SendStream<Bytes>, trailers: Option<HeaderMap>) -> Result<(), h2::Error> {
    match trailers {
        Some(trailers) => stream.send_trailers(trailers),
        None => stream.send_data(Bytes::new(), true),
    }
}
