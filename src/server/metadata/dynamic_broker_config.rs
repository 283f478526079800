//! Port of `kafka.server.DynamicBrokerConfig` (Kafka 1.1, KIP-226): the settings of the broker that
//! change while it runs.
//!
//! A change is in the file before it applies, and applies in every part of the broker before it is
//! answered. No fetch or produce request looks here: each part keeps the settings that it needs, and
//! is asked to follow.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock, Weak};

use log::{Level, error, log, warn};

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::{locked, read_locked, write_locked};
use crate::common::log_limit::{LogKind, limited};
use crate::common::scheduler::KafkaScheduler;
use crate::config::dynamic_config::{
    BrokerReconfigurable, ConfigMap, CurrentConfig, DynamicConfigs, DynamicScope,
};
use crate::config::kafka_config::KafkaConfig;
use crate::config::listener_setting::ListenerSetting;
use crate::network::connection_quotas::resolve;
use crate::registry::broker_config_registry::BrokerConfigRegistry;

/// Owns the settings that were altered while the broker ran, and brings them to every part of it.
pub struct DynamicBrokerConfig {
    /// Held while settings are altered, the file is written and the parts follow, so that all agree;
    /// not while the names of hosts are looked up, which may take minutes.
    changes: Mutex<Changes>,
    /// Held to be read or replaced, never while a file is written or a part follows.
    current: RwLock<Arc<CurrentConfig>>,
    look_up: LookUp,
}

/// Returns the addresses of a host, or an error that names it.
type LookUp = Box<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

struct Changes {
    registry: BrokerConfigRegistry,
    /// In the order in which they follow. A part that is gone is skipped.
    parts: Vec<Weak<dyn BrokerReconfigurable>>,
    /// The settings that the parts have: `current`, with addresses in the place of host names.
    followed: KafkaConfig,
}

/// How many connections the hosts of `max.connections.per.ip.overrides` may hold.
type HostLimits = Vec<(String, usize)>;

/// An alteration of the settings of one scope.
pub struct Alteration<F> {
    pub scope: DynamicScope,
    /// The address of the client, which must not lock itself out.
    pub asker: IpAddr,
    /// Fail as the alteration would, and alter nothing.
    pub validate_only: bool,
    /// Computes the new settings of the scope; called again if another client alters them meanwhile.
    pub change: F,
}

impl DynamicBrokerConfig {
    /// The settings `of_file`, overridden by those that were altered while an earlier broker ran on
    /// the same log directories.
    ///
    /// # Errors
    /// `Corrupt` if the file in the first log directory cannot be read, or holds settings that
    /// cannot be altered; whatever the operating system reports.
    pub fn open_in(log_dirs: &[PathBuf], of_file: &KafkaConfig) -> Result<Self, KafkaError> {
        Self::open_with(log_dirs, of_file, Box::new(resolve))
    }

    fn open_with(
        log_dirs: &[PathBuf],
        of_file: &KafkaConfig,
        look_up: LookUp,
    ) -> Result<Self, KafkaError> {
        let registry = BrokerConfigRegistry::open_in(log_dirs)?;
        let current = CurrentConfig::new(of_file.clone(), registry.configs().clone())
            .map_err(|why| registry.corrupt(why))?;
        log_changes(of_file, current.config());
        if let Some(why) = current.contradiction() {
            warn!("{why}: one of them was altered while the broker ran");
        }
        for name in current.without_listener() {
            warn!("`{name}` has no effect: it was altered for a listener that is not there now");
        }
        let mut followed = current.config().clone();
        followed.max_connections_per_ip_overrides =
            resolvable(&look_up, &current.config().max_connections_per_ip_overrides);
        let changes = Changes { registry, parts: Vec::new(), followed };
        Ok(Self { changes: Mutex::new(changes), current: RwLock::new(Arc::new(current)), look_up })
    }

    /// The settings that apply now, and where they come from.
    pub fn current(&self) -> Arc<CurrentConfig> {
        Arc::clone(&read_locked(&self.current))
    }

