//! Keys and certificates that are exchanged while the broker runs: Kafka's
//! `testServerKeystoreDynamicUpdate`, as `kafka-configs` does it (KIP-226).

use std::fs;
use std::sync::Arc;

use support::broker::Broker;
use support::client::Client;
use support::temp::TempDir;
use support::tls::{TestCa, TlsConnector, TlsFiles};
use transferto::common::errors::Errors;
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use transferto::protocol::request::{RequestBody, ResponseBody};

const LOCATION: &str = "listener.name.secure.ssl.keystore.location";

struct Scene {
    broker: Broker,
    settings: Vec<(String, String)>,
    admin: Client,
    files: TlsFiles,
    dir: TempDir,
}

impl Scene {
    fn start() -> Self {
        let dir = TempDir::new();
        let files = TlsFiles::in_dir(dir.path());
        let mut settings = files.settings();
        settings.extend(
            [
                ("listeners", "PLAINTEXT://127.0.0.1:0,SECURE://127.0.0.1:0"),
                ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SECURE:SSL"),
            ]
            .map(|(name, value)| (name.to_string(), value.to_string())),
        );
        Self::start_in(Arc::new(TempDir::new()), settings, files, dir)
    }

    fn start_in(
        data: Arc<TempDir>,
        settings: Vec<(String, String)>,
        files: TlsFiles,
        dir: TempDir,
    ) -> Self {
        let given: Vec<_> = settings.iter().map(|(name, value)| (&**name, &**value)).collect();
        let broker = Broker::start_in(data, &given);
        let admin = Client::connect(broker.server().bound_port_of("PLAINTEXT").unwrap());
        Self { broker, settings, admin, files, dir }
    }

    fn restarted(self) -> Self {
        let Self { broker, settings, files, dir, .. } = self;
        Self::start_in(broker.stop(), settings, files, dir)
    }

    /// The error of the answer, and what it says.
    fn alter(&mut self, name: &str, value: &str) -> (i16, String) {
        let (name, value) = (name.to_string(), Some(value.to_string()));
        let config = IncrementalAlterableConfig { name, config_operation: 0, value };
        let resource = IncrementalAlterConfigsResource {
            resource_type: 4,
            resource_name: "0".to_string(),
            configs: vec![config],
        };
        let request =
            IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let body = self.admin.call(1, &RequestBody::IncrementalAlterConfigs(request), &[]).0;
        let ResponseBody::IncrementalAlterConfigs(mut response) = body else { panic!("{body:?}") };
        let answer = response.responses.remove(0);
        (answer.error_code, answer.error_message.unwrap_or_default())
    }

    /// Whether a client that trusts this CA, and no other, shakes hands with the broker.
    fn is_trusted_by(&self, ca: &TestCa) -> bool {
        let port = self.broker.server().bound_port_of("SECURE").unwrap();
        TlsConnector::trusting(&ca.certificate_pem()).connect(port).is_ok()
    }
}

#[test]
fn new_connections_get_the_keystore_that_was_altered_and_keep_it_over_a_restart() {
    let mut scene = Scene::start();
    let other = TestCa::new("another CA");
    let keystore = scene.dir.join("other.pem");
    other.server().write_keystore(&keystore);
    assert!(scene.is_trusted_by(&scene.files.ca) && !scene.is_trusted_by(&other));
    assert_eq!(scene.alter(LOCATION, &keystore.display().to_string()), (0, String::new()));
    assert!(scene.is_trusted_by(&other) && !scene.is_trusted_by(&scene.files.ca));
    assert!(scene.restarted().is_trusted_by(&other));
}

#[test]
fn a_file_that_has_changed_is_read_again_when_its_setting_is_set_anew() {
    let mut scene = Scene::start();
    let keystore = scene.files.keystore.display().to_string();
    assert_eq!(scene.alter(LOCATION, &keystore).0, 0);
    let other = TestCa::new("another CA");
    other.server().write_keystore(&scene.files.keystore);
    assert_eq!(scene.alter(LOCATION, &keystore).0, 0);
    assert!(scene.is_trusted_by(&other));
}

#[test]
fn a_keystore_that_cannot_be_used_is_refused_with_the_file_and_nothing_changes() {
    let mut scene = Scene::start();
    let bad = scene.dir.join("bad.pem");
    fs::write(&bad, "no key").unwrap();
    for file in [bad, scene.dir.join("missing.pem")] {
        let (error, why) = scene.alter(LOCATION, &file.display().to_string());
        assert_eq!(error, Errors::InvalidRequest.code(), "{why}");
        assert!(why.contains(&file.display().to_string()), "{why}");
    }
    assert!(scene.is_trusted_by(&scene.files.ca));
    assert_eq!(scene.alter("log.retention.ms", "100000").0, 0, "other settings are not hindered");
}
