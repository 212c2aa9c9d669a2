//! HTTPS as people use it: certificates from files and by the Admin API, with curl and openssl as clients and nginx as an
//! upstream that asks for a certificate; and what of the keys is found on the disk.

use crate::clock;
use crate::harness::client;
use crate::harness::gate::{Gate, Start};
use crate::harness::nginx::Nginx;
use crate::harness::shell::{printed, run};
use crate::harness::world::World;
use http::Method;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;

/// An authority whose certificate lies in the world as `ca.pem`.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
struct Issued {
    cert: String,
    key: String,
}

impl Authority {
    fn new(world: &World) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "the tests' authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.clone().self_signed(&key).unwrap().pem();
        world.file("ca.pem", &pem);
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        Issued { cert: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

impl Issued {
    /// Puts both into the world as `NAME.crt` and `NAME.key`.
    fn write(&self, world: &World, name: &str) {
        world.file(&format!("{name}.crt"), &self.cert);
        world.file(&format!("{name}.key"), &self.key);
    }

    /// A part of the key that stands nowhere else.
    fn secret(&self) -> &str {
        self.key.lines().nth(1).unwrap()
    }
}

/// A gate with a TLS listener.
async fn serving(world: &World, file: &Value) -> Gate {
    let config = world.config(file);
    Start::new(world).with(&["--config", &config, "--tls-listen", "127.0.0.1:0"]).ready().await
}

fn file(upstream: &Value, ssls: &Value) -> Value {
    json!({
        "routes": [{"id": "r", "uri": "/*", "upstream_id": "u"}],
        "upstreams": [upstream],
        "ssls": ssls,
    })
}

/// `curl` of a name over TLS, as far as the path.
fn curl(world: &World, gate: &Gate, name: &str, more: &str) -> String {
    let (ca, port) = (world.path().join("ca.pem"), gate.tls().port());
    format!(
        "curl -sS --cacert {} --resolve {name}:{port}:127.0.0.1 {more} https://{name}:{port}",
        ca.display()
    )
}

/// The subject and the serial number of what is shown for a name.
async fn shown(gate: &Gate, name: &str) -> String {
    let port = gate.tls().port();
    let client =
        format!("openssl s_client -connect 127.0.0.1:{port} -servername {name} </dev/null 2>/dev/null");
    printed(gate, &format!("{client} | openssl x509 -noout -serial")).await
}

/// Whether a text stands in any file below a directory.
fn stands_in(directory: &Path, text: &str) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return stands_in(&path, text);
        }
        std::fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
    })
}

#[tokio::test]
async fn a_certificate_from_files_is_shown_and_renewed_and_its_key_stands_nowhere_else() {
    let world = World::new();
    let authority = Authority::new(&world);
    let (old, new) = (authority.issue("shop.test"), authority.issue("shop.test"));
    old.write(&world, "shop");
    let nginx = Nginx::start(&world, "blue").await;
    let ssl = json!({"id": "s", "sni": "shop.test", "cert": {"from_file": "shop.crt"}, "key": {"from_file": "shop.key"}});
    let gate = serving(&world, &file(&json!({"id": "u", "nodes": nginx.node()}), &json!([ssl]))).await;

    for version in ["--http1.1", "--http2", "--tls-max 1.2"] {
        let url = curl(&world, &gate, "shop.test", &format!("{version} -H 'X-Request-Id: 7'"));
        assert_eq!(printed(&gate, &format!("{url}/id")).await.lines().next(), Some("7"), "{version}");
    }
    let unknown = curl(&world, &gate, "other.test", "");
    assert!(!run(&gate, &format!("{unknown}/id")).await.status.success());

    let before = shown(&gate, "shop.test").await;
    new.write(&world, "shop");
    gate.signal(Signal::HUP);
    clock::until("the new certificate", async || shown(&gate, "shop.test").await != before, || gate.log())
        .await;

    let metrics = printed(&gate, "curl -sS http://127.0.0.1:9180/metrics").await;
    assert!(metrics.contains("tealgate_ssl_days_left{ssl=\"s\"}"), "{metrics}");
    assert!(metrics.contains("tealgate_tls_handshakes_total"), "{metrics}");
    for issued in [&old, &new] {
        assert!(!stands_in(gate.data_dir(), issued.secret()), "a key stands in the data directory");
        assert!(!gate.log().contains(issued.secret()), "a key stands in the log");
    }
    assert!(stands_in(gate.data_dir(), "sealed:v1:1:"), "the store holds the sealed key");
}

#[tokio::test]
async fn a_key_that_came_by_the_admin_api_is_not_found_on_the_disk_and_lost_with_the_key_file() {
    let world = World::new();
    let authority = Authority::new(&world);
    let issued = authority.issue("api.test");
    let nginx = Nginx::start(&world, "blue").await;
    let file = file(&json!({"id": "u", "nodes": nginx.node()}), &json!([]));
    let mut gate = serving(&world, &file).await;
    let ssl = json!({"sni": "api.test", "cert": issued.cert, "key": issued.key});
    let answer = gate.admin().put("ssls/1", &ssl).await;
    assert!(!format!("{answer:?}").contains(issued.secret()));
    let url = format!("{}/id", curl(&world, &gate, "api.test", "-H 'X-Request-Id: 7'"));
    assert_eq!(printed(&gate, &url).await.lines().next(), Some("7"));
    gate.crash();
    assert!(!stands_in(gate.data_dir(), issued.secret()), "a key stands in the data directory");

    // It opens what it sealed; another one does not, and traffic goes on.
    drop(gate);
    let mut gate = serving(&world, &file).await;
    assert!(!shown(&gate, "api.test").await.is_empty());
    gate.crash();
    std::fs::remove_file(gate.data_dir().join("secret.key")).unwrap();
    drop(gate);
    let gate = serving(&world, &file).await;
    gate.logged("its private key cannot be opened").await;
    assert!(!run(&gate, &format!("{}/id", curl(&world, &gate, "api.test", ""))).await.status.success());
    let plain = printed(&gate, "curl -sS -H 'X-Request-Id: 8' http://127.0.0.1:9080/id").await;
    assert_eq!(plain.lines().next(), Some("8"));
    gate.admin().patch("ssls/1", &json!({"key": issued.key})).await;
    assert!(!shown(&gate, "api.test").await.is_empty());
}

