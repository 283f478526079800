//! Port of `KafkaApis.handleProducerRequest`, of `handleInitProducerIdRequest`, and of what
//! `TransactionCoordinator` does for a producer without transactions.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::log_limit::{LogKind, limited};
use crate::common::record_error::RecordErrors;
use crate::common::step::step;
use crate::common::text::{counted, for_log};
use crate::common::topic_partition::{TopicAndPartition, is_internal};
use crate::common::units::{Offset, TimestampMs};
use crate::protocol::init_producer_id::{
    InitProducerIdRequest, InitProducerIdResponse, NO_PRODUCER_EPOCH, NO_PRODUCER_ID,
};
use crate::protocol::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
    ProduceRequest, ProduceResponse, TopicProduceData, TopicProduceResponse, check_records,
};
use crate::protocol::request::ResponseBody;
use crate::replica::delayed_produce::PartitionResponse;
use crate::replica::replica_manager::ReplicaManager;
use crate::server::apis::current_leaders::{CurrentLeaders, LeaderNode};
use crate::server::apis::duplicates::NamedPartitions;
use crate::server::apis::parts::Parts;
use crate::server::metadata::metadata_cache::{MetadataCache, Node};
use crate::server::metadata::producer_id_manager::ProducerIdManager;
use crate::server::quota::client_limits::UserClient;
use crate::server::quota::client_quota_manager::ClientQuotaManager;
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::{Authorization, Authorized};
use crate::server::security::authorizer::{Operation, Resource, ResourceType};
use crate::server::security::request_context::RequestContext;

/// How many of a produce's refused partitions have an explanation in words: it takes more bytes than
/// the partition took in the request, and a request has room for millions.
const ERROR_TEXTS_MAX: usize = 100;
/// The first version whose answer names the leaders of partitions that are led elsewhere (KIP-951).
const CURRENT_LEADER_VERSION: i16 = 10;
/// The epoch of an id that is new.
const FIRST_PRODUCER_EPOCH: i16 = 0;

/// Handles Produce and InitProducerId.
pub(crate) struct ProduceApis {
    replica_manager: Arc<ReplicaManager>,
    producer_ids: Arc<dyn ProducerIdManager>,
    metadata_cache: Arc<dyn MetadataCache>,
    quota_manager: Arc<ClientQuotaManager>,
    authorization: Authorization,
}

impl ProduceApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            replica_manager: Arc::clone(&parts.replica_manager),
            producer_ids: Arc::clone(&parts.producer_ids),
            metadata_cache: Arc::clone(&parts.metadata_cache),
            quota_manager: Arc::clone(&parts.quota_managers.produce),
            authorization: parts.authorization(),
        }
    }

    /// Appends the messages that are good, and answers when as many replicas as the producer asked
    /// for have them.
    pub(crate) fn handle_producer_request(
        &self,
        mut reply: Reply,
        request: ProduceRequest,
        mut buffer: Vec<u8>,
    ) {
        let size = buffer.len().saturating_sub(size_of::<i16>()) as u64;
        let (acks, timeout_ms) = (request.acks, i64::from(request.timeout_ms));
        let names = request.topics.iter().map(|it| it.name.as_str());
        let authorized = self.authorization.filter_by_authorized(
            &reply.context,
            Operation::Write,
            ResourceType::Topic,
            names,
        );
        let _step = step!("KafkaApis.handleProducerRequest", "{size} bytes, acks {acks}");
        let checked = check_partitions(&request, &authorized, reply.header.api_version, &buffer);
        let entries: Vec<(TopicAndPartition, Range<usize>)> = checked
            .iter()
            .filter_map(|(key, records)| Some((key.clone(), records.as_ref().ok()?.clone())))
            .collect();

        let quota_manager = Arc::clone(&self.quota_manager);
        let metadata_cache = Arc::clone(&self.metadata_cache);
        let send_response_callback =
            move |appended: Vec<(TopicAndPartition, PartitionResponse)>| {
                let _step = step!(
                    "KafkaApis.sendResponseCallback",
                    "{}",
                    counted(appended.len(), "partition")
                );
                let mut appended = appended.into_iter().map(|(_, response)| response);
                let merged: Vec<_> = checked
                    .into_iter()
                    .filter_map(|(key, records)| match records {
                        Ok(_) => Some((key, appended.next()?)),
                        Err(refusal) => Some((key, refusal)),
                    })
                    .collect();
                reply.remote_complete();
                let client_id = reply.header.client_id.take().unwrap_or_default();
                // A client that expects no answer learns of no delay.
                let end_of_mute = if acks == 0 { None } else { reply.end_of_mute() };
                let user = Arc::clone(&reply.context.session.principal.name);
                let hang_up = Arc::clone(reply.hang_up());
                let leaders = leaders_of_refused(&*metadata_cache, &reply, &merged);
                let produce_response_callback = move |delay_time_ms: i32| {
                    let _step =
                        step!("KafkaApis.produceResponseCallback", "delayed by {delay_time_ms} ms");
                    answer_producer(reply, acks, delay_time_ms, &request, &merged, leaders);
                };
                quota_manager.record_and_maybe_throttle(
                    UserClient { user: &user, client_id: &client_id },
                    size,
                    &hang_up,
                    end_of_mute,
                    produce_response_callback,
                );
            };
        if entries.is_empty() {
            send_response_callback(Vec::new());
        } else {
            self.replica_manager.append_messages(
                timeout_ms,
                acks,
                &entries,
                &mut buffer,
                Box::new(send_response_callback),
            );
        }
    }

    /// The producer always gets a new id, even if it has one already: as in Kafka, an old id lives on
    /// under a new epoch only for the sake of transactions.
    pub(crate) fn handle_init_producer_id_request(
        &self,
        reply: Reply,
        request: &InitProducerIdRequest,
    ) {
        let producer_id = check_init(request)
            .and_then(|()| self.check_idempotent_write(&reply.context))
            .and_then(|()| self.producer_ids.generate_producer_id());
        let response = match producer_id {
            Ok(producer_id) => InitProducerIdResponse {
                producer_id,
                producer_epoch: FIRST_PRODUCER_EPOCH,
                ..InitProducerIdResponse::default()
            },
            Err(error) => {
                let level = limited(LogKind::Refusals, Level::Info);
                log!(level, "InitProducerId request of {} refused: {error}", reply.client());
                request.error_response(error.code())
            }
        };
        reply.send_body(&ResponseBody::InitProducerId(response));
    }

    /// Whether an idempotent producer may have an id: a right of its own, until Kafka 2.8 gave it to
    /// every client that may write any topic.
    fn check_idempotent_write(&self, context: &RequestContext) -> Result<(), KafkaError> {
        let authorization = &self.authorization;
        let (write, topic) = (Operation::Write, ResourceType::Topic);
        if authorization.authorize_by_resource_type(context, write, topic) {
            return Ok(());
        }
        authorization.check(context, Operation::IdempotentWrite, Resource::CLUSTER)
    }
}

