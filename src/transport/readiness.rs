//! Brings to `mio`'s edge-triggered selector what `org.apache.kafka.common.network.Selector` gets
//! from Java's level-triggered one.
//!
//! A level-triggered selector reports a state, again at every `select`. An edge-triggered one
//! reports a change, once. If a channel stops before the socket says `WouldBlock` (because its turn
//! is over, because it has its one request, because it is muted), no further event comes, and
//! something has to remember that there is more to do. This module is that memory. A socket is
//! registered once, for both directions; muting, unmuting and beginning a send changes a bit here
//! and costs no `epoll_ctl`.
//!
//! The invariants:
//!
//! 1. An `event` bit is set by an edge, or by a call that has met what it did not take; by nothing
//!    else. It is cleared only when a call has
//!    found the socket empty or full: by `WouldBlock`, or by a read or a write that moved less than
//!    it was asked to (epoll(7), question 9). From then on, and not a moment earlier, the kernel
//!    owes us the next edge. What that call has found counts at once or not at all: by the next
//!    turn an edge may have come.
//! 2. An `interest` bit says what the channel wants now. It is computed from the channel's state,
//!    in one place.
//! 3. Work is `event & interest`. A channel that has work is on the [`ReadyList`], and is there
//!    once.
//! 4. The code that changes a word calls [`ReadyList::note`] afterwards.
//! 5. Bytes that were read along with an earlier request make no edge. [`BUFFERED`] stands for them:
//!    the read that leaves some over sets it, and the one that uses the last of them clears it. What
//!    wants [`READABLE`] wants it, too.
//! 6. An end is final: [`READ_CLOSED`] and [`RESET`] are set by an edge and never cleared, and from
//!    then on neither is [`READABLE`]: behind the last bytes there is the end to be read, and no
//!    edge will come for it. What keeps them from being work for ever is the interest, which a
//!    channel gives up for an end that it has taken. A channel that is read meets the end when it
//!    has read all that came before; so it wants these bits only while it is muted.
//!
//! From 1: while bytes wait in the socket, either the `event` bit is set or an edge is under way.
//! With 3 and 5: a channel that could make progress either is on the list or will be put there by an
//! edge. With 6: a muted channel whose peer has hung up says so once, whether the edge came before
//! the mute or after. So nothing stalls; the simulation below tries thousands of orders of events.

use std::collections::VecDeque;

use crate::transport::connection_id::ConnectionId;

/// Bytes, or the end of the stream, can be read.
pub const READABLE: u8 = 0b01;
/// The socket takes bytes.
pub const WRITABLE: u8 = 0b10;
/// The peer has sent its FIN: what is in the socket is the last of what it sends.
pub const READ_CLOSED: u8 = 0b0100;
/// The connection is over in both directions: the peer has reset it, or does not answer the
/// system's probes any more. What it had sent before may still be in the socket.
pub const RESET: u8 = 0b1000;
/// Bytes that were read along lie in user space: Kafka's `keysWithBufferedRead`.
pub const BUFFERED: u8 = 0b1_0000;
/// The two ways in which a connection ends without our doing.
pub const ENDS: u8 = READ_CLOSED | RESET;

/// The names of `bits`, for those who look at a word.
pub fn names_of(bits: u8) -> impl Iterator<Item = &'static str> {
    let names = [
        (READABLE, "READABLE"),
        (WRITABLE, "WRITABLE"),
        (READ_CLOSED, "READ_CLOSED"),
        (RESET, "RESET"),
        (BUFFERED, "BUFFERED"),
    ];
    names.into_iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, name)| name)
}

/// The readiness word of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What epoll has reported, or a call has found, and no call has used up yet, and [`BUFFERED`].
    event: u8,
    interest: u8,
    /// Whether the ready list holds the channel.
    is_listed: bool,
}

