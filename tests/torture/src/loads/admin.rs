//! An admin that changes topics, settings, access rules and quotas: each change that was
//! acknowledged must be there, and one in doubt may be.

use std::collections::BTreeMap;

use support::random::Random;
use transferto::protocol::acl_filter::AclFilter;
use transferto::protocol::alter_client_quotas::{AlterClientQuotasRequest, AlterEntryData, OpData};
use transferto::protocol::create_acls::{AclCreation, CreateAclsRequest};
use transferto::protocol::delete_acls::{DeleteAclsFilter, DeleteAclsRequest};
use transferto::protocol::delete_topics::DeleteTopicsRequest;
use transferto::protocol::describe_acls::DescribeAclsRequest;
use transferto::protocol::describe_client_quotas::{DescribeClientQuotasRequest, EntityData};
use transferto::protocol::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use transferto::protocol::metadata::MetadataRequest;

use crate::answer;
use crate::client::Client;
use crate::loads::{Extent, Load, Verdict};
use crate::outcome::{Outcome, failed};

/// So many of each kind, again and again.
const NAMES: u64 = 12;
const RETENTION: &str = "retention.ms";
const QUOTA: &str = "producer_byte_rate";
/// The numbers of the protocol.
const TOPIC: i8 = 2;
const LITERAL: i8 = 3;
const ANY: i8 = 1;
const READ: i8 = 3;
const ALLOW: i8 = 3;

/// A thing that is there with a value, or is not there.
type State = Option<String>;

/// Changes one thing after another.
pub(crate) struct Admin {
    random: Random,
    /// Of each thing the states in which it may be: one, or two while a change is in doubt.
    ledger: BTreeMap<Thing, Vec<State>>,
    count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    /// Its value is the retention time.
    Topic(String),
    /// An access rule for the topic of this name, without a value.
    Rule(String),
    /// The quota of a client id; its value is the rate.
    Quota(String),
}

impl Admin {
    /// One that has changed nothing.
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random(seed), ledger: BTreeMap::new(), count: 0 }
    }

    fn change_something(&mut self, client: &mut Client) -> Outcome<()> {
        let name = format!("changed-{}", self.random.below(NAMES));
        let thing = match self.random.below(4) {
            0 | 1 => Thing::Topic(name),
            2 => Thing::Rule(name),
            _ => Thing::Quota(name),
        };
        let old = self.ledger.get(&thing).and_then(|it| it.last().cloned()).flatten();
        let new = match (&thing, &old) {
            (_, Some(_)) if self.random.below(3) == 0 => None,
            (Thing::Rule(_), Some(_)) => None,
            (Thing::Rule(_), None) => Some(String::new()),
            _ => Some((10_000_000 + self.random.below(1_000_000)).to_string()),
        };
        let states = self.ledger.entry(thing.clone()).or_insert_with(|| vec![None]);
        states.push(new.clone());
        let code = change(client, &thing, old.as_deref(), new.as_deref())?;
        if code != 0 {
            return failed(format!("{thing:?} from {old:?} to {new:?}: error {code}"));
        }
        self.ledger.insert(thing, vec![new]);
        self.count += 1;
        Ok(())
    }
}

/// Returns the error code.
fn change(
    client: &mut Client,
    thing: &Thing,
    old: Option<&str>,
    new: Option<&str>,
) -> Outcome<i16> {
    match (thing, old, new) {
        (Thing::Topic(name), None, Some(value)) => client.create_topic(name, &[(RETENTION, value)]),
        (Thing::Topic(name), _, Some(value)) => alter_retention(client, name, value),
        (Thing::Topic(name), _, None) => delete_topic(client, name),
        (Thing::Rule(name), _, Some(_)) => create_rule(client, name),
        (Thing::Rule(name), _, None) => delete_rule(client, name),
        (Thing::Quota(name), _, value) => alter_quota(client, name, value),
    }
}

fn delete_topic(client: &mut Client, name: &str) -> Outcome<i16> {
    let topic_names = vec![name.to_string()];
    let request =
        DeleteTopicsRequest { topic_names, timeout_ms: 10_000, ..DeleteTopicsRequest::default() };
    let response = answer!(client, 1, DeleteTopics, request);
    first(response.responses.iter().map(|it| it.error_code))
}

fn alter_retention(client: &mut Client, name: &str, value: &str) -> Outcome<i16> {
    let config = IncrementalAlterableConfig {
        name: RETENTION.to_string(),
        config_operation: 0,
        value: Some(value.to_string()),
    };
    let resource = IncrementalAlterConfigsResource {
        resource_type: TOPIC,
        resource_name: name.to_string(),
        configs: vec![config],
    };
    let request =
        IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let response = answer!(client, 0, IncrementalAlterConfigs, request);
    first(response.responses.iter().map(|it| it.error_code))
}

