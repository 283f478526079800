//! Port of `kafka.security.auth.Authorizer`: decides who may do what.

use std::net::IpAddr;

use crate::common::errors::KafkaError;
use crate::common::kafka_principal::KafkaPrincipal;

// The types of the trait, so that an implementation imports them from here.
pub use crate::common::acl::{
    Acl, AclBinding, AclBindingFilter, CLUSTER_NAME, Operation, PatternType, PermissionType,
    Resource, ResourcePattern, ResourceType, WILDCARD,
};

/// Decides who may do what. The broker asks it before it does anything for a client; users of the
/// library may bring their own.
///
/// Several threads ask it at once, once per request or more: it must not wait.
pub trait Authorizer: Send + Sync {
    /// Whether `principal`, connected from the address `host`, may do this with this resource.
    fn authorize(
        &self,
        principal: &KafkaPrincipal,
        host: IpAddr,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool;

    /// Whether `principal` may do this with at least one resource of this type, whatever its name.
    fn authorize_by_resource_type(
        &self,
        principal: &KafkaPrincipal,
        host: IpAddr,
        operation: Operation,
        resource_type: ResourceType,
    ) -> bool;

    /// The ACLs that match the filter, sorted.
    fn acls(&self, filter: &AclBindingFilter) -> Vec<AclBinding>;

    /// What changes its ACLs at the request of a client. `None` if no request to this broker does.
    fn acl_mutator(&self) -> Option<&dyn AclMutator> {
        None
    }
}

/// Changes the ACLs of an [`Authorizer`]: Kafka's `AclMutator`.
pub trait AclMutator: Send + Sync {
    /// Adds ACLs, which apply from then on, also after a restart. One that exists is left as it is.
    ///
    /// # Errors
    /// Whatever the disk reports; no ACL is added then.
    fn add_acls(&self, bindings: Vec<AclBinding>) -> Result<(), KafkaError>;

    /// Removes every ACL that matches one of the filters, and returns those that each filter
    /// removed: an ACL that several filters match is listed under the first.
    ///
    /// # Errors
    /// Whatever the disk reports; all of them still apply then.
    fn remove_acls(&self, filters: &[AclBindingFilter])
    -> Result<Vec<Vec<AclBinding>>, KafkaError>;
}
