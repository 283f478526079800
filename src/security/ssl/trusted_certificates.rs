//! Port of `sun.security.validator.PKIXValidator`, which Kafka takes from Java, as far as it differs from what the
//! TLS library does: what it means that a certificate lies in a truststore.

use log::info;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};

use crate::common::text::counted;
use crate::common::x509_certificate::{X509Certificate, may_sign};
use crate::security::ssl::ssl_error::SslError;

/// The certificates of a truststore. Each is trusted where it is shown itself. What it has signed is trusted only
/// if it may sign, or whoever has the key of one of them could make certificates in any name.
#[derive(Debug)]
pub struct TrustedCertificates {
    all: Vec<CertificateDer<'static>>,
    everybody: RootCertStore,
    authorities: RootCertStore,
}

impl TrustedCertificates {
    /// `name` is that of the truststore.
    ///
    /// # Errors
    /// If there is none, or one that is none.
    pub fn new(name: &str, all: Vec<CertificateDer<'static>>) -> Result<Self, SslError> {
        let (mut everybody, mut authorities) = (RootCertStore::empty(), RootCertStore::empty());
        for certificate in &all {
            let is_authority = may_sign(certificate).map_err(|why| is_none(name, &why))?;
            let of = |store: &mut RootCertStore| store.add(certificate.clone());
            of(&mut everybody).map_err(|why| is_none(name, &why))?;
            if is_authority {
                of(&mut authorities).map_err(|why| is_none(name, &why))?;
            }
        }
        if everybody.is_empty() {
            return Err(SslError::new(format!("{name} holds no certificate to trust")));
        }
        let alone = everybody.len() - authorities.len();
        if alone > 0 {
            info!(
                "{name} holds {} without the right to sign others (`basicConstraints=CA:TRUE`): whoever \
                 shows it itself is trusted, and nobody by it",
                counted(alone, "certificate")
            );
        }
        Ok(Self { all, everybody, authorities })
    }

    /// Whose signatures are trusted; there may be none.
    pub fn authorities(&self) -> &RootCertStore {
        &self.authorities
    }

    /// All of them, as if each might sign.
    pub fn everybody(&self) -> &RootCertStore {
        &self.everybody
    }

    /// Whether this one lies in the truststore itself. Java does not look at its dates then.
    ///
    /// # Errors
    /// If it does and is not valid now.
    pub fn contain(&self, shown: &CertificateDer<'_>, now: UnixTime) -> Result<bool, Error> {
        if !self.all.iter().any(|it| it == shown) {
            return Ok(false);
        }
        verify_dates(shown, now)?;
        Ok(true)
    }
}

fn is_none(name: &str, why: &dyn std::fmt::Display) -> SslError {
    SslError::new(format!("{name} holds a certificate that is none: {why}"))
}

fn verify_dates(shown: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let certificate = X509Certificate::parse(shown).map_err(|_| CertificateError::BadEncoding)?;
    let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now_s > certificate.not_after_s {
        return Err(CertificateError::Expired.into());
    }
    if now_s < certificate.not_before_s {
        return Err(CertificateError::NotValidYet.into());
    }
    Ok(())
}
