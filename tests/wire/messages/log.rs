//! One message of each kind that is about the log, the topics and the versions.

use transferto::protocol::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use transferto::protocol::fetch::{
    self, AbortedTransaction, FetchPartition, FetchRequest, FetchResponse, FetchResponseHeader,
    FetchResponsePartition, FetchResponseTopic, FetchTopic, ForgottenTopic, LeaderIdAndEpoch,
    NodeEndpoint, PartitionHeader, ReplicaState, SnapshotId, TopicHeader,
};
use transferto::protocol::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use transferto::protocol::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, ListOffsetsTopicResponse,
};
use transferto::protocol::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use transferto::protocol::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopic, OffsetForLeaderTopicResult,
};
use transferto::protocol::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch as ProduceLeader,
    NodeEndpoint as ProduceNodeEndpoint, PartitionProduceData, PartitionProduceResponse,
    ProduceRequest, ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::uuid::Uuid;
use transferto::protocol::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopic, WritableTxnMarkerTopicResult, WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
};

const TOPIC_ID: Uuid = Uuid([0xAA; 16]);

/// What the records of the messages below are ranges of.
pub(crate) const RECORDS: &[u8] = b"the records of one partition";

/// A request of each API.
pub(crate) fn requests() -> Vec<RequestBody> {
    vec![
        RequestBody::Produce(produce_request()),
        RequestBody::Fetch(fetch_request()),
        RequestBody::ListOffsets(list_offsets_request()),
        RequestBody::Metadata(metadata_request()),
        RequestBody::ApiVersions(api_versions_request()),
        RequestBody::InitProducerId(init_producer_id_request()),
        RequestBody::OffsetForLeaderEpoch(offset_for_leader_epoch_request()),
        RequestBody::WriteTxnMarkers(write_txn_markers_request()),
    ]
}

/// A request of each API with nothing in it: null and empty wherever it may be.
pub(crate) fn empty_requests() -> Vec<RequestBody> {
    vec![
        RequestBody::Produce(ProduceRequest::default()),
        RequestBody::Fetch(FetchRequest::default()),
        RequestBody::ListOffsets(ListOffsetsRequest::default()),
        RequestBody::Metadata(MetadataRequest::default()),
        RequestBody::ApiVersions(ApiVersionsRequest::default()),
        RequestBody::InitProducerId(InitProducerIdRequest::default()),
        RequestBody::OffsetForLeaderEpoch(OffsetForLeaderEpochRequest::default()),
        RequestBody::WriteTxnMarkers(WriteTxnMarkersRequest::default()),
    ]
}

/// A response of each API.
pub(crate) fn responses() -> Vec<ResponseBody> {
    vec![
        ResponseBody::Produce(produce_response()),
        ResponseBody::Fetch(fetch_response()),
        ResponseBody::ListOffsets(list_offsets_response()),
        ResponseBody::Metadata(metadata_response()),
        ResponseBody::ApiVersions(api_versions_response()),
        ResponseBody::InitProducerId(init_producer_id_response()),
        ResponseBody::OffsetForLeaderEpoch(offset_for_leader_epoch_response()),
        ResponseBody::WriteTxnMarkers(write_txn_markers_response()),
    ]
}

pub(crate) fn produce_request() -> ProduceRequest {
    let partitions = vec![
        PartitionProduceData { index: 3, records: Some(0..RECORDS.len()) },
        PartitionProduceData { index: 4, records: None },
    ];
    ProduceRequest {
        transactional_id: Some("tx".into()),
        acks: 1,
        timeout_ms: 1500,
        topics: vec![TopicProduceData { name: "test".into(), partitions }],
    }
}

