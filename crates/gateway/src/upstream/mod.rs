//! Connections to upstreams: names, TLS, pools of idle connections, and connections that streams share; all per thread.

pub(crate) mod broken;
pub(crate) mod client_certificate;
pub(crate) mod complaint;
pub(crate) mod connect;
pub(crate) mod connecting;
pub(crate) mod dial;
pub(crate) mod fault;
pub(crate) mod http2;
pub(crate) mod io;
pub(crate) mod name;
pub(crate) mod names;
pub(crate) mod pool;
pub(crate) mod resolve;
mod takes_any;
pub(crate) mod tls;

/// Interim answers (1xx) to one request; an upstream that sends more is not waited for any longer.
pub(crate) const MAX_INTERIM_ANSWERS: usize = 64;
