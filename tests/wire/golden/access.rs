//! The bytes of each API about access rules and quotas: see `protocol_golden.rs`.

use transferto::protocol::api_keys::ApiKeys;

use crate::golden::{assert_request, assert_response};

#[test]
fn describe_acls_requests() {
    let v0 = "
        key, version, correlation id | 001D 0000 0000002A
        client id                    | 0004 'kcat'
        resource type                | 02
        resource name                | 0004 'test'
        principal                    | 0007 'User:me'
        host                         | 0001 '*'
        operation, permission        | 05 03
    ";
    assert_request(ApiKeys::DescribeAcls, 0, v0);
    let v1 = "
        key, version, correlation id | 001D 0001 0000002A
        client id                    | 0004 'kcat'
        resource type                | 02
        resource name                | 0004 'test'
        pattern type                 | 04
        principal                    | 0007 'User:me'
        host                         | 0001 '*'
        operation, permission        | 05 03
    ";
    assert_request(ApiKeys::DescribeAcls, 1, v1);
    let v3 = "
        key, version, correlation id | 001D 0003 0000002A
        client id, tags              | 0004 'kcat' 00
        resource type                | 02
        resource name                | 05 'test'
        pattern type                 | 04
        principal                    | 08 'User:me'
        host                         | 02 '*'
        operation, permission, tags  | 05 03 00
    ";
    assert_request(ApiKeys::DescribeAcls, 3, v3);
}

#[test]
fn describe_acls_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error                        | 0036
        error message                | 0003 'why'
        resources                    | 00000001
          resource type              | 02
          resource name              | 0004 'test'
          acls                       | 00000001
            principal                | 0007 'User:me'
            host                     | 0001 '*'
            operation, permission    | 05 03
    ";
    assert_response(ApiKeys::DescribeAcls, 0, v0);
    let v1 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error                        | 0036
        error message                | 0003 'why'
        resources                    | 00000001
          resource type              | 02
          resource name              | 0004 'test'
          pattern type               | 04
          acls                       | 00000001
            principal                | 0007 'User:me'
            host                     | 0001 '*'
            operation, permission    | 05 03
    ";
    assert_response(ApiKeys::DescribeAcls, 1, v1);
    let v3 = "
        correlation id, tags            | 0000002A 00
        throttle time                   | 00000009
        error                           | 0036
        error message                   | 04 'why'
        resources                       | 02
          resource type                 | 02
          resource name                 | 05 'test'
          pattern type                  | 04
          acls                          | 02
            principal                   | 08 'User:me'
            host                        | 02 '*'
            operation, permission, tags | 05 03 00
          tags                          | 00
        tags                            | 00
    ";
    assert_response(ApiKeys::DescribeAcls, 3, v3);
}

#[test]
fn create_acls_requests() {
    let v0 = "
        key, version, correlation id | 001E 0000 0000002A
        client id                    | 0004 'kcat'
        creations                    | 00000001
          resource type              | 02
          resource name              | 0004 'test'
          principal                  | 0007 'User:me'
          host                       | 0001 '*'
          operation, permission      | 05 03
    ";
    assert_request(ApiKeys::CreateAcls, 0, v0);
    let v1 = "
        key, version, correlation id | 001E 0001 0000002A
        client id                    | 0004 'kcat'
        creations                    | 00000001
          resource type              | 02
          resource name              | 0004 'test'
          pattern type               | 04
          principal                  | 0007 'User:me'
          host                       | 0001 '*'
          operation, permission      | 05 03
    ";
    assert_request(ApiKeys::CreateAcls, 1, v1);
    let v3 = "
        key, version, correlation id  | 001E 0003 0000002A
        client id, tags               | 0004 'kcat' 00
        creations                     | 02
          resource type               | 02
          resource name               | 05 'test'
          pattern type                | 04
          principal                   | 08 'User:me'
          host                        | 02 '*'
          operation, permission, tags | 05 03 00
        tags                          | 00
    ";
    assert_request(ApiKeys::CreateAcls, 3, v3);
}

#[test]
fn create_acls_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        results                      | 00000002
          error, message             | 0036 0003 'why'
          error, message             | 0000 FFFF
    ";
    assert_response(ApiKeys::CreateAcls, 0, v0);
    let v1 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        results                      | 00000002
          error, message             | 0036 0003 'why'
          error, message             | 0000 FFFF
    ";
    assert_response(ApiKeys::CreateAcls, 1, v1);
    let v3 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        results                      | 03
          error, message, tags       | 0036 04 'why' 00
          error, message, tags       | 0000 00 00
        tags                         | 00
    ";
    assert_response(ApiKeys::CreateAcls, 3, v3);
}

