//! Port of `KRaftMetadataCache.currentImage`: the newest image of the cluster, for all who read it.

use std::sync::{Arc, RwLock};

use crate::common::lock::{read_locked, write_locked};
use crate::image::metadata_image::MetadataImage;

/// Empty until the first image is published.
#[derive(Debug, Default)]
pub struct CurrentImage {
    image: RwLock<Arc<MetadataImage>>,
}

impl CurrentImage {
    /// What fits together has to come out of one image: the next call may return another.
    pub fn get(&self) -> Arc<MetadataImage> {
        Arc::clone(&read_locked(&self.image))
    }

    pub fn set(&self, image: Arc<MetadataImage>) {
        *write_locked(&self.image) = image;
    }
}
