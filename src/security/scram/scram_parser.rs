//! Port of `org.apache.kafka.metadata.storage.ScramParser`: a user on the command line, as
//! `kafka-storage.sh format --add-scram` takes it.
//!
//! ```text
//! SCRAM-SHA-256=[name=alice,password=alice-secret]
//! SCRAM-SHA-256=[name=alice,iterations=8192,salt="base64",saltedpassword="base64"]
//! ```
//!
//! No error quotes a value: it may be a password, or a part of one.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::security::scram::scram_credential::ScramCredential;
use crate::security::scram::scram_formatter::ScramFormatter;
use crate::security::scram::scram_mechanism::ScramMechanism;

/// What may stand between the brackets.
const NAMES: [&str; 5] = ["name", "password", "salt", "saltedpassword", "iterations"];

/// Kafka's `PerMechanismData`: a user who is to be made.
#[derive(Clone, PartialEq, Eq)]
pub struct PerMechanismData {
    pub mechanism: ScramMechanism,
    pub name: String,
    iterations: i32,
    salt: Option<Vec<u8>>,
    secret: Secret,
}

#[derive(Clone, PartialEq, Eq)]
enum Secret {
    Password(String),
    SaltedPassword(Vec<u8>),
    /// The argument has none: it comes by another way.
    Elsewhere,
}

/// Without a secret.
impl fmt::Debug for PerMechanismData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of user {:?}", self.mechanism, self.name)
    }
}

impl PerMechanismData {
    /// Parses one argument. Kafka's asks for a password; here that may come by another way.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(argument: &str) -> Result<Self, String> {
        let (mechanism, components) = parse_per_mechanism_argument(argument)?;
        let mut components = split(components)?;
        let name = components.remove("name").ok_or("You must supply 'name' to add-scram")?;
        if name.is_empty() {
            return Err("the 'name' of a user must not be empty".to_string());
        }
        let mut decoded = |name: &str| {
            let decoded = components.remove(name).map(|it| STANDARD.decode(it)).transpose();
            decoded.map_err(|_| format!("Failed to decode given '{name}': it is not base64"))
        };
        let (salt, salted_password) = (decoded("salt")?, decoded("saltedpassword")?);
        let secret = match (components.remove("password"), salted_password) {
            (Some(_), Some(_)) => {
                return Err("'password' and 'saltedpassword' exclude each other".to_string());
            }
            (None, Some(_)) if salt.is_none() => {
                return Err("You must supply 'salt' with 'saltedpassword' to add-scram".to_string());
            }
            (None, Some(salted_password)) => Secret::SaltedPassword(salted_password),
            (Some("" | "\"\""), None) => return Err("the 'password' must not be empty".to_string()),
            (Some(password), None) => Secret::Password(password.to_string()),
            (None, None) => Secret::Elsewhere,
        };
        let iterations = iterations(mechanism, components.remove("iterations"))?;
        Ok(Self { mechanism, name: name.to_string(), iterations, salt, secret })
    }

    /// Whether it asks for the password that comes by another way.
    pub fn needs_password(&self) -> bool {
        self.secret == Secret::Elsewhere
    }

    /// Kafka's `toRecord`: what is kept of it. `password` is the one that came by another way.
    ///
    /// # Errors
    /// What is wrong with it; if the system has no random numbers for a salt.
    pub fn to_credential(&self, password: Option<&str>) -> Result<ScramCredential, String> {
        let formatter = ScramFormatter::new(self.mechanism);
        let salt = match &self.salt {
            Some(salt) => salt.clone(),
            None => {
                let random = formatter.secure_random_string();
                random.map_err(|_| "the system has no random numbers for a salt")?.into_bytes()
            }
        };
        let times = NonZeroU32::new(self.iterations.unsigned_abs()).unwrap_or(NonZeroU32::MIN);
        let salted_password = match (&self.secret, password) {
            (Secret::SaltedPassword(salted), _) => {
                self.mechanism.check_salted_password(salted)?;
                salted.clone()
            }
            (Secret::Password(password), _) => formatter.salted_password(password, &salt, times),
            (Secret::Elsewhere, Some(password)) => {
                formatter.salted_password(password, &salt, times)
            }
            (Secret::Elsewhere, None) => {
                return Err(
                    "You must supply one of 'password' or 'saltedpassword' to add-scram, or \
                            the password by --password-file"
                        .to_string(),
                );
            }
        };
        let credential = formatter.credential_of(&salted_password, salt, self.iterations);
        self.mechanism.check(&credential)?;
        Ok(credential)
    }
}

