//! Port of `KafkaApis.handleDeleteRecordsRequest` and `handleDescribeLogDirsRequest`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{Level, log};
use nix::sys::statvfs::statvfs;

use crate::common::errors::{Errors, KafkaError};
use crate::common::log_limit::{LogKind, limited};
use crate::common::topic_partition::{TopicAndPartition, is_internal};
use crate::common::units::Offset;
use crate::protocol::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult, HIGH_WATERMARK,
};
use crate::protocol::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic, INVALID_OFFSET_LAG, UNKNOWN_VOLUME_BYTES,
};
use crate::protocol::request::ResponseBody;
use crate::replica::delayed_delete_records::{DeleteRecordsPartitionStatus, DeletedRecords};
use crate::replica::replica_manager::ReplicaManager;
use crate::server::apis::duplicates::NamedPartitions;
use crate::server::apis::parts::Parts;
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{Operation, Resource, ResourceType};
use crate::storage::log::log::Log;
use crate::storage::log_manager::LogManager;

/// Handles DeleteRecords and DescribeLogDirs.
pub(crate) struct LogApis {
    log_manager: Arc<LogManager>,
    replica_manager: Arc<ReplicaManager>,
    authorization: Authorization,
}

impl LogApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            log_manager: Arc::clone(&parts.log_manager),
            replica_manager: Arc::clone(&parts.replica_manager),
            authorization: parts.authorization(),
        }
    }

    /// Answered when the new beginnings of the logs are on disk, so that a restart brings nothing back, and when the
    /// followers that live have followed, or `timeout_ms` is over.
    pub(crate) fn handle_delete_records_request(
        &self,
        reply: Reply,
        request: &DeleteRecordsRequest,
    ) {
        let status = self.delete_on_leaders(&reply, request);
        let is_any_deleted = status.iter().any(|(_, it)| it.response.error.is_none());
        let kept = match is_any_deleted {
            true => self.log_manager.checkpoint_log_start_offsets(),
            false => Ok(()),
        };
        if let Err(error) = kept {
            let level = limited(LogKind::Failures, Level::Error);
            log!(level, "cannot write the log start offsets: {error}");
            let response = request.error_response(Errors::KafkaStorageError);
            reply.send_body(&ResponseBody::DeleteRecords(response));
            return;
        }
        let sizes =
            request.topics.iter().map(|it| (it.name.clone(), it.partitions.len())).collect();
        let callback = move |deleted| {
            reply.send_body(&ResponseBody::DeleteRecords(delete_records_response(sizes, deleted)));
        };
        let timeout_ms = i64::from(request.timeout_ms);
        self.replica_manager.await_deletions(timeout_ms, status, Box::new(callback));
    }

    /// What has become of each partition, in the order of the request.
    fn delete_on_leaders(
        &self,
        reply: &Reply,
        request: &DeleteRecordsRequest,
    ) -> Vec<(TopicAndPartition, DeleteRecordsPartitionStatus)> {
        let names = request.topics.iter().map(|it| it.name.as_str());
        let authorized = self.authorization.filter_by_authorized(
            &reply.context,
            Operation::Delete,
            ResourceType::Topic,
            names,
        );
        let (mut named, mut refusals) = (NamedPartitions::default(), Refusals::default());
        let mut status = Vec::new();
        for topic in &request.topics {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            for asked in &topic.partitions {
                let key = TopicAndPartition {
                    topic: Arc::clone(&name),
                    partition: asked.partition_index,
                };
                let deleted = authorized
                    .check(&name)
                    .and_then(|()| named.check_named_once(&key))
                    .and_then(|()| self.delete_records(&key, asked.offset));
                let deleted = deleted.unwrap_or_else(|error| {
                    refusals.note(&key, &error);
                    DeleteRecordsPartitionStatus::refused(error.code())
                });
                status.push((key, deleted));
            }
        }
        reply.log_refusals(&refusals);
        status
    }

    /// Port of `deleteRecordsOnLeader`: deletes the records below `offset` from the leader's log.
    fn delete_records(
        &self,
        key: &TopicAndPartition,
        offset: i64,
    ) -> Result<DeleteRecordsPartitionStatus, KafkaError> {
        if is_internal(&key.topic) {
            let why = "the topic is the broker's own";
            return Err(KafkaError::api(Errors::InvalidTopicException, why));
        }
        let partition = self.replica_manager.local_logs().get_partition_or_error(key)?;
        let replica = partition.leader_replica()?;
        if !replica.log.config().cleanup_policy.is_deleted() {
            let why = "a compacted log keeps the last record of each key";
            return Err(KafkaError::api(Errors::PolicyViolation, why));
        }
        let high_watermark = replica.high_watermark().message_offset;
        let offset = if offset == HIGH_WATERMARK { high_watermark } else { Offset(offset) };
        if !(Offset::FIRST..=high_watermark).contains(&offset) {
            let why = format!("offset {offset} is not in 0 to {high_watermark}");
            return Err(KafkaError::api(Errors::OffsetOutOfRange, why));
        }
        replica.log.delete_records_before(offset)?;
        let low_watermark = partition.low_watermark_if_leader()?;
        Ok(DeleteRecordsPartitionStatus::deleted(offset, low_watermark))
    }

    pub(crate) fn handle_describe_log_dirs_request(
        &self,
        reply: Reply,
        request: &DescribeLogDirsRequest,
    ) {
        if !self.authorization.authorize(&reply.context, Operation::Describe, Resource::CLUSTER) {
            let response = request.error_response(Errors::ClusterAuthorizationFailed);
            reply.send_body(&ResponseBody::DescribeLogDirs(response));
            return;
        }
        let wanted: Option<HashMap<&str, HashSet<i32>>> = request.topics.as_ref().map(|topics| {
            let mut wanted: HashMap<&str, HashSet<i32>> = HashMap::new();
            for topic in topics {
                wanted.entry(&topic.topic).or_default().extend(&topic.partitions);
            }
            wanted
        });
        let is_wanted = |log: &TopicAndPartition| {
            wanted.as_ref().is_none_or(|wanted| {
                wanted
                    .get(&*log.topic)
                    .is_some_and(|partitions| partitions.contains(&log.partition))
            })
        };
        let mut logs = self.log_manager.all_logs();
        logs.retain(|log| is_wanted(log.topic_and_partition()));
        let describe = |dir: &PathBuf| match self.log_manager.is_log_dir_online(dir) {
            true => self.described(dir, &logs),
            false => offline(dir),
        };
        let results = self.log_manager.log_dirs().iter().map(describe).collect();
        let response = DescribeLogDirsResponse { results, ..DescribeLogDirsResponse::default() };
        reply.send_body(&ResponseBody::DescribeLogDirs(response));
    }

    /// A log directory with those of `logs` that lie in it.
    fn described(&self, dir: &Path, logs: &[Arc<Log>]) -> DescribeLogDirsResult {
        let mut topics: BTreeMap<&str, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
        for log in logs.iter().filter(|log| log.dir().parent() == Some(dir)) {
            let TopicAndPartition { topic, partition } = log.topic_and_partition();
            topics.entry(topic).or_default().push(DescribeLogDirsPartition {
                partition_index: *partition,
                partition_size: i64::try_from(log.size()).unwrap_or(i64::MAX),
                offset_lag: self.offset_lag(log),
                ..DescribeLogDirsPartition::default()
            });
        }
        described(dir, topics)
    }

    /// Port of `getLogEndOffsetLag`.
    fn offset_lag(&self, log: &Log) -> i64 {
        let hosted = self.replica_manager.local_logs().get_partition(log.topic_and_partition());
        let Some(partition) = hosted else { return INVALID_OFFSET_LAG };
        let high_watermark = partition.local_replica().high_watermark().message_offset;
        (high_watermark.0 - log.log_end_offset().0).max(0)
    }
}

