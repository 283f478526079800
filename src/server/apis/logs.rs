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
    DeleteRecordsRequest, DeleteRecordsResponse, INVALID_LOW_WATERMARK,
};
use crate::protocol::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic, UNKNOWN_VOLUME_BYTES,
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

    /// Answered when the new beginnings of the logs are on disk, so that a restart brings nothing back, and the
    /// other replicas have followed, so that another leader brings nothing back either.
    pub(crate) fn handle_delete_records_request(
        &self,
        reply: Reply,
        request: DeleteRecordsRequest,
    ) {
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
                if let Err(error) = &deleted {
                    refusals.note(&key, error);
                }
                status.push(status_of(key, deleted));
            }
        }
        reply.log_refusals(&refusals);
        let is_any_deleted = status.iter().any(|it| it.required_offset.is_some());
        let kept = match is_any_deleted {
            true => self.log_manager.checkpoint_log_start_offsets(),
            false => Ok(()),
        };
        if let Err(error) = kept {
            let level = limited(LogKind::Failures, Level::Error);
            log!(level, "cannot write the log start offsets: {error}");
            let response = request.error_response(Errors::KafkaStorageError);
            return reply.send_body(&ResponseBody::DeleteRecords(response));
        }
        let timeout_ms = i64::from(request.timeout_ms);
        let answer = move |outcomes: Vec<DeletedRecords>| {
            let response = response_to(&request, &outcomes);
            reply.send_body(&ResponseBody::DeleteRecords(response));
        };
        self.replica_manager.await_low_watermarks(timeout_ms, status, Box::new(answer));
    }

    /// Deletes the records below `offset` here, and returns it: -1 stands for all of them.
    fn delete_records(&self, key: &TopicAndPartition, offset: i64) -> Result<Offset, KafkaError> {
        if is_internal(&key.topic) {
            let why = "the topic is the broker's own";
            return Err(KafkaError::api(Errors::InvalidTopicException, why));
        }
        let partition = self.replica_manager.local_logs().get_partition_or_error(key)?;
        partition.delete_records_on_leader(offset)
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
            true => described(dir, &logs),
            false => offline(dir),
        };
        let results = self.log_manager.log_dirs().iter().map(describe).collect();
        let response = DescribeLogDirsResponse { results, ..DescribeLogDirsResponse::default() };
        reply.send_body(&ResponseBody::DescribeLogDirs(response));
    }
}

/// What is known of a partition before its replicas have followed.
fn status_of(
    key: TopicAndPartition,
    deleted: Result<Offset, KafkaError>,
) -> DeleteRecordsPartitionStatus {
    let (required_offset, error) = match deleted {
        Ok(offset) => (Some(offset), None),
        Err(error) => (None, Some(error.code())),
    };
    let outcome = DeletedRecords { error, low_watermark: Offset(INVALID_LOW_WATERMARK) };
    DeleteRecordsPartitionStatus { key, required_offset, outcome }
}

/// `outcomes` are in the order of the request.
fn response_to(
    request: &DeleteRecordsRequest,
    outcomes: &[DeletedRecords],
) -> DeleteRecordsResponse {
    let mut outcomes = outcomes.iter();
    let mut response = request.error_response(Errors::UnknownServerError);
    for partition in response.topics.iter_mut().flat_map(|it| &mut it.partitions) {
        let Some(outcome) = outcomes.next() else { break };
        partition.error_code = outcome.error.unwrap_or(Errors::None).code();
        partition.low_watermark = outcome.low_watermark.0;
    }
    response
}

/// A log directory with those of `logs` that lie in it.
fn described(dir: &Path, logs: &[Arc<Log>]) -> DescribeLogDirsResult {
    let mut topics: BTreeMap<&str, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for log in logs.iter().filter(|log| log.dir().parent() == Some(dir)) {
        let TopicAndPartition { topic, partition } = log.topic_and_partition();
        topics.entry(topic).or_default().push(DescribeLogDirsPartition {
            partition_index: *partition,
            partition_size: i64::try_from(log.size()).unwrap_or(i64::MAX),
            ..DescribeLogDirsPartition::default()
        });
    }
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