#[test]
fn delete_acls_requests() {
    let v0 = "
        key, version, correlation id | 001F 0000 0000002A
        client id                    | 0004 'kcat'
        filters                      | 00000001
          resource type              | 02
          resource name              | 0004 'test'
          principal                  | FFFF
          host                       | 0001 '*'
          operation, permission      | 05 03
    ";
    assert_request(ApiKeys::DeleteAcls, 0, v0);
    let v1 = "
        key, version, correlation id | 001F 0001 0000002A
        client id                    | 0004 'kcat'
        filters                      | 00000001
          resource type              | 02
          resource name              | 0004 'test'
          pattern type               | 04
          principal                  | FFFF
          host                       | 0001 '*'
          operation, permission      | 05 03
    ";
    assert_request(ApiKeys::DeleteAcls, 1, v1);
    let v3 = "
        key, version, correlation id  | 001F 0003 0000002A
        client id, tags               | 0004 'kcat' 00
        filters                       | 02
          resource type               | 02
          resource name               | 05 'test'
          pattern type                | 04
          principal                   | 00
          host                        | 02 '*'
          operation, permission, tags | 05 03 00
        tags                          | 00
    ";
    assert_request(ApiKeys::DeleteAcls, 3, v3);
}

#[test]
fn delete_acls_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        filter results               | 00000001
          error                      | 001F
          error message              | 0003 'why'
          matching acls              | 00000001
            error, message           | 0036 0004 'that'
            resource type            | 02
            resource name            | 0004 'test'
            principal                | 0007 'User:me'
            host                     | 0001 '*'
            operation, permission    | 05 03
    ";
    assert_response(ApiKeys::DeleteAcls, 0, v0);
    let v1 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        filter results               | 00000001
          error                      | 001F
          error message              | 0003 'why'
          matching acls              | 00000001
            error, message           | 0036 0004 'that'
            resource type            | 02
            resource name            | 0004 'test'
            pattern type             | 04
            principal                | 0007 'User:me'
            host                     | 0001 '*'
            operation, permission    | 05 03
    ";
    assert_response(ApiKeys::DeleteAcls, 1, v1);
    let v3 = "
        correlation id, tags            | 0000002A 00
        throttle time                   | 00000009
        filter results                  | 02
          error                         | 001F
          error message                 | 04 'why'
          matching acls                 | 02
            error, message              | 0036 05 'that'
            resource type               | 02
            resource name               | 05 'test'
            pattern type                | 04
            principal                   | 08 'User:me'
            host                        | 02 '*'
            operation, permission, tags | 05 03 00
          tags                          | 00
        tags                            | 00
    ";
    assert_response(ApiKeys::DeleteAcls, 3, v3);
}

#[test]
fn describe_client_quotas_requests() {
    let v0 = "
        key, version, correlation id | 0030 0000 0000002A
        client id                    | 0004 'kcat'
        components                   | 00000002
          entity type                | 0004 'user'
          match type, match          | 00 0002 'me'
          entity type                | 0009 'client-id'
          match type, match          | 02 FFFF
        strict                       | 01
    ";
    assert_request(ApiKeys::DescribeClientQuotas, 0, v0);
    let v1 = "
        key, version, correlation id | 0030 0001 0000002A
        client id, tags              | 0004 'kcat' 00
        components                   | 03
          entity type                | 05 'user'
          match type, match, tags    | 00 03 'me' 00
          entity type                | 0A 'client-id'
          match type, match, tags    | 02 00 00
        strict, tags                 | 01 00
    ";
    assert_request(ApiKeys::DescribeClientQuotas, 1, v1);
}

#[test]
fn describe_client_quotas_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error                        | 001F
        error message                | 0003 'why'
        entries                      | 00000001
          entity                     | 00000002
            type, name               | 0004 'user' 0002 'me'
            type, name               | 0009 'client-id' FFFF
          values                     | 00000001
            key                      | 0012 'consumer_byte_rate'
            value 1.5                | 3FF8000000000000
    ";
    assert_response(ApiKeys::DescribeClientQuotas, 0, v0);
    let v1 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error                        | 001F
        error message                | 04 'why'
        entries                      | 02
          entity                     | 03
            type, name, tags         | 05 'user' 03 'me' 00
            type, name, tags         | 0A 'client-id' 00 00
          values                     | 02
            key                      | 13 'consumer_byte_rate'
            value 1.5, tags          | 3FF8000000000000 00
          tags                       | 00
        tags                         | 00
    ";
    assert_response(ApiKeys::DescribeClientQuotas, 1, v1);
}

#[test]
fn alter_client_quotas_requests() {
    let v0 = "
        key, version, correlation id | 0031 0000 0000002A
        client id                    | 0004 'kcat'
        entries                      | 00000001
          entity                     | 00000002
            type, name               | 0004 'user' 0002 'me'
            type, name               | 0009 'client-id' FFFF
          ops                        | 00000001
            key                      | 0012 'consumer_byte_rate'
            value 1.5, remove        | 3FF8000000000000 01
        validate only                | 01
    ";
    assert_request(ApiKeys::AlterClientQuotas, 0, v0);
    let v1 = "
        key, version, correlation id | 0031 0001 0000002A
        client id, tags              | 0004 'kcat' 00
        entries                      | 02
          entity                     | 03
            type, name, tags         | 05 'user' 03 'me' 00
            type, name, tags         | 0A 'client-id' 00 00
          ops                        | 02
            key                      | 13 'consumer_byte_rate'
            value 1.5, remove, tags  | 3FF8000000000000 01 00
          tags                       | 00
        validate only, tags          | 01 00
    ";
    assert_request(ApiKeys::AlterClientQuotas, 1, v1);
}

