//! Port of the lower half of `kafka.coordinator.GroupMetadataManager`: the records of
//! `__consumer_offsets`, byte for byte.
//!
//! ```text
//! key    0, 1  group, topic, partition                    an offset; 1 is written
//!        2     group                                      a group
//! value of an offset
//!        0     offset, metadata, commit time
//!        1     offset, metadata, commit time, expiry      written if the consumer named an expiry
//!        2     offset, metadata, commit time
//!        3     offset, leader epoch, metadata, commit time                           written else
//!        4     the same, and the topic's id as tagged field 0                      by Kafka since 4.1
//! value of a group
//!        0     protocol type, generation, protocol, leader, members
//!        2     protocol type, generation, protocol, leader, state time, members
//!        3     the same, with other members                                          written
//!        4     the same                                                           by Kafka since 4.0
//! a member
//!        0     id, client id, client host, session timeout, subscription, assignment
//!        1     id, client id, client host, rebalance timeout, session timeout, subscription, assignment
//!        3, 4  id, instance id, client id, client host, and on as in 1
//! ```
//! Keys and values begin with their version, in two bytes. Version 4 of a value is flexible. A key
//! without a value revokes the earlier one.

use std::fmt::Display;

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset, TimestampMs};
use crate::coordinator::offset_and_metadata::OffsetAndMetadata;
use crate::protocol::wire::types::{Reader, Version, WireType, Writer};
use crate::protocol::wire::uuid::Uuid;

const OFFSET_KEY_VERSION: i16 = 1;
const GROUP_KEY_VERSION: i16 = 2;
/// The only version of an offset that has an expiry.
const OFFSET_VALUE_VERSION_WITH_EXPIRY: i16 = 1;
const OFFSET_VALUE_VERSION: i16 = 3;
const GROUP_VALUE_VERSION: i16 = 3;
/// The newest version of a value that Kafka 4.4 writes, and the first that is flexible.
const VALUE_VERSION_MAX: i16 = 4;
const FLEXIBLE_VALUE_VERSION: i16 = 4;
/// The tagged field of an offset's value that holds the id of its topic.
const TOPIC_ID_TAG: u32 = 0;

/// How keys are written, and what this broker writes: strings and arrays are as in the old versions
/// of the protocol.
const ENCODING: Version = Version { number: 0, is_flexible: false };

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRecordKey {
    /// The offset of a group in a partition.
    Offset(String, TopicAndPartition),
    /// A group and its members.
    Group(String),
    /// The version of a key that later versions of Kafka write into the same topic.
    Unknown(i16),
}

/// The value of an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetValue {
    pub committed: OffsetAndMetadata,
    /// The topic that was committed for, among those that have had its name; if the record says so.
    pub topic_id: Option<Uuid>,
}

/// The value of a group: a copy of what outlives a restart, so that it can be encoded without the
/// group's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupValue {
    pub protocol_type: Option<String>,
    pub generation_id: i32,
    pub protocol_name: Option<String>,
    pub leader_id: Option<String>,
    /// In milliseconds since 1970, if known.
    pub state_timestamp_ms: Option<TimestampMs>,
    pub members: Vec<MemberValue>,
}

impl GroupValue {
    /// What it takes in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.members.iter().map(MemberValue::bytes).sum()
    }
}

/// A member in the value of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberValue {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// Its metadata for the group's protocol.
    pub subscription: Vec<u8>,
    pub assignment: Vec<u8>,
}

impl MemberValue {
    fn bytes(&self) -> usize {
        let texts = self.member_id.len() + self.client_id.len() + self.client_host.len();
        size_of::<Self>() + texts + self.subscription.len() + self.assignment.len()
    }
}

pub fn offset_commit_key(group_id: &str, key: &TopicAndPartition) -> Vec<u8> {
    let mut writer = RecordWriter::begin(OFFSET_KEY_VERSION);
    writer.put(&group_id.to_string());
    writer.put(&key.topic.to_string());
    writer.put(&key.partition);
    writer.0.into_bytes()
}

pub fn group_metadata_key(group_id: &str) -> Vec<u8> {
    let mut writer = RecordWriter::begin(GROUP_KEY_VERSION);
    writer.put(&group_id.to_string());
    writer.0.into_bytes()
}

