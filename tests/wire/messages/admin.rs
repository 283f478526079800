//! One message of each kind that is about topics, brokers and their settings.

use transferto::protocol::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
    AlterableConfig,
};
use transferto::protocol::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsTopic, CreatePartitionsTopicResult,
};
use transferto::protocol::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicConfigs,
    CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use transferto::protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteRecordsTopic, DeleteRecordsTopicResult,
};
use transferto::protocol::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use transferto::protocol::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use transferto::protocol::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use transferto::protocol::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest,
    DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource,
    IncrementalAlterConfigsResponse, IncrementalAlterableConfig,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::uuid::Uuid;

/// A request of each API.
pub(crate) fn requests() -> Vec<RequestBody> {
    vec![
        RequestBody::CreateTopics(create_topics_request()),
        RequestBody::DeleteTopics(delete_topics_request()),
        RequestBody::DeleteRecords(delete_records_request()),
        RequestBody::CreatePartitions(create_partitions_request()),
        RequestBody::DescribeConfigs(describe_configs_request()),
        RequestBody::AlterConfigs(alter_configs_request()),
        RequestBody::IncrementalAlterConfigs(incremental_alter_configs_request()),
        RequestBody::DescribeCluster(describe_cluster_request()),
        RequestBody::DescribeLogDirs(describe_log_dirs_request()),
    ]
}

/// A request of each API with nothing in it: null and empty wherever it may be.
pub(crate) fn empty_requests() -> Vec<RequestBody> {
    vec![
        RequestBody::CreateTopics(CreateTopicsRequest::default()),
        RequestBody::DeleteTopics(DeleteTopicsRequest::default()),
        RequestBody::DeleteRecords(DeleteRecordsRequest::default()),
        RequestBody::CreatePartitions(CreatePartitionsRequest::default()),
        RequestBody::DescribeConfigs(DescribeConfigsRequest::default()),
        RequestBody::AlterConfigs(AlterConfigsRequest::default()),
        RequestBody::IncrementalAlterConfigs(IncrementalAlterConfigsRequest::default()),
        RequestBody::DescribeCluster(DescribeClusterRequest::default()),
        RequestBody::DescribeLogDirs(DescribeLogDirsRequest::default()),
    ]
}

/// A response of each API.
pub(crate) fn responses() -> Vec<ResponseBody> {
    vec![
        ResponseBody::CreateTopics(create_topics_response()),
        ResponseBody::DeleteTopics(delete_topics_response()),
        ResponseBody::DeleteRecords(delete_records_response()),
        ResponseBody::CreatePartitions(create_partitions_response()),
        ResponseBody::DescribeConfigs(describe_configs_response()),
        ResponseBody::AlterConfigs(alter_configs_response()),
        ResponseBody::IncrementalAlterConfigs(incremental_alter_configs_response()),
        ResponseBody::DescribeCluster(describe_cluster_response()),
        ResponseBody::DescribeLogDirs(describe_log_dirs_response()),
    ]
}

pub(crate) fn create_topics_request() -> CreateTopicsRequest {
    let assignment = CreatableReplicaAssignment { partition_index: 3, broker_ids: vec![1, 2] };
    let configs = vec![
        CreatableTopicConfig { name: "a".into(), value: Some("b".into()) },
        CreatableTopicConfig { name: "c".into(), value: None },
    ];
    let topic = CreatableTopic {
        name: "test".into(),
        num_partitions: 4,
        replication_factor: 5,
        assignments: vec![assignment],
        configs,
    };
    CreateTopicsRequest { topics: vec![topic], timeout_ms: 1500, validate_only: true }
}

pub(crate) fn create_topics_response() -> CreateTopicsResponse {
    let config = CreatableTopicConfigs {
        name: "a".into(),
        value: Some("b".into()),
        read_only: true,
        config_source: 5,
        is_sensitive: true,
    };
    let topic = CreatableTopicResult {
        name: "test".into(),
        topic_id: Uuid([0xAA; 16]),
        error_code: 36,
        error_message: Some("why".into()),
        num_partitions: 4,
        replication_factor: 1,
        configs: Some(vec![config]),
    };
    CreateTopicsResponse { throttle_time_ms: 9, topics: vec![topic] }
}

/// With the names of the versions up to 5, and the names and ids of version 6.
pub(crate) fn delete_topics_request() -> DeleteTopicsRequest {
    let topics = vec![
        DeleteTopicState { name: Some("new".into()), topic_id: Uuid::ZERO },
        DeleteTopicState { name: None, topic_id: Uuid([0xAA; 16]) },
    ];
    DeleteTopicsRequest { topics, topic_names: vec!["test".into(), "old".into()], timeout_ms: 1500 }
}

pub(crate) fn delete_topics_response() -> DeleteTopicsResponse {
    let response = DeletableTopicResult {
        name: Some("test".into()),
        topic_id: Uuid([0xAA; 16]),
        error_code: 3,
        error_message: Some("why".into()),
    };
    DeleteTopicsResponse { throttle_time_ms: 9, responses: vec![response] }
}

pub(crate) fn delete_records_request() -> DeleteRecordsRequest {
    let partition = DeleteRecordsPartition { partition_index: 3, offset: 0x0102 };
    let topic = DeleteRecordsTopic { name: "test".into(), partitions: vec![partition] };
    DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1500 }
}

