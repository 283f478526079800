//! What the protocol of a listener needs and is not given, and what is open to everybody.

use std::net::IpAddr;

use crate::common::end_point::{EndPoint, SecurityProtocol};
use crate::common::sasl_mechanism_names;
use crate::common::sasl_mechanism_names::{GSSAPI, PLAIN};
use crate::config::kafka_config::KafkaConfig;
use crate::config::listener_setting::ListenerSetting;
use crate::config::listeners::Contradiction;
use crate::config::properties::Property;
use crate::config::ssl_client_auth::SslClientAuth;
use crate::config::tls_names::{is_suite_of, outdated_protocols};

/// What keeps the broker from opening its listeners, as far as the settings alone show it.
pub(super) fn contradictions(config: &KafkaConfig) -> Vec<Contradiction> {
    let opened = config.listeners.iter().filter(|it| !config.is_controllers(it));
    let of_listener = |it: &EndPoint| {
        let own = config.of_listener(&it.listener_name);
        let mut found = Vec::new();
        if it.security_protocol.uses_ssl() {
            found.extend(without_key(&own, it));
            found.extend(without_trust(&own, it));
            found.extend(without_suite(&own, it));
        }
        if it.security_protocol.uses_sasl() {
            found.extend(without_mechanism(&own, it));
        }
        found
    };
    opened.flat_map(of_listener).collect()
}

/// Sentences for the log: who gets in, and what is not done that the settings seem to say.
pub(super) fn warnings(config: &KafkaConfig, given: &[Property]) -> Vec<String> {
    let warnings = open_to_everybody(config).into_iter().chain(passwords_in_the_open(config));
    warnings.chain(client_auth_passed_over(config)).chain(outdated_versions(given)).collect()
}

fn without_key(own: &KafkaConfig, end_point: &EndPoint) -> Option<Contradiction> {
    let is_in_file = own.ssl_keystore_location.is_some();
    let is_inline = own.ssl_keystore_key.is_some() && own.ssl_keystore_certificate_chain.is_some();
    let why = "needs a key and its certificate: set `ssl.keystore.location` to the file with both \
               and `ssl.keystore.type` to its format, such as PEM; or `ssl.keystore.key` and \
               `ssl.keystore.certificate.chain`";
    (!is_in_file && !is_inline).then(|| of_end_point(end_point, why.to_string()))
}

fn without_trust(own: &KafkaConfig, end_point: &EndPoint) -> Option<Contradiction> {
    let is_given =
        own.ssl_truststore_location.is_some() || own.ssl_truststore_certificates.is_some();
    let why = format!(
        "asks for certificates of clients by `ssl.client.auth={}`, and needs those of who may issue \
         them: set `ssl.truststore.location` to their file and `ssl.truststore.type` to its format",
        own.ssl_client_auth
    );
    let is_needed = own.ssl_client_auth != SslClientAuth::None;
    (is_needed && !is_given).then(|| of_end_point(end_point, why))
}

/// Each version of TLS needs a suite of its own.
fn without_suite(own: &KafkaConfig, end_point: &EndPoint) -> Option<Contradiction> {
    let suites = &own.ssl_cipher_suites;
    let mut versions = own.ssl_enabled_protocols.iter();
    let version =
        versions.find(|version| suites.iter().all(|suite| !is_suite_of(suite, version)))?;
    let why = format!(
        "speaks {version} by `ssl.enabled.protocols`, and `ssl.cipher.suites` has no suite of it: add \
         one, or leave {version} out"
    );
    (!suites.is_empty()).then(|| of_end_point(end_point, why))
}

fn without_mechanism(own: &KafkaConfig, end_point: &EndPoint) -> Option<Contradiction> {
    let why = format!(
        "has no mechanism by which clients authenticate: set `sasl.enabled.mechanisms` to some of {}. \
         Kafka's default, {GSSAPI}, is not built in",
        sasl_mechanism_names::ALL.join(", ")
    );
    own.sasl_enabled_mechanisms.is_empty().then(|| of_end_point(end_point, why))
}

fn of_end_point(end_point: &EndPoint, why: String) -> Contradiction {
    Contradiction { name: "listeners", value: end_point.to_string(), why }
}

/// The listeners by which everybody in the network may do everything.
fn open_to_everybody(config: &KafkaConfig) -> Option<String> {
    let is_open = |it: &&EndPoint| {
        let own = config.of_listener(&it.listener_name);
        is_beyond_loopback(it)
            && !it.security_protocol.uses_sasl()
            && own.ssl_client_auth_of(it.security_protocol) != SslClientAuth::Required
    };
    if !config.authorizer_class_name.is_empty() {
        return None;
    }
    let names = shown(config.listeners.iter().filter(is_open))?;
    Some(format!(
        "{names}: other machines can connect, and whoever does may read, write and delete \
         everything: nobody has to authenticate there, and `authorizer.class.name` is not set"
    ))
}

