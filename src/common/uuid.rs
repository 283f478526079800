//! Random UUIDs, for what has a name that never comes back: clusters, topics, deleted directories.

use std::fs::File;
use std::io;
use std::io::Read;

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
