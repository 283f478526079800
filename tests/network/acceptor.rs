//! What an Acceptor does when the process has no file descriptor left for the next connection.

use std::array;
use std::fs::File;
use std::iter;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, mpsc};

use log::{Level, LevelFilter, Log, Metadata, Record};
use support::own_process::in_own_process;
use support::wait::{PATIENCE, wait_for};

use crate::test_server::{LOCALHOST, TestServer};

/// Kafka 0.9 spins here, and logs an error each time round.
///
/// The limit is one of the whole process, so the test begins itself anew in a process of its own.
#[test]
fn without_file_descriptors_connections_wait_and_are_accepted_later() {
    let name = "acceptor::without_file_descriptors_connections_wait_and_are_accepted_later";
    in_own_process(name, "ulimit -n 64 &&", run_out_of_file_descriptors);
}

fn run_out_of_file_descriptors() {
    let complaints = listen_to_the_log();
    let server = TestServer::start();
    let mut earlier = server.connect();
    server.assert_serves(&mut earlier, 1);
    // One descriptor is left for the client, and none for its other end.
    let mut fillers: Vec<File> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
    fillers.pop();
    let mut client = server.connect();
    let complaint = complaints.recv_timeout(PATIENCE).unwrap();
    assert!(complaint.contains("cannot accept"), "{complaint}");
    fillers.clear();
    server.assert_serves(&mut client, 2);
    server.assert_serves(&mut earlier, 3);
    // It has complained once, however often it has tried.
    assert!(complaints.try_recv().is_err());
}

/// Clients that only connect leave the logs what their next segments need.
#[test]
fn connections_leave_a_share_of_the_file_descriptors_and_the_next_one_waits() {
    let name = "acceptor::connections_leave_a_share_of_the_file_descriptors_and_the_next_one_waits";
    in_own_process(name, "ulimit -n 64 &&", use_up_what_connections_may_have);
}

fn use_up_what_connections_may_have() {
    let complaints = listen_to_the_log();
    let server = TestServer::start_with(|config| config.max_connections_per_ip = 1_000);
    let mut clients = Vec::new();
    let complaint = loop {
        let accepted = server.connection_count(LOCALHOST);
        clients.push(server.connect());
        let heard = wait_for("a connection or a complaint", || match complaints.try_recv() {
            Ok(complaint) => Some(Some(complaint)),
            Err(_) => (server.connection_count(LOCALHOST) > accepted).then_some(None),
        });
        if let Some(complaint) = heard {
            break complaint;
        }
    };
    assert!(complaint.contains("are kept for the logs"), "{complaint}");
    let _segments: [File; 4] = array::from_fn(|_| File::open("/dev/null").unwrap());
    let mut waiting = clients.pop().unwrap();
    let leaver = clients.pop().unwrap();
    assert_eq!(server.connection_count(LOCALHOST), clients.len() + 1);
    drop(leaver);
    server.assert_serves(&mut waiting, 1);
    server.assert_serves(&mut clients[0], 2);
}

/// The errors that are logged from now on.
fn listen_to_the_log() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    log::set_boxed_logger(Box::new(ErrorListener(Mutex::new(sender)))).unwrap();
    log::set_max_level(LevelFilter::Error);
    receiver
}

struct ErrorListener(Mutex<Sender<String>>);

impl Log for ErrorListener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() == Level::Error
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // Nobody listens any more when the test is over.
            let _ = self.0.lock().unwrap().send(record.args().to_string());
        }
    }

    fn flush(&self) {}
}
