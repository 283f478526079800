//! Port of `KafkaApis.handleDescribeGroupRequest`, `handleListGroupsRequest` and of the later
//! `handleDeleteGroups`: what admins ask about groups.

use std::collections::HashSet;
use std::sync::Arc;

use crate::common::errors::Errors;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_results::{GroupOverview, GroupSummary};
use crate::protocol::delete_groups::DeleteGroupsRequest;
use crate::protocol::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use crate::protocol::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use crate::protocol::request::ResponseBody;
use crate::server::apis::group_deletions::GroupDeletions;
use crate::server::apis::parts::Parts;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{Operation, Resource};

/// Today's Kafka gives this name to groups of the protocol that is spoken here, in which the members
/// work out their assignment themselves.
const GROUP_TYPE: &str = "classic";

/// How long all descriptions of one answer may be, in bytes: those of all groups, unless their memory
/// was raised above its default. A frame holds twice as much.
const DESCRIPTIONS_BYTES_MAX: usize = 1 << 30;

/// Handles DescribeGroups, ListGroups and DeleteGroups.
pub(crate) struct GroupAdminApis {
    group_coordinator: Arc<GroupCoordinator>,
    authorization: Authorization,
}

impl GroupAdminApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            group_coordinator: Arc::clone(&parts.group_coordinator),
            authorization: parts.authorization(),
        }
    }

    pub(crate) fn handle_describe_groups_request(
        &self,
        reply: Reply,
        request: &DescribeGroupsRequest,
    ) {
        // A group that is named a million times is answered once: the answer is far longer than the
        // question.
        let mut named = HashSet::new();
        let groups = request.groups.iter().filter(|group_id| named.insert(*group_id));
        let mut room_bytes = DESCRIPTIONS_BYTES_MAX;
        let groups = groups.map(|group_id| {
            let resource = Resource::group(group_id);
            let authorization = &self.authorization;
            let may_describe =
                authorization.authorize(&reply.context, Operation::Describe, resource);
            let size_bytes = self.group_coordinator.description_bytes_max(group_id);
            let summary = match room_bytes.checked_sub(size_bytes) {
                _ if !may_describe => Err(Errors::GroupAuthorizationFailed),
                None => Err(Errors::UnknownServerError),
                Some(left_bytes) => {
                    room_bytes = left_bytes;
                    self.group_coordinator.describe_group(group_id)
                }
            };
            let mut group = match summary {
                Ok(summary) => described(group_id, summary),
                Err(error) => DescribedGroup {
                    error_code: error.code(),
                    group_id: group_id.clone(),
                    ..DescribedGroup::default()
                },
            };
            let is_asking =
                request.include_authorized_operations && group.error_code == Errors::None.code();
            group.authorized_operations =
                authorization.authorized_operations(&reply.context, is_asking, resource);
            group
        });
        let response = DescribeGroupsResponse { throttle_time_ms: 0, groups: groups.collect() };
        reply.send_body(&ResponseBody::DescribeGroups(response));
    }

    /// A client that may not describe the cluster gets the groups that it may describe; Kafka 0.9
    /// returned none, with an error.
    pub(crate) fn handle_list_groups_request(&self, reply: Reply, request: &ListGroupsRequest) {
        let response = match self.group_coordinator.list_groups() {
            Err(error) => request.error_response(error),
            Ok(groups) => {
                let is_wanted = |filter: &[String], value: &str| {
                    filter.is_empty() || filter.iter().any(|it| it.eq_ignore_ascii_case(value))
                };
                let may_describe = |resource: Resource<'_>| {
                    let (authorization, describe) = (&self.authorization, Operation::Describe);
                    authorization.authorize_quietly(&reply.context, describe, resource)
                };
                let is_all_shown = may_describe(Resource::CLUSTER);
                let is_shown = |it: &GroupOverview| {
                    is_all_shown || may_describe(Resource::group(&it.group_id))
                };
                let groups = groups
                    .into_iter()
                    .filter(is_shown)
                    .filter(|group| is_wanted(&request.states_filter, group.state))
                    .filter(|_| is_wanted(&request.types_filter, GROUP_TYPE))
                    .map(listed)
                    .collect();
                ListGroupsResponse { groups, ..ListGroupsResponse::default() }
            }
        };
        reply.send_body(&ResponseBody::ListGroups(response));
    }

    /// Only groups without members are deleted.
    pub(crate) fn handle_delete_groups_request(&self, reply: Reply, request: &DeleteGroupsRequest) {
        let may_delete = |group_id: &str| {
            let (authorization, group) = (&self.authorization, Resource::group(group_id));
            authorization.authorize(&reply.context, Operation::Delete, group)
        };
        // One that is named twice is deleted and answered once, as in Kafka.
        let mut named = HashSet::new();
        let names = request.groups_names.iter().filter(|group_id| named.insert(*group_id));
        let group_ids: Vec<String> = names.cloned().collect();
        let are_allowed: Vec<bool> = group_ids.iter().map(|it| may_delete(it)).collect();
        let deletions = GroupDeletions::begin(reply, &group_ids);
        for (place, (group_id, is_allowed)) in group_ids.iter().zip(are_allowed).enumerate() {
            let callback = deletions.of_group(place);
            match is_allowed {
                true => self.group_coordinator.delete_group(group_id, callback),
                false => callback(Err(Errors::GroupAuthorizationFailed)),
            }
        }
    }
}

fn described(group_id: &str, summary: GroupSummary) -> DescribedGroup {
    let members = summary.members.into_iter().map(|it| DescribedGroupMember {
        member_id: it.member_id,
        group_instance_id: it.group_instance_id,
        client_id: it.client_id,
        client_host: it.client_host,
        member_metadata: it.metadata,
        member_assignment: it.assignment,
    });
    DescribedGroup {
        group_id: group_id.to_string(),
        group_state: summary.state.to_string(),
        protocol_type: summary.protocol_type,
        protocol_data: summary.protocol,
        members: members.collect(),
        ..DescribedGroup::default()
    }
}

fn listed(group: GroupOverview) -> ListedGroup {
    ListedGroup {
        group_id: group.group_id,
        protocol_type: group.protocol_type,
        group_state: group.state.to_string(),
        group_type: GROUP_TYPE.to_string(),
    }
}
