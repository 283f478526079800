//! Port of `KafkaApis.handleWriteTxnMarkersRequest`: the end of a transaction, as the transaction coordinator of
//! another broker has decided it. There is no such coordinator here, and no record of a transaction is taken in; but
//! a log that was copied from a leader of Kafka's own may have an open one.

use std::sync::{Arc, Mutex};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::common::topic_partition::TopicAndPartition;
use crate::message::end_transaction_marker::EndTransactionMarker;
use crate::protocol::request::ResponseBody;
use crate::protocol::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerResult, WritableTxnMarkerTopic, WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
};
use crate::replica::delayed_produce::PartitionResponse;
use crate::replica::replica_manager::ReplicaManager;
use crate::server::apis::parts::Parts;
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{Operation, Resource};

/// How long the replicas in sync may take: Kafka's `request.timeout.ms` of a broker.
const REPLICAS_TIMEOUT_MS: i64 = 30_000;

/// Handles WriteTxnMarkers.
pub(crate) struct TxnMarkerApis {
    replica_manager: Arc<ReplicaManager>,
    authorization: Authorization,
}

impl TxnMarkerApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            replica_manager: Arc::clone(&parts.replica_manager),
            authorization: parts.authorization(),
        }
    }

    /// Answered when the replicas in sync have the markers, also those of an earlier try. A partition without an open
    /// transaction of the producer is answered with `UNSUPPORTED_FOR_MESSAGE_FORMAT`: its coordinator then counts it as
    /// done, and every other error it tries again, or takes for a bug of its own.
    pub(crate) fn handle_write_txn_markers_request(
        &self,
        reply: Reply,
        request: WriteTxnMarkersRequest,
    ) {
        let (context, cluster) = (&reply.context, Resource::CLUSTER);
        // Admins have the first right, to end a transaction that hangs (KIP-664), and coordinators the second.
        let authorization = &self.authorization;
        let is_allowed = authorization.authorize_quietly(context, Operation::Alter, cluster)
            || authorization.authorize(context, Operation::ClusterAction, cluster);
        if !is_allowed {
            let response = request.error_response(Errors::ClusterAuthorizationFailed);
            reply.send_body(&ResponseBody::WriteTxnMarkers(response));
            return;
        }
        let markers = Arc::new(request.markers);
        let results = vec![WritableTxnMarkerResult::default(); markers.len()];
        let unanswered = Unanswered { results, left: markers.len(), refusals: Refusals::default() };
        let answer =
            Arc::new(Answer { unanswered: Mutex::new(unanswered), reply: Mutex::new(Some(reply)) });
        if markers.is_empty() {
            answer.send();
        }
        for (index, marker) in markers.iter().enumerate() {
            let (answer, markers) = (Arc::clone(&answer), Arc::clone(&markers));
            self.replica_manager.append_markers(
                REPLICAS_TIMEOUT_MS,
                &end_of(marker),
                &partitions_of(marker),
                Box::new(move |appended| answer.note(index, &markers[index], &appended)),
            );
        }
    }
}

/// What has become of the markers so far. The last one sends the answer.
struct Answer {
    unanswered: Mutex<Unanswered>,
    reply: Mutex<Option<Reply>>,
}

struct Unanswered {
    results: Vec<WritableTxnMarkerResult>,
    left: usize,
    refusals: Refusals,
}

impl Answer {
    fn note(
        &self,
        index: usize,
        marker: &WritableTxnMarker,
        appended: &[(TopicAndPartition, PartitionResponse)],
    ) {
        let mut in_order = appended.iter();
        let is_last = {
            let mut unanswered = locked(&self.unanswered);
            let Unanswered { results, left, refusals } = &mut *unanswered;
            results[index] = marker.result(|_, _| {
                let Some((key, response)) = in_order.next() else {
                    return Errors::UnknownServerError;
                };
                let error = response.error.unwrap_or(Errors::None);
                if error != Errors::None {
                    refusals.note(key, &error);
                }
                error
            });
            *left -= 1;
            *left == 0
        };
        if is_last {
            self.send();
        }
    }

    fn send(&self) {
        let Some(mut reply) = locked(&self.reply).take() else { return };
        let (markers, refusals) = {
            let mut unanswered = locked(&self.unanswered);
            (std::mem::take(&mut unanswered.results), std::mem::take(&mut unanswered.refusals))
        };
        reply.remote_complete();
        reply.log_refusals(&refusals);
        reply.send_body(&ResponseBody::WriteTxnMarkers(WriteTxnMarkersResponse { markers }));
    }
}

fn end_of(marker: &WritableTxnMarker) -> EndTransactionMarker {
    EndTransactionMarker {
        producer_id: marker.producer_id,
        producer_epoch: marker.producer_epoch,
        is_committed: marker.transaction_result,
        coordinator_epoch: marker.coordinator_epoch,
    }
}

fn partitions_of(marker: &WritableTxnMarker) -> Vec<TopicAndPartition> {
    let of_topic = |topic: &WritableTxnMarkerTopic| {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        let key = move |&partition: &i32| TopicAndPartition { topic: Arc::clone(&name), partition };
        topic.partition_indexes.iter().map(key).collect::<Vec<_>>()
    };
    marker.topics.iter().flat_map(of_topic).collect()
}
