//! Port of `org.apache.kafka.server.NodeToControllerChannelManagerImpl`: a channel to the active
//! controller, with a thread of its own.
//!
//! A broker has two: one for its heartbeats, which must not wait behind what a controller takes long
//! for, and one for everything else.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::warn;

use crate::clients::node_api_versions::NodeApiVersions;
use crate::common::failures::Failures;
use crate::common::lock::locked;
use crate::common::named_thread::spawn_named;
use crate::common::time::Time;
use crate::raft::quorum::ControllerNodeProvider;
use crate::server::cluster::controller_channel::{
    ControllerCallback, ControllerChannel, ControllerRequest,
};
use crate::server::cluster::node_connection::NodeConnector;
use crate::server::cluster::node_to_controller_request_thread::NodeToControllerRequestThread;
use crate::server::cluster::request_queue::{QueueItem, RequestQueue};

/// How long a stop waits for a thread that is on its way out: one that is connecting to a machine that
/// does not answer is left behind, and ends by itself (KAFKA-13907).
const STOP_WAIT: Duration = Duration::from_secs(1);

/// The channel, from [`start`](Self::start) to [`shutdown`](Self::shutdown).
pub struct NodeToControllerChannelManager {
    queue: Arc<RequestQueue>,
    connector: Arc<dyn NodeConnector>,
    api_versions: Arc<Mutex<Option<Arc<NodeApiVersions>>>>,
    time: Arc<dyn Time>,
    channel_name: &'static str,
    /// Hung up by the thread when it is over.
    is_over: Mutex<Receiver<()>>,
}

/// What a channel is made from.
pub struct ChannelConfig {
    /// What it is for: `heartbeat`, `forwarding`.
    pub channel_name: &'static str,
    pub broker_id: i32,
    /// `controller.socket.timeout.ms`.
    pub socket_timeout_ms: i64,
}

impl NodeToControllerChannelManager {
    /// Starts the thread. It connects when there is something to send.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        config: &ChannelConfig,
        controllers: Arc<dyn ControllerNodeProvider>,
        connector: Arc<dyn NodeConnector>,
        time: Arc<dyn Time>,
    ) -> io::Result<Arc<Self>> {
        let queue = Arc::<RequestQueue>::default();
        let api_versions = Arc::default();
        let thread = NodeToControllerRequestThread {
            channel_name: config.channel_name,
            client_id: config.broker_id.to_string(),
            queue: Arc::clone(&queue),
            connector: Arc::clone(&connector),
            controllers,
            api_versions: Arc::clone(&api_versions),
            time: Arc::clone(&time),
            socket_timeout_ms: config.socket_timeout_ms,
            active: None,
            next_correlation_id: 0,
            failures: Failures::default(),
        };
        let (alive, is_over) = sync_channel(0);
        let name = format!("broker-to-controller-{}-channel-manager", config.channel_name);
        spawn_named(name, move || {
            thread.run();
            drop(alive);
        })?;
        let (is_over, channel_name) = (Mutex::new(is_over), config.channel_name);
        Ok(Arc::new(Self { queue, connector, api_versions, time, channel_name, is_over }))
    }

    /// Ends the thread. What waits, or is sent later, fails; nobody waits for a controller.
    pub fn shutdown(&self) {
        self.queue.close();
        self.connector.interrupt();
        if locked(&self.is_over).recv_timeout(STOP_WAIT) == Err(RecvTimeoutError::Timeout) {
            warn!(
                "the {} channel still waits for a controller: it is left behind",
                self.channel_name
            );
        }
    }
}

/// A start that fails halfway leaves no thread, and with it nothing that the thread looks up controllers by: the
/// observer of the metadata log ends with its last channel.
impl Drop for NodeToControllerChannelManager {
    fn drop(&mut self) {
        self.queue.close();
        self.connector.interrupt();
    }
}

impl ControllerChannel for NodeToControllerChannelManager {
    fn send(&self, request: ControllerRequest, callback: ControllerCallback) {
        let deadline_ms = self.time.hi_res_clock_ms().saturating_add(request.timeout_ms);
        self.queue.put(QueueItem { request, callback, deadline_ms });
    }

    fn controller_api_versions(&self) -> Option<Arc<NodeApiVersions>> {
        locked(&self.api_versions).clone()
    }
}

#[cfg(test)]
mod tests {
    use support::wait::wait_until;

    use super::*;
    use crate::common::mock_time::MockTime;
    use crate::raft::quorum::ControllerNode;
    use crate::server::cluster::node_connection::NodeConnection;

    struct Nobody;

    impl ControllerNodeProvider for Nobody {
        fn active_controller(&self) -> Option<ControllerNode> {
            None
        }
    }

    impl NodeConnector for Nobody {
        fn connect(&self, _: &ControllerNode, _: Duration) -> io::Result<Box<dyn NodeConnection>> {
            Err(io::ErrorKind::ConnectionRefused.into())
        }

        fn interrupt(&self) {}
    }

    #[test]
    fn a_channel_that_nobody_has_any_more_lets_go_of_the_observer() {
        let controllers = Arc::new(Nobody);
        let observer = Arc::downgrade(&controllers);
        let config = ChannelConfig { channel_name: "test", broker_id: 1, socket_timeout_ms: 1_000 };
        let time = Arc::new(MockTime::new());
        let channel =
            NodeToControllerChannelManager::start(&config, controllers, Arc::new(Nobody), time);
        assert!(observer.upgrade().is_some());
        drop(channel.unwrap());
        wait_until("the end of its thread", || observer.upgrade().is_none());
    }
}
