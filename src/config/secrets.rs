//! Which settings hold secrets, so that no error, no page and no line of the log shows their values.

use std::borrow::Cow;

use crate::config::config_def::{ConfigError, nearest};
use crate::config::config_type::Kind;
use crate::config::kafka_config::KafkaConfig;
use crate::config::listener_setting::PREFIX;
use crate::config::password::{HIDDEN, Password};
use crate::config::properties::Property;
use crate::config::unsupported::Unsupported;

/// What a name of a secret has in it, in the settings that this broker does not have.
const SECRET_WORDS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "jaas",
    "credential",
    "token",
    "private",
    ".key.",
    "certificate",
];

/// No setting of Kafka's is as long as this without a dot in its name.
const PLAIN_NAME_CHARS_MAX: usize = 20;

/// The value of the setting `name` as everybody may see it. Kafka hides what it does not know, too.
pub fn shown<'a>(name: &str, value: &'a str) -> &'a str {
    if is_secret(name) && !value.is_empty() { HIDDEN } else { value }
}

/// Whether the value of this setting is for nobody's eyes: bare, or with the prefix of a listener. Of
/// an unknown name it is, unless a setting without secrets was meant.
pub fn is_secret(name: &str) -> bool {
    let kind = |it: &str| KafkaConfig::row(it).map(|it| it.kind);
    if let Some(kind) = kind(name) {
        return kind == Password::NAME;
    }
    let lower = name.to_ascii_lowercase();
    if SECRET_WORDS.iter().any(|it| lower.contains(it)) || lower.ends_with(".key") {
        return true;
    }
    if Unsupported::of(name).is_some() {
        return false;
    }
    let known = || KafkaConfig::SETTINGS.iter().map(|it| it.name).chain(Unsupported::names());
    let is_meant = |it: &&str| known().any(|name| it.ends_with(&format!(".{name}")));
    let meant = match name.strip_prefix(PREFIX).filter(is_meant) {
        Some(_) => return false,
        None => nearest(name, known()),
    };
    meant.is_none_or(|it| kind(it) == Some(Password::NAME))
}

/// The error as everybody may see it.
pub(super) fn without_secret(error: ConfigError) -> ConfigError {
    let ConfigError { name, value, place, why } = error;
    let value = shown(&name, &value).to_string();
    let is_no_name = !name.contains('.') && name.chars().count() > PLAIN_NAME_CHARS_MAX;
    let name = if is_no_name { HIDDEN.to_string() } else { name };
    ConfigError { name, value, place, why }
}

/// Takes the lines of a key or a certificate out of `given` that its setting was to have, and has not
/// for want of backslashes: else each would be an unknown setting, and a line of the log. Returns an
/// error for each such setting.
pub(super) fn torn_pem(given: &mut Vec<Property>) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut is_within = false;
    given.retain(|it| {
        if is_within {
            is_within = !it.name.starts_with("-----END");
            return false;
        }
        is_within = it.value.contains("-----BEGIN ") && !it.value.contains("-----END ");
        if is_within {
            errors.push(ConfigError {
                name: it.name.clone(),
                value: HIDDEN.to_string(),
                place: it.place.clone(),
                why: "goes on in the next line: end each line of it but the last with ` \\` (a blank \
                      and a backslash), or put it into a file"
                    .to_string(),
            });
        }
        true
    });
    errors
}

/// A pair of the command line that has no `=`, as far as it is a name.
pub(super) fn first_word(pair: &str) -> Cow<'_, str> {
    match pair.split_once(char::is_whitespace) {
        Some((first, _)) => Cow::Owned(format!("{first} {HIDDEN}")),
        None => Cow::Borrowed(pair),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::config_reader::errors_of;

    #[test]
    fn secrets_are_known_by_their_names_whether_this_broker_has_them_or_not() {
        for secret in [
            "ssl.keystore.password",
            "ssl.keystore.key",
            "sasl.jaas.config",
            "listener.name.a.ssl.key.password",
            "listener.name.a.scram-sha-256.sasl.jaas.config",
            "zookeeper.ssl.keystore.password",
            "password.encoder.old.secret",
            "delegation.token.master.key",
            "sasl.oauthbearer.client.credentials.client.secret",
            "ssl.keystore.pasword",
            "my.password",
            "colour",
        ] {
            assert!(is_secret(secret), "{secret}");
            assert_eq!(shown(secret, "hush"), HIDDEN);
            assert_eq!(shown(secret, ""), "");
        }
        for open in [
            "num.io.threads",
            "num.oi.threads",
            "ssl.keystore.location",
            "ssl.keystroe.location",
            "listener.name.a.ssl.client.auth",
            "listener.name.a.ssl.protocol",
            "broker.rack",
        ] {
            assert!(!is_secret(open), "{open}");
        }
    }

    #[test]
    fn the_lines_of_a_key_that_lacks_its_backslashes_are_one_error_and_no_names() {
        let text = "ssl.keystore.key=-----BEGIN PRIVATE KEY-----\n\
                    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n\
                    c2VjcmV0+/==\n\
                    Qw==\n\
                    -----END PRIVATE KEY-----\n\
                    num.io.threads=0\n";
        let errors = errors_of(text);
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(
            errors[0].starts_with("line 1: `ssl.keystore.key=[hidden]`: goes on"),
            "{errors:?}"
        );
        assert!(errors[1].starts_with("line 6: `num.io.threads=0`"), "{errors:?}");
        let lost = errors_of("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0");
        assert!(lost[0].starts_with("line 1: `[hidden]=`: unknown setting"), "{lost:?}");
    }

    #[test]
    fn a_pem_on_one_line_or_with_backslashes_is_taken() {
        for text in [
            "ssl.keystore.key=-----BEGIN PRIVATE KEY----- \\\n  abcd \\\n  -----END PRIVATE KEY-----",
            "ssl.keystore.key=-----BEGIN PRIVATE KEY-----\\nabcd\\n-----END PRIVATE KEY-----",
        ] {
            assert_eq!(errors_of(text), [""; 0], "{text}");
        }
    }
}
