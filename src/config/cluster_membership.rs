//! Port of `KafkaConfig.validateValues` for the role of a broker: what a process needs to join the
//! cluster of controllers elsewhere.

use crate::common::end_point::EndPoint;
use crate::config::config_type::{Kind, entries};
use crate::config::kafka_config::KafkaConfig;
use crate::config::listeners::Contradiction;
use crate::config::node_security;
use crate::config::process_roles::ProcessRoles;
use crate::config::properties::Property;
use crate::config::quorum_config::BootstrapServer;

/// What holds only for a broker with controllers elsewhere.
const ONLY_IN_A_CLUSTER: [&str; 28] = [
    "controller.quorum.bootstrap.servers",
    "controller.quorum.voters",
    "controller.quorum.fetch.timeout.ms",
    "controller.quorum.request.timeout.ms",
    "controller.quorum.retry.backoff.ms",
    "controller.quorum.fetch.max.bytes",
    "controller.quorum.fetch.snapshot.max.bytes",
    "controller.socket.timeout.ms",
    "broker.heartbeat.interval.ms",
    "initial.broker.registration.timeout.ms",
    "controlled.shutdown.enable",
    "log.dir.failure.timeout.ms",
    "broker.rack",
    "inter.broker.listener.name",
    "security.inter.broker.protocol",
    "sasl.mechanism.inter.broker.protocol",
    "sasl.mechanism.controller.protocol",
    "ssl.endpoint.identification.algorithm",
    "replica.lag.time.max.ms",
    "num.replica.fetchers",
    "replica.fetch.max.bytes",
    "replica.fetch.response.max.bytes",
    "replica.fetch.min.bytes",
    "replica.fetch.wait.max.ms",
    "replica.fetch.backoff.ms",
    "replica.socket.timeout.ms",
    "replica.socket.receive.buffer.bytes",
    "replica.selector.class",
];

/// Why they have no effect on another one.
pub(super) const WHY_WITHOUT_EFFECT: &str =
    "without `process.roles=broker` this broker is alone, and has no other controller than itself";

/// What was given that only a broker of a cluster follows, unless this is one.
pub(super) fn without_effect<'a>(
    config: &KafkaConfig,
    given: &'a [Property],
) -> impl Iterator<Item = &'a Property> {
    let is_alone = !config.joins_a_cluster();
    let is_last = |at: usize, it: &Property| given[at + 1..].iter().all(|on| on.name != it.name);
    let last = given.iter().enumerate().filter(move |(at, it)| is_last(*at, it)).map(|it| it.1);
    last.filter(move |it| is_alone && ONLY_IN_A_CLUSTER.contains(&it.name.as_str()))
}

/// All that keeps the broker from joining, as far as the settings alone show it; for a broker that is
/// alone, what it would need others for.
pub(super) fn contradictions(config: &KafkaConfig, given: &[Property]) -> Vec<Contradiction> {
    if !config.joins_a_cluster() {
        let found = [too_many_replicas(config), named_others(config)];
        return found.into_iter().flatten().collect();
    }
    let found = [
        without_id(config, given),
        without_quorum(given),
        with_the_id_of_a_controller(config),
        without_controller_listener(config),
        opens_a_controller_listener(config),
        without_inter_broker_listener(config, given),
        two_inter_broker_listeners(config, given),
    ];
    let found = found.into_iter().flatten().chain(waits_too_long(config));
    found.chain(node_security::contradictions(config)).collect()
}

fn too_many_replicas(config: &KafkaConfig) -> Option<Contradiction> {
    let factor = config.default_replication_factor;
    let why = "must be 1, because this broker is alone";
    (factor > 1).then(|| wrong("default.replication.factor", factor, why))
}

/// A user of Kafka expects such a process to join them. Alone it would take what clients write to the cluster.
fn named_others(config: &KafkaConfig) -> Option<Contradiction> {
    match config.process_roles {
        ProcessRoles::Unset => named_without_role(config),
        ProcessRoles::BrokerAndController => named_beside_itself(config),
        ProcessRoles::Broker => None,
    }
}

