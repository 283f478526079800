//! Random UUIDs, for what has a name that never comes back: clusters, topics, deleted directories.

use std::fs::File;
use std::io;
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const RANDOM_SOURCE: &str = "/dev/urandom";

/// A UUID of version 4.
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub fn random_uuid() -> io::Result<[u8; 16]> {
    let mut id = [0; 16];
    let failed = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot read {RANDOM_SOURCE}: {error}"))
    };
    File::open(RANDOM_SOURCE).and_then(|mut it| it.read_exact(&mut id)).map_err(failed)?;
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    Ok(id)
}

/// A UUID as Kafka writes it: 22 characters of base64url.
pub fn uuid_text(id: &[u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

/// The UUID that Kafka writes as `text`, if it is one.
pub fn uuid_of_text(text: &str) -> Option<[u8; 16]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of the metadata topic, as Kafka writes it.
    #[test]
    fn a_uuid_is_written_and_read_as_by_kafka() {
        let mut id = [0; 16];
        id[15] = 1;
        assert_eq!(uuid_text(&id), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(uuid_of_text("AAAAAAAAAAAAAAAAAAAAAQ"), Some(id));
        assert_eq!(uuid_of_text(&uuid_text(&[0xfb; 16])), Some([0xfb; 16]));
        for text in ["", "AAAAAAAAAAAAAAAAAAAAAQ==", "AAAA", "AAAAAAAAAAAAAAAAAAAAA/"] {
            assert_eq!(uuid_of_text(text), None, "{text}");
        }
    }
}
