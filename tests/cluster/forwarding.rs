//! A whole broker of a cluster passes on to the controller what is the controller's, over real sockets.

use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, topic_named};
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::image::records::broker_records::RegisterBrokerRecord;
use transferto::image::records::metadata_record::{MetadataRecord, RecordAndVersion};
use transferto::protocol::allocate_producer_ids::AllocateProducerIdsRequest;
use transferto::protocol::alter_configs::AlterConfigsResourceResponse;
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use transferto::protocol::create_topics::{CreatableTopic, CreateTopicsRequest};
use transferto::protocol::delete_topics::DeleteTopicsRequest;
use transferto::protocol::envelope::{EnvelopeRequest, EnvelopeResponse};
use transferto::protocol::find_coordinator::FindCoordinatorRequest;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource,
    IncrementalAlterConfigsResponse, IncrementalAlterableConfig,
};
use transferto::protocol::init_producer_id::InitProducerIdRequest;
use transferto::protocol::metadata::MetadataRequest;
use transferto::protocol::request::{
    RequestBody, ResponseBody, parse, request_bytes, small_response_bytes,
};
use transferto::protocol::wire::allowance::Allowance;

use crate::images::of_listeners;
use crate::scene::{BROKER_ID, feature, topic};
use crate::scripted_controller::{Answer, ScriptedController};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;

struct Scene {
    /// Goes first: its shutdown asks the controller.
    broker: Broker,
    controller: ScriptedController,
}

impl Scene {
    fn new() -> Self {
        let controller = ScriptedController::start(100);
        controller.append(&[value(&feature("metadata.version", 21))]);
        controller.change(|state| {
            let apis = [(20, 1, 6), (43, 0, 2), (44, 0, 1), (55, 0, 2)];
            state.supported_versions.extend(apis);
            state.finalized_features =
                vec![("metadata.version".to_string(), 21), ("kraft.version".to_string(), 1)];
        });
        let addr = controller.addr().to_string();
        let settings = [
            ("process.roles", "broker"),
            ("node.id", "1"),
            ("controller.quorum.bootstrap.servers", addr.as_str()),
            ("controller.listener.names", "CONTROLLER"),
            ("broker.heartbeat.interval.ms", "100"),
            ("offsets.topic.replication.factor", "1"),
        ];
        let broker = Broker::start_in(Arc::new(TempDir::new()), &settings);
        Self { controller, broker }
    }

    /// The client's request in the one envelope that has come.
    fn enclosed(&self) -> Vec<u8> {
        let envelopes = self.controller.wait_for_requests::<EnvelopeRequest>(1);
        let [envelope] = &envelopes[..] else { panic!("{} envelopes", envelopes.len()) };
        assert_eq!(envelope.client_host_address, [127, 0, 0, 1]);
        let principal = envelope.request_principal.as_deref().unwrap();
        assert_eq!(principal, b"\0\0\x05User\x0aANONYMOUS\0\0");
        envelope.request_data.clone()
    }

    fn envelope_count(&self) -> usize {
        self.controller.asked::<EnvelopeRequest>().len()
    }
}

fn value(record: &MetadataRecord) -> Vec<u8> {
    RecordAndVersion::from(record.clone()).to_bytes()
}

/// What the controller answers to whatever is in the envelope, in the client's own version.
fn answer(envelope: &EnvelopeRequest, body: &ResponseBody) -> Answer<EnvelopeResponse> {
    let (header, _) = parse(&envelope.request_data, Allowance::full()).unwrap();
    let response_data = Some(small_response_bytes(&header, body));
    Answer::Send(EnvelopeResponse { response_data, error_code: 0 })
}

fn refused(error: Errors) -> Answer<EnvelopeResponse> {
    Answer::Send(EnvelopeResponse { response_data: None, error_code: error.code() })
}

fn delete_topics() -> RequestBody {
    RequestBody::DeleteTopics(DeleteTopicsRequest {
        topic_names: vec!["post".to_string()],
        ..DeleteTopicsRequest::default()
    })
}

/// What a client reads after asking for the deletion of a topic: the error of that topic.
fn deletion(client: &mut Client) -> Errors {
    let (response, _) = client.call(4, &delete_topics(), &[]);
    let ResponseBody::DeleteTopics(response) = response else { panic!("{response:?}") };
    Errors::for_code(response.responses[0].error_code)
}

