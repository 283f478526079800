//! In the place of `javax.net.ssl.X509ExtendedTrustManager` of a client: whether a node that this broker has
//! connected to is one of those it may talk to.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use crate::config::endpoint_identification::EndpointIdentification;
use crate::security::ssl::trusted_certificates::TrustedCertificates;

/// Trusts what an authority of the truststore has signed and, as Java does, a certificate that itself lies there.
#[derive(Debug)]
pub struct ServerVerifier {
    trusted: TrustedCertificates,
    identification: EndpointIdentification,
    provider: Arc<CryptoProvider>,
}

impl ServerVerifier {
    pub fn new(
        trusted: TrustedCertificates,
        identification: EndpointIdentification,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self { trusted, identification, provider }
    }

    fn verify_signer(
        &self,
        shown: &CertificateDer<'_>,
        parsed: &ParsedCertificate<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.trusted.contain(shown, now)? {
            return Ok(());
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            parsed,
            self.trusted.authorities(),
            intermediates,
            now,
            algorithms,
        )
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        self.verify_signer(end_entity, &parsed, intermediates, now)?;
        if self.identification == EndpointIdentification::Https {
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
