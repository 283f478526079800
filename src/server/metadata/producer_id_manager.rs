//! Port of `kafka.coordinator.transaction.ProducerIdManager`: ids for idempotent producers, none of
//! them given twice, whatever happens to the process.

use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;

use crate::common::errors::KafkaError;
use crate::common::lock::locked;
use crate::registry::producer_id_registry::ProducerIdRegistry;

/// Gives producers their ids.
#[derive(Debug)]
pub struct ProducerIdManager {
    /// Held while a block is written, once in a thousand ids: nobody can have an id before that.
    ids: Mutex<Ids>,
}

#[derive(Debug)]
struct Ids {
    registry: ProducerIdRegistry,
    /// Reserved and not yet given out.
    block: Range<i64>,
}

impl ProducerIdManager {
    /// # Errors
    /// As [`ProducerIdRegistry::open_in`].
    pub fn open_in(dir: &Path, highest_in_use: Option<i64>) -> Result<Self, KafkaError> {
        let (registry, block) = ProducerIdRegistry::open_in(dir, highest_in_use)?;
        Ok(Self { ids: Mutex::new(Ids { registry, block }) })
    }

    /// An id that no producer ever had.
    ///
    /// # Errors
    /// As [`ProducerIdRegistry::reserve_block`].
    pub fn generate_producer_id(&self) -> Result<i64, KafkaError> {
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