pub fn offset_commit_value(it: &OffsetAndMetadata) -> Vec<u8> {
    let version = match it.expire_timestamp_ms {
        Some(_) => OFFSET_VALUE_VERSION_WITH_EXPIRY,
        None => OFFSET_VALUE_VERSION,
    };
    let mut writer = RecordWriter::begin(version);
    writer.put(&it.offset.0);
    if it.expire_timestamp_ms.is_none() {
        writer.put(&it.leader_epoch.0);
    }
    writer.put(&it.metadata);
    writer.put(&it.commit_timestamp_ms.0);
    if let Some(expire_timestamp_ms) = it.expire_timestamp_ms {
        writer.put(&expire_timestamp_ms.0);
    }
    writer.0.into_bytes()
}

pub fn group_metadata_value(group: &GroupValue) -> Vec<u8> {
    let mut writer = RecordWriter::begin(GROUP_VALUE_VERSION);
    writer.put(&group.protocol_type.clone().unwrap_or_default());
    writer.put(&group.generation_id);
    writer.put(&group.protocol_name);
    writer.put(&group.leader_id);
    writer.put(&group.state_timestamp_ms.unwrap_or(TimestampMs::NONE).0);
    writer.0.write_length(Some(group.members.len()), ENCODING);
    for member in &group.members {
        writer.put(&member.member_id);
        writer.put(&member.group_instance_id);
        writer.put(&member.client_id);
        writer.put(&member.client_host);
        writer.put(&member.rebalance_timeout_ms);
        writer.put(&member.session_timeout_ms);
        writer.put(&member.subscription);
        writer.put(&member.assignment);
    }
    writer.0.into_bytes()
}

/// # Errors
/// `CORRUPT_MESSAGE` if the bytes are no such key.
pub fn read_key(bytes: &[u8]) -> Result<GroupRecordKey, KafkaError> {
    let mut reader = RecordReader::new(bytes);
    let version = reader.take("version")?;
    Ok(match version {
        0 | OFFSET_KEY_VERSION => {
            let group_id = reader.take("group")?;
            let topic: String = reader.take("topic")?;
            let partition = reader.take("partition")?;
            GroupRecordKey::Offset(group_id, TopicAndPartition::new(&topic, partition))
        }
        GROUP_KEY_VERSION => GroupRecordKey::Group(reader.take("group")?),
        other => GroupRecordKey::Unknown(other),
    })
}

/// # Errors
/// `CORRUPT_MESSAGE` if the bytes are no such value, or one of a version that is not known here.
pub fn read_offset_value(bytes: &[u8]) -> Result<OffsetValue, KafkaError> {
    let (mut reader, version) = RecordReader::of_value(bytes, "an offset")?;
    let offset = Offset(reader.take("offset")?);
    let leader_epoch = match version {
        3.. => LeaderEpoch(reader.take("leader epoch")?),
        _ => LeaderEpoch::NONE,
    };
    let metadata = reader.take("metadata")?;
    let commit_timestamp_ms = TimestampMs(reader.take("commit time")?);
    let expire_timestamp_ms = match version {
        OFFSET_VALUE_VERSION_WITH_EXPIRY => {
            Some(TimestampMs(reader.take("expiry")?)).filter(|it| *it != TimestampMs::NONE)
        }
        _ => None,
    };
    let topic_id = reader.take_topic_id()?;
    let committed = OffsetAndMetadata {
        offset,
        leader_epoch,
        metadata,
        commit_timestamp_ms,
        expire_timestamp_ms,
    };
    Ok(OffsetValue { committed, topic_id })
}

/// # Errors
/// `CORRUPT_MESSAGE` if the bytes are no such value, or one of a version that is not known here.
pub fn read_group_value(bytes: &[u8]) -> Result<GroupValue, KafkaError> {
    let (mut reader, version) = RecordReader::of_value(bytes, "a group")?;
    let protocol_type: String = reader.take("protocol type")?;
    let generation_id = reader.take("generation")?;
    let protocol_name = reader.take("protocol")?;
    let leader_id = reader.take("leader")?;
    let state_timestamp_ms = match version {
        2.. => TimestampMs(reader.take("state time")?),
        _ => TimestampMs::NONE,
    };
    // Each member is read from bytes that are there, however many are announced.
    let count = reader.take_count("members")?;
    let members =
        (0..count).map(|_| read_member(&mut reader, version)).collect::<Result<_, _>>()?;
    reader.end_structure("tagged fields of a group")?;
    Ok(GroupValue {
        protocol_type: Some(protocol_type).filter(|it| !it.is_empty()),
        generation_id,
        protocol_name,
        leader_id,
        state_timestamp_ms: Some(state_timestamp_ms).filter(|it| *it != TimestampMs::NONE),
        members,
    })
}

