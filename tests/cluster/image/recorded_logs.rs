//! Logs that the controllers of Kafka 4.4.0 wrote, and what Kafka's own image of each is.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use support::random::Random;
use transferto::common::uuid::uuid_text;
use transferto::image::loader::metadata_loader::MetadataLoader;
use transferto::image::metadata_delta::MetadataDelta;
use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::metadata_record::RecordAndVersion;
use transferto::message::record_batch::RecordBatch;
use transferto::protocol::quorum_records::QuorumRecord;
use transferto::raft::observed_log::ObservedLog;
use transferto::raft::raft_listener::{RaftListener, SnapshotId};

use crate::image::published::Published;

/// Of a batch: where its CRC stands, and from where on it is of the bytes.
const CRC_OFFSET: usize = 17;
const ATTRIBUTES_OFFSET: usize = 21;

const LOG: &str = "00000000000000000000.log";

fn fixture(folder: &str, file: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cluster-metadata");
    fixtures.join(folder).join(file)
}

fn log(folder: &str) -> Vec<u8> {
    fs::read(fixture(folder, LOG)).unwrap()
}

fn text(folder: &str, file: &str) -> String {
    fs::read_to_string(fixture(folder, file)).unwrap()
}

fn batches(mut bytes: &[u8]) -> Vec<RecordBatch<'_>> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let batch = RecordBatch::parse(bytes).unwrap();
        bytes = &bytes[batch.size_in_bytes()..];
        batches.push(batch);
    }
    batches
}

fn end_offset(log: &[u8]) -> i64 {
    batches(log).last().unwrap().last_offset() + 1
}

/// The image as `tests/fixtures/cluster-metadata/PrintImage.java` prints Kafka's.
fn printed(image: &MetadataImage) -> String {
    let mut out = String::new();
    let at = image.provenance;
    writeln!(out, "offset {} epoch {}", at.last_contained_offset, at.last_contained_epoch).unwrap();
    // Kafka's image has neither of these two among the features.
    let own = |name: &&String| *name != "metadata.version" && *name != "kraft.version";
    for name in image.features.finalized.keys().filter(own) {
        writeln!(out, "feature {name} {}", image.features.finalized[name]).unwrap();
    }
    writeln!(out, "metadata.version {}", image.features.metadata_version()).unwrap();
    print_brokers(image, &mut out);
    print_topics(image, &mut out);
    for (broker, overrides) in image.configs.brokers.iter() {
        for (name, value) in overrides {
            let of = if broker.is_empty() { "default" } else { broker };
            writeln!(out, "broker config {of} {name} = {value}").unwrap();
        }
    }
    let security = &image.security;
    writeln!(
        out,
        "acls {} quota entities {} scram {}",
        security.acls.len(),
        security.client_quotas.len(),
        security.scram_credentials.len()
    )
    .unwrap();
    out
}

fn print_brokers(image: &MetadataImage, out: &mut String) {
    for it in image.cluster.iter() {
        writeln!(
            out,
            "broker {} epoch {} incarnation {} rack {} fenced {} stopping {} dirs [{}]",
            it.id,
            it.epoch,
            uuid_text(&it.incarnation_id),
            it.rack.as_deref().unwrap_or("null"),
            it.fenced,
            it.in_controlled_shutdown,
            ids(&it.directories),
        )
        .unwrap();
        for (name, at) in &it.listeners {
            let protocol = at.security_protocol;
            writeln!(out, "  listener {name} {} {} {protocol}", at.host, at.port).unwrap();
        }
    }
}

