//! Ports of Kafka's `DelayedOperationTest`, and a test for each of its faults that is not ported.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;

use support::wait::PATIENCE;
use transferto::common::hang_up::{Ending, HangUp};
use transferto::common::mock_time::MockTime;
use transferto::common::time::{SystemTime, Time};
use transferto::common::units::TimestampMs;
use transferto::purgatory::delayed_operation::{DelayedOperation, DelayedOperationPurgatory};

const PURGE_INTERVAL: usize = 1000;

/// What a test sees of its operation while the purgatory owns it.
#[derive(Debug, Default)]
struct Probe {
    completable: AtomicBool,
    tries: AtomicUsize,
    completions: AtomicUsize,
    expirations: AtomicUsize,
    abandonments: AtomicUsize,
}

impl Probe {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn make_completable(&self) {
        self.completable.store(true, Ordering::SeqCst);
    }

    fn completions(&self) -> usize {
        self.completions.load(Ordering::SeqCst)
    }

    fn abandonments(&self) -> usize {
        self.abandonments.load(Ordering::SeqCst)
    }

    fn expirations(&self) -> usize {
        self.expirations.load(Ordering::SeqCst)
    }
}

/// Kafka's `MockDelayedOperation`: can be completed when its probe says so.
struct MockOperation {
    delay_ms: i64,
    probe: Arc<Probe>,
    /// Runs in each `try_complete` before the answer, with the answer that will be given.
    during_try: Box<dyn Fn(bool) + Send + Sync>,
    /// Runs in `on_complete`.
    during_completion: Box<dyn Fn() + Send + Sync>,
}

impl MockOperation {
    fn new(delay_ms: i64, probe: &Arc<Probe>) -> Self {
        let probe = Arc::clone(probe);
        Self { delay_ms, probe, during_try: Box::new(|_| ()), during_completion: Box::new(|| ()) }
    }

    /// An operation that will not run out of time in this test.
    fn patient(probe: &Arc<Probe>) -> Self {
        Self::new(3_600_000, probe)
    }
}

impl DelayedOperation for MockOperation {
    fn try_complete(&self) -> bool {
        self.probe.tries.fetch_add(1, Ordering::SeqCst);
        let answer = self.probe.completable.load(Ordering::SeqCst);
        (self.during_try)(answer);
        answer
    }

    fn on_complete(&self) {
        self.probe.completions.fetch_add(1, Ordering::SeqCst);
        (self.during_completion)();
    }

    fn on_expiration(&self) {
        assert_eq!(self.probe.completions(), 1);
        self.probe.expirations.fetch_add(1, Ordering::SeqCst);
    }

    fn on_abandoned(&self) {
        assert_eq!(self.probe.completions(), 0);
        self.probe.abandonments.fetch_add(1, Ordering::SeqCst);
    }

    fn delay_ms(&self) -> i64 {
        self.delay_ms
    }
}

type Purgatory<K> = DelayedOperationPurgatory<K, MockOperation>;

/// A purgatory by a clock of the test's own, without a reaper.
fn new_purgatory() -> (Arc<MockTime>, Arc<Purgatory<&'static str>>) {
    let time = Arc::new(MockTime::new());
    let purgatory = Purgatory::new("Mock", time.clone(), PURGE_INTERVAL, false).unwrap();
    (time, purgatory)
}

/// Port of `DelayedOperationTest.testRequestSatisfaction`.
#[test]
fn an_operation_is_completed_once_when_its_key_is_checked() {
    let (_, purgatory) = new_purgatory();
    let (first, second) = (Probe::new(), Probe::new());
    assert_eq!(purgatory.check_and_complete(&"test1"), 0);
    assert!(!purgatory.try_complete_else_watch(MockOperation::patient(&first), &["test1"]));
    assert_eq!(purgatory.check_and_complete(&"test1"), 0);
    assert!(!purgatory.try_complete_else_watch(MockOperation::patient(&second), &["test2"]));
    assert_eq!(purgatory.check_and_complete(&"test2"), 0);

    first.make_completable();
    assert_eq!(purgatory.check_and_complete(&"test1"), 1);
    assert_eq!(purgatory.check_and_complete(&"test1"), 0);
    second.make_completable();
    assert_eq!(purgatory.check_and_complete(&"test2"), 1);
    assert_eq!(purgatory.check_and_complete(&"test2"), 0);
    assert_eq!((first.completions(), second.completions()), (1, 1));
    assert_eq!((first.expirations(), second.expirations()), (0, 0));
    assert_eq!((purgatory.delayed(), purgatory.watched()), (0, 0));
}

