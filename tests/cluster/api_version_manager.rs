//! What a client learns of the APIs and the features of a cluster.

use std::ops::RangeInclusive;
use std::sync::Arc;

use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::api_versions::ApiVersionsResponse;
use transferto::server::cluster::api_version_manager::ApiVersionManager;

use crate::mock_controller_channel::MockControllerChannel;
use crate::scene::{feature, metadata_cache};

fn manager() -> (Arc<MockControllerChannel>, ApiVersionManager) {
    let (mock, controller) = MockControllerChannel::new();
    let cache = metadata_cache(&[feature("metadata.version", 21)]);
    (mock, ApiVersionManager::new(&controller, &cache))
}

fn versions(response: &ApiVersionsResponse, api: ApiKeys) -> Option<RangeInclusive<i16>> {
    let found = response.api_keys.iter().find(|it| it.api_key == api.id());
    found.map(|it| it.min_version..=it.max_version)
}

#[test]
fn of_what_is_forwarded_clients_learn_the_versions_that_both_have() {
    let (channel, manager) = manager();
    channel.connect(&[(19, 2, 5), (43, 0, 9), (33, 9, 9)]);
    let response = manager.api_version_response(4);
    assert_eq!(versions(&response, ApiKeys::CreateTopics), Some(2..=5));
    assert_eq!(versions(&response, ApiKeys::ElectLeaders), Some(0..=2));
    assert_eq!(versions(&response, ApiKeys::AlterConfigs), None, "no version is common");
    assert_eq!(versions(&response, ApiKeys::DeleteTopics), None, "the controller has none");
    let ours = ApiKeys::Produce.advertised_versions();
    assert_eq!(versions(&response, ApiKeys::Produce), ours, "it is answered here");
    assert!(response.api_keys.is_sorted_by_key(|it| it.api_key));

    assert!(manager.is_api_enabled(ApiKeys::CreateTopics, 2));
    assert!(!manager.is_api_enabled(ApiKeys::CreateTopics, 1));
    assert!(!manager.is_api_enabled(ApiKeys::DeleteTopics, 4));
}

#[test]
fn while_no_controller_is_known_clients_learn_what_this_broker_has() {
    let (_channel, manager) = manager();
    let response = manager.api_version_response(4);
    assert_eq!(
        versions(&response, ApiKeys::CreateTopics),
        ApiKeys::CreateTopics.advertised_versions()
    );
    assert_eq!(versions(&response, ApiKeys::DescribeQuorum), Some(0..=2));
}

#[test]
fn between_two_controllers_clients_learn_what_they_learnt_before() {
    let (channel, manager) = manager();
    channel.connect(&[(19, 2, 5)]);
    let before = manager.api_version_response(4);
    channel.disconnect();
    assert_eq!(manager.api_version_response(4), before);
    channel.connect(&[(19, 2, 7)]);
    let after = manager.api_version_response(4);
    assert_eq!(versions(&after, ApiKeys::CreateTopics), Some(2..=7));
}

#[test]
fn clients_learn_what_the_cluster_has_agreed_on() {
    let (channel, manager) = manager();
    channel.connect_with_features(&[("metadata.version", 20), ("kraft.version", 1)]);
    let response = manager.api_version_response(4);
    let finalized: Vec<_> = response
        .finalized_features
        .iter()
        .map(|it| (it.name.as_str(), it.min_version_level, it.max_version_level))
        .collect();
    // What this broker has applied counts, not what the controller has.
    assert_eq!(finalized, [("kraft.version", 1, 1), ("metadata.version", 21, 21)]);
    assert_eq!(response.finalized_features_epoch, 41);
}

/// Kafka's fix of KAFKA-17011: clients of old versions cannot read a feature whose lowest level is 0.
#[test]
fn a_feature_that_begins_at_0_is_for_clients_of_version_4() {
    let (_channel, manager) = manager();
    let supported = |version| -> Vec<(String, i16, i16)> {
        let response = manager.api_version_response(version);
        let features = response.supported_features.into_iter();
        features.map(|it| (it.name, it.min_version, it.max_version)).collect()
    };
    let metadata_version = ("metadata.version".to_string(), 7, 21);
    assert_eq!(supported(3), std::slice::from_ref(&metadata_version));
    assert_eq!(supported(4), [("kraft.version".to_string(), 0, 1), metadata_version]);
}
