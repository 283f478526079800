//! `make strace`, `make strace-kafka`, `make picture`, `make exhibits`: what the pages show of a
//! session of one client, recorded from the release binary. `make lesson`: what would go wrong.

use std::process::ExitCode;

use bench::caretaker;
use bench::outcome::{Outcome, failed};

mod session;
mod lessons;

/// What can be asked for, each with its program.
const COMMANDS: [(&str, fn(&[String]) -> Outcome<()>); 2] =
    [("lesson", lessons::run), (caretaker::COMMAND, |_| caretaker::serve())];

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
    match COMMANDS.iter().find(|it| it.0 == name) {
        Some((_, command)) => command(rest),
        None => failed(format!("no exhibit {name}; there are {}", known.join(", "))),
    }
}
