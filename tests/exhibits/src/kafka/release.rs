//! The releases of Apache Kafka that are recorded, and one that runs.

use std::path::{Path, PathBuf};

use bench::jars::Jars;
use bench::outcome::Outcome;
use bench::peers::Broker;
use bench::peers::kafka::{self as newest, Kafka};
use bench::process::Server;

use crate::kafka::original;
use crate::kafka::ssl_listener::SslListener;
use crate::session::Year;

/// The session's records are older than the default retention.
const KEEPS_OLD_RECORDS: &str = "log.retention.ms=-1";

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// The post's.
    Original,
    Newest,
}

impl Release {
    pub(crate) const BOTH: [Self; 2] = [Self::Original, Self::Newest];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Original => original::NAME,
            Self::Newest => newest::NAME,
        }
    }

    /// `strace-kafka-0.9.0.1`.
    pub(crate) fn exhibit(self) -> String {
        format!("strace-kafka-{}", self.version())
    }

    pub(crate) fn version(self) -> &'static str {
        self.name().rsplit(' ').next().unwrap_or_default()
    }

    /// The client's versions of the protocol.
    pub(crate) fn year(self) -> Year {
        match self {
            Self::Original => Year::Of2016,
            Self::Newest => Year::Today,
        }
    }

    /// What it reads of an entry of the log at a time when it looks for an offset, at most: the
    /// offset and the size, or the whole head of a record batch.
    pub(crate) fn header_bytes_max(self) -> i64 {
        match self {
            Self::Original => 12,
            Self::Newest => 61,
        }
    }

    pub(crate) fn jars_in(self, work_dir: &Path) -> Jars {
        match self {
            Self::Original => original::jars_in(work_dir),
            Self::Newest => newest::jars_in(work_dir),
        }
    }

    /// Starts it in `dir`, which is empty, and waits until it serves; with a listener for SSL beside
    /// that for PLAINTEXT, if one is given.
    pub(crate) fn start(
        self,
        jars: &Jars,
        dir: &Path,
        ssl: Option<&SslListener>,
    ) -> Outcome<Running> {
        match self {
            Self::Original => original::start(jars, dir, ssl),
            Self::Newest => {
                let mut settings = vec![KEEPS_OLD_RECORDS.to_string()];
                if let Some(ssl) = ssl {
                    settings.extend(ssl.settings_of_kraft()?);
                }
                let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
                let kafka = Kafka::format_with(jars.clone(), &dir.join("kafka"), &settings)?;
                let log = kafka.log();
                let running = kafka.start()?;
                let port = running.port();
                Ok(Running { server: running.into_server(), port, log, _zookeeper: None })
            }
        }
    }
}

/// A broker that serves; dropped, it is stopped, and its ZooKeeper after it.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) port: u16,
    /// What it says, and where its dumps of threads go.
    pub(crate) log: PathBuf,
    /// Held for its `Drop`.
    pub(crate) _zookeeper: Option<Server>,
}
