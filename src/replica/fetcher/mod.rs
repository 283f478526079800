//! The threads of a follower: `kafka.server.AbstractFetcherThread` and those around it. Knows no socket and no
//! wire format: the leader is a [`LeaderEndPoint`](leader_end_point::LeaderEndPoint).

pub mod leader_end_point;
pub mod partition_fetch_state;
pub mod fetcher_replicas;
pub mod replica_fetchers;
