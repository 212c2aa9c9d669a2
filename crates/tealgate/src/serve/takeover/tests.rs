//! Both sides in one process, where either can break off at any point.

use super::channel::{self, Channel};
use super::estate::Holdings;
use super::giver::Giver;
use super::message::Message;
use super::taker::{TakeoverError, Taker};
use super::{PROTOCOL, socket_path};
use crate::cli::serve::Role;
use admin::Readiness;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use testkit::clock::within;
use tokio::net::UnixListener;
use tokio::sync::watch;

const ROLE: Role = Role::Controller;

fn holdings(directory: &Path) -> Arc<Holdings> {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let asked = "127.0.0.1:0".parse().unwrap();
    let listening = gateway::Listening { asked, address, sockets: vec![socket] };
    let (readiness, receiver) = watch::channel(Readiness::Ready);
    // The value outlives its sender.
    drop(readiness);
    Arc::new(Holdings {
        gateway: None,
        admin: vec![(super::Use::Admin, listening)],
        lock: store::lock(directory, ROLE.name()).unwrap(),
        readiness: receiver,
    })
}

async fn connect(directory: &Path) -> Taker {
    let taker = within("the estate", Taker::connect(directory, ROLE)).await;
    taker.unwrap().expect("someone to take over from")
}

async fn hand_over(giver: &mut Giver) -> std::io::Result<()> {
    giver.next().await.hand_over().await
}

async fn take_over(taker: Taker) {
    taker.claim().await.unwrap();
    taker.serving().await.unwrap();
}

