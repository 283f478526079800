//! Transports that count, stutter and fail: over a real socket (`wrapping`), or alone (over a
//! `Sink`).
//!
//! A double is a [`Fault`] in a [`Faulty`] transport. A fault that says "full" or "empty" although
//! the socket is not has the socket registered anew, so that epoll makes the edge that a really full or
//! empty socket would make later.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use mio::net::TcpStream;
use mio::{Registry, Token};
use transferto::common::metrics::{Counter, Metrics};
use transferto::transport::authenticator::DefaultAuthenticator;
use transferto::transport::channel_builder::ChannelBuilder;
use transferto::transport::connection_id::ConnectionId;
use transferto::transport::kafka_channel::KafkaChannel;
use transferto::transport::network_receive::NetworkReceive;
use transferto::transport::plaintext_transport_layer::PlaintextTransportLayer;
use transferto::transport::send;
use transferto::transport::transport_layer::{HandshakeStatus, TransportLayer};

/// The three calls that move bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Read,
    Write,
    TransferFrom,
}

/// What a double does to the calls that move bytes.
pub trait Fault: Send {
    /// How many of `asked` bytes (at least one) the call may move. 0 ends the stream for a read.
    fn allow(&mut self, call: Call, asked: usize) -> io::Result<usize>;

    /// What the call came to.
    fn note(&mut self, _call: Call, _result: &io::Result<usize>) {}

    /// Whether the transport takes bytes itself and passes none on.
    fn swallows(&self) -> bool {
        false
    }

    /// Whether registration may begin.
    fn registering(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// How deregistration ends, after it was done.
    fn deregistered(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Any transport, with a fault in front.
pub struct Faulty {
    inner: Box<dyn TransportLayer>,
    fault: Box<dyn Fault>,
    registration: Option<(Registry, Token)>,
}

impl Faulty {
    pub fn new(inner: Box<dyn TransportLayer>, fault: impl Fault + 'static) -> Self {
        Self { inner, fault: Box::new(fault), registration: None }
    }

    pub fn boxed(
        inner: Box<dyn TransportLayer>,
        fault: impl Fault + 'static,
    ) -> Box<dyn TransportLayer> {
        Box::new(Self::new(inner, fault))
    }

    fn call(
        &mut self,
        call: Call,
        asked: usize,
        f: impl FnOnce(&mut dyn TransportLayer, usize) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let allowed = self.fault.allow(call, asked);
        let is_would_block =
            allowed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        let is_short = allowed.as_ref().is_ok_and(|it| *it < asked);
        let result = match allowed {
            Ok(allowed) if self.fault.swallows() => Ok(allowed),
            Ok(allowed) => f(&mut *self.inner, allowed),
            Err(error) => Err(error),
        };
        self.fault.note(call, &result);
        if is_would_block || is_short {
            self.rearm()?;
        }
        result
    }

    fn rearm(&mut self) -> io::Result<()> {
        if let Some((registry, token)) = &self.registration {
            self.inner.deregister(registry)?;
            self.inner.register(registry, *token)?;
        }
        Ok(())
    }
}

impl TransportLayer for Faulty {
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
        self.call(Call::Read, dst.len() + spare.len(), |inner, allowed| {
            let in_dst = allowed.min(dst.len());
            match allowed {
                0 => Ok(0),
                _ => inner.read(&mut dst[..in_dst], &mut spare[..allowed - in_dst]),
            }
        })
    }

    fn write(&mut self, src: &[u8], more: bool) -> io::Result<usize> {
        if src.is_empty() {
            return self.inner.write(src, more);
        }
        self.call(Call::Write, src.len(), |inner, allowed| inner.write(&src[..allowed], more))
    }

    fn transfer_from(&mut self, file: &File, position: u64, count: usize) -> io::Result<usize> {
        self.call(Call::TransferFrom, count, |inner, allowed| {
            inner.transfer_from(file, position, allowed)
        })
    }

    fn peer_addr(&self) -> SocketAddr {
        self.inner.peer_addr()
    }

    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.fault.registering()?;
        self.registration = Some((registry.try_clone()?, token));
        self.inner.register(registry, token)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.inner.deregister(registry)?;
        self.fault.deregistered()
    }
}

/// What a counting transport has seen, shared by all that it was given to.
#[derive(Debug, Default)]
pub struct Counts {
    pub read_calls: Counter,
    pub read_bytes: Counter,
    pub write_calls: Counter,
    pub write_bytes: Counter,
    pub transfer_calls: Counter,
    pub transfer_bytes: Counter,
    pub would_blocks: Counter,
}

/// Counts, and changes nothing.
pub struct Counting(pub Arc<Counts>);

impl Fault for Counting {
    fn allow(&mut self, _call: Call, asked: usize) -> io::Result<usize> {
        Ok(asked)
    }

