//! From `sasl.enabled.mechanisms` and `sasl.jaas.config` to the mechanisms of a listener: the one place
//! that knows which there are.

use std::path::Path;
use std::sync::Arc;

use log::info;

use crate::common::end_point::ListenerName;
use crate::common::sasl_mechanism_names::{OAUTHBEARER, PLAIN};
use crate::common::time::Time;
use crate::config::kafka_config::KafkaConfig;
use crate::config::listener_setting::ListenerSetting;
use crate::security::auth::jaas_config::{JaasEntry, LoginModule};
use crate::security::auth::sasl_server::SaslServerFactory;
use crate::security::authenticator::sasl_mechanisms::{SaslMechanism, SaslMechanisms};
use crate::security::oauthbearer::broker_jwt_validator::{BrokerJwtValidator, JwtRules};
use crate::security::oauthbearer::jwks_file::JwksFile;
use crate::security::oauthbearer::oauth_bearer_sasl_server::OAuthBearerSaslServerFactory;
use crate::security::plain::plain_sasl_server::PlainSaslServerFactory;
use crate::security::plain::plain_users::PlainUsers;
use crate::security::scram::credential_cache::CredentialCache;
use crate::security::scram::scram_mechanism::ScramMechanism;
use crate::security::scram::scram_sasl_server::ScramSaslServerFactory;

/// The mechanisms of the listener of this name. That there are some, and that they are known, whoever
/// has read the settings has seen to.
///
/// # Errors
/// What is wrong with the settings, and what to set. Holds no secret.
pub fn mechanisms_of(
    config: &KafkaConfig,
    listener: &ListenerName,
    credentials: &Arc<CredentialCache>,
    time: &Arc<dyn Time>,
) -> Result<SaslMechanisms, String> {
    let of_listener = config.of_listener(listener);
    let mut mechanisms: Vec<SaslMechanism> = Vec::new();
    for name in &of_listener.sasl_enabled_mechanisms {
        let of_mechanism = config.of_mechanism(listener, name);
        let factory = factory_of(config, listener, name, credentials, time)?;
        let max_reauth_ms = of_mechanism.connections_max_reauth_ms;
        mechanisms.push(SaslMechanism { factory, max_reauth_ms });
    }
    let max_receive_size = of_listener.sasl_server_max_receive_size;
    Ok(SaslMechanisms { mechanisms, max_receive_size })
}

/// Says of each listener with SCRAM by which mechanism nobody can log in yet, and what to do.
pub fn report_listeners_without_user(config: &KafkaConfig, credentials: &CredentialCache) {
    let sasl = config.listeners.iter().filter(|it| it.security_protocol.uses_sasl());
    for listener in sasl {
        let of_listener = config.of_listener(&listener.listener_name);
        let names = of_listener.sasl_enabled_mechanisms.iter();
        let scram = names.filter_map(|it| ScramMechanism::for_mechanism_name(it));
        for mechanism in scram.filter(|it| !credentials.has_user_of(*it)) {
            info!(
                "listener {}: nobody can log in by {mechanism} yet; make a user by kafka-configs and \
                 another listener{}",
                listener.listener_name,
                another_way(config, mechanism)
            );
        }
    }
}

fn another_way(config: &KafkaConfig, mechanism: ScramMechanism) -> String {
    if config.joins_a_cluster() {
        return ", of any broker of the cluster".to_string();
    }
    let dir = config.log_dirs.first().map(|it| it.display().to_string()).unwrap_or_default();
    format!(
        ", or, when this broker is stopped, by: transferto add-scram --override log.dirs={dir} \
         --password-file - '{mechanism}=[name=admin]'"
    )
}

