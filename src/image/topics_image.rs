//! Port of `org.apache.kafka.image.TopicsImage`: all topics, by id and by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use log::{Level, log};

use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::common::uuid::uuid_text;
use crate::image::configurations_image::set_override;
use crate::image::records::config_records::ConfigRecord;
use crate::image::records::topic_records::{
    ClearElrRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};
use crate::image::topic_image::{PartitionRegistration, TopicImage};

/// A change copies what it touches: of the topics their names and pointers, once for all changes between
/// two clones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsImage {
    topics: Arc<BTreeMap<Arc<str>, Arc<TopicImage>>>,
    names: Arc<BTreeMap<[u8; 16], Arc<str>>>,
    /// Partitions whose record came before that of the one with the number below: a snapshot may list
    /// them in any order. Empty in an image that is published.
    early: BTreeMap<([u8; 16], i32), PartitionRegistration>,
}

impl TopicsImage {
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(name)
    }

    pub fn name_of(&self, id: &[u8; 16]) -> Option<&Arc<str>> {
        self.names.get(id)
    }

    /// By the names of the topic that has this id, and of the partition in it.
    pub fn partition(&self, name: &str, partition: i32) -> Option<&PartitionRegistration> {
        self.topics.get(name)?.partition(partition)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<TopicImage>)> {
        self.topics.iter().map(|(name, topic)| (&**name, topic))
    }

    /// As [`iter`](Self::iter), with what holds the names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<TopicImage>)> {
        self.topics.iter()
    }

    /// Whether both are the same without a look at the topics: then nothing has changed.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.topics, &other.topics)
    }
}

/// Port of `TopicsDelta.replay`: what the records say. Each `Err` says why a record cannot be followed.
impl TopicsImage {
    pub(crate) fn replay_topic(&mut self, record: &TopicRecord) -> Result<(), String> {
        let (id, name) = (record.topic_id.0, record.name.as_str());
        if self.topics.contains_key(name) {
            return Err(format!("topic {name} exists already"));
        }
        if let Some(other) = self.name_of(&id) {
            let id = uuid_text(&id);
            return Err(format!("the id {id} of topic {name} is that of topic {other}"));
        }
        let name: Arc<str> = name.into();
        Arc::make_mut(&mut self.names).insert(id, Arc::clone(&name));
        Arc::make_mut(&mut self.topics).insert(name, Arc::new(TopicImage::new(id)));
        Ok(())
    }

    pub(crate) fn replay_partition(&mut self, record: &PartitionRecord) -> Result<(), String> {
        let (id, number) = (record.topic_id.0, record.partition_id);
        let registration = PartitionRegistration::from_record(record)?;
        let partitions = &mut self.topic_with(&id)?.partitions;
        match usize::try_from(number) {
            Ok(at) if at < partitions.len() => partitions[at] = registration,
            Ok(at) if at == partitions.len() => {
                partitions.push(registration);
                self.add_early(&id, number)?;
            }
            Ok(_) => _ = self.early.insert((id, number), registration),
            Err(_) => return Err(format!("partition {number} is below 0")),
        }
        Ok(())
    }

    /// Adds what follows partition `number` of this topic and has come before it.
    fn add_early(&mut self, id: &[u8; 16], number: i32) -> Result<(), String> {
        let mut next = number;
        while !self.early.is_empty() {
            next = next.saturating_add(1);
            let Some(registration) = self.early.remove(&(*id, next)) else { break };
            self.topic_with(id)?.partitions.push(registration);
        }
        Ok(())
    }

    pub(crate) fn replay_partition_change(
        &mut self,
        record: &PartitionChangeRecord,
    ) -> Result<(), String> {
        let (id, number) = (record.topic_id.0, record.partition_id);
        if let Some(early) = self.early.get_mut(&(id, number)) {
            return early.merge(record);
        }
        let partitions = &mut self.topic_with(&id)?.partitions;
        let partition = usize::try_from(number).ok().and_then(|at| partitions.get_mut(at));
        let partition = partition.ok_or_else(|| {
            format!("the topic with the id {} has no partition {number}", uuid_text(&id))
        })?;
        partition.merge(record)
    }

    /// The configs of the topic go with it, without a record of their own.
    pub(crate) fn replay_remove_topic(&mut self, record: &RemoveTopicRecord) -> Result<(), String> {
        let id = record.topic_id.0;
        let removed = Arc::make_mut(&mut self.names).remove(&id);
        let name = removed.ok_or_else(|| unknown_topic(&id))?;
        self.early.retain(|(of, _), _| *of != id);
        Arc::make_mut(&mut self.topics).remove(&name);
        Ok(())
    }

    pub(crate) fn replay_clear_elr(&mut self, record: &ClearElrRecord) {
        let is_meant = |name: &str| record.topic_name.is_empty() || record.topic_name == name;
        let has_elr =
            |topic: &Arc<TopicImage>| topic.partitions.iter().any(PartitionRegistration::has_elr);
        let found = self.topics.iter().filter(|(name, topic)| is_meant(name) && has_elr(topic));
        let names: Vec<Arc<str>> = found.map(|(name, _)| Arc::clone(name)).collect();
        for name in names {
            if let Some(topic) = Arc::make_mut(&mut self.topics).get_mut(&name) {
                let partitions = &mut Arc::make_mut(topic).partitions;
                partitions.iter_mut().for_each(PartitionRegistration::clear_elr);
            }
        }
    }

    /// Settings of a topic that is not there are passed over: snapshots of Kafka may still have those of a
    /// topic that is gone.
    pub(crate) fn replay_config(&mut self, record: &ConfigRecord) {
        let name = record.resource_name.as_str();
        if !self.topics.contains_key(name) {
            let level = limited(LogKind::Topics, Level::Warn);
            log!(
                level,
                "the metadata log sets {} of topic {}, which does not exist: passed over",
                for_log(&record.name),
                for_log(name)
            );
            return;
        }
        if let Some(topic) = Arc::make_mut(&mut self.topics).get_mut(name) {
            set_override(&mut Arc::make_mut(topic).config, record);
        }
    }

    /// What is still missing: an image may only be published if every topic has its partitions from 0 on.
    pub(crate) fn check_is_whole(&self) -> Result<(), String> {
        match self.early.keys().next() {
            None => Ok(()),
            Some((id, number)) => Err(format!(
                "the topic with the id {} has a partition {number}, and none of a number below it",
                uuid_text(id)
            )),
        }
    }

    fn topic_with(&mut self, id: &[u8; 16]) -> Result<&mut TopicImage, String> {
        let name = self.names.get(id).ok_or_else(|| unknown_topic(id))?;
        let topic = Arc::make_mut(&mut self.topics).get_mut(name);
        Ok(Arc::make_mut(topic.ok_or_else(|| unknown_topic(id))?))
    }
}

fn unknown_topic(id: &[u8; 16]) -> String {
    format!("there is no topic with the id {}", uuid_text(id))
}
