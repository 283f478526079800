//! The data of the page that shows the path at work, as JSON. The parts of the broker hand out
//! snapshots of what they own; here they are written down.
//!
//! However large the broker is, the text is bounded: lists are cut, and each stands beside its whole
//! count.

use std::sync::Arc;
use std::time::Duration;

use crate::common::hop_recorder::{Followed, Pursuit, RECORDER};
use crate::common::json::Json;
use crate::common::kafka_principal::KafkaPrincipal;
use crate::common::subject::Subject;
use crate::common::topic_partition::TopicAndPartition;
use crate::network::network_snapshot::{ConnectionSnapshot, ObservedProcessor, ProcessorSnapshot};
use crate::network::processor::SHOWN_CONNECTIONS_MAX;
use crate::purgatory::purgatory_snapshot::PurgatorySnapshot;
use crate::replica::partition::Partition;
use crate::server::monitoring::keep_first::keep_first;
use crate::server::monitoring::live_cluster::put_cluster;
use crate::server::monitoring::observed::ObservedParts;
use crate::storage::log::log_snapshot::LogSnapshot;
use crate::transport::channel_snapshot::ChannelSnapshot;
use crate::transport::readiness::names_of;

/// How long the Processors have to show their connections. One that waits for room in the queue of
/// requests does not.
const PROCESSORS_TIMEOUT: Duration = Duration::from_millis(100);
const QUEUED_REQUESTS_MAX: usize = 20;
const PURGATORY_KEYS_MAX: usize = 50;
const LOGS_MAX: usize = 100;
const PRINCIPAL_CHARS_MAX: usize = 100;
const SEGMENTS_MAX: usize = 20;

/// What the counters say that the page makes rates of.
const COUNTERS: [&str; 9] = [
    "sendfile_calls",
    "sendfile_bytes",
    "sendfile_would_block",
    "write_calls",
    "write_bytes",
    "copied_message_bytes",
    "cold_bytes_warmed",
    "read_calls",
    "read_bytes",
];

/// Looks at the broker and writes down what there is to see.
pub fn live_json(parts: &ObservedParts) -> String {
    let mut json = Json::default();
    json.object(|it| {
        put_limits(it.field("limits"));
        let processors = parts.socket_server.observe_processors(PROCESSORS_TIMEOUT);
        it.field("processors").array(&processors, put_processor);
        put_queue(it.field("queue"), parts);
        let purgatories = parts.replica_manager.purgatory_snapshots(PURGATORY_KEYS_MAX);
        it.field("purgatories").array(&purgatories, |it, (name, purgatory)| {
            put_purgatory(it, name, purgatory);
        });
        put_logs(it.field("logs"), parts);
        if let Some(cluster) = &parts.cluster {
            put_cluster(it.field("cluster"), cluster, parts);
        }
        put_counters(it.field("counters"), parts);
        put_followed(it.field("followed"), &RECORDER.look());
    });
    json.into_text()
}

fn put_limits(json: &mut Json) {
    json.object(|it| {
        it.field("connections").count(SHOWN_CONNECTIONS_MAX);
        it.field("queued").count(QUEUED_REQUESTS_MAX);
        it.field("keys").count(PURGATORY_KEYS_MAX);
        it.field("logs").count(LOGS_MAX);
        it.field("segments").count(SEGMENTS_MAX);
    });
}

fn put_processor(json: &mut Json, processor: &ObservedProcessor) {
    json.object(|it| {
        it.field("number").count(processor.number);
        it.field("listener").string(&processor.listener.to_string());
        it.field("protocol").string(processor.protocol.name());
        it.field("connection_count").count(processor.connection_count);
        it.field("response_queue_size").count(processor.response_queue_size);
        it.field("is_fresh").bool(processor.is_fresh);
        if let Some(snapshot) = &processor.snapshot {
            put_own_view(it, snapshot);
        }
    });
}

fn put_own_view(json: &mut Json, snapshot: &ProcessorSnapshot) {
    json.field("ready_count").count(snapshot.ready_count);
    json.field("parked_count").count(snapshot.parked_count);
    json.field("connections").array(&snapshot.connections, put_connection);
}

fn put_connection(json: &mut Json, connection: &ConnectionSnapshot) {
    let ChannelSnapshot { id, peer, client_id, principal, stage, readiness, .. } =
        &connection.channel;
    let principal = principal.as_ref().map(shown_principal);
    json.object(|it| {
        it.field("id").string(&id.to_string());
        it.field("peer").string(&peer.to_string());
        it.field("client_id").nullable_string(client_id.as_deref());
        it.field("principal").nullable_string(principal.as_deref());
        it.field("stage").string(stage);
        it.field("event").array(names_of(readiness.event()), Json::string);
        it.field("interest").array(names_of(readiness.interest()), Json::string);
        it.field("is_listed").bool(readiness.is_listed());
        it.field("is_muted").bool(connection.channel.is_muted);
        it.field("lacks_memory").bool(connection.channel.lacks_memory);
        it.field("is_receiving").bool(connection.channel.has_begun_receive);
        it.field("is_throttled").bool(connection.is_throttled);
        if let Some(send) = connection.channel.send {
            it.field("send").object(|it| {
                if let Some((api, correlation_id)) = connection.answers {
                    it.field("api").string(api);
                    it.field("correlation_id").number(correlation_id);
                }
                it.field("size_bytes").count(send.size_bytes);
                it.field("left_bytes").count(send.left_bytes);
            });
        }
    });
}