    fn note(&mut self, call: Call, result: &io::Result<usize>) {
        let (calls, bytes) = match call {
            Call::Read => (&self.0.read_calls, &self.0.read_bytes),
            Call::Write => (&self.0.write_calls, &self.0.write_bytes),
            Call::TransferFrom => (&self.0.transfer_calls, &self.0.transfer_bytes),
        };
        calls.increment();
        match result {
            Ok(count) => bytes.add(*count as u64),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.0.would_blocks.increment();
            }
            Err(_) => (),
        }
    }
}

/// Moves at most seven bytes per call.
pub struct SevenBytes;

impl Fault for SevenBytes {
    fn allow(&mut self, _call: Call, asked: usize) -> io::Result<usize> {
        Ok(asked.min(7))
    }
}

/// Says `WouldBlock` in every other call, beginning with the first.
#[derive(Default)]
pub struct WouldBlockEveryOther {
    calls: usize,
}

impl Fault for WouldBlockEveryOther {
    fn allow(&mut self, _call: Call, asked: usize) -> io::Result<usize> {
        self.calls += 1;
        if self.calls % 2 == 1 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(asked) }
    }
}

/// Lets a number of bytes in; then the stream ends.
pub struct EndsAfterReading(pub usize);

impl Fault for EndsAfterReading {
    fn allow(&mut self, call: Call, asked: usize) -> io::Result<usize> {
        if call != Call::Read {
            return Ok(asked);
        }
        let allowed = asked.min(self.0);
        self.0 -= allowed;
        Ok(allowed)
    }
}

/// Lets a number of bytes out; then the pipe is broken.
pub struct FailsAfterWriting(pub usize);

impl Fault for FailsAfterWriting {
    fn allow(&mut self, call: Call, asked: usize) -> io::Result<usize> {
        if call == Call::Read {
            return Ok(asked);
        }
        let allowed = asked.min(self.0);
        self.0 -= allowed;
        if allowed == 0 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(allowed) }
    }
}

/// Takes every byte at once and sends none: the fastest reader there can be.
pub struct BlackHole(pub Arc<Counts>);

impl Fault for BlackHole {
    fn allow(&mut self, _call: Call, asked: usize) -> io::Result<usize> {
        Ok(asked)
    }

    fn note(&mut self, call: Call, result: &io::Result<usize>) {
        Counting(Arc::clone(&self.0)).note(call, result);
    }

    fn swallows(&self) -> bool {
        true
    }
}

/// Cannot be deregistered without an error.
pub struct FailsToClose;

impl Fault for FailsToClose {
    fn allow(&mut self, _call: Call, asked: usize) -> io::Result<usize> {
        Ok(asked)
    }

    fn deregistered(&mut self) -> io::Result<()> {
        Err(io::Error::other("this transport does not close well"))
    }
}

/// Wraps the transport of each connection: the argument after the transport is the connection's
/// number, from 0 on.
pub fn wrapping<F>(metrics: &Arc<Metrics>, wrap: F) -> Arc<dyn ChannelBuilder>
where
    F: Fn(Box<dyn TransportLayer>, u64) -> Box<dyn TransportLayer> + Send + Sync + 'static,
{
    let metrics = Arc::clone(metrics);
    Arc::new(Wrapping { metrics, wrap, connections: AtomicU64::new(0) })
}

/// Every transport counts in the same place.
pub fn counting(metrics: &Arc<Metrics>, counts: &Arc<Counts>) -> Arc<dyn ChannelBuilder> {
    let counts = Arc::clone(counts);
    wrapping(metrics, move |inner, _| Faulty::boxed(inner, Counting(Arc::clone(&counts))))
}

/// Every transport moves seven bytes at a time.
pub fn seven_bytes(metrics: &Arc<Metrics>) -> Arc<dyn ChannelBuilder> {
    wrapping(metrics, |inner, _| Faulty::boxed(inner, SevenBytes))
}

