//! Port of `KafkaApis.handleGroupCoordinatorRequest`, `handleJoinGroupRequest`,
//! `handleSyncGroupRequest`, `handleHeartbeatRequest` and `handleLeaveGroupRequest`: the life of a
//! member of a consumer group.

use std::collections::HashSet;
use std::sync::Arc;

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::hang_up::HangUp;
use crate::common::log_limit::{LogKind, limited};
use crate::common::topic_partition::TRANSACTION_STATE_TOPIC_NAME;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_results::{
    JoinError, JoinGroup, JoinResult, JoinedMember, MemberIdentity, NO_GENERATION, SyncGroup,
    SyncResult,
};
use crate::coordinator::group_table::partition_of;
use crate::protocol::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use crate::protocol::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::protocol::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use crate::protocol::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};
use crate::protocol::request::ResponseBody;
use crate::protocol::sync_group::{SyncGroupRequest, SyncGroupResponse};
use crate::server::apis::controller_requests::ControllerRequests;
use crate::server::apis::group_metadata_topic::GroupMetadataTopic;
use crate::server::apis::parts::Parts;
use crate::server::metadata::metadata_cache::{MetadataCache, Node};
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{Operation, Resource};

/// What a FindCoordinator request can look for.
const KEY_TYPE_GROUP: i8 = 0;
const KEY_TYPE_TRANSACTION: i8 = 1;

/// The first FindCoordinator version that asks for several.
const FIND_OF_SEVERAL_VERSION: i16 = 4;
/// The first JoinGroup version whose clients join again with an id that they get from the first try
/// (KIP-394).
const JOIN_WITH_KNOWN_ID_VERSION: i16 = 4;
/// The first JoinGroup version in which the response can have the leader skip the assignment
/// (KIP-814).
const JOIN_SKIPPING_ASSIGNMENT_VERSION: i16 = 9;
/// The first LeaveGroup version in which several members leave at once.
const LEAVE_OF_SEVERAL_VERSION: i16 = 3;

/// How a question for a group gets at `__consumer_offsets`: whether it may create it.
type FindTopic = fn(&GroupMetadataTopic) -> Result<(), KafkaError>;

/// Handles FindCoordinator, and the requests of a member of a group.
pub(crate) struct GroupApis {
    group_coordinator: Arc<GroupCoordinator>,
    group_metadata_topic: GroupMetadataTopic,
    controller_requests: ControllerRequests,
    metadata_cache: Arc<dyn MetadataCache>,
    authorization: Authorization,
}

