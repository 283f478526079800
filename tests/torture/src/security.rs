//! TLS and SASL for the tortures: the keys, the user and the listeners of a broker, and a door by which
//! clients come in that know nothing of either.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use support::login::{Mechanism, log_in};
use support::temp::TempDir;
use support::tls::{TlsConnector, TlsFiles};
use support::tunnel;
use transferto::common::lock::locked;
use transferto::security::scram::scram_mechanism::ScramMechanism;

use crate::broker::{Broker, Setup};
use crate::outcome::{Outcome, failed};

pub(crate) const USER: &str = "torture";
pub(crate) const PASSWORD: &str = "torture-secret";
const SCRAM: Mechanism = Mechanism::Scram(ScramMechanism::ScramSha256);
const MODULES: &str = "org.apache.kafka.common.security";

const TLS: &str = "TLS";
const SASL: &str = "SASL";
const SECURE: &str = "SECURE";
const EXPIRING: &str = "EXPIRING";
const LISTENERS: [(&str, &str); 4] =
    [(TLS, "SSL"), (SASL, "SASL_PLAINTEXT"), (SECURE, "SASL_SSL"), (EXPIRING, "SASL_PLAINTEXT")];

/// How long a session lasts at [`Entrances::expiring`].
pub(crate) const SESSION_MS: u64 = 200;
/// What the answer to a wrong password waits at the least.
pub(crate) const DELAY_MS: u64 = 100;

/// Where a broker listens beside its plain listener, and what clients of TLS connect with.
pub(crate) struct Entrances {
    pub(crate) tls: u16,
    /// Of PLAIN and SCRAM, without TLS.
    pub(crate) sasl: u16,
    /// Of both.
    pub(crate) secure: u16,
    /// As `sasl`, with sessions that end.
    pub(crate) expiring: u16,
    pub(crate) connector: TlsConnector,
}

/// The files of one who has TLS.
pub(crate) struct Security {
    files: TlsFiles,
    _dir: TempDir,
}

impl Security {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new();
        Self { files: TlsFiles::in_dir(dir.path()), _dir: dir }
    }

    /// Gives the broker its listeners, and its directory the user.
    pub(crate) fn add_to(&self, setup: &mut Setup) -> Outcome<()> {
        setup.listeners = LISTENERS.to_vec();
        setup.settings.extend([
            "ssl.keystore.type=PEM".to_string(),
            format!("ssl.keystore.location={}", self.files.keystore.display()),
            "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256".to_string(),
            format!("connection.failed.authentication.delay.ms={DELAY_MS}"),
            format!("listener.name.expiring.connections.max.reauth.ms={SESSION_MS}"),
        ]);
        for listener in [SASL, SECURE, EXPIRING] {
            let prefix = format!("listener.name.{}", listener.to_lowercase());
            setup.settings.extend([
                format!(
                    "{prefix}.plain.sasl.jaas.config={MODULES}.plain.PlainLoginModule required \
                     user_{USER}=\"{PASSWORD}\";"
                ),
                format!(
                    "{prefix}.scram-sha-256.sasl.jaas.config={MODULES}.scram.ScramLoginModule \
                     required;"
                ),
            ]);
        }
        let user = format!("SCRAM-SHA-256=[name={USER},password={PASSWORD}]");
        let output = Command::new(&setup.binary)
            .args(["add-scram", "--override", &setup.log_dirs(), &user])
            .output()?;
        if !output.status.success() {
            return failed(format!("no user: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(())
    }

    pub(crate) fn entrances(&self, broker: &Broker) -> Outcome<Entrances> {
        Ok(Entrances {
            tls: broker.port_of(TLS)?,
            sasl: broker.port_of(SASL)?,
            secure: broker.port_of(SECURE)?,
            expiring: broker.port_of(EXPIRING)?,
            connector: self.files.client(),
        })
    }
}

/// A port at which plain clients are led to the listener of TLS and SASL, until it is dropped.
pub(crate) struct Door {
    pub(crate) port: u16,
    is_shut: Arc<AtomicBool>,
    refusals: Arc<Mutex<Vec<String>>>,
    usher: Option<JoinHandle<()>>,
}

impl Door {
    pub(crate) fn open(entrances: &Entrances) -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (is_shut, refusals) = (Arc::default(), Arc::default());
        let usher = Usher {
            port: entrances.secure,
            connector: entrances.connector.clone(),
            is_shut: Arc::clone(&is_shut),
            refusals: Arc::clone(&refusals),
        };
        let usher = Some(thread::Builder::new().spawn(move || usher.run(&listener))?);
        Ok(Self { port, is_shut, refusals, usher })
    }

    /// What the broker said to those whom it did not let in.
    pub(crate) fn refusals(&self) -> Vec<String> {
        locked(&self.refusals).clone()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.is_shut.store(true, Ordering::Release);
        // So that the usher looks.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(usher) = self.usher.take() {
            let _ = usher.join();
        }
    }
}

#[derive(Clone)]
struct Usher {
    port: u16,
    connector: TlsConnector,
    is_shut: Arc<AtomicBool>,
    refusals: Arc<Mutex<Vec<String>>>,
}

impl Usher {
    fn run(self, listener: &TcpListener) {
        while let Ok((guest, _)) = listener.accept() {
            if self.is_shut.load(Ordering::Acquire) {
                return;
            }
            let usher = self.clone();
            // A broker that is killed meanwhile is what the guest finds out by a closed connection.
            thread::spawn(move || drop(usher.lead(guest)));
        }
    }

    fn lead(&self, guest: TcpStream) -> io::Result<()> {
        let broker = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        let mut inside = self.connector.over(broker)?;
        let answer = log_in(&mut inside, SCRAM, USER, PASSWORD)?;
        if answer.error_code != 0 {
            locked(&self.refusals).push(format!("{answer:?}"));
            return Ok(());
        }
        tunnel::join(guest, inside)
    }
}
