//! The metrics of requests and connections: those of `kafka.network`.

use crate::network::request_metrics::{RequestMetrics, STAGES};
use crate::server::monitoring::family::{Samples, families};
use crate::server::monitoring::observed::Observed;

families! {
    /// What requests cost, and who sends them.
    pub const REQUEST_FAMILIES;

    /// Requests that are over: answered, or their connection is gone.
    Counter "kafka_network_requestmetrics_requests_total" ["request"] in "requests",
        "kafka.network:type=RequestMetrics,name=RequestsPerSec,request=*",
        |it, out| for (api, requests, _) in metrics(it).values() {
            out.put(&[api], requests);
        };
    /// Error codes in responses, NONE included: a response has one for each partition, topic or
    /// group that it is about, and often one for itself.
    Counter "kafka_network_requestmetrics_errors_total" ["request", "error"] in "codes",
        "kafka.network:type=RequestMetrics,name=ErrorsPerSec,request=*,error=*",
        |it, out| for (api, error, count) in metrics(it).errors() {
            out.put(&[api, error.name()], count);
        };
    /// How long a request waited for a handler, or for memory to be read or answered in.
    Histogram "kafka_network_requestmetrics_requestqueuetimems" ["request"] in "ms",
        "kafka.network:type=RequestMetrics,name=RequestQueueTimeMs,request=*",
        |it, out| put_stage(it, out, "RequestQueueTimeMs");
    /// How long a handler worked on it.
    Histogram "kafka_network_requestmetrics_localtimems" ["request"] in "ms",
        "kafka.network:type=RequestMetrics,name=LocalTimeMs,request=*",
        |it, out| put_stage(it, out, "LocalTimeMs");
    /// How long it waited: a fetch for bytes, a produce for its acks, a member for its group.
    Histogram "kafka_network_requestmetrics_remotetimems" ["request"] in "ms",
        "kafka.network:type=RequestMetrics,name=RemoteTimeMs,request=*",
        |it, out| put_stage(it, out, "RemoteTimeMs");
    /// How long its response was held back by a quota.
    Histogram "kafka_network_requestmetrics_throttletimems" ["request"] in "ms",
        "kafka.network:type=RequestMetrics,name=ThrottleTimeMs,request=*",
        |it, out| put_stage(it, out, "ThrottleTimeMs");
    /// How long its response waited for its Processor.
    Histogram "kafka_network_requestmetrics_responsequeuetimems" ["request"] in "ms",
        "kafka.network:type=RequestMetrics,name=ResponseQueueTimeMs,request=*",
        |it, out| put_stage(it, out, "ResponseQueueTimeMs");
    /// How long its response took to leave: the socket may be full, and the disk slow.
    Histogram "kafka_network_requestmetrics_responsesendtimems" ["request"] in "ms",
        "kafka.network:type=RequestMetrics,name=ResponseSendTimeMs,request=*",
        |it, out| put_stage(it, out, "ResponseSendTimeMs");
    /// All of that, from the last byte of the request to the last byte of its response.
    Histogram "kafka_network_requestmetrics_totaltimems" ["request"] in "ms",
        "kafka.network:type=RequestMetrics,name=TotalTimeMs,request=*",
        |it, out| put_stage(it, out, "TotalTimeMs");
    /// Requests that wait for a handler; at most `queued.max.requests`.
    Gauge "kafka_network_requestchannel_requestqueuesize" [] in "requests",
        "kafka.network:type=RequestChannel,name=RequestQueueSize",
        |it, out| out.put(&[], it.parts.socket_server.request_channel().request_queue_size());
    /// Responses that wait for their Processors.
    Gauge "kafka_network_requestchannel_responsequeuesize" [] in "responses",
        "kafka.network:type=RequestChannel,name=ResponseQueueSize",
        |it, out| out.put(&[], it.parts.socket_server.request_channel().response_queue_size());
    /// Memory that requests and responses have drawn from the budget of all; what takes no more than
    /// 4 KiB is not drawn.
    Gauge "kafka_network_socketserver_memorypoolused" [] in "bytes",
        "kafka.network:type=SocketServer,name=MemoryPoolUsed",
        |it, out| out.put(&[], it.parts.socket_server.request_memory().drawn_bytes());
    /// What is left of it.
    Gauge "kafka_network_socketserver_memorypoolavailable" [] in "bytes",
        "kafka.network:type=SocketServer,name=MemoryPoolAvailable",
        |it, out| out.put(&[], it.parts.socket_server.request_memory().available_bytes());
    /// Requests that found too little of it to be received, read or answered in, and waited.
    Counter "transferto_memory_pool_waits_total" [] in "requests", "",
        |it, out| out.put(&[], it.parts.metrics.memory_pool_waits.value());
    /// What share of the time some of them waited, over the last minute: from 0 to 1, whatever its
    /// name says.
    Gauge "kafka_server_socket_server_metrics_memorypoolavgdepletedpercent" [] in "share",
        "kafka.server:type=socket-server-metrics, MemoryPoolAvgDepletedPercent",
        |it, out| out.put(&[], it.memory_depleted);
    /// Time in which some of them waited: Kafka's MemoryPoolDepletedTimeTotal.
    Counter "transferto_memory_pool_depleted_seconds_total" [] in "seconds", "",
        |it, out| out.put(&[], seconds(it.memory_depleted_ns));
    /// Connections that were closed because they held memory without progress while others waited.
    Counter "transferto_memory_stalls_total" [] in "connections", "",
        |it, out| out.put(&[], it.parts.metrics.memory_stalls.value());
    /// What share of their time the Processors had nothing to do, over the last minute: from 0 to
    /// 1, whatever its name says.
    Gauge "kafka_network_socketserver_networkprocessoravgidle_percent" [] in "share",
        "kafka.network:type=SocketServer,name=NetworkProcessorAvgIdlePercent",
        |it, out| out.put(&[], it.processors_idle);
    /// The same of the request handlers.
    Gauge "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent" [] in "share",
        "kafka.server:type=KafkaRequestHandlerPool,name=RequestHandlerAvgIdlePercent",
        |it, out| out.put(&[], it.handlers_idle);
    /// Connections that are open.
    Gauge "kafka_server_socket_server_metrics_connectioncount" ["listener", "networkprocessor"]
        in "connections",
        "kafka.server:type=socket-server-metrics,listener=*,networkProcessor=*, connection-count",
        |it, out| for (listener, processor, count) in it.parts.socket_server.connection_counts() {
            out.put(&[&listener.to_string(), &processor.to_string()], count);
        };
    /// Connections that were accepted.
    Counter "kafka_server_socket_server_metrics_connection_creation_total" [] in "connections",
        "kafka.server:type=socket-server-metrics, connection-creation-total",
        |it, out| out.put(&[], it.parts.metrics.connection_creations.value());
    /// Connections that were closed, by either side.
    Counter "kafka_server_socket_server_metrics_connection_close_total" [] in "connections",
        "kafka.server:type=socket-server-metrics, connection-close-total",
        |it, out| out.put(&[], it.parts.metrics.connection_closes.value());
    /// Connections that were refused by `max.connections.per.ip`.
    Counter "transferto_connections_refused_total" [] in "connections", "",
        |it, out| out.put(&[], it.parts.metrics.connections_refused.value());
    /// Requests that could not be parsed, so that the connection was closed.
    Counter "transferto_invalid_requests_total" [] in "requests", "",
        |it, out| out.put(&[], it.parts.metrics.invalid_requests.value());
    /// Time that Processors waited for their sockets.
    Counter "transferto_network_processor_idle_seconds_total" [] in "seconds", "",
        |it, out| out.put(&[], seconds(it.parts.metrics.network_processor_idle_ns.value()));
    /// Time that Processors ran, waiting or not.
    Counter "transferto_network_processor_seconds_total" [] in "seconds", "",
        |it, out| out.put(&[], seconds(it.parts.metrics.network_processor_total_ns.value()));
    /// Time that request handlers waited for a request.
    Counter "transferto_request_handler_idle_seconds_total" [] in "seconds", "",
        |it, out| out.put(&[], seconds(it.parts.metrics.request_handler_idle_ns.value()));
    /// Time that request handlers ran, waiting or not.
    Counter "transferto_request_handler_seconds_total" [] in "seconds", "",
        |it, out| out.put(&[], seconds(it.parts.metrics.request_handler_total_ns.value()));
}

fn metrics<'a>(it: &Observed<'a>) -> &'a RequestMetrics {
    it.parts.socket_server.request_channel().request_metrics()
}

/// `stage` is one of [`STAGES`].
fn put_stage(it: &Observed<'_>, out: &mut Samples<'_>, stage: &str) {
    for (api, stages) in metrics(it).stages() {
        for (_, values) in STAGES.iter().zip(&stages).filter(|(name, _)| **name == stage) {
            out.put_histogram(&[api], values);
        }
    }
}

pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_is_a_metric_under_its_name() {
        let of_stages = REQUEST_FAMILIES.iter().filter(|it| it.name.ends_with("timems"));
        for (family, stage) in of_stages.zip(STAGES) {
            assert!(family.name.ends_with(&format!("_{}", stage.to_lowercase())), "{stage}");
            assert!(family.mbean.contains(&format!("name={stage},")), "{stage}");
        }
    }
}
