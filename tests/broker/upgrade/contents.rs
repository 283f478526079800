//! What clients see of all that a broker keeps, a line for each thing: the broker that made a data
//! directory and the one that opens it years later must show the same.

use support::client::Client;
use transferto::common::hex::to_hex;
use transferto::message::byte_buffer_message_set::{for_each_record, shallow_entries};
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::protocol::acl_filter::AclFilter;
use transferto::protocol::describe_acls::DescribeAclsRequest;
use transferto::protocol::describe_client_quotas::{ComponentData, DescribeClientQuotasRequest};
use transferto::protocol::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use transferto::protocol::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use transferto::protocol::produce::PartitionProduceResponse;
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::apis::group_client::{NEWEST_OFFSET_FETCH, describe, find_coordinator, list_groups};

/// The topic that was being produced to when the broker was killed: what it holds is not known.
pub(crate) const BUSY: &str = "busy";
/// The topic of the idempotent producer, and how many records each of its batches has.
pub(crate) const IDEMPOTENT: &str = "idempotent";
pub(crate) const BATCH_RECORDS: i32 = 3;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Where a setting comes from: it is a topic's own, or was set while the broker ran.
const DYNAMIC_SOURCES: [i8; 3] = [1, 2, 3];
const ANY: i8 = 1;

/// Takes the one kind of response that is due.
macro_rules! expect {
    ($api:ident, $client:expr, $version:expr, $request:expr) => {
        match $client.call($version, &RequestBody::$api($request), &[]).0 {
            ResponseBody::$api(response) => response,
            other => panic!("{other:?}"),
        }
    };
}

/// All there is, but for what is in the topic [`BUSY`].
pub(crate) fn contents(client: &mut Client, producer: &Producer) -> Vec<String> {
    let mut lines = Vec::new();
    for topic in client.metadata(9, None).topics {
        let name = topic.name.unwrap();
        lines.extend(configs(client, TOPIC, &name));
        let mut partitions: Vec<i32> =
            topic.partitions.iter().map(|it| it.partition_index).collect();
        partitions.sort_unstable();
        let is_known = ![BUSY, "__consumer_offsets"].contains(&name.as_str());
        for partition in partitions.into_iter().filter(|_| is_known) {
            lines.extend(records(client, &name, partition));
        }
    }
    lines.extend(configs(client, BROKER, "0"));
    lines.extend(groups(client));
    lines.extend(acls(client));
    lines.extend(quotas(client));
    lines.push(producer.duplicate(client));
    lines
}

/// The settings of a topic or the broker that somebody set.
fn configs(client: &mut Client, resource_type: i8, name: &str) -> Vec<String> {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: name.to_string(),
        configuration_keys: None,
    };
    let request =
        DescribeConfigsRequest { resources: vec![resource], ..DescribeConfigsRequest::default() };
    let found = expect!(DescribeConfigs, client, 4, request).results.remove(0).configs;
    let set = found.into_iter().filter(|it| DYNAMIC_SOURCES.contains(&it.config_source));
    let line = |name: &str, value: String| format!("setting {name} {value}");
    let mut lines: Vec<String> = set
        .map(|it| line(name, format!("{}={} {}", it.name, it.value.unwrap(), it.config_source)))
        .collect();
    lines.sort();
    lines
}

/// The records of a partition, from the first offset that it has.
pub(crate) fn records(client: &mut Client, topic: &str, partition: i32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut next_offset = if partition == 0 { client.list_offset(1, topic, -2).offset } else { 0 };
    lines.push(format!("partition {topic}-{partition} begins at {next_offset}"));
    loop {
        let fetched = client.fetch(topic, partition, next_offset);
        assert_eq!(fetched.error, 0, "{topic}-{partition} at {next_offset}");
        for_each_record(&fetched.records, &mut |record| {
            let text = |it: Option<&[u8]>| it.map(|it| String::from_utf8_lossy(it).into_owned());
            lines.push(format!(
                "record {topic}-{partition} {} at {}: {:?} {:?}",
                record.offset,
                record.timestamp,
                text(record.key),
                text(record.value)
            ));
            Ok(())
        })
        .unwrap();
        match shallow_entries(&fetched.records).last() {
            Some(last) => next_offset = last.unwrap().last_offset + 1,
            None => break,
        }
    }
    lines.push(format!("partition {topic}-{partition} ends at {next_offset}"));
    lines
}