fn deleted(envelope: &EnvelopeRequest, error: Errors) -> Answer<EnvelopeResponse> {
    let body = delete_topics().error_response(error).unwrap();
    answer(envelope, &body)
}

#[test]
fn a_request_that_is_the_controllers_goes_to_it_and_its_response_comes_back() {
    let scene = Scene::new();
    scene.controller.script::<EnvelopeRequest>(|it| deleted(it, Errors::TopicDeletionDisabled));
    let mut client = scene.broker.connect();
    let header = client.send(4, &delete_topics(), &[]);
    let frame = client.receive_frame();
    let body = delete_topics().error_response(Errors::TopicDeletionDisabled).unwrap();
    assert_eq!(frame, small_response_bytes(&header, &body));
    assert_eq!(scene.enclosed(), request_bytes(&header, &delete_topics(), &[]));
}

/// Kafka's brokers decode what they forward; this one needs no table for it.
#[test]
fn a_request_of_which_only_the_header_is_known_is_forwarded_as_well() {
    let scene = Scene::new();
    scene.controller.script::<EnvelopeRequest>(|_| {
        let response_data = Some(b"\0\0\0\x07\0what only the client reads".to_vec());
        Answer::Send(EnvelopeResponse { response_data, error_code: 0 })
    });
    let mut client = scene.broker.connect();
    let header = RequestHeader {
        api_key: ApiKeys::DescribeQuorum,
        api_version: 1,
        correlation_id: 7,
        client_id: Some("admin".to_string()),
    };
    let mut frame = request_bytes(&header, &RequestBody::Forwarded(header.api_key), &[]);
    frame.extend(b"what only the controller reads");
    client.send_frame(&frame);
    assert_eq!(client.receive_frame(), b"\0\0\0\x07\0what only the client reads");
    assert_eq!(scene.enclosed(), frame);
}

#[test]
fn a_controller_that_is_not_active_any_more_is_not_the_clients_concern() {
    let scene = Scene::new();
    scene.controller.script_once::<EnvelopeRequest>(|_| refused(Errors::NotController));
    scene.controller.script::<EnvelopeRequest>(|it| deleted(it, Errors::None));
    assert_eq!(deletion(&mut scene.broker.connect()), Errors::None);
    assert_eq!(scene.envelope_count(), 2);
}

#[test]
fn a_broker_that_may_not_forward_answers_with_an_error_and_goes_on() {
    let scene = Scene::new();
    scene
        .controller
        .script_once::<EnvelopeRequest>(|_| refused(Errors::ClusterAuthorizationFailed));
    scene.controller.script::<EnvelopeRequest>(|it| deleted(it, Errors::None));
    let mut client = scene.broker.connect();
    assert_eq!(deletion(&mut client), Errors::UnknownServerError);
    assert_eq!(deletion(&mut client), Errors::None);
}

#[test]
fn a_client_whose_version_the_controller_has_not_loses_its_connection() {
    let scene = Scene::new();
    // Told at once, for the broker knows the controller's versions.
    let mut client = scene.broker.connect();
    client.send(0, &delete_topics(), &[]);
    client.assert_closed();
    assert_eq!(scene.envelope_count(), 0);
    // Told by a controller that has changed meanwhile.
    scene.controller.script::<EnvelopeRequest>(|_| refused(Errors::UnsupportedVersion));
    let mut client = scene.broker.connect();
    client.send(4, &delete_topics(), &[]);
    client.assert_closed();
    assert_eq!(scene.envelope_count(), 1);
}

#[test]
fn a_request_that_is_too_long_for_any_change_is_not_forwarded() {
    let scene = Scene::new();
    let topic_names = vec!["n".repeat(249); 40_000];
    let request = RequestBody::DeleteTopics(DeleteTopicsRequest {
        topic_names,
        ..DeleteTopicsRequest::default()
    });
    let (response, _) = scene.broker.connect().call(4, &request, &[]);
    let ResponseBody::DeleteTopics(response) = response else { panic!() };
    assert_eq!(response.responses[0].error_code, Errors::InvalidRequest.code());
    assert_eq!(scene.envelope_count(), 0);
}