#[tokio::test]
async fn clients_and_upstreams_prove_who_they_are() {
    let world = World::new();
    let authority = Authority::new(&world);
    authority.issue("shop.test").write(&world, "shop");
    authority.issue("alice").write(&world, "alice");
    let gate_itself = authority.issue("the-gate");
    gate_itself.write(&world, "gate");
    let nginx = Nginx::asking_clients(&world, "blue", &authority.pem).await;
    let pem = |name: &str| json!({"from_file": name});
    let ssls = json!([
        {"id": "s", "sni": "shop.test", "cert": pem("shop.crt"), "key": pem("shop.key"), "client": {"ca": pem("ca.pem")}},
        {"id": "to-upstreams", "type": "client", "cert": pem("gate.crt"), "key": pem("gate.key")},
    ]);
    let upstream = json!({
        "id": "u", "nodes": nginx.node(), "scheme": "https", "pass_host": "rewrite", "upstream_host": "localhost",
        "tls": {"client_cert_id": "to-upstreams"},
    });
    let gate = serving(&world, &file(&upstream, &ssls)).await;
    let here = world.path().display().to_string();
    let alice = format!("--cert {here}/alice.crt --key {here}/alice.key");
    let who = printed(&gate, &format!("{}/who", curl(&world, &gate, "shop.test", &alice))).await;
    assert_eq!(who.trim(), "CN=the-gate", "nginx sees the gate's certificate, the gate saw Alice's");
    let without = run(&gate, &format!("{}/who", curl(&world, &gate, "shop.test", ""))).await;
    assert!(!without.status.success(), "{without:?}");
    assert!(!stands_in(gate.data_dir(), gate_itself.secret()), "a key stands in the data directory");
}

#[tokio::test]
async fn a_node_whose_certificate_cannot_be_verified_is_told_once_and_with_what_to_do() {
    let world = World::new();
    let authority = Authority::new(&world);
    let nginx = Nginx::asking_clients(&world, "blue", &authority.pem).await;
    let upstream = json!({
        "id": "u", "nodes": nginx.node(), "scheme": "https", "pass_host": "rewrite", "upstream_host": "localhost",
        "tls": {"verify": true},
    });
    let gate = serving(&world, &file(&upstream, &json!([]))).await;
    for _ in 0..3 {
        assert_eq!(client::get(gate.gateway(), "/").await.status, 502);
    }
    let told = "requests to the node get a 502, for its certificate is";
    gate.logged(told).await;
    let log = gate.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(told)).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for part in ["WARN", "upstreams/u", "no authority that is trusted", "tls_ca_file", "tls.verify"] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
}

#[tokio::test]
async fn a_certificate_that_an_upstream_shows_goes_by_force_only_and_is_missed_in_words() {
    let world = World::new();
    let authority = Authority::new(&world);
    let issued = authority.issue("the-gate");
    let nginx = Nginx::asking_clients(&world, "blue", &authority.pem).await;
    let gate = serving(&world, &json!({})).await;
    let admin = gate.admin();
    let ssl = json!({"type": "client", "cert": issued.cert, "key": issued.key});
    admin.put("ssls/c", &ssl).await;
    let mut upstream = json!({
        "nodes": nginx.node(), "scheme": "https", "pass_host": "rewrite", "upstream_host": "localhost",
        "tls": {"client_cert_id": "c"},
    });
    admin.put("upstreams/u", &upstream).await;
    admin.put("routes/r", &json!({"uri": "/*", "upstream_id": "u"})).await;
    assert_eq!(client::get(gate.gateway(), "/who").await.text().trim(), "CN=the-gate");
    let delete = async |path: &str| admin.call(Method::DELETE, path, "").await;
    // What is open would live on; to the upstream as it is now, nothing is.
    upstream["retries"] = json!(1);
    admin.put("upstreams/u", &upstream).await;
    let refused = delete("/apisix/admin/ssls/c").await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("upstream [u] is still using it now"), "{}", refused.text());
    assert_eq!(delete("/apisix/admin/ssls/c?force=true").await.status, 200);

    assert_eq!(client::get(gate.gateway(), "/who").await.status, 502);
    gate.logged("there is no usable ssl c of type client").await;
    let counted = async || {
        let metrics = client::get(gate.admin_address(), "/metrics").await.text();
        metrics.contains("reason=\"client_certificate_unusable\"} 1")
    };
    clock::until("its count", counted, || gate.log()).await;

    // Once for the upstream, whatever else of it was written anew, and once more when that was changed and changed back.
    let told = || gate.log().lines().filter(|line| line.contains("certificates are not checked")).count();
    assert_eq!(told(), 1, "{}", gate.log());
    admin.put("ssls/c", &ssl).await;
    for verify in [true, false] {
        admin.patch("upstreams/u", &json!({"tls": {"verify": verify}})).await;
    }
    clock::until("the second time", async || told() == 2, || gate.log()).await;
}
