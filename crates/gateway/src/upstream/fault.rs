//! Why no connection to a node could be made: as a token for log and metrics, and of its certificate in plain words with what to
//! do about it.
//!
//! What the TLS library says of a certificate is meant for its users, who write programs. Whoever reads our log or the health of
//! a node runs one.

use super::client_certificate::Unusable;
use super::resolve::Unresolved;
use crate::tls::REFUSALS;
use model::reason::Reason;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use std::io;

/// The most names of a certificate that are told.
const MAX_NAMES: usize = 8;

/// The token of a failed attempt.
pub(crate) fn reason(error: &io::Error) -> Reason {
    use io::ErrorKind as Kind;
    if let Some(fault) = unverified(error) {
        return of_certificate(fault);
    }
    if let Some(inner) = error.get_ref() {
        if inner.is::<Unresolved>() {
            return Reason::DnsFailed;
        }
        if inner.is::<Unusable>() {
            return Reason::ClientCertificateUnusable;
        }
        if let Some(error) = inner.downcast_ref() {
            return told_of_ours(error).unwrap_or(Reason::TlsFailed);
        }
    }
    match error.kind() {
        Kind::ConnectionRefused => Reason::ConnectRefused,
        Kind::HostUnreachable | Kind::NetworkUnreachable => Reason::ConnectUnreachable,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof => {
            Reason::ConnectReset
        }
        Kind::TimedOut => Reason::ConnectTimeout,
        _ => Reason::ConnectFailed,
    }
}

/// The token of a connection that was made and that the node ended before it answered, if TLS says why: since TLS 1.3 a client has
/// finished its handshake before the server judges what it has shown (RFC 8446, section 4.4.2.4).
pub(crate) fn after_handshake(error: &io::Error) -> Option<Reason> {
    told_of_ours(error.get_ref()?.downcast_ref()?)
}

/// The same where only the text of the error has come through.
pub(crate) fn after_handshake_by_text(error: &io::Error) -> Option<Reason> {
    if error.kind() != io::ErrorKind::InvalidData {
        return None;
    }
    let text = error.to_string();
    let alerts = [AlertDescription::CertificateRequired].into_iter().chain(REFUSALS);
    let mut errors = alerts.map(Error::AlertReceived);
    errors.find(|error| error.to_string() == text).and_then(|error| told_of_ours(&error))
}

/// What the node says of the certificate that we show.
fn told_of_ours(error: &Error) -> Option<Reason> {
    match error {
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            Some(Reason::ClientCertificateRequired)
        }
        Error::AlertReceived(alert) if REFUSALS.contains(alert) => Some(Reason::ClientCertificateRefused),
        _ => None,
    }
}

/// What a node says of our certificate, and what to do. It reads on after "the node".
pub(crate) fn of_ours(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::ClientCertificateRequired => Some(
            "demands a client certificate, and none was shown: set tls.client_cert and tls.client_key of the \
             upstream, or tls.client_cert_id",
        ),
        Reason::ClientCertificateRefused => Some(
            "refuses the client certificate that was shown, or that there was none: look at tls.client_cert of \
             the upstream (its issuer, its dates) and at the log of the node",
        ),
        _ => None,
    }
}

/// Why a handshake failed, not for the node's certificate, and what to do. It reads on after "the node"; `None` if TLS was not
/// what failed.
pub(crate) fn of_handshake(error: &io::Error) -> Option<String> {
    use AlertDescription as Alert;
    let error: &Error = error.get_ref()?.downcast_ref()?;
    if let Some(words) = told_of_ours(error).and_then(of_ours) {
        return Some(words.to_owned());
    }
    let words = match error {
        Error::InvalidCertificate(_) => return None,
        Error::InvalidMessage(_) => {
            "does not speak TLS on this port: set the upstream's scheme to http (or grpc), or name its port for TLS"
        }
        Error::AlertReceived(Alert::ProtocolVersion)
        | Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "speaks neither TLS 1.2 nor TLS 1.3: allow one of them there",
        Error::AlertReceived(Alert::HandshakeFailure | Alert::InsufficientSecurity)
        | Error::PeerIncompatible(_) => {
            "has no cipher suite, group or signature in common with us (allow ECDHE with AES-GCM or CHACHA20 there), or \
             demands a client certificate (set tls.client_cert)"
        }
        Error::AlertReceived(Alert::UnrecognisedName) => {
            "does not know the name that was asked for: set pass_host and upstream_host to one that it knows"
        }
        Error::AlertReceived(Alert::NoApplicationProtocol) | Error::NoApplicationProtocol => {
            "does not speak the version of HTTP that was asked for: HTTP/2 is, by the scheme grpcs or the label \
             tealgate.protocol"
        }
        Error::AlertReceived(alert) => {
            return Some(format!("ended the handshake of TLS with the alert {}", alert_name(*alert)));
        }
        other => return Some(format!("could not finish the handshake of TLS with us ({other})")),
    };
    Some(words.to_owned())
}

