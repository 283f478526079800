//! Port of `org.apache.kafka.image.loader`: from the committed records to images, and to those who follow.

pub mod metadata_batch_loader;
pub mod metadata_loader;
