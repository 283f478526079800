//! Secrets in the settings: whatever the broker prints, logs and answers, none of them is in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use support::broker_process::{BrokerProcess, broker_binary};
use support::client::Client;
use support::temp::TempDir;
use transferto::config::kafka_config::KafkaConfig;
use transferto::protocol::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterableConfig,
};
use transferto::protocol::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::hostile::in_company;

/// In every value that is a secret.
const SECRET: &str = "hush-hush-4711";
/// Kafka's type of such a setting in DescribeConfigs.
const PASSWORD: i8 = 9;
const BROKER: i8 = 4;

fn secret_names() -> Vec<&'static str> {
    let names = KafkaConfig::SETTINGS.iter().filter(|it| it.kind == "password");
    let names: Vec<_> = names.map(|it| it.name).collect();
    assert!(names.len() >= 7, "{names:?}");
    names
}

/// Every secret that this broker takes, bare and for a listener.
fn good_lines() -> Vec<String> {
    let mut lines = Vec::new();
    for name in secret_names() {
        lines.push(format!("{name}={SECRET}"));
        let prefix = if name == "sasl.jaas.config" { "plain." } else { "" };
        lines.push(format!("listener.name.plaintext.{prefix}{name}={SECRET}"));
    }
    lines
}

/// Lines with which no broker starts: secrets under wrong names, of wrong listeners, in settings that
/// are refused, and torn apart.
fn bad_lines() -> Vec<String> {
    let mut lines = Vec::new();
    for name in secret_names() {
        let misspelt = name.replacen('s', "", 1);
        lines.push(format!("{misspelt}={SECRET}"));
        lines.push(format!("listener.name.plaintext.{misspelt}={SECRET}"));
        lines.push(format!("listener.name.nobody.{name}={SECRET}"));
        lines.push(format!("listener.name.PLAINTEXT.{name}={SECRET}"));
        lines.push(format!("listener.name.plaintext.cram-md5.{name}={SECRET}"));
        lines.push(format!("{name}={SECRET}\\u00zz"));
    }
    lines.extend([
        format!("delegation.token.master.key={SECRET}"),
        format!("some.thing={SECRET}"),
        format!("listener.name.plaintext.some.thing={SECRET}"),
        format!("listener.name.plaintext.gssapi.sasl.jaas.config={SECRET}"),
        format!(
            "ssl.keystore.key=-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"
        ),
    ]);
    lines
}

