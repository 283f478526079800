//! How a setting that begins with `listener.name.` is read: which listener it is for, which SASL
//! mechanism of it, and which of the settings it overrides there.

use crate::common::end_point::ListenerName;
use crate::common::sasl_mechanism_names;
use crate::config::config_def::{Setting, nearest};
use crate::config::config_type::Kind;
use crate::config::kafka_config::KafkaConfig;
use crate::config::listener_setting::ListenerSetting;
use crate::config::password::Password;
use crate::config::unsupported::{GSSAPI_IS_MISSING, Unsupported};

/// What becomes of a setting with the prefix.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Holds(ListenerSetting),
    /// Nothing is missing without it, for this reason.
    HasNoEffect(&'static str),
}

/// What becomes of the setting `name`, which has the prefix, among the listeners of `config`.
///
/// # Errors
/// What is wrong with the name or the value, and what to write.
pub(super) fn take(config: &KafkaConfig, name: &str, value: &str) -> Result<Taken, String> {
    let (listener, rest) = listener_of(config, name)?;
    if config.controller_listener_names.contains(&listener) && !is_connected_to(config, &listener) {
        return Ok(Taken::HasNoEffect("the listeners of controllers are not opened here"));
    }
    let (mechanism, own_name) = mechanism_of(rest);
    if mechanism.as_deref() == Some(sasl_mechanism_names::GSSAPI) {
        return Err(format!("not supported: {GSSAPI_IS_MISSING}; remove the setting"));
    }
    let Some(row) = KafkaConfig::row(own_name) else {
        return unsupported(&listener, own_name, value).map(Taken::HasNoEffect);
    };
    let prefix = listener.config_prefix();
    match mechanism {
        None if own_name == "sasl.jaas.config" => {
            return Ok(Taken::HasNoEffect(JAAS_WITHOUT_MECHANISM));
        }
        None if !is_of_listeners(row) => {
            return Err(format!(
                "cannot be set for one listener: set `{own_name}`, which is for all of them"
            ));
        }
        Some(_) if !is_of_mechanisms(row) => {
            return Err(format!(
                "cannot be set for one mechanism: set `{prefix}{own_name}`, which is for all \
                 mechanisms of the listener"
            ));
        }
        _ => {}
    }
    config.clone().set(own_name, value)?;
    let (name, value, is_secret) =
        (own_name.to_string(), value.to_string(), row.kind == Password::NAME);
    Ok(Taken::Holds(ListenerSetting { listener, mechanism, name, value, is_secret }))
}

/// Whether this broker connects to the listener at the controllers: a broker takes the first.
fn is_connected_to(config: &KafkaConfig, listener: &ListenerName) -> bool {
    config.joins_a_cluster() && config.controller_listener_names.first() == Some(listener)
}

/// Kafka ignores such a setting with a warning, too: each mechanism has its own login module.
pub(super) const JAAS_WITHOUT_MECHANISM: &str = "a login module belongs to one mechanism of one \
    listener, as in `listener.name.sasl_ssl.plain.sasl.jaas.config`";

/// The listener that the name is for, and what follows. A name may itself have dots: the longest one
/// that fits is meant.
///
/// # Errors
/// If it is for none: how to name one.
pub(super) fn listener_of<'a>(
    config: &KafkaConfig,
    name: &'a str,
) -> Result<(ListenerName, &'a str), String> {
    let opened = config.listeners.iter().map(|it| &it.listener_name);
    let names = || opened.clone().chain(&config.controller_listener_names);
    let fitting = names().filter_map(|it| Some((it, name.strip_prefix(&it.config_prefix())?)));
    if let Some((listener, rest)) = fitting.min_by_key(|(_, rest)| rest.len()) {
        return Ok((listener.clone(), rest));
    }
    let in_lower_case = name.to_ascii_lowercase();
    Err(match names().find(|it| in_lower_case.starts_with(&it.config_prefix())) {
        Some(meant) => format!("must begin with `{}`, in lower case", meant.config_prefix()),
        None => {
            let prefixes: Vec<_> = opened.map(|it| format!("`{}`", it.config_prefix())).collect();
            format!(
                "must name one of `listeners`, so that it begins with {}; or add that listener",
                prefixes.join(" or ")
            )
        }
    })
}

