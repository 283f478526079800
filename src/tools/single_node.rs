//! What the log directories of a broker that is alone hold, read while it does not run: its registries, and
//! which logs lie where. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::acl::AclBinding;
use crate::common::errors::KafkaError;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::config::dynamic_config::DynamicConfigs;
use crate::registry::acl_registry::{ACL_FILE, AclRegistry};
use crate::registry::broker_config_registry::BrokerConfigRegistry;
use crate::registry::producer_id_registry::{LATEST_PRODUCER_ID_BLOCK_FILE, ProducerIdRegistry};
use crate::registry::quota_registry::{ClientQuotas, QuotaRegistry};
use crate::registry::scram_registry::ScramRegistry;
use crate::registry::topic_registry::{TOPIC_REGISTRY_FILE, TopicRegistry, Topics};
use crate::security::scram::scram_mechanism::ScramCredentials;
use crate::storage::epochs::leader_epoch_checkpoint_file::LeaderEpochCheckpointFile;
use crate::storage::files::clean_shutdown_file_handler;
use crate::storage::files::directory_lock::DirectoryLock;
use crate::storage::files::log_directory::{
    LOCK_FILE, list_log_directories, single_node_of, try_lock_directory,
};
use crate::storage::files::log_file_names::{LOG_FILE_SUFFIX, parse_topic_partition_name};
use crate::storage::files::log_files::LogFiles;
use crate::storage::files::meta_properties::{MetaProperties, random_directory_id};
use crate::storage::files::offset_checkpoint::{
    LOG_START_OFFSET_CHECKPOINT_FILE, OffsetCheckpoint, RECOVERY_POINT_CHECKPOINT_FILE,
};
use crate::storage::files::partition_metadata_file::read_topic_id;
use crate::storage::log::segment_ends::SegmentEnds;
use crate::tools::owner::give_to_owner_of;

/// What mends most of what can be wrong.
const START_IT_ONCE: &str =
    "start the single node on it once more, stop it in order, and try again";

/// How many partitions are named that do not fit.
const NAMED_MAX: usize = 10;

/// The directories of a broker, which no broker has meanwhile.
#[derive(Debug)]
pub(crate) struct NodeDirectories(pub Vec<NodeDirectory>);

/// One of them.
#[derive(Debug)]
pub(crate) struct NodeDirectory {
    pub path: PathBuf,
    _lock: DirectoryLock,
    pub owner: Owner,
    /// By which the controllers are to know it: drawn now, unless an earlier run has given it one.
    pub directory_id: [u8; 16],
}

/// Who a directory belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A broker that is alone.
    SingleNode(i32),
    /// A node of a cluster.
    Member(MetaProperties),
}

impl NodeDirectories {
    /// # Errors
    /// In a sentence: a directory that is missing, given twice, in use, or nobody's.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, String> {
        let mut dirs: Vec<NodeDirectory> = Vec::new();
        for path in paths {
            let path = absolute(path)?;
            // Its second lock would be said to be that of a broker which runs.
            if dirs.iter().any(|it| it.path == path) {
                return Err(format!("{} is given twice: name it once in log.dirs", path.display()));
            }
            dirs.push(NodeDirectory::open(path)?);
        }
        Ok(Self(dirs))
    }
}

impl NodeDirectory {
    fn open(path: PathBuf) -> Result<Self, String> {
        let lock = try_lock_directory(&path).map_err(|error| error.to_string())?;
        let lock = lock
            .ok_or_else(|| format!("a broker is running on {}: stop it first", path.display()))?;
        give_to_owner_of(&path, &path.join(LOCK_FILE)).map_err(|error| error.to_string())?;
        let owner = match single_node_of(&path).map_err(|error| error.to_string())? {
            Some(broker_id) => Owner::SingleNode(broker_id),
            None => {
                let meta = MetaProperties::read(&path).map_err(|error| error.to_string())?;
                Owner::Member(meta.ok_or_else(|| {
                    format!(
                        "{} has no meta.properties: no broker has run on it, or it is a part of one \
                         without the rest",
                        path.display()
                    )
                })?)
            }
        };
        let directory_id = match &owner {
            Owner::Member(MetaProperties { directory_id: Some(id), .. }) => *id,
            _ => random_directory_id().map_err(|error| error.to_string())?,
        };
        Ok(Self { path, _lock: lock, owner, directory_id })
    }
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| {
        format!(
            "there is no log directory {}: {error}; name those of the single node with log.dirs",
            path.display()
        )
    })
}

