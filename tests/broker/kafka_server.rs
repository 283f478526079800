//! The stop of a broker, whatever goes wrong on the way.

use std::sync::Arc;
use std::thread;

use support::broker::Broker;
use support::temp::TempDir;
use support::treacherous_time::TreacherousTime;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;

const MARKER: &str = ".kafka_cleanshutdown";

/// Stops the broker on a thread whose `number`-th look at the clock panics, and says whether the
/// stop was clean.
fn stop_with_panic(broker: Broker, time: &TreacherousTime, number: i64) -> bool {
    time.panic_at_ask(number);
    let stopper = thread::Builder::new().name("stopper".to_string());
    stopper.spawn(move || broker.shutdown().is_ok()).unwrap().join().unwrap()
}

#[test]
fn a_panic_over_one_log_keeps_no_other_from_being_flushed_and_its_directory_from_being_marked() {
    let time = TreacherousTime::new("stopper");
    let clock: Arc<dyn Time> = time.clone();
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_with(Arc::clone(&dir), &[], |it| it.time(clock));
    let mut client = broker.connect_with_topic("one");
    client.create_topic("other");
    for topic in ["one", "other"] {
        assert_eq!(client.produce(topic, 0, &support::records::batch(&[b"x"])).error_code, 0);
    }
    let logs: Vec<_> = ["one", "other"]
        .iter()
        .map(|it| TopicAndPartition::new(it, 0))
        .map(|key| broker.server().log_manager().get_log(&key).unwrap())
        .collect();
    assert!(!stop_with_panic(broker, &time, 1), "the exit status tells");
    assert!(time.has_surprised());
    assert!(!dir.path().join(MARKER).exists(), "one log may not be on disk");
    let flushed = logs.iter().filter(|log| log.recovery_point() == log.log_end_offset()).count();
    assert_eq!(flushed, 1, "the other one is");
    let checkpoint = std::fs::read_to_string(dir.path().join("recovery-point-offset-checkpoint"));
    assert_eq!(checkpoint.unwrap().lines().filter(|line| line.ends_with(" 1")).count(), 1);
}

#[test]
fn a_stop_without_a_fault_says_so() {
    let broker = Broker::start(&[]);
    let dir = Arc::clone(&broker.dir);
    assert!(broker.shutdown().is_ok());
    assert!(dir.path().join(MARKER).exists());
}