fn print_topics(image: &MetadataImage, out: &mut String) {
    for (name, topic) in image.topics.iter() {
        writeln!(out, "topic {name} {}", uuid_text(&topic.id)).unwrap();
        for (number, it) in topic.partitions.iter().enumerate() {
            // Where no directory is known Kafka has a zero for each replica.
            let unknown = vec![[0; 16]; it.replicas.len()];
            let directories =
                if it.directories.is_empty() { &unknown } else { &it.directories[..] };
            writeln!(
                out,
                "  {number} leader {} epoch {} partition epoch {} replicas {:?} isr {:?} dirs [{}]",
                it.leader,
                it.leader_epoch,
                it.partition_epoch,
                it.replicas,
                it.isr,
                ids(directories),
            )
            .unwrap();
        }
        for (name, value) in &topic.config {
            writeln!(out, "  {name} = {value}").unwrap();
        }
    }
}

fn ids(ids: &[[u8; 16]]) -> String {
    ids.iter().map(uuid_text).collect::<Vec<_>>().join(", ")
}

fn followed(folder: &str) -> Arc<MetadataImage> {
    let (published, log) = (Published::new(), log(folder));
    let mut loader = MetadataLoader::new(vec![published.clone()]);
    loader.handle_commit(&log, end_offset(&log)).unwrap();
    published.last()
}

#[test]
fn the_log_of_a_controller_becomes_the_image_that_kafka_makes_of_it() {
    for folder in ["mv7", "mv21", "mv33"] {
        assert_eq!(printed(&followed(folder)), text(folder, "image.txt"), "{folder}");
    }
}

#[test]
fn the_version_of_the_quorum_is_a_feature() {
    for folder in ["mv7", "mv21", "mv33"] {
        assert_eq!(followed(folder).features.finalized["kraft.version"], 1, "{folder}");
    }
}

#[test]
fn a_snapshot_becomes_the_image_that_kafka_makes_of_it() {
    let id = SnapshotId { end_offset: 75, epoch: 1 };
    let bytes = fs::read(fixture("mv21", "00000000000000000075-0000000001.checkpoint")).unwrap();
    let published = Published::new();
    let mut loader = MetadataLoader::new(vec![published.clone()]);
    loader.handle_load_snapshot(id, &bytes, 75).unwrap();
    assert_eq!(printed(&published.last()), text("mv21", "snapshot-image.txt"));
}

/// Whichever way a broker has come to an offset, it knows the same.
#[test]
fn a_snapshot_and_the_log_behind_it_make_the_image_of_the_whole_log() {
    let id = SnapshotId { end_offset: 75, epoch: 1 };
    let bytes = fs::read(fixture("mv21", "00000000000000000075-0000000001.checkpoint")).unwrap();
    let log = log("mv21");
    let end = end_offset(&log);
    let published = Published::new();
    let mut loader = MetadataLoader::new(vec![published.clone()]);
    loader.handle_load_snapshot(id, &bytes, end).unwrap();
    for batch in batches(&log).iter().filter(|it| it.base_offset() >= id.end_offset) {
        loader.handle_commit(batch.bytes(), end).unwrap();
    }
    assert_eq!(*published.last(), *followed("mv21"));
}

/// Each image is the one before with the changes that its delta names, and no other.
#[test]
fn batch_by_batch_the_deltas_name_every_change() {
    for folder in ["mv7", "mv21", "mv33"] {
        let (log, published) = (log(folder), Published::new());
        let mut loader = MetadataLoader::new(vec![published.clone()]);
        for batch in batches(&log) {
            loader.handle_commit(batch.bytes(), batch.last_offset() + 1).unwrap();
        }
        let updates = published.take();
        assert_eq!(*updates[0].before, MetadataImage::default(), "{folder}");
        for pair in updates.windows(2) {
            assert!(Arc::ptr_eq(&pair[0].after, &pair[1].before), "{folder}");
        }
        for update in &updates {
            assert_eq!(update.delta, MetadataDelta::between(&update.before, &update.after));
            for (name, topic) in update.after.topics.iter() {
                let is_named = update.delta.topics.changed.iter().any(|it| it == name);
                let before = update.before.topics.topic(name);
                let is_equal =
                    before.is_some_and(|it| it.id == topic.id && it.partitions == topic.partitions);
                assert_eq!(is_named, !is_equal, "{folder}: {name}");
            }
        }
        assert_eq!(*updates.last().unwrap().after, *followed(folder), "{folder}");
    }
}

