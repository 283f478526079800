//! Port of `GroupCoordinator.handleListGroups`, `handleDescribeGroup` and `handleDeleteGroups`:
//! what the tools ask.

use crate::common::errors::Errors;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_results::{GroupOverview, GroupSummary};
use crate::coordinator::group_state::GroupState;

impl GroupCoordinator {
    /// All groups.
    ///
    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE` outside of start and stop.
    pub fn list_groups(&self) -> Result<Vec<GroupOverview>, Errors> {
        match self.validate_group_status("") {
            // Without the topic there are no groups, and a list of none is the truth.
            Ok(()) | Err(Errors::NotCoordinator) => (),
            Err(error) => return Err(error),
        }
        let mut all: Vec<_> =
            self.manager.groups().iter().map(|group| group.lock().overview()).collect();
        all.sort_by(|one, other| one.group_id.cmp(&other.group_id));
        Ok(all)
    }

    /// A group in full. One that does not exist is dead, which is no error.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn describe_group(&self, group_id: &str) -> Result<GroupSummary, Errors> {
        match self.validate_group_status(group_id) {
            Ok(()) | Err(Errors::NotCoordinator) => (),
            Err(error) => return Err(error),
        }
        Ok(self.manager.get_group(group_id).map_or_else(dead, |group| group.lock().summary()))
    }

    /// Removes a group that has no members, with its offsets. Returns what became of it.
    pub fn delete_group(&self, group_id: &str) -> Errors {
        let delete = || {
            match self.validate_group_status(group_id) {
                Ok(()) => (),
                Err(Errors::NotCoordinator) => return Err(Errors::GroupIdNotFound),
                Err(error) => return Err(error),
            }
            let shared = self.manager.get_group(group_id).ok_or(Errors::GroupIdNotFound)?;
            let mut group = shared.lock();
            match group.state() {
                GroupState::Dead => return Err(Errors::GroupIdNotFound),
                GroupState::Empty => (),
                _ => return Err(Errors::NonEmptyGroup),
            }
            let all: Vec<_> = group.offsets.keys().cloned().collect();
            self.manager.remove_offsets(&mut group, &all)?;
            self.manager.remove_group_record(&group)?;
            group.transition_to(GroupState::Dead, self.time.milliseconds());
            drop(group);
            self.manager.forget_group(group_id, &shared);
            Ok(())
        };
        delete().err().unwrap_or(Errors::None)
    }
}

fn dead() -> GroupSummary {
    GroupSummary {
        state: GroupState::Dead.name(),
        protocol_type: String::new(),
        protocol: String::new(),
        members: Vec::new(),
    }
}
