//! Operations that wait for something or for their time to run out. Self-contained: knows
//! neither logs nor requests.

pub mod purgatory_snapshot;
pub mod timing_wheel;
pub mod timer;
pub mod delayed_operation;
