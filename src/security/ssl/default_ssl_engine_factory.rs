//! Port of `org.apache.kafka.common.security.ssl.DefaultSslEngineFactory`: from the settings of a
//! listener to what its handshakes are made with.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use log::{info, warn};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig, SignatureAlgorithm, SupportedCipherSuite};

use crate::common::text::counted;
use crate::common::x509_certificate::X509Certificate;
use crate::config::ssl_client_auth::SslClientAuth;
use crate::security::ssl::client_verifier::ClientVerifier;
use crate::security::ssl::ec_key::with_public_key;
use crate::security::ssl::security_store::KeyEntry;
use crate::security::ssl::ssl_configs::{SslConfigs, StoreConfigs};
use crate::security::ssl::ssl_error::SslError;
use crate::security::ssl::ssl_names::{cipher_suites, protocols};
use crate::security::ssl::store_loader::{file_of, load, named};
use crate::security::ssl::trusted_certificates::TrustedCertificates;

/// Tickets save a client half a handshake next time, and no client of Kafka's asks for that. Without
/// them nothing follows a handshake but requests.
const TICKETS: usize = 0;
/// The version of certificates that are of use.
const X509_VERSION: u32 = 3;
/// Before this number of days it is worth a warning.
const EXPIRES_SOON_DAYS: i64 = 14;
const SECONDS_PER_DAY: i64 = 86_400;

/// Reads the keys and certificates that `configs` name, and makes what the connections of the listener
/// share. Port of `DefaultSslEngineFactory.configure`.
///
/// # Errors
/// The setting or the file that is wrong, and what mends it.
pub fn create_ssl_context(configs: &SslConfigs) -> Result<ServerConfig, SslError> {
    let suites = cipher_suites(&configs.cipher_suites)?;
    let versions = protocols(&configs.enabled_protocols)?;
    let provider = Arc::new(CryptoProvider { cipher_suites: suites, ..ring::default_provider() });
    let key = create_keystore(&configs.keystore, &provider)?.ok_or_else(|| {
        SslError::new(
            "a listener with TLS needs a key: set `ssl.keystore.location` to a file that holds it, \
             with its certificate, and `ssl.keystore.type` to its type, PEM, PKCS12 or JKS",
        )
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|_| no_suite())?;
    check_suites_fit(&key, &provider.cipher_suites, configs)?;
    let verifier = create_verifier(configs, &provider)?;
    let mut context = builder
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    context.ignore_client_order = true;
    context.send_tls13_tickets = TICKETS;
    context.enable_secret_extraction = configs.may_use_kernel;
    Ok(context)
}

pub(super) fn no_suite() -> SslError {
    SslError::new(
        "`ssl.cipher.suites` has no suite for the versions of `ssl.enabled.protocols`: the suites of \
         TLSv1.3 are TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384 and TLS_CHACHA20_POLY1305_SHA256, \
         those of TLSv1.2 begin with TLS_ECDHE",
    )
}

/// The key of the broker, and the certificates that go with it; `None` if the settings name no keystore.
pub(super) fn create_keystore(
    configs: &StoreConfigs,
    provider: &CryptoProvider,
) -> Result<Option<CertifiedKey>, SslError> {
    let Some(store) = load(configs)? else { return Ok(None) };
    let name = named(configs);
    let count = store.keys.len();
    let Some(KeyEntry { key, chain }) = store.keys.into_iter().next() else {
        return Err(SslError::new(format!(
            "{name} holds no private key, only {} certificates: is it a truststore?",
            store.certificates.len()
        )));
    };
    if count > 1 {
        info!("{name} holds {count} keys: the first one is used");
    }
    let certificate = check_own_certificate(&name, configs, chain.first())?;
    let key = match with_public_key(key.secret_der(), &certificate.public_key) {
        Some(completed) => PrivatePkcs8KeyDer::from(completed).into(),
        None => key,
    };
    CertifiedKey::from_der(chain, key, provider)
        .map(Some)
        .map_err(|error| SslError::new(key_failure(&name, configs, &error)))
}

fn key_failure(name: &str, configs: &StoreConfigs, error: &rustls::Error) -> String {
    let file = file_of(configs);
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
            "{name}: the key does not belong to the first certificate; `openssl pkey -in {file} \
             -pubout` and `openssl x509 -in {file} -noout -pubkey` must print the same"
        ),
        other => format!(
            "{name}: the key is of no use, it must be RSA of 2048 bits or more, ECDSA on P-256 or \
             P-384, or Ed25519, and belong to the certificate: {other}; make one with `openssl genpkey -algorithm EC -pkeyopt \
             ec_paramgen_curve:prime256v1`"
        ),
    }
}

