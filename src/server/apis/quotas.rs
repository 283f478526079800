//! Port of `KafkaApis.handleDescribeClientQuotasRequest` and `handleAlterClientQuotasRequest`
//! (Kafka 2.6): the quotas of clients.
//!
//! Kafka 0.9 let its tools write them into ZooKeeper. An entity is a client id, or every client id
//! that has no quota of its own; all clients here are the same user.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::config::client_config_override::{ClientConfigOverride, QuotaType};
use crate::protocol::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterEntryResponse, OpData,
};
use crate::protocol::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData,
    EntryData, ValueData,
};
use crate::protocol::request::ResponseBody;
use crate::server::apis::duplicates::{duplicate_error, duplicates};
use crate::server::apis::parts::Parts;
use crate::server::quota::quota_managers::{QuotaManagers, entity_for_log};
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{Operation, Resource};

/// The components of an entity: Kafka's `ClientQuotaEntity`.
const CLIENT_ID: &str = "client-id";
const USER: &str = "user";
const IP: &str = "ip";

/// Which names match: Kafka's `DescribeClientQuotasRequest.MATCH_TYPE_*`.
const MATCH_EXACT: i8 = 0;
const MATCH_DEFAULT: i8 = 1;
const MATCH_ANY: i8 = 2;

/// Kafka's other quotas, by name.
const OTHER_QUOTAS: [&str; 3] =
    ["request_percentage", "controller_mutation_rate", "connection_creation_rate"];
/// Kafka takes a smaller fraction for a rounding error.
const FRACTION_MAX: f64 = 1e-6;

/// The longest client id that can have a quota, in bytes.
const CLIENT_ID_BYTES_MAX: usize = 1024;

/// What is to become of the quotas of one entity; `None` removes one.
type Alterations = BTreeMap<QuotaType, Option<i64>>;

/// Handles DescribeClientQuotas and AlterClientQuotas.
pub(crate) struct QuotaApis {
    quota_managers: Arc<QuotaManagers>,
    authorization: Authorization,
}

impl QuotaApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            quota_managers: Arc::clone(&parts.quota_managers),
            authorization: parts.authorization(),
        }
    }

    pub(crate) fn handle_describe_client_quotas_request(
        &self,
        reply: Reply,
        request: &DescribeClientQuotasRequest,
    ) {
        let mut refusals = Refusals::default();
        let mut response = DescribeClientQuotasResponse::default();
        let is_allowed =
            self.authorization.check(&reply.context, Operation::DescribeConfigs, Resource::CLUSTER);
        let described = is_allowed.and_then(|()| Filter::of(request)).map(|filter| {
            let all = self.quota_managers.client_quotas();
            let matching = all.iter().filter(|(id, _)| filter.matches(id.as_deref()));
            response.entries = Some(matching.map(|(id, quotas)| entry(id, quotas)).collect());
        });
        (response.error_code, response.error_message) =
            refusals.error_fields(described, &"client quotas");
        reply.log_refusals(&refusals);
        reply.send_body(&ResponseBody::DescribeClientQuotas(response));
    }

    /// Sets quotas, or removes them, from the next request on.
    pub(crate) fn handle_alter_client_quotas_request(
        &self,
        reply: Reply,
        request: &AlterClientQuotasRequest,
    ) {
        if !self.authorization.authorize(&reply.context, Operation::AlterConfigs, Resource::CLUSTER)
        {
            let refused = request.error_response(Errors::ClusterAuthorizationFailed);
            reply.send_body(&ResponseBody::AlterClientQuotas(refused));
            return;
        }
        let entities: Vec<_> = request.entries.iter().map(|it| client_id_of(&it.entity)).collect();
        let named = entities.iter().filter_map(|it| it.as_ref().ok().copied());
        let twice = duplicates(named);
        let checked = request.entries.iter().zip(entities).map(|(entry, entity)| {
            let client_id = entity?;
            if twice.contains(&client_id) {
                return Err(duplicate_error());
            }
            Ok((client_id, alterations(&entry.ops)?))
        });
        let checked: Vec<Result<(Option<&str>, Alterations), KafkaError>> = checked.collect();
        let good: Vec<_> = checked.iter().filter_map(|it| it.as_ref().ok()).collect();
        let written = if request.validate_only || good.is_empty() {
            Ok(())
        } else {
            self.alter_client_quotas(&good)
        };
        let mut refusals = Refusals::default();
        let answers = request.entries.iter().zip(checked).map(|(entry, checked)| {
            let what = entity_for_log(client_id_of(&entry.entity).ok().flatten());
            let altered = checked.and_then(|_| match &written {
                Ok(()) => Ok(()),
                Err(error) => Err(KafkaError::api(error.code(), error.why())),
            });
            let (error_code, error_message) = refusals.error_fields(altered, &what);
            AlterEntryResponse { error_code, error_message, entity: entry.entity.clone() }
        });
        let entries = answers.collect();
        reply.log_refusals(&refusals);
        let response = AlterClientQuotasResponse { throttle_time_ms: 0, entries };
        reply.send_body(&ResponseBody::AlterClientQuotas(response));
    }

    fn alter_client_quotas(
        &self,
        altered: &[&(Option<&str>, Alterations)],
    ) -> Result<(), KafkaError> {
        self.quota_managers.alter(|all| {
            for (client_id, alterations) in altered {
                let quotas = all.entry(client_id.map(str::to_string)).or_default();
                for (quota, value) in alterations {
                    match value {
                        Some(value) => quotas.insert(*quota, *value),
                        None => quotas.remove(quota),
                    };
                }
            }
        })
    }
}

