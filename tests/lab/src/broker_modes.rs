//! The broker itself, once as it is and once in the post's first way: `transferto.transfer.mode`.

use std::path::Path;
use std::sync::atomic::Ordering;

use bench::connection::Tally;
use bench::data_set::DataSet;
use bench::outcome::Outcome;
use bench::peers::transferto::Transferto;
use bench::peers::{Broker, Errand, FetchPeer};
use bench::plan::Plan;
use bench::scratch::Scratch;
use bench::turns::turns;

use crate::cost::{Cost, Usage};
use crate::cpus;
use crate::kernel_count::KernelCount;
use crate::measured::{BROKER_COUNTS, Measured, TIMES};
use crate::progress::Progress;
use crate::report::{Part, Section};

const CASE: &str = "1 GB of records, from memory to one consumer";
const DATA_BYTES: usize = 1_000_000_000;
const DATA_BYTES_SHORT: usize = 250_000_000;
const FETCH_BYTES: usize = 50 << 20;
const VALUE_BYTES: usize = 1024;
const BATCH_BYTES_MAX: usize = 1_000_000;
const PARTITIONS: usize = 1;

/// A setup of the broker.
struct Mode {
    name: &'static str,
    settings: &'static [&'static str],
    /// By the CPU of the broker, of each byte of a message.
    copies: f64,
}

const COPY: &str = "transferto.transfer.mode=copy";
const MODES: [Mode; 4] = [
    Mode { name: "transferto, sendfile", settings: &[], copies: 0.0 },
    Mode {
        name: "transferto, copy, 4 KiB",
        settings: &[COPY, "transferto.transfer.copy.buffer.bytes=4096"],
        copies: 2.0,
    },
    Mode { name: "transferto, copy, 64 KiB", settings: &[COPY], copies: 2.0 },
    Mode {
        name: "transferto, copy, 1 MiB",
        settings: &[COPY, "transferto.transfer.copy.buffer.bytes=1048576"],
        copies: 2.0,
    },
];

pub(crate) fn run(plan: &Plan) -> Outcome<Part> {
    let scratch = Scratch::new(plan, "broker")?;
    let bytes = if plan.is_short { DATA_BYTES_SHORT } else { DATA_BYTES };
    let data = DataSet::new("post", PARTITIONS, bytes, VALUE_BYTES, BATCH_BYTES_MAX)?;
    let bench = Bench { plan, logs: &scratch.join("logs"), data: &data };
    println!("  filling the topic");
    data.fill(bench.start(&MODES[0])?.port())?;
    let mut measured = Measured::default();
    let mut progress = Progress::of((MODES.len() * plan.rounds) as f64);
    for round in 1..=plan.rounds {
        for mode in turns(round, MODES.iter()) {
            progress.begin(&format!("round {round}: {}", mode.name));
            measured.add(CASE, mode.name, bench.measure(mode)?);
            progress.end(1.0);
        }
    }
    let mut count = KernelCount::default();
    for mode in &MODES {
        bench.count(mode, &mut count)?;
    }
    let (tables, remarks) = count.shown();
    let section = Section {
        name: "broker",
        title: CASE.to_string(),
        tables: [measured.table(CASE, &TIMES), measured.table(CASE, &BROKER_COUNTS)]
            .into_iter()
            .chain(tables)
            .collect(),
        charts: measured.charts("The broker in its two modes", &[CASE]),
        remarks,
    };
    Ok(Part { sections: vec![section] })
}

/// Where the broker's logs are, and what is in them.
struct Bench<'a> {
    plan: &'a Plan,
    logs: &'a Path,
    data: &'a DataSet,
}

impl Bench<'_> {
    fn start(&self, mode: &Mode) -> Outcome<Transferto> {
        let broker = Transferto::start(self.plan, mode.name, self.logs, mode.settings)?;
        cpus::make_sender(Broker::server(&broker))?;
        Ok(broker)
    }

    /// A consumer reads everything, and then again: the second time is measured.
    fn measure(&self, mode: &Mode) -> Outcome<Cost> {
        let broker = self.start(mode)?;
        let mut consumer = broker.consumer(&self.errand())?;
        let mut read_all = || {
            let tally = Tally::default();
            let kept = || tally.kept_bytes.load(Ordering::Relaxed) as usize;
            while kept() + FETCH_BYTES < self.data.partition_bytes() {
                consumer.fetch(&tally)?;
            }
            Outcome::Ok(kept() as f64)
        };
        read_all()?;
        let (own, of_broker) = (Usage::of_self()?, Usage::of(Broker::server(&broker))?);
        let bytes = read_all()?;
        let cost = Usage::of(Broker::server(&broker))?.since(&of_broker);
        let receiver_cpu_s = Usage::of_self()?.since(&own).cpu_s();
        let copied_bytes = bytes * mode.copies;
        Ok(Cost { transfers: 1.0, bytes, receiver_cpu_s, copied_bytes, ..cost })
    }

    /// Not timed: the kernel counts meanwhile.
    fn count(&self, mode: &Mode, count: &mut KernelCount) -> Outcome<()> {
        let broker = self.start(mode)?;
        let mut consumer = broker.consumer(&self.errand())?;
        let tally = Tally::default();
        consumer.fetch(&tally)?;
        let before = tally.kept_bytes.load(Ordering::Relaxed);
        count.during(mode.name, Broker::server(&broker).pid(), self.logs, || {
            for _ in 0..4 {
                consumer.fetch(&tally)?;
            }
            Ok((tally.kept_bytes.load(Ordering::Relaxed) - before) as f64)
        })
    }

    fn errand(&self) -> Errand<'_> {
        let (data, fetch_bytes) = (self.data, FETCH_BYTES);
        Errand { data, fetch_bytes, partitions: PARTITIONS, behind: 0.0 }
    }
}
