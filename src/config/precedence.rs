//! Which of two settings prevails that say the same, whichever was given first and wherever: Kafka's
//! rules, told to the user who has set the other one.

use crate::config::properties::{COMMAND_LINE, Property};

/// The setting that prevails if it is set, and those that are passed over then.
const PREVAILING: [(&str, &[&str]); 7] = [
    ("listeners", &["host.name", "port"]),
    ("advertised.listeners", &["advertised.host.name", "advertised.port"]),
    ("log.dirs", &["log.dir"]),
    ("log.roll.ms", &["log.roll.hours"]),
    ("log.roll.jitter.ms", &["log.roll.jitter.hours"]),
    ("log.retention.ms", &["log.retention.minutes", "log.retention.hours"]),
    ("log.retention.minutes", &["log.retention.hours"]),
];

/// A sentence for each setting that was given and is passed over for another.
///
/// A setting of the file that another on the command line replaces is none of them: that is what
/// the command line is for.
pub(super) fn passed_over(given: &[Property]) -> Vec<String> {
    let last = |name: &str| given.iter().rfind(|it| it.name == name && !it.value.trim().is_empty());
    let mut sentences = Vec::new();
    for (name, others) in PREVAILING {
        let Some(prevailing) = last(name) else { continue };
        let passed_over = others.iter().filter_map(|it| last(it));
        for Property { name: other, value, place } in
            passed_over.filter(|it| it.place == COMMAND_LINE || prevailing.place != COMMAND_LINE)
        {
            sentences.push(format!(
                "{place}: `{other}={value}` is passed over: `{name}={}` ({}) prevails over it \
                 wherever both are set; set `{name}` instead",
                prevailing.value, prevailing.place
            ));
        }
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(settings: &[(&str, &str)]) -> Vec<Property> {
        let property = |&(place, pair): &(&str, &str)| {
            let (name, value) = pair.split_once('=').unwrap();
            let (name, value, place) = (name.to_string(), value.to_string(), place.to_string());
            Property { name, value, place }
        };
        settings.iter().map(property).collect()
    }

    #[test]
    fn a_port_that_listeners_prevail_over_is_told_with_what_to_set_instead() {
        let file = ("a.properties, line 2", "listeners=PLAINTEXT://:9092");
        assert_eq!(
            passed_over(&given(&[file, (COMMAND_LINE, "port=19093")])),
            ["the command line: `port=19093` is passed over: `listeners=PLAINTEXT://:9092` \
              (a.properties, line 2) prevails over it wherever both are set; set `listeners` instead"]
        );
        for both in [("x", "port=1"), ("x", "host.name=a")] {
            assert_eq!(passed_over(&given(&[both, ("x", "listeners=PLAINTEXT://:2")])).len(), 1);
        }
        let advertised =
            [("x", "advertised.listeners=PLAINTEXT://a:2"), ("x", "advertised.port=1")];
        assert_eq!(passed_over(&given(&advertised)).len(), 1);
    }

    #[test]
    fn a_file_that_the_command_line_overrules_is_not_told() {
        for settings in [
            [("f", "log.retention.hours=168"), (COMMAND_LINE, "log.retention.ms=5")],
            [("f", "port=1"), (COMMAND_LINE, "listeners=PLAINTEXT://:2")],
            [("f", "listeners="), ("f", "port=1")],
            [("f", "log.dir=a"), ("f", "log.roll.ms=1")],
        ] {
            assert_eq!(passed_over(&given(&settings)), [""; 0], "{settings:?}");
        }
    }
}
