//! The kind of the setting `sasl.enabled.mechanisms`.

use crate::common::sasl_mechanism_names::{ALL, GSSAPI};
use crate::config::config_type::{Kind, entries, joined};
use crate::config::unsupported::GSSAPI_IS_MISSING;

/// Names of mechanisms with commas between them.
#[derive(Debug)]
pub struct SaslMechanisms;

impl Kind for SaslMechanisms {
    type Value = Vec<String>;
    const NAME: &'static str = "list";
    const TAKES: &'static str = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER, or some of them with commas between them";
    const WORDS: &'static [&'static str] = &ALL;
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Vec<String>, String> {
        let mut mechanisms = Vec::new();
        for name in entries(text) {
            if name == GSSAPI {
                return Err(format!("must be {}: {GSSAPI_IS_MISSING}", Self::TAKES));
            }
            if !ALL.contains(&name) {
                return Err(format!("must be {}; `{name}` is none of them", Self::TAKES));
            }
            if !mechanisms.iter().any(|it| it == name) {
                mechanisms.push(name.to_string());
            }
        }
        Ok(mechanisms)
    }

    fn show(value: &Vec<String>) -> String {
        joined(value.iter().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::sasl_mechanism_names::{PLAIN, SCRAM_SHA_512};

    #[test]
    fn mechanisms_are_known_by_kafkas_names_and_each_stands_once() {
        let parsed = SaslMechanisms::parse("SCRAM-SHA-512, PLAIN,PLAIN").unwrap();
        assert_eq!(parsed, [SCRAM_SHA_512, PLAIN]);
        assert_eq!(SaslMechanisms::show(&parsed), "SCRAM-SHA-512,PLAIN");
        assert_eq!(SaslMechanisms::parse("").unwrap(), [""; 0]);
    }

    #[test]
    fn kerberos_and_what_nobody_knows_are_refused_with_what_there_is() {
        assert!(ALL.iter().all(|it| SaslMechanisms::TAKES.contains(it)));
        for (text, why) in [
            ("PLAIN,GSSAPI", "Kerberos, is not built in: take SCRAM-SHA-512"),
            ("SCRAM-SHA-1", "`SCRAM-SHA-1` is none of them"),
            ("plain", "must be PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"),
        ] {
            let error = SaslMechanisms::parse(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
