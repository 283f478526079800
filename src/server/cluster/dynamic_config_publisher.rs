//! Port of `kafka.server.metadata.DynamicConfigPublisher`, as far as brokers go: the settings that the controller
//! keeps for this broker, and for all.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use log::error;

use crate::common::lock::{locked, locked_again};
use crate::common::scheduler::Scheduler;
use crate::config::dynamic_config::DynamicConfigs;
use crate::image::configurations_image::ConfigurationsImage;
use crate::image::metadata_delta::MetadataDelta;
use crate::image::metadata_image::MetadataImage;
use crate::server::metadata::dynamic_broker_config::DynamicBrokerConfig;

/// The resource that stands for all brokers.
const ALL_BROKERS: &str = "";

/// Has the broker's settings follow the cluster, on a background thread: a setting may name hosts, and looking
/// them up must not hold up the metadata log.
pub struct DynamicConfigPublisher {
    broker_id: String,
    dynamic_config: Arc<DynamicBrokerConfig>,
    scheduler: Arc<dyn Scheduler>,
    following: Arc<Following>,
}

#[derive(Default)]
struct Following {
    state: Mutex<FollowingState>,
    has_ended: Condvar,
}

/// The newest settings win, and one task at a time applies them.
#[derive(Default)]
struct FollowingState {
    next: Option<DynamicConfigs>,
    is_running: bool,
}

impl DynamicConfigPublisher {
    pub fn new(
        broker_id: i32,
        dynamic_config: &Arc<DynamicBrokerConfig>,
        scheduler: &Arc<dyn Scheduler>,
    ) -> Self {
        Self {
            broker_id: broker_id.to_string(),
            dynamic_config: Arc::clone(dynamic_config),
            scheduler: Arc::clone(scheduler),
            following: Arc::default(),
        }
    }

    /// Returns at once. The settings are as in `after` soon.
    pub fn on_metadata_update(&self, delta: &MetadataDelta, after: &MetadataImage) {
        let is_ours = |name: &String| *name == self.broker_id || name == ALL_BROKERS;
        if delta.changed_broker_configs.iter().any(is_ours) {
            self.follow(self.configs_of(&after.configs));
        }
    }

    /// Waits until all that was published is in force, for `timeout` at most. Returns whether it is.
    pub fn wait_until_followed(&self, timeout: Duration) -> bool {
        let Following { state, has_ended } = &*self.following;
        let is_running = |it: &mut FollowingState| it.is_running;
        let waited = has_ended.wait_timeout_while(locked(state), timeout, is_running);
        !locked_again(waited).0.is_running
    }

    fn configs_of(&self, configs: &ConfigurationsImage) -> DynamicConfigs {
        let of = |name: &str| configs.brokers.get(name).cloned().unwrap_or_else(BTreeMap::new);
        DynamicConfigs { of_broker: of(&self.broker_id), of_all: of(ALL_BROKERS) }
    }

    fn follow(&self, configs: DynamicConfigs) {
        let mut state = locked(&self.following.state);
        state.next = Some(configs);
        if std::mem::replace(&mut state.is_running, true) {
            return;
        }
        drop(state);
        let (following, dynamic_config) =
            (Arc::clone(&self.following), Arc::clone(&self.dynamic_config));
        let task = Box::new(move || {
            while let Some(configs) = take_next(&following) {
                // A panic is a bug of ours; later settings are followed all the same.
                let follow = || dynamic_config.follow(configs);
                if catch_unwind(AssertUnwindSafe(follow)).is_err() {
                    error!("following the settings that the cluster has for this broker panicked");
                }
            }
        });
        self.scheduler.schedule("follow-broker-configs", 0, None, task);
    }
}

/// `None` ends the task; the next settings begin another.
fn take_next(following: &Following) -> Option<DynamicConfigs> {
    let mut state = locked(&following.state);
    let next = state.next.take();
    state.is_running = next.is_some();
    if next.is_none() {
        following.has_ended.notify_all();
    }
    next
}
