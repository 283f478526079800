//! A second opinion: the `kafka-protocol` crate, generated from Kafka's own tables, reads what we
//! write in every version and writes the same bytes again. In the newest version each field must
//! also have arrived in the right place: here what is about the log, and in files beside this one
//! what is about groups and administration.

use kafka_protocol::messages as theirs;
use transferto::protocol::api_keys::ApiKeys;

use crate::messages::log::RECORDS;
use crate::oracle::of_all_versions::{request, response};
use crate::oracle::{of_all_versions, of_today};

/// Both directions of each API in all versions that the oracle knows; the compiler asks for the
/// APIs that are missing. Returns the versions of each API that it does not know.
macro_rules! assert_all_are_read_alike {
    ($oracle:ident, $release:ident) => {
        assert_all_are_read_alike! { $oracle, $release;
            Produce: ProduceRequest, ProduceResponse;
            Fetch: FetchRequest, FetchResponse;
            ListOffsets: ListOffsetsRequest, ListOffsetsResponse;
            Metadata: MetadataRequest, MetadataResponse;
            OffsetCommit: OffsetCommitRequest, OffsetCommitResponse;
            OffsetFetch: OffsetFetchRequest, OffsetFetchResponse;
            FindCoordinator: FindCoordinatorRequest, FindCoordinatorResponse;
            JoinGroup: JoinGroupRequest, JoinGroupResponse;
            Heartbeat: HeartbeatRequest, HeartbeatResponse;
            LeaveGroup: LeaveGroupRequest, LeaveGroupResponse;
            SyncGroup: SyncGroupRequest, SyncGroupResponse;
            DescribeGroups: DescribeGroupsRequest, DescribeGroupsResponse;
            ListGroups: ListGroupsRequest, ListGroupsResponse;
            SaslHandshake: SaslHandshakeRequest, SaslHandshakeResponse;
            ApiVersions: ApiVersionsRequest, ApiVersionsResponse;
            CreateTopics: CreateTopicsRequest, CreateTopicsResponse;
            DeleteTopics: DeleteTopicsRequest, DeleteTopicsResponse;
            DeleteRecords: DeleteRecordsRequest, DeleteRecordsResponse;
            InitProducerId: InitProducerIdRequest, InitProducerIdResponse;
            OffsetForLeaderEpoch: OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
            WriteTxnMarkers: WriteTxnMarkersRequest, WriteTxnMarkersResponse;
            DescribeAcls: DescribeAclsRequest, DescribeAclsResponse;
            CreateAcls: CreateAclsRequest, CreateAclsResponse;
            DeleteAcls: DeleteAclsRequest, DeleteAclsResponse;
            DescribeConfigs: DescribeConfigsRequest, DescribeConfigsResponse;
            AlterConfigs: AlterConfigsRequest, AlterConfigsResponse;
            DescribeLogDirs: DescribeLogDirsRequest, DescribeLogDirsResponse;
            SaslAuthenticate: SaslAuthenticateRequest, SaslAuthenticateResponse;
            CreatePartitions: CreatePartitionsRequest, CreatePartitionsResponse;
            DeleteGroups: DeleteGroupsRequest, DeleteGroupsResponse;
            IncrementalAlterConfigs: IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
            OffsetDelete: OffsetDeleteRequest, OffsetDeleteResponse;
            DescribeClientQuotas: DescribeClientQuotasRequest, DescribeClientQuotasResponse;
            AlterClientQuotas: AlterClientQuotasRequest, AlterClientQuotasResponse;
            DescribeUserScramCredentials: DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse;
            AlterUserScramCredentials: AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse;
            DescribeCluster: DescribeClusterRequest, DescribeClusterResponse;
        }
    };
    ($oracle:ident, $release:ident; $($api:ident: $request:ident, $response:ident;)+) => {
        ApiKeys::ALL.iter().map(|&api| (api, match api {$(
            ApiKeys::$api => $oracle::assert_read_alike::<
                $release::messages::$request,
                $release::messages::$response,
            >(api),
        )+
            forwarded => unreachable!("{forwarded:?} has no table here"),
        })).collect::<Vec<(ApiKeys, Vec<i16>)>>()
    };
}

