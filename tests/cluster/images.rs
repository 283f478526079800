//! Clusters as records say that they are, without a log of these.

use std::sync::Arc;

use transferto::image::metadata_delta::MetadataDelta;
use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::broker_records::{
    BrokerEndpoint, BrokerRegistrationChangeRecord, RegisterBrokerRecord,
};
use transferto::image::records::config_records::{ConfigRecord, TOPIC};
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::image::records::topic_records::{
    PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};
use transferto::protocol::wire::uuid::Uuid;

/// The id of the topic that is made as the `number`th of its test.
pub(crate) fn topic_id(number: u8) -> [u8; 16] {
    let mut id = [0xa5; 16];
    id[0] = number;
    id
}

/// A cluster that changes record by record.
#[derive(Default)]
pub(crate) struct Cluster {
    published: MetadataImage,
    image: MetadataImage,
}

/// An image, and what has changed since the last one.
pub(crate) struct Publication {
    pub(crate) delta: MetadataDelta,
    pub(crate) before: Arc<MetadataImage>,
    pub(crate) after: Arc<MetadataImage>,
}

impl Cluster {
    pub(crate) fn replay(&mut self, record: MetadataRecord) -> &mut Self {
        self.image.replay(&record).unwrap();
        self.image.provenance.last_contained_offset += 1;
        self
    }

    /// A broker that is not fenced, with listeners of these names on as many ports from 9000 on.
    pub(crate) fn broker(&mut self, id: i32, listeners: &[&str]) -> &mut Self {
        let broker_epoch = i64::from(id);
        self.broker_with(RegisterBrokerRecord {
            broker_id: id,
            broker_epoch,
            ..of_listeners(listeners)
        })
    }

    pub(crate) fn broker_with(&mut self, record: RegisterBrokerRecord) -> &mut Self {
        self.replay(MetadataRecord::RegisterBroker(record))
    }

    pub(crate) fn fence(&mut self, id: i32) -> &mut Self {
        self.replay(MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id: id,
            broker_epoch: i64::from(id),
            fenced: 1,
            ..BrokerRegistrationChangeRecord::default()
        }))
    }

    pub(crate) fn topic(&mut self, name: &str, id: [u8; 16]) -> &mut Self {
        let (name, topic_id) = (name.to_string(), Uuid(id));
        self.replay(MetadataRecord::Topic(TopicRecord { name, topic_id }))
    }

    /// The next partition of a topic, in epoch 0, all of whose replicas are in sync.
    pub(crate) fn partition(
        &mut self,
        topic_id: [u8; 16],
        number: i32,
        replicas: &[i32],
        leader: i32,
    ) -> &mut Self {
        self.replay(MetadataRecord::Partition(PartitionRecord {
            partition_id: number,
            topic_id: Uuid(topic_id),
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
            leader,
            leader_epoch: 0,
            partition_epoch: 0,
            ..PartitionRecord::default()
        }))
    }

    /// The partition is led by `leader` in its next epoch, with these replicas in sync.
    pub(crate) fn lead(
        &mut self,
        topic_id: [u8; 16],
        number: i32,
        leader: i32,
        isr: &[i32],
    ) -> &mut Self {
        self.change(PartitionChangeRecord {
            leader,
            isr: Some(isr.to_vec()),
            ..changed(topic_id, number)
        })
    }

    pub(crate) fn change(&mut self, record: PartitionChangeRecord) -> &mut Self {
        self.replay(MetadataRecord::PartitionChange(record))
    }

    pub(crate) fn remove(&mut self, topic_id: [u8; 16]) -> &mut Self {
        self.replay(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: Uuid(topic_id) }))
    }

    pub(crate) fn configure(&mut self, topic: &str, name: &str, value: Option<&str>) -> &mut Self {
        self.replay(MetadataRecord::Config(ConfigRecord {
            resource_type: TOPIC,
            resource_name: topic.to_string(),
            name: name.to_string(),
            value: value.map(str::to_string),
        }))
    }

    /// What has come to be since the last call.
    pub(crate) fn publish(&mut self) -> Publication {
        let before = std::mem::replace(&mut self.published, self.image.clone());
        let delta = MetadataDelta::between(&before, &self.image);
        Publication { delta, before: Arc::new(before), after: Arc::new(self.image.clone()) }
    }
}

/// Nothing about this partition.
pub(crate) fn changed(topic_id: [u8; 16], number: i32) -> PartitionChangeRecord {
    PartitionChangeRecord {
        partition_id: number,
        topic_id: Uuid(topic_id),
        ..PartitionChangeRecord::default()
    }
}

/// A broker that is not fenced; its epoch has to be its id.
pub(crate) fn of_listeners(listeners: &[&str]) -> RegisterBrokerRecord {
    let end_point = |(port, name): (u16, &&str)| BrokerEndpoint {
        name: name.to_string(),
        host: "localhost".to_string(),
        port,
        security_protocol: 0,
    };
    RegisterBrokerRecord {
        end_points: (9_000..).zip(listeners).map(end_point).collect(),
        fenced: false,
        ..RegisterBrokerRecord::default()
    }
}
