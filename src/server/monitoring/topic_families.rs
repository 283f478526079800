//! The metrics of topics, partitions and groups: those of `kafka.log` and `kafka.coordinator`, and of their
//! managers.

use crate::coordinator::group_memory::GroupMemory;
use crate::coordinator::group_state::GroupState;
use crate::server::monitoring::family::{Samples, families};
use crate::server::monitoring::observed::{Observed, ObservedPartition, ObservedTopic};

families! {
    /// What the broker keeps, and how much goes in and out.
    pub const TOPIC_FAMILIES;

    /// Messages that were appended.
    Counter "kafka_server_brokertopicmetrics_messagesin_total" ["topic"] in "messages",
        "kafka.server:type=BrokerTopicMetrics,name=MessagesInPerSec,topic=*",
        |it, out| put_topics(it, out, |topic| topic.messages_in);
    /// Bytes that were appended, as they are in the log.
    Counter "kafka_server_brokertopicmetrics_bytesin_total" ["topic"] in "bytes",
        "kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec,topic=*",
        |it, out| put_topics(it, out, |topic| topic.bytes_in);
    /// Bytes of messages in responses to the fetches of consumers.
    Counter "kafka_server_brokertopicmetrics_bytesout_total" ["topic"] in "bytes",
        "kafka.server:type=BrokerTopicMetrics,name=BytesOutPerSec,topic=*",
        |it, out| put_topics(it, out, |topic| topic.bytes_out);
    /// The size of the log, without its indexes.
    Gauge "kafka_log_log_size" ["topic", "partition"] in "bytes",
        "kafka.log:type=Log,name=Size,topic=*,partition=*",
        |it, out| put_partitions(it, out, |partition| partition.log_size_bytes.cast_signed());
    /// The first offset that can be read.
    Gauge "kafka_log_log_logstartoffset" ["topic", "partition"] in "offset",
        "kafka.log:type=Log,name=LogStartOffset,topic=*,partition=*",
        |it, out| put_partitions(it, out, |partition| partition.log_start_offset);
    /// The offset that the next message gets.
    Gauge "kafka_log_log_logendoffset" ["topic", "partition"] in "offset",
        "kafka.log:type=Log,name=LogEndOffset,topic=*,partition=*",
        |it, out| put_partitions(it, out, |partition| partition.log_end_offset);
    /// Segments of the log.
    Gauge "kafka_log_log_numlogsegments" ["topic", "partition"] in "segments",
        "kafka.log:type=Log,name=NumLogSegments,topic=*,partition=*",
        |it, out| put_partitions(it, out, |partition| partition.segments as i64);
    /// Partitions that this broker hosts.
    Gauge "kafka_server_replicamanager_partitioncount" [] in "partitions",
        "kafka.server:type=ReplicaManager,name=PartitionCount",
        |it, out| out.put(&[], it.partitions.len());
    /// Those of them that it leads: all, if it is alone.
    Gauge "kafka_server_replicamanager_leadercount" [] in "partitions",
        "kafka.server:type=ReplicaManager,name=LeaderCount",
        |it, out| out.put(&[], it.partitions.iter().filter(|it| it.is_led).count());
    /// Producers with an id of whose sequence numbers the logs know, added up over the partitions.
    Gauge "kafka_server_replicamanager_produceridcount" [] in "producers",
        "kafka.server:type=ReplicaManager,name=ProducerIdCount",
        |it, out| out.put(&[], it.partitions.iter().map(|it| it.producer_ids).sum::<usize>());
    /// Partitions that clients know of and nobody leads: of a cluster all of them,
    /// wherever their replicas are; of a broker that is alone those on a disk that has failed, too.
    Gauge "kafka_controller_kafkacontroller_offlinepartitionscount" [] in "partitions",
        "kafka.controller:type=KafkaController,name=OfflinePartitionsCount",
        |it, out| out.put(&[], it.offline_partitions);
    /// Partitions of this broker whose log cannot be used: that is on a disk that has failed, as a rule.
    Gauge "kafka_server_replicamanager_offlinereplicacount" [] in "partitions",
        "kafka.server:type=ReplicaManager,name=OfflineReplicaCount",
        |it, out| out.put(&[], it.offline_replicas);
    /// Log directories whose disk has failed.
    Gauge "kafka_log_logmanager_offlinelogdirectorycount" [] in "directories",
        "kafka.log:type=LogManager,name=OfflineLogDirectoryCount",
        |it, out| out.put(&[], it.log_dirs.iter().filter(|it| !it.is_online()).count());
    /// 1 if the disk of this log directory has failed, else 0.
    Gauge "kafka_log_logmanager_logdirectoryoffline" ["logdirectory"] in "-",
        "kafka.log:type=LogManager,name=LogDirectoryOffline,logDirectory=*",
        |it, out| for dir in &it.log_dirs {
            out.put(&[&dir.path().to_string_lossy()], u8::from(!dir.is_online()));
        };
    /// Changes of topics, settings, ACLs and quotas that wait for the one under way.
    Gauge "kafka_controller_controllereventmanager_eventqueuesize" [] in "changes",
        "kafka.controller:type=ControllerEventManager,name=EventQueueSize",
        |it, out| out.put(&[], it.parts.controller_events.event_queue_size());
    /// Topics that clients know of.
    Gauge "kafka_controller_kafkacontroller_globaltopiccount" [] in "topics",
        "kafka.controller:type=KafkaController,name=GlobalTopicCount",
        |it, out| out.put(&[], it.topic_count);
    /// 1 if the broker is its own controller, 0 in a cluster.
    Gauge "kafka_controller_kafkacontroller_activecontrollercount" [] in "controllers",
        "kafka.controller:type=KafkaController,name=ActiveControllerCount",
        |it, out| out.put(&[], u8::from(it.parts.metadata_cache.is_controller()));
    /// Requests that wait: a fetch for bytes, a produce for its acks, a deletion of records for followers.
    Gauge "kafka_server_delayedoperationpurgatory_numdelayedoperations" ["delayedoperation"]
        in "requests",
        "kafka.server:type=DelayedOperationPurgatory,name=NumDelayedOperations,delayedOperation=*",
        |it, out| for (purgatory, delayed, _) in it.parts.replica_manager.purgatory_sizes() {
            out.put(&[purgatory], delayed);
        };
    /// Entries in the lists of those that wait: one for each partition, and some that are over and
    /// not cleared yet.
    Gauge "kafka_server_delayedoperationpurgatory_purgatorysize" ["delayedoperation"] in "entries",
        "kafka.server:type=DelayedOperationPurgatory,name=PurgatorySize,delayedOperation=*",
        |it, out| for (purgatory, _, watched) in it.parts.replica_manager.purgatory_sizes() {
            out.put(&[purgatory], watched);
        };
    /// Requests that wait for the cluster's controller or for its response.
    Gauge "kafka_server_forwardingmanager_queuelength" [] in "requests",
        "kafka.server:type=ForwardingManager,name=QueueLength",
        |it, out| out.put(&[], it.parts.metrics.forwarding_queue_length.value());
    /// Fetch sessions that there are.
    Gauge "kafka_server_fetchsessioncache_numincrementalfetchsessions" [] in "sessions",
        "kafka.server:type=FetchSessionCache,name=NumIncrementalFetchSessions",
        |it, out| out.put(&[], it.parts.metrics.incremental_fetch_sessions.value());
    /// Partitions in all of them.
    Gauge "kafka_server_fetchsessioncache_numincrementalfetchpartitionscached" [] in "partitions",
        "kafka.server:type=FetchSessionCache,name=NumIncrementalFetchPartitionsCached",
        |it, out| out.put(&[], it.parts.metrics.incremental_fetch_partitions_cached.value());
    /// Sessions that had to give way to others. Many mean that there are too few slots.
    Counter "kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total" [] in "sessions",
        "kafka.server:type=FetchSessionCache,name=IncrementalFetchSessionEvictionsPerSec",
        |it, out| out.put(&[], it.parts.metrics.incremental_fetch_session_evictions.value());
    /// Fetches that were answered because their time ran out.
    Counter "kafka_server_delayedfetchmetrics_expires_total" ["fetchertype"] in "requests",
        "kafka.server:type=DelayedFetchMetrics,name=ExpiresPerSec,fetcherType=*",
        |it, out| {
            out.put(&["consumer"], it.parts.metrics.delayed_fetch_expires.value());
            out.put(&["follower"], it.parts.metrics.delayed_follower_fetch_expires.value());
        };
    /// Produces that were.
    Counter "kafka_server_delayedproducemetrics_expires_total" [] in "requests",
        "kafka.server:type=DelayedProduceMetrics,name=ExpiresPerSec",
        |it, out| out.put(&[], it.parts.metrics.delayed_produce_expires.value());
    /// Deletions of records that were.
    Counter "kafka_server_delayeddeleterecordsmetrics_expires_total" [] in "requests",
        "kafka.server:type=DelayedDeleteRecordsMetrics,name=ExpiresPerSec",
        |it, out| out.put(&[], it.parts.metrics.delayed_delete_records_expires.value());
    /// Consumer groups.
    Gauge "kafka_coordinator_group_groupmetadatamanager_numgroups" [] in "groups",
        "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroups",
        |it, out| out.put(&[], it.groups.all());
    /// Those that wait for their members to join.
    Gauge "kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance" [] in "groups",
        "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroupsPreparingRebalance",
        |it, out| out.put(&[], it.groups.in_state(GroupState::PreparingRebalance));
    /// Those that wait for their leader's assignment.
    Gauge "kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance" [] in "groups",
        "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroupsCompletingRebalance",
        |it, out| out.put(&[], it.groups.in_state(GroupState::CompletingRebalance));
    /// Those whose members are at work.
    Gauge "kafka_coordinator_group_groupmetadatamanager_numgroupsstable" [] in "groups",
        "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroupsStable",
        |it, out| out.put(&[], it.groups.in_state(GroupState::Stable));
    /// Those that are being removed.
    Gauge "kafka_coordinator_group_groupmetadatamanager_numgroupsdead" [] in "groups",
        "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroupsDead",
        |it, out| out.put(&[], it.groups.in_state(GroupState::Dead));
    /// Those without members.
    Gauge "kafka_coordinator_group_groupmetadatamanager_numgroupsempty" [] in "groups",
        "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroupsEmpty",
        |it, out| out.put(&[], it.groups.in_state(GroupState::Empty));
    /// Offsets that all groups have committed.
    Gauge "kafka_coordinator_group_groupmetadatamanager_numoffsets" [] in "offsets",
        "kafka.coordinator.group:type=GroupMetadataManager,name=NumOffsets",
        |it, out| out.put(&[], it.groups.offsets);
    /// Members of all groups.
    Gauge "transferto_group_members" [] in "members", "",
        |it, out| out.put(&[], it.groups.members);
    /// Groups that have failed: they are refused until they can be loaded again.
    Gauge "transferto_failed_groups" [] in "groups", "",
        |it, out| out.put(&[], it.groups.failed);
    /// Memory that all groups hold.
    Gauge "transferto_group_memory_bytes" [] in "bytes", "",
        |it, out| out.put(&[], group_memory(it).held_bytes());
    /// How much of it new members, groups and offsets may take:
    /// `transferto.group.memory.max.bytes`.
    Gauge "transferto_group_memory_max_bytes" [] in "bytes", "",
        |it, out| out.put(&[], group_memory(it).limit_bytes());
}

fn group_memory<'a>(it: &Observed<'a>) -> &'a GroupMemory {
    it.parts.group_coordinator.manager().memory()
}

fn put_topics(it: &Observed<'_>, out: &mut Samples<'_>, value: fn(&ObservedTopic) -> u64) {
    for topic in &it.topics {
        out.put(&[&topic.name], value(topic));
    }
}

fn put_partitions(it: &Observed<'_>, out: &mut Samples<'_>, value: fn(&ObservedPartition) -> i64) {
    for partition in &it.partitions {
        out.put(&[&partition.topic, &partition.number], value(partition));
    }
}