/// Why a certificate of ours could not be shown, if that is why no connection was made.
pub(crate) fn unusable(error: &io::Error) -> Option<&Unusable> {
    error.get_ref()?.downcast_ref()
}

/// What is wrong with the certificate, if that is why a handshake has failed.
pub(crate) fn unverified(error: &io::Error) -> Option<&CertificateError> {
    match error.get_ref()?.downcast_ref()? {
        Error::InvalidCertificate(fault) => Some(fault),
        _ => None,
    }
}

fn of_certificate(fault: &CertificateError) -> Reason {
    use CertificateError as C;
    match fault {
        C::Expired | C::ExpiredContext { .. } => Reason::CertificateExpired,
        C::NotValidYet | C::NotValidYetContext { .. } => Reason::CertificateNotYetValid,
        C::NotValidForName | C::NotValidForNameContext { .. } => Reason::CertificateNameMismatch,
        C::UnknownIssuer => Reason::CertificateUnknownIssuer,
        C::Revoked => Reason::CertificateRevoked,
        C::BadSignature => Reason::CertificateBadSignature,
        C::Other(_) if of_webpki(fault) == Some(&webpki::Error::CaUsedAsEndEntity) => Reason::CertificateIsCa,
        _ => Reason::CertificateInvalid,
    }
}

/// What the library beneath the library says, where the latter has no word of its own.
fn of_webpki(fault: &CertificateError) -> Option<&webpki::Error> {
    match fault {
        CertificateError::Other(other) => other.0.downcast_ref(),
        _ => None,
    }
}

/// What is wrong with a certificate, and what to do. It reads on after "the certificate of the node".
pub(crate) fn in_words(fault: &CertificateError) -> String {
    use CertificateError as C;
    match fault {
        C::Expired => "has expired: renew it there".to_owned(),
        C::ExpiredContext { not_after, .. } => {
            format!("has expired at {}: renew it there", date(*not_after))
        }
        C::NotValidYet => "is not valid yet: look at the clocks of both machines".to_owned(),
        C::NotValidYetContext { not_before, .. } => {
            format!("is not valid before {}: look at the clocks of both machines", date(*not_before))
        }
        C::NotValidForName => {
            "is not for the name that was asked for: set pass_host and upstream_host to a name that it has, or \
             issue one for this name"
                .to_owned()
        }
        C::NotValidForNameContext { expected, presented } => format!(
            "is not for the name {} that was asked for, but for {}: set pass_host and upstream_host to a name that it \
             has (in a health check, host), or issue one for this name",
            expected.to_str(),
            names(presented)
        ),
        C::UnknownIssuer => "is of no authority that is trusted here: put the certificate of its authority, or a \
                             self-signed one itself (with CA:FALSE: no server may show one with CA:TRUE), into the \
                             file that the setting tls_ca_file names, and have the node send those between"
            .to_owned(),
        C::Revoked => "was revoked: issue a new one".to_owned(),
        C::BadSignature => {
            "has a wrong signature in its chain: the authority that is trusted has another key than the one that \
             signed it; look at tls_ca_file and at what the node sends"
                .to_owned()
        }
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
            "is not meant for servers: issue one with the extended key usage serverAuth".to_owned()
        }
        C::BadEncoding => "cannot be read: issue a new one".to_owned(),
        _ if of_webpki(fault) == Some(&webpki::Error::CaUsedAsEndEntity) => {
            "is one of an authority (CA:TRUE), which no server may show as its own, and trusting it does not help: \
             issue one with CA:FALSE (openssl req -x509 makes CA:TRUE unless told \
             -addext basicConstraints=critical,CA:FALSE)"
                .to_owned()
        }
        _ if of_webpki(fault) == Some(&webpki::Error::UnsupportedCertVersion) => {
            "is of an X.509 version before 3: issue a new one with subjectAltName".to_owned()
        }
        C::UnsupportedSignatureAlgorithmContext { .. }
        | C::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed by an algorithm, or has a key, that is not taken for safe: issue a new one with ECDSA P-256, or with RSA of \
             at least 2048 bits, and SHA-256"
                .to_owned()
        }
        C::UnhandledCriticalExtension => {
            "has a critical extension that is not known here: issue one without it".to_owned()
        }
        _ => "cannot be verified: issue a new one (openssl verify may say more)".to_owned(),
    }
}

/// An alert by its name in RFC 8446, section 6: `unknown_ca`.
fn alert_name(alert: AlertDescription) -> String {
    let mut name = String::new();
    let mut in_word = false;
    for letter in format!("{alert:?}").chars() {
        if letter.is_ascii_uppercase() && in_word {
            name.push('_');
        }
        in_word = letter.is_ascii_lowercase();
        name.push(letter.to_ascii_lowercase());
    }
    name
}

fn names(presented: &[String]) -> String {
    // As the library says them: `DnsName("a.example")`, `IpAddress(127.0.0.1)`.
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        inner.trim_matches('"').to_owned()
    };
    let mut shown: Vec<String> = presented.iter().take(MAX_NAMES).map(bare).collect();
    match presented.len() {
        0 => return "no name at all (subjectAltName counts, the common name does not)".to_owned(),
        count if count > MAX_NAMES => shown.push(format!("{} more", count - MAX_NAMES)),
        _ => {}
    }
    shown.join(", ")
}