/// Which entities a request asks for.
enum Filter<'a> {
    Everything,
    ClientIds(&'a ComponentData),
    /// By what no entity here has: a user, an address; or by nothing at all.
    Nothing,
}

impl<'a> Filter<'a> {
    fn of(request: &'a DescribeClientQuotasRequest) -> Result<Self, KafkaError> {
        let mut named = HashSet::new();
        for component in &request.components {
            if !named.insert(component.entity_type.as_str()) {
                return Err(duplicate_error());
            }
            check_match(component)?;
        }
        Ok(match request.components.as_slice() {
            [] if !request.strict => Self::Everything,
            [component] if component.entity_type == CLIENT_ID => Self::ClientIds(component),
            _ => Self::Nothing,
        })
    }

    fn matches(&self, client_id: Option<&str>) -> bool {
        match self {
            Self::Everything => true,
            Self::Nothing => false,
            Self::ClientIds(component) => match component.match_type {
                MATCH_EXACT => client_id.is_some() && client_id == component.match_name.as_deref(),
                MATCH_DEFAULT => client_id.is_none(),
                _ => true,
            },
        }
    }
}

fn check_match(component: &ComponentData) -> Result<(), KafkaError> {
    check_entity_type(&component.entity_type)?;
    let has_name = component.match_name.is_some();
    match component.match_type {
        MATCH_EXACT if !has_name => Err(invalid("an exact match needs a name")),
        MATCH_EXACT => Ok(()),
        MATCH_DEFAULT | MATCH_ANY if has_name => Err(invalid("only an exact match has a name")),
        MATCH_DEFAULT | MATCH_ANY => Ok(()),
        other => Err(invalid(format!("unknown match type: {other}"))),
    }
}

fn check_entity_type(entity_type: &str) -> Result<(), KafkaError> {
    match entity_type {
        CLIENT_ID | USER | IP => Ok(()),
        other => {
            let why = format!("unknown entity type: {other:?}");
            Err(KafkaError::api(Errors::UnsupportedVersion, why))
        }
    }
}

/// The client id that an entity stands for, `None` for every one without a quota of its own.
fn client_id_of(entity: &[EntityData]) -> Result<Option<&str>, KafkaError> {
    for component in entity {
        check_entity_type(&component.entity_type)?;
        if component.entity_type != CLIENT_ID {
            let why = format!(
                "quotas per {} are not supported, only per {CLIENT_ID}",
                component.entity_type
            );
            return Err(invalid(why));
        }
    }
    match entity {
        [client] => match client.entity_name.as_deref() {
            Some(id) if id.len() > CLIENT_ID_BYTES_MAX => {
                Err(invalid(format!("the client id is longer than {CLIENT_ID_BYTES_MAX} bytes")))
            }
            client_id => Ok(client_id),
        },
        [] => Err(invalid("an entity needs a component")),
        _ => Err(invalid("an entity takes one client id")),
    }
}

fn alterations(ops: &[OpData]) -> Result<Alterations, KafkaError> {
    let mut alterations = Alterations::new();
    for op in ops {
        let quota = QuotaType::for_key(&op.key).ok_or_else(|| no_such_quota(&op.key))?;
        let value = if op.remove { None } else { Some(bytes_per_second(op)?) };
        if alterations.insert(quota, value).is_some() {
            return Err(invalid(format!("the request names {} twice", op.key)));
        }
    }
    Ok(alterations)
}

fn no_such_quota(key: &str) -> KafkaError {
    if OTHER_QUOTAS.contains(&key) {
        return invalid(format!(
            "this broker has no {key}: it limits {} and {}",
            QuotaType::Produce.key(),
            QuotaType::Fetch.key()
        ));
    }
    invalid(format!("unknown quota: {key:?}"))
}

/// The request may hold a fraction; a quota in bytes is whole.
fn bytes_per_second(op: &OpData) -> Result<i64, KafkaError> {
    let whole = op.value.round();
    let is_whole = (op.value - whole).abs() <= FRACTION_MAX;
    // The largest `i64` is rounded up on its way into an `f64`, and down on its way back.
    if is_whole && whole >= 1.0 && whole <= i64::MAX as f64 {
        return Ok(whole as i64);
    }
    Err(invalid(format!("{} must be a whole number of at least 1, not {}", op.key, op.value)))
}

fn invalid(why: impl Into<String>) -> KafkaError {
    KafkaError::api(Errors::InvalidRequest, why.into())
}

fn entry(client_id: &Option<String>, quotas: &ClientConfigOverride) -> EntryData {
    let values = quotas.iter();
    EntryData {
        entity: vec![EntityData {
            entity_type: CLIENT_ID.to_string(),
            entity_name: client_id.clone(),
        }],
        values: values
            .map(|(quota, &value)| ValueData { key: quota.key().to_string(), value: value as f64 })
            .collect(),
    }
}
