//! Port of `org.apache.kafka.common.config.SslClientAuth`.

use crate::config::config_type::words;

words! {
    /// Whether a client has to show a certificate: the setting `ssl.client.auth`.
    pub enum SslClientAuth takes "none, requested or required" {
        /// None is asked for.
        None = "none",
        /// One is asked for, and checked if it comes.
        Requested = "requested",
        /// Nobody without a certificate gets in.
        Required = "required",
    }
}
