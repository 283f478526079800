//! Not in Kafka: the network side of a broker at one moment, for the page that shows the path at work.

use std::sync::Arc;

use crate::common::end_point::{ListenerName, SecurityProtocol};
use crate::common::subject::Subject;
use crate::transport::channel_snapshot::ChannelSnapshot;

/// A Processor as others see it.
#[derive(Clone, Debug)]
pub struct ObservedProcessor {
    pub listener: ListenerName,
    pub protocol: SecurityProtocol,
    pub number: usize,
    pub connection_count: u64,
    /// The responses that wait for it.
    pub response_queue_size: usize,
    /// The last that it has shown of itself.
    pub snapshot: Option<Arc<ProcessorSnapshot>>,
    /// Whether it has shown that when it was asked: it does not while it waits for room in the queue
    /// of requests.
    pub is_fresh: bool,
}

/// What a Processor shows of itself: all that only its own thread may touch.
#[derive(Debug)]
pub struct ProcessorSnapshot {
    /// How many channels had a turn to come.
    pub ready_count: usize,
    /// How many requests waited for memory.
    pub parked_count: usize,
    /// The first of them.
    pub connections: Vec<ConnectionSnapshot>,
}

/// A connection, and what it is being answered.
#[derive(Debug)]
pub struct ConnectionSnapshot {
    pub channel: ChannelSnapshot,
    /// The request whose response is on its way: its API and its id.
    pub answers: Option<(&'static str, i32)>,
    pub is_throttled: bool,
}

/// The queue of requests, and those at both of its ends.
#[derive(Debug, Default)]
pub struct RequestQueueSnapshot<T> {
    pub capacity: usize,
    pub size: usize,
    /// The next to be taken.
    pub first: Vec<T>,
    pub idle_handlers: usize,
    /// The Processors that wait for room.
    pub waiting_processors: usize,
}

/// A request that waits for a handler.
#[derive(Debug)]
pub struct QueuedRequest {
    pub subject: Subject,
    pub api: &'static str,
}
