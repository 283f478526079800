//! The servers of a catch-up read, each of them started when its turn comes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::data_set::DataSet;
use crate::outcome::{Outcome, failed};
use crate::peers::file_server::{FileServer, Way};
use crate::peers::kafka::{self, Kafka};
use crate::peers::nginx::Nginx;
use crate::peers::transferto::{INLINE, INLINE_SETTING, TRANSFERTO, Transferto};
use crate::peers::{Broker, Errand, FetchPeer};
use crate::plan::Plan;
use crate::process::Server;
use crate::scratch::Scratch;
use crate::stretch::measure;

pub const BARE_LOOP: &str = "bare sendfile loop";
/// The beginnings of names that end with a version.
pub const NGINX: &str = "nginx";
pub const KAFKA: &str = "Apache Kafka";
/// Kafka's default.
const KAFKAS_SEND_BUFFER_BYTES: usize = 102_400;
/// For each set of data.
const GUESTS_WARM_UP: Duration = Duration::from_secs(3);
const GUESTS_WARM_UP_SHORT: Duration = Duration::from_millis(500);
const GUESTS_CONSUMERS: usize = 4;
const GUESTS_FETCH_BYTES: usize = 4 << 20;

/// One row of a chart.
pub struct Contestant {
    /// As a table names it.
    pub name: String,
    /// Whether it is measured in few rows only.
    pub is_aside: bool,
    kind: Kind,
}

impl Contestant {
    pub fn is_broker(&self) -> bool {
        matches!(self.kind, Kind::Transferto { .. } | Kind::Guest)
    }

    /// Whether it can send parts of several files, or of several places of one, in one response
    /// without words between them that only HTTP has.
    pub fn has_parts(&self) -> bool {
        !self.is_aside && !matches!(self.kind, Kind::Nginx)
    }
}

enum Kind {
    File {
        way: Way,
        send_buffer_bytes: Option<usize>,
    },
    Nginx,
    Transferto {
        settings: Vec<String>,
    },
    /// A broker that runs all the time, with logs of its own.
    Guest,
}

/// The contestants and what they serve.
pub struct Contest<'a> {
    plan: &'a Plan,
    /// Stops before its directory goes.
    guest: Option<Box<dyn Broker>>,
    scratch: Scratch,
    pub contestants: Vec<Contestant>,
    /// Who is missing, and why.
    pub remarks: Vec<String>,
}

impl<'a> Contest<'a> {
    /// Fills the logs. All but Apache Kafka serve the same files.
    pub fn prepare(plan: &'a Plan, name: &str, data: &[DataSet]) -> Outcome<Self> {
        let scratch = Scratch::new(plan, name)?;
        let (contestants, guest, remarks) = (Vec::new(), None, Vec::new());
        let mut contest = Self { plan, scratch, contestants, guest, remarks };
        contest.fill(data)?;
        contest.gather()?;
        contest.invite_kafka(data)?;
        Ok(contest)
    }

    fn fill(&self, data: &[DataSet]) -> Outcome<()> {
        let broker = self.start_transferto(TRANSFERTO, &[])?;
        for set in data {
            set.fill(broker.port())?;
        }
        Ok(())
    }

    fn invite_kafka(&mut self, data: &[DataSet]) -> Outcome<()> {
        if let Err(why) = kafka::java(self.plan, &[]) {
            self.remark(&format!("{} is left out: {why}", kafka::NAME));
            return Ok(());
        }
        let running = Kafka::format(self.plan, &self.scratch.join("kafka"), &[])?.start()?;
        self.invite(Box::new(running), data)
    }

