//! Port of `kafka.network.SocketServer`: the threads between the sockets and the request channel.
//!
//! For each listener one Acceptor, and `num.network.threads` Processors. All Processors of all
//! listeners share one request channel, from which the handler threads live.

use std::io;
use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use log::{debug, error, info};

use crate::common::bind_advice::with_bind_advice;
use crate::common::end_point::{EndPoint, ListenerName, SecurityProtocol};
use crate::common::errors::KafkaError;
use crate::common::lock::locked;
use crate::common::memory_pool::MemoryPool;
use crate::common::metrics::Metrics;
use crate::common::named_thread::spawn_named;
use crate::common::time::Time;
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::config::listeners;
use crate::network::acceptor::{Acceptor, AcceptorHandle};
use crate::network::connection_quotas::ConnectionQuotas;
use crate::network::inline_handler::InlineHandler;
use crate::network::listening_socket::{InheritedOptions, ListeningSocket};
use crate::network::network_snapshot::ObservedProcessor;
use crate::network::processor::{NetworkContext, Processor, ProcessorHandle};
use crate::network::request_channel::RequestChannel;
use crate::network::request_memory::request_memory;
use crate::network::tcp_settings::TcpSettings;
use crate::transport::channel_builder::{ChannelBuilder, ChannelBuilders};
use crate::transport::selector::{Selector, SelectorLimits};

/// The network side of a broker.
///
/// It begins with its ports bound and closed, then accepts, then is shut down; there is no way
/// back.
pub struct SocketServer {
    bound_endpoints: Vec<EndPoint>,
    /// Of each listener in turn.
    processors: Vec<(EndPoint, Arc<ProcessorHandle>)>,
    broker_id: i32,
    backlog_size: i32,
    send_buffer_bytes: Option<usize>,
    request_memory: Arc<MemoryPool>,
    context: NetworkContext,
    stage: Mutex<Stage>,
}

impl SocketServer {
    /// Binds the listeners of `config` and prepares their Processors. No client can connect, and no
    /// thread runs, before [`SocketServer::start_accepting`].
    ///
    /// # Errors
    /// A sentence with the listener that cannot be bound, or the host in
    /// `max.connections.per.ip.overrides` that cannot be resolved; or the system is out of file
    /// descriptors. Nothing stays open.
    pub fn startup(
        config: &KafkaConfig,
        time: Arc<dyn Time>,
        metrics: Arc<Metrics>,
        builders: &dyn ChannelBuilders,
    ) -> Result<Arc<Self>, KafkaError> {
        let connection_quotas = ConnectionQuotas::new(
            config.max_connections_per_ip,
            &config.max_connections_per_ip_overrides,
        )?;
        let processors = config.listeners.len() * config.num_network_threads;
        let queue_size = config.queued_max_requests;
        let context = NetworkContext {
            request_channel: Arc::new(RequestChannel::new(processors, queue_size, time.clone())),
            connection_quotas: Arc::new(connection_quotas),
            time,
            metrics,
            lessons: config.lessons(),
            request_slow_ms: config.transferto_request_slow_ms,
            inline_handler: Arc::new(OnceLock::new()),
        };
        let limits = selector_limits(config);
        let inherited = InheritedOptions {
            receive_buffer_bytes: config.socket_receive_buffer_bytes,
            congestion_control: config.transferto_socket_congestion_control.clone(),
        };
        let mut listeners = Vec::new();
        for end_point in &config.listeners {
            let remedy = listeners::remedy(config, end_point);
            let socket = ListeningSocket::bind(end_point, &inherited)
                .map_err(|error| with_remedy(error, &remedy))?;
            let builder = builders.builder_for(end_point)?;
            let first_id = listeners.len() * config.num_network_threads;
            let processors = (first_id..first_id + config.num_network_threads)
                .map(|id| new_processor(id, socket.end_point(), &limits, &context, &builder))
                .collect::<io::Result<Vec<_>>>()?;
            listeners.push(Listener { socket, processors, remedy });
        }
        log_advice(config, &listeners)?;
        let handles_of = |listener: &Listener| {
            let end_point = listener.socket.end_point();
            let handles = listener.processors.iter().map(Processor::handle);
            handles.map(|handle| (end_point.clone(), handle)).collect::<Vec<_>>()
        };
        Ok(Arc::new(Self {
            processors: listeners.iter().flat_map(handles_of).collect(),
            bound_endpoints: listeners.iter().map(|it| it.socket.end_point().clone()).collect(),
            broker_id: config.broker_id,
            backlog_size: config.socket_listen_backlog_size,
            send_buffer_bytes: config.socket_send_buffer_bytes,
            request_memory: limits.memory_pool,
            context,
            stage: Mutex::new(Stage::Bound(listeners)),
        }))
    }

