//! Connections to upstreams: names, TLS, and pools of idle connections, all per thread.

pub(crate) mod connect;
pub(crate) mod io;
pub(crate) mod pool;
pub(crate) mod resolve;
pub(crate) mod tls;
