//! A publisher that keeps what it is given.

use std::sync::{Arc, Mutex};

use transferto::image::metadata_delta::MetadataDelta;
use transferto::image::metadata_image::MetadataImage;
use transferto::image::metadata_publisher::MetadataPublisher;

pub(crate) struct Update {
    pub(crate) delta: MetadataDelta,
    pub(crate) before: Arc<MetadataImage>,
    pub(crate) after: Arc<MetadataImage>,
}

#[derive(Default)]
pub(crate) struct Published(Mutex<Vec<Update>>);

impl Published {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The newest image.
    pub(crate) fn last(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.0.lock().unwrap().last().expect("something was published").after)
    }

    pub(crate) fn take(&self) -> Vec<Update> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl MetadataPublisher for Published {
    fn name(&self) -> &'static str {
        "Published"
    }

    fn on_metadata_update(
        &self,
        delta: &MetadataDelta,
        before: &Arc<MetadataImage>,
        after: &Arc<MetadataImage>,
    ) {
        let (before, after) = (Arc::clone(before), Arc::clone(after));
        self.0.lock().unwrap().push(Update { delta: delta.clone(), before, after });
    }
}
