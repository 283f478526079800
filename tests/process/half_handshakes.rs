//! A thousand clients that begin to shake hands and go no further, before a broker in a process of its
//! own: others are served meanwhile, and nothing of it stays.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::Client;
use support::records::{batch, stored};
use support::temp::TempDir;
use support::tls::TlsFiles;
use support::tunnel::through_tunnel;
use support::wait::wait_until;
use transferto::common::file_descriptors::raise_limit;

use crate::hostile::in_company;
use crate::memory_flood::status_kib;

const PEERS: usize = 1_000;
/// For all of them together: what has come of a handshake is kept, and little else.
const MORE_KIB_MAX: u64 = 32 << 10;

#[test]
fn a_thousand_half_handshakes_cost_little_and_are_forgotten() {
    let _company = in_company();
    raise_limit().unwrap();
    let dir = TempDir::new();
    let files = TlsFiles::in_dir(dir.path());
    let mut settings = vec!["listeners=PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0".to_string()];
    settings.extend(files.settings().into_iter().map(|(name, value)| format!("{name}={value}")));
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let logs = TempDir::new();
    let broker = BrokerProcess::start(logs.path(), &settings);
    let port = tls_port(&broker);
    let mut client = client(&files, port);
    client.create_topic("others");
    let before_kib = status_kib(broker.pid(), "VmRSS:");
    let before = descriptors(&broker);

    let mut hello = Vec::new();
    files.client().session().write_tls(&mut hello).unwrap();
    let mut peers = Vec::with_capacity(PEERS);
    for number in 0..PEERS {
        let mut peer = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        // Nothing, a piece, all of it: then the broker waits for what follows its own part.
        peer.write_all(&hello[..number % (hello.len() + 1)]).unwrap();
        peers.push(peer);
    }
    wait_until("all of them to be connected", || descriptors(&broker) >= before + PEERS);
    let records = batch(&[b"well behaved"]);
    assert_eq!(client.produce("others", 0, &records).error_code, 0);
    let mut newcomer = self::client(&files, port);
    assert_eq!(newcomer.fetch("others", 0, 0).records, stored(&records, 0));
    let grown_kib = status_kib(broker.pid(), "VmRSS:").saturating_sub(before_kib);
    assert!(grown_kib < MORE_KIB_MAX, "{grown_kib} KiB");

    drop((peers, newcomer));
    // A segment and its indexes may have been opened meanwhile.
    wait_until("the descriptors to be closed", || descriptors(&broker) < before + 10);
    drop(client);
    let (status, lines) = broker.end_with(Signal::SIGTERM);
    assert!(status.success(), "{status}: {lines:?}");
    assert!(!lines.iter().any(|line| line.contains("panicked")), "{lines:?}");
}

fn tls_port(broker: &BrokerProcess) -> u16 {
    let line = broker.first_lines.iter().find(|line| line.contains("listening on")).unwrap();
    let rest = line.split("SSL://127.0.0.1:").nth(1).unwrap();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

fn client(files: &TlsFiles, port: u16) -> Client {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    Client::over(through_tunnel(stream, &files.client()).unwrap())
}

fn descriptors(broker: &BrokerProcess) -> usize {
    fs::read_dir(format!("/proc/{}/fd", broker.pid())).unwrap().count()
}
