//! Not in Kafka: the rules under which a fault may be switched on. A broker with one is refused unless
//! the same settings say that lessons are allowed, and says at every start what is wrong with it.

use crate::config::config_def::ConfigError;
use crate::config::kafka_config::KafkaConfig;
use crate::config::properties::Property;
use crate::config::transfer_mode::TransferMode;

/// What every lesson's setting begins with.
const PREFIX: &str = "transferto.lesson.";
const PERMISSION: &str = "transferto.lessons.allowed";

/// Nobody runs a broker with a fault by a slip, such as a line copied from a page: each lesson that
/// is on is an error without the permission.
pub(super) fn forbidden(config: &KafkaConfig, given: &[Property]) -> Vec<ConfigError> {
    if config.transferto_lessons_allowed {
        return Vec::new();
    }
    let error = |(property, fault): (&Property, &str)| {
        let why = format!(
            "this broker then {fault}; remove the setting, or, if that is what you want to see, \
             add `{PERMISSION}=true`"
        );
        config_error(property, why)
    };
    faults(config, given).map(error).collect()
}

/// The same for a program that fills the settings itself, past the reader of files.
///
/// # Errors
/// Each lesson that is on, unless lessons are allowed.
pub fn check_permission(config: &KafkaConfig) -> Result<(), Vec<ConfigError>> {
    let settings = config.non_default_settings().into_iter();
    let property =
        |(name, value): (&str, _)| Property { name: name.to_string(), value, place: String::new() };
    match forbidden(config, &settings.map(property).collect::<Vec<_>>()) {
        none if none.is_empty() => Ok(()),
        errors => Err(errors),
    }
}

/// What is broken, or slow, on purpose is said at every start.
pub(super) fn warnings(config: &KafkaConfig, given: &[Property]) -> Vec<String> {
    let allowed = faults(config, given).filter(|_| config.transferto_lessons_allowed);
    let warning = |(property, what): (&Property, &str)| {
        let why = format!("this broker {what}; remove the setting when you have seen it");
        format!("LESSON: {}", config_error(property, why))
    };
    allowed.chain(copy(config, given)).map(warning).collect()
}

/// The long way of the bytes, if it is taken. It is no fault, and needs no permission.
fn copy<'a>(config: &KafkaConfig, given: &'a [Property]) -> Option<(&'a Property, &'static str)> {
    let property = given.iter().rfind(|it| it.name == "transferto.transfer.mode")?;
    let what = "copies each message byte into its own memory and out again, which takes more time \
                of the processors than `sendfile`";
    (config.transferto_transfer_mode == TransferMode::Copy).then_some((property, what))
}

/// Each lesson that is on, where it was given, and what the broker then does.
fn faults<'a>(
    config: &KafkaConfig,
    given: &'a [Property],
) -> impl Iterator<Item = (&'a Property, &'static str)> {
    let is_last = |at: usize, it: &Property| !given[at + 1..].iter().any(|on| on.name == it.name);
    let in_force = given.iter().enumerate().filter(move |(at, it)| is_last(*at, it));
    in_force.filter_map(|(_, it)| Some((it, fault(config, &it.name)?)))
}

/// What a broker with this lesson does, if it is on.
fn fault(config: &KafkaConfig, setting: &str) -> Option<&'static str> {
    let lessons = config.lessons();
    let (is_on, fault) = match setting.strip_prefix(PREFIX)? {
        "forgotten.edges" => (
            lessons.forgets_edges,
            "forgets the requests that arrive while another one of their connection is handled",
        ),
        "reused.names" => (
            lessons.reuses_names,
            "sends late responses, with other clients' records in them, to whoever has the place \
             of a closed connection (KAFKA-5595)",
        ),
        "lost.responses" => (
            lessons.loses_responses,
            "loses the next response, of whomever, with each whose connection is gone (KAFKA-5790)",
        ),
        "cold.pages" => (
            lessons.leaves_cold_pages,
            "reads cold pages inside `sendfile`, and all connections of a processor wait for the \
             disk with the one that asked (KAFKA-7504)",
        ),
        _ => return None,
    };
    is_on.then_some(fault)
}

