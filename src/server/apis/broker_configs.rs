//! Port of `kafka.server.ConfigAdminManager`: the settings of the broker, altered by a request.

use std::net::IpAddr;
use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::config::dynamic_config::{CurrentConfig, DynamicScope};
use crate::config::kafka_config::KafkaConfig;
use crate::protocol::alter_configs::AlterableConfig;
use crate::protocol::incremental_alter_configs::IncrementalAlterableConfig;
use crate::server::apis::config_alterations::{altered, check_names, given, not_a_list};
use crate::server::apis::parts::Parts;
use crate::server::metadata::dynamic_broker_config::{Alteration, DynamicBrokerConfig};

/// The settings of this broker, and those of all brokers.
pub(crate) struct BrokerConfigs {
    broker_id: i32,
    dynamic_config: Arc<DynamicBrokerConfig>,
}

impl BrokerConfigs {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        let dynamic_config = Arc::clone(&parts.dynamic_config);
        Self { broker_id: parts.config.broker_id, dynamic_config }
    }

    /// The scope that a resource's name stands for: the broker's number is this broker, an empty name
    /// all brokers. A number has one spelling, or a request could ask for one broker in a thousand
    /// (`0`, `00`, `+0`), each with a long answer.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for any other name.
    pub(crate) fn scope(&self, name: &str) -> Result<DynamicScope, KafkaError> {
        let broker_id = self.broker_id;
        match name {
            "" => Ok(DynamicScope::Default),
            number if number == broker_id.to_string() => Ok(DynamicScope::Broker),
            _ => {
                let why = format!("this is broker {broker_id}, not {name:?}");
                Err(KafkaError::api(Errors::InvalidRequest, why))
            }
        }
    }

    /// Replaces all that was set for the scope that `name` stands for. `asker` must still be let in
    /// afterwards.
    pub(crate) fn replace(
        &self,
        asker: IpAddr,
        name: &str,
        asked: &[AlterableConfig],
        validate_only: bool,
    ) -> Result<(), KafkaError> {
        let scope = self.scope(name)?;
        check_names(asked.iter().map(|it| it.name.as_str()))?;
        let change = |_: &CurrentConfig| {
            let given = asked.iter().map(|it| Ok((it.name.clone(), given(&it.name, &it.value)?)));
            given.collect()
        };
        self.dynamic_config.alter(&Alteration { scope, asker, validate_only, change })
    }

    /// Alters some of what was set for the scope that `name` stands for, under the same condition.
    pub(crate) fn alter(
        &self,
        asker: IpAddr,
        name: &str,
        asked: &[IncrementalAlterableConfig],
        validate_only: bool,
    ) -> Result<(), KafkaError> {
        let scope = self.scope(name)?;
        check_names(asked.iter().map(|it| it.name.as_str()))?;
        let change = |current: &CurrentConfig| {
            let configs = current.dynamic().of(scope).clone();
            altered(configs, asked, |name| current_list(current, scope, name))
        };
        self.dynamic_config.alter(&Alteration { scope, asker, validate_only, change })
    }
}

/// The value that a list has in a scope, or inherits.
fn current_list(
    current: &CurrentConfig,
    scope: DynamicScope,
    name: &str,
) -> Result<String, KafkaError> {
    if KafkaConfig::SETTINGS.iter().all(|it| it.name != name || it.kind != "list") {
        return Err(not_a_list(name));
    }
    let own = current.dynamic().of(scope).get(name).cloned();
    let below = match scope {
        DynamicScope::Broker => current.config(),
        DynamicScope::Default => current.of_file(),
    };
    let inherited = || below.values().into_iter().find(|(known, _)| *known == name);
    Ok(own.or_else(|| inherited().map(|(_, value)| value)).unwrap_or_default())
}
