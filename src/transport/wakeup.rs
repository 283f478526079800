//! Kafka's `Selector.wakeup`: ends the poll of a selector from other threads, without a system call
//! unless it sleeps.
//!
//! A word says what the selector's thread is at:
//!
//! - `AWAKE`: it works, or is about to poll without waiting;
//! - `ASLEEP`: it waits in `epoll_wait`, or is about to;
//! - `NOTIFIED`: it was woken since it returned from its last poll, so the next one does not wait.
//!
//! The thread of the selector takes all that its queues have, which is its look, then
//! [falls asleep](Wakeup::fall_asleep), which is refused in `NOTIFIED`, then polls, then
//! [rises](Wakeup::rise), then looks again. A thread that has work for it puts that where it looks,
//! and then [wakes](Wakeup::wake) it; only the one that finds `ASLEEP` writes to the eventfd that
//! ends the poll. The thread of the selector may be such a thread, too: a Processor that answers a
//! request itself, after its look, finds `NOTIFIED`, and its next poll does not wait.
//!
//! **No wake-up is lost.** Each of the three operations is one read-modify-write of the one word, so
//! all of them have an order, in which each sees the one before. Let work be put and then a wake
//! come; call the last `rise` before that wake R, and the first `fall_asleep` after R, F.
//!
//! - Wake before F: F finds `NOTIFIED` and does not sleep. The poll returns at once, and the next
//!   look comes after a rise that follows the wake.
//! - Wake after F, and F slept: it is the first wake to find `ASLEEP`, or comes after that one. The
//!   first one writes, and the poll ends.
//!
//! Either way a rise follows the wake, and reads the word that the wake wrote, or one that other
//! wakes have written since. As all of them acquire and release, what was put before the wake is
//! visible to every look after that rise, be it a queue with a lock, or a flag without one.
//!
//! A wake that comes when the look has taken the work already costs a poll that does not wait,
//! unless a channel has work then: a poll that is left out for that rises, too, since a look follows.
//! The eventfd is registered for edges and is never read; a write that comes late, because its
//! thread was held up between the word and the call, ends a later poll, once.
//!
//! The tests below try all orders of these steps, and of wrong ones.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use mio::{Registry, Token, Waker};

use crate::common::step::mark;

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const NOTIFIED: u8 = 2;

/// The end of a selector that other threads hold.
#[derive(Debug)]
pub struct Wakeup {
    sleep: Sleep,
    waker: Waker,
}

impl Wakeup {
    /// Of the poll behind `registry`, whose event of `token` says nothing but that it was woken.
    ///
    /// # Errors
    /// The system has no eventfd left.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self { sleep: Sleep::default(), waker: Waker::new(registry, token)? })
    }

    /// Ends the present poll of the selector at once, or else the next one. Put the work there first.
    ///
    /// # Errors
    /// The eventfd cannot be written. The selector finds the work when its poll ends by itself.
    pub fn wake(&self) -> io::Result<()> {
        if !self.sleep.wake() {
            return Ok(());
        }
        mark!("Selector.wakeup", "its thread sleeps, so a write to its eventfd ends the poll");
        self.waker.wake()
    }

    /// The selector's thread is about to poll: whether the poll may wait.
    pub(super) fn fall_asleep(&self) -> bool {
        self.sleep.fall_asleep()
    }

    /// The selector's thread has polled, and looks at its queues from now on.
    pub(super) fn rise(&self) {
        self.sleep.rise();
    }
}

/// The word. Each operation is one step for all threads.
#[derive(Debug, Default)]
struct Sleep(AtomicU8);

impl Sleep {
    /// Returns whether the poll has to be ended.
    fn wake(&self) -> bool {
        self.0.swap(NOTIFIED, Ordering::SeqCst) == ASLEEP
    }

