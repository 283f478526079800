//! In the place of `org.apache.kafka.clients.NetworkClient.wakeup`: ends a call to another node from outside
//! of the thread that waits in it.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;

use crate::common::lock::locked;

/// Ends what waits in a [`BlockingChannel`](crate::clients::blocking_channel::BlockingChannel), and all that
/// would. Shared by the thread that calls and the one that stops it.
#[derive(Debug, Default)]
pub struct Interrupter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_interrupted: bool,
    /// The socket that the thread waits for, or will, and its number.
    socket: Option<(u64, TcpStream)>,
    /// How many sockets there have been.
    count: u64,
}

impl Interrupter {
    pub fn new() -> Self {
        Self::default()
    }

    /// The call under way fails at once, and so does every later one.
    pub fn interrupt(&self) {
        let mut state = locked(&self.0);
        state.is_interrupted = true;
        if let Some((_, socket)) = state.socket.take() {
            // A socket that is no longer connected needs no waking.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    pub fn is_interrupted(&self) -> bool {
        locked(&self.0).is_interrupted
    }

    /// From now on `socket` is what the thread waits for. Returns its number.
    ///
    /// # Errors
    /// `Interrupted` if it should not wait any more; if the system has no file descriptor left.
    pub(super) fn watch(&self, socket: &TcpStream) -> io::Result<u64> {
        let mut state = locked(&self.0);
        if state.is_interrupted {
            return Err(interrupted());
        }
        state.count += 1;
        state.socket = Some((state.count, socket.try_clone()?));
        Ok(state.count)
    }

    /// The socket with this number is about to be closed.
    pub(super) fn forget(&self, number: u64) {
        let mut state = locked(&self.0);
        state.socket.take_if(|(watched, _)| *watched == number);
    }

    /// What a call fails with that has met `error`.
    pub(super) fn reason(&self, error: io::Error) -> io::Error {
        if self.is_interrupted() { interrupted() } else { error }
    }
}

fn interrupted() -> io::Error {
    // Not the kind `Interrupted`, which is that of a call to be made again.
    io::Error::new(io::ErrorKind::ConnectionAborted, "it is being stopped")
}
