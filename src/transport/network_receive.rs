//! Port of `org.apache.kafka.common.network.NetworkReceive`: a 4-byte size, then that many bytes,
//! as they come.

use std::io;
use std::mem;
use std::sync::Arc;

use byteorder::{BigEndian, ByteOrder};

use crate::common::memory_pool::{FREE_BYTES, MemoryDraw, MemoryPool, SMALL_BYTES_MAX, Stage};
use crate::transport::read_turn::ReadTurn;

/// The bytes of the size field, which the size does not count.
const SIZE_LENGTH: usize = 4;
/// The buffer of a body before its first byte has arrived: a small request fits, and a thousand
/// peers that declare a large one and send nothing have four megabytes. It takes what a turn reads
/// along with the size.
const FIRST_BUFFER_BYTES: usize = FREE_BYTES - SIZE_LENGTH;
/// The most of the previous request's size that the first buffer of a body may have, as far as it is
/// larger.
const EXPECTED_BYTES_MAX: usize = 1 << 20;
/// The buffer of a body once the first one is full. Each time this one is full, it doubles.
const SECOND_BUFFER_BYTES: usize = 64 << 10;
/// The most of a buffer that is zeroed before the socket fills it: so much stays in the processor's
/// cache in between, and a receive buffer mostly holds less.
const ZEROED_BYTES_MAX: usize = 256 << 10;
/// How TLS begins, in place of a size: a handshake record of some version 3. As a size it would be
/// 369 megabytes.
const TLS_HANDSHAKE: [u8; 2] = [22, 3];

/// The largest frame that is read, the size field not counted; -1 bytes allow all sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimit {
    pub max_bytes: i32,
    /// The setting that says so.
    pub setting: &'static str,
}

impl SizeLimit {
    /// That of requests.
    pub const fn of_requests(max_bytes: i32) -> Self {
        Self { max_bytes, setting: "socket.request.max.bytes" }
    }
}

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
/// is at most twice as large as they are. A connection that has really sent a large request gets a
/// buffer of that size for its next one at once: a producer's requests are much alike, and come by
/// fewer calls and without being moved. Between two requests it has none.
///
/// For more than [`FIRST_BUFFER_BYTES`] a frame draws its whole declared size from the pool at once.
/// Before, it holds nothing that others could wait for; afterwards, it waits for nothing.
#[derive(Debug)]
pub struct NetworkReceive {
    limit: SizeLimit,
    memory: MemoryDraw,
    size: [u8; SIZE_LENGTH],
    size_filled: usize,
    /// The declared size of the body, once `size` is full and found good.
    body_size: usize,
    /// Room for the body, zeroed as far as `body.len()`: `body_filled <= body.len() <= body_size`.
    body: Vec<u8>,
    body_filled: usize,
    /// The size of the body before this one.
    previous_size: usize,
}

impl NetworkReceive {
    /// Refuses frames of more than `max_size_bytes`, the size field not counted, and those for
    /// which `pool` could never have the memory; -1 allows all sizes.
    pub fn new(max_size_bytes: i32, pool: &Arc<MemoryPool>) -> Self {
        Self {
            limit: SizeLimit::of_requests(max_size_bytes),
            memory: MemoryDraw::new(pool),
            size: [0; SIZE_LENGTH],
            size_filled: 0,
            body_size: 0,
            body: Vec::new(),
            body_filled: 0,
            previous_size: 0,
        }
    }

    /// The largest frame that it reads.
    pub fn limit(&self) -> SizeLimit {
        self.limit
    }

