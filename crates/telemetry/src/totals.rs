//! Totals of the process that belong to no series: connections, heads, bytes, and what the access log dropped.
//!
//! `requests_received` is counted where a head was parsed, apart from the series, so that the two can be compared:
//! a request that reached no series would show.

use crate::cell::add;
use crate::clock;
use crate::tally::Tally;
use model::reason::{ConnectionReason, HandshakeReason, HeadReason, Reason};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// The totals of one request thread, which alone writes them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ThreadTotals {
    connections_accepted: AtomicU64,
    connections_closed: AtomicU64,
    requests_received: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    retries_refused: AtomicU64,
    handshakes_done: AtomicU64,
    gate_answers: Tally<{ Reason::ALL.len() }>,
    connections_refused: Tally<{ ConnectionReason::ALL.len() }>,
    heads_refused: Tally<{ HeadReason::ALL.len() }>,
    handshake_failures: Tally<{ HandshakeReason::ALL.len() }>,
}

impl ThreadTotals {
    /// A client's connection was accepted.
    pub fn connection_opened(&self) {
        add(&self.connections_accepted, 1, Ordering::Relaxed);
    }

    /// A client's connection that was accepted by this thread is closed.
    pub fn connection_closed(&self) {
        add(&self.connections_closed, 1, Ordering::Release);
    }

    /// A request's head was read and is well-formed.
    pub fn request_received(&self) {
        add(&self.requests_received, 1, Ordering::Relaxed);
    }

    /// A head that is not well-formed, or over a limit, was refused.
    pub fn bad_request(&self, reason: HeadReason) {
        self.heads_refused.count(reason as usize);
    }

    /// A client's connection, which was accepted, was not served.
    pub fn connection_refused(&self, reason: ConnectionReason) {
        self.connections_refused.count(reason as usize);
    }

    /// The gate itself answered a request, or ended its answer.
    pub fn gate_answer(&self, reason: Reason) {
        self.gate_answers.count(reason as usize);
    }

    /// A client's TLS handshake was done.
    pub fn handshake_done(&self) {
        add(&self.handshakes_done, 1, Ordering::Relaxed);
    }

    /// A client's TLS handshake failed, took too long, or was one too many.
    pub fn handshake_failed(&self, reason: HandshakeReason) {
        self.handshake_failures.count(reason as usize);
    }

    /// Bytes of a request's head and body were read; the framing of chunks is not counted.
    pub fn bytes_received(&self, bytes: u64) {
        add(&self.bytes_received, bytes, Ordering::Relaxed);
    }

    /// Bytes of an answer's heads and body were sent; the framing of chunks is not counted.
    pub fn bytes_sent(&self, bytes: u64) {
        add(&self.bytes_sent, bytes, Ordering::Relaxed);
    }

    /// A try failed and was not repeated, because the upstream's retry budget was spent.
    pub fn retry_refused(&self) {
        add(&self.retries_refused, 1, Ordering::Relaxed);
    }
}

/// All totals of a process.
#[derive(Debug)]
pub struct Totals {
    threads: Box<[ThreadTotals]>,
    started_at_s: u64,
    /// Rare events, so shared by all threads.
    log_lines_dropped: AtomicU64,
    log_write_errors: AtomicU64,
}

/// Totals at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TotalsSnapshot {
    /// When the process began to count, seconds since the Unix epoch.
    pub started_at_s: u64,
    /// Client connections accepted.
    pub connections_accepted: u64,
    /// Client connections open now.
    pub connections_open: u64,
    /// Well-formed request heads read.
    pub requests_received: u64,
    /// Bytes of heads and bodies read from clients, the framing of chunks excluded.
    pub bytes_received: u64,
    /// Bytes of heads and bodies sent to clients, the framing of chunks excluded.
    pub bytes_sent: u64,
    /// Tries that failed and were not repeated, because the upstream's retry budget was spent.
    pub retries_refused: u64,
    /// TLS handshakes of clients that were done.
    pub handshakes_done: u64,
    /// Of requests that ended otherwise than with their upstream's whole answer, or as a WebSocket for want of traffic, how
    /// many for which [`Reason`]; those without any are left out, here and below.
    pub gate_answers: BTreeMap<String, u64>,
    /// Connections that were not served, by [`ConnectionReason`].
    pub connections_refused: BTreeMap<String, u64>,
    /// Heads that were refused, by [`HeadReason`].
    pub heads_refused: BTreeMap<String, u64>,
    /// TLS handshakes of clients that failed, by [`HandshakeReason`].
    pub handshake_failures: BTreeMap<String, u64>,
    /// Lines of the access log that were dropped, because its writer could not keep up or could not write.
    pub log_lines_dropped: u64,
    /// Failed writes and failed openings of the access log.
    pub log_write_errors: u64,
}

