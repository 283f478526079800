//! Port of `GroupCoordinator.handleCommitOffsets` and `handleFetchOffsets`: how far a group has
//! read.

use crate::common::errors::Errors;
use crate::common::topic_partition::TopicAndPartition;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_results::{CommitOffsets, NO_GENERATION, NO_MEMBER_ID};
use crate::coordinator::group_state::GroupState;
use crate::coordinator::offset_and_metadata::OffsetAndMetadata;

/// What was asked for, with what the group has committed there.
pub type FetchedOffsets = Vec<(TopicAndPartition, Option<OffsetAndMetadata>)>;

impl GroupCoordinator {
    /// Keeps offsets for a group. Returns what became of each, in their order. A group that does
    /// not exist comes into being if the consumer belongs to no generation: then it only keeps its
    /// offsets here.
    pub fn commit_offsets(&self, request: CommitOffsets) -> Vec<Errors> {
        let too_large = |it: &OffsetAndMetadata| {
            it.metadata.encode_utf16().count() > self.manager.config().max_metadata_size
        };
        let mut results: Vec<Errors> = request
            .offsets
            .iter()
            .map(|(_, it)| match too_large(it) {
                true => Errors::OffsetMetadataTooLarge,
                false => Errors::None,
            })
            .collect();
        let error = self.do_commit_offsets(request, &results).err().unwrap_or(Errors::None);
        for result in results.iter_mut().filter(|it| **it == Errors::None) {
            *result = error;
        }
        results
    }

    fn do_commit_offsets(&self, request: CommitOffsets, verdicts: &[Errors]) -> Result<(), Errors> {
        self.validate_group_status(&request.group_id)?;
        let group = match self.manager.get_group(&request.group_id) {
            Some(group) => group,
            None if request.generation_id < 0 => {
                self.manager.get_or_create_group(&request.group_id)
            }
            None => return Err(Errors::IllegalGeneration),
        };
        let group = &mut *group.lock();
        validate_commit(group, &request)?;
        let member_id = &request.member.member_id;
        // A consumer that commits is alive, even while it may not commit.
        self.extend_session(group, member_id);
        if group.is(GroupState::CompletingRebalance) && group.get(member_id).is_some() {
            return Err(Errors::RebalanceInProgress);
        }
        let good = request.offsets.into_iter().zip(verdicts);
        let good = good.filter(|(_, verdict)| **verdict == Errors::None).map(|(it, _)| it);
        self.manager.store_offsets(group, good.collect())
    }

    /// What a group has committed: for the partitions that are asked for, in their order, or for
    /// all that it has offsets in. A group that does not exist has none.
    ///
    /// # Errors
    /// What is wrong with the group as a whole.
    pub fn fetch_offsets(
        &self,
        group_id: &str,
        asked: Option<&[TopicAndPartition]>,
    ) -> Result<FetchedOffsets, Errors> {
        self.validate_group_status(group_id)?;
        let Some(group) = self.manager.get_group(group_id) else {
            let asked = asked.unwrap_or_default().iter();
            return Ok(asked.map(|key| (key.clone(), None)).collect());
        };
        let group = group.lock();
        let committed = |key: &TopicAndPartition| (key.clone(), group.offsets.get(key).cloned());
        Ok(match asked {
            Some(asked) => asked.iter().map(committed).collect(),
            None => group.offsets.keys().map(committed).collect(),
        })
    }

    /// Forgets offsets of a group that does not read them. Returns what became of each, in their
    /// order.
    ///
    /// # Errors
    /// What is wrong with the group as a whole.
    pub fn delete_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicAndPartition],
    ) -> Result<Vec<Errors>, Errors> {
        self.validate_named_group(group_id)?;
        let group = self.manager.get_group(group_id).ok_or(Errors::GroupIdNotFound)?;
        let group = &mut *group.lock();
        let is_read = |key: &TopicAndPartition| match group.state() {
            GroupState::Dead => Err(Errors::GroupIdNotFound),
            GroupState::Empty => Ok(false),
            _ if group.is_of_consumers() => Ok(group.is_subscribed_to(&key.topic)),
            _ => Err(Errors::NonEmptyGroup),
        };
        let is_read = partitions.iter().map(is_read).collect::<Result<Vec<_>, _>>()?;
        let verdicts = is_read.iter().map(|is_read| match is_read {
            true => Errors::GroupSubscribedToTopic,
            false => Errors::None,
        });
        let verdicts: Vec<_> = verdicts.collect();
        let unread = partitions.iter().zip(is_read).filter(|(_, is_read)| !is_read);
        let unread: Vec<_> = unread.map(|(key, _)| key.clone()).collect();
        self.manager.remove_offsets(group, &unread)?;
        Ok(verdicts)
    }
}

/// Port of `GroupCoordinator.validateOffsetCommit`. The offsets of an empty group can be set by
/// anyone who does not claim to be a member: that is how the tools reset them.
fn validate_commit(group: &GroupMetadata, request: &CommitOffsets) -> Result<(), Errors> {
    if group.is(GroupState::Dead) {
        return Err(Errors::CoordinatorNotAvailable);
    }
    let claims_nothing = request.generation_id <= NO_GENERATION
        && request.member.member_id == NO_MEMBER_ID
        && request.member.group_instance_id.is_none();
    if claims_nothing && group.is(GroupState::Empty) {
        return Ok(());
    }
    group.validate_member(&request.member)?;
    match request.generation_id == group.generation_id {
        true => Ok(()),
        false => Err(Errors::IllegalGeneration),
    }
}