fn config_error(property: &Property, why: String) -> ConfigError {
    let Property { name, value, place } = property.clone();
    ConfigError { name, value, place, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::lessons::Lessons;
    use crate::config::config_reader::read_properties;
    use crate::config::properties::parse;

    const ALLOWED: &str = "transferto.lessons.allowed=true";

    fn lessons() -> impl Iterator<Item = &'static str> {
        let settings = KafkaConfig::SETTINGS.iter().map(|it| it.name);
        settings.filter(|it| it.starts_with(PREFIX))
    }

    #[test]
    fn a_lesson_without_permission_is_an_error_that_says_what_where_and_what_to_do() {
        assert_eq!(lessons().count(), 4);
        for lesson in lessons() {
            let text = format!("port=1\n{lesson}=true");
            let errors = read_properties(&text, &[]).unwrap_err();
            let [error] = &errors[..] else { panic!("{errors:?}") };
            let error = error.to_string();
            assert!(
                error.starts_with(&format!("line 2: `{lesson}=true`: this broker ")),
                "{error}"
            );
            assert!(error.contains("remove the setting") && error.contains(ALLOWED), "{error}");
            assert!(read_properties(&format!("{text}\n{ALLOWED}"), &[]).is_ok());
        }
    }

    #[test]
    fn a_program_that_fills_the_settings_itself_needs_the_permission_too() {
        for lesson in lessons() {
            let mut config = read_properties(&format!("{lesson}=true\n{ALLOWED}"), &[]).unwrap();
            assert_eq!(check_permission(&config), Ok(()));
            config.transferto_lessons_allowed = false;
            let errors = check_permission(&config).unwrap_err();
            let [error] = &errors[..] else { panic!("{errors:?}") };
            assert!(error.to_string().contains(&format!("`{lesson}=true`: this broker ")));
        }
        assert_eq!(check_permission(&KafkaConfig::default()), Ok(()));
    }

    #[test]
    fn a_lesson_that_is_off_needs_no_permission() {
        for lesson in lessons() {
            let off = [(lesson.to_string(), "false".to_string())];
            let config = read_properties(&format!("{lesson}=true"), &off).unwrap();
            assert_eq!(config.lessons(), Lessons::default());
        }
    }

    #[test]
    fn a_lesson_is_announced_once_and_only_where_it_is_on() {
        for lesson in lessons() {
            let warnings = |text: &str| {
                let given = parse(text, "a.properties").unwrap();
                warnings(&read_properties(text, &[]).unwrap(), &given)
            };
            let on = warnings(&format!("{lesson}=false\n{lesson}=true\n{ALLOWED}"));
            let [warning] = &on[..] else { panic!("{on:?}") };
            let begin = format!("LESSON: a.properties, line 2: `{lesson}=true`: this broker ");
            assert!(warning.starts_with(&begin), "{warning}");
            assert_eq!(warnings(&format!("{lesson}=false\n{ALLOWED}")), [""; 0]);
        }
    }

    #[test]
    fn a_copy_is_announced_and_needs_no_permission() {
        let warnings = |text: &str| {
            let given = parse(text, "a.properties").unwrap();
            warnings(&read_properties(text, &[]).unwrap(), &given).concat()
        };
        let on = warnings("transferto.transfer.mode=copy");
        assert!(on.starts_with("LESSON: a.properties, line 1: `transferto.transfer.mode=copy`"));
        assert_eq!(
            warnings("transferto.transfer.mode=copy\ntransferto.transfer.mode=sendfile"),
            ""
        );
        assert_eq!(warnings("transferto.transfer.copy.buffer.bytes=4096"), "");
    }
}
