//! A second opinion on the messages about topics, settings, access rules and quotas: in the newest
//! version, and where a field is gone by then in the last that has it, each field has arrived in
//! the right place.

use kafka_protocol::messages as theirs;
use transferto::protocol::api_keys::ApiKeys;

use crate::oracle::of_all_versions::{request, response};

#[test]
fn the_fields_of_create_topics_are_in_their_places() {
    let request: theirs::CreateTopicsRequest = request(ApiKeys::CreateTopics, 7);
    assert_eq!((request.timeout_ms, request.validate_only), (1500, true));
    let topic = &request.topics[0];
    assert_eq!((&*topic.name.0, topic.num_partitions, topic.replication_factor), ("test", 4, 5));
    let assignment = &topic.assignments[0];
    let brokers: Vec<_> = assignment.broker_ids.iter().map(|broker| broker.0).collect();
    assert_eq!((assignment.partition_index, brokers), (3, vec![1, 2]));
    let configs = topic.configs.iter().map(|config| (&*config.name, config.value.as_deref()));
    assert_eq!(configs.collect::<Vec<_>>(), [("a", Some("b")), ("c", None)]);

    let response: theirs::CreateTopicsResponse = response(ApiKeys::CreateTopics, 7);
    let topic = &response.topics[0];
    assert_eq!((response.throttle_time_ms, topic.error_code), (9, 36));
    assert_eq!((&*topic.name.0, topic.topic_id.as_bytes()), ("test", &[0xAA; 16]));
    assert_eq!(topic.error_message.as_deref(), Some("why"));
    assert_eq!((topic.num_partitions, topic.replication_factor), (4, 1));
    assert_eq!(topic.topic_config_error_code, 0, "it is tagged, and never sent");
    let config = &topic.configs.as_ref().unwrap()[0];
    assert_eq!((&*config.name, config.value.as_deref()), ("a", Some("b")));
    let found = (config.read_only, config.config_source, config.is_sensitive);
    assert_eq!(found, (true, 5, true));
}

#[test]
fn the_fields_of_delete_topics_are_in_their_places() {
    let old: theirs::DeleteTopicsRequest = request(ApiKeys::DeleteTopics, 5);
    let names: Vec<_> = old.topic_names.iter().map(|name| &*name.0).collect();
    assert_eq!((names, old.timeout_ms), (vec!["test", "old"], 1500));
    let request: theirs::DeleteTopicsRequest = request(ApiKeys::DeleteTopics, 6);
    assert_eq!(request.timeout_ms, 1500);
    assert_eq!(&*request.topics[0].name.as_ref().unwrap().0, "new");
    assert_eq!(request.topics[1].name, None);
    assert_eq!(request.topics[1].topic_id.as_bytes(), &[0xAA; 16]);

    let response: theirs::DeleteTopicsResponse = response(ApiKeys::DeleteTopics, 6);
    let topic = &response.responses[0];
    assert_eq!((response.throttle_time_ms, topic.error_code), (9, 3));
    assert_eq!(&*topic.name.as_ref().unwrap().0, "test");
    assert_eq!(topic.topic_id.as_bytes(), &[0xAA; 16]);
    assert_eq!(topic.error_message.as_deref(), Some("why"));
}

#[test]
fn the_fields_of_delete_records_are_in_their_places() {
    let request: theirs::DeleteRecordsRequest = request(ApiKeys::DeleteRecords, 2);
    assert_eq!((request.timeout_ms, &*request.topics[0].name.0), (1500, "test"));
    let partition = &request.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.offset), (3, 0x0102));

    let response: theirs::DeleteRecordsResponse = response(ApiKeys::DeleteRecords, 2);
    assert_eq!((response.throttle_time_ms, &*response.topics[0].name.0), (9, "test"));
    let partition = &response.topics[0].partitions[0];
    let found = (partition.partition_index, partition.low_watermark, partition.error_code);
    assert_eq!(found, (3, 0x0102, 1));
}

