//! The way of the record in pieces, each of one broker and one connection.

use crate::call::Call;
use crate::cast::Role as CastRole;
use crate::explanation::{Explanation, canonical_name, is_for_memory, is_of_the_standard_library};
use crate::kafka::acts::{Placed, Request, Stage};
use crate::kafka::jvm_threads::Role;
use crate::kafka::line::{Line, Thing, text};
use crate::kafka::rules;
use crate::replication::watch::{Replication, Watched};
use crate::session::{Act, Told};

/// A piece of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    /// The leader takes the record.
    Taken,
    /// The fetch of the follower, which has waited for it, is answered.
    Sent,
    /// The follower writes it to its own log, and asks on.
    Copied,
    /// The leader reads from that how far the follower has come.
    Asked,
    /// The producer is answered.
    Answered,
    /// A consumer gets the record.
    Consumed,
}

/// In the order of the record's way.
pub(super) const OF_PRODUCE: [Leg; 5] =
    [Leg::Taken, Leg::Sent, Leg::Copied, Leg::Asked, Leg::Answered];

impl Leg {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Taken => "The leader, from the producer's request on",
            Self::Sent => "The leader, to the follower, whose fetch was waiting for it",
            Self::Copied => "The follower, in the one thread that it has for this leader",
            Self::Asked => "The leader, from the follower's next request on",
            Self::Answered => "The leader, to the producer, whose request was waiting for that",
            Self::Consumed => "The leader, from the consumer's request on",
        }
    }

    /// The act whose words name its steps.
    pub(super) fn act(self) -> Act {
        match self {
            Self::Taken => Act::ProduceOne,
            Self::Answered => Act::Produce,
            Self::Sent | Self::Copied | Self::Asked | Self::Consumed => Act::Fetch,
        }
    }
}

/// Which rules name the steps of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    OfKafka,
    OfOurs,
}

/// All calls of both brokers, each with the piece that it belongs to.
pub(super) struct Way(Vec<(Leg, Placed)>);

impl Way {
    pub(super) fn of(replication: &Replication, rules: Rules) -> Self {
        let leader = streams(&replication.leader, &replication.told_of_leader);
        let streams_of: Vec<Option<Thing>> = leader.iter().map(|it| it.connection).collect();
        let placed = place(&leader, &replication.told_of_leader, rules);
        let produced = replication.produced_us..replication.consumed_us;
        let consumed = replication.consumed_us..replication.end_us;
        let asked_us = asked_us(&placed, &streams_of, produced.start);

        let mut way = Vec::new();
        for call in placed {
            let connection = streams_of[call.thread];
            if consumed.contains(&call.ended_us) {
                way.push((Leg::Consumed, call));
            } else if produced.contains(&call.ended_us) {
                let leg = match (connection, call.stage) {
                    (Some(Thing::Producer), Stage::In) => Leg::Taken,
                    (Some(Thing::Producer), _) => Leg::Answered,
                    (Some(Thing::Follower), Stage::In) => Leg::Asked,
                    (Some(Thing::Follower), _) => Leg::Sent,
                    _ if call.ended_us < asked_us => Leg::Taken,
                    _ => Leg::Asked,
                };
                way.push((leg, call));
            }
        }
        let follower = streams(&replication.follower, &replication.told_of_follower);
        let copied = place(&follower, &replication.told_of_follower, rules);
        let copied = copied.into_iter().filter(|it| produced.contains(&it.ended_us));
        way.extend(copied.map(|call| (Leg::Copied, call)));
        way.sort_by_key(|it| it.1.ended_us);
        Self(way)
    }

    pub(super) fn request(&self, leg: Leg) -> Request {
        Request::of(self.calls(leg).cloned().collect())
    }

    pub(super) fn calls(&self, leg: Leg) -> impl Iterator<Item = &Placed> {
        self.0.iter().filter(move |it| it.0 == leg).map(|it| &it.1)
    }
}

/// When the leader has read what the follower asks next.
fn asked_us(placed: &[Placed], streams: &[Option<Thing>], since_us: u64) -> u64 {
    let is_read = |it: &&Placed| {
        let is_of_follower = streams[it.thread] == Some(Thing::Follower);
        is_of_follower && it.line.step == 4 && it.ended_us >= since_us
    };
    placed.iter().filter(is_read).map(|it| it.ended_us).min().unwrap_or(u64::MAX)
}

/// What a thread did for one connection; of a thread that has none, all that it did.
struct Stream {
    role: Role,
    connection: Option<Thing>,
    calls: Vec<Call>,
}