    /// Lets a part of the broker, which was made by the settings of the file, follow the altered
    /// ones from now on: Kafka's `addBrokerReconfigurable`.
    pub fn add_reconfigurable<T: BrokerReconfigurable + 'static>(&self, part: &Arc<T>) {
        let mut changes = locked(&self.changes);
        part.reconfigure(self.current().of_file(), &changes.followed);
        let part: Weak<T> = Arc::downgrade(part);
        changes.parts.push(part);
    }

    /// Alters the settings of one scope. When this returns, they are on disk, and every part follows
    /// them.
    ///
    /// # Errors
    /// What `change` returns; `INVALID_REQUEST` for a setting or a value that is not allowed;
    /// whatever the disk reports. Then nothing changed.
    pub fn alter<F>(&self, alteration: &Alteration<F>) -> Result<(), KafkaError>
    where
        F: Fn(&CurrentConfig) -> Result<ConfigMap, KafkaError>,
    {
        let mut resolved = None;
        loop {
            let mut changes = locked(&self.changes);
            let before = self.current();
            let after = alteration.apply_to(&before)?;
            let hosts = &after.config().max_connections_per_ip_overrides;
            let addresses = match resolved.take() {
                _ if *hosts == before.config().max_connections_per_ip_overrides => {
                    changes.followed.max_connections_per_ip_overrides.clone()
                }
                Some((of, addresses)) if of == *hosts => addresses,
                _ => {
                    drop(changes);
                    let addresses = addresses_of(&self.look_up, hosts).map_err(refused)?;
                    resolved = Some((hosts.clone(), addresses));
                    continue;
                }
            };
            let mut followed = after.config().clone();
            followed.max_connections_per_ip_overrides = addresses;
            check_asker(alteration.asker, &changes.followed, &followed).map_err(refused)?;
            changes.validate(&followed).map_err(refused)?;
            if alteration.validate_only {
                return Ok(());
            }
            if after.dynamic() != before.dynamic() {
                changes.registry.replace(after.dynamic().clone())?;
            }
            changes.follow(&self.current, after, followed);
            return Ok(());
        }
    }

    /// Takes what the controller of a cluster keeps for this broker and for all, in place of what was set
    /// before. It keeps whatever it is given: a setting that cannot be altered here, or not to this value, is
    /// logged and left out. Nothing is written, for the controller has it on disk.
    ///
    /// No part is asked before: keys that cannot be used leave the former ones in use, and must not keep the
    /// broker from what else the cluster has decided.
    ///
    /// Looks up the names of hosts if others are given, which takes a while.
    pub fn follow(&self, configs: DynamicConfigs) {
        let of_file = self.current().of_file().clone();
        let (after, refused) = CurrentConfig::admitting(of_file, configs);
        for why in refused {
            let level = limited(LogKind::Settings, Level::Warn);
            log!(
                level,
                "a setting that the cluster has for its brokers does not count here: {why}"
            );
        }
        // A name that cannot be looked up just now keeps its limit, whatever other setting changes.
        let hosts = &after.config().max_connections_per_ip_overrides;
        let is_changed = *hosts != self.current().config().max_connections_per_ip_overrides;
        let addresses = is_changed.then(|| resolvable(&self.look_up, hosts));
        let mut followed = after.config().clone();
        let mut changes = locked(&self.changes);
        followed.max_connections_per_ip_overrides =
            addresses.unwrap_or_else(|| changes.followed.max_connections_per_ip_overrides.clone());
        changes.follow(&self.current, after, followed);
    }
}

impl Changes {
    /// Asks each part whether it can follow.
    fn validate(&self, followed: &KafkaConfig) -> Result<(), String> {
        self.parts.iter().filter_map(Weak::upgrade).try_for_each(|part| part.validate(followed))
    }

    /// Shows the settings `after` in `current`, and has all parts follow. A part that panics does not
    /// keep those after it from following: the settings are on disk already.
    fn follow(
        &mut self,
        current: &RwLock<Arc<CurrentConfig>>,
        after: CurrentConfig,
        followed: KafkaConfig,
    ) {
        let before = Arc::clone(&read_locked(current));
        log_changes(before.config(), after.config());
        *write_locked(current) = Arc::new(after);
        let before = std::mem::replace(&mut self.followed, followed);
        for part in self.parts.iter().filter_map(Weak::upgrade) {
            let follow = || part.reconfigure(&before, &self.followed);
            if catch_unwind(AssertUnwindSafe(follow)).is_err() {
                error!(
                    "a part of the broker panicked when settings were altered: it may not follow \
                     them before the next start"
                );
            }
        }
    }
}

impl<F: Fn(&CurrentConfig) -> Result<ConfigMap, KafkaError>> Alteration<F> {
    fn apply_to(&self, before: &CurrentConfig) -> Result<CurrentConfig, KafkaError> {
        let configs = before.dynamic().with(self.scope, (self.change)(before)?);
        before.altered(configs).map_err(refused)
    }
}