#[test]
fn the_fields_of_create_partitions_are_in_their_places() {
    let request: theirs::CreatePartitionsRequest = request(ApiKeys::CreatePartitions, 3);
    assert_eq!((request.timeout_ms, request.validate_only), (1500, true));
    let [test, old] = &request.topics[..] else { panic!("{request:?}") };
    assert_eq!((&*test.name.0, test.count), ("test", 4));
    let brokers = &test.assignments.as_ref().unwrap()[0].broker_ids;
    assert_eq!(brokers.iter().map(|broker| broker.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((&*old.name.0, old.count, &old.assignments), ("old", 5, &None));

    let response: theirs::CreatePartitionsResponse = response(ApiKeys::CreatePartitions, 3);
    let result = &response.results[0];
    assert_eq!((response.throttle_time_ms, result.error_code), (9, 37));
    assert_eq!((&*result.name.0, result.error_message.as_deref()), ("test", Some("why")));
}

#[test]
fn the_fields_of_describe_configs_are_in_their_places() {
    let request: theirs::DescribeConfigsRequest = request(ApiKeys::DescribeConfigs, 4);
    assert!(request.include_synonyms && request.include_documentation);
    let [topic, broker] = &request.resources[..] else { panic!("{request:?}") };
    assert_eq!((topic.resource_type, &*topic.resource_name), (2, "test"));
    assert_eq!(&*topic.configuration_keys.as_ref().unwrap()[0], "a");
    assert_eq!((broker.resource_type, &*broker.resource_name), (4, "1"));
    assert_eq!(broker.configuration_keys, None);

    let old: theirs::DescribeConfigsResponse = response(ApiKeys::DescribeConfigs, 0);
    let old = &old.results[0].configs[0];
    assert_eq!((old.read_only, old.is_default, old.is_sensitive), (false, true, true));
    let response: theirs::DescribeConfigsResponse = response(ApiKeys::DescribeConfigs, 4);
    let result = &response.results[0];
    assert_eq!((response.throttle_time_ms, result.error_code), (9, 40));
    assert_eq!(result.error_message.as_deref(), Some("why"));
    assert_eq!((result.resource_type, &*result.resource_name), (2, "test"));
    let config = &result.configs[0];
    assert_eq!((&*config.name, config.value.as_deref()), ("a", Some("b")));
    assert_eq!((config.read_only, config.is_sensitive), (false, true));
    assert_eq!((config.config_source, config.config_type), (5, 7));
    assert_eq!(config.documentation.as_deref(), Some("what"));
    let synonym = &config.synonyms[0];
    let found = (&*synonym.name, synonym.value.as_deref(), synonym.source);
    assert_eq!(found, ("log.a", Some("c"), 4));
}

#[test]
fn the_fields_of_alter_configs_are_in_their_places() {
    let request: theirs::AlterConfigsRequest = request(ApiKeys::AlterConfigs, 2);
    assert!(request.validate_only);
    let resource = &request.resources[0];
    assert_eq!((resource.resource_type, &*resource.resource_name), (2, "test"));
    let configs = resource.configs.iter().map(|config| (&*config.name, config.value.as_deref()));
    assert_eq!(configs.collect::<Vec<_>>(), [("a", Some("b")), ("c", None)]);

    let response: theirs::AlterConfigsResponse = response(ApiKeys::AlterConfigs, 2);
    let resource = &response.responses[0];
    assert_eq!((response.throttle_time_ms, resource.error_code), (9, 40));
    assert_eq!(resource.error_message.as_deref(), Some("why"));
    assert_eq!((resource.resource_type, &*resource.resource_name), (2, "test"));
}

#[test]
fn the_fields_of_incremental_alter_configs_are_in_their_places() {
    let api = ApiKeys::IncrementalAlterConfigs;
    let request: theirs::IncrementalAlterConfigsRequest = request(api, 1);
    assert!(request.validate_only);
    let resource = &request.resources[0];
    assert_eq!((resource.resource_type, &*resource.resource_name), (2, "test"));
    let [a, c] = &resource.configs[..] else { panic!("{resource:?}") };
    assert_eq!((&*a.name, a.config_operation, a.value.as_deref()), ("a", 2, Some("b")));
    assert_eq!((&*c.name, c.config_operation, c.value.as_deref()), ("c", 1, None));

    let response: theirs::IncrementalAlterConfigsResponse = response(api, 1);
    let resource = &response.responses[0];
    assert_eq!((response.throttle_time_ms, resource.error_code), (9, 40));
    assert_eq!(resource.error_message.as_deref(), Some("why"));
    assert_eq!((resource.resource_type, &*resource.resource_name), (2, "test"));
}

#[test]
fn the_fields_of_describe_cluster_are_in_their_places() {
    let request: theirs::DescribeClusterRequest = request(ApiKeys::DescribeCluster, 1);
    let found = (request.include_cluster_authorized_operations, request.endpoint_type);
    assert_eq!(found, (true, 2));

    let response: theirs::DescribeClusterResponse = response(ApiKeys::DescribeCluster, 1);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 31));
    assert_eq!(response.error_message.as_deref(), Some("why"));
    assert_eq!((response.endpoint_type, response.controller_id.0), (2, 3));
    assert_eq!(&*response.cluster_id, "c");
    assert_eq!(response.cluster_authorized_operations, 0x0102_0304);
    let broker = &response.brokers[0];
    assert_eq!((broker.broker_id.0, &*broker.host, broker.port), (1, "localhost", 9092));
    assert_eq!(broker.rack.as_deref(), Some("r"));
}

