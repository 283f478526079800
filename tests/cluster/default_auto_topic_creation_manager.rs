//! Topics that the controller creates because a client of this broker uses them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use transferto::common::errors::Errors;
use transferto::config::config_reader::read_settings;
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::network::request_channel::Session;
use transferto::protocol::create_topics::{
    CreatableTopic, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use transferto::protocol::envelope::{EnvelopeRequest, EnvelopeResponse};
use transferto::protocol::request::{RequestBody, parse};
use transferto::protocol::wire::allowance::Allowance;
use transferto::server::cluster::controller_channel::{ControllerChannel, ControllerError};
use transferto::server::cluster::default_auto_topic_creation_manager::DefaultAutoTopicCreationManager;
use transferto::server::cluster::forwarding_manager::ForwardingManager;
use transferto::server::metadata::auto_topic_creation_manager::{
    AutoTopicCreationManager, Requester,
};

use crate::mock_controller_channel::{MockControllerChannel, Sent};
use crate::scene::{metadata_cache, session, topic};

const OFFSETS: &str = "__consumer_offsets";

struct Scene {
    channel: Arc<MockControllerChannel>,
    manager: DefaultAutoTopicCreationManager,
    session: Session,
}

impl Scene {
    fn new(settings: &[(&str, &str)], records: &[MetadataRecord]) -> Self {
        let (channel, controller) = MockControllerChannel::new();
        let controller: Arc<dyn ControllerChannel> = controller;
        let forwarding = Arc::new(ForwardingManager::new(&controller, &Arc::default()));
        let config = read_settings(settings.iter().copied()).unwrap();
        let cache = metadata_cache(records);
        let manager =
            DefaultAutoTopicCreationManager::new(&config, &controller, &forwarding, &cache);
        Self { channel, manager, session: session("alice", Ipv4Addr::LOCALHOST) }
    }

    /// As a Metadata request of `User:alice` with the correlation id 27.
    fn create(&self, names: &[&str]) -> Vec<Option<Errors>> {
        let requester =
            Requester { session: &self.session, client_id: Some("console"), correlation_id: 27 };
        let names = names.iter().map(|name| (*name).to_string()).collect();
        let results = self.manager.auto_create_topics(names, &requester);
        results.into_iter().map(|it| it.err().map(|error| error.code())).collect()
    }
}

/// The request inside an envelope, and the version and the client id of its header.
fn enclosed(sent: &Sent) -> (CreateTopicsRequest, i16, Option<String>) {
    let envelope: EnvelopeRequest = sent.body();
    assert_eq!(envelope.request_principal.unwrap(), b"\0\0\x05User\x06alice\0\0");
    let (header, body) = parse(&envelope.request_data, Allowance::full()).unwrap();
    assert_eq!(header.correlation_id, 27);
    let RequestBody::CreateTopics(request) = body else { panic!("{body:?}") };
    (request, header.api_version, header.client_id)
}

fn created(name: &str, error: Errors) -> CreateTopicsResponse {
    let topic = CreatableTopicResult {
        name: name.to_string(),
        error_code: error.code(),
        ..CreatableTopicResult::default()
    };
    CreateTopicsResponse { throttle_time_ms: 0, topics: vec![topic] }
}

/// Port of `DefaultAutoTopicCreationManagerTest.testCreateOffsetTopic`.
#[test]
fn the_offsets_topic_is_this_brokers_to_ask_for_without_an_envelope() {
    let settings =
        [("offsets.topic.num.partitions", "2"), ("offsets.topic.replication.factor", "1")];
    let scene = Scene::new(&settings, &[]);
    let missing = scene.manager.create_group_metadata_topic().unwrap_err();
    assert_eq!(missing.code(), Errors::LeaderNotAvailable);
    // Asking again while the first request is under way sends no second one.
    scene.manager.create_group_metadata_topic().unwrap_err();
    assert!(!scene.manager.must_be_made(OFFSETS).unwrap());
    assert_eq!(scene.channel.sent_count(), 1);
    let sent = scene.channel.take();
    let request: CreateTopicsRequest = sent.body();
    let [topic] = &request.topics[..] else { panic!("{request:?}") };
    assert_eq!(
        (topic.name.as_str(), topic.num_partitions, topic.replication_factor),
        (OFFSETS, 2, 1)
    );
    let configs: Vec<_> =
        topic.configs.iter().map(|it| (it.name.as_str(), it.value.as_deref().unwrap())).collect();
    let expected = [
        ("cleanup.policy", "compact"),
        ("compression.type", "producer"),
        ("segment.bytes", "104857600"),
    ];
    assert_eq!(configs, expected);
    // Another broker came first.
    sent.respond::<CreateTopicsRequest>(&created(OFFSETS, Errors::TopicAlreadyExists));
    scene.manager.create_group_metadata_topic().unwrap_err();
    assert_eq!(scene.channel.sent_count(), 1);
}

#[test]
fn an_offsets_topic_that_is_there_is_not_asked_for() {
    let scene = Scene::new(&[], &topic(OFFSETS));
    assert_eq!(scene.manager.create_group_metadata_topic().unwrap(), 1);
    assert!(!scene.manager.must_be_made(OFFSETS).unwrap());
    assert_eq!(scene.channel.sent_count(), 0);
}

/// Port of `DefaultAutoTopicCreationManagerTest.testCreateNonInternalTopic`.
#[test]
fn a_topic_has_what_this_broker_is_set_to_or_else_what_the_controller_is() {
    for (settings, partitions) in [(&[][..], -1), (&[("num.partitions", "3")][..], 3)] {
        let scene = Scene::new(settings, &[]);
        assert_eq!(scene.create(&["topic"]), [None]);
        assert_eq!(scene.create(&["topic"]), [None]);
        assert_eq!(scene.channel.sent_count(), 1, "one request for a topic under way");
        let (request, ..) = enclosed(&scene.channel.take());
        let expected = CreatableTopic {
            name: "topic".to_string(),
            num_partitions: partitions,
            replication_factor: -1,
            ..CreatableTopic::default()
        };
        assert_eq!(request.topics, [expected]);
        assert!(!request.validate_only);
    }
}

/// Port of `DefaultAutoTopicCreationManagerTest.testTopicCreationWithMetadataContext`.
#[test]
fn a_clients_topics_are_asked_for_in_its_name() {
    let scene = Scene::new(&[], &[]);
    scene.channel.connect(&[(19, 2, 5), (58, 0, 0)]);
    scene.create(&["one", "two"]);
    let (request, version, client_id) = enclosed(&scene.channel.take());
    let names: Vec<_> = request.topics.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!((version, client_id.as_deref()), (5, Some("console")));
}

/// Port of `AutoTopicCreationManagerTest.testTopicCreationWithMetadataContextNoRetryUponUnsupportedVersion`.
#[test]
fn a_topic_is_asked_for_again_only_when_its_request_is_over() {
    let scene = Scene::new(&[], &[]);
    scene.create(&["topic"]);
    assert!(!scene.manager.must_be_made("topic").unwrap());
    let error_code = Errors::UnsupportedVersion.code();
    let refused = EnvelopeResponse { response_data: None, error_code };
    scene.channel.take().respond::<EnvelopeRequest>(&refused);
    assert!(scene.manager.must_be_made("topic").unwrap());
    scene.create(&["topic"]);
    scene.channel.take().fail(ControllerError::TimedOut);
    scene.create(&["topic"]);
    assert_eq!(scene.channel.sent_count(), 1);
}

#[test]
fn an_illegal_name_is_refused_here_and_the_others_go_on() {
    let scene = Scene::new(&[], &[]);
    let results = scene.create(&["a/b", "topic"]);
    assert_eq!(results, [Some(Errors::InvalidTopicException), None]);
    let (request, ..) = enclosed(&scene.channel.take());
    assert_eq!(request.topics.len(), 1);
    assert!(scene.manager.must_be_made("a/b").is_err());
    assert_eq!(scene.create(&["a/b"]), [Some(Errors::InvalidTopicException)]);
    assert_eq!(scene.channel.sent_count(), 0, "a request without topics is not sent");
}

#[test]
fn clients_cannot_have_more_topics_under_way_than_one_request_may_create() {
    let scene = Scene::new(&[], &[]);
    let names: Vec<String> = (0..10_001).map(|number| format!("topic-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    scene.create(&names);
    let sent = scene.channel.take();
    assert_eq!(enclosed(&sent).0.topics.len(), 10_000);
    scene.create(&["one-more"]);
    assert_eq!(scene.channel.sent_count(), 0);
    sent.fail(ControllerError::TimedOut);
    scene.create(&["one-more"]);
    assert_eq!(scene.channel.sent_count(), 1);
}

#[test]
fn auto_creation_can_be_switched_off_but_not_for_the_offsets_topic() {
    let scene = Scene::new(&[("auto.create.topics.enable", "false")], &[]);
    assert!(!scene.manager.may_create("topic"));
    assert!(scene.manager.may_create(OFFSETS));
}
