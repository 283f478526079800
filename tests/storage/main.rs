//! Tests of `src/storage` and `src/replica`: logs on disk, by a clock that the tests move.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fixture;

mod log {
    mod log;
    mod log_epochs;
    mod transactions;
    mod log_faults;
    mod log_recovery;
    mod missing_records;
    mod log_segment;
    mod file_message_set;
}

mod index {
    mod offset_index;
}

mod producers {
    mod producer_state_manager;
}

mod epochs {
    mod leader_epoch_file_cache;
}

mod cleaner {
    mod compaction;

    mod cleaner;
    mod log_cleaner_manager;
}

mod log_manager;
mod partition_metadata_file;

mod replica {
    mod acks;
    mod clock_reads;
    mod delete_records;
    mod abstract_fetcher_thread;
    mod fetcher_log;
    mod fetcher_scene;
    mod follower;
    mod follower_fetch;
    mod high_watermark;
    mod isr;
    mod isr_expiration;
    mod leader_epochs;
    mod leader_throttle;
    mod local_logs;
    mod partition;
    mod partition_lock;
    mod partition_scene;
    mod preferred_read_replica;
    mod replica_fetcher_manager;
}
