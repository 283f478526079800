//! Part of `kafka.server.metadata.BrokerMetadataPublisher`: what the cluster says of clients, in the order in
//! which the broker follows it.

use crate::image::security_image::SecurityImage;
use crate::server::cluster::acl_publisher::AclPublisher;
use crate::server::cluster::dynamic_client_quota_publisher::DynamicClientQuotaPublisher;
use crate::server::cluster::scram_publisher::ScramPublisher;

pub struct SecurityPublishers {
    /// `None` if the broker has no authorizer that follows the cluster.
    pub acls: Option<AclPublisher>,
    pub client_quotas: DynamicClientQuotaPublisher,
    pub scram: ScramPublisher,
}

impl SecurityPublishers {
    /// When this returns, all is as in `after`, for the next request and the next login.
    pub fn on_metadata_update(&self, before: &SecurityImage, after: &SecurityImage) {
        if let Some(acls) = &self.acls {
            acls.on_metadata_update(before, after);
        }
        self.client_quotas.on_metadata_update(before, after);
        self.scram.on_metadata_update(before, after);
    }
}
