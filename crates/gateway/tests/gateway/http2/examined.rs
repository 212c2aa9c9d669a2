//! Checks of the business look into what clients of HTTP/2 get.

use super::super::examined::{GOOD, examined, order, resources};
use super::super::support::{Gate, settings};
use super::client::{Client, request};
use testkit::service::{Answer, Service};

#[tokio::test]
async fn fields_of_answers_to_http2_clients_are_examined_once_they_have_them() {
    let service = Service::start(|asked| match asked.target.as_str() {
        "/good" => Answer::json(GOOD),
        "/large" => Answer::json(format!("{}{GOOD}", " ".repeat(60_000))),
        _ => Answer::json("{}"),
    })
    .await;
    let gate = Gate::with(settings(), &resources(service.address(), &order())).await;
    let client = Client::connect(&gate).await;
    for (path, length) in [("/good", GOOD.len()), ("/large", 60_000 + GOOD.len()), ("/bad", 2)] {
        assert_eq!(client.ask(request("GET", path)).await.body.len(), length);
    }
    // A client that is gone as soon as it has its answer has had it.
    drop(client);
    let counts = gate.settled().await;
    assert_eq!((counts.whole_total(), counts.checks[0]), (3, examined(2, 1, 0)));
}
