//! Not in Kafka: the way of sending a file that zero copy replaces, kept to be seen and measured.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use mio::{Registry, Token};

use crate::common::metrics::Metrics;
use crate::common::step::mark;
use crate::transport::plaintext_transport_layer::{of, uninterrupted};
use crate::transport::transport_layer::{HandshakeStatus, TransportLayer};

thread_local! {
    /// What the thread copies through, for all its connections: one Processor sends for one of them
    /// at a time, and nothing stays here from one transfer to the next.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A transport that sends files as the first section of the post describes: `pread(2)` into memory
/// of this process, and `sendmsg(2)` out of it (`transferto.transfer.mode=copy`).
///
/// What a full socket does not take is thrown away, and read again when there is room: kept, it
/// would need a buffer for each connection.
pub struct CopyingTransportLayer<T> {
    inner: T,
    buffer_bytes: usize,
    metrics: Arc<Metrics>,
}

impl<T: TransportLayer> CopyingTransportLayer<T> {
    /// Sends files through `buffer_bytes` of memory, and all else as `inner` does.
    pub fn new(inner: T, buffer_bytes: usize, metrics: Arc<Metrics>) -> Self {
        debug_assert!(buffer_bytes > 0, "nothing goes through an empty buffer");
        Self { inner, buffer_bytes, metrics }
    }

    // ANCHOR: copy_loop
    /// Copies until all has gone or the socket is full.
    fn copy(&mut self, file: &File, position: u64, count: usize, buffer: &mut [u8]) -> Copied {
        let mut sent = 0;
        while sent < count {
            let (position, left) = (position + sent as u64, count - sent);
            let chunk = left.min(buffer.len());
            let read = self.read_file(file, position, &mut buffer[..chunk])?;
            if read == 0 {
                let why = format!("the file ends before position {}", position + left as u64);
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
            }
            match self.inner.write(&buffer[..read], false) {
                Ok(taken) => {
                    sent += taken;
                    self.metrics.copied_message_bytes.add(taken as u64);
                    if taken < read {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
    // ANCHOR_END: copy_loop

    /// One `pread(2)`, counted.
    fn read_file(&self, file: &File, position: u64, buffer: &mut [u8]) -> Copied {
        self.metrics.copy_read_calls.increment();
        let result = uninterrupted(|| file.read_at(buffer, position));
        if let Ok(read) = &result {
            self.metrics.copy_read_bytes.add(*read as u64);
        }
        mark!(
            [18] "CopyingTransportLayer.readFile",
            "position {position}: {}", of(&result, buffer.len())
        );
        result
    }
}

/// How many bytes went.
type Copied = io::Result<usize>;

impl<T: TransportLayer> TransportLayer for CopyingTransportLayer<T> {
    fn finish_connect(&mut self) -> io::Result<bool> {
        self.inner.finish_connect()
    }

    fn ready(&self) -> bool {
        self.inner.ready()
    }

    fn handshake(&mut self) -> io::Result<HandshakeStatus> {
        self.inner.handshake()
    }

    fn peer_principal(&self) -> Option<&str> {
        self.inner.peer_principal()
    }

    fn has_pending_writes(&self) -> bool {
        self.inner.has_pending_writes()
    }

    fn close(&mut self) {
        self.inner.close();
    }

    fn is_turn_over(&self) -> bool {
        self.inner.is_turn_over()
    }

    fn read(&mut self, dst: &mut [u8], spare: &mut [u8]) -> io::Result<usize> {
        self.inner.read(dst, spare)
    }

    fn has_unread(&mut self) -> io::Result<bool> {
        self.inner.has_unread()
    }

    fn take_unread_found(&mut self) -> bool {
        self.inner.take_unread_found()
    }

    fn write(&mut self, src: &[u8], more: bool) -> io::Result<usize> {
        self.inner.write(src, more)
    }

    fn transfer_from(&mut self, file: &File, position: u64, count: usize) -> io::Result<usize> {
        BUFFER.with_borrow_mut(|buffer| {
            if buffer.len() < self.buffer_bytes {
                buffer.resize(self.buffer_bytes, 0);
            }
            self.copy(file, position, count, &mut buffer[..self.buffer_bytes])
        })
    }

    fn peer_addr(&self) -> SocketAddr {
        self.inner.peer_addr()
    }

    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.inner.register(registry, token)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.inner.deregister(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::memory_transport::MemoryTransport;

    const CONTENT: &[u8] = b"0123456789";

    fn file() -> File {
        let path = std::env::temp_dir().join(format!(
            "transferto-copying-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::write(&path, CONTENT).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file
    }

    /// Copies through four bytes into a transport that takes `limits`; 0 is a full socket.
    fn copying(limits: &[usize]) -> CopyingTransportLayer<MemoryTransport> {
        CopyingTransportLayer::new(MemoryTransport::taking(limits), 4, Arc::default())
    }

    #[test]
    fn a_file_goes_through_the_buffer_piece_by_piece() {
        let mut transport = copying(&[]);
        assert_eq!(transport.transfer_from(&file(), 1, 9).unwrap(), 9);
        assert_eq!(transport.inner.written, b"123456789");
        assert!(transport.inner.transfers.is_empty());
        let metrics = &transport.metrics;
        assert_eq!(metrics.copy_read_calls.value(), 3);
        assert_eq!(metrics.copy_read_bytes.value(), 9);
        assert_eq!(metrics.copied_message_bytes.value(), 9);
    }

    #[test]
    fn what_a_full_socket_does_not_take_is_read_again() {
        let mut transport = copying(&[4, 1, 0]);
        let file = file();
        assert_eq!(transport.transfer_from(&file, 0, 10).unwrap(), 5);
        let error = transport.transfer_from(&file, 5, 5).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(transport.transfer_from(&file, 5, 5).unwrap(), 5);
        assert_eq!(transport.inner.written, CONTENT);
        let metrics = &transport.metrics;
        assert_eq!(metrics.copied_message_bytes.value(), 10);
        assert_eq!(metrics.copy_read_bytes.value(), 4 + 4 + 4 + 4 + 1);
    }

    #[test]
    fn a_full_socket_after_some_bytes_is_a_short_count() {
        let mut transport = copying(&[4, 0]);
        assert_eq!(transport.transfer_from(&file(), 0, 10).unwrap(), 4);
    }

    #[test]
    fn a_file_that_ends_too_soon_is_an_error_and_no_full_socket() {
        for (position, count) in [(0, 11), (10, 1), (1 << 40, 1)] {
            let error = copying(&[]).transfer_from(&file(), position, count).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn nothing_is_read_where_nothing_is_asked_for() {
        let mut transport = copying(&[]);
        assert_eq!(transport.transfer_from(&file(), 0, 0).unwrap(), 0);
        assert_eq!(transport.metrics.copy_read_calls.value(), 0);
    }
}