/// So a record that this broker reads loses nothing, and the tables are those of Kafka.
#[test]
fn every_record_is_written_as_it_was_read() {
    let mut count = 0;
    let snapshot = fixture("mv21", "00000000000000000075-0000000001.checkpoint");
    for log in [log("mv7"), log("mv21"), log("mv33"), fs::read(snapshot).unwrap()] {
        for batch in batches(&log) {
            let read = batch.for_each_record(&mut |record| {
                let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap());
                if batch.is_control_batch() {
                    let written = QuorumRecord::read(key, value).unwrap().to_bytes();
                    assert_eq!(written, (key.to_vec(), value.to_vec()));
                } else {
                    assert_eq!(RecordAndVersion::read(value).unwrap().to_bytes(), value);
                }
                count += 1;
                Ok(())
            });
            read.unwrap();
        }
    }
    assert!(count > 250, "{count}");
}

/// What stands in a log is never believed: neither a byte that is wrong nor one that is missing makes it
/// panic, or take more memory than a log of this size can mean.
#[test]
fn no_byte_makes_the_loader_panic() {
    let log = log("mv7");
    let end = end_offset(&log);
    for at in (0..log.len()).step_by(5) {
        for wrong in [0, 0x7f, 0x80, 0xff, log[at] ^ 1] {
            let mut changed = log.clone();
            changed[at] = wrong;
            let mut loader = MetadataLoader::new(vec![Published::new()]);
            // Whether it is a fault depends on the byte.
            let _ = loader.handle_commit(&changed, end);
        }
    }
    let ends: Vec<usize> = batches(&log)
        .iter()
        .scan(0, |end, batch| {
            *end += batch.size_in_bytes();
            Some(*end)
        })
        .collect();
    for cut in 0..log.len() {
        let mut loader = MetadataLoader::new(Vec::new());
        let is_whole = cut == 0 || ends.contains(&cut);
        assert_eq!(loader.handle_commit(&log[..cut], end).is_ok(), is_whole, "cut at {cut}");
    }
}

/// What comes from a controller may be wrong in any way: it is followed, or it is a fault that says where.
#[test]
fn no_change_of_the_bytes_of_a_batch_makes_the_loader_panic() {
    const ROUNDS: usize = 200;
    for folder in ["mv7", "mv21", "mv33"] {
        let (whole, mut random) = (log(folder), Random(7));
        let ends: Vec<_> = batches(&whole)
            .iter()
            .scan(0, |end, batch| {
                *end += batch.size_in_bytes();
                Some(*end)
            })
            .collect();
        for _ in 0..ROUNDS {
            let last = random.index(ends.len());
            let start = last.checked_sub(1).map_or(0, |before| ends[before]);
            let mut changed = whole[..ends[last]].to_vec();
            for _ in 0..=random.below(3) {
                let at = start
                    + ATTRIBUTES_OFFSET
                    + random.index(ends[last] - start - ATTRIBUTES_OFFSET);
                changed[at] = if random.below(2) == 0 { 0xFF } else { random.next_u64() as u8 };
            }
            let crc = crc32c::crc32c(&changed[start + ATTRIBUTES_OFFSET..]);
            changed[start + CRC_OFFSET..start + ATTRIBUTES_OFFSET]
                .copy_from_slice(&crc.to_be_bytes());
            let mut loader = MetadataLoader::new(vec![Published::new()]);
            if let Err(fault) = loader.handle_commit(&changed, 0) {
                assert!(fault.to_string().contains("metadata log"), "{fault}");
            }
            let mut observed = ObservedLog::default();
            // Whether it is taken is not the question.
            let _ = observed.append(&changed, i32::MAX);
        }
    }
}
