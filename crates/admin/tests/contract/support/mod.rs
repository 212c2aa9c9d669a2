//! A gate to talk to and a client to talk with.

pub(crate) mod client;
pub(crate) mod plugins;
pub(crate) mod shop;

use admin::keys::Keys;
use admin::{AdminState, Dialect, router, server};
use client::Answer;
use model::resource::{Kind, Origin};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::secret::Keyring;
use store::{Expect, MemoryStore, Store, Write};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) const ADMIN: &str = "admin-key-0123456789";
pub(crate) const VIEWER: &str = "viewer-key-0123456789";
pub(crate) const OPERATOR: &str = "operator-key-0123456789";
pub(crate) const APPROVER: &str = "approver-key-0123456789";

/// A listening Admin API; it ends with the test.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    pub(crate) state: AdminState,
}

/// Keys of every role.
pub(crate) fn keys() -> Keys {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    let key = |name, key: &str| json!({"name": name, "role": name, "key": key});
    let keys =
        [key("admin", ADMIN), key("viewer", VIEWER), key("operator", OPERATOR), key("approver", APPROVER)];
    std::fs::write(&path, json!({"format": 1, "keys": keys}).to_string()).unwrap();
    Keys::from_file(&path).unwrap()
}

/// A state on an empty memory store.
pub(crate) fn state() -> AdminState {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut state = AdminState::new(
        store,
        plugins::ALL,
        watch::channel(Arc::new(keys())).1,
        Arc::new(Keyring::of_key(&[7; 32])),
    );
    state.apply_timeout = Duration::from_secs(2);
    state
}

impl Gate {
    pub(crate) async fn start(dialect: Dialect) -> Gate {
        Gate::start_with(state(), dialect).await
    }

    pub(crate) async fn start_with(state: AdminState, dialect: Dialect) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(state.clone(), dialect);
        tokio::spawn(server::serve(listener, router, std::future::pending()));
        Gate { address, state }
    }

    /// `GET /apisix/admin/...` and so on, with the admin key.
    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let path = format!("/apisix/admin{path}");
        self.send(method, &path, &[("X-API-KEY", ADMIN)], body).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        client::send(self.address, method, path, headers, body.into().0).await
    }

    /// Puts something into the store that did not come through the Admin API.
    pub(crate) async fn seed(&self, kind: Kind, id: &str, origin: Origin, value: Value) {
        let id = Some(id.to_owned());
        let put = Write::Put { kind, id, value, origin, expect: Expect::Any };
        self.state.store.commit(vec![put], None).await.unwrap();
    }
}

/// What a request carries.
pub(crate) struct Body(Vec<u8>);

impl From<()> for Body {
    fn from((): ()) -> Body {
        Body(Vec::new())
    }
}

impl From<Value> for Body {
    fn from(value: Value) -> Body {
        Body(value.to_string().into_bytes())
    }
}

impl From<&Value> for Body {
    fn from(value: &Value) -> Body {
        Body(value.to_string().into_bytes())
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Body {
        Body(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body(bytes)
    }
}

/// A legal upstream.
pub(crate) fn upstream() -> Value {
    json!({"type": "roundrobin", "nodes": {"127.0.0.1:1980": 1}})
}

/// A legal route.
pub(crate) fn route(uri: &str) -> Value {
    json!({"uri": uri, "upstream": upstream()})
}
