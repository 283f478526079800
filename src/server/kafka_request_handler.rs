//! Port of `kafka.server.KafkaRequestHandler` and `KafkaRequestHandlerPool`: the threads that take
//! requests.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use log::{Level, debug, error, log};

use crate::common::log_limit::{LogKind, limited};
use crate::common::memory_pool::MemoryPool;
use crate::common::worker_threads::{Leave, WorkerThreads};
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::network::request_channel::{RequestChannel, RequestOrShutdown};
use crate::server::kafka_apis::KafkaApis;

/// How long a handler waits for a request before it checks whether to leave.
const RECEIVE_TIMEOUT_MS: u64 = 300;

/// `num.io.threads` threads that handle requests.
pub struct KafkaRequestHandlerPool {
    threads: WorkerThreads,
}

impl KafkaRequestHandlerPool {
    /// Starts no handler yet. What a handler makes of records comes out of `memory_pool`.
    pub fn new(
        request_channel: &Arc<RequestChannel>,
        apis: &Arc<KafkaApis>,
        memory_pool: &Arc<MemoryPool>,
    ) -> Self {
        let (request_channel, apis) = (Arc::clone(request_channel), Arc::clone(apis));
        let memory_pool = Arc::clone(memory_pool);
        let threads = WorkerThreads::new("kafka-request-handler-", move |id, leave| {
            let (request_channel, apis) = (Arc::clone(&request_channel), Arc::clone(&apis));
            let memory_pool = Arc::clone(&memory_pool);
            KafkaRequestHandler { id, request_channel, apis, memory_pool }.run(leave);
        });
        Self { threads }
    }

    /// Starts `num_threads` handlers. If the system gives fewer, but at least one, that is logged.
    ///
    /// # Errors
    /// If the system gives no thread, in one sentence.
    pub fn startup(&self, num_threads: usize) -> io::Result<()> {
        let Err(error) = self.threads.resize(num_threads) else { return Ok(()) };
        let count = self.count();
        let why = format!("`num.io.threads={num_threads}`: only {count} started: {error}");
        if count == 0 {
            return Err(io::Error::new(error.kind(), why));
        }
        error!("{why}");
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.threads.count()
    }

    /// Waits until the handlers have ended: they do when the request channel is shut down and its
    /// queue is empty.
    pub fn join(&self) {
        if self.threads.join() > 0 {
            error!("a request handler panicked outside of a request");
        }
    }
}

impl BrokerReconfigurable for KafkaRequestHandlerPool {
    /// If the system does not give that many threads, the number stays as it was: the last thread that
    /// the system had to give may be needed elsewhere.
    fn reconfigure(&self, old: &KafkaConfig, new: &KafkaConfig) {
        let (before, asked) = (old.num_io_threads, new.num_io_threads);
        let Err(error) = self.threads.resize(asked) else { return };
        error!(
            "`num.io.threads={asked}`: only {} started, of which at most {before} stay: {error}",
            self.count()
        );
        // To end threads always succeeds.
        if let Err(error) = self.threads.resize(before.min(self.count())) {
            error!("{error}");
        }
    }
}

struct KafkaRequestHandler {
    id: usize,
    request_channel: Arc<RequestChannel>,
    apis: Arc<KafkaApis>,
    memory_pool: Arc<MemoryPool>,
}

impl KafkaRequestHandler {
    /// Takes requests until the channel is shut down, or this handler is asked to leave.
    fn run(&self, leave: &Leave) {
        self.memory_pool.serve_this_thread();
        while !leave.is_asked() {
            match self.request_channel.receive_request(RECEIVE_TIMEOUT_MS) {
                None => (),
                Some(RequestOrShutdown::Request(request)) => {
                    self.guard("a request", || self.apis.handle(*request));
                }
                Some(RequestOrShutdown::HangUp(hang_up)) => {
                    self.guard("the end of a wait", || hang_up.tell());
                }
                Some(RequestOrShutdown::Shutdown) => {
                    debug!("Request handler {} shuts down.", self.id);
                    return;
                }
            }
        }
    }

    /// A panic is a bug of ours in one request; the request's `Reply` closes its connection.
    fn guard(&self, what: &str, work: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            let level = limited(LogKind::Failures, Level::Error);
            log!(level, "request handler {}: {what} panicked", self.id);
        }
    }
}
