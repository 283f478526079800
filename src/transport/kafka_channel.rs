//! Port of `org.apache.kafka.common.network.KafkaChannel`: one connection, with the request and the
//! response in progress.

use std::fmt;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use byteorder::{BigEndian, ByteOrder};

use crate::common::hang_up::HangUp;
use crate::common::kafka_principal::KafkaPrincipal;
use crate::common::step::{in_words, mark, step};
use crate::common::subject::{Carried, Subject};
use crate::common::time::Time;
use crate::transport::authenticator::{AuthenticationError, Authenticator};
use crate::transport::channel_snapshot::{ChannelSnapshot, SendSnapshot};
use crate::transport::connection_id::ConnectionId;
use crate::transport::network_receive::{Frame, NetworkReceive, SizeLimit};
use crate::transport::read_turn::{BytesBuffered, ReadBuffer, ReadEnd, ReadTurn};
use crate::transport::readiness::{BUFFERED, ENDS, READABLE, RESET, Readiness, WRITABLE};
use crate::transport::send;
use crate::transport::send::NetworkSend;
use crate::transport::transport_layer::{HandshakeStatus, TransportLayer};
use crate::transport::write_turn::{TurnEnd, WriteTurn};

/// How a connection begins that is not ready at once.
const FIRST_STEP: Stage = Stage::ShakingHands(HandshakeStatus::NeedUnwrap);

/// Behind the key and the version of the API.
const CORRELATION_ID: Range<usize> = 4..8;

/// How much of a client's name is kept.
const CLIENT_ID_CHARS_MAX: usize = 100;

/// Why a send was not taken. Whatever it held (file slices, buffers) is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There is no such connection (any more).
    NotConnected(ConnectionId),
    /// The connection has not finished sending something else.
    InProgress(ConnectionId),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(id) => write!(f, "there is no connection {id}"),
            Self::InProgress(id) => write!(f, "connection {id} is still sending something else"),
        }
    }
}

impl std::error::Error for SendError {}

/// How far a channel is from being ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preparation {
    /// It waits for the peer.
    Underway,
    /// Requests may be read from now on.
    Ready,
    /// The peer has not proved who it is, for this reason. Its answer is due, and then the close, when
    /// [`answer_refusal`](KafkaChannel::answer_refusal) is called.
    Refused(String),
}

/// How far a connection has come: Kafka's `ChannelState`.
enum Stage {
    /// `connect(2)` has begun.
    Connecting,
    /// The transport shakes hands, and waits for this.
    ShakingHands(HandshakeStatus),
    /// The authenticator waits for the next frame of the peer.
    Authenticating,
    /// The send in progress is the authenticator's answer.
    AnsweringAuthentication,
    /// Requests are read, and responses sent.
    Ready,
    /// The peer has not proved who it is. It gets this answer, if any, after a delay.
    Refused(Option<Vec<u8>>),
    /// That answer is the send in progress, or sent. Then comes the close.
    AnsweringRefusal,
}

/// One connection.
///
/// Before it is ready it is prepared: the transport shakes hands, and the authenticator finds out
/// who the peer is. It reads at most one request at a time and sends at most one response at a
/// time; mute keeps it from reading while a request of its own is being handled. A second mute,
/// which is its own affair and the selector's, keeps it from reading while there is no memory for
/// its request (Kafka's `Selector.outOfMemory`); it reads only where neither forbids it. It keeps
/// its [`Readiness`] word in step with what it finds; the selector keeps the ready list in step
/// with the word. While it does not read it still sees its peer hang up.
pub struct KafkaChannel {
    id: ConnectionId,
    transport: Box<dyn TransportLayer>,
    authenticator: Box<dyn Authenticator>,
    /// What the client has called itself first.
    client_id: Option<Arc<str>>,
    stage: Stage,
    receive: NetworkReceive,
    /// The limit of requests; that of the authenticator is in force until the peer is known.
    request_limit: SizeLimit,
    /// What was read along with an earlier request.
    buffered: BytesBuffered,
    send: Option<Box<dyn send::Send>>,
    /// The request that the send answers, for the trace.
    send_answers: Carried,
    is_muted: bool,
    /// Set by a read that found no memory.
    lacks_memory: bool,
    readiness: Readiness,
    /// The ends that [`take_end`](Self::take_end) has not returned.
    untaken_ends: u8,
    hang_up: Arc<HangUp>,
}

