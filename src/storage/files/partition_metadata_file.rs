//! Port of `org.apache.kafka.storage.internals.checkpoint.PartitionMetadataFile`: the file in the
//! directory of a log that says which topic the log belongs to.
//!
//! ```text
//! version: 0
//! topic_id: 4f8WJgmTTPGRZWQNVZuWbA
//! ```
//!
//! A topic that was deleted and made again has the same name and another id. Only where a controller
//! elsewhere decides on topics can a broker miss the one and the other.

use std::path::Path;

use crate::common::errors::{Errors, KafkaError};
use crate::common::uuid::{uuid_of_text, uuid_text};
use crate::storage::files::file_io::{read_text, write_atomically};

pub const PARTITION_METADATA_FILE: &str = "partition.metadata";
const CURRENT_VERSION: &str = "0";

/// For a start with a file that says nothing.
const REMEDY: &str = "put back a copy; if it is moved away, the log is set aside at the next start, \
                      and the partition begins anew";

/// The id of the topic to which the log in the directory `log` belongs; `None` without the file.
///
/// # Errors
/// `Corrupt` if the file is not of the form above; whatever the operating system reports, with the path.
pub fn read_topic_id(log: &Path) -> Result<Option<[u8; 16]>, KafkaError> {
    let path = log.join(PARTITION_METADATA_FILE);
    let read = || read_text(&path)?.map(|text| parse(&text, &path)).transpose();
    read().map_err(|error| error.with_remedy(REMEDY))
}

/// Writes down to which topic the log in the directory `log` belongs. The same id again costs nothing.
///
/// # Errors
/// `INCONSISTENT_TOPIC_ID` if it belongs to another; as [`read_topic_id`].
pub fn record_topic_id(log: &Path, topic_id: &[u8; 16]) -> Result<(), KafkaError> {
    match read_topic_id(log)? {
        Some(recorded) if recorded == *topic_id => Ok(()),
        Some(recorded) => Err(KafkaError::api(
            Errors::InconsistentTopicId,
            format!(
                "the log {} belongs to the topic {}, not to {}",
                log.display(),
                uuid_text(&recorded),
                uuid_text(topic_id)
            ),
        )),
        None => {
            let text = format!("version: {CURRENT_VERSION}\ntopic_id: {}\n", uuid_text(topic_id));
            Ok(write_atomically(&log.join(PARTITION_METADATA_FILE), &text)?)
        }
    }
}

fn parse(text: &str, path: &Path) -> Result<[u8; 16], KafkaError> {
    let mut lines = text.lines();
    let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(": ");
    let (version, topic_id) = (value("version"), value("topic_id").and_then(uuid_of_text));
    match (version, topic_id) {
        (Some(CURRENT_VERSION), Some(topic_id)) if topic_id != [0; 16] => Ok(topic_id),
        _ => Err(KafkaError::Corrupt {
            file: path.to_path_buf(),
            position: 0,
            why: "it does not say in version 0 which topic the log belongs to".to_string(),
        }),
    }
}
