//! For each API a request that needs rights, the rights in the order in which they are missed, and
//! the errors that an answer says.

use Operation as Op;
use ResourceType::{Cluster, Group, Topic, TransactionalId};
use support::client::{fetch_request, produce_request};
use transferto::common::errors::Errors;
use transferto::protocol::acl_filter::AclFilter;
use transferto::protocol::alter_client_quotas::{AlterClientQuotasRequest, AlterEntryData, OpData};
use transferto::protocol::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterableConfig,
};
use transferto::protocol::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialUpsertion,
};
use transferto::protocol::create_acls::{AclCreation, CreateAclsRequest};
use transferto::protocol::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use transferto::protocol::create_topics::{CreatableTopic, CreateTopicsRequest};
use transferto::protocol::delete_acls::{DeleteAclsFilter, DeleteAclsRequest};
use transferto::protocol::delete_groups::DeleteGroupsRequest;
use transferto::protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use transferto::protocol::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use transferto::protocol::describe_acls::DescribeAclsRequest;
use transferto::protocol::describe_client_quotas::{DescribeClientQuotasRequest, EntityData};
use transferto::protocol::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use transferto::protocol::describe_groups::DescribeGroupsRequest;
use transferto::protocol::describe_log_dirs::DescribeLogDirsRequest;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::find_coordinator::FindCoordinatorRequest;
use transferto::protocol::heartbeat::HeartbeatRequest;
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use transferto::protocol::init_producer_id::InitProducerIdRequest;
use transferto::protocol::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use transferto::protocol::leave_group::{LeaveGroupRequest, MemberIdentity};
use transferto::protocol::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use transferto::protocol::metadata::{MetadataRequest, MetadataRequestTopic};
use transferto::protocol::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use transferto::protocol::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use transferto::protocol::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
};
use transferto::protocol::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::sync_group::SyncGroupRequest;
use transferto::protocol::wire::secret_bytes::SecretBytes;
use transferto::protocol::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest,
};
use transferto::server::security::authorizer::{CLUSTER_NAME, Operation, ResourceType};

pub(crate) const TOPIC: &str = "secret";
pub(crate) const GROUP: &str = "circle";

