//! Port of `org.apache.kafka.common.security.ssl.DefaultSslEngineFactory.PemParser`: keys and
//! certificates as text (KIP-651).

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};

use crate::security::ssl::pkcs8::{DecryptError, decrypt};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// No label of a section is longer.
const LABEL_BYTES_MAX: usize = 40;

/// One thing in a text: `-----BEGIN CERTIFICATE-----` and so on. It may be a key, so that it is shown
/// nowhere.
pub struct Section<'a> {
    pub label: &'a str,
    body: &'a str,
}

/// Why a text is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PemError {
    /// What stands between the lines of dashes is wrong.
    Malformed(String),
    /// The key is encrypted, and there is no password.
    NoPassword,
    /// What decrypting it has come to.
    Decrypt(DecryptError),
    /// The key is encrypted in the way of OpenSSL before PKCS #8.
    OldEncryption,
}

/// The sections of a text, in their order. What stands between them is no matter, and neither are line
/// ends: a value in a file of settings may have lost them.
///
/// # Errors
/// If a section has no end.
pub fn sections(text: &str) -> Result<Vec<Section<'_>>, PemError> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let cut_off = || PemError::Malformed("a line of dashes has no end".into());
        // Where a dash is missing, what stands up to the next five may be a key, and an error is logged.
        let (label, after) =
            after.split_once(DASHES).filter(|(label, _)| is_label(label)).ok_or_else(cut_off)?;
        let end = format!("{END}{label}{DASHES}");
        let no_end = || PemError::Malformed(format!("`{BEGIN}{label}{DASHES}` has no `{end}`"));
        let (body, after) = after.split_once(end.as_str()).ok_or_else(no_end)?;
        found.push(Section { label, body });
        rest = after;
    }
    Ok(found)
}

fn is_label(text: &str) -> bool {
    let is_of_labels = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b' ';
    text.len() <= LABEL_BYTES_MAX && text.bytes().all(is_of_labels)
}

impl Section<'_> {
    /// The bytes that the text stands for.
    ///
    /// # Errors
    /// If it is not Base64.
    pub fn der(&self) -> Result<Vec<u8>, PemError> {
        if self.body.contains("Proc-Type:") {
            return Err(PemError::OldEncryption);
        }
        let packed: String = self.body.split_ascii_whitespace().collect();
        let wrong = |why| PemError::Malformed(format!("the {} is not Base64: {why}", self.label));
        BASE64.decode(packed).map_err(wrong)
    }

    pub fn is_certificate(&self) -> bool {
        matches!(self.label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE")
    }

    pub fn is_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }
}

/// All certificates of a text.
///
/// # Errors
/// If one is not written as it must be.
pub fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let sections = sections(text)?;
    let certificates = sections.iter().filter(|it| it.is_certificate());
    certificates.map(|it| it.der().map(CertificateDer::from)).collect()
}

/// The first private key of a text, if there is one.
///
/// # Errors
/// If it is not written as it must be, or `password` does not decrypt it.
pub fn private_key(
    text: &str,
    password: Option<&str>,
) -> Result<Option<PrivateKeyDer<'static>>, PemError> {
    let sections = sections(text)?;
    let Some(section) = sections.iter().find(|it| it.is_key()) else {
        return Ok(None);
    };
    let der = section.der()?;
    Ok(Some(match section.label {
        "PRIVATE KEY" => PrivatePkcs8KeyDer::from(der).into(),
        "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(der).into(),
        "EC PRIVATE KEY" => PrivateSec1KeyDer::from(der).into(),
        "ENCRYPTED PRIVATE KEY" => {
            let password = password.ok_or(PemError::NoPassword)?;
            let key = decrypt(&der, password).map_err(PemError::Decrypt)?;
            PrivatePkcs8KeyDer::from(key).into()
        }
        other => return Err(PemError::Malformed(format!("a {other} is of no use for TLS"))),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_between_other_text_and_without_line_ends() {
        let text = "Bag Attributes\r\n  x: y\r\n-----BEGIN CERTIFICATE-----\r\nAQID\r\nBA==\r\n\
                    -----END CERTIFICATE-----\r\n\n-----BEGIN PRIVATE KEY----- BQ== \
                    -----END PRIVATE KEY-----";
        assert_eq!(certificates(text).unwrap(), [CertificateDer::from(vec![1, 2, 3, 4])]);
        let key = private_key(text, None).unwrap().unwrap();
        assert_eq!(key.secret_der(), [5]);
    }

    #[test]
    fn what_has_no_end_or_is_not_base64_is_an_error() {
        for text in [
            "-----BEGIN CERTIFICATE-----\nAQID",
            "-----BEGIN CERTIFICATE",
            "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----",
        ] {
            assert!(matches!(certificates(text), Err(PemError::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn a_line_of_dashes_that_lacks_one_does_not_show_the_key_behind_it() {
        for begin in ["-----BEGIN PRIVATE KEY----", "-----BEGIN PRIVATE KEY---- ", "-----BEGIN "] {
            for break_ in ["\n", " ", ""] {
                let text = format!("{begin}{break_}MIIEsecret{break_}-----END PRIVATE KEY-----");
                let error = private_key(&text, None).unwrap_err();
                assert!(!format!("{error:?}").contains("secret"), "{error:?}");
            }
        }
    }

    #[test]
    fn a_key_that_is_encrypted_as_long_ago_is_known_as_such() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                    DEK-Info: DES-EDE3-CBC,00\n\nAQID\n-----END RSA PRIVATE KEY-----";
        assert_eq!(private_key(text, Some("x")), Err(PemError::OldEncryption));
    }
}
