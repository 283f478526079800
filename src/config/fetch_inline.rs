//! The values of `transferto.fetch.inline`.

use crate::config::config_type::words;

words! {
    /// Which fetches a Processor answers itself.
    pub enum FetchInline takes "off or resident" {
        /// None: the way of Kafka, and of the post.
        Off = "off",
        /// Those whose slices are in memory.
        Resident = "resident",
    }
}
