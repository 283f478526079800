//! What Kafka does (`FileChannel.transferTo`), and this broker: one call, from the page cache to the
//! socket. Inside, the kernel has a pipe of its own, and does what `splice.rs` does.

use std::fs::File;
use std::net::TcpStream;

use bench::outcome::{Outcome, failed};
use nix::sys::sendfile::sendfile64;

use crate::ways::{Sent, Way};

/// `sendfile(2)`.
pub(crate) struct Sendfile;

impl Way for Sendfile {
    fn name(&self) -> &'static str {
        "sendfile"
    }

    fn send(&self, file: &File, bytes: usize, socket: &TcpStream) -> Outcome<Sent> {
        let mut done = Sent::default();
        let mut left = bytes;
        while left > 0 {
            // A socket that blocks takes all of it, up to 2 GiB, before the call returns.
            let taken = sendfile64(socket, file, None, left)?;
            if taken == 0 {
                return failed("the file ends too soon");
            }
            done.calls += 1;
            left -= taken;
        }
        Ok(done)
    }
}