impl Readiness {
    // ANCHOR: edge
    /// Epoll has reported `bits`. They are remembered, wanted now or not.
    pub fn edge(&mut self, bits: u8) {
        self.event |= bits;
    }

    /// LESSON: the same, without a memory. That bytes have arrived is forgotten if the channel is
    /// muted, and epoll does not report it again.
    pub fn edge_if_wanted(&mut self, bits: u8) {
        self.event |= bits & (self.interest | !READABLE);
    }
    // ANCHOR_END: edge

    /// A call that only looked has found the socket readable or writable. Epoll may stay silent about what
    /// somebody has seen.
    pub fn found(&mut self, bits: u8) {
        self.event |= bits;
    }

    /// Whether bytes that were read along are left.
    pub fn note_buffered(&mut self, is_buffered: bool) {
        self.event = if is_buffered { self.event | BUFFERED } else { self.event & !BUFFERED };
    }

    /// A call has found the socket empty ([`READABLE`]) or full ([`WRITABLE`]): an edge will report
    /// when that changes. An end is never used up, and a channel that has seen one can always read
    /// on, up to it: its edge has come already.
    pub fn used_up(&mut self, bits: u8) {
        debug_assert!(bits & (ENDS | BUFFERED) == 0, "an end is final, and no socket has the rest");
        let kept = if self.event & ENDS == 0 { 0 } else { READABLE };
        self.event &= !bits | kept;
    }

    /// The channel wants exactly `bits` from now on.
    pub fn set_interest(&mut self, bits: u8) {
        self.interest = bits;
    }

    /// The bits of the work that is possible now and wanted.
    pub fn work(self) -> u8 {
        self.event & self.interest
    }

    pub fn has_work(self) -> bool {
        self.work() != 0
    }

    /// What epoll has reported and no call has used up yet, and [`BUFFERED`].
    pub fn event(self) -> u8 {
        self.event
    }

    /// What the channel wants.
    pub fn interest(self) -> u8 {
        self.interest
    }

    /// Whether the ready list holds the channel.
    pub fn is_listed(self) -> bool {
        self.is_listed
    }
}

/// The channels that have work, in the order of their turns.
///
/// An entry may be out of date: a channel that was muted or closed in the meantime. It is dropped
/// when it comes up.
#[derive(Debug, Default)]
pub struct ReadyList {
    ids: VecDeque<ConnectionId>,
}

impl ReadyList {
    // ANCHOR: ready_list
    /// Puts a channel that has work, and is not on the list, at its end.
    pub fn note(&mut self, id: ConnectionId, readiness: &mut Readiness) {
        if readiness.has_work() && !readiness.is_listed {
            readiness.is_listed = true;
            self.ids.push_back(id);
        }
    }
    // ANCHOR_END: ready_list

    /// The next channel, still marked as listed: the caller passes its word to
    /// [`ReadyList::taken`].
    pub fn pop(&mut self) -> Option<ConnectionId> {
        self.ids.pop_front()
    }

    /// The channel of this word has been popped.
    pub fn taken(readiness: &mut Readiness) {
        debug_assert!(readiness.is_listed, "only a listed channel can be popped");
        readiness.is_listed = false;
    }

    /// How many entries there are, those out of date included.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::panic::catch_unwind;

    use support::random::Random;

    /// What the kernel knows of one socket, edge-triggered as epoll is here.
    #[derive(Default)]
    struct Socket {
        unread_bytes: u64,
        free_bytes: u64,
        /// Set by a write that did not fit, as `SOCK_NOSPACE` is: only then does new room make an
        /// edge.
        wants_room: bool,
        pending_edge: u8,
        /// The peer has shut down its half.
        is_closed: bool,
        /// The peer has reset the connection.
        is_reset: bool,
    }

    /// How far a channel is, with the frames that its authenticator still asks for.
    #[derive(Clone, Copy)]
    enum Stage {
        Authenticating {
            frames_left: u64,
        },
        Answering {
            frames_left: u64,
        },
        Ready,
        /// Its last answer is held back.
        Refused,
        /// That answer is under way, and then comes the close.
        AnsweringRefusal,
    }

