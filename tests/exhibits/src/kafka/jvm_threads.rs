//! The threads of a JVM under their Java names: Linux keeps 15 characters, which are the same for
//! most of Kafka's. At SIGQUIT a JVM prints all of them, with the number that Linux gives each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bench::outcome::Outcome;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::recorder::wait_until;

/// What a thread of a broker is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    Acceptor,
    Processor,
    Handler,
    Reaper,
    /// It fetches from a leader, and writes to the follower's log.
    Fetcher,
}

/// What stands behind the last thread of a dump.
const END_OF_DUMP: &str = "JNI global ref";
/// What the names of the newest Kafka's threads begin with.
const DATA_PLANE: &str = "data-plane-";
/// In the names of the threads that serve the controller's listener.
const CONTROLLER: &str = "CONTROLLER";

impl Role {
    /// By what Kafka calls its threads, the newest as well as that of 2016.
    fn of(name: &str) -> Option<Self> {
        let name = name.strip_prefix(DATA_PLANE).unwrap_or(name);
        let roles = [
            ("kafka-socket-acceptor-", Self::Acceptor),
            ("kafka-network-thread-", Self::Processor),
            ("kafka-request-handler-", Self::Handler),
            ("ExpirationReaper-", Self::Reaper),
            ("ReplicaFetcherThread-", Self::Fetcher),
        ];
        let role = roles.iter().find(|(prefix, _)| name.starts_with(prefix))?.1;
        (!name.contains(CONTROLLER)).then_some(role)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Acceptor => "acceptor",
            Self::Processor => "processor",
            Self::Handler => "handler",
            Self::Reaper => "reaper",
            Self::Fetcher => "fetcher",
        }
    }
}

/// The threads of this JVM that take part in a request, by their numbers. `log` is what it prints to.
pub(crate) fn of_broker(pid: Pid, log: &Path) -> Outcome<BTreeMap<i32, Role>> {
    let seen = fs::read_to_string(log)?.len();
    kill(pid, Signal::SIGQUIT)?;
    let mut dump = String::new();
    wait_until("the dump of threads", || {
        dump = fs::read_to_string(log)?.split_off(seen);
        Ok(dump.contains(END_OF_DUMP))
    })?;
    Ok(in_dump(&dump))
}

/// A broker that is its own controller has two sets of request handlers of the same names; the
/// broker's are started last.
fn in_dump(dump: &str) -> BTreeMap<i32, Role> {
    let threads = dump.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix('"')?.split_once("\" #")?;
        let number: u32 = rest.split(' ').next()?.parse().ok()?;
        Some((number, name, native_id(rest)?))
    });
    let mut threads: Vec<_> = threads.collect();
    threads.sort_unstable();
    let last_of_name: BTreeMap<&str, i32> =
        threads.iter().map(|(_, name, id)| (*name, *id)).collect();
    last_of_name.into_iter().filter_map(|(name, id)| Some((id, Role::of(name)?))).collect()
}

/// `nid=0x1068`; newer JVMs say `nid=4200`.
fn native_id(line: &str) -> Option<i32> {
    let id = line.split("nid=").nth(1)?.split(' ').next()?;
    match id.strip_prefix("0x") {
        Some(digits) => i32::from_str_radix(digits, 16).ok(),
        None => id.parse().ok(),
    }
}
