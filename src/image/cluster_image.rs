//! Port of `org.apache.kafka.image.ClusterImage` and `org.apache.kafka.metadata.BrokerRegistration`: the
//! brokers of the cluster.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::common::end_point::ListenerName;
use crate::image::directory_id::{DirectoryId, LOST, MIGRATING, UNASSIGNED};
use crate::image::records::broker_records as records;
use crate::image::records::broker_records::{
    BrokerRegistrationChangeRecord, FenceBrokerRecord, RegisterBrokerRecord, UnfenceBrokerRecord,
    UnregisterBrokerRecord,
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterImage {
    brokers: Arc<BTreeMap<i32, Arc<BrokerRegistration>>>,
}

/// A broker, as the controller knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerRegistration {
    pub id: i32,
    /// The offset of the record that registered it.
    pub epoch: i64,
    /// Drawn at random at each start of the broker.
    pub incarnation_id: [u8; 16],
    /// Where it is reached, by listener.
    pub listeners: BTreeMap<ListenerName, BrokerEndpoint>,
    /// The levels that it supports, by feature.
    pub features: BTreeMap<String, RangeInclusive<i16>>,
    pub rack: Option<String>,
    /// A fenced broker leads nothing, and no client is sent to it.
    pub fenced: bool,
    pub in_controlled_shutdown: bool,
    /// The ids of its log directories.
    pub directories: Vec<[u8; 16]>,
}

/// An address that a broker advertises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerEndpoint {
    pub host: String,
    pub port: u16,
    /// Kafka's number: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

impl ClusterImage {
    pub fn broker(&self, id: i32) -> Option<&Arc<BrokerRegistration>> {
        self.brokers.get(&id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.brokers.values()
    }

    /// Whether both are the same without a look at the brokers: then nothing has changed.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.brokers, &other.brokers)
    }
}

/// Port of `ClusterDelta.replay`: what the records say. Each `Err` says why a record cannot be followed.
impl ClusterImage {
    pub(crate) fn replay_register(&mut self, record: &RegisterBrokerRecord) {
        let registration = BrokerRegistration::from_record(record);
        Arc::make_mut(&mut self.brokers).insert(registration.id, Arc::new(registration));
    }

    pub(crate) fn replay_unregister(&mut self, record: &UnregisterBrokerRecord) {
        Arc::make_mut(&mut self.brokers).remove(&record.broker_id);
    }

    pub(crate) fn replay_fence(&mut self, record: &FenceBrokerRecord) -> Result<(), String> {
        self.registered(record.id, record.epoch)?.fenced = true;
        Ok(())
    }

    pub(crate) fn replay_unfence(&mut self, record: &UnfenceBrokerRecord) -> Result<(), String> {
        self.registered(record.id, record.epoch)?.fenced = false;
        Ok(())
    }

    pub(crate) fn replay_registration_change(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
    ) -> Result<(), String> {
        let broker = self.registered(record.broker_id, record.broker_epoch)?;
        match record.fenced {
            0 => (),
            1 => broker.fenced = true,
            -1 => broker.fenced = false,
            other => return Err(format!("fenced is {other} where only -1, 0 and 1 are known")),
        }
        match record.in_controlled_shutdown {
            0 => (),
            1 => broker.in_controlled_shutdown = true,
            other => {
                let field = "inControlledShutdown";
                return Err(format!("{field} is {other} where only 0 and 1 are known"));
            }
        }
        if !record.log_dirs.is_empty() {
            broker.directories = record.log_dirs.iter().map(|it| it.0).collect();
        }
        Ok(())
    }

    /// The broker that a record means: only in this epoch it is the same one.
    fn registered(&mut self, id: i32, epoch: i64) -> Result<&mut BrokerRegistration, String> {
        let broker = Arc::make_mut(&mut self.brokers).get_mut(&id);
        let broker = broker.ok_or_else(|| format!("there is no broker {id}"))?;
        if broker.epoch != epoch {
            let known = broker.epoch;
            return Err(format!("broker {id} is registered in epoch {known}, not {epoch}"));
        }
        Ok(Arc::make_mut(broker))
    }
}

impl BrokerRegistration {
    /// Port of `hasOnlineDir` and `DirectoryId.isOnline`. A broker that has registered no directories has one.
    pub fn has_online_directory(&self, id: &DirectoryId) -> bool {
        match *id {
            MIGRATING | UNASSIGNED => true,
            LOST => false,
            _ => self.directories.is_empty() || self.directories.contains(id),
        }
    }

    /// Port of `BrokerRegistration.fromRecord`.
    fn from_record(record: &RegisterBrokerRecord) -> Self {
        let listener = |it: &records::BrokerEndpoint| {
            let endpoint = BrokerEndpoint {
                host: it.host.clone(),
                port: it.port,
                security_protocol: it.security_protocol,
            };
            (ListenerName::normalised(&it.name), endpoint)
        };
        let feature = |it: &records::BrokerFeature| {
            (it.name.clone(), it.min_supported_version..=it.max_supported_version)
        };
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id.0,
            listeners: record.end_points.iter().map(listener).collect(),
            features: record.features.iter().map(feature).collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            directories: record.log_dirs.iter().map(|it| it.0).collect(),
        }
    }
}
