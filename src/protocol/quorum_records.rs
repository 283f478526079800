//! Port of `org.apache.kafka.common.record.ControlRecordType` and of `LeaderChangeMessage`,
//! `SnapshotHeaderRecord`, `SnapshotFooterRecord`, `KRaftVersionRecord` and `VotersRecord`
//! (`org.apache.kafka.common.message`): what the quorum of controllers writes into its log about itself.

use crate::common::json::Json;
use crate::protocol::wire::decode_error::DecodeError;
use crate::protocol::wire::json_converter::{JsonConverter, json_message};
use crate::protocol::wire::types::{Reader, Version, WireType, Writer};
use crate::protocol::wire::uuid::Uuid;

/// The version of the keys.
const KEY_VERSION: i16 = 0;
/// A key has no compact length and no tagged field.
const KEY_ENCODING: Version = Version { number: 0, is_flexible: false };

json_message! {
    /// Begins the epoch of a leader.
    pub struct LeaderChangeMessage {
        0.. => version: i16,
        0.. => leader_id: i32,
        0.. => voters: Vec<LeaderChangeVoter>,
        0.. => granting_voters: Vec<LeaderChangeVoter>,
    }

    pub struct LeaderChangeVoter {
        0.. => voter_id: i32,
        1.. => voter_directory_id: Uuid,
    }

    pub struct SnapshotHeaderRecord {
        0.. => version: i16,
        /// In milliseconds since 1970.
        0.. => last_contained_log_timestamp: i64,
    }

    pub struct SnapshotFooterRecord {
        0.. => version: i16,
    }

    pub struct KRaftVersionRecord {
        0.. => version: i16,
        0.. => k_raft_version: i16,
    }

    /// The controllers that vote, and where they are reached.
    pub struct VotersRecord {
        0.. => version: i16,
        0.. => voters: Vec<Voter>,
    }

    pub struct Voter {
        0.. => voter_id: i32,
        0.. => voter_directory_id: Uuid,
        0.. => endpoints: Vec<VoterEndpoint>,
        0.. => k_raft_version_feature: KRaftVersionFeature,
    }

    pub struct VoterEndpoint {
        /// That of the listener.
        0.. => name: String,
        0.. => host: String,
        0.. => port: u16,
    }

    pub struct KRaftVersionFeature {
        0.. => min_supported_version: i16,
        0.. => max_supported_version: i16,
    }
}

/// A control record of the metadata log.
#[derive(Clone, Debug, PartialEq)]
pub enum QuorumRecord {
    LeaderChange(LeaderChangeMessage),
    SnapshotHeader(SnapshotHeaderRecord),
    SnapshotFooter(SnapshotFooterRecord),
    KRaftVersion(KRaftVersionRecord),
    KRaftVoters(VotersRecord),
    /// The type of a later Kafka, or of an ordinary log.
    Other(i16),
}

impl QuorumRecord {
    /// Reads key and value of a record of a control batch.
    ///
    /// # Errors
    /// What is wrong with the bytes. A type or a version of a later Kafka is no error: it says nothing of
    /// the cluster.
    pub fn read(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = Reader::new(key);
        let _version: i16 = key.read(KEY_ENCODING, "ControlRecord.version")?;
        let kind: i16 = key.read(KEY_ENCODING, "ControlRecord.type")?;
        // All of them begin with their version.
        let version = Reader::new(value).read(KEY_ENCODING, "the version of a control record")?;
        let mut reader = Reader::new(value);
        Ok(match (kind, version) {
            (2, 0..=1) => {
                Self::LeaderChange(reader.read(flexible(version), "LeaderChangeMessage")?)
            }
            (3, 0) => Self::SnapshotHeader(reader.read(flexible(0), "SnapshotHeaderRecord")?),
            (4, 0) => Self::SnapshotFooter(reader.read(flexible(0), "SnapshotFooterRecord")?),
            (5, 0) => Self::KRaftVersion(reader.read(flexible(0), "KRaftVersionRecord")?),
            (6, 0) => Self::KRaftVoters(reader.read(flexible(0), "VotersRecord")?),
            (other, _) => Self::Other(other),
        })
    }

