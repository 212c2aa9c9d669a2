//! Level-triggered epoll over numbered sockets.

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Most events that one wait returns.
const MAX_EVENTS: usize = 256;

/// An epoll instance.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
}

/// Whether a wait may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// As an ordinary program: until something happens.
    Allowed,
    /// Never: without events the rest of the time slice is given to others.
    Never,
}

impl Poller {
    /// An empty one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new() -> io::Result<Poller> {
        Ok(Poller { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(MAX_EVENTS) })
    }

    /// Watches a socket for input, and for room if asked.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn add(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), EventFlags::IN)?)
    }

    /// Changes what a socket is watched for.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn watch(&self, socket: impl AsFd, number: usize, input: bool, room: bool) -> io::Result<()> {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, input);
        flags.set(EventFlags::OUT, room);
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(number as u64), flags)?)
    }

    /// Fills a list with the numbers of the sockets that something happened to; possibly none.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait(&mut self, sleep: Sleep, numbers: &mut Vec<usize>) -> io::Result<()> {
        numbers.clear();
        self.events.clear();
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = if sleep == Sleep::Never { Some(&at_once) } else { None };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), timeout) {
            Ok(0) if sleep == Sleep::Never => rustix::thread::sched_yield(),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        numbers
            .extend(self.events.iter().map(|event| usize::try_from(event.data.u64()).unwrap_or(usize::MAX)));
        Ok(())
    }
}