/// Port of `DelayedOperationTest.testRequestExpiry`, to the millisecond.
#[test]
fn an_operation_expires_when_its_time_has_run_out_and_not_before() {
    let (time, purgatory) = new_purgatory();
    let (short, long) = (Probe::new(), Probe::new());
    purgatory.try_complete_else_watch(MockOperation::new(20, &short), &["test1"]);
    purgatory.try_complete_else_watch(MockOperation::new(200_000, &long), &["test2"]);
    time.sleep(19);
    purgatory.advance_clock(0);
    assert_eq!(short.completions(), 0);
    time.sleep(1);
    purgatory.advance_clock(0);
    assert_eq!((short.completions(), short.expirations()), (1, 1));
    assert_eq!(long.completions(), 0);
    assert_eq!(purgatory.check_and_complete(&"test1"), 0);
    assert_eq!((purgatory.delayed(), purgatory.watched()), (1, 1));
}

/// Port of `DelayedOperationTest.testRequestPurge`: three operations under one, two and three keys.
/// Completing one takes it from the timer at once, and from a list when that list's key is checked.
#[test]
fn completed_operations_leave_the_lists_when_their_keys_are_checked() {
    let (time, purgatory) = new_purgatory();
    let probes = [Probe::new(), Probe::new(), Probe::new()];
    let keys = ["test1", "test2", "test3"];
    for (index, delay_ms) in [3_600_000, 1, 2].into_iter().enumerate() {
        let operation = MockOperation::new(delay_ms, &probes[index]);
        purgatory.try_complete_else_watch(operation, &keys[..=index]);
    }
    assert_eq!((purgatory.delayed(), purgatory.watched()), (3, 6));
    for delayed in [2, 1] {
        time.sleep(1);
        purgatory.advance_clock(0);
        assert_eq!((purgatory.delayed(), purgatory.watched()), (delayed, 6));
    }
    for (key, watched) in [("test1", 4), ("test2", 2), ("test3", 1)] {
        assert_eq!(purgatory.check_and_complete(&key), 0);
        assert_eq!(purgatory.watched(), watched);
    }
}

/// Each operation is watched under a key that is checked and under one that never is, where only a
/// purge can find it once it is completed.
#[test]
fn completed_operations_beyond_the_purge_interval_leave_all_lists() {
    let time = Arc::new(MockTime::new());
    let purgatory = Purgatory::new("Mock", time, 3, false).unwrap();
    purgatory.try_complete_else_watch(MockOperation::patient(&Probe::new()), &["quiet"]);
    for watched in [2, 3, 4, 1, 2] {
        let probe = Probe::new();
        purgatory.try_complete_else_watch(MockOperation::patient(&probe), &["quiet", "checked"]);
        probe.make_completable();
        assert_eq!(purgatory.check_and_complete(&"checked"), 1);
        purgatory.advance_clock(0);
        assert_eq!((purgatory.delayed(), purgatory.watched()), (1, watched));
    }
}

#[test]
fn an_operation_of_a_client_that_hangs_up_is_completed_or_abandoned_once() {
    for (ending, completions, abandonments) in [(Ending::HalfClosed, 1, 0), (Ending::Gone, 0, 1)] {
        let (time, purgatory) = new_purgatory();
        let (probe, hang_up) = (Probe::new(), HangUp::default());
        let operation = MockOperation::new(20, &probe);
        assert!(!purgatory.try_complete_else_watch_client(operation, &["test"], &hang_up));
        assert_eq!(probe.completions() + probe.abandonments(), 0);
        assert!(hang_up.note(ending));
        hang_up.tell();
        hang_up.tell();
        time.sleep(20);
        purgatory.advance_clock(0);
        assert_eq!((probe.completions(), probe.abandonments()), (completions, abandonments));
        assert_eq!(probe.expirations(), 0);
        assert_eq!(purgatory.check_and_complete(&"test"), 0);
        assert_eq!((purgatory.delayed(), purgatory.watched()), (0, 0));
    }
}

#[test]
fn an_operation_of_a_client_that_has_hung_up_before_does_not_wait() {
    let (_, purgatory) = new_purgatory();
    let (probe, hang_up) = (Probe::new(), HangUp::default());
    assert!(!hang_up.note(Ending::HalfClosed));
    let operation = MockOperation::patient(&probe);
    assert!(!purgatory.try_complete_else_watch_client(operation, &["test"], &hang_up));
    assert_eq!((probe.completions(), purgatory.delayed()), (1, 0));
}

