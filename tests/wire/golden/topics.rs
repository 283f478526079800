//! The bytes of each API about topics and brokers: see `protocol_golden.rs`.

use transferto::protocol::api_keys::ApiKeys;

use crate::golden::{assert_request, assert_response};

#[test]
fn create_topics_requests() {
    let v0 = "
        key, version, correlation id | 0013 0000 0000002A
        client id                    | 0004 'kcat'
        topics                       | 00000001
          name                       | 0004 'test'
          partitions, replication    | 00000004 0005
          assignments                | 00000001
            partition, brokers       | 00000003 00000002 00000001 00000002
          configs                    | 00000002
            name, value              | 0001 'a' 0001 'b'
            name, value              | 0001 'c' FFFF
        timeout                      | 000005DC
    ";
    assert_request(ApiKeys::CreateTopics, 0, v0);
    let v4 = "
        key, version, correlation id | 0013 0004 0000002A
        client id                    | 0004 'kcat'
        topics                       | 00000001
          name                       | 0004 'test'
          partitions, replication    | 00000004 0005
          assignments                | 00000001
            partition, brokers       | 00000003 00000002 00000001 00000002
          configs                    | 00000002
            name, value              | 0001 'a' 0001 'b'
            name, value              | 0001 'c' FFFF
        timeout, validate only       | 000005DC 01
    ";
    assert_request(ApiKeys::CreateTopics, 4, v4);
    let v7 = "
        key, version, correlation id | 0013 0007 0000002A
        client id, tags              | 0004 'kcat' 00
        topics                       | 02
          name                       | 05 'test'
          partitions, replication    | 00000004 0005
          assignments                | 02
            partition, brokers, tags | 00000003 03 00000001 00000002 00
          configs                    | 03
            name, value, tags        | 02 'a' 02 'b' 00
            name, value, tags        | 02 'c' 00 00
          tags                       | 00
        timeout, validate only, tags | 000005DC 01 00
    ";
    assert_request(ApiKeys::CreateTopics, 7, v7);
}

#[test]
fn create_topics_responses() {
    let v0 = "
        correlation id               | 0000002A
        topics                       | 00000001
          name                       | 0004 'test'
          error                      | 0024
    ";
    assert_response(ApiKeys::CreateTopics, 0, v0);
    let v4 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        topics                       | 00000001
          name                       | 0004 'test'
          error                      | 0024
          error message              | 0003 'why'
    ";
    assert_response(ApiKeys::CreateTopics, 4, v4);
    let v7 = "
        correlation id, tags                | 0000002A 00
        throttle time                       | 00000009
        topics                              | 02
          name                              | 05 'test'
          topic id                          | AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAA
          error                             | 0024
          error message                     | 04 'why'
          partitions, replication           | 00000004 0001
          configs                           | 02
            name, value                     | 02 'a' 02 'b'
            read only, source, secret, tags | 01 05 01 00
          tags                              | 00
        tags                                | 00
    ";
    assert_response(ApiKeys::CreateTopics, 7, v7);
}

#[test]
fn delete_topics_requests() {
    let v0 = "
        key, version, correlation id | 0014 0000 0000002A
        client id                    | 0004 'kcat'
        names                        | 00000002 0004 'test' 0003 'old'
        timeout                      | 000005DC
    ";
    assert_request(ApiKeys::DeleteTopics, 0, v0);
    let v3 = "
        key, version, correlation id | 0014 0003 0000002A
        client id                    | 0004 'kcat'
        names                        | 00000002 0004 'test' 0003 'old'
        timeout                      | 000005DC
    ";
    assert_request(ApiKeys::DeleteTopics, 3, v3);
    let v5 = "
        key, version, correlation id | 0014 0005 0000002A
        client id, tags              | 0004 'kcat' 00
        names                        | 03 05 'test' 04 'old'
        timeout, tags                | 000005DC 00
    ";
    assert_request(ApiKeys::DeleteTopics, 5, v5);
    let v6 = "
        key, version, correlation id | 0014 0006 0000002A
        client id, tags              | 0004 'kcat' 00
        topics                       | 03
          name                       | 04 'new'
          topic id, tags             | 0000000000000000 0000000000000000 00
          name                       | 00
          topic id, tags             | AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAA 00
        timeout, tags                | 000005DC 00
    ";
    assert_request(ApiKeys::DeleteTopics, 6, v6);
}

