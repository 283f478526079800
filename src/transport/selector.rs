//! Port of `org.apache.kafka.common.network.Selector`: `mio::Poll` and the connections of one
//! Processor.
//!
//! What differs from Kafka 0.9, because `mio` is edge-triggered and Java's selector is
//! level-triggered: what epoll has reported is kept in each channel's readiness word
//! (`readiness.rs`), channels that can make progress are on a ready list, and each of them gets one
//! turn per poll. While the list is not empty, poll does not wait, and for some turns it does not even
//! ask epoll what is new.
//!
//! What differs because Kafka fixed it later: there are no staged receives. A channel reads one
//! request and stops; the next ones stay in the socket, where they cost the peer's memory
//! (KAFKA-7639), but for the few bytes that the same call has read along (`read_turn.rs`). They are
//! read after unmute even if the peer has closed the connection by then (KAFKA-3703).
//!
//! What differs because a connection costs a file descriptor: a muted channel sees its peer hang up.
//! The request that is still being handled then learns of it through the channel's
//! [`HangUp`]; what the peer had sent before is still read. A reset
//! ends the connection at once, unless there is something to read.
//!
//! Kafka's `Selector.outOfMemory` is a list here: a channel whose request finds no memory is muted,
//! its bytes stay in the socket, and it reads on when memory is given back, which ends the poll.
//! While anybody waits for memory, connections that hold some and make no progress are closed.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use log::{Level, debug, error, log};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Poll, Token};
use slab::Slab;

use crate::common::hang_up::{Ending, HangUp};
use crate::common::lessons::Lessons;
use crate::common::log_limit::{LogKind, limited};
use crate::common::memory_pool::{MemoryPool, MemoryWait, WakeUp};
use crate::common::metrics::Metrics;
use crate::common::step::{mark, step};
use crate::common::text::counted;
use crate::common::time::Time;
use crate::transport::catch_panic::catch_panic;
use crate::transport::channel_builder::ChannelBuilder;
use crate::transport::channel_snapshot::ChannelSnapshot;
use crate::transport::connection_id::ConnectionId;
use crate::transport::deadlines::Deadlines;
use crate::transport::idle_expiry::IdleExpiry;
use crate::transport::kafka_channel::{KafkaChannel, Preparation, SendError};
use crate::transport::network_receive::{Frame, NetworkReceive};
use crate::transport::read_turn::ReadBuffer;
use crate::transport::readiness::{
    BUFFERED, ENDS, READ_CLOSED, READABLE, RESET, Readiness, ReadyList, WRITABLE,
};
use crate::transport::send;
use crate::transport::wakeup::Wakeup;

/// The token of the wakeup; a slab key never gets that far.
const WAKEUP_TOKEN: Token = Token(usize::MAX);
/// Events taken from epoll at a time. More stay there for the next poll.
const EVENTS_MAX: usize = 1024;
/// How many turns the channels that have work may take before epoll is asked what is new. So much
/// longer may a new event have to wait, and so much rarer are calls that find none. Responses and new
/// connections do not wait: their queues are looked at before each poll.
const TURNS_PER_SELECT: usize = 8;
/// How many of the times without progress a connection may hold the memory of what it receives or
/// sends, however steadily that drips, while others wait for it.
const PROGRESS_TIMES_MAX: i64 = 6;
/// How often connections without progress are looked for, as a share of that time.
const CHECKS_PER_TIME: i64 = 10;
/// How long a refused peer that has its answer may take to close. Kafka closes at once, and a client
/// that meets the end of the stream together with the answer may not read the answer.
const REFUSED_LINGER_MS: i64 = 100;

/// What a selector bounds its connections by.
#[derive(Clone)]
pub struct SelectorLimits {
    /// Larger requests are refused; -1 sets no limit.
    pub max_receive_bytes: i32,
    /// How long a connection may be idle; `None` sets no limit.
    pub connections_max_idle_ms: Option<i64>,
    /// The memory of the requests of all selectors.
    pub memory_pool: Arc<MemoryPool>,
    /// How long a connection may hold memory without progress while somebody waits for memory.
    pub memory_progress_timeout_ms: i64,
    /// How long a connection may take until it is ready: secured, and its peer authenticated.
    pub authentication_timeout_ms: i64,
    /// How long the answer to a peer that has failed to authenticate is held back (KIP-306).
    pub failed_authentication_delay_ms: i64,
}

