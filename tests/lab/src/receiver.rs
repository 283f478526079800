//! The other end: takes in what comes, through a buffer that stays in the CPU's cache, and drops it. That
//! is the copy that every receiver must make, whatever way the bytes were sent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use bench::outcome::{Outcome, failed};

const BUFFER_BYTES: usize = 128 << 10;
/// Longer than any transfer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connects so many receivers and has each take `bytes`.
pub(crate) fn receive(port: u16, receivers: usize, bytes: usize) -> Outcome<()> {
    let connections = (0..receivers).map(|_| connect(port)).collect::<Outcome<Vec<_>>>()?;
    if let [connection] = &connections[..] {
        return drain(connection, bytes, |_| Ok(()));
    }
    thread::scope(|scope| {
        let threads: Vec<_> = connections
            .iter()
            .map(|it| scope.spawn(move || drain(it, bytes, |_| Ok(()))))
            .collect();
        for thread in threads {
            match thread.join() {
                Ok(outcome) => outcome?,
                Err(_) => return failed("a receiver has panicked"),
            }
        }
        Ok(())
    })
}

/// Receives once and compares every byte.
pub(crate) fn receive_and_check(port: u16, expected: &[u8]) -> Outcome<()> {
    let mut left = expected;
    drain(&connect(port)?, expected.len(), |come| match left.strip_prefix(come) {
        Some(rest) => {
            left = rest;
            Ok(())
        }
        None => failed("the bytes that came are not those of the file"),
    })
}

/// Receives once and keeps it.
pub(crate) fn receive_all(port: u16, bytes: usize) -> Outcome<Vec<u8>> {
    let mut all = Vec::with_capacity(bytes);
    drain(&connect(port)?, bytes, |come| {
        all.extend_from_slice(come);
        Ok(())
    })?;
    Ok(all)
}

fn connect(port: u16) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Says that it is ready, takes everything, and says so.
fn drain(
    mut connection: &TcpStream,
    bytes: usize,
    mut look: impl FnMut(&[u8]) -> Outcome<()>,
) -> Outcome<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    connection.write_all(b"r")?;
    let mut left = bytes;
    while left > 0 {
        let come = connection.read(&mut buffer)?;
        if come == 0 {
            return failed("the sender has hung up");
        }
        look(&buffer[..come])?;
        left -= come;
    }
    connection.write_all(b"d")?;
    Ok(())
}