#[test]
fn delete_topics_responses() {
    let v0 = "
        correlation id               | 0000002A
        responses                    | 00000001
          name                       | 0004 'test'
          error                      | 0003
    ";
    assert_response(ApiKeys::DeleteTopics, 0, v0);
    let v3 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        responses                    | 00000001
          name                       | 0004 'test'
          error                      | 0003
    ";
    assert_response(ApiKeys::DeleteTopics, 3, v3);
    let v6 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        responses                    | 02
          name                       | 05 'test'
          topic id                   | AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAA
          error                      | 0003
          error message, tags        | 04 'why' 00
        tags                         | 00
    ";
    assert_response(ApiKeys::DeleteTopics, 6, v6);
}

#[test]
fn delete_records_requests() {
    let v0 = "
        key, version, correlation id | 0015 0000 0000002A
        client id                    | 0004 'kcat'
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, offset        | 00000003 0000000000000102
        timeout                      | 000005DC
    ";
    assert_request(ApiKeys::DeleteRecords, 0, v0);
    let v1 = "
        key, version, correlation id | 0015 0001 0000002A
        client id                    | 0004 'kcat'
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, offset        | 00000003 0000000000000102
        timeout                      | 000005DC
    ";
    assert_request(ApiKeys::DeleteRecords, 1, v1);
    let v2 = "
        key, version, correlation id | 0015 0002 0000002A
        client id, tags              | 0004 'kcat' 00
        topics                       | 02
          name                       | 05 'test'
          partitions                 | 02
            partition, offset, tags  | 00000003 0000000000000102 00
          tags                       | 00
        timeout, tags                | 000005DC 00
    ";
    assert_request(ApiKeys::DeleteRecords, 2, v2);
}

#[test]
fn delete_records_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, low watermark | 00000003 0000000000000102
            error                    | 0001
    ";
    assert_response(ApiKeys::DeleteRecords, 0, v0);
    let v1 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, low watermark | 00000003 0000000000000102
            error                    | 0001
    ";
    assert_response(ApiKeys::DeleteRecords, 1, v1);
    let v2 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        topics                       | 02
          name                       | 05 'test'
          partitions                 | 02
            partition, low watermark | 00000003 0000000000000102
            error, tags              | 0001 00
          tags                       | 00
        tags                         | 00
    ";
    assert_response(ApiKeys::DeleteRecords, 2, v2);
}

#[test]
fn create_partitions_requests() {
    let v0 = "
        key, version, correlation id | 0025 0000 0000002A
        client id                    | 0004 'kcat'
        topics                       | 00000002
          name, count                | 0004 'test' 00000004
          assignments                | 00000001
            brokers                  | 00000002 00000001 00000002
          name, count                | 0003 'old' 00000005
          assignments                | FFFFFFFF
        timeout, validate only       | 000005DC 01
    ";
    assert_request(ApiKeys::CreatePartitions, 0, v0);
    let v1 = "
        key, version, correlation id | 0025 0001 0000002A
        client id                    | 0004 'kcat'
        topics                       | 00000002
          name, count                | 0004 'test' 00000004
          assignments                | 00000001
            brokers                  | 00000002 00000001 00000002
          name, count                | 0003 'old' 00000005
          assignments                | FFFFFFFF
        timeout, validate only       | 000005DC 01
    ";
    assert_request(ApiKeys::CreatePartitions, 1, v1);
    let v3 = "
        key, version, correlation id | 0025 0003 0000002A
        client id, tags              | 0004 'kcat' 00
        topics                       | 03
          name, count                | 05 'test' 00000004
          assignments                | 02
            brokers, tags            | 03 00000001 00000002 00
          tags                       | 00
          name, count                | 04 'old' 00000005
          assignments, tags          | 00 00
        timeout, validate only, tags | 000005DC 01 00
    ";
    assert_request(ApiKeys::CreatePartitions, 3, v3);
}

#[test]
fn create_partitions_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        results                      | 00000001
          name, error                | 0004 'test' 0025
          error message              | 0003 'why'
    ";
    assert_response(ApiKeys::CreatePartitions, 0, v0);
    let v1 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        results                      | 00000001
          name, error                | 0004 'test' 0025
          error message              | 0003 'why'
    ";
    assert_response(ApiKeys::CreatePartitions, 1, v1);
    let v3 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        results                      | 02
          name, error                | 05 'test' 0025
          error message, tags        | 04 'why' 00
        tags                         | 00
    ";
    assert_response(ApiKeys::CreatePartitions, 3, v3);
}

