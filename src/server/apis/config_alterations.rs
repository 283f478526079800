//! Port of `ConfigAdminManager.prepareIncrementalConfigs`: what alterations make of settings, be they
//! a topic's or the broker's.

use std::collections::BTreeMap;

use crate::common::errors::{Errors, KafkaError};
use crate::protocol::incremental_alter_configs::IncrementalAlterableConfig;
use crate::server::apis::duplicates::{duplicate_error, duplicates};

/// What is to become of a setting: Kafka's `AlterConfigOp.OpType`.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Why a broker's loggers have no settings.
pub(crate) const LOGGERS_ARE_SET_AT_START: &str =
    "the levels of the broker's log are set by RUST_LOG, at its start";

/// Settings after the alterations that are asked for: those that a topic overrides, or those that
/// were set for brokers. `current_list` gives the value that a list has now, set or inherited.
pub(crate) fn altered(
    mut configs: BTreeMap<String, String>,
    asked: &[IncrementalAlterableConfig],
    current_list: impl Fn(&str) -> Result<String, KafkaError>,
) -> Result<BTreeMap<String, String>, KafkaError> {
    for IncrementalAlterableConfig { name, config_operation, value } in asked {
        match *config_operation {
            SET => {
                configs.insert(name.clone(), given(name, value)?);
            }
            // A name that is not set counts as deleted, even an unknown one: MirrorMaker deletes all
            // that its own broker does not override.
            DELETE => {
                configs.remove(name);
            }
            APPEND | SUBTRACT => {
                let entries = given(name, value)?;
                let is_appended = *config_operation == APPEND;
                let list = altered_list(&current_list(name)?, &entries, is_appended);
                configs.insert(name.clone(), list);
            }
            other => {
                let why = format!("unknown operation: {other}");
                return Err(KafkaError::api(Errors::InvalidRequest, why));
            }
        }
    }
    Ok(configs)
}

pub(crate) fn not_a_list(name: &str) -> KafkaError {
    let why = format!("`{name}` is not a list: APPEND and SUBTRACT do not apply");
    KafkaError::api(Errors::InvalidConfig, why)
}

/// The entries of `list` with those of `entries` added that it lacks, or without them.
fn altered_list(list: &str, entries: &str, is_appended: bool) -> String {
    let split = |text: &str| -> Vec<String> {
        text.split(',').map(|it| it.trim().to_string()).filter(|it| !it.is_empty()).collect()
    };
    let mut list = split(list);
    for entry in split(entries) {
        match list.iter().position(|it| *it == entry) {
            None if is_appended => list.push(entry),
            Some(place) if !is_appended => drop(list.remove(place)),
            _ => {}
        }
    }
    list.join(",")
}

pub(crate) fn given(name: &str, value: &Option<String>) -> Result<String, KafkaError> {
    value
        .clone()
        .ok_or_else(|| KafkaError::api(Errors::InvalidRequest, format!("`{name}` has no value")))
}

pub(crate) fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), KafkaError> {
    if duplicates(names).is_empty() { Ok(()) } else { Err(duplicate_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_added_to_a_list_once_and_taken_from_it() {
        assert_eq!(altered_list("delete", "compact", true), "delete,compact");
        assert_eq!(altered_list("compact,delete", " compact ", false), "delete");
        assert_eq!(altered_list("delete", "delete", true), "delete");
        assert_eq!(altered_list("delete,compact", "delete", true), "delete,compact");
        assert_eq!(altered_list("", "0:1,0:1", true), "0:1");
        assert_eq!(altered_list("0:1,0:1,0:2", "0:1", false), "0:1,0:2");
        assert_eq!(altered_list("delete", "delete", false), "");
    }
}
