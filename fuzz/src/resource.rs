//! A body of the Admin API: its first byte chooses the kind, the rest is the JSON.

use model::check::check;
use model::expr::Expr;
use model::resource::Kind;
use model::upstream::Upstream;
use serde_json::Value;

/// Runs the target. Panics on a finding.
pub fn run(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(value) = serde_json::from_slice::<Value>(text) else { return };
    let Some(kind) = Kind::ALL.get(usize::from(*kind) % Kind::ALL.len()) else { return };
    if check(*kind, &value, plugins::ALL).is_ok() {
        read(*kind, &value);
    }
    if let Ok(expression) = Expr::parse(&value) {
        let _ = expression.check_patterns();
        let _ = model::expr::eval::Matcher::compile(&expression);
    }
}

/// What was accepted is also read by the gateway.
fn read(kind: Kind, value: &Value) {
    match kind {
        Kind::Route => {
            model::route::Route::from_value(value).expect("an accepted route can be read");
        }
        Kind::Service => {
            let _ = model::service::Service::from_value(value);
        }
        Kind::Upstream => {
            let _ = Upstream::from_value(value, false);
        }
        _ => {}
    }
}
