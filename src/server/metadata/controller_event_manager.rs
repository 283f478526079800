//! Port of `kafka.controller.ControllerEventManager`: changes of what the whole cluster sees, one at a
//! time, on a thread of their own.
//!
//! A change works on the disk for as long as that takes. The request handlers leave it here and go on
//! with other requests: however many clients ask for changes, they keep one thread busy.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use log::{error, info};

use crate::common::lock::{locked, locked_again};
use crate::common::named_thread::spawn_named;
use crate::common::purge_size::PurgeSize;

/// The name of the thread.
const CONTROLLER_EVENT_THREAD_NAME: &str = "controller-event-thread";

/// A change that waits for its turn: it is processed or preempted, once.
pub trait ControllerEvent: Send {
    /// Makes the change, and answers whoever asked for it.
    fn process(self: Box<Self>);

    /// In the place of [`process`](Self::process) if the broker stops first, or if the change is moot
    /// and too many wait. Nothing was changed.
    fn preempt(self: Box<Self>);

    /// Whether the client that asked for the change is gone.
    fn is_moot(&self) -> bool {
        false
    }
}

/// The queue of changes and its thread.
#[derive(Default)]
pub struct ControllerEventManager {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ControllerEventManager {
    /// Starts the thread. What was put before is processed then.
    ///
    /// # Errors
    /// If the system gives no thread, in one sentence.
    pub fn start(&self) -> io::Result<()> {
        let queue = Arc::clone(&self.queue);
        let name = CONTROLLER_EVENT_THREAD_NAME.to_string();
        *locked(&self.thread) = Some(spawn_named(name, move || queue.process_all())?);
        Ok(())
    }

    /// Takes a change into the queue. A connection has one request under way, but a client may reset
    /// one and come again. So the queue is purged of those that are gone whenever it has doubled: it
    /// is at most about twice as long as there are connections.
    pub fn put(&self, event: Box<dyn ControllerEvent>) {
        for event in self.queue.put(event) {
            event.preempt();
        }
    }

    /// Kafka's `EventQueueSize`: how many changes wait for the one under way.
    pub fn event_queue_size(&self) -> usize {
        locked(&self.queue.state).events.len()
    }

    /// Ends the thread after the change that it is about. Those that wait are preempted, as in
    /// Kafka: nobody would learn of them any more, and they might take long. Calling it again does
    /// nothing.
    pub fn close(&self) {
        let waiting = self.queue.close();
        if !waiting.is_empty() {
            info!("{} changes had not begun and are dropped", waiting.len());
        }
        for event in waiting {
            event.preempt();
        }
        let thread = locked(&self.thread).take();
        if thread.is_some_and(|it| it.join().is_err()) {
            error!("the {CONTROLLER_EVENT_THREAD_NAME} had died of a panic");
        }
    }
}

/// A manager that is dropped leaves no thread behind.
impl Drop for ControllerEventManager {
    fn drop(&mut self) {
        self.close();
    }
}

#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    events: VecDeque<Box<dyn ControllerEvent>>,
    purge_size: PurgeSize,
    is_closed: bool,
}

impl Queue {
    /// Returns the events that are to be preempted: this one if the queue is closed.
    fn put(&self, event: Box<dyn ControllerEvent>) -> VecDeque<Box<dyn ControllerEvent>> {
        let mut state = locked(&self.state);
        if state.is_closed {
            return VecDeque::from([event]);
        }
        state.events.push_back(event);
        self.changed.notify_one();
        state.purge_if_doubled()
    }

    /// Returns the events that nobody will take any more.
    fn close(&self) -> VecDeque<Box<dyn ControllerEvent>> {
        let mut state = locked(&self.state);
        state.is_closed = true;
        self.changed.notify_all();
        std::mem::take(&mut state.events)
    }

    /// The next event; none once the queue is closed.
    fn take(&self) -> Option<Box<dyn ControllerEvent>> {
        let mut state = locked(&self.state);
        loop {
            if let Some(event) = state.events.pop_front() {
                return Some(event);
            }
            if state.is_closed {
                return None;
            }
            state = locked_again(self.changed.wait(state));
        }
    }

