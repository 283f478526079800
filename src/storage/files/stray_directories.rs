//! Port of `LogManager.isStrayReplica` and of what `LogManager.loadLog` does with a stray: the log of a
//! topic that was deleted, or of a partition that went to other brokers, while this one was down.

use std::fs;
use std::path::Path;

use log::warn;

use crate::common::errors::KafkaError;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::uuid::random_uuid;
use crate::storage::files::file_io::{failed, sync_directory};
use crate::storage::files::log_directory::log_directories;
use crate::storage::files::log_file_names::{parse_topic_partition_name, stray_directory_name};
use crate::storage::files::partition_metadata_file::read_topic_id;

/// Gives every log in the log directory `dir` that is not `expected` a name that no log has, so that a
/// log of its name can be made. Nothing is deleted: that is left to whoever knows why it is there.
/// To be done before the logs are opened. Returns how many there were.
///
/// `expected` is asked with the id of the topic to which the log belongs; a log without one is a stray.
///
/// # Errors
/// If a log does not say in a legible way to which topic it belongs; whatever the operating system
/// reports, with the path.
pub fn set_strays_aside(
    dir: &Path,
    expected: impl Fn(&TopicAndPartition, &[u8; 16]) -> bool,
) -> Result<usize, KafkaError> {
    let mut strays = 0;
    for log in log_directories(dir)? {
        let key = parse_topic_partition_name(&log)?;
        if read_topic_id(&log)?.is_some_and(|id| expected(&key, &id)) {
            continue;
        }
        let aside = dir.join(stray_directory_name(&key, &random_uuid()?));
        fs::rename(&log, &aside).map_err(failed("rename", &log))?;
        warn!(
            "the log {key} is not this broker's any more: its topic is gone, or its replicas are \
             elsewhere; it lies in {} until you remove it",
            aside.display()
        );
        strays += 1;
    }
    if strays > 0 {
        sync_directory(dir)?;
    }
    Ok(strays)
}