#[test]
fn clients_learn_the_versions_and_the_features_of_the_cluster() {
    let scene = Scene::new();
    let request = RequestBody::ApiVersions(ApiVersionsRequest::default());
    let (response, _) = scene.broker.connect().call(4, &request, &[]);
    let ResponseBody::ApiVersions(response) = response else { panic!("{response:?}") };
    let versions = |api: ApiKeys| {
        let found = response.api_keys.iter().find(|it| it.api_key == api.id());
        found.map(|it| (it.min_version, it.max_version))
    };
    assert_eq!(versions(ApiKeys::DeleteTopics), Some((1, 6)));
    assert_eq!(versions(ApiKeys::ElectLeaders), Some((0, 2)));
    assert_eq!(versions(ApiKeys::UpdateFeatures), None);
    let finalized: Vec<_> =
        response.finalized_features.iter().map(|it| (&*it.name, it.max_version_level)).collect();
    assert_eq!(finalized, [("kraft.version", 1), ("metadata.version", 21)]);
    assert!(response.finalized_features_epoch >= 0);
}

#[test]
fn a_topic_comes_into_being_by_the_controller_when_a_client_uses_it() {
    let scene = Scene::new();
    scene.controller.script::<EnvelopeRequest>(|_| refused(Errors::UnknownServerError));
    let mut client = scene.broker.connect();
    let metadata = RequestBody::Metadata(MetadataRequest {
        topics: Some(vec![topic_named("post")]),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    });
    let error = |client: &mut Client| {
        let (response, _) = client.call(8, &metadata, &[]);
        let ResponseBody::Metadata(response) = response else { panic!("{response:?}") };
        Errors::for_code(response.topics[0].error_code)
    };
    assert_eq!(error(&mut client), Errors::LeaderNotAvailable);
    let (header, body) = {
        let bytes = scene.enclosed();
        parse(&bytes, Allowance::full()).unwrap()
    };
    assert_eq!(header.client_id.as_deref(), Some("test"));
    let RequestBody::CreateTopics(request) = body else { panic!("{body:?}") };
    let CreatableTopic { name, num_partitions, replication_factor, .. } = &request.topics[0];
    assert_eq!((&**name, *num_partitions, *replication_factor), ("post", -1, -1));
    scene.controller.append(&topic("post").each_ref().map(value));
    wait_until("the topic is there", || error(&mut client) == Errors::None);
}

#[test]
fn the_first_question_for_a_group_has_the_controller_create_the_offsets_topic() {
    let scene = Scene::new();
    let mut client = scene.broker.connect();
    let question = RequestBody::FindCoordinator(FindCoordinatorRequest {
        key: "group".to_string(),
        ..FindCoordinatorRequest::default()
    });
    let found = |client: &mut Client| {
        let (response, _) = client.call(2, &question, &[]);
        let ResponseBody::FindCoordinator(response) = response else { panic!("{response:?}") };
        (Errors::for_code(response.error_code), response.node_id)
    };
    assert_eq!(found(&mut client).0, Errors::CoordinatorNotAvailable);
    let asked = scene.controller.wait_for_requests::<CreateTopicsRequest>(1);
    let CreatableTopic { name, num_partitions, replication_factor, .. } = &asked[0].topics[0];
    assert_eq!((&**name, *num_partitions, *replication_factor), ("__consumer_offsets", 50, 1));
    assert_eq!(scene.envelope_count(), 0, "the broker asks for its own topic as itself");
    let registered = MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: BROKER_ID,
        ..of_listeners(&["PLAINTEXT"])
    });
    scene.controller.append(&[value(&registered)]);
    scene.controller.append(&topic("__consumer_offsets").each_ref().map(value));
    wait_until("the coordinator is there", || found(&mut client) == (Errors::None, BROKER_ID));
}