impl GroupApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            group_coordinator: Arc::clone(&parts.group_coordinator),
            group_metadata_topic: GroupMetadataTopic::new(parts),
            controller_requests: ControllerRequests::new(parts),
            metadata_cache: Arc::clone(&parts.metadata_cache),
            authorization: parts.authorization(),
        }
    }

    /// The first question for a group brings `__consumer_offsets` into being, on the controller's
    /// thread if that takes the disk; clients that ask meanwhile have to ask again.
    pub(crate) fn handle_group_coordinator_request(
        self: &Arc<Self>,
        reply: Reply,
        request: FindCoordinatorRequest,
    ) {
        let makes_topic =
            request.key_type == KEY_TYPE_GROUP && self.group_metadata_topic.must_be_made();
        if makes_topic && self.group_metadata_topic.waits_for_disk() {
            let apis = Arc::clone(self);
            self.controller_requests.put(reply, move |reply| {
                apis.find_coordinators(reply, &request, GroupMetadataTopic::create);
            });
        } else {
            let topic =
                if makes_topic { GroupMetadataTopic::create } else { GroupMetadataTopic::find };
            self.find_coordinators(reply, &request, topic);
        }
    }

    fn find_coordinators(&self, reply: Reply, request: &FindCoordinatorRequest, topic: FindTopic) {
        let coordinator = |key: &String| self.coordinator(&reply, request.key_type, key, topic);
        let response = if reply.header.api_version >= FIND_OF_SEVERAL_VERSION {
            // Each once: clients look their keys up in the answer, which is longer than the question.
            let mut named = HashSet::new();
            let keys = request.coordinator_keys.iter().filter(|key| named.insert(*key));
            let coordinators = keys.map(coordinator).collect();
            FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() }
        } else {
            let Coordinator { node_id, host, port, error_code, error_message, .. } =
                coordinator(&request.key);
            let none = FindCoordinatorResponse::default();
            FindCoordinatorResponse { error_code, error_message, node_id, host, port, ..none }
        };
        reply.send_body(&ResponseBody::FindCoordinator(response));
    }

    /// The coordinator of one group, or of one transactional id.
    fn coordinator(&self, reply: &Reply, key_type: i8, key: &str, topic: FindTopic) -> Coordinator {
        let (group, transactional_id) = (Resource::group(key), Resource::transactional_id(key));
        let found = match key_type {
            KEY_TYPE_GROUP
                if !self.authorization.authorize(&reply.context, Operation::Describe, group) =>
            {
                Err(Errors::GroupAuthorizationFailed)
            }
            KEY_TYPE_GROUP => topic(&self.group_metadata_topic).map_err(|why| {
                let is_coming = why.code() == Errors::LeaderNotAvailable;
                let level = match is_coming {
                    true => Level::Debug,
                    false => limited(LogKind::Failures, Level::Error),
                };
                log!(level, "no group coordinator for {}: {why}", reply.client());
                Errors::CoordinatorNotAvailable
            }),
            KEY_TYPE_TRANSACTION => {
                match self.authorization.authorize(
                    &reply.context,
                    Operation::Describe,
                    transactional_id,
                ) {
                    true => Ok(()),
                    false => Err(Errors::TransactionalIdAuthorizationFailed),
                }
            }
            _ => Err(Errors::InvalidRequest),
        };
        let node = found.and_then(|()| self.coordinator_node(reply, key_type, key));
        let key = key.to_string();
        let node = match node {
            Ok(node) => node,
            Err(error) => {
                let (error_code, error_message) = (error.code(), Some(error.message().to_string()));
                return Coordinator { key, error_code, error_message, ..Coordinator::default() };
            }
        };
        let Node { id: node_id, host, port, .. } = node;
        Coordinator { key, node_id, host, port, ..Coordinator::default() }
    }

    /// The broker that leads the group's partition of `__consumer_offsets`. For a transactional id the one that
    /// leads its partition of `__transaction_state`, if a broker of Kafka's own has made that topic: whichever
    /// broker is asked, the answer is the same. Else this one, which keeps no transactions and says so.
    fn coordinator_node(&self, reply: &Reply, key_type: i8, key: &str) -> Result<Node, Errors> {
        let cache = &self.metadata_cache;
        let leader_of = |topic: &str, partition: i32| {
            let topic = cache.topic(topic)?;
            Some(topic.partitions.get(usize::try_from(partition).ok()?)?.leader)
        };
        let id = if key_type == KEY_TYPE_GROUP {
            let partition = self.group_coordinator.manager().partition_for(key);
            partition.and_then(|it| leader_of(&it.topic, it.partition))
        } else {
            match cache.topic(TRANSACTION_STATE_TOPIC_NAME) {
                None => Some(cache.broker_id()),
                Some(topic) => {
                    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
                    leader_of(TRANSACTION_STATE_TOPIC_NAME, partition_of(key, count))
                }
            }
        };
        let brokers = cache.alive_brokers(
            &reply.context.session.listener.listener_name,
            reply.context.session.local_address,
        );
        brokers.into_iter().find(|it| Some(it.id) == id).ok_or(Errors::CoordinatorNotAvailable)
    }

    /// Answered when the group is complete.
    pub(crate) fn handle_join_group_request(&self, mut reply: Reply, request: JoinGroupRequest) {
        let group = Resource::group(&request.group_id);
        if !self.authorization.authorize(&reply.context, Operation::Read, group) {
            let response = request.error_response(Errors::GroupAuthorizationFailed);
            reply.send_body(&ResponseBody::JoinGroup(response));
            return;
        }
        let version = reply.header.api_version;
        let is_dynamic = request.group_instance_id.is_none();
        let group_id = request.group_id;
        let join = JoinGroup {
            client: self.watch_client(&reply, &group_id),
            group_id,
            member: identity(request.member_id, request.group_instance_id),
            is_known_member_id_required: version >= JOIN_WITH_KNOWN_ID_VERSION && is_dynamic,
            is_skipping_assignment_supported: version >= JOIN_SKIPPING_ASSIGNMENT_VERSION,
            // Not kept twice while the answer waits.
            client_id: reply.header.client_id.take().unwrap_or_default(),
            // As Java prints an address without a name.
            client_host: format!("/{}", reply.client().ip().to_canonical()),
            rebalance_timeout_ms: match version {
                0 => request.session_timeout_ms,
                _ => request.rebalance_timeout_ms,
            },
            session_timeout_ms: request.session_timeout_ms,
            protocol_type: request.protocol_type,
            protocols: request.protocols.into_iter().map(|it| (it.name, it.metadata)).collect(),
        };
        let client = Arc::clone(&join.client);
        // From here on it is the group's, which has its own bounds, and may wait for minutes.
        drop(reply.take_memory());
        let send_response_callback = move |result: JoinResult| {
            reply.send_body(&ResponseBody::JoinGroup(join_group_response(result)));
        };
        self.group_coordinator.join_group(&join, Box::new(send_response_callback));
        client.look_again();
    }

    /// Answered when the leader has brought the assignments.
    pub(crate) fn handle_sync_group_request(&self, mut reply: Reply, request: SyncGroupRequest) {
        let group = Resource::group(&request.group_id);
        if !self.authorization.authorize(&reply.context, Operation::Read, group) {
            let response = request.error_response(Errors::GroupAuthorizationFailed);
            reply.send_body(&ResponseBody::SyncGroup(response));
            return;
        }
        let assignments = request.assignments.into_iter();
        let group_id = request.group_id;
        let sync = SyncGroup {
            client: self.watch_client(&reply, &group_id),
            group_id,
            member: identity(request.member_id, request.group_instance_id),
            generation_id: request.generation_id,
            protocol_type: request.protocol_type,
            protocol_name: request.protocol_name,
            assignments: assignments.map(|it| (it.member_id, it.assignment)).collect(),
        };
        let client = Arc::clone(&sync.client);
        reply.header.client_id = None; // Nobody needs it while the answer waits.
        drop(reply.take_memory());
        let send_response_callback = move |result: SyncResult| {
            reply.send_body(&ResponseBody::SyncGroup(sync_group_response(result)));
        };
        self.group_coordinator.sync_group(&sync, Box::new(send_response_callback));
        client.look_again();
    }

    /// The connection of a request that may wait in a group, which learns from it that the client
    /// has hung up.
    fn watch_client(&self, reply: &Reply, group_id: &str) -> Arc<HangUp> {
        let (client, of_wait) = (reply.hang_up(), Arc::downgrade(reply.hang_up()));
        let (coordinator, group_id) = (Arc::clone(&self.group_coordinator), group_id.to_string());
        client.watch(move |_| {
            if let Some(client) = of_wait.upgrade() {
                coordinator.client_hung_up(&group_id, &client);
            }
        });
        Arc::clone(client)
    }

    pub(crate) fn handle_heartbeat_request(&self, reply: Reply, request: HeartbeatRequest) {
        let group = Resource::group(&request.group_id);
        if !self.authorization.authorize(&reply.context, Operation::Read, group) {
            let response = request.error_response(Errors::GroupAuthorizationFailed);
            reply.send_body(&ResponseBody::Heartbeat(response));
            return;
        }
        let member = identity(request.member_id, request.group_instance_id);
        let beaten =
            self.group_coordinator.heartbeat(&request.group_id, &member, request.generation_id);
        let response = HeartbeatResponse { throttle_time_ms: 0, error_code: error_code(beaten) };
        reply.send_body(&ResponseBody::Heartbeat(response));
    }

    /// Before version 3 the sender leaves, later the members that are named.
    pub(crate) fn handle_leave_group_request(&self, reply: Reply, request: &LeaveGroupRequest) {
        let group = Resource::group(&request.group_id);
        if !self.authorization.authorize(&reply.context, Operation::Read, group) {
            let response = request.error_response(Errors::GroupAuthorizationFailed);
            reply.send_body(&ResponseBody::LeaveGroup(response));
            return;
        }
        let is_of_several = reply.header.api_version >= LEAVE_OF_SEVERAL_VERSION;
        let leaving: Vec<MemberIdentity> = match is_of_several {
            true => request
                .members
                .iter()
                .map(|it| identity(it.member_id.clone(), it.group_instance_id.clone()))
                .collect(),
            false => vec![identity(request.member_id.clone(), None)],
        };
        let response = match self.group_coordinator.leave_group(&request.group_id, &leaving) {
            Err(error) => request.error_response(error),
            Ok(results) if !is_of_several => {
                let left = results.first().copied().unwrap_or(Ok(()));
                request.error_response(left.err().unwrap_or(Errors::None))
            }
            Ok(results) => LeaveGroupResponse {
                members: leaving.into_iter().zip(results).map(left).collect(),
                ..LeaveGroupResponse::default()
            },
        };
        reply.send_body(&ResponseBody::LeaveGroup(response));
    }
}

