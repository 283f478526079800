//! Port of `org.apache.kafka.common.metadata.MetadataRecordType`, of
//! `org.apache.kafka.server.common.ApiMessageAndVersion` and of
//! `org.apache.kafka.metadata.MetadataRecordSerde`: a record of the metadata log, and its frame.
//!
//! ```text
//! frame version   unsigned varint, 1
//! type            unsigned varint
//! version         unsigned varint
//! fields          in the flexible encoding
//! ```

use std::fmt;

use crate::common::json::Json;
use crate::image::records::broker_records::{
    BrokerRegistrationChangeRecord, FenceBrokerRecord, RegisterBrokerRecord,
    RegisterControllerRecord, UnfenceBrokerRecord, UnregisterBrokerRecord,
    UnregisterControllerRecord,
};
use crate::image::records::config_records::{
    ClientQuotaRecord, ConfigRecord, FeatureLevelRecord, ProducerIdsRecord,
};
use crate::image::records::security_records::{
    AccessControlEntryRecord, DelegationTokenRecord, RemoveAccessControlEntryRecord,
    RemoveDelegationTokenRecord, RemoveUserScramCredentialRecord, UserScramCredentialRecord,
};
use crate::image::records::topic_records::{
    ClearElrRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};
use crate::image::records::transaction_records::{
    AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord, NoOpRecord,
    ZkMigrationStateRecord,
};
use crate::protocol::wire::decode_error::DecodeError;
use crate::protocol::wire::json_converter::JsonConverter;
use crate::protocol::wire::types::{Reader, Version, WireType, Writer};

/// The only version of the frame.
const FRAME_VERSION: u32 = 1;

/// Why the value of a record cannot be read. What it says of the cluster is unknown, so it must not be
/// passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// A frame of a later Kafka.
    UnknownFrameVersion(u32),
    /// A record of a later Kafka: by its number.
    UnknownType(u32),
    /// A record in a form of a later Kafka.
    UnknownVersion { name: &'static str, version: u32, newest: i16 },
    /// Its bytes are no such record.
    Malformed(DecodeError),
    /// It ends before its bytes do.
    TrailingBytes { name: &'static str, count: usize },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFrameVersion(version) => {
                write!(f, "frame version {version} is not known, only {FRAME_VERSION}")
            }
            Self::UnknownType(number) => write!(f, "record type {number} is not known"),
            Self::UnknownVersion { name, version, newest } => {
                write!(f, "version {version} of {name} is not known, only 0 to {newest}")
            }
            Self::Malformed(error) => write!(f, "{error}"),
            Self::TrailingBytes { name, count } => {
                write!(f, "{count} bytes are left behind the end of its {name}")
            }
        }
    }
}

impl std::error::Error for RecordError {}

/// Declares [`MetadataRecord`]: number, name in the log, newest version, and the table of each.
macro_rules! records {
    ($($number:literal $name:literal ..=$newest:literal => $variant:ident($record:ident),)+) => {
        /// A record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        pub enum MetadataRecord {
            $($variant($record),)+
        }

        impl MetadataRecord {
            /// Kafka's number of its type.
            pub fn type_number(&self) -> u32 {
                match self {
                    $(Self::$variant(_) => $number,)+
                }
            }

            /// Kafka's name of its type, as in `TOPIC_RECORD`.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                }
            }

            /// The newest version that is known here.
            pub fn newest_version(&self) -> i16 {
                match self {
                    $(Self::$variant(_) => $newest,)+
                }
            }

            fn read_fields(
                reader: &mut Reader<'_>,
                number: u32,
                version: u32,
            ) -> Result<Self, RecordError> {
                match number {
                    $($number => {
                        let flexible = known_version($name, version, $newest)?;
                        let read = reader.read(flexible, $name);
                        Ok(Self::$variant(read.map_err(RecordError::Malformed)?))
                    })+
                    _ => Err(RecordError::UnknownType(number)),
                }
            }

            fn write_fields(&self, writer: &mut Writer<'_>, version: Version) {
                match self {
                    $(Self::$variant(record) => record.write(writer, version),)+
                }
            }

            fn write_fields_json(&self, json: &mut Json, version: Version) {
                match self {
                    $(Self::$variant(record) => record.write_json(json, version),)+
                }
            }
        }

        $(
            impl From<$record> for MetadataRecord {
                fn from(record: $record) -> Self {
                    Self::$variant(record)
                }
            }
        )+
    };
}

