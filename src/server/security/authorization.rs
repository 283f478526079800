//! Port of `KafkaApis.authorize` and of the later `kafka.server.AuthHelper`: what a handler asks
//! before it does anything for a client.
//!
//! Without an authorizer everything is allowed, and nothing is looked up or allocated to find that
//! out. What is denied is told to the log when the request is answered, in one line however much of
//! it there is; what is allowed, at debug level.

use std::collections::HashMap;
use std::fmt;

use log::debug;

use crate::common::errors::{Errors, KafkaError};
use crate::common::text::for_log;
use crate::network::request_channel::Session;
use crate::protocol::fetch::FetchRequest;
use crate::protocol::metadata::OPERATIONS_NOT_ASKED_FOR;

use crate::server::kafka_apis::KafkaApis;
use crate::server::reply::reply::{AUTHORIZER_LOG, Reply};
use crate::server::security::authorizer::{Operation, Resource, ResourceType};

/// Of the things of one kind that a request names, those that its sender has a right to.
pub(crate) enum Authorized<'a> {
    /// All of them.
    All,
    /// Those that stand here with `true`.
    Only(ResourceType, HashMap<&'a str, bool>),
}

impl Authorized<'_> {
    /// Whether the thing of this name is one of them.
    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(_, rights) => rights.get(name).is_some_and(|it| *it),
        }
    }

    /// Whether the thing of this name is one of them, as what a client is told.
    ///
    /// # Errors
    /// The kind's [`authorization_failed`](ResourceType::authorization_failed).
    pub(crate) fn check(&self, name: &str) -> Result<(), KafkaError> {
        match self {
            Self::Only(resource_type, _) if !self.contains(name) => Err(refusal(*resource_type)),
            _ => Ok(()),
        }
    }
}

impl KafkaApis {
    /// Whether the sender of a request may do this. A denial is noted for the log.
    pub(crate) fn authorize(
        &self,
        reply: &Reply,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        let is_allowed = self.authorize_quietly(reply, operation, resource);
        if !is_allowed {
            let session = &reply.session;
            reply.note_denial(&Verdict { is_allowed, session, operation, resource });
        }
        is_allowed
    }

    /// The same, where a denial is no news: the sender did not name the thing, or may be allowed by
    /// another right.
    pub(crate) fn authorize_quietly(
        &self,
        reply: &Reply,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        let Some(authorizer) = &self.authorizer else { return true };
        let session = &reply.session;
        let host = session.client_address.ip();
        let is_allowed = authorizer.authorize(&session.principal, host, operation, resource);
        let verdict = Verdict { is_allowed, session, operation, resource };
        debug!(target: AUTHORIZER_LOG, "{verdict}");
        is_allowed
    }

    /// The same, as what a client is told.
    ///
    /// # Errors
    /// The kind's [`authorization_failed`](ResourceType::authorization_failed).
    pub(crate) fn check_authorized(
        &self,
        reply: &Reply,
        operation: Operation,
        resource: Resource<'_>,
    ) -> Result<(), KafkaError> {
        match self.authorize(reply, operation, resource) {
            true => Ok(()),
            false => Err(refusal(resource.resource_type)),
        }
    }

    /// Of the things that a request names, those with which its sender may do this. Each name is
    /// looked at once.
    pub(crate) fn filter_authorized<'a>(
        &self,
        reply: &Reply,
        operation: Operation,
        resource_type: ResourceType,
        names: impl Iterator<Item = &'a str>,
    ) -> Authorized<'a> {
        if self.authorizer.is_none() {
            return Authorized::All;
        }
        let mut rights = HashMap::new();
        for name in names {
            let ask = || self.authorize(reply, operation, Resource { resource_type, name });
            rights.entry(name).or_insert_with(ask);
        }
        Authorized::Only(resource_type, rights)
    }

    /// The topics of a fetch that may be read. A follower reads beyond the high watermark, for which
    /// it needs the right of a broker (as in Kafka 0.10.1; 0.9 asked for that of a consumer).
    pub(crate) fn authorized_to_fetch<'a>(
        &self,
        reply: &Reply,
        request: &'a FetchRequest,
    ) -> Authorized<'a> {
        let is_follower = request.replica_id >= 0;
        if !is_follower {
            let names = request.topics.iter().map(|it| it.topic.as_str());
            return self.filter_authorized(reply, Operation::Read, ResourceType::Topic, names);
        }
        match self.authorize(reply, Operation::ClusterAction, Resource::CLUSTER) {
            true => Authorized::All,
            false => Authorized::Only(ResourceType::Topic, HashMap::new()),
        }
    }

    /// The topics that may be created: who may create in the cluster may create any.
    pub(crate) fn authorized_to_create<'a>(
        &self,
        reply: &Reply,
        names: impl Iterator<Item = &'a str>,
    ) -> Authorized<'a> {
        match self.authorize_quietly(reply, Operation::Create, Resource::CLUSTER) {
            true => Authorized::All,
            false => self.filter_authorized(reply, Operation::Create, ResourceType::Topic, names),
        }
    }

    /// Whether an idempotent producer may have an id: a right of its own, until Kafka 2.8 gave it to
    /// everybody who may write any topic.
    ///
    /// # Errors
    /// `CLUSTER_AUTHORIZATION_FAILED`.
    pub(crate) fn check_idempotent_write(&self, reply: &Reply) -> Result<(), KafkaError> {
        if self.may_write_any_topic(reply) {
            return Ok(());
        }
        self.check_authorized(reply, Operation::IdempotentWrite, Resource::CLUSTER)
    }

    fn may_write_any_topic(&self, reply: &Reply) -> bool {
        self.authorizer.as_ref().is_none_or(|it| {
            let host = reply.session.client_address.ip();
            let principal = &reply.session.principal;
            it.authorize_by_resource_type(principal, host, Operation::Write, ResourceType::Topic)
        })
    }

    /// What the sender may do with a thing, each operation the bit of its number, if that `is_asked`.
    pub(crate) fn authorized_operations(
        &self,
        reply: &Reply,
        is_asked: bool,
        resource: Resource<'_>,
    ) -> i32 {
        if !is_asked {
            return OPERATIONS_NOT_ASKED_FOR;
        }
        let operations = resource.resource_type.supported_operations().iter();
        let allowed = operations.filter(|it| self.authorize_quietly(reply, **it, resource));
        allowed.fold(0, |bits, it| bits | 1 << it.code())
    }

    /// The same of the cluster: nothing is told to those who may not describe it.
    pub(crate) fn cluster_authorized_operations(&self, reply: &Reply, is_asked: bool) -> i32 {
        let is_hidden =
            is_asked && !self.authorize_quietly(reply, Operation::Describe, Resource::CLUSTER);
        match is_hidden {
            true => 0,
            false => self.authorized_operations(reply, is_asked, Resource::CLUSTER),
        }
    }
}

/// Who did or did not get which right, in the words of Kafka's `AclAuthorizer`.
struct Verdict<'a> {
    is_allowed: bool,
    session: &'a Session,
    operation: Operation,
    resource: Resource<'a>,
}

impl fmt::Display for Verdict<'_> {
    /// The name of the thing is the client's: it is escaped and cut, so that it forges no line.
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
