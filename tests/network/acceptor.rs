//! What an Acceptor does when the process has no file descriptor left for the next connection.

use std::fs::File;
use std::iter;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, mpsc};

use log::{Level, LevelFilter, Log, Metadata, Record};
use support::own_process::in_own_process;
use support::wait::PATIENCE;

use crate::test_server::TestServer;

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