/// A right: what somebody may do with what.
pub(crate) type Right = (ResourceType, &'static str, Operation);

/// A request, and for each right that it needs the error without it.
pub(crate) struct Case {
    pub body: RequestBody,
    pub steps: Vec<(Errors, Right)>,
}

const NO_TOPIC: Errors = Errors::TopicAuthorizationFailed;
const NO_GROUP: Errors = Errors::GroupAuthorizationFailed;
const NO_CLUSTER: Errors = Errors::ClusterAuthorizationFailed;
const NO_ID: Errors = Errors::TransactionalIdAuthorizationFailed;

const fn topic(operation: Operation) -> (Errors, Right) {
    (NO_TOPIC, (Topic, TOPIC, operation))
}

const fn group(operation: Operation) -> (Errors, Right) {
    (NO_GROUP, (Group, GROUP, operation))
}

const fn cluster(operation: Operation) -> (Errors, Right) {
    (NO_CLUSTER, (Cluster, CLUSTER_NAME, operation))
}

/// That of a follower to what it copies.
const OF_BROKERS: (Errors, Right) = (NO_TOPIC, (Cluster, CLUSTER_NAME, Op::ClusterAction));

/// All requests that need a right, of each API at least one. They name the topic and the group
/// above, where nothing is destroyed by them before the last.
pub(crate) fn cases(records: usize) -> Vec<Case> {
    let case = |body, steps: &[(Errors, Right)]| Case { body, steps: steps.to_vec() };
    let follower = FetchRequest { replica_id: 1, ..fetch_request(TOPIC, 0, 0) };
    let produce = RequestBody::Produce(produce_request(1, TOPIC, 0, records));
    let new_id = || RequestBody::InitProducerId(InitProducerIdRequest::default());
    let find = |key_type| RequestBody::FindCoordinator(find_coordinator(key_type));
    let log_dirs = RequestBody::DescribeLogDirs(DescribeLogDirsRequest::default());
    let quotas = RequestBody::DescribeClientQuotas(DescribeClientQuotasRequest::default());
    vec![
        case(produce, &[topic(Op::Write)]),
        case(RequestBody::Fetch(fetch_request(TOPIC, 0, 0)), &[topic(Op::Read)]),
        case(RequestBody::Fetch(follower), &[OF_BROKERS]),
        case(RequestBody::ListOffsets(list_offsets()), &[topic(Op::Describe)]),
        case(RequestBody::OffsetForLeaderEpoch(epochs()), &[topic(Op::Describe)]),
        case(RequestBody::OffsetForLeaderEpoch(epochs()), &[OF_BROKERS]),
        case(RequestBody::WriteTxnMarkers(markers()), &[cluster(Op::ClusterAction)]),
        case(RequestBody::WriteTxnMarkers(markers()), &[cluster(Op::Alter)]),
        case(RequestBody::Metadata(metadata()), &[topic(Op::Describe)]),
        case(new_id(), &[cluster(Op::IdempotentWrite)]),
        case(new_id(), &[(NO_CLUSTER, (Topic, "any", Op::Write))]),
        case(find(0), &[group(Op::Describe)]),
        case(find(1), &[(NO_ID, (TransactionalId, GROUP, Op::Describe))]),
        case(RequestBody::JoinGroup(join()), &[group(Op::Read)]),
        case(RequestBody::SyncGroup(sync()), &[group(Op::Read)]),
        case(RequestBody::Heartbeat(heartbeat()), &[group(Op::Read)]),
        case(RequestBody::LeaveGroup(leave()), &[group(Op::Read)]),
        case(RequestBody::OffsetCommit(offset_commit()), &[group(Op::Read), topic(Op::Read)]),
        case(RequestBody::OffsetFetch(offset_fetch()), &[group(Op::Describe), topic(Op::Describe)]),
        case(RequestBody::OffsetDelete(offset_delete()), &[group(Op::Delete), topic(Op::Read)]),
        case(RequestBody::DescribeGroups(describe_groups()), &[group(Op::Describe)]),
        case(RequestBody::DeleteGroups(delete_groups()), &[group(Op::Delete)]),
        case(RequestBody::CreateTopics(create_topics()), &[topic(Op::Create)]),
        case(
            RequestBody::CreateTopics(create_topics()),
            &[(NO_TOPIC, (Cluster, CLUSTER_NAME, Op::Create))],
        ),
        case(RequestBody::CreatePartitions(create_partitions()), &[topic(Op::Alter)]),
        case(RequestBody::DeleteRecords(delete_records()), &[topic(Op::Delete)]),
        case(
            RequestBody::DescribeConfigs(describe_configs(2, TOPIC)),
            &[topic(Op::DescribeConfigs)],
        ),
        case(
            RequestBody::DescribeConfigs(describe_configs(4, "0")),
            &[cluster(Op::DescribeConfigs)],
        ),
        case(RequestBody::AlterConfigs(alter_configs(2, TOPIC)), &[topic(Op::AlterConfigs)]),
        case(RequestBody::AlterConfigs(alter_configs(4, "0")), &[cluster(Op::AlterConfigs)]),
        case(
            RequestBody::IncrementalAlterConfigs(incremental_alter_configs(2, TOPIC)),
            &[topic(Op::AlterConfigs)],
        ),
        case(
            RequestBody::IncrementalAlterConfigs(incremental_alter_configs(4, "0")),
            &[cluster(Op::AlterConfigs)],
        ),
        case(log_dirs, &[cluster(Op::Describe)]),
        case(RequestBody::DescribeAcls(describe_acls()), &[cluster(Op::Describe)]),
        case(RequestBody::CreateAcls(create_acls()), &[cluster(Op::Alter)]),
        case(RequestBody::DeleteAcls(delete_acls()), &[cluster(Op::Alter)]),
        case(quotas, &[cluster(Op::DescribeConfigs)]),
        case(RequestBody::AlterClientQuotas(alter_client_quotas()), &[cluster(Op::AlterConfigs)]),
        case(describe_scram(), &[cluster(Op::Describe)]),
        case(RequestBody::AlterUserScramCredentials(alter_scram()), &[cluster(Op::Alter)]),
        case(RequestBody::DeleteTopics(delete_topics()), &[topic(Op::Describe), topic(Op::Delete)]),
    ]
}

fn describe_scram() -> RequestBody {
    RequestBody::DescribeUserScramCredentials(Default::default())
}

fn list_offsets() -> ListOffsetsRequest {
    let partition = ListOffsetsPartition { max_num_offsets: 1, ..ListOffsetsPartition::default() };
    let topic = ListOffsetsTopic { name: TOPIC.to_string(), partitions: vec![partition] };
    ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() }
}

