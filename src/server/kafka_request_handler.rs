//! Port of `kafka.server.KafkaRequestHandler` and `KafkaRequestHandlerPool`: the threads that take
//! requests.

use std::io;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use log::{debug, error};

use crate::common::worker_threads::Leave;
use crate::common::worker_threads::WorkerThreads;
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::network::request_channel::RequestChannel;
use crate::network::request_channel::RequestOrShutdown;
use crate::server::kafka_apis::KafkaApis;

/// How long a handler waits for a request before it looks round, in milliseconds.
const RECEIVE_TIMEOUT_MS: u64 = 300;

/// `num.io.threads` threads that handle requests.
pub struct KafkaRequestHandlerPool {
    threads: WorkerThreads,
}

impl KafkaRequestHandlerPool {
    /// Starts `num_threads` handlers.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        num_threads: usize,
        request_channel: &Arc<RequestChannel>,
        apis: &Arc<KafkaApis>,
    ) -> io::Result<Self> {
        let (request_channel, apis) = (Arc::clone(request_channel), Arc::clone(apis));
        let threads = WorkerThreads::new("kafka-request-handler-", move |id, leave| {
            let (request_channel, apis) = (Arc::clone(&request_channel), Arc::clone(&apis));
            KafkaRequestHandler { id, request_channel, apis }.run(leave);
        });
        threads.resize(num_threads)?;
        Ok(Self { threads })
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
    fn reconfigure(&self, _old: &KafkaConfig, new: &KafkaConfig) {
        if let Err(error) = self.threads.resize(new.num_io_threads) {
            error!("There are {} request handlers, and no more: {error}", self.count());
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