/// A complete request.
#[derive(Debug)]
pub struct NetworkReceived {
    pub id: ConnectionId,
    pub frame: Frame,
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectCause {
    /// The peer closed it, and not in the middle of a request.
    PeerClosed,
    /// It had been idle for longer than `connections.max.idle.ms`.
    Idle,
    /// It held memory that others waited for, and neither sent nor read what it had begun.
    Stalled,
    /// Its peer has not proved who it is, or not in time.
    Refused,
    /// Reading, writing or connecting failed, or the peer sent an impossible size.
    Failed,
    /// The owner of the selector closed it.
    ClosedByUs,
}

impl fmt::Display for DisconnectCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PeerClosed => "the client has closed it",
            Self::Idle => "it was idle",
            Self::Stalled => "it held memory that others waited for",
            Self::Refused => "its client has not proved who it is",
            Self::Failed => "it has failed",
            Self::ClosedByUs => "the broker has closed it",
        })
    }
}

/// A connection that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnected {
    pub id: ConnectionId,
    /// The address at its other end: a connection is owed back to the quota of that address.
    pub peer: SocketAddr,
    pub cause: DisconnectCause,
}

/// The connections of one thread: registers them, polls them, closes them.
///
/// The results of a poll are kept until they are taken: no request and no disconnect is lost if a
/// caller skips a step.
pub struct Selector {
    poll: Poll,
    events: Events,
    wakeup: Arc<Wakeup>,
    builder: Arc<dyn ChannelBuilder>,
    time: Arc<dyn Time>,
    metrics: Arc<Metrics>,
    limits: SelectorLimits,
    /// A connection is here from its registration to its close; its key is its token.
    slots: Slab<Slot>,
    /// Whose connections these are.
    processor: usize,
    lessons: Lessons,
    next_serial: u64,
    ready: ReadyList,
    /// How many turns may still be taken before epoll is asked.
    turns_left: usize,
    read_buffer: ReadBuffer,
    idle: IdleExpiry,
    /// The channels that lack memory, in the order in which they found none. An entry may be out of
    /// date, as one of the ready list.
    out_of_memory: VecDeque<ConnectionId>,
    /// Held while that list has entries.
    memory_wait: Option<MemoryWait>,
    stalled_checked_ms: i64,
    /// By when the connections that are not ready have to be, and when those that have failed to
    /// authenticate are answered, and then closed: Kafka's `delayedClosingChannels`.
    deadlines: Deadlines,
    connected: Vec<ConnectionId>,
    completed_receives: VecDeque<NetworkReceived>,
    completed_sends: VecDeque<ConnectionId>,
    disconnected: Vec<Disconnected>,
    half_closed: Vec<ConnectionId>,
    hang_ups: Vec<Arc<HangUp>>,
}

struct Slot {
    channel: KafkaChannel,
    /// The time under which `IdleExpiry` has it.
    last_active_ms: i64,
    /// Since when the channel has held memory of the pool, without a break.
    draws_since_ms: Option<i64>,
    /// The time under which `Deadlines` has it.
    deadline_ms: Option<i64>,
}

impl Slot {
    fn note_memory(&mut self, time: &dyn Time) {
        let since_ms = self.draws_since_ms;
        let is_drawing = self.channel.drawn_bytes() > 0;
        self.draws_since_ms =
            is_drawing.then(|| since_ms.unwrap_or_else(|| time.hi_res_clock_ms()));
    }

    fn is_stalled(&self, now_ms: i64, timeout_ms: i64, longest_hold_ms: i64) -> bool {
        self.draws_since_ms.is_some_and(|since_ms| {
            now_ms - since_ms.max(self.last_active_ms) > timeout_ms
                || self.channel.moves_drawn_bytes() && now_ms - since_ms > longest_hold_ms
        })
    }
}

