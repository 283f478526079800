//! Port of `org.apache.kafka.image.publisher.MetadataPublisher`: whoever follows the metadata log.

use std::sync::Arc;

use crate::image::metadata_delta::MetadataDelta;
use crate::image::metadata_image::MetadataImage;

pub trait MetadataPublisher: Send + Sync {
    /// For the log.
    fn name(&self) -> &'static str;

    /// The cluster is as in `after` from now on. Called on the loader's thread, with one image after the
    /// other. The first has the whole cluster in its delta.
    fn on_metadata_update(
        &self,
        delta: &MetadataDelta,
        before: &Arc<MetadataImage>,
        after: &Arc<MetadataImage>,
    );
}