/// The answers, in topics of these sizes.
fn delete_records_response(
    sizes: Vec<(String, usize)>,
    deleted: Vec<(TopicAndPartition, DeletedRecords)>,
) -> DeleteRecordsResponse {
    let mut deleted = deleted.into_iter().map(|(key, it)| DeleteRecordsPartitionResult {
        partition_index: key.partition,
        low_watermark: it.low_watermark.0,
        error_code: it.error.unwrap_or(Errors::None).code(),
    });
    let topic = |(name, size): (String, usize)| DeleteRecordsTopicResult {
        name,
        partitions: deleted.by_ref().take(size).collect(),
    };
    let topics = sizes.into_iter().map(topic).collect();
    DeleteRecordsResponse { throttle_time_ms: 0, topics }
}

fn described(
    dir: &Path,
    topics: BTreeMap<&str, Vec<DescribeLogDirsPartition>>,
) -> DescribeLogDirsResult {
    let topic = |(name, mut partitions): (&str, Vec<DescribeLogDirsPartition>)| {
        partitions.sort_unstable_by_key(|it| it.partition_index);
        DescribeLogDirsTopic { name: name.to_string(), partitions }
    };
    let (total_bytes, usable_bytes) = volume_bytes(dir);
    DescribeLogDirsResult {
        log_dir: dir.display().to_string(),
        topics: topics.into_iter().map(topic).collect(),
        total_bytes,
        usable_bytes,
        ..DescribeLogDirsResult::default()
    }
}

/// A log directory of which nothing can be said.
fn offline(dir: &Path) -> DescribeLogDirsResult {
    DescribeLogDirsResult {
        error_code: Errors::KafkaStorageError.code(),
        log_dir: dir.display().to_string(),
        ..DescribeLogDirsResult::default()
    }
}

/// The size of a directory's disk, and how much of it this process may still fill, in bytes.
fn volume_bytes(dir: &Path) -> (i64, i64) {
    match statvfs(dir) {
        Ok(volume) => {
            let bytes = |blocks: u64| {
                i64::try_from(blocks.saturating_mul(volume.fragment_size())).unwrap_or(i64::MAX)
            };
            (bytes(volume.blocks()), bytes(volume.blocks_available()))
        }
        Err(errno) => {
            let level = limited(LogKind::Failures, Level::Warn);
            log!(level, "cannot read the disk size of {}: {errno}", dir.display());
            (UNKNOWN_VOLUME_BYTES, UNKNOWN_VOLUME_BYTES)
        }
    }
}
