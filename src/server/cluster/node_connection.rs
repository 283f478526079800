//! In the place of `org.apache.kafka.clients.KafkaClient` in `NodeToControllerRequestThread`: a
//! connection to a controller that has one request under way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::clients::blocking_channel::BlockingChannel;
use crate::clients::client_channel_builder::ClientChannelBuilder;
use crate::clients::interrupter::Interrupter;
use crate::raft::quorum::ControllerNode;

/// Makes connections, one at a time. Tests bring controllers of their own.
pub trait NodeConnector: Send + Sync {
    /// # Errors
    /// Whatever the operating system reports; `TimedOut` after `timeout`.
    fn connect(
        &self,
        node: &ControllerNode,
        timeout: Duration,
    ) -> io::Result<Box<dyn NodeConnection>>;

    /// Has the call end soon that another thread is in, and every later one fail.
    fn interrupt(&self);
}

/// Closed when it is dropped.
pub trait NodeConnection: Send {
    /// Sends a request, without its size, and waits for the response, which comes without its size, too.
    /// After an error the connection is of no use any more.
    ///
    /// # Errors
    /// Whatever the operating system reports; `TimedOut` after `timeout`.
    fn exchange(&mut self, request: &[u8], timeout: Duration) -> io::Result<Vec<u8>>;
}

/// Connections over sockets, secured as the builder has it.
#[derive(Debug)]
pub struct BlockingConnector {
    builder: Arc<dyn ClientChannelBuilder>,
    interrupter: Arc<Interrupter>,
}

impl BlockingConnector {
    pub fn new(builder: &Arc<dyn ClientChannelBuilder>) -> Self {
        Self { builder: Arc::clone(builder), interrupter: Arc::default() }
    }
}

impl NodeConnector for BlockingConnector {
    fn connect(
        &self,
        node: &ControllerNode,
        timeout: Duration,
    ) -> io::Result<Box<dyn NodeConnection>> {
        // Whoever exchanges frames writes the headers.
        let no_client_id = "";
        let ControllerNode { host, port, .. } = node;
        let (builder, address) = (&*self.builder, (host.as_str(), *port));
        let channel =
            BlockingChannel::connect(builder, address, no_client_id, timeout, &self.interrupter)?;
        Ok(Box::new(channel))
    }

    fn interrupt(&self) {
        self.interrupter.interrupt();
    }
}

impl NodeConnection for BlockingChannel {
    fn exchange(&mut self, request: &[u8], timeout: Duration) -> io::Result<Vec<u8>> {
        BlockingChannel::exchange(self, request, timeout)
    }
}
