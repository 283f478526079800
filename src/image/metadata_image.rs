//! Port of `org.apache.kafka.image.MetadataImage`: the cluster at one offset of the metadata log.

use crate::image::cluster_image::ClusterImage;
use crate::image::configurations_image::ConfigurationsImage;
use crate::image::features_image::FeaturesImage;
use crate::image::topics_image::TopicsImage;

/// It never changes: a newer one takes its place. A clone copies no map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataImage {
    pub provenance: MetadataProvenance,
    pub features: FeaturesImage,
    pub cluster: ClusterImage,
    pub topics: TopicsImage,
    pub configs: ConfigurationsImage,
}

/// Which records an image holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataProvenance {
    /// The last of them; -1 for none.
    pub last_contained_offset: i64,
    /// The quorum's epoch in which it was written.
    pub last_contained_epoch: i32,
}

impl Default for MetadataProvenance {
    fn default() -> Self {
        Self { last_contained_offset: -1, last_contained_epoch: -1 }
    }
}