    /// Has the Processors offer each request to `handler` first. Owed, if at all, before
    /// [`start_accepting`](Self::start_accepting); a second handler is ignored.
    pub fn answer_inline_by(&self, handler: Arc<dyn InlineHandler>) {
        let _ = self.context.inline_handler.set(handler);
    }

    /// Opens the ports: the last thing that a broker does when it starts.
    ///
    /// # Errors
    /// A sentence with the listener whose port was taken meanwhile; or the system is out of threads
    /// or file descriptors. The server is then shut down.
    pub fn start_accepting(&self) -> io::Result<()> {
        let mut stage = locked(&self.stage);
        let listeners = match mem::replace(&mut *stage, Stage::Stopped) {
            Stage::Bound(listeners) => listeners,
            other => {
                *stage = other;
                return Err(io::Error::other("the socket server was started before"));
            }
        };
        let mut threads = Threads::default();
        for listener in listeners {
            if let Err(error) = self.start(listener, &mut threads) {
                self.stop(threads);
                return Err(error);
            }
        }
        *stage = Stage::Running(threads);
        Ok(())
    }

    /// The port that the first listener of `protocol` is bound to: the system's choice if its setting
    /// is port 0.
    pub fn bound_port(&self, protocol: SecurityProtocol) -> Option<u16> {
        let bound = self.bound_endpoints.iter().find(|it| it.security_protocol == protocol);
        bound.map(|end_point| end_point.port)
    }

    /// The port that the listener of this name is bound to; case does not matter.
    pub fn bound_port_of(&self, listener: &str) -> Option<u16> {
        let listener = ListenerName::normalised(listener);
        let bound = self.bound_endpoints.iter().find(|it| it.listener_name == listener);
        bound.map(|end_point| end_point.port)
    }

    /// The listeners, with the ports they are bound to.
    pub fn bound_endpoints(&self) -> &[EndPoint] {
        &self.bound_endpoints
    }

    /// Where the handlers take requests and leave responses.
    pub fn request_channel(&self) -> &Arc<RequestChannel> {
        &self.context.request_channel
    }

    /// The memory that all requests draw from.
    pub fn request_memory(&self) -> &Arc<MemoryPool> {
        &self.request_memory
    }

    /// How many connections `address` holds now.
    pub fn connection_count(&self, address: IpAddr) -> usize {
        self.context.connection_quotas.get(address)
    }

    /// How many connections each Processor has: its listener, its number, the count.
    pub fn connection_counts(&self) -> impl Iterator<Item = (&ListenerName, usize, u64)> {
        self.processors.iter().map(|(of, it)| (&of.listener_name, it.id(), it.connection_count()))
    }

    /// Has all Processors show their connections. Those that do not within `timeout` are seen as they
    /// were when they last did.
    pub fn observe_processors(&self, timeout: Duration) -> Vec<ObservedProcessor> {
        let asked: Vec<u64> = self.processors.iter().map(|(_, it)| it.ask_for_snapshot()).collect();
        let deadline = Instant::now() + timeout;
        let observed = self.processors.iter().zip(asked).map(|((of, handle), asked)| {
            let (snapshot, is_fresh) = handle.snapshot(asked, deadline);
            ObservedProcessor {
                listener: of.listener_name.clone(),
                protocol: of.security_protocol,
                number: handle.id(),
                connection_count: handle.connection_count(),
                response_queue_size: self
                    .context
                    .request_channel
                    .response_queue_size_of(handle.id()),
                snapshot,
                is_fresh,
            }
        });
        observed.collect()
    }

    /// Closes the ports, then every connection, and waits for the threads. Calling it again does
    /// nothing.
    ///
    /// Requests that are queued are still handed to the handlers; their responses find no
    /// connection. Once the queue is empty, the handlers end.
    pub fn shutdown(&self) {
        let stage = mem::replace(&mut *locked(&self.stage), Stage::Stopped);
        match stage {
            Stage::Bound(_) => self.stop(Threads::default()),
            Stage::Running(threads) => {
                self.stop(threads);
                info!("SocketServer.shutdown: the ports and all connections are closed");
            }
            Stage::Stopped => (),
        }
    }

    /// Acceptors first, so that no connection reaches a Processor that has stopped; then the
    /// request queue, so that a Processor that waits for room in it is released.
    fn stop(&self, threads: Threads) {
        for (handle, _) in &threads.acceptors {
            handle.shutdown();
        }
        join(threads.acceptors.into_iter().map(|(_, thread)| thread));
        self.context.request_channel.shutdown();
        for (handle, _) in &threads.processors {
            handle.shutdown();
        }
        join(threads.processors.into_iter().map(|(_, thread)| thread));
    }

