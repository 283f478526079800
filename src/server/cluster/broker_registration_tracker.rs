//! Port of `org.apache.kafka.image.publisher.BrokerRegistrationTracker`: registers the broker again when the
//! cluster begins to ask for more than the broker has registered.

use std::sync::Arc;

use log::info;

use crate::image::directory_id::FIRST_VERSION_WITH_DIRECTORIES;
use crate::image::metadata_delta::MetadataDelta;
use crate::image::metadata_image::MetadataImage;
use crate::image::metadata_publisher::MetadataPublisher;

/// Calls `refresh` when the broker has to register again.
pub struct BrokerRegistrationTracker<F> {
    broker_id: i32,
    refresh: F,
}

impl<F: Fn() + Send + Sync> BrokerRegistrationTracker<F> {
    pub fn new(broker_id: i32, refresh: F) -> Self {
        Self { broker_id, refresh }
    }

    /// Whether the cluster keeps directories by now, and none of this broker.
    fn is_refresh_needed(&self, image: &MetadataImage) -> bool {
        let registration = image.cluster.broker(self.broker_id);
        image.features.metadata_version() >= FIRST_VERSION_WITH_DIRECTORIES
            && registration.is_some_and(|it| it.directories.is_empty())
    }
}

impl<F: Fn() + Send + Sync> MetadataPublisher for BrokerRegistrationTracker<F> {
    fn name(&self) -> &'static str {
        "BrokerRegistrationTracker"
    }

    fn on_metadata_update(
        &self,
        delta: &MetadataDelta,
        _before: &Arc<MetadataImage>,
        after: &Arc<MetadataImage>,
    ) {
        let is_touched = delta.is_features_changed || delta.is_cluster_changed;
        if is_touched && self.is_refresh_needed(after) {
            info!("registering again: the cluster keeps the log directories of its brokers by now");
            (self.refresh)();
        }
    }
}