#[test]
fn alter_client_quotas_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        entries                      | 00000001
          error                      | 002A
          error message              | 0003 'why'
          entity                     | 00000002
            type, name               | 0004 'user' 0002 'me'
            type, name               | 0009 'client-id' FFFF
    ";
    assert_response(ApiKeys::AlterClientQuotas, 0, v0);
    let v1 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        entries                      | 02
          error                      | 002A
          error message              | 04 'why'
          entity                     | 03
            type, name, tags         | 05 'user' 03 'me' 00
            type, name, tags         | 0A 'client-id' 00 00
          tags                       | 00
        tags                         | 00
    ";
    assert_response(ApiKeys::AlterClientQuotas, 1, v1);
}

#[test]
fn sasl_handshakes() {
    for version in 0..=1 {
        let request = format!(
            "
            key, version, correlation id | 0011 000{version} 0000002A
            client id                    | 0004 'kcat'
            mechanism                    | 0005 'PLAIN'
            "
        );
        assert_request(ApiKeys::SaslHandshake, version, &request);
        let response = "
            correlation id               | 0000002A
            error                        | 0022
            mechanisms                   | 00000001
              name                       | 0005 'PLAIN'
        ";
        assert_response(ApiKeys::SaslHandshake, version, response);
    }
}

#[test]
fn sasl_authenticates() {
    let old_request = |version: i16| {
        format!(
            "
            key, version, correlation id | 0024 000{version} 0000002A
            client id                    | 0004 'kcat'
            token                        | 00000006 00 'me' 00 'pw'
            "
        )
    };
    let old_response = "
        correlation id               | 0000002A
        error                        | 003A
        error message                | 0003 'why'
        token                        | 00000003 'v=0'
    ";
    let session_lifetime = "
        session lifetime             | 0000000000000009
    ";
    assert_request(ApiKeys::SaslAuthenticate, 0, &old_request(0));
    assert_response(ApiKeys::SaslAuthenticate, 0, old_response);
    assert_request(ApiKeys::SaslAuthenticate, 1, &old_request(1));
    let v1 = format!("{old_response}{session_lifetime}");
    assert_response(ApiKeys::SaslAuthenticate, 1, &v1);
    let v2 = "
        key, version, correlation id | 0024 0002 0000002A
        client id, tags              | 0004 'kcat' 00
        token, tags                  | 07 00 'me' 00 'pw' 00
    ";
    assert_request(ApiKeys::SaslAuthenticate, 2, v2);
    let v2 = "
        correlation id, tags         | 0000002A 00
        error                        | 003A
        error message                | 04 'why'
        token                        | 04 'v=0'
        session lifetime, tags       | 0000000000000009 00
    ";
    assert_response(ApiKeys::SaslAuthenticate, 2, v2);
}

#[test]
fn describe_user_scram_credentials() {
    let request = "
        key, version, correlation id | 0032 0000 0000002A
        client id, tags              | 0004 'kcat' 00
        users                        | 02
          name, tags                 | 06 'alice' 00
        tags                         | 00
    ";
    assert_request(ApiKeys::DescribeUserScramCredentials, 0, request);
    let response = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error                        | 001F
        error message                | 04 'why'
        results                      | 02
          user                       | 06 'alice'
          error                      | 005B
          error message              | 05 'that'
          credential infos           | 02
            mechanism                | 02
            iterations, tags         | 00002000 00
          tags                       | 00
        tags                         | 00
    ";
    assert_response(ApiKeys::DescribeUserScramCredentials, 0, response);
}

#[test]
fn alter_user_scram_credentials() {
    let request = "
        key, version, correlation id | 0033 0000 0000002A
        client id, tags              | 0004 'kcat' 00
        deletions                    | 02
          name                       | 04 'bob'
          mechanism, tags            | 02 00
        upsertions                   | 02
          name                       | 06 'alice'
          mechanism, iterations      | 01 00002000
          salt                       | 05 'salt'
          salted password, tags      | 04 'key' 00
        tags                         | 00
    ";
    assert_request(ApiKeys::AlterUserScramCredentials, 0, request);
    let response = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        results                      | 02
          user                       | 06 'alice'
          error                      | 005D
          error message, tags        | 04 'why' 00
        tags                         | 00
    ";
    assert_response(ApiKeys::AlterUserScramCredentials, 0, response);
}