/// The listeners on which passwords cross the network as they are.
fn passwords_in_the_open(config: &KafkaConfig) -> Option<String> {
    let is_open = |it: &&EndPoint| {
        let own = config.of_listener(&it.listener_name);
        is_beyond_loopback(it)
            && it.security_protocol == SecurityProtocol::SaslPlaintext
            && own.sasl_enabled_mechanisms.iter().any(|it| it == PLAIN)
    };
    let names = shown(config.listeners.iter().filter(is_open))?;
    Some(format!(
        "{names}: PLAIN sends passwords as they are, and SASL_PLAINTEXT does not encrypt them: \
         whoever sees the packets has them; take SASL_SSL, or SCRAM-SHA-512"
    ))
}

/// The listeners with SASL for which a setting without prefix does not count.
fn client_auth_passed_over(config: &KafkaConfig) -> Option<String> {
    let is_own = |it: &EndPoint| {
        let is_of = |setting: &ListenerSetting| {
            setting.listener == it.listener_name && setting.name == "ssl.client.auth"
        };
        config.listener_settings.iter().any(is_of)
    };
    let is_passed_over =
        |it: &&EndPoint| it.security_protocol == SecurityProtocol::SaslSsl && !is_own(it);
    let auth = config.ssl_client_auth;
    if auth == SslClientAuth::None {
        return None;
    }
    let end_point = config.listeners.iter().find(is_passed_over)?;
    let names = shown(config.listeners.iter().filter(is_passed_over))?;
    let prefix = end_point.listener_name.config_prefix();
    Some(format!(
        "{names}: `ssl.client.auth={auth}` does not count where clients authenticate by SASL, as in \
         Kafka; set `{prefix}ssl.client.auth={auth}` if they have to show a certificate, too"
    ))
}

fn outdated_versions(given: &[Property]) -> Vec<String> {
    let lists = given.iter().filter(|it| it.name.ends_with("ssl.enabled.protocols"));
    let sentence = |it: &Property| {
        let outdated = outdated_protocols(&it.value);
        let names = outdated.join(", ");
        (!outdated.is_empty()).then(|| {
            format!(
                "{}: `{}`: {names} is left out: TLS older than 1.2 is not spoken",
                it.place, it.name
            )
        })
    };
    lists.filter_map(sentence).collect()
}

/// Whether other machines can reach the listener, as far as its host says it.
fn is_beyond_loopback(end_point: &EndPoint) -> bool {
    match end_point.host.parse::<IpAddr>() {
        Ok(address) => !address.to_canonical().is_loopback(),
        Err(_) => end_point.host != "localhost",
    }
}