    fn fall_asleep(&self) -> bool {
        self.0.compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn rise(&self) {
        self.0.swap(AWAKE, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::{Duration, Instant};

    use mio::{Events, Poll};

    use super::*;

    const CALLERS: usize = 2;
    /// What each of them puts and wakes for, one after the other.
    const ITEMS: u8 = 2;

    /// Where the selector's thread is. Each variant is what it does next, in one step.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Sleeper {
        /// Takes what is queued.
        Look,
        FallAsleep,
        /// In a broken protocol: has found the word not `NOTIFIED`, and is about to store `ASLEEP`.
        StoreAsleep,
        Poll {
            may_wait: bool,
        },
        Rise,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Caller {
        Put,
        Wake,
        Write,
    }

    /// All that decides how it goes on.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct State {
        word: u8,
        queued: u8,
        /// The eventfd has reported an edge that no poll has taken yet.
        has_edge: bool,
        sleeper: Sleeper,
        /// What each does next, and how many items it has left.
        callers: [(Caller, u8); CALLERS],
    }

    /// The protocol, and ways to get it wrong.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Protocol {
        Right,
        /// The sleeper checks the word, and sets it in a second step.
        ChecksBeforeItSets,
        /// The sleeper rises after it has looked, not before.
        LooksBeforeItRises,
        /// The caller wakes, then puts.
        WakesBeforeItPuts,
        /// The caller does not write if it finds `AWAKE`, nor does it leave a note.
        LeavesNoNote,
    }

    impl State {
        fn first() -> Self {
            Self {
                word: AWAKE,
                queued: 0,
                has_edge: false,
                sleeper: Sleeper::Look,
                callers: [(Caller::Put, ITEMS); CALLERS],
            }
        }

        /// Lets the real code take one step on the word of this state.
        fn on_word<T>(&mut self, step: impl FnOnce(&Sleep) -> T) -> T {
            let sleep = Sleep(AtomicU8::new(self.word));
            let result = step(&sleep);
            self.word = sleep.0.into_inner();
            result
        }

        /// The state after the next step of the selector's thread; `None` while it waits.
        fn step_sleeper(mut self, protocol: Protocol) -> Option<Self> {
            self.sleeper = match self.sleeper {
                Sleeper::Look => {
                    self.queued = 0;
                    match protocol {
                        Protocol::LooksBeforeItRises => Sleeper::Rise,
                        _ => Sleeper::FallAsleep,
                    }
                }
                Sleeper::FallAsleep if protocol == Protocol::ChecksBeforeItSets => {
                    match self.word {
                        NOTIFIED => Sleeper::Poll { may_wait: false },
                        _ => Sleeper::StoreAsleep,
                    }
                }
                Sleeper::FallAsleep => Sleeper::Poll { may_wait: self.on_word(Sleep::fall_asleep) },
                Sleeper::StoreAsleep => {
                    self.word = ASLEEP;
                    Sleeper::Poll { may_wait: true }
                }
                Sleeper::Poll { may_wait: true } if !self.has_edge => return None,
                Sleeper::Poll { .. } => {
                    self.has_edge = false;
                    match protocol {
                        Protocol::LooksBeforeItRises => Sleeper::Look,
                        _ => Sleeper::Rise,
                    }
                }
                Sleeper::Rise => {
                    self.on_word(Sleep::rise);
                    match protocol {
                        Protocol::LooksBeforeItRises => Sleeper::FallAsleep,
                        _ => Sleeper::Look,
                    }
                }
            };
            Some(self)
        }

        /// A channel can make progress, so that the selector's thread does not even try to sleep.
        fn has_work(&self) -> Option<Self> {
            let sleeper = Sleeper::Poll { may_wait: false };
            (self.sleeper == Sleeper::FallAsleep).then(|| Self { sleeper, ..self.clone() })
        }

        /// The state after the next step of a caller; `None` if it has done its part.
        fn step_caller(mut self, number: usize, protocol: Protocol) -> Option<Self> {
            let (caller, left) = self.callers[number];
            if left == 0 {
                return None;
            }
            let is_swapped = protocol == Protocol::WakesBeforeItPuts;
            let (next, is_last) = match caller {
                Caller::Put => {
                    self.queued += 1;
                    (Caller::Wake, is_swapped)
                }
                Caller::Wake => {
                    let writes = match protocol {
                        Protocol::LeavesNoNote if self.word != ASLEEP => false,
                        _ => self.on_word(Sleep::wake),
                    };
                    match writes {
                        true => (Caller::Write, false),
                        false => (Caller::Put, !is_swapped),
                    }
                }
                Caller::Write => {
                    self.has_edge = true;
                    (Caller::Put, !is_swapped)
                }
            };
            self.callers[number] = (next, left - u8::from(is_last));
            Some(self)
        }

        /// The selector's thread sleeps although there is work, and nobody is on the way to wake it
        /// for what was put.
        fn is_lost(&self, protocol: Protocol) -> bool {
            let sleeps = self.clone().step_sleeper(protocol).is_none();
            let is_under_way = |(caller, _): &(Caller, u8)| match caller {
                Caller::Put => false,
                Caller::Wake => protocol != Protocol::WakesBeforeItPuts,
                Caller::Write => true,
            };
            sleeps && self.queued > 0 && !self.callers.iter().any(is_under_way)
        }
    }

    struct Explored {
        states: usize,
        lost: usize,
        /// In so many the selector's thread sleeps, nothing is queued, and nobody has more to do.
        at_rest: usize,
    }

    /// Every state that can be reached, whatever the order of the steps.
    fn explore(protocol: Protocol) -> Explored {
        let mut first = State::first();
        if protocol == Protocol::WakesBeforeItPuts {
            first.callers = [(Caller::Wake, ITEMS); CALLERS];
        }
        let mut seen = HashSet::from([first.clone()]);
        let mut to_visit = vec![first];
        let mut explored = Explored { states: 0, lost: 0, at_rest: 0 };
        while let Some(state) = to_visit.pop() {
            let mut next: Vec<State> =
                (0..CALLERS).filter_map(|it| state.clone().step_caller(it, protocol)).collect();
            let is_over = next.is_empty();
            next.extend(state.clone().step_sleeper(protocol));
            next.extend(state.has_work());
            explored.states += 1;
            explored.lost += usize::from(state.is_lost(protocol));
            explored.at_rest += usize::from(is_over && next.is_empty() && state.queued == 0);
            to_visit.extend(next.into_iter().filter(|it| seen.insert(it.clone())));
        }
        explored
    }

    #[test]
    fn no_order_of_steps_leaves_the_selector_asleep_with_work() {
        let explored = explore(Protocol::Right);
        assert_eq!(explored.lost, 0);
        assert!(explored.at_rest > 0, "it does come to rest");
        assert!(explored.states > 500, "only {} states were tried", explored.states);
    }

    #[test]
    fn each_wrong_protocol_is_found_to_lose_a_wake_up() {
        for protocol in [
            Protocol::ChecksBeforeItSets,
            Protocol::LooksBeforeItRises,
            Protocol::WakesBeforeItPuts,
            Protocol::LeavesNoNote,
        ] {
            assert!(explore(protocol).lost > 0, "{protocol:?}");
        }
    }

    #[test]
    fn only_the_first_to_wake_a_sleeper_writes() {
        let sleep = Sleep::default();
        assert!(!sleep.wake(), "it is awake");
        assert!(!sleep.fall_asleep(), "it was woken before");
        sleep.rise();
        assert!(sleep.fall_asleep());
        assert!(sleep.wake());
        assert!(!sleep.wake(), "it is being woken");
        sleep.rise();
        assert!(sleep.fall_asleep(), "a wake ends one poll");
    }

    #[test]
    fn a_wake_of_one_that_is_awake_leaves_the_eventfd_alone() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(4);
        let wakeup = Wakeup::new(poll.registry(), Token(0)).unwrap();
        let mut poll = |is_asleep: bool| {
            assert_eq!(wakeup.fall_asleep(), is_asleep);
            wakeup.wake().unwrap();
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            wakeup.rise();
            events.iter().count()
        };
        assert_eq!(poll(true), 1, "the wake came while it slept");
        wakeup.wake().unwrap();
        assert_eq!(poll(false), 0, "it was awake");
        assert_eq!(poll(true), 1);
    }

    /// Threads and the system's own epoll. (If a wake-up were lost, a poll would take ten minutes.)
    #[test]
    fn a_selector_that_sleeps_is_woken_each_time() {
        const ROUNDS: usize = 2_000;
        let began = Instant::now();
        let mut poll = Poll::new().unwrap();
        let wakeup = Wakeup::new(poll.registry(), Token(0)).unwrap();
        let queue = std::sync::Mutex::new(0);
        let answered = AtomicU8::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    *queue.lock().unwrap() += 1;
                    wakeup.wake().unwrap();
                    while answered.load(Ordering::SeqCst) != (round + 1) as u8 {
                        assert!(began.elapsed() < Duration::from_secs(60));
                        std::thread::yield_now();
                    }
                }
            });
            let mut events = Events::with_capacity(4);
            let mut taken = 0;
            while taken < ROUNDS {
                let items = std::mem::take(&mut *queue.lock().unwrap());
                taken += items;
                answered.fetch_add(items as u8, Ordering::SeqCst);
                if taken < ROUNDS {
                    let timeout = if wakeup.fall_asleep() { 600 } else { 0 };
                    poll.poll(&mut events, Some(Duration::from_secs(timeout))).unwrap();
                    wakeup.rise();
                }
            }
        });
    }
}
