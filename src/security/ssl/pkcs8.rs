//! Not in Kafka: private keys that are encrypted with a password (RFC 5958), by PBES2 with PBKDF2 and
//! AES in CBC mode (RFC 8018). Java brings this; no TLS library does.

use std::fmt;
use std::num::NonZeroU32;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use ring::pbkdf2;

use crate::common::der::{
    DerError, DerReader, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, dotted,
};

/// So many rounds take a second or two, and a file that asks for more is not meant well.
pub const ITERATIONS_MAX: u32 = 10_000_000;

const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
const HMAC_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 7];
const HMAC_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9];
const HMAC_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 10];
const HMAC_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 11];
const AES_128_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 2];
const AES_192_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 22];
const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42];

/// Why something is not decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecryptError {
    WrongPassword,
    /// It is encrypted by something that is not known here: by its object identifier.
    UnknownAlgorithm(String),
    TooManyIterations(u32),
    Malformed(DerError),
}

impl From<DerError> for DecryptError {
    fn from(error: DerError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for DecryptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongPassword => f.write_str("the password is wrong"),
            Self::UnknownAlgorithm(identifier) => {
                write!(f, "it is encrypted by the algorithm {identifier}, which is not read")
            }
            Self::TooManyIterations(count) => {
                write!(f, "it asks for {count} iterations, and {ITERATIONS_MAX} are the most")
            }
            Self::Malformed(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for DecryptError {}

/// Decrypts an `EncryptedPrivateKeyInfo`. What comes out is a key in PKCS #8.
///
/// # Errors
/// If the password is wrong, or the bytes are nothing that can be decrypted here.
pub fn decrypt(der: &[u8], password: &str) -> Result<Vec<u8>, DecryptError> {
    let mut info = DerReader::new(der).enter(SEQUENCE)?;
    let algorithm = info.enter(SEQUENCE)?;
    let plain = decrypt_by(algorithm, info.expect(OCTET_STRING)?, password)?;
    // The padding fits a wrong password once in 256 times; what it would leave is no key.
    let mut key =
        DerReader::new(&plain).enter(SEQUENCE).map_err(|_| DecryptError::WrongPassword)?;
    key.expect(INTEGER).map_err(|_| DecryptError::WrongPassword)?;
    Ok(plain)
}

/// Decrypts by an `AlgorithmIdentifier`, which is entered already.
///
/// # Errors
/// As [`decrypt`].
pub fn decrypt_by(
    mut algorithm: DerReader<'_>,
    ciphertext: &[u8],
    password: &str,
) -> Result<Vec<u8>, DecryptError> {
    known(algorithm.expect(OBJECT_IDENTIFIER)?, &[PBES2])?;
    let mut parameters = algorithm.enter(SEQUENCE)?;
    let derivation = parameters.enter(SEQUENCE)?;
    let mut cipher = parameters.enter(SEQUENCE)?;
    let cipher_id = cipher.expect(OBJECT_IDENTIFIER)?;
    known(cipher_id, &[AES_128_CBC, AES_192_CBC, AES_256_CBC])?;
    let iv = cipher.expect(OCTET_STRING)?;
    let key_bytes = match cipher_id {
        AES_128_CBC => 16,
        AES_192_CBC => 24,
        _ => 32,
    };
    let mut key = [0; 32];
    let key = &mut key[..key_bytes];
    derive(derivation, password, key)?;
    let plain = match key_bytes {
        16 => decrypt_cbc::<cbc::Decryptor<aes::Aes128>>(key, iv, ciphertext),
        24 => decrypt_cbc::<cbc::Decryptor<aes::Aes192>>(key, iv, ciphertext),
        _ => decrypt_cbc::<cbc::Decryptor<aes::Aes256>>(key, iv, ciphertext),
    };
    plain.ok_or(DecryptError::WrongPassword)
}

/// Makes a key of a password.
fn derive(mut kdf: DerReader<'_>, password: &str, key: &mut [u8]) -> Result<(), DecryptError> {
    known(kdf.expect(OBJECT_IDENTIFIER)?, &[PBKDF2])?;
    let mut parameters = kdf.enter(SEQUENCE)?;
    let salt = parameters.expect(OCTET_STRING)?;
    let iterations = checked_iterations(parameters.unsigned()?)?;
    let _key_bytes = parameters.optional(INTEGER)?;
    let hash = match parameters.optional(SEQUENCE)? {
        Some(hash) => DerReader::new(hash).expect(OBJECT_IDENTIFIER)?,
        None => HMAC_SHA1,
    };
    let algorithm = match hash {
        HMAC_SHA1 => pbkdf2::PBKDF2_HMAC_SHA1,
        HMAC_SHA256 => pbkdf2::PBKDF2_HMAC_SHA256,
        HMAC_SHA384 => pbkdf2::PBKDF2_HMAC_SHA384,
        HMAC_SHA512 => pbkdf2::PBKDF2_HMAC_SHA512,
        other => return Err(DecryptError::UnknownAlgorithm(dotted(other))),
    };
    pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), key);
    Ok(())
}

/// A number of rounds that this process is willing to work.
///
/// # Errors
/// If it is none or too many.
pub fn checked_iterations(count: u32) -> Result<NonZeroU32, DecryptError> {
    if count > ITERATIONS_MAX {
        return Err(DecryptError::TooManyIterations(count));
    }
    NonZeroU32::new(count).ok_or(DecryptError::Malformed(DerError("it asks for no iteration")))
}

fn known(identifier: &[u8], all: &[&[u8]]) -> Result<(), DecryptError> {
    if all.contains(&identifier) {
        return Ok(());
    }
    Err(DecryptError::UnknownAlgorithm(dotted(identifier)))
}

fn decrypt_cbc<C: KeyIvInit + BlockModeDecrypt>(
    key: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Option<Vec<u8>> {
    let cipher = C::new_from_slices(key, iv).ok()?;
    let mut bytes = ciphertext.to_vec();
    let plain_bytes = cipher.decrypt_padded::<Pkcs7>(&mut bytes).ok()?.len();
    bytes.truncate(plain_bytes);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_not_ask_for_endless_work() {
        assert_eq!(checked_iterations(ITERATIONS_MAX).unwrap().get(), ITERATIONS_MAX);
        for (count, error) in [
            (u32::MAX, DecryptError::TooManyIterations(u32::MAX)),
            (0, DecryptError::Malformed(DerError("it asks for no iteration"))),
        ] {
            assert_eq!(checked_iterations(count), Err(error));
        }
    }

    #[test]
    fn bytes_that_are_no_key_are_an_error() {
        for bytes in [&[][..], &[0x30, 0], &[0x30, 4, 0x30, 0, 4, 0], &[4, 1, 1]] {
            assert!(matches!(decrypt(bytes, "x"), Err(DecryptError::Malformed(_))), "{bytes:?}");
        }
    }
}
