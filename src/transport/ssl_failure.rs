//! Why a TLS connection has failed, in words that help whoever reads the log.

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// How requests of other protocols begin that end up on a port of TLS.
const HTTP_METHODS: [&[u8]; 6] = [b"GET ", b"HEAD", b"POST", b"PUT ", b"OPTI", b"CONN"];

/// What speaks, if these first bytes are no TLS.
pub(super) fn foreign_protocol(bytes: &[u8]) -> Option<&'static str> {
    if HTTP_METHODS.iter().any(|method| bytes.starts_with(method)) {
        return Some(
            "the client speaks HTTP without TLS, and this is a listener of Kafka's with TLS",
        );
    }
    match bytes {
        // The size of a request, which is below 16 MiB in the beginning, and the high byte of its API.
        [0, ..] => Some(
            "the client speaks Kafka's protocol without TLS: it needs `security.protocol=SSL`, or \
             SASL_SSL, or the port of another listener",
        ),
        [20..=24, ..] | [] => None,
        _ => Some("the client does not speak TLS"),
    }
}

/// What has gone wrong, and what to do about it.
pub(super) fn failure(error: &Error) -> String {
    match error {
        Error::NoCertificatesPresented => {
            "the client shows no certificate, and `ssl.client.auth=required` asks for one: the client \
             needs a keystore"
                .into()
        }
        Error::InvalidCertificate(why) => certificate_failure(why),
        Error::PeerIncompatible(why) => incompatibility(why),
        Error::AlertReceived(alert) => alert_received(*alert),
        Error::InvalidMessage(why) => format!("the client does not speak TLS as it must: {why:?}"),
        other => other.to_string(),
    }
}

fn certificate_failure(why: &CertificateError) -> String {
    let words = match why {
        CertificateError::UnknownIssuer => {
            "none of the certificates in the broker's truststore has signed it"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet: is the clock right?"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its extended key usage does not allow clients: it lacks clientAuth"
        }
        CertificateError::Other(other) => return other_certificate_failure(&other.to_string()),
        other => return format!("the certificate of the client is refused: {other}"),
    };
    format!("the certificate of the client is refused: {words}")
}

/// What webpki finds and rustls has no name for.
fn other_certificate_failure(text: &str) -> String {
    let words = match text {
        "UnsupportedCertVersion" => {
            "it is of X.509 version 1: sign it anew with extensions, by `openssl x509 -req .. \
             -extfile FILE`"
        }
        "CaUsedAsEndEntity" => "it is that of an authority (CA:TRUE), and not that of a client",
        other => other,
    };
    format!("the certificate of the client is refused: {words}")
}

fn incompatibility(why: &PeerIncompatible) -> String {
    match why {
        PeerIncompatible::NoCipherSuitesInCommon => {
            "there is no cipher suite that both sides know: see `ssl.cipher.suites`; of TLS 1.2 the \
             broker knows ECDHE with AES-GCM or ChaCha20 for the kind of its key, RSA or ECDSA"
                .into()
        }
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired
        // Clients have sent it since TLS 1.2.
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
            "there is no version of TLS that both sides speak: see `ssl.enabled.protocols`; the \
             broker knows TLSv1.2 and TLSv1.3"
                .into()
        }
        PeerIncompatible::NoSignatureSchemesInCommon => {
            "the client does not accept signatures by the key of the broker".into()
        }
        PeerIncompatible::NoKxGroupsInCommon | PeerIncompatible::NamedGroupsExtensionRequired => {
            "there is no group for the key exchange that both sides know: the broker knows X25519, \
             secp256r1 and secp384r1"
                .into()
        }
        other => format!("the client is incompatible: {other:?}"),
    }
}

fn alert_received(alert: AlertDescription) -> String {
    let words = match alert {
        AlertDescription::CloseNotify => return "the client has closed the connection".into(),
        AlertDescription::UnknownCA => {
            "it does not know who has signed the certificate of the broker: its truststore lacks it"
        }
        AlertDescription::CertificateUnknown | AlertDescription::BadCertificate => {
            "it does not trust the certificate of the broker: its truststore lacks the signer, or the \
             certificate does not name the host that the client has connected to"
        }
        AlertDescription::CertificateExpired => "the certificate of the broker has expired for it",
        AlertDescription::UnsupportedCertificate => "it cannot use the certificate of the broker",
        AlertDescription::ProtocolVersion => "it does not speak the version of TLS",
        AlertDescription::HandshakeFailure => "there is nothing that both sides know",
        other => return format!("the client has sent the alert {other:?}"),
    };
    format!("the client has sent the alert {alert:?}: {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_speak_tls_is_recognized_by_the_first_bytes() {
        for (bytes, words) in [
            (&b"GET / HTTP/1.1\r\n"[..], "HTTP"),
            (b"\0\0\0\x14\0\x12", "security.protocol=SSL"),
            (b"SSH-2.0-OpenSSH", "does not speak TLS"),
        ] {
            assert!(foreign_protocol(bytes).unwrap().contains(words), "{bytes:?}");
        }
        assert_eq!(foreign_protocol(&[22, 3, 1]), None);
        assert_eq!(foreign_protocol(&[]), None);
    }
}