/// The partitions of a produce, in its order: each the range of its records in the frame, or why it
/// is refused.
fn check_partitions(
    request: &ProduceRequest,
    authorized: &Authorized<'_>,
    version: i16,
    buffer: &[u8],
) -> Vec<(TopicAndPartition, Result<Range<usize>, PartitionResponse>)> {
    let mut checked = Vec::new();
    let mut named = NamedPartitions::default();
    let mut texts_left = ERROR_TEXTS_MAX;
    let mut refuse = |error, why: &dyn fmt::Display| {
        let is_explained = texts_left > 0;
        texts_left = texts_left.saturating_sub(1);
        refusal(error, is_explained.then(|| why.to_string()))
    };
    for topic in &request.topics {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        for partition in &topic.partitions {
            let key = TopicAndPartition { topic: Arc::clone(&name), partition: partition.index };
            let range = partition.records.clone().unwrap_or(0..0);
            let verdict = if request.transactional_id.is_some() {
                Err(refuse(
                    Errors::TransactionalIdAuthorizationFailed,
                    &"there are no transactions here",
                ))
            } else if let Err(error) = authorized.check(&name) {
                Err(refuse(error.code(), &error))
            } else if is_internal(&name) {
                Err(refuse(Errors::InvalidTopicException, &"only the broker writes this topic"))
            } else {
                named
                    .check_named_once(&key)
                    .and_then(|()| check_records(buffer.get(range.clone()), version))
                    .map(|()| range)
                    .map_err(|error| refuse(error.code(), &error))
            };
            checked.push((key, verdict));
        }
    }
    checked
}

fn refusal(error: Errors, error_message: Option<String>) -> PartitionResponse {
    PartitionResponse { error: Some(error), error_message, ..PartitionResponse::default() }
}

/// With acks 0 the producer expects no answer, so an error can only close its connection.
fn answer_producer(
    mut reply: Reply,
    acks: i16,
    delay_time_ms: i32,
    request: &ProduceRequest,
    merged: &[(TopicAndPartition, PartitionResponse)],
    leaders: RefusedLeaders,
) {
    let mut refusals = Refusals::default();
    for (key, refused) in merged {
        let Some(error) = &refused.error else { continue };
        match &refused.error_message {
            Some(why) => refusals.note(key, why),
            None => refusals.note(key, error),
        }
    }
    reply.log_refusals(&refusals);
    match acks {
        0 if refusals.is_empty() => reply.no_operation(),
        0 => {
            let codes = merged.iter().map(|(_, it)| it.error.unwrap_or(Errors::None).code());
            reply.count_errors(|found| codes.for_each(found));
            reply.close_connection();
        }
        _ => {
            reply.throttled_by(delay_time_ms);
            reply.send_body(&produce_response(request, merged, leaders, delay_time_ms));
        }
    }
}

