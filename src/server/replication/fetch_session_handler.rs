//! Port of `org.apache.kafka.clients.FetchSessionHandler`: one side of a fetch session (KIP-227), in which a
//! request names only what is asked in another way than in the one before.
//!
//! Topics go by their ids: each broker of a cluster with Kafka's controllers has them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use log::debug;

use crate::common::errors::Errors;
use crate::common::topic_partition::TopicAndPartition;
use crate::protocol::fetch::{FetchResponse, FetchResponsePartition};
use crate::replica::fetcher::leader_end_point::ReplicaFetchPartition;
use crate::server::replication::fetch_metadata::{FetchMetadata, INVALID_SESSION_ID};

/// The session with one leader.
#[derive(Debug)]
pub struct FetchSessionHandler {
    /// The leader.
    node: i32,
    /// Of the next request.
    next_metadata: FetchMetadata,
    /// What the leader is to send, as it was asked for last.
    session_partitions: HashMap<TopicAndPartition, ReplicaFetchPartition>,
    /// Those of the topics in it.
    session_topic_names: HashMap<[u8; 16], Arc<str>>,
}

/// Port of `FetchSessionHandler.FetchRequestData`: what a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequestData {
    pub metadata: FetchMetadata,
    pub to_send: Vec<(TopicAndPartition, ReplicaFetchPartition)>,
    /// What the session is to drop: the ids of the topics, and the partitions. A topic that has another id by
    /// now is dropped by the old one.
    pub to_forget: Vec<([u8; 16], i32)>,
}

/// Why the partitions of a response are not to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionFault {
    /// The leader has closed the session: to ask again is worth no wait.
    Lost(Errors),
    /// Anything else, in words.
    Refused(String),
}

/// A partition of a response.
pub type OfResponse<'a> = (TopicAndPartition, &'a FetchResponsePartition);

impl FetchSessionHandler {
    /// Without a session.
    pub fn new(node: i32) -> Self {
        Self {
            node,
            next_metadata: FetchMetadata::INITIAL,
            session_partitions: HashMap::new(),
            session_topic_names: HashMap::new(),
        }
    }

    /// Port of `FetchSessionHandler.Builder.build`: the request by which the leader sends of `next`, and of
    /// nothing else. Each partition is in it once. Owed: a call of
    /// [`handle_response`](Self::handle_response) or [`handle_error`](Self::handle_error).
    pub fn build(
        &mut self,
        next: &[(TopicAndPartition, ReplicaFetchPartition)],
    ) -> FetchRequestData {
        let data = if self.next_metadata.is_full() {
            self.session_partitions = next.iter().cloned().collect();
            FetchRequestData {
                metadata: self.next_metadata,
                to_send: next.to_vec(),
                to_forget: Vec::new(),
            }
        } else {
            self.change_session(next)
        };
        if self.next_metadata.is_full() || !data.to_forget.is_empty() {
            self.session_topic_names.clear();
        }
        for (key, partition) in next {
            let names = &mut self.session_topic_names;
            names.entry(partition.topic_id).or_insert_with(|| Arc::clone(&key.topic));
        }
        debug!(
            "session {} with broker {}, epoch {}: {} named, {} dropped, {} in all",
            data.metadata.session_id,
            self.node,
            data.metadata.epoch,
            data.to_send.len(),
            data.to_forget.len(),
            self.session_partitions.len()
        );
        data
    }

    fn change_session(
        &mut self,
        next: &[(TopicAndPartition, ReplicaFetchPartition)],
    ) -> FetchRequestData {
        let (mut to_send, mut to_forget) = (Vec::new(), Vec::new());
        for (key, partition) in next {
            match self.session_partitions.entry(key.clone()) {
                Entry::Vacant(place) => {
                    place.insert(*partition);
                }
                Entry::Occupied(known) if known.get() == partition => continue,
                Entry::Occupied(mut known) => {
                    let before = known.insert(*partition);
                    if before.topic_id != partition.topic_id {
                        to_forget.push((before.topic_id, key.partition));
                    }
                }
            }
            to_send.push((key.clone(), *partition));
        }
        if self.session_partitions.len() > next.len() {
            let wanted: HashSet<&TopicAndPartition> = next.iter().map(|(key, _)| key).collect();
            self.session_partitions.retain(|key, partition| {
                let is_wanted = wanted.contains(key);
                if !is_wanted {
                    to_forget.push((partition.topic_id, key.partition));
                }
                is_wanted
            });
        }
        FetchRequestData { metadata: self.next_metadata, to_send, to_forget }
    }

