//! Which brokers can be reached, for the calls of a follower that wait for their answer.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, Weak};

use transferto::common::topic_partition::TopicAndPartition;
use transferto::replica::partition::Partition;
use transferto::replica::replica_manager::ReplicaManager;

#[derive(Default)]
pub(crate) struct Reach {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    brokers: BTreeMap<i32, Weak<ReplicaManager>>,
    cut: BTreeSet<(i32, i32)>,
}

impl Reach {
    pub(crate) fn add(&self, id: i32, replica_manager: &Arc<ReplicaManager>) {
        self.state.lock().unwrap().brokers.insert(id, Arc::downgrade(replica_manager));
    }

    pub(crate) fn remove(&self, id: i32) {
        self.state.lock().unwrap().brokers.remove(&id);
    }

    pub(crate) fn set_cut(&self, cut: &BTreeSet<(i32, i32)>) {
        self.state.lock().unwrap().cut = cut.clone();
    }

    /// What `to` hosts, if `from` gets through to it.
    pub(crate) fn partition(
        &self,
        from: i32,
        to: i32,
        key: &TopicAndPartition,
    ) -> io::Result<Option<Arc<Partition>>> {
        let state = self.state.lock().unwrap();
        let is_cut = state.cut.contains(&(from.min(to), from.max(to)));
        let broker = state.brokers.get(&to).and_then(Weak::upgrade).filter(|_| !is_cut);
        drop(state);
        let broker = broker.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(broker.local_logs().get_partition(key))
    }
}
