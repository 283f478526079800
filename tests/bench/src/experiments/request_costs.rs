//! What one request takes, of each kind that matters: instructions and allocations under callgrind, system
//! calls without it. With `EARLIER=` the binary of an earlier commit does the same, in the same run.
//!
//! Then the same of a cluster of three: what a batch takes that two followers have to have, on the leader's
//! side and on a follower's.

use std::path::Path;
use std::thread;
use std::time::Duration;

use transferto::message::compression_codec::CompressionCodec;

use crate::call_counter::{CallCounter, Calls};
use crate::callgrind::{Callgrind, Counts};
use crate::client::{Client, FETCH_VERSION, Limits, Place, fetch_body};
use crate::connection::Tally;
use crate::data_set::DataSet;
use crate::experiments::produce::Load;
use crate::figure::{Findings, Goal, Unit};
use crate::outcome::{Outcome, failed};
use crate::peers::cluster::{BROKERS, Cluster, Make};
use crate::peers::transferto::{TRANSFERTO, Transferto};
use crate::peers::{Broker, Consumer, Errand, FetchPeer};
use crate::plan::Plan;
use crate::process::Server;
use crate::producer::{ACKS_ALL, ACKS_LEADER, Batch};
use crate::scratch::Scratch;

/// As the tables name the binary of `EARLIER=`.
const EARLIER: &str = "transferto, earlier";
const REQUESTS: usize = 200;
const REQUESTS_SHORT: usize = 50;
/// Of each kind before the first count: files are open, and memory is as large as it gets.
const REQUESTS_BEFORE: usize = 20;
/// Under valgrind each takes as long as fifty.
const ROUNDS_MAX: usize = 3;

const DATA_BYTES: usize = 8 << 20;
const VALUE_BYTES: usize = 100;
const BATCH_BYTES: usize = 16_384;
const LARGE_FETCH_BYTES: usize = 1 << 20;
/// Less than one batch: that much comes.
const SMALL_FETCH_BYTES: usize = 1 << 10;
/// In this time a fetch arrives, and finds nothing yet.
const UNTIL_PARKED: Duration = Duration::from_millis(20);
const TOPIC: &str = "costs";
const LARGE: Load = Load::new(1, 1000, 100, CompressionCodec::None);
const SMALL: Load = Load::new(1, 1, 100, CompressionCodec::None);

const LEADER: &str = "a leader with two followers";
const FOLLOWER: &str = "a follower";
/// The broker that is counted. The topic is created anew until it leads, or follows.
const COUNTED: i32 = 1;
const TOPICS_MAX: usize = 40;
/// Under valgrind a broker is slow, and must not be taken for dead, nor for one that has fallen behind.
const PATIENT_CONTROLLER: [&str; 1] = ["broker.session.timeout.ms=45000"];
const PATIENT: [&str; 1] = ["replica.lag.time.max.ms=120000"];
/// More than this by the earlier, and a request costs noticeably more.
const GOAL: f64 = 1.03;

/// A kind of request.
#[derive(Clone, Copy, Debug)]
enum Act {
    LargeFetch,
    SmallFetch,
    /// A fetch waits, and a batch that is produced answers it.
    LongPoll,
    Produce(i16, Load),
}

const ACTS: &[Act] = &[
    Act::LargeFetch,
    Act::SmallFetch,
    Act::LongPoll,
    Act::Produce(ACKS_LEADER, SMALL),
    Act::Produce(ACKS_LEADER, LARGE),
    Act::Produce(ACKS_ALL, SMALL),
    Act::Produce(ACKS_ALL, LARGE),
];
/// In the cluster.
const BATCHES: [Act; 2] = [Act::Produce(ACKS_ALL, SMALL), Act::Produce(ACKS_ALL, LARGE)];

impl Act {
    fn row(self) -> String {
        match self {
            Self::LargeFetch => "a fetch of 1 MiB, batches of 16 KiB".to_string(),
            Self::SmallFetch => "a fetch of one batch of 16 KiB".to_string(),
            Self::LongPoll => "a fetch that waits, and the batch that answers it".to_string(),
            Self::Produce(acks, load) => format!("a batch, {}", batch_row(acks, load)),
        }
    }
}

fn batch_row(acks: i16, load: Load) -> String {
    let acks = if acks == ACKS_ALL { "all" } else { "1" };
    // Of one producer.
    let row = load.row();
    format!("acks={acks}, {}", row.rsplit(", ").next().unwrap_or(&row))
}

pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let obstacles = [Callgrind::obstacle(), CallCounter::obstacle()];
    let tools = Tools {
        plan,
        requests: if plan.is_short { REQUESTS_SHORT } else { REQUESTS },
        has_callgrind: obstacles[0].is_none(),
        has_perf: obstacles[1].is_none(),
    };
    findings.remarks.extend(obstacles.into_iter().flatten());
    let rounds = plan.rounds.min(ROUNDS_MAX);
    for round in 1..=rounds {
        println!("  round {round} of {rounds}");
        let earlier = plan.earlier.iter().map(|binary| (EARLIER, binary));
        for (name, binary) in earlier.chain([(TRANSFERTO, &plan.binary)]) {
            tools.lone(name, binary, &mut findings)?;
        }
        tools.cluster(&mut findings)?;
    }
    findings.goals = ACTS.iter().flat_map(|act| goals(&findings, &act.row())).collect();
    Ok(findings)
}

/// Only beside an earlier one.
fn goals(findings: &Findings, row: &str) -> Vec<Goal> {
    let goal = |unit: Unit| {
        let found =
            findings.median(row, TRANSFERTO, unit)? / findings.median(row, EARLIER, unit)?;
        Some(Goal::at_most(format!("{row}: {} by the earlier's", unit.symbol()), GOAL, found))
    };
    [Unit::Instructions, Unit::Allocations, Unit::Calls].into_iter().filter_map(goal).collect()
}

struct Tools<'a> {
    plan: &'a Plan,
    requests: usize,
    has_callgrind: bool,
    has_perf: bool,
}

impl Tools<'_> {
    /// A broker without a cluster.
    fn lone(&self, name: &str, binary: &Path, findings: &mut Findings) -> Outcome<()> {
        if self.has_callgrind {
            let scratch = Scratch::new(self.plan, "request-costs")?;
            let mut callgrind = Callgrind::new(scratch.join("callgrind.out"));
            let wrapper = callgrind.wrapper().map(str::to_string);
            let wrapper = wrapper.each_ref().map(String::as_str);
            let logs = scratch.join("logs");
            let broker = Transferto::start_under(binary, &wrapper, name, &logs, &[])?;
            let mut client = Actor::new(&broker)?;
            for act in ACTS {
                client.act(*act, REQUESTS_BEFORE)?;
                let pid = Broker::server(&broker).pid();
                let counts = callgrind.between(pid, || client.act(*act, self.requests))?;
                self.add_counts(findings, &act.row(), name, counts);
            }
        }
        if self.has_perf {
            let scratch = Scratch::new(self.plan, "request-costs")?;
            let broker = Transferto::start_under(binary, &[], name, &scratch.join("logs"), &[])?;
            let mut client = Actor::new(&broker)?;
            for act in ACTS {
                client.act(*act, REQUESTS_BEFORE)?;
                let server = Broker::server(&broker);
                let calls = calls(server, scratch.path(), || client.act(*act, self.requests))?;
                self.add_calls(findings, &act.row(), name, &calls);
            }
        }
        Ok(())
    }

    fn cluster(&self, findings: &mut Findings) -> Outcome<()> {
        let scratch = Scratch::new(self.plan, "request-costs")?;
        let (make, dir) = (Make::Transferto, scratch.join("cluster"));
        let mut cluster = Cluster::start(self.plan, make, &dir, &PATIENT_CONTROLLER, &PATIENT)?;
        for (part, role) in [(LEADER, true), (FOLLOWER, false)] {
            if self.has_perf {
                let topic = Replicated::create(&cluster, &format!("calls-{role}"), role)?;
                for act in BATCHES {
                    let mut client = topic.client(&cluster, act, REQUESTS_BEFORE)?;
                    let server = cluster.server(COUNTED)?;
                    let calls = calls(server, scratch.path(), || client.produce(self.requests))?;
                    self.add_calls(findings, &format!("{part}, {}", act.row()), TRANSFERTO, &calls);
                }
            }
        }
        if !self.has_callgrind {
            return Ok(());
        }
        let mut callgrind = Callgrind::new(scratch.join("callgrind.out"));
        let wrapper = callgrind.wrapper().map(str::to_string);
        cluster.stop(COUNTED)?;
        cluster.start_broker_under(self.plan, COUNTED, &wrapper.each_ref().map(String::as_str))?;
        for (part, role) in [(LEADER, true), (FOLLOWER, false)] {
            let topic = Replicated::create(&cluster, &format!("counts-{role}"), role)?;
            for act in BATCHES {
                let mut client = topic.client(&cluster, act, REQUESTS_BEFORE)?;
                let pid = cluster.server(COUNTED)?.pid();
                let counts = callgrind.between(pid, || client.produce(self.requests))?;
                self.add_counts(findings, &format!("{part}, {}", act.row()), TRANSFERTO, counts);
            }
        }
        Ok(())
    }

    fn add_counts(&self, findings: &mut Findings, row: &str, peer: &str, counts: Counts) {
        let each = |count: f64| count / self.requests as f64;
        findings.add(row, peer, Unit::Instructions, each(counts.instructions));
        findings.add(row, peer, Unit::Allocations, each(counts.allocations));
    }

    fn add_calls(&self, findings: &mut Findings, row: &str, peer: &str, calls: &Calls) {
        findings.add(row, peer, Unit::Calls, calls.all / self.requests as f64);
    }
}

