//! Port of `GroupCoordinator.handleLeaveGroup`: members go.

use log::info;

use crate::common::errors::Errors;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_results::MemberIdentity;
use crate::coordinator::group_state::GroupState;

impl GroupCoordinator {
    /// Members leave, or are made to by an administrator who knows a static member's own id.
    /// Returns what became of each, in their order.
    ///
    /// # Errors
    /// What is wrong with the group as a whole.
    pub fn leave_group(
        &self,
        group_id: &str,
        leaving: &[MemberIdentity],
    ) -> Result<Vec<Errors>, Errors> {
        self.validate_named_group(group_id)?;
        let Some(group) = self.manager.get_group(group_id) else {
            return Ok(vec![Errors::UnknownMemberId; leaving.len()]);
        };
        let group = &mut *group.lock();
        if group.is(GroupState::Dead) {
            return Err(Errors::CoordinatorNotAvailable);
        }
        let leave = |member| self.leave(group, member).err().unwrap_or(Errors::None);
        Ok(leaving.iter().map(leave).collect())
    }

    fn leave(&self, group: &mut GroupMetadata, member: &MemberIdentity) -> Result<(), Errors> {
        let member_id = match (&member.group_instance_id, member.member_id.as_str()) {
            (Some(instance_id), "") => group
                .current_static_member_id(instance_id)
                .ok_or(Errors::UnknownMemberId)?
                .to_string(),
            (None, member_id) if self.remove_pending_member(group, member_id) => {
                self.try_complete_join(group);
                return Ok(());
            }
            (_, member_id) => {
                group.validate_member(member)?;
                member_id.to_string()
            }
        };
        info!("{member_id} leaves the group {}", group.group_id);
        self.remove_member_and_update_group(group, &member_id);
        Ok(())
    }

    /// Takes a member out, and lets the others share what it had.
    pub(super) fn remove_member_and_update_group(
        &self,
        group: &mut GroupMetadata,
        member_id: &str,
    ) {
        self.remove_member(group, member_id, Errors::UnknownMemberId);
        match group.state() {
            GroupState::Dead | GroupState::Empty => (),
            GroupState::CompletingRebalance | GroupState::Stable => self.prepare_rebalance(group),
            GroupState::PreparingRebalance => self.try_complete_join(group),
        }
    }
}