    /// Kafka's number of its type.
    pub fn type_number(&self) -> i16 {
        match self {
            Self::LeaderChange(_) => 2,
            Self::SnapshotHeader(_) => 3,
            Self::SnapshotFooter(_) => 4,
            Self::KRaftVersion(_) => 5,
            Self::KRaftVoters(_) => 6,
            Self::Other(number) => *number,
        }
    }

    /// Key and value of the record.
    pub fn to_bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut key, mut value) = (Writer::new(), Writer::new());
        KEY_VERSION.write(&mut key, KEY_ENCODING);
        self.type_number().write(&mut key, KEY_ENCODING);
        match self {
            Self::LeaderChange(it) => it.write(&mut value, flexible(it.version)),
            Self::SnapshotHeader(it) => it.write(&mut value, flexible(0)),
            Self::SnapshotFooter(it) => it.write(&mut value, flexible(0)),
            Self::KRaftVersion(it) => it.write(&mut value, flexible(0)),
            Self::KRaftVoters(it) => it.write(&mut value, flexible(0)),
            Self::Other(_) => (),
        }
        (key.into_bytes(), value.into_bytes())
    }

    /// Its fields, as Kafka's `kafka-dump-log` prints them.
    pub fn to_json(&self) -> String {
        let mut json = Json::default();
        match self {
            Self::LeaderChange(it) => it.write_json(&mut json, flexible(it.version)),
            Self::SnapshotHeader(it) => it.write_json(&mut json, flexible(0)),
            Self::SnapshotFooter(it) => it.write_json(&mut json, flexible(0)),
            Self::KRaftVersion(it) => it.write_json(&mut json, flexible(0)),
            Self::KRaftVoters(it) => it.write_json(&mut json, flexible(0)),
            Self::Other(_) => (),
        }
        json.into_text()
    }
}

fn flexible(number: i16) -> Version {
    Version { number, is_flexible: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the controller of Kafka 4.4.0 wrote.
    #[test]
    fn a_leader_change_is_read_in_both_versions() {
        let read = |value: &[u8]| QuorumRecord::read(&[0, 0, 0, 2], value).unwrap();
        let first = [0, 0, 0, 0, 0, 100, 2, 0, 0, 0, 100, 0, 2, 0, 0, 0, 100, 0, 0];
        assert_eq!(
            read(&first).to_json(),
            "{\"version\":0,\"leaderId\":100,\"voters\":[{\"voterId\":100}],\
             \"grantingVoters\":[{\"voterId\":100}]}"
        );
        assert_eq!(read(&first).to_bytes(), (vec![0, 0, 0, 2], first.to_vec()));
        let voter = LeaderChangeVoter { voter_id: 3, voter_directory_id: Uuid([1; 16]) };
        let second = QuorumRecord::LeaderChange(LeaderChangeMessage {
            version: 1,
            leader_id: 3,
            voters: vec![voter],
            granting_voters: Vec::new(),
        });
        assert_eq!(read(&second.to_bytes().1), second);
    }

    #[test]
    fn what_a_later_kafka_writes_is_passed_over_and_what_is_cut_off_is_not() {
        let read = QuorumRecord::read;
        assert_eq!(read(&[0, 0, 0, 7], &[0, 0]), Ok(QuorumRecord::Other(7)));
        assert_eq!(read(&[0, 0, 0, 2], &[0, 2, 9]), Ok(QuorumRecord::Other(2)));
        assert_eq!(read(&[0, 0, 0, 6], &[0, 1]), Ok(QuorumRecord::Other(6)));
        for (key, value) in
            [(&[0, 0, 0][..], &[0, 0][..]), (&[0, 0, 0, 5], &[0]), (&[0, 0, 0, 5], &[0, 0])]
        {
            assert!(read(key, value).is_err(), "{key:?} {value:?}");
        }
    }
}
