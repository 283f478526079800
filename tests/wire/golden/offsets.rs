//! The bytes of each API about the offsets of groups: see `protocol_golden.rs`.

use transferto::protocol::api_keys::ApiKeys;

use crate::golden::{assert_request, assert_response};

#[test]
fn offset_commit_requests() {
    let v0 = "
        key, version, correlation id | 0008 0000 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000002
            partition, offset        | 00000003 0000000000000102
            metadata                 | 0004 'mine'
            partition, offset        | 00000004 0000000000000506
            metadata                 | FFFF
    ";
    assert_request(ApiKeys::OffsetCommit, 0, v0);
    let v7 = "
        key, version, correlation id | 0008 0007 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        generation, member           | 00000005 0002 'me'
        group instance               | 0002 'us'
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000002
            partition, offset        | 00000003 0000000000000102
            leader epoch             | 00000006
            metadata                 | 0004 'mine'
            partition, offset        | 00000004 0000000000000506
            leader epoch             | 00000007
            metadata                 | FFFF
    ";
    assert_request(ApiKeys::OffsetCommit, 7, v7);
    let v8 = "
        key, version, correlation id | 0008 0008 0000002A
        client id, tags              | 0004 'kcat' 00
        group                        | 08 'readers'
        generation, member           | 00000005 03 'me'
        group instance               | 03 'us'
        topics                       | 02
          name                       | 05 'test'
          partitions                 | 03
            partition, offset        | 00000003 0000000000000102
            leader epoch             | 00000006
            metadata, tags           | 05 'mine' 00
            partition, offset        | 00000004 0000000000000506
            leader epoch             | 00000007
            metadata, tags           | 00 00
          tags                       | 00
        tags                         | 00
    ";
    assert_request(ApiKeys::OffsetCommit, 8, v8);
}

/// The time of the commit is in version 1 alone, and how long to keep it in 2 to 4.
#[test]
fn offset_commit_requests_with_what_is_gone_since() {
    let v1 = "
        key, version, correlation id | 0008 0001 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        generation, member           | 00000005 0002 'me'
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000002
            partition, offset        | 00000003 0000000000000102
            timestamp                | 0000000000000304
            metadata                 | 0004 'mine'
            partition, offset        | 00000004 0000000000000506
            timestamp                | 0000000000000708
            metadata                 | FFFF
    ";
    assert_request(ApiKeys::OffsetCommit, 1, v1);
    let v4 = "
        key, version, correlation id | 0008 0004 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        generation, member           | 00000005 0002 'me'
        retention time               | 000000000000090A
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000002
            partition, offset        | 00000003 0000000000000102
            metadata                 | 0004 'mine'
            partition, offset        | 00000004 0000000000000506
            metadata                 | FFFF
    ";
    assert_request(ApiKeys::OffsetCommit, 4, v4);
}

#[test]
fn offset_commit_responses() {
    let v0 = "
        correlation id               | 0000002A
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, error         | 00000003 000C
    ";
    assert_response(ApiKeys::OffsetCommit, 0, v0);
    let v7 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, error         | 00000003 000C
    ";
    assert_response(ApiKeys::OffsetCommit, 7, v7);
    let v8 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        topics                       | 02
          name                       | 05 'test'
          partitions                 | 02
            partition, error, tags   | 00000003 000C 00
          tags                       | 00
        tags                         | 00
    ";
    assert_response(ApiKeys::OffsetCommit, 8, v8);
}

#[test]
fn offset_fetch_requests() {
    let v0 = "
        key, version, correlation id | 0009 0000 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000002 00000003 00000004
    ";
    assert_request(ApiKeys::OffsetFetch, 0, v0);
    let v1 = "
        key, version, correlation id | 0009 0001 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000002 00000003 00000004
    ";
    assert_request(ApiKeys::OffsetFetch, 1, v1);
    let v5 = "
        key, version, correlation id | 0009 0005 0000002A
        client id                    | 0004 'kcat'
        group                        | 0007 'readers'
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000002 00000003 00000004
    ";
    assert_request(ApiKeys::OffsetFetch, 5, v5);
    let v7 = "
        key, version, correlation id | 0009 0007 0000002A
        client id, tags              | 0004 'kcat' 00
        group                        | 08 'readers'
        topics                       | 02
          name                       | 05 'test'
          partitions, tags           | 03 00000003 00000004 00
        require stable, tags         | 01 00
    ";
    assert_request(ApiKeys::OffsetFetch, 7, v7);
    let v8 = "
        key, version, correlation id | 0009 0008 0000002A
        client id, tags              | 0004 'kcat' 00
        groups                       | 03
          group                      | 08 'readers'
          topics                     | 02
            name                     | 05 'test'
            partitions, tags         | 03 00000003 00000004 00
          tags                       | 00
          group                      | 07 'others'
          topics, tags               | 00 00
        require stable, tags         | 01 00
    ";
    assert_request(ApiKeys::OffsetFetch, 8, v8);
}

