//! The types of the wire, and the macro that reads and writes a message by its table.

pub mod decode_error;
pub mod allowance;
pub mod types;
pub mod secret_bytes;
pub mod uuid;
pub(crate) mod message_table;
pub(crate) mod json_converter;
