//! Port of the file names in `kafka.log.Log` (the companion object): what the files of a log are
//! called, and the few things done to files by name.

use std::fs;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use log::error;

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::TopicAndPartition;

/// The messages of a segment.
pub const LOG_FILE_SUFFIX: &str = ".log";
/// Its offset index.
pub const INDEX_FILE_SUFFIX: &str = ".index";
/// Its time index.
pub const TIME_INDEX_FILE_SUFFIX: &str = ".timeindex";
/// What a log knows of its idempotent producers.
pub const PRODUCER_SNAPSHOT_FILE_SUFFIX: &str = ".snapshot";
/// Added to a file that waits for its deletion.
pub const DELETED_FILE_SUFFIX: &str = ".deleted";
/// At the end of the name of a log's directory that waits for its deletion.
const DELETED_DIRECTORY_SUFFIX: &str = "-delete";
/// The longest name that most file systems allow, in bytes.
const FILE_NAME_BYTES_MAX: usize = 255;
/// Added to a file that the cleaner has not finished.
pub const CLEANED_FILE_SUFFIX: &str = ".cleaned";
/// Added to a file that the cleaner has finished, and not yet put in its place.
pub const SWAP_FILE_SUFFIX: &str = ".swap";
/// The file that says: this directory was closed in good order.
pub const CLEAN_SHUTDOWN_FILE: &str = ".kafka_cleanshutdown";

/// The name of the message file whose first offset is `offset`: `<dir>/00000000000000000042.log`.
pub fn log_filename(dir: &Path, offset: i64) -> PathBuf {
    dir.join(format!("{offset:020}{LOG_FILE_SUFFIX}"))
}

/// The name of the offset index that belongs to [`log_filename`].
pub fn index_filename(dir: &Path, offset: i64) -> PathBuf {
    dir.join(format!("{offset:020}{INDEX_FILE_SUFFIX}"))
}

/// The name of the time index that belongs to [`log_filename`].
pub fn time_index_filename(dir: &Path, offset: i64) -> PathBuf {
    dir.join(format!("{offset:020}{TIME_INDEX_FILE_SUFFIX}"))
}

/// The name of the snapshot of the producers that appended below `offset`.
pub fn producer_snapshot_filename(dir: &Path, offset: i64) -> PathBuf {
    dir.join(format!("{offset:020}{PRODUCER_SNAPSHOT_FILE_SUFFIX}"))
}

/// The offset in a file name such as `00000000000000000042.log`, if the name is one of a file with
/// `suffix`. It is below `i64::MAX`: a file of that name could hold no message.
pub fn offset_of_filename(name: &str, suffix: &str) -> Option<i64> {
    let digits = name.strip_suffix(suffix)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?.filter(|&offset| offset < i64::MAX)
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
        .ok_or_else(|| wrong("the partition is no number"))
}

/// Port of `Log.logDeleteDirName`: what the directory of a deleted log is called,
/// `<topic>-<partition>.<id>-delete`. The topic is cut where the name would be too long for the
/// disk.
pub fn deleted_directory_name(log: &TopicAndPartition, id: &[u8; 16]) -> String {
    let suffix = format!("-{}.{}{DELETED_DIRECTORY_SUFFIX}", log.partition, hex(id));
    let topic_bytes = log.topic.len().min(FILE_NAME_BYTES_MAX - suffix.len());
    format!("{}{suffix}", &log.topic[..topic_bytes])
}

/// Whether a directory has a name that [`deleted_directory_name`] gives.
pub fn is_deleted_directory(dir: &Path) -> bool {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(stem) = name.strip_suffix(DELETED_DIRECTORY_SUFFIX) else { return false };
    let Some((log, id)) = stem.rsplit_once('.') else { return false };
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id && parse_topic_partition_name(Path::new(log)).is_ok()
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts what was tried, and with which file, in front of what the operating system says.
pub fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let text = format!("cannot {doing} {}", path.display());
    move |error| io::Error::new(error.kind(), format!("{text}: {error}"))
}

