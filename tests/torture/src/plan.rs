//! What a person asked for: which tortures, for how long, from which seed.

use std::env;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::outcome::{Outcome, failed};
use crate::report::Report;
use crate::{cluster, damage, full_disk, fuzz, hostile, injection, kill, power_loss, tls_attacks};

/// One way to break a broker.
pub(crate) struct Torture {
    /// As it is named on the command line.
    pub(crate) name: &'static str,
    run: fn(&Plan, &mut Report) -> Outcome<()>,
}

/// All there are, in the order in which they run.
pub(crate) const TORTURES: &[Torture] = &[
    Torture { name: "kill", run: kill::run },
    Torture { name: "fuzz", run: fuzz::run },
    Torture { name: "hostile", run: hostile::run },
    Torture { name: "tls", run: tls_attacks::run },
    Torture { name: "damage", run: damage::run },
    Torture { name: "injection", run: injection::run },
    Torture { name: "power-loss", run: power_loss::run },
    Torture { name: "full-disk", run: full_disk::run },
    Torture { name: "cluster", run: cluster::run },
    Torture { name: "rolling", run: cluster::rolling::run },
];

/// What was asked for.
pub(crate) struct Plan {
    /// Begins all random choices.
    pub(crate) seed: u64,
    /// The broker's binary.
    pub(crate) binary: PathBuf,
    /// What the broker's environment has besides.
    pub(crate) environment: Vec<(String, String)>,
    /// How long each torture goes on; `None` is the short form.
    long: Option<Duration>,
    names: Vec<String>,
    /// At most so many rounds, if it is only to be shown that a fault is found.
    rounds_max: Option<u64>,
}

impl Plan {
    /// Reads the names of tortures from the arguments, and `SEED`, `LONG`, `HOURS` and `BROKER`
    /// from the environment.
    pub(crate) fn from_arguments() -> Outcome<Self> {
        let names: Vec<String> = env::args().skip(1).collect();
        Self::of(names)
    }

    fn of(names: Vec<String>) -> Outcome<Self> {
        for name in &names {
            if TORTURES.iter().all(|torture| torture.name != name) {
                return failed(format!("there is no torture {name}; there are {}", all_names()));
            }
        }
        let seed = match given("SEED") {
            Some(seed) => number("SEED", &seed)?,
            None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        };
        let binary = match given("BROKER") {
            Some(path) => PathBuf::from(path),
            None => env::current_exe()?.with_file_name("transferto"),
        };
        if !binary.is_file() {
            return failed(format!("{} is missing", binary.display()));
        }
        let count = if names.is_empty() { TORTURES.len() } else { names.len() };
        Ok(Self {
            seed,
            binary,
            environment: Vec::new(),
            long: long_form(count)?,
            names,
            rounds_max: None,
        })
    }

    /// The binary that is broken on purpose, if that is to be tortured.
    pub(crate) fn sabotaged_binary() -> Option<PathBuf> {
        given("SABOTAGED").map(PathBuf::from)
    }

    /// Of one torture against a binary that is broken on purpose, for a few rounds.
    pub(crate) fn sabotaged(
        &self,
        binary: PathBuf,
        sabotage: &str,
        torture: &str,
        rounds_max: u64,
    ) -> Self {
        Self {
            seed: self.seed,
            binary,
            environment: vec![("TRANSFERTO_SABOTAGE".to_string(), sabotage.to_string())],
            long: None,
            names: vec![torture.to_string()],
            rounds_max: Some(rounds_max),
        }
    }

    /// The same, of another binary.
    pub(crate) fn with_binary(&self, binary: PathBuf) -> Self {
        Self { binary, environment: self.environment.clone(), names: self.names.clone(), ..*self }
    }

    /// Whether the binary is broken on purpose: then the first loss is all that is wanted.
    pub(crate) fn is_sabotaged(&self) -> bool {
        self.rounds_max.is_some()
    }

    /// Whether it goes on for some time.
    pub(crate) fn is_long(&self) -> bool {
        self.long.is_some()
    }

    /// In words.
    pub(crate) fn form(&self) -> String {
        match self.long {
            Some(each) => format!("long form, {} s each", each.as_secs()),
            None => "short form".to_string(),
        }
    }

    /// The tortures that were named; all of them if none was.
    pub(crate) fn chosen(&self) -> impl Iterator<Item = &'static Torture> {
        let is_chosen = |torture: &&Torture| {
            self.names.is_empty() || self.names.iter().any(|name| torture.name == name)
        };
        TORTURES.iter().filter(is_chosen)
    }

    /// Runs one of them to its end, whatever happens.
    pub(crate) fn run(&self, torture: &Torture) -> Report {
        println!("{}", torture.name);
        let began = Instant::now();
        let mut report = Report::new(torture.name, self.seed);
        if let Err(error) = (torture.run)(self, &mut report) {
            report.fail(format!("it could not go on: {error}"));
        }
        report.close();
        println!("  {}: {:.1} s", torture.name, began.elapsed().as_secs_f64());
        report
    }

    /// How many rounds to run: `short` of them, or as many as fit into the long form's time.
    pub(crate) fn rounds(&self, short: u64) -> Rounds {
        let short = self.rounds_max.map_or(short, |max| short.min(max));
        Rounds { short, until: self.long.map(|each| Instant::now() + each), done: 0 }
    }
}

/// Counts the rounds of a torture.
pub(crate) struct Rounds {
    short: u64,
    until: Option<Instant>,
    done: u64,
}

impl Rounds {
    /// Whether there is another round. The long form is never shorter than the short one.
    pub(crate) fn go_on(&self) -> bool {
        self.done < self.short || self.until.is_some_and(|until| Instant::now() < until)
    }
}

impl Iterator for Rounds {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.go_on().then(|| {
            self.done += 1;
            self.done
        })
    }
}

/// With commas between them, for a person.
pub(crate) fn all_names() -> String {
    TORTURES.iter().map(|torture| torture.name).collect::<Vec<_>>().join(", ")
}

/// `HOURS` for all tortures together, or `LONG=1` for one hour.
fn long_form(tortures: usize) -> Outcome<Option<Duration>> {
    let hours: f64 = match (given("HOURS"), given("LONG")) {
        (Some(hours), _) => number("HOURS", &hours)?,
        (None, Some(_)) => 1.0,
        (None, None) => return Ok(None),
    };
    match Duration::try_from_secs_f64(hours * 3600.0 / tortures as f64) {
        Ok(each) => Ok(Some(each)),
        Err(error) => failed(format!("HOURS={hours}: {error}")),
    }
}

/// The number that a variable of the environment is set to.
fn number<T: FromStr<Err: Display>>(name: &str, value: &str) -> Outcome<T> {
    value.parse().or_else(|error| failed(format!("{name}={value} is no number: {error}")))
}

/// A variable of the environment that is set and not empty, as `make` passes those that are not.
pub(crate) fn given(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
