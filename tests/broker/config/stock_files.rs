//! The files that come with Kafka, as a newcomer starts this broker with them.

use support::stock_files;
use support::temp::TempFile;
use transferto::config::config_reader::read_file;
use transferto::config::kafka_config::KafkaConfig;

fn read(text: &str) -> Result<KafkaConfig, Vec<String>> {
    let file = TempFile::with(text.as_bytes());
    let errors = |errors: Vec<_>| errors.iter().map(ToString::to_string).collect();
    read_file(Some(&file.path), &[]).map_err(errors)
}

fn shown(end_points: &[impl ToString]) -> String {
    end_points.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[test]
fn the_files_of_zookeeper_mode_start_as_the_broker_that_they_name() {
    let config = read(&stock_files::zookeeper_0_9()).unwrap();
    assert_eq!((config.broker_id, &*shown(&config.listeners)), (0, "PLAINTEXT://:9092"));
    let config = read(&stock_files::zookeeper_2_8()).unwrap();
    assert_eq!((config.broker_id, &*shown(&config.listeners)), (0, "PLAINTEXT://127.0.0.1:9092"));
}

#[test]
fn the_files_of_a_broker_that_is_its_own_controller_start_without_the_controllers_listener() {
    for text in [stock_files::combined_2_8(), stock_files::combined_4()] {
        let config = read(&text).unwrap();
        assert_eq!((config.broker_id, &*shown(&config.listeners)), (1, "PLAINTEXT://:9092"));
        let advertised = config.effective_advertised_listeners();
        assert_eq!(shown(&advertised), "PLAINTEXT://localhost:9092");
    }
}

#[test]
fn the_files_of_a_broker_with_its_controller_elsewhere_join_its_cluster_and_take_no_second_role() {
    for text in [stock_files::broker_2_8(), stock_files::broker_4()] {
        let config = read(&text).unwrap();
        assert_eq!(
            (config.broker_id, &*shown(&config.listeners)),
            (2, "PLAINTEXT://localhost:9092")
        );
        assert!(config.joins_a_cluster());
        let errors = read(&(text + "process.roles=broker,controller")).unwrap_err();
        assert!(errors.len() == 1 && errors[0].contains("a node that is alone"), "{errors:?}");
    }
}

#[test]
fn the_files_of_a_controller_are_refused() {
    for text in [stock_files::controller_2_8(), stock_files::controller_4()] {
        let errors = read(&text).unwrap_err();
        assert!(errors[0].contains("`process.roles=controller`: must have the role of a broker"));
    }
}

#[test]
fn node_id_and_broker_id_are_one_number_and_the_command_line_prevails() {
    let id = |text: &str, overrides: &[(&str, &str)]| {
        let file = TempFile::with(text.as_bytes());
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let config = read_file(Some(&file.path), &Vec::from_iter(overrides.iter().map(pair)));
        config.map(|it| (it.broker_id, it.node_id)).map_err(|errors| errors[0].to_string())
    };
    assert_eq!(id("node.id=3", &[]), Ok((3, Some(3))));
    assert_eq!(id("node.id=3\nbroker.id=3", &[]), Ok((3, Some(3))));
    assert_eq!(id("node.id=3", &[("broker.id", "4")]), Ok((4, Some(4))));
    assert_eq!(id("broker.id=3", &[("node.id", "4")]), Ok((4, Some(4))));
    let error = id("node.id=3\nbroker.id=0", &[]).unwrap_err();
    assert!(error.ends_with("must be the same as `node.id=3`, or left out"), "{error}");
}

/// The variable of a script that is not set must not send the data elsewhere.
#[test]
fn an_empty_list_of_directories_is_refused() {
    for text in ["log.dirs=", "log.dirs= ,", "log.dirs=a\nlog.dirs=\nlog.dir=b"] {
        let errors = read(text).unwrap_err();
        assert!(errors[0].contains("must name a directory"), "{errors:?}");
    }
}