/// A Processor has many connections. A call that is about none of them, such as a wait, belongs to the
/// connection of the next that is, and one that wakes a handler to that of the last.
fn streams(threads: &[Watched], told: &Told) -> Vec<Stream> {
    let mut streams = Vec::new();
    for (role, calls) in threads {
        if *role != Role::Processor {
            streams.push(Stream { role: *role, connection: None, calls: calls.clone() });
            continue;
        }
        let mut of_thread: Vec<Stream> = Vec::new();
        let (mut pending, mut last) = (Vec::new(), None);
        for call in calls {
            let thing = Thing::of_call(call, told);
            let connection = if thing.is_connection() { Some(thing) } else { None };
            let connection = connection.or(if call.name == "futex" { last } else { None });
            let Some(connection) = connection else {
                pending.push(call.clone());
                continue;
            };
            last = Some(connection);
            let place = of_thread.iter().position(|it| it.connection == last);
            let place = place.unwrap_or_else(|| {
                of_thread.push(Stream { role: *role, connection: last, calls: Vec::new() });
                of_thread.len() - 1
            });
            of_thread[place].calls.append(&mut pending);
            of_thread[place].calls.push(call.clone());
        }
        streams.extend(of_thread);
    }
    streams
}

fn place(streams: &[Stream], told: &Told, rules: Rules) -> Vec<Placed> {
    match rules {
        Rules::OfKafka => {
            let threads: Vec<Watched> =
                streams.iter().map(|it| (it.role, it.calls.clone())).collect();
            rules::place(&threads, told).placed
        }
        Rules::OfOurs => {
            let streams = streams.iter().enumerate();
            streams.flat_map(|(thread, stream)| place_ours(thread, stream, told)).collect()
        }
    }
}

/// The calls of one stream of this broker, by rule: by thread, call and descriptor.
fn place_ours(thread: usize, stream: &Stream, told: &Told) -> Vec<Placed> {
    let mut placed = Vec::new();
    let mut before = "";
    let shown: Vec<&Call> = stream.calls.iter().filter(|it| is_shown(stream.role, it)).collect();
    for (at, call) in shown.iter().enumerate() {
        let thing = Thing::of_call(call, told);
        let found = match stream.role {
            Role::Fetcher => rules::of_fetcher(call, thing),
            role => of_request(role, call, before, is_before_a_write(&shown[at..])),
        };
        before = &call.name;
        let Some((step, stage)) = found else { continue };
        let name = canonical_name(&call.name).to_string();
        let line = Line { step, role: stream.role, call: name, text: words(call, told) };
        let ended_us = call.ended_us();
        placed.push(Placed { line, stage, thing, thread, lane: thing, ended_us });
    }
    placed
}

fn of_request(role: Role, call: &Call, before: &str, is_out: bool) -> Option<(u8, Stage)> {
    let cast = match role {
        Role::Acceptor => CastRole::Acceptor,
        Role::Processor => CastRole::Processor(0),
        _ => CastRole::Handler(0),
    };
    let stage = match role {
        // Whoever is woken by it gets what was read.
        Role::Processor if is_out && call.name != "futex" => Stage::Out,
        Role::Acceptor | Role::Processor => Stage::In,
        _ => Stage::Down,
    };
    match Explanation::by_rule(cast, call, before) {
        Some(Explanation { step: Some(3), .. }) if is_out => Some((14, stage)),
        Some(Explanation { step: Some(step), .. }) => Some((*step, stage)),
        _ if role == Role::Handler => Some((8, stage)),
        _ => None,
    }
}

/// Whether this call is a write, or the next that reads or writes is one.
fn is_before_a_write(calls: &[&Call]) -> bool {
    let of = |it: &&&Call| match it.name.as_str() {
        "recvfrom" | "readv" | "recvmsg" | "read" => Some(false),
        "sendmsg" | "sendfile" | "sendto" | "poll" => Some(true),
        _ => None,
    };
    calls.iter().find_map(|it| of(&it)).unwrap_or(false)
}

/// Not a wait in vain, the other half of a wake, memory, or a lock.
fn is_shown(role: Role, call: &Call) -> bool {
    let is_wait = call.name == "epoll_wait" && call.value() <= 0;
    let is_futex = call.name == "futex";
    let is_wake = is_futex && call.arguments.contains("FUTEX_WAKE") && call.value() > 0;
    !is_wait
        && !(is_futex && (role != Role::Processor || !is_wake))
        && call.name != "restart_syscall"
        && !is_for_memory(call)
        && !is_of_the_standard_library(call)
}

fn words(call: &Call, told: &Told) -> String {
    match call.name.as_str() {
        "futex" => format!("futex(wake a handler) = {}", call.value()),
        "syscall_0x1c3" => "cachestat(log) = 0".to_string(),
        _ => text(call, told),
    }
}
