//! In the place of `org.apache.kafka.metadata.migration.KRaftMigrationDriver`, which did it for brokers with
//! ZooKeeper: the records of a metadata log that say what a single node was.

use std::collections::BTreeMap;
use std::io;

use crate::common::acl::AclBinding;
use crate::common::client_quota_entity::{ClientQuotaEntity, EntityName};
use crate::common::topic_partition::TopicAndPartition;
use crate::common::uuid::random_uuid;
use crate::image::records::config_records::{
    BROKER, ClientQuotaRecord, ConfigRecord, EntityData, ProducerIdsRecord, TOPIC,
};
use crate::image::records::metadata_record::RecordAndVersion;
use crate::image::records::security_records::{
    AccessControlEntryRecord, UserScramCredentialRecord,
};
use crate::image::records::topic_records::{PartitionRecord, TopicRecord};
use crate::protocol::wire::secret_bytes::SecretBytes;
use crate::protocol::wire::uuid::Uuid;
use crate::security::scram::scram_credential::ScramCredential;
use crate::security::scram::scram_mechanism::ScramMechanism;
use crate::tools::single_node::{NodeLog, SingleNode};

/// The form of a `PARTITION_RECORD` from `metadata.version` 17 to 22, with the directories of its replicas.
const PARTITION_VERSION: i16 = 1;
/// The leader of a partition whose only replica is on a broker that has not registered yet.
const NO_LEADER: i32 = -1;
/// The default of all brokers, as the name of a resource.
const ALL_BROKERS: &str = "";

/// One setting that Kafka has split in two.
const TIMESTAMP_DIFFERENCE: &str = "message.timestamp.difference.max.ms";
const TIMESTAMP_LIMITS: [&str; 2] =
    ["message.timestamp.before.max.ms", "message.timestamp.after.max.ms"];
/// Settings of topics that a controller of Kafka 4 does not know. It would keep them, and then refuse every
/// change to the settings of such a topic.
const UNKNOWN_TO_CONTROLLERS: [&str; 3] = [
    "message.format.version",
    "message.downconversion.enable",
    "transferto.compressed.records.validation.enable",
];

/// The records, and what is not among them.
#[derive(Debug, Default)]
pub(crate) struct ClusterRecords {
    /// The first is that of the producer ids.
    pub records: Vec<RecordAndVersion>,
    /// Settings of topics that are left out: each with its topics.
    pub left_out: BTreeMap<&'static str, Vec<String>>,
}

impl ClusterRecords {
    /// Of the single node as the broker `node_id`.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(crate) fn of(node: &SingleNode, node_id: i32) -> io::Result<Self> {
        let mut records = Self::default();
        records.push(ProducerIdsRecord {
            broker_id: node_id,
            next_producer_id: node.next_producer_id,
            ..ProducerIdsRecord::default()
        });
        records.push_topics(node, node_id);
        for (resource_name, configs) in [
            (ALL_BROKERS.to_string(), &node.broker_configs.of_all),
            (node_id.to_string(), &node.broker_configs.of_broker),
        ] {
            for (name, value) in configs {
                records.push(config(BROKER, &resource_name, name, value));
            }
        }
        for acl in &node.acls {
            records.push(access_control_entry(random_uuid()?, acl));
        }
        for (user, of_user) in &node.credentials {
            for (mechanism, credential) in of_user {
                records.push(scram_credential(user, *mechanism, credential));
            }
        }
        for (entity, quotas) in &*node.quotas {
            for (quota, bytes_per_second) in quotas {
                records.push(ClientQuotaRecord {
                    entity: quota_entity(entity),
                    key: quota.key().to_string(),
                    value: *bytes_per_second as f64,
                    remove: false,
                });
            }
        }
        Ok(records)
    }

    fn push(&mut self, record: impl Into<RecordAndVersion>) {
        self.records.push(record.into());
    }

    fn push_topics(&mut self, node: &SingleNode, node_id: i32) {
        for (name, topic) in &node.topics {
            let topic_id = Uuid(topic.id);
            self.push(TopicRecord { name: name.clone(), topic_id });
            for partition in 0..topic.partitions {
                // None is missing: that was checked when they were read.
                if let Some(log) = node.logs.get(&TopicAndPartition::new(name, partition)) {
                    let record = partition_record(partition, topic_id, log, node_id).into();
                    self.records.push(RecordAndVersion { record, version: PARTITION_VERSION });
                }
            }
            let (kept, left_out) = settings_for_controllers(&topic.config);
            for (setting, value) in kept {
                self.push(config(TOPIC, name, setting, value));
            }
            for setting in left_out {
                self.left_out.entry(setting).or_default().push(name.clone());
            }
        }
    }
}

