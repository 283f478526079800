//! What the Rust clients share: how a step runs, what is sent, and how it is checked.

pub mod broker;
pub mod records;
pub mod steps;
