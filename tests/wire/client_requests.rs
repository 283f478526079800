//! What this broker asks of controllers and of other brokers, against the `kafka-protocol` crate, which is generated from Kafka's
//! own tables: both read what the other writes.

use kafka_protocol_today::messages as theirs;
use kafka_protocol_today::protocol::{Decodable, Encodable, HeaderVersion};
use transferto::protocol::allocate_producer_ids::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse,
};
use transferto::protocol::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use transferto::protocol::broker_registration::{
    BrokerRegistrationRequest, BrokerRegistrationResponse, RegistrationFeature,
    RegistrationListener,
};
use transferto::protocol::client_request::{
    ClientRequest, client_request_bytes, read_client_response,
};
use transferto::protocol::envelope::{EnvelopeRequest, EnvelopeResponse};
use transferto::protocol::fetch_snapshot::{
    FetchSnapshotPartition, FetchSnapshotRequest, FetchSnapshotResponse,
    FetchSnapshotResponsePartition, FetchSnapshotResponseTopic, FetchSnapshotTopic,
    LeaderIdAndEpoch, NodeEndpoint, SnapshotId,
};
use transferto::protocol::list_offsets::{
    LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest,
    ListOffsetsResponse, ListOffsetsTopic, ListOffsetsTopicResponse,
};
use transferto::protocol::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopic, OffsetForLeaderTopicResult,
};
use transferto::protocol::wire::types::{Version, WireType, Writer};
use transferto::protocol::wire::uuid::Uuid;

const ID: Uuid = Uuid([0xAA; 16]);
/// What the records of a snapshot are a range of.
const RECORDS: &[u8] = b"a piece of a snapshot";

/// Holds that the oracle finds nothing missing and nothing left in a request and in a response, and writes the
/// same bytes again; and that a response that is cut off anywhere is refused.
fn assert_read_alike<R, Q, S>(request: &R, response: &R::Response, version: i16)
where
    R: ClientRequest,
    Q: Decodable + Encodable + HeaderVersion,
    S: Decodable + Encodable + HeaderVersion,
{
    let frame = client_request_bytes(request, version, 7, "client");
    assert_eq!(again::<theirs::RequestHeader, Q>(&frame, version), frame, "{}", R::NAME);
    let frame = response_frame::<R>(response, version);
    assert_eq!(again::<theirs::ResponseHeader, S>(&frame, version), frame, "{}", R::NAME);
    read_client_response::<R>(&frame, version).unwrap();
    for end in 0..frame.len() {
        assert!(read_client_response::<R>(&frame[..end], version).is_err(), "cut at {end}");
    }
}

fn response_frame<R: ClientRequest>(response: &R::Response, version: i16) -> Vec<u8> {
    let mut writer = Writer::with_records_from(RECORDS);
    let is_flexible = version >= R::FIRST_FLEXIBLE_VERSION;
    let version = Version { number: version, is_flexible };
    7_i32.write(&mut writer, version);
    if is_flexible {
        writer.write_no_tagged_fields();
    }
    response.write(&mut writer, version);
    writer.into_bytes()
}

/// What the oracle makes of a frame that it has read.
fn again<H, B>(frame: &[u8], version: i16) -> Vec<u8>
where
    H: Decodable + Encodable,
    B: Decodable + Encodable + HeaderVersion,
{
    let mut rest = frame;
    let header = H::decode(&mut rest, B::header_version(version)).unwrap();
    let body = B::decode(&mut rest, version).unwrap();
    assert!(rest.is_empty(), "the oracle leaves {rest:?} of {frame:?}");
    let mut again = Vec::new();
    header.encode(&mut again, B::header_version(version)).unwrap();
    body.encode(&mut again, version).unwrap();
    again
}

#[test]
fn a_registration_is_read_alike() {
    for version in 0..=4 {
        let request = BrokerRegistrationRequest {
            broker_id: 5,
            cluster_id: "cluster".to_string(),
            incarnation_id: ID,
            listeners: vec![RegistrationListener {
                name: "PLAINTEXT".to_string(),
                host: "host".to_string(),
                port: 65_535,
                security_protocol: 3,
            }],
            features: vec![RegistrationFeature {
                name: "metadata.version".to_string(),
                min_supported_version: 7,
                max_supported_version: 21,
            }],
            rack: Some("rack".to_string()),
            is_migrating_zk_broker: version >= 1,
            log_dirs: if version >= 2 { vec![ID] } else { Vec::new() },
            previous_broker_epoch: if version >= 3 { 9 } else { -1 },
        };
        let response =
            BrokerRegistrationResponse { throttle_time_ms: 1, error_code: 101, broker_epoch: 7 };
        assert_read_alike::<_, theirs::BrokerRegistrationRequest, theirs::BrokerRegistrationResponse>(
            &request, &response, version,
        );
    }
}

#[test]
fn a_heartbeat_is_read_alike() {
    // Version 2 is later than the oracle.
    for version in 0..=1 {
        let request = BrokerHeartbeatRequest {
            broker_id: 5,
            broker_epoch: 6,
            current_metadata_offset: 7,
            want_fence: true,
            want_shut_down: true,
            offline_log_dirs: if version >= 1 { vec![ID] } else { Vec::new() },
            cordoned_log_dirs: None,
        };
        let response = BrokerHeartbeatResponse {
            throttle_time_ms: 1,
            error_code: 77,
            is_caught_up: true,
            is_fenced: true,
            should_shut_down: true,
        };
        assert_read_alike::<_, theirs::BrokerHeartbeatRequest, theirs::BrokerHeartbeatResponse>(
            &request, &response, version,
        );
    }
}