records! {
    0 "REGISTER_BROKER_RECORD" ..=4 => RegisterBroker(RegisterBrokerRecord),
    1 "UNREGISTER_BROKER_RECORD" ..=0 => UnregisterBroker(UnregisterBrokerRecord),
    2 "TOPIC_RECORD" ..=0 => Topic(TopicRecord),
    3 "PARTITION_RECORD" ..=2 => Partition(PartitionRecord),
    4 "CONFIG_RECORD" ..=0 => Config(ConfigRecord),
    5 "PARTITION_CHANGE_RECORD" ..=2 => PartitionChange(PartitionChangeRecord),
    7 "FENCE_BROKER_RECORD" ..=0 => FenceBroker(FenceBrokerRecord),
    8 "UNFENCE_BROKER_RECORD" ..=0 => UnfenceBroker(UnfenceBrokerRecord),
    9 "REMOVE_TOPIC_RECORD" ..=0 => RemoveTopic(RemoveTopicRecord),
    10 "DELEGATION_TOKEN_RECORD" ..=0 => DelegationToken(DelegationTokenRecord),
    11 "USER_SCRAM_CREDENTIAL_RECORD" ..=0 => UserScramCredential(UserScramCredentialRecord),
    12 "FEATURE_LEVEL_RECORD" ..=0 => FeatureLevel(FeatureLevelRecord),
    14 "CLIENT_QUOTA_RECORD" ..=0 => ClientQuota(ClientQuotaRecord),
    15 "PRODUCER_IDS_RECORD" ..=0 => ProducerIds(ProducerIdsRecord),
    17 "BROKER_REGISTRATION_CHANGE_RECORD" ..=3
        => BrokerRegistrationChange(BrokerRegistrationChangeRecord),
    18 "ACCESS_CONTROL_ENTRY_RECORD" ..=0 => AccessControlEntry(AccessControlEntryRecord),
    19 "REMOVE_ACCESS_CONTROL_ENTRY_RECORD" ..=0
        => RemoveAccessControlEntry(RemoveAccessControlEntryRecord),
    20 "NO_OP_RECORD" ..=0 => NoOp(NoOpRecord),
    21 "ZK_MIGRATION_STATE_RECORD" ..=0 => ZkMigrationState(ZkMigrationStateRecord),
    22 "REMOVE_USER_SCRAM_CREDENTIAL_RECORD" ..=0
        => RemoveUserScramCredential(RemoveUserScramCredentialRecord),
    23 "BEGIN_TRANSACTION_RECORD" ..=0 => BeginTransaction(BeginTransactionRecord),
    24 "END_TRANSACTION_RECORD" ..=0 => EndTransaction(EndTransactionRecord),
    25 "ABORT_TRANSACTION_RECORD" ..=0 => AbortTransaction(AbortTransactionRecord),
    26 "REMOVE_DELEGATION_TOKEN_RECORD" ..=0
        => RemoveDelegationToken(RemoveDelegationTokenRecord),
    27 "REGISTER_CONTROLLER_RECORD" ..=0 => RegisterController(RegisterControllerRecord),
    28 "CLEAR_ELR_RECORD" ..=0 => ClearElr(ClearElrRecord),
    29 "UNREGISTER_CONTROLLER_RECORD" ..=0 => UnregisterController(UnregisterControllerRecord),
}

/// All versions of all records are flexible.
fn flexible(number: i16) -> Version {
    Version { number, is_flexible: true }
}

fn known_version(name: &'static str, version: u32, newest: i16) -> Result<Version, RecordError> {
    match i16::try_from(version) {
        Ok(number) if number <= newest => Ok(flexible(number)),
        _ => Err(RecordError::UnknownVersion { name, version, newest }),
    }
}

/// A record, and the version of its form.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordAndVersion {
    pub record: MetadataRecord,
    pub version: i16,
}

impl RecordAndVersion {
    /// Reads the value of a record in the metadata log.
    ///
    /// # Errors
    /// What is wrong with it, or which later Kafka it is of.
    pub fn read(value: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(value);
        let frame_version = read_number(&mut reader)?;
        if frame_version != FRAME_VERSION {
            return Err(RecordError::UnknownFrameVersion(frame_version));
        }
        let number = read_number(&mut reader)?;
        let version = read_number(&mut reader)?;
        let record = MetadataRecord::read_fields(&mut reader, number, version)?;
        match (reader.remaining(), i16::try_from(version)) {
            (0, Ok(version)) => Ok(Self { record, version }),
            (count, _) => Err(RecordError::TrailingBytes { name: record.name(), count }),
        }
    }

    /// The value of this record in the metadata log.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.write_unsigned_varint(FRAME_VERSION);
        writer.write_unsigned_varint(self.record.type_number());
        writer.write_unsigned_varint(u32::from(self.version.unsigned_abs()));
        self.record.write_fields(&mut writer, flexible(self.version));
        writer.into_bytes()
    }

    /// As Kafka's `kafka-dump-log` prints it: type, version and fields in one line.
    pub fn to_json(&self) -> String {
        let mut json = Json::default();
        json.object(|json| {
            json.field("type").string(self.record.name());
            json.field("version").number(self.version);
            let fields = json.field("data");
            self.record.write_fields_json(fields, flexible(self.version));
        });
        json.into_text()
    }
}

