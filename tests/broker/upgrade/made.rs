//! Makes a data directory for `tests/fixtures`, whose README says how to start this, by a broker
//! that is killed in the midst of its work.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::{Client, NEWEST_PRODUCE, produce_request};
use support::records::message_set;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::protocol::alter_client_quotas::{AlterClientQuotasRequest, AlterEntryData, OpData};
use transferto::protocol::create_acls::{AclCreation, CreateAclsRequest};
use transferto::protocol::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use transferto::protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use transferto::protocol::describe_client_quotas::EntityData;
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use transferto::protocol::init_producer_id::InitProducerIdRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};

use super::contents::{BATCH_RECORDS, BUSY, IDEMPOTENT, Producer, contents, records};
use super::{CONTENTS, DATA, SETTINGS};
use crate::apis::group_client::{Member, find_coordinator, subscription};
use crate::security::rights::codes;

/// A segment holds a few records.
const SMALL_SEGMENTS: (&str, &str) = ("segment.bytes", "600");
const COMPACTED: &str = "compacted";
/// Produced without waiting, until the broker is killed somewhere among them.
const BUSY_REQUESTS: usize = 200;

#[test]
#[ignore = "makes a data directory: see tests/fixtures/README.md"]
fn a_data_directory_is_made() {
    let fixture =
        env::var_os("TRANSFERTO_FIXTURE").expect("TRANSFERTO_FIXTURE names the directory");
    let (fixture, dir) = (PathBuf::from(fixture), TempDir::new());
    fs::create_dir_all(&fixture).unwrap();
    let data = dir.join("data");
    make_clean(&data);
    let lines = make_unclean(&data);
    fs::write(fixture.join(CONTENTS), lines.join("\n") + "\n").unwrap();
    let tar = fixture.join(DATA);
    let packed = Command::new("tar").arg("-czSf").arg(tar).arg("-C").arg(&data).arg(".").status();
    assert!(packed.unwrap().success());
}

