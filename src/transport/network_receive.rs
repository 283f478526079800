//! Port of `org.apache.kafka.common.network.NetworkReceive`: a 4-byte size, then that many bytes,
//! as they come.

use std::io;
use std::mem;
use std::sync::Arc;

use byteorder::{BigEndian, ByteOrder};

use crate::common::memory_pool::{FREE_BYTES, MemoryDraw, MemoryPool, SMALL_BYTES_MAX, Stage};
use crate::transport::transport_layer::TransportLayer;

/// The bytes of the size field, which the size does not count.
const SIZE_LENGTH: usize = 4;
/// The buffer of a body before its first byte has arrived: a small request fits, and a thousand
/// peers that declare a large one and send nothing have four megabytes.
const FIRST_BUFFER_BYTES: usize = FREE_BYTES;
/// The buffer of a body once the first one is full. Each time this one is full, it doubles.
const SECOND_BUFFER_BYTES: usize = 64 << 10;
/// The most bytes that one call reads, so that a client with an endless request gets its turns like
/// all others.
const READ_TURN_BYTES: usize = 1 << 20;
/// How TLS begins, in place of a size: a handshake record of some version 3. As a size it would be
/// 369 megabytes.
const TLS_HANDSHAKE: [u8; 2] = [22, 3];

/// A complete frame, without its size field, and the memory that was drawn for it.
#[derive(Debug)]
pub struct Frame {
    pub bytes: Vec<u8>,
    pub memory: MemoryDraw,
}

impl Frame {
    /// Of no bytes.
    pub fn empty(pool: &Arc<MemoryPool>) -> Self {
        Self { bytes: Vec::new(), memory: MemoryDraw::new(pool) }
    }
}

/// One frame after another, from one connection.
///
/// Kafka 0.9 allocates the whole body as soon as it has read the size: 4 bytes of an attacker cost
/// 100 MiB (KAFKA-4602). Here the buffer grows with the bytes that have arrived: from 64 KiB on it
/// is at most twice as large as they are.
///
/// Behind its first buffer a frame draws its whole declared size from the pool at once. Before, it
/// holds nothing that others could wait for; afterwards, it waits for nothing.
#[derive(Debug)]
pub struct NetworkReceive {
    max_size_bytes: i32,
    memory: MemoryDraw,
    size: [u8; SIZE_LENGTH],
    size_filled: usize,
    /// The declared size of the body, once `size` is full and found good.
    body_size: usize,
    /// Room for the body: `body_filled <= body.len() <= body_size`.
    body: Vec<u8>,
    body_filled: usize,
}

impl NetworkReceive {
    /// Refuses frames of more than `max_size_bytes`, the size field not counted, and those for
    /// which `pool` could never have the memory; -1 allows all sizes.
    pub fn new(max_size_bytes: i32, pool: &Arc<MemoryPool>) -> Self {
        Self {
            max_size_bytes,
            memory: MemoryDraw::new(pool),
            size: [0; SIZE_LENGTH],
            size_filled: 0,
            body_size: 0,
            body: Vec::new(),
            body_filled: 0,
        }
    }

    /// Whether a frame has begun to arrive and is not complete.
    pub fn has_begun(&self) -> bool {
        self.size_filled > 0
    }

    /// Memory that the frame in progress has allocated, in bytes.
    pub fn allocated_bytes(&self) -> usize {
        self.body.capacity()
    }

    /// What the frame in progress has drawn from the pool, in bytes.
    pub fn drawn_bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// Whether the frame in progress comes out of the part of the pool that is for large ones.
    pub fn is_large(&self) -> bool {
        self.body_size > SMALL_BYTES_MAX
    }

    /// Whether the frame in progress has what it needs to go on, from the pool and from the system.
    pub fn draw(&mut self) -> bool {
        self.make_room().is_ok()
    }

