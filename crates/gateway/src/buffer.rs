//! Read buffers, and the pool that they come from.
//!
//! A connection holds memory for reading only while bytes of it are in work; one that is idle, or waits for the other
//! side, holds none. So the few buffers of a thread go round, and are warm in its caches.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// Which part of a buffer is kept free at its front, so that what goes out before the bytes fits there: 1/64.
const FRONT: usize = 64;

/// Bytes that were read and not yet used.
#[derive(Debug)]
pub(crate) struct Buffer {
    pool: Rc<Buffers>,
    /// From the pool while something is in it; else empty.
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// What was read and not yet used.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether nothing is left to use.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How many bytes are left to use.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether no byte more can be read before some are used.
    pub(crate) fn is_full(&self) -> bool {
        !self.bytes.is_empty() && self.end - self.start == self.bytes.len()
    }

    /// Bytes of memory that it takes while anything is in it.
    pub(crate) fn size(&self) -> usize {
        self.pool.size
    }

    /// Marks the first `count` bytes as used, all of them if there are fewer.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        self.let_go();
    }

    /// Puts bytes in front of those that are left to use; false if there is no room, or nothing to put them in front of.
    pub(crate) fn put_front(&mut self, bytes: &[u8]) -> bool {
        let Some(start) = self.start.checked_sub(bytes.len()).filter(|_| !self.is_empty()) else {
            return false;
        };
        self.bytes[start..self.start].copy_from_slice(bytes);
        self.start = start;
        true
    }

    /// Gives the memory back if nothing is in it.
    fn let_go(&mut self) {
        if self.is_empty() && !self.bytes.is_empty() {
            (self.start, self.end) = (0, 0);
            self.pool.give(std::mem::take(&mut self.bytes));
        }
    }

    /// Reads once. `Ok(0)` is the end of the stream; a full buffer reads as `WriteZero`, a mistake of the caller.
    pub(crate) fn poll_read<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.is_empty() {
            self.bytes = self.pool.take();
            self.start = self.bytes.len() / FRONT;
            self.end = self.start;
        } else if self.end == self.bytes.len() {
            if self.start == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let mut space = ReadBuf::new(&mut self.bytes[self.end..]);
        let polled = Pin::new(io).poll_read(cx, &mut space);
        let count = space.filled().len();
        self.end += count;
        self.let_go();
        polled.map_ok(|()| count)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.bytes));
    }
}

/// Buffers of one thread that wait to be used again.
#[derive(Debug)]
pub(crate) struct Buffers {
    size: usize,
    free: RefCell<Vec<Box<[u8]>>>,
    outputs: RefCell<Vec<Vec<u8>>>,
}

/// Most buffers that wait; more are given back to the allocator.
const MAX_FREE: usize = 64;
/// Largest output buffer that is kept for later.
const MAX_OUTPUT_BYTES: usize = 64 * 1024;

impl Buffers {
    /// A pool of buffers of `size` bytes each.
    pub(crate) fn new(size: usize) -> Buffers {
        Buffers { size, free: RefCell::default(), outputs: RefCell::default() }
    }

    /// An empty buffer, without memory yet.
    pub(crate) fn buffer(self: &Rc<Buffers>) -> Buffer {
        Buffer { pool: Rc::clone(self), bytes: Box::default(), start: 0, end: 0 }
    }

    /// The memory that was used last.
    fn take(&self) -> Box<[u8]> {
        self.free.borrow_mut().pop().unwrap_or_else(|| vec![0; self.size].into())
    }

    fn give(&self, bytes: Box<[u8]>) {
        if bytes.is_empty() {
            return;
        }
        let mut free = self.free.borrow_mut();
        if free.len() < MAX_FREE {
            free.push(bytes);
        }
    }

    /// An empty output.
    pub(crate) fn take_output(&self) -> Vec<u8> {
        self.outputs.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(4 * 1024))
    }

    /// Gives an output back.
    pub(crate) fn give_output(&self, mut output: Vec<u8>) {
        output.clear();
        let mut outputs = self.outputs.borrow_mut();
        if outputs.len() < MAX_FREE && output.capacity() <= MAX_OUTPUT_BYTES {
            outputs.push(output);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn what_fits_in_front_of_bytes_is_put_there_and_nothing_else_changes() {
        let mut buffer = Rc::new(Buffers::new(640)).buffer();
        assert!(!buffer.put_front(b"head"), "there is nothing to put it in front of");
        poll_fn(|cx| buffer.poll_read(&mut b"old headbody".as_slice(), cx)).await.unwrap();
        buffer.consume(b"old head".len());
        assert!(!buffer.put_front(&[b'x'; 19]), "10 bytes were free, and 8 of the old head");
        assert_eq!(buffer.filled(), b"body");
        assert!(buffer.put_front(b"a longer new head:"));
        assert_eq!(buffer.filled(), b"a longer new head:body");
        assert!(!buffer.put_front(b"x"));
        // What is full is made room for once more.
        let more = vec![b'm'; 640];
        let mut more = more.as_slice();
        while !buffer.is_full() {
            poll_fn(|cx| buffer.poll_read(&mut more, cx)).await.unwrap();
        }
        assert_eq!(buffer.len(), 640);
    }
}
