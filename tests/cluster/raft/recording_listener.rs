//! A listener that keeps what it is given, and an observer that it follows.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use support::wait::PATIENCE;
use transferto::config::quorum_config::BootstrapServer;
use transferto::message::record_batch::RecordBatch;
use transferto::raft::kafka_raft_client::KafkaRaftClient;
use transferto::raft::raft_config::RaftConfig;
use transferto::raft::raft_fault::RaftFault;
use transferto::raft::raft_listener::{MetadataFault, RaftListener, SnapshotId};

use crate::scripted_controller::CLUSTER_ID;

/// The id of the observer.
pub(crate) const NODE_ID: i32 = 5;

/// What an observer has handed on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Followed {
    /// The offset and the value of each record of data; those of a snapshot have none of their own.
    pub(crate) records: Vec<(i64, Vec<u8>)>,
    pub(crate) snapshots: Vec<SnapshotId>,
    pub(crate) high_watermark: i64,
    pub(crate) faults: Vec<RaftFault>,
    /// What the listener does not take.
    pub(crate) refused_value: Option<Vec<u8>>,
}

/// Observes until it is dropped.
pub(crate) struct Observing {
    pub(crate) client: KafkaRaftClient,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    followed: Mutex<Followed>,
    changed: Condvar,
}

struct RecordingListener(Arc<Shared>);

/// Of an observer that asks these controllers.
pub(crate) fn config(servers: &[SocketAddr]) -> RaftConfig {
    let server =
        |addr: &SocketAddr| BootstrapServer { host: addr.ip().to_string(), port: addr.port() };
    let servers = servers.iter().map(server).collect();
    RaftConfig {
        node_id: NODE_ID,
        cluster_id: Some(CLUSTER_ID.to_string()),
        ..RaftConfig::of_reader(servers)
    }
}

impl Observing {
    pub(crate) fn of(servers: &[SocketAddr]) -> Self {
        Self::with(config(servers), Followed::default())
    }

    pub(crate) fn with(config: RaftConfig, followed: Followed) -> Self {
        let shared = Arc::new(Shared { followed: Mutex::new(followed), ..Shared::default() });
        let listener = Box::new(RecordingListener(Arc::clone(&shared)));
        let for_faults = Arc::clone(&shared);
        let on_fault = Box::new(move |fault| for_faults.change(|it| it.faults.push(fault)));
        Self { client: KafkaRaftClient::start(config, listener, on_fault).unwrap(), shared }
    }

    /// Waits until what was handed on is as it should be, and returns it.
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Followed) -> bool) -> Followed {
        let began = Instant::now();
        let mut followed = self.shared.followed.lock().unwrap();
        while !is_so(&followed) {
            let left = PATIENCE.checked_sub(began.elapsed());
            let left = left.unwrap_or_else(|| panic!("waited in vain for {what}: {followed:?}"));
            followed = self.shared.changed.wait_timeout(followed, left).unwrap().0;
        }
        followed.clone()
    }

    /// Waits until so many records have been handed on, and returns their values.
    pub(crate) fn wait_for_values(&self, count: usize) -> Vec<Vec<u8>> {
        let what = format!("{count} records");
        let followed = self.wait_until(&what, |it| it.records.len() >= count);
        followed.records.into_iter().map(|(_, value)| value).collect()
    }

    /// What has been handed on so far.
    pub(crate) fn followed(&self) -> Followed {
        self.shared.followed.lock().unwrap().clone()
    }

    pub(crate) fn wait_for_fault(&self) -> String {
        self.wait_until("a fault", |it| !it.faults.is_empty()).faults[0].0.clone()
    }

    /// Waits until nothing more is handed on for some time. Only for what must not come.
    pub(crate) fn settle(&self) -> Followed {
        std::thread::park_timeout(Duration::from_millis(100));
        self.followed()
    }
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut Followed) -> T) -> T {
        let changed = change(&mut self.followed.lock().unwrap());
        self.changed.notify_all();
        changed
    }
}

impl RaftListener for RecordingListener {
    fn handle_commit(&mut self, batches: &[u8], high_watermark: i64) -> Result<(), MetadataFault> {
        assert!(!batches.is_empty());
        let records = records_of(batches);
        self.0.change(|it| {
            let refused = it.refused_value.as_ref();
            if records.iter().any(|(_, value)| Some(value) == refused) {
                return Err(MetadataFault("offset 1: a record that nobody knows".to_string()));
            }
            assert!(records.iter().all(|(offset, _)| *offset < high_watermark));
            assert!(high_watermark >= it.high_watermark);
            it.records.extend(records);
            it.high_watermark = high_watermark;
            Ok(())
        })
    }

    fn handle_load_snapshot(
        &mut self,
        id: SnapshotId,
        bytes: &[u8],
        high_watermark: i64,
    ) -> Result<(), MetadataFault> {
        assert!(high_watermark >= id.end_offset);
        let of_snapshot = |(_, value): (i64, Vec<u8>)| (id.end_offset - 1, value);
        self.0.change(|it| {
            it.snapshots.push(id);
            it.records = records_of(bytes).into_iter().map(of_snapshot).collect();
            it.high_watermark = high_watermark;
        });
        Ok(())
    }

    fn handle_high_watermark(&mut self, high_watermark: i64) -> Result<(), MetadataFault> {
        self.0.change(|it| it.high_watermark = high_watermark);
        Ok(())
    }
}

/// The offset and the value of each record of data in these batches.
fn records_of(mut batches: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let mut records = Vec::new();
    while !batches.is_empty() {
        let batch = RecordBatch::parse(batches).unwrap();
        let visited = batch.for_each_record(&mut |record| {
            if !batch.is_control_batch() {
                records.push((record.offset, record.value.unwrap().to_vec()));
            }
            Ok(())
        });
        visited.unwrap();
        batches = &batches[batch.size_in_bytes()..];
    }
    records
}