#[test]
fn offset_fetch_responses() {
    let v0 = "
        correlation id               | 0000002A
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, offset        | 00000003 0000000000000102
            metadata, error          | 0004 'mine' 000E
    ";
    assert_response(ApiKeys::OffsetFetch, 0, v0);
    let v1 = "
        correlation id               | 0000002A
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, offset        | 00000003 0000000000000102
            metadata, error          | 0004 'mine' 000E
    ";
    assert_response(ApiKeys::OffsetFetch, 1, v1);
    let v5 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, offset        | 00000003 0000000000000102
            leader epoch             | 00000006
            metadata, error          | 0004 'mine' 000E
        error                        | 0010
    ";
    assert_response(ApiKeys::OffsetFetch, 5, v5);
    let v7 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        topics                       | 02
          name                       | 05 'test'
          partitions                 | 02
            partition, offset        | 00000003 0000000000000102
            leader epoch             | 00000006
            metadata, error, tags    | 05 'mine' 000E 00
          tags                       | 00
        error, tags                  | 0010 00
    ";
    assert_response(ApiKeys::OffsetFetch, 7, v7);
    let v8 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        groups                       | 02
          group                      | 08 'readers'
          topics                     | 02
            name                     | 05 'test'
            partitions               | 02
              partition, offset      | 00000003 0000000000000102
              leader epoch           | 00000006
              metadata, error, tags  | 05 'mine' 000E 00
            tags                     | 00
          error, tags                | 000F 00
        tags                         | 00
    ";
    assert_response(ApiKeys::OffsetFetch, 8, v8);
}

#[test]
fn find_coordinator_requests() {
    let v0 = "
        key, version, correlation id | 000A 0000 0000002A
        client id                    | 0004 'kcat'
        key                          | 0007 'readers'
    ";
    assert_request(ApiKeys::FindCoordinator, 0, v0);
    let v2 = "
        key, version, correlation id | 000A 0002 0000002A
        client id                    | 0004 'kcat'
        key                          | 0007 'readers'
        key type                     | 01
    ";
    assert_request(ApiKeys::FindCoordinator, 2, v2);
    let v3 = "
        key, version, correlation id | 000A 0003 0000002A
        client id, tags              | 0004 'kcat' 00
        key                          | 08 'readers'
        key type                     | 01
        tags                         | 00
    ";
    assert_request(ApiKeys::FindCoordinator, 3, v3);
    let v4 = "
        key, version, correlation id | 000A 0004 0000002A
        client id, tags              | 0004 'kcat' 00
        key type                     | 01
        keys                         | 03 08 'writers' 03 'tx'
        tags                         | 00
    ";
    assert_request(ApiKeys::FindCoordinator, 4, v4);
}

#[test]
fn find_coordinator_responses() {
    let v0 = "
        correlation id               | 0000002A
        error                        | 000F
        node, host, port             | 00000001 0009 'localhost' 00002384
    ";
    assert_response(ApiKeys::FindCoordinator, 0, v0);
    let v2 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error                        | 000F
        error message                | 0004 'none'
        node, host, port             | 00000001 0009 'localhost' 00002384
    ";
    assert_response(ApiKeys::FindCoordinator, 2, v2);
    let v3 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error                        | 000F
        error message                | 05 'none'
        node, host, port             | 00000001 0A 'localhost' 00002384
        tags                         | 00
    ";
    assert_response(ApiKeys::FindCoordinator, 3, v3);
    let v4 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        coordinators                 | 02
          key                        | 08 'writers'
          node, host, port           | 00000002 0A '127.0.0.1' 00002385
          error                      | 0010
          error message, tags        | 09 'not here' 00
        tags                         | 00
    ";
    assert_response(ApiKeys::FindCoordinator, 4, v4);
}
