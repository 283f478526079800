//! Port of `kafka.server.ConfigAdminManager`: the settings of the broker, altered by an admin.

use std::net::IpAddr;

use crate::common::errors::{Errors, KafkaError};
use crate::config::dynamic_config::ConfigMap;
use crate::config::dynamic_config::CurrentConfig;
use crate::config::dynamic_config::DynamicScope;
use crate::config::kafka_config::KafkaConfig;
use crate::protocol::alter_configs::AlterableConfig;
use crate::protocol::incremental_alter_configs::IncrementalAlterableConfig;
use crate::server::config_apis::APPEND;
use crate::server::config_apis::DELETE;
use crate::server::config_apis::SET;
use crate::server::config_apis::SUBTRACT;
use crate::server::config_apis::altered_list;
use crate::server::config_apis::check_names;
use crate::server::dynamic_broker_config::Alteration;
use crate::server::kafka_apis::KafkaApis;

impl KafkaApis {
    /// Whose settings a resource's name stands for: this broker's number, or nothing for all
    /// brokers.
    pub(super) fn broker_scope(&self, name: &str) -> Result<DynamicScope, KafkaError> {
        let broker_id = self.metadata_cache.broker_id;
        match name.parse::<i32>() {
            _ if name.is_empty() => Ok(DynamicScope::Default),
            Ok(id) if id == broker_id => Ok(DynamicScope::Broker),
            _ => Err(invalid(format!("the only broker is {broker_id}, not {name:?}"))),
        }
    }

    /// Replaces all that was set for a scope.
    pub(super) fn replace_broker_config(
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
    pub(super) fn alter_broker_config(
        &self,
        asker: IpAddr,
        name: &str,
        asked: &[IncrementalAlterableConfig],
        validate_only: bool,
    ) -> Result<(), KafkaError> {
        let scope = self.broker_scope(name)?;
        check_names(asked.iter().map(|it| it.name.as_str()))?;
        let change = |current: &CurrentConfig| altered(current, scope, asked);
        self.dynamic_config.alter(&Alteration { scope, asker, validate_only, change })
    }
}

/// What is set for a scope after the alterations that are asked for. What is not set can be
/// deleted all the same, as in Kafka, whatever its name.
fn altered(
    current: &CurrentConfig,
    scope: DynamicScope,
    asked: &[IncrementalAlterableConfig],
) -> Result<ConfigMap, KafkaError> {
    let mut configs = current.dynamic().of(scope).clone();
    for IncrementalAlterableConfig { name, config_operation, value } in asked {
        match *config_operation {
            SET => {
                configs.insert(name.clone(), given(name, value)?);
            }
            DELETE => {
                configs.remove(name);
            }
            APPEND | SUBTRACT => {
                let entries = given(name, value)?;
                let list = current_list(current, scope, name)?;
                let is_appended = *config_operation == APPEND;
                configs.insert(name.clone(), altered_list(&list, &entries, is_appended));
            }
            other => return Err(invalid(format!("there is no operation {other} on a setting"))),
        }
    }
    Ok(configs)
}

/// The value that a scope's list has, or would have.
fn current_list(
    current: &CurrentConfig,
    scope: DynamicScope,
    name: &str,
) -> Result<String, KafkaError> {
    if KafkaConfig::SETTINGS.iter().all(|it| it.name != name || it.kind != "list") {
        let why = format!("`{name}` is not a list: APPEND and SUBTRACT do not apply");
        return Err(KafkaError::api(Errors::InvalidConfig, why));
    }
    let own = current.dynamic().of(scope).get(name).cloned();
    let below = match scope {
        DynamicScope::Broker => current.config(),
        DynamicScope::Default => current.of_file(),
    };
    let inherited = || below.values().into_iter().find(|(known, _)| *known == name);
    Ok(own.or_else(|| inherited().map(|(_, value)| value)).unwrap_or_default())
}

fn given(name: &str, value: &Option<String>) -> Result<String, KafkaError> {
    value.clone().ok_or_else(|| invalid(format!("`{name}` has no value")))
}

fn invalid(why: String) -> KafkaError {
    KafkaError::api(Errors::InvalidRequest, why)
}
