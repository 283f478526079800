//! In the place of the threads that copy: what they were asked for.

use std::collections::BTreeMap;
use std::sync::Mutex;

use transferto::common::topic_partition::TopicAndPartition;
use transferto::replica::fetcher::partition_fetch_state::PartitionFetchState;
use transferto::replica::fetcher::replica_fetchers::{InitialFetchState, ReplicaFetchers};

/// Copies nothing, and knows what would be copied, and from where.
#[derive(Default)]
pub(crate) struct RecordingFetchers {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    copied: BTreeMap<TopicAndPartition, InitialFetchState>,
    removed: Vec<TopicAndPartition>,
    is_shut_down: bool,
    /// What a thread does last, before it lets go of its partitions.
    last_piece_of_work: Option<Box<dyn FnOnce() + Send>>,
}

impl RecordingFetchers {
    /// From where a partition is copied, if it is.
    pub(crate) fn of(&self, key: &TopicAndPartition) -> Option<InitialFetchState> {
        self.state.lock().unwrap().copied.get(key).cloned()
    }

    /// What was taken from the threads since the last call, copied or not.
    pub(crate) fn take_removed(&self) -> Vec<TopicAndPartition> {
        std::mem::take(&mut self.state.lock().unwrap().removed)
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.state.lock().unwrap().is_shut_down
    }

    /// A thread is in the middle of this when its partitions are taken from it.
    pub(crate) fn finish_with(&self, work: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().last_piece_of_work = Some(Box::new(work));
    }
}

impl ReplicaFetchers for RecordingFetchers {
    fn add_fetcher_for_partitions(&self, partitions: Vec<(TopicAndPartition, InitialFetchState)>) {
        self.state.lock().unwrap().copied.extend(partitions);
    }

    fn remove_fetcher_for_partitions(
        &self,
        keys: &[TopicAndPartition],
    ) -> Vec<(TopicAndPartition, PartitionFetchState)> {
        let mut state = self.state.lock().unwrap();
        if let Some(work) = state.last_piece_of_work.take() {
            work();
        }
        state.removed.extend_from_slice(keys);
        state.copied.retain(|key, _| !keys.contains(key));
        Vec::new()
    }

    fn shutdown_idle_fetcher_threads(&self) {}

    fn shutdown(&self) {
        self.state.lock().unwrap().is_shut_down = true;
    }
}
