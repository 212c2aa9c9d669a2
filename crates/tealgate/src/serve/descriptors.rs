//! File descriptors: each connection of a client takes one, and often one to an upstream.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors besides those of connections: store, logs, listeners, runtimes.
const OWN: u64 = 256;

/// Raises the limit of this process to what the system allows, and says so if that is less than the settings need. Programs
/// inherit it; it is low by default only for the sake of those that use `select`.
pub(super) fn raise(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "the limit of file descriptors stays low");
    }
    let needed = 2 * u64::try_from(connections).unwrap_or(u64::MAX / 4) + OWN;
    if let Some(given) = getrlimit(Resource::Nofile).current.filter(|given| *given < needed) {
        tracing::info!(
            given,
            needed,
            "fewer file descriptors than `limits.connections` may need: beyond them, clients wait to be accepted"
        );
    }
}
