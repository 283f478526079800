//! Port of `org.apache.kafka.common.network.NetworkReceive`: a 4-byte size, then that many bytes,
//! as they come.

use std::io;

use byteorder::{BigEndian, ByteOrder};

use crate::transport::transport_layer::TransportLayer;

/// The bytes of the size field, which the size does not count.
const SIZE_LENGTH: usize = 4;
/// The buffer of a body before its first byte has arrived: a small request fits, and a thousand
/// peers that declare a large one and send nothing have four megabytes.
const FIRST_BUFFER_BYTES: usize = 4 << 10;
/// The buffer of a body once the first one is full. Each time this one is full, it doubles.
const SECOND_BUFFER_BYTES: usize = 64 << 10;
/// The most bytes that one call reads, so that a client with an endless request gets its turns like
/// all others.
const READ_TURN_BYTES: usize = 1 << 20;
/// How TLS begins, in place of a size: a handshake record of some version 3. As a size it would be
/// 369 megabytes.
const TLS_HANDSHAKE: [u8; 2] = [22, 3];

/// One frame after another, from one connection.
///
/// Kafka 0.9 allocates the whole body as soon as it has read the size: 4 bytes of an attacker cost
/// 100 MiB (KAFKA-4602). Here the buffer grows with the bytes that have arrived: from 64 KiB on it
/// is at most twice as large as they are.
#[derive(Debug)]
pub struct NetworkReceive {
    max_size_bytes: i32,
    size: [u8; SIZE_LENGTH],
    size_filled: usize,
    /// The declared size of the body, once `size` is full and found good.
    body_size: usize,
    /// Room for the body: `body_filled <= body.len() <= body_size`.
    body: Vec<u8>,
    body_filled: usize,
}

impl NetworkReceive {
    /// Refuses frames of more than `max_size_bytes`, the size field not counted; -1 allows all
    /// sizes.
    pub fn new(max_size_bytes: i32) -> Self {
        let (size, body) = ([0; SIZE_LENGTH], Vec::new());
        Self { max_size_bytes, size, size_filled: 0, body_size: 0, body, body_filled: 0 }
    }

    /// Whether a frame has begun to arrive and is not complete.
    pub fn has_begun(&self) -> bool {
        self.size_filled > 0
    }

    /// Memory that the frame in progress has allocated, in bytes.
    pub fn allocated_bytes(&self) -> usize {
        self.body.capacity()
    }

    /// Continues reading, and returns the body when it is complete. Then it stops: the next call
    /// begins the next frame.
    ///
    /// `Ok(None)` means that it stopped to let others have their turn: there may be more to read.
    ///
    /// # Errors
    /// `WouldBlock` if everything that has arrived is read; `UnexpectedEof` if the peer has closed
    /// the connection, cleanly if [`has_begun`](Self::has_begun) says no; `InvalidData` for a size
    /// that is negative or too large; whatever `read(2)` reports otherwise.
    pub fn read_from(&mut self, transport: &mut dyn TransportLayer) -> io::Result<Option<Vec<u8>>> {
        while self.size_filled < SIZE_LENGTH {
            self.size_filled +=
                self.read_some(transport, |this| &mut this.size[this.size_filled..])?;
            if self.size_filled == SIZE_LENGTH {
                self.body_size = self.checked_size()?;
            }
        }
        let mut budget_bytes = READ_TURN_BYTES;
        while self.body_filled < self.body_size {
            if budget_bytes == 0 {
                return Ok(None);
            }
            self.make_room();
            let end = self.body.len().min(self.body_filled + budget_bytes);
            let taken = self.read_some(transport, |this| &mut this.body[this.body_filled..end])?;
            self.body_filled += taken;
            budget_bytes -= taken;
        }
        self.size_filled = 0;
        self.body_filled = 0;
        Ok(Some(std::mem::take(&mut self.body)))
    }