fn read_member(reader: &mut RecordReader<'_>, version: i16) -> Result<MemberValue, KafkaError> {
    let member_id = reader.take("member id")?;
    let group_instance_id = match version {
        3.. => reader.take("instance id")?,
        _ => None,
    };
    let client_id = reader.take("client id")?;
    let client_host = reader.take("client host")?;
    let rebalance_timeout_ms = match version {
        1.. => Some(reader.take("rebalance timeout")?),
        _ => None,
    };
    let session_timeout_ms = reader.take("session timeout")?;
    let member = MemberValue {
        member_id,
        group_instance_id,
        client_id,
        client_host,
        rebalance_timeout_ms: rebalance_timeout_ms.unwrap_or(session_timeout_ms),
        session_timeout_ms,
        subscription: reader.take("subscription")?,
        assignment: reader.take("assignment")?,
    };
    reader.end_structure("tagged fields of a member")?;
    Ok(member)
}

/// Reads a key or a value.
struct RecordReader<'a> {
    reader: Reader<'a>,
    encoding: Version,
}

impl<'a> RecordReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), encoding: ENCODING }
    }

    /// For a value of `what`, behind its version, which is returned.
    fn of_value(bytes: &'a [u8], what: &str) -> Result<(Self, i16), KafkaError> {
        let mut reader = Self::new(bytes);
        let version: i16 = reader.take("version")?;
        if !(0..=VALUE_VERSION_MAX).contains(&version) {
            return Err(unknown_version(what, version));
        }
        reader.encoding.is_flexible = version >= FLEXIBLE_VALUE_VERSION;
        Ok((reader, version))
    }

    fn take<T: WireType>(&mut self, field: &'static str) -> Result<T, KafkaError> {
        self.reader.read(self.encoding, field).map_err(corrupt)
    }

    /// How many elements an array announces.
    fn take_count(&mut self, field: &'static str) -> Result<u32, KafkaError> {
        if self.encoding.is_flexible {
            let count = self.reader.read_unsigned_varint();
            return count.map(|it| it.saturating_sub(1)).map_err(|it| corrupt(it.in_field(field)));
        }
        let count: i32 = self.take(field)?;
        Ok(u32::try_from(count).unwrap_or(0)) // -1 is null.
    }

    fn end_structure(&mut self, section: &'static str) -> Result<(), KafkaError> {
        match self.encoding.is_flexible {
            true => self.reader.skip_tagged_fields(section).map_err(corrupt),
            false => Ok(()),
        }
    }

    /// Ends the value of an offset: the id that stands there, if there is one.
    fn take_topic_id(&mut self) -> Result<Option<Uuid>, KafkaError> {
        let (mut topic_id, encoding) = (None, self.encoding);
        if !encoding.is_flexible {
            return Ok(None);
        }
        let read = |reader: &mut Reader<'_>, tag| {
            if tag == TOPIC_ID_TAG {
                topic_id = Some(reader.read(encoding, "topic id")?);
            }
            Ok(tag == TOPIC_ID_TAG)
        };
        self.reader.read_tagged_fields("tagged fields of an offset", read).map_err(corrupt)?;
        Ok(topic_id)
    }
}

fn unknown_version(of: &str, version: i16) -> KafkaError {
    corrupt(format!("version {version} of {of} is not known"))
}

fn corrupt(why: impl Display) -> KafkaError {
    KafkaError::api(Errors::CorruptMessage, format!("not a record of a group: {why}"))
}

