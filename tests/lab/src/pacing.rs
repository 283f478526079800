//! The same under BBR, which paces: what becomes of context switches when TCP wakes its sender by a
//! clock.

use std::fs;

use bench::outcome::Outcome;
use bench::plan::Plan;
use bench::scratch::Scratch;
use bench::turns::turns;

use crate::file_cases::{big_warm, measure};
use crate::measured::{COUNTS, Measured, TIMES};
use crate::progress::Progress;
use crate::report::{Part, Section};
use crate::test_file::TestFile;
use crate::ways::WAYS;

const AVAILABLE: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";
const CHOSEN: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
const BBR: &str = "bbr";

pub(crate) fn run(plan: &Plan) -> Outcome<Part> {
    let case = big_warm(plan);
    let name = format!("{}, under bbr", case.name());
    let mut section = Section { name: "pacing", title: name.clone(), ..Section::default() };
    if let Some(why) = obstacle(plan)? {
        section.remarks.push(format!("bbr was not measured: {why}"));
        return Ok(Part { sections: vec![section] });
    }
    let scratch = Scratch::new(plan, "pacing")?;
    let file = TestFile::write(scratch.path(), case.bytes())?;
    let _bbr = Chosen::set(BBR)?;
    let mut measured = Measured::default();
    let mut progress = Progress::of((WAYS.len() * plan.rounds) as f64);
    for round in 1..=plan.rounds {
        for way in turns(round, WAYS.iter()) {
            progress.begin(&format!("round {round}: {name}, {}", way.name()));
            measured.add(&name, way.name(), measure(*way, &case, &file)?.0);
            progress.end(1.0);
        }
    }
    section.tables = vec![measured.table(&name, &TIMES), measured.table(&name, &COUNTS)];
    Ok(Part { sections: vec![section] })
}

/// Why it cannot be.
fn obstacle(plan: &Plan) -> Outcome<Option<String>> {
    if !plan.network.is_own_namespace {
        return Ok(Some("it would change the network of this machine".to_string()));
    }
    let available = fs::read_to_string(AVAILABLE)?;
    let has_bbr = available.split_whitespace().any(|it| it == BBR);
    Ok((!has_bbr).then(|| "this kernel has none; try: modprobe tcp_bbr".to_string()))
}

/// The algorithm of new connections, until it is dropped.
struct Chosen {
    before: String,
}

impl Chosen {
    fn set(name: &str) -> Outcome<Self> {
        let before = fs::read_to_string(CHOSEN)?;
        fs::write(CHOSEN, name)?;
        Ok(Self { before })
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        if let Err(error) = fs::write(CHOSEN, &self.before) {
            println!("  what follows runs under bbr, too: {error}");
        }
    }
}
