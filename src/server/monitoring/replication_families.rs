//! The metrics of replication and of the broker's place in a cluster: those of `ReplicaManager`,
//! `ReplicaFetcherManager` and `MetadataLoader`.
//!
//! What has no value in a broker that is alone is not on its page.

use std::cmp::Ordering;

use crate::common::units::TimestampMs;
use crate::server::cluster::cluster_view::ClusterView;
use crate::server::monitoring::family::{Samples, families};
use crate::server::monitoring::observed::Observed;

families! {
    /// Who is in sync, who copies from whom, and how far the broker has followed its cluster.
    pub const REPLICATION_FAMILIES;

    /// Partitions that it leads with a replica that is not in sync: none, if it is alone.
    Gauge "kafka_server_replicamanager_underreplicatedpartitions" [] in "partitions",
        "kafka.server:type=ReplicaManager,name=UnderReplicatedPartitions",
        |it, out| out.put(&[], it.partitions.iter().filter(|it| it.is_under_replicated).count());
    /// Partitions that it leads with fewer replicas in sync than `min.insync.replicas` asks for: what is
    /// produced there with acks=all is refused.
    Gauge "kafka_server_replicamanager_underminisrpartitioncount" [] in "partitions",
        "kafka.server:type=ReplicaManager,name=UnderMinIsrPartitionCount",
        |it, out| out.put(&[], it.count_with_min_isr(Ordering::Less));
    /// Partitions that it leads with just as many replicas in sync as `min.insync.replicas` asks for: all,
    /// if it is alone.
    Gauge "kafka_server_replicamanager_atminisrpartitioncount" [] in "partitions",
        "kafka.server:type=ReplicaManager,name=AtMinIsrPartitionCount",
        |it, out| out.put(&[], it.count_with_min_isr(Ordering::Equal));
    /// Replicas that came into sync again.
    Counter "kafka_server_replicamanager_isrexpands_total" [] in "changes",
        "kafka.server:type=ReplicaManager,name=IsrExpandsPerSec",
        |it, out| out.put(&[], it.parts.metrics.isr_expands.value());
    /// Changes that took replicas out of sync.
    Counter "kafka_server_replicamanager_isrshrinks_total" [] in "changes",
        "kafka.server:type=ReplicaManager,name=IsrShrinksPerSec",
        |it, out| out.put(&[], it.parts.metrics.isr_shrinks.value());
    /// Changes of these two kinds that the controller refused, or that were over before its answer.
    Counter "kafka_server_replicamanager_failedisrupdates_total" [] in "changes",
        "kafka.server:type=ReplicaManager,name=FailedIsrUpdatesPerSec",
        |it, out| out.put(&[], it.parts.metrics.failed_isr_updates.value());
    /// The most records that a partition of this broker is behind its leader in another one.
    Gauge "kafka_server_replicafetchermanager_maxlag" [] in "records",
        "kafka.server:type=ReplicaFetcherManager,name=MaxLag,clientId=Replica",
        |it, out| out.put(&[], it.fetchers.max_lag);
    /// Requests per second of the thread that asks its leader least often.
    Gauge "kafka_server_replicafetchermanager_minfetchrate" [] in "requests per second",
        "kafka.server:type=ReplicaFetcherManager,name=MinFetchRate,clientId=Replica",
        |it, out| out.put(&[], it.fetchers.min_fetch_rate);
    /// Threads that copied from a leader and have ended by a fault of this broker.
    Gauge "kafka_server_replicafetchermanager_deadthreadcount" [] in "threads",
        "kafka.server:type=ReplicaFetcherManager,name=DeadThreadCount,clientId=Replica",
        |it, out| out.put(&[], it.fetchers.dead_thread_count);
    /// Partitions that are copied no more until the cluster changes them; the log says why.
    Gauge "kafka_server_replicafetchermanager_failedpartitionscount" [] in "partitions",
        "kafka.server:type=ReplicaFetcherManager,name=FailedPartitionsCount,clientId=Replica",
        |it, out| out.put(&[], it.fetchers.failed_partitions_count);
    /// Requests of a thread that its leader has answered, or that have failed.
    Counter "kafka_server_fetcherstats_requests_total" ["clientid", "brokerhost", "brokerport"] in "requests",
        "kafka.server:type=FetcherStats,name=RequestsPerSec,clientId=*,brokerHost=*,brokerPort=*",
        |it, out| for thread in &it.fetcher_threads {
            let (host, port) = (&thread.leader.host, thread.leader.port.to_string());
            out.put(&[&thread.name, host, &port], thread.requests);
        };
    /// Bytes of records that it has copied.
    Counter "kafka_server_fetcherstats_bytes_total" ["clientid", "brokerhost", "brokerport"] in "bytes",
        "kafka.server:type=FetcherStats,name=BytesPerSec,clientId=*,brokerHost=*,brokerPort=*",
        |it, out| for thread in &it.fetcher_threads {
            let (host, port) = (&thread.leader.host, thread.leader.port.to_string());
            out.put(&[&thread.name, host, &port], thread.bytes);
        };
    /// Records that the leader had more at its last answer.
    Gauge "kafka_server_fetcherlagmetrics_consumerlag" ["topic", "partition"] in "records",
        "kafka.server:type=FetcherLagMetrics,name=ConsumerLag,clientId=*,topic=*,partition=*",
        |it, out| for (key, lag) in &it.lags {
            out.put(&[&key.topic, &key.partition.to_string()], *lag);
        };
    /// Partitions that it leads and whose replicas are being moved.
    Gauge "kafka_server_replicamanager_reassigningpartitions" [] in "partitions",
        "kafka.server:type=ReplicaManager,name=ReassigningPartitions",
        |it, out| out.put(&[], it.partitions.iter().filter(|it| it.is_reassigning).count());
    /// Bytes of records that were copied from leaders.
    Counter "kafka_server_brokertopicmetrics_replicationbytesin_total" [] in "bytes",
        "kafka.server:type=BrokerTopicMetrics,name=ReplicationBytesInPerSec",
        |it, out| out.put(&[], it.parts.metrics.replication_bytes_in.value());
    /// Bytes of records in responses to followers.
    Counter "kafka_server_brokertopicmetrics_replicationbytesout_total" [] in "bytes",
        "kafka.server:type=BrokerTopicMetrics,name=ReplicationBytesOutPerSec",
        |it, out| out.put(&[], it.parts.metrics.replication_bytes_out.value());
    /// Those of the bytes in that came because a reassignment brings the replica here.
    Counter "kafka_server_brokertopicmetrics_reassignmentbytesin_total" [] in "bytes",
        "kafka.server:type=BrokerTopicMetrics,name=ReassignmentBytesInPerSec",
        |it, out| out.put(&[], it.parts.metrics.reassignment_bytes_in.value());
    /// Those of the bytes out that went because a reassignment brings the replica there.
    Counter "kafka_server_brokertopicmetrics_reassignmentbytesout_total" [] in "bytes",
        "kafka.server:type=BrokerTopicMetrics,name=ReassignmentBytesOutPerSec",
        |it, out| out.put(&[], it.parts.metrics.reassignment_bytes_out.value());
    /// The metadata records up to this offset are applied. Not of a broker that is alone, as all that follow.
    Gauge "kafka_server_broker_metadata_metrics_last_applied_record_offset" [] in "offset",
        "kafka.server:type=broker-metadata-metrics, last-applied-record-offset",
        |it, out| put_of_cluster(it, out, |cluster| Some(cluster.applied_offset()));
    /// When the controller wrote the last of them, by its clock.
    Gauge "kafka_server_broker_metadata_metrics_last_applied_record_timestamp" [] in "ms",
        "kafka.server:type=broker-metadata-metrics, last-applied-record-timestamp",
        |it, out| put_of_cluster(it, out, applied_time_ms);
    /// How long ago that was: half a second, since the active controller writes that often.
    Gauge "kafka_server_broker_metadata_metrics_last_applied_record_lag_ms" [] in "ms",
        "kafka.server:type=broker-metadata-metrics, last-applied-record-lag-ms",
        |it, out| {
            let TimestampMs(now_ms) = it.now;
            put_of_cluster(it, out, |cluster| {
                applied_time_ms(cluster).map(|time_ms| (now_ms - time_ms).max(0))
            });
        };
    /// Records of the metadata log that are committed and not applied yet.
    Gauge "transferto_metadata_log_lag" [] in "records", "",
        |it, out| put_of_cluster(it, out, |cluster| Some(cluster.metadata_lag()));
    /// Up to where the metadata log is committed, as the active controller has told.
    Gauge "kafka_server_raft_metrics_high_watermark" [] in "offset",
        "kafka.server:type=raft-metrics, high-watermark",
        |it, out| put_of_cluster(it, out, |cluster| Some(cluster.high_watermark()));
    /// The epoch of the controllers.
    Gauge "kafka_server_raft_metrics_current_epoch" [] in "epoch",
        "kafka.server:type=raft-metrics, current-epoch",
        |it, out| put_of_cluster(it, out, |cluster| Some(cluster.leader_and_epoch().epoch.into()));
    /// The active controller; -1 while none is known.
    Gauge "kafka_server_raft_metrics_current_leader" [] in "id",
        "kafka.server:type=raft-metrics, current-leader",
        |it, out| put_of_cluster(it, out, |cluster| {
            Some(cluster.leader_and_epoch().leader_id.unwrap_or(-1).into())
        });
    /// The level of the metadata that the cluster has agreed on.
    Gauge "kafka_server_metadataloader_currentmetadataversion" [] in "level",
        "kafka.server:type=MetadataLoader,name=CurrentMetadataVersion",
        |it, out| put_of_cluster(it, out, |cluster| {
            Some(cluster.image().features.metadata_version().into())
        });
}

fn put_of_cluster(
    it: &Observed<'_>,
    out: &mut Samples<'_>,
    value: impl Fn(&ClusterView) -> Option<i64>,
) {
    out.put_known(it.parts.cluster.as_ref().and_then(value));
}

/// Not known before the first record.
fn applied_time_ms(cluster: &ClusterView) -> Option<i64> {
    let time_ms = cluster.image().provenance.last_contained_log_time_ms;
    (time_ms >= 0).then_some(time_ms)
}
