//! Not in Kafka as one: what a broker knows of its cluster and of its place in it, for its pages.

use std::sync::Arc;

use crate::image::metadata_image::MetadataImage;
use crate::raft::kafka_raft_client::KafkaRaftClient;
use crate::raft::quorum::{ControllerNode, ControllerNodeProvider, LeaderAndEpoch};
use crate::server::cluster::broker_lifecycle::LifecycleState;
use crate::server::cluster::broker_lifecycle_manager::BrokerLifecycleManager;
use crate::server::cluster::broker_metadata_publisher::BrokerMetadataPublisher;

/// Looks at the cluster again and again. No call waits for a disk or another node.
pub struct ClusterView {
    observer: Arc<KafkaRaftClient>,
    publisher: Arc<BrokerMetadataPublisher>,
    lifecycle: Arc<BrokerLifecycleManager>,
}

impl ClusterView {
    pub fn new(
        observer: Arc<KafkaRaftClient>,
        publisher: Arc<BrokerMetadataPublisher>,
        lifecycle: Arc<BrokerLifecycleManager>,
    ) -> Self {
        Self { observer, publisher, lifecycle }
    }

    /// The newest; its last records may be about to be applied.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.publisher.image()
    }

    /// The metadata records up to this offset are applied.
    pub fn applied_offset(&self) -> i64 {
        self.publisher.published_offset()
    }

    /// Up to where the metadata log is committed, as the active controller has told.
    pub fn high_watermark(&self) -> i64 {
        self.observer.high_watermark()
    }

    /// How many committed records are not applied yet.
    pub fn metadata_lag(&self) -> i64 {
        // In this order, so that what comes in between does not count as lag.
        let high_watermark = self.high_watermark();
        (high_watermark - 1 - self.applied_offset()).max(0)
    }

    /// Of the quorum of controllers.
    pub fn leader_and_epoch(&self) -> LeaderAndEpoch {
        self.observer.leader_and_epoch()
    }

    /// `None` while there is none, or its address is not known.
    pub fn active_controller(&self) -> Option<ControllerNode> {
        self.observer.active_controller()
    }

    /// `None` before the first registration.
    pub fn broker_epoch(&self) -> Option<i64> {
        self.lifecycle.broker_epoch()
    }

    pub fn lifecycle_state(&self) -> LifecycleState {
        self.lifecycle.state()
    }
}