/// In the newest version.
impl<R: Into<MetadataRecord>> From<R> for RecordAndVersion {
    fn from(record: R) -> Self {
        let record = record.into();
        let version = record.newest_version();
        Self { record, version }
    }
}

fn read_number(reader: &mut Reader<'_>) -> Result<u32, RecordError> {
    let number = reader.read_unsigned_varint();
    number.map_err(|error| RecordError::Malformed(error.in_field("frame of a record")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::wire::decode_error::Malformed;
    use crate::protocol::wire::uuid::Uuid;

    #[test]
    fn a_record_has_kafkas_frame() {
        let record = TopicRecord { name: "ab".to_string(), topic_id: Uuid([7; 16]) };
        let bytes = RecordAndVersion::from(record.clone()).to_bytes();
        assert_eq!(bytes, [&[1, 2, 0, 3, b'a', b'b'], &[7; 16][..], &[0]].concat());
        let read = RecordAndVersion::read(&bytes).unwrap();
        assert_eq!(read, RecordAndVersion { record: record.into(), version: 0 });
    }

    #[test]
    fn what_a_later_kafka_wrote_is_named() {
        for (bytes, error, words) in [
            (&[2, 2, 0][..], RecordError::UnknownFrameVersion(2), "frame version 2"),
            (&[1, 30, 0], RecordError::UnknownType(30), "record type 30"),
            (&[1, 0xac, 2, 0], RecordError::UnknownType(300), "record type 300"),
            (
                &[1, 3, 9],
                RecordError::UnknownVersion { name: "PARTITION_RECORD", version: 9, newest: 2 },
                "version 9 of PARTITION_RECORD is not known, only 0 to 2",
            ),
        ] {
            let found = RecordAndVersion::read(bytes).unwrap_err();
            assert!(found.to_string().contains(words), "{found}");
            assert_eq!(found, error);
        }
    }

    #[test]
    fn no_bytes_are_believed() {
        let record = PartitionRecord { replicas: vec![1, 2, 3], ..PartitionRecord::default() };
        let whole = RecordAndVersion::from(record).to_bytes();
        for length in 0..whole.len() {
            let error = RecordAndVersion::read(&whole[..length]).unwrap_err();
            assert!(matches!(error, RecordError::Malformed(_)), "cut at {length}: {error}");
        }
        let longer = [&whole[..], &[0]].concat();
        let left = RecordError::TrailingBytes { name: "PARTITION_RECORD", count: 1 };
        assert_eq!(RecordAndVersion::read(&longer), Err(left));
        // A list of four billion brokers.
        let many = [&[1, 3, 0, 0, 0, 0, 1][..], &[0; 16], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
        let Err(RecordError::Malformed(error)) = RecordAndVersion::read(&many) else {
            panic!("it was read")
        };
        assert!(matches!(error.what, Malformed::CountTooLarge { .. }), "{error}");
    }

    /// Written by Kafka 4.4.0. Its JSON has the directories first.
    #[test]
    fn tags_ascend_whatever_the_order_of_the_json() {
        let record = PartitionChangeRecord {
            partition_id: 2,
            eligible_leader_replicas: Some(vec![3]),
            last_known_elr: Some(vec![1]),
            directories: Some(vec![Uuid::ZERO]),
            ..PartitionChangeRecord::default()
        };
        let both = RecordAndVersion::from(record);
        let tags =
            [&[3, 6, 5, 2, 0, 0, 0, 3, 7, 5, 2, 0, 0, 0, 1, 8, 17, 2][..], &[0; 16]].concat();
        let bytes = [&[1, 5, 2, 0, 0, 0, 2][..], &[0; 16], &tags].concat();
        assert_eq!(both.to_bytes(), bytes);
        assert_eq!(RecordAndVersion::read(&bytes), Ok(both.clone()));
        let json = both.to_json();
        let place = |name: &str| json.find(name).unwrap();
        assert!(place("directories") < place("eligibleLeaderReplicas"), "{json}");
    }

    #[test]
    fn json_is_that_of_kafka() {
        let record = PartitionRecord {
            partition_id: 0,
            replicas: vec![1],
            leader: 1,
            leader_recovery_state: 1,
            leader_epoch: 2,
            partition_epoch: 3,
            directories: vec![Uuid::ZERO],
            ..PartitionRecord::default()
        };
        let both = RecordAndVersion { record: record.into(), version: 0 };
        assert_eq!(
            both.to_json(),
            "{\"type\":\"PARTITION_RECORD\",\"version\":0,\"data\":{\"partitionId\":0,\
             \"topicId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"replicas\":[1],\"isr\":[],\
             \"removingReplicas\":[],\"addingReplicas\":[],\"leader\":1,\
             \"leaderRecoveryState\":1,\"leaderEpoch\":2,\"partitionEpoch\":3}}"
        );
        let end = RecordAndVersion::from(EndTransactionRecord {});
        assert_eq!(end.to_json(), r#"{"type":"END_TRANSACTION_RECORD","version":0,"data":{}}"#);
    }
}
