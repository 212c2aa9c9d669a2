//! Certificates that will run out: told in the log when they are loaded, and in the metrics always.

use gateway::table::Certificate;
use std::fmt::Write as _;

/// A certificate that runs out sooner is warned of.
const WARN_BELOW_DAYS: f64 = 14.0;
const DAY_S: f64 = 86_400.0;

/// What was last seen, so that each certificate is warned of once.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    seen: Vec<Certificate>,
}

impl Expiry {
    /// Warns of those that are new and will soon run out, or have.
    pub(super) fn warn(&mut self, certificates: Vec<Certificate>, now_s: i64) {
        for certificate in certificates.iter().filter(|certificate| !self.seen.contains(certificate)) {
            let days = days_left(certificate, now_s);
            if days < 0.0 {
                tracing::error!(ssl = certificate.ssl, "a certificate has expired {:.1} days ago", -days);
            } else if days < WARN_BELOW_DAYS {
                tracing::warn!(ssl = certificate.ssl, "a certificate expires in {days:.1} days");
            }
        }
        self.seen = certificates;
    }
}

/// The days that are left, for Prometheus.
pub(super) fn render(certificates: &[Certificate], now_s: i64) -> String {
    let mut out = String::new();
    if certificates.is_empty() {
        return out;
    }
    out.push_str(
        "# HELP tealgate_ssl_days_left Days until the first certificate of an SSL resource expires.\n",
    );
    out.push_str("# TYPE tealgate_ssl_days_left gauge\n");
    for certificate in certificates {
        // Ids have no character that would have to be escaped.
        let days = days_left(certificate, now_s);
        let _ = writeln!(out, "tealgate_ssl_days_left{{ssl=\"{}\"}} {days:.3}", certificate.ssl);
    }
    out
}

#[allow(clippy::cast_precision_loss, reason = "seconds of any century fit")]
fn days_left(certificate: &Certificate, now_s: i64) -> f64 {
    certificate.not_after_s.saturating_sub(now_s) as f64 / DAY_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_that_are_left_are_told_also_below_zero() {
        let certificate = |ssl: &str, not_after_s| Certificate { ssl: ssl.to_owned(), not_after_s };
        let text = render(&[certificate("a", 86_400 * 3), certificate("b", 0)], 43_200);
        assert!(text.contains("tealgate_ssl_days_left{ssl=\"a\"} 2.500\n"), "{text}");
        assert!(text.contains("tealgate_ssl_days_left{ssl=\"b\"} -0.500\n"), "{text}");
        assert_eq!(render(&[], 0), "");
    }
}
