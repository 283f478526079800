//! Port of `org.apache.kafka.metadata.authorizer.StandardAuthorizer`: rights by the access control lists of a
//! cluster, which its controller keeps.

use std::net::IpAddr;

use log::warn;

use crate::common::acl::{AclBinding, AclBindingFilter, Operation, Resource, ResourceType};
use crate::common::kafka_principal::KafkaPrincipal;
use crate::server::security::acl_cache::AclCache;
use crate::server::security::authorizer::Authorizer;
use crate::server::security::standard_authorizer_data::{StandardAuthorizerData, Wish};

/// Rights by ACLs that [`replace`](Self::replace) is given; none until then. No request to this broker
/// changes them: those that ask for it are the controller's.
pub struct StandardAuthorizer {
    data: StandardAuthorizerData,
}

impl StandardAuthorizer {
    /// `super_users` and `is_everyone_allowed_without_acl` are `super.users` and
    /// `allow.everyone.if.no.acl.found`. Each node of a cluster has its own.
    pub fn new(super_users: Vec<KafkaPrincipal>, is_everyone_allowed_without_acl: bool) -> Self {
        if super_users.is_empty() && !is_everyone_allowed_without_acl {
            warn!(
                "there are no super.users: the other brokers of the cluster copy nothing from here unless an \
                 ACL gives them ClusterAction on the cluster"
            );
        }
        let acls = AclCache::new(std::iter::empty().collect());
        let data = StandardAuthorizerData::new(super_users, is_everyone_allowed_without_acl, acls);
        Self { data }
    }

    /// Takes these ACLs in place of all others, from the next request on.
    pub fn replace(&self, acls: AclCache) {
        self.data.replace(acls);
    }
}

impl Authorizer for StandardAuthorizer {
    fn authorize(
        &self,
        principal: &KafkaPrincipal,
        host: IpAddr,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        self.data.authorize(&Wish { principal, host, operation }, resource)
    }

    fn authorize_by_resource_type(
        &self,
        principal: &KafkaPrincipal,
        host: IpAddr,
        operation: Operation,
        resource_type: ResourceType,
    ) -> bool {
        self.data.authorize_by_resource_type(&Wish { principal, host, operation }, resource_type)
    }

    fn acls(&self, filter: &AclBindingFilter) -> Vec<AclBinding> {
        self.data.acls(filter)
    }
}
