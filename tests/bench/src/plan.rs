//! What a person asked for, and what this machine has for it.

use std::env;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
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

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The broker's binary.
    pub(crate) binary: PathBuf,
    /// Where peers, their data and the results lie; stays for the next run.
    pub(crate) work_dir: PathBuf,
    /// How often each peer is measured.
    pub(crate) rounds: usize,
    /// Whether each measurement is as short as it can be: to see that all works.
    pub(crate) is_short: bool,
    /// Whether what takes minutes is done, too.
    pub(crate) is_long: bool,
    /// Whether the figures go into the pages of `docs`.
    pub(crate) writes_pages: bool,
    /// Where all this runs.
    pub(crate) network: Network,
    load_time: Duration,
    names: Vec<String>,
}

impl Plan {
    /// Reads the names of experiments from the arguments, and `ROUNDS`, `SHORT`, `LONG`, `WRITE`
    /// and `BROKER` from the environment.
    pub(crate) fn from_arguments() -> Outcome<Self> {
        let names: Vec<String> = env::args().skip(1).collect();
        for name in &names {
            if EXPERIMENTS.iter().all(|experiment| experiment.name != name) {
                let known: Vec<_> = EXPERIMENTS.iter().map(|it| it.name).collect();
                return failed(format!("no experiment {name}; there are {}", known.join(", ")));
            }
        }
        let own = env::current_exe()?;
        let binary =
            given("BROKER").map_or_else(|| own.with_file_name("transferto"), PathBuf::from);
        if !binary.is_file() {
            return failed(format!("{} is missing", binary.display()));
        }
        let Some(target) = own.parent().and_then(Path::parent) else {
            return failed("this binary lies in no target directory");
        };
        let is_short = given("SHORT").is_some();
        let rounds = match given("ROUNDS") {
            Some(rounds) => number("ROUNDS", &rounds)?,
            None if is_short => ROUNDS_SHORT,
            None => ROUNDS,
        };
        let load_time = match given("HOURS") {
            Some(hours) => Duration::try_from_secs_f64(number::<f64>("HOURS", &hours)? * 3600.0)
                .or_else(|error| failed(format!("HOURS={hours}: {error}")))?,
            None if is_short => LOAD_TIME_SHORT,
            None => LOAD_TIME,
        };
        let work_dir = target.join("bench");
        Ok(Self {
            binary,
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

    /// A directory in which nothing is; whatever was there is removed.
    pub(crate) fn empty_dir(&self, name: &str) -> Outcome<PathBuf> {
        let dir = self.work_dir.join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// How long memory is watched under load: an hour if `HOURS=1` says so.
    pub(crate) fn load_time(&self) -> Duration {
        self.load_time
    }

    /// The experiments that were named; all of them if none was.
    pub(crate) fn chosen(&self) -> impl Iterator<Item = &'static Experiment> {
        let is_chosen = |experiment: &&Experiment| {
            self.names.is_empty() || self.names.iter().any(|name| experiment.name == name)
        };
        EXPERIMENTS.iter().filter(is_chosen)
    }
}

/// The number that a variable of the environment is set to.
fn number<T: FromStr<Err: Display>>(name: &str, value: &str) -> Outcome<T> {
    value.parse().or_else(|error| failed(format!("{name}={value} is no number: {error}")))
}

/// A variable of the environment that is set and not empty, as `make` passes those that are not.
fn given(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
