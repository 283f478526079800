//! Kafka's settings that this broker does not support, each with the reason: those that it can ignore,
//! and those with which it does not start.

/// Why nothing of Kerberos is taken.
pub(super) const GSSAPI_IS_MISSING: &str = "GSSAPI, which is Kerberos, is not built in: take \
    SCRAM-SHA-512 where passwords will do, or OAUTHBEARER where an identity provider signs tokens";

/// A setting is here, and not refused, if a broker without it does for clients and operators what
/// Kafka does with it.
const WITHOUT_EFFECT: &[Group] = &[
    Group {
        why: "no ZooKeeper is needed: a broker that is alone keeps its topics in its log directory, one of a cluster follows Kafka's controllers",
        names: &[
            "zookeeper.connect",
            "zookeeper.connection.timeout.ms",
            "zookeeper.session.timeout.ms",
            "zookeeper.sync.time.ms",
            "zookeeper.max.in.flight.requests",
            "zookeeper.set.acl",
            "zookeeper.clientCnxnSocket",
            "zookeeper.ssl.client.enable",
            "zookeeper.ssl.protocol",
            "zookeeper.ssl.enabled.protocols",
            "zookeeper.ssl.cipher.suites",
            "zookeeper.ssl.endpoint.identification.algorithm",
            "zookeeper.ssl.keystore.location",
            "zookeeper.ssl.keystore.password",
            "zookeeper.ssl.keystore.type",
            "zookeeper.ssl.truststore.location",
            "zookeeper.ssl.truststore.password",
            "zookeeper.ssl.truststore.type",
            "zookeeper.ssl.crl.enable",
            "zookeeper.ssl.ocsp.enable",
            "zookeeper.metadata.migration.enable",
            "zookeeper.metadata.migration.min.batch.size",
        ],
    },
    Group {
        why: "it is for controllers and their log, and this process is none and keeps no copy of it",
        names: &[
            "controller.quorum.auto.join.enable",
            "controller.quorum.append.linger.ms",
            "controller.quorum.election.backoff.max.ms",
            "controller.quorum.election.timeout.ms",
            "controller.performance.always.log.threshold.ms",
            "controller.performance.sample.period.ms",
            "control.plane.listener.name",
            "early.start.listeners",
            "broker.session.timeout.ms",
            "metadata.log.dir",
            "metadata.log.max.record.bytes.between.snapshots",
            "metadata.log.max.snapshot.interval.ms",
            "metadata.log.segment.bytes",
            "metadata.log.segment.min.bytes",
            "metadata.log.segment.ms",
            "metadata.max.idle.interval.ms",
            "metadata.max.retention.bytes",
            "metadata.max.retention.ms",
            "internal.metadata.delete.delay.millis",
            "internal.metadata.log.segment.bytes",
            "internal.metadata.max.batch.size.in.bytes",
            "internal.metadata.max.fetch.size.in.bytes",
        ],
    },
    Group {
        why: "ids are not assigned here: `broker.id` or `node.id` is what the file says, or 0",
        names: &["broker.id.generation.enable", "reserved.broker.max.id"],
    },
    Group {
        why: "this broker elects no leader: in a cluster the controllers do, by their own settings",
        names: &[
            "unclean.leader.election.enable",
            "unclean.leader.election.interval.ms",
            "eligible.leader.replicas.enable",
            "auto.leader.rebalance.enable",
            "leader.imbalance.per.broker.percentage",
            "leader.imbalance.check.interval.seconds",
            "controlled.shutdown.max.retries",
            "controlled.shutdown.retry.backoff.ms",
            "inter.broker.protocol.version",
        ],
    },
    Group {
        why: "a follower waits for its leader as long as `replica.socket.timeout.ms` says",
        names: &[
            "request.timeout.ms",
            "socket.connection.setup.timeout.ms",
            "socket.connection.setup.timeout.max.ms",
        ],
    },
    Group {
        why: "a replica is behind by time and not by messages, as since Kafka 0.9, and a log stays in its \
              directory",
        names: &[
            "replica.lag.max.messages",
            "num.replica.alter.log.dirs.threads",
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
        why: "the group coordinator here has no threads and no buffers of its own: it writes each \
              change of a group at once",
        names: &[
            "group.coordinator.append.linger.ms",
            "group.coordinator.background.threads",
            "group.coordinator.cached.buffer.max.bytes",
            "group.coordinator.new.enable",
            "group.coordinator.threads",
        ],
    },
    Group {
        why: "groups here speak the classic protocol, which is the default of every client: there \
              are no consumer groups by KIP-848, no share groups and no streams groups",
        names: &[
            "group.coordinator.rebalance.protocols",
            "group.consumer.assignment.interval.ms",
            "group.consumer.assignor.offload.enable",
            "group.consumer.assignors",
            "group.consumer.heartbeat.interval.ms",
            "group.consumer.max.assignment.interval.ms",
            "group.consumer.max.heartbeat.interval.ms",
            "group.consumer.max.session.timeout.ms",
            "group.consumer.max.size",
            "group.consumer.migration.policy",
            "group.consumer.min.assignment.interval.ms",
            "group.consumer.min.heartbeat.interval.ms",
            "group.consumer.min.session.timeout.ms",
            "group.consumer.regex.refresh.interval.ms",
            "group.consumer.session.timeout.ms",
            "group.share.assignment.interval.ms",
            "group.share.assignor.offload.enable",
            "group.share.assignors",
            "group.share.delivery.count.limit",
            "group.share.dlq.manager.class.name",
            "group.share.enable",
            "group.share.heartbeat.interval.ms",
            "group.share.initialize.retry.interval.ms",
            "group.share.max.assignment.interval.ms",
            "group.share.max.delivery.count.limit",
            "group.share.max.groups",
            "group.share.max.heartbeat.interval.ms",
            "group.share.max.partition.max.record.locks",
            "group.share.max.record.lock.duration.ms",
            "group.share.max.session.timeout.ms",
            "group.share.max.share.sessions",
            "group.share.max.size",
            "group.share.min.assignment.interval.ms",
            "group.share.min.delivery.count.limit",
            "group.share.min.heartbeat.interval.ms",
            "group.share.min.partition.max.record.locks",
            "group.share.min.record.lock.duration.ms",
            "group.share.min.session.timeout.ms",
            "group.share.partition.max.record.locks",
            "group.share.persister.class.name",
            "group.share.record.lock.duration.ms",
            "group.share.session.timeout.ms",
            "share.coordinator.append.linger.ms",
            "share.coordinator.cached.buffer.max.bytes",
            "share.coordinator.cold.partition.snapshot.interval.ms",
            "share.coordinator.load.buffer.size",
            "share.coordinator.snapshot.update.records.per.snapshot",
            "share.coordinator.state.topic.compression.codec",
            "share.coordinator.state.topic.min.isr",
            "share.coordinator.state.topic.num.partitions",
            "share.coordinator.state.topic.prune.interval.ms",
            "share.coordinator.state.topic.replication.factor",
            "share.coordinator.state.topic.segment.bytes",
            "share.coordinator.threads",
            "share.coordinator.write.timeout.ms",
            "share.fetch.max.fetch.records",
            "share.fetch.purgatory.purge.interval.requests",
            "errors.deadletterqueue.auto.create.topics.enable",
            "errors.deadletterqueue.topic.name.prefix",
            "group.streams.acceptable.recovery.lag",
            "group.streams.assignment.interval.ms",
            "group.streams.assignor.offload.enable",
            "group.streams.assignors",
            "group.streams.heartbeat.interval.ms",
            "group.streams.initial.rebalance.delay.ms",
            "group.streams.max.assignment.interval.ms",
            "group.streams.max.heartbeat.interval.ms",
            "group.streams.max.session.timeout.ms",
            "group.streams.max.size",
            "group.streams.max.standby.replicas",
            "group.streams.max.warmup.replicas",
            "group.streams.min.assignment.interval.ms",
            "group.streams.min.heartbeat.interval.ms",
            "group.streams.min.session.timeout.ms",
            "group.streams.min.task.offset.interval.ms",
            "group.streams.num.standby.replicas",
            "group.streams.num.warmup.replicas",
            "group.streams.rack.aware.assignment.tags",
            "group.streams.session.timeout.ms",
            "group.streams.task.offset.interval.ms",
            "group.streams.topology.description.plugin.class",
        ],
    },
    Group {
        why: "this broker has no transactions",
        names: &[
            "transaction.state.log.replication.factor",
            "transaction.state.log.min.isr",
            "transaction.state.log.num.partitions",
            "transaction.state.log.segment.bytes",
            "transaction.state.log.load.buffer.size",
            "transaction.max.timeout.ms",
            "transaction.abort.timed.out.transaction.cleanup.interval.ms",
            "transaction.remove.expired.transaction.cleanup.interval.ms",
            "transaction.partition.verification.enable",
            "transaction.two.phase.commit.enable",
            "transactional.id.expiration.ms",
            "add.partitions.to.txn.retry.backoff.ms",
            "add.partitions.to.txn.retry.backoff.max.ms",
        ],
    },
    Group {
        why: "the counters here are totals: they have no windows and no samples, and no JMX",
        names: &[
            "metrics.num.samples",
            "metrics.sample.window.ms",
            "metrics.recording.level",
            "auto.include.jmx.reporter",
        ],
    },
    Group {
        why: "this broker takes no metrics from its clients, and tells them so",
        names: &["telemetry.max.bytes"],
    },
    Group { why: "a fetch brings as much as its client asks for", names: &["fetch.max.bytes"] },
    Group {
        why: "DescribeTopicPartitions is left out, and Metadata has no pages",
        names: &["max.request.partition.size.limit"],
    },
    Group {
        why: "this time is fixed here",
        names: &[
            "log.flush.start.offset.checkpoint.interval.ms",
            "log.initial.task.delay.ms",
            "producer.id.expiration.check.interval.ms",
            "server.max.startup.time.ms",
        ],
    },
    Group {
        why: "there is nothing unstable here to be enabled",
        names: &["unstable.api.versions.enable", "unstable.feature.versions.enable"],
    },
    Group {
        why: "it chooses among Java's implementations of TLS: `ssl.enabled.protocols` and \
              `ssl.cipher.suites` say what is spoken here",
        names: &[
            "ssl.protocol",
            "ssl.provider",
            "ssl.keymanager.algorithm",
            "ssl.trustmanager.algorithm",
            "ssl.secure.random.implementation",
        ],
    },
    Group {
        why: "a changed certificate may bear any names",
        names: &["ssl.allow.dn.changes", "ssl.allow.san.changes"],
    },
    Group {
        why: "it is for brokers that log in to others by classes of their own, or by tokens",
        names: &[
            "sasl.client.callback.handler.class",
            "sasl.login.class",
            "sasl.login.callback.handler.class",
            "sasl.login.connect.timeout.ms",
            "sasl.login.read.timeout.ms",
            "sasl.login.refresh.buffer.seconds",
            "sasl.login.refresh.min.period.seconds",
            "sasl.login.refresh.window.factor",
            "sasl.login.refresh.window.jitter",
            "sasl.login.retry.backoff.max.ms",
            "sasl.login.retry.backoff.ms",
            "sasl.oauthbearer.assertion.algorithm",
            "sasl.oauthbearer.assertion.claim.aud",
            "sasl.oauthbearer.assertion.claim.exp.seconds",
            "sasl.oauthbearer.assertion.claim.iss",
            "sasl.oauthbearer.assertion.claim.jti.include",
            "sasl.oauthbearer.assertion.claim.nbf.seconds",
            "sasl.oauthbearer.assertion.claim.sub",
            "sasl.oauthbearer.assertion.file",
            "sasl.oauthbearer.assertion.private.key.file",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "sasl.oauthbearer.assertion.template.file",
            "sasl.oauthbearer.client.credentials.client.id",
            "sasl.oauthbearer.client.credentials.client.secret",
            "sasl.oauthbearer.jwt.retriever.class",
            "sasl.oauthbearer.scope",
            "sasl.oauthbearer.token.endpoint.url",
        ],
    },
    Group {
        why: "the keys that sign tokens are in a file: there is no server to be asked again",
        names: &[
            "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
            "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
        ],
    },
    Group {
        why: "this broker keeps neither delegation tokens nor encoded passwords",
        names: &[
            "delegation.token.expiry.check.interval.ms",
            "delegation.token.expiry.time.ms",
            "delegation.token.max.lifetime.ms",
            "password.encoder.cipher.algorithm",
            "password.encoder.iterations",
            "password.encoder.key.length",
            "password.encoder.keyfactory.algorithm",
            "password.encoder.old.secret",
            "password.encoder.secret",
        ],
    },
    Group {
        why: "without `remote.log.storage.system.enable` Kafka does not read it either",
        names: &[
            "follower.fetch.last.tiered.offset.enable",
            "log.local.retention.bytes",
            "log.local.retention.ms",
            "log.remote.copy.lag.bytes",
            "log.remote.copy.lag.ms",
            "remote.fetch.max.wait.ms",
            "remote.list.offsets.request.timeout.ms",
        ],
    },
];

const REFUSED: &[Refusal] = &[
    Refusal {
        why: "this broker loads no classes: a principal has the name that its client has \
              authenticated by, or what `ssl.principal.mapping.rules` makes of its certificate",
        names: &["principal.builder.class"],
        unless: &["org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"],
    },
    Refusal {
        why: "this broker has no delegation tokens",
        names: &["delegation.token.master.key", "delegation.token.secret.key"],
        unless: &[],
    },
    Refusal {
        why: GSSAPI_IS_MISSING,
        names: &[
            "sasl.kerberos.kinit.cmd",
            "sasl.kerberos.min.time.before.relogin",
            "sasl.kerberos.principal.to.local.rules",
            "sasl.kerberos.service.name",
            "sasl.kerberos.ticket.renew.jitter",
            "sasl.kerberos.ticket.renew.window.factor",
        ],
        unless: &["DEFAULT", "/usr/bin/kinit", "60000", "0.05", "0.8"],
    },
    Refusal {
        why: "this broker loads no classes: it has what those of Kafka do for PLAIN, SCRAM and \
              signed tokens",
        names: &["sasl.server.callback.handler.class", "sasl.oauthbearer.jwt.validator.class"],
        unless: &[
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
            "org.apache.kafka.common.security.oauthbearer.secured.\
             OAuthBearerValidatorCallbackHandler",
            "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
            "org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator",
        ],
    },
    Refusal {
        why: "this broker keeps counters, but has no reporters",
        names: &[
            "metric.reporters",
            "kafka.metrics.reporters",
            "kafka.metrics.polling.interval.secs",
        ],
        unless: &["org.apache.kafka.common.metrics.JmxReporter"],
    },
    Refusal {
        why: "this broker limits connections per address only",
        names: &["max.connections", "max.connection.creation.rate"],
        unless: &["2147483647"],
    },
    Refusal {
        why: "this broker limits what arrives by `message.max.bytes`, as it was sent",
        names: &["max.decompressed.message.bytes"],
        unless: &["2147483639", "2147483647"],
    },
    Refusal {
        why: "this broker puts new partitions into any of its log directories",
        names: &["cordoned.log.dirs"],
        unless: &[],
    },
    Refusal {
        why: "this broker keeps its logs on its own disks only",
        names: &["remote.log.storage.system.enable"],
        unless: &["false"],
    },
    Refusal {
        why: "this broker loads no classes",
        names: &[
            "create.topic.policy.class.name",
            "alter.config.policy.class.name",
            "client.quota.callback.class",
            "config.providers",
            "security.providers",
            "ssl.engine.factory.class",
        ],
        unless: &[],
    },
];

/// Families of settings that are passed over, by the prefix of their names.
const PREFIXES_WITHOUT_EFFECT: &[(&str, &str)] =
    &[("remote.log.", "without `remote.log.storage.system.enable` Kafka does not read it either")];

/// Families of settings that are refused, by the prefix of their names.
const REFUSED_PREFIXES: &[(&str, &str)] = &[];

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

/// Settings that are refused for one reason.
struct Refusal {
    why: &'static str,
    names: &'static [&'static str],
    /// Kafka's defaults: a file that says them asks for nothing.
    unless: &'static [&'static str],
}

