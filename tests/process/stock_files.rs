//! What comes with Kafka: the broker starts with its files, and says in one line what it does not
//! follow; and it says what it means to start on its logs.

use std::fs;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::stock_files;
use support::temp::TempDir;

#[test]
fn a_stock_file_starts_with_one_line_on_what_has_no_effect() {
    for text in [
        stock_files::zookeeper_0_9(),
        stock_files::zookeeper_2_8(),
        stock_files::combined_2_8(),
        stock_files::combined_4(),
    ] {
        let dir = TempDir::new();
        let text = text.replace("=PLAINTEXT://:9092", "=PLAINTEXT://127.0.0.1:0");
        let is_elsewhere =
            |line: &&str| !line.contains("advertised.listeners=") && !line.contains("log.dirs=");
        let settings: Vec<&str> = text.lines().filter(is_elsewhere).collect();
        let broker = BrokerProcess::start(dir.path(), &settings);
        let warnings: Vec<_> = broker.first_lines.iter().filter(|it| it.contains("WARN")).collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("without effect here: `"), "{warnings:?}");
        let (status, _) = broker.end_with(Signal::SIGTERM);
        assert!(status.success(), "{status}");
    }
}

/// The algorithm is given because one that paces costs more than the buffers do.
#[test]
fn the_send_buffer_of_a_stock_file_is_named_with_what_it_costs() {
    let dir = TempDir::new();
    let settings = ["socket.send.buffer.bytes=102400", "transferto.socket.congestion.control=reno"];
    let broker = BrokerProcess::start(dir.path(), &settings);
    let said = |line: &String| line.contains("`socket.send.buffer.bytes=102400`");
    assert!(broker.first_lines.iter().any(said), "{:?}", broker.first_lines);
    broker.end_with(Signal::SIGTERM);
}

#[test]
fn the_logs_of_a_kafka_with_zookeeper_are_adopted_with_a_warning_that_says_what_is_lost() {
    let dir = TempDir::new();
    fs::write(dir.join("meta.properties"), "cluster.id=abc\nversion=0\nbroker.id=0\n").unwrap();
    fs::create_dir(dir.join("orders-0")).unwrap();
    let warnings = |broker: &BrokerProcess| -> Vec<String> {
        broker.first_lines.iter().filter(|it| it.contains("WARN")).cloned().collect()
    };
    let broker = BrokerProcess::start(dir.path(), &[]);
    let said = warnings(&broker);
    assert_eq!(said.len(), 1, "{said:?}");
    for part in ["1 in all: orders.", "new ids", "deleted", "`--override log.dirs="] {
        assert!(said[0].contains(part), "{part}: {said:?}");
    }
    broker.end_with(Signal::SIGTERM);
    let broker = BrokerProcess::start(dir.path(), &[]);
    assert_eq!(warnings(&broker), [""; 0], "now they are its own");
}