/// What is to go into the metadata log of a cluster.
#[derive(Debug)]
pub(crate) struct SingleNode {
    pub topics: Topics,
    pub broker_configs: DynamicConfigs,
    pub acls: BTreeSet<AclBinding>,
    pub credentials: ScramCredentials,
    pub quotas: Arc<ClientQuotas>,
    pub next_producer_id: i64,
    pub logs: BTreeMap<TopicAndPartition, NodeLog>,
}

/// A log, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeLog {
    pub path: PathBuf,
    /// Of its log directory.
    pub directory_id: [u8; 16],
    /// The newest in it.
    pub leader_epoch: LeaderEpoch,
    pub start_offset: Offset,
    pub end_offset: Offset,
}

impl SingleNode {
    /// # Errors
    /// Everything that does not fit together, each in a sentence.
    pub(crate) fn read(dirs: &NodeDirectories) -> Result<Self, Vec<String>> {
        let only = |error: KafkaError| vec![error.to_string()];
        let paths: Vec<PathBuf> = dirs.0.iter().map(|it| it.path.clone()).collect();
        let first = paths.first().ok_or_else(|| vec!["log.dirs must be set".to_string()])?;
        for file in [TOPIC_REGISTRY_FILE, LATEST_PRODUCER_ID_BLOCK_FILE] {
            if !first.join(file).exists() {
                return Err(vec![format!(
                    "{} has no file {file}, which is in the first log directory of a single node: \
                     name its directories in their order; or {START_IT_ONCE}",
                    first.display()
                )]);
            }
        }
        let topics = TopicRegistry::open_in(&paths).map_err(only)?.topics().clone();
        let logs = read_logs(dirs)?;
        check_complete(&topics, &logs)?;
        let (_, ids) = ProducerIdRegistry::open_in(first, None).map_err(only)?;
        let acls = match first.join(ACL_FILE).exists() {
            true => AclRegistry::open_in(first).map_err(only)?.1,
            false => BTreeSet::new(),
        };
        Ok(Self {
            topics,
            broker_configs: BrokerConfigRegistry::read_in(&paths).map_err(only)?,
            acls,
            credentials: ScramRegistry::read_in(&paths).map_err(only)?,
            quotas: Arc::clone(QuotaRegistry::open_in(&paths).map_err(only)?.quotas()),
            next_producer_id: ids.start,
            logs,
        })
    }
}

fn read_logs(dirs: &NodeDirectories) -> Result<BTreeMap<TopicAndPartition, NodeLog>, Vec<String>> {
    let (mut logs, mut errors) = (BTreeMap::<_, NodeLog>::new(), Vec::new());
    for dir in &dirs.0 {
        if !clean_shutdown_file_handler::exists(&dir.path) {
            let path = dir.path.display();
            errors.push(format!("{path} was not closed in order: {START_IT_ONCE}"));
            continue;
        }
        let of_dir = read_logs_in(dir).map_err(|error| vec![error])?;
        for (key, log) in of_dir {
            if let Some(other) = logs.get(&key) {
                let (one, two) = (other.path.display(), log.path.display());
                errors.push(format!("{key} lies in {one} and in {two}: move one of them away"));
            }
            logs.insert(key, log);
        }
    }
    if errors.is_empty() { Ok(logs) } else { Err(errors) }
}

