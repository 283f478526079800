//! Records as controllers write them, and images that follow them.

use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::broker_records::{BrokerEndpoint, RegisterBrokerRecord};
use transferto::image::records::config_records::{ConfigRecord, FeatureLevelRecord, TOPIC};
use transferto::image::records::metadata_record::{MetadataRecord, RecordAndVersion};
use transferto::image::records::topic_records::{
    PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};
use transferto::protocol::wire::uuid::Uuid;

pub(crate) const FOO: Uuid = Uuid([1; 16]);
pub(crate) const BAR: Uuid = Uuid([2; 16]);

pub(crate) fn feature(name: &str, feature_level: i16) -> MetadataRecord {
    FeatureLevelRecord { name: name.to_string(), feature_level }.into()
}

pub(crate) fn topic(name: &str, topic_id: Uuid) -> MetadataRecord {
    TopicRecord { name: name.to_string(), topic_id }.into()
}

pub(crate) fn remove_topic(topic_id: Uuid) -> MetadataRecord {
    RemoveTopicRecord { topic_id }.into()
}

/// Led by the first of its replicas, in epoch 1 of leader and partition.
pub(crate) fn partition(topic_id: Uuid, partition_id: i32, replicas: &[i32]) -> MetadataRecord {
    let record = PartitionRecord {
        partition_id,
        topic_id,
        replicas: replicas.to_vec(),
        isr: replicas.to_vec(),
        leader: replicas[0],
        leader_epoch: 1,
        partition_epoch: 1,
        ..PartitionRecord::default()
    };
    record.into()
}

/// What `fill` does not change stays as it is.
pub(crate) fn change(
    topic_id: Uuid,
    partition_id: i32,
    fill: impl FnOnce(&mut PartitionChangeRecord),
) -> MetadataRecord {
    let mut record =
        PartitionChangeRecord { partition_id, topic_id, ..PartitionChangeRecord::default() };
    fill(&mut record);
    record.into()
}

pub(crate) fn config(
    resource_type: i8,
    of: &str,
    name: &str,
    value: Option<&str>,
) -> MetadataRecord {
    let record = ConfigRecord {
        resource_type,
        resource_name: of.to_string(),
        name: name.to_string(),
        value: value.map(str::to_string),
    };
    record.into()
}

pub(crate) fn topic_config(topic: &str, name: &str, value: Option<&str>) -> MetadataRecord {
    config(TOPIC, topic, name, value)
}

/// Fenced, as brokers are at first.
pub(crate) fn broker(broker_id: i32, broker_epoch: i64) -> RegisterBrokerRecord {
    let end_point = BrokerEndpoint {
        name: "PLAINTEXT".to_string(),
        host: "localhost".to_string(),
        port: 9092,
        security_protocol: 0,
    };
    RegisterBrokerRecord {
        broker_id,
        broker_epoch,
        incarnation_id: Uuid([7; 16]),
        end_points: vec![end_point],
        ..RegisterBrokerRecord::default()
    }
}

/// What the controller puts into the log.
pub(crate) fn values(records: &[MetadataRecord]) -> Vec<Vec<u8>> {
    records.iter().map(|it| RecordAndVersion::from(it.clone()).to_bytes()).collect()
}

/// The image that has followed `records` since `image`.
pub(crate) fn followed(image: &MetadataImage, records: &[MetadataRecord]) -> MetadataImage {
    let mut image = image.clone();
    for record in records {
        image.replay(record).unwrap();
    }
    image
}
