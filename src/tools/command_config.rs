//! Port of `org.apache.kafka.tools` for `--command-config`: the file by which Kafka's tools connect to a cluster that
//! does not take everybody.

use std::path::Path;
use std::sync::Arc;

use crate::clients::client_channel_builder::{ClientChannelBuilder, PlaintextClientChannelBuilder};
use crate::common::end_point::SecurityProtocol;
use crate::config::kafka_config::KafkaConfig;
use crate::config::properties;
use crate::config::properties::Property;
use crate::security::client_channel_builders::tool_channel_builder;

/// The settings of clients that are not those of a broker.
const PROTOCOL: &str = "security.protocol";
const MECHANISM: &str = "sasl.mechanism";
/// Kafka's default, which is not built in.
const DEFAULT_MECHANISM: &str = "GSSAPI";

/// What connections are secured by as the file says. Settings that have nothing to do with that are passed over,
/// as Kafka's tools share the file.
///
/// # Errors
/// What is wrong with the file, a setting or a file of keys. Shows no password.
pub fn read_command_config(file: &Path) -> Result<Arc<dyn ClientChannelBuilder>, String> {
    let properties = properties::read(file).map_err(|error| error.to_string())?;
    let (mut config, mut protocol) = (KafkaConfig::default(), SecurityProtocol::Plaintext);
    let mut mechanism = DEFAULT_MECHANISM.to_string();
    for Property { name, value, place } in &properties {
        match name.as_str() {
            PROTOCOL => {
                protocol = protocol_of(value).map_err(|why| format!("{place}: {why}"))?;
            }
            MECHANISM => mechanism.clone_from(value),
            name if is_of_security(name) && KafkaConfig::row(name).is_some() => {
                let set = config.set(name, value);
                set.map_err(|why| format!("{place}: `{name}`: {why}"))?;
            }
            _ => (),
        }
    }
    if protocol == SecurityProtocol::Plaintext {
        return Ok(Arc::new(PlaintextClientChannelBuilder));
    }
    tool_channel_builder(&config, protocol, &mechanism)
        .map_err(|error| format!("{}: {error}", file.display()))
}

fn is_of_security(name: &str) -> bool {
    name.starts_with("ssl.") || name == "sasl.jaas.config"
}

fn protocol_of(value: &str) -> Result<SecurityProtocol, String> {
    SecurityProtocol::for_name(value).filter(|it| *it != SecurityProtocol::Trace).ok_or_else(|| {
        format!("`{PROTOCOL}` must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, not {value:?}")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use support::temp::TempDir;

    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let dir = TempDir::new();
        let file = dir.join("client.properties");
        fs::write(&file, text).unwrap();
        read_command_config(&file).map(|it| format!("{it:?}"))
    }

    const LOGIN: &str = "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
                         required username=\"u\" password=\"secret\";\n";

    #[test]
    fn a_file_of_kafkas_tools_is_taken_and_shows_no_password() {
        assert_eq!(read("client.id=x\n").unwrap(), "PlaintextClientChannelBuilder");
        let login = format!("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n{LOGIN}");
        let shown = read(&login).unwrap();
        assert!(shown.contains("PlainSaslClientFactory") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said() {
        for (text, expected) in [
            ("security.protocol=TLS\n", "line 1: `security.protocol` must be PLAINTEXT, SSL"),
            ("security.protocol=SSL\n", "set `ssl.truststore.location`"),
            ("ssl.enabled.protocols=TLS\n", "line 1: `ssl.enabled.protocols`: must be"),
            ("security.protocol=SASL_PLAINTEXT\n", "`sasl.jaas.config` must be set"),
            (
                &*format!("security.protocol=SASL_PLAINTEXT\n{LOGIN}"),
                "cannot log in by GSSAPI: there are PLAIN",
            ),
            (
                &*format!(
                    "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\n{LOGIN}"
                ),
                "`sasl.jaas.config`: SCRAM-SHA-256 needs org.apache.kafka",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
