//! What clients can learn of a cluster whose controllers are elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use transferto::common::end_point::ListenerName;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::LeaderEpoch;
use transferto::image::current_image::CurrentImage;
use transferto::image::records::broker_records::RegisterBrokerRecord;
use transferto::server::cluster::kraft_metadata_cache::KRaftMetadataCache;
use transferto::server::metadata::metadata_cache::{MetadataCache, Node};

use crate::images::{Cluster, of_listeners, topic_id};

/// What broker 1 knows of the cluster.
fn cache_of(cluster: &mut Cluster) -> KRaftMetadataCache {
    let image = Arc::new(CurrentImage::default());
    image.set(cluster.publish().after);
    KRaftMetadataCache::new(1, "the-cluster".to_string(), image)
}

fn ids(nodes: &[Node]) -> Vec<i32> {
    nodes.iter().map(|it| it.id).collect()
}

/// Port of `MetadataCacheTest.getTopicMetadataNonExistingTopics`.
#[test]
fn before_the_first_image_there_is_nothing() {
    let cache = KRaftMetadataCache::new(1, "the-cluster".to_string(), Arc::default());
    let listener = ListenerName::normalised("PLAINTEXT");
    let local = "127.0.0.1:9092".parse().unwrap();
    assert!(cache.topic("topic").is_none() && cache.topics().is_empty());
    assert!(cache.alive_brokers(&listener, local).is_empty());
    assert_eq!(cache.controller_id(), -1);
    assert_eq!(cache.leader_and_epoch(&TopicAndPartition::new("topic", 0)), None);
}

#[test]
fn brokers_are_listed_by_the_listener_of_the_client_and_only_if_they_are_not_fenced() {
    let mut cluster = Cluster::default();
    let rack = Some("r1".to_string());
    cluster.broker_with(RegisterBrokerRecord {
        broker_id: 1,
        rack: rack.clone(),
        ..of_listeners(&["PLAINTEXT", "INTERNAL"])
    });
    cluster.broker(2, &["PLAINTEXT"]).broker(3, &["PLAINTEXT", "INTERNAL"]).fence(3);
    let cache = cache_of(&mut cluster);
    let local = "10.0.0.1:1".parse().unwrap();
    let (plaintext, internal) =
        (ListenerName::normalised("PLAINTEXT"), ListenerName::normalised("internal"));
    assert_eq!(ids(&cache.alive_brokers(&plaintext, local)), [1, 2]);
    let host = "localhost".to_string();
    assert_eq!(cache.alive_brokers(&internal, local), [Node { id: 1, host, port: 9001, rack }]);
    assert!(cache.alive_brokers(&ListenerName::normalised("SSL"), local).is_empty());
    let registered = cache.registered_brokers(&plaintext, local);
    let registered: Vec<_> = registered.into_iter().map(|(it, fenced)| (it.id, fenced)).collect();
    assert_eq!(registered, [(1, false), (2, false), (3, true)]);
}

#[test]
fn each_broker_that_is_not_fenced_is_named_as_the_controller_in_its_turn() {
    let mut cluster = Cluster::default();
    for id in 1..=4 {
        cluster.broker(id, &["PLAINTEXT"]);
    }
    let cache = cache_of(cluster.fence(2));
    let named: BTreeSet<i32> = (0..3).map(|_| cache.controller_id()).collect();
    assert_eq!(named, BTreeSet::from([1, 3, 4]));
}

#[test]
fn topics_are_found_by_name_and_by_id_until_a_newer_image_has_others() {
    let mut cluster = Cluster::default();
    let id = topic_id(1);
    cluster.topic("a", id).partition(id, 0, &[1, 2], 2).lead(id, 0, 1, &[1, 2]);
    let image = Arc::new(CurrentImage::default());
    image.set(cluster.publish().after);
    let cache = KRaftMetadataCache::new(1, "the-cluster".to_string(), Arc::clone(&image));
    assert_eq!((cache.topic("a").unwrap().id, cache.topic_name(&id)), (id, Some(Arc::from("a"))));
    let leader = |partition| cache.leader_and_epoch(&TopicAndPartition::new("a", partition));
    assert_eq!((leader(0), leader(1), leader(-1)), (Some((1, LeaderEpoch(1))), None, None));
    cluster.remove(id).topic("a", topic_id(2));
    image.set(cluster.publish().after);
    assert_eq!((cache.topic("a").unwrap().id, cache.topic_name(&id)), (topic_id(2), None));
}
