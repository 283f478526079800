//! Port of `LogManager.createAndValidateLogDirs` and `loadDirectoryIds`, for one directory: one that belongs to
//! this process, or one that is offline from the start.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use crate::common::errors::KafkaError;
use crate::storage::files::directory_lock::DirectoryLock;
use crate::storage::files::file_io::is_shortage;
use crate::storage::files::log_dir_failure_channel::{LogDirFailureChannel, LogDirStatus};
use crate::storage::files::log_directory::{check_meta_properties, lock_directory};
use crate::storage::files::meta_properties::check_is_for_node;
use crate::storage::files::offset_checkpoint::{
    LOG_START_OFFSET_CHECKPOINT_FILE, OffsetCheckpoint, RECOVERY_POINT_CHECKPOINT_FILE,
};

/// A directory of `log.dirs`.
pub(super) struct OwnedLogDirectory {
    /// Absolute, without links: logs are found in the directory by it.
    pub(super) path: PathBuf,
    /// Each log in the directory has a share.
    pub(super) status: Arc<LogDirStatus>,
    pub(super) recovery_points: OffsetCheckpoint,
    pub(super) log_start_offsets: OffsetCheckpoint,
    /// Whether all its logs are open: only then may a shutdown mark it as clean.
    pub(super) is_loaded: AtomicBool,
    /// In a cluster, once it is known.
    pub(super) id: OnceLock<[u8; 16]>,
    /// Held as long as this lives; none of a directory that could not be opened.
    _lock: Option<DirectoryLock>,
}

impl OwnedLogDirectory {
    /// Takes possession of a directory that is there.
    pub(super) fn take(
        path: PathBuf,
        broker_id: i32,
        joins_a_cluster: bool,
        channel: &Arc<LogDirFailureChannel>,
    ) -> Result<Self, KafkaError> {
        let lock = lock_directory(&path)?;
        match joins_a_cluster {
            true => check_is_for_node(&path, broker_id)?,
            false => check_meta_properties(&path, broker_id)?,
        }
        Ok(Self::with(path, Some(lock), channel))
    }

    /// A directory that could not be opened, for the reason `why`.
    pub(super) fn offline(
        path: &Path,
        channel: &Arc<LogDirFailureChannel>,
        why: &KafkaError,
    ) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let directory = Self::with(path, None, channel);
        directory.status.take_offline(why.to_string());
        directory
    }

    fn with(
        path: PathBuf,
        lock: Option<DirectoryLock>,
        channel: &Arc<LogDirFailureChannel>,
    ) -> Self {
        Self {
            status: channel.watch(&path),
            recovery_points: OffsetCheckpoint::new(path.join(RECOVERY_POINT_CHECKPOINT_FILE)),
            log_start_offsets: OffsetCheckpoint::new(path.join(LOG_START_OFFSET_CHECKPOINT_FILE)),
            path,
            is_loaded: AtomicBool::new(false),
            id: OnceLock::new(),
            _lock: lock,
        }
    }
}

/// Whether the disk is to blame for an error of the start. It is not for a directory of somebody else, for a file
/// that can be read and makes no sense, or for a process that is short of files or memory.
pub(super) fn is_broken(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Io(error) if !is_shortage(error))
}
