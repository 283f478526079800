//! Port of `kafka.server.KafkaRequestHandler` and `KafkaRequestHandlerPool`: the threads that take
//! requests.

use std::io;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::thread::Builder;
use std::thread::JoinHandle;

use log::{debug, error};

use crate::network::request_channel::RequestChannel;
use crate::network::request_channel::RequestOrShutdown;
use crate::server::kafka_apis::KafkaApis;

/// How long a handler waits for a request before it looks round, in milliseconds.
const RECEIVE_TIMEOUT_MS: u64 = 300;

/// `num.io.threads` threads that handle requests.
pub struct KafkaRequestHandlerPool {
    threads: Vec<JoinHandle<()>>,
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
        let mut threads = Vec::with_capacity(num_threads);
        for id in 0..num_threads {
            let handler = KafkaRequestHandler {
                id,
                request_channel: Arc::clone(request_channel),
                apis: Arc::clone(apis),
            };
            let name = format!("kafka-request-handler-{id}");
            threads.push(Builder::new().name(name).spawn(move || handler.run())?);
        }
        Ok(Self { threads })
    }

    /// Waits until the handlers have ended: they do when the request channel is shut down and its
    /// queue is empty.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                error!("A request handler had panicked outside of a request.");
            }
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
    fn run(&self) {
        loop {
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
