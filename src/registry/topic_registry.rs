//! In the place of ZooKeeper's `/cluster/id`, `/brokers/topics` and `/config/topics`
//! (`kafka.admin.AdminUtils`): which cluster this is, which topics exist, how many partitions each
//! has, and which settings it overrides.
//!
//! ```text
//! 0                                                      the version of the format
//! c0ffee00112243448566778899aabbcc                       the cluster's id
//! 1                                                      how many topics follow
//! post 6f0b1c9e2d3a4f5b8c7d6e5f4a3b2c1d 3 retention.ms=1000   name, id, partitions, settings
//! ```
//!
//! Names and values of settings are [escaped](crate::registry::escaped_text).

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use log::warn;

use crate::common::errors::{Errors, KafkaError};
use crate::common::hex::{from_hex, to_hex};
use crate::common::topic_partition::{TopicAndPartition, collide, validate_topic_name};
use crate::common::uuid::random_uuid;
use crate::config::log_config::LogConfig;
use crate::registry::escaped_text::{parse_setting, push_settings};
use crate::registry::registry_file::RegistryFile;
use crate::storage::files::checkpoint_file::{CURRENT_VERSION, CheckpointFile};

/// The registry's file, in the first log directory.
pub const TOPIC_REGISTRY_FILE: &str = "topics";
/// How many partitions a topic can get by what lies on disk.
pub const ADOPTED_PARTITIONS_MAX: i32 = 10_000;

/// How many topics a line of the log names.
const ADOPTED_NAMES_MAX: usize = 20;

/// For a file that cannot be read.
const REMEDY: &str = "mend it, or put back a copy; if it is moved away, the topics are adopted from \
                      their directories under new ids, and their settings are lost, also the \
                      cleanup.policy of __consumer_offsets";

/// A topic as it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    /// A random UUID that never comes back, though the topic's name may.
    pub id: [u8; 16],
    /// How many partitions it has: they are numbered from 0.
    pub partitions: i32,
    /// The settings that it overrides, by Kafka's names.
    pub config: BTreeMap<String, String>,
}

/// A topic that is to be added.
#[derive(Clone, Debug)]
pub struct NewTopic {
    pub name: String,
    pub partitions: i32,
    /// The settings that it overrides, by Kafka's names.
    pub config: BTreeMap<String, String>,
}

/// The topics by name.
pub type Topics = BTreeMap<String, TopicRecord>;

/// All topics, in memory and in a file. Every change is in the file before it is in memory.
#[derive(Debug)]
pub struct TopicRegistry {
    file: RegistryFile,
    cluster_id: [u8; 16],
    topics: Topics,
}

impl TopicRegistry {
    /// Reads the registry in the first of a broker's log directories, or makes one, of a new
    /// cluster.
    ///
    /// # Errors
    /// As [`open`](Self::open); `INVALID_CONFIG` if the registry is in another directory than the
    /// first, as when two of them have changed places: a new one would forget what topics are.
    pub fn open_in(log_dirs: &[PathBuf]) -> Result<Self, KafkaError> {
        let path_in = |dir: &PathBuf| dir.join(TOPIC_REGISTRY_FILE);
        let found = log_dirs.iter().map(path_in).position(|path| path.exists());
        if let Some(place @ 1..) = found {
            let why = format!(
                "{} lists the topics, but its directory is not the first of `log.dirs`, where the \
                 list is looked for: put that directory first",
                path_in(&log_dirs[place]).display()
            );
            return Err(KafkaError::api(Errors::InvalidConfig, why));
        }
        Self::open_file(RegistryFile::in_first(log_dirs, TOPIC_REGISTRY_FILE, REMEDY))
    }

    /// As [`open_in`](Self::open_in), of the file `path`.
    ///
    /// # Errors
    /// `Corrupt` if the file is no registry; whatever the operating system reports, with the path.
    pub fn open(path: PathBuf) -> Result<Self, KafkaError> {
        Self::open_file(RegistryFile::new(path, REMEDY))
    }

    fn open_file(file: RegistryFile) -> Result<Self, KafkaError> {
        let (cluster_id, topics) = match file.read(parse)? {
            Some(known) => known,
            None => {
                let cluster_id = random_uuid()?;
                file.write(&print(&cluster_id, &Topics::new()))?;
                (cluster_id, Topics::new())
            }
        };
        Ok(Self { file, cluster_id, topics })
    }

