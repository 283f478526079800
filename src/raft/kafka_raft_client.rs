//! Port of `org.apache.kafka.raft.KafkaRaftClient` and `KafkaRaftClientDriver`: the thread that observes the
//! quorum for as long as the broker runs.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, mem};

use log::{debug, error, warn};

use crate::clients::interrupter::Interrupter;
use crate::common::failures::Failures;
use crate::common::lock::{locked, locked_again};
use crate::common::named_thread::spawn_named;
use crate::common::time::{SystemTime, Time};
use crate::common::uuid::random_uuid;
use crate::raft::observed_quorum::ObservedQuorum;
use crate::raft::observer::{Observer, Step};
use crate::raft::quorum::{ControllerNode, ControllerNodeProvider, LeaderAndEpoch};
use crate::raft::raft_config::RaftConfig;
use crate::raft::raft_fault::RaftFault;
use crate::raft::raft_listener::RaftListener;

/// The longest wait between two failures, unless the settings have a longer one: an election is over within
/// seconds, and its outcome should be noticed soon.
const RETRY_BACKOFF_MAX: Duration = Duration::from_millis(100);

/// Told once why the metadata log is not followed any more.
pub type FaultHandler = Box<dyn FnOnce(RaftFault) + Send>;

/// Runs until it is shut down, or has met a fault.
pub struct KafkaRaftClient {
    quorum: Arc<Mutex<ObservedQuorum>>,
    interrupter: Arc<Interrupter>,
    stop: Arc<Stop>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Ends the waits of the thread.
#[derive(Default)]
struct Stop {
    is_stopped: Mutex<bool>,
    changed: Condvar,
}

impl KafkaRaftClient {
    /// Starts the thread. What is committed goes to `listener`, on that thread. A fault ends it, and goes to
    /// `on_fault`: a broker that does not know its cluster any more should stop.
    ///
    /// # Errors
    /// If the system gives no thread or no random bytes.
    pub fn start(
        config: RaftConfig,
        listener: Box<dyn RaftListener>,
        on_fault: FaultHandler,
    ) -> io::Result<Self> {
        let turn = usize::from(random_uuid()?[0]);
        let quorum = Arc::new(Mutex::new(ObservedQuorum::new(&config, turn)));
        let interrupter = Arc::new(Interrupter::new());
        let stop = Arc::new(Stop::default());
        let backoff = Backoff::new(config.retry_backoff);
        let observer =
            Observer::new(config, Arc::clone(&quorum), Arc::clone(&interrupter), listener);
        let (of_thread, on_fault) = (Arc::clone(&stop), OnFault(Some(on_fault)));
        let thread = spawn_named("kafka-raft-io-thread".to_string(), move || {
            observe(observer, &of_thread, backoff, on_fault);
        })?;
        Ok(Self { quorum, interrupter, stop, thread: Mutex::new(Some(thread)) })
    }

    /// The leader that the quorum had last, as far as it is known here.
    pub fn leader_and_epoch(&self) -> LeaderAndEpoch {
        locked(&self.quorum).leader()
    }

    /// Up to where the metadata log is committed, as far as a leader has told; 0 before the first answer.
    pub fn high_watermark(&self) -> i64 {
        locked(&self.quorum).high_watermark()
    }

    /// Ends the thread, in whatever call it is. Waits for the listener if that is at work, unless that is
    /// the caller.
    pub fn shutdown(&self) {
        *locked(&self.stop.is_stopped) = true;
        self.stop.changed.notify_all();
        self.interrupter.interrupt();
        let thread = locked(&self.thread).take();
        let others = |it: &JoinHandle<()>| it.thread().id() != thread::current().id();
        if let Some(thread) = thread.filter(others)
            && thread.join().is_err()
        {
            error!("the thread that follows the metadata log has panicked");
        }
    }
}

impl Drop for KafkaRaftClient {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl ControllerNodeProvider for KafkaRaftClient {
    fn active_controller(&self) -> Option<ControllerNode> {
        locked(&self.quorum).leader_node()
    }
}

fn observe(mut observer: Observer, stop: &Stop, mut backoff: Backoff, mut on_fault: OnFault) {
    let (mut failures, clock) = (Failures::default(), SystemTime::new());
    while !stop.is_stopped() {
        match observer.step() {
            Ok(Step::Answered) => {
                backoff.reset();
                failures.forget();
            }
            Ok(Step::Failed(why)) => {
                if stop.is_stopped() {
                    break; // It was interrupted, and is no news.
                }
                match failures.news(&why, clock.hi_res_clock_ms()) {
                    Some(repeats) => warn!("waiting for a controller: {why}{repeats}"),
                    None => debug!("waiting for a controller: {why}"),
                }
                stop.wait(backoff.next());
            }
            Err(fault) => {
                error!("the metadata log cannot be followed any further: {fault}");
                on_fault.tell(fault);
                return;
            }
        }
    }
    on_fault.0 = None;
}

impl Stop {
    fn is_stopped(&self) -> bool {
        *locked(&self.is_stopped)
    }

    /// Returns sooner if it is stopped.
    fn wait(&self, time: Duration) {
        let is_stopped = locked(&self.is_stopped);
        let waited = self.changed.wait_timeout_while(is_stopped, time, |is_stopped| !*is_stopped);
        drop(locked_again(waited));
    }
}

/// Port of `ExponentialBackoff`: how long to wait after how many failures.
struct Backoff {
    first: Duration,
    next: Duration,
}

impl Backoff {
    fn new(first: Duration) -> Self {
        Self { first, next: first }
    }

    fn reset(&mut self) {
        self.next = self.first;
    }

    fn next(&mut self) -> Duration {
        let doubled = (self.next * 2).min(RETRY_BACKOFF_MAX).max(self.first);
        mem::replace(&mut self.next, doubled)
    }
}

/// Tells of a fault once, also of a panic.
struct OnFault(Option<FaultHandler>);

impl OnFault {
    fn tell(&mut self, fault: RaftFault) {
        if let Some(handler) = self.0.take() {
            handler(fault);
        }
    }
}

impl Drop for OnFault {
    fn drop(&mut self) {
        if thread::panicking() {
            let why = "the thread that follows the metadata log has panicked";
            self.tell(RaftFault(why.to_string()));
        }
    }
}