pub(crate) fn produce_response() -> ProduceResponse {
    let record_error =
        BatchIndexAndErrorMessage { batch_index: 6, batch_index_error_message: Some("bad".into()) };
    let partition = PartitionProduceResponse {
        index: 3,
        error_code: 87,
        base_offset: 0x0102,
        log_append_time_ms: 0x0304,
        log_start_offset: 0x0506,
        record_errors: vec![record_error],
        error_message: Some("why".into()),
        current_leader: ProduceLeader { leader_id: 7, leader_epoch: 8 },
    };
    let topic = TopicProduceResponse { name: "test".into(), partition_responses: vec![partition] };
    let node = ProduceNodeEndpoint {
        node_id: 7,
        host: "localhost".into(),
        port: 9092,
        rack: Some("r".into()),
    };
    ProduceResponse { responses: vec![topic], throttle_time_ms: 9, node_endpoints: vec![node] }
}

pub(crate) fn fetch_request() -> FetchRequest {
    let partition = FetchPartition {
        partition: 3,
        current_leader_epoch: 4,
        fetch_offset: 0x0102,
        last_fetched_epoch: 5,
        log_start_offset: 0x0304,
        partition_max_bytes: 0x0010_0000,
        replica_directory_id: TOPIC_ID,
        high_watermark: 9,
    };
    FetchRequest {
        replica_id: -1,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 0x0320_0000,
        isolation_level: 1,
        session_id: 6,
        session_epoch: 7,
        topics: vec![FetchTopic {
            topic: "test".into(),
            topic_id: TOPIC_ID,
            partitions: vec![partition],
        }],
        forgotten_topics: vec![ForgottenTopic {
            topic: "old".into(),
            topic_id: TOPIC_ID,
            partitions: vec![8],
        }],
        rack_id: "r".into(),
        cluster_id: Some("c".into()),
        replica_state: ReplicaState { replica_id: 2, replica_epoch: 0x0506 },
    }
}

pub(crate) fn fetch_response() -> FetchResponse {
    let header = PartitionHeader {
        partition: 3,
        error_code: 1,
        high_watermark: 0x0102,
        last_stable_offset: 0x0304,
        log_start_offset: 0x0506,
        aborted_transactions: Some(vec![AbortedTransaction { producer_id: 7, first_offset: 8 }]),
        preferred_read_replica: 5,
    };
    let partition = FetchResponsePartition {
        header,
        records: Some(0..RECORDS.len()),
        diverging_epoch: fetch::EpochEndOffset { epoch: 2, end_offset: 0x0708 },
        current_leader: LeaderIdAndEpoch { leader_id: 3, leader_epoch: 4 },
        snapshot_id: SnapshotId { end_offset: 0x090A, epoch: 5 },
    };
    let topic = FetchResponseTopic {
        header: TopicHeader { topic: "test".into(), topic_id: TOPIC_ID },
        partitions: vec![partition],
    };
    let header = FetchResponseHeader { throttle_time_ms: 9, error_code: 70, session_id: 6 };
    let node = NodeEndpoint { node_id: 3, host: "h".into(), port: 9092, rack: Some("r".into()) };
    FetchResponse { header, topics: vec![topic], node_endpoints: vec![node] }
}

pub(crate) fn list_offsets_request() -> ListOffsetsRequest {
    let partition = ListOffsetsPartition {
        partition_index: 3,
        current_leader_epoch: 4,
        timestamp: -2,
        max_num_offsets: 1,
    };
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: 1,
        topics: vec![ListOffsetsTopic { name: "test".into(), partitions: vec![partition] }],
        timeout_ms: 1500,
    }
}

pub(crate) fn list_offsets_response() -> ListOffsetsResponse {
    let partition = ListOffsetsPartitionResponse {
        partition_index: 3,
        error_code: 1,
        old_style_offsets: Vec::new(),
        timestamp: 0x0102,
        offset: 0x0304,
        leader_epoch: 5,
    };
    let topic = ListOffsetsTopicResponse { name: "test".into(), partitions: vec![partition] };
    ListOffsetsResponse { throttle_time_ms: 9, topics: vec![topic] }
}

pub(crate) fn metadata_request() -> MetadataRequest {
    let topic = MetadataRequestTopic { topic_id: TOPIC_ID, name: Some("test".into()) };
    MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: false,
        include_cluster_authorized_operations: false,
        include_topic_authorized_operations: true,
    }
}

