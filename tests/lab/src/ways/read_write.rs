//! What the post begins with: the kernel copies the file into a buffer of the program, and the program
//! has the kernel copy it back.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;

use bench::outcome::{Outcome, failed};

use crate::ways::{Sent, Way};

/// `read(2)` into a buffer, `write(2)` out of it.
pub(crate) struct ReadWrite {
    pub(crate) name: &'static str,
    pub(crate) buffer_bytes: usize,
    /// `TCP_NODELAY`: each write leaves at once, in a segment of its own, and wakes the receiver. Without
    /// it the kernel joins small writes.
    pub(crate) has_nodelay: bool,
}

impl Way for ReadWrite {
    fn name(&self) -> &'static str {
        self.name
    }

    fn send(&self, mut file: &File, bytes: usize, mut socket: &TcpStream) -> Outcome<Sent> {
        let mut buffer = vec![0; self.buffer_bytes];
        let mut done = Sent::default();
        if self.has_nodelay {
            socket.set_nodelay(true)?;
            done.calls += 1;
        }
        let mut left = bytes;
        while left > 0 {
            let chunk = left.min(buffer.len());
            // Copied by the CPU, from the page cache into the buffer.
            let read = file.read(&mut buffer[..chunk])?;
            if read == 0 {
                return failed("the file ends too soon");
            }
            done.calls += 1;
            done.copied_bytes += read as u64;

            let mut written = 0;
            while written < read {
                // Copied by the CPU, from the buffer into the socket's.
                let taken = socket.write(&buffer[written..read])?;
                done.calls += 1;
                done.copied_bytes += taken as u64;
                written += taken;
            }
            left -= read;
        }
        Ok(done)
    }
}
