//! Driving a load against real servers.

#![allow(clippy::unwrap_used, reason = "tests only: a surprise must stop the test")]

use http::StatusCode;
use load::drive::{Drive, Driving, Ending, Sample};
use load::kind::RequestKind;
use load::run::{Load, StartError};
use std::time::Duration;
use testkit::clock::{eventually, now};
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::{Behaviour, Upstream};

fn drive(upstreams: &[&Upstream]) -> Drive {
    Drive {
        targets: upstreams.iter().map(|upstream| upstream.address()).collect(),
        host: None,
        per_second: 200.0,
        duration: Duration::from_millis(300),
        mix: vec![(RequestKind::get("/"), 1)],
        connections: 8,
        timeout: Duration::from_secs(10),
        max_answer_bytes: 1_000,
    }
}

async fn over(driving: &Driving) -> Vec<Sample> {
    eventually("the end of the drive", async || driving.is_over()).await;
    driving.take()
}

#[tokio::test]
async fn every_request_is_sent_in_its_time_and_accounted_for() {
    let upstreams = [Upstream::start("one").await, Upstream::start("two").await];
    let driving = drive(&[&upstreams[0], &upstreams[1]]).start(now()).unwrap();
    let samples = over(&driving).await;
    assert_eq!((samples.len(), driving.sent(), driving.open().len()), (60, 60, 0));
    assert!(samples.iter().all(|sample| sample.ending == Ending::Whole(200)), "{samples:?}");
    let mut due: Vec<_> = samples.iter().map(|sample| sample.due).collect();
    due.sort();
    assert!(due.iter().zip(0..).all(|(due, turn)| *due == Duration::from_millis(5 * turn)), "{due:?}");
    for upstream in &upstreams {
        assert_eq!(upstream.requests().len(), 30);
        let host = upstream.address().to_string();
        assert!(upstream.requests().iter().all(|got| got.headers["host"] == host.as_str()));
    }
}

#[tokio::test]
async fn a_stall_of_a_second_shows_in_every_request_that_was_due_in_it() {
    let upstream = Upstream::start("one").await;
    upstream.behave(Behaviour::Held);
    let drive = Drive { duration: Duration::from_millis(1_500), connections: 2, ..drive(&[&upstream]) };
    let started = now();
    let driving = drive.start(started).unwrap();
    let due_in_the_stall = |driving: &Driving| driving.open().len();
    eventually("a second's requests", async || due_in_the_stall(&driving) >= 200).await;
    upstream.behave(Behaviour::Echo);
    upstream.release(2);
    let stall = started.elapsed();
    let samples = over(&driving).await;
    assert_eq!(samples.len(), 300);
    let stalled: Vec<_> = samples.iter().filter(|sample| sample.due < stall).collect();
    assert!(stalled.len() >= 200);
    assert!(stalled.iter().all(|sample| sample.due + sample.took >= stall), "each waited until its end");
    let slow = stalled.iter().filter(|sample| sample.took > Duration::from_millis(500));
    assert!(slow.count() >= 90, "half of them waited for half of it");

    // The closed loop on the same two connections would tell of two slow requests.
    let upstream = Upstream::start("one").await;
    upstream.behave(Behaviour::Held);
    let closed = Load::closed_loop(upstream.address(), "h", 2).start().unwrap();
    upstream.arrived(2).await;
    assert_eq!(closed.progress().sent, 2);
}

#[tokio::test]
async fn what_is_no_whole_answer_is_told_by_its_kind() {
    let upstream = Upstream::start("one").await;
    for (behaviour, ending) in [
        (Behaviour::Status(StatusCode::BAD_GATEWAY), Ending::Whole(502)),
        (Behaviour::CutAfter(3), Ending::CutShort),
        (Behaviour::Hangup, Ending::NoAnswer),
        (Behaviour::Held, Ending::TimedOut),
    ] {
        upstream.behave(behaviour);
        let timeout = Duration::from_millis(if ending == Ending::TimedOut { 50 } else { 10_000 });
        let drive = Drive { duration: Duration::from_millis(20), timeout, ..drive(&[&upstream]) };
        let samples = over(&drive.start(now()).unwrap()).await;
        assert_eq!(samples.len(), 4);
        assert!(samples.iter().all(|sample| sample.ending == ending), "{ending:?}: {samples:?}");
    }
    let nobody = Drive {
        targets: vec![([127, 0, 0, 1], testkit::free_port()).into()],
        duration: Duration::from_millis(20),
        ..drive(&[&upstream])
    };
    let samples = over(&nobody.start(now()).unwrap()).await;
    assert!(samples.iter().all(|sample| sample.ending == Ending::NotConnected), "{samples:?}");
}

#[tokio::test]
async fn an_answer_without_end_is_read_up_to_its_bound() {
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let script = vec![
        Step::read_head(),
        Step::send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Step::send(&chunk),
        Step::ReadToEnd,
    ];
    let server = ScriptedUpstream::start(vec![script]).await;
    let drive = Drive {
        targets: vec![server.address()],
        duration: Duration::from_millis(1),
        ..drive(&[&Upstream::start("unused").await])
    };
    let samples = over(&drive.start(now()).unwrap()).await;
    assert_eq!(samples.iter().map(|sample| sample.ending).collect::<Vec<_>>(), [Ending::TooLong]);
}

#[tokio::test]
async fn a_drive_that_is_dropped_closes_its_connections_at_once() {
    let mut server = ScriptedUpstream::start(vec![vec![Step::read_head(), Step::ReadToEnd]]).await;
    let drive = Drive {
        targets: vec![server.address()],
        per_second: 1.0,
        timeout: Duration::from_secs(600),
        duration: Duration::from_secs(600),
        ..drive(&[&Upstream::start("unused").await])
    };
    let driving = drive.start(now()).unwrap();
    eventually("a request", async || !server.received().is_empty()).await;
    drop(driving);
    server.finished(1).await;
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    let upstream = Upstream::start("one").await;
    let refused = |drive: Drive| drive.start(now()).unwrap_err();
    let usual = || drive(&[&upstream]);
    assert!(matches!(refused(Drive { mix: vec![], ..usual() }), StartError::EmptyMix));
    let weightless = vec![(RequestKind::get("/"), 0)];
    assert!(matches!(refused(Drive { mix: weightless, ..usual() }), StartError::EmptyMix));
    assert!(matches!(refused(Drive { targets: vec![], ..usual() }), StartError::EmptyMix));
    assert!(matches!(refused(Drive { connections: 0, ..usual() }), StartError::Connections(0)));
    assert!(matches!(refused(Drive { per_second: f64::NAN, ..usual() }), StartError::Rate(_)));
    let broken = vec![(RequestKind::get("no slash\n"), 1)];
    assert!(matches!(refused(Drive { mix: broken, ..usual() }), StartError::Request { .. }));
}
