//! Port of `ProcessRole` in `kafka.server.KafkaConfig`: what KRaft mode makes of a process.

use crate::config::config_type::{Kind, entries};

/// The roles that this process can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessRoles {
    /// The setting is not there, as in the files of ZooKeeper mode.
    Unset,
    /// A broker that is its own controller.
    BrokerAndController,
    /// A broker of a cluster whose controllers are other processes.
    Broker,
}

impl Kind for ProcessRoles {
    type Value = Self;
    const NAME: &'static str = "list";
    const TAKES: &'static str = "empty, broker, or broker,controller";
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let mut roles: Vec<&str> = entries(text).collect();
        roles.sort_unstable();
        match roles[..] {
            [] => Ok(Self::Unset),
            ["broker", "controller"] => Ok(Self::BrokerAndController),
            ["broker"] => Ok(Self::Broker),
            ["controller"] => {
                Err("must have the role of a broker: there is no controller here that \
                 other brokers could follow, so take one of Kafka's, and give this process \
                 `process.roles=broker` and its address; or `process.roles=broker,controller`, as \
                 Kafka's config/server.properties has it, which makes this a cluster of its own"
                    .to_string())
            }
            _ => Err(Self::must_be()),
        }
    }

    fn show(value: &Self) -> String {
        match value {
            Self::Unset => String::new(),
            Self::BrokerAndController => "broker,controller".to_string(),
            Self::Broker => "broker".to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_starts_with_or_without_the_second_role_and_a_controller_alone_does_not() {
        for text in ["broker,controller", " controller , broker "] {
            assert_eq!(ProcessRoles::parse(text), Ok(ProcessRoles::BrokerAndController));
        }
        assert_eq!(ProcessRoles::parse(""), Ok(ProcessRoles::Unset));
        assert_eq!(ProcessRoles::parse("broker"), Ok(ProcessRoles::Broker));
        assert!(ProcessRoles::parse("controller").unwrap_err().contains("no controller here"));
        assert_eq!(ProcessRoles::parse("brokers").unwrap_err(), ProcessRoles::must_be());
    }
}
