//! Port of `KafkaApis.handleDescribeConfigsRequest`, `handleAlterConfigsRequest` and
//! `handleIncrementalAlterConfigsRequest`: the settings of topics and of the broker.
//!
//! Both can be altered while the broker runs; the broker's are [`BrokerConfigs`]' business.

use std::collections::HashSet;
use std::sync::Arc;

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
    IncrementalAlterConfigsResponse,
};
use crate::protocol::request::ResponseBody;
use crate::server::apis::broker_configs::BrokerConfigs;
use crate::server::apis::config_alterations::{
    LOGGERS_ARE_SET_AT_START, altered, check_names, given, not_a_list,
};
use crate::server::apis::duplicates::{duplicate_error, duplicates};
use crate::server::apis::parts::Parts;
use crate::server::metadata::config_helper::ConfigHelper;
use crate::server::metadata::controller::{ConfigChange, Controller, Overrides};
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{Operation, Resource};
use crate::server::security::request_context::RequestContext;

/// What has settings: Kafka's `ConfigResource.Type`.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// Handles DescribeConfigs, AlterConfigs and IncrementalAlterConfigs.
pub(crate) struct ConfigApis {
    controller: Arc<dyn Controller>,
    config_helper: ConfigHelper,
    broker_configs: BrokerConfigs,
    authorization: Authorization,
}

impl ConfigApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            controller: Arc::clone(&parts.controller),
            config_helper: ConfigHelper::new(&parts.metadata_cache, &parts.dynamic_config),
            broker_configs: BrokerConfigs::new(parts),
            authorization: parts.authorization(),
        }
    }

    /// What is named twice is answered once: the answer takes far more bytes than the question.
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
                &reply.context,
                Operation::DescribeConfigs,
                (asked.resource_type, &asked.resource_name),
            );
            let entries = may_describe.and_then(|()| self.config_entries(asked));
            let described = entries.map(|entries| {
                let entries = entries.iter().filter(|entry| is_wanted(asked, entry));
                result.configs = entries.map(|entry| described(entry, request)).collect();
            });
            (result.error_code, result.error_message) =
                refusals.error_fields(described, &for_log(&asked.resource_name));
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
            (BROKER, id) => Ok(helper.broker_config_entries(self.broker_configs.scope(id)?)),
            (other, _) => Err(no_settings_of(other)),
        }
    }

    /// Replaces all that topics override, or that was set for brokers.
    pub(crate) fn handle_alter_configs_request(&self, reply: Reply, request: &AlterConfigsRequest) {
        let resource = |it: &AlterConfigsResource| (it.resource_type, it.resource_name.clone());
        let resources: Vec<_> = request.resources.iter().map(resource).collect();
        let asker = reply.context.session.client_address.ip();
        let responses = self.alter_each(&reply, &resources, |index, resource_type, name| {
            let asked = &request.resources[index];
            if resource_type == BROKER {
                let (configs, validate_only) = (&asked.configs, request.validate_only);
                return self.broker_configs.replace(asker, name, configs, validate_only);
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

    /// Alters some of what topics override, or of what was set for brokers.
    pub(crate) fn handle_incremental_alter_configs_request(
        &self,
        reply: Reply,
        request: &IncrementalAlterConfigsRequest,
    ) {
        let resource =
            |it: &IncrementalAlterConfigsResource| (it.resource_type, it.resource_name.clone());
        let resources: Vec<_> = request.resources.iter().map(resource).collect();
        let asker = reply.context.session.client_address.ip();
        let responses = self.alter_each(&reply, &resources, |index, resource_type, name| {
            let asked = &request.resources[index].configs;
            if resource_type == BROKER {
                return self.broker_configs.alter(asker, name, asked, request.validate_only);
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
        let twice = duplicates(resources.iter());
        let (mut named, mut refusals) = (HashSet::new(), Refusals::default());
        let mut responses = Vec::new();
        for (index, resource) in resources.iter().enumerate() {
            if !named.insert(resource) {
                continue;
            }
            let (resource_type, resource_name) = resource.clone();
            let asked = (resource_type, resource_name.as_str());
            let may_alter = self.check_config_right(&reply.context, Operation::AlterConfigs, asked);
            let result = may_alter.and_then(|()| match resource_type {
                _ if twice.contains(resource) => Err(duplicate_error()),
                TOPIC if resource_name.is_empty() => {
                    let why = "topics have no common settings: they inherit the broker's";
                    Err(KafkaError::api(Errors::InvalidRequest, why))
                }
                TOPIC | BROKER => alter(index, resource_type, &resource_name),
                other => Err(no_settings_of(other)),
            });
            let name = match asked {
                (BROKER, "") => "all brokers".to_string(),
                (_, name) => for_log(name),
            };
            let (error_code, error_message) = refusals.error_fields(result, &name);
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

    /// A topic's settings take a right to the topic, a broker's a right to the cluster. Nothing else
    /// has settings.
    fn check_config_right(
        &self,
        context: &RequestContext,
        operation: Operation,
        (resource_type, name): (i8, &str),
    ) -> Result<(), KafkaError> {
        match resource_type {
            TOPIC => self.authorization.check(context, operation, Resource::topic(name)),
            BROKER => self.authorization.check(context, operation, Resource::CLUSTER),
            _ => Ok(()),
        }
    }
}

/// All settings are wanted if the request names none.
fn is_wanted(asked: &DescribeConfigsResource, entry: &ConfigEntry) -> bool {
    match asked.configuration_keys.as_deref() {
        None | Some([]) => true,
        Some(names) => names.iter().any(|name| *name == entry.name),
    }
}

fn described(
    entry: &ConfigEntry,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResourceResult {
    let synonyms = entry.synonyms.iter().filter(|_| request.include_synonyms);
    let is_sensitive = entry.is_sensitive();
    let documentation = request.include_documentation.then(|| entry.setting.doc.trim().to_string());
    DescribeConfigsResourceResult {
        name: entry.name.to_string(),
        value: entry.value.clone().filter(|_| !is_sensitive),
        read_only: entry.is_read_only,
        is_default: entry.source == ConfigSource::Default,
        config_source: entry.source as i8,
        is_sensitive,
        synonyms: synonyms
            .map(|it| DescribeConfigsSynonym {
                name: it.name.to_string(),
                value: Some(it.value.clone()).filter(|_| !is_sensitive),
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
        "password" => 9,
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

/// The value of a setting that is a list.
fn current_list(name: &str, log_config: &LogConfig) -> Result<String, KafkaError> {
    let is_list = |it: &Setting| it.name == name && it.kind == "list";
    let value = log_config.values().into_iter().find(|(known, _)| *known == name);
    match value.filter(|_| LogConfig::SETTINGS.iter().any(is_list)) {
        Some((_, value)) => Ok(value),
        None => Err(not_a_list(name)),
    }
}

fn no_settings_of(resource_type: i8) -> KafkaError {
    let why = match resource_type {
        BROKER_LOGGER => LOGGERS_ARE_SET_AT_START.to_string(),
        CLIENT_METRICS => "this broker collects no metrics of clients".to_string(),
        GROUP => "groups have no settings here: their members bring them".to_string(),
        other => format!("there are no settings of resources of type {other} here"),
    };
    KafkaError::api(Errors::InvalidRequest, why)
}