    /// The settings of each topic: its own, and those of `default_config` that it does not
    /// override.
    ///
    /// # Errors
    /// `INVALID_CONFIG` if a topic overrides what this broker does not know.
    pub fn log_configs(
        &self,
        default_config: &LogConfig,
    ) -> Result<HashMap<String, LogConfig>, KafkaError> {
        let config_of = |it: &TopicRecord| log_config(default_config, &it.config);
        self.topics.iter().map(|(name, it)| Ok((name.clone(), config_of(it)?))).collect()
    }

    /// The cluster's id, in hexadecimal digits: drawn at random when the first broker began on this
    /// directory.
    pub fn cluster_id(&self) -> String {
        to_hex(&self.cluster_id)
    }

    pub fn get(&self, topic: &str) -> Option<&TopicRecord> {
        self.topics.get(topic)
    }

    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Adds a topic with a fresh id.
    ///
    /// # Errors
    /// Those of [`check_new`]; `INVALID_PARTITIONS` below 1; whatever the operating system reports,
    /// and then the topic is not added.
    pub fn create(
        &mut self,
        topic: &str,
        partitions: i32,
        config: BTreeMap<String, String>,
    ) -> Result<TopicRecord, KafkaError> {
        let name = topic.to_string();
        let created = self.create_all([&NewTopic { name, partitions, config }]);
        created.into_iter().next().expect("one topic has one result")
    }

    /// As [`create`](Self::create) for each topic, with one write of the file: a write for each would
    /// take the longer the more topics there are.
    pub fn create_all<'a>(
        &mut self,
        topics: impl IntoIterator<Item = &'a NewTopic>,
    ) -> Vec<Result<TopicRecord, KafkaError>> {
        let mut changed = self.topics.clone();
        let mut add = |topic: &NewTopic| {
            let NewTopic { name, partitions, config } = topic.clone();
            check_new(&name, changed.keys())?;
            if partitions < 1 {
                let why = format!("topic {name} cannot have {partitions} partitions");
                return Err(KafkaError::api(Errors::InvalidPartitions, why));
            }
            let record = TopicRecord { id: random_uuid()?, partitions, config };
            changed.insert(name, record.clone());
            Ok(record)
        };
        let created: Vec<_> = topics.into_iter().map(&mut add).collect();
        if created.iter().all(Result::is_err) {
            return created;
        }
        match self.replace(changed) {
            Ok(()) => created,
            Err(error) => {
                let failed = |it: Result<_, _>| it.and_then(|_: TopicRecord| Err(error.again()));
                created.into_iter().map(failed).collect()
            }
        }
    }

    /// Removes a topic, and returns whether there was one.
    ///
    /// # Errors
    /// Whatever the operating system reports, and then the topic is still there.
    pub fn remove(&mut self, topic: &str) -> Result<bool, KafkaError> {
        Ok(self.remove_all([topic])? > 0)
    }

    /// As [`remove`](Self::remove) for several topics, with one write of the file. Returns how many
    /// there were.
    ///
    /// # Errors
    /// Whatever the operating system reports, and then all are still there.
    pub fn remove_all<'a>(
        &mut self,
        topics: impl IntoIterator<Item = &'a str>,
    ) -> Result<usize, KafkaError> {
        let mut changed = self.topics.clone();
        let removed = topics.into_iter().filter(|topic| changed.remove(*topic).is_some()).count();
        if removed > 0 {
            self.replace(changed)?;
        }
        Ok(removed)
    }

    /// Changes a topic, and returns it as it is then.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`; whatever the operating system reports, and then nothing
    /// changed.
    pub fn update(
        &mut self,
        topic: &str,
        change: impl FnOnce(&mut TopicRecord),
    ) -> Result<TopicRecord, KafkaError> {
        let mut changed = self.topics.clone();
        let Some(record) = changed.get_mut(topic) else {
            let why = format!("there is no topic {topic:?}");
            return Err(KafkaError::api(Errors::UnknownTopicOrPartition, why));
        };
        change(record);
        let record = record.clone();
        self.replace(changed)?;
        Ok(record)
    }

    /// Adopts partitions that lie on disk and are not known here, as when a Kafka broker's directory
    /// was copied: their topics are added, or get the partitions they lack. Returns the names of the
    /// topics that changed.
    ///
    /// A number of [`ADOPTED_PARTITIONS_MAX`] or more is passed over: all partitions below it would
    /// be made, and a directory called `backup-20260101` is more likely what its name says. So is
    /// a name that no topic may have, which could not be read back from the registry's file.
    ///
    /// # Errors
    /// Whatever the operating system reports, and then nothing changed.
    pub fn adopt(&mut self, on_disk: &[TopicAndPartition]) -> Result<Vec<String>, KafkaError> {
        let mut changed = self.topics.clone();
        let mut adopted = Vec::new();
        for TopicAndPartition { topic, partition } in on_disk {
            let partitions = partition.saturating_add(1);
            let known = changed.get(topic.as_ref()).map_or(0, |record| record.partitions);
            if known >= partitions {
                continue;
            }
            if partitions > ADOPTED_PARTITIONS_MAX || validate_topic_name(topic).is_err() {
                let name = TopicAndPartition::new(topic, *partition);
                warn!("ignoring the directory {name}: it is not a partition of a topic");
                continue;
            }
            if known == 0 {
                let record =
                    TopicRecord { id: random_uuid()?, partitions, config: BTreeMap::new() };
                changed.insert(topic.to_string(), record);
            } else if let Some(record) = changed.get_mut(topic.as_ref()) {
                record.partitions = partitions;
            }
            if !adopted.contains(&topic.to_string()) {
                adopted.push(topic.to_string());
            }
        }
        if !adopted.is_empty() {
            self.replace(changed)?;
            warn!("{}", self.adoption(&adopted));
        }
        Ok(adopted)
    }

    /// What an adoption means, for the log.
    fn adoption(&self, adopted: &[String]) -> String {
        let named = adopted.iter().take(ADOPTED_NAMES_MAX).map(String::as_str);
        let others = adopted.len().saturating_sub(ADOPTED_NAMES_MAX);
        format!(
            "adopted topics that lie on disk but are not listed in {}, {} in all: {}{}. They have \
             new ids. Their own settings are not known here, so they follow the settings of this \
             broker, also in what is deleted and when. If another Kafka wrote them, it must not run \
             on them again; to leave them to it, stop this broker now and give it directories of \
             its own by `--override log.dirs=...`",
            self.file.path().display(),
            adopted.len(),
            named.collect::<Vec<_>>().join(", "),
            if others == 0 { String::new() } else { format!(" and {others} more") }
        )
    }

    fn replace(&mut self, changed: Topics) -> Result<(), KafkaError> {
        let new = print(&self.cluster_id, &changed);
        self.file.replace(&new, || print(&self.cluster_id, &self.topics))?;
        self.topics = changed;
        Ok(())
    }
}