fn calls(server: &Server, dir: &Path, work: impl FnOnce() -> Outcome<()>) -> Outcome<Calls> {
    let mut counter = CallCounter::attach(server.pid(), dir)?;
    counter.begin()?;
    work()?;
    counter.finish()
}

/// What a lone broker is asked by: one request at a time.
struct Actor {
    client: Client,
    /// The one that waits.
    waiting: Client,
    large: Box<dyn Consumer>,
    small: Box<dyn Consumer>,
    tally: Tally,
}

impl Actor {
    fn new(broker: &Transferto) -> Outcome<Self> {
        let data = DataSet::new("filled", 1, DATA_BYTES, VALUE_BYTES, BATCH_BYTES)?;
        data.fill(broker.port())?;
        let consumer = |fetch_bytes| {
            broker.consumer(&Errand { data: &data, fetch_bytes, partitions: 1, behind: 0.0 })
        };
        let mut client = Client::connect(broker.port())?;
        client.ensure_topic(TOPIC, 1, &[])?;
        Ok(Self {
            client,
            waiting: Client::connect(broker.port())?,
            large: consumer(LARGE_FETCH_BYTES)?,
            small: consumer(SMALL_FETCH_BYTES)?,
            tally: Tally::default(),
        })
    }

    fn act(&mut self, act: Act, count: usize) -> Outcome<()> {
        match act {
            Act::LargeFetch => (0..count).try_for_each(|_| self.large.fetch(&self.tally)),
            Act::SmallFetch => (0..count).try_for_each(|_| self.small.fetch(&self.tally)),
            Act::LongPoll => self.poll(count),
            Act::Produce(acks, load) => {
                let batch = load.batch()?;
                produce(&mut self.client, TOPIC, acks, &batch, count)
            }
        }
    }

    fn poll(&mut self, count: usize) -> Outcome<()> {
        let batch = SMALL.batch()?;
        let offset = self.client.produce(TOPIC, 0, ACKS_LEADER, &batch.bytes)? + batch.records;
        let mut places = [Place { partition: 0, offset }];
        let bytes = i32::try_from(LARGE_FETCH_BYTES)?;
        let limits = Limits { bytes, partition_bytes: bytes };
        for _ in 0..count {
            self.waiting.send(FETCH_VERSION, &fetch_body(TOPIC, &places, limits), &[])?;
            thread::sleep(UNTIL_PARKED);
            self.client.produce(TOPIC, 0, ACKS_LEADER, &batch.bytes)?;
            self.waiting.receive_fetch(&mut places, &self.tally)?;
        }
        Ok(())
    }
}

fn produce(
    client: &mut Client,
    topic: &str,
    acks: i16,
    batch: &Batch,
    count: usize,
) -> Outcome<()> {
    (0..count).try_for_each(|_| client.produce(topic, 0, acks, &batch.bytes).map(drop))
}

/// A topic with a replica on each of the three.
struct Replicated {
    topic: String,
    leader: i32,
}

impl Replicated {
    /// One that the broker that is counted leads, or does not.
    fn create(cluster: &Cluster, name: &str, is_led: bool) -> Outcome<Self> {
        for number in 0..TOPICS_MAX {
            let topic = format!("{name}-{number}");
            cluster.create_topic(&topic, 1, &[("min.insync.replicas", "2")])?;
            let leader = cluster.wait_until_in_sync(&topic, 0, BROKERS as usize)?;
            if (leader == COUNTED) == is_led {
                return Ok(Self { topic, leader });
            }
            cluster.any_client()?.delete_topic(&topic)?;
        }
        failed(format!("none of {TOPICS_MAX} topics has the leader that was wanted"))
    }

    /// What produces such a batch, and has done so.
    fn client(&self, cluster: &Cluster, act: Act, before: usize) -> Outcome<ReplicatedClient<'_>> {
        let Act::Produce(acks, load) = act else { return failed("not a batch") };
        let client = cluster.client(self.leader)?;
        let mut client =
            ReplicatedClient { client, topic: &self.topic, acks, batch: load.batch()? };
        client.produce(before)?;
        Ok(client)
    }
}

struct ReplicatedClient<'a> {
    client: Client,
    topic: &'a str,
    acks: i16,
    batch: Batch,
}

impl ReplicatedClient<'_> {
    fn produce(&mut self, count: usize) -> Outcome<()> {
        produce(&mut self.client, self.topic, self.acks, &self.batch, count)
    }
}
