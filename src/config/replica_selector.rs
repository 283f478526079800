//! The values of `replica.selector.class`: the classes that Kafka ships, of which none is loaded.

use crate::config::config_type::words;

words! {
    /// Which replica a leader has a consumer read.
    pub enum ReplicaSelector takes "org.apache.kafka.common.replica.LeaderSelector or \
                                    org.apache.kafka.common.replica.RackAwareReplicaSelector" {
        /// Itself.
        Leader = "org.apache.kafka.common.replica.LeaderSelector",
        /// One in the consumer's rack.
        RackAware = "org.apache.kafka.common.replica.RackAwareReplicaSelector",
    }
}
