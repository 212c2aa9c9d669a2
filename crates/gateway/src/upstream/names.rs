//! Who knows the addresses of names: the system, unless the gateway is told otherwise.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// The addresses of a name, once they are known.
pub type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Asks for the addresses of names. Asked by each thread for itself, and never twice at once for the same name.
pub trait NameSource: fmt::Debug + Send + Sync {
    /// Begins to ask. An error, or no address: the name cannot be resolved.
    fn ask(&self, host: String) -> Addresses;
}

/// The system's resolver (`getaddrinfo`): `/etc/hosts`, then the servers of `/etc/resolv.conf`, by whose timeouts it gives up. It
/// tells no time to live.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl NameSource for SystemNames {
    fn ask(&self, host: String) -> Addresses {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
