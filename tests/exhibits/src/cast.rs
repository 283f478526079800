//! Who plays in a recording: the broker's threads, the two connections, the descriptors, under names
//! that are the same in every run.

use std::collections::BTreeMap;

use crate::call::{Call, descriptor_in};
use crate::recorder::Thread;

/// What a thread is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Acceptor,
    /// With its number, as in the thread's name.
    Processor(usize),
    /// Numbered as they first do something: which of them takes a request is chance.
    Handler(usize),
    /// A thread that serves no request, by its place in `BACKGROUND`.
    Background(usize),
    Unknown,
}

/// The beginnings of other threads' names, and the classes whose threads they are.
pub(crate) const BACKGROUND: [(&str, &str); 8] = [
    ("transferto", "main, which waits for a signal"),
    ("ExpirationReape", "the reapers of the purgatories"),
    ("ThrottledReques", "the reapers of the quotas"),
    ("group-coordinat", "the timer of the groups"),
    ("kafka-scheduler", "KafkaScheduler: checkpoints, retention, flushes"),
    ("kafka-log-clean", "LogCleaner"),
    ("LogDirFailureHa", "LogDirFailureHandler"),
    ("controller-even", "ControllerEventManager"),
];

pub(crate) struct Cast {
    roles: BTreeMap<i32, Role>,
    /// The number of an eventfd, and the Processor that it wakes.
    eventfds: BTreeMap<String, usize>,
    broker_port: u16,
    producer_port: u16,
    consumer_port: u16,
}

impl Cast {
    pub(crate) fn new(threads: &[Thread], broker_port: u16, ports: (u16, u16)) -> Self {
        let mut roles = BTreeMap::new();
        let mut processors = 0;
        let mut eventfds = BTreeMap::new();
        for thread in threads {
            let role = match thread.name.as_str() {
                name if name.starts_with("kafka-socket-ac") => Role::Acceptor,
                name if name.starts_with("kafka-network-t") => {
                    if let Some(eventfd) = eventfd_of(thread, threads) {
                        eventfds.insert(eventfd, processors);
                    }
                    processors += 1;
                    Role::Processor(processors - 1)
                }
                name if name.starts_with("kafka-request-h") => Role::Handler(0),
                name => background(name),
            };
            roles.insert(thread.id, role);
        }
        let (producer_port, consumer_port) = ports;
        Self { roles, eventfds, broker_port, producer_port, consumer_port }
    }

    /// Numbers the handlers in this order.
    pub(crate) fn number_handlers(&mut self, in_order: impl Iterator<Item = i32>) {
        let mut next = 1;
        for id in in_order {
            if self.roles.get(&id) == Some(&Role::Handler(0)) {
                self.roles.insert(id, Role::Handler(next));
                next += 1;
            }
        }
    }

    pub(crate) fn role(&self, thread: i32) -> Role {
        self.roles.get(&thread).copied().unwrap_or(Role::Unknown)
    }

    /// What a descriptor is, in the words of the recording; `None` of what is no descriptor.
    pub(crate) fn descriptor(&self, argument: &str) -> Option<String> {
        let number = argument.split('<').next().unwrap_or_default();
        let what = descriptor_in(argument)?;
        Some(match what {
            "anon_inode:[eventpoll]" => "epoll".to_string(),
            "anon_inode:[eventfd]" => match self.eventfds.get(number) {
                Some(processor) => format!("eventfd of Processor {processor}"),
                None => "eventfd".to_string(),
            },
            _ if what.starts_with("TCP") => self.connection(what),
            _ => file(what),
        })
    }

    /// `TCP:[127.0.0.1:9092->127.0.0.1:37590]`, and of IPv6 the same with more brackets.
    fn connection(&self, what: &str) -> String {
        let ends_at = |port: u16| what.ends_with(&format!(":{port}]"));
        let name = match () {
            () if ends_at(self.producer_port) => "producer",
            () if ends_at(self.consumer_port) => "consumer",
            () if ends_at(self.broker_port) => "listener",
            () => "another client",
        };
        name.to_string()
    }
}

/// The eventfd that was registered with the epoll on which this thread waits.
fn eventfd_of(thread: &Thread, threads: &[Thread]) -> Option<String> {
    let wait = thread.calls.iter().find(|it| it.name == "epoll_wait")?;
    let epoll = wait.arguments.split('<').next()?.to_string();
    let registers = |call: &&Call| {
        call.name == "epoll_ctl"
            && call.arguments.starts_with(&format!("{epoll}<"))
            && call.arguments.contains("<anon_inode:[eventfd]>")
    };
    let call = threads.iter().flat_map(|it| &it.calls).find(registers)?;
    Some(call.argument_list().get(2)?.split('<').next()?.to_string())
}

fn background(name: &str) -> Role {
    let place = BACKGROUND.iter().position(|(start, _)| name.starts_with(start));
    place.map_or(Role::Unknown, Role::Background)
}

/// `post-0/..log` of the path of a segment, and the last name of any other path.
fn file(path: &str) -> String {
    let mut names = path.rsplit('/');
    let name = names.next().unwrap_or(path);
    let directory = names.next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((base, ending)) if base.len() == 20 => format!("{directory}/..{ending}"),
        _ => name.to_string(),
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Acceptor => "Acceptor".to_string(),
            Self::Processor(number) => format!("Processor {number}"),
            Self::Handler(number) => format!("handler {number}"),
            Self::Background(place) => BACKGROUND[*place].0.to_string(),
            Self::Unknown => "?".to_string(),
        };
        f.pad(&name)
    }
}
