//! Port of `LogManager.createAndValidateLogDirs`, `lockLogDirs` and of `BrokerMetadataCheckpoint`:
//! locks a log directory for this process, checks which broker it belongs to, and lists its logs.

use std::ffi::OsString;
use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use log::{info, warn};
use nix::errno::Errno;

use crate::common::errors::{Errors, KafkaError};
use crate::storage::files::directory_lock::DirectoryLock;
use crate::storage::files::file_io::{create_directories, failed, read_text, write_atomically};
use crate::storage::files::log_file_names::{
    is_deleted_directory, is_stray_directory, parse_topic_partition_name,
};

/// Locked as long as a process owns the log directory.
pub const LOCK_FILE: &str = ".lock";
/// Says which broker the log directory belongs to.
pub const META_PROPERTIES_FILE: &str = "meta.properties";
/// The log that only a Kafka in KRaft mode has. Its broker goes on with it if it takes the directory back.
pub(crate) const CLUSTER_METADATA_DIRECTORY: &str = "__cluster_metadata-0";
/// How many digits the name of each file of a segment begins with.
const OFFSET_DIGITS: usize = 20;
/// What to do about a directory that is somebody else's. It prevails over the file, and over
/// `log.dir` wherever that is set.
pub(crate) const OWN_DIRECTORIES: &str =
    "give this broker directories of its own by `--override log.dirs=...`";
/// For a start with a corrupt one.
const META_PROPERTIES_REMEDY: &str = "write `version=0` and `broker.id=` with its number into it; \
                                      if it is moved away, the directory goes to the next broker \
                                      that starts on it";

/// An error about a log directory with which the broker must not start.
pub(crate) fn refused(why: String) -> KafkaError {
    KafkaError::api(Errors::InvalidConfig, why)
}

/// Creates the directory if it is missing, and returns its absolute name.
pub(crate) fn create_directory(path: &Path) -> io::Result<PathBuf> {
    create_directories(path)?;
    let absolute = path.canonicalize().map_err(failed("find the log directory", path))?;
    fs::read_dir(&absolute).map_err(failed("read the log directory", path))?;
    Ok(absolute)
}

/// Locks the directory for this process.
pub(crate) fn lock_directory(dir: &Path) -> Result<DirectoryLock, KafkaError> {
    try_lock_directory(dir)?.ok_or_else(|| {
        refused(format!(
            "cannot lock the log directory {}: another broker is using it; stop that broker, or {}",
            dir.display(),
            OWN_DIRECTORIES
        ))
    })
}

/// As [`lock_directory`]; `None` if another process has the directory.
pub(crate) fn try_lock_directory(dir: &Path) -> Result<Option<DirectoryLock>, KafkaError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(failed("write in the log directory: cannot open", &path))?;
    let cannot = |errno: Errno| match errno {
        Errno::EAGAIN | Errno::EACCES => Ok(None),
        errno => Err(refused(format!("cannot lock the log directory {}: {errno}", dir.display()))),
    };
    DirectoryLock::try_new(file).map(Some).or_else(cannot)
}

/// Checks that the directory belongs to this broker; one without an owner becomes this broker's.
pub(crate) fn check_meta_properties(dir: &Path, broker_id: i32) -> Result<(), KafkaError> {
    let path = dir.join(META_PROPERTIES_FILE);
    let is_kraft = || {
        refused(format!(
            "the log directory {} belongs to a node of a cluster in KRaft mode, and this broker is \
             alone: start it with `process.roles=broker` if it is that node, or leave it as it is, and \
             {OWN_DIRECTORIES}",
            dir.display()
        ))
    };
    if dir.join(CLUSTER_METADATA_DIRECTORY).exists() {
        return Err(is_kraft());
    }
    let mine = format!("version=0\nbroker.id={broker_id}\n");
    let read = || read_text(&path)?.map(|text| parse_owner(&text, &path)).transpose();
    match read().map_err(|error| error.with_remedy(META_PROPERTIES_REMEDY))? {
        None => Ok(write_atomically(&path, &mine)?),
        Some(Owner::KRaftNode) => Err(is_kraft()),
        Some(Owner::Broker(owner)) if owner == broker_id => Ok(()),
        Some(Owner::Broker(owner)) => Err(refused(format!(
            "the log directory {} belongs to broker {owner}, and this is broker {broker_id}: start \
             it as that one by `--override broker.id={owner}`, if all its directories are that \
             one's, or {OWN_DIRECTORIES}",
            dir.display()
        ))),
    }
}