/// The names, or families of names, that one reason is for.
pub type UnsupportedRow = (Vec<String>, String);

impl Unsupported {
    /// What happens to the setting `name`; `None` if we know no setting of Kafka's by that name.
    pub fn of(name: &str) -> Option<Self> {
        let in_family = |families: &[(&str, &'static str)]| {
            families.iter().find(|it| name.starts_with(it.0)).map(|it| it.1)
        };
        let ignored = WITHOUT_EFFECT.iter().find(|it| it.names.contains(&name));
        if let Some(why) = ignored.map(|it| it.why) {
            return Some(Self::HasNoEffect(why));
        }
        if let Some(why) = refusal(name).map(|it| it.why).or_else(|| in_family(REFUSED_PREFIXES)) {
            return Some(Self::StopsTheStart(why));
        }
        in_family(PREFIXES_WITHOUT_EFFECT).map(Self::HasNoEffect)
    }

    /// Whether a file that sets the refused setting `name` to `value` asks for nothing by it.
    pub fn asks_for_nothing(name: &str, value: &str) -> bool {
        let value = value.trim();
        value.is_empty() || refusal(name).is_some_and(|it| it.unless.contains(&value))
    }

    /// All names in the tables, for the search for the nearest name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let ignored = WITHOUT_EFFECT.iter().flat_map(|it| it.names.iter().copied());
        ignored.chain(REFUSED.iter().flat_map(|it| it.names.iter().copied()))
    }

