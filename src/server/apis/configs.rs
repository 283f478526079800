//! Port of `KafkaApis.handleDescribeConfigsRequest`, `handleAlterConfigsRequest` and
//! `handleIncrementalAlterConfigsRequest`: the settings of topics and of the broker.
//!
//! Both can be altered, at once; what becomes of the broker's stands in `broker_config_apis`.

use std::collections::{BTreeMap, HashSet};

use crate::common::errors::{Errors, KafkaError};
use crate::common::text::for_log;
use crate::config::config_def::Setting;
use crate::config::config_source::{ConfigEntry, ConfigSource, MESSAGE_FORMAT_VERSION};
use crate::config::log_config::LogConfig;
use crate::protocol::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};
use crate::protocol::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource,
    IncrementalAlterConfigsResponse, IncrementalAlterableConfig,
};
use crate::protocol::request::ResponseBody;
use crate::server::apis::cluster::{named_twice, refuse_twice, told};
use crate::server::kafka_apis::KafkaApis;
use crate::server::metadata::controller::ConfigChange;
use crate::server::reply::reply::{Refusals, Reply};
use crate::server::security::authorizer::{Operation, Resource};

/// The kinds of things that have settings: Kafka's `ConfigResource.Type`.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// What is to become of a setting: Kafka's `AlterConfigOp.OpType`.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Overrides = BTreeMap<String, String>;

impl KafkaApis {
    /// An admin asks for settings. What is named twice is answered once: the answer takes far more
    /// bytes than the question.
    pub(crate) fn handle_describe_configs_request(
        &self,
        reply: Reply,
        request: &DescribeConfigsRequest,
    ) {
        let (mut named, mut refusals) = (HashSet::new(), Refusals::default());
        let mut results = Vec::new();
        for asked in &request.resources {
            if !named.insert((asked.resource_type, asked.resource_name.as_str())) {
                continue;
            }
            let mut result = DescribeConfigsResult {
                resource_type: asked.resource_type,
                resource_name: asked.resource_name.clone(),
                ..DescribeConfigsResult::default()
            };
            let may_describe = self.check_config_right(
                &reply,
                Operation::DescribeConfigs,
                (asked.resource_type, &asked.resource_name),
            );
            let entries = may_describe.and_then(|()| self.config_entries(asked));
            let described = entries.map(|entries| {
                let entries = entries.iter().filter(|entry| is_wanted(asked, entry));
                result.configs = entries.map(|entry| described(entry, request)).collect();
            });
            (result.error_code, result.error_message) =
                told(described, &for_log(&asked.resource_name), &mut refusals);
            results.push(result);
        }
        reply.log_refusals(&refusals);
        let response = DescribeConfigsResponse { throttle_time_ms: 0, results };
        reply.send_body(&ResponseBody::DescribeConfigs(response));
    }

    fn config_entries(
        &self,
        asked: &DescribeConfigsResource,
    ) -> Result<Vec<ConfigEntry>, KafkaError> {
        let helper = &self.config_helper;
        match (asked.resource_type, asked.resource_name.as_str()) {
            (TOPIC, topic) => helper.topic_config_entries(topic),
            (BROKER, id) => Ok(helper.broker_config_entries(self.broker_scope(id)?)),
            (other, _) => Err(no_settings_of(other)),
        }
    }

    /// An admin replaces all that topics override, or that was set for brokers.
    pub(crate) fn handle_alter_configs_request(&self, reply: Reply, request: &AlterConfigsRequest) {
        let resource = |it: &AlterConfigsResource| (it.resource_type, it.resource_name.clone());
        let resources: Vec<_> = request.resources.iter().map(resource).collect();
        let asker = reply.session.client_address.ip();
        let responses = self.alter_each(&reply, &resources, |index, resource_type, name| {
            let asked = &request.resources[index];
            if resource_type == BROKER {
                return self.replace_broker_config(
                    asker,
                    name,
                    &asked.configs,
                    request.validate_only,
                );
            }
            check_names(asked.configs.iter().map(|it| it.name.as_str()))?;
            let overrides =
                asked.configs.iter().map(|it| Ok((it.name.clone(), given(&it.name, &it.value)?)));
            let overrides: Overrides = overrides.collect::<Result<_, KafkaError>>()?;
            let change: ConfigChange<'_> = Box::new(|own, _| Ok(with_format_of(own, overrides)));
            self.controller.alter_topic_config(name, request.validate_only, change)
        });
        let response = AlterConfigsResponse { throttle_time_ms: 0, responses };
        reply.send_body(&ResponseBody::AlterConfigs(response));
    }

    /// An admin alters some of what topics override, or of what was set for brokers.
    pub(crate) fn handle_incremental_alter_configs_request(
        &self,
        reply: Reply,
        request: &IncrementalAlterConfigsRequest,
    ) {
        let resource =
            |it: &IncrementalAlterConfigsResource| (it.resource_type, it.resource_name.clone());
        let resources: Vec<_> = request.resources.iter().map(resource).collect();
        let asker = reply.session.client_address.ip();
        let responses = self.alter_each(&reply, &resources, |index, resource_type, name| {
            let asked = &request.resources[index].configs;
            if resource_type == BROKER {
                return self.alter_broker_config(asker, name, asked, request.validate_only);
            }
            check_names(asked.iter().map(|it| it.name.as_str()))?;
            let alter = |own: &Overrides, config: &LogConfig| {
                altered(own.clone(), asked, |name| current_list(name, config))
            };
            self.controller.alter_topic_config(name, request.validate_only, Box::new(alter))
        });
        let response = IncrementalAlterConfigsResponse { throttle_time_ms: 0, responses };
        reply.send_body(&ResponseBody::IncrementalAlterConfigs(response));
    }

