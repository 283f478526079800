//! What a person asked for, and what this machine has for it.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::experiments::{EXPERIMENTS, Experiment};
use crate::namespace::Network;
use crate::outcome::{Outcome, failed};

/// How often each peer is measured, in turn with the others.
const ROUNDS: usize = 5;
const ROUNDS_SHORT: usize = 2;

/// How long memory is watched under load.
const LOAD_TIME: Duration = Duration::from_secs(60);
const LOAD_TIME_SHORT: Duration = Duration::from_secs(6);
/// A year.
const HOURS_MAX: f64 = 8_760.0;

/// What was asked for.
#[derive(Debug)]
pub struct Plan {
    /// The broker's binary.
    pub binary: PathBuf,
    /// That of an earlier commit, where a person wants the two side by side.
    pub earlier: Option<PathBuf>,
    /// Where peers, their data and the results lie; stays for the next run.
    pub work_dir: PathBuf,
    /// How often each peer is measured.
    pub rounds: usize,
    /// Whether each measurement is as short as it can be: to see that all works.
    pub is_short: bool,
    /// Whether instructions are counted, too, which takes minutes.
    pub is_long: bool,
    /// Whether the figures go into the pages of `docs`.
    pub writes_pages: bool,
    /// Where all this runs.
    pub network: Network,
    load_time: Duration,
    names: Vec<String>,
}

impl Plan {
    /// Reads the names of experiments from the arguments, and `ROUNDS`, `SHORT`, `LONG`, `HOURS`,
    /// `WRITE`, `BROKER` and `EARLIER` from the environment.
    pub fn from_arguments() -> Outcome<Self> {
        let names: Vec<String> = env::args().skip(1).collect();
        for name in &names {
            if EXPERIMENTS.iter().all(|experiment| experiment.name != name) {
                let known: Vec<_> = EXPERIMENTS.iter().map(|it| it.name).collect();
                return failed(format!("no experiment {name}; there are {}", known.join(", ")));
            }
        }
        Self::from_environment("bench", names)
    }

    /// The same for another program, whose data lies in `target/dir`, and that knows what `names`
    /// means.
    pub fn from_environment(dir: &str, names: Vec<String>) -> Outcome<Self> {
        let own = env::current_exe()?;
        let binary =
            given("BROKER").map_or_else(|| own.with_file_name("transferto"), PathBuf::from);
        let earlier = given("EARLIER").map(PathBuf::from);
        if let Some(missing) = [&binary].into_iter().chain(&earlier).find(|it| !it.is_file()) {
            return failed(format!("{} is missing", missing.display()));
        }
        let Some(target) = own.parent().and_then(Path::parent) else {
            return failed("this binary lies in no target directory");
        };
        let is_short = given("SHORT").is_some();
        let rounds = match given("ROUNDS") {
            Some(rounds) => match rounds.parse() {
                Ok(rounds @ 1..) => rounds,
                _ => return failed(format!("ROUNDS={rounds}: it takes a number from 1")),
            },
            None if is_short => ROUNDS_SHORT,
            None => ROUNDS,
        };
        let load_time = match given("HOURS") {
            Some(hours) => match hours.parse::<f64>() {
                Ok(number) if number > 0.0 && number < HOURS_MAX => {
                    Duration::from_secs_f64(number * 3600.0)
                }
                _ => return failed(format!("HOURS={hours}: it takes a number such as 1 or 0.5")),
            },
            None if is_short => LOAD_TIME_SHORT,
            None => LOAD_TIME,
        };
        let work_dir = target.join(dir);
        Ok(Self {
            binary,
            earlier,
            work_dir,
            rounds,
            is_short,
            is_long: given("LONG").is_some(),
            writes_pages: given("WRITE").is_some(),
            network: Network::default(),
            load_time,
            names,
        })
    }

    /// How long memory is watched under load: an hour if `HOURS=1` says so.
    pub fn load_time(&self) -> Duration {
        self.load_time
    }

    /// The words that were given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The experiments that were named; all of them if none was.
    pub fn chosen(&self) -> impl Iterator<Item = &'static Experiment> {
        let is_chosen = |experiment: &&Experiment| {
            self.names.is_empty() || self.names.iter().any(|name| experiment.name == name)
        };
        EXPERIMENTS.iter().filter(is_chosen)
    }
}

/// A variable of the environment that is set and not empty, as `make` passes those that are not.
fn given(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
