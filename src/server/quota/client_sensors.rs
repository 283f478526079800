//! Port of the sensors of `kafka.server.ClientQuotaManager`: the rate of each client, or of all that
//! share a quota, in bounded memory.
//!
//! Clients choose their ids, so the memory for them is bounded: those that have been silent for an
//! hour are forgotten, as in Kafka, and when [`SENSORS_BYTES_MAX`] is reached, all whose bytes no
//! longer count, which changes no delay. If there are none of those, all rates are reset: a flood
//! of made-up ids escapes every quota anyway.

use std::collections::HashMap;

use log::{Level, log};

use crate::common::log_limit::{LogKind, limited};
use crate::common::rate::{Measured, Rate, RateConfig};
use crate::common::sanitizer::push_sanitized;
use crate::server::quota::client_limits::{SharedBy, UserClient};

/// The most memory for what clients have sent or got, in bytes: some ten thousand clients.
pub(super) const SENSORS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Kafka's `InactiveSensorExpirationTimeSeconds`: a client that has been silent for so long is
/// forgotten.
pub(super) const INACTIVE_SENSOR_EXPIRATION_TIME_MS: i64 = 3600 * 1000;
/// How often such clients are looked for, in milliseconds.
pub(super) const EXPIRE_SENSORS_INTERVAL_MS: i64 = 30 * 1000;

/// What clients have done lately.
#[derive(Debug)]
pub struct ClientSensors {
    config: RateConfig,
    by_name: HashMap<String, ClientSensor>,
    /// Where the name that is looked up is written, so that looking it up allocates nothing.
    name: String,
    /// What all of them cost in memory, at most.
    bytes: usize,
    expired_at_ms: i64,
}

#[derive(Debug)]
struct ClientSensor {
    rate: Rate,
    last_record_ms: i64,
}

impl ClientSensors {
    pub fn new(config: RateConfig) -> Self {
        Self { config, by_name: HashMap::new(), name: String::new(), bytes: 0, expired_at_ms: 0 }
    }

    /// Records the `bytes` of a client, and returns the rate of all that share its quota.
    pub fn record(
        &mut self,
        client: UserClient<'_>,
        shared_by: SharedBy,
        bytes: u64,
        now_ms: i64,
    ) -> Measured {
        let mut name = std::mem::take(&mut self.name);
        sensor_name(&mut name, client, shared_by);
        if !self.by_name.contains_key(&name) {
            self.make_room(&name, now_ms);
            let sensor = ClientSensor { rate: Rate::new(self.config), last_record_ms: now_ms };
            self.by_name.insert(name.clone(), sensor);
            self.bytes += self.bytes_of(&name);
        }
        let sensor = self.by_name.get_mut(&name).expect("it is there or was inserted");
        sensor.last_record_ms = now_ms;
        sensor.rate.record(bytes as f64, now_ms);
        self.name = name;
        sensor.rate.measure(now_ms)
    }

    /// Makes room for one more client. It looks at all clients at most once per as many newcomers
    /// as fit in half the room, so a flood of them costs each a constant time.
    fn make_room(&mut self, name: &str, now_ms: i64) {
        let needed = self.bytes_of(name);
        if self.bytes + needed <= SENSORS_BYTES_MAX {
            return;
        }
        self.by_name.retain(|_, sensor| !sensor.rate.is_obsolete(now_ms));
        self.bytes = self.by_name.keys().map(|it| self.bytes_of(it)).sum();
        if self.bytes + needed > SENSORS_BYTES_MAX / 2 {
            let clients = self.by_name.len();
            let level = limited(LogKind::Settings, Level::Warn);
            log!(level, "too many client ids: resetting the rates of {clients} clients");
            *self = Self { expired_at_ms: self.expired_at_ms, ..Self::new(self.config) };
        }
    }

    /// Forgets clients that have been silent for long, if it is time to: Kafka's
    /// `ExpireSensorTask`.
    pub fn maybe_expire(&mut self, now_ms: i64) {
        if now_ms - self.expired_at_ms < EXPIRE_SENSORS_INTERVAL_MS {
            return;
        }
        self.expired_at_ms = now_ms;
        let is_active = |sensor: &ClientSensor| {
            now_ms - sensor.last_record_ms < INACTIVE_SENSOR_EXPIRATION_TIME_MS
        };
        self.by_name.retain(|_, sensor| is_active(sensor));
        self.by_name.shrink_to_fit();
        self.bytes = self.by_name.keys().map(|it| self.bytes_of(it)).sum();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What a client costs in memory, at most.
    fn bytes_of(&self, name: &str) -> usize {
        // A map keeps up to twice as many places as it has entries.
        let entry = 2 * size_of::<(String, ClientSensor)>();
        let rate = Rate::size_max_bytes(&self.config);
        name.len().saturating_add(entry).saturating_add(rate)
    }
}

/// Writes into `name` what the clients that share a quota have in common: Kafka's
/// `getQuotaSensorName` without the name of the quota. The user is sanitized, so that it has no
/// colon.
fn sensor_name(name: &mut String, client: UserClient<'_>, shared_by: SharedBy) {
    name.clear();
    if shared_by != SharedBy::ClientId {
        push_sanitized(name, client.user);
    }
    name.push(':');
    if shared_by != SharedBy::User {
        name.push_str(client.client_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Port of `ClientQuotaManagerTest.testClientIdNotSanitized`.
    #[test]
    fn a_sensor_is_named_by_the_sanitized_user_and_the_client_id_as_it_is() {
        let client = UserClient { user: "CN=a:b", client_id: "client@#$%:" };
        let named = |shared_by| {
            let mut name = "of another".to_string();
            sensor_name(&mut name, client, shared_by);
            name
        };
        assert_eq!(named(SharedBy::ClientId), ":client@#$%:");
        assert_eq!(named(SharedBy::User), "CN%3Da%3Ab:");
        assert_eq!(named(SharedBy::UserAndClientId), "CN%3Da%3Ab:client@#$%:");
    }
}
