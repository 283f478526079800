//! What the tests of a broker in a cluster begin with.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use transferto::common::end_point::{EndPoint, SecurityProtocol};
use transferto::common::kafka_principal::KafkaPrincipal;
use transferto::image::current_image::CurrentImage;
use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::config_records::FeatureLevelRecord;
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::image::records::topic_records::{PartitionRecord, TopicRecord};
use transferto::network::request_channel::Session;
use transferto::protocol::wire::uuid::Uuid;
use transferto::server::cluster::kraft_metadata_cache::KRaftMetadataCache;
use transferto::server::metadata::metadata_cache::MetadataCache;

use crate::scripted_controller::CLUSTER_ID;

/// The broker under test.
pub(crate) const BROKER_ID: i32 = 1;

/// What broker 1 knows of a cluster with these records, which end at offset 41.
pub(crate) fn metadata_cache(records: &[MetadataRecord]) -> Arc<dyn MetadataCache> {
    let mut image = MetadataImage::default();
    records.iter().for_each(|record| image.replay(record).unwrap());
    image.provenance.last_contained_offset = 41;
    let current = Arc::new(CurrentImage::default());
    current.set(Arc::new(image));
    Arc::new(KRaftMetadataCache::new(BROKER_ID, CLUSTER_ID.to_string(), current))
}

/// A topic of one partition, which broker 1 leads.
pub(crate) fn topic(name: &str) -> [MetadataRecord; 2] {
    let topic_id = Uuid([7; 16]);
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id,
        replicas: vec![BROKER_ID],
        isr: vec![BROKER_ID],
        leader: BROKER_ID,
        leader_epoch: 0,
        partition_epoch: 0,
        ..PartitionRecord::default()
    };
    let topic = TopicRecord { name: name.to_string(), topic_id };
    [MetadataRecord::Topic(topic), MetadataRecord::Partition(partition)]
}

pub(crate) fn feature(name: &str, feature_level: i16) -> MetadataRecord {
    MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.to_string(), feature_level })
}

/// A client that has come from this address.
pub(crate) fn session(user: &str, address: impl Into<IpAddr>) -> Session {
    let local_address = SocketAddr::from(([127, 0, 0, 1], 9092));
    let listener = EndPoint::new(SecurityProtocol::Plaintext, "localhost".to_string(), 9092);
    Session {
        listener: Arc::new(listener),
        principal: KafkaPrincipal::user(user),
        client_address: SocketAddr::new(address.into(), 50_000),
        local_address,
    }
}