fn parse_per_mechanism_argument(argument: &str) -> Result<(ScramMechanism, &str), String> {
    let (mechanism, components) = argument
        .trim()
        .split_once('=')
        .ok_or("Failed to find equals sign in SCRAM argument; write SCRAM-SHA-256=[name=alice]")?;
    let Some(mechanism) = ScramMechanism::for_mechanism_name(mechanism) else {
        let known = ScramMechanism::ALL.map(ScramMechanism::mechanism_name).join(" and ");
        return Err(format!(
            "The add-scram mechanism {mechanism} is not supported; there are {known}"
        ));
    };
    let components =
        components.strip_prefix('[').ok_or("Expected configuration string to start with [")?;
    let components =
        components.strip_suffix(']').ok_or("Expected configuration string to end with ]")?;
    Ok((mechanism, components))
}

/// The values by their names, without the quotation marks that may stand round them.
fn split(components: &str) -> Result<BTreeMap<&str, &str>, String> {
    let mut split = BTreeMap::new();
    for component in components.split(',') {
        let Some((name, value)) = component.split_once('=') else {
            return Err("No equals sign found in a SCRAM component; a password with a comma must \
                        come by --password-file"
                .to_string());
        };
        if !NAMES.contains(&name) {
            // It is not shown: it may be what follows a comma in a password.
            return Err(format!(
                "Unknown SCRAM configurations: there are {}; a password with a comma must come by \
                 --password-file",
                NAMES.join(", ")
            ));
        }
        let quoted = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        if split.insert(name, quoted.unwrap_or(value)).is_some() {
            return Err(format!("'{name}' is given twice"));
        }
    }
    Ok(split)
}

