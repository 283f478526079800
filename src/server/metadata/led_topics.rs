//! Port of the maps of `kafka.server.MetadataCache`: the topics that clients may know of.
//!
//! The [registry](crate::registry::topic_registry::TopicRegistry) stands where Kafka has ZooKeeper: a
//! topic is in it before its logs are made, and until they are deleted. It is here while all of its
//! partitions are led. A client that finds it here can use it, and no reader waits for a disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, RwLock};

use crate::common::errors::KafkaError;
use crate::common::lock::{read_locked, write_locked};
use crate::image::topic_image::TopicImage;
use crate::registry::topic_registry::check_new;

/// The topics whose partitions are led, by name and by id.
///
/// Only a change of topics writes here; everything else reads, through the
/// [`MetadataCache`](crate::server::metadata::metadata_cache::MetadataCache).
#[derive(Debug, Default)]
pub struct LedTopics {
    maps: RwLock<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    topics: BTreeMap<String, Arc<TopicImage>>,
    names: HashMap<[u8; 16], Arc<str>>,
    /// Topics that exist and are not led: one that is being created or deleted, or whose creation
    /// or deletion failed and could not be undone. Their names are taken.
    reserved: BTreeSet<String>,
}

impl LedTopics {
    pub fn get(&self, name: &str) -> Option<Arc<TopicImage>> {
        read_locked(&self.maps).topics.get(name).cloned()
    }

    /// The name of the topic with this id.
    pub fn name_of(&self, id: &[u8; 16]) -> Option<Arc<str>> {
        read_locked(&self.maps).names.get(id).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<(String, Arc<TopicImage>)> {
        let maps = read_locked(&self.maps);
        maps.topics.iter().map(|(name, topic)| (name.clone(), Arc::clone(topic))).collect()
    }

    /// Checks that a topic of this name could be created.
    ///
    /// # Errors
    /// As [`check_new`], also for the name of a topic that is not led.
    pub fn check_new(&self, name: &str) -> Result<(), KafkaError> {
        read_locked(&self.maps).check_new(name)
    }

    /// Takes the name for a topic that is about to be created.
    ///
    /// # Errors
    /// As [`check_new`](Self::check_new).
    pub fn reserve_new(&self, name: &str) -> Result<(), KafkaError> {
        let mut maps = write_locked(&self.maps);
        maps.check_new(name)?;
        maps.reserved.insert(name.to_string());
        Ok(())
    }

    /// From now on clients do not see the topic, and its name stays taken.
    pub fn reserve(&self, name: &str) {
        let mut maps = write_locked(&self.maps);
        maps.remove(name);
        maps.reserved.insert(name.to_string());
    }

    /// From now on clients see the topic as it is in `topic`.
    pub fn insert(&self, name: &str, topic: TopicImage) {
        let mut maps = write_locked(&self.maps);
        maps.reserved.remove(name);
        maps.names.insert(topic.id, Arc::from(name));
        maps.topics.insert(name.to_string(), Arc::new(topic));
    }

    /// From now on clients do not see the topic, and its name is free.
    pub fn remove(&self, name: &str) {
        write_locked(&self.maps).remove(name);
    }
}

impl Maps {
    fn check_new(&self, name: &str) -> Result<(), KafkaError> {
        check_new(name, self.topics.keys().chain(&self.reserved))
    }

    fn remove(&mut self, name: &str) {
        self.reserved.remove(name);
        if let Some(topic) = self.topics.remove(name) {
            self.names.remove(&topic.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::errors::Errors;
    use crate::registry::topic_registry::TopicRecord;
    use crate::replica::partition::LEADER_EPOCH;
    use crate::server::metadata::topic_changes::image_of;

    fn topic(id: u8, partitions: i32) -> TopicImage {
        let record = TopicRecord { id: [id; 16], partitions, config: BTreeMap::new() };
        image_of(0, &record, |_| LEADER_EPOCH)
    }

    #[test]
    fn a_topic_is_found_by_its_name_and_its_id_until_it_is_removed() {
        let topics = LedTopics::default();
        topics.insert("b", topic(2, 1));
        topics.insert("a", topic(1, 1));
        topics.insert("a", topic(1, 5));
        assert_eq!(topics.get("a").unwrap().partition_count(), 5);
        assert_eq!(topics.name_of(&[1; 16]).as_deref(), Some("a"));
        assert_eq!(
            topics.all().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        topics.remove("a");
        assert_eq!((topics.get("a"), topics.name_of(&[1; 16])), (None, None));
        // The name comes back with another id.
        topics.insert("a", topic(3, 1));
        assert_eq!((topics.name_of(&[1; 16]), topics.all().len()), (None, 2));
        assert_eq!(topics.name_of(&[3; 16]).as_deref(), Some("a"));
    }

    #[test]
    fn a_reserved_name_is_taken_and_shows_no_topic() {
        let topics = LedTopics::default();
        let refusal = |name: &str| topics.check_new(name).map_err(|error| error.code());
        topics.reserve_new("a.b").unwrap();
        assert_eq!(refusal("a.b"), Err(Errors::TopicAlreadyExists));
        assert_eq!(refusal("a_b"), Err(Errors::InvalidTopicException));
        assert_eq!(topics.reserve_new("a.b").unwrap_err().code(), Errors::TopicAlreadyExists);
        assert!(topics.get("a.b").is_none() && topics.all().is_empty());
        topics.insert("a.b", topic(1, 1));
        assert_eq!(refusal("a.b"), Err(Errors::TopicAlreadyExists));
        topics.reserve("a.b");
        assert_eq!((topics.get("a.b"), topics.name_of(&[1; 16])), (None, None));
        assert_eq!(refusal("a.b"), Err(Errors::TopicAlreadyExists));
        topics.remove("a.b");
        assert_eq!(refusal("a.b"), Ok(()));
    }
}
