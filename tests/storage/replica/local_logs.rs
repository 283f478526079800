//! How far a fetch may read of a partition whose log is longer than its high watermark.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use transferto::common::errors::Errors;
use transferto::common::metrics::Metrics;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::config::log_config::LogConfig;
use transferto::replica::local_logs::{LocalLogs, PartitionFetchInfo, ReadMode};
use transferto::replica::partition::Partition;
use transferto::replica::replica::Replica;

use crate::fixture::{Mocks, TempDir, batch, records_of};

const HIGH_WATERMARK: i64 = 5;
const LOG_END_OFFSET: i64 = 20;

/// Port of `SimpleFetchTest.testReadFromLog`.
///
/// The original asks a mocked log what it was asked for; here a real one is read.
#[test]
fn a_consumer_reads_below_the_high_watermark_and_a_follower_to_the_end() {
    let (dir, mocks) = (TempDir::new(), Mocks::new());
    let key = TopicAndPartition::new("test-topic", 0);
    let log = mocks.log(&dir.join("test-topic-0"), &LogConfig::default());
    for offset in 0..LOG_END_OFFSET {
        log.append(&mut batch(&[&offset.to_string()]), 0).unwrap();
    }
    let local_logs = LocalLogs::new(Arc::new(Metrics::default()));
    local_logs.add_partition(Partition::new(key.clone(), Replica::new(0, log, HIGH_WATERMARK)));

    let read = |fetch_only_committed, offset| {
        let mode = ReadMode {
            fetch_only_from_leader: true,
            fetch_only_committed,
            max_bytes: i32::MAX,
            hard_max_bytes_limit: false,
            newest_readable_magic: 2,
        };
        let fetch_info = PartitionFetchInfo {
            offset,
            fetch_size: i32::MAX,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
        };
        let (_, result) =
            local_logs.read_from_local_log(mode, &[(key.clone(), fetch_info)]).remove(0);
        assert_eq!((result.error, result.high_watermark), (Errors::None, HIGH_WATERMARK));
        let records = records_of(&result.info.unwrap().message_set);
        records.into_iter().map(|(offset, _)| offset).collect::<Vec<_>>()
    };
    assert_eq!(read(true, 0), (0..HIGH_WATERMARK).collect::<Vec<_>>());
    assert_eq!(read(false, 0), (0..LOG_END_OFFSET).collect::<Vec<_>>());
    // From the watermark on there is nothing for a consumer, and that is no error (KAFKA-725).
    for offset in [HIGH_WATERMARK, HIGH_WATERMARK + 1, LOG_END_OFFSET] {
        assert!(read(true, offset).is_empty());
    }
    assert_eq!(read(false, LOG_END_OFFSET - 1), [LOG_END_OFFSET - 1]);
}
