//! Not in Kafka: a reader of PKCS #12 (RFC 7292), the form that keytool and OpenSSL write today, as far
//! as it is encrypted by PBES2. Java brings one.

use std::fmt;

use ring::{digest, hmac};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::common::der::{
    CONTEXT, DerError, DerReader, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, Value, dotted,
};
use crate::security::ssl::pkcs8::{DecryptError, checked_iterations, decrypt, decrypt_by};
use crate::security::ssl::security_store::{KeyEntry, SecurityStore};

const VERSION: u32 = 3;
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];
/// What the identifiers of bags begin with; the last number tells them apart.
const BAGS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1];
const KEY_BAG: u8 = 1;
const SHROUDED_KEY_BAG: u8 = 2;
const CERTIFICATE_BAG: u8 = 3;
const X509_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 22, 1];
const LOCAL_KEY_ID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 21];
/// An `OCTET STRING` whose tag was replaced.
const IMPLICIT_OCTETS: u8 = 0x80;
const SHA1: &[u8] = &[0x2b, 0x0e, 3, 2, 0x1a];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const SHA384: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
const SHA512: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];
/// No broker has more keys, and each may take a second or two.
const KEYS_MAX: usize = 16;
/// The same of pieces that are encrypted as a whole: tools write two.
const SAFES_MAX: usize = 16;
/// What a key derived from a password is for: to check the file.
const FOR_MAC: u8 = 3;

/// Why such a file is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pkcs12Error {
    /// The password of the store is wrong, or the file was changed.
    WrongPassword,
    WrongKeyPassword,
    /// Something is encrypted or checked by what is not known here, by its object identifier.
    UnknownAlgorithm(String),
    Decrypt(DecryptError),
}

impl fmt::Display for Pkcs12Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongPassword => f.write_str("the password is wrong, or the file is damaged"),
            Self::WrongKeyPassword => f.write_str("the password of the key is wrong"),
            Self::UnknownAlgorithm(identifier) => {
                write!(f, "it is encrypted by the algorithm {identifier}, which is not read")
            }
            Self::Decrypt(why) => write!(f, "{why}"),
        }
    }
}

impl From<DerError> for Pkcs12Error {
    fn from(error: DerError) -> Self {
        Self::Decrypt(DecryptError::Malformed(error))
    }
}

impl From<DecryptError> for Pkcs12Error {
    fn from(error: DecryptError) -> Self {
        match error {
            DecryptError::UnknownAlgorithm(identifier) => Self::UnknownAlgorithm(identifier),
            DecryptError::WrongPassword => Self::WrongPassword,
            other => Self::Decrypt(other),
        }
    }
}

