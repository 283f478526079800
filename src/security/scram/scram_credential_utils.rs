//! Port of `org.apache.kafka.common.security.scram.internals.ScramCredentialUtils`: a credential as
//! text, in the form that Kafka gave it in ZooKeeper.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::security::scram::scram_credential::ScramCredential;

/// The names of the fields.
const SALT: &str = "salt";
const STORED_KEY: &str = "stored_key";
const SERVER_KEY: &str = "server_key";
const ITERATIONS: &str = "iterations";
/// How many there are.
const FIELDS: usize = 4;

/// `salt=..,stored_key=..,server_key=..,iterations=..`
pub fn credential_to_string(credential: &ScramCredential) -> String {
    let ScramCredential { salt, stored_key, server_key, iterations } = credential;
    let [salt, stored_key, server_key] =
        [salt, stored_key, server_key].map(|it| STANDARD.encode(it));
    format!(
        "{SALT}={salt},{STORED_KEY}={stored_key},{SERVER_KEY}={server_key},{ITERATIONS}={iterations}"
    )
}

/// The credential that [`credential_to_string`] wrote; its fields may stand in any order.
///
/// # Errors
/// What is wrong with it, without a word of it: whoever reads that may not be whom the keys are for.
pub fn credential_from_string(text: &str) -> Result<ScramCredential, String> {
    let fields = text.split(',').map(|field| {
        let (name, value) = field.split_once('=')?;
        Some((name, value))
    });
    let fields: Option<BTreeMap<&str, &str>> = fields.collect();
    let fields = fields.ok_or("a field of the credential is not name=value")?;
    let value_of = |name: &str| {
        let value = fields.get(name).copied();
        value.ok_or_else(|| format!("the credential has no {name}"))
    };
    let bytes_of = |name: &str| {
        let bytes = STANDARD.decode(value_of(name)?);
        bytes.map_err(|_| format!("the {name} of the credential is not base64"))
    };
    let iterations = value_of(ITERATIONS)?.parse();
    let credential = ScramCredential {
        salt: bytes_of(SALT)?,
        stored_key: bytes_of(STORED_KEY)?,
        server_key: bytes_of(SERVER_KEY)?,
        iterations: iterations.map_err(|_| "the iterations of the credential are no number")?,
    };
    match text.split(',').count() {
        FIELDS => Ok(credential),
        _ => Err("the credential has a field that is not known, or one twice".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::scram::scram_formatter::ScramFormatter;
    use crate::security::scram::scram_mechanism::ScramMechanism;

    fn generate(iterations: i32) -> ScramCredential {
        let formatter = ScramFormatter::new(ScramMechanism::ScramSha256);
        formatter.generate_credential("password", iterations).unwrap()
    }

    /// Port of `ScramCredentialUtilsTest.stringConversion`.
    #[test]
    fn a_credential_reads_back_as_it_was_written() {
        let credential = generate(1024);
        assert!(!credential.salt.is_empty());
        assert_eq!((credential.stored_key.len(), credential.server_key.len()), (32, 32));
        assert_eq!(credential_from_string(&credential_to_string(&credential)), Ok(credential));
    }

    /// Port of `ScramCredentialUtilsTest.generateCredential`.
    #[test]
    fn the_same_password_makes_another_credential_each_time() {
        let [one, other] = [(); 2].map(|()| credential_to_string(&generate(4096)));
        assert!(one != other);
    }

    /// Port of `ScramCredentialUtilsTest.invalidCredential`, `ScramCredentialUtilsTest.missingFields`
    /// and `ScramCredentialUtilsTest.extraneousFields`.
    #[test]
    fn what_is_no_credential_is_refused_without_a_word_of_it() {
        let whole = credential_to_string(&generate(2048));
        let (salt, rest) = whole.split_once(',').unwrap();
        for (text, why) in [
            ("abc".to_string(), "not name=value"),
            (String::new(), "not name=value"),
            (rest.to_string(), "no salt"),
            (format!(",{rest}"), "not name=value"),
            (format!("{whole},a=test"), "not known"),
            (format!("{whole},{salt}"), "twice"),
            (whole.replace("iterations=2048", "iterations=x"), "no number"),
            (whole.replace("salt=", "salt=?"), "the salt of the credential is not base64"),
        ] {
            let error = credential_from_string(&text).unwrap_err();
            assert!(error.contains(why), "{error}");
            assert!(!error.contains(&salt["salt=".len()..]));
        }
    }

    #[test]
    fn a_credential_is_shown_to_nobody() {
        let credential = ScramCredential {
            salt: b"salt".to_vec(),
            stored_key: vec![201; 32],
            server_key: vec![202; 32],
            iterations: 4096,
        };
        assert_eq!(format!("{credential:?}"), "ScramCredential(4096 iterations)");
    }
}
