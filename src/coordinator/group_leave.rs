//! Port of `GroupCoordinator.handleLeaveGroup`: members leave.

use log::{Level, log};

use crate::common::errors::Errors;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::coordinator::group_results::MemberIdentity;
use crate::coordinator::rebalance::Rebalance;

/// Removes a member, or a static one that an administrator names by its own id only.
///
/// # Errors
/// `UNKNOWN_MEMBER_ID`; `FENCED_INSTANCE_ID`.
pub fn leave(change: &mut Rebalance<'_>, member: &MemberIdentity) -> Result<(), Errors> {
    let member_id = match (&member.group_instance_id, member.member_id.as_str()) {
        (Some(instance_id), "") => change
            .group
            .current_static_member_id(instance_id)
            .ok_or(Errors::UnknownMemberId)?
            .to_string(),
        (None, member_id) if change.remove_pending_member(member_id).is_some() => {
            change.try_complete_join();
            return Ok(());
        }
        (_, member_id) => {
            change.group.validate_member(member)?;
            member_id.to_string()
        }
    };
    let level = limited(LogKind::Groups, Level::Info);
    log!(level, "member {} leaves group {}", for_log(&member_id), for_log(&change.group.group_id));
    change.remove_member_and_update_group(&member_id);
    Ok(())
}
