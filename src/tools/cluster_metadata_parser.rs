//! Port of `DumpLogSegments.ClusterMetadataLogMessageParser`: the records of `__cluster_metadata` as JSON.

use crate::image::records::metadata_record::RecordAndVersion;
use crate::message::records::LogRecord;
use crate::protocol::quorum_records::QuorumRecord;

/// The value of a record, or in Kafka's words why it cannot be read.
pub(crate) fn parse(record: &LogRecord<'_>) -> Option<String> {
    let read = RecordAndVersion::read(record.value?);
    Some(match read {
        Ok(read) => read.to_json(),
        Err(error) => format!("Error at {}, skipping. {error}", record.offset),
    })
}

/// What a control record of the quorum says, behind the name that Kafka prints; `None` for another
/// control record, or one that cannot be read.
pub(crate) fn parse_control(record: &LogRecord<'_>) -> Option<String> {
    let read = QuorumRecord::read(record.key?, record.value?).ok()?;
    let name = match read {
        QuorumRecord::LeaderChange(_) => "LeaderChange:",
        QuorumRecord::SnapshotHeader(_) => "SnapshotHeader",
        QuorumRecord::SnapshotFooter(_) => "SnapshotFooter",
        QuorumRecord::KRaftVersion(_) => "KRaftVersion",
        QuorumRecord::KRaftVoters(_) => "KRaftVoters",
        QuorumRecord::Other(_) => return None,
    };
    Some(format!("{name} {}", read.to_json()))
}