/// What the new one reads when the old one goes on.
fn refusal(result: Result<(), TakeoverError>) -> String {
    match result.unwrap_err() {
        TakeoverError::Refused { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

#[tokio::test]
async fn the_new_one_gets_duplicates_of_all_and_the_word_when_the_old_has_let_go() {
    let directory = tempfile::tempdir().unwrap();
    let holdings = holdings(directory.path());
    let mut giver = Giver::start(directory.path(), ROLE, Arc::clone(&holdings)).unwrap();
    let mut taker = connect(directory.path()).await;
    assert!(taker.estate.ready);
    assert_eq!((taker.pid(), taker.estate.lock.len()), (std::process::id(), 1));
    let listening = taker.estate.take(super::Use::Admin);
    assert_eq!(listening[0].address, holdings.admin_address(super::Use::Admin).unwrap());
    let both = async { tokio::join!(take_over(taker), hand_over(&mut giver)) };
    within("the takeover", both).await.1.unwrap();
}

#[tokio::test]
async fn whenever_the_new_one_breaks_off_the_next_one_may_try() {
    let directory = tempfile::tempdir().unwrap();
    let mut giver = Giver::start(directory.path(), ROLE, holdings(directory.path())).unwrap();
    drop(connect(directory.path()).await);
    connect(directory.path()).await.give_up("its configuration is wrong".to_owned()).await;
    let dies = async |taker: Taker| taker.claim().await.unwrap();
    let taker = connect(directory.path()).await;
    let both = async { tokio::join!(dies(taker), hand_over(&mut giver)) };
    let error = within("the end of the new one", both).await.1.unwrap_err();
    assert!(error.to_string().contains("before it accepted connections"), "{error}");
    let gives_up = async |taker: Taker| {
        taker.claim().await.unwrap();
        taker.give_up("no descriptors".to_owned()).await;
    };
    let taker = connect(directory.path()).await;
    let both = async { tokio::join!(gives_up(taker), hand_over(&mut giver)) };
    let error = within("the word of the new one", both).await.1.unwrap_err();
    assert_eq!(error.to_string(), "no descriptors");
    let taker = connect(directory.path()).await;
    let both = async { tokio::join!(take_over(taker), hand_over(&mut giver)) };
    within("the takeover", both).await.1.unwrap();
}

/// A process to take over from that hands over nothing but the end of its estate, and says `then` to `Ready`.
async fn one_that_says(listener: UnixListener, then: Option<Message>) {
    let channel = Channel::new(listener.accept().await.unwrap().0).unwrap();
    channel.receive().await.unwrap();
    channel.send(&Message::Estate { ready: true }, &[]).await.unwrap();
    channel.receive().await.unwrap();
    if let Some(then) = then {
        channel.send(&then, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn an_old_one_that_dies_leaves_all_to_the_new_one_and_one_that_refuses_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = socket_path(directory.path(), ROLE);
    let listener = channel::listen(&path).unwrap();
    let both = async {
        tokio::join!(one_that_says(listener, None), async { connect(directory.path()).await.claim().await })
    };
    within("the death", both).await.1.unwrap();
    let listener = channel::listen(&path).unwrap();
    let no = Message::Refused { why: "not now".to_owned() };
    let both = async {
        tokio::join!(one_that_says(listener, Some(no)), async {
            connect(directory.path()).await.claim().await
        })
    };
    let error = within("the refusal", both).await.1.unwrap_err();
    assert!(matches!(&error, TakeoverError::Refused { source, .. } if source.to_string() == "not now"));
}

#[tokio::test]
async fn a_new_one_that_wakes_up_too_late_is_told_that_the_old_one_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut giver = Giver::start(directory.path(), ROLE, holdings(directory.path())).unwrap();
    let taker = connect(directory.path()).await;
    let both = async {
        tokio::join!(taker.claim(), async {
            let mut successor = giver.next().await;
            successor.serving_limit = Duration::from_millis(20);
            successor.hand_over().await
        })
    };
    let (claimed, handed_over) = within("the end of its patience", both).await;
    claimed.unwrap();
    assert_eq!(handed_over.unwrap_err().to_string(), "it fell silent");
    assert_eq!(refusal(within("the answer", taker.serving()).await), "it fell silent");
    drop(taker);
    let taker = connect(directory.path()).await;
    let both = async { tokio::join!(take_over(taker), hand_over(&mut giver)) };
    within("the takeover", both).await.1.unwrap();
}

#[tokio::test]
async fn an_old_one_that_wakes_up_too_late_finds_that_it_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let listener = channel::listen(&socket_path(directory.path(), ROLE)).unwrap();
    let old = async {
        let channel = Channel::new(listener.accept().await.unwrap().0).unwrap();
        channel.receive().await.unwrap();
        channel.send(&Message::Estate { ready: true }, &[]).await.unwrap();
        for message in [Message::Ready, Message::Serving] {
            assert_eq!(channel.receive().await.unwrap().unwrap().0, message);
            if message == Message::Ready {
                channel.send(&Message::Yours, &[]).await.unwrap();
            }
        }
        channel
    };
    let new = async {
        let mut taker = connect(directory.path()).await;
        taker.gone_limit = Duration::from_millis(20);
        taker.claim().await.unwrap();
        (refusal(taker.serving().await), taker)
    };
    let (channel, (said, taker)) = within("the end of its patience", async { tokio::join!(old, new) }).await;
    assert_eq!(said, "it does not say that it is gone");
    let late = channel.send(&Message::Gone, &[]).await.unwrap_err();
    assert_eq!(
        late.kind(),
        std::io::ErrorKind::BrokenPipe,
        "the new one has not ended yet, and hears nothing"
    );
    drop(taker);
}

#[tokio::test]
async fn a_new_one_that_dies_before_it_hears_that_the_old_one_is_gone_leaves_all_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut giver = Giver::start(directory.path(), ROLE, holdings(directory.path())).unwrap();
    let taker = connect(directory.path()).await;
    let (channel, error) = tokio::join!(
        async {
            taker.claim().await.unwrap();
            taker.channel.close_ears().unwrap();
            taker.channel.send(&Message::Serving, &[]).await.unwrap();
            taker.channel
        },
        hand_over(&mut giver)
    );
    assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    drop(channel);
}

#[tokio::test]
async fn an_old_one_that_dies_while_the_new_one_begins_to_serve_leaves_all_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let listener = channel::listen(&socket_path(directory.path(), ROLE)).unwrap();
    let both = async {
        tokio::join!(one_that_says(listener, Some(Message::Yours)), async {
            take_over(connect(directory.path()).await).await;
        })
    };
    within("the death", both).await;
}

#[tokio::test]
async fn without_anyone_who_listens_there_is_nobody() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Taker::connect(directory.path(), ROLE).await.unwrap().is_none());
    drop(channel::listen(&socket_path(directory.path(), ROLE)).unwrap());
    assert!(Taker::connect(directory.path(), ROLE).await.unwrap().is_none(), "what a killed one left");
}

#[tokio::test]
async fn another_protocol_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let _giver = Giver::start(directory.path(), ROLE, holdings(directory.path())).unwrap();
    let channel = Channel::connect(&socket_path(directory.path(), ROLE)).unwrap();
    let hello = Message::Hello { protocol: PROTOCOL + 1, version: "9.9.9".to_owned() };
    channel.send(&hello, &[]).await.unwrap();
    let (answer, _) = within("an answer", channel.receive()).await.unwrap().unwrap();
    let Message::Refused { why } = answer else { panic!("{answer:?}") };
    assert!(why.contains("9.9.9"), "{why}");
}
