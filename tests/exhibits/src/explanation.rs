//! Which step of the way of a fetch a system call belongs to: by the functions that were running, or
//! by rules where strace shows no stacks.

use crate::call::{Call, short_name};
use crate::cast::Role;

/// What a call is part of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// The step's number in docs/en/fetch.md.
    pub(crate) step: Option<u8>,
    pub(crate) function: &'static str,
    pub(crate) kafka: &'static str,
}

/// Of a stack, the innermost function that is here explains the call.
pub(crate) static EXPLANATIONS: [Explanation; 26] = [
    step(1, "Acceptor::run", "Acceptor.run"),
    step(1, "Acceptor::accept_all", "Acceptor.accept"),
    step(1, "Acceptor::accept", "Acceptor.accept"),
    step(1, "ProcessorHandle::accept", "Processor.accept"),
    step(2, "Selector::register", "Selector.register"),
    step(3, "Selector::select", "Selector.select"),
    step(4, "NetworkReceive::read_from", "NetworkReceive.readFrom"),
    step(5, "RequestChannel::send_request", "RequestChannel.sendRequest"),
    step(5, "RequestChannel::receive_request", "RequestChannel.receiveRequest"),
    step(8, "FileMessageSet::search_for", "FileMessageSet.searchFor"),
    step(10, "Timer::add", "Timer.add"),
    step(11, "FileMessageSet::warm", ONLY_HERE),
    step(13, "RequestChannel::send_response", "RequestChannel.sendResponse"),
    step(16, "PlaintextTransportLayer::send_held_and", "PlaintextTransportLayer.write"),
    step(18, "PlaintextTransportLayer::transfer_from", "TransportLayer.transferFrom"),
    step(18, COPY, "TransportLayer.transferFrom"),
    step(16, "SslTransportLayer::write", "SslTransportLayer.write"),
    step(18, "SslTransportLayer::transfer_from", "SslTransportLayer.transferFrom"),
    beside(HANDSHAKE_READ, "SslTransportLayer.handshakeUnwrap"),
    beside(HANDSHAKE_WRITE, "SslTransportLayer.handshakeWrap"),
    beside(HAND_OVER, ONLY_HERE),
    beside("FileMessageSet::append", "FileMessageSet.append"),
    beside("OffsetIndex::append", "OffsetIndex.append"),
    beside("TimeIndex::maybe_append", ONLY_HERE),
    beside("Selector::remove", "Selector.close"),
    beside("Timer::advance_clock", "Timer.advanceClock"),
];

/// What takes the place of `sendfile` writes by the functions that write headers, too, but is no
/// header: it explains a call wherever it stands in the stack.
const COPY: &str = "CopyingTransportLayer::copy";

const HANDSHAKE_READ: &str = "SslHandshake::handshake_unwrap";
const HANDSHAKE_WRITE: &str = "SslHandshake::handshake_wrap";
/// Gives a connection to the kernel.
const HAND_OVER: &str = "kernel_tls::hand_over";

/// In Kafka's column: this broker has a step of its own here.
pub(crate) const ONLY_HERE: &str = "only here";

const fn step(step: u8, function: &'static str, kafka: &'static str) -> Explanation {
    Explanation { step: Some(step), function, kafka }
}

/// A function that is on no fetch's way: a produce takes it, or the end of a connection.
const fn beside(function: &'static str, kafka: &'static str) -> Explanation {
    Explanation { step: None, function, kafka }
}