fn factory_of(
    config: &KafkaConfig,
    listener: &ListenerName,
    mechanism: &str,
    credentials: &Arc<CredentialCache>,
    time: &Arc<dyn Time>,
) -> Result<Box<dyn SaslServerFactory>, String> {
    if let Some(mechanism) = ScramMechanism::for_mechanism_name(mechanism) {
        // Kafka asks for the module, which says nothing here: the users are not in it.
        login_if_set(config, listener, mechanism.mechanism_name(), LoginModule::Scram)?;
        return Ok(Box::new(ScramSaslServerFactory::new(mechanism, Arc::clone(credentials))));
    }
    match mechanism {
        PLAIN => {
            let entry = login_of(config, listener, mechanism, LoginModule::Plain)?;
            let users = PlainUsers::of(&entry)
                .map_err(|_| "the system has no random numbers for PLAIN".to_string())?;
            if users.is_empty() {
                return Err(format!(
                    "`{}` has no user: add user_NAME=\"password\" for each; its `username` and \
                     `password` are the broker's own where it is a client, and make no user",
                    login_key(listener, mechanism)
                ));
            }
            Ok(Box::new(PlainSaslServerFactory::new(users)))
        }
        OAUTHBEARER => {
            // Kafka's options of the module make tokens that nobody has signed.
            login_if_set(config, listener, mechanism, LoginModule::OAuthBearer)?;
            let of_mechanism = config.of_mechanism(listener, mechanism);
            let validator = jwt_validator(&of_mechanism, time.milliseconds().0)
                .map_err(|why| format!("listener {listener}, {OAUTHBEARER}: {why}"))?;
            Ok(Box::new(OAuthBearerSaslServerFactory::new(validator, Arc::clone(time))))
        }
        other => Err(format!("`sasl.enabled.mechanisms`: there is no {other}")),
    }
}

/// What believes tokens as the settings say. Two of them must be set, as in Kafka: without them a token
/// for anybody, or from anybody, would do.
fn jwt_validator(config: &KafkaConfig, now_ms: i64) -> Result<BrokerJwtValidator, String> {
    let Some(url) = &config.sasl_oauthbearer_jwks_endpoint_url else {
        return Err(
            "set `sasl.oauthbearer.jwks.endpoint.url` to the file with the keys of those who \
                    sign tokens, as file:///path; tokens that nobody has signed are always refused"
                .to_string(),
        );
    };
    let expected_audience = config.sasl_oauthbearer_expected_audience.clone();
    if expected_audience.is_empty() && !config.sasl_oauthbearer_allow_unverified_audience {
        return Err(
            "set `sasl.oauthbearer.expected.audience` to the name by which tokens mean this \
                    cluster (`aud`), or `sasl.oauthbearer.allow.unverified.audience=true`, so that \
                    tokens for anybody do"
                .to_string(),
        );
    }
    let expected_issuer = config.sasl_oauthbearer_expected_issuer.clone();
    if expected_issuer.is_none() && !config.sasl_oauthbearer_allow_unverified_issuer {
        return Err("set `sasl.oauthbearer.expected.issuer` to who signs the tokens (`iss`), or \
                    `sasl.oauthbearer.allow.unverified.issuer=true`, so that any issuer does"
            .to_string());
    }
    let path = url.strip_prefix("file:").unwrap_or(url).trim_start_matches('/');
    let path = format!("/{path}");
    let refresh_ms = config.sasl_oauthbearer_jwks_endpoint_refresh_ms;
    let keys = JwksFile::open(Path::new(&path), refresh_ms, now_ms)?;
    Ok(BrokerJwtValidator::new(
        keys,
        JwtRules {
            expected_audience,
            expected_issuer,
            clock_skew_seconds: config.sasl_oauthbearer_clock_skew_seconds,
            sub_claim_name: config.sasl_oauthbearer_sub_claim_name.clone(),
            scope_claim_name: config.sasl_oauthbearer_scope_claim_name.clone(),
        },
    ))
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
    let entry = login_if_set(config, listener, mechanism, module)?;
    entry.ok_or_else(|| {
        let key = login_key(listener, mechanism);
        let users = if mechanism == PLAIN { r#" user_NAME="PASSWORD""# } else { "" };
        format!("`{key}` must be set: {} required{users};", module.class_name())
    })
}

pub(super) fn login_key(listener: &ListenerName, mechanism: &str) -> String {
    format!("{}{}.sasl.jaas.config", listener.config_prefix(), mechanism.to_ascii_lowercase())
}

/// As [`login_of`], for a mechanism that needs none.
pub(super) fn login_if_set(
    config: &KafkaConfig,
    listener: &ListenerName,
    mechanism: &str,
    module: LoginModule,
) -> Result<Option<JaasEntry>, String> {
    let key = login_key(listener, mechanism);
    let is_it = |it: &&ListenerSetting| {
        it.listener == *listener
            && it.mechanism.as_deref() == Some(mechanism)
            && it.name == "sasl.jaas.config"
    };
    let Some(setting) = config.listener_settings.iter().rfind(is_it) else {
        return Ok(None);
    };
    let entry = JaasEntry::parse(&setting.value).map_err(|why| format!("`{key}`: {why}"))?;
    if entry.module != module {
        return Err(format!("`{key}`: {mechanism} needs {}", module.class_name()));
    }
    Ok(Some(entry))
}
