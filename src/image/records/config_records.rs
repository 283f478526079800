//! Port of `ConfigRecord`, `FeatureLevelRecord`, `ClientQuotaRecord` and `ProducerIdsRecord`
//! (`org.apache.kafka.common.metadata`): what is set for the cluster.

use crate::protocol::wire::json_converter::json_message;

/// The `resource_type` of a topic.
pub const TOPIC: i8 = 2;
/// The `resource_type` of a broker.
pub const BROKER: i8 = 4;

json_message! {
    pub struct ConfigRecord {
        /// [`TOPIC`], [`BROKER`], 8 the loggers of a broker, 16 client metrics, 32 a group.
        0.. => resource_type: i8,
        /// Of a broker its id; empty for the default of all.
        0.. => resource_name: String,
        0.. => name: String,
        /// Null: not set any more.
        0.. => value: Option<String>,
    }

    pub struct FeatureLevelRecord {
        0.. => name: String,
        /// 0: not finalized any more.
        0.. => feature_level: i16,
    }

    pub struct ClientQuotaRecord {
        0.. => entity: Vec<EntityData>,
        0.. => key: String,
        0.. => value: f64,
        /// The quota goes; `value` means nothing.
        0.. => remove: bool,
    }

    pub struct EntityData {
        0.. => entity_type: String,
        /// Null for the default of all of this type.
        0.. => entity_name: Option<String>,
    }

    pub struct ProducerIdsRecord {
        /// Who was given the block before `next_producer_id`.
        0.. => broker_id: i32,
        0.. => broker_epoch: i64 = -1,
        0.. => next_producer_id: i64,
    }
}