impl Explanation {
    /// What the stack says. `None` without a stack, or if none of its functions is known here.
    pub(crate) fn by_stack(call: &Call) -> Option<&'static Self> {
        let ours = call.stack.iter().filter(|it| it.contains("transferto::"));
        let names: Vec<String> = ours.map(|it| short_name(it)).collect();
        if names.iter().any(|it| it == COPY) {
            return of_function(COPY);
        }
        names.iter().find_map(|name| of_function(name))
    }

    /// What the rule says of a connection that the kernel encrypts, where it differs from any other.
    pub(crate) fn by_rule_of_tls(role: Role, call: &Call, before: &str) -> Option<&'static Self> {
        let is_alert = call.arguments.contains("SOL_TLS");
        match (role, call.name.as_str()) {
            (Role::Processor(_), "recvfrom") => of_function(HANDSHAKE_READ),
            (Role::Processor(_), "sendto") => of_function(HANDSHAKE_WRITE),
            (Role::Processor(_), "setsockopt") => of_function(HAND_OVER),
            (Role::Processor(_), "recvmsg") => of_function("NetworkReceive::read_from"),
            (Role::Processor(_), "sendmsg") if is_alert => of_function("Selector::remove"),
            _ => Self::by_rule(role, call, before),
        }
    }

    /// What thread, call and descriptor say, and the name of the thread's call before.
    pub(crate) fn by_rule(role: Role, call: &Call, before: &str) -> Option<&'static Self> {
        let descriptor = call.descriptor().unwrap_or_default();
        let is_eventfd = descriptor.ends_with("[eventfd]");
        let is_segment = descriptor.ends_with(".log");
        let has = |word: &str| call.arguments.contains(word);
        of_function(match (role, canonical_name(&call.name)) {
            (Role::Acceptor, "epoll_wait") => "Acceptor::run",
            (Role::Acceptor, "accept4") => "Acceptor::accept_all",
            (Role::Acceptor, "setsockopt") => "Acceptor::accept",
            (Role::Acceptor, "write") if is_eventfd => "ProcessorHandle::accept",
            (Role::Processor(_), "epoll_wait") => "Selector::select",
            (Role::Processor(_), "epoll_ctl") if has("EPOLL_CTL_ADD") => "Selector::register",
            (Role::Processor(_), "getsockname") => "Selector::register",
            (Role::Processor(_), "epoll_ctl" | "close") => "Selector::remove",
            (Role::Processor(_), "recvfrom" | "readv") => "NetworkReceive::read_from",
            (Role::Processor(_), "futex") if has("FUTEX_WAKE") => "RequestChannel::send_request",
            (Role::Processor(_), "pread64") => COPY,
            (Role::Processor(_), "sendmsg") if before == "pread64" => COPY,
            (Role::Processor(_), "sendmsg") => "PlaintextTransportLayer::send_held_and",
            (Role::Processor(_), "sendto") if before == "pread64" => {
                "SslTransportLayer::transfer_from"
            }
            (Role::Processor(_), "sendto") => "SslTransportLayer::write",
            (Role::Processor(_), "sendfile" | "poll") => "PlaintextTransportLayer::transfer_from",
            (Role::Handler(_), "futex") if has("FUTEX_WAIT") => "RequestChannel::receive_request",
            (Role::Handler(_), "pread64") if is_segment => "FileMessageSet::search_for",
            (Role::Handler(_), "cachestat") => "FileMessageSet::warm",
            (Role::Handler(_), "write") if is_eventfd => "RequestChannel::send_response",
            (Role::Handler(_), "pwrite64") if is_segment => "FileMessageSet::append",
            _ => return None,
        })
    }
}

fn of_function(name: &str) -> Option<&'static Explanation> {
    EXPLANATIONS.iter().find(|it| it.function == name)
}

/// The call's name on every machine: strace knows `cachestat(2)` from 6.4 on.
pub(crate) fn canonical_name(name: &str) -> &str {
    if name == "syscall_0x1c3" { "cachestat" } else { name }
}

/// Calls for memory, where no file is mapped.
pub(crate) fn is_for_memory(call: &Call) -> bool {
    let names = ["mmap", "munmap", "mprotect", "madvise", "brk", "mremap"];
    names.contains(&call.name.as_str()) && !call.arguments.contains('<')
}

/// Calls of Rust's standard library: the seed of a hash map, once a thread; a check of descriptors
/// that only a debug build makes.
pub(crate) fn is_of_the_standard_library(call: &Call) -> bool {
    call.name == "getrandom" || call.name == "fcntl" && call.arguments.contains("F_GETFD")
}

/// Whether it waits for a lock that another thread holds, or lets such a thread go on: chance
/// decides whether there is one. Without stacks, a handler's wake-up of a reaper counts as one.
pub(crate) fn is_at_a_lock(role: Role, call: &Call) -> bool {
    if call.name != "futex" {
        return false;
    }
    if call.stack.is_empty() {
        let is_wake = call.arguments.contains("FUTEX_WAKE");
        return call.arguments.contains(", 2, NULL")
            || is_wake && !matches!(role, Role::Processor(_));
    }
    call.stack.iter().any(|it| it.contains("::mutex::") || it.contains("::rwlock::"))
}