fn iterations(mechanism: ScramMechanism, given: Option<&str>) -> Result<i32, String> {
    let (min, max) = (mechanism.min_iterations(), mechanism.max_iterations());
    let Some(given) = given else { return Ok(min) };
    let iterations: Result<i32, _> = given.parse();
    match iterations.map_err(|_| "Failed to parse 'iterations': it is no number".to_string())? {
        it if it < min => {
            Err(format!("The 'iterations' value must be >= {min} for add-scram using {mechanism}"))
        }
        it if it > max => {
            Err(format!("The 'iterations' value must be <= {max} for add-scram using {mechanism}"))
        }
        it => Ok(it),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &str = "MWx2NHBkbnc0ZndxN25vdGN4bTB5eTFrN3E=";
    const SALTED_PASSWORD: &str = "mT0yyUUxnlJaC99HXgRTSYlbuqa4FSGtJCJfTMvjYCE=";

    fn parse(components: &str) -> PerMechanismData {
        PerMechanismData::parse(&format!("SCRAM-SHA-256=[{components}]")).unwrap()
    }

    /// Port of `ScramParserTest.testParsePerMechanismData`,
    /// `ScramParserTest.testParsePerMechanismDataWithIterationsAndConfiguredSalt`,
    /// `ScramParserTest.testDefaultIterations`, `ScramParserTest.testConfiguredSalt` and
    /// `ScramParserTest.testSplitTrimmedConfigStringComponentOnNameEqualsQuotedFoo`.
    #[test]
    fn a_user_has_a_password_iterations_and_a_salt() {
        let plain = parse("name=bob,password=my pass");
        assert_eq!((&*plain.name, plain.mechanism), ("bob", ScramMechanism::ScramSha256));
        let made = plain.to_credential(None).unwrap();
        assert_eq!(made.iterations, 4096);
        let whole = format!("iterations=8192,salt=\"{SALT}\",password=\"my=pass\",name=\"bob\"");
        let made = parse(&whole).to_credential(Some("another")).unwrap();
        assert_eq!((made.iterations, &*made.salt), (8192, &b"1lv4pdnw4fwq7notcxm0yy1k7q"[..]));
        let elsewhere = parse(&format!("name=bob,iterations=8192,salt={SALT}"));
        assert!(elsewhere.needs_password());
        assert_eq!(elsewhere.to_credential(Some("my=pass")).unwrap(), made);
        let other = PerMechanismData::parse(" SCRAM-SHA-512=[name=a,password=b] ").unwrap();
        assert_eq!(other.mechanism, ScramMechanism::ScramSha512);
        assert!(!other.needs_password());
    }

    /// Port of `ScramParserTest.testRandomSalt`.
    #[test]
    fn a_salt_that_is_not_given_is_another_each_time() {
        let bob = parse("name=bob,password=my pass");
        let salts = [(); 2].map(|()| bob.to_credential(None).unwrap().salt);
        assert!(salts[0] != salts[1]);
    }

    /// Port of `ScramParserTest.testParsePerMechanismDataWithConfiguredSaltedPassword` and
    /// `ScramParserTest.testPerMechanismDataToRecord`.
    #[test]
    fn a_salted_password_is_as_good_as_the_password() {
        let alice = parse(&format!("name=alice,salt={SALT},saltedpassword={SALTED_PASSWORD}"));
        let formatter = ScramFormatter::new(ScramMechanism::ScramSha256);
        let (salt, salted) = (STANDARD.decode(SALT), STANDARD.decode(SALTED_PASSWORD).unwrap());
        let expected = formatter.credential_of(&salted, salt.unwrap(), 4096);
        assert_eq!(alice.to_credential(None), Ok(expected));
    }

    /// Port of `ScramParserTest.testParsePerMechanismArgumentWithoutEqualsSign`,
    /// `ScramParserTest.testParsePerMechanismArgumentWithUnsupportedScramMethod`,
    /// `ScramParserTest.testParsePerMechanismArgumentWithConfigStringWithoutBraces`,
    /// `ScramParserTest.testParsePerMechanismArgumentWithConfigStringWithoutEndBrace`,
    /// `ScramParserTest.testParsePerMechanismDataFailsWithoutName`,
    /// `ScramParserTest.testParsePerMechanismDataFailsWithExtraArguments`,
    /// `ScramParserTest.testSplitTrimmedConfigStringComponentWithNoEquals` and
    /// `ScramParserTest.testParsePerMechanismDataWithConfiguredSaltedPasswordFailsWithoutSalt`.
    #[test]
    fn a_wrong_argument_is_refused_without_its_values() {
        let with = |components: &str| format!("SCRAM-SHA-256=[{components}]");
        for (argument, why) in [
            ("SCRAM-SHA-512".to_string(), "Failed to find equals sign"),
            ("SCRAM-SHA-1=[name=a,password=hush]".to_string(), "SCRAM-SHA-1 is not supported"),
            ("SCRAM-SHA-256=name=a,password=hush".to_string(), "to start with ["),
            ("SCRAM-SHA-256=[name=a,password=hush".to_string(), "to end with ]"),
            (with("password=hush"), "You must supply 'name'"),
            (with("name=,password=hush"), "must not be empty"),
            (with("name=a,password="), "must not be empty"),
            (with("name=a,password=\"\""), "must not be empty"),
            (with("name=a,password=x,hush"), "a password with a comma"),
            (with("name=a,password=x,password=hush"), "'password' is given twice"),
            (with("name=a,password=hush,unknown=x,b=y"), "Unknown SCRAM configurations"),
            (with("name=a,password=x,hush=y"), "must come by --password-file"),
            (with("name=a,saltedpassword=hush"), "You must supply 'salt'"),
            (with("name=a,salt=hush!,password=x"), "'salt': it is not base64"),
            (with(&format!("name=a,salt={SALT},saltedpassword=hush!")), "not base64"),
            (with(&format!("name=a,salt={SALT},saltedpassword=hush,password=x")), "exclude"),
            (with("name=a,password=hush,iterations=x"), "no number"),
            (with("name=a,password=hush,iterations=4095"), ">= 4096"),
            (with("name=a,password=hush,iterations=16385"), "<= 16384"),
        ] {
            let error = PerMechanismData::parse(&argument).unwrap_err();
            assert!(error.contains(why) && !error.contains("hush"), "{argument}: {error}");
        }
    }

    /// Port of `ScramParserTest.testParsePerMechanismDataFailsWithoutPassword`.
    #[test]
    fn without_any_password_no_user_is_made() {
        let error = parse("name=bar").to_credential(None).unwrap_err();
        assert!(
            error.starts_with("You must supply one of 'password' or 'saltedpassword'"),
            "{error}"
        );
        let short = parse(&format!("name=bar,salt={SALT},saltedpassword=c2hvcnQ="));
        assert!(short.to_credential(None).unwrap_err().contains("32 bytes"));
    }

    #[test]
    fn a_password_is_not_shown() {
        let shown = format!("{:?}", parse("name=bob,password=hush"));
        assert_eq!(shown, "SCRAM-SHA-256 of user \"bob\"");
    }
}
