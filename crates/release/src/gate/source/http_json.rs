//! A number in a JSON document.

use super::{Reading, ask, encoded, expanded};
use crate::gate::GateContext;
use http::Method;
use model::address::WebAddress;
use model::target::EnvValue;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) async fn read(
    url: &str,
    pointer: &str,
    headers: &BTreeMap<String, EnvValue>,
    context: &GateContext,
    limit: Duration,
) -> Result<Vec<Reading>, String> {
    let url = expanded(url, context, encoded)?;
    let address = WebAddress::parse(&url).map_err(|error| format!("url: {error}"))?;
    let answer = ask(Method::GET, &address, headers, None, context, limit).await?;
    if !answer.status.is_success() {
        return Err(format!("{address} answered {}", answer.status.as_u16()));
    }
    let document: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("the answer of {address} is no JSON: {error}"))?;
    match document.pointer(pointer) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(value) => Ok(vec![Reading { of: String::new(), value }]),
            None => Err(format!("the number at {pointer} is too large")),
        },
        Some(_) => Err(format!("what stands at {pointer} is no number")),
    }
}