/// Who leads the partitions that were refused because another broker does, in the order of the request,
/// and where those brokers can be reached.
#[derive(Default)]
struct RefusedLeaders {
    leaders: Vec<LeaderIdAndEpoch>,
    nodes: Vec<NodeEndpoint>,
}

/// As of when the answer is known: it may wait, and the leaders move on.
fn leaders_of_refused(
    metadata_cache: &dyn MetadataCache,
    reply: &Reply,
    merged: &[(TopicAndPartition, PartitionResponse)],
) -> RefusedLeaders {
    let is_named = reply.header.api_version >= CURRENT_LEADER_VERSION;
    let mut refused = merged.iter().filter(|(_, it)| is_named && is_led_elsewhere(it)).peekable();
    if refused.peek().is_none() {
        return RefusedLeaders::default();
    }
    let mut known = CurrentLeaders::new(metadata_cache, &reply.context.session);
    let leaders = refused.map(|(key, _)| {
        let LeaderNode { id, epoch } = known.current_leader(key);
        LeaderIdAndEpoch { leader_id: id, leader_epoch: epoch }
    });
    let leaders = leaders.collect();
    let endpoint =
        |Node { id: node_id, host, port, rack }| NodeEndpoint { node_id, host, port, rack };
    RefusedLeaders { leaders, nodes: known.into_nodes().map(endpoint).collect() }
}

fn is_led_elsewhere(response: &PartitionResponse) -> bool {
    response.error == Some(Errors::NotLeaderForPartition)
}

fn produce_response(
    request: &ProduceRequest,
    merged: &[(TopicAndPartition, PartitionResponse)],
    leaders: RefusedLeaders,
    delay_time_ms: i32,
) -> ResponseBody {
    let mut of_refused = leaders.leaders.into_iter();
    let mut leader_of = |it: &PartitionResponse| match is_led_elsewhere(it) {
        true => of_refused.next().unwrap_or_default(),
        false => LeaderIdAndEpoch::default(),
    };
    let mut merged = merged.iter();
    let mut texts_left = ERROR_TEXTS_MAX;
    let mut text_of = |it: &PartitionResponse| {
        let text = it.error_message.as_ref()?;
        texts_left = texts_left.checked_sub(1)?;
        Some(text.clone())
    };
    let topic = |topic: &TopicProduceData| TopicProduceResponse {
        name: topic.name.clone(),
        partition_responses: merged
            .by_ref()
            .take(topic.partitions.len())
            .map(|(key, it)| PartitionProduceResponse {
                index: key.partition,
                error_code: it.error.unwrap_or(Errors::None).code(),
                base_offset: it.base_offset.unwrap_or(Offset::NONE).0,
                log_append_time_ms: it.log_append_time_ms.unwrap_or(TimestampMs::NONE).0,
                log_start_offset: it.log_start_offset.unwrap_or(Offset::NONE).0,
                record_errors: record_errors(key, it),
                error_message: text_of(it),
                current_leader: leader_of(it),
            })
            .collect(),
    };
    let responses = request.topics.iter().map(topic).collect();
    let (throttle_time_ms, node_endpoints) = (delay_time_ms, leaders.nodes);
    ResponseBody::Produce(ProduceResponse { responses, throttle_time_ms, node_endpoints })
}

/// The records to blame, where they are known.
fn record_errors(
    key: &TopicAndPartition,
    response: &PartitionResponse,
) -> Vec<BatchIndexAndErrorMessage> {
    let named = response.record_errors.as_deref().map_or(&[][..], RecordErrors::named);
    named
        .iter()
        .map(|it| BatchIndexAndErrorMessage {
            batch_index: it.batch_index,
            batch_index_error_message: Some(it.message(key)),
        })
        .collect()
}

fn check_init(request: &InitProducerIdRequest) -> Result<(), KafkaError> {
    if request.transactional_id.as_deref() == Some("") {
        return Err(KafkaError::api(Errors::InvalidRequest, "the transactional id is empty"));
    }
    if let Some(transactional_id) = &request.transactional_id {
        let why =
            format!("there are no transactions here; the id is {}", for_log(transactional_id));
        return Err(KafkaError::api(Errors::TransactionalIdAuthorizationFailed, why));
    }
    let (has_id, has_epoch) =
        (request.producer_id != NO_PRODUCER_ID, request.producer_epoch != NO_PRODUCER_EPOCH);
    if has_id != has_epoch {
        let why = "a producer id and an epoch come together or not at all";
        return Err(KafkaError::api(Errors::InvalidRequest, why));
    }
    Ok(())
}
