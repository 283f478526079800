//! A broker whose controllers are gone, or say nothing that it can follow: it ends soon all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::broker::Broker;
use support::temp::TempDir;
use transferto::common::time::{SystemTime, Time};
use transferto::common::units::TimestampMs;
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use transferto::protocol::fetch::FetchRequest;

use crate::broker_server::{borrowed, controller_with, settings};
use crate::scene::topic;
use crate::scripted_controller::{Answer, ScriptedController};

/// More than a stop takes in which nobody waits, on a machine that is busy, and less than it waits for
/// controllers that have just fallen silent.
const SOON: Duration = Duration::from_secs(8);
/// Controllers that have been silent for so long have fenced every broker.
const LONG_MS: i64 = 60_000;

/// The machine's clocks, from which a test can take time that it does not wait for.
#[derive(Default)]
struct LeapingTime {
    clocks: SystemTime,
    leapt_ms: AtomicI64,
}

impl LeapingTime {
    fn leap(&self, ms: i64) {
        self.leapt_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Time for LeapingTime {
    fn milliseconds(&self) -> TimestampMs {
        self.clocks.milliseconds()
    }

    fn nanoseconds(&self) -> i64 {
        self.clocks.nanoseconds() + self.leapt_ms.load(Ordering::SeqCst) * 1_000_000
    }
}

/// Stops a broker that has run, a long time after `end` has ended its controller, and returns how long the
/// stop took.
fn stop_after(end: impl FnOnce(ScriptedController) -> Option<ScriptedController>) -> Duration {
    let controller = controller_with(&topic("post"));
    let time = Arc::<LeapingTime>::default();
    let settings = settings(&controller);
    let for_broker = Arc::clone(&time);
    let broker = Broker::start_with(Arc::new(TempDir::new()), &borrowed(&settings), |it| {
        it.time(for_broker)
    });
    let mut client = broker.connect();
    assert_eq!(client.produce("post", 0, &support::records::batch(&[b"x"])).error_code, 0);
    fall_silent(&controller);
    let ended = end(controller);
    time.leap(LONG_MS);
    let began = Instant::now();
    broker.shutdown().expect("the logs are closed as at any other stop");
    let took = began.elapsed();
    drop(ended);
    took
}

/// When this returns, the broker has read the last answer that it gets to a heartbeat.
fn fall_silent(controller: &ScriptedController) {
    controller.script::<BrokerHeartbeatRequest>(|_| Answer::Silence);
    let asked = controller.asked::<BrokerHeartbeatRequest>().len();
    controller.wait_for_requests::<BrokerHeartbeatRequest>(asked + 1);
    controller.script::<ApiVersionsRequest>(|_| Answer::Silence);
    controller.script::<FetchRequest>(|_| Answer::Silence);
}

#[test]
fn a_stop_waits_for_no_controller_that_is_dead() {
    let took = stop_after(|controller| {
        drop(controller);
        None
    });
    assert!(took < SOON, "{took:?}");
}

#[test]
fn a_stop_waits_for_no_controller_that_says_nothing_any_more() {
    let took = stop_after(Some);
    assert!(took < SOON, "{took:?}");
}

/// The record is there when the first metadata are published already, and the broker waits for its heartbeats
/// to be answered.
#[test]
fn a_start_ends_if_the_metadata_log_cannot_be_followed_while_it_waits() {
    const UNKNOWN_TYPE: [u8; 3] = [1, 100, 0];
    let controller = controller_with(&[]);
    let not_caught_up = BrokerHeartbeatResponse::default();
    controller.script::<BrokerHeartbeatRequest>(move |_| Answer::Send(not_caught_up.clone()));
    thread::scope(|scope| {
        let (dir, settings) = (TempDir::new(), settings(&controller));
        let start = scope.spawn(move || Broker::start_error(&dir, &borrowed(&settings), |it| it));
        controller.wait_until("a broker that has published", |state| {
            let heartbeats = state.requests::<BrokerHeartbeatRequest>();
            heartbeats.iter().any(|it| it.current_metadata_offset >= 0).then_some(())
        });
        controller.append(&[UNKNOWN_TYPE.to_vec()]);
        let error = start.join().unwrap();
        assert!(error.contains("cannot be followed any further"), "{error}");
        assert!(error.contains("type 100"), "{error}");
    });
}