/// `background.threads`: Kafka's `DynamicThreadPool`.
impl BrokerReconfigurable for KafkaScheduler {
    fn reconfigure(&self, _old: &KafkaConfig, new: &KafkaConfig) {
        self.resize_thread_pool(new.background_threads);
    }
}

fn refused(why: String) -> KafkaError {
    KafkaError::api(Errors::InvalidRequest, why)
}

/// The limits of all hosts, by address.
fn addresses_of(look_up: &LookUp, hosts: &[(String, usize)]) -> Result<HostLimits, String> {
    let mut limits = HostLimits::new();
    for (host, limit) in hosts {
        let addresses = look_up(host).map_err(|error| error.to_string())?;
        limits.extend(addresses.iter().map(|address| (address.to_string(), *limit)));
    }
    Ok(limits)
}

/// The limits of those hosts that can be looked up, by address. A host whose name was valid when it
/// was set, and is no longer, keeps neither the broker from starting nor the others from their
/// limits.
fn resolvable(look_up: &LookUp, hosts: &HostLimits) -> HostLimits {
    let addresses = |host: &(String, usize)| {
        addresses_of(look_up, std::slice::from_ref(host)).unwrap_or_else(|why| {
            error!("{why}: it gets no limit of its own");
            HostLimits::new()
        })
    };
    hosts.iter().flat_map(addresses).collect()
}

/// A client that locked itself out could not connect to undo it.
fn check_asker(asker: IpAddr, before: &KafkaConfig, after: &KafkaConfig) -> Result<(), String> {
    let address = asker.to_canonical().to_string();
    // Of several limits for one address the last one holds.
    let limit = |it: &KafkaConfig| {
        let own = it.max_connections_per_ip_overrides.iter().rev().find(|it| it.0 == address);
        own.map_or(it.max_connections_per_ip, |it| it.1)
    };
    if limit(after) > 0 || limit(before) == 0 {
        return Ok(());
    }
    Err(format!(
        "`max.connections.per.ip` and `max.connections.per.ip.overrides` must let {address} connect: \
         the request came from there, and could not be taken back"
    ))
}

fn log_changes(before: &KafkaConfig, after: &KafkaConfig) {
    let say = |what: String| {
        let level = limited(LogKind::Settings, Level::Info);
        log!(level, "{what}: it was altered while the broker ran");
    };
    for ((name, before), (_, after)) in before.values().iter().zip(after.values()) {
        if *before != after {
            say(format!("`{name}` is {after:?} instead of {before:?}"));
        }
    }
    let (before, after) = (of_listeners(before), of_listeners(after));
    for (name, setting) in &after {
        if before.get(name).is_none_or(|it| it.value != setting.value) {
            say(format!("`{name}` is {:?}", setting.shown_value()));
        }
    }
    for name in before.keys().filter(|it| !after.contains_key(*it)) {
        say(format!("`{name}` is not set any more"));
    }
}