/// Of a transaction that nobody has begun here, so that nothing is written even with the right.
fn markers() -> WriteTxnMarkersRequest {
    let topic = WritableTxnMarkerTopic { name: TOPIC.to_string(), partition_indexes: vec![0] };
    let marker = WritableTxnMarker { topics: vec![topic], ..WritableTxnMarker::default() };
    WriteTxnMarkersRequest { markers: vec![marker] }
}

fn epochs() -> OffsetForLeaderEpochRequest {
    let partitions = vec![OffsetForLeaderPartition::default()];
    let topic = OffsetForLeaderTopic { topic: TOPIC.to_string(), partitions };
    OffsetForLeaderEpochRequest { topics: vec![topic], ..OffsetForLeaderEpochRequest::default() }
}

pub(crate) fn metadata_topic(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic { name: Some(name.to_string()), ..MetadataRequestTopic::default() }
}

fn metadata() -> MetadataRequest {
    MetadataRequest { topics: Some(vec![metadata_topic(TOPIC)]), ..MetadataRequest::default() }
}

pub(crate) fn find_coordinator(key_type: i8) -> FindCoordinatorRequest {
    let (key, coordinator_keys) = (GROUP.to_string(), vec![GROUP.to_string()]);
    FindCoordinatorRequest { key, key_type, coordinator_keys }
}

fn join() -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol { name: "range".to_string(), metadata: Vec::new() };
    JoinGroupRequest {
        group_id: GROUP.to_string(),
        // Not a member, so that nobody joins.
        member_id: "stranger".to_string(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".to_string(),
        protocols: vec![protocol],
        ..JoinGroupRequest::default()
    }
}

fn sync() -> SyncGroupRequest {
    SyncGroupRequest { group_id: GROUP.to_string(), ..SyncGroupRequest::default() }
}

fn heartbeat() -> HeartbeatRequest {
    HeartbeatRequest { group_id: GROUP.to_string(), ..HeartbeatRequest::default() }
}

fn leave() -> LeaveGroupRequest {
    let member = MemberIdentity { member_id: "stranger".to_string(), ..MemberIdentity::default() };
    LeaveGroupRequest {
        group_id: GROUP.to_string(),
        member_id: "stranger".to_string(),
        members: vec![member],
    }
}

pub(crate) fn offset_commit() -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        committed_offset: 1,
        committed_metadata: Some(String::new()),
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic { name: TOPIC.to_string(), partitions: vec![partition] };
    OffsetCommitRequest {
        group_id: GROUP.to_string(),
        generation_id: -1,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    }
}

fn offset_fetch() -> OffsetFetchRequest {
    let topic = OffsetFetchRequestTopic { name: TOPIC.to_string(), partition_indexes: vec![0] };
    let (group_id, topics) = (GROUP.to_string(), Some(vec![topic]));
    let group = OffsetFetchRequestGroup { group_id: group_id.clone(), topics: topics.clone() };
    OffsetFetchRequest { group_id, topics, groups: vec![group], ..OffsetFetchRequest::default() }
}

fn offset_delete() -> OffsetDeleteRequest {
    let partitions = vec![OffsetDeleteRequestPartition { partition_index: 0 }];
    let topic = OffsetDeleteRequestTopic { name: TOPIC.to_string(), partitions };
    OffsetDeleteRequest { group_id: GROUP.to_string(), topics: vec![topic] }
}

fn describe_groups() -> DescribeGroupsRequest {
    let groups = vec![GROUP.to_string()];
    DescribeGroupsRequest { groups, ..DescribeGroupsRequest::default() }
}

fn delete_groups() -> DeleteGroupsRequest {
    DeleteGroupsRequest { groups_names: vec![GROUP.to_string()] }
}

fn create_topics() -> CreateTopicsRequest {
    let topic = CreatableTopic {
        name: TOPIC.to_string(),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() }
}