/// Makes the names of the files in `dir` durable: after a crash a file whose directory was not
/// synced may be gone, however well its bytes were (KAFKA-3968).
///
/// # Errors
/// Whatever `fsync(2)` reports.
pub fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir).and_then(|it| it.sync_all()).map_err(failed("sync the directory", dir))
}

/// Makes the content of a file durable, also what was written through a map. A file that is gone
/// needs it no more (KAFKA-6624).
///
/// # Errors
/// Whatever `fdatasync(2)` reports, but not `NotFound`.
pub fn sync_if_exists(path: &Path) -> io::Result<()> {
    match File::open(path).and_then(|file| file.sync_data()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("sync", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a file. One that is gone already is no error (KAFKA-6324).
///
/// # Errors
/// Whatever `unlink(2)` reports, but not `NotFound`.
pub fn remove_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("delete", path)(error)),
        _ => Ok(()),
    }
}

/// What a small file of the broker's own holds; `None` if it is missing.
///
/// # Errors
/// `Corrupt` if it is no text; whatever the operating system reports, with the path.
pub fn read_text(path: &Path) -> Result<Option<String>, KafkaError> {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| KafkaError::Corrupt {
            file: path.to_path_buf(),
            position: error.utf8_error().valid_up_to() as u64,
            why: "it is no text".to_string(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error).into()),
    }
}

/// Writes `text` to `path` so that a crash leaves the old file or the new one, never a piece: to
/// `<path>.tmp`, synced, renamed, and the directory synced.
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    rename_over(path, text)?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// As [`write_atomically`], where the one who owns the file keeps what it holds in memory, too:
/// after an error the file holds what `old` returns, as it did before. Else the next start would
/// read what was refused. Only if that cannot be written either, which is logged, do the two
/// differ.
///
/// # Errors
/// As [`write_atomically`].
pub fn replace_atomically(path: &Path, new: &str, old: impl FnOnce() -> String) -> io::Result<()> {
    replace_with(path, new, old, sync_directory)
}

fn replace_with(
    path: &Path,
    new: &str,
    old: impl FnOnce() -> String,
    sync: impl Fn(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    rename_over(path, new)?;
    sync(directory).inspect_err(|_| {
        let restored = rename_over(path, &old()).and_then(|()| sync(directory));
        if let Err(error) = restored {
            error!("{} may hold what was refused: {error}", path.display());
        }
    })
}

fn rename_over(path: &Path, text: &str) -> io::Result<()> {
    let temporary = with_suffix(path, ".tmp");
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(failed("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_twenty_digits_and_read_back() {
        let path = log_filename(Path::new("/data/t-0"), 42);
        assert_eq!(path, Path::new("/data/t-0/00000000000000000042.log"));
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(offset_of_filename(name, LOG_FILE_SUFFIX), Some(42));
    }

    #[test]
    fn a_file_whose_directory_cannot_be_synced_holds_what_it_held_before() {
        let name = format!("transferto-replaced-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        write_atomically(&path, "old").unwrap();
        let refuse = |_: &Path| Err(io::Error::other("no disk"));
        let error = replace_with(&path, "new", || "old".to_string(), refuse).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), read_text(&path).unwrap().unwrap().as_str()),
            ("no disk", "old")
        );
        replace_atomically(&path, "new", || "old".to_string()).unwrap();
        assert_eq!(read_text(&path).unwrap().unwrap(), "new");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn other_names_are_no_offsets() {
        let last = "9223372036854775807.log";
        for name in ["", ".log", "-5.log", "+5.log", "5.index", last, "99999999999999999999.log"] {
            assert_eq!(offset_of_filename(name, LOG_FILE_SUFFIX), None, "{name}");
        }
    }

    #[test]
    fn the_directory_of_a_deleted_log_is_told_from_all_others() {
        for topic in ["t", "a-b.c-0", &"x".repeat(249)] {
            let name = deleted_directory_name(&TopicAndPartition::new(topic, 7), &[0xab; 16]);
            assert!(name.len() <= FILE_NAME_BYTES_MAX);
            assert!(is_deleted_directory(Path::new(&name)), "{name}");
            assert!(parse_topic_partition_name(Path::new(&name)).is_err(), "{name}");
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