#[test]
fn the_fields_of_describe_log_dirs_are_in_their_places() {
    let request: theirs::DescribeLogDirsRequest = request(ApiKeys::DescribeLogDirs, 4);
    let topic = &request.topics.as_ref().unwrap()[0];
    assert_eq!((&*topic.topic.0, &*topic.partitions), ("test", &[3, 4][..]));

    let response: theirs::DescribeLogDirsResponse = response(ApiKeys::DescribeLogDirs, 4);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 31));
    let dir = &response.results[0];
    assert_eq!((dir.error_code, &*dir.log_dir), (56, "/d"));
    assert_eq!((dir.total_bytes, dir.usable_bytes), (0x0506, 0x0708));
    assert_eq!(&*dir.topics[0].name.0, "test");
    let partition = &dir.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.partition_size), (3, 0x0102));
    assert_eq!((partition.offset_lag, partition.is_future_key), (0x0304, true));
}

#[test]
fn the_fields_of_describe_acls_are_in_their_places() {
    let request: theirs::DescribeAclsRequest = request(ApiKeys::DescribeAcls, 3);
    assert_eq!((request.resource_type_filter, request.pattern_type_filter), (2, 4));
    assert_eq!(request.resource_name_filter.as_deref(), Some("test"));
    assert_eq!(request.principal_filter.as_deref(), Some("User:me"));
    assert_eq!(request.host_filter.as_deref(), Some("*"));
    assert_eq!((request.operation, request.permission_type), (5, 3));

    let response: theirs::DescribeAclsResponse = response(ApiKeys::DescribeAcls, 3);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 54));
    assert_eq!(response.error_message.as_deref(), Some("why"));
    let resource = &response.resources[0];
    let found = (resource.resource_type, &*resource.resource_name, resource.pattern_type);
    assert_eq!(found, (2, "test", 4));
    let acl = &resource.acls[0];
    assert_eq!((&*acl.principal, &*acl.host), ("User:me", "*"));
    assert_eq!((acl.operation, acl.permission_type), (5, 3));
}

#[test]
fn the_fields_of_create_acls_are_in_their_places() {
    let request: theirs::CreateAclsRequest = request(ApiKeys::CreateAcls, 3);
    let creation = &request.creations[0];
    let found = (creation.resource_type, &*creation.resource_name, creation.resource_pattern_type);
    assert_eq!(found, (2, "test", 4));
    assert_eq!((&*creation.principal, &*creation.host), ("User:me", "*"));
    assert_eq!((creation.operation, creation.permission_type), (5, 3));

    let response: theirs::CreateAclsResponse = response(ApiKeys::CreateAcls, 3);
    assert_eq!(response.throttle_time_ms, 9);
    let results = response.results.iter().map(|it| (it.error_code, it.error_message.as_deref()));
    assert_eq!(results.collect::<Vec<_>>(), [(54, Some("why")), (0, None)]);
}

#[test]
fn the_fields_of_delete_acls_are_in_their_places() {
    let request: theirs::DeleteAclsRequest = request(ApiKeys::DeleteAcls, 3);
    let filter = &request.filters[0];
    assert_eq!((filter.resource_type_filter, filter.pattern_type_filter), (2, 4));
    assert_eq!(filter.resource_name_filter.as_deref(), Some("test"));
    assert_eq!((&filter.principal_filter, filter.host_filter.as_deref()), (&None, Some("*")));
    assert_eq!((filter.operation, filter.permission_type), (5, 3));

    let response: theirs::DeleteAclsResponse = response(ApiKeys::DeleteAcls, 3);
    let result = &response.filter_results[0];
    assert_eq!((response.throttle_time_ms, result.error_code), (9, 31));
    assert_eq!(result.error_message.as_deref(), Some("why"));
    let acl = &result.matching_acls[0];
    assert_eq!((acl.error_code, acl.error_message.as_deref()), (54, Some("that")));
    let found = (acl.resource_type, &*acl.resource_name, acl.pattern_type);
    assert_eq!(found, (2, "test", 4));
    assert_eq!((&*acl.principal, &*acl.host), ("User:me", "*"));
    assert_eq!((acl.operation, acl.permission_type), (5, 3));
}

