//! From `sasl.enabled.mechanisms` and `sasl.jaas.config` to the mechanisms of a listener: the one place
//! that knows which there are.

use crate::common::end_point::ListenerName;
use crate::config::kafka_config::KafkaConfig;
use crate::security::authenticator::sasl_mechanisms::{SaslMechanism, SaslMechanisms};
use crate::security::jaas_config::{JaasEntry, LoginModule};
use crate::security::plain::plain_sasl_server::{PLAIN, PlainSaslServerFactory};
use crate::security::plain::plain_users::PlainUsers;
use crate::security::sasl_server::SaslServerFactory;

/// Those that there are, in the order of what is to be preferred.
const SUPPORTED: [&str; 1] = [PLAIN];

/// Kafka's default, which nobody has set who has not set up Kerberos.
const GSSAPI: &str = "GSSAPI";

/// The mechanisms of the listener of this name.
///
/// # Errors
/// What is wrong with the settings, and what to set. Holds no secret.
pub fn mechanisms_of(
    config: &KafkaConfig,
    listener: &ListenerName,
) -> Result<SaslMechanisms, String> {
    let of_listener = config.of_listener(listener);
    let mut mechanisms: Vec<SaslMechanism> = Vec::new();
    for name in &of_listener.sasl_enabled_mechanisms {
        if mechanisms.iter().any(|it| it.factory.mechanism() == name) {
            continue;
        }
        let of_mechanism = config.of_mechanism(listener, name);
        let factory = factory_of(config, listener, name)?;
        let max_reauth_ms = of_mechanism.connections_max_reauth_ms;
        mechanisms.push(SaslMechanism { factory, max_reauth_ms });
    }
    if mechanisms.is_empty() {
        return Err(format!(
            "listener {listener} needs `sasl.enabled.mechanisms`: one or more of {}, with commas \
             between them. Kafka's default, GSSAPI, is not built in",
            SUPPORTED.join(", ")
        ));
    }
    let max_receive_size = of_listener.sasl_server_max_receive_size;
    Ok(SaslMechanisms { mechanisms, max_receive_size })
}

fn factory_of(
    config: &KafkaConfig,
    listener: &ListenerName,
    mechanism: &str,
) -> Result<Box<dyn SaslServerFactory>, String> {
    match mechanism {
        PLAIN => {
            let entry = login_of(config, listener, mechanism, LoginModule::Plain)?;
            let users = PlainUsers::of(&entry)
                .map_err(|_| "the system has no random numbers for PLAIN".to_string())?;
            Ok(Box::new(PlainSaslServerFactory::new(users)))
        }
        GSSAPI => Err(format!(
            "`sasl.enabled.mechanisms`: Kerberos (GSSAPI) is not built in; there are {}",
            SUPPORTED.join(", ")
        )),
        other => {
            Err(format!("`sasl.enabled.mechanisms`: {other} is none of {}", SUPPORTED.join(", ")))
        }
    }
}

/// Port of `JaasContext.loadServerContext`: the login module of a mechanism. Only a setting with the
/// names of the listener and of the mechanism counts: one without them would hold for mechanisms that
/// nobody thought of.
fn login_of(
    config: &KafkaConfig,
    listener: &ListenerName,
    mechanism: &str,
    module: LoginModule,
) -> Result<JaasEntry, String> {
    let key =
        format!("{}{}.sasl.jaas.config", listener.config_prefix(), mechanism.to_ascii_lowercase());
    let is_it = |it: &&crate::config::listener_setting::ListenerSetting| {
        it.listener == *listener
            && it.mechanism.as_deref() == Some(mechanism)
            && it.name == "sasl.jaas.config"
    };
    let Some(setting) = config.listener_settings.iter().rfind(is_it) else {
        return Err(format!("`{key}` must be set: {} required ...;", module.class_name()));
    };
    let entry = JaasEntry::parse(&setting.value).map_err(|why| format!("`{key}`: {why}"))?;
    if entry.module != module {
        return Err(format!("`{key}`: {mechanism} needs {}", module.class_name()));
    }
    Ok(entry)
}
