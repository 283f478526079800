//! Port of the file names in `kafka.log.Log` (the companion object): what the files and the
//! directory of a log are called.

use std::path::{Path, PathBuf};

use crate::common::errors::{Errors, KafkaError};
use crate::common::hex::to_hex;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::Offset;

/// Of the messages of a segment.
pub const LOG_FILE_SUFFIX: &str = ".log";
pub const INDEX_FILE_SUFFIX: &str = ".index";
pub const TIME_INDEX_FILE_SUFFIX: &str = ".timeindex";
/// Of what a log knows about its idempotent producers.
pub const PRODUCER_SNAPSHOT_FILE_SUFFIX: &str = ".snapshot";
/// Says where the segments of a log end.
pub const SEGMENT_ENDS_FILE: &str = "segment-ends";
/// Added to the name of a file that is due to be deleted.
pub const DELETED_FILE_SUFFIX: &str = ".deleted";
/// Ends the name of the directory of a deleted log until the directory is removed.
const DELETED_DIRECTORY_SUFFIX: &str = "-delete";
/// Ends the name of the directory of a log that was found, though this broker should have none such.
const STRAY_DIRECTORY_SUFFIX: &str = "-stray";
/// The longest name that most file systems allow, in bytes.
const FILE_NAME_BYTES_MAX: usize = 255;
/// Added to the name of a segment that the cleaner is still writing.
pub const CLEANED_FILE_SUFFIX: &str = ".cleaned";
/// Added to the name of a segment that is complete but not yet in place.
pub const SWAP_FILE_SUFFIX: &str = ".swap";
/// The file that a clean shutdown leaves in a log directory.
pub const CLEAN_SHUTDOWN_FILE: &str = ".kafka_cleanshutdown";

/// The name of the message file whose first offset is `offset`: `<dir>/00000000000000000042.log`.
pub fn log_filename(dir: &Path, offset: Offset) -> PathBuf {
    dir.join(format!("{offset:020}{LOG_FILE_SUFFIX}"))
}

/// The name of the offset index that belongs to [`log_filename`].
pub fn index_filename(dir: &Path, offset: Offset) -> PathBuf {
    dir.join(format!("{offset:020}{INDEX_FILE_SUFFIX}"))
}

/// The name of the time index that belongs to [`log_filename`].
pub fn time_index_filename(dir: &Path, offset: Offset) -> PathBuf {
    dir.join(format!("{offset:020}{TIME_INDEX_FILE_SUFFIX}"))
}

/// The name of the snapshot of the producers that appended below `offset`.
pub fn producer_snapshot_filename(dir: &Path, offset: Offset) -> PathBuf {
    dir.join(format!("{offset:020}{PRODUCER_SNAPSHOT_FILE_SUFFIX}"))
}

/// The offset in a file name such as `00000000000000000042.log`, if the name is one of a file with
/// `suffix`. It is below `i64::MAX`: a file of that name could hold no message.
pub fn offset_of_filename(name: &str, suffix: &str) -> Option<Offset> {
    let digits = name.strip_suffix(suffix)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?.map(Offset).filter(|&offset| offset < Offset::MAX)
}

/// `path` with `suffix` added.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// Takes a log's directory name apart: the partition is what follows the last `-`.
///
/// # Errors
/// `INVALID_TOPIC_EXCEPTION` with a sentence, if the name has no topic, no partition or no `-`.
pub fn parse_topic_partition_name(dir: &Path) -> Result<TopicAndPartition, KafkaError> {
    let wrong = |why: &str| {
        let text = format!(
            "the directory {} is not a log, which is called <topic>-<partition>: {why}",
            dir.display()
        );
        KafkaError::api(Errors::InvalidTopicException, text)
    };
    let name = dir.file_name().and_then(|name| name.to_str()).ok_or_else(|| wrong("no name"))?;
    let (topic, partition) = name.rsplit_once('-').ok_or_else(|| wrong("it has no `-`"))?;
    if topic.is_empty() {
        return Err(wrong("the topic is missing"));
    }
    let is_number = !partition.is_empty() && partition.bytes().all(|it| it.is_ascii_digit());
    let partition = partition.parse().ok().filter(|_| is_number);
    partition
        .map(|partition| TopicAndPartition::new(topic, partition))
        .ok_or_else(|| wrong("the partition is not a number"))
}

