//! Port of `org.apache.kafka.metadata.publisher.AclPublisher`: the access control lists of the cluster, for the
//! authorizer of this broker.

use std::sync::Arc;

use log::{Level, info, log};

use crate::common::acl::{
    Acl, AclBinding, Operation, PatternType, PermissionType, ResourcePattern, ResourceType,
};
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::{counted, for_log};
use crate::image::security_image::{AccessControlEntryRecord, SecurityImage};
use crate::server::security::acl_cache::AclCache;
use crate::server::security::standard_authorizer::StandardAuthorizer;

/// Has an authorizer follow the cluster.
pub struct AclPublisher {
    authorizer: Arc<StandardAuthorizer>,
}

impl AclPublisher {
    pub fn new(authorizer: &Arc<StandardAuthorizer>) -> Self {
        Self { authorizer: Arc::clone(authorizer) }
    }

    /// The authorizer gets all ACLs at once: no request is decided by half of a change.
    pub fn on_metadata_update(&self, before: &SecurityImage, after: &SecurityImage) {
        if Arc::ptr_eq(&before.acls, &after.acls) {
            return;
        }
        for record in after.acls.iter().filter(|(id, _)| !before.acls.contains_key(*id)) {
            warn_of_unknown(record.1);
        }
        self.authorizer.replace(AclCache::new(after.acls.values().map(binding).collect()));
        info!("the cluster has {} now", counted(after.acls.len(), "ACL"));
    }
}

fn binding(record: &AccessControlEntryRecord) -> AclBinding {
    AclBinding {
        pattern: ResourcePattern {
            resource_type: ResourceType::of_record(record.resource_type),
            pattern_type: PatternType::of_record(record.pattern_type),
            name: record.resource_name.clone(),
        },
        acl: Acl {
            principal: record.principal.clone(),
            host: record.host.clone(),
            operation: Operation::of_record(record.operation),
            permission_type: PermissionType::of_record(record.permission_type),
        },
    }
}

/// It opens nothing, but it may deny less than it says.
fn warn_of_unknown(record: &AccessControlEntryRecord) {
    let AclBinding { pattern, acl } = binding(record);
    let is_known = pattern.resource_type != ResourceType::Unknown
        && pattern.pattern_type != PatternType::Unknown
        && acl.operation != Operation::Unknown
        && acl.permission_type != PermissionType::Unknown;
    if !is_known {
        let level = limited(LogKind::Settings, Level::Warn);
        let binding = AclBinding { pattern, acl }.to_string();
        log!(
            level,
            "the cluster has an ACL of a later release, of which this broker understands only: {}; it \
             allows nothing here that it does not allow by what is known",
            for_log(&binding)
        );
    }
}
