//! The bytes of each API about consumer groups: see `protocol_golden.rs`.

use transferto::protocol::api_keys::ApiKeys;

use crate::golden::{assert_request, assert_response};

#[test]
fn join_group_requests() {
    let v0 = "
        key, version, correlation id | 000B 0000 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        session timeout              | 000005DC
        member                       | 0002 'me'
        protocol type                | 0008 'consumer'
        protocols                    | 00000001
          name                       | 0005 'range'
          metadata                   | 00000006 'topics'
    ";
    assert_request(ApiKeys::JoinGroup, 0, v0);
    let v5 = "
        key, version, correlation id | 000B 0005 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        session timeout              | 000005DC
        rebalance timeout            | 000009C4
        member                       | 0002 'me'
        group instance               | 0002 'us'
        protocol type                | 0008 'consumer'
        protocols                    | 00000001
          name                       | 0005 'range'
          metadata                   | 00000006 'topics'
    ";
    assert_request(ApiKeys::JoinGroup, 5, v5);
    let v9 = "
        key, version, correlation id | 000B 0009 0000002A
        client id, tags              | 0004 'kcat' 00
        group                        | 08 'readers'
        session timeout              | 000005DC
        rebalance timeout            | 000009C4
        member                       | 03 'me'
        group instance               | 03 'us'
        protocol type                | 09 'consumer'
        protocols                    | 02
          name                       | 06 'range'
          metadata, tags             | 07 'topics' 00
        reason                       | 04 'why'
        tags                         | 00
    ";
    assert_request(ApiKeys::JoinGroup, 9, v9);
}

#[test]
fn join_group_responses() {
    let v0 = "
        correlation id               | 0000002A
        error, generation            | 004F 00000005
        protocol name                | 0005 'range'
        leader                       | 0003 'you'
        member                       | 0002 'me'
        members                      | 00000001
          member                     | 0003 'you'
          metadata                   | 00000006 'topics'
    ";
    assert_response(ApiKeys::JoinGroup, 0, v0);
    let v5 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error, generation            | 004F 00000005
        protocol name                | 0005 'range'
        leader                       | 0003 'you'
        member                       | 0002 'me'
        members                      | 00000001
          member                     | 0003 'you'
          group instance             | 0002 'us'
          metadata                   | 00000006 'topics'
    ";
    assert_response(ApiKeys::JoinGroup, 5, v5);
    let v9 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error, generation            | 004F 00000005
        protocol type                | 09 'consumer'
        protocol name                | 06 'range'
        leader                       | 04 'you'
        skip assignment              | 01
        member                       | 03 'me'
        members                      | 02
          member                     | 04 'you'
          group instance             | 03 'us'
          metadata, tags             | 07 'topics' 00
        tags                         | 00
    ";
    assert_response(ApiKeys::JoinGroup, 9, v9);
}

#[test]
fn heartbeat_requests() {
    let v0 = "
        key, version, correlation id | 000C 0000 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        generation, member           | 00000005 0002 'me'
    ";
    assert_request(ApiKeys::Heartbeat, 0, v0);
    let v3 = "
        key, version, correlation id | 000C 0003 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        generation, member           | 00000005 0002 'me'
        group instance               | 0002 'us'
    ";
    assert_request(ApiKeys::Heartbeat, 3, v3);
    let v4 = "
        key, version, correlation id | 000C 0004 0000002A
        client id, tags              | 0004 'kcat' 00
        group                        | 08 'readers'
        generation, member           | 00000005 03 'me'
        group instance               | 03 'us'
        tags                         | 00
    ";
    assert_request(ApiKeys::Heartbeat, 4, v4);
}

#[test]
fn heartbeat_responses() {
    let v0 = "
        correlation id               | 0000002A
        error                        | 001B
    ";
    assert_response(ApiKeys::Heartbeat, 0, v0);
    let v3 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error                        | 001B
    ";
    assert_response(ApiKeys::Heartbeat, 3, v3);
    let v4 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error, tags                  | 001B 00
    ";
    assert_response(ApiKeys::Heartbeat, 4, v4);
}

#[test]
fn leave_group_requests() {
    let v0 = "
        key, version, correlation id | 000D 0000 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        member                       | 0002 'me'
    ";
    assert_request(ApiKeys::LeaveGroup, 0, v0);
    let v3 = "
        key, version, correlation id | 000D 0003 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        members                      | 00000001
          member                     | 0003 'you'
          group instance             | 0002 'us'
    ";
    assert_request(ApiKeys::LeaveGroup, 3, v3);
    let v5 = "
        key, version, correlation id | 000D 0005 0000002A
        client id, tags              | 0004 'kcat' 00
        group                        | 08 'readers'
        members                      | 02
          member                     | 04 'you'
          group instance             | 03 'us'
          reason, tags               | 04 'why' 00
        tags                         | 00
    ";
    assert_request(ApiKeys::LeaveGroup, 5, v5);
}