fn date(time: UnixTime) -> String {
    let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(second)
        .map_or_else(|_| "a time beyond all".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::OtherError;
    use rustls::pki_types::ServerName;
    use std::sync::Arc;
    use std::time::Duration;

    fn invalid(fault: CertificateError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, Error::InvalidCertificate(fault))
    }

    fn webpki(error: webpki::Error) -> CertificateError {
        CertificateError::Other(OtherError(Arc::new(error)))
    }

    #[test]
    fn only_a_certificate_is_complained_about() {
        let expired = invalid(CertificateError::Expired);
        assert_eq!(unverified(&expired), Some(&CertificateError::Expired));
        assert_eq!(unverified(&io::Error::new(io::ErrorKind::InvalidData, Error::DecryptError)), None);
        assert_eq!(unverified(&io::ErrorKind::ConnectionRefused.into()), None);
    }

    #[test]
    fn each_way_to_fail_has_its_token() {
        use io::ErrorKind as Kind;
        for (kind, token) in [
            (Kind::ConnectionRefused, "connect_refused"),
            (Kind::HostUnreachable, "connect_unreachable"),
            (Kind::ConnectionReset, "connect_reset"),
            (Kind::TimedOut, "connect_timeout"),
            (Kind::AddrNotAvailable, "connect_failed"),
        ] {
            assert_eq!(reason(&kind.into()).name(), token);
        }
        assert_eq!(reason(&io::Error::new(Kind::NotFound, Unresolved)), Reason::DnsFailed);
        assert_eq!(reason(&io::Error::new(Kind::InvalidData, Error::DecryptError)), Reason::TlsFailed);
        assert_eq!(reason(&invalid(CertificateError::UnknownIssuer)), Reason::CertificateUnknownIssuer);
        let of_an_authority = invalid(webpki(webpki::Error::CaUsedAsEndEntity));
        assert_eq!(reason(&of_an_authority), Reason::CertificateIsCa);
    }

    fn failed(error: Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn what_a_node_says_of_our_certificate_is_told_from_the_rest_of_tls() {
        let alert = |alert| failed(Error::AlertReceived(alert));
        let required = alert(AlertDescription::CertificateRequired);
        assert_eq!(reason(&required), Reason::ClientCertificateRequired);
        assert_eq!(after_handshake(&required), Some(Reason::ClientCertificateRequired));
        assert_eq!(reason(&alert(AlertDescription::UnknownCA)), Reason::ClientCertificateRefused);
        assert_eq!(after_handshake(&alert(AlertDescription::InternalError)), None);
        assert_eq!(after_handshake(&io::ErrorKind::ConnectionReset.into()), None);
    }

    #[test]
    fn why_a_handshake_failed_is_said_in_words_that_lead_on() {
        let alert = |alert| failed(Error::AlertReceived(alert));
        for (error, words) in [
            (failed(rustls::InvalidMessage::InvalidContentType.into()), "set the upstream's scheme to http"),
            (alert(AlertDescription::CertificateRequired), "set tls.client_cert"),
            (alert(AlertDescription::HandshakeFailure), "no cipher suite"),
            (alert(AlertDescription::ProtocolVersion), "neither TLS 1.2 nor TLS 1.3"),
            (alert(AlertDescription::InternalError), "the alert internal_error"),
            (failed(Error::DecryptError), "could not finish the handshake"),
        ] {
            let told = of_handshake(&error).unwrap();
            assert!(told.contains(words), "{told}");
        }
        assert_eq!(of_handshake(&invalid(CertificateError::Expired)), None);
        assert_eq!(of_handshake(&io::ErrorKind::ConnectionReset.into()), None);
    }

    #[test]
    fn what_is_wrong_is_said_in_words_that_lead_on() {
        let time = |second| UnixTime::since_unix_epoch(Duration::from_secs(second));
        let expired = CertificateError::ExpiredContext { time: time(99), not_after: time(1_600_000_000) };
        assert_eq!(in_words(&expired), "has expired at 2020-09-13T12:26:40Z: renew it there");
        let other_name = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("shop.example").unwrap(),
            presented: vec!["DnsName(\"a.example\")".to_owned(), "IpAddress(127.0.0.1)".to_owned()],
        };
        let words = in_words(&other_name);
        assert!(words.contains("shop.example that was asked for, but for a.example, 127.0.0.1:"), "{words}");
        let of_an_authority = webpki(webpki::Error::CaUsedAsEndEntity);
        assert!(in_words(&of_an_authority).contains("CA:FALSE"));
        assert_eq!(alert_name(AlertDescription::UnknownCA), "unknown_ca");
        for fault in
            [CertificateError::UnknownIssuer, CertificateError::Revoked, CertificateError::BadSignature]
        {
            assert!(!in_words(&fault).contains("cannot be verified"), "{fault:?} has words of its own");
        }
    }
}