#[test]
fn every_version_is_read_and_written_alike() {
    let unknown = assert_all_are_read_alike!(of_all_versions, kafka_protocol);
    for (api, versions) in unknown {
        assert_eq!(versions, newer_than_the_oracle(api), "{api:?}");
    }
}

/// What release 0.15.1 does not know yet. The other one knows these, but for version 11 of ListOffsets,
/// which brought no field.
fn newer_than_the_oracle(api: ApiKeys) -> &'static [i16] {
    match api {
        ApiKeys::Fetch => &[18],
        ApiKeys::DescribeCluster => &[2],
        ApiKeys::ListOffsets => &[10, LIST_OFFSETS_WITHOUT_ORACLE],
        _ => &[],
    }
}

const LIST_OFFSETS_WITHOUT_ORACLE: i16 = 11;

#[test]
fn the_versions_of_today_are_read_and_written_alike() {
    let unknown = assert_all_are_read_alike!(of_today, kafka_protocol_today);
    for (api, versions) in unknown {
        // The oldest versions are gone from the tables of Kafka 4; the newest must be there.
        let newest = *api.versions().end();
        let has_no_oracle = (api, newest) == (ApiKeys::ListOffsets, LIST_OFFSETS_WITHOUT_ORACLE);
        assert!(has_no_oracle || !versions.contains(&newest), "{api:?}: {versions:?}");
    }
}

#[test]
fn the_fields_of_init_producer_id_are_in_their_places() {
    let request: theirs::InitProducerIdRequest = request(ApiKeys::InitProducerId, 4);
    assert_eq!(&*request.transactional_id.as_ref().unwrap().0, "tx");
    assert_eq!(request.transaction_timeout_ms, 1500);
    assert_eq!((request.producer_id.0, request.producer_epoch), (0x0102, 3));

    let response: theirs::InitProducerIdResponse = response(ApiKeys::InitProducerId, 4);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 53));
    assert_eq!((response.producer_id.0, response.producer_epoch), (0x0102, 3));
}

#[test]
fn the_fields_of_offset_for_leader_epoch_are_in_their_places() {
    let api = ApiKeys::OffsetForLeaderEpoch;
    let request: theirs::OffsetForLeaderEpochRequest = request(api, 4);
    assert_eq!((request.replica_id.0, &*request.topics[0].topic.0), (-1, "test"));
    let partition = &request.topics[0].partitions[0];
    let epochs = (partition.current_leader_epoch, partition.leader_epoch);
    assert_eq!((partition.partition, epochs), (3, (5, 4)));

    let response: theirs::OffsetForLeaderEpochResponse = response(api, 4);
    assert_eq!((response.throttle_time_ms, &*response.topics[0].topic.0), (9, "test"));
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.error_code, partition.partition), (74, 3));
    assert_eq!((partition.leader_epoch, partition.end_offset), (4, 0x0102));
}

#[test]
fn the_fields_of_write_txn_markers_are_in_their_places() {
    let request: theirs::WriteTxnMarkersRequest = request(ApiKeys::WriteTxnMarkers, 1);
    let marker = &request.markers[0];
    assert_eq!((marker.producer_id.0, marker.producer_epoch), (0x0102, 5));
    assert_eq!((marker.transaction_result, marker.coordinator_epoch), (true, 6));
    let topic = &marker.topics[0];
    assert_eq!((&*topic.name.0, &topic.partition_indexes[..]), ("test", &[3, 4][..]));

    let response: theirs::WriteTxnMarkersResponse = response(ApiKeys::WriteTxnMarkers, 1);
    let partition = &response.markers[0].topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.error_code), (3, 43));
}

