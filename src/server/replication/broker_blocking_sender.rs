//! Port of `kafka.server.BrokerBlockingSender`: one request after another to another broker, whose sender waits
//! for each response.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use log::debug;

use crate::clients::api_versions_exchange::api_versions;
use crate::clients::blocking_channel::{BlockingChannel, Response};
use crate::clients::client_channel_builder::ClientChannelBuilder;
use crate::clients::interrupter::Interrupter;
use crate::clients::node_api_versions::NodeApiVersions;
use crate::protocol::client_request::ClientRequest;
use crate::replica::broker_end_point::BrokerEndPoint;
use crate::server::replication::replication_config::ReplicationConfig;

/// Connects at the first request, and again at the first one after a failure.
#[derive(Debug)]
pub struct BrokerBlockingSender {
    broker: BrokerEndPoint,
    builder: Arc<dyn ClientChannelBuilder>,
    client_id: String,
    timeout: Duration,
    receive_buffer_bytes: Option<usize>,
    response_bytes_max: usize,
    interrupter: Arc<Interrupter>,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    channel: BlockingChannel,
    /// What the other broker has.
    versions: NodeApiVersions,
}

impl BrokerBlockingSender {
    /// A sender whose every wait the interrupter ends.
    pub fn new(
        broker: BrokerEndPoint,
        client_id: String,
        config: &ReplicationConfig,
        builder: Arc<dyn ClientChannelBuilder>,
        interrupter: Arc<Interrupter>,
    ) -> Self {
        Self {
            broker,
            builder,
            client_id,
            timeout: config.socket_timeout,
            receive_buffer_bytes: config.socket_receive_buffer_bytes,
            response_bytes_max: config.response_bytes_max,
            interrupter,
            connection: None,
        }
    }

    pub fn broker(&self) -> &BrokerEndPoint {
        &self.broker
    }

    /// Sends a request in the newest version that both brokers have, of those in `ours`. Returns the version
    /// with the response.
    ///
    /// # Errors
    /// As [`BlockingChannel::connect`] and [`BlockingChannel::call`]; `Unsupported` if the other broker has no
    /// such version. The text says which broker it is.
    pub fn send_request<R: ClientRequest>(
        &mut self,
        request: &R,
        ours: RangeInclusive<i16>,
    ) -> io::Result<(i16, Response<R::Response>)> {
        let connection = self.connection.take();
        let sent = connection.map_or_else(|| self.connect(), Ok).and_then(|mut connection| {
            let version = connection.versions.usable_version::<R>(&ours)?;
            let response = connection.channel.call(request, version, self.timeout)?;
            self.connection = Some(connection);
            Ok((version, response))
        });
        sent.map_err(|error| {
            io::Error::new(error.kind(), format!("{} by {}: {error}", R::NAME, self.broker))
        })
    }

    fn connect(&self) -> io::Result<Connection> {
        let BrokerEndPoint { host, port, .. } = &self.broker;
        let mut channel = BlockingChannel::connect(
            &*self.builder,
            (host, *port),
            &self.client_id,
            self.timeout,
            &self.interrupter,
        )
        .map_err(|error| match advice(error.kind()) {
            "" => error,
            advice => io::Error::new(error.kind(), format!("{error}{advice}")),
        })?;
        channel.limit_responses(self.response_bytes_max);
        if let Some(bytes) = self.receive_buffer_bytes {
            channel.set_receive_buffer(bytes)?;
        }
        let versions = NodeApiVersions::of(api_versions(&mut channel, self.timeout)?);
        debug!("{} is connected to {}", self.client_id, self.broker);
        Ok(Connection { channel, versions })
    }
}

/// The address is the one that the broker has registered, which may be right for itself alone.
fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::TimedOut
        | io::ErrorKind::NotFound
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => {
            "; if that broker runs, its `advertised.listeners` must have an address at which this one reaches it"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::clients::client_channel_builder::PlaintextClientChannelBuilder;
    use crate::config::kafka_config::KafkaConfig;
    use crate::protocol::api_versions::ApiVersionsRequest;

    #[test]
    fn a_broker_that_is_not_at_its_address_is_named_with_the_setting_that_the_address_comes_from() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut sender = BrokerBlockingSender::new(
            BrokerEndPoint { id: 3, host: "127.0.0.1".to_string(), port },
            "a-follower".to_string(),
            &ReplicationConfig::from(&KafkaConfig::default()),
            Arc::new(PlaintextClientChannelBuilder),
            Arc::new(Interrupter::new()),
        );
        let asked = sender.send_request(&ApiVersionsRequest::default(), 0..=0);
        let error = asked.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(&format!("broker 3 at 127.0.0.1:{port}: ")), "{error}");
        assert!(error.ends_with("an address at which this one reaches it"), "{error}");
        assert!(error.contains("`advertised.listeners`"), "{error}");
    }
}
