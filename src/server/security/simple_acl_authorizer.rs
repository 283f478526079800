//! Port of `kafka.security.auth.SimpleAclAuthorizer`, with the prefixed names and the implied rights
//! of its heirs (`AclAuthorizer`, `StandardAuthorizer`): rights by access control lists that the broker keeps
//! itself. What they add up to stands in [`StandardAuthorizerData`].

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Mutex;

use log::{info, warn};

use crate::common::acl::{AclBinding, AclBindingFilter, Operation, Resource, ResourceType};
use crate::common::errors::KafkaError;
use crate::common::kafka_principal::KafkaPrincipal;
use crate::common::lock::locked;
use crate::registry::acl_registry::AclRegistry;
use crate::server::security::acl_cache::AclCache;
use crate::server::security::authorizer::{AclMutator, Authorizer};
use crate::server::security::standard_authorizer_data::{StandardAuthorizerData, Wish};

/// Rights by ACLs that are kept in a file. A change applies to the next request.
pub struct SimpleAclAuthorizer {
    /// Held while ACLs change, also while the file is written.
    registry: Mutex<AclRegistry>,
    data: StandardAuthorizerData,
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
        let acls = AclCache::new(acls);
        let data = StandardAuthorizerData::new(super_users, is_everyone_allowed_without_acl, acls);
        Ok(Self { registry: Mutex::new(registry), data })
    }

    /// Replaces the ACLs by what `change` makes of them, first in the file, then in memory, and
    /// returns the result of `change`.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeSet<AclBinding>) -> T,
    ) -> Result<T, KafkaError> {
        let mut registry = locked(&self.registry);
        let before = self.data.with_cache(|cache| cache.bindings().clone());
        let mut after = before.clone();
        let result = change(&mut after);
        if after != before {
            // Built before the file is replaced: nothing between the two may fail.
            let cache = AclCache::new(after);
            registry.replace(&before, cache.bindings())?;
            self.data.replace(cache);
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

    fn acl_mutator(&self) -> Option<&dyn AclMutator> {
        Some(self)
    }
}

impl AclMutator for SimpleAclAuthorizer {
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
}
