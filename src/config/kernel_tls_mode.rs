//! The values of `transferto.ktls`.

use crate::config::config_type::words;

words! {
    /// Whether the kernel encrypts and decrypts what TLS connections carry after their handshake.
    pub enum KernelTlsMode takes "auto, off or required" {
        /// Where it can; this process does for the other connections.
        Auto = "auto",
        /// This process does, for all connections.
        Off = "off",
        /// The kernel does for all of them, or the broker does not start.
        Required = "required",
    }
}
