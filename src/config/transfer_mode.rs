//! The values of `transferto.transfer.mode`.

use crate::config::config_type::words;

words! {
    /// How message bytes go from a segment file to a socket.
    pub enum TransferMode takes "sendfile or copy" {
        /// Inside the kernel.
        Sendfile = "sendfile",
        /// Through this process: what the post sets out from.
        Copy = "copy",
    }
}