/// Nobody leads it until the broker has registered: then the controller has it lead, in the next epoch.
fn partition_record(
    partition_id: i32,
    topic_id: Uuid,
    log: &NodeLog,
    node_id: i32,
) -> PartitionRecord {
    PartitionRecord {
        partition_id,
        topic_id,
        replicas: vec![node_id],
        isr: vec![node_id],
        leader: NO_LEADER,
        leader_epoch: log.leader_epoch.0,
        partition_epoch: 0,
        directories: vec![Uuid(log.directory_id)],
        ..PartitionRecord::default()
    }
}

/// The settings of a topic by the names of Kafka 4, and the names of those that it does not have.
fn settings_for_controllers(
    settings: &BTreeMap<String, String>,
) -> (BTreeMap<&str, &str>, Vec<&'static str>) {
    let mut kept: BTreeMap<&str, &str> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if let Some(difference) = kept.remove(TIMESTAMP_DIFFERENCE) {
        for limit in TIMESTAMP_LIMITS {
            kept.entry(limit).or_insert(difference);
        }
    }
    let left_out = UNKNOWN_TO_CONTROLLERS.into_iter().filter(|it| kept.remove(it).is_some());
    let left_out = left_out.collect();
    (kept, left_out)
}

fn config(resource_type: i8, resource_name: &str, name: &str, value: &str) -> ConfigRecord {
    ConfigRecord {
        resource_type,
        resource_name: resource_name.to_string(),
        name: name.to_string(),
        value: Some(value.to_string()),
    }
}

fn access_control_entry(id: [u8; 16], binding: &AclBinding) -> AccessControlEntryRecord {
    let AclBinding { pattern, acl } = binding;
    AccessControlEntryRecord {
        id: Uuid(id),
        resource_type: pattern.resource_type.code(),
        resource_name: pattern.name.clone(),
        pattern_type: pattern.pattern_type.code(),
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: acl.operation.code(),
        permission_type: acl.permission_type.code(),
    }
}

fn scram_credential(
    user: &str,
    mechanism: ScramMechanism,
    credential: &ScramCredential,
) -> UserScramCredentialRecord {
    let ScramCredential { salt, stored_key, server_key, iterations } = credential.clone();
    UserScramCredentialRecord {
        name: user.to_string(),
        mechanism: mechanism.id(),
        salt: SecretBytes(salt),
        stored_key: SecretBytes(stored_key),
        server_key: SecretBytes(server_key),
        iterations,
    }
}

/// Port of `ClientQuotaEntity.entries`.
fn quota_entity(entity: &ClientQuotaEntity) -> Vec<EntityData> {
    let places = [("user", &entity.user), ("client-id", &entity.client_id)];
    let data = |(entity_type, name): (&str, &Option<EntityName>)| {
        let name = name.as_ref()?;
        let entity_name = name.name().map(String::from);
        Some(EntityData { entity_type: entity_type.to_string(), entity_name })
    };
    places.into_iter().filter_map(data).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::config_def::Setting;
    use crate::config::log_config::LogConfig;

    /// What Kafka 4.4.0 knows of a topic.
    const KAFKAS: &str = include_str!("../../tests/kafka-4.4.0-topic-configs.txt");

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn every_setting_of_a_topic_is_known_to_the_controllers_or_left_out() {
        let known = |name: &str| KAFKAS.lines().any(|it| it.split(' ').next() == Some(name));
        let all: Vec<&Setting> = LogConfig::SETTINGS.iter().collect();
        assert!(all.len() > 30);
        for Setting { name, .. } in all {
            let given = settings(&[(name, "7")]);
            let (kept, left_out) = settings_for_controllers(&given);
            assert!(kept.keys().all(|it| known(it)), "{name}: {kept:?}");
            assert!(kept.is_empty() == (left_out == [*name]), "{name}: {left_out:?}");
        }
    }

    #[test]
    fn a_limit_that_kafka_has_split_becomes_both_of_its_halves_unless_they_are_set() {
        let given = settings(&[(TIMESTAMP_DIFFERENCE, "5"), (TIMESTAMP_LIMITS[1], "9")]);
        let (kept, left_out) = settings_for_controllers(&given);
        assert_eq!(kept, BTreeMap::from([(TIMESTAMP_LIMITS[0], "5"), (TIMESTAMP_LIMITS[1], "9")]));
        assert!(left_out.is_empty());
    }

    #[test]
    fn the_default_of_a_quota_is_null_and_a_place_that_is_not_asked_is_left_out() {
        let types_and_names = |entity: ClientQuotaEntity| {
            let data = quota_entity(&entity);
            data.into_iter().map(|it| (it.entity_type, it.entity_name)).collect::<Vec<_>>()
        };
        let of = |kind: &str, name: Option<&str>| (kind.to_string(), name.map(String::from));
        assert_eq!(types_and_names(ClientQuotaEntity::user(Some("a"))), [of("user", Some("a"))]);
        assert_eq!(
            types_and_names(ClientQuotaEntity::user_and_client_id(Some("a"), None)),
            [of("user", Some("a")), of("client-id", None)]
        );
    }
}