    /// Takes notice of a response, and returns the partitions in it.
    ///
    /// # Errors
    /// If the leader refuses the request, or answers what was not asked. Then the next request begins another
    /// session.
    pub fn handle_response<'a>(
        &mut self,
        response: &'a FetchResponse,
    ) -> Result<Vec<OfResponse<'a>>, SessionFault> {
        let asked = self.next_metadata;
        let error = Errors::for_code(response.header.error_code);
        if error != Errors::None {
            self.next_metadata = match error {
                Errors::FetchSessionIdNotFound => FetchMetadata::INITIAL,
                _ => asked.next_close_existing_attempt_new(),
            };
            return Err(match error {
                Errors::FetchSessionIdNotFound | Errors::InvalidFetchSessionEpoch
                    if !asked.is_full() =>
                {
                    SessionFault::Lost(error)
                }
                _ => SessionFault::Refused(error.to_string()),
            });
        }
        let checked = self.checked_partitions_of(response);
        self.next_metadata = match &checked {
            Ok(_) => self.metadata_after(response),
            Err(_) if asked.is_full() => FetchMetadata::INITIAL,
            Err(_) => asked.next_close_existing_attempt_new(),
        };
        checked
    }

    /// No response has come: the leader may have got the request, or not.
    pub fn handle_error(&mut self) {
        self.next_metadata = self.next_metadata.next_close_existing_attempt_new();
    }

    fn metadata_after(&self, response: &FetchResponse) -> FetchMetadata {
        match response.header.session_id {
            // The leader has no room for a session, or has closed it.
            INVALID_SESSION_ID => FetchMetadata::INITIAL,
            // It has read nothing yet, and so made no session of it.
            _ if response.topics.is_empty() && response.header.throttle_time_ms > 0 => {
                match self.next_metadata.is_full() {
                    true => FetchMetadata::INITIAL,
                    false => self.next_metadata.next_incremental(),
                }
            }
            session_id if self.next_metadata.is_full() => {
                FetchMetadata::new_incremental(session_id)
            }
            _ => self.next_metadata.next_incremental(),
        }
    }

    /// Port of `verifyFullFetchResponsePartitions` and `verifyIncrementalFetchResponsePartitions`.
    fn checked_partitions_of<'a>(
        &self,
        response: &'a FetchResponse,
    ) -> Result<Vec<OfResponse<'a>>, SessionFault> {
        let partitions = self.partitions_of(response)?;
        let is_throttled = partitions.is_empty() && response.header.throttle_time_ms > 0;
        let missing = self.session_partitions.len().saturating_sub(partitions.len());
        if self.next_metadata.is_full() && missing > 0 && !is_throttled {
            let why = format!("an answer to a full request without {missing} of its partitions");
            return Err(SessionFault::Refused(why));
        }
        Ok(partitions)
    }

    fn partitions_of<'a>(
        &self,
        response: &'a FetchResponse,
    ) -> Result<Vec<OfResponse<'a>>, SessionFault> {
        let count = response.topics.iter().map(|topic| topic.partitions.len()).sum();
        let mut partitions = Vec::with_capacity(count);
        for topic in &response.topics {
            let id = topic.header.topic_id;
            let unknown = |what: &dyn std::fmt::Display| {
                SessionFault::Refused(format!("an answer for {what}, which was not asked for"))
            };
            let name = self.session_topic_names.get(&id.0);
            let name = name.ok_or_else(|| unknown(&format_args!("the topic id {id}")))?;
            for partition in &topic.partitions {
                let number = partition.header.partition;
                let key = TopicAndPartition { topic: Arc::clone(name), partition: number };
                let asked = self.session_partitions.get(&key);
                if asked.is_none_or(|asked| asked.topic_id != id.0) {
                    return Err(unknown(&key));
                }
                partitions.push((key, partition));
            }
        }
        Ok(partitions)
    }
}
