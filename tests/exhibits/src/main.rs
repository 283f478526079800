//! `make strace`, `make strace-kafka`, `make picture`, `make exhibits`: what the pages show of a
//! session of one client, recorded from a broker of its own; `make strace-replication` and
//! `make lost-record`, from several; `make exercise`: what a reader can find out with one;
//! `make lesson`: what would go wrong.

use std::process::ExitCode;

use bench::caretaker;
use bench::outcome::{Outcome, failed};

mod words;
mod typesetting;
mod session;
mod call;
mod recorder;
mod link;
mod traced_broker;
mod recording;
mod cast;
mod explanation;
mod story;
mod totals;
mod page;
mod ability;
mod alignment;
mod shape;
mod side_by_side;
mod exhibit_files;
mod strace;
mod kafka;
mod cluster;
mod replication;
mod lost_record;
mod picture;
mod lessons;
mod exercises;

/// Gets the rest of the arguments.
type Program = fn(&[String]) -> Outcome<()>;

/// What can be asked for, each with its program.
const COMMANDS: [(&str, Program); 8] = [
    ("strace", strace::run),
    ("strace-kafka", kafka::run),
    ("strace-tls", kafka::protocols::run),
    ("strace-replication", replication::run),
    ("lost-record", lost_record::run),
    ("picture", picture::picture),
    ("lesson", lessons::run),
    ("exercise", exercises::run),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("exhibits: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let known: Vec<&str> = COMMANDS.iter().map(|it| it.0).collect();
    let Some((name, rest)) = arguments.split_first() else {
        return failed(format!("one of {} is wanted", known.join(", ")));
    };
    if name == caretaker::COMMAND {
        return caretaker::serve();
    }
    match COMMANDS.iter().find(|it| it.0 == name) {
        Some((_, command)) => command(rest),
        None => failed(format!("no exhibit {name}; there are {}", known.join(", "))),
    }
}
