//! Watches a release until it is over, the time is over, or the person leaves. The release never depends on it.

use crate::client::events::Events;
use crate::client::{Client, ClientError};
use crate::clock;
use crate::command::output::Output;
use crate::command::release::{ending, paths};
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use crate::terminal::Terminal;
use crate::tree;
use crate::tree::picture::Picture;
use release::view::ReleaseView;
use serde_json::Value;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often the release is asked for where the tree is redrawn.
const REDRAW: Duration = Duration::from_millis(500);
/// How often it is asked for elsewhere; events wake earlier.
const ASK: Duration = Duration::from_secs(2);
/// How often a server that is lost is tried again before it is given up.
const MAX_TRIES: u32 = 60;

/// What is watched.
pub(crate) struct Following<'a> {
    /// The app.
    pub(crate) app: &'a str,
    /// The release's id.
    pub(crate) release: &'a str,
    /// How long; `None`: until the end.
    pub(crate) timeout: Option<Duration>,
}

/// How watching ended.
pub(crate) enum Watched {
    /// The release is over.
    Over(Box<ReleaseView>),
    /// The time is over, or the person has left; the release goes on.
    Left(Box<ReleaseView>),
}

/// Reads a release as the server sends it.
pub(crate) fn view_of(answer: Value) -> Outcome<ReleaseView> {
    serde_json::from_value(answer).map_err(|error| {
        let error = anyhow::Error::new(error).context("the server's answer is no release");
        Failure::new(Exit::Internal, error, "use the same version of tealgate on both sides")
    })
}

/// Watches, prints how the release ended, and turns that into an exit code.
pub(super) async fn until_the_end(client: &Client, following: &Following<'_>, output: Output) -> Outcome {
    match watch(client, following, output).await? {
        Watched::Over(view) => {
            ending::print(&view, output);
            Ok(ending::exit(&view))
        }
        Watched::Left(view) => left(following, &view, output),
    }
}

/// Says how to go on without this command.
pub(super) fn left(following: &Following<'_>, view: &ReleaseView, output: Output) -> Outcome {
    let (app, release) = (following.app, following.release);
    if output.json {
        output.data(&serde_json::to_value(view).map_err(Failure::internal)?);
    }
    let mut words = format!(
        "release {release} goes on without this command\n  watch it: tealgate release status {app} --release {release} --watch"
    );
    for way in &view.ways {
        words.push_str(&format!("\n  {}: {}", way.command, way.does));
    }
    output.talk(&words);
    Ok(Exit::Waiting)
}

/// Watches a release.
///
/// # Errors
/// When the server refuses, or stays lost.
pub(crate) async fn watch(client: &Client, following: &Following<'_>, output: Output) -> Outcome<Watched> {
    let mut watcher = Watcher::new(client, following, output)?;
    let deadline = async {
        match following.timeout {
            Some(timeout) => clock::pause(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(deadline);
    loop {
        if let Some(view) = watcher.look().await?
            && ending::is_over(&view)
        {
            watcher.terminal.finish();
            return Ok(Watched::Over(Box::new(view)));
        }
        tokio::select! {
            () = watcher.something() => {}
            () = &mut deadline => break,
        }
        if watcher.wants_to_leave {
            break;
        }
    }
    watcher.terminal.finish();
    match watcher.last_view {
        Some(view) => Ok(Watched::Left(Box::new(view))),
        None => {
            Err(Failure::new(Exit::Waiting, anyhow::anyhow!("nothing was seen of the release in time"), ""))
        }
    }
}

struct Watcher<'a> {
    client: &'a Client,
    following: &'a Following<'a>,
    output: Output,
    terminal: Terminal,
    events: Option<Events>,
    interrupt: Signal,
    terminate: Signal,
    wants_to_leave: bool,
    last_view: Option<ReleaseView>,
    last_picture: Option<Picture>,
    tries: u32,
}

impl<'a> Watcher<'a> {
    fn new(client: &'a Client, following: &'a Following<'a>, output: Output) -> Outcome<Watcher<'a>> {
        Ok(Watcher {
            client,
            following,
            output,
            terminal: Terminal::stderr(),
            events: None,
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::internal)?,
            terminate: signal(SignalKind::terminate()).map_err(Failure::internal)?,
            wants_to_leave: false,
            last_view: None,
            last_picture: None,
            tries: 0,
        })
    }

    /// Asks for the release and shows it. A server that is lost is tried again: a restart is no end.
    async fn look(&mut self) -> Outcome<Option<ReleaseView>> {
        if self.events.is_none() {
            self.events = self.client.events(&paths::events(self.following.app)).await.ok();
        }
        let path = paths::release(self.following.app, self.following.release);
        match self.client.get(&path).await {
            Ok(answer) => {
                let view = view_of(answer)?;
                self.tries = 0;
                self.show(&view)?;
                self.last_view = Some(view.clone());
                Ok(Some(view))
            }
            Err(error @ (ClientError::Connect { .. } | ClientError::Answer { .. }))
                if self.tries < MAX_TRIES =>
            {
                if self.tries == 0 {
                    self.terminal.line(&format!("{error}; trying again"));
                }
                self.tries += 1;
                self.events = None;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn show(&mut self, view: &ReleaseView) -> Outcome<()> {
        let picture = Picture::of(view, clock::now_ms());
        if self.terminal.is_interactive() {
            let frame = tree::render(&picture, self.terminal.columns(), self.terminal.style());
            self.terminal.draw(&frame);
        } else {
            for line in tree::changes(self.last_picture.as_ref(), &picture) {
                self.output.talk(&line);
            }
        }
        self.last_picture = Some(picture);
        Ok(())
    }

    /// Returns when there may be something new to see, or the person wants to leave.
    async fn something(&mut self) {
        let pause = if self.terminal.is_interactive() || self.tries > 0 { REDRAW } else { ASK };
        let event = async {
            match &mut self.events {
                Some(events) => events.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = event => {
                if !matches!(event, Ok(Some(_))) {
                    self.events = None;
                    clock::pause(REDRAW).await;
                }
            }
            () = clock::pause(pause) => {}
            _ = self.interrupt.recv() => self.wants_to_leave = true,
            _ = self.terminate.recv() => self.wants_to_leave = true,
        }
    }
}
