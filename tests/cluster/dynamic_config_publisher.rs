//! The settings that a cluster has for its brokers, on their way into one.

use std::sync::Arc;
use std::time::Duration;

use support::temp::TempDir;
use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::scheduler::Scheduler;
use transferto::config::kafka_config::KafkaConfig;
use transferto::image::metadata_delta::MetadataDelta;
use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::config_records::ConfigRecord;
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::server::cluster::dynamic_config_publisher::DynamicConfigPublisher;
use transferto::server::metadata::dynamic_broker_config::DynamicBrokerConfig;

use crate::scene::BROKER_ID;

const BROKER: i8 = 4;

struct Scene {
    _dir: TempDir,
    scheduler: Arc<MockScheduler>,
    dynamic_config: Arc<DynamicBrokerConfig>,
    publisher: DynamicConfigPublisher,
    image: MetadataImage,
}

impl Scene {
    fn new() -> Self {
        let dir = TempDir::new();
        let dirs = [dir.path().to_path_buf()];
        let dynamic_config =
            Arc::new(DynamicBrokerConfig::open_in(&dirs, &KafkaConfig::default()).unwrap());
        let mock = Arc::new(MockScheduler::new(Arc::new(MockTime::new())));
        let scheduler: Arc<dyn Scheduler> = mock.clone();
        let publisher = DynamicConfigPublisher::new(BROKER_ID, &dynamic_config, &scheduler);
        let image = MetadataImage::default();
        Self { _dir: dir, scheduler: mock, dynamic_config, publisher, image }
    }

    /// Publishes that the controller keeps this of `log.roll.ms` for a broker.
    fn publish(&mut self, resource_name: &str, value: Option<&str>) {
        let record = ConfigRecord {
            resource_type: BROKER,
            resource_name: resource_name.to_string(),
            name: "log.roll.ms".to_string(),
            value: value.map(str::to_string),
        };
        let before = self.image.clone();
        self.image.replay(&MetadataRecord::Config(record)).unwrap();
        let delta = MetadataDelta::between(&before, &self.image);
        self.publisher.on_metadata_update(&delta, &self.image);
    }

    fn log_roll_ms(&self) -> Option<i64> {
        self.dynamic_config.current().config().log_roll_ms
    }
}

#[test]
fn a_brokers_own_settings_prevail_over_those_of_all_brokers() {
    let mut scene = Scene::new();
    scene.publish("", Some("5"));
    scene.scheduler.tick();
    assert_eq!(scene.log_roll_ms(), Some(5));
    scene.publish("1", Some("7"));
    scene.scheduler.tick();
    assert_eq!(scene.log_roll_ms(), Some(7));
    scene.publish("1", None);
    scene.scheduler.tick();
    assert_eq!(scene.log_roll_ms(), Some(5));
    scene.publish("", None);
    scene.scheduler.tick();
    assert_eq!(scene.log_roll_ms(), None);
}

#[test]
fn the_settings_of_other_brokers_are_not_followed() {
    let mut scene = Scene::new();
    scene.publish("2", Some("7"));
    scene.scheduler.tick();
    assert_eq!(scene.log_roll_ms(), None);
}

#[test]
fn of_several_changes_that_wait_the_newest_is_followed() {
    let mut scene = Scene::new();
    for value in ["5", "6", "7"] {
        scene.publish("1", Some(value));
    }
    assert_eq!(scene.log_roll_ms(), None, "the thread of the metadata log does not follow itself");
    scene.scheduler.tick();
    assert_eq!(scene.log_roll_ms(), Some(7));
    scene.publish("1", Some("8"));
    scene.scheduler.tick();
    assert_eq!(scene.log_roll_ms(), Some(8), "a later change is followed as well");
}

/// As for the start of a broker: before it serves anybody it has the settings of its cluster.
#[test]
fn who_waits_for_the_newest_settings_waits_until_they_are_followed() {
    let mut scene = Scene::new();
    let are_followed =
        |scene: &Scene| scene.publisher.wait_until_followed(Duration::from_millis(1));
    assert!(are_followed(&scene), "there are none");
    scene.publish("2", Some("7"));
    assert!(are_followed(&scene), "those of another broker");
    scene.publish("", Some("5"));
    assert!(!are_followed(&scene));
    scene.scheduler.tick();
    assert!(are_followed(&scene));
    assert_eq!(scene.log_roll_ms(), Some(5));
}
