//! What TLS in user space does to a file: the bytes come into the program, because that is where the key
//! is, and leave as records, each with a header, a type and a tag of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;

use bench::outcome::{Outcome, failed};
use ring::aead::{Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};

use crate::ways::{Sent, Way};

/// The most that a record of TLS carries.
pub(crate) const PIECE_BYTES: usize = 16 << 10;
/// Content type, version, length: in the clear, and covered by the tag.
const HEADER_BYTES: usize = 5;
const TYPE_BYTES: usize = 1;
const TAG_BYTES: usize = 16;
const APPLICATION_DATA: u8 = 23;
/// Of TLS 1.2, which a record of TLS 1.3 says, too.
const VERSION: [u8; 2] = [3, 3];
/// Nothing secret is sent.
const KEY: [u8; 32] = [7; 32];

/// `read(2)` into a buffer, encryption in it, `write(2)` out of it: a record of TLS 1.3 at a time.
pub(crate) struct ReadEncryptWrite {
    pub(crate) name: &'static str,
    pub(crate) algorithm: &'static Algorithm,
}

impl Way for ReadEncryptWrite {
    fn name(&self) -> &'static str {
        self.name
    }

    fn send(&self, mut file: &File, bytes: usize, mut socket: &TcpStream) -> Outcome<Sent> {
        let key = self.key()?;
        let mut record = vec![0; HEADER_BYTES + PIECE_BYTES + TYPE_BYTES + TAG_BYTES];
        let mut done = Sent::default();
        let (mut left, mut number) = (bytes, 0);
        while left > 0 {
            let piece = left.min(PIECE_BYTES);
            // Copied by the CPU, from the page cache into the buffer.
            file.read_exact(&mut record[HEADER_BYTES..HEADER_BYTES + piece])?;
            done.calls += 1;
            done.copied_bytes += piece as u64;

            // Read and written once more by the CPU, in the buffer.
            let length = seal(&key, number, piece, &mut record)?;

            let mut written = 0;
            while written < length {
                // Copied by the CPU, from the buffer into the socket's.
                let taken = socket.write(&record[written..length])?;
                done.calls += 1;
                done.copied_bytes += taken as u64;
                written += taken;
            }
            left -= piece;
            number += 1;
        }
        Ok(done)
    }

    fn wire_bytes(&self, bytes: usize) -> usize {
        bytes + bytes.div_ceil(PIECE_BYTES) * (HEADER_BYTES + TYPE_BYTES + TAG_BYTES)
    }

    fn opened(&self, mut wire: Vec<u8>) -> Outcome<Vec<u8>> {
        let key = self.key()?;
        let (mut content, mut rest, mut number) = (Vec::new(), wire.as_mut_slice(), 0);
        while let Some((header, behind)) = rest.split_first_chunk_mut::<HEADER_BYTES>() {
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            let Some((sealed, next)) = behind.split_at_mut_checked(length) else {
                return failed("a record is cut");
            };
            let Ok(plain) = key.open_in_place(nonce(number), Aad::from(&header[..]), sealed) else {
                return failed(format!("record {number} is not what was sealed"));
            };
            content.extend_from_slice(&plain[..plain.len() - TYPE_BYTES]);
            (rest, number) = (next, number + 1);
        }
        Ok(content)
    }
}

impl ReadEncryptWrite {
    fn key(&self) -> Outcome<LessSafeKey> {
        match UnboundKey::new(self.algorithm, &KEY[..self.algorithm.key_len()]) {
            Ok(key) => Ok(LessSafeKey::new(key)),
            Err(_) => failed("a key of another length is wanted"),
        }
    }
}

/// Makes a record of the piece that lies behind the room for its header. Returns its length.
fn seal(key: &LessSafeKey, number: u64, piece: usize, record: &mut [u8]) -> Outcome<usize> {
    let length = u16::try_from(piece + TYPE_BYTES + TAG_BYTES)?.to_be_bytes();
    let header = [APPLICATION_DATA, VERSION[0], VERSION[1], length[0], length[1]];
    record[..HEADER_BYTES].copy_from_slice(&header);
    let end = HEADER_BYTES + piece + TYPE_BYTES;
    record[end - TYPE_BYTES] = APPLICATION_DATA;
    let plain = &mut record[HEADER_BYTES..end];
    let Ok(tag) = key.seal_in_place_separate_tag(nonce(number), Aad::from(header), plain) else {
        return failed("a record cannot be sealed");
    };
    record[end..end + TAG_BYTES].copy_from_slice(tag.as_ref());
    Ok(end + TAG_BYTES)
}

/// The number of the record; a key never sees one twice.
fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}
