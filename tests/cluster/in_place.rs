//! One directory, which Apache Kafka's broker and one of these have in turns: by that the one takes the other's
//! place in a cluster.

use std::fs;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use support::broker::Broker;
use support::client::{Client, NEWEST_PRODUCE};
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::message::byte_buffer_message_set::shallow_entries;
use transferto::message::record_batch_builder::RecordBatchBuilder;

use crate::apache_broker::ApacheBroker;
use crate::apache_cluster::{borrowed, create, settings};
use crate::apache_controller::ApacheController;
use crate::group_coordinator::{OURS, commit, committed};

const ID: i32 = 41;
const PRODUCER_ID: i64 = 7;
/// What one broker adds to the topic, as one batch of the producer.
const RECORDS: i64 = 3;

/// What has been written so far, whoever had the directory.
#[derive(Default)]
struct Written {
    batches: Vec<Vec<u8>>,
}

impl Written {
    fn records(&self) -> i64 {
        RECORDS * i64::try_from(self.batches.len()).unwrap()
    }

    /// Holds a broker that has just come to what the ones before it took in, and has it take in more.
    fn go_on(&mut self, client: &mut Client) {
        wait_until("the leader", || client.fetch("post", 0, 0).error == 0);
        wait_until("the group", || committed(client, OURS).0 == 0);
        let end = self.records();
        if let Some(last) = self.batches.last() {
            assert_eq!(client.fetch("post", 0, 0).high_watermark, end);
            assert_eq!(committed(client, OURS), (0, end));
            // Its producer has not heard of it, and sends it again: it is known, by the snapshot on disk.
            let again = client.produce_with(NEWEST_PRODUCE, -1, ("post", 0), last);
            assert_eq!((again.error_code, again.base_offset), (0, end - RECORDS));
        }
        let next = batch_of_producer(i32::try_from(end).unwrap());
        let appended = client.produce_with(NEWEST_PRODUCE, -1, ("post", 0), &next);
        assert_eq!((appended.error_code, appended.base_offset), (0, end));
        self.batches.push(next);
        assert_eq!(commit(client, OURS, self.records()), 0);
        let fetched = client.fetch("post", 0, 0);
        assert_eq!(fetched.high_watermark, self.records(), "each batch is there once");
        let offsets = shallow_entries(&fetched.records).map(|it| it.unwrap().offset);
        assert!(offsets.eq((0..self.records()).step_by(3)));
    }
}

/// Of now: what a producer wrote long ago is forgotten at a start.
fn batch_of_producer(first_sequence: i32) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now_ms = i64::try_from(now).unwrap();
    let empty = RecordBatchBuilder::new(0).producer(PRODUCER_ID, 0, first_sequence);
    let filled = (0..RECORDS).fold(empty, |it, _| it.record(now_ms, None, Some(b"value")));
    filled.build().unwrap()
}

fn read(dir: &TempDir, file: &str) -> String {
    let lines = fs::read_to_string(dir.join(file)).unwrap();
    // Java's first lines are comments, one of which is the time.
    let mut lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with('#')).collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn a_directory_goes_from_kafkas_broker_to_one_of_these_and_back() {
    let Some(controller) = ApacheController::start("3.9") else { return };
    let (dir, mut written) = (Arc::new(TempDir::new()), Written::default());
    let apache = ApacheBroker::start_in(&controller, ID, dir.path());
    let mut client = Client::connect(apache.port);
    for (topic, partitions) in [("post", &[ID][..]), ("__consumer_offsets", &[ID, ID])] {
        create(&mut client, topic, partitions);
    }
    written.go_on(&mut client);
    apache.stop();
    let identity = read(&dir, "meta.properties");
    let topic = read(&dir, "post-0/partition.metadata");
    assert!(dir.join(".kafka_cleanshutdown").is_file(), "it has stopped in order");
    assert!(identity.contains("directory.id="), "{identity}");

    let mut of_ours = settings(&controller, ID);
    of_ours.push(("offsets.topic.num.partitions".to_string(), "2".to_string()));
    let ours = Broker::start_in(Arc::clone(&dir), &borrowed(&of_ours));
    written.go_on(&mut ours.connect());
    ours.shutdown().unwrap();
    assert!(dir.join(".kafka_cleanshutdown").is_file());
    assert!(dir.join("__cluster_metadata-0").is_dir(), "it is Kafka's to keep");
    assert_eq!(read(&dir, "meta.properties"), identity);

    let apache = ApacheBroker::start_in(&controller, ID, dir.path());
    written.go_on(&mut Client::connect(apache.port));
    apache.stop();
    assert_eq!(read(&dir, "meta.properties"), identity);
    assert_eq!(read(&dir, "post-0/partition.metadata"), topic);
}
