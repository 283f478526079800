//! Text that clients made up, for the log.

use crate::common::topic_partition::TOPIC_NAME_BYTES_MAX;

/// Quotes a name that a client chose: cut to a bound and escaped, so that it neither fills the log
/// nor forges a line of it.
pub fn for_log(name: &str) -> String {
    format!("{:?}", name.chars().take(TOPIC_NAME_BYTES_MAX).collect::<String>())
}
