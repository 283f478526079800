//! Port of the checks of `kafka.server.KafkaConfig.validateValues` and of `ChannelBuilders` for the connections of
//! a broker to other nodes: what their protocol needs and is not given.

use crate::common::end_point::{EndPoint, ListenerName};
use crate::common::sasl_mechanism_names;
use crate::config::kafka_config::KafkaConfig;
use crate::config::listeners::Contradiction;

/// Other nodes, and the settings by which they are reached.
struct Nodes<'a> {
    who: &'static str,
    /// The setting that names their listener.
    listener_setting: &'static str,
    listener: ListenerName,
    mechanism_setting: &'static str,
    mechanism: &'a str,
}

/// What keeps a broker from talking to the controllers and the other brokers, as far as the settings alone show
/// it.
pub(super) fn contradictions(config: &KafkaConfig) -> Vec<Contradiction> {
    let brokers = Nodes {
        who: "other brokers",
        listener_setting: "inter.broker.listener.name",
        listener: config.inter_broker_listener(),
        mechanism_setting: "sasl.mechanism.inter.broker.protocol",
        mechanism: &config.sasl_mechanism_inter_broker_protocol,
    };
    let controllers = config.controller_listener_names.first().map(|listener| Nodes {
        who: "controllers",
        listener_setting: "controller.listener.names",
        listener: listener.clone(),
        mechanism_setting: "sasl.mechanism.controller.protocol",
        mechanism: &config.sasl_mechanism_controller_protocol,
    });
    // Without the listener that is all that is wrong, and is said elsewhere.
    let is_opened = config.listeners.iter().any(|it| it.listener_name == brokers.listener);
    let brokers = Some(brokers).filter(|_| is_opened);
    let mut found = Vec::new();
    if let Some(brokers) = &brokers {
        found.extend(mechanism_not_enabled(config, brokers));
        found.extend(not_advertised(config, brokers));
    }
    for nodes in [brokers, controllers].into_iter().flatten() {
        let checks = [without_trust, with_unknown_mechanism, without_login];
        found.extend(checks.iter().filter_map(|check| check(config, &nodes)));
    }
    found
}

/// Java trusts the authorities of the web then, which sign certificates of such nodes for nobody.
fn without_trust(config: &KafkaConfig, nodes: &Nodes<'_>) -> Option<Contradiction> {
    let Nodes { who, listener, .. } = nodes;
    let own = config.of_listener(listener);
    let is_given =
        own.ssl_truststore_location.is_some() || own.ssl_truststore_certificates.is_some();
    let why = format!(
        "is reached by TLS, and nothing says whose certificates to trust there: set \
         `{prefix}ssl.truststore.location` to a file with that of the authority of {who}, and \
         `{prefix}ssl.truststore.type` to its type, such as PEM",
        prefix = listener.config_prefix()
    );
    let is_needed = config.protocol_of_nodes(listener).uses_ssl();
    (is_needed && !is_given).then(|| nodes.wrong(why))
}

fn with_unknown_mechanism(config: &KafkaConfig, nodes: &Nodes<'_>) -> Option<Contradiction> {
    let is_needed = config.protocol_of_nodes(&nodes.listener).uses_sasl();
    let known = &sasl_mechanism_names::OF_CLIENTS;
    let why = format!(
        "must be one of {} for the {} listener of {}: this broker logs in there",
        known.join(", "),
        nodes.listener,
        nodes.who
    );
    (is_needed && !known.contains(&nodes.mechanism)).then(|| Contradiction {
        name: nodes.mechanism_setting,
        value: nodes.mechanism.to_string(),
        why,
    })
}

/// That there is a login; what is in it, whoever reads it sees.
fn without_login(config: &KafkaConfig, nodes: &Nodes<'_>) -> Option<Contradiction> {
    let Nodes { listener, mechanism, who, .. } = nodes;
    let is_known = sasl_mechanism_names::OF_CLIENTS.contains(mechanism);
    let is_needed = config.protocol_of_nodes(listener).uses_sasl() && is_known;
    let is_given = config.of_mechanism(listener, mechanism).sasl_jaas_config.is_some();
    let why = format!(
        "is reached by SASL, and nothing says who this broker is there: set \
         `{}{}.sasl.jaas.config` to a login module with the `username` and the `password` that {who} \
         know it by",
        listener.config_prefix(),
        mechanism.to_ascii_lowercase()
    );
    (is_needed && !is_given).then(|| nodes.wrong(why))
}

/// Kafka's check, too: the brokers would log in by what their own listeners do not have.
fn mechanism_not_enabled(config: &KafkaConfig, nodes: &Nodes<'_>) -> Option<Contradiction> {
    let Nodes { listener, mechanism, mechanism_setting, .. } = nodes;
    let enabled = config.of_listener(listener).sasl_enabled_mechanisms;
    let is_needed = config.protocol_of_nodes(listener).uses_sasl()
        && sasl_mechanism_names::OF_CLIENTS.contains(mechanism);
    let why = format!(
        "must be one of those of the {listener} listener, by which brokers reach each other: \
         `sasl.enabled.mechanisms` has {} there",
        if enabled.is_empty() { "none".to_string() } else { enabled.join(", ") }
    );
    (is_needed && !enabled.iter().any(|it| it == mechanism)).then(|| Contradiction {
        name: mechanism_setting,
        value: mechanism.to_string(),
        why,
    })
}