fn read_logs_in(dir: &NodeDirectory) -> Result<Vec<(TopicAndPartition, NodeLog)>, String> {
    let text = |error: KafkaError| error.to_string();
    let directory_id = dir.directory_id;
    let offsets = |file: &str| OffsetCheckpoint::new(dir.path.join(file)).read().map_err(text);
    let (ends, starts) =
        (offsets(RECOVERY_POINT_CHECKPOINT_FILE)?, offsets(LOG_START_OFFSET_CHECKPOINT_FILE)?);
    let mut logs = Vec::new();
    for path in list_log_directories(&dir.path).map_err(text)? {
        let key = parse_topic_partition_name(&path).map_err(text)?;
        let first = check_segments(&path)?;
        let epochs = LeaderEpochCheckpointFile::new(&path).read().map_err(text)?;
        let latest = epochs.and_then(|it| it.latest()).map_or(LeaderEpoch(0), |it| it.epoch);
        let end_offset = *ends.get(&key).ok_or_else(|| {
            format!(
                "{} has no line for {key} in {RECOVERY_POINT_CHECKPOINT_FILE}: {START_IT_ONCE}",
                dir.path.display()
            )
        })?;
        let start_offset = starts.get(&key).copied().unwrap_or(first).max(first);
        let log = NodeLog { path, directory_id, leader_epoch: latest, start_offset, end_offset };
        logs.push((key, log));
    }
    Ok(logs)
}

/// The offset with which the log begins.
///
/// # Errors
/// In a sentence: no segment, or one that is missing or not as long as it was.
fn check_segments(path: &Path) -> Result<Offset, String> {
    let broken =
        |why: String| format!("the log {} is broken: {why}; {START_IT_ONCE}", path.display());
    let segments = LogFiles { dir: path }.offsets_of(LOG_FILE_SUFFIX);
    let segments = segments.map_err(|error| error.to_string())?;
    let first = *segments.first().ok_or_else(|| broken("it has no segment".to_string()))?;
    for (base_offset, end) in SegmentEnds::look_at(path).iter() {
        let Some(size_bytes) = end.size_bytes else { continue };
        let name = format!("{:020}{LOG_FILE_SUFFIX}", base_offset.0);
        if base_offset < first {
            continue;
        }
        let found = path.join(&name).metadata().map(|it| it.len());
        match found {
            Ok(found) if found == size_bytes => (),
            Ok(found) => return Err(broken(format!("{name} had {size_bytes} bytes, not {found}"))),
            Err(error) => return Err(broken(format!("{name}: {error}"))),
        }
    }
    Ok(first)
}

