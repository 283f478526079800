//! What is measured.

use crate::figure::Findings;
use crate::outcome::Outcome;
use crate::plan::Plan;

mod catch_up;
mod fetch_counts;
mod instructions;
mod request_costs;
mod partitions;
mod produce;
mod perf_tools;
mod acks_all;
mod follower;
mod failover;
mod tls;
mod logins;
mod latency;
mod cold_reader;
mod beside;
mod backlog;
mod idle_connections;
mod memory;
mod small_topic;
mod start;

/// One table of the report.
pub struct Experiment {
    /// As it is named on the command line.
    pub name: &'static str,
    /// As the report names it.
    pub title: &'static str,
    pub run: fn(&Plan) -> Outcome<Findings>,
}

/// All there are, in the order in which they run.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment { name: "catch-up", title: "Consumers catch up", run: catch_up::run },
    Experiment { name: "fetch-counts", title: "What one fetch takes", run: fetch_counts::run },
    Experiment {
        name: "request-costs",
        title: "What one request takes, today and earlier",
        run: request_costs::run,
    },
    Experiment { name: "partitions", title: "Fetches of many partitions", run: partitions::run },
    Experiment { name: "produce", title: "Producers, acks 1", run: produce::run },
    Experiment { name: "perf-tools", title: "Kafka's perf tools", run: perf_tools::run },
    Experiment { name: "acks-all", title: "Three replicas", run: acks_all::run },
    Experiment { name: "follower", title: "A follower that has fallen behind", run: follower::run },
    Experiment { name: "failover", title: "A leader that is killed", run: failover::run },
    Experiment { name: "tls", title: "TLS in user space beside none", run: tls::run },
    Experiment { name: "logins", title: "Handshakes and logins", run: logins::run },
    Experiment { name: "latency", title: "From producer to consumer", run: latency::run },
    Experiment {
        name: "cold-reader",
        title: "A hot consumer beside a reader of cold pages",
        run: cold_reader::run,
    },
    Experiment {
        name: "backlog",
        title: "Small readers beside one of a huge backlog",
        run: backlog::run,
    },
    Experiment {
        name: "idle-connections",
        title: "10,000 idle connections",
        run: idle_connections::run,
    },
    Experiment { name: "start", title: "Start", run: start::run },
    Experiment { name: "memory", title: "Resident memory", run: memory::run },
];
