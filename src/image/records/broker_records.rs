//! Port of `RegisterBrokerRecord`, `RegisterControllerRecord` and the records that change or remove what
//! they register (`org.apache.kafka.common.metadata`).

use crate::protocol::wire::json_converter::json_message;
use crate::protocol::wire::uuid::Uuid;

json_message! {
    /// A broker that has registered: this takes the place of all that was known of it.
    pub struct RegisterBrokerRecord {
        0.. => broker_id: i32,
        2.. => is_migrating_zk_broker: bool,
        /// Drawn at random at each start of the broker.
        0.. => incarnation_id: Uuid,
        /// The offset of this record.
        0.. => broker_epoch: i64,
        0.. => end_points: Vec<BrokerEndpoint>,
        0.. => features: Vec<BrokerFeature>,
        0.. => rack: Option<String>,
        0.. => fenced: bool = true,
        1.. => in_controlled_shutdown: bool,
        3.., tag 0 => log_dirs: Vec<Uuid>,
        4.., null 4.., tag 1 => cordoned_log_dirs: Option<Vec<Uuid>>,
    }

    /// An address that a node advertises.
    pub struct BrokerEndpoint {
        /// That of the listener.
        0.. => name: String,
        0.. => host: String,
        0.. => port: u16,
        /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
        0.. => security_protocol: i16,
    }

    /// The levels of a feature that a node supports.
    pub struct BrokerFeature {
        0.. => name: String,
        0.. => min_supported_version: i16,
        0.. => max_supported_version: i16,
    }

    pub struct UnregisterBrokerRecord {
        0.. => broker_id: i32,
        0.. => broker_epoch: i64,
    }

    /// An older form of a [`BrokerRegistrationChangeRecord`].
    pub struct FenceBrokerRecord {
        0.. => id: i32,
        0.. => epoch: i64,
    }

    /// An older form of a [`BrokerRegistrationChangeRecord`].
    pub struct UnfenceBrokerRecord {
        0.. => id: i32,
        0.. => epoch: i64,
    }

    pub struct BrokerRegistrationChangeRecord {
        0.. => broker_id: i32,
        /// That of the registration which changes.
        0.. => broker_epoch: i64,
        /// 1 for fenced, -1 for unfenced, 0 if that does not change.
        0.., tag 0 => fenced: i8,
        /// 1 if it shuts down now, 0 if that does not change.
        1.., tag 1 => in_controlled_shutdown: i8,
        /// Empty if they do not change.
        2.., tag 2 => log_dirs: Vec<Uuid>,
        3.., null 3.., tag 3 => cordoned_log_dirs: Option<Vec<Uuid>>,
    }

    pub struct RegisterControllerRecord {
        0.. => controller_id: i32,
        0.. => incarnation_id: Uuid,
        0.. => zk_migration_ready: bool,
        0.. => end_points: Vec<BrokerEndpoint>,
        0.. => features: Vec<BrokerFeature>,
    }

    pub struct UnregisterControllerRecord {
        0.. => controller_id: i32,
    }
}