/// The beginning of its name: that of a certificate may be long.
fn shown_principal(principal: &KafkaPrincipal) -> String {
    principal.to_string().chars().take(PRINCIPAL_CHARS_MAX).collect()
}

fn put_queue(json: &mut Json, parts: &ObservedParts) {
    let queue = parts.socket_server.request_channel().request_queue_snapshot(QUEUED_REQUESTS_MAX);
    json.object(|it| {
        it.field("capacity").count(queue.capacity);
        it.field("size").count(queue.size);
        it.field("first").array(&queue.first, |it, request| {
            it.object(|it| {
                it.field("request").string(&request.subject.to_string());
                it.field("api").string(request.api);
            });
        });
        it.field("waiting_processors").count(queue.waiting_processors);
        it.field("handlers").count((parts.handler_count)());
        it.field("idle_handlers").count(queue.idle_handlers);
    });
}

fn put_purgatory(json: &mut Json, name: &str, purgatory: &PurgatorySnapshot<TopicAndPartition>) {
    // In an order that stays, so that a key is found where it was a second ago.
    let mut keys: Vec<_> = purgatory.keys.iter().collect();
    keys.sort();
    json.object(|it| {
        it.field("name").string(name);
        it.field("delayed").count(purgatory.delayed);
        it.field("watched").count(purgatory.watched);
        it.field("key_count").count(purgatory.key_count);
        it.field("keys").array(keys, |it, (key, waiting)| {
            it.object(|it| {
                it.field("key").string(&key.to_string());
                it.field("waiting").count(*waiting);
            });
        });
        it.field("buckets_per_level").count(purgatory.wheel.buckets_per_level);
        it.field("levels").array(&purgatory.wheel.levels, |it, level| {
            it.object(|it| {
                it.field("tick_ms").number(level.tick_ms);
                it.field("entries").count(level.entries);
            });
        });
    });
}

/// The first logs, by their names.
fn put_logs(json: &mut Json, parts: &ObservedParts) {
    let mut partitions = parts.replica_manager.local_logs().all_partitions();
    let count = partitions.len();
    keep_first(&mut partitions, LOGS_MAX, |one, other| {
        one.topic_and_partition.cmp(&other.topic_and_partition)
    });
    json.object(|it| {
        it.field("count").count(count);
        it.field("first").array(&partitions, |it, partition: &Arc<Partition>| {
            put_log(it, &partition.local_replica().log.snapshot(SEGMENTS_MAX));
        });
    });
}

fn put_log(json: &mut Json, log: &LogSnapshot) {
    json.object(|it| {
        it.field("name").string(&log.topic_and_partition.to_string());
        it.field("log_start_offset").number(log.log_start_offset.0);
        it.field("log_end_offset").number(log.log_end_offset.0);
        it.field("high_watermark").number(log.high_watermark.0);
        it.field("recovery_point").number(log.recovery_point.0);
        it.field("size_bytes").count(log.size_bytes);
        it.field("segment_count").count(log.segment_count);
        it.field("segments").array(&log.segments, |it, segment| {
            it.object(|it| {
                it.field("base_offset").number(segment.base_offset.0);
                it.field("size_bytes").count(segment.size_bytes);
                it.field("index_entries").count(segment.index_entries);
                it.field("time_index_entries").count(segment.time_index_entries);
            });
        });
    });
}

fn put_counters(json: &mut Json, parts: &ObservedParts) {
    let values = parts.metrics.values();
    json.object(|it| {
        for (name, value) in values.iter().filter(|(name, _)| COUNTERS.contains(name)) {
            it.field(name).count(*value);
        }
    });
}

fn put_followed(json: &mut Json, followed: &Followed) {
    let name = |subject: Option<Subject>| subject.map(|it| it.to_string());
    json.object(|it| {
        it.field("number").count(followed.number);
        it.field("pursuit").string(word_for(followed.pursuit));
        it.field("of_connection").nullable_string(name(followed.of_connection).as_deref());
        it.field("request").nullable_string(name(followed.request).as_deref());
        it.field("left_out").count(followed.left_out);
        it.field("hops").array(&followed.hops, |it, (at_ns, took_ns, hop)| {
            it.object(|it| {
                it.field("at_ns").count(*at_ns);
                if let Some(took_ns) = took_ns {
                    it.field("took_ns").count(*took_ns);
                }
                it.field("thread").string(&hop.thread);
                it.field("depth").count(hop.depth);
                if let Some(step) = hop.step {
                    it.field("step").count(step);
                }
                it.field("name").string(hop.name);
                it.field("words").string(&hop.words);
            });
        });
    });
}

fn word_for(pursuit: Pursuit) -> &'static str {
    match pursuit {
        Pursuit::None => "none",
        Pursuit::Seeking => "seeking",
        Pursuit::Following => "following",
        Pursuit::Answered => "answered",
        Pursuit::Lost => "lost",
        Pursuit::GivenUp => "given up",
    }
}
