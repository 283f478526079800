//! What is under way between the nodes of the simulation.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use transferto::common::topic_partition::TopicAndPartition;
use transferto::replica::delayed_produce::PartitionResponse;
use transferto::replica::fetcher::leader_end_point::{ReplicaFetch, ReplicaFetched};
use transferto::replica::local_logs::LogReadResult;

/// In the place of a broker's id.
pub(crate) const CONTROLLER: i32 = 0;

/// A broker from one start to the next: its id and the epoch of its registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Incarnation {
    pub(crate) id: i32,
    pub(crate) epoch: i64,
}

/// A request of a fetcher thread, or the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FetchCall {
    pub(crate) follower: Incarnation,
    pub(crate) leader: i32,
    pub(crate) serial: u64,
}

pub(crate) enum Message {
    Fetch {
        call: FetchCall,
        fetch: ReplicaFetch,
        waits: bool,
    },
    Fetched {
        call: FetchCall,
        from: Incarnation,
        answer: FetchAnswer,
    },
    Alter {
        from: Incarnation,
        attempt: u64,
        body: Vec<u8>,
    },
    Altered {
        to: Incarnation,
        attempt: u64,
        body: Vec<u8>,
    },
    Produce {
        producer: usize,
        attempt: u64,
        to: i32,
        batch: Vec<u8>,
    },
    Produced {
        producer: usize,
        attempt: u64,
        from: i32,
        response: PartitionResponse,
        batch: Vec<u8>,
    },
}

/// What a leader sends.
pub(crate) enum FetchAnswer {
    /// Slices of files, which the kernel reads when there is room in the socket.
    Slices(Vec<(TopicAndPartition, LogReadResult)>),
    /// They are sent, and may arrive after the leader is gone.
    Sent(ReplicaFetched),
}

impl Message {
    /// The nodes between which it goes; of producers every broker can be reached.
    pub(crate) fn link(&self) -> Option<(i32, i32)> {
        match self {
            Self::Fetch { call, .. } | Self::Fetched { call, .. } => {
                Some((call.follower.id, call.leader))
            }
            Self::Alter { from, .. } => Some((from.id, CONTROLLER)),
            Self::Altered { to, .. } => Some((to.id, CONTROLLER)),
            Self::Produce { .. } | Self::Produced { .. } => None,
        }
    }
}

/// Messages in the order in which they were sent; they arrive in any.
#[derive(Default)]
pub(crate) struct Network {
    messages: Vec<Message>,
    cut: BTreeSet<(i32, i32)>,
    /// What brokers have sent since the last look, from whatever call.
    pub(crate) outbox: Outbox,
}

/// What the callbacks of a broker send by.
pub(crate) type Outbox = Arc<Mutex<Vec<Message>>>;

impl Network {
    pub(crate) fn send(&mut self, message: Message) {
        self.messages.push(message);
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Takes out the message at this place. Requests of one broker to the controller keep their order: they
    /// go by one connection, and a second one begins when the first is served.
    pub(crate) fn take(&mut self, place: usize) -> Message {
        let first = match &self.messages[place] {
            Message::Alter { from, .. } => {
                let is_before = |it: &Message| matches!(it, Message::Alter { from: other, .. } if other.id == from.id);
                self.messages.iter().position(is_before).unwrap_or(place)
            }
            _ => place,
        };
        self.messages.remove(first)
    }

    pub(crate) fn cut(&mut self, one: i32, other: i32) {
        self.cut.insert((one.min(other), one.max(other)));
    }

    /// All nodes reach each other again.
    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    pub(crate) fn is_cut(&self, one: i32, other: i32) -> bool {
        self.cut.contains(&(one.min(other), one.max(other)))
    }

    pub(crate) fn cuts(&self) -> &BTreeSet<(i32, i32)> {
        &self.cut
    }
}