    /// One read into a part of `self`: at least one byte, or an error.
    fn read_some(
        &mut self,
        transport: &mut dyn TransportLayer,
        part: impl FnOnce(&mut Self) -> &mut [u8],
    ) -> io::Result<usize> {
        match transport.read(part(self))? {
            0 => {
                let how = if self.has_begun() { " in the middle of a request" } else { "" };
                let why = format!("the peer closed the connection{how}");
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, why))
            }
            taken => Ok(taken),
        }
    }

    fn checked_size(&self) -> io::Result<usize> {
        let size = BigEndian::read_i32(&self.size);
        let is_too_large = self.max_size_bytes >= 0 && size > self.max_size_bytes;
        match usize::try_from(size) {
            Ok(size) if !is_too_large => Ok(size),
            Ok(_) => {
                let max = self.max_size_bytes;
                let why = if self.size.starts_with(&TLS_HANDSHAKE) {
                    "the peer begins a TLS handshake, and there is no TLS here".to_string()
                } else {
                    format!("a request of {size} bytes is larger than {max}")
                };
                Err(io::Error::new(io::ErrorKind::InvalidData, why))
            }
            Err(_) => {
                let why = format!("a request cannot have {size} bytes");
                Err(io::Error::new(io::ErrorKind::InvalidData, why))
            }
        }
    }

    /// Makes a full buffer larger, but never larger than the declared size.
    fn make_room(&mut self) {
        if self.body_filled == self.body.len() {
            let larger = match self.body.len() {
                0 => FIRST_BUFFER_BYTES,
                length => (2 * length).max(SECOND_BUFFER_BYTES),
            };
            let larger = larger.min(self.body_size);
            self.body.reserve_exact(larger - self.body.len());
            self.body.resize(larger, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::memory_transport::{Incoming, MemoryTransport};

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; SIZE_LENGTH];
        BigEndian::write_u32(&mut frame, u32::try_from(body.len()).unwrap());
        frame.extend_from_slice(body);
        frame
    }

    fn one_byte_at_a_time(bytes: &[u8]) -> MemoryTransport {
        let pieces =
            bytes.iter().flat_map(|byte| [Incoming::Bytes(vec![*byte]), Incoming::WouldBlock]);
        MemoryTransport::reading(pieces.collect())
    }

    #[test]
    fn a_frame_may_come_one_byte_at_a_time() {
        let mut transport = one_byte_at_a_time(&frame(b"hello"));
        let mut receive = NetworkReceive::new(-1);
        for _ in 0..8 {
            let error = receive.read_from(&mut transport).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert!(receive.has_begun());
        }
        assert_eq!(receive.read_from(&mut transport).unwrap().unwrap(), b"hello");
        assert!(!receive.has_begun());
    }

    #[test]
    fn it_stops_after_one_frame_and_leaves_the_next_in_the_socket() {
        let bytes = [frame(b"one"), frame(b""), frame(b"three")].concat();
        let mut transport = MemoryTransport::reading(vec![Incoming::Bytes(bytes)]);
        let mut receive = NetworkReceive::new(5);
        assert_eq!(receive.read_from(&mut transport).unwrap().unwrap(), b"one");
        assert_eq!(transport.calls, 2);
        assert_eq!(receive.read_from(&mut transport).unwrap().unwrap(), b"");
        assert_eq!(receive.read_from(&mut transport).unwrap().unwrap(), b"three");
    }

    #[test]
    fn the_end_of_the_stream_is_clean_only_between_frames() {
        let mut transport = MemoryTransport::reading(Vec::new());
        let mut receive = NetworkReceive::new(-1);
        let error = receive.read_from(&mut transport).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(!receive.has_begun());

        for cut in 1..frame(b"hello").len() {
            let begun = frame(b"hello")[..cut].to_vec();
            let mut transport = MemoryTransport::reading(vec![Incoming::Bytes(begun)]);
            let error = receive.read_from(&mut transport).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            assert!(receive.has_begun());
            receive = NetworkReceive::new(-1);
        }
    }

    #[test]
    fn a_size_that_is_negative_or_too_large_is_refused() {
        for (size, max) in [(-1, -1), (i32::MIN, 100), (101, 100), (1, 0), (i32::MAX, 104_857_600)]
        {
            let mut bytes = vec![0; 4];
            BigEndian::write_i32(&mut bytes, size);
            let mut transport = MemoryTransport::reading(vec![Incoming::Bytes(bytes)]);
            let mut receive = NetworkReceive::new(max);
            let error = receive.read_from(&mut transport).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(receive.allocated_bytes(), 0);
        }
    }

    #[test]
    fn a_client_that_speaks_tls_is_named_in_the_error() {
        let hello = vec![22, 3, 1, 2, 0, 1, 0, 1, 252];
        let mut transport = MemoryTransport::reading(vec![Incoming::Bytes(hello)]);
        let error = NetworkReceive::new(104_857_600).read_from(&mut transport).unwrap_err();
        assert!(error.to_string().contains("TLS handshake"), "{error}");
    }

    #[test]
    fn a_size_of_exactly_the_maximum_is_taken() {
        let mut transport = MemoryTransport::reading(vec![Incoming::Bytes(frame(b"12345"))]);
        assert_eq!(NetworkReceive::new(5).read_from(&mut transport).unwrap().unwrap(), b"12345");
    }

    /// KAFKA-4602: the buffer is paid for by bytes that arrived, not by a size that was declared.
    #[test]
    fn memory_follows_the_bytes_that_have_arrived() {
        let declared = 100 << 20;
        let mut size = vec![0; 4];
        BigEndian::write_i32(&mut size, declared);
        let mut transport =
            MemoryTransport::reading(vec![Incoming::Bytes(size), Incoming::WouldBlock]);
        let mut receive = NetworkReceive::new(-1);
        receive.read_from(&mut transport).unwrap_err();
        assert!(receive.allocated_bytes() <= FIRST_BUFFER_BYTES);

        let mut arrived = 0;
        for piece in [1, 1_000, 64_000, 100_000, 700_000] {
            arrived += piece;
            transport.incoming.push_back(Incoming::Bytes(vec![7; piece]));
            transport.incoming.push_back(Incoming::WouldBlock);
            receive.read_from(&mut transport).unwrap_err();
            let paid_for = if arrived < FIRST_BUFFER_BYTES { 0 } else { SECOND_BUFFER_BYTES };
            let bound = (2 * arrived).max(paid_for).max(FIRST_BUFFER_BYTES);
            assert!(receive.allocated_bytes() <= bound);
        }
    }

    #[test]
    fn an_endless_request_is_read_in_turns() {
        let body = vec![1; 3 * READ_TURN_BYTES];
        let mut transport = MemoryTransport::reading(vec![Incoming::Bytes(frame(&body))]);
        let mut receive = NetworkReceive::new(-1);
        assert!(receive.read_from(&mut transport).unwrap().is_none());
        assert!(receive.read_from(&mut transport).unwrap().is_none());
        assert_eq!(receive.read_from(&mut transport).unwrap().unwrap(), body);
    }
}
