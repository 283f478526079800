//! The metrics of the broker as a whole: zero copy and what it was lost to, quotas, the process.

use std::collections::BTreeMap;

use crate::common::log_limit::left_out;
use crate::common::tls_connections::EncryptedBy;
use crate::server::monitoring::family::families;
use crate::server::monitoring::observed::Observed;
use crate::server::monitoring::request_families::seconds;

families! {
    /// What sending costs, what is held back, and what the process takes.
    pub const BROKER_FAMILIES;

    /// Calls of `sendfile(2)` to clients.
    Counter "transferto_sendfile_calls_total" [] in "calls", "",
        |it, out| out.put(&[], it.parts.metrics.sendfile_calls.value());
    /// Calls of `sendfile(2)` that found the socket full.
    Counter "transferto_sendfile_would_block_total" [] in "calls", "",
        |it, out| out.put(&[], it.parts.metrics.sendfile_would_block.value());
    /// Message bytes that went from a segment file to a socket inside the kernel.
    Counter "transferto_sendfile_bytes_total" [] in "bytes", "",
        |it, out| out.put(&[], it.parts.metrics.sendfile_bytes.value());
    /// Time inside `sendfile(2)`.
    Counter "transferto_sendfile_seconds_total" [] in "seconds", "",
        |it, out| out.put(&[], seconds(it.parts.metrics.sendfile_ns.value()));
    /// The longest call of `sendfile(2)` since the start: a cold page shows here first.
    Gauge "transferto_sendfile_longest_seconds" [] in "seconds", "",
        |it, out| out.put(&[], seconds(it.parts.metrics.sendfile_ns_max.value()));
    /// Message bytes of fetches that were copied through the process, because zero copy was lost, or
    /// switched off by `transferto.transfer.mode=copy`.
    Counter "transferto_copied_message_bytes_total" [] in "bytes", "",
        |it, out| out.put(&[], it.parts.metrics.copied_message_bytes.value());
    /// Calls of `pread(2)` for messages on their way to a client, with that setting.
    Counter "transferto_copy_read_calls_total" [] in "calls", "",
        |it, out| out.put(&[], it.parts.metrics.copy_read_calls.value());
    /// Bytes that they read: more than were copied, where a socket was full and they were read again.
    Counter "transferto_copy_read_bytes_total" [] in "bytes", "",
        |it, out| out.put(&[], it.parts.metrics.copy_read_bytes.value());
    /// Fetches of a partition whose messages were converted for an old client.
    Counter "transferto_fetch_down_conversions_total" [] in "fetches", "",
        |it, out| out.put(&[], it.parts.metrics.fetch_message_conversions.value());
    /// Message sets of an old producer that were converted when they came.
    Counter "transferto_produce_up_conversions_total" [] in "message sets", "",
        |it, out| out.put(&[], it.parts.metrics.produce_message_conversions.value());
    /// Slices that were not in memory, and were read by a request handler before they were sent.
    Counter "transferto_cold_slices_warmed_total" [] in "slices", "",
        |it, out| out.put(&[], it.parts.metrics.cold_slices_warmed.value());
    /// Bytes of those slices.
    Counter "transferto_cold_bytes_warmed_total" [] in "bytes", "",
        |it, out| out.put(&[], it.parts.metrics.cold_bytes_warmed.value());
    /// Fetches that their network thread answered itself, with `transferto.fetch.inline=resident`.
    Counter "transferto_fetches_answered_inline_total" [] in "fetches", "",
        |it, out| out.put(&[], it.parts.metrics.fetches_answered_inline.value());
    /// Fetches that it handed over to the request handlers, with that setting.
    Counter "transferto_fetches_handed_over_total" [] in "fetches", "",
        |it, out| out.put(&[], it.parts.metrics.fetches_handed_over.value());
    /// Calls that sent bytes of the process to clients.
    Counter "transferto_write_calls_total" [] in "calls", "",
        |it, out| out.put(&[], it.parts.metrics.write_calls.value());
    /// Bytes that were sent so: headers, small responses, messages that were converted or copied.
    Counter "transferto_write_bytes_total" [] in "bytes", "",
        |it, out| out.put(&[], it.parts.metrics.write_bytes.value());
    /// Calls that read from the sockets of clients.
    Counter "transferto_read_calls_total" [] in "calls", "",
        |it, out| out.put(&[], it.parts.metrics.read_calls.value());
    /// Bytes that were received.
    Counter "transferto_read_bytes_total" [] in "bytes", "",
        |it, out| out.put(&[], it.parts.metrics.read_bytes.value());
    /// Connections with TLS that are open.
    Gauge "kafka_server_socket_server_metrics_connections" ["cipher", "protocol"] in "connections",
        "kafka.server:type=socket-server-metrics,cipher=*,protocol=*, connections",
        |it, out| for (cipher, protocol, count) in by_cipher(it) {
            out.put(&[cipher, protocol], count);
        };
    /// The same by who encrypts them: the kernel, so that files leave by `sendfile(2)`, or this process,
    /// and then why.
    Gauge "transferto_tls_connections" ["by", "why"] in "connections", "",
        |it, out| for (by, why, count) in by_encryption(it) {
            out.put(&[by, &why], count);
        };
    /// Connections with TLS that were closed because the kernel had refused them when their keys were
    /// with it already.
    Counter "transferto_tls_hand_over_failures_total" [] in "connections", "",
        |it, out| out.put(&[], it.parts.metrics.tls_hand_over_failures.value());
    /// Connections with TLS that were closed because their keys had to be changed, and the kernel takes no
    /// others.
    Counter "transferto_tls_closed_for_keys_total" [] in "connections", "",
        |it, out| out.put(&[], it.parts.metrics.tls_connections_closed_for_keys.value());
    /// Changes of keys in the kernel (KeyUpdate), by whose they were.
    Counter "transferto_tls_key_updates_total" ["of"] in "keys", "",
        |it, out| {
            out.put(&["broker"], it.parts.metrics.tls_key_updates_sent.value());
            out.put(&["client"], it.parts.metrics.tls_key_updates_received.value());
        };
    /// Requests that exceeded their client's quota.
    Counter "transferto_quota_throttled_requests_total" ["quota"] in "requests", "",
        |it, out| {
            out.put(&["Produce"], it.parts.metrics.produce_throttles.value());
            out.put(&["Fetch"], it.parts.metrics.fetch_throttles.value());
        };
    /// By how much they were delayed, all clients together; Kafka has it for each.
    Counter "transferto_quota_throttle_seconds_total" ["quota"] in "seconds", "",
        |it, out| {
            let metrics = &it.parts.metrics;
            out.put(&["Produce"], metrics.produce_throttle_time_ms.value() as f64 / 1e3);
            out.put(&["Fetch"], metrics.fetch_throttle_time_ms.value() as f64 / 1e3);
        };
    /// Producers that are being delayed.
    Gauge "kafka_server_produce_queue_size" [] in "clients",
        "kafka.server:type=Produce, queue-size",
        |it, out| out.put(&[], it.parts.quota_managers.produce.delay_queue_size());
    /// Consumers that are being delayed.
    Gauge "kafka_server_fetch_queue_size" [] in "clients",
        "kafka.server:type=Fetch, queue-size",
        |it, out| out.put(&[], it.parts.quota_managers.fetch.delay_queue_size());
    /// Lines that clients have caused and that were left out of the log, by what they are about.
    Counter "transferto_log_lines_left_out_total" ["about"] in "lines", "",
        |_, out| for (kind, count) in left_out() {
            out.put(&[&kind.to_string()], count);
        };
    /// 3 while the broker runs, 6 while the controller of its cluster moves what it leads, 7 while it stops.
    Gauge "kafka_server_kafkaserver_brokerstate" [] in "state",
        "kafka.server:type=KafkaServer,name=BrokerState",
        |it, out| out.put(&[], it.state as u8);
    /// 1, with the version of the program.
    Gauge "transferto_build_info" ["version"] in "-",
        "kafka.server:type=app-info, version",
        |_, out| out.put(&[env!("CARGO_PKG_VERSION")], 1);

    /// When the process was started, in seconds since 1970.
    Gauge "process_start_time_seconds" [] in "seconds", "java.lang:type=Runtime, StartTime",
        |it, out| out.put_known(it.process.start_time_seconds);
    /// Processor time of the process, in user mode and in the kernel.
    Counter "process_cpu_seconds_total" [] in "seconds",
        "java.lang:type=OperatingSystem, ProcessCpuTime",
        |it, out| out.put_known(it.process.cpu_seconds);
    /// Memory of the process that is in RAM.
    Gauge "process_resident_memory_bytes" [] in "bytes", "",
        |it, out| out.put_known(it.process.resident_memory_bytes);
    /// Addresses of the process that are in use, mapped index files included.
    Gauge "process_virtual_memory_bytes" [] in "bytes", "",
        |it, out| out.put_known(it.process.virtual_memory_bytes);
    /// File descriptors that are open.
    Gauge "process_open_fds" [] in "descriptors",
        "java.lang:type=OperatingSystem, OpenFileDescriptorCount",
        |it, out| out.put_known(it.process.open_fds);
    /// How many may be open.
    Gauge "process_max_fds" [] in "descriptors",
        "java.lang:type=OperatingSystem, MaxFileDescriptorCount",
        |it, out| out.put_known(it.process.max_fds);
    /// Threads of the process.
    Gauge "process_threads" [] in "threads", "java.lang:type=Threading, ThreadCount",
        |it, out| out.put_known(it.process.threads);
}

/// All that have the same cipher and protocol, together.
fn by_cipher(it: &Observed<'_>) -> Vec<(&'static str, &'static str, u64)> {
    let mut sums = BTreeMap::new();
    for (kind, count) in it.parts.metrics.tls_connections.values() {
        *sums.entry((kind.cipher, kind.protocol)).or_default() += count;
    }
    sums.into_iter().map(|((cipher, protocol), count)| (cipher, protocol, count)).collect()
}

/// All that are encrypted by the same, for the same reason, together. The kernel is always there.
fn by_encryption(it: &Observed<'_>) -> Vec<(&'static str, String, u64)> {
    let mut sums = BTreeMap::from([(EncryptedBy::Kernel, 0)]);
    for (kind, count) in it.parts.metrics.tls_connections.values() {
        *sums.entry(kind.by).or_default() += count;
    }
    let row = |(by, count)| match by {
        EncryptedBy::Kernel => ("kernel", String::new(), count),
        EncryptedBy::UserSpace(why) => ("broker", why.to_string(), count),
    };
    sums.into_iter().map(row).collect()
}
