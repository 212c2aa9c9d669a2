//! TLS towards clients, with real clients: names, client certificates, sessions, changes, and what is no TLS.

mod changes;
mod client;
mod farewell;
mod hostile;
mod issuer;
mod mutual;
mod names;
mod nodes;
mod protocols;
mod sessions;
mod upstreams;
mod variables;

use crate::support::{Gate, route, settings, upstream};
use gateway::{Listener, Settings};
use model::resource::Kind;
use serde_json::Value;
use std::net::SocketAddr;
use testkit::upstream::Upstream;

/// Settings of one thread with one TLS listener.
fn tls_settings() -> Settings {
    Settings { listen: vec![Listener::tls(SocketAddr::from(([127, 0, 0, 1], 0)))], ..settings() }
}

/// A gateway with SSL resources, and an upstream behind it.
struct World {
    gate: Gate,
    upstream: Upstream,
}

impl World {
    async fn new(ssls: &[Value]) -> World {
        World::with(tls_settings(), ssls).await
    }

    async fn with(settings: Settings, ssls: &[Value]) -> World {
        let upstream = Upstream::start("u").await;
        let world = World { gate: Gate::start(settings), upstream };
        assert_eq!(world.apply(ssls).await, [] as [String; 0]);
        world
    }

    /// Applies SSL resources; gives what is wrong with them.
    async fn apply(&self, ssls: &[Value]) -> Vec<String> {
        let mut resources =
            vec![upstream("u", &[self.upstream.address()]), route(&serde_json::json!({"upstream_id": "u"}))];
        resources.extend(ssls.iter().map(|ssl| (Kind::Ssl, ssl.clone())));
        let applied = self.gate.apply(&resources).await;
        applied.problems.into_iter().map(|problem| format!("{}: {}", problem.id, problem.what)).collect()
    }
}
