//! Port of `BrokerMetadataPublisher.firstPublishFuture` and of `MetadataLoader.lastAppliedOffset`: the first
//! image of the cluster opens the logs, and only then is it followed.
//!
//! The logs cannot be opened before it is known which topics there are, and nothing can follow the cluster
//! before they are open. So the first image waits here, and with it the thread that brings it, until the
//! start has made what follows.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use crate::common::lock::{locked, locked_again};
use crate::image::metadata_delta::MetadataDelta;
use crate::image::metadata_image::MetadataImage;
use crate::image::metadata_publisher::MetadataPublisher;

/// Before the first image.
const NO_OFFSET: i64 = -1;

/// Follows nothing until it is told what does.
pub struct LatePublisher {
    stage: Mutex<Stage>,
    is_changed: Condvar,
    /// The last record that is followed by everything.
    published_offset: AtomicI64,
}

enum Stage {
    Waiting,
    /// This is the first image, and nothing follows it yet.
    Offered(Arc<MetadataImage>),
    /// The flag says whether the first image is followed by now.
    Following(Arc<dyn MetadataPublisher>, bool),
    /// Nothing ever will.
    Cancelled(String),
}

impl Default for LatePublisher {
    fn default() -> Self {
        Self {
            stage: Mutex::new(Stage::Waiting),
            is_changed: Condvar::new(),
            published_offset: AtomicI64::new(NO_OFFSET),
        }
    }
}

impl LatePublisher {
    /// The offset of the last record of the metadata log that is applied and published; -1 for none.
    pub fn published_offset(&self) -> i64 {
        self.published_offset.load(Ordering::Acquire)
    }

    /// Waits for the first image of the cluster.
    ///
    /// # Errors
    /// Why there will be none.
    pub fn first_image(&self) -> Result<Arc<MetadataImage>, String> {
        let stage = locked(&self.stage);
        let is_waiting = |stage: &mut Stage| matches!(stage, Stage::Waiting);
        match &*locked_again(self.is_changed.wait_while(stage, is_waiting)) {
            Stage::Offered(image) => Ok(Arc::clone(image)),
            Stage::Cancelled(why) => Err(why.clone()),
            Stage::Waiting | Stage::Following(..) => Err("it is taken already".to_string()),
        }
    }

    /// From now on `publisher` follows the cluster, the first image included. Waits until it does.
    ///
    /// # Errors
    /// Why it never will.
    pub fn install(&self, publisher: Arc<dyn MetadataPublisher>) -> Result<(), String> {
        let mut stage = locked(&self.stage);
        if let Stage::Cancelled(why) = &*stage {
            return Err(why.clone());
        }
        *stage = Stage::Following(publisher, false);
        self.is_changed.notify_all();
        let is_behind = |stage: &mut Stage| matches!(stage, Stage::Following(_, false));
        match &*locked_again(self.is_changed.wait_while(stage, is_behind)) {
            Stage::Cancelled(why) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Ends every wait, and follows nothing any more. `why` is for whoever waits.
    pub fn cancel(&self, why: &str) {
        let mut stage = locked(&self.stage);
        if !matches!(*stage, Stage::Cancelled(_)) {
            *stage = Stage::Cancelled(why.to_string());
        }
        drop(stage);
        self.is_changed.notify_all();
    }

    /// The publisher, once there is one.
    fn publisher(&self, image: &Arc<MetadataImage>) -> Option<Arc<dyn MetadataPublisher>> {
        let mut stage = locked(&self.stage);
        if matches!(*stage, Stage::Waiting) {
            *stage = Stage::Offered(Arc::clone(image));
            self.is_changed.notify_all();
        }
        let is_early = |stage: &mut Stage| matches!(stage, Stage::Waiting | Stage::Offered(_));
        match &*locked_again(self.is_changed.wait_while(stage, is_early)) {
            Stage::Following(publisher, _) => Some(Arc::clone(publisher)),
            _ => None,
        }
    }
}

impl MetadataPublisher for LatePublisher {
    fn name(&self) -> &'static str {
        "LatePublisher"
    }

    fn on_metadata_update(
        &self,
        delta: &MetadataDelta,
        before: &Arc<MetadataImage>,
        after: &Arc<MetadataImage>,
    ) {
        let Some(publisher) = self.publisher(after) else { return };
        publisher.on_metadata_update(delta, before, after);
        self.published_offset.store(after.provenance.last_contained_offset, Ordering::Release);
        if let Stage::Following(_, is_followed) = &mut *locked(&self.stage) {
            *is_followed = true;
        }
        self.is_changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::thread;

    use super::*;
    use crate::image::metadata_image::MetadataProvenance;

    struct Seen(Sender<i64>);

    impl MetadataPublisher for Seen {
        fn name(&self) -> &'static str {
            "Seen"
        }

        fn on_metadata_update(
            &self,
            _: &MetadataDelta,
            _: &Arc<MetadataImage>,
            after: &Arc<MetadataImage>,
        ) {
            self.0.send(after.provenance.last_contained_offset).unwrap();
        }
    }

    fn image(offset: i64) -> Arc<MetadataImage> {
        let provenance =
            MetadataProvenance { last_contained_offset: offset, ..MetadataProvenance::default() };
        Arc::new(MetadataImage { provenance, ..MetadataImage::default() })
    }

    fn publish(late: &LatePublisher, offset: i64) {
        late.on_metadata_update(&MetadataDelta::default(), &Arc::default(), &image(offset));
    }

    #[test]
    fn the_first_image_waits_for_its_publisher_and_counts_as_published_when_it_is_followed() {
        let late = Arc::new(LatePublisher::default());
        let loader = Arc::clone(&late);
        let loader = thread::spawn(move || publish(&loader, 7));
        let first = late.first_image().unwrap();
        assert_eq!(first.provenance.last_contained_offset, 7);
        assert_eq!(late.published_offset(), -1);
        let (seen, followed) = channel();
        late.install(Arc::new(Seen(seen))).unwrap();
        assert_eq!(followed.try_recv(), Ok(7));
        assert_eq!(late.published_offset(), 7);
        loader.join().unwrap();
        publish(&late, 9);
        assert_eq!((followed.try_recv(), late.published_offset()), (Ok(9), 9));
    }

    #[test]
    fn a_start_that_is_given_up_lets_the_loader_go_and_nothing_is_published() {
        let late = Arc::new(LatePublisher::default());
        let loader = Arc::clone(&late);
        let loader = thread::spawn(move || publish(&loader, 7));
        late.first_image().unwrap();
        late.cancel("the broker shuts down");
        loader.join().unwrap();
        assert_eq!(late.first_image().unwrap_err(), "the broker shuts down");
        let (seen, followed) = channel();
        assert!(late.install(Arc::new(Seen(seen))).is_err());
        publish(&late, 8);
        assert!(followed.try_recv().is_err());
        assert_eq!(late.published_offset(), -1);
    }
}