impl Selector {
    /// A selector without connections.
    ///
    /// # Errors
    /// If the operating system has no epoll or no eventfd left.
    pub fn new(
        limits: SelectorLimits,
        time: Arc<dyn Time>,
        builder: Arc<dyn ChannelBuilder>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let wakeup = Arc::new(Wakeup::new(poll.registry(), WAKEUP_TOKEN)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            wakeup,
            builder,
            time,
            metrics,
            idle: IdleExpiry::new(limits.connections_max_idle_ms),
            limits,
            slots: Slab::new(),
            processor: 0,
            lessons: Lessons::default(),
            next_serial: 0,
            ready: ReadyList::default(),
            turns_left: 0,
            read_buffer: ReadBuffer::new(),
            out_of_memory: VecDeque::new(),
            memory_wait: None,
            stalled_checked_ms: 0,
            deadlines: Deadlines::default(),
            connected: Vec::new(),
            completed_receives: VecDeque::new(),
            completed_sends: VecDeque::new(),
            disconnected: Vec::new(),
            half_closed: Vec::new(),
            hang_ups: Vec::new(),
        })
    }

    /// The same for the Processor with this number: its connections bear it in their names.
    #[must_use]
    pub fn of_processor(mut self, processor: usize) -> Self {
        self.processor = processor;
        self
    }

    /// The same with these faults.
    #[must_use]
    pub fn with_lessons(mut self, lessons: Lessons) -> Self {
        self.lessons = lessons;
        self
    }

    /// Ends the present poll of this selector at once, or else the next one: Kafka's
    /// `Selector.wakeup`.
    pub fn wakeup(&self) -> Arc<Wakeup> {
        Arc::clone(&self.wakeup)
    }

    /// The memory of the requests.
    pub fn memory_pool(&self) -> &Arc<MemoryPool> {
        &self.limits.memory_pool
    }

    /// How long a connection may hold memory, however it goes on, while others wait for it.
    pub fn longest_hold_ms(&self) -> i64 {
        self.limits.memory_progress_timeout_ms.saturating_mul(PROGRESS_TIMES_MAX)
    }

    /// As the wakeup, for those who wait for memory.
    pub fn wake_up(&self) -> WakeUp {
        let wakeup = self.wakeup();
        Arc::new(move || {
            if let Err(error) = wakeup.wake() {
                // It looks for memory when its poll ends by itself.
                error!("cannot wake a selector for its memory: {error}");
            }
        })
    }

    /// Takes over an accepted connection from `peer`.
    ///
    /// # Errors
    /// If the connection is unusable or epoll refuses it. It is closed then, and is not reported as
    /// disconnected.
    pub fn register(&mut self, stream: TcpStream, peer: SocketAddr) -> io::Result<ConnectionId> {
        let id = self.enter(stream, peer, |channel| channel)?;
        self.metrics.connection_creations.increment();
        Ok(id)
    }

    /// Begins to connect to `addr`. A later poll reports the connection as connected or as
    /// disconnected.
    ///
    /// # Errors
    /// If the attempt cannot even begin.
    pub fn connect(&mut self, addr: SocketAddr) -> io::Result<ConnectionId> {
        self.enter(TcpStream::connect(addr)?, addr, KafkaChannel::connecting)
    }

    /// Begins to send on a connection.
    ///
    /// # Errors
    /// If the connection does not exist (any more), or is still sending. The send is dropped.
    pub fn send(&mut self, id: ConnectionId, send: Box<dyn send::Send>) -> Result<(), SendError> {
        let _step = step!([14] "Selector.send", "{} bytes", send.size());
        let is_drawn = send.drawn_bytes() > 0;
        let sent = self.change(id, |channel| channel.set_send(send));
        if is_drawn && let Some(slot) = slot_of(&mut self.slots, id) {
            slot.note_memory(&*self.time);
        }
        sent.ok_or(SendError::NotConnected(id))?
    }

    /// Stops reading from a connection; `false` if it does not exist (any more).
    pub fn mute(&mut self, id: ConnectionId) -> bool {
        self.change(id, KafkaChannel::mute).is_some()
    }

    /// Reads from a connection again; `false` if it does not exist (any more).
    pub fn unmute(&mut self, id: ConnectionId) -> bool {
        self.change(id, KafkaChannel::unmute).is_some()
    }

    /// The connection, if it exists.
    pub fn channel(&self, id: ConnectionId) -> Option<&KafkaChannel> {
        self.slots.get(id.key()).map(|slot| &slot.channel).filter(|channel| channel.id() == id)
    }

    /// Notes what the client of a connection calls itself.
    pub fn note_client_id(&mut self, id: ConnectionId, client_id: &str) {
        if let Some(slot) = slot_of(&mut self.slots, id) {
            slot.channel.note_client_id(client_id);
        }
    }

    /// The first `max` connections as they are now.
    pub fn channel_snapshots(&self, max: usize) -> Vec<ChannelSnapshot> {
        self.slots.iter().take(max).map(|(_, slot)| slot.channel.snapshot()).collect()
    }

    /// How many channels are on the ready list.
    pub fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// How many connections there are.
    pub fn channel_count(&self) -> usize {
        self.slots.len()
    }

    /// Takes a request of a ready connection as the beginning of a new authentication, if it is one
    /// (KIP-368). Returns whether it is; then the answer comes from here.
    pub fn reauthenticate(&mut self, id: ConnectionId, frame: &[u8]) -> bool {
        let time = Arc::clone(&self.time);
        let reauthenticate =
            |channel: &mut KafkaChannel| catch_panic(|| channel.reauthenticate(frame, &*time));
        let begun = match self.change(id, reauthenticate) {
            None | Some(Ok(None)) => return false,
            Some(Ok(Some(preparation))) => Ok(preparation),
            Some(Err(error)) => Err(error),
        };
        self.await_preparation(id);
        if let Err(error) = self.take_preparation(id, begun) {
            self.fail(id, &error);
        }
        true
    }

    /// Closes a connection, and returns what would otherwise have been reported as disconnected.
    pub fn close(&mut self, id: ConnectionId) -> Option<Disconnected> {
        self.channel(id)?;
        Some(self.remove(id, DisconnectCause::ClosedByUs))
    }

    /// Closes all connections, each whatever becomes of the others (KAFKA-10014).
    pub fn close_all(&mut self) -> Vec<Disconnected> {
        let ids: Vec<ConnectionId> = self.slots.iter().map(|(_, slot)| slot.channel.id()).collect();
        ids.into_iter().map(|id| self.remove(id, DisconnectCause::ClosedByUs)).collect()
    }

    /// The connections that [`connect`](Self::connect) has established.
    pub fn take_connected(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.connected)
    }

    /// The next request that is complete: of each connection at most one per poll.
    pub fn take_completed_receive(&mut self) -> Option<NetworkReceived> {
        self.completed_receives.pop_front()
    }

    /// The next connection whose send is complete.
    pub fn take_completed_send(&mut self) -> Option<ConnectionId> {
        self.completed_sends.pop_front()
    }

    /// The connections that have ended, other than by [`close`](Self::close).
    pub fn take_disconnected(&mut self) -> Vec<Disconnected> {
        std::mem::take(&mut self.disconnected)
    }

    /// The muted connections whose peers send nothing more, each once.
    pub fn take_half_closed(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.half_closed)
    }

    /// The ends of connections that a request waits for: a request handler is to
    /// [`tell`](HangUp::tell) them.
    pub fn take_hang_ups(&mut self) -> Vec<Arc<HangUp>> {
        std::mem::take(&mut self.hang_ups)
    }

    /// Waits for events, at most `timeout_ms` and not at all if a channel can make progress, and
    /// gives each channel that can read or write one turn.
    ///
    /// # Errors
    /// `InvalidInput` for a negative timeout; what `epoll_wait(2)` reports. A failure of one
    /// connection is no error of poll: that connection is closed and reported as disconnected.
    pub fn poll(&mut self, timeout_ms: i64) -> io::Result<()> {
        let timeout_ms = u64::try_from(timeout_ms).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "the timeout of a poll is not negative")
        })?;
        self.draw_memory();
        let noted = self.select(timeout_ms)?;
        let ready = self.ready.len();
        let (events, turns) = (counted(noted, "event"), counted(ready, "turn"));
        let _step = (ready > 0).then(|| step!([3] "Selector.poll", "{events}, {turns} to give"));
        let now_ms = self.time.hi_res_clock_ms();
        self.give_turns(now_ms);
        self.close_expired(now_ms);
        self.close_stalled(now_ms);
        self.meet_deadlines(now_ms);
        Ok(())
    }

    /// Whether a channel can make progress without any further event, so that the next poll does
    /// not wait.
    pub fn has_work(&mut self) -> bool {
        // A channel that was muted or closed since it was listed must not keep poll from waiting.
        for _ in 0..self.ready.len() {
            if let Some(id) = self.ready.pop()
                && let Some(slot) = slot_of(&mut self.slots, id)
            {
                ReadyList::taken(slot.channel.readiness_mut());
                self.ready.note(id, slot.channel.readiness_mut());
            }
        }
        !self.ready.is_empty()
    }

    fn enter(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
        in_state: impl FnOnce(KafkaChannel) -> KafkaChannel,
    ) -> io::Result<ConnectionId> {
        let entry = self.slots.vacant_entry();
        // ANCHOR: connection_name
        let serial = match self.lessons.reuses_names {
            false => self.next_serial,
            // LESSON: its place alone, which its predecessor had, too.
            true => entry.key() as u64,
        };
        let id = ConnectionId::new(self.processor, serial, entry.key());
        self.next_serial += 1;
        // ANCHOR_END: connection_name
        let _connection = id.subject().enter();
        let channel = catch_panic(|| {
            let SelectorLimits { max_receive_bytes, memory_pool, .. } = &self.limits;
            let receive = NetworkReceive::new(*max_receive_bytes, memory_pool);
            let mut channel = self.builder.build_channel(id, stream, peer, receive)?;
            channel.transport_mut().register(self.poll.registry(), Token(entry.key()))?;
            Ok(in_state(channel))
        })?;

        let last_active_ms = self.time.hi_res_clock_ms();
        let is_preparing = channel.is_connected() && !channel.ready();
        mark!([2] "Selector.register", "{} to {peer}, for epoll", channel.local_addr());
        entry.insert(Slot { channel, last_active_ms, draws_since_ms: None, deadline_ms: None });
        self.idle.enter(id, last_active_ms);
        if is_preparing {
            self.await_preparation(id);
        }
        Ok(id)
    }

    /// Gives a connection its time to become ready, or to take the answer that says why it does not.
    fn await_preparation(&mut self, id: ConnectionId) {
        self.set_deadline(id, Some(self.limits.authentication_timeout_ms));
    }

    /// In how many milliseconds the connection has to have come to something; without, it need not.
    fn set_deadline(&mut self, id: ConnectionId, in_ms: Option<i64>) {
        let Some(slot) = slot_of(&mut self.slots, id) else { return };
        let due_ms = in_ms.map(|ms| self.time.hi_res_clock_ms().saturating_add(ms));
        self.deadlines.set(id, &mut slot.deadline_ms, due_ms);
    }

    /// Changes a channel, and puts it on the ready list if it has work afterwards.
    fn change<T>(&mut self, id: ConnectionId, f: impl FnOnce(&mut KafkaChannel) -> T) -> Option<T> {
        let slot = slot_of(&mut self.slots, id)?;
        let result = f(&mut slot.channel);
        self.ready.note(id, slot.channel.readiness_mut());
        Some(result)
    }

    /// Lets channels that lack memory read on, the first first. A large request that gets none holds
    /// up the large ones behind it, so that its turn comes, but not the small ones.
    fn draw_memory(&mut self) {
        if self.out_of_memory.is_empty() {
            return;
        }
        // Before the first look: what is given back after it ends the poll.
        if self.memory_wait.is_none() {
            self.memory_wait = Some(self.limits.memory_pool.wait(self.wake_up(), &self.time));
        }
        let mut is_spent_for_large = false;
        for _ in 0..self.out_of_memory.len() {
            let Some(id) = self.out_of_memory.pop_front() else { break };
            let Some(slot) = slot_of(&mut self.slots, id) else { continue };
            let is_large = slot.channel.receives_large();
            let may_draw = !(is_large && is_spent_for_large);
            if may_draw && slot.channel.draw_memory() {
                slot.note_memory(&*self.time);
                self.ready.note(id, slot.channel.readiness_mut());
            } else {
                is_spent_for_large |= is_large;
                self.out_of_memory.push_back(id);
            }
        }
        if self.out_of_memory.is_empty() {
            self.memory_wait = None;
        }
    }

    /// Asks epoll what is new, and waits for it if no channel can make progress. While the channels
    /// that can have turns left, it does not ask. Returns how many events there were.
    fn select(&mut self, timeout_ms: u64) -> io::Result<usize> {
        let has_work = self.has_work();
        if has_work && self.ready.len() <= self.turns_left {
            // The owner looks at its queues next, as after a poll.
            self.wakeup.rise();
            return Ok(0);
        }
        self.turns_left = TURNS_PER_SELECT;
        let may_wait = !has_work && self.wakeup.fall_asleep();
        let timeout = if may_wait { timeout_ms.min(self.next_deadline_ms()) } else { 0 };
        let waiting_since_ns = self.time.nanoseconds();
        let polled = self.poll.poll(&mut self.events, Some(Duration::from_millis(timeout)));
        self.wakeup.rise();
        let waited_ns = self.time.nanoseconds() - waiting_since_ns;
        self.metrics.network_processor_idle_ns.add(waited_ns.unsigned_abs());
        match polled {
            Ok(()) if self.lessons.forgets_edges => Ok(self.note_events(Readiness::edge_if_wanted)),
            Ok(()) => Ok(self.note_events(Readiness::edge)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// In how many milliseconds a connection has to be answered or closed.
    fn next_deadline_ms(&self) -> u64 {
        let Some(due_ms) = self.deadlines.first_ms() else { return u64::MAX };
        u64::try_from(due_ms - self.time.hi_res_clock_ms()).unwrap_or(0)
    }

    /// Enters what epoll has reported into the readiness words.
    ///
    /// No event outlives its channel: close deregisters, and within one poll all events are noted
    /// before any channel is closed. So the channel at a key that was used again never gets an
    /// event of its predecessor (KAFKA-6260).
    fn note_events(&mut self, edge: impl Fn(&mut Readiness, u8)) -> usize {
        let mut noted = 0;
        for event in &self.events {
            if let Some(slot) = self.slots.get_mut(event.token().0) {
                edge(slot.channel.readiness_mut(), bits(event));
                self.ready.note(slot.channel.id(), slot.channel.readiness_mut());
                noted += 1;
            }
        }
        noted
    }

    /// One turn for each channel on the ready list. One that is put (back) on it meanwhile has its
    /// turn in the next poll.
    fn give_turns(&mut self, now_ms: i64) {
        let turns = self.ready.len();
        self.turns_left = self.turns_left.saturating_sub(turns);
        for _ in 0..turns {
            if let Some(id) = self.ready.pop() {
                self.turn(id, now_ms);
            }
        }
    }

    /// One turn of one channel: as far as it gets, but no more than one request and one share of a
    /// send.
    fn turn(&mut self, id: ConnectionId, now_ms: i64) {
        let Some(slot) = slot_of(&mut self.slots, id) else {
            return;
        };
        let _connection = id.subject().enter();
        ReadyList::taken(slot.channel.readiness_mut());
        self.idle.touch(id, slot.last_active_ms, now_ms);
        slot.last_active_ms = now_ms;
        match catch_panic(|| self.connect_read_write(id)) {
            Ok(()) => {
                if let Some(slot) = slot_of(&mut self.slots, id) {
                    slot.note_memory(&*self.time);
                    self.ready.note(id, slot.channel.readiness_mut());
                }
            }
            Err(error) => self.fail(id, &error),
        }
    }

    fn connect_read_write(&mut self, id: ConnectionId) -> io::Result<()> {
        let Some(Slot { channel, .. }) = slot_of(&mut self.slots, id) else {
            return Ok(());
        };
        if !channel.is_connected() {
            if !channel.finish_connect()? {
                return Ok(());
            }
            self.connected.push(id);
            self.metrics.connection_creations.increment();
            if !channel.ready() {
                self.await_preparation(id);
                return Ok(());
            }
        }
        if channel.is_refused() {
            return self.end_refused(id);
        }
        if !channel.ready() {
            return self.prepare(id);
        }
        let work = channel.readiness_mut().work();
        if work & ENDS != 0 {
            channel.take_end()?;
            self.half_closed.push(id);
            note_end(&mut self.hang_ups, channel, Ending::HalfClosed);
        }
        if work & (READABLE | BUFFERED) != 0 {
            if let Some(frame) = channel.read(&mut self.read_buffer)? {
                self.completed_receives.push_back(NetworkReceived { id, frame });
            } else if channel.lacks_memory() {
                self.out_of_memory.push_back(id);
                self.metrics.memory_pool_waits.increment();
            }
        }
        if work & WRITABLE != 0 && channel.write(&*self.time)? {
            self.completed_sends.push_back(id);
        }
        Ok(())
    }

    /// Continues to make a connection ready.
    fn prepare(&mut self, id: ConnectionId) -> io::Result<()> {
        let Some(Slot { channel, .. }) = slot_of(&mut self.slots, id) else {
            return Ok(());
        };
        let prepared = channel.prepare(&mut self.read_buffer, &*self.time);
        self.take_preparation(id, prepared)
    }

    /// Follows what a step of a connection that is not ready has come to.
    fn take_preparation(
        &mut self,
        id: ConnectionId,
        prepared: io::Result<Preparation>,
    ) -> io::Result<()> {
        if prepared.as_ref().is_err_and(|it| it.kind() == io::ErrorKind::InvalidData) {
            self.metrics.failed_authentications.increment();
        }
        let prepared = prepared?;
        let Some(Slot { channel, .. }) = slot_of(&mut self.slots, id) else {
            return Ok(());
        };
        match prepared {
            Preparation::Underway if channel.lacks_memory() => {
                self.out_of_memory.push_back(id);
                self.metrics.memory_pool_waits.increment();
            }
            Preparation::Underway => {}
            Preparation::Ready => {
                self.metrics.successful_authentications.increment();
                mark!("Selector.poll", "{} is {}", channel.peer_addr(), channel.principal());
                self.set_deadline(id, None);
            }
            Preparation::Refused(why) => self.refuse(id, &why),
        }
        Ok(())
    }

    /// Holds back the answer to a peer that has failed to authenticate, so that it cannot try the next
    /// password at once.
    fn refuse(&mut self, id: ConnectionId, why: &str) {
        let Some(channel) = self.channel(id) else { return };
        let level = limited(LogKind::FailedAuthentications, Level::Info);
        log!(level, "connection {id} from {}: failed authentication: {why}", channel.peer_addr());
        self.metrics.failed_authentications.increment();
        self.set_deadline(id, Some(self.limits.failed_authentication_delay_ms));
    }

    /// Answers the refused ones whose delay is over, and closes those that have had their time to become
    /// ready, to take that answer, or to close by themselves when they have it.
    fn meet_deadlines(&mut self, now_ms: i64) {
        while let Some(id) = self.deadlines.due(now_ms) {
            self.set_deadline(id, None);
            let is_refused = self.channel(id).is_some_and(KafkaChannel::is_refused);
            if !is_refused {
                self.close_unprepared(id);
            } else if self.change(id, KafkaChannel::answer_refusal) == Some(true) {
                self.await_preparation(id);
            } else {
                self.close_refused(id);
            }
        }
    }

    /// The turn of a connection that is only to be answered and closed.
    fn end_refused(&mut self, id: ConnectionId) -> io::Result<()> {
        let Some(Slot { channel, .. }) = slot_of(&mut self.slots, id) else {
            return Ok(());
        };
        if channel.readiness_mut().work() & ENDS != 0 {
            self.close_refused(id);
        } else if channel.write(&*self.time)? {
            self.set_deadline(id, Some(REFUSED_LINGER_MS));
        }
        Ok(())
    }

    fn close_refused(&mut self, id: ConnectionId) {
        let disconnected = self.remove(id, DisconnectCause::Refused);
        self.disconnected.push(disconnected);
    }

    /// Closes a connection that has had its time to become ready.
    fn close_unprepared(&mut self, id: ConnectionId) {
        let Some(channel) = self.channel(id) else { return };
        let timeout_ms = self.limits.authentication_timeout_ms;
        let level = limited(LogKind::FailedAuthentications, Level::Info);
        log!(
            level,
            "closing connection {id} from {}: its client has not authenticated within \
             {timeout_ms} ms",
            channel.peer_addr()
        );
        self.metrics.failed_authentications.increment();
        self.close_refused(id);
    }

    /// Ends a connection whose turn has failed, and logs why.
    fn fail(&mut self, id: ConnectionId, error: &io::Error) {
        let Some(channel) = self.channel(id) else {
            return;
        };
        let peer = channel.peer_addr();
        let is_end = error.kind() == io::ErrorKind::UnexpectedEof;
        // A file that ends during its send is an unexpected end, too, and not the peer's doing.
        let is_midway = channel.has_begun_receive() || channel.has_send();
        let is_clean = is_end && !is_midway;
        if error.kind() == io::ErrorKind::InvalidData {
            let level = limited(LogKind::BadRequests, Level::Warn);
            log!(level, "closing connection {id} from {peer}: {error}");
        } else if is_end && channel.has_send() {
            let level = limited(LogKind::Failures, Level::Warn);
            log!(level, "closing connection {id} from {peer}: {error}");
        } else if is_midway {
            let level = limited(LogKind::Disconnects, Level::Info);
            log!(level, "connection {id} from {peer} broke off: {error}");
        } else {
            debug!("Connection {id} from {peer} disconnected: {error}");
        }
        let cause = if is_clean { DisconnectCause::PeerClosed } else { DisconnectCause::Failed };
        let disconnected = self.remove(id, cause);
        self.disconnected.push(disconnected);
        // To the owner, a connection that came and went in one poll was never there (KAFKA-5417).
        self.connected.retain(|connected| *connected != id);
    }

    /// Closes all connections that have been idle for too long.
    ///
    /// A channel that had a turn in this poll was active in it: a connection with a request among
    /// the completed receives is never closed here (KAFKA-5587). A request that is being handled
    /// does not protect a connection, as in Kafka.
    fn close_expired(&mut self, now_ms: i64) {
        while let Some(id) = self.idle.expired(now_ms) {
            let disconnected = self.remove(id, DisconnectCause::Idle);
            let level = limited(LogKind::Disconnects, Level::Info);
            log!(level, "closing connection {id} from {}: it was idle", disconnected.peer);
            self.disconnected.push(disconnected);
        }
    }

    /// While somebody waits for memory, be it at another selector, closes the connections that hold
    /// some without progress: their request does not come, or their answer is not read.
    fn close_stalled(&mut self, now_ms: i64) {
        let timeout_ms = self.limits.memory_progress_timeout_ms;
        let is_due = now_ms - self.stalled_checked_ms >= timeout_ms / CHECKS_PER_TIME;
        if !is_due || !self.limits.memory_pool.is_waited_for() {
            return;
        }
        self.stalled_checked_ms = now_ms;
        let slots = self.slots.iter().map(|(_, slot)| slot);
        let longest_hold_ms = self.longest_hold_ms();
        let stalled = slots.filter(|slot| slot.is_stalled(now_ms, timeout_ms, longest_hold_ms));
        let stalled: Vec<ConnectionId> = stalled.map(|slot| slot.channel.id()).collect();
        let Some(first) = stalled.first().and_then(|id| self.channel(*id)) else { return };
        let (count, peer) = (stalled.len(), first.peer_addr());
        let level = limited(LogKind::Failures, Level::Warn);
        log!(
            level,
            "closing {count} connections that hold memory without progress while others wait for \
             it; the first is from {peer}"
        );
        for id in stalled {
            let disconnected = self.remove(id, DisconnectCause::Stalled);
            self.metrics.memory_stalls.increment();
            self.disconnected.push(disconnected);
        }
    }

    /// Takes an existing channel out of every collection and closes its socket, by dropping it.
    fn remove(&mut self, id: ConnectionId, cause: DisconnectCause) -> Disconnected {
        let removed = self.slots.remove(id.key());
        let Slot { mut channel, last_active_ms, mut deadline_ms, .. } = removed;
        assert_eq!(channel.id(), id, "only an existing channel is removed");
        let peer = channel.peer_addr();
        let deregister = || {
            channel.transport_mut().close();
            channel.transport_mut().deregister(self.poll.registry())
        };
        if let Err(error) = catch_panic(deregister) {
            debug!("Connection {id} from {peer} could not be deregistered: {error}");
        }
        note_end(&mut self.hang_ups, &channel, Ending::Gone);
        self.idle.leave(id, last_active_ms);
        self.deadlines.set(id, &mut deadline_ms, None);
        self.metrics.connection_closes.increment();
        Disconnected { id, peer, cause }
    }
}

/// The slot of a channel, unless its key is another one's by now.
fn slot_of(slots: &mut Slab<Slot>, id: ConnectionId) -> Option<&mut Slot> {
    slots.get_mut(id.key()).filter(|slot| slot.channel.id() == id)
}

/// Tells the request under way, by way of `hang_ups` if it waits.
fn note_end(hang_ups: &mut Vec<Arc<HangUp>>, channel: &KafkaChannel, ending: Ending) {
    if channel.hang_up().note(ending) {
        hang_ups.push(Arc::clone(channel.hang_up()));
    }
}

/// A hang-up or an error shows in the next read or write, so it counts as readiness, too.
fn bits(event: &Event) -> u8 {
    let is_readable = event.is_readable() || event.is_read_closed() || event.is_error();
    let is_writable = event.is_writable() || event.is_write_closed() || event.is_error();
    let reads = if is_readable { READABLE } else { 0 };
    let writes = if is_writable { WRITABLE } else { 0 };
    let ends = if event.is_read_closed() { READ_CLOSED } else { 0 };
    let is_reset = event.is_error() || event.is_write_closed();
    let resets = if is_reset { RESET } else { 0 };
    reads | writes | ends | resets
}
