//! Clients' requests on their way to the controller, and its responses on their way back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use transferto::common::errors::Errors;
use transferto::common::kafka_principal::KafkaPrincipal;
use transferto::common::metrics::Metrics;
use transferto::protocol::envelope::{EnvelopeRequest, EnvelopeResponse};
use transferto::server::cluster::controller_channel::ControllerError;
use transferto::server::cluster::forwarding_manager::{
    FORWARDING_TIMEOUT_MS, ForwardedRequest, ForwardingError, ForwardingManager,
};

use crate::mock_controller_channel::{MockControllerChannel, Sent};

const CORRELATION_ID: i32 = 27;
const REQUEST: &[u8] = b"header and body";

type Forwarded = Result<Vec<u8>, ForwardingError>;

/// Forwards a request of `User:alice`. Returns it as it arrives at the channel, and what comes back.
fn forward(address: IpAddr) -> (Sent, Receiver<Forwarded>, Arc<Metrics>) {
    let (mock, controller) = MockControllerChannel::new();
    let metrics = Arc::new(Metrics::default());
    let manager = ForwardingManager::new(&controller, &metrics);
    let (answers, answer) = channel();
    let request = ForwardedRequest {
        api: "AlterConfigs",
        correlation_id: CORRELATION_ID,
        bytes: REQUEST.to_vec(),
        principal: &KafkaPrincipal::user("alice"),
        client_address: address,
    };
    manager.forward_request(request, move |response| answers.send(response).unwrap());
    assert!(answer.try_recv().is_err(), "nobody has answered yet");
    (mock.take(), answer, metrics)
}

/// What a client reads after the controller's response.
fn answered(response: &EnvelopeResponse) -> Forwarded {
    let (sent, answer, _) = forward(Ipv4Addr::LOCALHOST.into());
    sent.respond::<EnvelopeRequest>(response);
    answer.try_recv().unwrap()
}

/// What a client reads if no response comes.
fn failed(error: ControllerError) -> Forwarded {
    let (sent, answer, _) = forward(Ipv4Addr::LOCALHOST.into());
    sent.fail(error);
    answer.try_recv().unwrap()
}

fn response_of(correlation_id: i32) -> Vec<u8> {
    [&correlation_id.to_be_bytes(), b"\0the rest".as_slice()].concat()
}

#[test]
fn a_request_travels_as_it_came_with_the_clients_principal_and_address_beside_it() {
    let (sent, ..) = forward(Ipv4Addr::new(192, 0, 2, 7).into());
    assert_eq!(sent.request.timeout_ms, FORWARDING_TIMEOUT_MS);
    let envelope: EnvelopeRequest = sent.body();
    assert_eq!(envelope.request_data, REQUEST);
    // As Java's `DefaultKafkaPrincipalBuilder` of Kafka 4.4.0 writes `User:alice`.
    assert_eq!(envelope.request_principal.unwrap(), b"\0\0\x05User\x06alice\0\0");
    assert_eq!(envelope.client_host_address, [192, 0, 2, 7]);
}

#[test]
fn an_address_takes_four_bytes_or_sixteen() {
    let address_of = |address: IpAddr| forward(address).0.body::<EnvelopeRequest>();
    let v6: Ipv6Addr = "2001:db8::1".parse().unwrap();
    assert_eq!(address_of(v6.into()).client_host_address, v6.octets());
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    assert_eq!(address_of(mapped.into()).client_host_address, [127, 0, 0, 1]);
}

#[test]
fn a_response_reaches_the_client_as_it_came() {
    let response_data = Some(response_of(CORRELATION_ID));
    let response = EnvelopeResponse { response_data, error_code: 0 };
    assert_eq!(answered(&response), Ok(response_of(CORRELATION_ID)));
}

/// Port of `ForwardingManagerTest.testResponseCorrelationIdMismatch`.
#[test]
fn a_response_to_another_request_is_not_passed_on() {
    let unknown = Err(ForwardingError::Failed(Errors::UnknownServerError));
    let response_data = Some(response_of(CORRELATION_ID + 1));
    assert_eq!(answered(&EnvelopeResponse { response_data, error_code: 0 }), unknown);
    for response_data in [None, Some(Vec::new()), Some(vec![0; 3])] {
        assert_eq!(answered(&EnvelopeResponse { response_data, error_code: 0 }), unknown);
    }
}

/// Port of `ForwardingManagerTest.testUnsupportedVersions`: the client is to ask for the versions again.
#[test]
fn a_controller_that_has_changed_its_versions_ends_the_clients_connection() {
    let error_code = Errors::UnsupportedVersion.code();
    let response = EnvelopeResponse { response_data: None, error_code };
    assert_eq!(answered(&response), Err(ForwardingError::UnsupportedVersion));
}

#[test]
fn an_envelope_that_is_refused_is_no_fault_of_the_client() {
    for error in [Errors::ClusterAuthorizationFailed, Errors::PrincipalDeserializationFailure] {
        let response = EnvelopeResponse { response_data: None, error_code: error.code() };
        let unknown = Err(ForwardingError::Failed(Errors::UnknownServerError));
        assert_eq!(answered(&response), unknown, "{error}");
    }
}

/// Port of `ForwardingManagerTest.testForwardingTimeoutWaitingForControllerDiscovery` and
/// `ForwardingManagerTest.testForwardingTimeoutAfterRetry`.
#[test]
fn a_request_that_no_controller_answers_in_time_has_timed_out() {
    let timed_out = Err(ForwardingError::Failed(Errors::RequestTimedOut));
    assert_eq!(failed(ControllerError::TimedOut), timed_out);
    assert_eq!(failed(ControllerError::ShuttingDown), timed_out);
}

/// Port of `ForwardingManagerTest.testUnsupportedVersionFromNetworkClient`.
#[test]
fn a_controller_without_envelopes_is_no_fault_of_the_client() {
    let unknown = Err(ForwardingError::Failed(Errors::UnknownServerError));
    assert_eq!(failed(ControllerError::UnsupportedVersion("none".to_string())), unknown);
    assert_eq!(failed(ControllerError::Malformed("odd".to_string())), unknown);
}

/// Port of `ForwardingManagerTest.testForwardingManagerMetricsOnComplete` and
/// `ForwardingManagerTest.testForwardingManagerMetricsOnTimeout`.
#[test]
fn the_queue_is_as_long_as_requests_wait() {
    for is_answered in [true, false] {
        let (sent, _answer, metrics) = forward(Ipv4Addr::LOCALHOST.into());
        assert_eq!(metrics.forwarding_queue_length.value(), 1);
        match is_answered {
            true => sent.respond::<EnvelopeRequest>(&EnvelopeResponse::default()),
            false => sent.fail(ControllerError::TimedOut),
        }
        assert_eq!(metrics.forwarding_queue_length.value(), 0);
    }
}
