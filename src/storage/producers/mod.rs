//! What a log knows of its idempotent producers, in memory, in snapshots.

pub mod transaction_bounds;
pub mod producer_state_entry;
pub mod producer_snapshot;
pub mod producer_state_manager;
