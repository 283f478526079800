//! In the place of `org.apache.kafka.server.fault.FaultHandlerException`: why the metadata log cannot be
//! followed any further.

use std::fmt;

use crate::raft::raft_listener::MetadataFault;

/// What no other controller and no later answer can mend. In a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftFault(pub String);

impl fmt::Display for RaftFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RaftFault {}

impl From<MetadataFault> for RaftFault {
    fn from(fault: MetadataFault) -> Self {
        Self(fault.0)
    }
}
