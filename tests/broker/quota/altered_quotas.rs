//! AlterClientQuotas and DescribeClientQuotas, as the tests of quotas ask for them.

use support::client::Client;
use transferto::protocol::alter_client_quotas::{AlterClientQuotasRequest, AlterEntryData, OpData};
use transferto::protocol::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData, EntryData,
};
use transferto::protocol::request::{RequestBody, ResponseBody};

pub(super) type Entity<'a> = &'a [(&'a str, Option<&'a str>)];

pub(super) fn entity(components: Entity<'_>) -> Vec<EntityData> {
    let component = |&(entity_type, name): &(&str, Option<&str>)| EntityData {
        entity_type: entity_type.to_string(),
        entity_name: name.map(str::to_string),
    };
    components.iter().map(component).collect()
}

pub(super) fn set(key: &str, value: f64) -> OpData {
    OpData { key: key.to_string(), value, remove: false }
}

pub(super) fn remove(key: &str) -> OpData {
    OpData { key: key.to_string(), value: 0.0, remove: true }
}

/// Alters quotas and returns each entity's error.
pub(super) fn alter(
    client: &mut Client,
    version: i16,
    entries: &[(Entity<'_>, &[OpData])],
    validate_only: bool,
) -> Vec<(i16, Option<String>)> {
    let entry = |&(components, ops): &(Entity<'_>, &[OpData])| AlterEntryData {
        entity: entity(components),
        ops: ops.to_vec(),
    };
    let entries: Vec<_> = entries.iter().map(entry).collect();
    let request = AlterClientQuotasRequest { entries: entries.clone(), validate_only };
    match client.call(version, &RequestBody::AlterClientQuotas(request), &[]).0 {
        ResponseBody::AlterClientQuotas(it) => {
            let answered: Vec<_> = it.entries.iter().map(|it| it.entity.clone()).collect();
            assert_eq!(answered, entries.into_iter().map(|it| it.entity).collect::<Vec<_>>());
            it.entries.into_iter().map(|it| (it.error_code, it.error_message)).collect()
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn alter_one(client: &mut Client, components: Entity<'_>, ops: &[OpData]) -> i16 {
    let (code, why) = alter(client, 1, &[(components, ops)], false).remove(0);
    assert_eq!(why.is_some(), code != 0, "{why:?}");
    code
}

pub(super) fn describe(
    client: &mut Client,
    version: i16,
    components: &[(&str, i8, Option<&str>)],
    strict: bool,
) -> DescribeClientQuotasResponse {
    let component = |&(entity_type, match_type, name): &(&str, i8, Option<&str>)| ComponentData {
        entity_type: entity_type.to_string(),
        match_type,
        match_name: name.map(str::to_string),
    };
    let components = components.iter().map(component).collect();
    let request = DescribeClientQuotasRequest { components, strict };
    match client.call(version, &RequestBody::DescribeClientQuotas(request), &[]).0 {
        ResponseBody::DescribeClientQuotas(it) => it,
        other => panic!("{other:?}"),
    }
}

/// The quotas that match, each as one line.
pub(super) fn described(
    client: &mut Client,
    components: &[(&str, i8, Option<&str>)],
    strict: bool,
) -> Vec<String> {
    let lines = [0, 1].map(|version| {
        let response = describe(client, version, components, strict);
        assert_eq!((response.error_code, response.error_message), (0, None));
        let entries = response.entries.unwrap().into_iter();
        let line = |entry: EntryData| {
            let places = entry.entity.iter();
            let places = places.map(|it| match &it.entity_name {
                Some(name) => format!("{} {name:?} ", it.entity_type),
                None => format!("{} <default> ", it.entity_type),
            });
            let values = entry.values.iter().map(|it| format!("{}={}", it.key, it.value));
            places.collect::<String>() + &values.collect::<Vec<_>>().join(" ")
        };
        entries.map(line).collect::<Vec<_>>()
    });
    let [first, second] = lines;
    assert_eq!(first, second);
    first
}

pub(super) const PRODUCER: &str = "producer_byte_rate";
pub(super) const CONSUMER: &str = "consumer_byte_rate";
pub(super) const TEST: Entity<'_> = &[("client-id", Some("test"))];
pub(super) const DEFAULT: Entity<'_> = &[("client-id", None)];
