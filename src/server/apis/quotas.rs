//! Port of `KafkaApis.handleDescribeClientQuotasRequest` and `handleAlterClientQuotasRequest`
//! (Kafka 2.6), and of `describe` in `org.apache.kafka.image.ClientQuotasImage`: the quotas of clients.
//!
//! Kafka 0.9 let its tools write them into ZooKeeper. An entity is a user, a client id, or a client id
//! of a user; quotas per address, which limit how often it may connect, are not here. The controller of a
//! cluster takes those as well, and they are shown, as all that it keeps.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::common::client_quota_entity::{ClientQuotaEntity, EntityName};
use crate::common::errors::{Errors, KafkaError};
use crate::common::text::for_log;
use crate::config::client_config_override::{ClientConfigOverride, QuotaType};
use crate::image::security_image::QuotaEntity;
use crate::protocol::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterEntryResponse, OpData,
};
use crate::protocol::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData,
    EntryData, ValueData,
};
use crate::protocol::request::ResponseBody;
use crate::server::apis::duplicates::{duplicate_error, duplicates};
use crate::server::apis::parts::{Keeper, Parts, not_kept_here};
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

/// The longest user or client id that can have a quota, in bytes.
const NAME_BYTES_MAX: usize = 1024;

/// What is to become of the quotas of one entity; `None` removes one.
type Alterations = BTreeMap<QuotaType, Option<i64>>;

/// Handles DescribeClientQuotas and AlterClientQuotas.
pub(crate) struct QuotaApis {
    keeper: Keeper,
    authorization: Authorization,
}

impl QuotaApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self { keeper: parts.keeper.clone(), authorization: parts.authorization() }
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
            response.entries = Some(self.described(&filter));
        });
        (response.error_code, response.error_message) =
            refusals.error_fields(described, &"client quotas");
        reply.log_refusals(&refusals);
        reply.send_body(&ResponseBody::DescribeClientQuotas(response));
    }

    fn described(&self, filter: &Filter<'_>) -> Vec<EntryData> {
        match &self.keeper {
            Keeper::Registries { client_quotas, .. } => {
                let all = client_quotas.client_quotas();
                let all = all.iter().map(|(it, quotas)| (components(it), quotas));
                let matching = all.filter(|(components, _)| filter.matches(components));
                matching.map(|(it, quotas)| entry(&it, values(quotas))).collect()
            }
            Keeper::Controller { image } => {
                let all = Arc::clone(&image.get().security.client_quotas);
                let matching = all.iter().filter(|(components, _)| filter.matches(components));
                matching.map(|(it, quotas)| entry(it, values_of_cluster(quotas))).collect()
            }
        }
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
        let entities: Vec<_> = request.entries.iter().map(|it| entity_of(&it.entity)).collect();
        let twice = duplicates(entities.iter().filter_map(|it| it.as_ref().ok()));
        let checked = request.entries.iter().zip(&entities).map(|(entry, entity)| {
            let entity = entity.as_ref().map_err(again)?;
            if twice.contains(entity) {
                return Err(duplicate_error());
            }
            Ok((entity, alterations(&entry.ops)?))
        });
        let checked: Vec<Result<(&ClientQuotaEntity, Alterations), KafkaError>> = checked.collect();
        let good: Vec<_> = checked.iter().filter_map(|it| it.as_ref().ok()).collect();
        let written = if request.validate_only || good.is_empty() {
            Ok(())
        } else {
            self.alter_client_quotas(&reply.context.session, &good)
        };
        let mut refusals = Refusals::default();
        let asked = request.entries.iter().zip(&entities);
        let answers = asked.zip(checked).map(|((entry, entity), checked)| {
            let altered = checked.and_then(|_| written.as_ref().map(|_| ()).map_err(again));
            let (error_code, error_message) = match entity {
                Ok(entity) => refusals.error_fields(altered, entity),
                Err(_) => refusals.error_fields(altered, &"a quota"),
            };
            AlterEntryResponse { error_code, error_message, entity: entry.entity.clone() }
        });
        let entries = answers.collect();
        reply.log_refusals(&refusals);
        let response = AlterClientQuotasResponse { throttle_time_ms: 0, entries };
        reply.send_body(&ResponseBody::AlterClientQuotas(response));
    }

    fn alter_client_quotas(
        &self,
        who: &dyn fmt::Display,
        altered: &[&(&ClientQuotaEntity, Alterations)],
    ) -> Result<(), KafkaError> {
        let Keeper::Registries { client_quotas, .. } = &self.keeper else {
            return Err(not_kept_here());
        };
        client_quotas.alter(who, |all| {
            for (entity, alterations) in altered {
                let quotas = all.entry((*entity).clone()).or_default();
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

/// The same error for another entity of the request.
fn again(error: &KafkaError) -> KafkaError {
    KafkaError::api(error.code(), error.why())
}

/// Which entities a request asks for: those with all of the components that it names.
struct Filter<'a> {
    /// By the type of the component.
    components: BTreeMap<&'a str, Match<'a>>,
    /// Leaves out entities with further components.
    is_strict: bool,
}

/// What must stand in one place of an entity.
#[derive(Clone, Copy)]
enum Match<'a> {
    Exactly(&'a str),
    Default,
    Any,
}

impl<'a> Filter<'a> {
    fn of(request: &'a DescribeClientQuotasRequest) -> Result<Self, KafkaError> {
        let mut components = BTreeMap::new();
        for component in &request.components {
            let entity_type = component.entity_type.as_str();
            if entity_type.is_empty() {
                return Err(invalid("an entity type is empty"));
            }
            if components.contains_key(entity_type) {
                return Err(invalid(format!("the filter names {} twice", for_log(entity_type))));
            }
            if ![USER, CLIENT_ID, IP].contains(&entity_type) {
                let why = format!("unknown entity type: {}", for_log(entity_type));
                return Err(KafkaError::api(Errors::UnsupportedVersion, why));
            }
            components.insert(entity_type, match_of(component)?);
        }
        if components.contains_key(IP) && components.len() > 1 {
            return Err(invalid(format!("the filter names {IP} beside {USER} or {CLIENT_ID}")));
        }
        Ok(Self { components, is_strict: request.strict })
    }

    fn matches(&self, entity: &QuotaEntity) -> bool {
        let is_there = |(wanted, name): (&&str, &Match<'_>)| {
            entity.iter().any(|(it, place)| it == wanted && name.matches(place.as_deref()))
        };
        self.components.iter().all(is_there)
            && (!self.is_strict || entity.len() == self.components.len())
    }
}

impl Match<'_> {
    fn matches(self, name: Option<&str>) -> bool {
        match self {
            Match::Any => true,
            Match::Default => name.is_none(),
            Match::Exactly(wanted) => name == Some(wanted),
        }
    }
}

fn match_of(component: &ComponentData) -> Result<Match<'_>, KafkaError> {
    match (component.match_type, component.match_name.as_deref()) {
        (MATCH_EXACT, Some(name)) => Ok(Match::Exactly(name)),
        (MATCH_EXACT, None) => Err(invalid("an exact match needs a name")),
        (MATCH_DEFAULT | MATCH_ANY, Some(_)) => Err(invalid("only an exact match has a name")),
        (MATCH_DEFAULT, None) => Ok(Match::Default),
        (MATCH_ANY, None) => Ok(Match::Any),
        (other, _) => Err(invalid(format!("unknown match type: {other}"))),
    }
}

/// The entity that a request names. Kafka's `validateEntity`.
fn entity_of(components: &[EntityData]) -> Result<ClientQuotaEntity, KafkaError> {
    if components.is_empty() {
        return Err(invalid("an entity needs a component"));
    }
    let mut entity = ClientQuotaEntity::default();
    let mut has_ip = false;
    for EntityData { entity_type, entity_name } in components {
        let place = match entity_type.as_str() {
            USER => &mut entity.user,
            CLIENT_ID => &mut entity.client_id,
            IP => {
                has_ip = true;
                continue;
            }
            other => return Err(invalid(format!("unknown entity type: {}", for_log(other)))),
        };
        if place.is_some() {
            return Err(invalid(format!("an entity takes one {entity_type}")));
        }
        *place = Some(EntityName::of(checked_name(entity_type, entity_name.as_deref())?));
    }
    if has_ip {
        let why = match entity == ClientQuotaEntity::default() {
            true => format!("quotas per {IP} are not supported, only per {USER} and {CLIENT_ID}"),
            false => format!("an entity takes no {IP} beside {USER} or {CLIENT_ID}"),
        };
        return Err(invalid(why));
    }
    Ok(entity)
}

fn checked_name<'a>(
    entity_type: &str,
    name: Option<&'a str>,
) -> Result<Option<&'a str>, KafkaError> {
    match name {
        Some("") => Err(invalid(format!("the {entity_type} is empty"))),
        Some(name) if name.len() > NAME_BYTES_MAX => {
            Err(invalid(format!("the {entity_type} is longer than {NAME_BYTES_MAX} bytes")))
        }
        name => Ok(name),
    }
}