/// The id of the broker that is alone, or of a Kafka with ZooKeeper, to which the directory belongs; `None` if it
/// is of a cluster in KRaft mode, or has no `meta.properties`.
pub(crate) fn single_node_of(dir: &Path) -> Result<Option<i32>, KafkaError> {
    let path = dir.join(META_PROPERTIES_FILE);
    let owner = read_text(&path)?.map(|text| parse_owner(&text, &path)).transpose()?;
    Ok(match owner {
        Some(Owner::Broker(owner)) => Some(owner),
        Some(Owner::KRaftNode) | None => None,
    })
}

/// Who a `meta.properties` says a directory belongs to.
enum Owner {
    /// This broker, or a Kafka with ZooKeeper.
    Broker(i32),
    /// A broker or a controller of a cluster without ZooKeeper.
    KRaftNode,
}

/// The owner in the text of a `meta.properties`. Later Kafkas add lines, which are ignored; version 1,
/// of KRaft mode, has another name for the number.
fn parse_owner(text: &str, path: &Path) -> Result<Owner, KafkaError> {
    let value = |name: &str| -> Option<i32> {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(key, _)| key.trim() == name)?.1.trim().parse().ok()
    };
    match (value("version"), value("broker.id")) {
        (Some(0), Some(owner)) => Ok(Owner::Broker(owner)),
        _ if value("node.id").is_some() => Ok(Owner::KRaftNode),
        _ => Err(KafkaError::Corrupt {
            file: path.to_path_buf(),
            position: 0,
            why: "it does not say in version 0 which broker the directory belongs to".to_string(),
        }),
    }
}

/// The directories of logs in `dir`. Those of deleted logs that the last run did not get to are
/// removed; directories that are not ours stay as they are.
pub(crate) fn log_directories(dir: &Path) -> Result<Vec<PathBuf>, KafkaError> {
    for path in directories_in(dir)?.into_iter().filter(|it| is_deleted_directory(it)) {
        info!("removing the deleted log {}", path.display());
        fs::remove_dir_all(&path).map_err(failed("remove", &path))?;
    }
    list_log_directories(dir)
}

/// As [`log_directories`], for who must not change anything: those of deleted logs are passed over.
pub(crate) fn list_log_directories(dir: &Path) -> Result<Vec<PathBuf>, KafkaError> {
    let mut logs = Vec::new();
    for path in directories_in(dir)? {
        if is_deleted_directory(&path) {
            continue;
        }
        if is_stray_directory(&path) {
            info!("{} holds a log that was not this broker's any more: remove it", path.display());
        } else if path.ends_with(CLUSTER_METADATA_DIRECTORY) {
            info!("{} is a Kafka's copy of the metadata log, and stays as it is", path.display());
        } else if let Err(error) = parse_topic_partition_name(&path) {
            warn!("ignoring a directory: {error}");
        } else if is_foreign(&path).map_err(failed("list", &path))? {
            warn!("ignoring the directory {}: what it holds is not a log", path.display());
        } else {
            logs.push(path);
        }
    }
    Ok(logs)
}

fn directories_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
        Ok(entries.into_iter().map(|it| it.path()).filter(|path| path.is_dir()).collect())
    };
    list().map_err(failed("list the log directory", dir))
}

/// Whether a directory, though it is named like a log, holds other things, and no file of a segment.
/// A broker that dies as it makes a log leaves an empty one.
fn is_foreign(path: &Path) -> io::Result<bool> {
    let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name()));
    let names = names.collect::<io::Result<Vec<_>>>()?;
    let is_of_segment = |name: &OsString| {
        let digits = name.as_encoded_bytes().iter().take_while(|it| it.is_ascii_digit());
        digits.count() == OFFSET_DIGITS
    };
    Ok(!names.is_empty() && !names.iter().any(is_of_segment))
}
