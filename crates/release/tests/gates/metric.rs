use crate::{context, run};
use http::StatusCode;
use release::gate::{GateContext, GateOutcome, Verdict};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use testkit::service::{Answer, Asked, Service};

fn metric(source: Value, changes: Value) -> Value {
    let mut metric = json!({"source": source, "at_most": 0.05, "interval_ms": 20, "query_timeout_ms": 2_000});
    metric.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!({ "metric": metric })
}

fn prometheus(service: &Service) -> Value {
    json!({"prometheus": {"url": service.url("/prom/"), "query": "rate(errors{version=\"${version}\"}[1m])"}})
}

async fn measured(check: &Value, directory: &TempDir) -> GateOutcome {
    run(check.clone(), &context(directory)).await
}

/// As Prometheus answers, documented under "Expression query result formats". Refuses what Prometheus refuses.
fn as_prometheus(asked: &Asked, result_type: &str, result: &Value) -> Answer {
    let bad = |what: &str| {
        let error = json!({"status": "error", "errorType": "bad_data", "error": what});
        Answer::Whole(StatusCode::BAD_REQUEST, error.to_string())
    };
    if asked.method != "POST" || asked.header("content-type") != "application/x-www-form-urlencoded" {
        return bad("no form");
    }
    let form = String::from_utf8(asked.body.to_vec()).unwrap();
    let field = |name: &str| {
        let fields = form.split('&').filter_map(|field| field.split_once('='));
        fields.clone().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let wanted: &[&str] = match asked.target.as_str() {
        "/prom/api/v1/query" => &["query", "time", "timeout"],
        "/prom/api/v1/query_range" => &["query", "start", "end", "step", "timeout"],
        _ => return Answer::status(404),
    };
    if wanted.iter().any(|name| field(name).is_none()) {
        return bad("a parameter is missing");
    }
    if field("query").unwrap() != "rate%28errors%7Bversion%3D%22v2%22%7D%5B1m%5D%29" {
        return bad("another query");
    }
    Answer::ok(
        json!({"status": "success", "data": {"resultType": result_type, "result": result}}).to_string(),
    )
}

fn vector(values: &[&str]) -> Value {
    let series = values.iter().enumerate().map(|(number, value)| {
        json!({"metric": {"__name__": "errors", "instance": number.to_string()}, "value": [1_790_000_000.781, value]})
    });
    series.collect()
}

#[tokio::test]
async fn prometheus_says_whether_a_version_is_within_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(|asked| as_prometheus(asked, "vector", &vector(&["0.01", "0.049"]))).await;
    let check = metric(prometheus(&service), json!({"count": 3}));
    let outcome = measured(&check, &directory).await;
    assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:?}");
    assert_eq!(service.asked().len(), 3);
    assert_eq!(
        outcome.summary,
        "0 of 3 measurements out of bounds (at most 0.05), 0 without a number, last 0.01"
    );

    service.answer(|asked| as_prometheus(asked, "vector", &vector(&["0.01", "0.2"])));
    let outcome = measured(&check, &directory).await;
    assert_eq!(outcome.verdict, Verdict::Fail);
    assert_eq!(service.asked().len(), 4, "one failure is enough");
    assert!(
        outcome.evidence[0].contains(r#"{__name__="errors", instance="1"} 0.2 is out of bounds"#),
        "{outcome:?}"
    );

    service.answer(|asked| as_prometheus(asked, "scalar", &json!([1_790_000_000.1, "0.02"])));
    assert_eq!(measured(&check, &directory).await.verdict, Verdict::Pass);
}

#[tokio::test]
async fn a_range_must_be_within_bounds_at_each_point() {
    let directory = tempfile::tempdir().unwrap();
    let answer = |last: &'static str| {
        move |asked: &Asked| {
            let series = json!([{"metric": {}, "values": [[1_790_000_000, "0.01"], [1_790_000_010, last]]}]);
            as_prometheus(asked, "matrix", &series)
        }
    };
    let service = Service::start(answer("0.02")).await;
    let mut source = prometheus(&service);
    source["prometheus"]["range_ms"] = json!(60_000);
    let check = metric(source, json!({}));
    assert_eq!(measured(&check, &directory).await.verdict, Verdict::Pass);
    let form = String::from_utf8(service.asked()[0].body.to_vec()).unwrap();
    let number = |name: &str| -> f64 {
        let field = form.split('&').find_map(|field| field.strip_prefix(&format!("{name}="))).unwrap();
        field.parse().unwrap()
    };
    assert!((number("end") - number("start") - 60.0).abs() < 0.001 && (number("step") - 10.0).abs() < 0.001);
    service.answer(answer("0.09"));
    assert_eq!(measured(&check, &directory).await.verdict, Verdict::Fail);
}

