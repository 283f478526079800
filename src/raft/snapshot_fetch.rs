//! Port of `KafkaRaftClient.buildFetchSnapshotRequest` and `handleFetchSnapshotResponse`: a snapshot of the
//! metadata log, piece by piece into memory.

use crate::message::record_batch::RecordBatch;
use crate::protocol::fetch_snapshot::{
    FetchSnapshotPartition, FetchSnapshotRequest, FetchSnapshotResponse,
    FetchSnapshotResponsePartition, FetchSnapshotTopic, SnapshotId as FieldsOfId,
};
use crate::raft::raft_config::RaftConfig;
use crate::raft::raft_listener::SnapshotId;

/// The topic of the metadata log, whose one partition is 0.
pub const METADATA_TOPIC: &str = "__cluster_metadata";

/// How large a snapshot may be that is read into memory, in bytes: of a cluster with some ten million
/// partitions.
pub const SNAPSHOT_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// A snapshot, and what has come of it.
#[derive(Debug)]
pub struct SnapshotFetch {
    pub id: SnapshotId,
    bytes: Vec<u8>,
}

/// What an answer has brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// There is more.
    More,
    Whole,
    /// The controller no longer has this snapshot, but one that is newer.
    Gone,
    /// Any other error of the protocol.
    Refused(i16),
}

impl SnapshotFetch {
    pub fn new(id: SnapshotId) -> Self {
        Self { id, bytes: Vec::new() }
    }

    /// All batches of a snapshot that is whole.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Asks for the next piece.
    pub fn request(&self, config: &RaftConfig, epoch: i32) -> FetchSnapshotRequest {
        let snapshot_id = FieldsOfId { end_offset: self.id.end_offset, epoch: self.id.epoch };
        let partition = FetchSnapshotPartition {
            current_leader_epoch: epoch,
            snapshot_id,
            position: self.bytes.len() as i64,
            ..FetchSnapshotPartition::default()
        };
        FetchSnapshotRequest {
            replica_id: config.node_id,
            max_bytes: config.fetch_snapshot_bytes_max,
            topics: vec![FetchSnapshotTopic {
                name: METADATA_TOPIC.to_string(),
                partitions: vec![partition],
            }],
            cluster_id: config.cluster_id.clone(),
        }
    }

    /// Takes the answer to the last request, whose records are ranges of `frame`.
    ///
    /// # Errors
    /// If it is no answer to it, or the snapshot is not one: why.
    pub fn take(
        &mut self,
        response: &FetchSnapshotResponse,
        frame: &[u8],
    ) -> Result<Piece, String> {
        const SNAPSHOT_NOT_FOUND: i16 = 98;
        const POSITION_OUT_OF_RANGE: i16 = 99;
        if response.error_code != 0 {
            return Ok(Piece::Refused(response.error_code));
        }
        let partition = only_partition(response)?;
        match partition.error_code {
            0 => self.take_piece(partition, frame),
            SNAPSHOT_NOT_FOUND | POSITION_OUT_OF_RANGE => Ok(Piece::Gone),
            other => Ok(Piece::Refused(other)),
        }
    }

    fn take_piece(
        &mut self,
        partition: &FetchSnapshotResponsePartition,
        frame: &[u8],
    ) -> Result<Piece, String> {
        let FieldsOfId { end_offset, epoch } = partition.snapshot_id;
        if (SnapshotId { end_offset, epoch }) != self.id {
            return Err(format!("a piece of snapshot {end_offset}-{epoch}, not of {}", self.id));
        }
        if partition.position != self.bytes.len() as i64 {
            let (came, asked) = (partition.position, self.bytes.len());
            return Err(format!("a piece of the snapshot from {came} on, not from {asked}"));
        }
        let size = usize::try_from(partition.size).ok().filter(|it| *it <= SNAPSHOT_BYTES_MAX);
        let Some(size) = size else {
            let size = partition.size;
            return Err(format!("a snapshot of {size} bytes: {SNAPSHOT_BYTES_MAX} can be loaded"));
        };
        let piece = &frame[partition.unaligned_records.clone().unwrap_or(0..0)];
        if piece.len() > size - self.bytes.len().min(size) {
            return Err(format!("more than the {size} bytes of the snapshot"));
        }
        self.bytes.extend_from_slice(piece);
        match self.bytes.len() == size {
            true => check_batches(&self.bytes).map(|()| Piece::Whole),
            false if piece.is_empty() => Err("a piece of the snapshot without bytes".to_string()),
            false => Ok(Piece::More),
        }
    }
}

/// The partition of the metadata log: an answer has no other.
pub fn only_partition(
    response: &FetchSnapshotResponse,
) -> Result<&FetchSnapshotResponsePartition, String> {
    match &response.topics[..] {
        [topic] if topic.name == METADATA_TOPIC => match &topic.partitions[..] {
            [partition] if partition.index == 0 => Ok(partition),
            _ => Err("an answer that is not of partition 0 alone".to_string()),
        },
        _ => Err(format!("an answer that is not of {METADATA_TOPIC} alone")),
    }
}

/// Checks that a snapshot is of whole batches, one behind the other.
fn check_batches(mut bytes: &[u8]) -> Result<(), String> {
    let mut offset = 0;
    while !bytes.is_empty() {
        let batch = RecordBatch::parse(bytes).map_err(|error| error.why())?;
        if !batch.has_valid_crc() {
            return Err(format!("the CRC of the snapshot's batch at offset {offset} is wrong"));
        }
        if batch.base_offset() != offset || batch.last_offset() < offset {
            let (first, last) = (batch.base_offset(), batch.last_offset());
            return Err(format!(
                "a batch of offsets {first} to {last} in the snapshot where {offset} follows"
            ));
        }
        offset = batch.last_offset() + 1;
        bytes = &bytes[batch.size_in_bytes()..];
    }
    Ok(())
}
