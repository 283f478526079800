//! Fetch sessions (KIP-227): what a client fetches again and again, so that it need not name it.

pub(crate) mod asked;
pub(crate) mod cached_partitions;
pub(crate) mod fetch_session;
pub(crate) mod fetch_session_cache;
pub(crate) mod fetch_context;
pub(crate) mod fetch_manager;
#[cfg(test)]
mod fetch_session_test;
