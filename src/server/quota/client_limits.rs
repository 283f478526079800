//! Port of `ClientQuotaManager.DefaultQuotaCallback`: how many bytes per second each client may
//! produce, or fetch, and which clients share that.

use std::collections::HashMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::client_quota_entity::{ClientQuotaEntity, EntityName};
use crate::common::lock::{read_locked, write_locked};

/// The quota of a client that has none, in bytes per second.
pub const UNLIMITED: i64 = i64::MAX;

/// Who asks: the name of its principal, and its client id.
#[derive(Clone, Copy, Debug)]
pub struct UserClient<'a> {
    pub user: &'a str,
    pub client_id: &'a str,
}

/// A quota, and who uses it up together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimit {
    pub bytes_per_second: i64,
    pub shared_by: SharedBy,
}

/// Whose bytes count together: Kafka's metric tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedBy {
    /// Connections with the same client id of the same user.
    UserAndClientId,
    /// All clients of the same user.
    User,
    /// Connections with the same client id, whoever the user is.
    ClientId,
}

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
    by_user: HashMap<String, OfUser>,
    default_user: OfUser,
    of_client_ids: OfClientIds,
}

/// The quotas of one user, or of every user without its own.
#[derive(Debug, Default)]
struct OfUser {
    own: Option<i64>,
    of_client_ids: OfClientIds,
}

#[derive(Debug, Default)]
struct OfClientIds {
    by_client_id: HashMap<String, i64>,
    default: Option<i64>,
}

impl ClientLimits {
    /// `default` is the quota of a client for which none was set, in bytes per second.
    pub fn new(default: i64) -> Self {
        let is_limiting = AtomicBool::new(default != UNLIMITED);
        Self { static_default: default, quotas: RwLock::default(), is_limiting }
    }

    /// How many bytes per second the client may do. [`UNLIMITED`] is no quota.
    ///
    /// The most specific quota applies, and a name comes before the default in its place:
    ///
    /// 1. of the user and the client id
    /// 2. of the user, for client ids without their own
    /// 3. of the user, for all its clients together
    /// 4. to 6. the same three of users without their own
    /// 7. of the client id, whoever the user is
    /// 8. of client ids without their own
    /// 9. that of the settings, which Kafka 4 has no longer: it is one of client ids, as in 0.9
    pub fn get(&self, client: UserClient<'_>) -> ClientLimit {
        if !self.is_limiting() {
            return self.by_settings();
        }
        read_locked(&self.quotas).find(client).unwrap_or(self.by_settings())
    }

    fn by_settings(&self) -> ClientLimit {
        ClientLimit { bytes_per_second: self.static_default, shared_by: SharedBy::ClientId }
    }

    /// Sets the quota of an entity, in bytes per second; `None` removes it.
    ///
    /// Kafka 0.9 forgot an override that is equal to the default. Here the default can change, so
    /// it is kept.
    pub fn set(&self, entity: &ClientQuotaEntity, quota: Option<i64>) {
        let mut quotas = write_locked(&self.quotas);
        quotas.set(entity, quota);
        let is_limiting = self.static_default != UNLIMITED || quotas.may_limit();
        self.is_limiting.store(is_limiting, Ordering::Release);
    }

    /// Whether any client has a quota.
    pub fn is_limiting(&self) -> bool {
        self.is_limiting.load(Ordering::Acquire)
    }
}

impl Quotas {
    fn find(&self, client: UserClient<'_>) -> Option<ClientLimit> {
        let of_user = self.by_user.get(client.user).and_then(|it| it.find(client.client_id));
        of_user.or_else(|| self.default_user.find(client.client_id)).or_else(|| {
            let bytes_per_second = self.of_client_ids.find(client.client_id)?;
            Some(ClientLimit { bytes_per_second, shared_by: SharedBy::ClientId })
        })
    }

    fn set(&mut self, entity: &ClientQuotaEntity, quota: Option<i64>) {
        let Some(user) = &entity.user else {
            if let Some(client_id) = &entity.client_id {
                self.of_client_ids.set(client_id, quota);
            }
            return;
        };
        let of_user = match user {
            EntityName::Default => &mut self.default_user,
            EntityName::Named(name) => self.by_user.entry(name.clone()).or_default(),
        };
        match &entity.client_id {
            None => of_user.own = quota,
            Some(client_id) => of_user.of_client_ids.set(client_id, quota),
        }
        if let EntityName::Named(name) = user
            && of_user.is_empty()
        {
            self.by_user.remove(name);
        }
    }

    /// Whether any client may have a quota. It does not look at each, of which there may be many.
    fn may_limit(&self) -> bool {
        let Self { by_user, default_user, of_client_ids } = self;
        let may_limit = |default: Option<i64>| default.is_some_and(|it| it != UNLIMITED);
        !by_user.is_empty()
            || may_limit(default_user.own)
            || [&default_user.of_client_ids, of_client_ids]
                .into_iter()
                .any(|it| !it.by_client_id.is_empty() || may_limit(it.default))
    }
}

impl OfUser {
    fn find(&self, client_id: &str) -> Option<ClientLimit> {
        let limit = |shared_by| move |bytes_per_second| ClientLimit { bytes_per_second, shared_by };
        let of_client_id = self.of_client_ids.find(client_id);
        of_client_id.map(limit(SharedBy::UserAndClientId)).or(self.own.map(limit(SharedBy::User)))
    }

    fn is_empty(&self) -> bool {
        let Self { own, of_client_ids: OfClientIds { by_client_id, default } } = self;
        own.is_none() && by_client_id.is_empty() && default.is_none()
    }
}

impl OfClientIds {
    fn find(&self, client_id: &str) -> Option<i64> {
        self.by_client_id.get(client_id).copied().or(self.default)
    }

    fn set(&mut self, client_id: &EntityName, quota: Option<i64>) {
        match (client_id, quota) {
            (EntityName::Default, quota) => self.default = quota,
            (EntityName::Named(name), Some(quota)) => {
                self.by_client_id.insert(name.clone(), quota);
            }
            (EntityName::Named(name), None) => {
                self.by_client_id.remove(name);
            }
        }
    }
}