#[test]
fn describe_cluster_requests() {
    let v0 = "
        key, version, correlation id | 003C 0000 0000002A
        client id, tags              | 0004 'kcat' 00
        include operations           | 01
        tags                         | 00
    ";
    assert_request(ApiKeys::DescribeCluster, 0, v0);
    let v1 = "
        key, version, correlation id | 003C 0001 0000002A
        client id, tags              | 0004 'kcat' 00
        include operations           | 01
        endpoint type                | 02
        tags                         | 00
    ";
    assert_request(ApiKeys::DescribeCluster, 1, v1);
    let v2 = "
        key, version, correlation id | 003C 0002 0000002A
        client id, tags              | 0004 'kcat' 00
        include operations           | 01
        endpoint type                | 02
        include fenced brokers       | 01
        tags                         | 00
    ";
    assert_request(ApiKeys::DescribeCluster, 2, v2);
}

#[test]
fn describe_cluster_responses() {
    let v0 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error                        | 001F
        error message                | 04 'why'
        cluster, controller          | 02 'c' 00000003
        brokers                      | 02
          broker, host               | 00000001 0A 'localhost'
          port, rack, tags           | 00002384 02 'r' 00
        operations, tags             | 01020304 00
    ";
    assert_response(ApiKeys::DescribeCluster, 0, v0);
    let v1 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error                        | 001F
        error message                | 04 'why'
        endpoint type                | 02
        cluster, controller          | 02 'c' 00000003
        brokers                      | 02
          broker, host               | 00000001 0A 'localhost'
          port, rack, tags           | 00002384 02 'r' 00
        operations, tags             | 01020304 00
    ";
    assert_response(ApiKeys::DescribeCluster, 1, v1);
    let v2 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error                        | 001F
        error message                | 04 'why'
        endpoint type                | 02
        cluster, controller          | 02 'c' 00000003
        brokers                      | 02
          broker, host               | 00000001 0A 'localhost'
          port, rack, fenced, tags   | 00002384 02 'r' 01 00
        operations, tags             | 01020304 00
    ";
    assert_response(ApiKeys::DescribeCluster, 2, v2);
}

#[test]
fn describe_log_dirs_requests() {
    let v0 = "
        key, version, correlation id | 0023 0000 0000002A
        client id                    | 0004 'kcat'
        topics                       | 00000001
          topic                      | 0004 'test'
          partitions                 | 00000002 00000003 00000004
    ";
    assert_request(ApiKeys::DescribeLogDirs, 0, v0);
    let v1 = "
        key, version, correlation id | 0023 0001 0000002A
        client id                    | 0004 'kcat'
        topics                       | 00000001
          topic                      | 0004 'test'
          partitions                 | 00000002 00000003 00000004
    ";
    assert_request(ApiKeys::DescribeLogDirs, 1, v1);
    let v4 = "
        key, version, correlation id | 0023 0004 0000002A
        client id, tags              | 0004 'kcat' 00
        topics                       | 02
          topic                      | 05 'test'
          partitions, tags           | 03 00000003 00000004 00
        tags                         | 00
    ";
    assert_request(ApiKeys::DescribeLogDirs, 4, v4);
}

#[test]
fn describe_log_dirs_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        results                      | 00000001
          error, log dir             | 0038 0002 '/d'
          topics                     | 00000001
            name                     | 0004 'test'
            partitions               | 00000001
              partition              | 00000003
              size, lag              | 0000000000000102 0000000000000304
              future                 | 01
    ";
    assert_response(ApiKeys::DescribeLogDirs, 0, v0);
    let v1 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        results                      | 00000001
          error, log dir             | 0038 0002 '/d'
          topics                     | 00000001
            name                     | 0004 'test'
            partitions               | 00000001
              partition              | 00000003
              size, lag              | 0000000000000102 0000000000000304
              future                 | 01
    ";
    assert_response(ApiKeys::DescribeLogDirs, 1, v1);
    let v4 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error                        | 001F
        results                      | 02
          error, log dir             | 0038 03 '/d'
          topics                     | 02
            name                     | 05 'test'
            partitions               | 02
              partition              | 00000003
              size, lag              | 0000000000000102 0000000000000304
              future, tags           | 01 00
            tags                     | 00
          total, usable, tags        | 0000000000000506 0000000000000708 00
        tags                         | 00
    ";
    assert_response(ApiKeys::DescribeLogDirs, 4, v4);
}