    /// Calls `alter` with the place, the type and the name of each topic and broker, and answers for
    /// all resources.
    fn alter_each(
        &self,
        reply: &Reply,
        resources: &[(i8, String)],
        alter: impl Fn(usize, i8, &str) -> Result<(), KafkaError>,
    ) -> Vec<AlterConfigsResourceResponse> {
        let twice = named_twice(resources.iter());
        let (mut named, mut refusals) = (HashSet::new(), Refusals::default());
        let mut responses = Vec::new();
        for (index, resource) in resources.iter().enumerate() {
            if !named.insert(resource) {
                continue;
            }
            let (resource_type, resource_name) = resource.clone();
            let asked = (resource_type, resource_name.as_str());
            let may_alter = self.check_config_right(reply, Operation::AlterConfigs, asked);
            let result = may_alter.and_then(|()| match resource_type {
                _ if twice.contains(resource) => Err(refuse_twice()),
                TOPIC if resource_name.is_empty() => {
                    let why = "there are no settings of all topics: a topic follows the broker";
                    Err(KafkaError::api(Errors::InvalidRequest, why))
                }
                TOPIC | BROKER => alter(index, resource_type, &resource_name),
                other => Err(no_settings_of(other)),
            });
            let name = match asked {
                (BROKER, "") => "all brokers".to_string(),
                (_, name) => for_log(name),
            };
            let (error_code, error_message) = told(result, &name, &mut refusals);
            responses.push(AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type,
                resource_name,
            });
        }
        reply.log_refusals(&refusals);
        responses
    }

    /// A topic's settings are the topic's business, a broker's that of the cluster. Other things
    /// have none.
    fn check_config_right(
        &self,
        reply: &Reply,
        operation: Operation,
        (resource_type, name): (i8, &str),
    ) -> Result<(), KafkaError> {
        match resource_type {
            TOPIC => self.check_authorized(reply, operation, Resource::topic(name)),
            BROKER => self.check_authorized(reply, operation, Resource::CLUSTER),
            _ => Ok(()),
        }
    }
}

/// All settings are wanted if none is named.
fn is_wanted(asked: &DescribeConfigsResource, entry: &ConfigEntry) -> bool {
    match asked.configuration_keys.as_deref() {
        None | Some([]) => true,
        Some(names) => names.iter().any(|name| name == entry.setting.name),
    }
}

fn described(
    entry: &ConfigEntry,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResourceResult {
    let synonyms = entry.synonyms.iter().filter(|_| request.include_synonyms);
    let documentation = request.include_documentation.then(|| entry.setting.doc.trim().to_string());
    DescribeConfigsResourceResult {
        name: entry.setting.name.to_string(),
        value: entry.value.clone(),
        read_only: entry.is_read_only,
        is_default: entry.source == ConfigSource::Default,
        config_source: entry.source as i8,
        is_sensitive: false,
        synonyms: synonyms
            .map(|it| DescribeConfigsSynonym {
                name: it.name.to_string(),
                value: Some(it.value.clone()),
                source: it.source as i8,
            })
            .collect(),
        config_type: config_type(entry.setting.kind),
        documentation,
    }
}

/// Kafka's `ConfigEntry.ConfigType`.
fn config_type(kind: &str) -> i8 {
    match kind {
        "boolean" => 1,
        "string" => 2,
        "int" => 3,
        "short" => 4,
        "long" => 5,
        "double" => 6,
        "list" => 7,
        _ => 0,
    }
}

/// The format of a topic's messages stays what it is, and need not be said again to stay.
fn with_format_of(own: &Overrides, mut overrides: Overrides) -> Overrides {
    if let Some(version) = own.get(MESSAGE_FORMAT_VERSION) {
        overrides.entry(MESSAGE_FORMAT_VERSION.to_string()).or_insert_with(|| version.clone());
    }
    overrides
}

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
            // A name that is not set is as good as deleted, also one that nobody knows: MirrorMaker
            // deletes all that its own broker does not override.
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
                let why = format!("there is no operation {other} on a setting");
                return Err(KafkaError::api(Errors::InvalidRequest, why));
            }
        }
    }
    Ok(configs)
}

/// The value of a setting that is a list.
fn current_list(name: &str, log_config: &LogConfig) -> Result<String, KafkaError> {
    let is_list = |it: &Setting| it.name == name && it.kind == "list";
    let value = log_config.values().into_iter().find(|(known, _)| *known == name);
    match value.filter(|_| LogConfig::SETTINGS.iter().any(is_list)) {
        Some((_, value)) => Ok(value),
        None => Err(not_a_list(name)),
    }
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
    if named_twice(names).is_empty() { Ok(()) } else { Err(refuse_twice()) }
}

fn no_settings_of(resource_type: i8) -> KafkaError {
    let why = format!("there are no settings of resources of type {resource_type} here");
    KafkaError::api(Errors::InvalidRequest, why)
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
