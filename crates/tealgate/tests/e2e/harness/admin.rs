//! The Admin API and the release API of a server, with a key.

use super::client::{Answer, Connection};
use http::Method;
use serde_json::Value;
use std::net::SocketAddr;
use testkit::clock::within;

/// A client of the Admin API.
#[derive(Clone)]
pub(crate) struct Admin {
    address: SocketAddr,
    key: String,
}

impl Admin {
    pub(crate) fn new(address: SocketAddr, key: String) -> Admin {
        Admin { address, key }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Any call, with any answer.
    pub(crate) async fn call(&self, method: Method, path: &str, body: impl Into<String>) -> Answer {
        let mut connection = within("a connection", Connection::open(self.address)).await.unwrap();
        let headers = [("x-api-key", self.key.as_str())];
        within(path, connection.send(method, path, &headers, body.into())).await.unwrap()
    }

    async fn good(&self, method: Method, path: &str, body: String) -> Answer {
        let answer = self.call(method.clone(), path, body.clone()).await;
        assert!((200..300).contains(&answer.status), "{method} {path} {body}: {answer:?}");
        answer
    }

    /// Writes a resource of the gateway: `routes/r`.
    pub(crate) async fn put(&self, resource: &str, value: &Value) -> Answer {
        self.good(Method::PUT, &format!("/apisix/admin/{resource}"), value.to_string()).await
    }

    pub(crate) async fn patch(&self, resource: &str, value: &Value) -> Answer {
        self.good(Method::PATCH, &format!("/apisix/admin/{resource}"), value.to_string()).await
    }

    /// A resource as it holds.
    pub(crate) async fn value(&self, resource: &str) -> Value {
        let answer = self.good(Method::GET, &format!("/apisix/admin/{resource}"), String::new()).await;
        answer.json()["value"].clone()
    }

    /// `GET` of what must be there.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.good(Method::GET, path, String::new()).await
    }

    /// Creates or replaces an app.
    pub(crate) async fn put_app(&self, id: &str, app: &Value) {
        self.good(Method::PUT, &format!("/tealgate/v1/apps/{id}"), app.to_string()).await;
    }
}
