//! Tests of what makes a broker one of many: `src/clients`, `src/raft`, `src/image` and `src/server/cluster`,
//! against a controller that a test plays, or against Apache Kafka's.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod images;
mod scripted_controller;
mod scripted_log;

mod replica_changes;
mod scripted_controller_test;

mod clients {
    mod blocking_channel;
}

mod raft {
    pub(crate) mod recording_listener;

    mod kafka_raft_client;
    mod kafka_raft_client_fetch;
    mod kafka_raft_client_snapshot;
    mod wrong_answers;
}

mod tools {
    mod metadata_log;
}