fn groups(client: &mut Client) -> Vec<String> {
    let mut names: Vec<String> =
        list_groups(client, 4, &[]).into_iter().map(|it| it.group_id).collect();
    names.sort();
    let mut lines = Vec::new();
    for name in names {
        assert_eq!(find_coordinator(client, 2, &name).error_code, 0);
        let group = describe(client, 5, &name);
        lines.push(format!(
            "group {name} {} {:?} {:?}",
            group.group_state, group.protocol_type, group.protocol_data
        ));
        lines.extend(group.members.iter().map(|member| {
            let (metadata, assignment) = (&member.member_metadata, &member.member_assignment);
            format!(
                "member of {name}: {} {:?} {} {}",
                member.member_id,
                member.group_instance_id,
                to_hex(metadata),
                to_hex(assignment)
            )
        }));
        lines.extend(offsets(client, &name));
    }
    lines
}

fn offsets(client: &mut Client, group: &str) -> Vec<String> {
    let asked = OffsetFetchRequestGroup { group_id: group.to_string(), topics: None };
    let request = OffsetFetchRequest { groups: vec![asked], ..OffsetFetchRequest::default() };
    let mut response = expect!(OffsetFetch, client, NEWEST_OFFSET_FETCH, request);
    let mut lines = Vec::new();
    for topic in response.groups.remove(0).topics {
        lines.extend(topic.partitions.iter().map(|it| {
            let (offset, metadata) = (it.committed_offset, &it.metadata);
            format!(
                "offset of {group}: {}-{} {offset} {metadata:?}",
                topic.name, it.partition_index
            )
        }));
    }
    lines.sort();
    lines
}

fn acls(client: &mut Client) -> Vec<String> {
    let filter = AclFilter {
        resource_type_filter: ANY,
        pattern_type_filter: ANY,
        operation: ANY,
        permission_type: ANY,
        ..AclFilter::default()
    };
    let found = expect!(DescribeAcls, client, 2, DescribeAclsRequest { filter });
    let mut lines: Vec<String> = found
        .resources
        .iter()
        .flat_map(|it| it.acls.iter().map(move |acl| (it, acl)))
        .map(|(it, acl)| {
            let about = format!("{} {} {}", it.resource_type, it.resource_name, it.pattern_type);
            let who = format!("{} {}", acl.principal, acl.host);
            format!("acl about {about} of {who}: {} {}", acl.operation, acl.permission_type)
        })
        .collect();
    lines.sort();
    lines
}

fn quotas(client: &mut Client) -> Vec<String> {
    let any_client =
        ComponentData { entity_type: "client-id".to_string(), match_type: 2, match_name: None };
    let request = DescribeClientQuotasRequest { components: vec![any_client], strict: false };
    let found = expect!(DescribeClientQuotas, client, 1, request).entries.unwrap();
    let mut lines: Vec<String> = found
        .iter()
        .flat_map(|it| it.values.iter().map(move |value| (&it.entity[0].entity_name, value)))
        .map(|(name, value)| format!("quota of {name:?}: {}={}", value.key, value.value))
        .collect();
    lines.sort();
    lines
}

/// An idempotent producer that is not done: the broker knows its last batch.
pub(crate) struct Producer {
    pub id: i64,
    /// Of the first record in its last batch.
    pub last_sequence: i32,
}

impl Producer {
    /// Sends the batch that begins with `sequence`, whose records are always the same.
    pub(crate) fn produce(&self, client: &mut Client, sequence: i32) -> PartitionProduceResponse {
        let empty = RecordBatchBuilder::new(0).producer(self.id, 0, sequence);
        let batch = (sequence..sequence + BATCH_RECORDS).fold(empty, |batch, number| {
            batch.record(1_000, None, Some(format!("sequence {number}").as_bytes()))
        });
        client.produce(IDEMPOTENT, 0, &batch.build().unwrap())
    }

    /// Sends the last batch once more, which is answered as it was the first time.
    fn duplicate(&self, client: &mut Client) -> String {
        let response = self.produce(client, self.last_sequence);
        assert_eq!(response.error_code, 0);
        let (id, sequence, offset) = (self.id, self.last_sequence, response.base_offset);
        format!("producer {id} sequence {sequence} offset {offset}")
    }

    /// The producer that the line says of which [`duplicate`](Self::duplicate) has written.
    pub(crate) fn of_line(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let ["producer", id, "sequence", sequence, ..] = words[..] else { panic!("{line}") };
        Self { id: id.parse().unwrap(), last_sequence: sequence.parse().unwrap() }
    }
}
