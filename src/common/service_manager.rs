//! Not in Kafka: what systemd, or another service manager, learns of the broker by the protocol of
//! sd_notify(3): datagrams of lines `NAME=value` to the UNIX socket that `NOTIFY_SOCKET` names.
//!
//! There is no `WATCHDOG=1`. The main thread could send it from its wait for a signal, however long
//! no request had been answered, and a restart costs a recovery.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use log::warn;

use crate::common::loading_progress::LoadingProgress;
use crate::common::text::on_one_line;

/// Where the service manager listens: a path, or `@` and a name in the abstract namespace.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// How long a service manager that does not read may hold the broker up.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is looked how far a start has got.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a start may take from its last sign of progress on. The smallest steps that are counted
/// are segments: the largest, of 2 GiB, are recovered in this time at 7 MB/s.
const EXTEND_TIMEOUT_USEC: u64 = 300 * 1_000_000;

/// The one that has started this process, if there is one. What it cannot be sent is a warning and
/// nothing else.
pub struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// Whether there was a warning: one is enough.
    has_failed: AtomicBool,
}

impl ServiceManager {
    /// The one that the environment names.
    pub fn from_environment() -> Self {
        let name = env::var_os(NOTIFY_SOCKET).filter(|it| !it.is_empty());
        Self::at(name.as_deref())
    }

    fn at(name: Option<&OsStr>) -> Self {
        let mut manager = Self { socket: None, has_failed: AtomicBool::new(false) };
        match name.map(open).transpose() {
            Ok(socket) => manager.socket = socket,
            Err(error) => manager.warn(&error),
        }
        manager
    }

    /// The ports are open, and every log is loaded.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\n{}", status_line(status)));
    }

    /// The shutdown has begun.
    pub fn stopping(&self) {
        self.send(&format!("STOPPING=1\n{}", status_line("shutting down")));
    }

    /// A line for a person, as `systemctl status` shows it.
    pub fn status(&self, status: &str) {
        self.send(&status_line(status));
    }

    /// Does `start`, and meanwhile reports how far it gets: a recovery after a crash may take longer
    /// than the service manager would wait.
    pub fn watch_start<T>(&self, progress: &LoadingProgress, start: impl FnOnce() -> T) -> T {
        if self.socket.is_none() {
            return start();
        }
        thread::scope(|scope| {
            let (keep_open, is_over) = mpsc::channel::<()>();
            let report = move || {
                let mut report = StartReport::default();
                loop {
                    report.look(progress).into_iter().for_each(|it| self.send(&it));
                    if is_over.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            };
            let thread = thread::Builder::new().name("service-manager".to_string());
            if let Err(error) = thread.spawn_scoped(scope, report) {
                self.warn(&error);
            }
            let started = start();
            drop(keep_open);
            started
        })
    }

    fn send(&self, state: &str) {
        let Some((socket, address)) = &self.socket else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            self.warn(&error);
        }
    }

    fn warn(&self, error: &io::Error) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            let name = env::var_os(NOTIFY_SOCKET).unwrap_or_default();
            warn!(
                "the service manager is not notified: {NOTIFY_SOCKET}={}: {error}; the broker goes \
                 on without",
                name.display()
            );
        }
    }
}

fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        _ => {
            let why = "must be an absolute path, or @ and an abstract name";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    Ok((socket, address))
}

fn status_line(status: &str) -> String {
    format!("STATUS={}", on_one_line(status))
}

/// What was reported last of a start.
#[derive(Default)]
struct StartReport {
    status: String,
    steps: u64,
}

impl StartReport {
    /// What to send now; nothing if nothing has changed, so that the time of a start that hangs runs
    /// out.
    fn look(&mut self, progress: &LoadingProgress) -> Option<String> {
        let (status, steps) = (progress.to_string(), progress.steps());
        if status == self.status {
            return None;
        }
        let extension = match steps > self.steps {
            true => format!("\nEXTEND_TIMEOUT_USEC={EXTEND_TIMEOUT_USEC}"),
            false => String::new(),
        };
        let line = status_line(&format!("starting: {status}"));
        *self = Self { status, steps };
        Some(line + &extension)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use support::temp::TempDir;

    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut datagram = [0; 500];
        let length = socket.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_path_and_an_abstract_name_are_both_reached() {
        let dir = TempDir::new();
        let path = dir.join("notify");
        let abstract_name = format!("transferto-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        for (name, socket) in [
            (path.clone().into_os_string(), UnixDatagram::bind(&path)),
            (OsString::from(format!("@{abstract_name}")), UnixDatagram::bind_addr(&by_name)),
        ] {
            let (socket, manager) = (socket.unwrap(), ServiceManager::at(Some(&name)));
            manager.ready("listening\non a port");
            assert_eq!(received(&socket), "READY=1\nSTATUS=listening on a port");
            manager.stopping();
            assert_eq!(received(&socket), "STOPPING=1\nSTATUS=shutting down");
            assert!(!manager.has_failed.load(Ordering::Relaxed));
        }
    }

    #[test]
    fn a_socket_that_is_not_there_is_a_warning() {
        for name in ["/no/such/socket", "relative", "vsock:2:1", "@nobody-listens-here"] {
            let manager = ServiceManager::at(Some(OsStr::new(name)));
            manager.ready("listening");
            assert!(manager.has_failed.load(Ordering::Relaxed), "{name}");
            assert_eq!(manager.watch_start(&LoadingProgress::default(), || 7), 7, "{name}");
        }
        assert!(!ServiceManager::at(None).has_failed.load(Ordering::Relaxed));
    }

    #[test]
    fn a_start_has_more_time_only_as_long_as_it_gets_on() {
        let (progress, mut report) = (LoadingProgress::default(), StartReport::default());
        progress.found(3);
        assert_eq!(report.look(&progress).unwrap(), "STATUS=starting: opened 0 of 3 logs");
        assert_eq!(report.look(&progress), None);
        progress.opened();
        let line = "STATUS=starting: opened 1 of 3 logs\nEXTEND_TIMEOUT_USEC=300000000";
        assert_eq!(report.look(&progress).unwrap(), line);
        assert_eq!(report.look(&progress), None);
    }

    #[test]
    fn a_start_is_reported_before_it_is_over() {
        let dir = TempDir::new();
        let socket = UnixDatagram::bind(dir.join("notify")).unwrap();
        let manager = ServiceManager::at(Some(dir.join("notify").as_os_str()));
        let progress = LoadingProgress::default();
        let seen = manager.watch_start(&progress, || received(&socket));
        assert_eq!(seen, "STATUS=starting: opened 0 of 0 logs");
    }
}