#[test]
fn leave_group_responses() {
    let v0 = "
        correlation id               | 0000002A
        error                        | 0010
    ";
    assert_response(ApiKeys::LeaveGroup, 0, v0);
    let v3 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error                        | 0010
        members                      | 00000001
          member                     | 0003 'you'
          group instance             | 0002 'us'
          error                      | 0019
    ";
    assert_response(ApiKeys::LeaveGroup, 3, v3);
    let v5 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error                        | 0010
        members                      | 02
          member                     | 04 'you'
          group instance             | 03 'us'
          error, tags                | 0019 00
        tags                         | 00
    ";
    assert_response(ApiKeys::LeaveGroup, 5, v5);
}

#[test]
fn sync_group_requests() {
    let v0 = "
        key, version, correlation id | 000E 0000 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        generation, member           | 00000005 0002 'me'
        assignments                  | 00000001
          member                     | 0003 'you'
          assignment                 | 00000006 'test-3'
    ";
    assert_request(ApiKeys::SyncGroup, 0, v0);
    let v3 = "
        key, version, correlation id | 000E 0003 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        generation, member           | 00000005 0002 'me'
        group instance               | 0002 'us'
        assignments                  | 00000001
          member                     | 0003 'you'
          assignment                 | 00000006 'test-3'
    ";
    assert_request(ApiKeys::SyncGroup, 3, v3);
    let v5 = "
        key, version, correlation id | 000E 0005 0000002A
        client id, tags              | 0004 'kcat' 00
        group                        | 08 'readers'
        generation, member           | 00000005 03 'me'
        group instance               | 03 'us'
        protocol type                | 09 'consumer'
        protocol name                | 06 'range'
        assignments                  | 02
          member                     | 04 'you'
          assignment, tags           | 07 'test-3' 00
        tags                         | 00
    ";
    assert_request(ApiKeys::SyncGroup, 5, v5);
}

#[test]
fn sync_group_responses() {
    let v0 = "
        correlation id               | 0000002A
        error                        | 001B
        assignment                   | 00000006 'test-3'
    ";
    assert_response(ApiKeys::SyncGroup, 0, v0);
    let v3 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error                        | 001B
        assignment                   | 00000006 'test-3'
    ";
    assert_response(ApiKeys::SyncGroup, 3, v3);
    let v5 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error                        | 001B
        protocol type                | 09 'consumer'
        protocol name                | 06 'range'
        assignment, tags             | 07 'test-3' 00
    ";
    assert_response(ApiKeys::SyncGroup, 5, v5);
}

#[test]
fn describe_groups_requests() {
    let v0 = "
        key, version, correlation id | 000F 0000 0000002A
        client id                    | 0004 'kcat'
        groups                       | 00000002 0007 'readers' 0006 'others'
    ";
    assert_request(ApiKeys::DescribeGroups, 0, v0);
    let v4 = "
        key, version, correlation id | 000F 0004 0000002A
        client id                    | 0004 'kcat'
        groups                       | 00000002 0007 'readers' 0006 'others'
        include operations           | 01
    ";
    assert_request(ApiKeys::DescribeGroups, 4, v4);
    let v5 = "
        key, version, correlation id | 000F 0005 0000002A
        client id, tags              | 0004 'kcat' 00
        groups                       | 03 08 'readers' 07 'others'
        include operations, tags     | 01 00
    ";
    assert_request(ApiKeys::DescribeGroups, 5, v5);
}

