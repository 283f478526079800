//! Which step of the way of a fetch each of Kafka's calls belongs to. A JVM's stack shows which
//! method of the JDK made a call, not which of Kafka's; so what says it is the thread, the call, its
//! descriptor, and how far the Processor is with the request: a small machine of states.

use std::collections::BTreeMap;

use crate::call::Call;
use crate::kafka::acts::{Placed, Stage};
use crate::kafka::jvm_threads::Role;
use crate::kafka::line::{Line, Thing, text};
use crate::kafka::steps;
use crate::session::Told;

/// How far a Processor is with the one request that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It waits for one.
    Idle,
    /// It has read of one, and its connection still wants to read.
    Reading,
    /// The connection is muted.
    Muted,
    /// The response is there, and the connection wants to write.
    Answering,
    /// A part of the file has left.
    Sending,
    /// Message bytes are in memory, to be encrypted and written; so many of them are owed.
    Copying { owed_bytes: i64 },
}

/// What TLS adds to the bytes of a record, at least: of TLS 1.3, without padding.
const RECORD_BYTES_MIN: i64 = 22;

/// What the threads of a Kafka did, each call at its step, and how many calls were the JVM's own.
pub(crate) struct Placement {
    pub(crate) placed: Vec<Placed>,
    pub(crate) of_jvm: Vec<u64>,
}

/// Goes through the calls of all threads. `threads` has each thread's role and its calls.
pub(crate) fn place(threads: &[(Role, Vec<Call>)], told: &Told) -> Placement {
    let sleepers = sleepers(threads);
    let mut placement = Placement { placed: Vec::new(), of_jvm: Vec::new() };
    for (thread, (role, calls)) in threads.iter().enumerate() {
        let mut phase = Phase::Idle;
        for call in calls.iter().filter(|it| !is_idle(it)) {
            let thing = Thing::of_call(call, told);
            let found = match wakes(call, &sleepers) {
                Some(woken) => step_of_wake(*role, woken),
                None if call.name == "futex" => None,
                None => match role {
                    Role::Acceptor => Some((1, Stage::In)),
                    Role::Processor => of_processor(call, thing, &mut phase),
                    Role::Handler => of_handler(call, thing),
                    Role::Reaper => None,
                    Role::Fetcher => of_fetcher(call, thing),
                },
            };
            match found {
                Some((step, stage)) => {
                    let text = words(call, told, wakes(call, &sleepers));
                    let line = Line { step, role: *role, call: call.name.clone(), text };
                    let ended_us = call.ended_us();
                    placement.placed.push(Placed {
                        line,
                        stage,
                        thing,
                        thread,
                        lane: thing,
                        ended_us,
                    });
                }
                None => placement.of_jvm.push(call.ended_us()),
            }
        }
    }
    placement
}

/// A wait that nothing has ended, and the other half of a wake.
fn is_idle(call: &Call) -> bool {
    match call.name.as_str() {
        "epoll_wait" => call.value() <= 0,
        "futex" => call.arguments.contains("FUTEX_WAIT"),
        "restart_syscall" => true,
        _ => false,
    }
}

fn of_processor(call: &Call, thing: Thing, phase: &mut Phase) -> Option<(u8, Stage)> {
    let found = match (call.name.as_str(), thing) {
        ("epoll_wait", _) => match *phase {
            Phase::Idle | Phase::Reading => (3, Stage::In),
            Phase::Muted => (14, Stage::Out),
            Phase::Answering => (15, Stage::Out),
            Phase::Sending | Phase::Copying { .. } => (18, Stage::Out),
        },
        ("read", Thing::EventFd) if *phase == Phase::Idle => (2, Stage::In),
        ("read", Thing::EventFd) => (14, Stage::Out),
        ("read", it) if it.is_connection() => {
            *phase = if call.value() == 0 { Phase::Idle } else { Phase::Reading };
            (4, Stage::In)
        }
        ("epoll_ctl", it) => of_interest(call, it, phase),
        ("write" | "writev", it) if it.is_connection() => match phase {
            Phase::Copying { owed_bytes } if *owed_bytes > 0 => {
                *owed_bytes -= (call.value() - RECORD_BYTES_MIN).max(0);
                (18, Stage::Out)
            }
            _ => (16, Stage::Out),
        },
        ("pread64", Thing::Log) => {
            *phase = Phase::Copying { owed_bytes: call.value() };
            (18, Stage::Out)
        }
        ("newfstatat" | "fstat", Thing::Log) => match *phase {
            Phase::Sending | Phase::Copying { .. } => (18, Stage::Out),
            _ => (17, Stage::Out),
        },
        ("sendfile", _) => {
            *phase = Phase::Sending;
            (18, Stage::Out)
        }
        ("getsockname" | "setsockopt" | "getpeername" | "fcntl", _) => (2, Stage::In),
        ("getsockopt" | "shutdown" | "close" | "dup2", _) => (steps::CLOSE, Stage::Out),
        _ => return None,
    };
    Some(found)
}

