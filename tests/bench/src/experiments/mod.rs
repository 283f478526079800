//! What is measured.

mod catch_up;
mod instructions;
mod fetch_counts;
mod partitions;
mod produce;
mod perf_tools;
mod latency;

use crate::figure::Findings;
use crate::outcome::Outcome;
use crate::plan::Plan;

/// One table of the report.
pub(crate) struct Experiment {
    /// As it is named on the command line.
    pub(crate) name: &'static str,
    /// As the report names it.
    pub(crate) title: &'static str,
    pub(crate) run: fn(&Plan) -> Outcome<Findings>,
}

/// All there are, in the order in which they run.
pub(crate) const EXPERIMENTS: &[Experiment] = &[
    Experiment { name: "catch-up", title: "Consumers catch up", run: catch_up::run },
    Experiment { name: "fetch-counts", title: "What one fetch takes", run: fetch_counts::run },
    Experiment { name: "partitions", title: "Fetches of many partitions", run: partitions::run },
    Experiment { name: "produce", title: "Producers, acks 1", run: produce::run },
    Experiment { name: "perf-tools", title: "Kafka's perf tools", run: perf_tools::run },
    Experiment { name: "latency", title: "From producer to consumer", run: latency::run },
];