/// The mechanism that the rest of a name begins with, if it begins with one, and what follows.
fn mechanism_of(rest: &str) -> (Option<String>, &str) {
    let first = rest.split_once('.').and_then(|(first, rest)| {
        let known = sasl_mechanism_names::ALL.iter().chain([&sasl_mechanism_names::GSSAPI]);
        let mechanism = known.into_iter().find(|it| it.to_ascii_lowercase() == first)?;
        Some((mechanism.to_string(), rest))
    });
    match first {
        Some((mechanism, rest)) => (Some(mechanism), rest),
        None => (None, rest),
    }
}

/// What Kafka's `ChannelBuilders` read with the prefix of the listener.
fn is_of_listeners(row: &Setting) -> bool {
    row.name.starts_with("ssl.")
        || row.name.starts_with("sasl.")
        || ["connections.max.reauth.ms", "transferto.ktls"].contains(&row.name)
}

/// What `SaslChannelBuilder` and the mechanisms read with the prefix of the mechanism, too.
fn is_of_mechanisms(row: &Setting) -> bool {
    row.name.starts_with("sasl.oauthbearer.")
        || ["connections.max.reauth.ms", "sasl.jaas.config"].contains(&row.name)
}

/// The reason for which a name that is in no row has no effect, or an error.
fn unsupported(listener: &ListenerName, name: &str, value: &str) -> Result<&'static str, String> {
    match Unsupported::of(name) {
        Some(Unsupported::HasNoEffect(why)) => Ok(why),
        Some(Unsupported::StopsTheStart(why)) if Unsupported::asks_for_nothing(name, value) => {
            Ok(why)
        }
        Some(Unsupported::StopsTheStart(why)) => {
            Err(format!("not supported: {why}; remove the setting"))
        }
        None => Err(unknown(listener, name)),
    }
}