#[test]
fn the_fields_of_produce_are_in_their_places() {
    let request: theirs::ProduceRequest = request(ApiKeys::Produce, 11);
    assert_eq!(&*request.transactional_id.as_ref().unwrap().0, "tx");
    assert_eq!((request.acks, request.timeout_ms), (1, 1500));
    let topic = &request.topic_data[0];
    assert_eq!(&*topic.name.0, "test");
    assert_eq!(topic.partition_data[0].index, 3);
    assert_eq!(topic.partition_data[0].records.as_deref(), Some(RECORDS));
    assert_eq!((topic.partition_data[1].index, &topic.partition_data[1].records), (4, &None));

    let response: theirs::ProduceResponse = response(ApiKeys::Produce, 11);
    assert_eq!(response.throttle_time_ms, 9);
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!((partition.index, partition.error_code), (3, 87));
    assert_eq!((partition.base_offset, partition.log_append_time_ms), (0x0102, 0x0304));
    assert_eq!(partition.log_start_offset, 0x0506);
    assert_eq!(partition.error_message.as_deref(), Some("why"));
    let record_error = &partition.record_errors[0];
    assert_eq!(record_error.batch_index, 6);
    assert_eq!(record_error.batch_index_error_message.as_deref(), Some("bad"));
}

#[test]
fn the_fields_of_a_fetch_request_are_in_their_places() {
    let request: theirs::FetchRequest = request(ApiKeys::Fetch, 12);
    assert_eq!((request.replica_id.0, request.max_wait_ms, request.min_bytes), (-1, 500, 1));
    assert_eq!((request.max_bytes, request.isolation_level), (0x0320_0000, 1));
    assert_eq!((request.session_id, request.session_epoch), (6, 7));
    assert_eq!(&*request.rack_id, "r");
    let forgotten = &request.forgotten_topics_data[0];
    assert_eq!((&*forgotten.topic.0, &*forgotten.partitions), ("old", &[8][..]));
    assert_eq!(&*request.topics[0].topic.0, "test");
    let partition = &request.topics[0].partitions[0];
    assert_eq!((partition.partition, partition.fetch_offset), (3, 0x0102));
    assert_eq!((partition.current_leader_epoch, partition.last_fetched_epoch), (4, 5));
    let limits = (partition.log_start_offset, partition.partition_max_bytes);
    assert_eq!(limits, (0x0304, 0x0010_0000));
}

#[test]
fn the_fields_of_a_fetch_response_are_in_their_places() {
    let response: theirs::FetchResponse = response(ApiKeys::Fetch, 12);
    let top = (response.throttle_time_ms, response.error_code, response.session_id);
    assert_eq!(top, (9, 70, 6));
    assert_eq!(&*response.responses[0].topic.0, "test");
    let partition = &response.responses[0].partitions[0];
    assert_eq!((partition.partition_index, partition.error_code), (3, 1));
    assert_eq!((partition.high_watermark, partition.last_stable_offset), (0x0102, 0x0304));
    assert_eq!((partition.log_start_offset, partition.preferred_read_replica.0), (0x0506, 5));
    let aborted = &partition.aborted_transactions.as_ref().unwrap()[0];
    assert_eq!((aborted.producer_id.0, aborted.first_offset), (7, 8));
    assert_eq!(partition.records.as_deref(), Some(RECORDS));
}

#[test]
fn the_ids_the_follower_and_the_leader_of_a_fetch_are_in_their_places() {
    let request: theirs::FetchRequest = request(ApiKeys::Fetch, 17);
    assert_eq!(request.cluster_id.as_deref(), Some("c"));
    let follower = &request.replica_state;
    assert_eq!((follower.replica_id.0, follower.replica_epoch), (2, 0x0506));
    assert_eq!(request.topics[0].topic_id.as_bytes(), &[0xAA; 16]);
    assert_eq!(request.forgotten_topics_data[0].topic_id.as_bytes(), &[0xAA; 16]);

    let response: theirs::FetchResponse = response(ApiKeys::Fetch, 17);
    assert_eq!(response.responses[0].topic_id.as_bytes(), &[0xAA; 16]);
    let partition = &response.responses[0].partitions[0];
    let diverging = &partition.diverging_epoch;
    assert_eq!((diverging.epoch, diverging.end_offset), (2, 0x0708));
    let leader = &partition.current_leader;
    assert_eq!((leader.leader_id.0, leader.leader_epoch), (3, 4));
    assert_eq!((partition.snapshot_id.end_offset, partition.snapshot_id.epoch), (0x090A, 5));
    let node = &response.node_endpoints[0];
    assert_eq!((node.node_id.0, &*node.host, node.port), (3, "h", 9092));
    assert_eq!(node.rack.as_deref(), Some("r"));
}

