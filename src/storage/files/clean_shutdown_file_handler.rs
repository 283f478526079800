//! Port of `org.apache.kafka.storage.internals.checkpoint.CleanShutdownFileHandler`: the file that says
//! that the last broker shut down cleanly and, in a cluster, what its broker epoch was.
//!
//! ```text
//! {"version":0,"brokerEpoch":1561}
//! ```

use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;

use crate::common::json_value::JsonValue;
use crate::storage::files::file_io::{
    failed, failed_to_sync, read_text, remove_if_exists, sync_directory,
};
use crate::storage::files::log_file_names::CLEAN_SHUTDOWN_FILE;

/// Of the only version that there is.
const VERSION: f64 = 0.0;

/// Marks the log directory as clean, durably. `broker_epoch` is that of a broker of a cluster; without one
/// the file is empty, as a broker that is alone leaves it.
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub fn write(log_dir: &Path, broker_epoch: Option<i64>) -> io::Result<()> {
    let path = log_dir.join(CLEAN_SHUTDOWN_FILE);
    let mut file = File::create(&path).map_err(failed("create", &path))?;
    if let Some(epoch) = broker_epoch {
        let line = format!("{{\"version\":0,\"brokerEpoch\":{epoch}}}");
        file.write_all(line.as_bytes()).map_err(failed("write", &path))?;
        file.sync_all().map_err(failed_to_sync("sync", &path))?;
    }
    sync_directory(log_dir)
}

/// The broker epoch of the clean shutdown, if there was one and the file tells it. One that cannot be read
/// tells nothing: what is there is recovered rather than trusted.
pub fn read(log_dir: &Path) -> Option<i64> {
    let text = read_text(&log_dir.join(CLEAN_SHUTDOWN_FILE)).ok().flatten()?;
    let value = JsonValue::parse(&text).ok()?;
    if value.get("version")?.as_f64()? != VERSION {
        return None;
    }
    // The reader of numbers has 53 bits, and an epoch is an offset: the digits themselves are exact.
    let digits = text.split_once("\"brokerEpoch\"")?.1.trim_start().strip_prefix(':')?.trim_start();
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(digits.len());
    digits[..end].parse().ok()
}

pub fn exists(log_dir: &Path) -> bool {
    log_dir.join(CLEAN_SHUTDOWN_FILE).exists()
}

/// From now on the directory changes: after a crash it must not count as clean.
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub fn delete(log_dir: &Path) -> io::Result<()> {
    remove_if_exists(&log_dir.join(CLEAN_SHUTDOWN_FILE))?;
    sync_directory(log_dir)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use support::temp::TempDir;

    use super::*;

    /// Port of `CleanShutdownFileHandlerTest.testCleanShutdownFileBasic`.
    #[test]
    fn a_clean_shutdown_is_marked_with_its_epoch_and_the_mark_can_be_removed() {
        let dir = TempDir::new();
        assert!(!exists(dir.path()));
        write(dir.path(), Some(10)).unwrap();
        assert!(exists(dir.path()));
        assert_eq!(read(dir.path()), Some(10));
        delete(dir.path()).unwrap();
        assert!(!exists(dir.path()));
        assert_eq!(read(dir.path()), None);
    }

    /// Port of `CleanShutdownFileHandlerTest.testCleanShutdownFileNonExist`.
    #[test]
    fn without_a_mark_there_is_no_epoch() {
        assert_eq!(read(TempDir::new().path()), None);
    }

    /// Port of `CleanShutdownFileHandlerTest.testCleanShutdownFileCanParseWithUnknownFields`.
    #[test]
    fn what_later_versions_add_to_the_mark_is_passed_over() {
        let dir = TempDir::new();
        let path = dir.join(CLEAN_SHUTDOWN_FILE);
        fs::write(&path, r#"{"version":0,"unknownKey":"value","brokerEpoch":10}"#).unwrap();
        assert_eq!(read(dir.path()), Some(10));
    }

    #[test]
    fn the_file_is_the_one_that_kafka_writes_and_a_strange_one_tells_nothing() {
        let dir = TempDir::new();
        let path = dir.join(CLEAN_SHUTDOWN_FILE);
        write(dir.path(), Some(i64::MAX)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, r#"{"version":0,"brokerEpoch":9223372036854775807}"#);
        assert_eq!(read(dir.path()), Some(i64::MAX));
        for text in ["", "{", r#"{"version":1,"brokerEpoch":10}"#, r#"{"brokerEpoch":10}"#, "[]"] {
            fs::write(&path, text).unwrap();
            assert_eq!(read(dir.path()), None, "{text}");
        }
    }
}
