//! Tealgate's own log: on stderr, levelled, as text or JSON. The access log is another thing (`telemetry`).

use crate::config::settings::{Format, Level, Log};
use std::io::IsTerminal as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts the log of this process; a second start changes nothing.
pub fn start(log: &Log) {
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A log that cannot be written, on a full disk perhaps, is no reason for a thread to end.
    let builder = tracing_subscriber::fmt().log_internal_errors(false);
    let builder = builder.with_writer(std::io::stderr).with_max_level(filter(log.level));
    let heard = heard(log.level);
    let started = match log.format {
        Format::Text => {
            let text = builder.with_ansi(colours).with_target(log.level >= Level::Debug).finish();
            text.with(heard).try_init()
        }
        Format::Json => {
            let json = builder.json().flatten_event(true).with_current_span(false).with_span_list(false);
            json.finish().with(heard).try_init()
        }
    };
    if started.is_err() {
        tracing::debug!("the log was already started");
    }
}

/// What is heard of whom. What the crate that speaks HTTP/2 has to say of a peer, it says without its address and as often as
/// that peer likes; we say the same by ourselves. Whoever looks for errors hears it, too.
fn heard(level: Level) -> Targets {
    let of_http2 = if level >= Level::Debug { filter(level) } else { LevelFilter::OFF };
    Targets::new().with_default(filter(level)).with_target("h2", of_http2)
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

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level as Event;

    #[test]
    fn what_the_http2_crate_says_is_heard_by_whoever_looks_for_errors() {
        for (level, is_heard) in [(Level::Error, false), (Level::Info, false), (Level::Debug, true)] {
            let heard = heard(level);
            assert_eq!(heard.would_enable("h2::proto::streams", &Event::ERROR), is_heard, "{level:?}");
            assert!(heard.would_enable("gateway::client", &Event::ERROR), "{level:?}");
        }
        assert!(!heard(Level::Info).would_enable("gateway::client", &Event::DEBUG));
    }
}
