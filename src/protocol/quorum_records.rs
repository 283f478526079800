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
    /// What is wrong with the bytes. A type that is not known is no error: it says nothing of the
    /// cluster.
    pub fn read(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = Reader::new(key);
        let _version: i16 = key.read(KEY_ENCODING, "ControlRecord.version")?;
        let mut reader = Reader::new(value);
        Ok(match key.read(KEY_ENCODING, "ControlRecord.type")? {
            2 => {
                // The one with versions that differ: its first field says which it is.
                let number = Reader::new(value).read(KEY_ENCODING, "LeaderChangeMessage")?;
                Self::LeaderChange(reader.read(flexible(number), "LeaderChangeMessage")?)
            }
            3 => Self::SnapshotHeader(reader.read(flexible(0), "SnapshotHeaderRecord")?),
            4 => Self::SnapshotFooter(reader.read(flexible(0), "SnapshotFooterRecord")?),
            5 => Self::KRaftVersion(reader.read(flexible(0), "KRaftVersionRecord")?),
            6 => Self::KRaftVoters(reader.read(flexible(0), "VotersRecord")?),
            other => Self::Other(other),
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
