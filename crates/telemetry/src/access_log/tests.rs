use super::{AccessLog, BUFFER_BYTES, LogBuffer, MAX_WAITING_BUFFERS, Message, SeriesPart};
use crate::series::SeriesKey;
use crate::totals::Totals;
use model::record::{Answerer, Ending, Lane, RequestRecord};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

fn record(path: &str) -> RequestRecord<'_> {
    RequestRecord {
        at_us: 0,
        route: "r",
        service: "",
        answerer: Answerer::Upstream,
        lane: Lane::Share,
        epoch: 0,
        ending: Ending::Whole,
        status: 200,
        upstream_status: 200,
        grpc_status: None,
        reason: None,
        upstream: "127.0.0.1:1",
        tries: 1,
        protocol: "HTTP/1.1",
        method: "GET",
        host: "h",
        path,
        query: "",
        client: "127.0.0.1",
        consumer: "",
        total_us: 1,
        upstream_us: 1,
        request_bytes: 0,
        response_bytes: 0,
    }
}

fn series() -> SeriesPart {
    SeriesPart::new(&SeriesKey {
        route: "r".to_owned(),
        service: String::new(),
        app: String::new(),
        answerer: Answerer::Upstream,
        lane: Lane::Share,
        epoch: 0,
    })
}

fn lines(path: &std::path::Path) -> usize {
    std::fs::read_to_string(path).unwrap().lines().count()
}

#[test]
fn every_line_of_every_thread_is_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let totals = Arc::new(Totals::new(4));
    let log = AccessLog::start(&path, Arc::clone(&totals)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut buffer = log.buffer();
            scope.spawn(move || (0..1_000).for_each(|_| buffer.line(&record("/x"), &series())));
        }
    });
    drop(log);
    assert_eq!(totals.snapshot().log_lines_dropped, 0);
    assert_eq!(lines(&path), 4_000);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
}

#[test]
fn a_line_is_handed_over_by_a_flush_long_before_the_buffer_is_full() {
    let (messages, inbox) = sync_channel(4);
    let mut buffer = LogBuffer::new(messages, Arc::new(Totals::new(1)));
    buffer.flush();
    assert!(inbox.try_recv().is_err(), "nothing to hand over");
    buffer.line(&record("/x"), &series());
    assert!(inbox.try_recv().is_err());
    buffer.flush();
    let Ok(Message::Lines(batch)) = inbox.try_recv() else { panic!("no lines came") };
    assert_eq!(batch.lines, 1);
}

#[test]
fn a_full_buffer_hands_itself_over() {
    let (messages, inbox) = sync_channel(4);
    let mut buffer = LogBuffer::new(messages, Arc::new(Totals::new(1)));
    let path = "/".repeat(1_000);
    (0..BUFFER_BYTES / 1_000).for_each(|_| buffer.line(&record(&path), &series()));
    let Ok(Message::Lines(batch)) = inbox.try_recv() else { panic!("no lines came") };
    assert!(batch.bytes.len() >= BUFFER_BYTES);
}

#[test]
fn a_writer_that_is_behind_costs_lines_and_no_time() {
    let totals = Arc::new(Totals::new(1));
    let (messages, inbox) = sync_channel(MAX_WAITING_BUFFERS);
    let mut buffer = LogBuffer::new(messages, Arc::clone(&totals));
    for _ in 0..MAX_WAITING_BUFFERS + 3 {
        buffer.line(&record("/x"), &series());
        buffer.line(&record("/y"), &series());
        buffer.flush();
    }
    assert_eq!(totals.snapshot().log_lines_dropped, 6);
    assert_eq!(inbox.try_iter().count(), MAX_WAITING_BUFFERS);
}

#[test]
fn a_buffer_that_was_written_is_used_again() {
    let (messages, inbox) = sync_channel(4);
    let mut buffer = LogBuffer::new(messages, Arc::new(Totals::new(1)));
    let mut spare = Vec::with_capacity(BUFFER_BYTES);
    spare.clear();
    let address = spare.as_ptr();
    buffer.home.try_send(spare).unwrap();
    buffer.line(&record("/x"), &series());
    buffer.flush();
    assert_eq!(buffer.bytes.as_ptr(), address);
    assert_eq!(inbox.try_iter().count(), 1);
}

#[test]
fn reopening_lets_go_of_a_file_that_was_moved_away() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    let log = AccessLog::start(&path, Arc::new(Totals::new(1))).unwrap();
    let mut buffer = log.buffer();
    buffer.line(&record("/before"), &series());
    buffer.flush();
    std::fs::rename(&path, &moved).unwrap();
    log.reopen();
    buffer.line(&record("/after"), &series());
    buffer.flush();
    drop(log);
    let both = std::fs::read_to_string(&moved).unwrap() + &std::fs::read_to_string(&path).unwrap();
    assert_eq!(both.lines().count(), 2);
    assert!(std::fs::read_to_string(&path).unwrap().contains("/after"));
}

#[test]
fn lines_after_the_end_of_the_log_are_counted_as_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let totals = Arc::new(Totals::new(1));
    let log = AccessLog::start(&directory.path().join("access.log"), Arc::clone(&totals)).unwrap();
    let mut buffer = log.buffer();
    drop(log);
    buffer.line(&record("/x"), &series());
    buffer.flush();
    assert_eq!(totals.snapshot().log_lines_dropped, 1);
}

#[test]
fn a_directory_that_does_not_exist_is_named_in_the_error() {
    let error = AccessLog::start("/nonexistent/access.log".as_ref(), Arc::new(Totals::new(1))).unwrap_err();
    assert_eq!(error.to_string(), "cannot open the access log /nonexistent/access.log");
}