fn create_rule(client: &mut Client, name: &str) -> Outcome<i16> {
    let creation = AclCreation {
        resource_type: TOPIC,
        resource_name: name.to_string(),
        resource_pattern_type: LITERAL,
        principal: "User:reader".to_string(),
        host: "*".to_string(),
        operation: READ,
        permission_type: ALLOW,
    };
    let response = answer!(client, 1, CreateAcls, CreateAclsRequest { creations: vec![creation] });
    first(response.results.iter().map(|it| it.error_code))
}

fn delete_rule(client: &mut Client, name: &str) -> Outcome<i16> {
    let filter = rules_for(Some(name.to_string()));
    let filters = vec![DeleteAclsFilter { filter }];
    let response = answer!(client, 1, DeleteAcls, DeleteAclsRequest { filters });
    first(response.filter_results.iter().map(|it| it.error_code))
}

fn rules_for(resource_name_filter: Option<String>) -> AclFilter {
    AclFilter {
        resource_type_filter: TOPIC,
        resource_name_filter,
        pattern_type_filter: LITERAL,
        operation: ANY,
        permission_type: ANY,
        ..AclFilter::default()
    }
}

fn alter_quota(client: &mut Client, name: &str, value: Option<&str>) -> Outcome<i16> {
    let entity =
        EntityData { entity_type: "client-id".to_string(), entity_name: Some(name.to_string()) };
    let op = OpData {
        key: QUOTA.to_string(),
        value: value.map_or(Ok(0.0), str::parse)?,
        remove: value.is_none(),
    };
    let entries = vec![AlterEntryData { entity: vec![entity], ops: vec![op] }];
    let request = AlterClientQuotasRequest { entries, validate_only: false };
    let response = answer!(client, 0, AlterClientQuotas, request);
    first(response.entries.iter().map(|it| it.error_code))
}

fn first(mut codes: impl Iterator<Item = i16>) -> Outcome<i16> {
    codes.next().map_or_else(|| failed("an answer without a result"), Ok)
}

/// All that is there.
fn look(client: &mut Client) -> Outcome<BTreeMap<Thing, String>> {
    let mut there = BTreeMap::new();
    let metadata = answer!(client, 4, Metadata, MetadataRequest::default());
    let names = metadata.topics.into_iter().filter_map(|topic| topic.name);
    for name in names.filter(|name| name.starts_with("changed-")) {
        let value = retention(client, &name)?;
        there.insert(Thing::Topic(name), value);
    }
    let request = DescribeAclsRequest { filter: rules_for(None) };
    for resource in answer!(client, 1, DescribeAcls, request).resources {
        there.insert(Thing::Rule(resource.resource_name), String::new());
    }
    let request = DescribeClientQuotasRequest::default();
    let quotas = answer!(client, 0, DescribeClientQuotas, request);
    for entry in quotas.entries.unwrap_or_default() {
        let name = entry.entity.into_iter().find_map(|it| it.entity_name).unwrap_or_default();
        let value = entry.values.first().map_or(0.0, |it| it.value);
        there.insert(Thing::Quota(name), format!("{value:.0}"));
    }
    Ok(there)
}

fn retention(client: &mut Client, name: &str) -> Outcome<String> {
    let resource = DescribeConfigsResource {
        resource_type: TOPIC,
        resource_name: name.to_string(),
        configuration_keys: Some(vec![RETENTION.to_string()]),
    };
    let request =
        DescribeConfigsRequest { resources: vec![resource], ..DescribeConfigsRequest::default() };
    let response = answer!(client, 1, DescribeConfigs, request);
    let mut configs = response.results.into_iter().flat_map(|it| it.configs);
    let value = configs.find_map(|config| config.value);
    value.map_or_else(|| failed(format!("{name} has no {RETENTION}")), Ok)
}

impl Load for Admin {
    fn name(&self) -> &str {
        "admin"
    }

    fn prepare(&mut self, _: &mut Client) -> Outcome<()> {
        Ok(())
    }

    fn work(&mut self, port: u16) -> Outcome<()> {
        let mut client = Client::connect(port)?;
        loop {
            self.change_something(&mut client)?;
        }
    }

    fn verify(&mut self, client: &mut Client, _: Extent) -> Outcome<Verdict> {
        let there = look(client)?;
        let mut verdict =
            Verdict { acknowledged: std::mem::take(&mut self.count), ..Verdict::default() };
        for (thing, states) in &mut self.ledger {
            let state = there.get(thing).cloned();
            if !states.contains(&state) {
                verdict.lose(|| format!("{thing:?} is {state:?}, but must be one of {states:?}"));
            }
            // What was in doubt is known now.
            *states = vec![state];
        }
        for thing in there.keys().filter(|thing| !self.ledger.contains_key(thing)) {
            verdict.failures.push(format!("{thing:?} is there, and nobody made it"));
        }
        Ok(verdict)
    }
}
