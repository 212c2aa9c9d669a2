//! Prometheus' HTTP API: `POST /api/v1/query` and `/api/v1/query_range`, with the parameters as a form.
//!
//! Source: Prometheus, "HTTP API" (expression queries, expression query result formats).

use super::{Reading, ask, encoded, expanded};
use crate::clock;
use crate::gate::GateContext;
use http::Method;
use model::address::WebAddress;
use model::target::EnvValue;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// One query.
pub(super) struct Query<'a> {
    pub(super) url: &'a str,
    pub(super) query: &'a str,
    pub(super) range_ms: Option<u64>,
    pub(super) step_ms: u64,
    pub(super) headers: &'a BTreeMap<String, EnvValue>,
}

/// The envelope of every answer.
#[derive(Deserialize)]
struct Envelope {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
    /// The result may be incomplete.
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "snake_case")]
enum Data {
    Vector(Vec<Instant>),
    Matrix(Vec<Range>),
    Scalar(Point),
    String(Point),
}

/// Seconds since the Unix epoch, and the value as a text.
type Point = (f64, String);

#[derive(Deserialize)]
struct Instant {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    /// Absent for a native histogram.
    value: Option<Point>,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<Point>,
}

impl Query<'_> {
    pub(super) async fn read(&self, context: &GateContext, limit: Duration) -> Result<Vec<Reading>, String> {
        let query = expanded(self.query, context, str::to_owned)?;
        let now_ms = clock::now_ms();
        let mut form = format!("query={}&timeout={}ms", encoded(&query), limit.as_millis());
        let path = match self.range_ms {
            None => {
                form.push_str(&format!("&time={}", seconds(now_ms)));
                "api/v1/query"
            }
            Some(range_ms) => {
                let start_ms = now_ms.saturating_sub(i64::try_from(range_ms).unwrap_or(i64::MAX));
                let step = seconds(i64::try_from(self.step_ms).unwrap_or(i64::MAX));
                form.push_str(&format!("&start={}&end={}&step={step}", seconds(start_ms), seconds(now_ms)));
                "api/v1/query_range"
            }
        };
        let url = format!("{}/{path}", self.url.trim_end_matches('/'));
        let address = WebAddress::parse(&url).map_err(|error| format!("url: {error}"))?;
        let answer = ask(Method::POST, &address, self.headers, Some(form), context, limit).await?;
        // Errors have a body, too (400, 422, 503).
        let envelope: Result<Envelope, _> = serde_json::from_slice(&answer.body);
        match envelope {
            Ok(envelope) => envelope.readings(&address),
            Err(_) if !answer.status.is_success() => {
                Err(format!("{address} answered {}", answer.status.as_u16()))
            }
            Err(error) => Err(format!("the answer of {address} is not Prometheus': {error}")),
        }
    }
}

impl Envelope {
    fn readings(self, address: &WebAddress) -> Result<Vec<Reading>, String> {
        if self.status != "success" {
            return Err(format!("{address} refused the query: {}: {}", self.error_type, self.error));
        }
        if let Some(warning) = self.warnings.first() {
            return Err(format!("the result of {address} may be incomplete: {warning}"));
        }
        match self.data {
            None => Err(format!("the answer of {address} has no data")),
            Some(Data::String((_, text))) => {
                Err(format!("the result of the query is a text, not a number: {text:?}"))
            }
            Some(Data::Scalar(point)) => Ok(vec![reading(&BTreeMap::new(), &point)?]),
            Some(Data::Vector(series)) => series.iter().map(of_instant).collect(),
            Some(Data::Matrix(series)) => {
                let points = series.iter().flat_map(|one| one.values.iter().map(move |point| (one, point)));
                points.map(|(one, point)| reading(&one.metric, point)).collect()
            }
        }
    }
}

fn of_instant(series: &Instant) -> Result<Reading, String> {
    match &series.value {
        Some(point) => reading(&series.metric, point),
        None => Err("the result of the query is a histogram, not a number".to_owned()),
    }
}

/// `NaN`, `+Inf` and `-Inf` are values, too; the gate knows what they are worth.
fn reading(labels: &BTreeMap<String, String>, (_, text): &Point) -> Result<Reading, String> {
    let value = text.parse().map_err(|_| format!("the value {text:?} is no number"))?;
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let of = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(", ")) };
    Ok(Reading { of, value })
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000))
}