#[test]
fn blocks_of_producer_ids_are_read_alike() {
    let request = AllocateProducerIdsRequest { broker_id: 5, broker_epoch: 6 };
    let response = AllocateProducerIdsResponse {
        throttle_time_ms: 1,
        error_code: 77,
        producer_id_start: 3_000,
        producer_id_len: 1_000,
    };
    assert_read_alike::<_, theirs::AllocateProducerIdsRequest, theirs::AllocateProducerIdsResponse>(
        &request, &response, 0,
    );
}

#[test]
fn an_envelope_is_read_alike() {
    for is_null in [false, true] {
        let request = EnvelopeRequest {
            request_data: b"request".to_vec(),
            request_principal: (!is_null).then(|| b"principal".to_vec()),
            client_host_address: vec![127, 0, 0, 1],
        };
        let response = EnvelopeResponse {
            response_data: (!is_null).then(|| b"response".to_vec()),
            error_code: 31,
        };
        assert_read_alike::<_, theirs::EnvelopeRequest, theirs::EnvelopeResponse>(
            &request, &response, 0,
        );
    }
}

#[test]
fn a_piece_of_a_snapshot_is_read_alike() {
    for version in 0..=1 {
        let snapshot_id = SnapshotId { end_offset: 70, epoch: 3 };
        let partition = FetchSnapshotPartition {
            partition: 0,
            current_leader_epoch: 4,
            snapshot_id: snapshot_id.clone(),
            position: 5,
            replica_directory_id: if version >= 1 { ID } else { Uuid::ZERO },
        };
        let name = "__cluster_metadata".to_string();
        let request = FetchSnapshotRequest {
            replica_id: 5,
            max_bytes: 6,
            topics: vec![FetchSnapshotTopic { name: name.clone(), partitions: vec![partition] }],
            cluster_id: Some("cluster".to_string()),
        };
        let partition = FetchSnapshotResponsePartition {
            index: 0,
            error_code: 98,
            snapshot_id,
            size: 7,
            position: 8,
            unaligned_records: Some(0..RECORDS.len()),
            current_leader: LeaderIdAndEpoch { leader_id: 9, leader_epoch: 10 },
        };
        let endpoint = NodeEndpoint { node_id: 9, host: "host".to_string(), port: 65_535 };
        let response = FetchSnapshotResponse {
            throttle_time_ms: 1,
            error_code: 42,
            topics: vec![FetchSnapshotResponseTopic { name, partitions: vec![partition] }],
            node_endpoints: if version >= 1 { vec![endpoint] } else { Vec::new() },
        };
        assert_read_alike::<_, theirs::FetchSnapshotRequest, theirs::FetchSnapshotResponse>(
            &request, &response, version,
        );
    }
}

#[test]
fn what_a_follower_asks_for_offsets_is_read_alike() {
    for version in 4..=10 {
        let partition = ListOffsetsPartition {
            partition_index: 3,
            current_leader_epoch: 4,
            timestamp: LATEST_TIMESTAMP,
            ..ListOffsetsPartition::default()
        };
        let request = ListOffsetsRequest {
            replica_id: 5,
            topics: vec![ListOffsetsTopic { name: "t".to_string(), partitions: vec![partition] }],
            ..ListOffsetsRequest::default()
        };
        let partition = ListOffsetsPartitionResponse {
            partition_index: 3,
            error_code: 74,
            timestamp: 6,
            offset: 7,
            leader_epoch: 8,
            ..ListOffsetsPartitionResponse::default()
        };
        let (name, partitions) = ("t".to_string(), vec![partition]);
        let topics = vec![ListOffsetsTopicResponse { name, partitions }];
        let response = ListOffsetsResponse { throttle_time_ms: 1, topics };
        assert_read_alike::<_, theirs::ListOffsetsRequest, theirs::ListOffsetsResponse>(
            &request, &response, version,
        );
    }
}

#[test]
fn what_a_follower_asks_for_the_ends_of_epochs_is_read_alike() {
    for version in 3..=4 {
        let partition =
            OffsetForLeaderPartition { partition: 3, current_leader_epoch: 4, leader_epoch: 2 };
        let (topic, partitions) = ("t".to_string(), vec![partition]);
        let request = OffsetForLeaderEpochRequest {
            replica_id: 5,
            topics: vec![OffsetForLeaderTopic { topic, partitions }],
        };
        let end = EpochEndOffset { error_code: 75, partition: 3, leader_epoch: 2, end_offset: 100 };
        let (topic, partitions) = ("t".to_string(), vec![end]);
        let topics = vec![OffsetForLeaderTopicResult { topic, partitions }];
        let response = OffsetForLeaderEpochResponse { throttle_time_ms: 1, topics };
        assert_read_alike::<
            _,
            theirs::OffsetForLeaderEpochRequest,
            theirs::OffsetForLeaderEpochResponse,
        >(&request, &response, version);
    }
}