#[test]
fn describe_groups_responses() {
    let v0 = "
        correlation id               | 0000002A
        groups                       | 00000001
          error, group               | 0010 0007 'readers'
          state                      | 0006 'Stable'
          protocol type              | 0008 'consumer'
          protocol                   | 0005 'range'
          members                    | 00000001
            member                   | 0002 'me'
            client id                | 0004 'kcat'
            client host              | 000A '/127.0.0.1'
            metadata                 | 00000006 'topics'
            assignment               | 00000006 'test-3'
    ";
    assert_response(ApiKeys::DescribeGroups, 0, v0);
    let v4 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        groups                       | 00000001
          error, group               | 0010 0007 'readers'
          state                      | 0006 'Stable'
          protocol type              | 0008 'consumer'
          protocol                   | 0005 'range'
          members                    | 00000001
            member                   | 0002 'me'
            group instance           | 0002 'us'
            client id                | 0004 'kcat'
            client host              | 000A '/127.0.0.1'
            metadata                 | 00000006 'topics'
            assignment               | 00000006 'test-3'
          operations                 | 01020304
    ";
    assert_response(ApiKeys::DescribeGroups, 4, v4);
    let v5 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        groups                       | 02
          error, group               | 0010 08 'readers'
          state                      | 07 'Stable'
          protocol type              | 09 'consumer'
          protocol                   | 06 'range'
          members                    | 02
            member                   | 03 'me'
            group instance           | 03 'us'
            client id                | 05 'kcat'
            client host              | 0B '/127.0.0.1'
            metadata                 | 07 'topics'
            assignment, tags         | 07 'test-3' 00
          operations, tags           | 01020304 00
        tags                         | 00
    ";
    assert_response(ApiKeys::DescribeGroups, 5, v5);
}

#[test]
fn list_groups_requests() {
    let v0 = "
        key, version, correlation id | 0010 0000 0000002A
        client id                    | 0004 'kcat'
    ";
    assert_request(ApiKeys::ListGroups, 0, v0);
    let v2 = "
        key, version, correlation id | 0010 0002 0000002A
        client id                    | 0004 'kcat'
    ";
    assert_request(ApiKeys::ListGroups, 2, v2);
    let v5 = "
        key, version, correlation id | 0010 0005 0000002A
        client id, tags              | 0004 'kcat' 00
        states                       | 02 07 'Stable'
        types, tags                  | 02 08 'classic' 00
    ";
    assert_request(ApiKeys::ListGroups, 5, v5);
}

#[test]
fn list_groups_responses() {
    let v0 = "
        correlation id               | 0000002A
        error                        | 000E
        groups                       | 00000001
          group                      | 0007 'readers'
          protocol type              | 0008 'consumer'
    ";
    assert_response(ApiKeys::ListGroups, 0, v0);
    let v2 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error                        | 000E
        groups                       | 00000001
          group                      | 0007 'readers'
          protocol type              | 0008 'consumer'
    ";
    assert_response(ApiKeys::ListGroups, 2, v2);
    let v5 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error                        | 000E
        groups                       | 02
          group                      | 08 'readers'
          protocol type              | 09 'consumer'
          state                      | 07 'Stable'
          type, tags                 | 08 'classic' 00
        tags                         | 00
    ";
    assert_response(ApiKeys::ListGroups, 5, v5);
}

#[test]
fn delete_groups_requests() {
    let v0 = "
        key, version, correlation id | 002A 0000 0000002A
        client id                    | 0004 'kcat'
        groups                       | 00000002 0007 'readers' 0006 'others'
    ";
    assert_request(ApiKeys::DeleteGroups, 0, v0);
    let v1 = "
        key, version, correlation id | 002A 0001 0000002A
        client id                    | 0004 'kcat'
        groups                       | 00000002 0007 'readers' 0006 'others'
    ";
    assert_request(ApiKeys::DeleteGroups, 1, v1);
    let v2 = "
        key, version, correlation id | 002A 0002 0000002A
        client id, tags              | 0004 'kcat' 00
        groups                       | 03 08 'readers' 07 'others'
        tags                         | 00
    ";
    assert_request(ApiKeys::DeleteGroups, 2, v2);
}

#[test]
fn delete_groups_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        results                      | 00000001
          group, error               | 0007 'readers' 0044
    ";
    assert_response(ApiKeys::DeleteGroups, 0, v0);
    let v1 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        results                      | 00000001
          group, error               | 0007 'readers' 0044
    ";
    assert_response(ApiKeys::DeleteGroups, 1, v1);
    let v2 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        results                      | 02
          group, error, tags         | 08 'readers' 0044 00
        tags                         | 00
    ";
    assert_response(ApiKeys::DeleteGroups, 2, v2);
}

#[test]
fn offset_delete_requests() {
    let v0 = "
        key, version, correlation id | 002F 0000 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001 00000003
    ";
    assert_request(ApiKeys::OffsetDelete, 0, v0);
}

#[test]
fn offset_delete_responses() {
    let v0 = "
        correlation id               | 0000002A
        error, throttle time         | 0010 00000009
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, error         | 00000003 0056
    ";
    assert_response(ApiKeys::OffsetDelete, 0, v0);
}
