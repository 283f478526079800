//! The ways in which a program can send a file to a socket. Each has a file of its own, as short as a
//! lesson: read them side by side.

use std::fs::File;
use std::net::TcpStream;

use bench::outcome::{Outcome, failed};
use ring::aead::{AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305};

use self::mmap_write::MmapWrite;
use self::read_encrypt_write::{PIECE_BYTES, ReadEncryptWrite};
use self::read_write::ReadWrite;
use self::sendfile::Sendfile;
use self::splice::Splice;

mod read_write;
mod read_encrypt_write;
mod mmap_write;
mod splice;
mod sendfile;

/// One way.
pub(crate) trait Way: Sync {
    /// As tables name it, and the command line.
    fn name(&self) -> &'static str;

    /// Sends the first `bytes` of the file, from its beginning, to a socket that blocks.
    fn send(&self, file: &File, bytes: usize, socket: &TcpStream) -> Outcome<Sent>;

    /// What a file of so many bytes is to the receiver, who must know how much to wait for.
    fn wire_bytes(&self, bytes: usize) -> usize {
        bytes
    }

    /// The file that is in what has come.
    fn opened(&self, wire: Vec<u8>) -> Outcome<Vec<u8>> {
        Ok(wire)
    }
}

/// What a way did, as it counts it itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// System calls. Each is two switches of mode, into the kernel and back.
    pub(crate) calls: u64,
    /// Bytes that the CPU has copied for these calls, as their definition says.
    pub(crate) copied_bytes: u64,
}

/// All there are, in the order of the tables.
pub(crate) const WAYS: [&dyn Way; 8] = [
    &ReadWrite { name: "read + write, 4 KiB, no delay", buffer_bytes: 4 << 10, has_nodelay: true },
    &ReadWrite { name: "read + write, 4 KiB", buffer_bytes: 4 << 10, has_nodelay: false },
    &ReadWrite { name: "read + write, 64 KiB", buffer_bytes: 64 << 10, has_nodelay: false },
    &ReadWrite { name: "read + write, 1 MiB", buffer_bytes: 1 << 20, has_nodelay: false },
    &MmapWrite,
    &Splice { name: "splice, 64 KiB pipe", pipe_bytes: 64 << 10 },
    &Splice { name: "splice, 1 MiB pipe", pipe_bytes: 1 << 20 },
    &Sendfile,
];

/// Those between which TLS makes a difference.
pub(crate) const TLS_WAYS: [&dyn Way; 5] = [
    &Sendfile,
    &ReadWrite { name: "read + write, 16 KiB", buffer_bytes: PIECE_BYTES, has_nodelay: false },
    &ReadEncryptWrite { name: "read + AES-128-GCM + write", algorithm: &AES_128_GCM },
    &ReadEncryptWrite { name: "read + AES-256-GCM + write", algorithm: &AES_256_GCM },
    &ReadEncryptWrite { name: "read + ChaCha20-Poly1305 + write", algorithm: &CHACHA20_POLY1305 },
];

pub(crate) fn way_named(name: &str) -> Outcome<&'static dyn Way> {
    match WAYS.iter().chain(&TLS_WAYS).find(|way| way.name() == name) {
        Some(way) => Ok(*way),
        None => failed(format!("no way is named {name}")),
    }
}
