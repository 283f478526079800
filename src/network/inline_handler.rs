//! Not in Kafka: the seam by which a Processor has a request answered on its own thread. What stands
//! behind it belongs to the server; the network knows the seam alone.

use crate::network::request_channel::Request;

/// Answers requests on the thread of the Processor that has read them, where that keeps none of its
/// connections waiting.
pub trait InlineHandler: Send + Sync {
    /// Answers the request as a request handler does, by the response queue of its Processor, or
    /// returns it, untouched, for a request handler.
    ///
    /// Waits for nothing that takes as long as a disk, and works no longer than a channel's turn to
    /// write takes.
    ///
    /// # Errors
    /// The request, if a handler has to answer it.
    fn try_handle(&self, request: Box<Request>) -> Result<(), Box<Request>>;
}