impl Totals {
    /// Totals for this number of request threads; reads the clock once, for the start.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Totals {
            threads: std::iter::repeat_with(ThreadTotals::default).take(threads).collect(),
            started_at_s: clock::since_epoch().as_secs(),
            log_lines_dropped: AtomicU64::new(0),
            log_write_errors: AtomicU64::new(0),
        }
    }

    /// The totals of a request thread, which alone may write them.
    ///
    /// # Panics
    /// If `thread` is not below the number of threads given to [`Totals::new`]: a mistake of the program.
    #[must_use]
    pub fn thread(&self, thread: usize) -> &ThreadTotals {
        &self.threads[thread]
    }

    pub(crate) fn log_lines_dropped(&self, lines: u64) {
        self.log_lines_dropped.fetch_add(lines, Ordering::Relaxed);
    }

    pub(crate) fn log_write_error(&self) {
        self.log_write_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// The sums over all threads at this moment.
    #[must_use]
    pub fn snapshot(&self) -> TotalsSnapshot {
        let mut sum = TotalsSnapshot {
            started_at_s: self.started_at_s,
            log_lines_dropped: self.log_lines_dropped.load(Ordering::Relaxed),
            log_write_errors: self.log_write_errors.load(Ordering::Relaxed),
            ..TotalsSnapshot::default()
        };
        for thread in &self.threads {
            // Closed before accepted: no reader sees a connection close that it did not see open.
            let closed = thread.connections_closed.load(Ordering::Acquire);
            let accepted = thread.connections_accepted.load(Ordering::Relaxed);
            sum.connections_accepted += accepted;
            sum.connections_open += accepted.saturating_sub(closed);
            sum.requests_received += thread.requests_received.load(Ordering::Relaxed);
            sum.bytes_received += thread.bytes_received.load(Ordering::Relaxed);
            sum.bytes_sent += thread.bytes_sent.load(Ordering::Relaxed);
            sum.retries_refused += thread.retries_refused.load(Ordering::Relaxed);
            sum.handshakes_done += thread.handshakes_done.load(Ordering::Relaxed);
            thread.gate_answers.add_to(&mut sum.gate_answers, Reason::NAMES);
            thread.connections_refused.add_to(&mut sum.connections_refused, ConnectionReason::NAMES);
            thread.heads_refused.add_to(&mut sum.heads_refused, HeadReason::NAMES);
            thread.handshake_failures.add_to(&mut sum.handshake_failures, HandshakeReason::NAMES);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;
    use model::reason::{HandshakeReason, HeadReason, Reason};

    #[test]
    fn a_snapshot_adds_the_threads() {
        let totals = Totals::new(2);
        for thread in [0, 1, 1] {
            totals.thread(thread).connection_opened();
            totals.thread(thread).request_received();
            totals.thread(thread).bytes_received(10);
            totals.thread(thread).bytes_sent(100);
        }
        totals.thread(1).connection_closed();
        totals.thread(0).bad_request(HeadReason::TooLarge);
        totals.thread(0).retry_refused();
        totals.thread(0).gate_answer(Reason::ConnectRefused);
        totals.thread(1).gate_answer(Reason::ConnectRefused);
        totals.thread(1).handshake_failed(HandshakeReason::NotTls);
        let sum = totals.snapshot();
        assert_eq!((sum.connections_accepted, sum.connections_open), (3, 2));
        assert_eq!(sum.requests_received, 3);
        assert_eq!(sum.retries_refused, 1);
        assert_eq!((sum.bytes_received, sum.bytes_sent), (30, 300));
        let one = |reason: &str, count| [(reason.to_owned(), count)].into();
        assert_eq!(sum.gate_answers, one("connect_refused", 2));
        assert_eq!(sum.heads_refused, one("too_large", 1));
        assert_eq!(sum.handshake_failures, one("not_tls", 1));
    }
}
