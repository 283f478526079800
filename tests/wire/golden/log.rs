//! The bytes of each API in its oldest, its last non-flexible and its newest version, and wherever
//! else a field comes and goes, written from Kafka's protocol tables: here of the APIs about the
//! log, in the files beside this one of the others.
//!
//! Between bars stands the name of what follows; behind it bytes in hexadecimal, or text in quotes.

use transferto::protocol::api_keys::ApiKeys;

use crate::golden::{assert_request, assert_response};

#[test]
fn produce_requests() {
    let v0 = "
        key, version, correlation id | 0000 0000 0000002A
        client id                    | 0004 'kcat'
        acks, timeout                | 0001 000005DC
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000002
            index, records           | 00000003 0000001C 'the records of one partition'
            index, records           | 00000004 FFFFFFFF
    ";
    assert_request(ApiKeys::Produce, 0, v0);
    let v8 = "
        key, version, correlation id | 0000 0008 0000002A
        client id                    | 0004 'kcat'
        transactional id             | 0002 'tx'
        acks, timeout                | 0001 000005DC
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000002
            index, records           | 00000003 0000001C 'the records of one partition'
            index, records           | 00000004 FFFFFFFF
    ";
    assert_request(ApiKeys::Produce, 8, v8);
    let v11 = "
        key, version, correlation id | 0000 000B 0000002A
        client id, tags              | 0004 'kcat' 00
        transactional id             | 03 'tx'
        acks, timeout                | 0001 000005DC
        topics                       | 02
          name                       | 05 'test'
          partitions                 | 03
            index, records, tags     | 00000003 1D 'the records of one partition' 00
            index, records, tags     | 00000004 00 00
          tags                       | 00
        tags                         | 00
    ";
    assert_request(ApiKeys::Produce, 11, v11);
}

