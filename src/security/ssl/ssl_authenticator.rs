//! Port of `SslChannelBuilder.SslAuthenticator`: a client is whom its certificate names.

use std::sync::Arc;

use crate::common::kafka_principal::KafkaPrincipal;
use crate::security::ssl::ssl_principal_mapper::SslPrincipalMapper;
use crate::transport::authenticator::{AuthenticationError, Authenticator};
use crate::transport::transport_layer::TransportLayer;

/// The handshake has settled everything: nothing is exchanged.
pub struct SslAuthenticator {
    mapper: Arc<SslPrincipalMapper>,
    /// Anonymous without a certificate.
    principal: KafkaPrincipal,
}

impl SslAuthenticator {
    pub fn new(mapper: Arc<SslPrincipalMapper>) -> Self {
        Self { mapper, principal: KafkaPrincipal::anonymous() }
    }
}

impl Authenticator for SslAuthenticator {
    fn begin(&mut self, transport: &dyn TransportLayer) -> Result<(), AuthenticationError> {
        let Some(distinguished_name) = transport.peer_principal() else {
            return Ok(());
        };
        let name = self.mapper.get_name(distinguished_name).map_err(|error| {
            AuthenticationError::Failed { why: error.to_string(), answer: None }
        })?;
        self.principal = KafkaPrincipal { principal_type: "User".into(), name: name.into() };
        Ok(())
    }

    fn authenticate(&mut self, _: &[u8], _: i64) -> Result<Vec<u8>, AuthenticationError> {
        Err(AuthenticationError::InvalidRequest("this listener has nothing to exchange".into()))
    }

    fn complete(&self) -> bool {
        true
    }

    fn principal(&self) -> &KafkaPrincipal {
        &self.principal
    }
}
