//! Port of `ConfigAdminManager.preprocess` and `reassembleLegacyResponse`: what a broker says to alterations of
//! settings before the controller is asked.
//!
//! The controller knows the settings of topics, but of a broker only that broker knows whether it can take
//! them. Each refusal is the broker's; what it does not refuse is the controller's to alter.

use crate::common::errors::{Errors, KafkaError};
use crate::common::text::for_log;
use crate::protocol::alter_configs::AlterConfigsResourceResponse;
use crate::protocol::request::{RequestBody, ResponseBody};
use crate::server::apis::broker_configs::BrokerConfigs;
use crate::server::apis::config_alterations::LOGGERS_ARE_SET_AT_START;
use crate::server::apis::parts::Parts;
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{Operation, Resource};

/// Kafka's `ConfigResource.Type`.
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;

pub(crate) struct ConfigPreprocessing {
    broker_configs: BrokerConfigs,
    authorization: Authorization,
}

impl ConfigPreprocessing {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self { broker_configs: BrokerConfigs::new(parts), authorization: parts.authorization() }
    }

    /// Takes out of an alteration what this broker refuses. Returns an answer to each.
    pub(crate) fn refuse(
        &self,
        reply: &Reply,
        body: &mut RequestBody,
    ) -> Vec<AlterConfigsResourceResponse> {
        let mut refused = Refused::default();
        let asker = reply.context.session.client_address.ip();
        let configs = &self.broker_configs;
        // Who may not alter a broker does not learn what it would take, or have names looked up.
        let check = || {
            let (context, cluster) = (&reply.context, Resource::CLUSTER);
            self.authorization.check(context, Operation::AlterConfigs, cluster)
        };
        match body {
            RequestBody::AlterConfigs(request) => request.resources.retain(|it| {
                refused.keep(it.resource_type, &it.resource_name, check, || {
                    configs.replace(asker, &it.resource_name, &it.configs, true)
                })
            }),
            RequestBody::IncrementalAlterConfigs(request) => request.resources.retain(|it| {
                refused.keep(it.resource_type, &it.resource_name, check, || {
                    configs.alter(asker, &it.resource_name, &it.configs, true)
                })
            }),
            _ => {}
        }
        reply.log_refusals(&refused.refusals);
        refused.responses
    }
}

#[derive(Default)]
struct Refused {
    refusals: Refusals,
    responses: Vec<AlterConfigsResourceResponse>,
}

impl Refused {
    /// Whether the controller is to be asked about this resource. `check` says whether the sender may alter a
    /// broker, `validate` has the broker's say.
    fn keep(
        &mut self,
        resource_type: i8,
        resource_name: &str,
        check: impl FnOnce() -> Result<(), KafkaError>,
        validate: impl FnOnce() -> Result<(), KafkaError>,
    ) -> bool {
        let validated = match resource_type {
            BROKER => check().and_then(|()| validate()),
            BROKER_LOGGER => check().and_then(|()| {
                Err(KafkaError::api(Errors::InvalidRequest, LOGGERS_ARE_SET_AT_START))
            }),
            _ => Ok(()),
        };
        if validated.is_ok() {
            return true;
        }
        let (error_code, error_message) =
            self.refusals.error_fields(validated, &for_log(resource_name));
        let resource_name = resource_name.to_string();
        self.responses.push(AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type,
            resource_name,
        });
        false
    }
}

/// How many resources an alteration is about; `None` for any other request.
pub(crate) fn resource_count(body: &RequestBody) -> Option<usize> {
    match body {
        RequestBody::AlterConfigs(it) => Some(it.resources.len()),
        RequestBody::IncrementalAlterConfigs(it) => Some(it.resources.len()),
        _ => None,
    }
}

/// The controller's answer with the broker's refusals added.
pub(crate) fn reassembled(
    mut response: ResponseBody,
    refused: Vec<AlterConfigsResourceResponse>,
) -> ResponseBody {
    match &mut response {
        ResponseBody::AlterConfigs(it) => it.responses.extend(refused),
        ResponseBody::IncrementalAlterConfigs(it) => it.responses.extend(refused),
        _ => {}
    }
    response
}
