//! Frames over a socket that blocks: a size, then so many bytes.

use std::io::{self, Read, Write};

/// A frame: the size, then the body.
pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&size, body].concat()
}

/// Reads one frame, blocking.
pub(crate) fn read_frame(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let mut body = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut body)?;
    Ok(body)
}

pub(crate) fn send_frame(stream: &mut impl Write, body: &[u8]) {
    stream.write_all(&frame(body)).unwrap();
}

pub(crate) fn receive_frame(stream: &mut impl Read) -> Vec<u8> {
    read_frame(stream).unwrap()
}
