//! Compares the logs of a partition's replicas, batch by batch, as they lie on the disks. Where a
//! segment ends is each broker's own business, and so are the indexes.

use std::fs;
use std::path::{Path, PathBuf};

use transferto::message::byte_buffer_message_set::shallow_entries;

use crate::cluster::nodes::Cluster;
use crate::cluster::partitions::Partition;
use crate::outcome::{Outcome, failed};

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compared {
    /// Logs of followers that were held to their leader's.
    pub(crate) logs: u64,
    /// Batches in them.
    pub(crate) batches: u64,
    /// Bytes of these.
    pub(crate) bytes: u64,
}

/// Holds the logs of all replicas to the first one's, up to the high watermark.
pub(crate) fn compare(
    cluster: &Cluster,
    partition: Partition,
    high_watermark: i64,
    compared: &mut Compared,
) -> Outcome<()> {
    let [first, others @ ..] = partition.replicas;
    let model = read_log(cluster.log_dir(first), partition, high_watermark)?;
    for other in others {
        let log = read_log(cluster.log_dir(other), partition, high_watermark)?;
        for at in 0..model.len().max(log.len()) {
            let (here, there) = (model.get(at), log.get(at));
            if here != there {
                let (here, there) = (described(here), described(there));
                return failed(format!(
                    "{partition}: broker {first} has {here} where broker {other} has {there}"
                ));
            }
        }
        compared.logs += 1;
        compared.batches += log.len() as u64;
        compared.bytes += log.iter().map(|batch| batch.bytes.len() as u64).sum::<u64>();
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
struct Batch {
    offset: i64,
    last_offset: i64,
    /// All of it, the leader's epoch included.
    bytes: Vec<u8>,
}

fn described(batch: Option<&Batch>) -> String {
    let Some(Batch { offset, last_offset, bytes }) = batch else {
        return "no batch any more".to_string();
    };
    let epoch = bytes.get(12..16).map(<[u8]>::to_vec);
    format!("a batch of {} bytes, offsets {offset} to {last_offset}, epoch {epoch:?}", bytes.len())
}

/// The batches below the high watermark. They must follow each other without a gap, since none of
/// these logs is compacted.
fn read_log(log_dir: &Path, partition: Partition, high_watermark: i64) -> Outcome<Vec<Batch>> {
    let dir = log_dir.join(partition.to_string());
    let (mut batches, mut next) = (Vec::new(), 0);
    for segment in segments(&dir)? {
        let bytes = fs::read(&segment)?;
        for entry in shallow_entries(&bytes) {
            let entry = match entry {
                Ok(entry) if entry.has_valid_crc() => entry,
                Ok(_) => return failed(format!("{}: a wrong CRC", segment.display())),
                Err(error) => return failed(format!("{}: {error}", segment.display())),
            };
            if entry.offset >= high_watermark {
                return Ok(batches);
            }
            let (offset, last_offset) = (entry.offset, entry.last_offset);
            if offset != next {
                let path = segment.display();
                return failed(format!("{path}: offset {offset} where {next} should be"));
            }
            next = last_offset + 1;
            batches.push(Batch { offset, last_offset, bytes: entry.bytes.to_vec() });
        }
    }
    if next < high_watermark {
        let dir = dir.display();
        return failed(format!("{dir} ends with {next}, the high watermark is {high_watermark}"));
    }
    Ok(batches)
}

/// The files of the log, in order: their names are their first offsets.
pub(crate) fn segments(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "log") {
            segments.push(path);
        }
    }
    segments.sort();
    Ok(segments)
}
