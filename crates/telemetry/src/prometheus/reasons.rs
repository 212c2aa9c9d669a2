//! The metrics of what was not served, by reason. Every reason is there from the start, so that a rate can be taken of its first.

use super::head;
use crate::totals::TotalsSnapshot;
use model::reason::{ConnectionReason, HandshakeReason, HeadReason, Reason};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Renders them.
pub(super) fn reasons(out: &mut String, totals: &TotalsSnapshot) {
    by_reason(
        out,
        "tealgate_gate_answers_total",
        "Requests that ended otherwise than with their upstream's whole answer, or as a WebSocket for want of traffic; the \
         reason as response_code_details in the access log.",
        Reason::NAMES,
        &totals.gate_answers,
    );
    by_reason(
        out,
        "tealgate_connections_refused_total",
        "Connections of clients that were not served.",
        ConnectionReason::NAMES,
        &totals.connections_refused,
    );
    by_reason(
        out,
        "tealgate_bad_requests_total",
        "Heads refused as malformed, too large or too late.",
        HeadReason::NAMES,
        &totals.heads_refused,
    );
    by_reason(
        out,
        "tealgate_tls_handshakes_failed_total",
        "TLS handshakes of clients that failed.",
        HandshakeReason::NAMES,
        &totals.handshake_failures,
    );
}

fn by_reason(out: &mut String, name: &str, help: &str, reasons: &[&str], counts: &BTreeMap<String, u64>) {
    head(out, name, "counter", help);
    for reason in reasons {
        let count = counts.get(*reason).copied().unwrap_or(0);
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "{name}{{reason=\"{reason}\"}} {count}");
    }
}