impl KafkaChannel {
    /// A channel over an accepted connection, which reads requests by `receive`.
    pub fn new(
        id: ConnectionId,
        transport: Box<dyn TransportLayer>,
        authenticator: Box<dyn Authenticator>,
        receive: NetworkReceive,
    ) -> Self {
        let is_ready = transport.ready() && authenticator.complete();
        let mut channel = Self {
            id,
            transport,
            authenticator,
            client_id: None,
            stage: if is_ready { Stage::Ready } else { FIRST_STEP },
            request_limit: receive.limit(),
            receive,
            buffered: BytesBuffered::default(),
            send: None,
            send_answers: Carried::along(),
            is_muted: false,
            lacks_memory: false,
            readiness: Readiness::default(),
            untaken_ends: ENDS,
            hang_up: Arc::default(),
        };
        channel.update_interest();
        channel
    }

    /// The same over a connection that `connect(2)` has only begun.
    #[must_use]
    pub fn connecting(mut self) -> Self {
        self.stage = Stage::Connecting;
        self.update_interest();
        self
    }

    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The other end, also when the connection is gone already.
    pub fn peer_addr(&self) -> SocketAddr {
        self.transport.peer_addr()
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.transport.local_addr()
    }

    /// Whom the peer speaks for, as the channel's authenticator has found.
    pub fn principal(&self) -> &KafkaPrincipal {
        self.authenticator.principal()
    }

    /// Whether it is known what the client calls itself. What it has said first stays, for it says
    /// the same each time.
    pub fn is_named(&self) -> bool {
        self.client_id.is_some()
    }

    /// Notes what the client calls itself.
    pub fn note_client_id(&mut self, client_id: &str) {
        let kept: String = client_id.chars().take(CLIENT_ID_CHARS_MAX).collect();
        self.client_id = Some(kept.into());
    }

    /// The channel as it is now, for those who look.
    pub fn snapshot(&self) -> ChannelSnapshot {
        let sends = |send: &dyn send::Send| SendSnapshot {
            size_bytes: send.size(),
            left_bytes: send.left(),
        };
        ChannelSnapshot {
            id: self.id,
            peer: self.peer_addr(),
            client_id: self.client_id.clone(),
            principal: self.authenticator.complete().then(|| self.principal().clone()),
            stage: self.stage_name(),
            readiness: self.readiness,
            is_muted: self.is_muted,
            lacks_memory: self.lacks_memory,
            has_begun_receive: self.has_begun_receive(),
            send: self.send.as_deref().map(sends),
        }
    }