fn create_partitions() -> CreatePartitionsRequest {
    let topic = CreatePartitionsTopic { name: TOPIC.to_string(), count: 2, assignments: None };
    let validate_only = true;
    CreatePartitionsRequest { topics: vec![topic], timeout_ms: 1000, validate_only }
}

fn delete_records() -> DeleteRecordsRequest {
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: 0 }];
    let topic = DeleteRecordsTopic { name: TOPIC.to_string(), partitions };
    DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1000 }
}

fn describe_configs(resource_type: i8, name: &str) -> DescribeConfigsRequest {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: name.to_string(),
        ..DescribeConfigsResource::default()
    };
    DescribeConfigsRequest { resources: vec![resource], ..DescribeConfigsRequest::default() }
}

fn alter_configs(resource_type: i8, name: &str) -> AlterConfigsRequest {
    let config =
        AlterableConfig { name: "retention.ms".to_string(), value: Some("1000".to_string()) };
    let resource_name = name.to_string();
    let resource = AlterConfigsResource { resource_type, resource_name, configs: vec![config] };
    AlterConfigsRequest { resources: vec![resource], validate_only: true }
}

fn incremental_alter_configs(resource_type: i8, name: &str) -> IncrementalAlterConfigsRequest {
    let config = IncrementalAlterableConfig {
        name: "retention.ms".to_string(),
        config_operation: 0,
        value: Some("1000".to_string()),
    };
    let resource_name = name.to_string();
    let resource =
        IncrementalAlterConfigsResource { resource_type, resource_name, configs: vec![config] };
    IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: true }
}

pub(crate) fn describe_acls() -> DescribeAclsRequest {
    DescribeAclsRequest { filter: any_acl() }
}

fn any_acl() -> AclFilter {
    AclFilter {
        resource_type_filter: 1,
        pattern_type_filter: 1,
        operation: 1,
        permission_type: 1,
        ..AclFilter::default()
    }
}

fn create_acls() -> CreateAclsRequest {
    CreateAclsRequest { creations: vec![creation((Topic, "x", Op::Read), "192.0.2.1", 3)] }
}

pub(crate) fn creation(
    (resource_type, name, operation): Right,
    host: &str,
    permission_type: i8,
) -> AclCreation {
    AclCreation {
        resource_type: resource_type.code(),
        resource_name: name.to_string(),
        resource_pattern_type: 3,
        principal: "User:ANONYMOUS".to_string(),
        host: host.to_string(),
        operation: operation.code(),
        permission_type,
    }
}

fn delete_acls() -> DeleteAclsRequest {
    DeleteAclsRequest { filters: vec![filter_of_host("192.0.2.1")] }
}

pub(crate) fn filter_of_host(host: &str) -> DeleteAclsFilter {
    DeleteAclsFilter { filter: AclFilter { host_filter: Some(host.to_string()), ..any_acl() } }
}

fn delete_topics() -> DeleteTopicsRequest {
    let (name, names) = (Some(TOPIC.to_string()), vec![TOPIC.to_string()]);
    let topic = DeleteTopicState { name, ..DeleteTopicState::default() };
    DeleteTopicsRequest { topics: vec![topic], topic_names: names, timeout_ms: 1000 }
}

