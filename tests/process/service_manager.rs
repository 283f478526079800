//! What a service manager such as systemd receives from the broker's process.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::broker_process::{BrokerProcess, broker_binary};
use support::client::Client;
use support::records::batch;
use support::temp::TempDir;

/// A broker with this `NOTIFY_SOCKET`.
fn start_notifying(name: &str, dir: &TempDir) -> BrokerProcess {
    let variable = format!("NOTIFY_SOCKET={name}");
    BrokerProcess::start_under(&["env", &variable], &dir.join("logs"), &[])
}

/// The next datagram with a line that begins with `sign`.
fn received(socket: &UnixDatagram, sign: &str) -> String {
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    loop {
        let mut datagram = [0; 4096];
        let length = socket.recv(&mut datagram).unwrap();
        let text = String::from_utf8(datagram[..length].to_vec()).unwrap();
        if text.lines().any(|line| line.starts_with(sign)) {
            return text;
        }
    }
}

fn is_pending(socket: &UnixDatagram) -> bool {
    socket.set_nonblocking(true).unwrap();
    let is_pending = socket.recv(&mut [0; 4096]).is_ok();
    socket.set_nonblocking(false).unwrap();
    is_pending
}

#[test]
fn systemd_hears_of_the_start_once_clients_are_served_and_of_the_stop_when_it_begins() {
    let dir = TempDir::new();
    let path = dir.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let (port, broker) = std::thread::scope(|scope| {
        let starting = scope.spawn(|| start_notifying(path.to_str().unwrap(), &dir));
        assert!(received(&socket, "STATUS=").starts_with("STATUS=starting: opened 0 of "));
        // The port is known from the datagram alone, and at once a client is served at it.
        let ready = received(&socket, "READY=1");
        let (_, port) = ready.rsplit_once("PLAINTEXT://127.0.0.1:").unwrap();
        let port = port.trim().parse().unwrap();
        Client::connect(port).create_topic("post");
        (port, starting.join().unwrap())
    });
    assert_eq!(Client::connect(port).produce("post", 0, &batch(&[b"x"])).error_code, 0);
    assert!(!is_pending(&socket), "nothing is sent while the broker runs");
    let (status, lines) = broker.end_with(Signal::SIGTERM);
    assert_eq!(status.code(), Some(0), "{lines:?}");
    assert_eq!(received(&socket, "STOPPING=1"), "STOPPING=1\nSTATUS=shutting down");
}

#[test]
fn a_recovery_reports_how_far_it_is_and_asks_for_time() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(&dir.join("logs"), &[]);
    let mut client = Client::connect(broker.port);
    client.create_topic("post");
    assert_eq!(client.produce("post", 0, &batch(&[b"x"])).error_code, 0);
    broker.end_with(Signal::SIGKILL);

    let name = format!("transferto-recovery-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    // The log is opened between two looks: the first thing that strace delays after the recovery.
    let variable = format!("NOTIFY_SOCKET=@{name}");
    let slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=unlink"];
    let slow = [&slow[..], &["-e", "inject=unlink:delay_enter=2500000", "-E", &variable]].concat();
    let broker = BrokerProcess::start_under(&slow, &dir.join("logs"), &[]);
    let report = received(&socket, "EXTEND_TIMEOUT_USEC=");
    assert!(report.starts_with("STATUS=starting: opened "), "{report}");
    assert!(report.contains(" logs, recovered "), "{report}");
    assert!(received(&socket, "READY=1").contains("STATUS=listening on"));
    broker.end_with(Signal::SIGTERM);
}

#[test]
fn a_broker_that_cannot_start_says_why() {
    let dir = TempDir::new();
    let path = dir.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut broker = Command::new(broker_binary());
    let run = broker.args(["--override", "prot=1"]).env("NOTIFY_SOCKET", &path).output().unwrap();
    assert_eq!(run.status.code(), Some(1));
    let why = "STATUS=cannot start: the command line: `prot=1`: unknown setting";
    assert!(received(&socket, "STATUS=").starts_with(why));
}

#[test]
fn a_notify_socket_that_nobody_reads_is_one_warning() {
    let dir = TempDir::new();
    let broker = start_notifying("/no/such/socket", &dir);
    let mut lines = broker.first_lines.clone();
    let (status, last_lines) = broker.end_with(Signal::SIGTERM);
    lines.extend(last_lines);
    assert_eq!(status.code(), Some(0), "{lines:?}");
    let warnings: Vec<_> = lines.iter().filter(|it| it.contains("NOTIFY_SOCKET")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("/no/such/socket"), "{warnings:?}");
}
