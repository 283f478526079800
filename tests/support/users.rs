//! Clients that are somebody: on a broker that believes the name in a connection's first frame, and on
//! one that asks for a password.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use transferto::common::kafka_principal::KafkaPrincipal;
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::sasl_authenticate::SaslAuthenticateRequest;
use transferto::protocol::sasl_handshake::SaslHandshakeRequest;
use transferto::protocol::wire::secret_bytes::SecretBytes;
use transferto::server::kafka_server_builder::KafkaServerBuilder;
use transferto::transport::authenticator::{AuthenticationError, Authenticator};
use transferto::transport::channel_builder::{
    ChannelBuilder, PlaintextTransportBuilder, TransportBuilder,
};
use transferto::transport::connection_id::ConnectionId;
use transferto::transport::kafka_channel::KafkaChannel;
use transferto::transport::network_receive::NetworkReceive;

use crate::client::Client;

/// Lets every connection of the broker begin with a name.
pub fn believing(builder: KafkaServerBuilder) -> KafkaServerBuilder {
    let transports = PlaintextTransportBuilder::new(Arc::default());
    builder.channel_builder(Arc::new(BelievingChannelBuilder { transports }))
}

/// A client of a broker that believes, as the principal `name`, which is written `User:alice`.
pub fn connect_as(name: &str, port: u16) -> Client {
    let mut client = Client::connect(port);
    client.send_frame(name.as_bytes());
    assert_eq!(client.receive_frame(), [] as [u8; 0]);
    client
}

struct BelievingChannelBuilder {
    transports: PlaintextTransportBuilder,
}

impl ChannelBuilder for BelievingChannelBuilder {
    fn build_channel(
        &self,
        id: ConnectionId,
        stream: TcpStream,
        peer: SocketAddr,
        receive: NetworkReceive,
    ) -> io::Result<KafkaChannel> {
        let transport = self.transports.build_transport(stream, peer)?;
        let nobody = KafkaPrincipal::anonymous();
        let authenticator = Box::new(Believer { principal: nobody, is_complete: false });
        Ok(KafkaChannel::new(id, transport, authenticator, receive))
    }
}

struct Believer {
    principal: KafkaPrincipal,
    is_complete: bool,
}

impl Authenticator for Believer {
    fn authenticate(&mut self, frame: &[u8], _: i64) -> Result<Vec<u8>, AuthenticationError> {
        self.principal = KafkaPrincipal::parse(str::from_utf8(frame).unwrap()).unwrap();
        self.is_complete = true;
        Ok(Vec::new())
    }

    fn complete(&self) -> bool {
        self.is_complete
    }

    fn principal(&self) -> &KafkaPrincipal {
        &self.principal
    }
}

/// A client that proves by SASL/PLAIN to be `user`.
pub fn connect_by_plain(user: &str, password: &str, port: u16) -> Client {
    let mut client = Client::connect(port);
    let mechanism = SaslHandshakeRequest { mechanism: "PLAIN".to_string() };
    match client.call(1, &RequestBody::SaslHandshake(mechanism), &[]).0 {
        ResponseBody::SaslHandshake(it) => assert_eq!(it.error_code, 0, "{it:?}"),
        other => panic!("{other:?}"),
    }
    let token = SecretBytes(format!("\0{user}\0{password}").into_bytes());
    let request = SaslAuthenticateRequest { auth_bytes: token };
    match client.call(2, &RequestBody::SaslAuthenticate(request), &[]).0 {
        ResponseBody::SaslAuthenticate(it) => assert_eq!(it.error_code, 0, "{it:?}"),
        other => panic!("{other:?}"),
    }
    client
}
