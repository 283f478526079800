//! The keys of those who sign tokens (RFC 7517, RFC 7518), and whether one of them has signed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};

use crate::common::json_value::JsonValue;

/// What ring takes.
const MODULUS_BITS_MIN: usize = 2048;
const MODULUS_BYTES_MAX: usize = 8192 / 8;

/// The most keys of a set. A token that names none is tried with each, before anybody is known to have
/// signed it; issuers have a handful.
const KEYS_MAX: usize = 64;

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
}

impl JwsAlgorithm {
    const ALL: [Self; 5] = [Self::Rs256, Self::Rs384, Self::Rs512, Self::Es256, Self::Es384];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        }
    }

    pub fn for_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Self::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
            Self::Es256 | Self::Es384 => None,
        }
    }

    fn ecdsa(self) -> Option<&'static EcdsaVerificationAlgorithm> {
        match self {
            Self::Es256 => Some(&ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Some(&ECDSA_P384_SHA384_FIXED),
            Self::Rs256 | Self::Rs384 | Self::Rs512 => None,
        }
    }
}

/// A public key.
#[derive(Clone, Debug)]
pub struct JsonWebKey {
    pub key_id: Option<String>,
    /// The only one that it is for, if it is for one.
    algorithm: Option<JwsAlgorithm>,
    key: PublicKey,
}

#[derive(Clone, Debug)]
enum PublicKey {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Of the curve of this algorithm, as an uncompressed point.
    Ec {
        algorithm: JwsAlgorithm,
        point: Vec<u8>,
    },
}

impl JsonWebKey {
    /// The keys of a set that sign, as far as this broker has their kind: others are passed over.
    ///
    /// # Errors
    /// What is wrong with the set.
    pub fn parse_set(text: &str) -> Result<Vec<Self>, String> {
        let set = JsonValue::parse(text)?;
        let keys = set.get("keys").and_then(JsonValue::as_array);
        let keys = keys.ok_or("it is no JSON object with an array `keys`")?;
        if keys.len() > KEYS_MAX {
            return Err(format!("it has {} keys; at most {KEYS_MAX} are taken", keys.len()));
        }
        let mut parsed = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            parsed.extend(Self::parse(key).map_err(|why| format!("key {}: {why}", place + 1))?);
        }
        match parsed.is_empty() {
            true => Err("it has no key of RSA, P-256 or P-384 that is for signatures".to_string()),
            false => Ok(parsed),
        }
    }

    /// `None` if it is for something else.
    fn parse(key: &JsonValue) -> Result<Option<Self>, String> {
        let text = |name: &str| key.get(name).and_then(JsonValue::as_str);
        if text("use").is_some_and(|it| it != "sig") {
            return Ok(None);
        }
        let algorithm = match text("alg") {
            None => None,
            Some(name) => match JwsAlgorithm::for_name(name) {
                Some(algorithm) => Some(algorithm),
                None => return Ok(None),
            },
        };
        let bytes = |name: &str| {
            let value = text(name).ok_or_else(|| format!("it has no `{name}`"))?;
            let bytes = URL_SAFE_NO_PAD.decode(value.trim_end_matches('='));
            bytes.map_err(|_| format!("its `{name}` is not base64url"))
        };
        let key = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => rsa(bytes("n")?, bytes("e")?)?,
            (Some("EC"), Some("P-256")) => ec(JwsAlgorithm::Es256, 32, bytes("x")?, bytes("y")?)?,
            (Some("EC"), Some("P-384")) => ec(JwsAlgorithm::Es384, 48, bytes("x")?, bytes("y")?)?,
            (None, _) => return Err("it has no `kty`".to_string()),
            _ => return Ok(None),
        };
        Ok(Some(Self { key_id: text("kid").map(String::from), algorithm, key }))
    }

    /// Whether the owner of this key has signed `message` by `algorithm`.
    pub fn verifies(&self, algorithm: JwsAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        if self.algorithm.is_some_and(|it| it != algorithm) {
            return false;
        }
        match &self.key {
            PublicKey::Rsa { n, e } => algorithm.rsa().is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }),
            PublicKey::Ec { algorithm: of_curve, point } => {
                let ecdsa = algorithm.ecdsa().filter(|_| *of_curve == algorithm);
                ecdsa.is_some_and(|ecdsa| {
                    UnparsedPublicKey::new(ecdsa, point).verify(message, signature).is_ok()
                })
            }
        }
    }
}

fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<PublicKey, String> {
    let zeros = n.iter().take_while(|it| **it == 0).count();
    let n = n[zeros..].to_vec();
    let unused_bits = n.first().map_or(0, |it| it.leading_zeros() as usize);
    if n.len() > MODULUS_BYTES_MAX || n.len() * 8 - unused_bits < MODULUS_BITS_MIN {
        return Err("an RSA key has 2048 to 8192 bits".to_string());
    }
    Ok(PublicKey::Rsa { n, e })
}

fn ec(algorithm: JwsAlgorithm, bytes: usize, x: Vec<u8>, y: Vec<u8>) -> Result<PublicKey, String> {
    if x.len() != bytes || y.len() != bytes {
        return Err(format!("its `x` and `y` must have {bytes} bytes each"));
    }
    /// The sign of a point of which both coordinates follow.
    const UNCOMPRESSED: u8 = 4;
    let point = [vec![UNCOMPRESSED], x, y].concat();
    Ok(PublicKey::Ec { algorithm, point })
}
