use super::{CachedSecond, MAX_FIELD_BYTES, SeriesPart, is_plain, is_special, write_line};
use crate::series::SeriesKey;
use model::reason::Reason;
use model::record::{Answerer, Ending, Lane, RequestRecord};
use proptest::prelude::*;
use serde_json::{Value, json};

fn record<'a>() -> RequestRecord<'a> {
    RequestRecord {
        at_us: 1_767_323_045_678_901,
        route: "orders",
        service: "shop",
        answerer: Answerer::Green,
        lane: Lane::Share,
        epoch: 7,
        ending: Ending::Whole,
        status: 200,
        upstream_status: 200,
        grpc_status: None,
        reason: None,
        upstream: "127.0.0.1:8001",
        tries: 1,
        protocol: "HTTP/1.1",
        method: "GET",
        host: "shop.example",
        path: "/orders",
        query: "",
        client: "192.0.2.7",
        consumer: "",
        total_us: 1_234,
        upstream_us: 1_000,
        request_bytes: 0,
        response_bytes: 512,
    }
}

fn line(record: &RequestRecord<'_>) -> String {
    let mut out = Vec::new();
    let series = SeriesPart::new(&SeriesKey {
        route: record.route.to_owned(),
        service: record.service.to_owned(),
        app: String::new(),
        answerer: record.answerer,
        lane: record.lane,
        epoch: record.epoch,
    });
    write_line(record, &series, &mut CachedSecond::new(), &mut out);
    String::from_utf8(out).unwrap()
}

fn parsed(record: &RequestRecord<'_>) -> Value {
    serde_json::from_str(&line(record)).unwrap()
}

#[test]
fn a_call_of_grpc_shows_its_status_and_others_have_none() {
    assert_eq!(parsed(&record()).get("grpc_status"), None);
    assert_eq!(parsed(&RequestRecord { grpc_status: Some(13), ..record() })["grpc_status"], 13);
}

#[test]
fn what_the_gate_answered_itself_has_a_reason_and_nothing_else_has() {
    assert_eq!(parsed(&record()).get("response_code_details"), None);
    for reason in Reason::ALL {
        let shown = parsed(&RequestRecord { reason: Some(*reason), ..record() });
        assert_eq!(shown["response_code_details"], reason.name());
    }
}

#[test]
fn a_line_holds_the_whole_record() {
    let expected = json!({
        "time": "2026-01-02T03:04:05.678901Z", "route": "orders", "service": "shop", "answerer": "green",
        "lane": "share", "epoch": 7, "status": 200, "upstream": "127.0.0.1:8001", "upstream_status": 200,
        "tries": 1, "protocol": "HTTP/1.1", "method": "GET", "host": "shop.example", "path": "/orders", "query": "",
        "client": "192.0.2.7", "total_us": 1234, "upstream_us": 1000, "request_bytes": 0,
        "response_bytes": 512, "ending": "whole",
    });
    assert_eq!(parsed(&record()), expected);
    assert!(line(&record()).ends_with("}\n"));
}

#[test]
fn the_cached_second_follows_the_time() {
    let mut second = CachedSecond::new();
    for (at_us, text) in [
        (0, "1970-01-01T00:00:00.000000Z"),
        (999_999, "1970-01-01T00:00:00.999999Z"),
        (1_000_000, "1970-01-01T00:00:01.000000Z"),
        (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
    ] {
        let mut out = Vec::new();
        second.write(at_us, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}

#[test]
fn a_time_beyond_the_calendar_is_still_a_line() {
    assert_eq!(parsed(&RequestRecord { at_us: i64::MAX, ..record() })["status"], 200);
}

#[test]
fn secrets_in_the_query_are_masked_and_the_rest_is_shown() {
    for (query, shown) in [
        ("a=1&token=abc&b=2", "a=1&token=***&b=2"),
        ("access_token=abc", "access_token=***"),
        ("api_key=a=b=c&x", "api_key=***&x"),
        ("q=1;password=p;r=2", "q=1;password=***;r=2"),
        ("%74oken=abc", "%74oken=***"),
        ("token=", "token=***"),
        ("token", "token"),
        ("&&=&", "&&=&"),
    ] {
        assert_eq!(parsed(&RequestRecord { query, ..record() })["query"], shown);
    }
}

#[test]
fn a_long_field_is_cut_at_a_character() {
    let path = "ä".repeat(MAX_FIELD_BYTES);
    let shown = parsed(&RequestRecord { path: &path, ..record() })["path"].as_str().unwrap().to_owned();
    assert_eq!(shown, format!("{}…", "ä".repeat(MAX_FIELD_BYTES / 2)));
}

#[test]
fn a_secret_that_is_cut_is_still_masked() {
    let query = format!("token={}", "s".repeat(2 * MAX_FIELD_BYTES));
    assert_eq!(parsed(&RequestRecord { query: &query, ..record() })["query"], "token=***…");
}

proptest! {
    #[test]
    fn any_text_stays_one_line_of_json_that_reads_back(
        path in any::<String>(), query in "[^=]*", host in any::<String>(), route in any::<String>()
    ) {
        let record = RequestRecord { path: &path, query: &query, host: &host, route: &route, ..record() };
        let line = line(&record);
        prop_assert_eq!(line.matches('\n').count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(value["path"].as_str(), Some(path.as_str()));
        prop_assert_eq!(value["query"].as_str(), Some(query.as_str()));
        prop_assert_eq!(value["host"].as_str(), Some(host.as_str()));
        prop_assert_eq!(value["route"].as_str(), Some(route.as_str()));
    }
}

#[test]
fn the_consumer_is_named_if_it_is_known() {
    assert_eq!(parsed(&RequestRecord { consumer: "jack", ..record() })["consumer"], "jack");
    assert_eq!(parsed(&record()).get("consumer"), None);
}

proptest! {
    #[test]
    fn eight_bytes_at_a_time_find_what_single_ones_do(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(is_plain(&bytes), !bytes.iter().any(|byte| is_special(*byte)));
        // Text is plain but for few bytes; bytes of any kind hardly ever are.
        let mut text: Vec<u8> = bytes.iter().map(|byte| byte % 0x5e + 0x21).collect();
        text.iter_mut().filter(|byte| matches!(byte, b'"' | b'\\')).for_each(|byte| *byte = 0xc3);
        prop_assert!(is_plain(&text));
    }
}
