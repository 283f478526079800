//! Port of `kafka.server.KafkaRequestHandler` and `KafkaRequestHandlerPool`: the threads that take
//! requests.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use log::{Level, debug, error, log};

use crate::common::log_limit::{LogKind, limited};
use crate::common::memory_pool::MemoryPool;
use crate::common::metrics::Metrics;
use crate::common::time::Time;
use crate::common::worker_threads::{Leave, WorkerThreads};
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::network::request_channel::{Request, RequestChannel};
use crate::network::request_queue::RequestOrShutdown;
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
        metrics: &Arc<Metrics>,
        time: &Arc<dyn Time>,
    ) -> Self {
        let (request_channel, apis) = (Arc::clone(request_channel), Arc::clone(apis));
        let memory_pool = Arc::clone(memory_pool);
        let (metrics, time) = (Arc::clone(metrics), Arc::clone(time));
        let threads = WorkerThreads::new("kafka-request-handler-", move |id, leave| {
            let (request_channel, apis) = (Arc::clone(&request_channel), Arc::clone(&apis));
            let memory_pool = Arc::clone(&memory_pool);
            let (metrics, time) = (Arc::clone(&metrics), Arc::clone(&time));
            KafkaRequestHandler { id, request_channel, apis, memory_pool, metrics, time }
                .run(leave);
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
    metrics: Arc<Metrics>,
    time: Arc<dyn Time>,
}

impl KafkaRequestHandler {
    /// Takes requests until the channel is shut down, or this handler is asked to leave.
    fn run(&self, leave: &Leave) {
        self.memory_pool.serve_this_thread();
        let mut began_ns = self.time.nanoseconds();
        while !leave.is_asked() {
            let (waited_until_ns, ended_ns) =
                match self.request_channel.receive_request(RECEIVE_TIMEOUT_MS) {
                    None => {
                        let now_ns = self.time.nanoseconds();
                        (now_ns, now_ns)
                    }
                    Some(RequestOrShutdown::Request(request)) => {
                        let dequeued_ns = request.times.request_dequeue_ns.unwrap_or(began_ns);
                        (dequeued_ns, self.handle(request))
                    }
                    Some(RequestOrShutdown::HangUp(hang_up)) => {
                        let dequeued_ns = self.time.nanoseconds();
                        self.guard("the end of a wait", || hang_up.tell());
                        (dequeued_ns, self.time.nanoseconds())
                    }
                    Some(RequestOrShutdown::Shutdown) => {
                        debug!("Request handler {} shuts down.", self.id);
                        return;
                    }
                };
            self.count_time(waited_until_ns - began_ns, ended_ns - began_ns);
            began_ns = ended_ns;
        }
    }

    /// Handles a request, and returns the moment when that was done, in nanoseconds: the clock has
    /// been read for it anyway.
    fn handle(&self, request: Box<Request>) -> i64 {
        let done_ns = self.guard("a request", || self.apis.handle(*request));
        done_ns.unwrap_or_else(|| self.time.nanoseconds())
    }

    /// A panic is a bug of ours in one request; the request's `Reply` closes its connection.
    fn guard<T>(&self, what: &str, work: impl FnOnce() -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(work)).ok();
        if done.is_none() {
            let level = limited(LogKind::Failures, Level::Error);
            log!(level, "request handler {}: {what} panicked", self.id);
        }
        done
    }

    fn count_time(&self, idle_ns: i64, total_ns: i64) {
        self.metrics.request_handler_idle_ns.add(idle_ns.unsigned_abs());
        self.metrics.request_handler_total_ns.add(total_ns.unsigned_abs());
    }
}
