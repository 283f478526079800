//! Not in Kafka: a reader of Java's own keystores, which Java brings (`sun.security.provider.JavaKeyStore`).
//!
//! The whole is secured by a digest over the password, a constant and the bytes; each key is hidden
//! behind a stream of digests.

use std::fmt;

use ring::digest;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::common::der::{DerError, DerReader, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, dotted};
use crate::security::ssl::security_store::{KeyEntry, SecurityStore};

/// What such a file begins with.
pub const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
/// What its digest begins with, after the password.
const WHITENER: &[u8] = b"Mighty Aphrodite";
const DIGEST_BYTES: usize = 20;
const KEY_ENTRY: u32 = 1;
const CERTIFICATE_ENTRY: u32 = 2;
const VERSIONS: [u32; 2] = [1, 2];
/// No file of a few megabytes has more, and a count is believed before its entries are there.
const ENTRIES_MAX: u32 = 100_000;
/// Sun's way to protect keys.
const KEY_PROTECTOR: &[u8] = &[0x2b, 6, 1, 4, 1, 0x2a, 2, 0x11, 1, 1];

/// Why such a file is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JksError {
    /// The password of the store is wrong, or the file was changed.
    WrongPassword,
    WrongKeyPassword,
    /// A key that is protected by something else, by its object identifier.
    UnknownAlgorithm(String),
    CutOff,
    Malformed(&'static str),
}

impl fmt::Display for JksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongPassword => f.write_str("the password is wrong, or the file is damaged"),
            Self::WrongKeyPassword => f.write_str("the password of the key is wrong"),
            Self::UnknownAlgorithm(identifier) => {
                write!(f, "its key is protected by the algorithm {identifier}, which is not read")
            }
            Self::CutOff => f.write_str("the file is cut off"),
            Self::Malformed(why) => f.write_str(why),
        }
    }
}

impl From<DerError> for JksError {
    fn from(error: DerError) -> Self {
        Self::Malformed(error.0)
    }
}

/// Reads a store. Without a password it is not checked, and no key can be read: enough for a truststore.
///
/// # Errors
/// If a password is wrong, or the bytes are no store.
pub fn read(
    bytes: &[u8],
    password: Option<&str>,
    key_password: Option<&str>,
) -> Result<SecurityStore, JksError> {
    let content_bytes = bytes.len().checked_sub(DIGEST_BYTES).ok_or(JksError::CutOff)?;
    let (content, digest) = bytes.split_at(content_bytes);
    if let Some(password) = password
        && sha1(&[&utf_16(password), WHITENER, content]) != digest
    {
        return Err(JksError::WrongPassword);
    }
    let mut rest = Rest(content);
    rest.take(MAGIC.len())?;
    let version = rest.number()?;
    if !VERSIONS.contains(&version) {
        return Err(JksError::Malformed("its version is not known"));
    }
    let count = rest.number()?;
    if count > ENTRIES_MAX {
        return Err(JksError::Malformed("it claims to have too many entries"));
    }
    let mut store = SecurityStore::default();
    for _ in 0..count {
        read_entry(&mut rest, version, key_password.or(password), &mut store)?;
    }
    Ok(store)
}

fn read_entry(
    rest: &mut Rest<'_>,
    version: u32,
    password: Option<&str>,
    store: &mut SecurityStore,
) -> Result<(), JksError> {
    let kind = rest.number()?;
    let _alias = rest.text()?;
    let _created = rest.take(size_of::<u64>())?;
    match kind {
        KEY_ENTRY => {
            let protected = rest.bytes()?;
            let count = rest.number()?;
            let mut chain = Vec::new();
            for _ in 0..count.min(ENTRIES_MAX) {
                chain.push(rest.certificate(version)?);
            }
            let password = password.ok_or(JksError::WrongKeyPassword)?;
            let key = PrivatePkcs8KeyDer::from(unprotect(protected, password)?).into();
            store.keys.push(KeyEntry { key, chain });
            Ok(())
        }
        CERTIFICATE_ENTRY => {
            store.certificates.push(rest.certificate(version)?);
            Ok(())
        }
        _ => Err(JksError::Malformed("it has an entry that is neither a key nor a certificate")),
    }
}

/// Takes a key out of its `EncryptedPrivateKeyInfo`: Java's `KeyProtector.recover`.
fn unprotect(protected: &[u8], password: &str) -> Result<Vec<u8>, JksError> {
    let mut info = DerReader::new(protected).enter(SEQUENCE)?;
    let algorithm = info.enter(SEQUENCE)?.expect(OBJECT_IDENTIFIER)?;
    if algorithm != KEY_PROTECTOR {
        return Err(JksError::UnknownAlgorithm(dotted(algorithm)));
    }
    let hidden = info.expect(OCTET_STRING)?;
    let key_bytes = hidden.len().checked_sub(2 * DIGEST_BYTES).ok_or(JksError::CutOff)?;
    let (salt, hidden) = hidden.split_at(DIGEST_BYTES);
    let (hidden, check) = hidden.split_at(key_bytes);
    let password = utf_16(password);
    let mut key = Vec::with_capacity(key_bytes);
    let mut stream = salt.to_vec();
    for block in hidden.chunks(DIGEST_BYTES) {
        stream = sha1(&[&password, &stream]);
        key.extend(block.iter().zip(&stream).map(|(hidden, mask)| hidden ^ mask));
    }
    if sha1(&[&password, &key]) != check {
        return Err(JksError::WrongKeyPassword);
    }
    Ok(key)
}

fn utf_16(password: &str) -> Vec<u8> {
    password.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().to_vec()
}

/// What has not been read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], JksError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(JksError::CutOff)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, JksError> {
        let bytes = self.take(size_of::<u32>())?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// Bytes with their number in front.
    fn bytes(&mut self) -> Result<&'a [u8], JksError> {
        let count = self.number()?;
        self.take(count as usize)
    }

    /// A text of Java's `writeUTF`.
    fn text(&mut self) -> Result<&'a [u8], JksError> {
        let count = self.take(size_of::<u16>())?;
        self.take(usize::from(count[0]) << 8 | usize::from(count[1]))
    }

    fn certificate(&mut self, version: u32) -> Result<CertificateDer<'static>, JksError> {
        if version > 1 {
            let _kind = self.text()?;
        }
        Ok(CertificateDer::from(self.bytes()?.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_an_error_and_no_panic() {
        let content = [&MAGIC[..], &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, b'a']].concat();
        for length in 0..content.len() {
            let bytes = [&content[..length], &[0; DIGEST_BYTES]].concat();
            assert!(read(&bytes, None, None).is_err(), "{length}");
            assert!(read(&content[..length], Some("x"), None).is_err(), "{length}");
        }
    }

    #[test]
    fn a_count_is_not_believed() {
        let content =
            [&MAGIC[..], &[0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff], &[0; DIGEST_BYTES]].concat();
        assert!(matches!(read(&content, None, None), Err(JksError::Malformed(_))));
    }
}