    /// Two Markdown tables: the settings without effect, and those with which the broker does not
    /// start.
    pub fn to_markdown() -> (String, String) {
        let ticked = |names: Vec<String>| {
            names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
        };
        let row = |(names, why): (Vec<String>, String)| format!("| {} | {why} |\n", ticked(names));
        let head = "| names | why |\n|---|---|\n".to_string();
        let table = |rows: Vec<_>| head.clone() + &rows.into_iter().map(row).collect::<String>();
        (table(rows_without_effect()), table(refused_rows()))
    }

    /// The same two, row by row: names, and why.
    pub fn rows() -> (Vec<UnsupportedRow>, Vec<UnsupportedRow>) {
        (rows_without_effect(), refused_rows())
    }
}

/// Names and families of names, with their reason.
fn rows_without_effect() -> Vec<UnsupportedRow> {
    let groups = WITHOUT_EFFECT.iter().map(|it| (owned(it.names), it.why.to_string()));
    groups.chain(families(PREFIXES_WITHOUT_EFFECT)).collect()
}

fn refused_rows() -> Vec<UnsupportedRow> {
    let refusals = REFUSED.iter().map(|it| match it.unless {
        [] => (owned(it.names), it.why.to_string()),
        unless => {
            (owned(it.names), format!("{}; the value {} is allowed", it.why, unless.join(" or ")))
        }
    });
    refusals.chain(families(REFUSED_PREFIXES)).collect()
}

