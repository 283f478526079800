//! Port of `org.apache.kafka.common.network.Send`, `ByteBufferSend` and `NetworkSend`: bytes on
//! their way out.

use std::io;

use byteorder::{BigEndian, ByteOrder};

use crate::common::memory_pool::MemoryDraw;
use crate::transport::transport_layer::TransportLayer;

/// Something that is being sent, and remembers how far it has got.
///
/// Written `send::Send` everywhere, because Rust has a `Send` of its own.
pub trait Send: std::marker::Send {
    /// The total number of bytes, sent or not.
    fn size(&self) -> u64;

    /// The bytes that the transport has not taken yet.
    fn left(&self) -> u64;

    /// Whether the last byte has been taken by the transport.
    fn completed(&self) -> bool;

    /// Memory of the pool that it holds until it is complete, in bytes.
    fn drawn_bytes(&self) -> usize {
        0
    }

    /// Continues from where it stopped. `Ok(())` means that it is complete.
    ///
    /// With `more` the caller promises that further bytes follow at once (see
    /// [`TransportLayer::write`]).
    ///
    /// # Errors
    /// `WouldBlock` if the transport takes no more now: call again when it does. Any other error
    /// ends the connection.
    fn write_to(&mut self, transport: &mut dyn TransportLayer, more: bool) -> io::Result<()>;
}

/// Bytes in memory on their way out.
#[derive(Debug)]
pub struct ByteBufferSend<B = Vec<u8>> {
    buffer: B,
    /// How many bytes the transport has taken, never more than there are.
    position: usize,
}

impl<B: AsRef<[u8]>> ByteBufferSend<B> {
    /// Sends `buffer` as it is, without a size in front.
    pub fn new(buffer: B) -> Self {
        Self { buffer, position: 0 }
    }
}

impl<B: AsRef<[u8]> + std::marker::Send> Send for ByteBufferSend<B> {
    fn size(&self) -> u64 {
        self.buffer.as_ref().len() as u64
    }

    fn left(&self) -> u64 {
        (self.buffer.as_ref().len() - self.position) as u64
    }

    fn completed(&self) -> bool {
        self.position == self.buffer.as_ref().len()
    }

    fn write_to(&mut self, transport: &mut dyn TransportLayer, more: bool) -> io::Result<()> {
        while !self.completed() {
            let taken = transport.write(&self.buffer.as_ref()[self.position..], more)?;
            if taken == 0 {
                return Err(io::Error::new(io::ErrorKind::WriteZero, "the transport took no byte"));
            }
            self.position += taken;
        }
        Ok(())
    }
}

/// Bytes in memory with their number in front, as 4 bytes: a whole frame of the protocol.
#[derive(Debug)]
pub struct NetworkSend {
    size: ByteBufferSend<[u8; 4]>,
    body: ByteBufferSend,
}

impl NetworkSend {
    /// Sends `body` as one frame.
    ///
    /// # Errors
    /// `InvalidInput` if `body` is 2 GiB or larger, which no size field can say.
    pub fn new(body: Vec<u8>) -> io::Result<Self> {
        let length = i32::try_from(body.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a frame is below 2 GiB"))?;
        let mut size = [0; 4];
        BigEndian::write_i32(&mut size, length);
        Ok(Self { size: ByteBufferSend::new(size), body: ByteBufferSend::new(body) })
    }
}

impl Send for NetworkSend {
    fn size(&self) -> u64 {
        self.size.size() + self.body.size()
    }

    fn left(&self) -> u64 {
        self.size.left() + self.body.left()
    }

    fn completed(&self) -> bool {
        self.size.completed() && self.body.completed()
    }

    fn write_to(&mut self, transport: &mut dyn TransportLayer, more: bool) -> io::Result<()> {
        let more_than_size = more || !self.body.completed();
        self.size.write_to(transport, more_than_size)?;
        self.body.write_to(transport, more)
    }
}

/// A send and the memory that was drawn for it, which goes back when it is over.
pub struct DrawnSend {
    inner: Box<dyn Send>,
    memory: MemoryDraw,
}

impl DrawnSend {
    pub fn new(inner: Box<dyn Send>, memory: MemoryDraw) -> Self {
        Self { inner, memory }
    }
}

impl Send for DrawnSend {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn left(&self) -> u64 {
        self.inner.left()
    }

    fn completed(&self) -> bool {
        self.inner.completed()
    }

    fn drawn_bytes(&self) -> usize {
        self.memory.bytes()
    }

    fn write_to(&mut self, transport: &mut dyn TransportLayer, more: bool) -> io::Result<()> {
        self.inner.write_to(transport, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::memory_transport::MemoryTransport;

    #[test]
    fn a_byte_buffer_send_resumes_where_the_transport_stopped() {
        let mut transport = MemoryTransport::taking(&[2, 0, 1, 0, 9]);
        let mut send = ByteBufferSend::new(b"abcdef".to_vec());
        for _ in 0..2 {
            let error = send.write_to(&mut transport, false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert!(!send.completed());
        }
        send.write_to(&mut transport, false).unwrap();
        assert!(send.completed());
        assert_eq!(transport.written, b"abcdef");
    }

    #[test]
    fn a_network_send_puts_the_size_of_its_body_in_front() {
        let mut transport = MemoryTransport::unlimited();
        let mut send = NetworkSend::new(b"hello".to_vec()).unwrap();
        assert_eq!(send.size(), 9);
        send.write_to(&mut transport, false).unwrap();
        assert_eq!(transport.written, b"\0\0\0\x05hello");
        assert_eq!(transport.more_flags, [true, false]);
    }

    #[test]
    fn an_empty_network_send_is_four_zero_bytes_that_nothing_follows() {
        let mut transport = MemoryTransport::unlimited();
        let mut send = NetworkSend::new(Vec::new()).unwrap();
        send.write_to(&mut transport, false).unwrap();
        assert!(send.completed());
        assert_eq!(transport.written, [0; 4]);
        assert_eq!(transport.more_flags, [false]);
    }
}
