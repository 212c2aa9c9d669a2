//! What is spoken above TLS.

use super::World;
use super::client::Manner;
use super::issuer::{Authority, asking};
use serde_json::json;
use testkit::clock::within;

/// One request over HTTP/2; its status.
async fn ask(sender: &mut h2::client::SendRequest<bytes::Bytes>, host: &str) -> u16 {
    let request = http::Request::get(format!("https://{host}/")).body(()).unwrap();
    within("an answer", async {
        sender.clone().ready().await.unwrap();
        let (answer, _) = sender.send_request(request, true).unwrap();
        answer.await.unwrap().status().as_u16()
    })
    .await
}

#[tokio::test]
async fn a_client_gets_the_protocol_that_it_prefers_of_ours() {
    let authority = Authority::new("root");
    let world = World::new(&[authority.server(&["a.test"]).ssl("a", &["a.test"])]).await;
    for (offered, agreed) in
        [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)]
    {
        let protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let client = Manner::trusting(&authority).with(|config| config.alpn_protocols = protocols);
        let connection = client.connect(&world, "a.test").await.unwrap();
        let found =
            connection.0.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        assert_eq!(found.as_deref(), agreed);
    }
    let nothing_of_ours =
        Manner::trusting(&authority).with(|config| config.alpn_protocols = vec![b"spdy/3".to_vec()]);
    assert!(nothing_of_ours.connect(&world, "a.test").await.is_err());
}

#[tokio::test]
async fn requests_of_one_http2_connection_are_judged_by_their_hosts() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let issued = servers.server(&["open.test", "a.test"]);
    let ssl = asking(issued.ssl("a", &["a.test"]), &clients, &json!({}));
    let world = World::new(&[issued.ssl("open", &["open.test"]), ssl]).await;
    let client = Manner::showing(&servers, &clients.client("c"));
    let client = client.with(|config| config.alpn_protocols = vec![b"h2".to_vec()]);
    for (name, expected) in [("open.test", [200, 421]), ("a.test", [200, 200])] {
        let connection = client.connect(&world, name).await.unwrap();
        let (mut sender, driver) = within("a handshake", h2::client::handshake(connection.0)).await.unwrap();
        let driver = tokio::spawn(driver);
        let statuses = [ask(&mut sender, "open.test").await, ask(&mut sender, "a.test").await];
        assert_eq!(statuses, expected, "{name}");
        driver.abort();
    }
}
