//! A second opinion on the messages about consumer groups: in the newest version, and where a field
//! is gone by then in the last that has it, each field has arrived in the right place.

use kafka_protocol::messages as theirs;
use transferto::protocol::api_keys::ApiKeys;

use crate::oracle::of_all_versions::{request, response};

#[test]
fn the_fields_of_offset_commit_requests_are_in_their_places() {
    // Only version 1 has the time of the commit, and only 2 to 4 how long to keep it.
    for (version, timestamp, retention_time_ms, epoch, instance) in [
        (1, 0x0304, -1, -1, None),
        (4, -1, 0x090A, -1, None),
        (6, -1, -1, 6, None),
        (8, -1, -1, 6, Some("us")),
    ] {
        let request: theirs::OffsetCommitRequest = request(ApiKeys::OffsetCommit, version);
        assert_eq!((&*request.group_id.0, &*request.member_id), ("readers", "me"));
        let numbers = (request.generation_id_or_member_epoch, request.retention_time_ms);
        assert_eq!(numbers, (5, retention_time_ms));
        assert_eq!(request.group_instance_id.as_deref(), instance);
        assert_eq!(&*request.topics[0].name.0, "test");
        let partition = &request.topics[0].partitions[0];
        assert_eq!((partition.partition_index, partition.committed_offset), (3, 0x0102));
        let found = (partition.commit_timestamp, partition.committed_leader_epoch);
        assert_eq!(found, (timestamp, epoch));
        assert_eq!(partition.committed_metadata.as_deref(), Some("mine"));
        let partition = &request.topics[0].partitions[1];
        assert_eq!((partition.partition_index, &partition.committed_metadata), (4, &None));
    }
}

#[test]
fn the_fields_of_offset_commit_responses_are_in_their_places() {
    let response: theirs::OffsetCommitResponse = response(ApiKeys::OffsetCommit, 8);
    assert_eq!((response.throttle_time_ms, &*response.topics[0].name.0), (9, "test"));
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.error_code), (3, 12));
}

#[test]
fn the_fields_of_offset_fetch_are_in_their_places_for_one_group() {
    let request: theirs::OffsetFetchRequest = request(ApiKeys::OffsetFetch, 7);
    assert_eq!((&*request.group_id.0, request.require_stable), ("readers", true));
    let topic = &request.topics.as_ref().unwrap()[0];
    assert_eq!((&*topic.name.0, &*topic.partition_indexes), ("test", &[3, 4][..]));

    let response: theirs::OffsetFetchResponse = response(ApiKeys::OffsetFetch, 7);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 16));
    assert_eq!(&*response.topics[0].name.0, "test");
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.committed_offset), (3, 0x0102));
    assert_eq!((partition.committed_leader_epoch, partition.error_code), (6, 14));
    assert_eq!(partition.metadata.as_deref(), Some("mine"));
}

#[test]
fn the_fields_of_offset_fetch_are_in_their_places_for_several_groups() {
    let request: theirs::OffsetFetchRequest = request(ApiKeys::OffsetFetch, 8);
    assert!(request.require_stable);
    assert_eq!(&*request.groups[0].group_id.0, "readers");
    let topic = &request.groups[0].topics.as_ref().unwrap()[0];
    assert_eq!((&*topic.name.0, &*topic.partition_indexes), ("test", &[3, 4][..]));
    assert_eq!((&*request.groups[1].group_id.0, &request.groups[1].topics), ("others", &None));

    let response: theirs::OffsetFetchResponse = response(ApiKeys::OffsetFetch, 8);
    let group = &response.groups[0];
    assert_eq!((response.throttle_time_ms, group.error_code), (9, 15));
    assert_eq!((&*group.group_id.0, &*group.topics[0].name.0), ("readers", "test"));
    let partition = &group.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.committed_offset), (3, 0x0102));
    assert_eq!((partition.committed_leader_epoch, partition.error_code), (6, 14));
    assert_eq!(partition.metadata.as_deref(), Some("mine"));
}

