//! The thread that writes the access log: takes full buffers, appends them to the file, sends them home empty.
//!
//! It is the only place where the access log waits for a disk. An error loses the lines of one buffer, is counted,
//! and is logged at most once a minute; the next buffer is tried again.

use crate::access_log::{BUFFER_BYTES, Message, Orders};
use crate::clock;
use crate::totals::Totals;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

/// The least time between two log lines about errors.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);
/// A buffer that grew beyond this is not used again.
const MAX_SPARE_BYTES: usize = 4 * BUFFER_BYTES;

/// Lines that wait to be written.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Whole lines, each with its newline.
    pub(crate) bytes: Vec<u8>,
    /// How many.
    pub(crate) lines: u64,
    /// Where the buffer goes afterwards.
    pub(crate) home: SyncSender<Vec<u8>>,
}

/// The state of the writing thread. Generic over the file only so that a disk that fails can be tested.
#[derive(Debug)]
pub(crate) struct Writer<W = File> {
    path: PathBuf,
    file: W,
    /// A write broke off in the middle of a line, which must be ended before the next one.
    torn: bool,
    complained_at: Option<Instant>,
    orders: Arc<Orders>,
    totals: Arc<Totals>,
}

impl Writer<File> {
    pub(crate) fn open(path: &Path, orders: Arc<Orders>, totals: Arc<Totals>) -> std::io::Result<Self> {
        Ok(Writer {
            file: append_to(path)?,
            path: path.to_owned(),
            torn: false,
            complained_at: None,
            orders,
            totals,
        })
    }

    /// Writes until it is told to stop, and then what is still waiting.
    pub(crate) fn run(mut self, inbox: &Receiver<Message>) {
        while !self.orders.stop.load(Ordering::Acquire) {
            let Ok(message) = inbox.recv() else { return };
            self.reopen_if_ordered();
            self.take(message);
        }
        while let Ok(message) = inbox.try_recv() {
            self.reopen_if_ordered();
            self.take(message);
        }
    }

    fn reopen_if_ordered(&mut self) {
        if self.orders.reopen.swap(false, Ordering::AcqRel) {
            self.reopen();
        }
    }

    fn reopen(&mut self) {
        match append_to(&self.path) {
            Ok(file) => {
                self.file = file;
                self.torn = false;
            }
            Err(error) => self.complain(&error),
        }
    }
}

impl<W: Write> Writer<W> {
    fn take(&mut self, message: Message) {
        let Message::Lines(Batch { mut bytes, lines, home }) = message else { return };
        if let Err(error) = self.append(&bytes) {
            self.totals.log_lines_dropped(lines);
            self.complain(&error);
        }
        if bytes.capacity() <= MAX_SPARE_BYTES {
            bytes.clear();
            let _ = home.try_send(bytes);
        }
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if std::mem::replace(&mut self.torn, true) {
            self.file.write_all(b"\n")?;
        }
        self.file.write_all(bytes)?;
        self.torn = false;
        Ok(())
    }

    fn complain(&mut self, error: &std::io::Error) {
        self.totals.log_write_error();
        let now = clock::now();
        if self.complained_at.is_none_or(|at| now.duration_since(at) >= COMPLAINT_INTERVAL) {
            self.complained_at = Some(now);
            tracing::warn!(path = %self.path.display(), %error, "cannot write the access log; its lines are dropped");
        }
    }
}

fn append_to(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use super::{Batch, Writer};
    use crate::access_log::{Message, Orders};
    use crate::totals::Totals;
    use std::io::{Error, ErrorKind, Write};
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;

    /// A disk with room for so many bytes; it takes what fits and refuses the rest.
    struct SmallDisk {
        written: Vec<u8>,
        room: usize,
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let fits = bytes.len().min(self.room);
            if fits == 0 {
                return Err(Error::from(ErrorKind::StorageFull));
            }
            self.room -= fits;
            self.written.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_loses_counted_lines_and_leaves_no_torn_line_behind() {
        let totals = Arc::new(Totals::new(1));
        let mut writer = Writer {
            path: "access.log".into(),
            file: SmallDisk { written: Vec::new(), room: 10 },
            torn: false,
            complained_at: None,
            orders: Arc::new(Orders::default()),
            totals: Arc::clone(&totals),
        };
        let (home, spare) = sync_channel(4);
        let send = |writer: &mut Writer<SmallDisk>, bytes: &[u8]| {
            writer.take(Message::Lines(Batch { bytes: bytes.to_vec(), lines: 1, home: home.clone() }));
        };
        send(&mut writer, b"first\n");
        send(&mut writer, b"second\n");
        send(&mut writer, b"third\n");
        writer.file.room = 100;
        send(&mut writer, b"fourth\n");
        assert_eq!(writer.file.written, b"first\nseco\nfourth\n");
        assert_eq!(totals.snapshot().log_lines_dropped, 2);
        assert_eq!(totals.snapshot().log_write_errors, 2);
        assert_eq!(spare.try_iter().count(), 4, "every buffer comes back");
    }
}
