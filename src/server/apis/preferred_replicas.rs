//! Port of what `ReplicaManager` does with a `ReplicaSelector`: a leader names to consumers the followers that they
//! are to read (KIP-392).

use std::sync::Arc;

use crate::common::topic_partition::TopicAndPartition;
use crate::config::replica_selector::ReplicaSelector;
use crate::protocol::fetch::FetchRequest;
use crate::replica::local_logs::PartitionFetchInfo;
use crate::replica::replica_manager::ReplicaManager;
use crate::server::metadata::metadata_cache::MetadataCache;
use crate::server::security::request_context::Session;

/// Which followers consumers are to read.
pub(crate) struct PreferredReplicas {
    pub(crate) selector: ReplicaSelector,
    pub(crate) replica_manager: Arc<ReplicaManager>,
    pub(crate) metadata_cache: Arc<dyn MetadataCache>,
}

impl PreferredReplicas {
    /// Notes for each partition of a consumer's fetch which follower it is to read, if it is to.
    pub(crate) fn select(
        &self,
        session: &Session,
        request: &FetchRequest,
        readable: &mut [(TopicAndPartition, PartitionFetchInfo)],
    ) {
        let has_rack = !request.rack_id.is_empty() && request.replica_id() < 0;
        if self.selector == ReplicaSelector::Leader || !has_rack {
            return;
        }
        let listener = &session.listener.listener_name;
        let is_in_rack = |id| self.metadata_cache.is_in_rack(id, &request.rack_id, listener);
        for (key, fetch_info) in readable {
            let partition = self.replica_manager.local_logs().get_partition(key);
            fetch_info.preferred_read_replica =
                partition.and_then(|it| it.preferred_read_replica(fetch_info.offset, is_in_rack));
        }
    }
}