/// Writes a key or a value.
struct RecordWriter(Writer<'static>);

impl RecordWriter {
    fn begin(version: i16) -> Self {
        let mut writer = Self(Writer::new());
        writer.put(&version);
        writer
    }

    fn put(&mut self, value: &impl WireType) {
        value.write(&mut self.0, ENCODING);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::group_metadata::GroupMetadata;

    fn offset(expire_timestamp_ms: Option<TimestampMs>) -> OffsetAndMetadata {
        OffsetAndMetadata {
            offset: Offset(42),
            leader_epoch: if expire_timestamp_ms.is_some() {
                LeaderEpoch::NONE
            } else {
                LeaderEpoch(3)
            },
            metadata: "m".to_string(),
            commit_timestamp_ms: TimestampMs(7),
            expire_timestamp_ms,
        }
    }

    #[test]
    fn keys_are_those_of_kafka() {
        let key = offset_commit_key("g", &TopicAndPartition::new("tp", 5));
        assert_eq!(key, b"\0\x01\0\x01g\0\x02tp\0\0\0\x05");
        let read = GroupRecordKey::Offset("g".to_string(), TopicAndPartition::new("tp", 5));
        assert_eq!(read_key(&key).unwrap(), read);
        assert_eq!(read_key(b"\0\0\0\x01g\0\x02tp\0\0\0\x05").unwrap(), read);

        assert_eq!(group_metadata_key("g"), b"\0\x02\0\x01g");
        let group = GroupRecordKey::Group("g".to_string());
        assert_eq!(read_key(&group_metadata_key("g")).unwrap(), group);
        assert_eq!(read_key(b"\0\x03\0\x01g").unwrap(), GroupRecordKey::Unknown(3));
    }

    #[test]
    fn an_offset_is_written_as_version_3_or_with_an_expiry_as_version_1() {
        let kept = offset_commit_value(&offset(None));
        assert_eq!(kept, b"\0\x03\0\0\0\0\0\0\0\x2a\0\0\0\x03\0\x01m\0\0\0\0\0\0\0\x07");
        assert_eq!(read_offset_value(&kept).unwrap(), value(offset(None)));
        let expiring = offset_commit_value(&offset(Some(TimestampMs(9))));
        assert_eq!(
            expiring,
            b"\0\x01\0\0\0\0\0\0\0\x2a\0\x01m\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x09"
        );
        assert_eq!(read_offset_value(&expiring).unwrap(), value(offset(Some(TimestampMs(9)))));
    }

    #[test]
    fn offsets_of_older_brokers_are_read() {
        for version in [b"\0\0", b"\0\x02"] {
            let bytes = [&version[..], b"\0\0\0\0\0\0\0\x2a\0\x01m\0\0\0\0\0\0\0\x07"].concat();
            let expected = OffsetAndMetadata { leader_epoch: LeaderEpoch::NONE, ..offset(None) };
            assert_eq!(read_offset_value(&bytes).unwrap(), value(expected));
        }
        let never =
            b"\0\x01\0\0\0\0\0\0\0\x2a\0\x01m\0\0\0\0\0\0\0\x07\xff\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(read_offset_value(never).unwrap().committed.expire_timestamp_ms, None);
    }

    /// The bytes are those of Kafka 4.4's `OffsetCommitValue`.
    #[test]
    fn offsets_of_kafka_4_are_read_with_the_id_of_their_topic() {
        let head = b"\0\x04\0\0\0\0\0\0\0\x2a\0\0\0\x03\x02m\0\0\0\0\0\0\0\x07";
        let without_id = [&head[..], b"\0"].concat();
        assert_eq!(read_offset_value(&without_id).unwrap(), value(offset(None)));
        let id = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        let with_id = [&head[..], b"\x01\0\x10", &id].concat();
        let expected = OffsetValue { topic_id: Some(Uuid(id)), ..value(offset(None)) };
        assert_eq!(read_offset_value(&with_id).unwrap(), expected);
        let with_more = [&head[..], b"\x02\0\x10", &id, b"\x07\x01!"].concat();
        assert_eq!(read_offset_value(&with_more).unwrap(), expected, "a field yet to come");
    }

    fn value(committed: OffsetAndMetadata) -> OffsetValue {
        OffsetValue { committed, topic_id: None }
    }

    fn member(instance_id: Option<&str>) -> MemberValue {
        MemberValue {
            member_id: "c-1".to_string(),
            group_instance_id: instance_id.map(str::to_string),
            client_id: "c".to_string(),
            client_host: "/127.0.0.1".to_string(),
            rebalance_timeout_ms: 2,
            session_timeout_ms: 1,
            subscription: b"sub".to_vec(),
            assignment: b"ass".to_vec(),
        }
    }

    fn group(members: Vec<MemberValue>) -> GroupValue {
        GroupValue {
            protocol_type: Some("consumer".to_string()),
            generation_id: 4,
            protocol_name: Some("range".to_string()),
            leader_id: Some("c-1".to_string()),
            state_timestamp_ms: Some(TimestampMs(11)),
            members,
        }
    }

    #[test]
    fn a_group_survives_its_record() {
        let value = group(vec![member(Some("i"))]);
        let read = read_group_value(&group_metadata_value(&value)).unwrap();
        assert_eq!(read, value);
        let group = GroupMetadata::loaded("g", read);
        assert_eq!(group.value(), value);
        assert_eq!(group.summary().members[0].metadata, b"sub");
        assert_eq!((group.generation_id, group.leader_id.as_deref()), (4, Some("c-1")));
        assert_eq!(group.current_state_timestamp_ms, Some(TimestampMs(11)));
        assert_eq!(group.current_static_member_id("i"), Some("c-1"));
        assert_eq!(group.get("c-1").unwrap().rebalance_timeout_ms, 2);
        assert_eq!(group.get("c-1").unwrap().session_timeout_ms, 1);
    }

    #[test]
    fn groups_of_older_brokers_are_read() {
        let head = b"\0\x08consumer\0\0\0\x04\0\x05range\0\x03c-1";
        let name = b"\0\0\0\x01\0\x03c-1\0\x01c\0\x0a/127.0.0.1";
        let tail = b"\0\0\0\x01\0\0\0\x03sub\0\0\0\x03ass";
        let version_0 = [&b"\0\0"[..], head, name, tail].concat();
        let group = read_group_value(&version_0).unwrap();
        assert_eq!(group.members[0].rebalance_timeout_ms, 1, "the session timeout");
        assert_eq!(group.members[0].assignment, b"ass");
        let version_1 = [&b"\0\x01"[..], head, name, b"\0\0\0\x02", tail].concat();
        let group = read_group_value(&version_1).unwrap();
        assert_eq!(group.members[0].rebalance_timeout_ms, 2);
        let time = b"\0\0\0\0\0\0\0\x0b";
        let version_2 = [&b"\0\x02"[..], head, time, name, b"\0\0\0\x02", tail].concat();
        let group = read_group_value(&version_2).unwrap();
        assert_eq!(group.state_timestamp_ms, Some(TimestampMs(11)));
        assert_eq!(GroupMetadata::loaded("g", group).state().name(), "Stable");
    }

    /// The bytes are those of Kafka 4.4's `GroupMetadataValue`.
    #[test]
    fn groups_of_kafka_4_are_read() {
        let head = b"\0\x04\x09consumer\0\0\0\x04\x06range\x04c-1\0\0\0\0\0\0\0\x0b\x02";
        let of_member = b"\x04c-1\x02i\x02c\x0b/127.0.0.1\0\0\0\x02\0\0\0\x01\x04sub\x04ass\0";
        let with_member = [&head[..], of_member, b"\0"].concat();
        let expected = group(vec![member(Some("i"))]);
        assert_eq!(read_group_value(&with_member).unwrap(), expected);
        let empty = b"\0\x04\x09consumer\0\0\0\x04\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x01\0";
        let empty = read_group_value(empty).unwrap();
        assert_eq!((empty.protocol_name, empty.leader_id), (None, None));
        assert_eq!((empty.state_timestamp_ms, empty.members.len()), (None, 0));
        for length in 0..with_member.len() {
            assert!(read_group_value(&with_member[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn no_bytes_are_believed() {
        let whole = group_metadata_value(&group(vec![member(None)]));
        for length in 0..whole.len() {
            assert!(read_group_value(&whole[..length]).is_err(), "cut at {length}");
        }
        let whole = offset_commit_value(&offset(None));
        for length in 0..whole.len() {
            assert!(read_offset_value(&whole[..length]).is_err(), "cut at {length}");
        }
        assert!(read_offset_value(b"\0\x05").is_err());
        assert!(read_group_value(b"\xff\xff").is_err());
        assert!(read_key(b"\0").is_err());
        let many = [&b"\0\0\0\0\0\0\0\x01\xff\xff\xff\xff\x7f\xff\xff\xff"[..], &[0; 64]].concat();
        assert!(read_group_value(&many).is_err());
    }
}
