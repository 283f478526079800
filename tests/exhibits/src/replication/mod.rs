//! `exhibits strace-replication`: one record on its way through a leader and its follower, of Kafka 0.9
//! and of this broker.

use bench::caretaker;
use bench::outcome::{Outcome, failed};
use bench::report::figures_file;

use crate::ability::Ability;
use crate::cluster::Software;
use crate::exhibit_files;
use crate::kafka::TRIES;
use crate::kafka::shape::Shape;
use crate::replication::side::Side;

mod watch;
mod legs;
mod wire;
mod side;
mod page;

const USAGE: &str = "usage: exhibits strace-replication, or with --record, or --compare";
const EXHIBIT: &str = "strace-replication";

pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Ability::of_strace()?;
    caretaker::start()?;
    match words.as_slice() {
        [] => {
            println!("{}", page::text(&both()?));
            Ok(())
        }
        ["--record"] => {
            let sides = both()?;
            exhibit_files::write(EXHIBIT, &page::text(&sides))?;
            figures_file::write(&format!("{EXHIBIT}."), &figures(&sides))
        }
        ["--compare"] => compare(),
        _ => failed(USAGE),
    }
}

fn both() -> Outcome<[Side; 2]> {
    let [original, ours] = Software::BOTH.map(Side::of);
    Ok([original?, ours?])
}

/// What prose on the pages says of both.
fn figures(sides: &[Side; 2]) -> Vec<(String, String)> {
    let of = |side: &Side, name: &str| {
        let figures = side.figures().into_iter();
        Vec::from_iter(figures.map(|(what, value)| (format!("{EXHIBIT}.{name}.{what}"), value)))
    };
    [of(&sides[0], "kafka"), of(&sides[1], "ours")].concat()
}

/// Records again, and holds it to what docs/exhibits shows.
fn compare() -> Outcome<()> {
    let kept = Shape::of(&exhibit_files::read(EXHIBIT)?);
    let mut difference = String::new();
    for _ in 0..TRIES {
        difference = Shape::of(&page::text(&both()?)).difference_to(&kept);
        if difference.is_empty() {
            println!("{EXHIBIT}: a new recording has the same shape");
            return Ok(());
        }
        println!("{EXHIBIT}, kept (-) and new (+):\n{difference}");
    }
    failed(format!("{EXHIBIT} has another shape than docs/exhibits shows:\n{difference}"))
}
