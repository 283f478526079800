//! Settings that are read from a file on disk.

use std::fs;
use std::path::Path;

use support::temp::TempFile;
use transferto::config::config_def::ConfigError;
use transferto::config::config_reader::read_file;
use transferto::config::kafka_config::KafkaConfig;
use transferto::config::unsupported::Unsupported;

/// A `server.properties`.
struct PropertiesFile(TempFile);

impl PropertiesFile {
    fn holding(content: &[u8]) -> Self {
        Self(TempFile::with(content))
    }

    fn read(&self, overrides: &[(&str, &str)]) -> Result<KafkaConfig, Vec<ConfigError>> {
        let overrides: Vec<(String, String)> =
            overrides.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        read_file(Some(&self.0.path), &overrides)
    }
}

#[test]
fn a_file_is_read_and_an_override_wins_over_it() {
    let file = PropertiesFile::holding(b"# mine\nnum.io.threads=4\nport=9093\n");
    let config = file.read(&[("port", "9094")]).unwrap();
    assert_eq!((config.num_io_threads, config.port), (4, 9094));
}

#[test]
fn an_error_names_the_file_and_the_line() {
    let file = PropertiesFile::holding(b"# mine\n\nnum.io.threads=many\n");
    let errors = file.read(&[]).unwrap_err();
    let expected = format!(
        "{}, line 3: `num.io.threads=many`: must be a whole number from 1 to 1024",
        file.0.path.display()
    );
    assert_eq!(errors[0].to_string(), expected);
}

#[test]
fn a_file_that_is_not_text_is_refused_with_the_line() {
    let file = PropertiesFile::holding(b"port=1\nhost.name=\xff\xfe\n");
    let errors = file.read(&[]).unwrap_err();
    assert!(errors[0].to_string().ends_with("line 2: must be UTF-8 text"), "{}", errors[0]);
}

#[test]
fn a_file_that_is_not_there_is_refused_by_its_name() {
    let errors = read_file(Some(Path::new("no/such.properties")), &[]).unwrap_err();
    assert!(errors[0].to_string().starts_with("no/such.properties: cannot be read"));
}

/// Each of Kafka's names is a setting here, or is passed over or refused for a reason.
#[test]
fn every_setting_of_kafka_from_0_9_to_4_4_is_known() {
    let names = fs::read_to_string("tests/kafka-broker-settings.txt").unwrap();
    let names = names.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<_> = names.map(|line| line.split(' ').next().unwrap()).collect();
    assert!(names.len() > 430, "{}", names.len());
    let is_ours = |name: &str| KafkaConfig::SETTINGS.iter().any(|it| it.name == name);
    let unknown = names.into_iter().filter(|it| !is_ours(it) && Unsupported::of(it).is_none());
    assert_eq!(Vec::from_iter(unknown), [""; 0]);
}

/// DescribeConfigs returns the type, and admin clients show it. `log.dir` is a string as in Kafka 0.9
/// to 3.9.
#[test]
fn each_setting_has_the_type_of_kafka() {
    let facts = fs::read_to_string("tests/kafka-4.4.0-broker-types.txt").unwrap();
    let facts = facts.lines().filter(|line| !line.starts_with('#'));
    let facts: Vec<_> = facts.map(|line| line.split_once(' ').unwrap()).collect();
    assert!(facts.len() > 50);
    let differing = facts.into_iter().filter_map(|(name, of_kafka)| {
        let ours = KafkaConfig::SETTINGS.iter().find(|it| it.name == name).unwrap().kind;
        (ours != of_kafka).then_some((name, ours, of_kafka))
    });
    assert_eq!(differing.collect::<Vec<_>>(), [("log.dir", "string", "list")]);
}
