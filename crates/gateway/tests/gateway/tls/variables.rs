//! What of TLS reaches upstreams and conditions.

use super::World;
use super::client::Manner;
use super::issuer::{Authority, asking};
use crate::support::{Gate, route, upstream};
use model::resource::Kind;
use serde_json::json;
use testkit::upstream::Upstream;

#[tokio::test]
async fn upstreams_hear_that_the_client_spoke_https() {
    let authority = Authority::new("root");
    let world = World::new(&[authority.server(&["a.test"]).ssl("a", &["a.test"])]).await;
    Manner::trusting(&authority).ask(&world, "a.test").await.unwrap();
    let request = world.upstream.requests().remove(0);
    let port = world.gate.address().port().to_string();
    assert_eq!(request.headers["x-forwarded-proto"], "https");
    assert_eq!(request.headers["x-forwarded-port"], port.as_str());
}

#[tokio::test]
async fn conditions_see_the_name_the_version_and_the_client() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = Upstream::start("u").await;
    let vars = json!([
        ["scheme", "==", "https"],
        ["ssl_server_name", "==", "a.test"],
        ["ssl_protocol", "==", "TLSv1.3"],
        ["ssl_client_verify", "==", "SUCCESS"],
        ["ssl_client_s_dn", "==", "CN=alice"],
        ["ssl_client_i_dn", "==", "CN=clients"],
        ["ssl_client_serial", "~~", "^[0-9A-F]+$"],
        ["ssl_client_fingerprint", "~~", "^[0-9a-f]{40}$"],
    ]);
    let ssl = asking(servers.server(&["a.test"]).ssl("a", &["a.test"]), &clients, &json!({}));
    let resources = [
        upstream("u", &[server.address()]),
        route(&json!({"upstream_id": "u", "vars": vars})),
        (Kind::Ssl, ssl),
    ];
    let world = World { gate: Gate::with(super::tls_settings(), &resources).await, upstream: server };
    let ask = async |name: &str| {
        let client = Manner::showing(&servers, &clients.client(name));
        client.ask(&world, "a.test").await.unwrap().status
    };
    assert_eq!((ask("alice").await, ask("mallory").await), (200, 404));
}