/// The listeners as they are written; none if there are none.
fn shown<'a>(end_points: impl Iterator<Item = &'a EndPoint>) -> Option<String> {
    let shown: Vec<_> = end_points.map(|it| format!("`{it}`")).collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

#[cfg(test)]
mod tests {
    use crate::config::config_reader::{errors_of, warnings_of};

    const KEY: &str = "ssl.keystore.type=PEM\nssl.keystore.location=/k.pem\n";

    #[test]
    fn a_listener_that_lacks_what_its_protocol_needs_is_refused_with_what_to_set() {
        for (text, why) in [
            ("listeners=SSL://:1", "needs a key and its certificate: set `ssl.keystore.location`"),
            ("listeners=SSL://:1\nssl.keystore.key=x", "and `ssl.keystore.certificate.chain`"),
            (
                &*format!("listeners=SSL://:1\n{KEY}ssl.client.auth=requested"),
                "by `ssl.client.auth=requested`, and needs those of who may issue them",
            ),
            (
                &*format!("listeners=SSL://:1\n{KEY}ssl.cipher.suites=TLS_AES_128_GCM_SHA256"),
                "speaks TLSv1.2 by `ssl.enabled.protocols`, and `ssl.cipher.suites` has no suite",
            ),
            ("listeners=SASL_PLAINTEXT://:1", "set `sasl.enabled.mechanisms` to some of PLAIN"),
        ] {
            let errors = errors_of(text);
            assert!(
                errors.len() == 1 && errors[0].starts_with("line 1: `listeners="),
                "{errors:?}"
            );
            assert!(errors[0].contains(why), "{text}: {}", errors[0]);
        }
        assert_eq!(errors_of("listeners=SASL_SSL://:1").len(), 2);
    }

    #[test]
    fn what_a_listener_needs_may_be_its_own_setting_only() {
        let text = "listeners=A://:1,B://:2\nlistener.security.protocol.map=A:SSL,B:SASL_SSL\n\
                    listener.name.a.ssl.keystore.key=k\n\
                    listener.name.a.ssl.keystore.certificate.chain=c\n\
                    listener.name.b.ssl.keystore.location=/k.p12\n\
                    listener.name.b.sasl.enabled.mechanisms=SCRAM-SHA-512\n\
                    listener.name.a.ssl.enabled.protocols=TLSv1.3\n\
                    listener.name.a.ssl.cipher.suites=TLS_AES_256_GCM_SHA384\n";
        assert_eq!(errors_of(text), [""; 0]);
    }

    #[test]
    fn a_listener_that_lets_everybody_do_everything_is_told() {
        let told = |text: &str| warnings_of(text).iter().any(|it| it.contains("may read, write"));
        let trust = "ssl.truststore.type=PEM\nssl.truststore.location=/t.pem\n";
        let authorizer = "authorizer.class.name=kafka.security.auth.SimpleAclAuthorizer\n";
        for (text, is_told) in [
            (String::new(), false),
            ("listeners=PLAINTEXT://localhost:1".to_string(), false),
            ("listeners=PLAINTEXT://[::1]:1,TRACE://127.0.0.2:2".to_string(), false),
            ("listeners=PLAINTEXT://:1".to_string(), true),
            ("listeners=PLAINTEXT://0.0.0.0:1".to_string(), true),
            ("listeners=PLAINTEXT://192.0.2.1:1".to_string(), true),
            ("listeners=PLAINTEXT://broker.example:1".to_string(), true),
            (format!("listeners=PLAINTEXT://:1\n{authorizer}"), false),
            (format!("listeners=SSL://:1\n{KEY}"), true),
            (format!("listeners=SSL://:1\n{KEY}{trust}ssl.client.auth=requested"), true),
            (format!("listeners=SSL://:1\n{KEY}{trust}ssl.client.auth=required"), false),
            (
                "listeners=SASL_PLAINTEXT://:1\nsasl.enabled.mechanisms=SCRAM-SHA-256".to_string(),
                false,
            ),
            (format!("listeners=PLAINTEXT://:1\n{KEY}{trust}ssl.client.auth=required"), true),
        ] {
            assert_eq!(told(&text), is_told, "{text}: {:?}", warnings_of(&text));
        }
        let both = warnings_of("listeners=PLAINTEXT://:1,TRACE://:2\n").concat();
        assert!(both.starts_with("`PLAINTEXT://:1`, `TRACE://:2`: other machines"), "{both}");
    }

    #[test]
    fn passwords_that_cross_the_network_as_they_are_are_told() {
        let told = |text: &str| warnings_of(text).iter().any(|it| it.contains("sends passwords"));
        let plain = "sasl.enabled.mechanisms=SCRAM-SHA-256,PLAIN\n";
        assert!(told(&format!("listeners=SASL_PLAINTEXT://:1\n{plain}")));
        assert!(!told(&format!("listeners=SASL_PLAINTEXT://127.0.0.1:1\n{plain}")));
        assert!(!told(&format!("listeners=SASL_SSL://:1\n{KEY}{plain}")));
        assert!(!told("listeners=SASL_PLAINTEXT://:1\nsasl.enabled.mechanisms=SCRAM-SHA-256"));
    }

    #[test]
    fn what_does_not_count_is_told_with_what_does() {
        let sasl = "listeners=SASL_SSL://127.0.0.1:1\nsasl.enabled.mechanisms=PLAIN\n";
        let text = format!("{sasl}{KEY}ssl.client.auth=required\n");
        let warnings = warnings_of(&text);
        assert!(
            warnings.len() == 1
                && warnings[0].contains("set `listener.name.sasl_ssl.ssl.client.auth=required`"),
            "{warnings:?}"
        );
        let own = "listener.name.sasl_ssl.ssl.client.auth=none";
        assert_eq!(warnings_of(&format!("{text}{own}")), [""; 0]);
        let jaas = warnings_of("sasl.jaas.config=a").concat();
        assert!(jaas.contains("`listener.name.sasl_ssl.plain.sasl.jaas.config`"), "{jaas}");
        let outdated = warnings_of("ssl.enabled.protocols=TLSv1.2,TLSv1.1").concat();
        assert!(outdated.contains("line 1: `ssl.enabled.protocols`: TLSv1.1 is left out"));
    }
}