    /// A channel as `KafkaChannel` is one, reduced to counts.
    struct Channel {
        stage: Stage,
        readiness: Readiness,
        is_muted: bool,
        untaken_ends: u8,
        /// It has met the end of the stream, or the reset: it is closed.
        is_at_end: bool,
        buffered_bytes: u64,
        /// For [`Wrong::BelievesItLater`].
        is_said_to_be_empty: bool,
        request_bytes_read: u64,
        send_bytes_left: u64,
        received_bytes: u64,
        sent_bytes: u64,
    }

    impl Channel {
        fn new(frames_left: u64) -> Self {
            let stage = match frames_left {
                0 => Stage::Ready,
                _ => Stage::Authenticating { frames_left },
            };
            Self {
                stage,
                readiness: Readiness::default(),
                is_muted: false,
                untaken_ends: ENDS,
                is_at_end: false,
                buffered_bytes: 0,
                is_said_to_be_empty: false,
                request_bytes_read: 0,
                send_bytes_left: 0,
                received_bytes: 0,
                sent_bytes: 0,
            }
        }

        fn is_ready(&self) -> bool {
            matches!(self.stage, Stage::Ready)
        }

        fn is_refused(&self) -> bool {
            matches!(self.stage, Stage::Refused | Stage::AnsweringRefusal)
        }

        /// A call has found the socket empty.
        fn note_empty(&mut self, wrong: Option<Wrong>) {
            match wrong {
                Some(Wrong::LosesTheEnd) => self.readiness.event &= !READABLE,
                Some(Wrong::BelievesItLater) => self.is_said_to_be_empty = true,
                _ => self.readiness.used_up(READABLE),
            }
        }

        fn note_buffered(&mut self, wrong: Option<Wrong>) {
            if wrong != Some(Wrong::ForgetsWhatWasReadAlong) {
                self.readiness.note_buffered(self.buffered_bytes > 0);
            }
        }
    }