pub(crate) fn metadata_response() -> MetadataResponse {
    let broker = MetadataResponseBroker {
        node_id: 1,
        host: "localhost".into(),
        port: 9092,
        rack: Some("r".into()),
    };
    let partition = MetadataResponsePartition {
        error_code: 9,
        partition_index: 3,
        leader_id: 1,
        leader_epoch: 4,
        replica_nodes: vec![1, 2],
        isr_nodes: vec![1],
        offline_replicas: vec![2],
    };
    let topic = MetadataResponseTopic {
        error_code: 5,
        name: Some("test".into()),
        topic_id: TOPIC_ID,
        is_internal: true,
        partitions: vec![partition],
        topic_authorized_operations: 0x0102_0304,
    };
    MetadataResponse {
        throttle_time_ms: 9,
        brokers: vec![broker],
        cluster_id: Some("c".into()),
        controller_id: 1,
        topics: vec![topic],
        ..MetadataResponse::default()
    }
}

pub(crate) fn api_versions_request() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: "librdkafka".into(),
        client_software_version: "2.3.0".into(),
    }
}

pub(crate) fn api_versions_response() -> ApiVersionsResponse {
    let api_keys = vec![
        ApiVersion { api_key: 0, min_version: 0, max_version: 11 },
        ApiVersion { api_key: 1, min_version: 4, max_version: 12 },
    ];
    ApiVersionsResponse {
        error_code: 35,
        api_keys,
        throttle_time_ms: 9,
        ..ApiVersionsResponse::default()
    }
}

pub(crate) fn init_producer_id_request() -> InitProducerIdRequest {
    InitProducerIdRequest {
        transactional_id: Some("tx".into()),
        transaction_timeout_ms: 1500,
        producer_id: 0x0102,
        producer_epoch: 3,
    }
}

pub(crate) fn init_producer_id_response() -> InitProducerIdResponse {
    InitProducerIdResponse {
        throttle_time_ms: 9,
        error_code: 53,
        producer_id: 0x0102,
        producer_epoch: 3,
    }
}

pub(crate) fn offset_for_leader_epoch_request() -> OffsetForLeaderEpochRequest {
    let partition =
        OffsetForLeaderPartition { partition: 3, current_leader_epoch: 5, leader_epoch: 4 };
    let topic = OffsetForLeaderTopic { topic: "test".into(), partitions: vec![partition] };
    OffsetForLeaderEpochRequest { replica_id: -1, topics: vec![topic] }
}

pub(crate) fn offset_for_leader_epoch_response() -> OffsetForLeaderEpochResponse {
    let partition =
        EpochEndOffset { error_code: 74, partition: 3, leader_epoch: 4, end_offset: 0x0102 };
    let topic = OffsetForLeaderTopicResult { topic: "test".into(), partitions: vec![partition] };
    OffsetForLeaderEpochResponse { throttle_time_ms: 9, topics: vec![topic] }
}

pub(crate) fn write_txn_markers_request() -> WriteTxnMarkersRequest {
    let topic = WritableTxnMarkerTopic { name: "test".into(), partition_indexes: vec![3, 4] };
    let marker = WritableTxnMarker {
        producer_id: 0x0102,
        producer_epoch: 5,
        transaction_result: true,
        topics: vec![topic],
        coordinator_epoch: 6,
    };
    WriteTxnMarkersRequest { markers: vec![marker] }
}

pub(crate) fn write_txn_markers_response() -> WriteTxnMarkersResponse {
    let partition = WritableTxnMarkerPartitionResult { partition_index: 3, error_code: 43 };
    let topic = WritableTxnMarkerTopicResult { name: "test".into(), partitions: vec![partition] };
    let marker = WritableTxnMarkerResult { producer_id: 0x0102, topics: vec![topic] };
    WriteTxnMarkersResponse { markers: vec![marker] }
}
