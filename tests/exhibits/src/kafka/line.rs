//! One call of a broker in the words of the columns: short, and without what changes from run to run.

use crate::call::{Call, descriptor_in};
use crate::kafka::jvm_threads::Role;
use crate::session::Told;

/// A call, and the step of the way of a fetch that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) step: u8,
    pub(crate) role: Role,
    /// The name of the call.
    pub(crate) call: String,
    pub(crate) text: String,
}

/// What a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    Producer,
    Consumer,
    /// A broker that fetches from this one.
    Follower,
    /// A broker from which this one fetches.
    Leader,
    Listener,
    /// The segment file.
    Log,
    /// The index of a segment.
    Index,
    /// What a thread is woken by in `epoll_wait`.
    EventFd,
    Epoll,
    Other,
}

impl Thing {
    /// By strace's words for it.
    pub(crate) fn of(descriptor: &str, told: &Told) -> Self {
        let ends_at = |port: u16| {
            descriptor.ends_with(&format!("]:{port}]"))
                || descriptor.ends_with(&format!("->127.0.0.1:{port}]"))
        };
        match descriptor {
            it if it.starts_with("TCP") && ends_at(told.producer_port) => Self::Producer,
            it if it.starts_with("TCP") && ends_at(told.consumer_port) => Self::Consumer,
            it if it.starts_with("TCP") && told.follower_port.is_some_and(ends_at) => {
                Self::Follower
            }
            it if it.starts_with("TCP") && told.leader_port.is_some_and(ends_at) => Self::Leader,
            it if it.starts_with("TCP") => Self::Listener,
            it if it.ends_with(".log") && it.contains("/post-0/") => Self::Log,
            it if it.ends_with("index") => Self::Index,
            "anon_inode:[eventfd]" => Self::EventFd,
            "anon_inode:[eventpoll]" => Self::Epoll,
            _ => Self::Other,
        }
    }

    /// What a call is about: its first argument, as a rule; of `accept`, what it returned.
    pub(crate) fn of_call(call: &Call, told: &Told) -> Self {
        let descriptor = match call.name.as_str() {
            "epoll_ctl" => call.argument_list().get(2).copied().and_then(descriptor_in),
            "accept" | "accept4" => descriptor_in(&call.result),
            _ => call.descriptor(),
        };
        descriptor.map_or(Self::Other, |it| Self::of(it, told))
    }

    pub(crate) fn is_connection(self) -> bool {
        matches!(self, Self::Producer | Self::Consumer | Self::Follower | Self::Leader)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Follower => "follower",
            Self::Leader => "leader",
            Self::Listener => "listener",
            Self::Log => "log",
            Self::Index => "index",
            Self::EventFd => "eventfd",
            Self::Epoll => "epoll",
            Self::Other => "..",
        }
    }
}

/// `sendfile(consumer, log, position 300078, 700182) = 368082`
pub(crate) fn text(call: &Call, told: &Told) -> String {
    let arguments = call.argument_list();
    let argument = |at: usize| arguments.get(at).copied().unwrap_or_default();
    let thing = |at: usize| descriptor_in(argument(at)).map(|it| Thing::of(it, told).name());
    let first = Thing::of_call(call, told).name();
    let inner = match call.name.as_str() {
        "read" | "recvfrom" | "write" | "sendto" => format!("{first}, {}", argument(2)),
        "writev" => format!("{first}, {}", buffers(argument(2))),
        "sendmsg" => format!("{first}, {}{}", buffers_in(argument(1)), more(argument(2))),
        "accept" | "accept4" if call.value() < 0 => "listener".to_string(),
        "accept" | "accept4" => return format!("{}(listener) = {first}", call.name),
        "pread64" | "pwrite64" => format!("{first}, {}, position {}", argument(2), argument(3)),
        "sendfile" => {
            let from = argument(2).split([']', '[']).nth(1).unwrap_or_default();
            let file = thing(1).unwrap_or("..");
            format!("{first}, {file}, position {from}, {}", argument(3))
        }
        "epoll_wait" if argument(3) == "-1" => "for ever".to_string(),
        "epoll_wait" => format!("{} ms", argument(3)),
        "epoll_ctl" => {
            let operation = argument(1).trim_start_matches("EPOLL_CTL_");
            format!("{operation}, {}{}", thing(2).unwrap_or(".."), events(argument(3)))
        }
        "futex" => return format!("futex(wake a thread) = {}", result(call)),
        "setsockopt" | "getsockopt" => format!("{first}, {}", argument(2)),
        "fcntl" => format!("{first}, {}", argument(1)),
        _ => first.to_string(),
    };
    format!("{}({inner}) = {}", call.name, result(call))
}

/// `{.., msg_iovlen=1, ..}`
fn buffers_in(message: &str) -> String {
    let count = message.split("msg_iovlen=").nth(1).and_then(|it| it.split([',', '}']).next());
    buffers(count.unwrap_or_default())
}

fn buffers(count: &str) -> String {
    match count {
        "1" => "1 buffer".to_string(),
        count => format!("{count} buffers"),
    }
}

fn more(flags: &str) -> &'static str {
    if flags.contains("MSG_MORE") { ", MSG_MORE" } else { "" }
}

/// `{events=EPOLLIN, data={..}}`; an operation that takes an interest away has none.
fn events(argument: &str) -> String {
    let events = argument.split("events=").nth(1).and_then(|it| it.split([',', '}']).next());
    events.map(|it| format!(", {it}")).unwrap_or_default()
}

/// The number, or the error's name; of a descriptor, what it is does not matter here.
fn result(call: &Call) -> String {
    let failed = call.result.strip_prefix("-1 ");
    let words = failed.unwrap_or(&call.result).split([' ', '<']).next();
    words.unwrap_or_default().to_string()
}