/// What is wrong with a name that no listener can have.
fn unknown(listener: &ListenerName, name: &str) -> String {
    let prefix = listener.config_prefix();
    let of_mechanisms = KafkaConfig::SETTINGS.iter().filter(|it| is_of_mechanisms(it));
    let meant = of_mechanisms.map(|it| it.name).find(|it| name.ends_with(&format!(".{it}")));
    if let Some(meant) = meant {
        let mechanism = &name[..name.len() - meant.len() - 1];
        let known: Vec<_> =
            sasl_mechanism_names::ALL.iter().map(|it| it.to_ascii_lowercase()).collect();
        return format!(
            "`{mechanism}` is no mechanism of this broker: write `{prefix}` and one of {}, in lower \
             case, before `{meant}`",
            known.join(", ")
        );
    }
    let known = KafkaConfig::SETTINGS.iter().filter(|it| is_of_listeners(it)).map(|it| it.name);
    match nearest(name, known) {
        Some(nearest) => format!("unknown setting; did you mean `{prefix}{nearest}`?"),
        None => {
            "unknown setting; a listener has settings whose names begin with `ssl.` or `sasl.`, \
                 and `connections.max.reauth.ms`"
                .to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::config_reader::read_properties;

    const LISTENERS: &str = "listeners=IN://:1,IN.SIDE://:2,OUT://:3\n\
         listener.security.protocol.map=IN:SSL,IN.SIDE:PLAINTEXT,OUT:SASL_SSL\n\
         ssl.keystore.location=/k\nssl.truststore.location=/t\n\
         listener.name.out.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256\n";

    fn config(text: &str) -> KafkaConfig {
        read_properties(&format!("{LISTENERS}{text}"), &[]).unwrap()
    }

    fn error(text: &str) -> String {
        let errors = read_properties(&format!("{LISTENERS}{text}"), &[]).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    fn listener(name: &str) -> ListenerName {
        ListenerName::normalised(name)
    }

    #[test]
    fn a_setting_of_a_listener_prevails_there_and_nowhere_else() {
        let config = config(
            "ssl.keystore.type=PKCS12\nlistener.name.in.ssl.keystore.type=PEM\n\
             connections.max.reauth.ms=7\nlistener.name.out.connections.max.reauth.ms=8\n\
             listener.name.out.plain.connections.max.reauth.ms=9\n",
        );
        let keystore_type = |name| config.of_listener(&listener(name)).ssl_keystore_type.clone();
        assert_eq!([keystore_type("in"), keystore_type("out")], ["PEM", "PKCS12"]);
        let reauth_ms =
            |mechanism| config.of_mechanism(&listener("out"), mechanism).connections_max_reauth_ms;
        assert_eq!([reauth_ms("PLAIN"), reauth_ms("SCRAM-SHA-256")], [9, 8]);
        assert_eq!(config.of_mechanism(&listener("in"), "PLAIN").connections_max_reauth_ms, 7);
        let names: Vec<_> = config.listener_settings.iter().map(|it| it.full_name()).collect();
        assert_eq!(names[3], "listener.name.out.plain.connections.max.reauth.ms");
    }

    #[test]
    fn the_longest_name_that_fits_is_meant() {
        let config = config("listener.name.in.side.ssl.keystore.type=PEM");
        assert_eq!(config.of_listener(&listener("IN.SIDE")).ssl_keystore_type, "PEM");
    }

    #[test]
    fn of_two_the_later_prevails_and_the_earlier_may_be_wrong() {
        let config = config(
            "listener.name.in.ssl.client.auth=perhaps\nlistener.name.in.ssl.client.auth=required",
        );
        assert_eq!(config.of_listener(&listener("in")).ssl_client_auth.to_string(), "required");
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_write() {
        for (text, why) in [
            ("listener.name.on.ssl.keystore.type=PEM", "begins with `listener.name.in.` or"),
            ("listener.name.OUT.ssl.keystore.type=PEM", "`listener.name.out.`, in lower case"),
            ("listener.name.in.ssl.keystore.tipe=PEM", "`listener.name.in.ssl.keystore.type`?"),
            ("listener.name.in.colour=red", "begin with `ssl.` or `sasl.`"),
            ("listener.name.in.num.io.threads=9", "set `num.io.threads`, which is for all"),
            (
                "listener.name.in.num.network.threads=9",
                "set `num.network.threads`, which is for all",
            ),
            ("listener.name.in.max.connections=9", "limits connections per address only"),
            ("listener.name.in.ssl.engine.factory.class=a.B", "loads no classes"),
            (
                "listener.name.out.plain.ssl.keystore.type=PEM",
                "set `listener.name.out.ssl.keystore.type`, which is for all mechanisms",
            ),
            (
                "listener.name.out.scram-sha-1.sasl.jaas.config=x",
                "`scram-sha-1` is no mechanism of this broker: write `listener.name.out.` and one \
                 of plain, scram-sha-256, scram-sha-512, oauthbearer",
            ),
            (
                "listener.name.out.gssapi.sasl.jaas.config=x",
                "GSSAPI, which is Kerberos, is not built in",
            ),
            ("listener.name.in.ssl.client.auth=perhaps", "must be none, requested or required"),
        ] {
            let error = error(text);
            assert!(error.starts_with("line 6: `listener.name."), "{error}");
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_login_module_without_a_mechanism_is_passed_over_as_in_kafka() {
        let config = config("sasl.jaas.config=a\nlistener.name.out.sasl.jaas.config=b");
        assert_eq!(config.of_mechanism(&listener("out"), "PLAIN").sasl_jaas_config, None);
        let given = "listener.name.out.plain.sasl.jaas.config=c\nsasl.jaas.config=a";
        let given = self::config(given).of_mechanism(&listener("out"), "PLAIN").sasl_jaas_config;
        assert_eq!(given.unwrap().value(), "c");
    }

    #[test]
    fn what_is_for_controllers_or_has_no_effect_is_passed_over() {
        let config = config(
            "controller.listener.names=CONTROLLER\n\
             listener.name.controller.ssl.keystore.type=PEM\n\
             listener.name.out.ssl.keymanager.algorithm=PKIX\n",
        );
        let names: Vec<_> = config.listener_settings.iter().map(|it| it.full_name()).collect();
        assert_eq!(names, ["listener.name.out.sasl.enabled.mechanisms"]);
    }

    #[test]
    fn client_certificates_on_a_listener_with_sasl_are_asked_for_by_its_own_setting_only() {
        let auth = |text: &str| {
            let config = config(text);
            ["in", "out"].map(|it| config.of_listener(&listener(it)).ssl_client_auth.to_string())
        };
        assert_eq!(auth("ssl.client.auth=required"), ["required", "none"]);
        assert_eq!(
            auth("ssl.client.auth=required\nlistener.name.out.ssl.client.auth=requested"),
            ["required", "requested"]
        );
    }
}