/// Kafka does not start either: it asks for `process.roles`, and before 4 for `zookeeper.connect`.
fn named_without_role(config: &KafkaConfig) -> Option<Contradiction> {
    let voters = &config.controller_quorum_voters;
    let servers = &config.controller_quorum_bootstrap_servers;
    let named = [
        ("controller.quorum.voters", shown(voters)),
        ("controller.quorum.bootstrap.servers", shown(servers)),
    ];
    let (name, named) = named.into_iter().find(|(_, named)| !named.is_empty())?;
    let why = format!(
        "names controllers, and without `process.roles` this is a node that is alone: set `process.roles=broker` to \
         join their cluster; for a node that is alone, leave `{name}` out"
    );
    Some(wrong(name, named, &why))
}

fn named_beside_itself(config: &KafkaConfig) -> Option<Contradiction> {
    let voters = &config.controller_quorum_voters;
    let servers = &config.controller_quorum_bootstrap_servers;
    let of_voters = voters.iter().map(|it| (it.id == config.broker_id, &it.address));
    let of_servers = servers.iter().map(|it| (true, it));
    let named = [
        ("controller.quorum.voters", shown(voters), of_voters.collect::<Vec<_>>()),
        ("controller.quorum.bootstrap.servers", shown(servers), of_servers.collect()),
    ];
    let others =
        |(name, shown, named): (_, _, Vec<_>)| Some((name, shown, why_others(config, &named)?));
    let (name, named, why) = named.into_iter().find_map(others)?;
    let why = format!(
        "makes this a node that is alone, and `{name}={named}` has a controller that is another process: {why}; \
         set `process.roles=broker` to join its cluster; for a node that is alone, leave `{name}` out"
    );
    Some(wrong("process.roles", ProcessRoles::show(&config.process_roles), &why))
}

/// Why these are not this process alone. The `bool` says whether the id, if there is one, is that of this process.
fn why_others(config: &KafkaConfig, named: &[(bool, &BootstrapServer)]) -> Option<&'static str> {
    let is_own = |it: &EndPoint, port| it.port == port && config.is_controllers(it);
    match named {
        [] => None,
        [(true, at)] if config.listeners.iter().any(|it| is_own(it, at.port)) => None,
        [(true, _)] => Some("`listeners` has none of `controller.listener.names` with its port"),
        [(false, _)] => Some("its id is not that of this one"),
        _ => Some("there are several, and no quorum with others is formed here"),
    }
}