/// What was found in the bags, in their order.
#[derive(Default)]
struct Bags {
    /// A key in PKCS #8, and what ties its certificate to it.
    keys: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    certificates: Vec<(CertificateDer<'static>, Option<Vec<u8>>)>,
}

/// Reads a store.
///
/// # Errors
/// If a password is wrong, or the bytes are nothing that is read here.
pub fn read(
    bytes: &[u8],
    password: &str,
    key_password: Option<&str>,
) -> Result<SecurityStore, Pkcs12Error> {
    let mut pfx = DerReader::new(bytes).enter(SEQUENCE)?;
    if pfx.unsigned()? != VERSION {
        return Err(DerError("it is no PKCS #12 of version 3").into());
    }
    let content = data(pfx.enter(SEQUENCE)?)?;
    if let Some(mac) = pfx.optional(SEQUENCE)? {
        check_mac(DerReader::new(mac), content, password)?;
    }
    let mut bags = Bags::default();
    let mut safes = DerReader::new(content).enter(SEQUENCE)?;
    for number in 0.. {
        if safes.is_empty() {
            break;
        }
        let safe = safes.enter(SEQUENCE)?;
        if number == SAFES_MAX {
            return Err(DerError("it has too many parts").into());
        }
        let passwords = (password, key_password.unwrap_or(password));
        match safe.clone().expect(OBJECT_IDENTIFIER)? {
            DATA => read_bags(data(safe)?, passwords, &mut bags)?,
            ENCRYPTED_DATA => read_bags(&decrypted(safe, password)?, passwords, &mut bags)?,
            other => return Err(Pkcs12Error::UnknownAlgorithm(dotted(other))),
        }
    }
    Ok(bags.into_store())
}

/// The bytes in a `ContentInfo` of data.
fn data(mut content_info: DerReader<'_>) -> Result<&[u8], Pkcs12Error> {
    match content_info.expect(OBJECT_IDENTIFIER)? {
        DATA => Ok(content_info.enter(CONTEXT)?.expect(OCTET_STRING)?),
        other => Err(Pkcs12Error::UnknownAlgorithm(dotted(other))),
    }
}

/// The same of encrypted data.
fn decrypted(mut content_info: DerReader<'_>, password: &str) -> Result<Vec<u8>, Pkcs12Error> {
    content_info.expect(OBJECT_IDENTIFIER)?;
    let mut encrypted = content_info.enter(CONTEXT)?.enter(SEQUENCE)?;
    let _version = encrypted.unsigned()?;
    let mut info = encrypted.enter(SEQUENCE)?;
    let _kind = info.expect(OBJECT_IDENTIFIER)?;
    let algorithm = info.enter(SEQUENCE)?;
    Ok(decrypt_by(algorithm, info.expect(IMPLICIT_OCTETS)?, password)?)
}

fn read_bags(content: &[u8], passwords: (&str, &str), found: &mut Bags) -> Result<(), Pkcs12Error> {
    let mut bags = DerReader::new(content).enter(SEQUENCE)?;
    while !bags.is_empty() {
        let mut bag = bags.enter(SEQUENCE)?;
        let kind = bag.expect(OBJECT_IDENTIFIER)?;
        let mut value = bag.enter(CONTEXT)?;
        let key_id = match bag.optional(SET)? {
            Some(attributes) => local_key_id(DerReader::new(attributes))?,
            None => None,
        };
        match kind.strip_prefix(BAGS) {
            Some([KEY_BAG]) => found.keys.push((value.value()?.whole.to_vec(), key_id)),
            Some([SHROUDED_KEY_BAG]) if found.keys.len() == KEYS_MAX => {
                return Err(DerError("it has too many keys").into());
            }
            Some([SHROUDED_KEY_BAG]) => {
                let key = unshroud(value.value()?, passwords.1)?;
                found.keys.push((key, key_id));
            }
            Some([CERTIFICATE_BAG]) => {
                let mut certificate = value.enter(SEQUENCE)?;
                if certificate.expect(OBJECT_IDENTIFIER)? == X509_CERTIFICATE {
                    let der = certificate.enter(CONTEXT)?.expect(OCTET_STRING)?.to_vec();
                    found.certificates.push((CertificateDer::from(der), key_id));
                }
            }
            // Lists of what was revoked, secrets, and bags in bags: of no use for TLS.
            _ => {}
        }
    }
    Ok(())
}

fn unshroud(shrouded: Value<'_>, password: &str) -> Result<Vec<u8>, Pkcs12Error> {
    decrypt(shrouded.whole, password).map_err(|error| match error {
        DecryptError::WrongPassword => Pkcs12Error::WrongKeyPassword,
        other => other.into(),
    })
}

/// What ties a certificate to its key.
fn local_key_id(mut attributes: DerReader<'_>) -> Result<Option<Vec<u8>>, Pkcs12Error> {
    while !attributes.is_empty() {
        let mut attribute = attributes.enter(SEQUENCE)?;
        if attribute.expect(OBJECT_IDENTIFIER)? == LOCAL_KEY_ID {
            return Ok(Some(attribute.enter(SET)?.expect(OCTET_STRING)?.to_vec()));
        }
    }
    Ok(None)
}

impl Bags {
    /// The certificate of a key first, and then those that may have signed it. Those of a store without
    /// keys are trusted.
    fn into_store(self) -> SecurityStore {
        let Self { keys, certificates } = self;
        if keys.is_empty() {
            let certificates = certificates.into_iter().map(|(der, _)| der).collect();
            return SecurityStore { keys: Vec::new(), certificates };
        }
        let entry = |(key, key_id): (Vec<u8>, Option<Vec<u8>>)| {
            let is_own = |id: &Option<Vec<u8>>| key_id.is_some() && *id == key_id;
            let own = certificates.iter().filter(|(_, id)| is_own(id));
            let others = certificates.iter().filter(|(_, id)| id.is_none());
            let chain = own.chain(others).map(|(der, _)| der.clone()).collect();
            KeyEntry { key: PrivatePkcs8KeyDer::from(key).into(), chain }
        };
        SecurityStore { keys: keys.into_iter().map(entry).collect(), certificates: Vec::new() }
    }
}

/// Checks the whole by its `MacData`, which only the password can have made.
fn check_mac(
    mut mac_data: DerReader<'_>,
    content: &[u8],
    password: &str,
) -> Result<(), Pkcs12Error> {
    let mut mac = mac_data.enter(SEQUENCE)?;
    let algorithm = mac.enter(SEQUENCE)?.expect(OBJECT_IDENTIFIER)?;
    let expected = mac.expect(OCTET_STRING)?;
    let salt = mac_data.expect(OCTET_STRING)?;
    let iterations = if mac_data.is_empty() { 1 } else { mac_data.unsigned()? };
    let iterations = checked_iterations(iterations)?.get();
    let (hash, hmac) = match algorithm {
        SHA1 => (&digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        SHA256 => (&digest::SHA256, hmac::HMAC_SHA256),
        SHA384 => (&digest::SHA384, hmac::HMAC_SHA384),
        SHA512 => (&digest::SHA512, hmac::HMAC_SHA512),
        other => return Err(Pkcs12Error::UnknownAlgorithm(dotted(other))),
    };
    let key = derive(hash, password, salt, iterations);
    hmac::verify(&hmac::Key::new(hmac, &key), content, expected)
        .map_err(|_| Pkcs12Error::WrongPassword)
}

/// The key that checks a file (RFC 7292, appendix B.2). It is as long as a digest, so that one round is
/// enough.
fn derive(
    hash: &'static digest::Algorithm,
    password: &str,
    salt: &[u8],
    iterations: u32,
) -> Vec<u8> {
    let block_bytes = hash.block_len();
    let ended = password.encode_utf16().chain([0]);
    let password: Vec<u8> = ended.flat_map(u16::to_be_bytes).collect();
    let filled = |bytes: &[u8]| -> Vec<u8> {
        let length = bytes.len().next_multiple_of(block_bytes);
        bytes.iter().copied().cycle().take(length).collect()
    };
    let diversifier = vec![FOR_MAC; block_bytes];
    let first = [&diversifier[..], &filled(salt), &filled(&password)].concat();
    let mut key = digest::digest(hash, &first);
    for _ in 1..iterations {
        key = digest::digest(hash, key.as_ref());
    }
    key.as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_store_is_an_error() {
        for bytes in [&[][..], &[0x30, 0], &[0x30, 3, 2, 1, 3], &[0x30, 3, 2, 1, 2], &[0x30, 0x80]]
        {
            assert!(matches!(read(bytes, "", None), Err(Pkcs12Error::Decrypt(_))), "{bytes:?}");
        }
    }
}
