//! Port of the checks of listeners in `kafka.server.KafkaConfig.validateValues` and in
//! `CoreUtils.listenerListToEndPoints`: how the settings of listeners fit together.

use std::net::IpAddr;

use crate::common::end_point::{EndPoint, ListenerName};
use crate::config::config_type::Kind;
use crate::config::kafka_config::KafkaConfig;

/// What is wrong with a setting: its name, the part of its value, and the reason.
pub(super) struct Contradiction {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) why: String,
}

/// All that is wrong with the listeners of a broker whose settings are filled in, those of the
/// controllers included.
pub(super) fn contradictions(config: &KafkaConfig) -> Vec<Contradiction> {
    let mut found = Vec::from_iter(has_twice("listeners", &config.listeners));
    found.extend(has_twice("advertised.listeners", &config.advertised_listeners));
    let is_brokers = |it: &&EndPoint| !config.is_controllers(it);
    let opened: Vec<&EndPoint> = config.listeners.iter().filter(is_brokers).collect();
    if opened.is_empty() {
        found.push(Contradiction {
            name: "listeners",
            value: Vec::<EndPoint>::show(&config.listeners),
            why: "must have a listener for clients: `controller.listener.names` names all of them"
                .to_string(),
        });
    }
    for it in &opened {
        let why = without_protocol(config, &it.listener_name);
        found.extend(why.map(|why| Contradiction {
            name: "listeners",
            value: it.to_string(),
            why,
        }));
    }
    for it in config.advertised_listeners.iter().filter(is_brokers) {
        let why = if matches!(it.host.as_str(), "0.0.0.0" | "::") {
            "must name a host that clients can connect to; 0.0.0.0 and :: are none"
        } else if opened.iter().all(|listener| listener.listener_name != it.listener_name) {
            "must name a listener that is one of `listeners`"
        } else {
            continue;
        };
        let (name, value, why) = ("advertised.listeners", it.to_string(), why.to_string());
        found.push(Contradiction { name, value, why });
    }
    found
}

/// A name that two listeners have, or a port that both would bind. Several may be advertised by one
/// port: what forwards to them may tell them apart otherwise.
fn has_twice(name: &'static str, end_points: &[EndPoint]) -> Option<Contradiction> {
    let is_any = |is_same: fn(&EndPoint, &EndPoint) -> bool| {
        let earlier = |i: usize| &end_points[..i];
        end_points.iter().enumerate().any(|(i, a)| earlier(i).iter().any(|b| is_same(a, b)))
    };
    let what = if name == "listeners" && is_any(is_port_of_both) {
        "port"
    } else if is_any(|a, b| a.listener_name == b.listener_name) {
        "name"
    } else {
        return None;
    };
    let (value, why) = (
        Vec::<EndPoint>::show(&end_points.to_vec()),
        format!("must give each listener a {what} of its own"),
    );
    Some(Contradiction { name, value, why })
}

/// One port may be bound by IPv4 and by IPv6: port of
/// `SocketServerConfigs.validateOneIsIpv4AndOtherIpv6` (KIP-797).
fn is_port_of_both(a: &EndPoint, b: &EndPoint) -> bool {
    let address = |it: &EndPoint| it.host.parse::<IpAddr>();
    let is_by_both = match (address(a), address(b)) {
        (Ok(a), Ok(b)) => a.is_ipv4() != b.is_ipv4(),
        _ => false,
    };
    a.port != 0 && a.port == b.port && !is_by_both
}

/// Why this broker cannot listen by this name.
fn without_protocol(config: &KafkaConfig, name: &ListenerName) -> Option<String> {
    let advice = format!(
        "has no protocol: add {name}:PLAINTEXT, or another protocol, to \
         `listener.security.protocol.map`"
    );
    config.protocol_of(name).is_none().then_some(advice)
}