    fn process_all(&self) {
        while let Some(event) = self.take() {
            // A panic is a bug of ours in one change, and ends that one alone: what an event owns,
            // such as the reply to a request, is dropped with it.
            if catch_unwind(AssertUnwindSafe(|| event.process())).is_err() {
                error!("a change panicked");
            }
        }
    }
}

impl QueueState {
    /// Takes out the changes of clients that are gone.
    fn purge_if_doubled(&mut self) -> VecDeque<Box<dyn ControllerEvent>> {
        if !self.purge_size.is_reached(self.events.len()) {
            return VecDeque::new();
        }
        let (moot, waiting): (VecDeque<_>, _) =
            std::mem::take(&mut self.events).into_iter().partition(|event| event.is_moot());
        self.events = waiting;
        self.purge_size.set(self.events.len());
        moot
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use super::*;
    use crate::common::purge_size::PURGE_SIZE_MIN;

    /// Says what was done with it, once it may.
    struct Probe {
        name: &'static str,
        may: Receiver<()>,
        done: Sender<String>,
    }

    impl ControllerEvent for Probe {
        fn process(self: Box<Self>) {
            self.done.send(format!("{} begins", self.name)).unwrap();
            self.may.recv().unwrap();
            self.done.send(format!("{} processed", self.name)).unwrap();
        }

        fn preempt(self: Box<Self>) {
            self.done.send(format!("{} preempted", self.name)).unwrap();
        }
    }

    struct Panics;

    impl ControllerEvent for Panics {
        fn process(self: Box<Self>) {
            panic!("in a change");
        }

        fn preempt(self: Box<Self>) {}
    }

    fn put(
        manager: &ControllerEventManager,
        name: &'static str,
        done: &Sender<String>,
    ) -> Sender<()> {
        let (permit, may) = channel();
        manager.put(Box::new(Probe { name, may, done: done.clone() }));
        permit
    }

    #[test]
    fn changes_are_made_in_order_and_one_that_panics_ends_alone() {
        let manager = ControllerEventManager::default();
        let (done, told) = channel();
        let permits = [put(&manager, "a", &done), put(&manager, "b", &done)];
        manager.put(Box::new(Panics));
        let last = put(&manager, "c", &done);
        manager.start().unwrap();
        // The first waits for its permit, however soon the second has one.
        for permit in permits.iter().rev().chain([&last]) {
            permit.send(()).unwrap();
        }
        let told: Vec<String> = told.iter().take(6).collect();
        let in_order = ["a begins", "a processed", "b begins", "b processed", "c begins"];
        assert_eq!(told[..5], in_order);
    }

    struct OfClient {
        is_gone: bool,
    }

    impl ControllerEvent for OfClient {
        fn process(self: Box<Self>) {}

        fn preempt(self: Box<Self>) {
            assert!(self.is_gone, "a client waits for this");
        }

        fn is_moot(&self) -> bool {
            self.is_gone
        }
    }

    #[test]
    fn changes_of_clients_that_are_gone_do_not_pile_up() {
        let manager = ControllerEventManager::default();
        for number in 0..20 * PURGE_SIZE_MIN {
            manager.put(Box::new(OfClient { is_gone: number % 100 > 0 }));
            assert!(locked(&manager.queue.state).events.len() <= 2 * PURGE_SIZE_MIN);
        }
        let waiting = manager.queue.close();
        assert_eq!(waiting.iter().filter(|it| !it.is_moot()).count(), 20 * PURGE_SIZE_MIN / 100);
    }

    #[test]
    fn a_stop_waits_for_the_change_under_way_and_drops_those_that_have_not_begun() {
        let manager = ControllerEventManager::default();
        let (done, told) = channel();
        let permit = put(&manager, "first", &done);
        manager.start().unwrap();
        assert_eq!(told.recv().unwrap(), "first begins");
        let _second = put(&manager, "second", &done);
        assert_eq!(manager.event_queue_size(), 1);
        thread::scope(|scope| {
            let stop = scope.spawn(|| manager.close());
            assert_eq!(told.recv().unwrap(), "second preempted");
            let _late = put(&manager, "late", &done);
            assert_eq!(told.recv().unwrap(), "late preempted");
            assert!(!stop.is_finished());
            permit.send(()).unwrap();
        });
        assert_eq!(told.recv().unwrap(), "first processed");
    }
}