#[test]
fn the_fields_of_find_coordinator_are_in_their_places_for_one_key() {
    let request: theirs::FindCoordinatorRequest = request(ApiKeys::FindCoordinator, 3);
    assert_eq!((&*request.key, request.key_type), ("readers", 1));

    let response: theirs::FindCoordinatorResponse = response(ApiKeys::FindCoordinator, 3);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 15));
    assert_eq!(response.error_message.as_deref(), Some("none"));
    let broker = (response.node_id.0, &*response.host, response.port);
    assert_eq!(broker, (1, "localhost", 9092));
}

#[test]
fn the_fields_of_find_coordinator_are_in_their_places_for_several_keys() {
    let request: theirs::FindCoordinatorRequest = request(ApiKeys::FindCoordinator, 4);
    let keys: Vec<_> = request.coordinator_keys.iter().map(|key| &**key).collect();
    assert_eq!((request.key_type, keys), (1, vec!["writers", "tx"]));

    let response: theirs::FindCoordinatorResponse = response(ApiKeys::FindCoordinator, 4);
    let found = &response.coordinators[0];
    assert_eq!((response.throttle_time_ms, found.error_code), (9, 16));
    assert_eq!((&*found.key, found.error_message.as_deref()), ("writers", Some("not here")));
    assert_eq!((found.node_id.0, &*found.host, found.port), (2, "127.0.0.1", 9093));
}

#[test]
fn the_fields_of_join_group_are_in_their_places() {
    let request: theirs::JoinGroupRequest = request(ApiKeys::JoinGroup, 9);
    assert_eq!((&*request.group_id.0, &*request.member_id), ("readers", "me"));
    assert_eq!((request.session_timeout_ms, request.rebalance_timeout_ms), (1500, 2500));
    assert_eq!(request.group_instance_id.as_deref(), Some("us"));
    assert_eq!((&*request.protocol_type, request.reason.as_deref()), ("consumer", Some("why")));
    let protocol = &request.protocols[0];
    assert_eq!((&*protocol.name, &*protocol.metadata), ("range", &b"topics"[..]));

    let response: theirs::JoinGroupResponse = response(ApiKeys::JoinGroup, 9);
    let numbers = (response.throttle_time_ms, response.error_code, response.generation_id);
    assert_eq!(numbers, (9, 79, 5));
    assert_eq!(response.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(response.protocol_name.as_deref(), Some("range"));
    let members = (&*response.leader, response.skip_assignment, &*response.member_id);
    assert_eq!(members, ("you", true, "me"));
    let member = &response.members[0];
    assert_eq!((&*member.member_id, &*member.metadata), ("you", &b"topics"[..]));
    assert_eq!(member.group_instance_id.as_deref(), Some("us"));
}

#[test]
fn the_fields_of_heartbeat_are_in_their_places() {
    let request: theirs::HeartbeatRequest = request(ApiKeys::Heartbeat, 4);
    assert_eq!((&*request.group_id.0, request.generation_id), ("readers", 5));
    assert_eq!(&*request.member_id, "me");
    assert_eq!(request.group_instance_id.as_deref(), Some("us"));

    let response: theirs::HeartbeatResponse = response(ApiKeys::Heartbeat, 4);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 27));
}

#[test]
fn the_fields_of_leave_group_are_in_their_places() {
    let old: theirs::LeaveGroupRequest = request(ApiKeys::LeaveGroup, 2);
    assert_eq!((&*old.group_id.0, &*old.member_id), ("readers", "me"));
    let request: theirs::LeaveGroupRequest = request(ApiKeys::LeaveGroup, 5);
    assert_eq!(&*request.group_id.0, "readers");
    let member = &request.members[0];
    assert_eq!((&*member.member_id, member.group_instance_id.as_deref()), ("you", Some("us")));
    assert_eq!(member.reason.as_deref(), Some("why"));

    let response: theirs::LeaveGroupResponse = response(ApiKeys::LeaveGroup, 5);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 16));
    let member = &response.members[0];
    assert_eq!((&*member.member_id, member.error_code), ("you", 25));
    assert_eq!(member.group_instance_id.as_deref(), Some("us"));
}

