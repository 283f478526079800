//! Ids for idempotent producers from the controller's blocks.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use transferto::clients::node_api_versions::NodeApiVersions;
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::common::time::Time;
use transferto::protocol::allocate_producer_ids::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse,
};
use transferto::server::cluster::controller_channel::{
    ControllerCallback, ControllerChannel, ControllerError, ControllerRequest, ControllerResponse,
};
use transferto::server::cluster::rpc_producer_id_manager::RpcProducerIdManager;
use transferto::server::metadata::producer_id_manager::ProducerIdManager;

use crate::mock_controller_channel::MockControllerChannel;
use crate::scene::BROKER_ID;

struct Scene {
    channel: Arc<MockControllerChannel>,
    time: Arc<MockTime>,
    manager: RpcProducerIdManager,
}

impl Scene {
    fn new() -> Self {
        let (channel, controller) = MockControllerChannel::new();
        let time = Arc::new(MockTime::new());
        let clock: Arc<dyn Time> = time.clone();
        let manager =
            RpcProducerIdManager::new(BROKER_ID, Box::new(|| Some(1)), &controller, &clock);
        Self { channel, time, manager }
    }

    fn generate(&self) -> Result<i64, Errors> {
        self.manager.generate_producer_id().map_err(|error| error.code())
    }

    /// Nobody has an id now, and the next block is asked for, if it was not yet.
    fn has_to_wait(&self) {
        assert_eq!(self.generate(), Err(Errors::CoordinatorLoadInProgress));
    }

    fn give(&self, start: i64, length: i32) {
        self.channel.take().respond::<AllocateProducerIdsRequest>(&block(start, length));
    }
}

fn block(producer_id_start: i64, producer_id_len: i32) -> AllocateProducerIdsResponse {
    AllocateProducerIdsResponse {
        producer_id_start,
        producer_id_len,
        ..AllocateProducerIdsResponse::default()
    }
}

fn refusal(error: Errors) -> AllocateProducerIdsResponse {
    AllocateProducerIdsResponse { error_code: error.code(), ..block(0, 0) }
}

#[test]
fn the_first_producer_waits_for_the_first_block() {
    let scene = Scene::new();
    scene.has_to_wait();
    scene.has_to_wait();
    assert_eq!(scene.channel.sent_count(), 1, "one request is under way at a time");
    let sent = scene.channel.take();
    let request: AllocateProducerIdsRequest = sent.body();
    assert_eq!((request.broker_id, request.broker_epoch), (BROKER_ID, 1));
    sent.respond::<AllocateProducerIdsRequest>(&block(5000, 1000));
    assert_eq!(scene.generate(), Ok(5000));
    assert_eq!(scene.generate(), Ok(5001));
}

#[test]
fn the_next_block_is_asked_for_when_nine_tenths_of_this_one_are_used() {
    let scene = Scene::new();
    scene.has_to_wait();
    scene.give(0, 1000);
    for id in 0..900 {
        assert_eq!(scene.generate(), Ok(id));
        assert_eq!(scene.channel.sent_count(), 0, "{id}");
    }
    assert_eq!(scene.generate(), Ok(900));
    scene.give(7000, 1000);
    for id in (901..1000).chain(7000..7010) {
        assert_eq!(scene.generate(), Ok(id), "producers notice nothing");
    }
}

/// Port of `ProducerIdManagerTest.testConcurrentGeneratePidRequests`.
#[test]
fn no_two_producers_get_one_id_however_many_ask_at_once() {
    for block_length in [1, 2, 10, 100] {
        let wanted = usize::try_from(block_length * 3).unwrap();
        let channel: Arc<dyn ControllerChannel> = Arc::new(Generous::of(block_length));
        let time: Arc<dyn Time> = Arc::new(MockTime::new());
        let manager = RpcProducerIdManager::new(BROKER_ID, Box::new(|| Some(1)), &channel, &time);
        let (given, count) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    while count.load(Ordering::SeqCst) < wanted {
                        match manager.generate_producer_id() {
                            Ok(id) => {
                                given.lock().unwrap().push(id);
                                count.fetch_add(1, Ordering::SeqCst);
                            }
                            Err(error) => {
                                assert_eq!(error.code(), Errors::CoordinatorLoadInProgress);
                            }
                        }
                    }
                });
            }
        });
        let given = given.into_inner().unwrap();
        let different: HashSet<_> = given.iter().collect();
        assert_eq!(different.len(), given.len());
        let highest = i64::try_from(given.len()).unwrap();
        assert!(given.iter().all(|id| (0..highest).contains(id)), "no id is skipped: {given:?}");
    }
}

/// A controller that answers each request at once with the next block.
struct Generous {
    next: AtomicI64,
    length: i32,
}

impl Generous {
    fn of(length: i32) -> Self {
        Self { next: AtomicI64::new(0), length }
    }
}

impl ControllerChannel for Generous {
    fn send(&self, request: ControllerRequest, callback: ControllerCallback) {
        let start = self.next.fetch_add(i64::from(self.length), Ordering::SeqCst);
        // Throttle time, error, start, length, no tags.
        let body =
            [&[0; 6], &start.to_be_bytes()[..], &self.length.to_be_bytes()[..], &[0]].concat();
        let version = *request.versions.end();
        callback(Ok(ControllerResponse { version, body: &body }));
    }

    fn controller_api_versions(&self) -> Option<Arc<NodeApiVersions>> {
        None
    }
}

/// Port of `ProducerIdManagerTest.testUnrecoverableErrors` and `ProducerIdManagerTest.testRetryBackoff`.
#[test]
fn after_an_error_of_the_controller_the_next_request_waits_a_while() {
    let errors = [
        Errors::UnknownServerError,
        Errors::InvalidRequest,
        Errors::StaleBrokerEpoch,
        Errors::BrokerIdNotRegistered,
    ];
    for error in errors {
        let scene = Scene::new();
        scene.has_to_wait();
        scene.channel.take().respond::<AllocateProducerIdsRequest>(&refusal(error));
        scene.is_asked_again_after_a_while();
    }
}

/// Port of `ProducerIdManagerTest.testRetryBackoffOnVersionMismatch` and
/// `ProducerIdManagerTest.testRetryBackoffOnNoResponse`.
#[test]
fn without_a_response_the_next_request_waits_a_while_too() {
    let errors = [
        ControllerError::TimedOut,
        ControllerError::UnsupportedVersion("none".to_string()),
        ControllerError::Malformed("odd".to_string()),
    ];
    for error in errors {
        let scene = Scene::new();
        scene.has_to_wait();
        scene.channel.take().fail(error);
        scene.is_asked_again_after_a_while();
    }
}

/// Port of `ProducerIdManagerTest.testInvalidRanges`.
#[test]
fn a_block_that_cannot_be_is_no_block() {
    for (start, length) in [(-1, 10), (0, -1), (0, 0), (i64::MAX - 1, 10)] {
        let scene = Scene::new();
        scene.has_to_wait();
        scene.give(start, length);
        scene.is_asked_again_after_a_while();
    }
}

impl Scene {
    fn is_asked_again_after_a_while(&self) {
        self.has_to_wait();
        self.time.sleep(49);
        self.has_to_wait();
        assert_eq!(self.channel.sent_count(), 0);
        self.time.sleep(1);
        self.has_to_wait();
        self.give(0, 1);
        assert_eq!(self.generate(), Ok(0));
    }
}