fn not_advertised(config: &KafkaConfig, nodes: &Nodes<'_>) -> Option<Contradiction> {
    let listener = &nodes.listener;
    let advertised = &config.advertised_listeners;
    let is_in = |it: &EndPoint| it.listener_name == *listener;
    let is_missing = !advertised.is_empty() && !advertised.iter().any(is_in);
    let why =
        "must name one of `advertised.listeners`, by which the other brokers reach this one: add \
               it there"
            .to_string();
    is_missing.then(|| nodes.wrong(why))
}

impl Nodes<'_> {
    fn wrong(&self, why: String) -> Contradiction {
        Contradiction { name: self.listener_setting, value: self.listener.to_string(), why }
    }
}

#[cfg(test)]
mod tests {
    use crate::common::end_point::ListenerName;
    use crate::config::config_reader::{errors_of, read_properties};

    /// A broker that reaches controllers and brokers by SASL_SSL.
    const SECURED: &str = "process.roles=broker\nnode.id=1\n\
        controller.quorum.bootstrap.servers=127.0.0.1:9093\ncontroller.listener.names=CONTROLLER\n\
        listeners=INTERNAL://127.0.0.1:1,EXTERNAL://127.0.0.1:2\n\
        listener.security.protocol.map=INTERNAL:SASL_SSL,EXTERNAL:PLAINTEXT,CONTROLLER:SASL_SSL\n\
        inter.broker.listener.name=INTERNAL\n\
        ssl.keystore.type=PEM\nssl.keystore.location=/k.pem\n\
        ssl.truststore.type=PEM\nssl.truststore.location=/t.pem\n\
        sasl.mechanism.inter.broker.protocol=PLAIN\nsasl.mechanism.controller.protocol=SCRAM-SHA-512\n\
        listener.name.internal.sasl.enabled.mechanisms=PLAIN\n\
        listener.name.internal.plain.sasl.jaas.config=x;\n\
        listener.name.controller.scram-sha-512.sasl.jaas.config=x;\n";

    #[test]
    fn a_broker_may_reach_other_nodes_by_tls_and_sasl() {
        let config = read_properties(SECURED, &[]).unwrap();
        let controller = ListenerName::normalised("controller");
        let login = config.of_mechanism(&controller, "SCRAM-SHA-512").sasl_jaas_config;
        assert_eq!(login.unwrap().value(), "x;");
    }

    #[test]
    fn what_a_secured_connection_to_other_nodes_needs_is_asked_for() {
        let trust = "ssl.truststore.type=PEM\nssl.truststore.location=/t.pem\n";
        for (line, by, expected) in [
            (
                trust,
                "listener.name.internal.ssl.truststore.location=/t.pem\n",
                "`controller.listener.names=CONTROLLER`: is reached by TLS, and nothing says whose",
            ),
            (
                trust,
                "listener.name.controller.ssl.truststore.location=/t.pem\n",
                "`inter.broker.listener.name=INTERNAL`: is reached by TLS, and nothing says whose",
            ),
            (
                "protocol=PLAIN\n",
                "protocol=OAUTHBEARER\n",
                "`sasl.mechanism.inter.broker.protocol=OAUTHBEARER`: must be one of PLAIN, SCRAM-",
            ),
            (
                "sasl.mechanism.controller.protocol=SCRAM-SHA-512\n",
                "",
                "`sasl.mechanism.controller.protocol=GSSAPI`: must be one of PLAIN, SCRAM-SHA-256",
            ),
            (
                "listener.name.controller.scram-sha-512.sasl.jaas.config=x;\n",
                "",
                "set `listener.name.controller.scram-sha-512.sasl.jaas.config` to a login module",
            ),
            (
                "inter.broker.listener.name=INTERNAL\n",
                "inter.broker.listener.name=INTERNAL\nadvertised.listeners=EXTERNAL://127.0.0.1:2\n",
                "must name one of `advertised.listeners`",
            ),
        ] {
            let errors = errors_of(&SECURED.replace(line, by));
            assert!(errors.len() == 1 && errors[0].contains(expected), "{line}: {errors:?}");
        }
    }

    #[test]
    fn brokers_log_in_by_a_mechanism_that_their_own_listener_has() {
        let other = SECURED.replace("broker.protocol=PLAIN", "broker.protocol=SCRAM-SHA-256");
        let other = format!("{other}listener.name.internal.scram-sha-256.sasl.jaas.config=x;\n");
        let errors = errors_of(&other);
        let expected = "must be one of those of the INTERNAL listener";
        assert!(errors.len() == 1 && errors[0].contains(expected), "{errors:?}");
        assert!(errors[0].contains("has PLAIN there"), "{errors:?}");
    }

    #[test]
    fn names_of_hosts_are_looked_at_unless_that_is_switched_off() {
        use crate::config::endpoint_identification::EndpointIdentification::{Https, None};
        let controller = ListenerName::normalised("controller");
        let off = "listener.name.controller.ssl.endpoint.identification.algorithm=\n";
        for (text, expected) in [("", Https), (off, None)] {
            let config = read_properties(&format!("{SECURED}{text}"), &[]).unwrap();
            let own = config.of_listener(&controller);
            assert_eq!(own.ssl_endpoint_identification_algorithm, expected);
            assert_eq!(config.ssl_endpoint_identification_algorithm, Https);
        }
        let wrong = errors_of("ssl.endpoint.identification.algorithm=http");
        assert!(wrong[0].contains("must be https, or empty"), "{wrong:?}");
    }
}