/// The TLS library looks at what peers show, and not at what we show them: they would find it out, one
/// after the other.
fn check_own_certificate(
    name: &str,
    configs: &StoreConfigs,
    certificate: Option<&CertificateDer<'_>>,
) -> Result<X509Certificate, SslError> {
    let file = file_of(configs);
    let Some(der) = certificate else {
        return Err(SslError::new(format!(
            "{name} holds a key and no certificate: append the certificate and those of its signers, \
             such as by `cat broker.crt ca.crt >> {file}`"
        )));
    };
    let certificate = X509Certificate::parse(der)
        .map_err(|why| SslError::new(format!("{name} holds a certificate that is none: {why}")))?;
    let X509Certificate { version, subject, not_before_s, not_after_s, .. } = &certificate;
    if *version != X509_VERSION {
        return Err(SslError::new(format!(
            "{name}: the certificate of {subject} is of X.509 version {version}, which clients of \
             today refuse; sign it anew with extensions: `openssl x509 -req -in REQUEST -CA CA \
             -CAkey KEY -days 365 -extfile EXT -out NEW`, where EXT holds the line \
             `subjectAltName=DNS:HOST`"
        )));
    }
    let now_s = now_s();
    let dates = format!("`openssl x509 -in {file} -noout -dates` shows its dates");
    if now_s > *not_after_s {
        let days = usize::try_from((now_s - not_after_s) / SECONDS_PER_DAY).unwrap_or(usize::MAX);
        return Err(SslError::new(format!(
            "{name}: the certificate of {subject} has expired {} ago: renew it with its \
             signer, {}; {dates}",
            counted(days, "day"),
            certificate.issuer
        )));
    }
    if now_s < *not_before_s {
        return Err(SslError::new(format!(
            "{name}: the certificate of {subject} is not valid yet: is the clock right (`date`)? \
             {dates}"
        )));
    }
    if not_after_s - now_s < EXPIRES_SOON_DAYS * SECONDS_PER_DAY {
        let days = usize::try_from((not_after_s - now_s) / SECONDS_PER_DAY).unwrap_or(0);
        warn!(
            "{name}: the certificate of {subject} expires in {}; a new file is taken without a \
             restart",
            counted(days, "day")
        );
    }
    if !certificate.has_subject_alternative_name {
        warn!(
            "{name}: the certificate of {subject} has no subjectAltName: clients that look at the \
             name of the host will refuse it"
        );
    }
    Ok(certificate)
}

fn now_s() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX))
}

/// A suite of TLS 1.2 is for one kind of key.
fn check_suites_fit(
    key: &CertifiedKey,
    suites: &[SupportedCipherSuite],
    configs: &SslConfigs,
) -> Result<(), SslError> {
    let has_1_3 = configs.enabled_protocols.iter().any(|it| it == "TLSv1.3")
        && suites.iter().any(|it| it.tls13().is_some());
    let algorithm = key.key.algorithm();
    if has_1_3 || suites.iter().any(|it| it.usable_for_signature_algorithm(algorithm)) {
        return Ok(());
    }
    let word = if algorithm == SignatureAlgorithm::RSA { "RSA" } else { "ECDSA" };
    Err(SslError::new(format!(
        "`ssl.cipher.suites` has no suite for the key of the broker: add one that begins with \
         TLS_ECDHE_{word}"
    )))
}

/// Who may sign the certificates of clients.
fn create_verifier(
    configs: &SslConfigs,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, SslError> {
    let store = load(&configs.truststore)?;
    if configs.client_auth == SslClientAuth::None {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let store = store.ok_or_else(|| {
        SslError::new(format!(
            "`ssl.client.auth={}` needs to know who may sign certificates of clients: set \
             `ssl.truststore.location`",
            configs.client_auth
        ))
    })?;
    let name = named(&configs.truststore);
    let trusted = TrustedCertificates::new(&name, store.certificates)?;
    let is_required = configs.client_auth == SslClientAuth::Required;
    let verifier = ClientVerifier::new(trusted, is_required, provider);
    let verifier = verifier.map_err(|why| SslError::new(format!("{name} is of no use: {why}")))?;
    Ok(Arc::new(verifier))
}
