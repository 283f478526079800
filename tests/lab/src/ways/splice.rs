//! Without a copy, in two steps: references to pages of the page cache go into a pipe, and from the pipe
//! into the socket. The pipe holds so many of them, which is how often the program must call.

use std::fs::File;
use std::net::TcpStream;

use bench::outcome::{Outcome, failed};
use nix::fcntl::{FcntlArg, SpliceFFlags, fcntl, splice};

use crate::ways::{Sent, Way};

/// `splice(2)` from the file to a pipe, and from the pipe to the socket.
pub(crate) struct Splice {
    pub(crate) name: &'static str,
    pub(crate) pipe_bytes: usize,
}

impl Way for Splice {
    fn name(&self) -> &'static str {
        self.name
    }

    fn send(&self, file: &File, bytes: usize, socket: &TcpStream) -> Outcome<Sent> {
        let (from_pipe, to_pipe) = std::io::pipe()?;
        fcntl(&to_pipe, FcntlArg::F_SETPIPE_SZ(i32::try_from(self.pipe_bytes)?))?;
        // The making of the pipe.
        let mut done = Sent { calls: 2, copied_bytes: 0 };
        let mut left = bytes;
        while left > 0 {
            let chunk = left.min(self.pipe_bytes);
            let mut in_pipe = splice(file, None, &to_pipe, None, chunk, SpliceFFlags::empty())?;
            if in_pipe == 0 {
                return failed("the file ends too soon");
            }
            done.calls += 1;
            left -= in_pipe;
            // More follows: the kernel need not send a segment that is not full.
            let more = if left > 0 { SpliceFFlags::SPLICE_F_MORE } else { SpliceFFlags::empty() };
            while in_pipe > 0 {
                in_pipe -= splice(&from_pipe, None, socket, None, in_pipe, more)?;
                done.calls += 1;
            }
        }
        // Both ends are closed.
        drop((from_pipe, to_pipe));
        done.calls += 2;
        Ok(done)
    }
}