#[test]
fn an_idempotent_producer_gets_an_id_of_the_controllers_blocks() {
    let scene = Scene::new();
    let mut client = scene.broker.connect();
    let request = RequestBody::InitProducerId(InitProducerIdRequest {
        transaction_timeout_ms: 1000,
        ..InitProducerIdRequest::default()
    });
    let mut init = || {
        let (response, _) = client.call(1, &request, &[]);
        let ResponseBody::InitProducerId(response) = response else { panic!("{response:?}") };
        (Errors::for_code(response.error_code), response.producer_id)
    };
    assert_eq!(init().0, Errors::CoordinatorLoadInProgress);
    wait_until("there is a block", || init() == (Errors::None, 0));
    assert_eq!(init(), (Errors::None, 1));
    let asked = scene.controller.asked::<AllocateProducerIdsRequest>();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].broker_epoch >= 0, "the broker is registered");
}

/// Sets one setting of a resource.
fn altering(
    resource_type: i8,
    name: &str,
    setting: &str,
    value: &str,
) -> IncrementalAlterConfigsResource {
    let config = IncrementalAlterableConfig {
        name: setting.to_string(),
        config_operation: 0,
        value: Some(value.to_string()),
    };
    IncrementalAlterConfigsResource {
        resource_type,
        resource_name: name.to_string(),
        configs: vec![config],
    }
}

/// The error of each resource that an alteration was about, by its name.
fn altered(
    client: &mut Client,
    resources: Vec<IncrementalAlterConfigsResource>,
) -> Vec<(String, Errors)> {
    let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
    let (response, _) = client.call(1, &RequestBody::IncrementalAlterConfigs(request), &[]);
    let ResponseBody::IncrementalAlterConfigs(response) = response else { panic!("{response:?}") };
    let responses = response.responses.into_iter();
    responses.map(|it| (it.resource_name, Errors::for_code(it.error_code))).collect()
}

#[test]
fn what_a_broker_cannot_be_set_to_it_refuses_itself_and_the_rest_is_forwarded() {
    let scene = Scene::new();
    scene.controller.script::<EnvelopeRequest>(|it| {
        let (_, body) = parse(&it.request_data, Allowance::full()).unwrap();
        let RequestBody::IncrementalAlterConfigs(request) = body else { panic!("{body:?}") };
        let responses = request.resources.iter().map(|it| AlterConfigsResourceResponse {
            resource_type: it.resource_type,
            resource_name: it.resource_name.clone(),
            ..AlterConfigsResourceResponse::default()
        });
        let response =
            IncrementalAlterConfigsResponse { throttle_time_ms: 0, responses: responses.collect() };
        answer(it, &ResponseBody::IncrementalAlterConfigs(response))
    });
    let mut client = scene.broker.connect();
    let one_of_each = vec![
        altering(BROKER, "1", "broker.id", "9"),
        altering(TOPIC, "post", "retention.ms", "1"),
        altering(BROKER, "2", "log.roll.ms", "9"),
        altering(BROKER_LOGGER, "1", "root", "WARN"),
    ];
    let results = altered(&mut client, one_of_each);
    let invalid = |name: &str| (name.to_string(), Errors::InvalidRequest);
    let expected = [("post".to_string(), Errors::None), invalid("1"), invalid("2"), invalid("1")];
    assert_eq!(results, expected);
    let bytes = scene.enclosed();
    let (_, body) = parse(&bytes, Allowance::full()).unwrap();
    let RequestBody::IncrementalAlterConfigs(request) = body else { panic!("{body:?}") };
    assert_eq!(request.resources, [altering(TOPIC, "post", "retention.ms", "1")]);

    let refused = altered(&mut client, vec![altering(BROKER, "1", "broker.id", "9")]);
    assert_eq!(refused, [invalid("1")]);
    assert_eq!(scene.envelope_count(), 1, "nothing is left to forward");

    let taken = altered(&mut client, vec![altering(BROKER, "1", "log.roll.ms", "9000")]);
    assert_eq!(taken, [("1".to_string(), Errors::None)]);
    assert_eq!(scene.envelope_count(), 2);
}

#[test]
fn a_single_node_knows_nothing_of_what_is_only_forwarded() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.send(1, &RequestBody::Forwarded(ApiKeys::DescribeQuorum), &[]);
    client.assert_closed();
    let request = RequestBody::ApiVersions(ApiVersionsRequest::default());
    let (response, _) = broker.connect().call(4, &request, &[]);
    assert_eq!(response, ResponseBody::ApiVersions(ApiVersionsResponse::supported()));
}