pub(crate) fn identity(member_id: String, group_instance_id: Option<String>) -> MemberIdentity {
    MemberIdentity { member_id, group_instance_id }
}

/// As a result is written to the wire.
pub(crate) fn error_code(result: Result<(), Errors>) -> i16 {
    result.err().unwrap_or(Errors::None).code()
}

fn join_group_response(result: JoinResult) -> JoinGroupResponse {
    match result {
        Ok(joined) => JoinGroupResponse {
            throttle_time_ms: 0,
            error_code: Errors::None.code(),
            generation_id: joined.generation_id,
            protocol_type: joined.protocol_type,
            protocol_name: joined.protocol_name,
            leader: joined.leader_id,
            skip_assignment: joined.skip_assignment,
            member_id: joined.member_id,
            members: joined.members.into_iter().map(joined_member).collect(),
        },
        Err(JoinError { error, member_id }) => JoinGroupResponse {
            error_code: error.code(),
            generation_id: NO_GENERATION,
            member_id,
            ..JoinGroupResponse::default()
        },
    }
}

fn joined_member(it: JoinedMember) -> JoinGroupResponseMember {
    JoinGroupResponseMember {
        member_id: it.member_id,
        group_instance_id: it.group_instance_id,
        metadata: it.metadata,
    }
}

fn sync_group_response(result: SyncResult) -> SyncGroupResponse {
    match result {
        Ok(synced) => SyncGroupResponse {
            throttle_time_ms: 0,
            error_code: Errors::None.code(),
            protocol_type: synced.protocol_type,
            protocol_name: synced.protocol_name,
            assignment: synced.assignment,
        },
        Err(error) => {
            SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() }
        }
    }
}

fn left((member, result): (MemberIdentity, Result<(), Errors>)) -> MemberResponse {
    MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: error_code(result),
    }
}
