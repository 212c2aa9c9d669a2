//! The access log: JSON lines, written to a file by a thread of its own.
//!
//! A request thread appends lines to a [`LogBuffer`] of its own and hands it over when it is full, or on a tick
//! ([`LogBuffer::flush`]). It never waits: if the writer cannot keep up, lines are dropped and counted in
//! [`crate::totals::TotalsSnapshot::log_lines_dropped`]. Written buffers come back to be filled again.

pub use crate::log_line::{CUT, SeriesPart};
pub use crate::masking::MASK;

use crate::log_line::{CachedSecond, write_line};
use crate::log_writer::{Batch, Writer};
use crate::totals::Totals;
use model::record::RequestRecord;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Bytes at which a buffer is handed to the writer.
pub const BUFFER_BYTES: usize = 32 * 1_024;
/// Buffers that may wait for the writer, over all threads; together at most about 4 MiB.
pub const MAX_WAITING_BUFFERS: usize = 64;
/// Written buffers that may wait to be used again, per thread.
const MAX_SPARE_BUFFERS: usize = 4;

/// Why the access log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file cannot be opened for appending.
    #[error("cannot open the access log {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No thread could be started.
    #[error("cannot start the thread that writes the access log {}", path.display())]
    Thread {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What others ask of the writer, beside lines.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    pub(crate) reopen: AtomicBool,
    pub(crate) stop: AtomicBool,
}

/// What is sent to the writer.
#[derive(Debug)]
pub(crate) enum Message {
    /// Lines to write.
    Lines(Batch),
    /// Look at the orders.
    Wake,
}

/// A running access log. Dropping it writes what was handed over and ends its thread.
#[derive(Debug)]
pub struct AccessLog {
    messages: SyncSender<Message>,
    orders: Arc<Orders>,
    totals: Arc<Totals>,
    writer: Option<JoinHandle<()>>,
}

impl AccessLog {
    /// Opens the file for appending (created with mode 0640, less the umask) and starts the writer. Dropped lines
    /// and write errors are counted in `totals`.
    ///
    /// # Errors
    /// If the file cannot be opened or no thread can be started.
    pub fn start(path: &Path, totals: Arc<Totals>) -> Result<AccessLog, StartError> {
        let (messages, inbox) = sync_channel(MAX_WAITING_BUFFERS);
        let orders = Arc::new(Orders::default());
        let writer = Writer::open(path, Arc::clone(&orders), Arc::clone(&totals))
            .map_err(|source| StartError::Open { path: path.to_owned(), source })?;
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(|source| StartError::Thread { path: path.to_owned(), source })?;
        Ok(AccessLog { messages, orders, totals, writer: Some(thread) })
    }

    /// A buffer for one request thread.
    #[must_use]
    pub fn buffer(&self) -> LogBuffer {
        LogBuffer::new(self.messages.clone(), Arc::clone(&self.totals))
    }

    /// Closes the file and opens its path anew, so that a file that was moved away (`logrotate`) is let go. If that
    /// fails, the old file is written on, and the error is counted and logged.
    pub fn reopen(&self) {
        self.orders.reopen.store(true, Ordering::Release);
        self.wake();
    }

    /// A full channel needs no wake: the writer looks at the orders after each message.
    fn wake(&self) {
        let _ = self.messages.try_send(Message::Wake);
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.orders.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Lines of one request thread that wait to be handed over. Dropping it hands them over.
#[derive(Debug)]
pub struct LogBuffer {
    bytes: Vec<u8>,
    lines: u64,
    second: CachedSecond,
    messages: SyncSender<Message>,
    totals: Arc<Totals>,
    home: SyncSender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
}

impl LogBuffer {
    fn new(messages: SyncSender<Message>, totals: Arc<Totals>) -> Self {
        let (home, spare) = sync_channel(MAX_SPARE_BUFFERS);
        LogBuffer {
            bytes: Vec::with_capacity(BUFFER_BYTES * 2),
            lines: 0,
            second: CachedSecond::new(),
            messages,
            totals,
            home,
            spare,
        }
    }

    /// Appends the line of one request of a series; hands the buffer over once it holds [`BUFFER_BYTES`].
    pub fn line(&mut self, record: &RequestRecord<'_>, series: &SeriesPart) {
        write_line(record, series, &mut self.second, &mut self.bytes);
        self.lines += 1;
        if self.bytes.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    /// Hands over what is there, without waiting: to be called on a coarse tick. If the writer is behind, the lines
    /// are dropped and counted.
    pub fn flush(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let lines = std::mem::take(&mut self.lines);
        match self.messages.try_send(Message::Lines(Batch { bytes, lines, home: self.home.clone() })) {
            Ok(()) => {
                self.bytes = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(BUFFER_BYTES * 2));
            }
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => {
                self.totals.log_lines_dropped(lines);
                if let Message::Lines(mut batch) = message {
                    batch.bytes.clear();
                    self.bytes = batch.bytes;
                }
            }
        }
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests;
