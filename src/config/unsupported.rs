//! Kafka's settings that this broker does not support, each with the reason: those that it can ignore,
//! and those with which it does not start.

const WITHOUT_EFFECT: &[Group] = &[
    Group {
        why: "this broker needs no ZooKeeper: it keeps its topics in its own log directory",
        names: &[
            "zookeeper.connect",
            "zookeeper.connection.timeout.ms",
            "zookeeper.session.timeout.ms",
            "zookeeper.sync.time.ms",
            "zookeeper.max.in.flight.requests",
        ],
    },
    Group {
        why: "this broker has no controller quorum to join; its id is `broker.id`",
        names: &[
            "process.roles",
            "node.id",
            "controller.quorum.voters",
            "controller.quorum.bootstrap.servers",
            "controller.listener.names",
            "controller.socket.timeout.ms",
        ],
    },
    Group {
        why: "ids are not assigned here: `broker.id` is what the file says, or 0",
        names: &["broker.id.generation.enable", "reserved.broker.max.id"],
    },
    Group {
        why: "this broker is alone: nothing is replicated and no leader is elected",
        names: &[
            "replica.lag.time.max.ms",
            "replica.lag.max.messages",
            "replica.fetch.max.bytes",
            "replica.fetch.wait.max.ms",
            "replica.fetch.min.bytes",
            "replica.fetch.backoff.ms",
            "replica.fetch.response.max.bytes",
            "replica.socket.timeout.ms",
            "replica.socket.receive.buffer.bytes",
            "num.replica.fetchers",
            "request.timeout.ms",
            "unclean.leader.election.enable",
            "auto.leader.rebalance.enable",
            "leader.imbalance.per.broker.percentage",
            "leader.imbalance.check.interval.seconds",
            "controlled.shutdown.enable",
            "controlled.shutdown.max.retries",
            "controlled.shutdown.retry.backoff.ms",
            "inter.broker.protocol.version",
            "inter.broker.listener.name",
            "security.inter.broker.protocol",
            "broker.rack",
            "replication.quota.window.num",
            "replication.quota.window.size.seconds",
            "alter.log.dirs.replication.quota.window.num",
            "alter.log.dirs.replication.quota.window.size.seconds",
        ],
    },
    Group {
        why: "the quotas here are for what clients produce and fetch",
        names: &["controller.quota.window.num", "controller.quota.window.size.seconds"],
    },
    Group {
        why: "what the group coordinator writes is not compressed",
        names: &["offsets.topic.compression.codec"],
    },
    Group {
        why: "this broker has no transactions",
        names: &[
            "transaction.state.log.replication.factor",
            "transaction.state.log.min.isr",
            "transaction.state.log.num.partitions",
            "transaction.state.log.segment.bytes",
            "transaction.max.timeout.ms",
            "transactional.id.expiration.ms",
        ],
    },
    Group {
        why: "the counters here are totals: they have no windows and no samples",
        names: &["metrics.num.samples", "metrics.sample.window.ms", "metrics.recording.level"],
    },
    Group {
        why: "PLAINTEXT is the only protocol here, under its own name",
        names: &["listener.security.protocol.map"],
    },
];

const REFUSED: &[Group] = &[
    Group {
        why: "this broker does not authenticate clients: every client is User:ANONYMOUS",
        names: &["principal.builder.class"],
    },
    Group {
        why: "this broker keeps counters, but has no reporters",
        names: &[
            "metric.reporters",
            "kafka.metrics.reporters",
            "kafka.metrics.polling.interval.secs",
        ],
    },
    Group {
        why: "this broker limits connections per address only",
        names: &["max.connections", "max.connection.creation.rate"],
    },
    Group {
        why: "this broker loads no classes",
        names: &[
            "create.topic.policy.class.name",
            "alter.config.policy.class.name",
            "client.quota.callback.class",
        ],
    },
];

/// Families of settings, by the prefix of their names.
const REFUSED_PREFIXES: &[(&str, &str)] = &[
    ("ssl.", "this broker speaks PLAINTEXT only: nothing would be encrypted"),
    ("sasl.", "this broker speaks PLAINTEXT only: no client would be authenticated"),
    ("remote.log.", "this broker keeps its logs on its own disks only"),
    ("listener.name.", "a listener has no settings of its own here"),
];

/// What happens to a setting of Kafka's that is not in our tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// Nothing that a client or an operator relies on is missing: a warning, with this reason.
    HasNoEffect(&'static str),
    /// An operator who sets it relies on it: the broker does not start, for this reason.
    StopsTheStart(&'static str),
}

/// Settings that share a reason.
struct Group {
    why: &'static str,
    names: &'static [&'static str],
}

impl Unsupported {
    /// What happens to the setting `name`; `None` if we know no setting of Kafka's by that name.
    pub fn of(name: &str) -> Option<Self> {
        let group_with = |groups: &[Group]| -> Option<&'static str> {
            groups.iter().find(|it| it.names.contains(&name)).map(|it| it.why)
        };
        let refused = || {
            let is_prefix = |it: &&(&'static str, &'static str)| name.starts_with(it.0);
            REFUSED_PREFIXES.iter().find(is_prefix).map(|it| it.1)
        };
        group_with(WITHOUT_EFFECT)
            .map(Self::HasNoEffect)
            .or_else(|| group_with(REFUSED).or_else(refused).map(Self::StopsTheStart))
    }

    /// All names in the tables, for the search for the nearest name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        WITHOUT_EFFECT.iter().chain(REFUSED).flat_map(|it| it.names.iter().copied())
    }

    /// Two Markdown tables: the settings without effect, and those with which the broker does not
    /// start.
    pub fn to_markdown() -> (String, String) {
        let ticked = |names: &[&str]| {
            names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
        };
        let table = |groups: &[Group]| {
            let row = |it: &Group| format!("| {} | {} |\n", ticked(it.names), it.why);
            "| names | why |\n|---|---|\n".to_string() + &groups.iter().map(row).collect::<String>()
        };
        let prefixes = REFUSED_PREFIXES.iter().map(|(it, why)| format!("| `{it}*` | {why} |\n"));
        (table(WITHOUT_EFFECT), table(REFUSED) + &prefixes.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_stock_file_holds_is_passed_over_with_a_reason() {
        for name in ["zookeeper.connect", "offsets.topic.compression.codec", "process.roles"] {
            assert!(matches!(Unsupported::of(name), Some(Unsupported::HasNoEffect(_))), "{name}");
        }
    }

    #[test]
    fn what_a_user_would_rely_on_stops_the_start() {
        for name in
            ["ssl.keystore.location", "sasl.enabled.mechanisms", "client.quota.callback.class"]
        {
            assert!(matches!(Unsupported::of(name), Some(Unsupported::StopsTheStart(_))), "{name}");
        }
    }

    #[test]
    fn a_name_of_nobodys_is_not_known() {
        for name in ["replica.fetch.max.bites", "zookeeper", "ssl", ""] {
            assert_eq!(Unsupported::of(name), None, "{name}");
        }
    }

    #[test]
    fn no_name_stands_in_the_tables_twice() {
        let mut names: Vec<&str> = Unsupported::names().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn both_tables_are_printed_with_their_reasons() {
        let (without_effect, refused) = Unsupported::to_markdown();
        assert!(without_effect.contains("`zookeeper.connect`"));
        assert!(refused.contains("| `ssl.*` | this broker speaks PLAINTEXT only"));
    }
}