/// What holds for single listeners, by name.
fn of_listeners(config: &KafkaConfig) -> BTreeMap<String, &ListenerSetting> {
    config.listener_settings.iter().map(|it| (it.full_name(), it)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::mpsc;
    use std::thread;

    use support::temp::TempDir;
    use support::wait::PATIENCE;

    const OVERRIDES: &str = "max.connections.per.ip.overrides";

    /// Keeps what it is asked to follow.
    #[derive(Default)]
    struct Part(Mutex<Vec<KafkaConfig>>);

    impl Part {
        fn last(&self) -> KafkaConfig {
            self.0.lock().unwrap().last().unwrap().clone()
        }
    }

    impl BrokerReconfigurable for Part {
        fn reconfigure(&self, _old: &KafkaConfig, new: &KafkaConfig) {
            self.0.lock().unwrap().push(new.clone());
        }
    }

    fn set(config: &DynamicBrokerConfig, name: &str, value: &str) -> Result<(), KafkaError> {
        let change = |current: &CurrentConfig| {
            let mut configs = current.dynamic().of_broker.clone();
            configs.insert(name.to_string(), value.to_string());
            Ok(configs)
        };
        let (scope, asker) = (DynamicScope::Broker, IpAddr::V4(Ipv4Addr::LOCALHOST));
        config.alter(&Alteration { scope, asker, validate_only: false, change })
    }

    /// A part that cannot apply certain settings, and says so.
    struct Refuses;

    impl BrokerReconfigurable for Refuses {
        fn validate(&self, new: &KafkaConfig) -> Result<(), String> {
            match new.log_roll_ms {
                Some(7) => Err("seven is not possible here".to_string()),
                _ => Ok(()),
            }
        }

        fn reconfigure(&self, _old: &KafkaConfig, _new: &KafkaConfig) {}
    }

    #[test]
    fn what_a_part_cannot_apply_is_refused_and_not_kept() {
        let dir = TempDir::new();
        let dirs = [dir.path().to_path_buf()];
        let config = DynamicBrokerConfig::open_in(&dirs, &KafkaConfig::default()).unwrap();
        let (first, refuses) = (Arc::new(Part::default()), Arc::new(Refuses));
        config.add_reconfigurable(&first);
        config.add_reconfigurable(&refuses);
        let error = set(&config, "log.roll.ms", "7").unwrap_err();
        assert!(error.to_string().contains("seven is not possible here"), "{error}");
        assert_eq!(first.last().log_roll_ms, None);
        let again = DynamicBrokerConfig::open_in(&dirs, &KafkaConfig::default()).unwrap();
        assert_eq!(again.current().config().log_roll_ms, None);
    }

    /// So that `kafka-configs` has a changed file of certificates read again.
    #[test]
    fn what_is_set_to_what_it_is_reaches_the_parts_all_the_same() {
        let dir = TempDir::new();
        let dirs = [dir.path().to_path_buf()];
        let config = DynamicBrokerConfig::open_in(&dirs, &KafkaConfig::default()).unwrap();
        let part = Arc::new(Part::default());
        config.add_reconfigurable(&part);
        set(&config, "log.roll.ms", "5").unwrap();
        let count = part.0.lock().unwrap().len();
        set(&config, "log.roll.ms", "5").unwrap();
        assert_eq!(part.0.lock().unwrap().len(), count + 1);
        assert_eq!(part.last().log_roll_ms, Some(5));
    }

    #[test]
    fn of_what_a_cluster_has_for_its_brokers_that_counts_which_can_be_altered() {
        let dir = TempDir::new();
        let dirs = [dir.path().to_path_buf()];
        let config = DynamicBrokerConfig::open_in(&dirs, &KafkaConfig::default()).unwrap();
        let part = Arc::new(Part::default());
        config.add_reconfigurable(&part);
        let named = |settings: &[(&str, &str)]| -> ConfigMap {
            settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        config.follow(DynamicConfigs {
            of_broker: named(&[("log.roll.ms", "7"), ("broker.id", "9"), ("remote.x", "y")]),
            of_all: named(&[("log.roll.ms", "5"), ("num.io.threads", "no number")]),
        });
        let last = part.last();
        assert_eq!((last.log_roll_ms, last.num_io_threads), (Some(7), 8));
        config.follow(DynamicConfigs::default());
        assert_eq!(part.last().log_roll_ms, None, "what is gone there is gone here");
        config.follow(DynamicConfigs {
            of_broker: named(&[("log.roll.ms", "7")]),
            ..DynamicConfigs::default()
        });
        let again = DynamicBrokerConfig::open_in(&dirs, &KafkaConfig::default()).unwrap();
        assert_eq!(again.current().config().log_roll_ms, None, "nothing is kept here");
    }

    /// As a listener does whose keystore cannot be read.
    #[test]
    fn a_part_that_refuses_what_the_cluster_has_does_not_keep_the_others_from_following() {
        let dir = TempDir::new();
        let dirs = [dir.path().to_path_buf()];
        let config = DynamicBrokerConfig::open_in(&dirs, &KafkaConfig::default()).unwrap();
        let (refuses, part) = (Arc::new(Refuses), Arc::new(Part::default()));
        config.add_reconfigurable(&refuses);
        config.add_reconfigurable(&part);
        let of_all =
            ["log.roll.ms", "min.insync.replicas"].map(|it| (it.to_string(), "7".to_string()));
        config.follow(DynamicConfigs {
            of_all: ConfigMap::from(of_all),
            ..DynamicConfigs::default()
        });
        assert_eq!(part.last().min_insync_replicas, 7);
        assert_eq!(config.current().config().log_roll_ms, Some(7));
    }

    /// A part that cannot follow the settings.
    struct Panics;

    impl BrokerReconfigurable for Panics {
        fn reconfigure(&self, _old: &KafkaConfig, new: &KafkaConfig) {
            assert_eq!(new.log_roll_ms, None, "it follows no such setting");
        }
    }

    #[test]
    fn a_part_that_panics_does_not_keep_the_others_from_following() {
        let dir = TempDir::new();
        let config = DynamicBrokerConfig::open_in(
            std::slice::from_ref(&dir.path().to_path_buf()),
            &KafkaConfig::default(),
        )
        .unwrap();
        let (first, last) = (Arc::new(Panics), Arc::new(Part::default()));
        config.add_reconfigurable(&first);
        config.add_reconfigurable(&last);
        for log_roll_ms in [7, 8] {
            set(&config, "log.roll.ms", &log_roll_ms.to_string()).unwrap();
            assert_eq!(last.last().log_roll_ms, Some(log_roll_ms));
            assert_eq!(config.current().config().log_roll_ms, Some(log_roll_ms));
        }
    }

    #[test]
    fn names_are_looked_up_while_other_settings_are_altered() {
        let dir = TempDir::new();
        let (asks, asked) = mpsc::channel();
        let (answers, answer) = mpsc::channel();
        let answer = Mutex::new(answer);
        let look_up = move |host: &str| {
            asks.send(host.to_string()).unwrap();
            answer.lock().unwrap().recv_timeout(PATIENCE).map_err(io::Error::other)
        };
        let dirs = [dir.path().to_path_buf()];
        let config =
            DynamicBrokerConfig::open_with(&dirs, &KafkaConfig::default(), Box::new(look_up))
                .unwrap();
        let part = Arc::new(Part::default());
        config.add_reconfigurable(&part);
        thread::scope(|scope| {
            let slow = scope.spawn(|| set(&config, OVERRIDES, "slow.test:5"));
            assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), "slow.test");
            set(&config, "log.roll.ms", "7").unwrap();
            assert_eq!(part.last().log_roll_ms, Some(7));
            answers.send(vec![IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])]).unwrap();
            slow.join().unwrap().unwrap();
        });
        set(&config, "log.retention.bytes", "9").unwrap();
        let addresses = [("192.0.2.1".to_string(), 5), ("192.0.2.2".to_string(), 5)];
        let last = part.last();
        assert_eq!((last.log_roll_ms, last.log_retention_bytes.bytes()), (Some(7), Some(9)));
        assert_eq!(last.max_connections_per_ip_overrides, addresses);
        let shown = config.current().config().max_connections_per_ip_overrides.clone();
        assert_eq!(shown, [("slow.test".to_string(), 5)]);
        assert!(asked.try_recv().is_err(), "a name is looked up once");
    }

    #[test]
    fn a_host_that_cannot_be_looked_up_any_more_keeps_its_limit_when_the_cluster_changes_others() {
        let dir = TempDir::new();
        let (answer, answers) = mpsc::channel();
        let answers = Mutex::new(answers);
        let look_up = move |_: &str| {
            let answer = answers.lock().unwrap().try_recv();
            answer.map(|it: Ipv4Addr| vec![IpAddr::V4(it)]).map_err(|_| io::Error::other("gone"))
        };
        let of_file = KafkaConfig {
            max_connections_per_ip_overrides: vec![("host.test".to_string(), 5)],
            ..KafkaConfig::default()
        };
        answer.send(Ipv4Addr::new(192, 0, 2, 1)).unwrap();
        let dirs = [dir.path().to_path_buf()];
        let config = DynamicBrokerConfig::open_with(&dirs, &of_file, Box::new(look_up)).unwrap();
        let part = Arc::new(Part::default());
        config.add_reconfigurable(&part);
        let of_cluster = |name: &str, value: &str| DynamicConfigs {
            of_all: ConfigMap::from([(name.to_string(), value.to_string())]),
            ..DynamicConfigs::default()
        };
        config.follow(of_cluster("log.roll.ms", "7"));
        let limits = |last: &KafkaConfig| last.max_connections_per_ip_overrides.clone();
        assert_eq!(part.last().log_roll_ms, Some(7));
        assert_eq!(limits(&part.last()), [("192.0.2.1".to_string(), 5)]);
        // Another list is looked up.
        answer.send(Ipv4Addr::new(192, 0, 2, 2)).unwrap();
        config.follow(of_cluster(OVERRIDES, "other.test:6"));
        assert_eq!(limits(&part.last()), [("192.0.2.2".to_string(), 6)]);
    }
}
