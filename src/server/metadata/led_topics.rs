//! Port of the maps of `kafka.server.MetadataCache`: the topics that clients may know of.
//!
//! The [registry](crate::registry::topic_registry::TopicRegistry) stands where Kafka has ZooKeeper: a
//! topic is in it before its logs are made, and until they are deleted. It is here while all of its
//! partitions are led. Whoever finds it here can use it, and nobody who looks waits for a disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::registry::topic_registry::TopicRecord;

/// The topics whose partitions are led, by name and by id.
#[derive(Debug, Default)]
pub struct LedTopics {
    maps: RwLock<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    topics: BTreeMap<String, Arc<TopicRecord>>,
    names: HashMap<[u8; 16], String>,
}

impl LedTopics {
    /// The topic of this name.
    pub fn get(&self, name: &str) -> Option<Arc<TopicRecord>> {
        self.read().topics.get(name).cloned()
    }

    /// The name of the topic with this id.
    pub fn name_of(&self, id: &[u8; 16]) -> Option<String> {
        self.read().names.get(id).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<(String, Arc<TopicRecord>)> {
        let maps = self.read();
        maps.topics.iter().map(|(name, record)| (name.clone(), Arc::clone(record))).collect()
    }

    /// From now on clients see the topic, as it is in `record`.
    pub fn insert(&self, name: &str, record: TopicRecord) {
        let mut maps = self.write();
        maps.names.insert(record.id, name.to_string());
        maps.topics.insert(name.to_string(), Arc::new(record));
    }

    /// From now on clients do not see the topic.
    pub fn remove(&self, name: &str) {
        let mut maps = self.write();
        if let Some(record) = maps.topics.remove(name) {
            maps.names.remove(&record.id);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().expect("no thread panics while it holds the maps")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.maps.write().expect("no thread panics while it holds the maps")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u8, partitions: i32) -> TopicRecord {
        TopicRecord { id: [id; 16], partitions, config: BTreeMap::new() }
    }

    #[test]
    fn a_topic_is_found_by_its_name_and_its_id_until_it_is_removed() {
        let topics = LedTopics::default();
        topics.insert("b", record(2, 1));
        topics.insert("a", record(1, 1));
        topics.insert("a", record(1, 5));
        assert_eq!(topics.get("a").unwrap().partitions, 5);
        assert_eq!(topics.name_of(&[1; 16]).as_deref(), Some("a"));
        assert_eq!(
            topics.all().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        topics.remove("a");
        assert_eq!((topics.get("a"), topics.name_of(&[1; 16])), (None, None));
        // The name comes back with another id.
        topics.insert("a", record(3, 1));
        assert_eq!((topics.name_of(&[1; 16]), topics.all().len()), (None, 2));
        assert_eq!(topics.name_of(&[3; 16]).as_deref(), Some("a"));
    }
}