fn shown(named: &[impl ToString]) -> String {
    named.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// In a cluster no number is as good as another: two brokers with one would shut each other out.
fn without_id(config: &KafkaConfig, given: &[Property]) -> Option<Contradiction> {
    let is_given = ["node.id", "broker.id"].iter().any(|id| given.iter().any(|it| it.name == *id));
    let why = "must be set with `process.roles=broker`: to a number that no other broker and no \
               controller of the cluster has";
    (!is_given && config.node_id.is_none()).then(|| wrong("node.id", "", why))
}

/// A list that cannot be read has an error of its own.
fn without_quorum(given: &[Property]) -> Option<Contradiction> {
    let last = |name: &str| given.iter().rfind(|it| it.name == name);
    let is_given = ["controller.quorum.bootstrap.servers", "controller.quorum.voters"]
        .iter()
        .any(|name| last(name).is_some_and(|it| entries(&it.value).next().is_some()));
    let why = "must name controllers with `process.roles=broker`, as host:port with commas between \
               them; a cluster with a fixed list of them is joined by `controller.quorum.voters`";
    (!is_given).then(|| wrong("controller.quorum.bootstrap.servers", "", why))
}

/// Kafka's check of `controller.quorum.voters`. The controllers would take what such a broker fetches for that
/// controller's own copy, and count records as safe that only one of them has.
fn with_the_id_of_a_controller(config: &KafkaConfig) -> Option<Contradiction> {
    let voter = config.controller_quorum_voters.iter().find(|it| it.id == config.broker_id)?;
    let why = format!(
        "must not be that of a controller with `process.roles=broker`, and `controller.quorum.voters` has \
         {voter}: take a number that no other node of the cluster has"
    );
    Some(wrong("node.id", config.broker_id, &why))
}

fn without_controller_listener(config: &KafkaConfig) -> Option<Contradiction> {
    let why = "must name the listener of the controllers with `process.roles=broker`, such as \
               CONTROLLER: `listener.security.protocol.map` says by which protocol it is reached";
    config.controller_listener_names.is_empty().then(|| wrong("controller.listener.names", "", why))
}

fn opens_a_controller_listener(config: &KafkaConfig) -> Option<Contradiction> {
    let end_point = config.listeners.iter().find(|it| config.is_controllers(it))?;
    let why = "is a listener of controllers by `controller.listener.names`, and this process is none: \
               leave it out";
    Some(wrong("listeners", end_point, why))
}

fn without_inter_broker_listener(
    config: &KafkaConfig,
    given: &[Property],
) -> Option<Contradiction> {
    let name = config.inter_broker_listener();
    if config.listeners.iter().any(|it| it.listener_name == name) {
        return None;
    }
    let setting = "inter.broker.listener.name";
    let names = [setting, "security.inter.broker.protocol"];
    if names.iter().any(|name| given.iter().any(|it| it.name == *name)) {
        let why = format!(
            "must name one of `listeners`, by which the other brokers reach this one: there is no {name}"
        );
        return Some(wrong(setting, &name, &why));
    }
    let listeners: Vec<_> = config.listeners.iter().map(|it| &it.listener_name).collect();
    let why = format!(
        "must be set to the one of `listeners` by which the other brokers reach this one ({}): without it that is \
         {name}, and there is none",
        shown(&listeners)
    );
    Some(wrong(setting, "", &why))
}

/// Kafka's checks of `replica.fetch.wait.max.ms`, and for equal values as well: a follower that is answered
/// at the last moment is late.
fn waits_too_long(config: &KafkaConfig) -> Vec<Contradiction> {
    let wait_ms = i64::from(config.replica_fetch_wait_max_ms);
    let limits = [
        (
            "replica.socket.timeout.ms",
            config.replica_socket_timeout_ms,
            "a follower hangs up on a leader that has nothing new",
        ),
        (
            "replica.lag.time.max.ms",
            config.replica_lag_time_max_ms,
            "a follower that waits for something new does not count as in sync",
        ),
    ];
    let too_low = limits.into_iter().filter(|(_, limit_ms, _)| wait_ms >= *limit_ms);
    let wrong_beside = |(name, limit_ms, otherwise)| {
        let why = format!("must be less than `{name}`, which is {limit_ms}: else {otherwise}");
        wrong("replica.fetch.wait.max.ms", wait_ms, &why)
    };
    too_low.map(wrong_beside).collect()
}

fn two_inter_broker_listeners(config: &KafkaConfig, given: &[Property]) -> Option<Contradiction> {
    let name = config.inter_broker_listener_name.as_ref()?;
    let is_given = |it: &Property| it.name == "security.inter.broker.protocol";
    let why = "must not be set beside `security.inter.broker.protocol`: leave one of them out";
    given.iter().any(is_given).then(|| wrong("inter.broker.listener.name", name, why))
}

fn wrong(name: &'static str, value: impl ToString, why: &str) -> Contradiction {
    Contradiction { name, value: value.to_string(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use crate::config::config_reader::{errors_of, read_properties, warnings_of};
    use crate::config::kafka_config::KafkaConfig;

    /// What a broker needs to join.
    const BROKER: &str = "process.roles=broker\nnode.id=1\n\
                          controller.quorum.bootstrap.servers=127.0.0.1:9093\n\
                          controller.listener.names=CONTROLLER\n";

    fn with(line: &str) -> String {
        format!("{BROKER}{line}")
    }

    #[test]
    fn a_broker_of_a_cluster_needs_an_id_controllers_and_the_name_of_their_listener() {
        let config = read_properties(BROKER, &[]).unwrap();
        assert!(config.joins_a_cluster());
        assert_eq!(config.controller_quorum_bootstrap_servers[0].to_string(), "127.0.0.1:9093");
        for (left_out, why) in [
            ("node.id=1\n", "`node.id=`: must be set with `process.roles=broker`"),
            (
                "controller.quorum.bootstrap.servers=127.0.0.1:9093\n",
                "`controller.quorum.bootstrap.servers=`: must name controllers",
            ),
            (
                "controller.listener.names=CONTROLLER\n",
                "`controller.listener.names=`: must name the listener of the controllers",
            ),
        ] {
            let errors = errors_of(&BROKER.replace(left_out, ""));
            assert!(errors.len() == 1 && errors[0].starts_with(why), "{errors:?}");
        }
        let voters = BROKER
            .replace("bootstrap.servers=127", "voters=100@127")
            .replace("node.id=1", "broker.id=1");
        assert_eq!(read_properties(&voters, &[]).unwrap().controller_quorum_voters[0].id, 100);
        let errors = errors_of(&voters.replace("voters=100@", "voters=7@127.0.0.1:9092,1@"));
        let why = "`node.id=1`: must not be that of a controller";
        assert!(errors.len() == 1 && errors[0].contains(why), "{errors:?}");
        assert!(errors[0].contains("has 1@127.0.0.1:9093"), "{errors:?}");
    }

    #[test]
    fn a_list_of_controllers_that_cannot_be_read_is_not_called_missing_as_well() {
        let servers = BROKER.replace("127.0.0.1:9093", "127.0.0.1");
        let voters = BROKER.replace("bootstrap.servers=127.0.0.1", "voters=127.0.0.1");
        for (text, why) in [
            (&servers, "must be addresses of controllers"),
            (&voters, "must be controllers with their ids"),
        ] {
            let errors = errors_of(text);
            assert!(errors.len() == 1 && errors[0].contains(why), "{errors:?}");
        }
        let nothing = BROKER.replace("127.0.0.1:9093", ",");
        assert!(errors_of(&nothing)[0].contains("must name controllers"));
    }

    #[test]
    fn a_broker_without_the_usual_listener_is_asked_for_the_one_of_the_brokers() {
        let own = "listener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
                   listeners=IN://:1,OUT://:2";
        let errors = errors_of(&with(own));
        let why = "`inter.broker.listener.name=`: must be set to the one of `listeners` by which \
                   the other brokers reach this one (IN,OUT): without it that is PLAINTEXT";
        assert!(errors.len() == 1 && errors[0].starts_with(why), "{errors:?}");
        assert!(
            read_properties(&with(&format!("{own}\ninter.broker.listener.name=IN")), &[]).is_ok()
        );
    }

    #[test]
    fn what_is_not_followed_yet_is_refused_and_says_so() {
        for (line, why) in [
            ("inter.broker.listener.name=INSIDE", "there is no INSIDE"),
            ("security.inter.broker.protocol=SSL", "there is no SSL"),
            ("listeners=PLAINTEXT://:1,CONTROLLER://:2", "this process is none"),
            (
                "replica.socket.timeout.ms=500",
                "must be less than `replica.socket.timeout.ms`, which is 500",
            ),
            (
                "replica.lag.time.max.ms=400",
                "must be less than `replica.lag.time.max.ms`, which is 400",
            ),
            (
                "inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT",
                "leave one of them out",
            ),
        ] {
            let errors = errors_of(&with(line));
            assert!(errors.len() == 1 && errors[0].contains(why), "{line}: {errors:?}");
        }
    }

    #[test]
    fn a_broker_of_a_cluster_may_have_an_authorizer_and_scram() {
        for line in [
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "authorizer.class.name=kafka.security.auth.SimpleAclAuthorizer",
            "listeners=PLAINTEXT://:1,SASL_PLAINTEXT://:2\nsasl.enabled.mechanisms=SCRAM-SHA-512",
        ] {
            assert!(
                read_properties(&with(line), &[]).is_ok(),
                "{line}: {:?}",
                errors_of(&with(line))
            );
        }
    }

    #[test]
    fn a_broker_that_is_alone_says_that_it_does_not_follow_what_is_for_clusters() {
        let stock = "process.roles=broker,controller\nnode.id=1\n\
                     controller.quorum.bootstrap.servers=localhost:9093\n\
                     listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
                     inter.broker.listener.name=PLAINTEXT\ncontroller.listener.names=CONTROLLER";
        let warnings = warnings_of(stock).concat();
        assert!(warnings.contains("`controller.quorum.bootstrap.servers`"), "{warnings}");
        assert!(warnings.contains("`inter.broker.listener.name`"), "{warnings}");
        assert!(!KafkaConfig::default().joins_a_cluster());
    }

    /// The port tells them apart: a name of this machine may be any.
    #[test]
    fn a_node_that_is_alone_names_no_controllers_but_itself() {
        let alone =
            "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n";
        let own = format!("{alone}listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n");
        let without = format!("{alone}listeners=PLAINTEXT://:9092\n");
        let (servers, voters) = ("controller.quorum.bootstrap.servers", "controller.quorum.voters");
        for (listeners, name, named, why) in [
            (&own, servers, "localhost:9093", ""),
            (&own, voters, "1@localhost:9093", ""),
            (&own, servers, "", ""),
            (&without, voters, "", ""),
            (&own, servers, "localhost:19093", "with its port"),
            (&own, servers, "localhost:9092", "with its port"),
            (&own, servers, "a:9093,b:9093", "there are several"),
            (&own, voters, "1@localhost:19093", "with its port"),
            (&own, voters, "100@localhost:9093", "its id is not"),
            (&own, voters, "1@a:9093,2@b:9093,3@c:9093", "there are several"),
            (&without, servers, "localhost:9093", "with its port"),
            (&without, voters, "1@localhost:9093", "with its port"),
        ] {
            let errors = errors_of(&format!("{listeners}{name}={named}"));
            assert_eq!(errors.len(), usize::from(!why.is_empty()), "{name}={named}: {errors:?}");
            for error in errors {
                let refused = "`process.roles=broker,controller`: makes this a node that is alone";
                assert!(error.contains(refused) && error.contains(why), "{error}");
                let advice = format!(
                    "set `process.roles=broker` to join its cluster; for a node that is alone, leave `{name}` out"
                );
                assert!(
                    error.contains(&format!("`{name}={named}`")) && error.ends_with(&advice),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn controllers_are_not_named_without_a_role() {
        for (name, named) in [
            ("controller.quorum.bootstrap.servers", "localhost:9093"),
            ("controller.quorum.bootstrap.servers", "a:9093,b:9093"),
            ("controller.quorum.voters", "1@localhost:9093"),
        ] {
            let line = format!("{name}={named}\n");
            for roles in ["", "process.roles=\n"] {
                let errors = errors_of(&format!("{line}node.id=1\n{roles}"));
                let refused =
                    format!("`{name}={named}`: names controllers, and without `process.roles`");
                assert!(errors.len() == 1 && errors[0].contains(&refused), "{errors:?}");
                let advice = format!("for a node that is alone, leave `{name}` out");
                assert!(errors[0].contains("set `process.roles=broker`"), "{errors:?}");
                assert!(errors[0].ends_with(&advice), "{errors:?}");
            }
            assert!(errors_of(&format!("{name}=\n")).is_empty(), "none is named");
        }
    }

    #[test]
    fn topics_of_a_cluster_may_have_several_replicas() {
        let three = with("default.replication.factor=3");
        assert_eq!(read_properties(&three, &[]).unwrap().default_replication_factor, 3);
        assert!(warnings_of(&three).is_empty(), "{:?}", warnings_of(&three));
    }
}