#[tokio::test]
async fn what_says_nothing_never_passes() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(|_| Answer::status(503)).await;
    let check = metric(prometheus(&service), json!({"query_timeout_ms": 200}));
    let ok = |data: Value| {
        let body = json!({"status": "success", "data": data}).to_string();
        move |_: &Asked| Answer::ok(body.clone())
    };
    let says = async |why: &str| {
        let outcome = measured(&check, &directory).await;
        assert_eq!(outcome.verdict, Verdict::Inconclusive, "{outcome:?}");
        assert!(outcome.evidence.iter().any(|line| line.contains(why)), "{why}: {outcome:?}");
    };
    says("answered 503").await;
    service.answer(ok(json!({"resultType": "vector", "result": []})));
    says("no data").await;
    for value in ["NaN", "+Inf", "-Inf"] {
        service.answer(ok(json!({"resultType": "vector", "result": vector(&["0.01", value])})));
        says("is no finite number").await;
    }
    service.answer(ok(json!({"resultType": "string", "result": [1, "0.01"]})));
    says("is a text, not a number").await;
    service.answer(ok(json!({"resultType": "vector", "result": [{"metric": {}, "histogram": [1, {}]}]})));
    says("is a histogram").await;
    service.answer(ok(json!({"resultType": "vector", "result": [{"metric": {}, "value": [1, "many"]}]})));
    says("is no number").await;
    service.answer(|_| {
        let error = json!({"status": "error", "errorType": "bad_data", "error": "parse error"});
        Answer::Whole(StatusCode::BAD_REQUEST, error.to_string())
    });
    says("refused the query: bad_data: parse error").await;
    service.answer(|_| {
        let partial = json!({"status": "success", "warnings": ["a store is away"],
            "data": {"resultType": "vector", "result": vector(&["0.01"])}});
        Answer::ok(partial.to_string())
    });
    says("may be incomplete: a store is away").await;
    service.answer(|_| Answer::ok("<html>"));
    says("is not Prometheus'").await;
    service.answer(|_| Answer::ok("x".repeat(2_000_000)));
    says("larger than").await;
    service.answer(|_| Answer::Never);
    says("no answer").await;
    let gone =
        json!({"prometheus": {"url": format!("http://127.0.0.1:{}", testkit::free_port()), "query": "up"}});
    let outcome = measured(&metric(gone, json!({})), &directory).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
}

#[tokio::test]
async fn some_measurements_may_fail_and_some_may_say_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let answers = |list: &'static [&'static str]| {
        let number = AtomicUsize::new(0);
        move |_: &Asked| {
            let value = list[number.fetch_add(1, Ordering::SeqCst) % list.len()];
            Answer::ok(format!("{{\"rate\": {value}}}"))
        }
    };
    let service = Service::start(answers(&["0.9", "0.01", "null", "0.01"])).await;
    let source = json!({"http_json": {"url": service.url("/m"), "pointer": "/rate"}});
    for (limits, expected) in [
        (json!({"failure_limit": 1, "inconclusive_limit": 1}), Verdict::Pass),
        (json!({"failure_limit": 1, "inconclusive_limit": 0}), Verdict::Inconclusive),
        (json!({"failure_limit": 0, "inconclusive_limit": 3}), Verdict::Fail),
    ] {
        service.answer(answers(&["0.9", "0.01", "null", "0.01"]));
        let mut changes = json!({"count": 4});
        changes.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        let outcome = measured(&metric(source.clone(), changes), &directory).await;
        assert_eq!(outcome.verdict, expected, "{outcome:?}");
    }
}

#[tokio::test]
async fn what_does_not_fit_into_the_gates_time_is_not_passed() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(|_| Answer::ok("{\"rate\": 0}")).await;
    let source = json!({"http_json": {"url": service.url("/m"), "pointer": "/rate"}});
    let check = metric(source, json!({"count": 1_000, "interval_ms": 50}));
    let context = GateContext { timeout_ms: 300, ..context(&directory) };
    let outcome = run(check, &context).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive, "{outcome:?}");
    assert!(outcome.evidence.iter().any(|line| line.contains("not made: out of time")), "{outcome:?}");
}

#[tokio::test]
async fn a_number_in_a_document_is_read_by_its_pointer_with_a_secret_that_nobody_sees() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("token"), "s3cret-t0ken\n").unwrap();
    let service = Service::start(|asked| {
        assert_eq!(asked.header("authorization"), "s3cret-t0ken");
        assert_eq!(asked.target, "/apps/shop/versions/v2?colour=green&other=blue");
        Answer::ok(r#"{"errors": {"rate": 0.04}, "text": "s3cret-t0ken"}"#)
    })
    .await;
    let url = service.url("/apps/${app}/versions/${version}?colour=${colour}&other=${other_colour}");
    let source = |pointer: &str| json!({"http_json": {"url": url, "pointer": pointer, "headers": {"Authorization": {"from_file": "token"}}}});
    let outcome = measured(&metric(source("/errors/rate"), json!({"at_least": 0.0})), &directory).await;
    assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:?}");
    assert!(!format!("{outcome:?}").contains("s3cret"));
    for (pointer, why) in
        [("/errors/none", "no data"), ("/text", "is no number"), ("/errors", "is no number")]
    {
        let outcome = measured(&metric(source(pointer), json!({})), &directory).await;
        assert_eq!(outcome.verdict, Verdict::Inconclusive);
        assert!(outcome.evidence.iter().any(|line| line.contains(why)), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_program_prints_the_number() {
    let directory = tempfile::tempdir().unwrap();
    let sh = |script: &str| json!({"command": {"command": ["/bin/sh", "-c", script], "env": {"A": "0.03"}}});
    for (script, expected) in [
        ("echo measuring; echo $A; echo", Verdict::Pass),
        ("echo \"0.${TEALGATE_VERSION#v}\"", Verdict::Fail),
        ("echo 0.01; exit 3", Verdict::Inconclusive),
        ("echo nan", Verdict::Inconclusive),
        ("echo many", Verdict::Inconclusive),
        ("true", Verdict::Inconclusive),
        ("sleep 60", Verdict::Inconclusive),
    ] {
        let outcome = measured(&metric(sh(script), json!({"query_timeout_ms": 500})), &directory).await;
        assert_eq!(outcome.verdict, expected, "{script}: {outcome:?}");
    }
}