/// The list of topics and the logs must be of one broker.
fn check_complete(
    topics: &Topics,
    logs: &BTreeMap<TopicAndPartition, NodeLog>,
) -> Result<(), Vec<String>> {
    let mut errors = Vec::new();
    for (name, topic) in topics {
        for partition in 0..topic.partitions {
            let key = TopicAndPartition::new(name, partition);
            match logs.get(&key).map(|log| (log, read_topic_id(&log.path))) {
                None => errors.push(format!(
                    "{key} lies in none of the log directories: name all of the single node's with \
                     log.dirs; or {START_IT_ONCE}"
                )),
                Some((_, Err(error))) => errors.push(error.to_string()),
                Some((log, Ok(Some(id)))) if id != topic.id => errors.push(format!(
                    "the log {} is of another topic of this name: move its partition.metadata away \
                     if it is the right one",
                    log.path.display()
                )),
                Some(_) => (),
            }
        }
    }
    let is_listed = |key: &TopicAndPartition| {
        topics.get(&*key.topic).is_some_and(|it| key.partition < it.partitions)
    };
    for (key, log) in logs.iter().filter(|(key, _)| !is_listed(key)) {
        errors.push(format!(
            "the log {} is of no topic that the single node knows: move it away, or, for {key} to be \
             adopted, {START_IT_ONCE}",
            log.path.display()
        ));
    }
    if errors.len() > NAMED_MAX {
        let more = errors.len() - NAMED_MAX;
        errors.truncate(NAMED_MAX);
        errors.push(format!("and {more} more partitions that do not fit"));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use support::temp::TempDir;

    use super::*;

    /// A log directory as a single node leaves it, with these partitions of `t`.
    fn directory(partitions: &[i32]) -> TempDir {
        let dir = TempDir::new();
        fs::write(dir.join("meta.properties"), "version=0\nbroker.id=3\n").unwrap();
        clean_shutdown_file_handler::write(dir.path(), None).unwrap();
        let mut ends = BTreeMap::new();
        for partition in partitions {
            let log = dir.join(&format!("t-{partition}"));
            fs::create_dir(&log).unwrap();
            fs::write(log.join("00000000000000000005.log"), "").unwrap();
            ends.insert(TopicAndPartition::new("t", *partition), Offset(9));
        }
        let checkpoint = OffsetCheckpoint::new(dir.join(RECOVERY_POINT_CHECKPOINT_FILE));
        checkpoint.write(&ends).unwrap();
        dir
    }

    /// The first of them.
    fn first_directory(partitions: &[i32]) -> TempDir {
        let dir = directory(partitions);
        let id = "00112233445566778899aabbccddeeff";
        fs::write(dir.join(TOPIC_REGISTRY_FILE), format!("0\n{id}\n1\nt {id} 3\n")).unwrap();
        let block = "version=0\nblock.start=0\nblock.end=999\n";
        fs::write(dir.join(LATEST_PRODUCER_ID_BLOCK_FILE), block).unwrap();
        dir
    }

    fn read(dirs: &[&TempDir]) -> Result<SingleNode, String> {
        let paths: Vec<_> = dirs.iter().map(|it| it.path().to_path_buf()).collect();
        SingleNode::read(&NodeDirectories::open(&paths)?).map_err(|errors| errors.join("\n"))
    }

    #[test]
    fn a_partition_is_where_its_log_lies_and_each_directory_has_an_id() {
        let (first, second) = (first_directory(&[0, 2]), directory(&[1]));
        fs::write(second.join("t-1/leader-epoch-checkpoint"), "0\n2\n0 5\n4 7\n").unwrap();
        let node = read(&[&first, &second]).unwrap();
        let log = |partition| &node.logs[&TopicAndPartition::new("t", partition)];
        assert_eq!(log(0).directory_id, log(2).directory_id);
        assert_ne!(log(0).directory_id, log(1).directory_id);
        assert_eq!((log(0).leader_epoch, log(1).leader_epoch), (LeaderEpoch(0), LeaderEpoch(4)));
        assert_eq!((log(1).start_offset, log(1).end_offset), (Offset(5), Offset(9)));
        assert_eq!((node.next_producer_id, node.acls.len()), (1000, 0));
    }

    #[test]
    fn of_many_partitions_that_are_missing_some_are_named() {
        let first = first_directory(&[0]);
        let topics = fs::read_to_string(first.join(TOPIC_REGISTRY_FILE)).unwrap();
        fs::write(first.join(TOPIC_REGISTRY_FILE), topics.replace(" 3\n", " 40\n")).unwrap();
        let said = read(&[&first]).unwrap_err();
        assert_eq!(said.lines().count(), NAMED_MAX + 1);
        assert!(said.ends_with("and 29 more partitions that do not fit"), "{said}");
    }

    #[test]
    fn directories_that_are_not_all_or_not_in_order_are_refused() {
        let (first, second) = (first_directory(&[0, 2]), directory(&[1]));
        let refused = |dirs: &[&TempDir]| read(dirs).unwrap_err();
        assert!(refused(&[&first]).contains("t-1 lies in none of the log directories"));
        assert!(refused(&[&second, &first]).contains("name its directories in their order"));
        let twice = directory(&[1, 2]);
        let said = refused(&[&first, &second, &twice]);
        assert!(said.contains("t-1 lies in") && said.contains("t-2 lies in"), "{said}");
        fs::remove_file(second.join(".kafka_cleanshutdown")).unwrap();
        assert!(refused(&[&first, &second]).contains("was not closed in order"));
        let _lock = try_lock_directory(second.path()).unwrap();
        assert!(refused(&[&first, &second]).contains("a broker is running on"));
        assert!(refused(&[&first, &TempDir::new()]).contains("has no meta.properties"));
        assert!(refused(&[&first, &first]).contains("is given twice"));
    }
}
