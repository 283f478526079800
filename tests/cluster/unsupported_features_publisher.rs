//! What a broker says of a cluster that has what it lacks.

use std::sync::{Arc, Mutex};

use transferto::image::metadata_publisher::MetadataPublisher;
use transferto::image::records::broker_records::{BrokerFeature, RegisterBrokerRecord};
use transferto::server::cluster::unsupported_features_publisher::UnsupportedFeaturesPublisher;

use crate::images::{Cluster, of_listeners, topic_id};

const TRANSACTIONS: &str = "__transaction_state";

/// Broker 1, which watches the cluster.
struct Watched {
    cluster: Cluster,
    publisher: UnsupportedFeaturesPublisher,
    words: Arc<Mutex<Vec<String>>>,
}

impl Watched {
    fn new() -> Self {
        let words: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&words);
        let keep = move |words: &str| kept.lock().unwrap().push(words.to_string());
        let publisher = UnsupportedFeaturesPublisher::warning_by(1, keep);
        Self { cluster: Cluster::default(), publisher, words }
    }

    /// What is said of what has changed.
    fn words(&mut self) -> Vec<String> {
        let it = self.cluster.publish();
        self.publisher.on_metadata_update(&it.delta, &it.before, &it.after);
        std::mem::take(&mut *self.words.lock().unwrap())
    }

    fn broker(&mut self, id: i32, features: &[(&str, i16, i16)]) -> &mut Self {
        let feature = |&(name, min, max): &(&str, i16, i16)| BrokerFeature {
            name: name.to_string(),
            min_supported_version: min,
            max_supported_version: max,
        };
        self.cluster.broker_with(RegisterBrokerRecord {
            broker_id: id,
            broker_epoch: i64::from(id),
            features: features.iter().map(feature).collect(),
            ..of_listeners(&["PLAINTEXT"])
        });
        self
    }
}

#[test]
fn brokers_of_its_own_kind_are_no_reason_for_a_word() {
    let mut watched = Watched::new();
    for id in 1..=3 {
        watched.broker(id, &[("kraft.version", 0, 1), ("metadata.version", 7, 21)]);
    }
    watched.cluster.topic("post", topic_id(1)).partition(topic_id(1), 0, &[1, 2], 1);
    assert!(watched.words().is_empty());
}

#[test]
fn a_broker_with_transactions_is_named_once() {
    let of_kafka_4: &[_] = &[("metadata.version", 7, 33), ("transaction.version", 0, 2)];
    let of_kafka_3_9: &[_] = &[("metadata.version", 1, 21), ("kraft.version", 0, 1)];
    for features in [of_kafka_4, of_kafka_3_9] {
        let mut watched = Watched::new();
        watched.broker(2, features);
        let words = watched.words();
        assert!(words.len() == 1 && words[0].contains("broker 2 has transactions"), "{words:?}");
        watched.broker(3, features);
        assert!(watched.words().is_empty());
    }
}

#[test]
fn a_transaction_coordinator_to_be_says_so_each_time() {
    let mut watched = Watched::new();
    let id = topic_id(1);
    watched.cluster.topic(TRANSACTIONS, id);
    watched.cluster.partition(id, 0, &[2, 1], 2).partition(id, 1, &[1, 2], 1);
    let words = watched.words();
    assert!(words[0].contains("this broker leads __transaction_state 1, and"), "{words:?}");

    watched.cluster.lead(id, 0, 1, &[1]);
    let words = watched.words();
    assert!(words[0].contains("this broker leads __transaction_state 0, and"), "{words:?}");
    watched.cluster.lead(id, 0, 2, &[2]);
    assert!(watched.words().is_empty());
}

#[test]
fn share_groups_and_tiered_topics_with_a_replica_here_are_named() {
    let mut watched = Watched::new();
    watched.cluster.topic("__share_group_state", topic_id(1));
    for (number, name, replicas) in
        [(2, "ours", [2, 1]), (3, "theirs", [2, 3]), (4, "plain", [1, 2])]
    {
        let id = topic_id(number);
        watched.cluster.topic(name, id).partition(id, 0, &replicas, 2);
        if name != "plain" {
            watched.cluster.configure(name, "remote.storage.enable", Some("true"));
        }
    }
    let words = watched.words().join("\n");
    assert!(words.contains("the cluster has __share_group_state"), "{words}");
    assert!(words.contains("topic \"ours\" has remote.storage.enable"), "{words}");
    assert_eq!(words.lines().count(), 2, "{words}");
    watched.cluster.configure("ours", "retention.ms", Some("1"));
    assert!(watched.words().is_empty());
}

/// And nothing is remembered of topics that are gone.
#[test]
fn a_topic_that_goes_and_comes_again_is_named_again() {
    let mut watched = Watched::new();
    for number in 1..=3 {
        let (tiered, transactions) = (topic_id(number), topic_id(100 + number));
        watched.cluster.topic("tiered", tiered).partition(tiered, 0, &[1], 1);
        watched.cluster.configure("tiered", "remote.storage.enable", Some("true"));
        watched.cluster.topic(TRANSACTIONS, transactions).partition(transactions, 0, &[1], 1);
        let words = watched.words().join("\n");
        assert!(words.contains("topic \"tiered\" has") && words.contains("leads"), "{words}");
        watched.cluster.remove(tiered).remove(transactions);
        // The second time they come back in the same publication.
        if number == 2 {
            continue;
        }
        assert!(watched.words().is_empty());
    }
}