/// Port of `Log.logDeleteDirName`: what the directory of a deleted log is called,
/// `<topic>-<partition>.<id>-delete`. The topic is cut where the name would be too long for the
/// disk.
pub fn deleted_directory_name(log: &TopicAndPartition, id: &[u8; 16]) -> String {
    directory_name_with(DELETED_DIRECTORY_SUFFIX, log, id)
}

/// Port of `UnifiedLog.logStrayDirName`: the same for a log that was found, though this broker should
/// have none such, with `-stray`.
pub fn stray_directory_name(log: &TopicAndPartition, id: &[u8; 16]) -> String {
    directory_name_with(STRAY_DIRECTORY_SUFFIX, log, id)
}

fn directory_name_with(suffix: &str, log: &TopicAndPartition, id: &[u8; 16]) -> String {
    let suffix = format!("-{}.{}{suffix}", log.partition, to_hex(id));
    let topic_bytes = log.topic.len().min(FILE_NAME_BYTES_MAX - suffix.len());
    format!("{}{suffix}", &log.topic[..topic_bytes])
}

/// Whether a directory has a name that [`deleted_directory_name`] gives.
pub fn is_deleted_directory(dir: &Path) -> bool {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    is_named_with(DELETED_DIRECTORY_SUFFIX, name)
}

/// Whether a directory has a name that [`stray_directory_name`] gives.
pub fn is_stray_directory(dir: &Path) -> bool {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    is_named_with(STRAY_DIRECTORY_SUFFIX, name)
}

fn is_named_with(suffix: &str, name: &str) -> bool {
    let Some(stem) = name.strip_suffix(suffix) else { return false };
    let Some((log, id)) = stem.rsplit_once('.') else { return false };
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id && parse_topic_partition_name(Path::new(log)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_twenty_digits_and_read_back() {
        let path = log_filename(Path::new("/data/t-0"), Offset(42));
        assert_eq!(path, Path::new("/data/t-0/00000000000000000042.log"));
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(offset_of_filename(name, LOG_FILE_SUFFIX), Some(Offset(42)));
    }

    #[test]
    fn other_names_are_no_offsets() {
        let last = "9223372036854775807.log";
        for name in ["", ".log", "-5.log", "+5.log", "5.index", last, "99999999999999999999.log"] {
            assert_eq!(offset_of_filename(name, LOG_FILE_SUFFIX), None, "{name}");
        }
    }

    #[test]
    fn the_directory_of_a_deleted_log_is_distinguished_from_all_others() {
        for topic in ["t", "a-b.c-0", &"x".repeat(249)] {
            let name = deleted_directory_name(&TopicAndPartition::new(topic, 7), &[0xab; 16]);
            assert!(name.len() <= FILE_NAME_BYTES_MAX);
            assert!(is_deleted_directory(Path::new(&name)), "{name}");
            assert!(parse_topic_partition_name(Path::new(&name)).is_err(), "{name}");
            let stray = stray_directory_name(&TopicAndPartition::new(topic, 7), &[0xab; 16]);
            assert!(is_stray_directory(Path::new(&stray)) && !is_stray_directory(Path::new(&name)));
            assert!(parse_topic_partition_name(Path::new(&stray)).is_err(), "{stray}");
        }
        for name in
            ["t-0", "t-delete", "t-0.abc-delete", "t-x.00112233445566778899aabbccddeeff-delete"]
        {
            assert!(!is_deleted_directory(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_partition_with_a_sign_or_beyond_an_i32_is_refused() {
        for name in ["/x/t-+1", "/x/t--", "/x/t-2147483648", "/x/t-1a", "/"] {
            assert!(parse_topic_partition_name(Path::new(name)).is_err(), "{name}");
        }
    }
}