fn start(data: &Path, settings: &[(&str, &str)]) -> BrokerProcess {
    let settings = SETTINGS.iter().chain(settings).map(|(name, value)| format!("{name}={value}"));
    let settings: Vec<String> = settings.collect();
    BrokerProcess::start(data, &settings.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What the cleaner has cleaned, and a stop has written down.
fn make_clean(data: &Path) {
    let cleaner = [
        ("log.cleaner.enable", "true"),
        ("log.cleaner.backoff.ms", "1"),
        ("log.cleaner.min.cleanable.ratio", "0"),
    ];
    let broker = start(data, &cleaner);
    let mut client = Client::connect(broker.port);
    client.create_topic_with(COMPACTED, &[("cleanup.policy", "compact"), SMALL_SEGMENTS]);
    produce_keys(&mut client, 0..60);
    wait_until("the cleaner", || records(&mut client, COMPACTED, 0).len() < 30);
    assert!(broker.end_with(Signal::SIGTERM).0.success());
}

/// Everything else, on a broker that does not clean and is killed.
fn make_unclean(data: &Path) -> Vec<String> {
    let broker = start(data, &[]);
    let mut client = Client::connect(broker.port);
    produce_keys(&mut client, 60..80);
    make_topics(&mut client);
    make_groups(broker.port);
    make_settings(&mut client);
    let producer = make_producer(&mut client);
    client.create_topic(BUSY);
    let lines = contents(&mut client, &producer);
    let batch = RecordBatchBuilder::new(0).record(1_000, None, Some(&[b'b'; 500])).build().unwrap();
    let send = |_| {
        let request = produce_request(1, BUSY, 0, batch.len());
        client.send(NEWEST_PRODUCE, &RequestBody::Produce(request), &batch)
    };
    let sent: Vec<_> = (0..BUSY_REQUESTS).map(send).collect();
    for header in &sent[..BUSY_REQUESTS / 4] {
        client.receive(header);
    }
    broker.end_with(Signal::SIGKILL);
    lines
}

/// Asks an admin's question, which is answered without an error.
fn assert_done(client: &mut Client, version: i16, request: &RequestBody) {
    let codes = codes(&client.call(version, request, &[]).0);
    assert!(!codes.is_empty() && codes.iter().all(|&code| code == 0), "{request:?}: {codes:?}");
}

fn produce_keys(client: &mut Client, numbers: std::ops::Range<i32>) {
    for number in numbers {
        let (key, value) = (format!("key {}", number % 7), format!("value {number}"));
        let value = (number % 11 != 0).then_some(value.as_bytes());
        let batch = RecordBatchBuilder::new(0).record(1_000, Some(key.as_bytes()), value);
        assert_eq!(client.produce(COMPACTED, 0, &batch.build().unwrap()).error_code, 0);
    }
}

fn make_topics(client: &mut Client) {
    for codec in CompressionCodec::ALL {
        let topic = format!("codec-{}", codec.name());
        client.create_topic_with(&topic, &[SMALL_SEGMENTS, ("retention.ms", "-1")]);
        for batch in 0..8 {
            let mut builder = RecordBatchBuilder::new(0).codec(codec);
            for record in 0..5 {
                let value = format!("record {record} of batch {batch}, {}", "again ".repeat(8));
                builder = builder.record(1_000 + batch, Some(b"key"), Some(value.as_bytes()));
            }
            let response = client.produce(&topic, 0, &builder.build().unwrap());
            assert_eq!(response.error_code, 0);
        }
    }
    let old = [("message.format.version", "0.9.0"), SMALL_SEGMENTS];
    client.create_topic_with("old-format", &old);
    for number in 0..20 {
        let codec = if number % 2 == 0 { CompressionCodec::None } else { CompressionCodec::Gzip };
        let set = message_set(0, codec, &[(0, format!("old {number}")), (1, "x".to_string())]);
        assert_eq!(client.produce_with(2, 1, ("old-format", 0), &set).error_code, 0);
    }
    client.create_topic("spread");
    let more = CreatePartitionsTopic { name: "spread".to_string(), count: 3, assignments: None };
    let request = CreatePartitionsRequest { topics: vec![more], ..Default::default() };
    assert_done(client, 3, &RequestBody::CreatePartitions(request));
    for partition in 0..3 {
        let batch = RecordBatchBuilder::new(0).record(1_000, None, Some(&[b'0' + partition as u8]));
        let response = client.produce("spread", partition, &batch.build().unwrap());
        assert_eq!(response.error_code, 0);
    }
    delete_records(client, "codec-none", 13);
}

fn delete_records(client: &mut Client, topic: &str, offset: i64) {
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
    let topics = vec![DeleteRecordsTopic { name: topic.to_string(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 1000 };
    assert_done(client, 2, &RequestBody::DeleteRecords(request));
}

/// One with a member, one that its member left, and one that never had a member.
fn make_groups(port: u16) {
    let mut active = member(port, "active");
    active.group_instance_id = Some("static".to_string());
    active.join();
    let id = active.member_id.clone();
    assert_eq!(active.sync(&[(&id, b"all of it")]).error_code, 0);
    let mut empty = member(port, "empty");
    empty.join();
    assert_eq!(empty.sync(&[]).error_code, 0);
    let mut simple = member(port, "simple");
    simple.protocol_type = String::new();
    for member in [&mut active, &mut empty, &mut simple] {
        for (topic, offset) in [("codec-gzip", 7), ("old-format", 12), ("codec-gzip", 21)] {
            assert_eq!(member.commit(topic, 0, offset), 0);
        }
    }
    assert_eq!(empty.leave(5), 0);
}

fn member(port: u16, group: &str) -> Member {
    let mut client = Client::connect(port);
    wait_until("the coordinator", || find_coordinator(&mut client, 2, group).error_code == 0);
    Member {
        client,
        group: group.to_string(),
        member_id: String::new(),
        group_instance_id: None,
        generation: -1,
        session_timeout_ms: 1_800_000,
        protocol_type: "consumer".to_string(),
        protocols: vec![("range".to_string(), subscription(&["codec-gzip", "old-format"]))],
    }
}

/// Settings of the broker and of all brokers, rights and quotas.
fn make_settings(client: &mut Client) {
    for (broker, name, value) in
        [("0", "log.cleaner.threads", "2"), ("", "log.flush.interval.ms", "60000")]
    {
        let (name, value) = (name.to_string(), Some(value.to_string()));
        let resource = IncrementalAlterConfigsResource {
            resource_type: 4,
            resource_name: broker.to_string(),
            configs: vec![IncrementalAlterableConfig { name, config_operation: 0, value }],
        };
        let request =
            IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        assert_done(client, 1, &RequestBody::IncrementalAlterConfigs(request));
    }
    let right = |name: &str, resource_pattern_type: i8, permission_type: i8| AclCreation {
        resource_type: 2,
        resource_name: name.to_string(),
        resource_pattern_type,
        principal: "User:alice".to_string(),
        host: "192.0.2.1".to_string(),
        operation: 3,
        permission_type,
    };
    let creations = vec![right("codec-gzip", 3, 3), right("old", 4, 2)];
    assert_done(client, 3, &RequestBody::CreateAcls(CreateAclsRequest { creations }));
    let quota = |entity_name: Option<&str>, key: &str, value: f64| AlterEntryData {
        entity: vec![EntityData {
            entity_type: "client-id".to_string(),
            entity_name: entity_name.map(str::to_string),
        }],
        ops: vec![OpData { key: key.to_string(), value, remove: false }],
    };
    let entries = vec![
        quota(Some("slow client"), "producer_byte_rate", 1000.0),
        quota(None, "consumer_byte_rate", 1e12),
    ];
    let request = AlterClientQuotasRequest { entries, validate_only: false };
    assert_done(client, 1, &RequestBody::AlterClientQuotas(request));
}

fn make_producer(client: &mut Client) -> Producer {
    let request = InitProducerIdRequest::default();
    let id = match client.call(4, &RequestBody::InitProducerId(request), &[]).0 {
        ResponseBody::InitProducerId(response) => response.producer_id,
        other => panic!("{other:?}"),
    };
    client.create_topic_with(IDEMPOTENT, &[SMALL_SEGMENTS]);
    let batches = 20;
    let producer = Producer { id, last_sequence: (batches - 1) * BATCH_RECORDS };
    for batch in 0..batches {
        assert_eq!(producer.produce(client, batch * BATCH_RECORDS).error_code, 0);
    }
    producer
}
