//! The part of `kafka.server.ClientQuotaManager` that knows the quotas: how many bytes per second
//! each client may produce, or fetch.

use std::collections::HashMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::lock::{read_locked, write_locked};

/// The quota of a client that has none, in bytes per second.
pub const UNLIMITED: i64 = i64::MAX;

/// The quotas of all clients, for one of the things they do.
#[derive(Debug)]
pub struct ClientLimits {
    /// The quota of the settings.
    static_default: i64,
    quotas: RwLock<Quotas>,
    /// Whether any client has a quota: otherwise no request takes the lock.
    is_limiting: AtomicBool,
}

/// What was set while the broker ran, in bytes per second.
#[derive(Debug, Default)]
struct Quotas {
    default: Option<i64>,
    by_client_id: HashMap<String, i64>,
}

impl ClientLimits {
    /// `default` is the quota of a client for which none was set, in bytes per second.
    pub fn new(default: i64) -> Self {
        let is_limiting = AtomicBool::new(default != UNLIMITED);
        Self { static_default: default, quotas: RwLock::default(), is_limiting }
    }

    /// How many bytes per second the client may do: its own quota, else the default one that was
    /// set at run time, else that of the settings. [`UNLIMITED`] is no quota.
    pub fn get(&self, client_id: &str) -> i64 {
        if !self.is_limiting() {
            return self.static_default;
        }
        let quotas = read_locked(&self.quotas);
        let own = quotas.by_client_id.get(client_id).copied();
        own.or(quotas.default).unwrap_or(self.static_default)
    }

    /// Sets the quota of a client, or with `None` of every client without its own, in bytes per
    /// second; `None` as the quota removes it.
    ///
    /// Kafka 0.9 forgot an override that is equal to the default. Here the default can change, so
    /// it is kept.
    pub fn set(&self, client_id: Option<&str>, quota: Option<i64>) {
        let mut quotas = write_locked(&self.quotas);
        match (client_id, quota) {
            (None, quota) => quotas.default = quota,
            (Some(client_id), Some(quota)) => {
                quotas.by_client_id.insert(client_id.to_string(), quota);
            }
            (Some(client_id), None) => {
                quotas.by_client_id.remove(client_id);
            }
        }
        let default = quotas.default.unwrap_or(self.static_default);
        let is_limiting = default != UNLIMITED || !quotas.by_client_id.is_empty();
        self.is_limiting.store(is_limiting, Ordering::Release);
    }

    /// Whether any client has a quota.
    pub fn is_limiting(&self) -> bool {
        self.is_limiting.load(Ordering::Acquire)
    }
}