    /// How far it is, in a word.
    fn stage_name(&self) -> &'static str {
        match self.stage {
            Stage::Connecting => "connecting",
            Stage::ShakingHands(_) if !self.transport.ready() => "handshake",
            Stage::ShakingHands(_) | Stage::Authenticating | Stage::AnsweringAuthentication => {
                "authenticating"
            }
            Stage::Ready => "ready",
            Stage::Refused(_) | Stage::AnsweringRefusal => "refused",
        }
    }

    pub fn is_muted(&self) -> bool {
        self.is_muted
    }

    /// Whether the connection is established.
    pub fn is_connected(&self) -> bool {
        !matches!(self.stage, Stage::Connecting)
    }

    /// Whether requests may be read and responses sent: the connection is established and secured, the
    /// peer authenticated, and the last answer of the authenticator on its way.
    pub fn ready(&self) -> bool {
        matches!(self.stage, Stage::Ready)
    }

    /// Whether the peer has failed to prove who it is: all that is left is to say so and to close.
    pub fn is_refused(&self) -> bool {
        matches!(self.stage, Stage::Refused(_) | Stage::AnsweringRefusal)
    }

    /// Whether the session of the peer is over: it had to authenticate anew, and has not (KIP-368).
    pub fn is_session_expired(&self, now_ns: i64) -> bool {
        self.authenticator.session_expiration_ns().is_some_and(|end_ns| now_ns >= end_ns)
    }

    /// Whether the muted channel has seen that its peer sends nothing more.
    pub fn is_half_closed(&self) -> bool {
        self.untaken_ends != ENDS
    }

    /// What the request under way shares with this channel.
    pub fn hang_up(&self) -> &Arc<HangUp> {
        &self.hang_up
    }

    pub fn has_send(&self) -> bool {
        self.send.is_some()
    }

    /// Whether part of a request has arrived.
    pub fn has_begun_receive(&self) -> bool {
        self.receive.has_begun()
    }

    /// Memory that the request in progress has allocated, in bytes.
    pub fn receive_allocated_bytes(&self) -> usize {
        self.receive.allocated_bytes()
    }

    /// Memory of the pool that the request in progress and the response in progress hold, in bytes:
    /// how long, is up to the peer.
    pub fn drawn_bytes(&self) -> usize {
        let of_send = self.send.as_ref().map_or(0, |send| send.drawn_bytes());
        self.receive.drawn_bytes() + of_send
    }

    /// Whether what it holds is what it receives or sends, and not the little that stands around
    /// slices of files.
    pub fn moves_drawn_bytes(&self) -> bool {
        let is_mostly_drawn = |send: &dyn send::Send| send.drawn_bytes() as u64 >= send.size() / 2;
        self.receive.drawn_bytes() > 0 || self.send.as_deref().is_some_and(is_mostly_drawn)
    }

    /// Whether its request waits for memory.
    pub fn lacks_memory(&self) -> bool {
        self.lacks_memory
    }

    /// Whether its request comes out of the part of the pool that is for large ones.
    pub fn receives_large(&self) -> bool {
        self.receive.is_large()
    }

    /// Reads on if there is memory for its request now, and returns whether there is.
    pub fn draw_memory(&mut self) -> bool {
        self.lacks_memory = !self.receive.draw();
        self.update_interest();
        !self.lacks_memory
    }

    /// No request is read from now on. Bytes that arrive stay in the socket, and those that were read
    /// along stay here; neither are forgotten.
    pub fn mute(&mut self) {
        mark!([5] "KafkaChannel.mute", "no request is read until this one is answered");
        self.is_muted = true;
        self.update_interest();
    }

    /// Requests are read again, those that have arrived meanwhile first.
    pub fn unmute(&mut self) {
        mark!([19] "KafkaChannel.unmute", "the next request may be read");
        self.is_muted = false;
        self.update_interest();
    }

    /// Notices that an end has come while the channel is muted, each end once. The channel goes on:
    /// the peer may still read its answer, and what it sent before is still read.
    ///
    /// # Errors
    /// The connection was reset, and holds nothing to be read.
    pub fn take_end(&mut self) -> io::Result<()> {
        let ends = self.readiness.work() & ENDS;
        self.untaken_ends &= !ends;
        self.update_interest();
        if ends & RESET != 0 && self.buffered.is_empty() && !self.transport.has_unread()? {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        mark!([5] "KafkaChannel.takeEnd", "the client sends nothing more");
        Ok(())
    }

    /// Begins to send. The bytes leave in the channel's next writable turn.
    ///
    /// # Errors
    /// `InProgress` if there is a send already; that one goes on.
    pub fn set_send(&mut self, send: Box<dyn send::Send>) -> Result<(), SendError> {
        if self.send.is_some() {
            return Err(SendError::InProgress(self.id));
        }
        mark!([14] "KafkaChannel.setSend", "{} bytes, in the next writable turn", send.size());
        self.send = Some(send);
        self.send_answers = Carried::along();
        self.update_interest();
        Ok(())
    }

    /// Continues the `connect(2)` that was begun, and returns whether the connection is established
    /// now.
    ///
    /// # Errors
    /// Why it could not be established.
    pub fn finish_connect(&mut self) -> io::Result<bool> {
        let is_connected = self.transport.finish_connect()?;
        if is_connected {
            let is_ready = self.transport.ready() && self.authenticator.complete();
            self.stage = if is_ready { Stage::Ready } else { FIRST_STEP };
        } else {
            self.readiness.used_up(WRITABLE);
        }
        self.update_interest();
        Ok(is_connected)
    }

    /// Port of `KafkaChannel.prepare`: continues the handshake, or the authentication by one frame and
    /// its answer. One turn is no more, so that a peer which never comes to an end has its turns like
    /// all others.
    ///
    /// # Errors
    /// Why the connection cannot be secured, or is to be closed at once; as
    /// [`read`](Self::read) and [`write`](Self::write).
    pub fn prepare(&mut self, buffer: &mut ReadBuffer, time: &dyn Time) -> io::Result<Preparation> {
        let prepared = match self.stage {
            Stage::ShakingHands(_) => self.shake_hands(),
            Stage::Authenticating => self.authenticate(buffer, time),
            Stage::AnsweringAuthentication => self.send_answer(time),
            _ => Ok(()),
        };
        self.conclude(prepared)
    }

    /// What a step has come to.
    fn conclude(&mut self, step: Result<(), PrepareError>) -> io::Result<Preparation> {
        let prepared = match step {
            Ok(()) if self.ready() => Ok(Preparation::Ready),
            Ok(()) => Ok(Preparation::Underway),
            Err(PrepareError::Io(error)) => Err(error),
            Err(PrepareError::Authentication(AuthenticationError::InvalidRequest(why))) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, why))
            }
            Err(PrepareError::Authentication(AuthenticationError::Failed { why, answer })) => {
                self.stage = Stage::Refused(answer);
                Ok(Preparation::Refused(why))
            }
        };
        self.update_interest();
        prepared
    }

    /// When the hands are shaken, the authenticator begins, which may be all that it does.
    fn shake_hands(&mut self) -> Result<(), PrepareError> {
        let status = if self.transport.ready() {
            HandshakeStatus::Finished
        } else {
            let _step = step!("KafkaChannel.prepare", "the handshake with {}", self.peer_addr());
            self.transport.handshake()?
        };
        self.stage = Stage::ShakingHands(status);
        match status {
            HandshakeStatus::NeedUnwrap => self.readiness.used_up(READABLE),
            HandshakeStatus::NeedWrap => self.readiness.used_up(WRITABLE),
            HandshakeStatus::Finished => {
                self.authenticator.begin(&*self.transport)?;
                self.await_frame();
            }
        }
        Ok(())
    }

    /// The next frame is the authenticator's, or the next request if the peer is known now.
    fn await_frame(&mut self) {
        let limit = match self.authenticator.max_receive_size() {
            Some((max_bytes, setting)) if !self.authenticator.complete() => {
                SizeLimit { max_bytes, setting }
            }
            _ => self.request_limit,
        };
        self.receive.set_limit(limit);
        self.stage = match self.authenticator.complete() {
            true => Stage::Ready,
            false => Stage::Authenticating,
        };
    }

    fn authenticate(
        &mut self,
        buffer: &mut ReadBuffer,
        time: &dyn Time,
    ) -> Result<(), PrepareError> {
        if self.lacks_memory && self.readiness.work() & ENDS != 0 {
            let why = "the peer closed the connection before it was authenticated";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why).into());
        }
        match self.read(buffer)? {
            Some(frame) => self.answer_authentication(&frame.bytes, time),
            None => Ok(()),
        }
    }

    /// Has the authenticator answer a frame of the client.
    fn answer_authentication(&mut self, frame: &[u8], time: &dyn Time) -> Result<(), PrepareError> {
        let answer = self.authenticator.authenticate(frame, time.nanoseconds())?;
        self.send = Some(Box::new(NetworkSend::new(answer)?));
        self.stage = Stage::AnsweringAuthentication;
        self.send_answer(time)
    }

    fn send_answer(&mut self, time: &dyn Time) -> Result<(), PrepareError> {
        if self.write(time)? {
            self.await_frame();
        }
        Ok(())
    }

    /// Begins to send a refused peer its answer, now that the delay is over. Returns whether there is
    /// one; without, or the second time, only the close is left.
    pub fn answer_refusal(&mut self) -> bool {
        let answer = match mem::replace(&mut self.stage, Stage::AnsweringRefusal) {
            Stage::Refused(answer) => answer.map(NetworkSend::new).and_then(Result::ok),
            _ => None,
        };
        self.send = answer.map(|it| Box::new(it) as Box<dyn send::Send>);
        self.update_interest();
        self.send.is_some()
    }

    /// Port of `KafkaChannel.maybeBeginServerReauthentication`: takes `frame` as the beginning of a new
    /// authentication, if it is one; the channel is then prepared again. `None` if it is a request like
    /// any other: so is one that was set aside for want of memory, for which the channel is muted.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn reauthenticate(
        &mut self,
        frame: &[u8],
        time: &dyn Time,
    ) -> io::Result<Option<Preparation>> {
        let now_ns = time.nanoseconds();
        if self.is_muted || !self.authenticator.begin_reauthentication(frame, now_ns) {
            return Ok(None);
        }
        let answered = self.answer_authentication(frame, time);
        self.conclude(answered).map(Some)
    }

    /// Continues reading for one turn (see [`ReadTurn`]), and returns one request if it is complete
    /// now. Then it stops, although more may be there.
    ///
    /// # Errors
    /// As [`NetworkReceive::read_from`], without `WouldBlock` and `OutOfMemory`.
    pub fn read(&mut self, buffer: &mut ReadBuffer) -> io::Result<Option<Frame>> {
        let step = step!([4] "KafkaChannel.read", "from {}", self.peer_addr());
        let is_readable = self.readiness.work() & READABLE != 0;
        let transport = &mut *self.transport;
        let mut turn = ReadTurn::new(transport, &mut self.buffered, buffer, is_readable);
        let result = self.receive.read_from(&mut turn);
        if turn.finish() == Some(ReadEnd::SocketEmpty) {
            self.readiness.used_up(READABLE);
        }
        self.readiness.note_buffered(!self.buffered.is_empty());
        if self.transport.has_pending_writes() {
            self.update_interest();
        }
        drop(step);
        match result {
            Ok(frame) => {
                let _request = self.subject_of(&frame.bytes).enter();
                mark!([4] "KafkaChannel.read", "a request of {} bytes", frame.bytes.len());
                Ok(Some(frame))
            }
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                mark!([4] "KafkaChannel.read", "the request waits for memory");
                self.lacks_memory = true;
                self.update_interest();
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                mark!([4] "KafkaChannel.read", "the request is not complete yet");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What the trace calls a request that has just been read. The correlation id stands at the same
    /// place in every header; all else in there is for those who parse it. A frame for the authenticator
    /// may be a bare token: a piece of a password stands there.
    fn subject_of(&self, request: &[u8]) -> Subject {
        match request.get(CORRELATION_ID) {
            Some(id) if self.ready() => self.id.subject().request(BigEndian::read_i32(id)),
            _ => self.id.subject(),
        }
    }

    /// Continues the send in progress for one turn (see [`WriteTurn`]), and returns whether it is
    /// complete now.
    ///
    /// # Errors
    /// Whatever the send or the socket reports, without `WouldBlock`.
    pub fn write(&mut self, time: &dyn Time) -> io::Result<bool> {
        let Some(send) = &mut self.send else {
            return self.push_out(time).map(|()| false);
        };
        let _request = self.send_answers.resume();
        // ANCHOR: channel_write
        let step = step!([15] "KafkaChannel.write", "{} bytes in all", send.size());
        let mut turn = WriteTurn::new(&mut *self.transport, time);
        let result = write_and_flush(&mut **send, &mut turn);
        let end = turn.end();
        drop(step);
        mark!([15] "KafkaChannel.write", "{}", outcome(&result, end));
        if end == Some(TurnEnd::SocketFull) {
            self.readiness.used_up(WRITABLE);
        }
        self.note_unread_found();
        match result {
            Ok(()) => {
                self.send = None;
                self.update_interest();
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
        // ANCHOR_END: channel_write
    }

    /// Sends what the transport itself owes the peer.
    fn push_out(&mut self, time: &dyn Time) -> io::Result<()> {
        let mut turn = WriteTurn::new(&mut *self.transport, time);
        let result = turn.flush();
        if turn.end() == Some(TurnEnd::SocketFull) {
            self.readiness.used_up(WRITABLE);
        }
        self.note_unread_found();
        self.update_interest();
        match result {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// The next request, if the transport has met it while it wrote.
    fn note_unread_found(&mut self) {
        if self.transport.take_unread_found() {
            self.readiness.found(READABLE);
        }
    }

    /// The word that says what there is to do. A caller that changes it calls
    /// [`ReadyList::note`](crate::transport::readiness::ReadyList::note) afterwards.
    pub fn readiness_mut(&mut self) -> &mut Readiness {
        &mut self.readiness
    }

    /// The transport, for its registration.
    pub fn transport_mut(&mut self) -> &mut dyn TransportLayer {
        &mut *self.transport
    }

    /// The one place that derives what a channel wants from its state.
    fn update_interest(&mut self) {
        let bits = match self.stage {
            Stage::Ready => self.wanted_reads(self.is_muted) | self.wanted_writes(),
            Stage::Authenticating => self.wanted_reads(false) | self.wanted_writes(),
            // The end of connect(2), good or bad, is reported as writable.
            Stage::Connecting | Stage::AnsweringAuthentication => WRITABLE,
            Stage::ShakingHands(HandshakeStatus::NeedWrap) => WRITABLE,
            Stage::ShakingHands(_) => READABLE,
            Stage::Refused(_) | Stage::AnsweringRefusal => self.untaken_ends | self.wanted_writes(),
        };
        self.readiness.set_interest(bits);
    }

    fn wanted_reads(&self, is_muted: bool) -> u8 {
        let is_silent = is_muted || self.lacks_memory;
        if is_silent { self.untaken_ends } else { READABLE | BUFFERED }
    }

    fn wanted_writes(&self) -> u8 {
        let writes = self.send.is_some() || self.transport.has_pending_writes();
        if writes { WRITABLE } else { 0 }
    }
}

/// Why a channel does not become ready.
enum PrepareError {
    Io(io::Error),
    Authentication(AuthenticationError),
}

impl From<io::Error> for PrepareError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<AuthenticationError> for PrepareError {
    fn from(error: AuthenticationError) -> Self {
        Self::Authentication(error)
    }
}

/// What has come of a turn, in words.
fn outcome(result: &io::Result<()>, end: Option<TurnEnd>) -> impl fmt::Display {
    in_words(move |f| match (result, end) {
        (Ok(()), _) => write!(f, "all has left"),
        (Err(error), _) if error.kind() != io::ErrorKind::WouldBlock => write!(f, "{error}"),
        (Err(_), Some(TurnEnd::BudgetSpent)) => write!(f, "the turn is over, others have theirs"),
        (Err(_), _) => write!(f, "the socket is full"),
    })
}

/// A send is complete only once the bytes that the transport holds back have left, too.
fn write_and_flush(send: &mut dyn send::Send, turn: &mut WriteTurn<'_>) -> io::Result<()> {
    if !send.completed() {
        send.write_to(turn, false)?;
    }
    turn.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::memory_pool::MemoryPool;
    use crate::common::mock_time::MockTime;
    use crate::transport::authenticator::DefaultAuthenticator;
    use crate::transport::memory_transport::MemoryTransport;

    fn channel(transport: MemoryTransport) -> KafkaChannel {
        let receive = NetworkReceive::new(100, &MemoryPool::unlimited());
        let authenticator = Box::new(DefaultAuthenticator::new());
        KafkaChannel::new(ConnectionId::new(0, 0, 0), Box::new(transport), authenticator, receive)
    }

    /// Otherwise the next request waits for an edge that has been spent.
    #[test]
    fn a_request_that_the_transport_met_while_it_wrote_is_read_after_the_answer() {
        for found in [false, true] {
            let mut transport = MemoryTransport::unlimited();
            transport.has_found_unread = found;
            let mut channel = channel(transport);
            channel.mute();
            channel.set_send(Box::new(NetworkSend::new(b"answer".to_vec()).unwrap())).unwrap();
            assert!(channel.write(&MockTime::new()).unwrap());
            assert!(!channel.readiness_mut().has_work(), "a muted channel reads nothing");
            channel.unmute();
            assert_eq!(channel.readiness_mut().has_work(), found);
        }
    }
}
