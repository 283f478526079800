//! Port of `kafka.coordinator.transaction.ZkProducerIdManager`, on a file in the place of ZooKeeper: ids from
//! blocks that a cluster of one broker reserves for itself.

use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;

use crate::common::errors::KafkaError;
use crate::common::lock::locked;
use crate::registry::producer_id_registry::ProducerIdRegistry;
use crate::server::metadata::producer_id_manager::ProducerIdManager;

/// Gives out an id only when its block is on disk.
#[derive(Debug)]
pub struct RegistryProducerIdManager {
    /// Held while a block is written, once in a thousand ids: nobody can have an id before that.
    ids: Mutex<Ids>,
}

#[derive(Debug)]
struct Ids {
    registry: ProducerIdRegistry,
    /// Reserved and not yet given out.
    block: Range<i64>,
}

impl RegistryProducerIdManager {
    /// # Errors
    /// As [`ProducerIdRegistry::open_in`].
    pub fn open_in(dir: &Path, highest_in_use: Option<i64>) -> Result<Self, KafkaError> {
        let (registry, block) = ProducerIdRegistry::open_in(dir, highest_in_use)?;
        Ok(Self { ids: Mutex::new(Ids { registry, block }) })
    }
}

impl ProducerIdManager for RegistryProducerIdManager {
    /// # Errors
    /// As [`ProducerIdRegistry::reserve_block`].
    fn generate_producer_id(&self) -> Result<i64, KafkaError> {
        locked(&self.ids).next()
    }
}

impl Ids {
    fn next(&mut self) -> Result<i64, KafkaError> {
        loop {
            if let Some(id) = self.block.next() {
                return Ok(id);
            }
            self.block = self.registry.reserve_block()?;
        }
    }
}
