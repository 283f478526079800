//! In the place of `org.apache.kafka.clients.KafkaClient` in `NodeToControllerRequestThread`: a
//! connection to a controller that has one request under way.

use std::io;
use std::time::Duration;

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
