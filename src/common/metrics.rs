//! The counters of the broker: what a fetch costs, in numbers that do not vary from run to run.
//!
//! Kafka keeps its metrics in `org.apache.kafka.common.metrics` and prints them over JMX. Here each
//! is an atomic integer in one struct, named as Kafka names it where Kafka has it, and printed when
//! the broker stops and on SIGUSR1.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::tls_connections::TlsConnections;

/// A number that threads add to without locking.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn increment(&self) {
        self.add(1);
    }

    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// For gauges.
    pub fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// For gauges whose owner knows the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Keeps the larger of its own value and `value`: for maxima.
    pub fn at_least(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Writes the struct and the list of its names from one table.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// All counters of one broker, shared by its threads.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: Counter,)+
            /// The connections that are encrypted now.
            pub tls_connections: TlsConnections,
        }

        impl Metrics {
            /// Each counter's name and present value, in the order of the table.
            pub fn values(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.value()),)+]
            }
        }
    };
}

counters! {
    /// Calls of `sendfile(2)` to a client's socket.
    sendfile_calls,
    /// Message bytes that went from a segment file to a socket inside the kernel.
    sendfile_bytes,
    /// Calls of `sendfile(2)` that found the socket full.
    sendfile_would_block,
    /// Nanoseconds spent inside `sendfile(2)` to clients.
    sendfile_ns,
    /// The longest single `sendfile(2)` to a client, in nanoseconds: a cold page shows here first
    /// (KAFKA-7504).
    sendfile_ns_max,
    /// Calls of `sendmsg(2)` to a client's socket.
    write_calls,
    /// Bytes that left from this process's memory: headers, small responses, and message bytes that
    /// had to be converted, or that `transferto.transfer.mode=copy` sent.
    write_bytes,
    /// Message bytes of fetches that were copied through this process, because zero copy was lost or
    /// switched off (`transferto.transfer.mode=copy`).
    copied_message_bytes,
    /// Calls of `pread(2)` for message bytes on their way to a socket
    /// (`transferto.transfer.mode=copy`).
    copy_read_calls,
    /// Bytes that those calls read. What exceeds the copied bytes was read again, because a socket
    /// was full.
    copy_read_bytes,
    /// Fetches of a partition that were down-converted for an old client, so that zero copy was
    /// lost.
    fetch_message_conversions,
    /// Message sets of an old producer that were up-converted on append.
    produce_message_conversions,
    /// Slices that were found cold and read into the page cache by a handler thread.
    cold_slices_warmed,
    /// Bytes of those slices.
    cold_bytes_warmed,
    /// Fetches that a Processor answered itself (`transferto.fetch.inline=resident`).
    fetches_answered_inline,
    /// Fetches that it handed over to the request handlers, because something was not in memory or
    /// would have to be waited for.
    fetches_handed_over,
    /// Requests that wait for the cluster's controller or for its response: Kafka's `QueueLength` of
    /// `ForwardingManager`.
    forwarding_queue_length,
    /// Fetch sessions that there are: Kafka's `NumIncrementalFetchSessions`.
    incremental_fetch_sessions,
    /// Partitions in all of them: Kafka's `NumIncrementalFetchPartitionsCached`.
    incremental_fetch_partitions_cached,
    /// Sessions that had to give way to others: Kafka's `IncrementalFetchSessionEvictionsPerSec`.
    incremental_fetch_session_evictions,
    /// Replicas that came into sync again: Kafka's `IsrExpandsPerSec`.
    isr_expands,
    /// Changes that took replicas out of sync: Kafka's `IsrShrinksPerSec`.
    isr_shrinks,
    /// Changes of these two kinds that the controller refused, or that were over before its answer: Kafka's
    /// `FailedIsrUpdatesPerSec`.
    failed_isr_updates,
    /// Bytes of records that were copied from leaders: Kafka's `ReplicationBytesInPerSec`.
    replication_bytes_in,
    /// Bytes of records in responses to followers: Kafka's `ReplicationBytesOutPerSec`.
    replication_bytes_out,
    /// Those of the bytes in that a reassignment has brought: Kafka's `ReassignmentBytesInPerSec`.
    reassignment_bytes_in,
    /// The same of the bytes out: Kafka's `ReassignmentBytesOutPerSec`.
    reassignment_bytes_out,
    /// Log directories that are offline: Kafka's `OfflineLogDirectoryCount`.
    offline_log_directory_count,
    /// Calls of `read(2)` on a client's socket.
    read_calls,
    /// Bytes received.
    read_bytes,
    /// Connections made, accepted or connected.
    connection_creations,
    /// Connections closed, by either side.
    connection_closes,
    /// Connections refused by `max.connections.per.ip`.
    connections_refused,
    /// Connections whose client has proved who it is: Kafka's `successful-authentication-total`.
    successful_authentications,
    /// Connections whose client has not, or not in time: Kafka's `failed-authentication-total`.
    failed_authentications,
    /// Connections closed because their client had to authenticate anew and did not (KIP-368): Kafka's
    /// `expired-connections-killed-count`.
    expired_connections_killed,
    /// Changes of a client's key that the kernel was given (KeyUpdate of TLS 1.3).
    tls_key_updates_received,
    /// Changes of our key on connections that the kernel encrypts, because a client has asked for one
    /// or because the old one had been used for long enough.
    tls_key_updates_sent,
    /// Connections closed because the kernel did not take them, when nobody else had their keys any more.
    tls_hand_over_failures,
    /// Connections closed because their keys had to be changed, and the kernel (before Linux 6.14) or
    /// their protocol (TLS 1.2) takes no others.
    tls_connections_closed_for_keys,
    /// Requests that found no memory to be received, read or answered in, and waited for it.
    memory_pool_waits,
    /// Connections closed because they held memory without progress while others waited for it.
    memory_stalls,
    /// Nanoseconds that Processors waited for their sockets. Over `network_processor_total_ns`,
    /// this is Kafka's `NetworkProcessorAvgIdlePercent`.
    network_processor_idle_ns,
    /// Nanoseconds that Processors ran, waiting or not.
    network_processor_total_ns,
    /// Nanoseconds that request handlers waited for a request. Over `request_handler_total_ns`, this
    /// is Kafka's `RequestHandlerAvgIdlePercent`.
    request_handler_idle_ns,
    /// Nanoseconds that request handlers ran, waiting or not.
    request_handler_total_ns,
    /// Requests that could not be parsed, so that the connection was closed.
    invalid_requests,
    /// Delayed fetches that were answered because their time ran out.
    delayed_fetch_expires,
    /// The same of followers.
    delayed_follower_fetch_expires,
    /// Delayed produces that were answered because their time ran out.
    delayed_produce_expires,
    /// Delayed deletions of records that were answered because their time ran out.
    delayed_delete_records_expires,
    /// Produce requests that exceeded their client's quota.
    produce_throttles,
    /// Their delays, in milliseconds. Over `produce_throttles`, this is Kafka's `throttle-time`.
    produce_throttle_time_ms,
    /// Fetches that exceeded their client's quota.
    fetch_throttles,
    /// Their delays, in milliseconds.
    fetch_throttle_time_ms,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_listed_under_its_name() {
        let metrics = Metrics::default();
        metrics.sendfile_bytes.add(7);
        metrics.sendfile_ns_max.at_least(5);
        metrics.sendfile_ns_max.at_least(3);
        let values = metrics.values();
        assert!(values.contains(&("sendfile_bytes", 7)));
        assert!(values.contains(&("sendfile_ns_max", 5)));
    }
}