/// Every transport says `WouldBlock` in every other call.
pub fn would_block_every_other(metrics: &Arc<Metrics>) -> Arc<dyn ChannelBuilder> {
    wrapping(metrics, |inner, _| Faulty::boxed(inner, WouldBlockEveryOther::default()))
}

/// Every transport fails when it has taken this many bytes.
pub fn fails_after_writing(metrics: &Arc<Metrics>, bytes: usize) -> Arc<dyn ChannelBuilder> {
    wrapping(metrics, move |inner, _| Faulty::boxed(inner, FailsAfterWriting(bytes)))
}

/// Every transport's stream ends when this many bytes have been read.
pub fn ends_after_reading(metrics: &Arc<Metrics>, bytes: usize) -> Arc<dyn ChannelBuilder> {
    wrapping(metrics, move |inner, _| Faulty::boxed(inner, EndsAfterReading(bytes)))
}

struct Wrapping<F> {
    metrics: Arc<Metrics>,
    wrap: F,
    connections: AtomicU64,
}

impl<F> ChannelBuilder for Wrapping<F>
where
    F: Fn(Box<dyn TransportLayer>, u64) -> Box<dyn TransportLayer> + Send + Sync,
{
    fn build_channel(
        &self,
        id: ConnectionId,
        stream: TcpStream,
        peer: SocketAddr,
        receive: NetworkReceive,
    ) -> io::Result<KafkaChannel> {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let plaintext = PlaintextTransportLayer::new(stream, peer, Arc::clone(&self.metrics))?;
        let transport = (self.wrap)(Box::new(plaintext), number);
        let authenticator = Box::new(DefaultAuthenticator::new());
        Ok(KafkaChannel::new(id, transport, authenticator, receive))
    }
}

/// A transport without a socket: it keeps what is written, and has nothing to read.
#[derive(Clone, Default)]
pub struct Sink {
    written: Arc<Mutex<Vec<u8>>>,
}

impl Sink {
    /// What has been written, file bytes included.
    pub fn written(&self) -> Vec<u8> {
        self.written.lock().unwrap().clone()
    }
}

impl TransportLayer for Sink {
    fn read(&mut self, _dst: &mut [u8], _spare: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn write(&mut self, src: &[u8], _more: bool) -> io::Result<usize> {
        self.written.lock().unwrap().extend_from_slice(src);
        Ok(src.len())
    }

    fn transfer_from(&mut self, file: &File, position: u64, count: usize) -> io::Result<usize> {
        let mut bytes = vec![0; count];
        let taken = file.read_at(&mut bytes, position)?;
        if taken == 0 && count > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.written.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn peer_addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 1).into()
    }

    fn local_addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 2).into()
    }

    fn register(&mut self, _registry: &Registry, _token: Token) -> io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _registry: &Registry) -> io::Result<()> {
        Ok(())
    }
}

/// A slice of a file on its way out, as a fetch response has them.
pub struct FileSend {
    file: Arc<File>,
    position: u64,
    count: usize,
    sent: usize,
}

impl FileSend {
    pub fn boxed(file: &Arc<File>, position: u64, count: usize) -> Box<dyn send::Send> {
        Box::new(Self { file: Arc::clone(file), position, count, sent: 0 })
    }
}

impl send::Send for FileSend {
    fn size(&self) -> u64 {
        self.count as u64
    }

    fn left(&self) -> u64 {
        (self.count - self.sent) as u64
    }

    fn completed(&self) -> bool {
        self.sent == self.count
    }

    fn write_to(&mut self, transport: &mut dyn TransportLayer, _more: bool) -> io::Result<()> {
        while !self.completed() {
            let position = self.position + self.sent as u64;
            self.sent += transport.transfer_from(&self.file, position, self.count - self.sent)?;
        }
        Ok(())
    }
}

/// A send that always promises more, and does not keep it.
pub struct PromisesMore(pub Box<dyn send::Send>);

impl send::Send for PromisesMore {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn left(&self) -> u64 {
        self.0.left()
    }

    fn completed(&self) -> bool {
        self.0.completed()
    }

    fn write_to(&mut self, transport: &mut dyn TransportLayer, _more: bool) -> io::Result<()> {
        self.0.write_to(transport, true)
    }
}

/// Bytes that show where they are: each run of four is its own number.
pub fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes.div_ceil(4)).flat_map(|i| (i as u32).to_be_bytes()).take(bytes).collect()
}