#[test]
fn what_can_be_completed_at_once_is_never_watched() {
    let (_, purgatory) = new_purgatory();
    let probe = Probe::new();
    probe.make_completable();
    assert!(purgatory.try_complete_else_watch(MockOperation::patient(&probe), &["a", "b"]));
    assert_eq!(probe.completions(), 1);
    assert_eq!((purgatory.delayed(), purgatory.watched()), (0, 0));
}

#[test]
fn an_operation_that_may_not_wait_expires_at_once() {
    let (_, purgatory) = new_purgatory();
    let probe = Probe::new();
    assert!(purgatory.try_complete_else_watch(MockOperation::new(0, &probe), &["a"]));
    assert_eq!((probe.completions(), probe.expirations()), (1, 1));
    assert_eq!(purgatory.delayed(), 0);
}

/// The event comes between the first try and the watching: the second try must see it.
#[test]
fn an_event_before_the_watching_is_not_missed() {
    let (_, purgatory) = new_purgatory();
    let probe = Probe::new();
    let mut operation = MockOperation::patient(&probe);
    let event = Arc::clone(&probe);
    operation.during_try = Box::new(move |_| event.make_completable());
    assert!(purgatory.try_complete_else_watch(operation, &["a"]));
    assert_eq!((probe.tries.load(Ordering::SeqCst), probe.completions()), (2, 1));
    assert_eq!(purgatory.delayed(), 0);
}

/// KAFKA-3994: an operation that uses the purgatory, under its own key, while it is tried and while
/// it is completed. With a lock held over either, this test would hang.
#[test]
fn no_lock_of_the_purgatory_is_held_over_an_operation() {
    let (time, purgatory) = new_purgatory();
    for (key, delay_ms) in [("event", 3_600_000), ("timeout", 1)] {
        let probe = Probe::new();
        let mut operation = MockOperation::new(delay_ms, &probe);
        let (inner, outer) = (Arc::clone(&purgatory), Arc::clone(&purgatory));
        operation.during_try = Box::new(move |_| {
            inner.watched();
            inner.delayed();
        });
        operation.during_completion = Box::new(move || {
            assert_eq!(outer.check_and_complete(&key), 0);
            outer.advance_clock(0);
            let successor = MockOperation::patient(&Probe::new());
            outer.try_complete_else_watch(successor, &[key]);
        });
        assert!(!purgatory.try_complete_else_watch(operation, &[key]));
        if key == "event" {
            probe.make_completable();
            assert_eq!(purgatory.check_and_complete(&key), 1);
        } else {
            time.sleep(1);
            purgatory.advance_clock(0);
        }
        assert_eq!(probe.completions(), 1);
    }
    assert_eq!(purgatory.delayed(), 2);
}

/// KAFKA-5970, 6042, 6653. One thread tries the operation, finds it not ready, and then wants a
/// lock that a second thread holds (a partition's, say). The second makes the operation ready and
/// checks its key, still holding the lock: it must not wait for the first, and the first must try
/// again, though its own try has failed.
#[test]
fn an_event_during_a_failing_try_neither_waits_nor_is_lost() {
    let (_, purgatory) = new_purgatory();
    let probe = Probe::new();
    let partition_lock = Arc::new(Mutex::new(()));
    let (entered, has_entered) = mpsc::channel();
    let is_armed = Arc::new(AtomicBool::new(false));

    let mut operation = MockOperation::patient(&probe);
    let (lock, armed) = (Arc::clone(&partition_lock), Arc::clone(&is_armed));
    operation.during_try = Box::new(move |answer| {
        if armed.load(Ordering::SeqCst) {
            entered.send(answer).unwrap();
            drop(lock.lock().unwrap());
        }
    });
    purgatory.try_complete_else_watch(operation, &["a"]);
    is_armed.store(true, Ordering::SeqCst);

    let guard = partition_lock.lock().unwrap();
    let first_purgatory = Arc::clone(&purgatory);
    let first = thread::spawn(move || first_purgatory.check_and_complete(&"a"));
    assert!(!has_entered.recv_timeout(PATIENCE).unwrap());
    probe.make_completable();
    assert_eq!(purgatory.check_and_complete(&"a"), 0);
    assert_eq!(probe.completions(), 0);
    drop(guard);
    assert_eq!(first.join().unwrap(), 1);
    assert_eq!(probe.completions(), 1);
}