    /// From the next frame on.
    pub fn set_limit(&mut self, limit: SizeLimit) {
        self.limit = limit;
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
    /// # Errors
    /// `WouldBlock` if everything that has arrived is read, or the turn is over; `OutOfMemory` if
    /// the pool, or the system, has no memory for the rest now, which stays in the socket;
    /// `UnexpectedEof` if the peer has closed the connection, cleanly if
    /// [`has_begun`](Self::has_begun) says no; `InvalidData` for a size that is negative or too
    /// large; whatever `read(2)` reports otherwise.
    pub fn read_from(&mut self, turn: &mut ReadTurn<'_>) -> io::Result<Frame> {
        while self.size_filled < SIZE_LENGTH {
            let taken = turn.read(&mut self.size[self.size_filled..], false);
            self.size_filled += self.some(taken)?;
            if self.size_filled == SIZE_LENGTH {
                self.body_size = self.checked_size()?;
            }
        }
        while self.body_filled < self.body_size {
            self.make_room()?;
            let more = self.body.len() < self.body_size;
            let taken = turn.read(&mut self.body[self.body_filled..], more);
            self.body_filled += self.some(taken)?;
        }
        self.size_filled = 0;
        self.body_filled = 0;
        self.previous_size = self.body_size;
        let nothing = MemoryDraw::new(self.memory.pool());
        let memory = mem::replace(&mut self.memory, nothing);
        Ok(Frame { bytes: mem::take(&mut self.body), memory })
    }

    /// What a read has brought: at least one byte, or an error.
    fn some(&self, taken: io::Result<usize>) -> io::Result<usize> {
        match taken? {
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
        let SizeLimit { max_bytes, setting } = self.limit;
        if max_bytes >= 0 && declared > max_bytes {
            if self.size.starts_with(&TLS_HANDSHAKE) {
                return refuse(
                    "the peer begins a TLS handshake, and this listener has no TLS".into(),
                );
            }
            return refuse(format!(
                "a request of {size} bytes is larger than `{setting}={max_bytes}`"
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

    /// Makes room behind the bytes that have arrived: in the buffer as far as it goes, else in a
    /// larger one.
    fn make_room(&mut self) -> io::Result<()> {
        if self.body_filled < self.body.len() {
            return Ok(());
        }
        if self.body_filled == self.body.capacity() {
            self.grow()?;
        }
        let room_end = self.body.capacity().min(self.body_size);
        self.body.resize(room_end.min(self.body_filled + ZEROED_BYTES_MAX), 0);
        Ok(())
    }

    /// Makes a full buffer larger, but never larger than the declared size.
    fn grow(&mut self) -> io::Result<()> {
        let larger = match self.body.len() {
            0 => self.previous_size.clamp(FIRST_BUFFER_BYTES, EXPECTED_BYTES_MAX),
            length => (2 * length).max(SECOND_BUFFER_BYTES),
        };
        let larger = larger.min(self.body_size);
        if larger > FIRST_BUFFER_BYTES {
            let drawn = self.memory.grow_to(self.body_size, Stage::Receive);
            drawn.map_err(|_shortage| io::Error::from(io::ErrorKind::OutOfMemory))?;
        }
        Ok(self.body.try_reserve_exact(larger - self.body.len())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::memory_transport::{Incoming, MemoryTransport};
    use crate::transport::read_turn::{BytesBuffered, READ_TURN_BYTES, ReadBuffer};

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; SIZE_LENGTH];
        BigEndian::write_u32(&mut frame, u32::try_from(body.len()).unwrap());
        frame.extend_from_slice(body);
        frame
    }

    /// One connection, which is read in turns.
    struct Connection {
        transport: MemoryTransport,
        receive: NetworkReceive,
        buffered: BytesBuffered,
    }

    impl Connection {
        /// Whose requests may be of any size, and for which the pool has all memory.
        fn of(incoming: Vec<Incoming>) -> Self {
            Self::limited(-1, &MemoryPool::unlimited(), incoming)
        }

        fn limited(max_size_bytes: i32, pool: &Arc<MemoryPool>, incoming: Vec<Incoming>) -> Self {
            let receive = NetworkReceive::new(max_size_bytes, pool);
            let transport = MemoryTransport::reading(incoming);
            Self { transport, receive, buffered: BytesBuffered::default() }
        }

        /// What one turn comes to.
        fn read(&mut self) -> io::Result<Vec<u8>> {
            self.read_frame().map(|frame| frame.bytes)
        }

        fn read_frame(&mut self) -> io::Result<Frame> {
            let mut buffer = ReadBuffer::new();
            let (transport, buffered) = (&mut self.transport, &mut self.buffered);
            let mut turn = ReadTurn::new(transport, buffered, &mut buffer, true);
            let result = self.receive.read_from(&mut turn);
            turn.finish();
            result
        }

        fn failure(&mut self) -> io::Error {
            self.read().unwrap_err()
        }

        fn arrives(&mut self, bytes: Vec<u8>) {
            self.transport.incoming.push_back(Incoming::Bytes(bytes));
            self.transport.incoming.push_back(Incoming::WouldBlock);
        }
    }

    fn pieces(bytes: &[u8], length: usize) -> Vec<Incoming> {
        bytes.chunks(length).map(|piece| Incoming::Bytes(piece.to_vec())).collect()
    }

    #[test]
    fn a_frame_may_come_one_byte_at_a_time() {
        let mut connection = Connection::of(pieces(&frame(b"hello"), 1));
        for _ in 0..8 {
            assert_eq!(connection.failure().kind(), io::ErrorKind::WouldBlock);
            assert!(connection.receive.has_begun());
        }
        assert_eq!(connection.read().unwrap(), b"hello");
        assert!(!connection.receive.has_begun());
    }

    /// Wherever the pieces end, and whatever was read along with them.
    #[test]
    fn frames_of_all_sizes_come_out_as_they_went_in() {
        let sizes = [0, 1, 90, 4_087, 4_088, 4_092, 4_093, 4_096, 4_097, 10_000, 70_000, 3];
        let bodies: Vec<_> = sizes.iter().map(|size| vec![*size as u8; *size]).collect();
        let bytes: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
        for length in [7, 95, 4_095, 4_096, 4_097, 9_000, bytes.len()] {
            let mut connection = Connection::of(pieces(&bytes, length));
            for body in &bodies {
                let read = loop {
                    match connection.read() {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                        result => break result.unwrap(),
                    }
                };
                assert!(read == *body, "{} bytes in pieces of {length}", body.len());
            }
            assert!(connection.buffered.is_empty());
        }
    }

    #[test]
    fn a_small_frame_costs_one_call() {
        let mut connection = Connection::of(pieces(&frame(&[7; FIRST_BUFFER_BYTES]), 1 << 20));
        assert_eq!(connection.read().unwrap(), [7; FIRST_BUFFER_BYTES]);
        assert_eq!(connection.transport.calls, 1);
    }

    #[test]
    fn frames_that_were_read_along_cost_no_call_and_are_handed_out_one_by_one() {
        let bytes = [frame(b"one"), frame(b""), frame(b"three")].concat();
        let mut connection = Connection::of(vec![Incoming::Bytes(bytes)]);
        for body in [&b"one"[..], b"", b"three"] {
            assert_eq!(connection.read().unwrap(), body);
            assert_eq!(connection.transport.calls, 1);
        }
    }

    /// A short count says so already.
    #[test]
    fn a_frame_that_is_not_whole_yet_costs_no_call_that_finds_nothing() {
        let mut connection = Connection::of(pieces(&frame(&[7; 50_000]), 10_000));
        for calls in [2, 3, 4, 5] {
            assert_eq!(connection.failure().kind(), io::ErrorKind::WouldBlock);
            assert_eq!(connection.transport.calls, calls);
        }
    }

    /// What does not fit stays in the socket, where it costs the sender's memory.
    #[test]
    fn no_more_is_read_along_than_a_connection_may_cost() {
        let bytes = [frame(&[1; 100_000]), frame(&[2; 100_000])].concat();
        let mut connection = Connection::of(pieces(&bytes, bytes.len()));
        assert_eq!(connection.read().unwrap(), [1; 100_000]);
        let Some(Incoming::Bytes(unread)) = connection.transport.incoming.front() else { panic!() };
        let read_along = SIZE_LENGTH + 100_000 - unread.len();
        assert!((1..=FREE_BYTES).contains(&read_along), "{read_along} bytes");
        assert_eq!(connection.read().unwrap(), [2; 100_000]);
    }

    #[test]
    fn the_end_of_the_stream_is_clean_only_between_frames() {
        let mut connection = Connection::of(Vec::new());
        assert_eq!(connection.failure().kind(), io::ErrorKind::UnexpectedEof);
        assert!(!connection.receive.has_begun());

        for cut in 1..frame(b"hello").len() {
            let begun = frame(b"hello")[..cut].to_vec();
            let mut connection = Connection::of(vec![Incoming::Bytes(begun)]);
            assert_eq!(connection.failure().kind(), io::ErrorKind::WouldBlock);
            assert_eq!(connection.failure().kind(), io::ErrorKind::UnexpectedEof);
            assert!(connection.receive.has_begun());
        }
    }

    #[test]
    fn a_size_that_is_negative_or_too_large_is_refused() {
        for (size, max) in [(-1, -1), (i32::MIN, 100), (101, 100), (1, 0), (i32::MAX, 104_857_600)]
        {
            let mut bytes = vec![0; 4];
            BigEndian::write_i32(&mut bytes, size);
            let incoming = vec![Incoming::Bytes(bytes)];
            let mut connection = Connection::limited(max, &MemoryPool::unlimited(), incoming);
            assert_eq!(connection.failure().kind(), io::ErrorKind::InvalidData);
            assert_eq!(connection.receive.allocated_bytes(), 0);
        }
    }

    #[test]
    fn a_client_that_speaks_tls_is_named_in_the_error() {
        let incoming = vec![Incoming::Bytes(vec![22, 3, 1, 2, 0, 1, 0, 1, 252])];
        let mut connection = Connection::limited(104_857_600, &MemoryPool::unlimited(), incoming);
        let error = connection.failure();
        assert!(error.to_string().contains("TLS handshake"), "{error}");
    }

    #[test]
    fn a_size_of_exactly_the_maximum_is_taken() {
        let incoming = vec![Incoming::Bytes(frame(b"12345"))];
        let mut connection = Connection::limited(5, &MemoryPool::unlimited(), incoming);
        assert_eq!(connection.read().unwrap(), b"12345");
    }

    /// KAFKA-4602: the buffer is paid for by bytes that arrived, not by a size that was declared.
    #[test]
    fn memory_follows_the_bytes_that_have_arrived() {
        let declared = 100 << 20;
        let mut size = vec![0; 4];
        BigEndian::write_i32(&mut size, declared);
        let mut connection = Connection::of(vec![Incoming::Bytes(size), Incoming::WouldBlock]);
        connection.failure();
        assert!(connection.receive.allocated_bytes() <= FIRST_BUFFER_BYTES);

        let mut arrived = 0;
        for piece in [1, 1_000, 64_000, 100_000, 700_000] {
            arrived += piece;
            connection.arrives(vec![7; piece]);
            connection.failure();
            let paid_for = if arrived < FIRST_BUFFER_BYTES { 0 } else { SECOND_BUFFER_BYTES };
            let bound = (2 * arrived).max(paid_for).max(FIRST_BUFFER_BYTES);
            assert!(connection.receive.allocated_bytes() <= bound);
        }
    }

    /// 5 bytes come, of a request that is declared to have `declared`.
    fn allocated_at_the_beginning(connection: &mut Connection, declared: u32) -> usize {
        connection.arrives([&declared.to_be_bytes()[..], &[7]].concat());
        assert_eq!(connection.failure().kind(), io::ErrorKind::WouldBlock);
        connection.receive.allocated_bytes()
    }

    #[test]
    fn only_what_a_connection_has_really_sent_is_expected_of_it() {
        let pool = MemoryPool::for_frames_of(200 << 20);
        let after = |sizes: &[usize]| {
            let mut connection = Connection::limited(-1, &pool, Vec::new());
            for size in sizes {
                let request = Incoming::Bytes(frame(&vec![7; *size]));
                connection.transport.incoming.push_back(request);
                (0..20).find_map(|_| connection.read().ok()).unwrap();
            }
            assert_eq!((connection.receive.allocated_bytes(), pool.drawn_bytes()), (0, 0));
            connection
        };
        for (declared, expected) in [(400_000, 400_000), (500_000, 500_000), (100 << 20, 500_000)] {
            let mut connection = after(&[500_000]);
            assert_eq!(allocated_at_the_beginning(&mut connection, declared), expected);
            assert_eq!(pool.drawn_bytes(), declared as usize);
        }
        let mut connection = after(&[10 << 20]);
        assert_eq!(allocated_at_the_beginning(&mut connection, 10 << 20), EXPECTED_BYTES_MAX);
        drop(connection);
        for sizes in [&[500_000, 500][..], &[]] {
            let mut connection = after(sizes);
            let allocated = allocated_at_the_beginning(&mut connection, 500_000);
            assert_eq!((allocated, pool.drawn_bytes()), (FIRST_BUFFER_BYTES, 0));
        }
    }

    #[test]
    fn a_request_as_large_as_the_one_before_costs_few_calls_and_no_move() {
        for (size, expected) in [(ZEROED_BYTES_MAX, [4, 2, 2]), (500_000, [5, 3, 3])] {
            let mut connection = Connection::of(Vec::new());
            let mut calls = Vec::new();
            for _ in 0..3 {
                let before = connection.transport.calls;
                connection.transport.incoming.push_back(Incoming::Bytes(frame(&vec![7; size])));
                assert_eq!(connection.read().unwrap(), vec![7; size]);
                calls.push(connection.transport.calls - before);
            }
            assert_eq!(calls, expected, "{size} bytes");
        }
    }

    #[test]
    fn an_endless_request_is_read_in_turns() {
        let body = vec![1; 3 * READ_TURN_BYTES];
        let mut connection = Connection::of(vec![Incoming::Bytes(frame(&body))]);
        for _ in 0..3 {
            assert_eq!(connection.failure().kind(), io::ErrorKind::WouldBlock);
        }
        assert_eq!(connection.read().unwrap(), body);
    }

    fn begun(declared: u32, arrived: usize) -> Vec<Incoming> {
        let mut bytes = declared.to_be_bytes().to_vec();
        bytes.resize(SIZE_LENGTH + arrived, 7);
        vec![Incoming::Bytes(bytes), Incoming::WouldBlock]
    }

    #[test]
    fn a_frame_draws_its_whole_size_behind_its_first_buffer_and_hands_it_on() {
        let pool = MemoryPool::for_frames_of(1 << 20);
        let mut connection = Connection::limited(-1, &pool, begun(500_000, FIRST_BUFFER_BYTES));
        assert_eq!(connection.failure().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(pool.drawn_bytes(), 500_000);
        assert!(connection.receive.allocated_bytes() <= SECOND_BUFFER_BYTES);

        connection.arrives(vec![7; 500_000 - FIRST_BUFFER_BYTES]);
        let frame = connection.read_frame().unwrap();
        assert_eq!((frame.bytes.len(), frame.memory.bytes()), (500_000, 500_000));
        assert_eq!((connection.receive.drawn_bytes(), pool.drawn_bytes()), (0, 500_000));
        drop(frame);
        assert_eq!(pool.drawn_bytes(), 0);
    }

    #[test]
    fn a_frame_without_memory_holds_nothing_and_leaves_its_bytes_in_the_socket() {
        let pool = MemoryPool::for_frames_of(1 << 20);
        let mut first = Connection::limited(-1, &pool, begun(1 << 20, 10_000));
        let mut second = Connection::limited(-1, &pool, begun(100_000, 100_000));
        assert_eq!(first.failure().kind(), io::ErrorKind::WouldBlock);
        for _ in 0..3 {
            assert_eq!(second.failure().kind(), io::ErrorKind::OutOfMemory);
            assert_eq!((second.receive.drawn_bytes(), second.receive.draw()), (0, false));
        }
        assert_eq!(second.receive.allocated_bytes(), FIRST_BUFFER_BYTES);
        assert!(second.buffered.is_empty());

        drop(first);
        assert!(second.receive.draw());
        assert_eq!(second.read().unwrap(), vec![7; 100_000]);
    }

    #[test]
    fn a_small_frame_passes_a_pool_that_is_spent() {
        let pool = MemoryPool::for_frames_of(1 << 20);
        let mut hog = MemoryDraw::new(&pool);
        hog.grow_to(pool.grant_max_bytes(Stage::Receive), Stage::Receive).unwrap();
        let incoming = begun(FREE_BYTES as u32, FREE_BYTES);
        assert!(Connection::limited(-1, &pool, incoming).read().is_ok());
    }

    #[test]
    fn a_frame_larger_than_the_pool_is_refused_at_its_size() {
        let pool = MemoryPool::for_frames_of(1 << 20);
        let error = Connection::limited(-1, &pool, begun((1 << 20) + 8, 0)).failure();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("`queued.max.request.bytes`"), "{error}");
    }
}
