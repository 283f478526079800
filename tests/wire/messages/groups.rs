//! One message of each kind that is about consumer groups.

use transferto::protocol::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};
use transferto::protocol::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use transferto::protocol::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use transferto::protocol::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use transferto::protocol::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
};
use transferto::protocol::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse,
};
use transferto::protocol::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use transferto::protocol::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use transferto::protocol::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use transferto::protocol::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::sync_group::{
    SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};

/// A request of each API.
pub(crate) fn requests() -> Vec<RequestBody> {
    vec![
        RequestBody::OffsetCommit(offset_commit_request()),
        RequestBody::OffsetFetch(offset_fetch_request()),
        RequestBody::FindCoordinator(find_coordinator_request()),
        RequestBody::JoinGroup(join_group_request()),
        RequestBody::Heartbeat(heartbeat_request()),
        RequestBody::LeaveGroup(leave_group_request()),
        RequestBody::SyncGroup(sync_group_request()),
        RequestBody::DescribeGroups(describe_groups_request()),
        RequestBody::ListGroups(list_groups_request()),
        RequestBody::DeleteGroups(delete_groups_request()),
        RequestBody::OffsetDelete(offset_delete_request()),
    ]
}

/// A request of each API with nothing in it: null and empty wherever it may be.
pub(crate) fn empty_requests() -> Vec<RequestBody> {
    vec![
        RequestBody::OffsetCommit(OffsetCommitRequest::default()),
        RequestBody::OffsetFetch(OffsetFetchRequest::default()),
        RequestBody::FindCoordinator(FindCoordinatorRequest::default()),
        RequestBody::JoinGroup(JoinGroupRequest::default()),
        RequestBody::Heartbeat(HeartbeatRequest::default()),
        RequestBody::LeaveGroup(LeaveGroupRequest::default()),
        RequestBody::SyncGroup(SyncGroupRequest::default()),
        RequestBody::DescribeGroups(DescribeGroupsRequest::default()),
        RequestBody::ListGroups(ListGroupsRequest::default()),
        RequestBody::DeleteGroups(DeleteGroupsRequest::default()),
        RequestBody::OffsetDelete(OffsetDeleteRequest::default()),
    ]
}

/// A response of each API.
pub(crate) fn responses() -> Vec<ResponseBody> {
    vec![
        ResponseBody::OffsetCommit(offset_commit_response()),
        ResponseBody::OffsetFetch(offset_fetch_response()),
        ResponseBody::FindCoordinator(find_coordinator_response()),
        ResponseBody::JoinGroup(join_group_response()),
        ResponseBody::Heartbeat(HeartbeatResponse { throttle_time_ms: 9, error_code: 27 }),
        ResponseBody::LeaveGroup(leave_group_response()),
        ResponseBody::SyncGroup(sync_group_response()),
        ResponseBody::DescribeGroups(describe_groups_response()),
        ResponseBody::ListGroups(list_groups_response()),
        ResponseBody::DeleteGroups(delete_groups_response()),
        ResponseBody::OffsetDelete(offset_delete_response()),
    ]
}

pub(crate) fn offset_commit_request() -> OffsetCommitRequest {
    let partitions = vec![
        OffsetCommitRequestPartition {
            partition_index: 3,
            committed_offset: 0x0102,
            committed_leader_epoch: 6,
            commit_timestamp: 0x0304,
            committed_metadata: Some("mine".into()),
        },
        OffsetCommitRequestPartition {
            partition_index: 4,
            committed_offset: 0x0506,
            committed_leader_epoch: 7,
            commit_timestamp: 0x0708,
            committed_metadata: None,
        },
    ];
    OffsetCommitRequest {
        group_id: "readers".into(),
        generation_id: 5,
        member_id: "me".into(),
        group_instance_id: Some("us".into()),
        retention_time_ms: 0x090A,
        topics: vec![OffsetCommitRequestTopic { name: "test".into(), partitions }],
    }
}

pub(crate) fn offset_commit_response() -> OffsetCommitResponse {
    let partition = OffsetCommitResponsePartition { partition_index: 3, error_code: 12 };
    let topic = OffsetCommitResponseTopic { name: "test".into(), partitions: vec![partition] };
    OffsetCommitResponse { throttle_time_ms: 9, topics: vec![topic] }
}

/// With the one group of the versions up to 7, and the groups of version 8.
pub(crate) fn offset_fetch_request() -> OffsetFetchRequest {
    let topic = OffsetFetchRequestTopic { name: "test".into(), partition_indexes: vec![3, 4] };
    let groups = vec![
        OffsetFetchRequestGroup { group_id: "readers".into(), topics: Some(vec![topic.clone()]) },
        OffsetFetchRequestGroup { group_id: "others".into(), topics: None },
    ];
    OffsetFetchRequest {
        group_id: "readers".into(),
        topics: Some(vec![topic]),
        groups,
        require_stable: true,
    }
}

/// Likewise.
pub(crate) fn offset_fetch_response() -> OffsetFetchResponse {
    let partition = OffsetFetchResponsePartition {
        partition_index: 3,
        committed_offset: 0x0102,
        committed_leader_epoch: 6,
        metadata: "mine".into(),
        error_code: 14,
    };
    let topic = OffsetFetchResponseTopic { name: "test".into(), partitions: vec![partition] };
    let group = OffsetFetchResponseGroup {
        group_id: "readers".into(),
        topics: vec![topic.clone()],
        error_code: 15,
    };
    OffsetFetchResponse {
        throttle_time_ms: 9,
        topics: vec![topic],
        error_code: 16,
        groups: vec![group],
    }
}

