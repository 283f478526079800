//! Port of `org.apache.kafka.common.requests.WriteTxnMarkersRequest` and `WriteTxnMarkersResponse`: a
//! transaction coordinator of Kafka's has the leaders of partitions end a transaction.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct WriteTxnMarkersRequest {
        1.. => markers: Vec<WritableTxnMarker>,
    }

    pub struct WritableTxnMarker {
        1.. => producer_id: i64,
        1.. => producer_epoch: i16,
        /// Whether the transaction is committed, and not aborted.
        1.. => transaction_result: bool,
        1.. => topics: Vec<WritableTxnMarkerTopic>,
        1.. => coordinator_epoch: i32,
    }

    pub struct WritableTxnMarkerTopic {
        1.. => name: String,
        1.. => partition_indexes: Vec<i32>,
    }

    pub struct WriteTxnMarkersResponse {
        1.. => markers: Vec<WritableTxnMarkerResult>,
    }

    pub struct WritableTxnMarkerResult {
        1.. => producer_id: i64,
        1.. => topics: Vec<WritableTxnMarkerTopicResult>,
    }

    pub struct WritableTxnMarkerTopicResult {
        1.. => name: String,
        1.. => partitions: Vec<WritableTxnMarkerPartitionResult>,
    }

    pub struct WritableTxnMarkerPartitionResult {
        1.. => partition_index: i32,
        1.. => error_code: i16,
    }
}

impl WriteTxnMarkersRequest {
    /// Every partition fails with `error`.
    pub fn error_response(&self, error: Errors) -> WriteTxnMarkersResponse {
        let markers = self.markers.iter().map(|it| it.result(|_, _| error));
        WriteTxnMarkersResponse { markers: markers.collect() }
    }
}

impl WritableTxnMarker {
    /// The result of this marker, of whose partitions `error` says what became.
    pub fn result(&self, mut error: impl FnMut(&str, i32) -> Errors) -> WritableTxnMarkerResult {
        let mut topic = |topic: &WritableTxnMarkerTopic| {
            let partition = |&partition_index: &i32| {
                let error_code = error(&topic.name, partition_index).code();
                WritableTxnMarkerPartitionResult { partition_index, error_code }
            };
            let partitions = topic.partition_indexes.iter().map(partition).collect();
            WritableTxnMarkerTopicResult { name: topic.name.clone(), partitions }
        };
        let topics = self.topics.iter().map(&mut topic).collect();
        WritableTxnMarkerResult { producer_id: self.producer_id, topics }
    }
}
