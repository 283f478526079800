//! Port of `DumpLogSegments.OffsetsMessageParser`: the records of `__consumer_offsets` as JSON.

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::KafkaError;
use crate::common::json::Json;
use crate::common::units::TimestampMs;
use crate::common::uuid::uuid_text;
use crate::coordinator::consumer_protocol::CONSUMER_PROTOCOL_TYPE;
use crate::coordinator::group_records::{
    GroupRecordKey, GroupValue, MemberValue, OffsetValue, read_group_value, read_key,
    read_offset_value,
};
use crate::message::records::LogRecord;
use crate::protocol::wire::types::{Reader, Version, WireType};

/// Kafka has this in the place of a value that is null.
const DELETED: &str = "<DELETE>";
/// The newest version of what consumers tell their group.
const CONSUMER_PROTOCOL_VERSION_MAX: i16 = 3;
/// Strings and arrays are as in the old versions of the protocol.
const ENCODING: Version = Version { number: 0, is_flexible: false };

/// Key and value of a record; without a value if nothing is known of it.
///
/// # Errors
/// With Kafka's sentence, if there is no key.
pub(crate) fn parse(record: &LogRecord<'_>) -> Result<(String, Option<String>), String> {
    let offset = record.offset;
    let Some(key) = record.key else {
        return Err(format!(
            "Failed to decode message at offset {offset} using the specified decoder (message had \
             a missing key)"
        ));
    };
    let parsed = read_key(key).and_then(|parsed| match parsed {
        GroupRecordKey::Unknown(version) => {
            Ok((format!("Unknown record type {version} at offset {offset}, skipping."), None))
        }
        parsed => {
            let value = record.value.map_or(Ok(DELETED.to_string()), |it| value_text(&parsed, it));
            Ok((key_text(version_of(key), &parsed), Some(value?)))
        }
    });
    Ok(parsed.unwrap_or_else(|error| {
        (format!("Error at offset {offset}, skipping. {}", error.why()), None)
    }))
}

/// The version that keys and values begin with.
fn version_of(bytes: &[u8]) -> i16 {
    bytes.get(..2).map_or(-1, BigEndian::read_i16)
}

fn key_text(version: i16, key: &GroupRecordKey) -> String {
    let mut json = Json::default();
    json.object(|json| {
        json.field("type").string(&version.to_string());
        json.field("data").object(|json| match key {
            GroupRecordKey::Offset(group_id, of) => {
                json.field("group").string(group_id);
                json.field("topic").string(&of.topic);
                json.field("partition").number(of.partition);
            }
            GroupRecordKey::Group(group_id) => json.field("group").string(group_id),
            GroupRecordKey::Unknown(_) => (),
        });
    });
    json.into_text()
}

fn value_text(key: &GroupRecordKey, value: &[u8]) -> Result<String, KafkaError> {
    let version = version_of(value);
    let mut data = Json::default();
    match key {
        GroupRecordKey::Offset(..) => put_offset(&mut data, version, &read_offset_value(value)?),
        _ => put_group(&mut data, version, &read_group_value(value)?),
    }
    let mut json = Json::default();
    json.object(|json| {
        json.field("version").string(&version.to_string());
        json.field("data").value(&data);
    });
    Ok(json.into_text())
}

fn put_offset(json: &mut Json, version: i16, offset: &OffsetValue) {
    let OffsetValue { committed: value, topic_id } = offset;
    json.object(|json| {
        json.field("offset").number(value.offset.0);
        if version >= 3 {
            json.field("leaderEpoch").number(value.leader_epoch.0);
        }
        json.field("metadata").string(&value.metadata);
        json.field("commitTimestamp").number(value.commit_timestamp_ms.0);
        if version == 1 {
            let expire_timestamp_ms = value.expire_timestamp_ms.unwrap_or(TimestampMs::NONE);
            json.field("expireTimestamp").number(expire_timestamp_ms.0);
        }
        if let Some(topic_id) = topic_id {
            json.field("topicId").string(&uuid_text(&topic_id.0));
        }
    });
}

fn put_group(json: &mut Json, version: i16, group: &GroupValue) {
    let protocol_type = group.protocol_type.as_deref().unwrap_or_default();
    json.object(|json| {
        json.field("protocolType").string(protocol_type);
        json.field("generation").number(group.generation_id);
        json.field("protocol").nullable_string(group.protocol_name.as_deref());
        json.field("leader").nullable_string(group.leader_id.as_deref());
        if version >= 2 {
            let since_ms = group.state_timestamp_ms.unwrap_or(TimestampMs::NONE);
            json.field("currentStateTimestamp").number(since_ms.0);
        }
        let is_of_consumers = protocol_type == CONSUMER_PROTOCOL_TYPE;
        json.field("members").array(&group.members, |json, member| {
            json.object(|json| put_member(json, version, member, is_of_consumers));
        });
    });
}

