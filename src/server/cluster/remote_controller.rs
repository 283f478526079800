//! Not in Kafka: the [`Controller`] of a broker whose cluster has its controller elsewhere.

use crate::common::errors::{Errors, KafkaError};
use crate::registry::topic_registry::NewTopic;
use crate::server::metadata::controller::{ConfigChange, Controller, Overrides};

/// Changes nothing. Clients' requests for a change never come this far: they are
/// [forwarded](crate::server::cluster::forwarding_manager::ForwardingManager).
#[derive(Debug, Default)]
pub struct RemoteController;

fn elsewhere() -> KafkaError {
    KafkaError::api(Errors::NotController, "the controller of this cluster is another node")
}

impl Controller for RemoteController {
    /// The controller's own `num.partitions`.
    fn default_partitions(&self) -> i32 {
        -1
    }

    fn is_topic_deletion_enabled(&self) -> bool {
        true
    }

    fn check_new_topic(&self, _topic: &str, _overrides: &Overrides) -> Result<(), KafkaError> {
        Err(elsewhere())
    }

    fn create_topics(&self, topics: Vec<NewTopic>) -> Vec<Result<[u8; 16], KafkaError>> {
        topics.iter().map(|_| Err(elsewhere())).collect()
    }

    fn delete_topic(&self, _topic: &str) -> Result<i32, KafkaError> {
        Err(elsewhere())
    }

    fn check_more_partitions(&self, _topic: &str, _count: i32) -> Result<i32, KafkaError> {
        Err(elsewhere())
    }

    fn create_partitions(&self, _topic: &str, _count: i32) -> Result<(), KafkaError> {
        Err(elsewhere())
    }

    fn alter_topic_config(
        &self,
        _topic: &str,
        _validate_only: bool,
        _change: ConfigChange<'_>,
    ) -> Result<(), KafkaError> {
        Err(elsewhere())
    }
}