fn families(
    families: &'static [(&str, &str)],
) -> impl Iterator<Item = (Vec<String>, String)> + use<> {
    families.iter().map(|(prefix, why)| (vec![format!("{prefix}*")], why.to_string()))
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn refusal(name: &str) -> Option<&'static Refusal> {
    REFUSED.iter().find(|it| it.names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_stock_file_holds_is_passed_over_with_a_reason() {
        for name in
            ["zookeeper.connect", "offsets.topic.compression.codec", "replica.lag.max.messages"]
        {
            assert!(matches!(Unsupported::of(name), Some(Unsupported::HasNoEffect(_))), "{name}");
        }
    }

    #[test]
    fn what_a_user_would_rely_on_stops_the_start() {
        for name in
            ["create.topic.policy.class.name", "max.connections", "client.quota.callback.class"]
        {
            assert!(matches!(Unsupported::of(name), Some(Unsupported::StopsTheStart(_))), "{name}");
        }
    }

    #[test]
    fn a_refused_setting_at_kafkas_default_asks_for_nothing() {
        for (name, value) in [
            ("max.connections", "2147483647"),
            ("remote.log.storage.system.enable", " false"),
            ("principal.builder.class", ""),
        ] {
            assert!(matches!(Unsupported::of(name), Some(Unsupported::StopsTheStart(_))), "{name}");
            assert!(Unsupported::asks_for_nothing(name, value), "{name}");
        }
        for (name, value) in [("max.connections", "7"), ("config.providers", "file")] {
            assert!(!Unsupported::asks_for_nothing(name, value), "{name}");
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
        assert!(refused.contains("this broker loads no classes"));
    }
}
