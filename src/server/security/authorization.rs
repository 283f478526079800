//! Port of `KafkaApis.authorize` and of the later `kafka.server.AuthHelper`: what a handler asks
//! before it does anything for a client.
//!
//! Without an authorizer everything is allowed, and nothing is looked up or allocated to find that
//! out. Denials are logged when the request is answered, in one line however many there are;
//! permissions are logged at debug level.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use log::debug;

use crate::common::errors::{Errors, KafkaError};
use crate::common::text::for_log;
use crate::network::request_channel::Session;
use crate::protocol::metadata::OPERATIONS_NOT_ASKED_FOR;
use crate::server::security::authorizer::{Authorizer, Operation, Resource, ResourceType};
use crate::server::security::request_context::{AUTHORIZER_LOG, RequestContext};

/// The authorizer's verdicts, in the shapes that handlers need.
#[derive(Clone)]
pub struct Authorization {
    /// `None` if everything is allowed.
    authorizer: Option<Arc<dyn Authorizer>>,
}

impl Authorization {
    pub fn new(authorizer: Option<Arc<dyn Authorizer>>) -> Self {
        Self { authorizer }
    }

    /// Whether the sender of a request may do this. A denial is noted for the log.
    pub fn authorize(
        &self,
        context: &RequestContext,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        let is_allowed = self.authorize_quietly(context, operation, resource);
        if !is_allowed {
            let session = &context.session;
            context.denials.note(&Verdict { is_allowed, session, operation, resource });
        }
        is_allowed
    }

    /// As [`authorize`](Self::authorize), where a denial is no news: the sender did not name the
    /// resource, or another right may allow the same.
    pub fn authorize_quietly(
        &self,
        context: &RequestContext,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        let Some(authorizer) = &self.authorizer else { return true };
        let session = &context.session;
        let host = session.client_address.ip();
        let is_allowed = authorizer.authorize(&session.principal, host, operation, resource);
        let verdict = Verdict { is_allowed, session, operation, resource };
        debug!(target: AUTHORIZER_LOG, "{verdict}");
        is_allowed
    }

    /// As [`authorize`](Self::authorize), with the error that the client gets.
    ///
    /// # Errors
    /// The resource type's [`authorization_failed`](ResourceType::authorization_failed).
    pub fn check(
        &self,
        context: &RequestContext,
        operation: Operation,
        resource: Resource<'_>,
    ) -> Result<(), KafkaError> {
        match self.authorize(context, operation, resource) {
            true => Ok(()),
            false => Err(refusal(resource.resource_type)),
        }
    }

    /// Whether the sender of a request may do this with all of these resources. A denial is not
    /// noted.
    pub fn allows_all<'a>(
        &self,
        session: &Session,
        operation: Operation,
        resource_type: ResourceType,
        mut names: impl Iterator<Item = &'a str>,
    ) -> bool {
        let Some(authorizer) = &self.authorizer else { return true };
        let (principal, host) = (&session.principal, session.client_address.ip());
        names.all(|name| {
            authorizer.authorize(principal, host, operation, Resource { resource_type, name })
        })
    }

    /// Of the resources that a request names, those with which its sender may do this. Each name is
    /// looked up once.
    pub fn filter_by_authorized<'a>(
        &self,
        context: &RequestContext,
        operation: Operation,
        resource_type: ResourceType,
        names: impl Iterator<Item = &'a str>,
    ) -> Authorized<'a> {
        if self.authorizer.is_none() {
            return Authorized::All;
        }
        let mut rights = HashMap::new();
        for name in names {
            let ask = || self.authorize(context, operation, Resource { resource_type, name });
            rights.entry(name).or_insert_with(ask);
        }
        Authorized::Only(resource_type, rights)
    }

    /// The topics that may be created: all of them for a sender that may create in the cluster.
    pub fn authorized_to_create<'a>(
        &self,
        context: &RequestContext,
        names: impl Iterator<Item = &'a str>,
    ) -> Authorized<'a> {
        if self.authorize_quietly(context, Operation::Create, Resource::CLUSTER) {
            return Authorized::All;
        }
        self.filter_by_authorized(context, Operation::Create, ResourceType::Topic, names)
    }

    /// Whether the sender may do this with any resource of a type at all. A denial is not noted.
    pub fn authorize_by_resource_type(
        &self,
        context: &RequestContext,
        operation: Operation,
        resource_type: ResourceType,
    ) -> bool {
        let Some(authorizer) = &self.authorizer else { return true };
        let (principal, host) = (&context.session.principal, context.session.client_address.ip());
        authorizer.authorize_by_resource_type(principal, host, operation, resource_type)
    }

    /// The operations that the sender may do with a resource, each the bit of its number, if the
    /// request `is_asking` for them.
    pub fn authorized_operations(
        &self,
        context: &RequestContext,
        is_asking: bool,
        resource: Resource<'_>,
    ) -> i32 {
        if !is_asking {
            return OPERATIONS_NOT_ASKED_FOR;
        }
        let operations = resource.resource_type.supported_operations().iter();
        let allowed = operations.filter(|it| self.authorize_quietly(context, **it, resource));
        allowed.fold(0, |bits, it| bits | 1 << it.code())
    }

    /// As [`authorized_operations`](Self::authorized_operations), of the cluster: a sender that may
    /// not describe it learns of none.
    pub fn authorized_cluster_operations(&self, context: &RequestContext, is_asking: bool) -> i32 {
        let cluster = Resource::CLUSTER;
        if is_asking && !self.authorize_quietly(context, Operation::Describe, cluster) {
            return 0;
        }
        self.authorized_operations(context, is_asking, cluster)
    }
}

/// Of the resources of one type that a request names, those that its sender has a right to.
#[derive(Debug)]
pub enum Authorized<'a> {
    All,
    /// Those that stand here with `true`.
    Only(ResourceType, HashMap<&'a str, bool>),
}

impl Authorized<'_> {
    pub fn none_of(resource_type: ResourceType) -> Self {
        Self::Only(resource_type, HashMap::new())
    }

    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(_, rights) => rights.get(name).is_some_and(|it| *it),
        }
    }

    /// As [`contains`](Self::contains), with the error that the client gets.
    ///
    /// # Errors
    /// The resource type's [`authorization_failed`](ResourceType::authorization_failed).
    pub fn check(&self, name: &str) -> Result<(), KafkaError> {
        match self {
            Self::Only(resource_type, _) if !self.contains(name) => Err(refusal(*resource_type)),
            _ => Ok(()),
        }
    }
}

/// Which right a sender has or lacks, in the words of Kafka's `AclAuthorizer`.
struct Verdict<'a> {
    is_allowed: bool,
    session: &'a Session,
    operation: Operation,
    resource: Resource<'a>,
}

impl fmt::Display for Verdict<'_> {
    /// The resource's name is the client's: it is escaped and cut, so that it forges no line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session, operation, resource: Resource { resource_type, name }, .. } = self;
        let verdict = if self.is_allowed { "Allowed" } else { "Denied" };
        let host = session.client_address.ip();
        write!(f, "Principal = {} is {verdict} Operation = {operation}", session.principal)?;
        write!(f, " from host = {host} on resource = {resource_type}:{}", for_log(name))
    }
}

fn refusal(resource_type: ResourceType) -> KafkaError {
    let error: Errors = resource_type.authorization_failed();
    KafkaError::api(error, error.message())
}