    /// Continues reading, and returns the body when it is complete. Then it stops: the next call
    /// begins the next frame.
    ///
    /// `Ok(None)` means that it stopped to let others have their turn: there may be more to read.
    ///
    /// # Errors
    /// `WouldBlock` if everything that has arrived is read; `OutOfMemory` if the pool, or the
    /// system, has no memory for the rest now, which stays in the socket; `UnexpectedEof` if the
    /// peer has closed the connection, cleanly if [`has_begun`](Self::has_begun) says no;
    /// `InvalidData` for a size that is negative or too large; whatever `read(2)` reports otherwise.
    pub fn read_from(&mut self, transport: &mut dyn TransportLayer) -> io::Result<Option<Frame>> {
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
            self.make_room()?;
            let end = self.body.len().min(self.body_filled + budget_bytes);
            let taken = self.read_some(transport, |this| &mut this.body[this.body_filled..end])?;
            self.body_filled += taken;
            budget_bytes -= taken;
        }
        self.size_filled = 0;
        self.body_filled = 0;
        let nothing = MemoryDraw::new(self.memory.pool());
        let memory = mem::replace(&mut self.memory, nothing);
        Ok(Some(Frame { bytes: mem::take(&mut self.body), memory }))
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
        let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidData, why));
        let declared = BigEndian::read_i32(&self.size);
        let Ok(size) = usize::try_from(declared) else {
            return refuse(format!("a request cannot have {declared} bytes"));
        };
        let granted = self.memory.pool().grant_max_bytes(Stage::Receive);
        if self.max_size_bytes >= 0 && declared > self.max_size_bytes {
            if self.size.starts_with(&TLS_HANDSHAKE) {
                return refuse("the peer begins a TLS handshake, and there is no TLS here".into());
            }
            let max = self.max_size_bytes;
            return refuse(format!(
                "a request of {size} bytes is larger than `socket.request.max.bytes={max}`"
            ));
        }
        if size > granted {
            return refuse(format!(
                "a request of {size} bytes is larger than the {granted} bytes that all requests \
                 together may take: `queued.max.request.bytes` sets that limit, or else the memory \
                 that the process may use"
            ));
        }
        Ok(size)
    }

    /// Makes a full buffer larger, but never larger than the declared size.
    fn make_room(&mut self) -> io::Result<()> {
        if self.body_filled < self.body.len() {
            return Ok(());
        }
        let larger = match self.body.len() {
            0 => FIRST_BUFFER_BYTES,
            length => (2 * length).max(SECOND_BUFFER_BYTES),
        };
        let larger = larger.min(self.body_size);
        if larger > FIRST_BUFFER_BYTES {
            let drawn = self.memory.grow_to(self.body_size, Stage::Receive);
            drawn.map_err(|_shortage| io::Error::from(io::ErrorKind::OutOfMemory))?;
        }
        self.body.try_reserve_exact(larger - self.body.len())?;
        self.body.resize(larger, 0);
        Ok(())
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

    /// With a pool that never lacks memory.
    fn receive_of(max_size_bytes: i32) -> NetworkReceive {
        NetworkReceive::new(max_size_bytes, &MemoryPool::unlimited())
    }

    fn one_byte_at_a_time(bytes: &[u8]) -> MemoryTransport {
        let pieces =
            bytes.iter().flat_map(|byte| [Incoming::Bytes(vec![*byte]), Incoming::WouldBlock]);
        MemoryTransport::reading(pieces.collect())
    }

    #[test]
    fn a_frame_may_come_one_byte_at_a_time() {
        let mut transport = one_byte_at_a_time(&frame(b"hello"));
        let mut receive = receive_of(-1);
        for _ in 0..8 {
            let error = receive.read_from(&mut transport).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert!(receive.has_begun());
        }
        assert_eq!(receive.read_from(&mut transport).unwrap().unwrap().bytes, b"hello");
        assert!(!receive.has_begun());
    }

    #[test]
    fn it_stops_after_one_frame_and_leaves_the_next_in_the_socket() {
        let bytes = [frame(b"one"), frame(b""), frame(b"three")].concat();
        let mut transport = MemoryTransport::reading(vec![Incoming::Bytes(bytes)]);
        let mut receive = receive_of(5);
        assert_eq!(receive.read_from(&mut transport).unwrap().unwrap().bytes, b"one");
        assert_eq!(transport.calls, 2);
        assert_eq!(receive.read_from(&mut transport).unwrap().unwrap().bytes, b"");
        assert_eq!(receive.read_from(&mut transport).unwrap().unwrap().bytes, b"three");
    }

    #[test]
    fn the_end_of_the_stream_is_clean_only_between_frames() {
        let mut transport = MemoryTransport::reading(Vec::new());
        let mut receive = receive_of(-1);
        let error = receive.read_from(&mut transport).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(!receive.has_begun());

        for cut in 1..frame(b"hello").len() {
            let begun = frame(b"hello")[..cut].to_vec();
            let mut transport = MemoryTransport::reading(vec![Incoming::Bytes(begun)]);
            let error = receive.read_from(&mut transport).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            assert!(receive.has_begun());
            receive = receive_of(-1);
        }
    }

    #[test]
    fn a_size_that_is_negative_or_too_large_is_refused() {
        for (size, max) in [(-1, -1), (i32::MIN, 100), (101, 100), (1, 0), (i32::MAX, 104_857_600)]
        {
            let mut bytes = vec![0; 4];
            BigEndian::write_i32(&mut bytes, size);
            let mut transport = MemoryTransport::reading(vec![Incoming::Bytes(bytes)]);
            let mut receive = receive_of(max);
            let error = receive.read_from(&mut transport).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(receive.allocated_bytes(), 0);
        }
    }

    #[test]
    fn a_client_that_speaks_tls_is_named_in_the_error() {
        let hello = vec![22, 3, 1, 2, 0, 1, 0, 1, 252];
        let mut transport = MemoryTransport::reading(vec![Incoming::Bytes(hello)]);
        let error = receive_of(104_857_600).read_from(&mut transport).unwrap_err();
        assert!(error.to_string().contains("TLS handshake"), "{error}");
    }

    #[test]
    fn a_size_of_exactly_the_maximum_is_taken() {
        let mut transport = MemoryTransport::reading(vec![Incoming::Bytes(frame(b"12345"))]);
        assert_eq!(receive_of(5).read_from(&mut transport).unwrap().unwrap().bytes, b"12345");
    }

    /// KAFKA-4602: the buffer is paid for by bytes that arrived, not by a size that was declared.
    #[test]
    fn memory_follows_the_bytes_that_have_arrived() {
        let declared = 100 << 20;
        let mut size = vec![0; 4];
        BigEndian::write_i32(&mut size, declared);
        let mut transport =
            MemoryTransport::reading(vec![Incoming::Bytes(size), Incoming::WouldBlock]);
        let mut receive = receive_of(-1);
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
        let mut receive = receive_of(-1);
        assert!(receive.read_from(&mut transport).unwrap().is_none());
        assert!(receive.read_from(&mut transport).unwrap().is_none());
        assert_eq!(receive.read_from(&mut transport).unwrap().unwrap().bytes, body);
    }

    fn begun(declared: u32, arrived: usize) -> MemoryTransport {
        let mut bytes = declared.to_be_bytes().to_vec();
        bytes.resize(SIZE_LENGTH + arrived, 7);
        MemoryTransport::reading(vec![Incoming::Bytes(bytes), Incoming::WouldBlock])
    }

    fn kind_of<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn a_frame_draws_its_whole_size_behind_its_first_buffer_and_hands_it_on() {
        let pool = MemoryPool::for_frames_of(1 << 20);
        let mut receive = NetworkReceive::new(-1, &pool);
        let mut transport = begun(500_000, FIRST_BUFFER_BYTES);
        assert_eq!(kind_of(receive.read_from(&mut transport)), io::ErrorKind::WouldBlock);
        assert_eq!(pool.drawn_bytes(), 500_000);
        assert!(receive.allocated_bytes() <= SECOND_BUFFER_BYTES);

        let rest = vec![7; 500_000 - FIRST_BUFFER_BYTES];
        transport.incoming.push_back(Incoming::Bytes(rest));
        let frame = receive.read_from(&mut transport).unwrap().unwrap();
        assert_eq!((frame.bytes.len(), frame.memory.bytes()), (500_000, 500_000));
        assert_eq!((receive.drawn_bytes(), pool.drawn_bytes()), (0, 500_000));
        drop(frame);
        assert_eq!(pool.drawn_bytes(), 0);
    }

    #[test]
    fn a_frame_without_memory_holds_nothing_and_leaves_its_bytes_in_the_socket() {
        let pool = MemoryPool::for_frames_of(1 << 20);
        let (mut first, mut second) =
            (NetworkReceive::new(-1, &pool), NetworkReceive::new(-1, &pool));
        let mut transport = begun(1 << 20, 10_000);
        assert_eq!(kind_of(first.read_from(&mut transport)), io::ErrorKind::WouldBlock);
        let mut transport = begun(100_000, 100_000);
        for _ in 0..3 {
            assert_eq!(kind_of(second.read_from(&mut transport)), io::ErrorKind::OutOfMemory);
            assert_eq!((second.drawn_bytes(), second.draw()), (0, false));
        }
        assert_eq!(second.allocated_bytes(), FIRST_BUFFER_BYTES);

        drop(first);
        assert!(second.draw());
        let frame = second.read_from(&mut transport).unwrap().unwrap();
        assert_eq!(frame.bytes, vec![7; 100_000]);
    }

    #[test]
    fn a_small_frame_passes_a_pool_that_is_spent() {
        let pool = MemoryPool::for_frames_of(1 << 20);
        let mut hog = MemoryDraw::new(&pool);
        hog.grow_to(pool.grant_max_bytes(Stage::Receive), Stage::Receive).unwrap();
        let mut transport = begun(FIRST_BUFFER_BYTES as u32, FIRST_BUFFER_BYTES);
        let mut receive = NetworkReceive::new(-1, &pool);
        assert!(receive.read_from(&mut transport).unwrap().is_some());
    }

    #[test]
    fn a_frame_larger_than_the_pool_is_refused_at_its_size() {
        let pool = MemoryPool::for_frames_of(1 << 20);
        let mut transport = begun((1 << 20) + 8, 0);
        let error = NetworkReceive::new(-1, &pool).read_from(&mut transport).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("`queued.max.request.bytes`"), "{error}");
    }
}