/// Every error code of an answer, the zeros too.
pub(crate) fn codes(body: &ResponseBody) -> Vec<i16> {
    match body {
        ResponseBody::Produce(it) => {
            let partitions = it.responses.iter().flat_map(|it| &it.partition_responses);
            partitions.map(|it| it.error_code).collect()
        }
        ResponseBody::Fetch(it) => {
            let partitions = it.topics.iter().flat_map(|it| &it.partitions);
            partitions.map(|it| it.header.error_code).collect()
        }
        ResponseBody::ListOffsets(it) => {
            it.topics.iter().flat_map(|it| &it.partitions).map(|it| it.error_code).collect()
        }
        ResponseBody::WriteTxnMarkers(it) => {
            let topics = it.markers.iter().flat_map(|it| &it.topics);
            topics.flat_map(|it| &it.partitions).map(|it| it.error_code).collect()
        }
        ResponseBody::OffsetForLeaderEpoch(it) => {
            it.topics.iter().flat_map(|it| &it.partitions).map(|it| it.error_code).collect()
        }
        ResponseBody::Metadata(it) => it.topics.iter().map(|it| it.error_code).collect(),
        ResponseBody::InitProducerId(it) => vec![it.error_code],
        ResponseBody::FindCoordinator(it) if it.coordinators.is_empty() => vec![it.error_code],
        ResponseBody::FindCoordinator(it) => {
            it.coordinators.iter().map(|it| it.error_code).collect()
        }
        ResponseBody::JoinGroup(it) => vec![it.error_code],
        ResponseBody::SyncGroup(it) => vec![it.error_code],
        ResponseBody::Heartbeat(it) => vec![it.error_code],
        ResponseBody::LeaveGroup(it) => vec![it.error_code],
        ResponseBody::OffsetCommit(it) => {
            it.topics.iter().flat_map(|it| &it.partitions).map(|it| it.error_code).collect()
        }
        ResponseBody::OffsetFetch(it) => {
            let of_groups = it.groups.iter().flat_map(|it| &it.topics);
            let partitions = it.topics.iter().chain(of_groups).flat_map(|it| &it.partitions);
            let groups = it.groups.iter().map(|it| it.error_code);
            let of_all = groups.chain([it.error_code]).filter(|it| *it != 0);
            partitions.map(|it| it.error_code).chain(of_all).collect()
        }
        ResponseBody::OffsetDelete(it) if it.topics.is_empty() => vec![it.error_code],
        ResponseBody::OffsetDelete(it) => {
            it.topics.iter().flat_map(|it| &it.partitions).map(|it| it.error_code).collect()
        }
        ResponseBody::DescribeGroups(it) => it.groups.iter().map(|it| it.error_code).collect(),
        ResponseBody::DeleteGroups(it) => it.results.iter().map(|it| it.error_code).collect(),
        ResponseBody::CreateTopics(it) => it.topics.iter().map(|it| it.error_code).collect(),
        ResponseBody::DeleteTopics(it) => it.responses.iter().map(|it| it.error_code).collect(),
        ResponseBody::CreatePartitions(it) => it.results.iter().map(|it| it.error_code).collect(),
        ResponseBody::DeleteRecords(it) => {
            it.topics.iter().flat_map(|it| &it.partitions).map(|it| it.error_code).collect()
        }
        ResponseBody::DescribeConfigs(it) => it.results.iter().map(|it| it.error_code).collect(),
        ResponseBody::AlterConfigs(it) => it.responses.iter().map(|it| it.error_code).collect(),
        ResponseBody::IncrementalAlterConfigs(it) => {
            it.responses.iter().map(|it| it.error_code).collect()
        }
        ResponseBody::DescribeLogDirs(it) => vec![it.error_code],
        ResponseBody::DescribeAcls(it) => vec![it.error_code],
        ResponseBody::CreateAcls(it) => it.results.iter().map(|it| it.error_code).collect(),
        ResponseBody::DeleteAcls(it) => it.filter_results.iter().map(|it| it.error_code).collect(),
        ResponseBody::DescribeClientQuotas(it) => vec![it.error_code],
        ResponseBody::DescribeUserScramCredentials(it) => vec![it.error_code],
        ResponseBody::AlterUserScramCredentials(it) => {
            it.results.iter().map(|it| it.error_code).collect()
        }
        ResponseBody::AlterClientQuotas(it) => it.entries.iter().map(|it| it.error_code).collect(),
        other => panic!("{other:?}"),
    }
}

fn alter_scram() -> AlterUserScramCredentialsRequest {
    let upsertion = ScramCredentialUpsertion {
        name: "alice".to_string(),
        mechanism: 1,
        iterations: 4096,
        salt: b"salt".to_vec(),
        salted_password: SecretBytes(vec![1; 32]),
    };
    AlterUserScramCredentialsRequest { deletions: vec![], upsertions: vec![upsertion] }
}

fn alter_client_quotas() -> AlterClientQuotasRequest {
    let entity =
        EntityData { entity_type: "client-id".to_string(), entity_name: Some("c".to_string()) };
    let op = OpData { key: "producer_byte_rate".to_string(), value: 1e9, remove: false };
    let entry = AlterEntryData { entity: vec![entity], ops: vec![op] };
    AlterClientQuotasRequest { entries: vec![entry], validate_only: true }
}