/// Checks that a topic of this name could be added to those that are `known`.
///
/// # Errors
/// `INVALID_TOPIC_EXCEPTION` for a name that no topic may have, and for one that collides with a
/// topic's; `TOPIC_ALREADY_EXISTS`.
pub fn check_new<'a>(
    topic: &str,
    mut known: impl Iterator<Item = &'a String> + Clone,
) -> Result<(), KafkaError> {
    validate_topic_name(topic)?;
    if known.clone().any(|it| it == topic) {
        let why = format!("topic {topic} exists already");
        return Err(KafkaError::api(Errors::TopicAlreadyExists, why));
    }
    if let Some(other) = known.find(|other| collide(topic, other)) {
        let why = format!("topic {topic} collides with {other}: in metrics `.` becomes `_`");
        return Err(KafkaError::api(Errors::InvalidTopicException, why));
    }
    Ok(())
}

/// The settings of a topic: those of `default_config` that it does not override, and its own.
///
/// # Errors
/// `INVALID_CONFIG` with everything that is unknown or not allowed.
pub fn log_config(
    default_config: &LogConfig,
    overrides: &BTreeMap<String, String>,
) -> Result<LogConfig, KafkaError> {
    let overrides: Vec<_> =
        overrides.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    default_config.with_overrides(&overrides).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        KafkaError::api(Errors::InvalidConfig, errors.join("; "))
    })
}

/// The settings of a topic that is to get these overrides.
///
/// # Errors
/// As [`log_config`]; also if they contradict each other or the broker's.
pub fn valid_log_config(
    default_config: &LogConfig,
    overrides: &BTreeMap<String, String>,
) -> Result<LogConfig, KafkaError> {
    let log_config = log_config(default_config, overrides)?;
    match log_config.contradiction(overrides) {
        Some(why) => Err(KafkaError::api(Errors::InvalidConfig, why)),
        None => Ok(log_config),
    }
}

fn print(cluster_id: &[u8; 16], topics: &Topics) -> String {
    // As `list_head`, with the cluster's id between its two lines.
    let mut text = format!("{CURRENT_VERSION}\n{}\n{}\n", to_hex(cluster_id), topics.len());
    for (name, TopicRecord { id, partitions, config }) in topics {
        push(&mut text, format_args!("{name} {} {partitions}", to_hex(id)));
        push_settings(&mut text, config);
        text.push('\n');
    }
    text
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string takes all text");
}