pub(crate) fn delete_records_response() -> DeleteRecordsResponse {
    let partition =
        DeleteRecordsPartitionResult { partition_index: 3, low_watermark: 0x0102, error_code: 1 };
    let topic = DeleteRecordsTopicResult { name: "test".into(), partitions: vec![partition] };
    DeleteRecordsResponse { throttle_time_ms: 9, topics: vec![topic] }
}

pub(crate) fn create_partitions_request() -> CreatePartitionsRequest {
    let assignment = CreatePartitionsAssignment { broker_ids: vec![1, 2] };
    let topics = vec![
        CreatePartitionsTopic {
            name: "test".into(),
            count: 4,
            assignments: Some(vec![assignment]),
        },
        CreatePartitionsTopic { name: "old".into(), count: 5, assignments: None },
    ];
    CreatePartitionsRequest { topics, timeout_ms: 1500, validate_only: true }
}

pub(crate) fn create_partitions_response() -> CreatePartitionsResponse {
    let result = CreatePartitionsTopicResult {
        name: "test".into(),
        error_code: 37,
        error_message: Some("why".into()),
    };
    CreatePartitionsResponse { throttle_time_ms: 9, results: vec![result] }
}

pub(crate) fn describe_configs_request() -> DescribeConfigsRequest {
    let resources = vec![
        DescribeConfigsResource {
            resource_type: 2,
            resource_name: "test".into(),
            configuration_keys: Some(vec!["a".into()]),
        },
        DescribeConfigsResource {
            resource_type: 4,
            resource_name: "1".into(),
            configuration_keys: None,
        },
    ];
    DescribeConfigsRequest { resources, include_synonyms: true, include_documentation: true }
}

pub(crate) fn describe_configs_response() -> DescribeConfigsResponse {
    let synonym =
        DescribeConfigsSynonym { name: "log.a".into(), value: Some("c".into()), source: 4 };
    let config = DescribeConfigsResourceResult {
        name: "a".into(),
        value: Some("b".into()),
        read_only: false,
        is_default: true,
        config_source: 5,
        is_sensitive: true,
        synonyms: vec![synonym],
        config_type: 7,
        documentation: Some("what".into()),
    };
    let result = DescribeConfigsResult {
        error_code: 40,
        error_message: Some("why".into()),
        resource_type: 2,
        resource_name: "test".into(),
        configs: vec![config],
    };
    DescribeConfigsResponse { throttle_time_ms: 9, results: vec![result] }
}

pub(crate) fn alter_configs_request() -> AlterConfigsRequest {
    let configs = vec![
        AlterableConfig { name: "a".into(), value: Some("b".into()) },
        AlterableConfig { name: "c".into(), value: None },
    ];
    let resource = AlterConfigsResource { resource_type: 2, resource_name: "test".into(), configs };
    AlterConfigsRequest { resources: vec![resource], validate_only: true }
}

pub(crate) fn alter_configs_response() -> AlterConfigsResponse {
    AlterConfigsResponse { throttle_time_ms: 9, responses: vec![altered_resource()] }
}

pub(crate) fn incremental_alter_configs_request() -> IncrementalAlterConfigsRequest {
    let configs = vec![
        IncrementalAlterableConfig {
            name: "a".into(),
            config_operation: 2,
            value: Some("b".into()),
        },
        IncrementalAlterableConfig { name: "c".into(), config_operation: 1, value: None },
    ];
    let resource =
        IncrementalAlterConfigsResource { resource_type: 2, resource_name: "test".into(), configs };
    IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: true }
}

pub(crate) fn incremental_alter_configs_response() -> IncrementalAlterConfigsResponse {
    IncrementalAlterConfigsResponse { throttle_time_ms: 9, responses: vec![altered_resource()] }
}

fn altered_resource() -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse {
        error_code: 40,
        error_message: Some("why".into()),
        resource_type: 2,
        resource_name: "test".into(),
    }
}

pub(crate) fn describe_cluster_request() -> DescribeClusterRequest {
    DescribeClusterRequest {
        include_cluster_authorized_operations: true,
        endpoint_type: 2,
        include_fenced_brokers: true,
    }
}

pub(crate) fn describe_cluster_response() -> DescribeClusterResponse {
    let broker = DescribeClusterBroker {
        broker_id: 1,
        host: "localhost".into(),
        port: 9092,
        rack: Some("r".into()),
        is_fenced: true,
    };
    DescribeClusterResponse {
        throttle_time_ms: 9,
        error_code: 31,
        error_message: Some("why".into()),
        endpoint_type: 2,
        cluster_id: "c".into(),
        controller_id: 3,
        brokers: vec![broker],
        cluster_authorized_operations: 0x0102_0304,
    }
}

pub(crate) fn describe_log_dirs_request() -> DescribeLogDirsRequest {
    let topic = DescribableLogDirTopic { topic: "test".into(), partitions: vec![3, 4] };
    DescribeLogDirsRequest { topics: Some(vec![topic]) }
}

pub(crate) fn describe_log_dirs_response() -> DescribeLogDirsResponse {
    let partition = DescribeLogDirsPartition {
        partition_index: 3,
        partition_size: 0x0102,
        offset_lag: 0x0304,
        is_future_key: true,
    };
    let topic = DescribeLogDirsTopic { name: "test".into(), partitions: vec![partition] };
    let result = DescribeLogDirsResult {
        error_code: 56,
        log_dir: "/d".into(),
        topics: vec![topic],
        total_bytes: 0x0506,
        usable_bytes: 0x0708,
    };
    DescribeLogDirsResponse { throttle_time_ms: 9, error_code: 31, results: vec![result] }
}
