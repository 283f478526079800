//! What TLS adds: the same file by `sendfile`, by `read` and `write` in pieces of a record, and encrypted
//! between the two. The receiver takes the records in and leaves them as they are, so that what is
//! measured is the sender's part.

use bench::outcome::{Outcome, failed};
use bench::plan::Plan;
use bench::scratch::Scratch;
use bench::turns::turns;

use crate::cost::{Cost, Usage};
use crate::file_cases::{Case, big_warm};
use crate::measured::{COUNTS, Measured, TIMES};
use crate::progress::Progress;
use crate::receiver::{receive, receive_all};
use crate::report::{Part, Section};
use crate::sender::Sender;
use crate::test_file::TestFile;
use crate::ways::{TLS_WAYS, Way};

pub(crate) fn run(plan: &Plan) -> Outcome<Part> {
    let scratch = Scratch::new(plan, "tls")?;
    check_ways(&TestFile::write(scratch.path(), Case::warm(7, 1, 1).bytes())?)?;
    let case = big_warm(plan);
    let file = TestFile::write(scratch.path(), case.bytes())?;
    let name = format!("{}, encrypted and not", case.name());
    let mut measured = Measured::default();
    let mut progress = Progress::of((TLS_WAYS.len() * plan.rounds) as f64);
    for round in 1..=plan.rounds {
        for way in turns(round, TLS_WAYS.iter()) {
            progress.begin(&format!("round {round}: {name}, {}", way.name()));
            measured.add(&name, way.name(), measure(*way, &file)?);
            progress.end(1.0);
        }
    }
    let section = Section {
        name: "tls",
        title: name.clone(),
        tables: vec![measured.table(&name, &TIMES), measured.table(&name, &COUNTS)],
        charts: measured.charts("What TLS adds", &[&name]),
        remarks: Vec::new(),
    };
    Ok(Part { sections: vec![section] })
}

/// Before anything is measured: what each way brings is the file, once it is decrypted.
fn check_ways(file: &TestFile) -> Outcome<()> {
    let expected = file.content()?;
    for way in TLS_WAYS {
        let sender = Sender::start(way, file.path(), 1, 1)?;
        let wire = receive_all(sender.port, way.wire_bytes(file.bytes))?;
        sender.cost()?;
        if way.opened(wire)? != expected {
            return failed(format!("{} brings something else than the file", way.name()));
        }
    }
    println!("  each of the {} ways brings the same bytes", TLS_WAYS.len());
    Ok(())
}

fn measure(way: &dyn Way, file: &TestFile) -> Outcome<Cost> {
    file.warm()?;
    let sender = Sender::start(way, file.path(), 1, 1)?;
    let before = Usage::of_self()?;
    receive(sender.port, 1, way.wire_bytes(file.bytes))?;
    let receiver_cpu_s = Usage::of_self()?.since(&before).cpu_s();
    Ok(Cost { receiver_cpu_s, ..sender.cost()? })
}