/// Kafka's `interestOps` reach the kernel when the selector is asked next.
fn of_interest(call: &Call, thing: Thing, phase: &mut Phase) -> (u8, Stage) {
    let arguments = call.argument_list();
    let argument = |at: usize| arguments.get(at).copied().unwrap_or_default();
    match (argument(1), argument(3)) {
        (_, it) if it.contains("EPOLLOUT") => {
            *phase = Phase::Answering;
            (14, Stage::Out)
        }
        ("EPOLL_CTL_DEL", _) if *phase == Phase::Reading && thing.is_connection() => {
            *phase = Phase::Muted;
            (5, Stage::In)
        }
        ("EPOLL_CTL_DEL", _) => (steps::CLOSE, Stage::Out),
        _ if *phase == Phase::Idle => (2, Stage::In),
        _ => {
            *phase = Phase::Idle;
            (steps::UNMUTE, Stage::Out)
        }
    }
}

fn of_handler(call: &Call, thing: Thing) -> Option<(u8, Stage)> {
    match (call.name.as_str(), thing) {
        ("write", Thing::EventFd) => Some((13, Stage::Down)),
        (_, Thing::Log | Thing::Index) => Some((8, Stage::Down)),
        _ => None,
    }
}

/// Of a follower: what it does with its leader, and with its log.
pub(crate) fn of_fetcher(call: &Call, thing: Thing) -> Option<(u8, Stage)> {
    match (call.name.as_str(), thing) {
        (_, Thing::Log | Thing::Index) => Some((steps::COPY, Stage::Down)),
        (_, Thing::Leader) | ("epoll_wait" | "poll", _) => Some((steps::FETCH, Stage::Down)),
        _ => None,
    }
}

/// A handler gets a request; the reaper hears of a wait that ends before all others.
fn step_of_wake(role: Role, woken: Role) -> Option<(u8, Stage)> {
    match (role, woken) {
        (Role::Processor, Role::Handler) => Some((5, Stage::In)),
        (Role::Handler, Role::Reaper) => Some((10, Stage::Down)),
        _ => None,
    }
}

fn words(call: &Call, told: &Told, woken: Option<Role>) -> String {
    match woken {
        Some(role) => format!("futex(wake a {}) = {}", role.name(), call.value()),
        None => text(call, told),
    }
}

/// Which thread sleeps at which address, from what all threads have waited for.
fn sleepers(threads: &[(Role, Vec<Call>)]) -> BTreeMap<u64, Role> {
    let mut sleepers = BTreeMap::new();
    for (role, calls) in threads {
        for call in calls.iter().filter(|it| it.arguments.contains("FUTEX_WAIT")) {
            if let Some(address) = futex_address(call) {
                sleepers.insert(address, *role);
            }
        }
    }
    sleepers
}

/// Who is woken by this call, if it is one of the threads that are watched.
fn wakes(call: &Call, sleepers: &BTreeMap<u64, Role>) -> Option<Role> {
    let is_wake = call.name == "futex" && call.arguments.contains("FUTEX_WAKE") && call.value() > 0;
    if is_wake { sleepers.get(&futex_address(call)?).copied() } else { None }
}

/// glibc's condition variable sleeps at two words in turn, side by side.
fn futex_address(call: &Call) -> Option<u64> {
    const BOTH_WORDS: u32 = 3;
    let argument = *call.argument_list().first()?;
    let digits = argument.strip_prefix("0x")?;
    Some(u64::from_str_radix(digits, 16).ok()? >> BOTH_WORDS)
}
