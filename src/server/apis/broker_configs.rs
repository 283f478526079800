//! Port of `kafka.server.ConfigAdminManager`: the settings of the broker, altered by an admin.

use std::net::IpAddr;

use crate::common::errors::{Errors, KafkaError};
use crate::config::dynamic_config::{CurrentConfig, DynamicScope};
use crate::config::kafka_config::KafkaConfig;
use crate::protocol::alter_configs::AlterableConfig;
use crate::protocol::incremental_alter_configs::IncrementalAlterableConfig;
use crate::server::apis::configs::{altered, check_names, given, not_a_list};
use crate::server::kafka_apis::KafkaApis;
use crate::server::metadata::dynamic_broker_config::Alteration;

impl KafkaApis {
    /// Whose settings a resource's name stands for: this broker's number, or nothing for all
    /// brokers.
    pub(crate) fn broker_scope(&self, name: &str) -> Result<DynamicScope, KafkaError> {
        let broker_id = self.metadata_cache.broker_id();
        match name.parse::<i32>() {
            _ if name.is_empty() => Ok(DynamicScope::Default),
            Ok(id) if id == broker_id => Ok(DynamicScope::Broker),
            _ => {
                let why = format!("the only broker is {broker_id}, not {name:?}");
                Err(KafkaError::api(Errors::InvalidRequest, why))
            }
        }
    }

    /// Replaces all that was set for a scope.
    pub(crate) fn replace_broker_config(
        &self,
        asker: IpAddr,
        name: &str,
        asked: &[AlterableConfig],
        validate_only: bool,
    ) -> Result<(), KafkaError> {
        let scope = self.broker_scope(name)?;
        check_names(asked.iter().map(|it| it.name.as_str()))?;
        let change = |_: &CurrentConfig| {
            let given = asked.iter().map(|it| Ok((it.name.clone(), given(&it.name, &it.value)?)));
            given.collect()
        };
        self.dynamic_config.alter(&Alteration { scope, asker, validate_only, change })
    }

    /// Alters some of what was set for a scope.
    pub(crate) fn alter_broker_config(
        &self,
        asker: IpAddr,
        name: &str,
        asked: &[IncrementalAlterableConfig],
        validate_only: bool,
    ) -> Result<(), KafkaError> {
        let scope = self.broker_scope(name)?;
        check_names(asked.iter().map(|it| it.name.as_str()))?;
        let change = |current: &CurrentConfig| {
            let configs = current.dynamic().of(scope).clone();
            altered(configs, asked, |name| current_list(current, scope, name))
        };
        self.dynamic_config.alter(&Alteration { scope, asker, validate_only, change })
    }
}

/// The value that a scope's list has, or would have.
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