    /// What would be wrong, and has to be noticed.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Wrong {
        /// An empty socket clears [`READABLE`] although the end is known.
        LosesTheEnd,
        /// That a call has found the socket empty is believed in the next turn.
        BelievesItLater,
        /// Bytes in user space have no bit.
        ForgetsWhatWasReadAlong,
        /// The lesson.
        ForgetsEdges,
        /// While an answer of the authenticator is under way, the channel wants to read.
        ForgetsItsAnswer,
        /// A refused channel waits for its end alone, and not for room for its answer.
        ForgetsTheRefused,
        /// A refused channel does not see its peer hang up.
        KeepsTheRefused,
        /// What a look at the socket has found has no bit.
        ForgetsWhatItFound,
    }

    const REQUEST_BYTES: u64 = 5;
    const TURN_BYTES: u64 = 7;
    /// What one call reads at most: more than a request.
    const READ_BYTES: u64 = 13;

    struct Simulation {
        wrong: Option<Wrong>,
        random: Random,
        sockets: Vec<Socket>,
        channels: Vec<Channel>,
        ready: ReadyList,
        ids: Vec<ConnectionId>,
        arrived_bytes: Vec<u64>,
        asked_bytes: Vec<u64>,
    }

    impl Simulation {
        fn new(seed: u64, channels: usize, wrong: Option<Wrong>) -> Self {
            let mut simulation = Self {
                wrong,
                random: Random(seed * 2 + 1),
                sockets: (0..channels).map(|_| Socket::default()).collect(),
                channels: (0..channels as u64).map(|key| Channel::new((seed + key) % 4)).collect(),
                ready: ReadyList::default(),
                ids: (0..channels).map(|key| ConnectionId::new(0, key as u64, key)).collect(),
                arrived_bytes: vec![0; channels],
                asked_bytes: vec![0; channels],
            };
            for socket in &mut simulation.sockets {
                socket.free_bytes = 10;
                socket.pending_edge = WRITABLE;
            }
            simulation
        }

        fn note(&mut self, key: usize) {
            let channel = &mut self.channels[key];
            let reads = if channel.is_muted { channel.untaken_ends } else { READABLE | BUFFERED };
            let writes = if channel.send_bytes_left > 0 { WRITABLE } else { 0 };
            let wanted = match channel.stage {
                _ if channel.is_at_end => 0,
                Stage::Answering { .. } if self.wrong != Some(Wrong::ForgetsItsAnswer) => WRITABLE,
                Stage::Answering { .. } => READABLE | BUFFERED,
                Stage::Refused | Stage::AnsweringRefusal => match self.wrong {
                    Some(Wrong::ForgetsTheRefused) => channel.untaken_ends,
                    Some(Wrong::KeepsTheRefused) => writes,
                    _ => channel.untaken_ends | writes,
                },
                Stage::Authenticating { .. } | Stage::Ready => reads | writes,
            };
            channel.readiness.set_interest(wanted);
            self.ready.note(self.ids[key], &mut channel.readiness);
        }

        fn step(&mut self) {
            let key = self.random.below(self.channels.len() as u64) as usize;
            match self.random.below(34) / 4 {
                8 if self.random.below(2) == 0 => self.peer_resets(key),
                8 => self.peer_hangs_up(key),
                0 | 1 => self.peer_sends(key),
                2 | 3 => self.peer_reads(key),
                4 => self.poll(),
                5 if self.channels[key].is_refused() => self.meet_deadline(key),
                5 => self.channels[key].is_muted = self.channels[key].is_ready(),
                6 => self.channels[key].is_muted = false,
                _ => self.set_send(key),
            }
            self.note(key);
            if self.random.below(2) == 0 {
                self.turns();
            }
            self.check();
        }

        fn peer_hangs_up(&mut self, key: usize) {
            let socket = &mut self.sockets[key];
            if !socket.is_closed {
                socket.is_closed = true;
                socket.pending_edge |= READABLE | READ_CLOSED;
            }
        }

        fn peer_resets(&mut self, key: usize) {
            let socket = &mut self.sockets[key];
            (socket.is_closed, socket.is_reset) = (true, true);
            socket.pending_edge = READABLE | WRITABLE | ENDS;
        }

        fn peer_sends(&mut self, key: usize) {
            if self.sockets[key].is_closed {
                return;
            }
            let bytes = 1 + self.random.below(12);
            self.sockets[key].unread_bytes += bytes;
            self.sockets[key].pending_edge |= READABLE;
            self.arrived_bytes[key] += bytes;
        }

        fn peer_reads(&mut self, key: usize) {
            let bytes = 1 + self.random.below(12);
            let socket = &mut self.sockets[key];
            socket.free_bytes = (socket.free_bytes + bytes).min(20);
            if socket.wants_room {
                socket.wants_room = false;
                socket.pending_edge |= WRITABLE;
            }
        }

        fn poll(&mut self) {
            for key in 0..self.channels.len() {
                let edge = std::mem::take(&mut self.sockets[key].pending_edge);
                let readiness = &mut self.channels[key].readiness;
                match self.wrong {
                    Some(Wrong::ForgetsEdges) => readiness.edge_if_wanted(edge),
                    _ => readiness.edge(edge),
                }
                self.note(key);
            }
        }

        /// The answer of a refused channel is due, or the close after it.
        fn meet_deadline(&mut self, key: usize) {
            let channel = &mut self.channels[key];
            match channel.stage {
                _ if channel.is_at_end => {}
                Stage::Refused => {
                    channel.stage = Stage::AnsweringRefusal;
                    self.begin_send(key);
                }
                _ => channel.is_at_end = channel.is_refused() && channel.send_bytes_left == 0,
            }
        }

        fn set_send(&mut self, key: usize) {
            if self.channels[key].is_ready() && self.channels[key].send_bytes_left == 0 {
                self.begin_send(key);
            }
        }

        fn begin_send(&mut self, key: usize) {
            let bytes = 1 + self.random.below(30);
            self.channels[key].send_bytes_left = bytes;
            self.asked_bytes[key] += bytes;
        }

        /// One turn for each channel on the list, as `Selector::poll` gives them.
        fn turns(&mut self) {
            for _ in 0..self.ready.len() {
                let key = self.ready.pop().unwrap().key();
                ReadyList::taken(&mut self.channels[key].readiness);
                let work = self.channels[key].readiness.work();
                match self.channels[key].stage {
                    Stage::Ready => self.turn(key, work),
                    Stage::Authenticating { frames_left } => self.authenticate(key, frames_left),
                    Stage::Answering { frames_left } if work & WRITABLE != 0 => {
                        self.answer(key, frames_left);
                    }
                    Stage::Answering { .. } => {}
                    Stage::Refused | Stage::AnsweringRefusal => self.end_refused(key, work),
                }
                self.note(key);
            }
        }

        fn turn(&mut self, key: usize, work: u8) {
            if work & ENDS != 0 {
                self.take_end(key, work & ENDS);
            }
            if work & (READABLE | BUFFERED) != 0 {
                self.read(key);
            }
            if work & WRITABLE != 0 {
                self.write(key);
            }
        }

        /// A refused channel is closed when its peer is gone. One that has its answer has a while to go.
        fn end_refused(&mut self, key: usize, work: u8) {
            if work & WRITABLE != 0 {
                self.write(key);
            }
            self.channels[key].is_at_end |= work & ENDS != 0;
        }

        /// Reads one frame, and begins to answer it, or refuses the peer.
        fn authenticate(&mut self, key: usize, frames_left: u64) {
            if !self.read(key) {
                return;
            }
            if self.random.below(4) == 0 {
                self.channels[key].stage = Stage::Refused;
            } else {
                self.begin_send(key);
                self.channels[key].stage = Stage::Answering { frames_left };
                self.answer(key, frames_left);
            }
        }

        /// Writes, known to be writable or not.
        fn answer(&mut self, key: usize, frames_left: u64) {
            self.write(key);
            if self.channels[key].send_bytes_left == 0 {
                self.channels[key].stage = Channel::new(frames_left - 1).stage;
            }
        }

        /// A muted channel notices the end, and a reset is its own if it has nothing to read.
        fn take_end(&mut self, key: usize, ends: u8) {
            let channel = &mut self.channels[key];
            assert_eq!(ends & !channel.untaken_ends, 0, "each end is taken once");
            channel.untaken_ends &= !ends;
            let is_all_read = channel.buffered_bytes + self.sockets[key].unread_bytes == 0;
            if ends & RESET != 0 && is_all_read {
                channel.is_at_end = true;
            }
        }

        /// Reads until the request is whole (one request, then stop) or until the socket would
        /// block. Returns whether it is whole.
        fn read(&mut self, key: usize) -> bool {
            loop {
                let channel = &mut self.channels[key];
                let missing = REQUEST_BYTES - channel.request_bytes_read;
                let bytes = missing.min(channel.buffered_bytes);
                channel.buffered_bytes -= bytes;
                channel.note_buffered(self.wrong);
                channel.received_bytes += bytes;
                channel.request_bytes_read = (channel.request_bytes_read + bytes) % REQUEST_BYTES;
                let is_whole = bytes == missing;
                if is_whole || !self.read_socket(key) {
                    return is_whole;
                }
            }
        }

        /// One call, if the socket is known to be readable; whether it brought bytes.
        fn read_socket(&mut self, key: usize) -> bool {
            let (socket, channel) = (&mut self.sockets[key], &mut self.channels[key]);
            if std::mem::take(&mut channel.is_said_to_be_empty) {
                channel.readiness.used_up(READABLE);
            }
            if channel.readiness.work() & READABLE == 0 {
                return false;
            }
            let bytes = socket.unread_bytes.min(READ_BYTES);
            socket.unread_bytes -= bytes;
            channel.buffered_bytes += bytes;
            if bytes == 0 && socket.is_closed {
                channel.is_at_end = true;
            } else if bytes < READ_BYTES {
                channel.note_empty(self.wrong);
            }
            bytes > 0
        }

        /// Writes until the send is complete, the turn is over, or the socket takes less than it
        /// was given.
        fn write(&mut self, key: usize) {
            let (socket, channel) = (&mut self.sockets[key], &mut self.channels[key]);
            if socket.is_reset {
                channel.is_at_end = true;
                return;
            }
            let asked = channel.send_bytes_left.min(TURN_BYTES);
            let taken = asked.min(socket.free_bytes);
            socket.free_bytes -= taken;
            channel.send_bytes_left -= taken;
            channel.sent_bytes += taken;
            if taken < asked {
                socket.wants_room = true;
                channel.readiness.used_up(WRITABLE);
            }
            if channel.send_bytes_left == 0 {
                self.look(key);
            }
        }

        /// At the end of a send, as `KernelSpaceTls` looks for the next request. An edge that is still
        /// under way for what it finds may never come.
        fn look(&mut self, key: usize) {
            let (socket, channel) = (&mut self.sockets[key], &mut self.channels[key]);
            if socket.unread_bytes == 0 || socket.is_closed || self.random.below(2) == 0 {
                return;
            }
            socket.pending_edge &= !READABLE;
            if self.wrong != Some(Wrong::ForgetsWhatItFound) {
                channel.readiness.found(READABLE);
            }
        }

        fn check(&self) {
            for (key, (socket, channel)) in self.sockets.iter().zip(&self.channels).enumerate() {
                let entries = self.ready.ids.iter().filter(|id| id.key() == key).count();
                assert_eq!(entries, usize::from(channel.readiness.is_listed), "on the list once");
                assert!(!channel.readiness.has_work() || entries == 1, "work is on the list");
                let known = channel.readiness.event | socket.pending_edge;
                assert!(socket.unread_bytes == 0 || known & READABLE != 0, "bytes are forgotten");
                let is_buffered = channel.readiness.event & BUFFERED != 0;
                assert_eq!(channel.buffered_bytes > 0, is_buffered, "what was read is forgotten");
                let waits = known & WRITABLE != 0 || socket.wants_room;
                assert!(waits, "room in the socket would be forgotten");
                assert!(!socket.is_closed || known & READ_CLOSED != 0, "an end is forgotten");
                let meets_end = channel.is_at_end || known & READABLE != 0;
                assert!(!socket.is_closed || meets_end, "an end will not be read");
                assert!(!socket.is_reset || known & RESET != 0, "a reset is forgotten");
                let owed = channel.readiness.event & channel.untaken_ends;
                let owes = channel.is_muted && !channel.is_at_end && owed != 0;
                assert!(!owes || entries == 1, "a muted channel owes a report");
                let is_left = channel.is_refused() && !channel.is_at_end && owed != 0;
                assert!(!is_left || entries == 1, "a refused channel outlives its peer");
            }
        }

        /// The peers read everything, all channels are unmuted: now everything has to come to an
        /// end.
        fn run_to_the_end(&mut self) {
            for _ in 0..1_000 {
                for key in 0..self.channels.len() {
                    self.channels[key].is_muted = false;
                    self.meet_deadline(key);
                    self.peer_reads(key);
                    self.note(key);
                }
                self.poll();
                self.turns();
                self.check();
            }
            for (key, channel) in self.channels.iter().enumerate() {
                let socket = &self.sockets[key];
                if channel.is_refused() {
                    assert!(channel.is_at_end, "every refused channel is closed");
                    continue;
                }
                assert_eq!(channel.is_at_end, socket.is_closed, "every end is met");
                if socket.is_reset {
                    continue; // A write may have met it before all was read.
                }
                assert_eq!(channel.received_bytes, self.arrived_bytes[key], "all bytes are read");
                let is_sent = channel.sent_bytes == self.asked_bytes[key];
                assert!(is_sent || channel.is_at_end, "all bytes are sent");
            }
            assert!(self.ready.is_empty(), "nothing is left to do");
        }
    }

    fn simulate(seed: u64, wrong: Option<Wrong>) {
        let mut simulation = Simulation::new(seed, 1 + seed as usize % 4, wrong);
        for _ in 0..300 {
            simulation.step();
        }
        simulation.run_to_the_end();
    }

    /// Any order of edges, ends, mutes, sends, short reads and writes, and turns that end early, of
    /// channels that are ready, of some that are to be, and of some that are refused: nothing stalls,
    /// nothing is lost.
    #[test]
    fn no_order_of_events_stalls_a_channel() {
        (1..=400).for_each(|seed| simulate(seed, None));
    }

    #[test]
    fn the_simulation_notices_what_would_be_wrong() {
        for wrong in [
            Wrong::LosesTheEnd,
            Wrong::BelievesItLater,
            Wrong::ForgetsWhatWasReadAlong,
            Wrong::ForgetsEdges,
            Wrong::ForgetsItsAnswer,
            Wrong::ForgetsTheRefused,
            Wrong::KeepsTheRefused,
            Wrong::ForgetsWhatItFound,
        ] {
            let fails = |seed| catch_unwind(|| simulate(seed, Some(wrong))).is_err();
            assert!((1..=400).any(fails), "{wrong:?}");
        }
    }

    /// Its FIN came with the last bytes, or behind them: no edge will come for it.
    #[test]
    fn a_stream_that_has_ended_is_readable_until_its_end_is_read() {
        for end in [READ_CLOSED, RESET] {
            let mut word = Readiness::default();
            word.set_interest(READABLE);
            word.edge(READABLE);
            word.used_up(READABLE);
            assert!(!word.has_work());
            word.edge(READABLE | end);
            word.used_up(READABLE);
            assert_eq!(word.work(), READABLE);
        }
    }

    #[test]
    fn a_channel_with_work_is_listed_once() {
        let (mut ready, mut word) = (ReadyList::default(), Readiness::default());
        let id = ConnectionId::new(0, 3, 3);
        word.set_interest(READABLE);
        ready.note(id, &mut word);
        assert!(ready.is_empty());
        word.edge(READABLE | WRITABLE);
        ready.note(id, &mut word);
        ready.note(id, &mut word);
        assert_eq!(ready.len(), 1);
        assert_eq!(ready.pop(), Some(id));
        assert_eq!(word.work(), READABLE);
    }

    #[test]
    fn an_end_that_has_been_taken_is_no_work_and_is_not_forgotten() {
        let mut word = Readiness::default();
        word.edge(READABLE | READ_CLOSED);
        word.set_interest(ENDS);
        assert_eq!(word.work(), READ_CLOSED);
        word.set_interest(RESET);
        assert!(!word.has_work());
        word.edge(RESET);
        assert_eq!(word.work(), RESET);
        word.set_interest(ENDS | READABLE);
        assert_eq!(word.work(), ENDS | READABLE);
    }

    #[test]
    fn an_edge_that_came_while_muted_is_work_after_unmute() {
        let mut word = Readiness::default();
        word.edge(READABLE);
        assert!(!word.has_work());
        word.set_interest(READABLE);
        assert!(word.has_work());
        word.used_up(READABLE);
        assert!(!word.has_work());
    }
}