/// What to do if `refused` cannot be bound: overrides that prevail wherever the settings in force come
/// from, and that leave the other listeners as they are. The port that clients get follows, if it was
/// the same.
pub(crate) fn remedy(config: &KafkaConfig, refused: &EndPoint) -> String {
    let moved = |end_points: &[EndPoint]| {
        let end_points = end_points.iter().cloned().map(|mut it| {
            if it.listener_name == refused.listener_name && it.port == refused.port {
                it.port = other_port(it.port);
            }
            it
        });
        Vec::<EndPoint>::show(&end_points.collect())
    };
    let mut overrides = format!("--override listeners={}", moved(&config.listeners));
    if !config.advertised_listeners.is_empty() {
        let advertised = moved(&config.advertised_listeners);
        overrides.push_str(&format!(" --override advertised.listeners={advertised}"));
    }
    format!("take another port: add `{overrides}` to the command, with make to `ARGS=\"..\"`")
}

/// 9092 becomes 19092.
fn other_port(port: u16) -> u16 {
    port.checked_add(10_000).unwrap_or_else(|| port - 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::config_reader::read_properties;

    /// What the remedy says to type, after the same file.
    fn followed(text: &str, refused: &str) -> KafkaConfig {
        let config = read_properties(text, &[]).unwrap();
        let remedy = remedy(&config, &EndPoint::parse(refused).unwrap());
        let typed = remedy.split('`').nth(1).unwrap();
        let overrides = typed.split("--override ").skip(1).map(|it| {
            let (name, value) = it.trim().split_once('=').unwrap();
            (name.to_string(), value.to_string())
        });
        read_properties(text, &Vec::from_iter(overrides)).unwrap()
    }

    #[test]
    fn what_is_said_of_a_taken_port_helps_wherever_the_port_was_set() {
        for text in [
            "",
            "port=9092",
            "host.name=127.0.0.1",
            "listeners=PLAINTEXT://127.0.0.1:9092",
            "listeners=PLAINTEXT://127.0.0.1:9092\nport=1\nadvertised.listeners=PLAINTEXT://127.0.0.1:9092",
            "advertised.port=9092",
            "advertised.host.name=127.0.0.1",
        ] {
            let after = followed(text, "PLAINTEXT://127.0.0.1:9092");
            assert_eq!(after.listeners[0].to_string(), "PLAINTEXT://127.0.0.1:19092", "{text}");
            let told = &after.effective_advertised_listeners()[0];
            assert_eq!(told.to_string(), "PLAINTEXT://127.0.0.1:19092", "{text}");
        }
    }

    #[test]
    fn other_listeners_and_a_port_that_is_forwarded_stay_as_they_are() {
        let text = "listeners=A://:60000,B://:2\nadvertised.listeners=A://a:7,B://b:2\n\
                    listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT";
        let after = followed(text, "A://:60000");
        assert_eq!(Vec::<EndPoint>::show(&after.listeners), "A://:50000,B://:2");
        assert_eq!(Vec::<EndPoint>::show(&after.advertised_listeners), "A://a:7,B://b:2");
    }

    #[test]
    fn a_name_is_a_listener_if_the_map_gives_it_a_protocol() {
        let errors = |text: &str| {
            let errors = read_properties(text, &[]).unwrap_err();
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let map = "listener.security.protocol.map=In:plaintext,OUT:SSL";
        let config = read_properties(&format!("listeners=IN://:1\n{map}"), &[]).unwrap();
        assert_eq!(config.listeners[0].listener_name.as_str(), "IN");
        for (text, why) in [
            ("listeners=IN://:1", "add IN:PLAINTEXT, or another protocol, to"),
            ("listener.security.protocol.map=IN:TLS", "pairs such as"),
            ("listeners=IN://:1\ncontroller.listener.names=IN", "a listener for clients"),
        ] {
            assert!(errors(text).contains(why), "{text}: {}", errors(text));
        }
    }

    #[test]
    fn the_listeners_of_controllers_are_not_opened_and_not_advertised() {
        let config = read_properties(
            "process.roles=broker,controller\nlisteners=CONTROLLER://:9093,PLAINTEXT://:9092\n\
             advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
             controller.listener.names=CONTROLLER",
            &[],
        );
        let config = config.unwrap();
        assert_eq!(Vec::<EndPoint>::show(&config.listeners), "PLAINTEXT://:9092");
        let told = Vec::<EndPoint>::show(&config.advertised_listeners);
        assert_eq!(told, "PLAINTEXT://localhost:9092");
    }
}