#[test]
fn the_fields_of_list_offsets_are_in_their_places() {
    let request: theirs::ListOffsetsRequest = request(ApiKeys::ListOffsets, 7);
    assert_eq!((request.replica_id.0, request.isolation_level), (-1, 1));
    assert_eq!(&*request.topics[0].name.0, "test");
    let partition = &request.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.timestamp), (3, -2));
    assert_eq!(partition.current_leader_epoch, 4);

    let response: theirs::ListOffsetsResponse = response(ApiKeys::ListOffsets, 7);
    assert_eq!((response.throttle_time_ms, &*response.topics[0].name.0), (9, "test"));
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.error_code), (3, 1));
    assert_eq!((partition.timestamp, partition.offset), (0x0102, 0x0304));
    assert_eq!(partition.leader_epoch, 5);
}

#[test]
fn the_fields_of_metadata_are_in_their_places() {
    let request: theirs::MetadataRequest = request(ApiKeys::Metadata, 12);
    assert!(!request.allow_auto_topic_creation && request.include_topic_authorized_operations);
    let topic = &request.topics.as_ref().unwrap()[0];
    assert_eq!(topic.topic_id.as_bytes(), &[0xAA; 16]);
    assert_eq!(&*topic.name.as_ref().unwrap().0, "test");

    let response: theirs::MetadataResponse = response(ApiKeys::Metadata, 12);
    assert_eq!((response.throttle_time_ms, response.controller_id.0), (9, 1));
    assert_eq!(response.cluster_id.as_deref(), Some("c"));
    let broker = &response.brokers[0];
    assert_eq!((broker.node_id.0, &*broker.host, broker.port), (1, "localhost", 9092));
    assert_eq!(broker.rack.as_deref(), Some("r"));
    let topic = &response.topics[0];
    assert_eq!((topic.error_code, topic.is_internal), (5, true));
    assert_eq!(&*topic.name.as_ref().unwrap().0, "test");
    assert_eq!(topic.topic_id.as_bytes(), &[0xAA; 16]);
    assert_eq!(topic.topic_authorized_operations, 0x0102_0304);
    let partition = &topic.partitions[0];
    assert_eq!((partition.error_code, partition.partition_index), (9, 3));
    assert_eq!((partition.leader_id.0, partition.leader_epoch), (1, 4));
    let ids = |nodes: &[theirs::BrokerId]| nodes.iter().map(|node| node.0).collect::<Vec<_>>();
    assert_eq!(ids(&partition.replica_nodes), [1, 2]);
    assert_eq!(ids(&partition.isr_nodes), [1]);
    assert_eq!(ids(&partition.offline_replicas), [2]);
}

#[test]
fn the_fields_of_api_versions_are_in_their_places() {
    let request: theirs::ApiVersionsRequest = request(ApiKeys::ApiVersions, 4);
    assert_eq!(&*request.client_software_name, "librdkafka");
    assert_eq!(&*request.client_software_version, "2.3.0");

    let response: theirs::ApiVersionsResponse = response(ApiKeys::ApiVersions, 4);
    assert_eq!((response.error_code, response.throttle_time_ms), (35, 9));
    let fetch = response.api_keys.iter().find(|row| row.api_key == 1).unwrap();
    assert_eq!((fetch.min_version, fetch.max_version), (4, 12));
}