    /// Starts the threads of one listener, the Processors before their Acceptor (KAFKA-6893).
    fn start(&self, listener: Listener, threads: &mut Threads) -> io::Result<()> {
        let Listener { socket, processors, remedy } = listener;
        let end_point = socket.end_point().clone();
        let listener_name = &end_point.listener_name;
        let handles: Vec<_> = processors.iter().map(Processor::handle).collect();
        let acceptor = Acceptor::new(
            socket.listen(self.backlog_size).map_err(|error| with_remedy(error, &remedy))?,
            handles.clone(),
            Arc::clone(&self.context.connection_quotas),
            self.send_buffer_bytes,
            Arc::clone(&self.context.metrics),
        )?;
        for (handle, processor) in handles.into_iter().zip(processors) {
            let name =
                format!("kafka-network-thread-{}-{listener_name}-{}", self.broker_id, handle.id());
            let thread = spawn_named(name, || processor.run())?;
            threads.processors.push((handle, thread));
        }
        let handle = acceptor.handle();
        let name = format!("kafka-socket-acceptor-{listener_name}-{}", end_point.port);
        threads.acceptors.push((handle, spawn_named(name, || acceptor.run())?));
        debug!("SocketServer.startup: listening on {end_point}");
        Ok(())
    }
}

/// `max.connections.per.ip` and its overrides may change while the server runs.
impl BrokerReconfigurable for SocketServer {
    fn reconfigure(&self, old: &KafkaConfig, new: &KafkaConfig) {
        let limits = |config: &KafkaConfig| {
            let overrides = config.max_connections_per_ip_overrides.clone();
            (config.max_connections_per_ip, overrides)
        };
        let (max_per_ip, overrides) = limits(new);
        if limits(old) == (max_per_ip, overrides.clone()) {
            return;
        }
        if let Err(error) = self.context.connection_quotas.update(max_per_ip, &overrides) {
            error!("cannot change the connection limits, which stay as they were: {error}");
        }
    }
}

/// A server that is dropped leaves no thread behind.
impl Drop for SocketServer {
    fn drop(&mut self) {
        self.shutdown();
    }
}

enum Stage {
    Bound(Vec<Listener>),
    Running(Threads),
    Stopped,
}

/// A port, and the Processors that will serve it.
struct Listener {
    socket: ListeningSocket,
    processors: Vec<Processor>,
    /// For a start that fails on the port.
    remedy: String,
}

#[derive(Default)]
struct Threads {
    acceptors: Vec<(Arc<AcceptorHandle>, JoinHandle<()>)>,
    processors: Vec<(Arc<ProcessorHandle>, JoinHandle<()>)>,
}

fn join(threads: impl Iterator<Item = JoinHandle<()>>) {
    for thread in threads {
        let name = thread.thread().name().unwrap_or_default().to_string();
        match thread.join() {
            Ok(()) => debug!("SocketServer.shutdown: {name} has ended"),
            Err(_) => error!("SocketServer.shutdown: {name} had died of a panic"),
        }
    }
}

/// The error, with what to do if the address is the reason.
fn with_remedy(error: io::Error, remedy: &str) -> io::Error {
    with_bind_advice(
        error,
        remedy,
        "`listeners` must give an address of this machine; what clients are to connect to instead \
         stands in `advertised.listeners`",
    )
}

/// Logs what would make the fetches of these listeners faster.
fn log_advice(config: &KafkaConfig, listeners: &[Listener]) -> io::Result<()> {
    let address = |it: &Listener| Ok(it.socket.local_addr()?.ip());
    let addresses = listeners.iter().map(address).collect::<io::Result<Vec<_>>>()?;
    for advice in TcpSettings::of_the_system().advice(config, &addresses) {
        info!("{advice}");
    }
    Ok(())
}

/// The bounds of all selectors, which share one pool of memory.
fn selector_limits(config: &KafkaConfig) -> SelectorLimits {
    SelectorLimits {
        max_receive_bytes: config.socket_request_max_bytes,
        connections_max_idle_ms: config.connections_max_idle_ms.ms(),
        memory_pool: request_memory(config.queued_max_request_bytes),
        memory_progress_timeout_ms: config.transferto_memory_progress_timeout_ms,
        authentication_timeout_ms: config.transferto_authentication_timeout_ms,
        failed_authentication_delay_ms: config.connection_failed_authentication_delay_ms,
    }
}

fn new_processor(
    id: usize,
    end_point: &EndPoint,
    limits: &SelectorLimits,
    context: &NetworkContext,
    builder: &Arc<dyn ChannelBuilder>,
) -> io::Result<Processor> {
    let selector = Selector::new(
        limits.clone(),
        Arc::clone(&context.time),
        Arc::clone(builder),
        Arc::clone(&context.metrics),
    )?;
    Ok(Processor::new(id, Arc::new(end_point.clone()), selector, context.clone()))
}
