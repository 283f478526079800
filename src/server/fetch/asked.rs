//! Port of `org.apache.kafka.common.TopicIdPartition` with `FetchRequest.PartitionData`: a partition as
//! a fetch asks for it.

use std::sync::Arc;

use crate::common::errors::Errors;
use crate::common::topic_partition::TopicAndPartition;
use crate::replica::local_logs::PartitionFetchInfo;

/// What a partition that is asked for takes until it is answered, in bytes, at most: its places in the
/// lists that lead to its slice, and in those that lead from there to the client.
pub(crate) const ASKED_BYTES: usize = 512;

/// A partition that a fetch asks for, in its request or by its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The topic is empty if there is none with the id in `fetch_info`.
    pub(crate) key: TopicAndPartition,
    pub(crate) fetch_info: PartitionFetchInfo,
    /// Why the partition is not read, if it is not.
    pub(crate) refusal: Option<Errors>,
    /// In its session; of no meaning without one.
    pub(crate) place: u64,
}

impl Asked {
    /// The partition of the topic of this name, if its id belongs to any.
    pub(crate) fn new(
        topic: Option<Arc<str>>,
        partition: i32,
        fetch_info: PartitionFetchInfo,
    ) -> Self {
        let refusal = topic.is_none().then_some(Errors::UnknownTopicId);
        let key = TopicAndPartition { topic: topic.unwrap_or_default(), partition };
        Self { key, fetch_info, refusal, place: 0 }
    }

    /// The name of its topic; `None` if no topic has its id.
    pub(crate) fn topic(&self) -> Option<&Arc<str>> {
        (self.refusal != Some(Errors::UnknownTopicId)).then_some(&self.key.topic)
    }

    pub(crate) fn readable(&self) -> Option<(TopicAndPartition, PartitionFetchInfo)> {
        self.refusal.is_none().then(|| (self.key.clone(), self.fetch_info))
    }
}
