//! Not in Kafka: keys of elliptic curves as Java writes them, without the public half, which the TLS
//! library wants to see.

use crate::common::der::{
    BIT_STRING, CONTEXT, DerError, DerReader, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE,
    written,
};

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// The fields of an `ECPrivateKey` (RFC 5915) that may be missing.
const PARAMETERS: u8 = CONTEXT;
const PUBLIC_KEY: u8 = CONTEXT + 1;

/// A key in PKCS #8 with `point`, its public half out of its certificate. `None` if it is not of an
/// elliptic curve, or has it already.
pub fn with_public_key(key: &[u8], point: &[u8]) -> Option<Vec<u8>> {
    completed(key, point).ok().flatten()
}

fn completed(key: &[u8], point: &[u8]) -> Result<Option<Vec<u8>>, DerError> {
    let mut info = DerReader::new(key).enter(SEQUENCE)?;
    let version = info.expect(INTEGER)?;
    let algorithm = info.value()?;
    if DerReader::new(algorithm.body).expect(OBJECT_IDENTIFIER)? != EC_PUBLIC_KEY {
        return Ok(None);
    }
    let mut ec_key = info.enter(OCTET_STRING)?.enter(SEQUENCE)?;
    let ec_version = ec_key.expect(INTEGER)?;
    let secret = ec_key.expect(OCTET_STRING)?;
    let _parameters = ec_key.optional(PARAMETERS)?;
    if ec_key.next_tag() == Some(PUBLIC_KEY) {
        return Ok(None);
    }
    let bits = written(BIT_STRING, &[&[0], point]);
    let ec_key = written(
        SEQUENCE,
        &[
            &written(INTEGER, &[ec_version]),
            &written(OCTET_STRING, &[secret]),
            &written(PUBLIC_KEY, &[&bits]),
        ],
    );
    let version = written(INTEGER, &[version]);
    let key = written(OCTET_STRING, &[&ec_key]);
    Ok(Some(written(SEQUENCE, &[&version, algorithm.whole, &key])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_is_added_once() {
        let ec_key = written(SEQUENCE, &[&[2, 1, 1], &[4, 2, 7, 8]]);
        let algorithm = written(SEQUENCE, &[&written(OBJECT_IDENTIFIER, &[EC_PUBLIC_KEY])]);
        let octets = written(OCTET_STRING, &[&ec_key]);
        let key = written(SEQUENCE, &[&[2, 1, 0], &algorithm, &octets]);
        let completed = with_public_key(&key, &[4, 1, 2]).unwrap();
        assert!(completed.ends_with(&[4, 2, 7, 8, PUBLIC_KEY, 6, BIT_STRING, 4, 0, 4, 1, 2]));
        assert_eq!(with_public_key(&completed, &[4, 1, 2]), None);
        assert_eq!(with_public_key(&[0x30, 0], &[]), None);
    }
}
