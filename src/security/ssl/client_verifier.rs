//! In the place of `javax.net.ssl.X509ExtendedTrustManager` of a server: whether a client is whom its certificate
//! names.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

use crate::security::ssl::trusted_certificates::TrustedCertificates;

/// Trusts what an authority of the truststore has signed and, as Java does, a certificate that itself lies there.
#[derive(Debug)]
pub struct ClientVerifier {
    trusted: TrustedCertificates,
    /// `None` if the truststore has no authority.
    of_authorities: Option<Arc<dyn ClientCertVerifier>>,
    /// Names all of the truststore to clients, and checks the signatures of handshakes. It judges no certificate.
    of_handshake: Arc<dyn ClientCertVerifier>,
}

impl ClientVerifier {
    /// A client without a certificate is let in, as nobody, unless `is_required`.
    ///
    /// # Errors
    /// If the library cannot use the certificates.
    pub fn new(
        trusted: TrustedCertificates,
        is_required: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let verifier = |roots: &RootCertStore| {
            let (roots, provider) = (Arc::new(roots.clone()), Arc::clone(provider));
            let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
            if is_required { builder } else { builder.allow_unauthenticated() }.build()
        };
        let of_handshake = verifier(trusted.everybody())?;
        let authorities = Some(trusted.authorities()).filter(|it| !it.is_empty());
        let of_authorities = authorities.map(verifier).transpose()?;
        Ok(Self { trusted, of_authorities, of_handshake })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.of_handshake.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.of_handshake.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.trusted.contain(end_entity, now)? {
            return Ok(ClientCertVerified::assertion());
        }
        match &self.of_authorities {
            Some(verifier) => verifier.verify_client_cert(end_entity, intermediates, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.of_handshake.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.of_handshake.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.of_handshake.supported_verify_schemes()
    }
}
