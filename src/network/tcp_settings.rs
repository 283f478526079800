//! Not in Kafka: what the kernel's TCP does to the send path, and what to set if that costs.

use std::fs::read_to_string;
use std::net::IpAddr;

use crate::config::kafka_config::KafkaConfig;

/// The setting that chooses the algorithm, for sentences.
const CONGESTION_CONTROL: &str = "transferto.socket.congestion.control";

/// From this size on a fixed send buffer costs next to nothing: 5 % of the rate of one consumer,
/// where 102400 costs 40 %.
const AMPLE_SEND_BUFFER_BYTES: usize = 409_600;

/// The kernel's settings that apply to every socket of this network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpSettings {
    /// The algorithm of a socket that chooses none.
    pub congestion_control: String,
    /// The algorithms that are loaded, with spaces between them.
    pub available: String,
    /// Those that a process without `CAP_NET_ADMIN` may choose.
    pub allowed: String,
}

impl TcpSettings {
    /// What `/proc/sys/net/ipv4` says; empty where it says nothing.
    pub fn of_the_system() -> Self {
        let read = |name: &str| {
            let text = read_to_string(format!("/proc/sys/net/ipv4/{name}"));
            text.unwrap_or_default().trim().to_string()
        };
        Self {
            congestion_control: read("tcp_congestion_control"),
            available: read("tcp_available_congestion_control"),
            allowed: read("tcp_allowed_congestion_control"),
        }
    }

    /// The algorithms that a listener may be given, for the error about one that it may not.
    pub(super) fn choices(&self) -> String {
        format!("available are {}; allowed without CAP_NET_ADMIN: {}", self.available, self.allowed)
    }

    /// A sentence for each setting that makes the fetches of these listeners slower than they could
    /// be, with what to set instead.
    pub(super) fn advice(&self, config: &KafkaConfig, listeners: &[IpAddr]) -> Vec<String> {
        let chosen = config.transferto_socket_congestion_control.as_deref();
        let in_force = chosen.unwrap_or(&self.congestion_control);
        let is_on_loopback = listeners.iter().any(|it| it.to_canonical().is_loopback());
        let mut advice = Vec::new();
        if chosen.is_none() && is_on_loopback && paces(in_force) {
            advice.push(format!(
                "the system's TCP congestion control, {in_force}, paces what is sent, on loopback, \
                 too: it can cost a consumer on this machine 40 % of its rate; for listeners that \
                 only this machine reaches, set `{CONGESTION_CONTROL}=reno`"
            ));
        }
        match config.socket_send_buffer_bytes {
            // What is paced does not fill a larger buffer either.
            Some(size_bytes) if size_bytes < AMPLE_SEND_BUFFER_BYTES && !paces(in_force) => {
                advice.push(format!(
                    "`socket.send.buffer.bytes={size_bytes}` keeps the send buffers small: 102400, \
                     as in Kafka's own file, costs a consumer 40 % of its rate; remove the setting, \
                     or set it to -1"
                ));
            }
            _ => {}
        }
        advice
    }
}

/// Whether the algorithm spreads what is sent over time, at a rate that it has estimated.
fn paces(algorithm: &str) -> bool {
    algorithm.starts_with("bbr")
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const EVERYWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

    fn advice(system: &str, chosen: &str, send_buffer_bytes: i32, listener: IpAddr) -> String {
        let tcp = TcpSettings { congestion_control: system.to_string(), ..Default::default() };
        let mut config = KafkaConfig::default();
        config.set(CONGESTION_CONTROL, chosen).unwrap();
        config.set("socket.send.buffer.bytes", &send_buffer_bytes.to_string()).unwrap();
        tcp.advice(&config, &[listener]).join("\n")
    }

    #[test]
    fn an_algorithm_that_paces_is_named_if_a_listener_on_loopback_would_inherit_it() {
        let said = advice("bbr", "", -1, LOOPBACK);
        assert!(said.contains("bbr") && said.contains(&format!("{CONGESTION_CONTROL}=reno")));
        assert_ne!(advice("bbr", "", -1, IpAddr::V6(Ipv6Addr::LOCALHOST)), "");
        assert_eq!(advice("bbr", "", -1, EVERYWHERE), "");
        assert_eq!(advice("bbr", "reno", -1, LOOPBACK), "");
        assert_eq!(advice("cubic", "", -1, LOOPBACK), "");
    }

    #[test]
    fn a_small_send_buffer_is_named_unless_pacing_costs_more() {
        let said = advice("cubic", "", 102_400, EVERYWHERE);
        assert!(said.contains("`socket.send.buffer.bytes=102400`"), "{said}");
        assert_eq!(advice("cubic", "", -1, EVERYWHERE), "");
        assert_eq!(advice("cubic", "", 409_600, EVERYWHERE), "");
        assert_eq!(advice("bbr", "", 102_400, EVERYWHERE), "");
        assert_ne!(advice("bbr", "cubic", 102_400, EVERYWHERE), "");
    }
}