/// Removing what no entity can have changes nothing: Kafka looks at the name of a quota only if it is
/// set.
fn alterations(ops: &[OpData]) -> Result<Alterations, KafkaError> {
    let mut named = HashSet::new();
    let mut alterations = Alterations::new();
    for op in ops {
        if !named.insert(op.key.as_str()) {
            return Err(invalid(format!("the request names {} twice", for_log(&op.key))));
        }
        match QuotaType::for_key(&op.key) {
            Some(quota) if op.remove => alterations.insert(quota, None),
            Some(quota) => alterations.insert(quota, Some(bytes_per_second(op)?)),
            None if op.remove => None,
            None => return Err(no_such_quota(&op.key)),
        };
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

fn components(entity: &ClientQuotaEntity) -> QuotaEntity {
    let places = [(USER, &entity.user), (CLIENT_ID, &entity.client_id)];
    let component = |(entity_type, name): (&str, &Option<EntityName>)| {
        Some((entity_type.to_string(), name.as_ref()?.name().map(str::to_string)))
    };
    places.into_iter().filter_map(component).collect()
}

fn values(quotas: &ClientConfigOverride) -> Vec<ValueData> {
    let value = |(quota, &value): (&QuotaType, &i64)| ValueData {
        key: quota.key().to_string(),
        value: value as f64,
    };
    quotas.iter().map(value).collect()
}

fn values_of_cluster(quotas: &BTreeMap<String, f64>) -> Vec<ValueData> {
    quotas.iter().map(|(key, &value)| ValueData { key: key.clone(), value }).collect()
}

fn entry(components: &QuotaEntity, values: Vec<ValueData>) -> EntryData {
    let component = |(entity_type, entity_name): &(String, Option<String>)| EntityData {
        entity_type: entity_type.clone(),
        entity_name: entity_name.clone(),
    };
    EntryData { entity: components.iter().map(component).collect(), values }
}
