//! Port of `org.apache.kafka.common.internals.PartitionStates`: partitions that take turns.

use std::collections::{BTreeMap, HashMap};

use crate::common::topic_partition::TopicAndPartition;
use crate::replica::fetcher::partition_fetch_state::PartitionFetchState;

/// Partitions in the order in which they are to be asked for. One that has had records goes to the end, so
/// that a large one leaves room for the others in the next answer.
#[derive(Default)]
pub struct PartitionStates {
    /// By turn, the next one first.
    states: BTreeMap<u64, (TopicAndPartition, PartitionFetchState)>,
    /// The turn of each: holds the same partitions as `states`.
    turns: HashMap<TopicAndPartition, u64>,
    next_turn: u64,
}

impl PartitionStates {
    pub fn get(&self, key: &TopicAndPartition) -> Option<&PartitionFetchState> {
        let turn = self.turns.get(key)?;
        self.states.get(turn).map(|(_, state)| state)
    }

    /// Changes a partition in its place; does nothing for one that is not here.
    pub fn update(&mut self, key: &TopicAndPartition, state: PartitionFetchState) {
        let slot = self.turns.get(key).and_then(|turn| self.states.get_mut(turn));
        if let Some((_, current)) = slot {
            *current = state;
        }
    }

    /// Adds or changes a partition, which has its turn after all others.
    pub fn update_and_move_to_end(&mut self, key: &TopicAndPartition, state: PartitionFetchState) {
        self.remove(key);
        self.states.insert(self.next_turn, (key.clone(), state));
        self.turns.insert(key.clone(), self.next_turn);
        self.next_turn += 1;
    }

    pub fn remove(&mut self, key: &TopicAndPartition) -> Option<PartitionFetchState> {
        let turn = self.turns.remove(key)?;
        self.states.remove(&turn).map(|(_, state)| state)
    }

    /// All of them, by turn.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicAndPartition, &PartitionFetchState)> {
        self.states.values().map(|(key, state)| (key, state))
    }

    pub fn len(&self) -> usize {
        self.turns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::units::{LeaderEpoch, Offset};
    use crate::replica::fetcher::partition_fetch_state::ReplicaState;

    fn key(partition: i32) -> TopicAndPartition {
        TopicAndPartition::new("topic", partition)
    }

    fn state(fetch_offset: i64) -> PartitionFetchState {
        PartitionFetchState {
            topic_id: [7; 16],
            fetch_offset: Offset(fetch_offset),
            lag: None,
            current_leader_epoch: LeaderEpoch(0),
            delayed_until_ms: None,
            state: ReplicaState::Fetching,
            last_fetched_epoch: None,
        }
    }

    fn order(states: &PartitionStates) -> Vec<(i32, i64)> {
        states.iter().map(|(key, state)| (key.partition, state.fetch_offset.0)).collect()
    }

    fn filled() -> PartitionStates {
        let mut states = PartitionStates::default();
        for partition in 0..3 {
            states.update_and_move_to_end(&key(partition), state(0));
        }
        states
    }

    /// Port of `PartitionStatesTest.testUpdateAndMoveToEnd`.
    #[test]
    fn a_partition_that_has_had_its_turn_goes_to_the_end() {
        let mut states = filled();
        states.update_and_move_to_end(&key(0), state(5));
        assert_eq!(order(&states), [(1, 0), (2, 0), (0, 5)]);
        states.update_and_move_to_end(&key(3), state(9));
        assert_eq!(order(&states), [(1, 0), (2, 0), (0, 5), (3, 9)]);
        assert_eq!(states.get(&key(0)), Some(&state(5)));
    }

    #[test]
    fn a_change_in_place_keeps_the_turn_and_adds_nothing() {
        let mut states = filled();
        states.update(&key(1), state(4));
        states.update(&key(7), state(4));
        assert_eq!(order(&states), [(0, 0), (1, 4), (2, 0)]);
    }

    #[test]
    fn what_is_removed_has_no_turn() {
        let mut states = filled();
        assert_eq!(states.remove(&key(1)), Some(state(0)));
        assert_eq!(states.remove(&key(1)), None);
        assert_eq!((order(&states), states.len()), (vec![(0, 0), (2, 0)], 2));
        assert_eq!(states.get(&key(1)), None);
    }
}