#[test]
fn produce_responses() {
    let v0 = "
        correlation id               | 0000002A
        responses                    | 00000001
          name                       | 0004 'test'
          partition responses        | 00000001
            index, error             | 00000003 0057
            base offset              | 0000000000000102
    ";
    assert_response(ApiKeys::Produce, 0, v0);
    let v8 = "
        correlation id               | 0000002A
        responses                    | 00000001
          name                       | 0004 'test'
          partition responses        | 00000001
            index, error             | 00000003 0057
            base offset              | 0000000000000102
            log append time          | 0000000000000304
            log start offset         | 0000000000000506
            record errors            | 00000001 00000006 0003 'bad'
            error message            | 0003 'why'
        throttle time                | 00000009
    ";
    assert_response(ApiKeys::Produce, 8, v8);
    let v11 = "
        correlation id, tags         | 0000002A 00
        responses                    | 02
          name                       | 05 'test'
          partition responses        | 02
            index, error             | 00000003 0057
            base offset              | 0000000000000102
            log append time          | 0000000000000304
            log start offset         | 0000000000000506
            record errors            | 02 00000006 04 'bad' 00
            error message            | 04 'why'
            tags                     | 01
              current leader         | 00 09 00000007 00000008 00
          tags                       | 00
        throttle time                | 00000009
        tags                         | 01
          node endpoints             | 00 16 02
            node, host               | 00000007 0A 'localhost'
            port, rack, tags         | 00002384 02 'r' 00
    ";
    assert_response(ApiKeys::Produce, 11, v11);
    let v9 = "
        correlation id, tags         | 0000002A 00
        responses                    | 02
          name                       | 05 'test'
          partition responses        | 02
            index, error             | 00000003 0057
            base offset              | 0000000000000102
            log append time          | 0000000000000304
            log start offset         | 0000000000000506
            record errors            | 02 00000006 04 'bad' 00
            error message            | 04 'why'
            tags                     | 00
          tags                       | 00
        throttle time                | 00000009
        tags                         | 00
    ";
    assert_response(ApiKeys::Produce, 9, v9);
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table for each version")]
fn fetch_requests() {
    let v0 = "
        key, version, correlation id | 0001 0000 0000002A
        client id                    | 0004 'kcat'
        replica, max wait, min bytes | FFFFFFFF 000001F4 00000001
        topics                       | 00000001
          topic                      | 0004 'test'
          partitions                 | 00000001
            partition                | 00000003
            fetch offset             | 0000000000000102
            max bytes                | 00100000
    ";
    assert_request(ApiKeys::Fetch, 0, v0);
    let v11 = "
        key, version, correlation id | 0001 000B 0000002A
        client id                    | 0004 'kcat'
        replica, max wait, min bytes | FFFFFFFF 000001F4 00000001
        max bytes, isolation level   | 03200000 01
        session id and epoch         | 00000006 00000007
        topics                       | 00000001
          topic                      | 0004 'test'
          partitions                 | 00000001
            partition                | 00000003
            current leader epoch     | 00000004
            fetch offset             | 0000000000000102
            log start offset         | 0000000000000304
            max bytes                | 00100000
        forgotten topics             | 00000001
          topic, partitions          | 0003 'old' 00000001 00000008
        rack id                      | 0001 'r'
    ";
    assert_request(ApiKeys::Fetch, 11, v11);
    let v12 = "
        key, version, correlation id | 0001 000C 0000002A
        client id, tags              | 0004 'kcat' 00
        replica, max wait, min bytes | FFFFFFFF 000001F4 00000001
        max bytes, isolation level   | 03200000 01
        session id and epoch         | 00000006 00000007
        topics                       | 02
          topic                      | 05 'test'
          partitions                 | 02
            partition                | 00000003
            current leader epoch     | 00000004
            fetch offset             | 0000000000000102
            last fetched epoch       | 00000005
            log start offset         | 0000000000000304
            max bytes, tags          | 00100000 00
          tags                       | 00
        forgotten topics             | 02
          topic, partitions, tags    | 04 'old' 02 00000008 00
        rack id                      | 02 'r'
        tags: cluster id             | 01 00 02 02 'c'
    ";
    assert_request(ApiKeys::Fetch, 12, v12);
}

#[test]
fn a_fetch_request_by_topic_ids() {
    let v17 = "
        key, version, correlation id | 0001 0011 0000002A
        client id, tags              | 0004 'kcat' 00
        max wait, min bytes          | 000001F4 00000001
        max bytes, isolation level   | 03200000 01
        session id and epoch         | 00000006 00000007
        topics                       | 02
          topic id                   | AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAA
          partitions                 | 02
            partition                | 00000003
            current leader epoch     | 00000004
            fetch offset             | 0000000000000102
            last fetched epoch       | 00000005
            log start offset         | 0000000000000304
            max bytes                | 00100000
            tags: directory id       | 01 00 10 AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAA
          tags                       | 00
        forgotten topics             | 02
          topic id                   | AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAA
          partitions, tags           | 02 00000008 00
        rack id                      | 02 'r'
        tags                         | 02
          cluster id                 | 00 02 02 'c'
          replica state              | 01 0D 00000002 0000000000000506 00
    ";
    assert_request(ApiKeys::Fetch, 17, v17);
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table for each version")]
fn fetch_responses() {
    let v0 = "
        correlation id               | 0000002A
        topics                       | 00000001
          topic                      | 0004 'test'
          partitions                 | 00000001
            partition, error         | 00000003 0001
            high watermark           | 0000000000000102
            records                  | 0000001C 'the records of one partition'
    ";
    assert_response(ApiKeys::Fetch, 0, v0);
    let v11 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error, session id            | 0046 00000006
        topics                       | 00000001
          topic                      | 0004 'test'
          partitions                 | 00000001
            partition, error         | 00000003 0001
            high watermark           | 0000000000000102
            last stable offset       | 0000000000000304
            log start offset         | 0000000000000506
            aborted transactions     | 00000001 0000000000000007 0000000000000008
            preferred read replica   | 00000005
            records                  | 0000001C 'the records of one partition'
    ";
    assert_response(ApiKeys::Fetch, 11, v11);
    let v12 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error, session id            | 0046 00000006
        topics                       | 02
          topic                      | 05 'test'
          partitions                 | 02
            partition, error         | 00000003 0001
            high watermark           | 0000000000000102
            last stable offset       | 0000000000000304
            log start offset         | 0000000000000506
            aborted transactions     | 02 0000000000000007 0000000000000008 00
            preferred read replica   | 00000005
            records                  | 1D 'the records of one partition'
            tags                     | 03
              diverging epoch        | 00 0D 00000002 0000000000000708 00
              current leader         | 01 09 00000003 00000004 00
              snapshot id            | 02 0D 000000000000090A 00000005 00
          tags                       | 00
        tags                         | 00
    ";
    assert_response(ApiKeys::Fetch, 12, v12);
}

#[test]
fn a_fetch_response_by_topic_ids() {
    let v16 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error, session id            | 0046 00000006
        topics                       | 02
          topic id                   | AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAA
          partitions                 | 02
            partition, error         | 00000003 0001
            high watermark           | 0000000000000102
            last stable offset       | 0000000000000304
            log start offset         | 0000000000000506
            aborted transactions     | 02 0000000000000007 0000000000000008 00
            preferred read replica   | 00000005
            records                  | 1D 'the records of one partition'
            tags                     | 03
              diverging epoch        | 00 0D 00000002 0000000000000708 00
              current leader         | 01 09 00000003 00000004 00
              snapshot id            | 02 0D 000000000000090A 00000005 00
          tags                       | 00
        tags                         | 01
          node endpoints             | 00 0E 02 00000003 02 'h' 00002384 02 'r' 00
    ";
    assert_response(ApiKeys::Fetch, 16, v16);
}

#[test]
fn list_offsets_requests() {
    let v0 = "
        key, version, correlation id | 0002 0000 0000002A
        client id                    | 0004 'kcat'
        replica                      | FFFFFFFF
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition                | 00000003
            timestamp                | FFFFFFFFFFFFFFFE
            max num offsets          | 00000001
    ";
    assert_request(ApiKeys::ListOffsets, 0, v0);
    let v5 = "
        key, version, correlation id | 0002 0005 0000002A
        client id                    | 0004 'kcat'
        replica, isolation level     | FFFFFFFF 01
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition                | 00000003
            current leader epoch     | 00000004
            timestamp                | FFFFFFFFFFFFFFFE
    ";
    assert_request(ApiKeys::ListOffsets, 5, v5);
    let v7 = "
        key, version, correlation id | 0002 0007 0000002A
        client id, tags              | 0004 'kcat' 00
        replica, isolation level     | FFFFFFFF 01
        topics                       | 02
          name                       | 05 'test'
          partitions                 | 02
            partition                | 00000003
            current leader epoch     | 00000004
            timestamp, tags          | FFFFFFFFFFFFFFFE 00
          tags                       | 00
        tags                         | 00
    ";
    assert_request(ApiKeys::ListOffsets, 7, v7);
    let v11 = "
        key, version, correlation id | 0002 000B 0000002A
        client id, tags              | 0004 'kcat' 00
        replica, isolation level     | FFFFFFFF 01
        topics                       | 02
          name                       | 05 'test'
          partitions                 | 02
            partition                | 00000003
            current leader epoch     | 00000004
            timestamp, tags          | FFFFFFFFFFFFFFFE 00
          tags                       | 00
        timeout, tags                | 000005DC 00
    ";
    assert_request(ApiKeys::ListOffsets, 11, v11);
}

#[test]
fn list_offsets_responses() {
    let v0 = "
        correlation id               | 0000002A
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, error         | 00000003 0001
            offsets                  | 00000000
    ";
    assert_response(ApiKeys::ListOffsets, 0, v0);
    let v5 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        topics                       | 00000001
          name                       | 0004 'test'
          partitions                 | 00000001
            partition, error         | 00000003 0001
            timestamp                | 0000000000000102
            offset                   | 0000000000000304
            leader epoch             | 00000005
    ";
    assert_response(ApiKeys::ListOffsets, 5, v5);
    let v7 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        topics                       | 02
          name                       | 05 'test'
          partitions                 | 02
            partition, error         | 00000003 0001
            timestamp                | 0000000000000102
            offset                   | 0000000000000304
            leader epoch, tags       | 00000005 00
          tags                       | 00
        tags                         | 00
    ";
    assert_response(ApiKeys::ListOffsets, 7, v7);
}

#[test]
fn metadata_requests() {
    let v0 = "
        key, version, correlation id | 0003 0000 0000002A
        client id                    | 0004 'kcat'
        topics                       | 00000001
          name                       | 0004 'test'
    ";
    assert_request(ApiKeys::Metadata, 0, v0);
    let v8 = "
        key, version, correlation id | 0003 0008 0000002A
        client id                    | 0004 'kcat'
        topics                       | 00000001
          name                       | 0004 'test'
        allow auto topic creation    | 00
        include operations: cluster  | 00
        include operations: topics   | 01
    ";
    assert_request(ApiKeys::Metadata, 8, v8);
    let v12 = "
        key, version, correlation id | 0003 000C 0000002A
        client id, tags              | 0004 'kcat' 00
        topics                       | 02
          topic id                   | AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAA
          name, tags                 | 05 'test' 00
        allow auto topic creation    | 00
        include operations: topics   | 01
        tags                         | 00
    ";
    assert_request(ApiKeys::Metadata, 12, v12);
}

#[test]
fn metadata_responses() {
    let v0 = "
        correlation id               | 0000002A
        brokers                      | 00000001
          node id, host, port        | 00000001 0009 'localhost' 00002384
        topics                       | 00000001
          error, name                | 0005 0004 'test'
          partitions                 | 00000001
            error, partition         | 0009 00000003
            leader                   | 00000001
            replicas                 | 00000002 00000001 00000002
            in sync                  | 00000001 00000001
    ";
    assert_response(ApiKeys::Metadata, 0, v0);
    let v8 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        brokers                      | 00000001
          node id, host, port        | 00000001 0009 'localhost' 00002384
          rack                       | 0001 'r'
        cluster id                   | 0001 'c'
        controller                   | 00000001
        topics                       | 00000001
          error, name, is internal   | 0005 0004 'test' 01
          partitions                 | 00000001
            error, partition         | 0009 00000003
            leader, its epoch        | 00000001 00000004
            replicas                 | 00000002 00000001 00000002
            in sync                  | 00000001 00000001
            offline                  | 00000001 00000002
          operations: topic          | 01020304
        operations: cluster          | 80000000
    ";
    assert_response(ApiKeys::Metadata, 8, v8);
    let v12 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        brokers                      | 02
          node id, host, port        | 00000001 0A 'localhost' 00002384
          rack, tags                 | 02 'r' 00
        cluster id                   | 02 'c'
        controller                   | 00000001
        topics                       | 02
          error, name                | 0005 05 'test'
          topic id                   | AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAA
          is internal                | 01
          partitions                 | 02
            error, partition         | 0009 00000003
            leader, its epoch        | 00000001 00000004
            replicas                 | 03 00000001 00000002
            in sync                  | 02 00000001
            offline, tags            | 02 00000002 00
          operations: topic, tags    | 01020304 00
        tags                         | 00
    ";
    assert_response(ApiKeys::Metadata, 12, v12);
}

#[test]
fn api_versions_requests() {
    for (version, number) in [(0, "0000"), (2, "0002")] {
        let table = format!("all | 0012 {number} 0000002A 0004 'kcat'");
        assert_request(ApiKeys::ApiVersions, version, &table);
    }
    let v4 = "
        key, version, correlation id | 0012 0004 0000002A
        client id, tags              | 0004 'kcat' 00
        software name                | 0B 'librdkafka'
        software version, tags       | 06 '2.3.0' 00
    ";
    assert_request(ApiKeys::ApiVersions, 4, v4);
}

#[test]
fn api_versions_responses() {
    let v0 = "
        correlation id               | 0000002A
        error                        | 0023
        api keys                     | 00000002
          Produce                    | 0000 0000 000B
          Fetch                      | 0001 0004 000C
    ";
    assert_response(ApiKeys::ApiVersions, 0, v0);
    let v2 = "
        correlation id               | 0000002A
        error                        | 0023
        api keys                     | 00000002
          Produce                    | 0000 0000 000B
          Fetch                      | 0001 0004 000C
        throttle time                | 00000009
    ";
    assert_response(ApiKeys::ApiVersions, 2, v2);
    let v4 = "
        correlation id, without tags | 0000002A
        error                        | 0023
        api keys                     | 03
          Produce, tags              | 0000 0000 000B 00
          Fetch, tags                | 0001 0004 000C 00
        throttle time                | 00000009
        tags                         | 00
    ";
    assert_response(ApiKeys::ApiVersions, 4, v4);
}

#[test]
fn init_producer_id_requests() {
    let v0 = "
        key, version, correlation id | 0016 0000 0000002A
        client id                    | 0004 'kcat'
        transactional id             | 0002 'tx'
        transaction timeout          | 000005DC
    ";
    assert_request(ApiKeys::InitProducerId, 0, v0);
    let v1 = "
        key, version, correlation id | 0016 0001 0000002A
        client id                    | 0004 'kcat'
        transactional id             | 0002 'tx'
        transaction timeout          | 000005DC
    ";
    assert_request(ApiKeys::InitProducerId, 1, v1);
    let v4 = "
        key, version, correlation id | 0016 0004 0000002A
        client id, tags              | 0004 'kcat' 00
        transactional id             | 03 'tx'
        transaction timeout          | 000005DC
        producer id, epoch           | 0000000000000102 0003
        tags                         | 00
    ";
    assert_request(ApiKeys::InitProducerId, 4, v4);
}

#[test]
fn init_producer_id_responses() {
    let v0 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error                        | 0035
        producer id, epoch           | 0000000000000102 0003
    ";
    assert_response(ApiKeys::InitProducerId, 0, v0);
    let v1 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        error                        | 0035
        producer id, epoch           | 0000000000000102 0003
    ";
    assert_response(ApiKeys::InitProducerId, 1, v1);
    let v4 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        error                        | 0035
        producer id, epoch, tags     | 0000000000000102 0003 00
    ";
    assert_response(ApiKeys::InitProducerId, 4, v4);
}

#[test]
fn offset_for_leader_epoch_requests() {
    let v0 = "
        key, version, correlation id | 0017 0000 0000002A
        client id                    | 0004 'kcat'
        topics                       | 00000001
          topic                      | 0004 'test'
          partitions                 | 00000001
            partition                | 00000003
            leader epoch             | 00000004
    ";
    assert_request(ApiKeys::OffsetForLeaderEpoch, 0, v0);
    let v3 = "
        key, version, correlation id | 0017 0003 0000002A
        client id                    | 0004 'kcat'
        replica                      | FFFFFFFF
        topics                       | 00000001
          topic                      | 0004 'test'
          partitions                 | 00000001
            partition                | 00000003
            current leader epoch     | 00000005
            leader epoch             | 00000004
    ";
    assert_request(ApiKeys::OffsetForLeaderEpoch, 3, v3);
    let v4 = "
        key, version, correlation id | 0017 0004 0000002A
        client id, tags              | 0004 'kcat' 00
        replica                      | FFFFFFFF
        topics                       | 02
          topic                      | 05 'test'
          partitions                 | 02
            partition                | 00000003
            current leader epoch     | 00000005
            leader epoch, tags       | 00000004 00
          tags                       | 00
        tags                         | 00
    ";
    assert_request(ApiKeys::OffsetForLeaderEpoch, 4, v4);
}

#[test]
fn offset_for_leader_epoch_responses() {
    let v0 = "
        correlation id               | 0000002A
        topics                       | 00000001
          topic                      | 0004 'test'
          partitions                 | 00000001
            error, partition         | 004A 00000003
            end offset               | 0000000000000102
    ";
    assert_response(ApiKeys::OffsetForLeaderEpoch, 0, v0);
    let v3 = "
        correlation id               | 0000002A
        throttle time                | 00000009
        topics                       | 00000001
          topic                      | 0004 'test'
          partitions                 | 00000001
            error, partition         | 004A 00000003
            leader epoch             | 00000004
            end offset               | 0000000000000102
    ";
    assert_response(ApiKeys::OffsetForLeaderEpoch, 3, v3);
    let v4 = "
        correlation id, tags         | 0000002A 00
        throttle time                | 00000009
        topics                       | 02
          topic                      | 05 'test'
          partitions                 | 02
            error, partition         | 004A 00000003
            leader epoch             | 00000004
            end offset, tags         | 0000000000000102 00
          tags                       | 00
        tags                         | 00
    ";
    assert_response(ApiKeys::OffsetForLeaderEpoch, 4, v4);
}

#[test]
fn write_txn_markers() {
    let request = "
        key, version, correlation id | 001B 0001 0000002A
        client id, tags              | 0004 'kcat' 00
        markers                      | 02
          producer id, epoch         | 0000000000000102 0005
          committed                  | 01
          topics                     | 02
            topic                    | 05 'test'
            partitions               | 03 00000003 00000004
            tags                     | 00
          coordinator epoch, tags    | 00000006 00
        tags                         | 00
    ";
    assert_request(ApiKeys::WriteTxnMarkers, 1, request);
    let response = "
        correlation id, tags         | 0000002A 00
        markers                      | 02
          producer id                | 0000000000000102
          topics                     | 02
            topic                    | 05 'test'
            partitions               | 02
              partition, error, tags | 00000003 002B 00
            tags                     | 00
          tags                       | 00
        tags                         | 00
    ";
    assert_response(ApiKeys::WriteTxnMarkers, 1, response);
}
