//! Tealgate's own log: on stderr, levelled, as text or JSON. The access log is another thing (`telemetry`).

use crate::config::settings::{Format, Level, Log};
use std::io::IsTerminal as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts the log of this process; a second start changes nothing.
pub fn start(log: &Log) {
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A log that cannot be written, on a full disk perhaps, is no reason for a thread to end.
    let builder = tracing_subscriber::fmt().log_internal_errors(false);
    let builder = builder.with_writer(std::io::stderr).with_max_level(filter(log.level));
    let started = match log.format {
        Format::Text => builder.with_ansi(colours).with_target(log.level >= Level::Debug).finish().try_init(),
        Format::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .finish()
            .try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log was already started");
    }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