fn parse(text: &str, path: &Path) -> Result<([u8; 16], Topics), KafkaError> {
    let mut file = CheckpointFile::read(text, path, "list of topics")?;
    let cluster_id = file.head("the cluster's id", uuid_of_hex)?;
    let topics = file.entries("topics", |line| {
        parse_topic(line).ok_or_else(|| format!("{line:?} is not a topic"))
    })?;
    Ok((cluster_id, topics))
}

fn parse_topic(line: &str) -> Option<(String, TopicRecord)> {
    let mut fields = line.split(' ');
    let name = fields.next().filter(|name| validate_topic_name(name).is_ok())?;
    let id = uuid_of_hex(fields.next()?)?;
    let partitions = fields.next()?.parse().ok().filter(|&partitions: &i32| partitions > 0)?;
    let mut config = BTreeMap::new();
    for field in fields {
        let (name, value) = parse_setting(field)?;
        config.insert(name, value);
    }
    Some((name.to_string(), TopicRecord { id, partitions, config }))
}

fn uuid_of_hex(hex: &str) -> Option<[u8; 16]> {
    from_hex(hex)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;

    use super::*;

    #[test]
    fn any_setting_reads_back_as_it_was_written() {
        let config = [("retention.ms", "5"), ("a=b", "100% é\n"), ("", "")];
        let config = config.map(|(key, value)| (key.to_string(), value.to_string())).into();
        let record = TopicRecord { id: random_uuid().unwrap(), partitions: 3, config };
        let topics = Topics::from([("t".to_string(), record)]);
        let cluster_id = random_uuid().unwrap();
        let text = print(&cluster_id, &topics);
        assert_eq!(parse(&text, Path::new("topics")).unwrap(), (cluster_id, topics));
    }

    #[test]
    fn what_earlier_versions_stored_is_still_taken() {
        let stored = "retention.ms=%20%2b7 retention.bytes=-5 cleanup.policy=Delete,,COMPACT%2c \
                      preallocate=TRUE min.cleanable.dirty.ratio=.50 segment.bytes=14 \
                      message.timestamp.difference.max.ms=3 message.format.version=2.8-IV1 \
                      message.downconversion.enable=False unclean.leader.election.enable=true";
        let id = "00112233445566778899aabbccddeeff";
        for negative in ["-1", "-3"] {
            let stored = format!("{stored} flush.ms=1 retention.ms={negative}");
            let (_, topics) =
                parse(&format!("0\n{id}\n1\nt {id} 1 {stored}\n"), Path::new("topics")).unwrap();
            let config = log_config(&LogConfig::default(), &topics["t"].config).unwrap();
            assert_eq!(config.retention_ms.to_string(), negative);
            assert!(config.cleanup_policy.is_compacted() && config.cleanup_policy.is_deleted());
            assert_eq!(config.timestamp_after_max_ms(), 3);
        }
    }

    #[test]
    fn a_directory_that_is_named_like_no_partition_makes_no_topic() {
        let path = env::temp_dir().join(format!("topics-{}", to_hex(&random_uuid().unwrap())));
        let mut registry = TopicRegistry::open(path.clone()).unwrap();
        let on_disk =
            [("backup", 20_260_101), ("t", i32::MAX), ("t", 3), ("t", 10_000), ("a b", 0)];
        let on_disk = on_disk.map(|(topic, partition)| TopicAndPartition::new(topic, partition));
        assert_eq!(registry.adopt(&on_disk).unwrap(), ["t"]);
        assert_eq!(registry.get("t").unwrap().partitions, 4);
        assert_eq!(registry.topics().len(), 1);
        assert_eq!(TopicRegistry::open(path.clone()).unwrap().topics(), registry.topics());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_is_no_list_of_topics_is_recognized() {
        let id = "00112233445566778899aabbccddeeff";
        assert!(parse(&format!("0\n{id}\n1\nt {id} 1\n"), Path::new("topics")).is_ok());
        for text in [
            String::new(),
            format!("1\n{id}\n0\n"),
            "0\n".to_string(),
            "0\n0\n".to_string(),
            format!("0\n{id}\n"),
            format!("0\n{id}\n1\n"),
            format!("0\n{id}\n1\nt {id} 0\n"),
            format!("0\n{id}\n1\nt {id}\n"),
            format!("0\n{id}\n1\n../t {id} 1\n"),
            format!("0\n{id}\n1\nt {id}00 1\n"),
            format!("0\n{id}\n1\nt {id} 1 x\n"),
            format!("0\n{id}\n1\nt {id} 1 x=%f\n"),
        ] {
            assert!(parse(&text, Path::new("topics")).is_err(), "{text}");
        }
    }
}
