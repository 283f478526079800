//! The bytes of each API about settings: see `protocol_golden.rs`.

use transferto::protocol::api_keys::ApiKeys;

use crate::golden::{assert_request, assert_response};

#[test]
fn describe_configs_requests() {
    let v0 = "
        key, version, correlation id | 0020 0000 0000002A
        client id                    | 0004 'kcat'
        resources                    | 00000002
          type, name                 | 02 0004 'test'
          keys                       | 00000001 0001 'a'
          type, name                 | 04 0001 '1'
          keys                       | FFFFFFFF
    ";
    assert_request(ApiKeys::DescribeConfigs, 0, v0);
    let v3 = "
        key, version, correlation id | 0020 0003 0000002A
        client id                    | 0004 'kcat'
        resources                    | 00000002
          type, name                 | 02 0004 'test'
          keys                       | 00000001 0001 'a'
          type, name                 | 04 0001 '1'
          keys                       | FFFFFFFF
        synonyms, documentation      | 01 01
    ";
    assert_request(ApiKeys::DescribeConfigs, 3, v3);
    let v4 = "
        key, version, correlation id  | 0020 0004 0000002A
        client id, tags               | 0004 'kcat' 00
        resources                     | 03
          type, name                  | 02 05 'test'
          keys, tags                  | 02 02 'a' 00
          type, name                  | 04 02 '1'
          keys, tags                  | 00 00
        synonyms, documentation, tags | 01 01 00
    ";
    assert_request(ApiKeys::DescribeConfigs, 4, v4);
}

#[test]
fn describe_configs_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        results                      | 00000001
          error                      | 0028
          error message              | 0003 'why'
          type, name                 | 02 0004 'test'
          configs                    | 00000001
            name, value              | 0001 'a' 0001 'b'
            read only                | 00
            default                  | 01
            secret                   | 01
    ";
    assert_response(ApiKeys::DescribeConfigs, 0, v0);
    let v1 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        results                      | 00000001
          error                      | 0028
          error message              | 0003 'why'
          type, name                 | 02 0004 'test'
          configs                    | 00000001
            name, value              | 0001 'a' 0001 'b'
            read only                | 00
            source                   | 05
            secret                   | 01
            synonyms                 | 00000001
              name, value            | 0005 'log.a' 0001 'c'
              source                 | 04
    ";
    assert_response(ApiKeys::DescribeConfigs, 1, v1);
    let v3 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        results                      | 00000001
          error                      | 0028
          error message              | 0003 'why'
          type, name                 | 02 0004 'test'
          configs                    | 00000001
            name, value              | 0001 'a' 0001 'b'
            read only                | 00
            source                   | 05
            secret                   | 01
            synonyms                 | 00000001
              name, value            | 0005 'log.a' 0001 'c'
              source                 | 04
            type, doc                | 07 0004 'what'
    ";
    assert_response(ApiKeys::DescribeConfigs, 3, v3);
    let v4 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        results                      | 02
          error                      | 0028
          error message              | 04 'why'
          type, name                 | 02 05 'test'
          configs                    | 02
            name, value              | 02 'a' 02 'b'
            read only                | 00
            source                   | 05
            secret                   | 01
            synonyms                 | 02
              name, value            | 06 'log.a' 02 'c'
              source, tags           | 04 00
            type, doc, tags          | 07 05 'what' 00
          tags                       | 00
        tags                         | 00
    ";
    assert_response(ApiKeys::DescribeConfigs, 4, v4);
}

#[test]
fn alter_configs_requests() {
    let v0 = "
        key, version, correlation id | 0021 0000 0000002A
        client id                    | 0004 'kcat'
        resources                    | 00000001
          type, name                 | 02 0004 'test'
          configs                    | 00000002
            name, value              | 0001 'a' 0001 'b'
            name, value              | 0001 'c' FFFF
        validate only                | 01
    ";
    assert_request(ApiKeys::AlterConfigs, 0, v0);
    let v1 = "
        key, version, correlation id | 0021 0001 0000002A
        client id                    | 0004 'kcat'
        resources                    | 00000001
          type, name                 | 02 0004 'test'
          configs                    | 00000002
            name, value              | 0001 'a' 0001 'b'
            name, value              | 0001 'c' FFFF
        validate only                | 01
    ";
    assert_request(ApiKeys::AlterConfigs, 1, v1);
    let v2 = "
        key, version, correlation id | 0021 0002 0000002A
        client id, tags              | 0004 'kcat' 00
        resources                    | 02
          type, name                 | 02 05 'test'
          configs                    | 03
            name, value, tags        | 02 'a' 02 'b' 00
            name, value, tags        | 02 'c' 00 00
          tags                       | 00
        validate only, tags          | 01 00
    ";
    assert_request(ApiKeys::AlterConfigs, 2, v2);
}

#[test]
fn alter_configs_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        responses                    | 00000001
          error                      | 0028
          error message              | 0003 'why'
          type, name                 | 02 0004 'test'
    ";
    assert_response(ApiKeys::AlterConfigs, 0, v0);
    let v1 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        responses                    | 00000001
          error                      | 0028
          error message              | 0003 'why'
          type, name                 | 02 0004 'test'
    ";
    assert_response(ApiKeys::AlterConfigs, 1, v1);
    let v2 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        responses                    | 02
          error                      | 0028
          error message              | 04 'why'
          type, name, tags           | 02 05 'test' 00
        tags                         | 00
    ";
    assert_response(ApiKeys::AlterConfigs, 2, v2);
}

#[test]
fn incremental_alter_configs_requests() {
    let v0 = "
        key, version, correlation id | 002C 0000 0000002A
        client id                    | 0004 'kcat'
        resources                    | 00000001
          type, name                 | 02 0004 'test'
          configs                    | 00000002
            name, operation, value   | 0001 'a' 02 0001 'b'
            name, operation, value   | 0001 'c' 01 FFFF
        validate only                | 01
    ";
    assert_request(ApiKeys::IncrementalAlterConfigs, 0, v0);
    let v1 = "
        key, version, correlation id     | 002C 0001 0000002A
        client id, tags                  | 0004 'kcat' 00
        resources                        | 02
          type, name                     | 02 05 'test'
          configs                        | 03
            name, operation, value, tags | 02 'a' 02 02 'b' 00
            name, operation, value, tags | 02 'c' 01 00 00
          tags                           | 00
        validate only, tags              | 01 00
    ";
    assert_request(ApiKeys::IncrementalAlterConfigs, 1, v1);
}

#[test]
fn incremental_alter_configs_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        responses                    | 00000001
          error                      | 0028
          error message              | 0003 'why'
          type, name                 | 02 0004 'test'
    ";
    assert_response(ApiKeys::IncrementalAlterConfigs, 0, v0);
    let v1 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        responses                    | 02
          error                      | 0028
          error message              | 04 'why'
          type, name, tags           | 02 05 'test' 00
        tags                         | 00
    ";
    assert_response(ApiKeys::IncrementalAlterConfigs, 1, v1);
}