#[test]
fn the_fields_of_sync_group_are_in_their_places() {
    let request: theirs::SyncGroupRequest = request(ApiKeys::SyncGroup, 5);
    assert_eq!((&*request.group_id.0, request.generation_id), ("readers", 5));
    assert_eq!(&*request.member_id, "me");
    assert_eq!(request.group_instance_id.as_deref(), Some("us"));
    assert_eq!(request.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(request.protocol_name.as_deref(), Some("range"));
    let assignment = &request.assignments[0];
    assert_eq!((&*assignment.member_id, &*assignment.assignment), ("you", &b"test-3"[..]));

    let response: theirs::SyncGroupResponse = response(ApiKeys::SyncGroup, 5);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 27));
    assert_eq!(response.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(response.protocol_name.as_deref(), Some("range"));
    assert_eq!(&*response.assignment, b"test-3");
}

#[test]
fn the_fields_of_describe_groups_are_in_their_places() {
    let request: theirs::DescribeGroupsRequest = request(ApiKeys::DescribeGroups, 5);
    let groups: Vec<_> = request.groups.iter().map(|group| &*group.0).collect();
    assert_eq!((groups, request.include_authorized_operations), (vec!["readers", "others"], true));

    let response: theirs::DescribeGroupsResponse = response(ApiKeys::DescribeGroups, 5);
    let group = &response.groups[0];
    assert_eq!((response.throttle_time_ms, group.error_code), (9, 16));
    assert_eq!((&*group.group_id.0, &*group.group_state), ("readers", "Stable"));
    assert_eq!((&*group.protocol_type, &*group.protocol_data), ("consumer", "range"));
    assert_eq!(group.authorized_operations, 0x0102_0304);
    let member = &group.members[0];
    assert_eq!((&*member.member_id, member.group_instance_id.as_deref()), ("me", Some("us")));
    assert_eq!((&*member.client_id, &*member.client_host), ("kcat", "/127.0.0.1"));
    assert_eq!(&*member.member_metadata, b"topics");
    assert_eq!(&*member.member_assignment, b"test-3");
}

#[test]
fn the_fields_of_list_groups_are_in_their_places() {
    let request: theirs::ListGroupsRequest = request(ApiKeys::ListGroups, 5);
    assert_eq!((&*request.states_filter[0], &*request.types_filter[0]), ("Stable", "classic"));

    let response: theirs::ListGroupsResponse = response(ApiKeys::ListGroups, 5);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 14));
    let group = &response.groups[0];
    assert_eq!((&*group.group_id.0, &*group.protocol_type), ("readers", "consumer"));
    assert_eq!((&*group.group_state, &*group.group_type), ("Stable", "classic"));
}

#[test]
fn the_fields_of_delete_groups_are_in_their_places() {
    let request: theirs::DeleteGroupsRequest = request(ApiKeys::DeleteGroups, 2);
    let groups: Vec<_> = request.groups_names.iter().map(|group| &*group.0).collect();
    assert_eq!(groups, ["readers", "others"]);

    let response: theirs::DeleteGroupsResponse = response(ApiKeys::DeleteGroups, 2);
    let result = &response.results[0];
    assert_eq!((response.throttle_time_ms, result.error_code), (9, 68));
    assert_eq!(&*result.group_id.0, "readers");
}

#[test]
fn the_fields_of_offset_delete_are_in_their_places() {
    let request: theirs::OffsetDeleteRequest = request(ApiKeys::OffsetDelete, 0);
    assert_eq!((&*request.group_id.0, &*request.topics[0].name.0), ("readers", "test"));
    assert_eq!(request.topics[0].partitions[0].partition_index, 3);

    let response: theirs::OffsetDeleteResponse = response(ApiKeys::OffsetDelete, 0);
    assert_eq!((response.error_code, response.throttle_time_ms), (16, 9));
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.error_code), (3, 86));
}
