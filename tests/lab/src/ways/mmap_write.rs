//! One copy less: the page cache itself is mapped into the program, so that nothing has to be read. What
//! it costs instead are page faults: the first touch of each page, or of a few, goes through the kernel.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;

use bench::outcome::Outcome;
use transferto::common::sys::MappedFile;

use crate::ways::{Sent, Way};

/// `mmap(2)`, then `write(2)` from the mapped pages, then `munmap(2)`.
pub(crate) struct MmapWrite;

impl Way for MmapWrite {
    fn name(&self) -> &'static str {
        "mmap + write"
    }

    fn send(&self, file: &File, bytes: usize, mut socket: &TcpStream) -> Outcome<Sent> {
        // The file is not cut short while this runs: that would kill the program with SIGBUS.
        let mapped = MappedFile::map(file, bytes)?;
        let mut done = Sent { calls: 1, copied_bytes: 0 };
        let mut left = mapped.as_slice();
        while !left.is_empty() {
            // Copied by the CPU, from the page cache into the socket's buffer.
            let taken = socket.write(left)?;
            done.calls += 1;
            done.copied_bytes += taken as u64;
            left = &left[taken..];
        }
        drop(mapped);
        done.calls += 1;
        Ok(done)
    }
}