/// A wall clock that a person may set, over a monotonic one that nobody can.
#[derive(Default)]
struct SettableWallClock {
    wall_ms: AtomicI64,
    monotonic: MockTime,
}

impl Time for SettableWallClock {
    fn milliseconds(&self) -> TimestampMs {
        TimestampMs(self.wall_ms.load(Ordering::SeqCst))
    }

    fn nanoseconds(&self) -> i64 {
        self.monotonic.nanoseconds()
    }
}

/// KAFKA-4051.
#[test]
fn setting_the_wall_clock_moves_no_deadline() {
    let time = Arc::new(SettableWallClock::default());
    let purgatory = Purgatory::new("Mock", time.clone(), PURGE_INTERVAL, false).unwrap();
    let probe = Probe::new();
    purgatory.try_complete_else_watch(MockOperation::new(500, &probe), &["a"]);
    for wall_ms in [3_600_000, -3_600_000] {
        time.wall_ms.store(wall_ms, Ordering::SeqCst);
        purgatory.advance_clock(0);
        assert_eq!(probe.completions(), 0);
    }
    time.monotonic.sleep(500);
    purgatory.advance_clock(0);
    assert_eq!(probe.expirations(), 1);
}

/// A clock that does something, once, when it is read.
#[derive(Default)]
struct MeddlingClock {
    monotonic: MockTime,
    when_read: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Time for MeddlingClock {
    fn milliseconds(&self) -> TimestampMs {
        self.monotonic.milliseconds()
    }

    fn nanoseconds(&self) -> i64 {
        let meddle = self.when_read.lock().unwrap().take();
        meddle.into_iter().for_each(|meddle| meddle());
        self.monotonic.nanoseconds()
    }
}

/// The event comes after the second try has failed and before the timer has the operation, the
/// moment when the timer reads the clock.
#[test]
fn an_operation_completed_on_its_way_to_the_timer_does_not_stay_there() {
    let time = Arc::new(MeddlingClock::default());
    let purgatory = Purgatory::new("Mock", time.clone(), PURGE_INTERVAL, false).unwrap();
    let probe = Probe::new();
    let (event, meddler) = (Arc::clone(&probe), Arc::clone(&purgatory));
    *time.when_read.lock().unwrap() = Some(Box::new(move || {
        event.make_completable();
        assert_eq!(meddler.check_and_complete(&"a"), 1);
    }));
    assert!(!purgatory.try_complete_else_watch(MockOperation::patient(&probe), &["a"]));
    assert_eq!((probe.completions(), purgatory.delayed()), (1, 0));
}

#[test]
fn a_panic_in_a_try_hurts_no_stranger_and_the_operation_is_still_answered() {
    let (time, purgatory) = new_purgatory();
    let (fragile, sound) = (Probe::new(), Probe::new());
    let mut operation = MockOperation::new(10, &fragile);
    operation.during_try = Box::new(|_| panic!("as this test wants"));
    assert!(!purgatory.try_complete_else_watch(operation, &["a"]));
    purgatory.try_complete_else_watch(MockOperation::patient(&sound), &["a"]);
    sound.make_completable();
    assert_eq!(purgatory.check_and_complete(&"a"), 1);
    assert_eq!((fragile.completions(), sound.completions()), (0, 1));
    time.sleep(10);
    purgatory.advance_clock(0);
    assert_eq!((fragile.completions(), fragile.expirations()), (1, 1));
}

#[test]
fn a_panic_in_a_completion_hurts_no_stranger() {
    let (time, purgatory) = new_purgatory();
    for key in ["event", "timeout"] {
        let probes: Vec<Arc<Probe>> = (0..3).map(|_| Probe::new()).collect();
        for (number, probe) in probes.iter().enumerate() {
            let mut operation = MockOperation::new(10, probe);
            if number == 1 {
                operation.during_completion = Box::new(|| panic!("as this test wants"));
            }
            purgatory.try_complete_else_watch(operation, &[key]);
        }
        if key == "event" {
            probes.iter().for_each(|probe| probe.make_completable());
            assert_eq!(purgatory.check_and_complete(&key), 3);
        } else {
            time.sleep(10);
            purgatory.advance_clock(0);
        }
        assert!(probes.iter().all(|probe| probe.completions() == 1), "by {key}");
    }
    assert_eq!(purgatory.delayed(), 0);
}

/// The operation comes while the reaper sleeps its 200 ms, and is answered by the thread that bears
/// Kafka's name.
#[test]
fn the_reaper_expires_what_has_waited_too_long() {
    let purgatory =
        Purgatory::new("Fetch", Arc::new(SystemTime::new()), PURGE_INTERVAL, true).unwrap();
    let (sender, receiver) = mpsc::channel();
    for _ in 0..3 {
        let mut operation = MockOperation::new(5, &Probe::new());
        let sender = sender.clone();
        operation.during_completion = Box::new(move || {
            sender.send(thread::current().name().map(str::to_owned)).unwrap();
        });
        purgatory.try_complete_else_watch(operation, &["a"]);
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap().unwrap(), "ExpirationReaper-Fetch");
    }
    purgatory.shutdown();
    purgatory.shutdown();
}