/// What the binary prints when it is called so, on both of its outputs.
fn printed(arguments: &[&str]) -> String {
    let mut broker = Command::new(broker_binary());
    let output = broker.args(arguments).env("RUST_LOG", "trace").output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

fn file_with(dir: &TempDir, line: &str) -> String {
    let file = dir.join("secret.properties");
    let head = format!("listeners=PLAINTEXT://127.0.0.1:0\nlog.dirs={}\n", dir.path().display());
    fs::write(&file, head + line + "\n").unwrap();
    file.display().to_string()
}

#[test]
fn a_wrong_setting_does_not_bring_its_secret_into_the_error() {
    let _company = in_company();
    for line in bad_lines() {
        let dir = TempDir::new();
        let file = file_with(&dir, &line);
        for arguments in [vec!["--check", &file], vec![file.as_str()]] {
            let printed = printed(&arguments);
            assert!(printed.contains("secret.properties, line 3"), "{line}: {printed}");
            assert!(!printed.contains(SECRET), "{line}: {printed}");
        }
    }
    let pair = format!("ssl.keystore.password {SECRET}");
    assert!(!printed(&["--override", &pair]).contains(SECRET));
}

#[test]
fn a_check_shows_that_a_secret_is_set_and_not_what_it_is() {
    let _company = in_company();
    let dir = TempDir::new();
    let file = file_with(&dir, &good_lines().join("\n"));
    let printed = printed(&["--check", &file]);
    assert!(printed.contains("is valid"), "{printed}");
    assert!(printed.contains("ssl.keystore.password=[hidden]"), "{printed}");
    assert!(printed.contains("listener.name.plaintext.ssl.key.password=[hidden]"), "{printed}");
    assert!(!printed.contains(SECRET), "{printed}");
}

#[test]
fn a_running_broker_neither_logs_nor_describes_a_secret() {
    let _company = in_company();
    let dir = TempDir::new();
    let mut settings = good_lines();
    settings.push("transferto.http.listener=0".to_string());
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut asked = Asked::start(dir.path(), &settings);
    let described = describe(&mut asked);
    for name in secret_names() {
        assert!(described.contains(&format!("{name}: None, sensitive, of type {PASSWORD}")));
    }
    let own = "listener.name.plaintext.plain.sasl.jaas.config: None, sensitive, of type 9";
    assert!(described.contains(own), "{described}");
    let answers = alter(&mut asked);
    let described = describe(&mut asked);
    for text in [&described, &answers] {
        assert!(!text.contains(SECRET), "{text}");
    }
    let lines = asked.end();
    assert!(lines.iter().any(|it| it.contains("IncrementalAlterConfigs(")), "it is logged at all");
    let telling: Vec<_> = lines.into_iter().filter(|it| it.contains(SECRET)).collect();
    assert_eq!(telling, [""; 0]);
    restarts_with_what_was_altered(dir.path());
}

/// The stored secrets are no reason not to start, and are not logged then either.
fn restarts_with_what_was_altered(dir: &Path) {
    let mut asked = Asked::start(dir, &[]);
    let described = describe(&mut asked);
    let name = "listener.name.plaintext.ssl.keystore.password";
    assert!(described.contains(&format!("{name}: None, sensitive")), "{described}");
    assert!(!asked.end().concat().contains(SECRET));
}

/// A broker that logs everything, a client of it, and what it has logged.
struct Asked {
    broker: BrokerProcess,
    client: Client,
    lines: Vec<String>,
}

impl Asked {
    fn start(dir: &Path, settings: &[&str]) -> Self {
        let broker = BrokerProcess::start_under(
            &["env", "RUST_LOG=trace,kafka.request.logger=trace"],
            dir,
            settings,
        );
        let client = Client::connect(broker.port);
        let lines = broker.first_lines.clone();
        Self { broker, client, lines }
    }

    /// The answer; what is logged meanwhile is read, or the broker would wait for a reader.
    fn ask(&mut self, version: i16, body: &RequestBody) -> ResponseBody {
        let answer = self.client.call(version, body, &[]).0;
        self.lines.extend(self.broker.lines_until("Completed request"));
        answer
    }

    fn end(mut self) -> Vec<String> {
        self.lines.extend(self.broker.end_with(Signal::SIGTERM).1);
        self.lines
    }
}

/// All settings of the broker as it answers them, a line each.
fn describe(asked: &mut Asked) -> String {
    let resource = DescribeConfigsResource {
        resource_type: BROKER,
        resource_name: "0".to_string(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: true,
    };
    let body = asked.ask(4, &RequestBody::DescribeConfigs(request));
    let ResponseBody::DescribeConfigs(response) = body else { panic!("{body:?}") };
    let configs = &response.results[0].configs;
    let line = |it: &transferto::protocol::describe_configs::DescribeConfigsResourceResult| {
        let sensitive = if it.is_sensitive { "sensitive" } else { "open" };
        let values: Vec<_> = it.synonyms.iter().map(|it| &it.value).collect();
        let (name, value, config_type) = (&it.name, &it.value, it.config_type);
        format!("{name}: {value:?}, {sensitive}, of type {config_type}, {values:?}\n")
    };
    configs.iter().map(line).collect()
}

/// What the broker answers to alterations of secrets, those that it takes and those that it refuses.
fn alter(asked: &mut Asked) -> String {
    let mut answers = String::new();
    let mut names = vec!["some.thing".to_string()];
    for name in secret_names() {
        names.extend([name.to_string(), format!("listener.name.nobody.{name}")]);
        names.push(format!("listener.name.plaintext.plain.{name}"));
    }
    names.push("listener.name.plaintext.ssl.keystore.password".to_string());
    let value = Some(SECRET.to_string());
    let (resource_type, resource_name) = (BROKER, "0".to_string());
    for name in &names {
        let config = AlterableConfig { name: name.clone(), value: value.clone() };
        let resource_name = resource_name.clone();
        let configs = vec![config];
        let resources = vec![AlterConfigsResource { resource_type, resource_name, configs }];
        let request = AlterConfigsRequest { resources, validate_only: true };
        let body = asked.ask(1, &RequestBody::AlterConfigs(request));
        answers.push_str(&format!("{body:?}\n"));
    }
    for name in names {
        let (value, resource_name) = (value.clone(), resource_name.clone());
        let configs = vec![IncrementalAlterableConfig { name, config_operation: 0, value }];
        let resource = IncrementalAlterConfigsResource { resource_type, resource_name, configs };
        let request =
            IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let body = asked.ask(1, &RequestBody::IncrementalAlterConfigs(request));
        answers.push_str(&format!("{body:?}\n"));
    }
    assert_eq!(answers.matches("error_code: 0,").count(), 2, "{answers}");
    answers
}
