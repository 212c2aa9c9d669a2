//! The command line of the load generators.

use crate::workload::Workload;
use std::io;
use std::str::FromStr;
use std::time::Duration;

/// What a generator is to do.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// The proxy's port on the loopback interface.
    pub port: u16,
    /// What to ask for.
    pub workload: Workload,
    /// How long to measure.
    pub time: Duration,
    /// Connections that are open at all times.
    pub connections: usize,
    /// Requests that are open on each.
    pub streams: usize,
    /// The proxy's processes.
    pub processes: Vec<u32>,
}

impl Arguments {
    /// Reads them: `PORT WORKLOAD SECONDS CONNECTIONS [STREAMS] PID,PID,...`.
    ///
    /// # Errors
    /// When they are others.
    pub fn read(usage: &str, with_streams: bool) -> io::Result<Arguments> {
        Arguments::read_after(0, usage, with_streams)
    }

    /// Reads them behind so many words of the program's own.
    ///
    /// # Errors
    /// When they are others.
    pub fn read_after(own: usize, usage: &str, with_streams: bool) -> io::Result<Arguments> {
        let mut words = std::env::args().skip(1 + own);
        Arguments::from_words(&mut words, with_streams)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("usage: {usage}")))
    }

    fn from_words(words: &mut impl Iterator<Item = String>, with_streams: bool) -> Option<Arguments> {
        Some(Arguments {
            port: parsed(words)?,
            workload: Workload::parse(&words.next()?)?,
            time: Duration::try_from_secs_f64(parsed(words)?).ok()?,
            connections: parsed(words)?,
            streams: if with_streams { parsed(words)? } else { 1 },
            processes: words.next()?.split(',').map(|process| process.parse().ok()).collect::<Option<_>>()?,
        })
    }
}

fn parsed<T: FromStr>(words: &mut impl Iterator<Item = String>) -> Option<T> {
    words.next()?.parse().ok()
}
