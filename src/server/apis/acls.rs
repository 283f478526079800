//! Port of `kafka.server.AclApis` (Kafka 3.2, in 0.11 a part of `KafkaApis`): lists, adds and removes
//! ACLs.

use std::collections::BTreeMap;
use std::sync::Arc;

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::protocol::acl_filter::AclFilter;
use crate::protocol::create_acls::{
    AclCreation, AclCreationResult, CreateAclsRequest, CreateAclsResponse,
};
use crate::protocol::delete_acls::{
    DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsRequest, DeleteAclsResponse,
};
use crate::protocol::describe_acls::{
    AclDescription, DescribeAclsRequest, DescribeAclsResource, DescribeAclsResponse,
};
use crate::protocol::request::ResponseBody;
use crate::server::apis::parts::Parts;
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{
    Acl, AclBinding, AclBindingFilter, AclMutator, Authorizer, CLUSTER_NAME, Operation,
    PatternType, PermissionType, Resource, ResourcePattern, ResourceType,
};

/// The most ACLs at any time: each change writes all of them.
const ACLS_MAX: usize = 100_000;
/// The longest principal or host of an ACL, in bytes.
const NAME_BYTES_MAX: usize = 1024;

/// Handles DescribeAcls, CreateAcls and DeleteAcls.
pub(crate) struct AclApis {
    /// `None` if there are no ACLs.
    authorizer: Option<Arc<dyn Authorizer>>,
    authorization: Authorization,
}

impl AclApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self { authorizer: parts.authorizer.clone(), authorization: parts.authorization() }
    }

    pub(crate) fn handle_describe_acls_request(&self, reply: Reply, request: &DescribeAclsRequest) {
        let found = self.authorizer_for(&reply, Operation::Describe).and_then(|authorizer| {
            let filter = filter_of(&request.filter)?;
            Ok(authorizer.acls(&filter))
        });
        let response = match found {
            Ok(bindings) => DescribeAclsResponse {
                resources: by_resource(bindings),
                ..DescribeAclsResponse::default()
            },
            Err(error) => DescribeAclsResponse {
                error_message: Some(error.why()),
                ..request.error_response(error.code())
            },
        };
        reply.send_body(&ResponseBody::DescribeAcls(response));
    }

    /// Adds the valid ones among the ACLs, all at once.
    pub(crate) fn handle_create_acls_request(&self, reply: Reply, request: &CreateAclsRequest) {
        let (authorizer, mutator) = match self.mutator_for(&reply) {
            Ok(both) => both,
            Err(error) => {
                let mut response = request.error_response(error.code());
                for result in &mut response.results {
                    result.error_message = Some(error.why());
                }
                reply.send_body(&ResponseBody::CreateAcls(response));
                return;
            }
        };
        let bindings: Vec<_> = request.creations.iter().map(binding_of).collect();
        let valid: Vec<_> = bindings.iter().flatten().cloned().collect();
        let added = add_acls(authorizer, mutator, &valid);
        if added.is_ok() {
            log_change(&reply, "added", valid.iter());
        }
        let mut refusals = Refusals::default();
        let results = bindings.into_iter().zip(&request.creations).map(|(binding, creation)| {
            let result = match (binding, &added) {
                (Err(why), _) => Err(why),
                (Ok(_), Err(why)) => Err(KafkaError::api(why.code(), why.why())),
                (Ok(_), Ok(())) => Ok(()),
            };
            let (error_code, error_message) =
                refusals.error_fields(result, &for_log(&creation.resource_name));
            AclCreationResult { error_code, error_message }
        });
        let results = results.collect();
        reply.log_refusals(&refusals);
        let response = CreateAclsResponse { throttle_time_ms: 0, results };
        reply.send_body(&ResponseBody::CreateAcls(response));
    }

    pub(crate) fn handle_delete_acls_request(&self, reply: Reply, request: &DeleteAclsRequest) {
        let filters: Vec<_> = request.filters.iter().map(|it| filter_of(&it.filter)).collect();
        let removed = self.mutator_for(&reply).and_then(|(_, mutator)| {
            let valid: Vec<_> = filters.iter().flatten().cloned().collect();
            mutator.remove_acls(&valid)
        });
        log_change(&reply, "removed", removed.iter().flatten().flatten());
        let response = match removed {
            Ok(removed) => {
                let mut removed = removed.into_iter();
                let result = |filter: Result<AclBindingFilter, KafkaError>| match filter {
                    Ok(_) => DeleteAclsFilterResult {
                        matching_acls: removed.next().into_iter().flatten().map(matching).collect(),
                        ..DeleteAclsFilterResult::default()
                    },
                    Err(error) => failed_filter(&error),
                };
                let filter_results = filters.into_iter().map(result).collect();
                DeleteAclsResponse { throttle_time_ms: 0, filter_results }
            }
            Err(error) => {
                let filter_results = filters.iter().map(|_| failed_filter(&error)).collect();
                DeleteAclsResponse { throttle_time_ms: 0, filter_results }
            }
        };
        reply.send_body(&ResponseBody::DeleteAcls(response));
    }

    /// The authorizer, if the sender may do this with its ACLs.
    fn authorizer_for(
        &self,
        reply: &Reply,
        operation: Operation,
    ) -> Result<&dyn Authorizer, KafkaError> {
        let Some(authorizer) = &self.authorizer else {
            let why = "No Authorizer is configured.";
            return Err(KafkaError::api(Errors::SecurityDisabled, why));
        };
        self.authorization.check(&reply.context, operation, Resource::CLUSTER)?;
        Ok(authorizer.as_ref())
    }

    /// The authorizer, and what changes its ACLs, if the sender may change them.
    fn mutator_for(&self, reply: &Reply) -> Result<(&dyn Authorizer, &dyn AclMutator), KafkaError> {
        let authorizer = self.authorizer_for(reply, Operation::Alter)?;
        let mutator = authorizer.acl_mutator().ok_or_else(|| {
            let why = "the authorizer of this broker takes no ACLs from requests";
            KafkaError::api(Errors::SecurityDisabled, why)
        })?;
        Ok((authorizer, mutator))
    }
}

