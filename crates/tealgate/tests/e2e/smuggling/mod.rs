//! What an attacker hides in a request, sent to the built binary. Behind it stands hyper, which counts what it took for
//! requests, with a tap before it that keeps the bytes.

mod http1;
mod http2;

use crate::harness::gate::{Gate, Start};
use crate::harness::world::World;
use serde_json::json;
use testkit::tap::Tap;
use testkit::upstream::Upstream;

/// What an attacker wants an upstream to see.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

struct Stage {
    upstream: Upstream,
    tap: Tap,
    gate: Gate,
    _world: World,
}

impl Stage {
    async fn set() -> Stage {
        let world = World::new();
        let upstream = Upstream::start("u").await;
        let tap = Tap::before(upstream.address()).await;
        // One thread has one pool: all requests go over the same connection, if it stays good.
        let gate = Start::new(&world).with(&["--threads", "1"]).ready().await;
        let nodes = json!({ tap.address().to_string(): 1 });
        gate.admin()
            .put("routes/r", &json!({"uri": "/*", "upstream": {"type": "roundrobin", "nodes": nodes}}))
            .await;
        Stage { upstream, tap, gate, _world: world }
    }
}
