//! Port of `org.apache.kafka.image.loader.MetadataLoader`: hands each new image of the cluster to those who
//! follow it.

use std::sync::Arc;

use log::info;

use crate::image::loader::metadata_batch_loader::MetadataBatchLoader;
use crate::image::metadata_delta::MetadataDelta;
use crate::image::metadata_image::MetadataImage;
use crate::image::metadata_publisher::MetadataPublisher;
use crate::raft::raft_listener::{MetadataFault, RaftListener, SnapshotId};

/// Follows the metadata log, on the observer's thread.
///
/// Nothing is published until everything has been read that was committed when it was read, and a
/// controller has said something: nobody is to serve a cluster of last year. What is published then is
/// the whole image, as if it had changed from nothing.
pub struct MetadataLoader {
    publishers: Vec<Arc<dyn MetadataPublisher>>,
    batches: MetadataBatchLoader,
    /// `None` until the first.
    published: Option<Arc<MetadataImage>>,
}

impl MetadataLoader {
    /// The publishers get each image in this order.
    pub fn new(publishers: Vec<Arc<dyn MetadataPublisher>>) -> Self {
        Self { publishers, batches: MetadataBatchLoader::default(), published: None }
    }

    /// Port of `maybePublishMetadata`.
    fn publish_if_due(&mut self, high_watermark: i64) -> Result<(), MetadataFault> {
        let image = self.batches.committed();
        let offset = image.provenance.last_contained_offset;
        let before = match &self.published {
            Some(published) if published.provenance == image.provenance => return Ok(()),
            Some(published) => Arc::clone(published),
            None if !self.batches.has_seen_record() || offset < high_watermark - 1 => return Ok(()),
            None => Arc::default(),
        };
        let is_whole = image.topics.check_is_whole();
        is_whole.map_err(|why| MetadataFault(format!("metadata log, offset {offset}: {why}")))?;
        let after = Arc::new(image.clone());
        if self.published.is_none() {
            info!("the metadata log is read up to offset {offset}, its end for now");
        }
        let delta = MetadataDelta::between(&before, &after);
        for publisher in &self.publishers {
            publisher.on_metadata_update(&delta, &before, &after);
        }
        self.published = Some(after);
        Ok(())
    }
}

impl RaftListener for MetadataLoader {
    fn handle_commit(&mut self, batches: &[u8], high_watermark: i64) -> Result<(), MetadataFault> {
        self.batches.load_batches(batches)?;
        self.publish_if_due(high_watermark)
    }

    fn handle_load_snapshot(
        &mut self,
        id: SnapshotId,
        bytes: &[u8],
        high_watermark: i64,
    ) -> Result<(), MetadataFault> {
        info!("loading the snapshot {id} of the metadata log, {} bytes", bytes.len());
        self.batches.load_snapshot(id, bytes)?;
        self.publish_if_due(high_watermark)
    }

    fn handle_high_watermark(&mut self, high_watermark: i64) -> Result<(), MetadataFault> {
        self.publish_if_due(high_watermark)
    }
}
