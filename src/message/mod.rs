//! Messages in all three formats, and the ways between them. Knows no file, and of the network
//! only the trait `TransportLayer`.

pub mod timestamp_type;
pub mod drawn_bytes;
pub mod decompression_limit;
pub(crate) mod xerial_snappy;
pub(crate) mod lz4_frame;
pub mod compression_codec;
pub mod message_set;
pub mod message;
pub mod records;
pub mod record_batch;
pub mod record_batch_builder;
#[cfg(test)]
pub(crate) mod golden_batch;
pub mod byte_buffer_message_set;
pub mod message_set_builder;
pub mod conversion;
pub mod append_format;
pub(crate) mod set_headers;
pub(crate) mod offset_assignment;
pub mod record_filter;
pub mod record_walk;
pub(crate) mod record_check;
pub mod log_validator;
pub mod end_transaction_marker;
#[cfg(test)]
pub(crate) mod produced_sets;
