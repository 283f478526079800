//! Port of `org.apache.kafka.image.TopicsImage`: all topics, by id and by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::image::topic_image::TopicImage;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsImage {
    topics: Arc<BTreeMap<String, Arc<TopicImage>>>,
    names: Arc<BTreeMap<[u8; 16], String>>,
}

impl TopicsImage {
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(name)
    }

    pub fn name_of(&self, id: &[u8; 16]) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<TopicImage>)> {
        self.topics.iter().map(|(name, topic)| (name.as_str(), topic))
    }
}
