//! The threads of a follower: `kafka.server.AbstractFetcherThread` and those around it. Knows no socket and no
//! wire format: the leader is a [`LeaderEndPoint`](leader_end_point::LeaderEndPoint).

pub mod partition_fetch_state;
pub mod leader_end_point;
pub mod partition_states;
pub mod offset_truncation_state;
pub mod fetcher_replicas;
pub mod replica_fetchers;
pub mod failed_partitions;
pub mod copying;
pub mod fetcher_stats;
pub mod copied_partitions;
pub mod abstract_fetcher_thread;
pub mod replica_fetcher_thread;
pub mod replica_fetcher_manager;