#[test]
fn an_operation_may_shut_the_purgatory_down() {
    let purgatory =
        Purgatory::new("Mock", Arc::new(SystemTime::new()), PURGE_INTERVAL, true).unwrap();
    let (sender, receiver) = mpsc::channel();
    let mut operation = MockOperation::new(1, &Probe::new());
    let own: OnceLock<Arc<Purgatory<&str>>> = OnceLock::new();
    own.set(Arc::clone(&purgatory)).ok().unwrap();
    operation.during_completion = Box::new(move || {
        own.get().unwrap().shutdown();
        sender.send(()).unwrap();
    });
    purgatory.try_complete_else_watch(operation, &["a"]);
    receiver.recv_timeout(PATIENCE).unwrap();
}

/// Each operation becomes completable with the fourth of four events, one from each thread, while
/// the operations are still being put in. Nothing expires, so an operation that missed its last
/// event would stay.
#[test]
fn no_completion_is_lost_or_doubled_under_contention() {
    const OPERATIONS: usize = 2_000;
    const THREADS: usize = 4;
    let purgatory =
        Purgatory::new("Mock", Arc::new(MockTime::new()), PURGE_INTERVAL, false).unwrap();
    let probes: Vec<Arc<Probe>> = (0..OPERATIONS).map(|_| Probe::new()).collect();
    let events: Vec<AtomicUsize> = (0..OPERATIONS).map(|_| AtomicUsize::new(0)).collect();
    let completed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for number in 0..OPERATIONS {
                    if events[number].fetch_add(1, Ordering::SeqCst) + 1 == THREADS {
                        probes[number].make_completable();
                    }
                    completed.fetch_add(purgatory.check_and_complete(&number), Ordering::SeqCst);
                    let shared_key = OPERATIONS + number % 3;
                    let others = purgatory.check_and_complete(&shared_key);
                    completed.fetch_add(others, Ordering::SeqCst);
                }
            });
        }
        for (number, probe) in probes.iter().enumerate() {
            let keys = [OPERATIONS + number % 3, number];
            if purgatory.try_complete_else_watch(MockOperation::patient(probe), &keys) {
                completed.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    assert!(probes.iter().all(|probe| probe.completions() == 1));
    assert_eq!(completed.load(Ordering::SeqCst), OPERATIONS);
    assert_eq!(purgatory.delayed(), 0);
    for key in 0..OPERATIONS + 3 {
        purgatory.check_and_complete(&key);
    }
    assert_eq!(purgatory.watched(), 0);
}

/// Events and timeouts race for the same operations; each is completed by one of the two.
#[test]
fn an_event_and_a_timeout_do_not_both_complete_an_operation() {
    const OPERATIONS: usize = 2_000;
    let time = Arc::new(MockTime::new());
    let purgatory = Purgatory::new("Mock", time.clone(), 10, false).unwrap();
    let probes: Vec<Arc<Probe>> = (0..OPERATIONS).map(|_| Probe::new()).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            for (number, probe) in probes.iter().enumerate() {
                let operation = MockOperation::new(1 + number as i64 % 50, probe);
                purgatory.try_complete_else_watch(operation, &[number]);
            }
        });
        scope.spawn(|| {
            for (number, probe) in probes.iter().enumerate() {
                probe.make_completable();
                purgatory.check_and_complete(&number);
            }
        });
        scope.spawn(|| {
            for _ in 0..OPERATIONS {
                time.sleep(1);
                purgatory.advance_clock(0);
            }
        });
    });
    time.sleep(50);
    purgatory.advance_clock(0);
    assert!(probes.iter().all(|probe| probe.completions() == 1));
    assert!(probes.iter().all(|probe| probe.expirations() <= 1));
    assert_eq!(purgatory.delayed(), 0);
}
