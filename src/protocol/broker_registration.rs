//! Port of `org.apache.kafka.common.requests.BrokerRegistrationRequest` and `BrokerRegistrationResponse`:
//! makes a broker known to the controller. This broker sends it.

use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::uuid::Uuid;

message! {
    pub struct BrokerRegistrationRequest {
        0.. => broker_id: i32,
        0.. => cluster_id: String,
        /// Drawn at random at each start of the broker.
        0.. => incarnation_id: Uuid,
        0.. => listeners: Vec<RegistrationListener>,
        /// What the broker understands.
        0.. => features: Vec<RegistrationFeature>,
        0.. => rack: Option<String>,
        /// Of a broker that leaves ZooKeeper.
        1.. => is_migrating_zk_broker: bool,
        /// The ids of its log directories.
        2.. => log_dirs: Vec<Uuid>,
        /// That of the last clean shutdown; -1 if there was none.
        3.. => previous_broker_epoch: i64 = -1,
    }

    /// The advertised address.
    pub struct RegistrationListener {
        0.. => name: String,
        0.. => host: String,
        0.. => port: u16,
        /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
        0.. => security_protocol: i16,
    }

    pub struct RegistrationFeature {
        0.. => name: String,
        0.. => min_supported_version: i16,
        0.. => max_supported_version: i16,
    }

    pub struct BrokerRegistrationResponse {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        /// The offset of the record that registered it; -1 on error.
        0.. => broker_epoch: i64 = -1,
    }
}

impl ClientRequest for BrokerRegistrationRequest {
    const NAME: &'static str = "BrokerRegistration";
    const API_KEY: i16 = 62;
    const FIRST_FLEXIBLE_VERSION: i16 = 0;
    type Response = BrokerRegistrationResponse;
}
