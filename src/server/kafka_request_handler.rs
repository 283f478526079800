//! Port of `kafka.server.KafkaRequestHandler` and `KafkaRequestHandlerPool`: the threads that take
//! requests.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use log::{debug, error};

use crate::common::worker_threads::{Leave, WorkerThreads};
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::network::request_channel::{RequestChannel, RequestOrShutdown};
use crate::server::kafka_apis::KafkaApis;

/// How long a handler waits for a request before it looks round, in milliseconds.
const RECEIVE_TIMEOUT_MS: u64 = 300;

/// `num.io.threads` threads that handle requests.
pub struct KafkaRequestHandlerPool {
    threads: WorkerThreads,
}

impl KafkaRequestHandlerPool {
    /// No handler yet.
    pub fn new(request_channel: &Arc<RequestChannel>, apis: &Arc<KafkaApis>) -> Self {
        let (request_channel, apis) = (Arc::clone(request_channel), Arc::clone(apis));
        let threads = WorkerThreads::new("kafka-request-handler-", move |id, leave| {
            let (request_channel, apis) = (Arc::clone(&request_channel), Arc::clone(&apis));
            KafkaRequestHandler { id, request_channel, apis }.run(leave);
        });
        Self { threads }
    }

    /// Starts `num_threads` handlers. If the system gives fewer, but any at all, that is logged.
    ///
    /// # Errors
    /// A sentence, if it gives none.
    pub fn startup(&self, num_threads: usize) -> io::Result<()> {
        let Err(error) = self.threads.resize(num_threads) else { return Ok(()) };
        let count = self.count();
        let why = format!("`num.io.threads={num_threads}`: there are {count} handlers: {error}");
        if count == 0 {
            return Err(io::Error::new(error.kind(), why));
        }
        error!("{why}");
        Ok(())
    }

    /// How many handlers take requests.
    pub fn count(&self) -> usize {
        self.threads.count()
    }

    /// Waits until the handlers have ended: they do when the request channel is shut down and its
    /// queue is empty.
    pub fn join(&self) {
        if self.threads.join() > 0 {
            error!("A request handler had panicked outside of a request.");
        }
    }
}

impl BrokerReconfigurable for KafkaRequestHandlerPool {
    /// If the system does not give so many threads, there are as many as before: the last one that
    /// it had to give may be needed elsewhere.
    fn reconfigure(&self, old: &KafkaConfig, new: &KafkaConfig) {
        let (before, asked) = (old.num_io_threads, new.num_io_threads);
        let Err(error) = self.threads.resize(asked) else { return };
        error!(
            "`num.io.threads={asked}`: there are only {} request handlers, of which at most \
             {before} stay: {error}",
            self.count()
        );
        // Fewer threads are always given.
        if let Err(error) = self.threads.resize(before.min(self.count())) {
            error!("{error}");
        }
    }
}

/// One handler.
struct KafkaRequestHandler {
    id: usize,
    request_channel: Arc<RequestChannel>,
    apis: Arc<KafkaApis>,
}

impl KafkaRequestHandler {
    /// Takes requests until there are none any more, or one handler less is wanted.
    fn run(&self, leave: &Leave) {
        while !leave.is_asked() {
            match self.request_channel.receive_request(RECEIVE_TIMEOUT_MS) {
                None => (),
                Some(RequestOrShutdown::Request(request)) => {
                    // A panic is a fault of ours in one request; the request's `Reply` closes its
                    // connection.
                    let handled = catch_unwind(AssertUnwindSafe(|| self.apis.handle(*request)));
                    if handled.is_err() {
                        error!("Request handler {}: a request panicked.", self.id);
                    }
                }
                Some(RequestOrShutdown::Shutdown) => {
                    debug!("Request handler {} shuts down.", self.id);
                    return;
                }
            }
        }
    }
}