    /// Lets a broker take part that starts too slowly to be started for each turn: fills its logs,
    /// and has consumers catch up until a JVM has compiled what it runs.
    fn invite(&mut self, guest: Box<dyn Broker>, data: &[DataSet]) -> Outcome<()> {
        for set in data {
            set.fill(guest.port())?;
        }
        for set in data {
            let fetch_bytes = GUESTS_FETCH_BYTES;
            let errand = Errand { data: set, fetch_bytes, partitions: set.partitions, behind: 0.0 };
            let time = if self.plan.is_short { GUESTS_WARM_UP_SHORT } else { GUESTS_WARM_UP };
            measure(&Invited(&*guest), GUESTS_CONSUMERS, &errand, time)?;
        }
        let name = guest.name().to_string();
        self.guest = Some(guest);
        self.add(&name, Kind::Guest);
        Ok(())
    }

    fn gather(&mut self) -> Outcome<()> {
        let file = |way, send_buffer_bytes| Kind::File { way, send_buffer_bytes };
        let kafkas = Some(KAFKAS_SEND_BUFFER_BYTES);
        self.add(BARE_LOOP, file(Way::Sendfile, None));
        self.add_aside("bare sendfile loop, 100 KiB buffer", file(Way::Sendfile, kafkas));
        self.add_aside("read and write loop", file(Way::Copy, None));
        match Nginx::name() {
            Some(name) => self.add(&name, Kind::Nginx),
            None => self.remark("nginx is not installed: apt-get install nginx"),
        }
        self.add(TRANSFERTO, transferto(&[]));
        let fixed = format!("socket.send.buffer.bytes={KAFKAS_SEND_BUFFER_BYTES}");
        self.add_aside("transferto, 100 KiB buffer", transferto(&[&fixed]));
        if Transferto::knows(self.plan, INLINE_SETTING)? {
            let inline = format!("{INLINE_SETTING}=resident");
            self.add(INLINE, transferto(&[&inline]));
        } else {
            self.remark(&format!("this transferto has no setting {INLINE_SETTING}"));
        }
        Ok(())
    }

    fn add(&mut self, name: &str, kind: Kind) {
        self.contestants.push(Contestant { name: name.to_string(), is_aside: false, kind });
    }

    fn add_aside(&mut self, name: &str, kind: Kind) {
        self.contestants.push(Contestant { name: name.to_string(), is_aside: true, kind });
    }

    fn remark(&mut self, text: &str) {
        println!("  {text}");
        self.remarks.push(text.to_string());
    }

    /// For what else an experiment keeps in files.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Starts the contestant, or returns the one that runs, to serve this data.
    pub fn start(
        &self,
        contestant: &Contestant,
        data: &DataSet,
    ) -> Outcome<Box<dyn FetchPeer + '_>> {
        let file = self.file(data);
        Ok(match &contestant.kind {
            Kind::Guest => match &self.guest {
                Some(guest) => Box::new(Invited(&**guest)),
                None => return failed(format!("{} has not come", contestant.name)),
            },
            Kind::File { way, send_buffer_bytes } => {
                Box::new(FileServer::start(*way, &file, *send_buffer_bytes)?)
            }
            Kind::Nginx => Box::new(Nginx::start(&self.scratch.join("nginx"), &file)?),
            Kind::Transferto { settings } => {
                Box::new(self.start_transferto(&contestant.name, settings)?)
            }
        })
    }

    fn start_transferto(&self, name: &str, settings: &[String]) -> Outcome<Transferto> {
        let dir = self.scratch.join("transferto");
        fs::create_dir_all(&dir)?;
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        Transferto::start(self.plan, name, &dir, &settings)
    }

    /// The one segment of the first partition.
    fn file(&self, data: &DataSet) -> PathBuf {
        let partition = format!("{}-0", data.topic);
        self.scratch.join("transferto").join(partition).join(format!("{:020}.log", 0))
    }
}

/// A guest for one turn.
struct Invited<'a>(&'a dyn Broker);

impl Broker for Invited<'_> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn server(&self) -> &Server {
        self.0.server()
    }

    fn port(&self) -> u16 {
        self.0.port()
    }
}

fn transferto(settings: &[&str]) -> Kind {
    Kind::Transferto { settings: settings.iter().map(ToString::to_string).collect() }
}
