//! Port of `kafka.security.auth.SimpleAclAuthorizer`, with the prefixed names and the implied rights
//! of its heirs (`AclAuthorizer`, `StandardAuthorizer`): rights by access control lists.
//!
//! In this order: a super user may do everything; where no ACL covers a resource,
//! `allow.everyone.if.no.acl.found` decides; a denial prevails over whatever is allowed elsewhere;
//! what is allowed may be done; everything else may not.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, RwLock};

use log::{info, warn};

use crate::common::acl::{
    Acl, AclBinding, AclBindingFilter, Operation, PatternType, PermissionType, Resource,
    ResourcePattern, ResourceType, WILDCARD,
};
use crate::common::errors::KafkaError;
use crate::common::kafka_principal::KafkaPrincipal;
use crate::common::lock::{locked, read_locked, write_locked};
use crate::registry::acl_registry::AclRegistry;
use crate::server::security::acl_cache::AclCache;
use crate::server::security::authorizer::Authorizer;

/// In an ACL: everybody.
const WILDCARD_PRINCIPAL: &str = "User:*";

/// Rights by ACLs that are kept in a file. A change applies to the next request.
pub struct SimpleAclAuthorizer {
    super_users: Vec<KafkaPrincipal>,
    is_everyone_allowed_without_acl: bool,
    /// Held while ACLs change, also while the file is written.
    registry: Mutex<AclRegistry>,
    /// Held to look something up or to be replaced, never while the file is written.
    cache: RwLock<AclCache>,
}

/// What a client asks to do.
struct Wish<'a> {
    principal: &'a KafkaPrincipal,
    host: IpAddr,
    operation: Operation,
}

impl SimpleAclAuthorizer {
    /// The authorizer whose ACLs are kept in the directory `dir`. `super_users` and
    /// `is_everyone_allowed_without_acl` are `super.users` and `allow.everyone.if.no.acl.found`.
    ///
    /// # Errors
    /// As [`AclRegistry::open_in`].
    pub fn open_in(
        dir: &Path,
        super_users: Vec<KafkaPrincipal>,
        is_everyone_allowed_without_acl: bool,
    ) -> Result<Self, KafkaError> {
        let (registry, acls) = AclRegistry::open_in(dir)?;
        info!("read {} ACLs from {}", acls.len(), registry.path().display());
        if acls.is_empty() && super_users.is_empty() && !is_everyone_allowed_without_acl {
            warn!(
                "there are no ACLs and no super.users: every request is denied, and no client may \
                 add an ACL. To add the first ones, start once with \
                 `--override super.users=User:ANONYMOUS`, which is every client that has not \
                 authenticated, so on an address of this machine only; or name a user there"
            );
        }
        Ok(Self {
            super_users,
            is_everyone_allowed_without_acl,
            registry: Mutex::new(registry),
            cache: RwLock::new(AclCache::new(acls)),
        })
    }

    fn is_super_user(&self, principal: &KafkaPrincipal) -> bool {
        self.super_users.contains(principal)
    }

    fn with_cache<T>(&self, look: impl FnOnce(&AclCache) -> T) -> T {
        look(&read_locked(&self.cache))
    }

    /// Replaces the ACLs by what `change` makes of them, first in the file, then in memory, and
    /// returns the result of `change`.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeSet<AclBinding>) -> T,
    ) -> Result<T, KafkaError> {
        let mut registry = locked(&self.registry);
        let before = self.with_cache(|cache| cache.bindings().clone());
        let mut after = before.clone();
        let result = change(&mut after);
        if after != before {
            // Built before the file is replaced: nothing between the two may fail.
            let cache = AclCache::new(after);
            registry.replace(&before, cache.bindings())?;
            *write_locked(&self.cache) = cache;
        }
        Ok(result)
    }
}

impl Authorizer for SimpleAclAuthorizer {
    fn authorize(
        &self,
        principal: &KafkaPrincipal,
        host: IpAddr,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        if self.is_super_user(principal) {
            return true;
        }
        let wish = Wish { principal, host, operation };
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

    fn authorize_by_resource_type(
        &self,
        principal: &KafkaPrincipal,
        host: IpAddr,
        operation: Operation,
        resource_type: ResourceType,
    ) -> bool {
        if self.is_super_user(principal) {
            return true;
        }
        let wish = Wish { principal, host, operation };
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
                    wish.is_allowed_by(acl) && !is_denied(pattern)
                })
        })
    }

    fn add_acls(&self, bindings: Vec<AclBinding>) -> Result<(), KafkaError> {
        self.change(|acls| acls.extend(bindings))
    }

    fn remove_acls(
        &self,
        filters: &[AclBindingFilter],
    ) -> Result<Vec<Vec<AclBinding>>, KafkaError> {
        self.change(|acls| {
            let mut take = |filter: &AclBindingFilter| -> Vec<AclBinding> {
                let taken: Vec<_> = acls.iter().filter(|it| filter.matches(it)).cloned().collect();
                for it in &taken {
                    acls.remove(it);
                }
                taken
            };
            filters.iter().map(&mut take).collect()
        })
    }

    fn acls(&self, filter: &AclBindingFilter) -> Vec<AclBinding> {
        self.with_cache(|cache| {
            cache.bindings().iter().filter(|it| filter.matches(it)).cloned().collect()
        })
    }
}

impl Wish<'_> {
    fn is_denied_by(&self, acl: &Acl) -> bool {
        acl.permission_type == PermissionType::Deny
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
