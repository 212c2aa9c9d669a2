//! The request path: listener → TLS → http1 or h2 → exchange → match → plugins → hold → claim → upstream pool → forward → respond → record.
//!
//! One thread per core, each with its own listener, pools, buffers and counters; they share nothing but immutable
//! tables. Start reading at `exchange`: it names the stages in order.
#![forbid(unsafe_code)]

mod assignment;
mod balance;
mod buffer;
mod claim;
mod client;
mod clock;
mod delivery;
mod examine;
mod exchange;
mod forward;
mod gateway;
mod grpc;
mod guard;
mod headers;
mod health;
mod hold;
mod http2_bounds;
mod kept;
mod leave;
mod listen;
mod per_thread;
pub mod plugin;
mod record;
mod refusal;
mod request;
mod respond;
pub mod router;
mod settings;
pub mod shadow;
mod socket;
pub mod table;
mod timer;
mod tls;
mod trust;
mod upstream;
mod vars;
mod wire;
mod worker;

pub use delivery::ThreadEnded;
pub use gateway::{Applied, Gateway, StartError};
pub use guard::Guards;
pub use hold::Holds;
pub use http1;
pub use leave::Leave;
pub use listen::{ListenError, Listening};
pub use settings::{Listener, Settings, UpstreamHttp2};
pub use shadow::Shadows;
pub use telemetry;
pub use trust::Trust;
pub use upstream::names::{Addresses, NameSource, SystemNames};
