//! The double has to be right before anything else can be.

use std::io::{Read, Write};
use std::net::TcpStream;

use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use transferto::protocol::broker_registration::BrokerRegistrationRequest;
use transferto::protocol::client_request::{
    ClientRequest, client_request_bytes, read_client_response,
};
use transferto::protocol::fetch::{
    FetchPartition, FetchRequest, FetchResponsePartition, FetchTopic, ReplicaState,
};

use crate::scripted_controller::{
    Answer, CLUSTER_ID, METADATA_TOPIC_ID, NO_OP, ScriptedController,
};

/// A request over a connection of its own; `None` if the controller hangs up.
fn call<R: ClientRequest>(
    controller: &ScriptedController,
    request: &R,
    version: i16,
) -> Option<(R::Response, Vec<u8>)> {
    let mut connection = TcpStream::connect(controller.addr()).unwrap();
    let bytes = client_request_bytes(request, version, 7, "test");
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    connection.write_all(&[&length[..], &bytes].concat()).unwrap();
    let mut length = [0; 4];
    connection.read_exact(&mut length).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    connection.read_exact(&mut frame).unwrap();
    let (correlation_id, response) = read_client_response::<R>(&frame, version).unwrap();
    assert_eq!(correlation_id, 7);
    Some((response, frame))
}

/// Of an observer that has everything below `offset`, the last of it in `last_epoch`.
fn fetch(epoch: i32, offset: i64, last_epoch: i32) -> FetchRequest {
    let partition = FetchPartition {
        current_leader_epoch: epoch,
        fetch_offset: offset,
        last_fetched_epoch: last_epoch,
        ..FetchPartition::default()
    };
    FetchRequest {
        cluster_id: Some(CLUSTER_ID.to_string()),
        replica_state: ReplicaState { replica_id: 5, replica_epoch: -1 },
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic_id: METADATA_TOPIC_ID,
            partitions: vec![partition],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

fn fetched(
    controller: &ScriptedController,
    request: &FetchRequest,
) -> (FetchResponsePartition, Vec<u8>) {
    let (mut response, frame) = call(controller, request, 17).unwrap();
    let partition = response.topics.remove(0).partitions.remove(0);
    let records = frame[partition.records.clone().unwrap()].to_vec();
    (partition, records)
}

#[test]
fn a_fetch_is_answered_as_a_controller_answers_it() {
    let controller = ScriptedController::start(100);
    let (refused, _) = fetched(&controller, &fetch(0, 0, 0));
    assert_eq!(refused.header.error_code, 74);
    assert_eq!((refused.current_leader.leader_id, refused.current_leader.leader_epoch), (100, 1));
    controller.append(&[NO_OP.to_vec(), NO_OP.to_vec()]);
    controller.append_uncommitted(&[NO_OP.to_vec()]);
    let (all, records) = fetched(&controller, &fetch(1, 0, 0));
    assert_eq!((all.header.error_code, all.header.high_watermark), (0, 2));
    assert!(!records.is_empty());
    let (beyond, records) = fetched(&controller, &fetch(1, 1_000, 1));
    assert_eq!((beyond.diverging_epoch.epoch, beyond.diverging_epoch.end_offset), (1, 3));
    assert!(records.is_empty());
}

#[test]
fn a_script_holds_once_or_for_all_requests_until_it_is_taken_back() {
    let controller = ScriptedController::start(100);
    let stale = |_: &BrokerHeartbeatRequest| {
        Answer::Send(BrokerHeartbeatResponse { error_code: 77, ..Default::default() })
    };
    controller.script(stale);
    controller.script_once(|_: &BrokerHeartbeatRequest| Answer::HangUp);
    let heartbeat = BrokerHeartbeatRequest { broker_id: 1, ..Default::default() };
    assert!(call(&controller, &heartbeat, 1).is_none());
    for _ in 0..2 {
        assert_eq!(call(&controller, &heartbeat, 1).unwrap().0.error_code, 77);
    }
    controller.unscript::<BrokerHeartbeatRequest>();
    let registration = BrokerRegistrationRequest {
        broker_id: 1,
        cluster_id: CLUSTER_ID.to_string(),
        ..Default::default()
    };
    let broker_epoch = call(&controller, &registration, 4).unwrap().0.broker_epoch;
    let heartbeat =
        BrokerHeartbeatRequest { broker_epoch, current_metadata_offset: broker_epoch, ..heartbeat };
    let alive = call(&controller, &heartbeat, 1).unwrap().0;
    assert_eq!((alive.error_code, alive.is_caught_up, alive.is_fenced), (0, true, false));
    assert_eq!(controller.asked::<BrokerHeartbeatRequest>().len(), 4);
    assert_eq!(controller.asked::<BrokerRegistrationRequest>(), [registration]);
}

#[test]
fn the_features_of_the_cluster_are_in_the_answer_to_api_versions() {
    let controller = ScriptedController::start(100);
    let request = ApiVersionsRequest {
        client_software_name: "test".to_string(),
        client_software_version: "0".to_string(),
    };
    let response = call(&controller, &request, 4).unwrap().0;
    let finalized = &response.finalized_features[0];
    assert_eq!((finalized.name.as_str(), finalized.max_version_level), ("metadata.version", 21));
    assert!(response.api_keys.iter().any(|api| (api.api_key, api.max_version) == (62, 4)));
}
