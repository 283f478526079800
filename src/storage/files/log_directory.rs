//! Port of `LogManager.createAndValidateLogDirs`, `lockLogDirs` and of `BrokerMetadataCheckpoint`:
//! locks a log directory for this process, checks which broker it belongs to, and lists its logs.

use std::fs;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use log::{info, warn};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::common::errors::{Errors, KafkaError};
use crate::storage::files::file_io::{failed, read_text, write_atomically};
use crate::storage::files::log_file_names::{is_deleted_directory, parse_topic_partition_name};

/// Locked as long as a process owns the log directory.
pub const LOCK_FILE: &str = ".lock";
/// Says which broker the log directory belongs to.
pub const META_PROPERTIES_FILE: &str = "meta.properties";
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
    fs::create_dir_all(path).map_err(failed("create the log directory", path))?;
    let absolute = path.canonicalize().map_err(failed("find the log directory", path))?;
    fs::read_dir(&absolute).map_err(failed("read the log directory", path))?;
    Ok(absolute)
}

/// Locks the directory for this process. The lock ends with the process, however that ends.
pub(crate) fn lock_directory(dir: &Path) -> Result<Flock<File>, KafkaError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(failed("write in the log directory: cannot open", &path))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EAGAIN => refused(format!(
            "cannot lock the log directory {}: another broker is using it; stop that broker, or \
             give this one a directory of its own: `--override log.dirs=...`",
            dir.display()
        )),
        errno => refused(format!("cannot lock the log directory {}: {errno}", dir.display())),
    })
}

/// Checks that the directory belongs to this broker; one without an owner becomes this broker's.
pub(crate) fn check_meta_properties(dir: &Path, broker_id: i32) -> Result<(), KafkaError> {
    let path = dir.join(META_PROPERTIES_FILE);
    let mine = format!("version=0\nbroker.id={broker_id}\n");
    let read = || read_text(&path)?.map(|text| parse_owner(&text, &path)).transpose();
    match read().map_err(|error| error.with_remedy(META_PROPERTIES_REMEDY))? {
        None => Ok(write_atomically(&path, &mine)?),
        Some(owner) if owner == broker_id => Ok(()),
        Some(owner) => Err(refused(format!(
            "the log directory {} belongs to broker {owner}, and broker.id is {broker_id}",
            dir.display()
        ))),
    }
}

/// The broker id in the text of a `meta.properties`. Later Kafkas add lines, which are ignored;
/// version 1, of KRaft, has other lines.
fn parse_owner(text: &str, path: &Path) -> Result<i32, KafkaError> {
    let value = |name: &str| -> Option<i32> {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(key, _)| key.trim() == name)?.1.trim().parse().ok()
    };
    match (value("version"), value("broker.id")) {
        (Some(0), Some(owner)) => Ok(owner),
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
    let list = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
        Ok(entries.into_iter().map(|it| it.path()).filter(|path| path.is_dir()).collect())
    };
    let directories = list().map_err(failed("list the log directory", dir))?;
    let (deleted, mut directories): (Vec<_>, Vec<_>) =
        directories.into_iter().partition(|path| is_deleted_directory(path));
    for path in deleted {
        info!("removing the deleted log {}", path.display());
        fs::remove_dir_all(&path).map_err(failed("remove", &path))?;
    }
    directories.retain(|path| match parse_topic_partition_name(path) {
        Ok(_) => true,
        Err(error) => {
            warn!("ignoring a directory: {error}");
            false
        }
    });
    Ok(directories)
}
