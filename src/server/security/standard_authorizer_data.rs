//! Port of `org.apache.kafka.metadata.authorizer.StandardAuthorizerData`: what access control lists add up to,
//! wherever they are kept.
//!
//! In this order: a super user may do everything; where no ACL covers a resource,
//! `allow.everyone.if.no.acl.found` decides; a denial prevails over whatever is allowed elsewhere;
//! what is allowed may be done; everything else may not.
//!
//! A cluster may hold ACLs of a later release. What is not known in one never opens anything: a permission
//! that is not known denies, as in Kafka, and an operation that is not known is none that a client asks for,
//! but the resource counts as one that has ACLs.

use std::net::IpAddr;
use std::sync::RwLock;

use crate::common::acl::{
    Acl, AclBinding, AclBindingFilter, Operation, PatternType, PermissionType, Resource,
    ResourcePattern, ResourceType, WILDCARD,
};
use crate::common::kafka_principal::KafkaPrincipal;
use crate::common::lock::{read_locked, write_locked};
use crate::server::security::acl_cache::AclCache;

/// In an ACL: everybody.
const WILDCARD_PRINCIPAL: &str = "User:*";

/// ACLs, and who needs none.
pub struct StandardAuthorizerData {
    super_users: Vec<KafkaPrincipal>,
    is_everyone_allowed_without_acl: bool,
    /// Held to look something up or to be replaced, never while a file is written.
    cache: RwLock<AclCache>,
}

/// What a client asks to do.
pub(super) struct Wish<'a> {
    pub principal: &'a KafkaPrincipal,
    pub host: IpAddr,
    pub operation: Operation,
}

impl StandardAuthorizerData {
    /// `super_users` and `is_everyone_allowed_without_acl` are `super.users` and
    /// `allow.everyone.if.no.acl.found`.
    pub fn new(
        super_users: Vec<KafkaPrincipal>,
        is_everyone_allowed_without_acl: bool,
        acls: AclCache,
    ) -> Self {
        Self { super_users, is_everyone_allowed_without_acl, cache: RwLock::new(acls) }
    }

    /// Takes these ACLs in place of all others, from the next request on.
    pub fn replace(&self, acls: AclCache) {
        *write_locked(&self.cache) = acls;
    }

    pub fn with_cache<T>(&self, look: impl FnOnce(&AclCache) -> T) -> T {
        look(&read_locked(&self.cache))
    }

    /// The ACLs that match the filter, sorted.
    pub fn acls(&self, filter: &AclBindingFilter) -> Vec<AclBinding> {
        self.with_cache(|cache| {
            cache.bindings().iter().filter(|it| filter.matches(it)).cloned().collect()
        })
    }

    pub(super) fn authorize(&self, wish: &Wish<'_>, resource: Resource<'_>) -> bool {
        if self.super_users.contains(wish.principal) {
            return true;
        }
        self.with_cache(|cache| {
            let (mut has_acl, mut is_allowed) = (false, false);
            for acl in cache.acls_about(resource) {
                if wish.is_denied_by(acl) {
                    return false;
                }
                has_acl = true;
                is_allowed |= wish.is_allowed_by(acl);
            }
            is_allowed || (!has_acl && self.is_everyone_allowed_without_acl)
        })
    }

    pub(super) fn authorize_by_resource_type(
        &self,
        wish: &Wish<'_>,
        resource_type: ResourceType,
    ) -> bool {
        if self.super_users.contains(wish.principal) {
            return true;
        }
        self.with_cache(|cache| {
            let name = WILDCARD.to_string();
            let everything =
                ResourcePattern { resource_type, pattern_type: PatternType::Literal, name };
            let is_denied =
                |pattern| cache.acls_covering(pattern).any(|acl| wish.is_denied_by(acl));
            if is_denied(&everything) {
                return false;
            }
            self.is_everyone_allowed_without_acl
                || cache.bindings_of_type(resource_type).any(|AclBinding { pattern, acl }| {
                    pattern.pattern_type != PatternType::Unknown
                        && wish.is_allowed_by(acl)
                        && !is_denied(pattern)
                })
        })
    }
}

impl Wish<'_> {
    fn is_denied_by(&self, acl: &Acl) -> bool {
        acl.permission_type != PermissionType::Allow
            && matches!(acl.operation, it if it == self.operation || it == Operation::All)
            && self.is_of(acl)
    }

    fn is_allowed_by(&self, acl: &Acl) -> bool {
        acl.permission_type == PermissionType::Allow
            && (acl.operation == Operation::All || implies(acl.operation, self.operation))
            && self.is_of(acl)
    }

    /// Whether the ACL applies to the client.
    fn is_of(&self, acl: &Acl) -> bool {
        (acl.principal == WILDCARD_PRINCIPAL || self.principal.is_written(&acl.principal))
            && (acl.host == WILDCARD
                || acl.host.parse().is_ok_and(|it: IpAddr| it.to_canonical() == self.host))
    }
}

/// Whether the right to `allowed` includes the right to `wished`. A denial implies nothing.
fn implies(allowed: Operation, wished: Operation) -> bool {
    use Operation as It;
    allowed == wished
        || match wished {
            It::Describe => matches!(allowed, It::Read | It::Write | It::Delete | It::Alter),
            It::DescribeConfigs => allowed == It::AlterConfigs,
            _ => false,
        }
}
