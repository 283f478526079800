//! Port of `kafka.coordinator.DelayedJoin` and `DelayedHeartbeat`: what happens in a group when
//! nothing happens.
//!
//! In Kafka these are operations in purgatories, watched under the group's and the member's name.
//! Here they are entries of a timer, and who makes a wait pointless ends it himself, for he holds
//! the group's lock: nothing has to be tried again under a key. A heartbeat does not touch the
//! timer at all: it moves the member's deadline, and the timer, when it comes, sees that it must
//! come again.

use std::sync::Weak;

use crate::coordinator::group_metadata::Group;

/// What is due when its time has come, unless it was called off.
pub enum Deadline {
    /// A member may be dead.
    Session {
        /// Its group.
        group: Weak<Group>,
        /// The member.
        member_id: String,
    },
    /// Nobody has joined with an id that was given away.
    PendingMember {
        /// The group.
        group: Weak<Group>,
        /// The id.
        member_id: String,
    },
    /// The group has waited long enough.
    Wait {
        /// The group.
        group: Weak<Group>,
        /// Of the wait that is meant.
        serial: u64,
    },
}
