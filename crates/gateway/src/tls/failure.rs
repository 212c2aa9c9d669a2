//! Why the handshake of a client failed, as a token for log and metrics.

use model::reason::HandshakeReason;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use std::io;

/// A handshake that the gate did not go on with, for a reason that is no error of TLS.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.name())]
struct Refused(HandshakeReason);

/// A failure for this reason.
pub(super) fn refused(reason: HandshakeReason) -> io::Error {
    io::Error::other(Refused(reason))
}

/// The token of a failure.
pub(super) fn reason(error: &io::Error) -> HandshakeReason {
    if let Some(inner) = error.get_ref() {
        if let Some(Refused(reason)) = inner.downcast_ref() {
            return *reason;
        }
        if let Some(error) = inner.downcast_ref() {
            return of_tls(error);
        }
    }
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::UnexpectedEof | Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => {
            HandshakeReason::ClientClosed
        }
        _ => HandshakeReason::Other,
    }
}

/// What a peer says of a certificate that it does not take (RFC 8446, section 6.2).
pub(crate) const REFUSALS: [AlertDescription; 7] = [
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    AlertDescription::AccessDenied,
];

fn of_tls(error: &Error) -> HandshakeReason {
    use AlertDescription as Alert;
    match error {
        Error::InvalidMessage(_) => HandshakeReason::NotTls,
        Error::NoApplicationProtocol => HandshakeReason::NoCommonProtocol,
        Error::NoCertificatesPresented => HandshakeReason::ClientCertificateMissing,
        Error::InvalidCertificate(fault) => of_certificate(fault),
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired
            // Before TLS 1.2 there was no such extension; the library looks for it before it looks at the version.
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        )
        | Error::AlertReceived(Alert::ProtocolVersion) => HandshakeReason::NoCommonVersion,
        Error::PeerIncompatible(_) => HandshakeReason::NoCommonSuite,
        Error::AlertReceived(alert) if REFUSALS.contains(alert) => HandshakeReason::OurCertificateRefused,
        Error::AlertReceived(_) => HandshakeReason::Alert,
        _ => HandshakeReason::Other,
    }
}

fn of_certificate(fault: &CertificateError) -> HandshakeReason {
    use CertificateError as C;
    match fault {
        C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => {
            HandshakeReason::ClientCertificateExpired
        }
        C::UnknownIssuer => HandshakeReason::ClientCertificateUnknownIssuer,
        _ => HandshakeReason::ClientCertificateInvalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_whose_doing_it_is() {
        let of = |error| reason(&io::Error::new(io::ErrorKind::InvalidData, error));
        assert_eq!(of(Error::NoCertificatesPresented), HandshakeReason::ClientCertificateMissing);
        assert_eq!(
            of(Error::AlertReceived(AlertDescription::UnknownCA)),
            HandshakeReason::OurCertificateRefused
        );
        assert_eq!(of(Error::AlertReceived(AlertDescription::UserCanceled)), HandshakeReason::Alert);
        assert_eq!(
            of(Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon)),
            HandshakeReason::NoCommonSuite
        );
        let before_tls12 = PeerIncompatible::SignatureAlgorithmsExtensionRequired;
        assert_eq!(of(Error::PeerIncompatible(before_tls12)), HandshakeReason::NoCommonVersion);
        assert_eq!(reason(&refused(HandshakeReason::TooMany)), HandshakeReason::TooMany);
        assert_eq!(reason(&io::ErrorKind::UnexpectedEof.into()), HandshakeReason::ClientClosed);
    }
}
