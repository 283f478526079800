//! `transferto metadata-log`, which a user runs beside a cluster.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use support::wait::PATIENCE;
use transferto::config::quorum_config::BootstrapServer;
use transferto::protocol::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use transferto::protocol::fetch::FetchRequest;
use transferto::raft::raft_listener::SnapshotId;
use transferto::tools::metadata_log::print_metadata_log;
use transferto::tools::metadata_log_options::MetadataLogOptions;

use crate::scripted_controller::{Answer, NO_OP, ScriptedController};
use crate::scripted_log::snapshot_bytes;

/// The level 21 of `metadata.version`.
const FEATURE_LEVEL: &[u8] = b"\x01\x0c\x00\x11metadata.version\x00\x15\x00";

fn options(port: u16) -> MetadataLogOptions {
    let controllers = vec![BootstrapServer { host: "127.0.0.1".to_string(), port }];
    MetadataLogOptions { skips_record_metadata: true, ..MetadataLogOptions::of(controllers) }
}

/// What is printed, what is complained of, and whether all is well.
fn printed(options: &MetadataLogOptions) -> (String, String, bool) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let is_well = print_metadata_log(options, &mut out, &mut err, false).unwrap();
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), is_well)
}

/// The lines of the records, which are those of kafka-dump-log with the same option.
fn records(out: &str) -> Vec<&str> {
    out.lines().filter_map(|line| line.strip_prefix("| payload: ")).collect()
}

const NO_OP_LINE: &str = r#"{"type":"NO_OP_RECORD","version":0,"data":{}}"#;
const FEATURE_LINE: &str = r#"{"type":"FEATURE_LEVEL_RECORD","version":0,"data":{"name":"metadata.version","featureLevel":21}}"#;

#[test]
fn the_log_is_printed_up_to_where_it_ended_when_it_was_asked() {
    let controller = ScriptedController::start(100);
    controller.append(&[FEATURE_LEVEL.to_vec(), NO_OP.to_vec()]);
    controller.append_uncommitted(&[NO_OP.to_vec()]);
    let (out, err, is_well) = printed(&options(controller.addr().port()));
    assert_eq!((records(&out), err.as_str(), is_well), (vec![FEATURE_LINE, NO_OP_LINE], "", true));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], "Log starting offset: 0");
    assert!(lines[1].starts_with("baseOffset: 0 lastOffset: 1 count: 2 "), "{}", lines[1]);
    assert!(lines[1].contains(" position: 0 "), "{}", lines[1]);
}

#[test]
fn a_snapshot_stands_before_the_log_behind_it() {
    let controller = ScriptedController::start(100);
    controller.change(|state| {
        let id = SnapshotId { end_offset: 70, epoch: 1 };
        state.log.snapshot_at(id, snapshot_bytes(1, &[FEATURE_LEVEL.to_vec()]));
    });
    controller.append(&[NO_OP.to_vec()]);
    let (out, err, is_well) = printed(&options(controller.addr().port()));
    assert_eq!((records(&out), err.as_str(), is_well), (vec![FEATURE_LINE, NO_OP_LINE], "", true));
    assert!(out.starts_with("Snapshot end offset: 70, epoch: 1\nbaseOffset: 0 "), "{out}");
    let behind = out.split_once("\nLog starting offset: 70\n").unwrap().1;
    assert!(behind.starts_with("baseOffset: 70 ") && behind.contains(" position: 0 "), "{out}");
}

/// Each write to it is sent on.
struct Pipe(Sender<String>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        self.0.send(text).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_that_is_followed_is_printed_as_it_grows_until_nobody_reads_it() {
    let controller = ScriptedController::start(100);
    controller.append(&[NO_OP.to_vec()]);
    let follows = MetadataLogOptions { follows: true, ..options(controller.addr().port()) };
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut err = Vec::new();
        print_metadata_log(&follows, &mut Pipe(sender), &mut err, false).unwrap();
        err
    });
    let next = |what: &str| {
        let mut text = String::new();
        while !text.contains(what) {
            text += &receiver.recv_timeout(PATIENCE).unwrap();
        }
    };
    next(NO_OP_LINE);
    controller.append(&[FEATURE_LEVEL.to_vec()]);
    next(FEATURE_LINE);
    // A leader that hangs up is found again.
    controller.hang_up();
    controller.append(&[FEATURE_LEVEL.to_vec()]);
    next(FEATURE_LINE);
    drop(receiver);
    controller.append(&[NO_OP.to_vec()]);
    let err = String::from_utf8(thread.join().unwrap()).unwrap();
    assert!(err.is_empty() || err.starts_with("transferto: waiting for a controller: "), "{err}");
}

#[test]
fn what_keeps_it_from_the_log_is_said_and_once() {
    let controller = ScriptedController::start(100);
    controller.append(&[NO_OP.to_vec()]);
    for _ in 0..3 {
        // As a broker answers, whose address was given in the place of a controller's.
        controller
            .script_once(|_: &ApiVersionsRequest| Answer::Send(ApiVersionsResponse::default()));
    }
    let (out, err, is_well) = printed(&options(controller.addr().port()));
    assert_eq!((records(&out), is_well), (vec![NO_OP_LINE], true));
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 1, "{err}");
    assert!(lines[0].contains("the address of a controller's listener is needed"), "{err}");
}

#[test]
fn a_record_of_a_later_kafka_is_named_and_the_next_one_follows() {
    let controller = ScriptedController::start(100);
    controller.append(&[vec![1, 99, 0, 0], NO_OP.to_vec()]);
    let (out, _, _) = printed(&options(controller.addr().port()));
    let lines = records(&out);
    assert!(lines[0].contains("Error at 0, skipping"), "{out}");
    assert_eq!(lines[1], NO_OP_LINE);
}

#[test]
fn without_a_controller_it_gives_up_and_says_whom_it_asked() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let timeout = Duration::from_millis(300);
    let (out, err, is_well) = printed(&MetadataLogOptions { timeout, ..options(port) });
    assert_eq!((out.as_str(), is_well), ("", false));
    let last = err.lines().last().unwrap();
    assert!(last.starts_with("transferto: no controller has answered: "), "{err}");
    assert!(last.contains(&format!("127.0.0.1:{port}")) && last.contains("refused"), "{err}");
}

/// Port of `KafkaRaftClientTest.testObserverFetchWithNoLocalId`.
#[test]
fn it_shows_up_in_no_list_of_observers() {
    let controller = ScriptedController::start(100);
    controller.append(&[NO_OP.to_vec()]);
    printed(&options(controller.addr().port()));
    for request in controller.asked::<FetchRequest>() {
        assert_eq!((request.replica_state.replica_id, request.cluster_id), (-1, None));
    }
}