#[test]
fn the_fields_of_describe_client_quotas_are_in_their_places() {
    let request: theirs::DescribeClientQuotasRequest = request(ApiKeys::DescribeClientQuotas, 1);
    assert!(request.strict);
    let [user, client] = &request.components[..] else { panic!("{request:?}") };
    let found = (&*user.entity_type, user.match_type, user._match.as_deref());
    assert_eq!(found, ("user", 0, Some("me")));
    let found = (&*client.entity_type, client.match_type, client._match.as_deref());
    assert_eq!(found, ("client-id", 2, None));

    let api = ApiKeys::DescribeClientQuotas;
    let response: theirs::DescribeClientQuotasResponse = response(api, 1);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 31));
    assert_eq!(response.error_message.as_deref(), Some("why"));
    let entry = &response.entries.as_ref().unwrap()[0];
    let entity = entry.entity.iter().map(|it| (&*it.entity_type, it.entity_name.as_deref()));
    assert_eq!(entity.collect::<Vec<_>>(), [("user", Some("me")), ("client-id", None)]);
    assert_eq!((&*entry.values[0].key, entry.values[0].value), ("consumer_byte_rate", 1.5));
}

#[test]
fn the_fields_of_alter_client_quotas_are_in_their_places() {
    let request: theirs::AlterClientQuotasRequest = request(ApiKeys::AlterClientQuotas, 1);
    assert!(request.validate_only);
    let entry = &request.entries[0];
    let entity = entry.entity.iter().map(|it| (&*it.entity_type, it.entity_name.as_deref()));
    assert_eq!(entity.collect::<Vec<_>>(), [("user", Some("me")), ("client-id", None)]);
    let op = &entry.ops[0];
    assert_eq!((&*op.key, op.value, op.remove), ("consumer_byte_rate", 1.5, true));

    let response: theirs::AlterClientQuotasResponse = response(ApiKeys::AlterClientQuotas, 1);
    let entry = &response.entries[0];
    assert_eq!((response.throttle_time_ms, entry.error_code), (9, 42));
    assert_eq!(entry.error_message.as_deref(), Some("why"));
    let entity = entry.entity.iter().map(|it| (&*it.entity_type, it.entity_name.as_deref()));
    assert_eq!(entity.collect::<Vec<_>>(), [("user", Some("me")), ("client-id", None)]);
}

#[test]
fn the_fields_of_describe_user_scram_credentials_are_in_their_places() {
    let api = ApiKeys::DescribeUserScramCredentials;
    let request: theirs::DescribeUserScramCredentialsRequest = request(api, 0);
    assert_eq!(&*request.users.as_ref().unwrap()[0].name, "alice");

    let response: theirs::DescribeUserScramCredentialsResponse = response(api, 0);
    assert_eq!((response.throttle_time_ms, response.error_code), (9, 31));
    assert_eq!(response.error_message.as_deref(), Some("why"));
    let result = &response.results[0];
    assert_eq!((&*result.user, result.error_code), ("alice", 91));
    assert_eq!(result.error_message.as_deref(), Some("that"));
    let info = &result.credential_infos[0];
    assert_eq!((info.mechanism, info.iterations), (2, 8192));
}

#[test]
fn the_fields_of_alter_user_scram_credentials_are_in_their_places() {
    let api = ApiKeys::AlterUserScramCredentials;
    let request: theirs::AlterUserScramCredentialsRequest = request(api, 0);
    let deletion = &request.deletions[0];
    assert_eq!((&*deletion.name, deletion.mechanism), ("bob", 2));
    let upsertion = &request.upsertions[0];
    let found = (&*upsertion.name, upsertion.mechanism, upsertion.iterations);
    assert_eq!(found, ("alice", 1, 8192));
    assert_eq!((&*upsertion.salt, &*upsertion.salted_password), (&b"salt"[..], &b"key"[..]));

    let response: theirs::AlterUserScramCredentialsResponse = response(api, 0);
    let result = &response.results[0];
    assert_eq!((response.throttle_time_ms, result.error_code), (9, 93));
    assert_eq!((&*result.user, result.error_message.as_deref()), ("alice", Some("why")));
}