fn put_member(json: &mut Json, version: i16, member: &MemberValue, is_of_consumers: bool) {
    json.field("memberId").string(&member.member_id);
    if version >= 3 {
        json.field("groupInstanceId").nullable_string(member.group_instance_id.as_deref());
    }
    json.field("clientId").string(&member.client_id);
    json.field("clientHost").string(&member.client_host);
    if version >= 1 {
        json.field("rebalanceTimeout").number(member.rebalance_timeout_ms);
    }
    json.field("sessionTimeout").number(member.session_timeout_ms);
    for (name, bytes, decode) in [
        ("subscription", &member.subscription, subscription as fn(&[u8]) -> Option<Json>),
        ("assignment", &member.assignment, assignment),
    ] {
        let decoded = if is_of_consumers { decode(bytes) } else { None };
        match decoded {
            Some(decoded) => json.field(name).value(&decoded),
            None => json.field(name).bytes(bytes),
        }
    }
}

/// Kafka's `ConsumerProtocolSubscription`; `None` if the bytes are none.
fn subscription(bytes: &[u8]) -> Option<Json> {
    let mut reader = Reader::new(bytes);
    let version = read_version(&mut reader)?;
    let topics: Vec<String> = read(&mut reader)?;
    let user_data: Option<Vec<u8>> = read_nullable_bytes(bytes, &mut reader)?;
    let owned_partitions = if version >= 1 { Some(read_partitions(&mut reader)?) } else { None };
    let generation_id: Option<i32> = if version >= 2 { Some(read(&mut reader)?) } else { None };
    let rack_id: Option<Option<String>> =
        if version >= 3 { Some(read(&mut reader)?) } else { None };
    let mut json = Json::default();
    json.object(|json| {
        json.field("topics").array(&topics, |json, topic| json.string(topic));
        put_nullable_bytes(json.field("userData"), user_data.as_deref());
        if let Some(owned_partitions) = &owned_partitions {
            put_partitions(json.field("ownedPartitions"), owned_partitions);
        }
        if let Some(generation_id) = generation_id {
            json.field("generationId").number(generation_id);
        }
        if let Some(rack_id) = &rack_id {
            json.field("rackId").nullable_string(rack_id.as_deref());
        }
    });
    Some(json)
}

/// Kafka's `ConsumerProtocolAssignment`; `None` if the bytes are none.
fn assignment(bytes: &[u8]) -> Option<Json> {
    let mut reader = Reader::new(bytes);
    read_version(&mut reader)?;
    let assigned_partitions = read_partitions(&mut reader)?;
    let user_data = read_nullable_bytes(bytes, &mut reader)?;
    let mut json = Json::default();
    json.object(|json| {
        put_partitions(json.field("assignedPartitions"), &assigned_partitions);
        put_nullable_bytes(json.field("userData"), user_data.as_deref());
    });
    Some(json)
}

type TopicPartitions = Vec<(String, Vec<i32>)>;

fn read_version(reader: &mut Reader<'_>) -> Option<i16> {
    read(reader).filter(|version| (0..=CONSUMER_PROTOCOL_VERSION_MAX).contains(version))
}

fn read<T: WireType>(reader: &mut Reader<'_>) -> Option<T> {
    reader.read(ENCODING, "a field").ok()
}

fn read_partitions(reader: &mut Reader<'_>) -> Option<TopicPartitions> {
    let count: i32 = read(reader)?;
    // Each is read from bytes that are there, however many are announced.
    (0..usize::try_from(count).ok()?).map(|_| Some((read(reader)?, read(reader)?))).collect()
}

/// Reads bytes or null, of which the length is -1, at the place in `bytes` that the reader is at.
fn read_nullable_bytes(bytes: &[u8], reader: &mut Reader<'_>) -> Option<Option<Vec<u8>>> {
    if bytes[reader.position()..].starts_with(&(-1i32).to_be_bytes()) {
        return read::<i32>(reader).map(|_| None);
    }
    read(reader).map(Some)
}

fn put_partitions(json: &mut Json, partitions: &TopicPartitions) {
    json.array(partitions, |json, (topic, partitions)| {
        json.object(|json| {
            json.field("topic").string(topic);
            json.field("partitions").array(partitions, |json, it| json.number(*it));
        });
    });
}

fn put_nullable_bytes(json: &mut Json, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => json.bytes(bytes),
        None => json.null(),
    }
}