/// With the one key of the versions up to 3, and the keys of version 4.
pub(crate) fn find_coordinator_request() -> FindCoordinatorRequest {
    FindCoordinatorRequest {
        key: "readers".into(),
        key_type: 1,
        coordinator_keys: vec!["writers".into(), "tx".into()],
    }
}

/// Likewise.
pub(crate) fn find_coordinator_response() -> FindCoordinatorResponse {
    let coordinator = Coordinator {
        key: "writers".into(),
        node_id: 2,
        host: "127.0.0.1".into(),
        port: 9093,
        error_code: 16,
        error_message: Some("not here".into()),
    };
    FindCoordinatorResponse {
        throttle_time_ms: 9,
        error_code: 15,
        error_message: Some("none".into()),
        node_id: 1,
        host: "localhost".into(),
        port: 9092,
        coordinators: vec![coordinator],
    }
}

pub(crate) fn join_group_request() -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: b"topics".to_vec() };
    JoinGroupRequest {
        group_id: "readers".into(),
        session_timeout_ms: 1500,
        rebalance_timeout_ms: 2500,
        member_id: "me".into(),
        group_instance_id: Some("us".into()),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        reason: Some("why".into()),
    }
}

pub(crate) fn join_group_response() -> JoinGroupResponse {
    let member = JoinGroupResponseMember {
        member_id: "you".into(),
        group_instance_id: Some("us".into()),
        metadata: b"topics".to_vec(),
    };
    JoinGroupResponse {
        throttle_time_ms: 9,
        error_code: 79,
        generation_id: 5,
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        leader: "you".into(),
        skip_assignment: true,
        member_id: "me".into(),
        members: vec![member],
    }
}

pub(crate) fn heartbeat_request() -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: "readers".into(),
        generation_id: 5,
        member_id: "me".into(),
        group_instance_id: Some("us".into()),
    }
}

/// With the one member of the versions up to 2, and the members of version 3.
pub(crate) fn leave_group_request() -> LeaveGroupRequest {
    let member = MemberIdentity {
        member_id: "you".into(),
        group_instance_id: Some("us".into()),
        reason: Some("why".into()),
    };
    LeaveGroupRequest { group_id: "readers".into(), member_id: "me".into(), members: vec![member] }
}

pub(crate) fn leave_group_response() -> LeaveGroupResponse {
    let member = MemberResponse {
        member_id: "you".into(),
        group_instance_id: Some("us".into()),
        error_code: 25,
    };
    LeaveGroupResponse { throttle_time_ms: 9, error_code: 16, members: vec![member] }
}

pub(crate) fn sync_group_request() -> SyncGroupRequest {
    let assignment =
        SyncGroupRequestAssignment { member_id: "you".into(), assignment: b"test-3".to_vec() };
    SyncGroupRequest {
        group_id: "readers".into(),
        generation_id: 5,
        member_id: "me".into(),
        group_instance_id: Some("us".into()),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: vec![assignment],
    }
}

pub(crate) fn sync_group_response() -> SyncGroupResponse {
    SyncGroupResponse {
        throttle_time_ms: 9,
        error_code: 27,
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignment: b"test-3".to_vec(),
    }
}

pub(crate) fn describe_groups_request() -> DescribeGroupsRequest {
    DescribeGroupsRequest {
        groups: vec!["readers".into(), "others".into()],
        include_authorized_operations: true,
    }
}

pub(crate) fn describe_groups_response() -> DescribeGroupsResponse {
    let member = DescribedGroupMember {
        member_id: "me".into(),
        group_instance_id: Some("us".into()),
        client_id: "kcat".into(),
        client_host: "/127.0.0.1".into(),
        member_metadata: b"topics".to_vec(),
        member_assignment: b"test-3".to_vec(),
    };
    let group = DescribedGroup {
        error_code: 16,
        group_id: "readers".into(),
        group_state: "Stable".into(),
        protocol_type: "consumer".into(),
        protocol_data: "range".into(),
        members: vec![member],
        authorized_operations: 0x0102_0304,
    };
    DescribeGroupsResponse { throttle_time_ms: 9, groups: vec![group] }
}

pub(crate) fn list_groups_request() -> ListGroupsRequest {
    ListGroupsRequest { states_filter: vec!["Stable".into()], types_filter: vec!["classic".into()] }
}

pub(crate) fn list_groups_response() -> ListGroupsResponse {
    let group = ListedGroup {
        group_id: "readers".into(),
        protocol_type: "consumer".into(),
        group_state: "Stable".into(),
        group_type: "classic".into(),
    };
    ListGroupsResponse { throttle_time_ms: 9, error_code: 14, groups: vec![group] }
}

pub(crate) fn delete_groups_request() -> DeleteGroupsRequest {
    DeleteGroupsRequest { groups_names: vec!["readers".into(), "others".into()] }
}

pub(crate) fn delete_groups_response() -> DeleteGroupsResponse {
    let result = DeletableGroupResult { group_id: "readers".into(), error_code: 68 };
    DeleteGroupsResponse { throttle_time_ms: 9, results: vec![result] }
}

pub(crate) fn offset_delete_request() -> OffsetDeleteRequest {
    let topic = OffsetDeleteRequestTopic {
        name: "test".into(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 3 }],
    };
    OffsetDeleteRequest { group_id: "readers".into(), topics: vec![topic] }
}

pub(crate) fn offset_delete_response() -> OffsetDeleteResponse {
    let partition = OffsetDeleteResponsePartition { partition_index: 3, error_code: 86 };
    let topic = OffsetDeleteResponseTopic { name: "test".into(), partitions: vec![partition] };
    OffsetDeleteResponse { error_code: 16, throttle_time_ms: 9, topics: vec![topic] }
}