/// One line, however many ACLs there are.
fn log_change<'a>(reply: &Reply, what: &str, mut bindings: impl Iterator<Item = &'a AclBinding>) {
    if let Some(first) = bindings.next() {
        let who = &reply.context.session;
        let (count, first) = (bindings.count() + 1, first.to_string());
        let acls_were = if count == 1 { "ACL was" } else { "ACLs were" };
        let level = limited(LogKind::Settings, Level::Info);
        log!(level, "{count} {acls_were} {what} by {who}, the first: {}", for_log(&first));
    }
}

fn add_acls(
    authorizer: &dyn Authorizer,
    mutator: &dyn AclMutator,
    bindings: &[AclBinding],
) -> Result<(), KafkaError> {
    if bindings.is_empty() {
        return Ok(());
    }
    if authorizer.acls(&AclBindingFilter::ANY).len().saturating_add(bindings.len()) > ACLS_MAX {
        let why = format!("at most {ACLS_MAX} ACLs are kept");
        return Err(KafkaError::api(Errors::PolicyViolation, why));
    }
    mutator.add_acls(bindings.to_vec())
}

/// The ACL that a client wants to add, if it is valid.
fn binding_of(creation: &AclCreation) -> Result<AclBinding, KafkaError> {
    let resource_type = ResourceType::for_code(creation.resource_type)
        .filter(|it| *it != ResourceType::Any)
        .ok_or_else(|| no_such("resource type", creation.resource_type))?;
    let pattern_type = PatternType::for_code(creation.resource_pattern_type)
        .filter(|it| matches!(it, PatternType::Literal | PatternType::Prefixed))
        .ok_or_else(|| no_such("pattern type", creation.resource_pattern_type))?;
    let operation = Operation::for_code(creation.operation)
        .filter(|it| *it != Operation::Any)
        .ok_or_else(|| no_such("operation", creation.operation))?;
    let permission_type = PermissionType::for_code(creation.permission_type)
        .filter(|it| *it != PermissionType::Any)
        .ok_or_else(|| no_such("permission type", creation.permission_type))?;
    let AclCreation { resource_name: name, principal, host, .. } = creation;
    if name.is_empty() {
        return Err(invalid("the resource has no name"));
    }
    if resource_type == ResourceType::Cluster && name != CLUSTER_NAME {
        return Err(invalid(&format!("the name of the cluster must be {CLUSTER_NAME}")));
    }
    if [name, principal, host].iter().any(|it| it.len() > NAME_BYTES_MAX) {
        return Err(invalid(&format!("a name is longer than {NAME_BYTES_MAX} bytes")));
    }
    let (name, principal, host) = (name.clone(), principal.clone(), host.clone());
    let acl = Acl { principal, host, operation, permission_type };
    acl.check_whose().map_err(|why| invalid(&why))?;
    Ok(AclBinding { pattern: ResourcePattern { resource_type, pattern_type, name }, acl })
}

fn filter_of(asked: &AclFilter) -> Result<AclBindingFilter, KafkaError> {
    Ok(AclBindingFilter {
        resource_type: ResourceType::for_code(asked.resource_type_filter)
            .ok_or_else(|| no_such("resource type", asked.resource_type_filter))?,
        pattern_type: PatternType::for_code(asked.pattern_type_filter)
            .ok_or_else(|| no_such("pattern type", asked.pattern_type_filter))?,
        name: asked.resource_name_filter.clone(),
        principal: asked.principal_filter.clone(),
        host: asked.host_filter.clone(),
        operation: Operation::for_code(asked.operation)
            .ok_or_else(|| no_such("operation", asked.operation))?,
        permission_type: PermissionType::for_code(asked.permission_type)
            .ok_or_else(|| no_such("permission type", asked.permission_type))?,
    })
}

fn no_such(what: &str, code: i8) -> KafkaError {
    invalid(&format!("unknown {what}: {code}"))
}

fn invalid(why: &str) -> KafkaError {
    KafkaError::api(Errors::InvalidRequest, why)
}

fn by_resource(bindings: Vec<AclBinding>) -> Vec<DescribeAclsResource> {
    let mut resources: BTreeMap<ResourcePattern, Vec<AclDescription>> = BTreeMap::new();
    for AclBinding { pattern, acl } in bindings {
        resources.entry(pattern).or_default().push(AclDescription {
            principal: acl.principal,
            host: acl.host,
            operation: acl.operation.code(),
            permission_type: acl.permission_type.code(),
        });
    }
    let resource = |(pattern, acls): (ResourcePattern, _)| DescribeAclsResource {
        resource_type: pattern.resource_type.code(),
        resource_name: pattern.name,
        pattern_type: pattern.pattern_type.code(),
        acls,
    };
    resources.into_iter().map(resource).collect()
}

fn matching(AclBinding { pattern, acl }: AclBinding) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl {
        error_code: Errors::None.code(),
        error_message: None,
        resource_type: pattern.resource_type.code(),
        resource_name: pattern.name,
        pattern_type: pattern.pattern_type.code(),
        principal: acl.principal,
        host: acl.host,
        operation: acl.operation.code(),
        permission_type: acl.permission_type.code(),
    }
}

fn failed_filter(error: &KafkaError) -> DeleteAclsFilterResult {
    DeleteAclsFilterResult {
        error_code: error.code().code(),
        error_message: Some(error.why()),
        matching_acls: Vec::new(),
    }
}
