//! How often replicas read the clock on the way of a request: only where the time decides something.

use std::cell::Cell;
use std::sync::Arc;

use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::common::time::Time;
use transferto::common::units::TimestampMs;
use transferto::config::log_config::LogConfig;

use crate::fixture::Mocks;
use crate::replica::partition_scene::{LOCAL, OTHER, REMOTE, Scene};

/// As a consumer has no id.
const CONSUMER: i32 = -1;

thread_local! {
    /// Of this thread: timers read clocks as well.
    static READS: Cell<usize> = const { Cell::new(0) };
}

/// A clock that stands still, and counts who looks.
struct CountedTime(MockTime);

impl Time for CountedTime {
    fn milliseconds(&self) -> TimestampMs {
        READS.set(READS.get() + 1);
        self.0.milliseconds()
    }

    fn nanoseconds(&self) -> i64 {
        READS.set(READS.get() + 1);
        self.0.nanoseconds()
    }
}

fn leader(isr: &[i32]) -> Scene {
    let time = Arc::new(CountedTime(MockTime::new()));
    let scene = Scene::with_time(LogConfig::default(), Mocks::new(), time);
    scene.make_leader(5, isr);
    scene
}

fn reads_of(work: impl FnOnce()) -> usize {
    let before = READS.get();
    work();
    READS.get() - before
}

#[test]
fn an_append_reads_no_clock_while_all_replicas_are_in_sync() {
    let scene = leader(&[LOCAL, REMOTE, OTHER]);
    scene.append(1);
    scene.fetch(REMOTE, 1).unwrap();
    assert_eq!(reads_of(|| scene.append(1)), 0);
}

/// One that has lately caught up holds the watermark back, though it is not in sync yet.
#[test]
fn an_append_reads_the_clock_for_a_replica_that_may_be_about_to_join() {
    let scene = leader(&[LOCAL]);
    scene.fetch(REMOTE, 0).unwrap();
    scene.take_change().answer(Err(Errors::IneligibleReplica));
    assert!(reads_of(|| scene.append(1)) > 0);
}

#[test]
fn the_fetch_of_a_consumer_reads_no_clock() {
    let scene = leader(&[LOCAL]);
    scene.append(1);
    assert_eq!(reads_of(|| drop(scene.fetch(CONSUMER, 0).unwrap())), 0);
    // The leader notes when a follower has fetched.
    assert!(reads_of(|| drop(scene.fetch(REMOTE, 1).unwrap())) > 0);
}
