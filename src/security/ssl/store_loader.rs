//! From the settings of a store to what is in it: port of Kafka's `SecurityStore.load`, and of the
//! checks of `createKeystore` and `createTruststore`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::config::password::Password;
use crate::security::ssl::jks;
use crate::security::ssl::jks::JksError;
use crate::security::ssl::pem;
use crate::security::ssl::pem::PemError;
use crate::security::ssl::pkcs8::DecryptError;
use crate::security::ssl::pkcs12;
use crate::security::ssl::pkcs12::Pkcs12Error;
use crate::security::ssl::security_store::{KeyEntry, SecurityStore};
use crate::security::ssl::ssl_configs::{StoreConfigs, StoreKind};
use crate::security::ssl::ssl_error::SslError;

/// No key and no list of authorities comes near it.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Kafka's name of the form that needs no tool of Java's.
const PEM: &str = "PEM";

/// What other files of keys begin with.
const JCEKS_MAGIC: [u8; 4] = [0xce, 0xce, 0xce, 0xce];
const DER_SEQUENCE: u8 = 0x30;

/// Reads what `configs` say. `None` if they name no store.
///
/// # Errors
/// The setting or the file that is wrong, and what mends it.
pub fn load(configs: &StoreConfigs) -> Result<Option<SecurityStore>, SslError> {
    check(configs)?;
    match (&configs.inline_key, &configs.inline_certificates, &configs.location) {
        (None, None, None) => Ok(None),
        (key, Some(certificates), _) => {
            let key = key.as_ref().map_or("", Password::value);
            read_pem(configs, key, certificates.value()).map(Some)
        }
        (_, None, Some(location)) => {
            let bytes = read_file(configs, location)?;
            read_bytes(configs, location, &bytes).map(Some)
        }
        (Some(_), None, None) => Err(SslError::new(
            "`ssl.keystore.key` is set, and `ssl.keystore.certificate.chain` is missing",
        )),
    }
}

/// What a text in messages calls the store: the setting, and the file if there is one.
pub fn named(configs: &StoreConfigs) -> String {
    let StoreConfigs { kind, location, .. } = configs;
    match (kind, location) {
        (kind, Some(location)) => {
            format!("`{}={}`", kind.setting("location"), location.display())
        }
        (StoreKind::Keystore, None) => {
            "`ssl.keystore.key` and `ssl.keystore.certificate.chain`".to_string()
        }
        (StoreKind::Truststore, None) => "`ssl.truststore.certificates`".to_string(),
    }
}

/// The rules of Kafka's `createKeystore` and `createTruststore`.
fn check(configs: &StoreConfigs) -> Result<(), SslError> {
    let StoreConfigs { kind, .. } = configs;
    let is_inline = configs.inline_key.is_some() || configs.inline_certificates.is_some();
    let (type_setting, location_setting) = (kind.setting("type"), kind.setting("location"));
    let password_setting = kind.setting("password");
    let refuse = |why: String| Err(SslError::new(why));
    if is_inline && !configs.store_type.eq_ignore_ascii_case(PEM) {
        return refuse(format!("{} needs `{type_setting}=PEM`", named_inline(*kind)));
    }
    if is_inline && configs.location.is_some() {
        let inline = named_inline(*kind);
        return refuse(format!("{inline} and `{location_setting}` are both set: remove one"));
    }
    if is_inline && configs.password.is_some() {
        return refuse(no_pem_password(configs));
    }
    if configs.inline_certificates.is_some()
        && *kind == StoreKind::Keystore
        && configs.inline_key.is_none()
    {
        return refuse(
            "`ssl.keystore.certificate.chain` is set, and `ssl.keystore.key` is missing".into(),
        );
    }
    if !is_inline && configs.location.is_none() && configs.password.is_some() {
        return refuse(format!("`{password_setting}` is set, and `{location_setting}` is missing"));
    }
    Ok(())
}

fn named_inline(kind: StoreKind) -> &'static str {
    match kind {
        StoreKind::Keystore => "`ssl.keystore.key`",
        StoreKind::Truststore => "`ssl.truststore.certificates`",
    }
}

fn no_pem_password(configs: &StoreConfigs) -> String {
    let password = configs.kind.setting("password");
    match configs.kind {
        StoreKind::Keystore => format!(
            "`{password}` is set, and PEM has no password for the whole: remove it, and set \
             `ssl.key.password` if the key is encrypted"
        ),
        StoreKind::Truststore => {
            format!("`{password}` is set, and PEM has no password: remove it")
        }
    }
}

fn read_file(configs: &StoreConfigs, location: &Path) -> Result<Vec<u8>, SslError> {
    let (name, file) = (named(configs), location.display());
    let metadata = fs::metadata(location);
    // A pipe would be waited for, and some devices never end.
    if metadata.as_ref().is_ok_and(|it| !it.is_file()) {
        return Err(SslError::new(format!(
            "{name} is no file, but a directory, a pipe or a device"
        )));
    }
    if metadata.is_ok_and(|it| it.len() > FILE_BYTES_MAX) {
        return Err(SslError::new(format!(
            "{name} is larger than {} MiB: it is no store of keys",
            FILE_BYTES_MAX >> 20
        )));
    }
    fs::read(location).map_err(|error| {
        let remedy = match (error.kind(), configs.kind) {
            (ErrorKind::NotFound, StoreKind::Keystore) => format!(
                "; to try without an authority, make one with `openssl req -x509 -newkey rsa:2048 \
                 -nodes -days 365 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
                 -keyout - -out - > {file}`"
            ),
            (ErrorKind::PermissionDenied, _) => {
                format!("; give it to the user of the broker: `chown USER {file}`")
            }
            _ => String::new(),
        };
        SslError::new(format!("{name} cannot be read: {error}{remedy}"))
    })
}

/// Reads a file by what it begins with. Java does, too, for its two forms: keytool writes PKCS12 into
/// files of every name.
fn read_bytes(
    configs: &StoreConfigs,
    location: &Path,
    bytes: &[u8],
) -> Result<SecurityStore, SslError> {
    let (name, file) = (named(configs), location.display());
    if let Some(text) = std::str::from_utf8(bytes).ok().filter(|it| it.contains("-----BEGIN ")) {
        if configs.password.is_some() {
            return Err(SslError::new(format!("{name} is PEM: {}", no_pem_password(configs))));
        }
        return read_pem(configs, text, text);
    }
    let new_type = |kind: &str| {
        SslError::new(format!(
            "{name} is {kind}, which is not read: convert it with `keytool -importkeystore \
             -srckeystore {file} -srcstoretype {kind} -destkeystore {file}.p12 -deststoretype PKCS12`"
        ))
    };
    match bytes {
        _ if bytes.starts_with(&jks::MAGIC) => read_jks(configs, bytes),
        _ if bytes.starts_with(&JCEKS_MAGIC) => Err(new_type("JCEKS")),
        [DER_SEQUENCE, ..] => read_pkcs12(configs, bytes),
        [] => Err(SslError::new(format!("{name} is empty"))),
        _ => Err(SslError::new(format!(
            "{name} is neither PEM nor PKCS12 nor JKS; what it is, `file {file}` may say"
        ))),
    }
}

fn read_jks(configs: &StoreConfigs, bytes: &[u8]) -> Result<SecurityStore, SslError> {
    let password = match configs.kind {
        StoreKind::Keystore => Some(needed_password(configs, "JKS")?),
        StoreKind::Truststore => configs.password.as_ref().map(Password::value),
    };
    let key_password = configs.key_password.as_ref().map(Password::value);
    jks::read(bytes, password, key_password).map_err(|error| {
        SslError::new(match error {
            JksError::WrongPassword => wrong_password(configs),
            JksError::WrongKeyPassword => wrong_key_password(configs),
            other => {
                format!("{}: {other}; {}", named(configs), conversion_by_keytool(configs))
            }
        })
    })
}

fn read_pkcs12(configs: &StoreConfigs, bytes: &[u8]) -> Result<SecurityStore, SslError> {
    let password = needed_password(configs, "PKCS12")?;
    let key_password = configs.key_password.as_ref().map(Password::value);
    let name = named(configs);
    pkcs12::read(bytes, password, key_password).map_err(|error| {
        SslError::new(match error {
            Pkcs12Error::WrongPassword => wrong_password(configs),
            Pkcs12Error::WrongKeyPassword => wrong_key_password(configs),
            Pkcs12Error::UnknownAlgorithm(_) => {
                format!("{name}: {error}; {}", conversion_by_openssl(configs))
            }
            Pkcs12Error::Decrypt(DecryptError::Malformed(_)) => format!(
                "{name} begins as PKCS12 does, and goes on otherwise: {error}; {}",
                conversion_by_keytool(configs)
            ),
            Pkcs12Error::Decrypt(_) => format!("{name}: {error}"),
        })
    })
}

fn needed_password<'a>(configs: &'a StoreConfigs, form: &str) -> Result<&'a str, SslError> {
    configs.password.as_ref().map(Password::value).ok_or_else(|| {
        let setting = configs.kind.setting("password");
        SslError::new(format!("{} is {form}, and `{setting}` is missing", named(configs)))
    })
}

fn wrong_password(configs: &StoreConfigs) -> String {
    format!(
        "`{}` does not open {}, or the file is damaged; whether a password fits, `keytool -list \
         -keystore {}` shows",
        configs.kind.setting("password"),
        named(configs),
        file_of(configs)
    )
}

fn wrong_key_password(configs: &StoreConfigs) -> String {
    let setting = match configs.key_password {
        Some(_) => "`ssl.key.password`",
        None => "`ssl.key.password` is missing, and `ssl.keystore.password`",
    };
    format!(
        "{setting} does not decrypt the key in {}; a key gets the password of its store by \
         `keytool -keypasswd -alias ALIAS -keystore {}`",
        named(configs),
        file_of(configs)
    )
}

/// What turns a store that is encrypted in an old way into PEM.
fn conversion_by_openssl(configs: &StoreConfigs) -> String {
    let file = file_of(configs);
    let (what, store) = match configs.kind {
        StoreKind::Keystore => ("-nodes", "ssl.keystore"),
        StoreKind::Truststore => ("-nokeys", "ssl.truststore"),
    };
    format!(
        "convert it with `openssl pkcs12 -legacy -in {file} {what} -out {file}.pem`, and set \
         `{store}.location={file}.pem` and `{store}.type=PEM`, without `{store}.password`"
    )
}

fn conversion_by_keytool(configs: &StoreConfigs) -> String {
    let file = file_of(configs);
    format!(
        "convert it with `keytool -importkeystore -srckeystore {file} -destkeystore {file}.p12 \
         -deststoretype PKCS12`"
    )
}

/// The file, as it stands in a command.
pub fn file_of(configs: &StoreConfigs) -> String {
    configs.location.as_ref().map_or("FILE".into(), |it| it.display().to_string())
}

fn read_pem(
    configs: &StoreConfigs,
    key: &str,
    certificates: &str,
) -> Result<SecurityStore, SslError> {
    let wrong = |error: PemError| SslError::new(pem_failure(configs, &error));
    let certificates = pem::certificates(certificates).map_err(wrong)?;
    if configs.kind == StoreKind::Truststore {
        return Ok(SecurityStore { keys: Vec::new(), certificates });
    }
    let password = configs.key_password.as_ref().map(Password::value);
    let key = pem::private_key(key, password).map_err(wrong)?;
    Ok(match key {
        Some(key) => SecurityStore {
            keys: vec![KeyEntry { key, chain: certificates }],
            certificates: Vec::new(),
        },
        None => SecurityStore { keys: Vec::new(), certificates },
    })
}

fn pem_failure(configs: &StoreConfigs, error: &PemError) -> String {
    let name = named(configs);
    let file = file_of(configs);
    let decrypted = format!("`openssl pkey -in {file} -out NEW`");
    match error {
        PemError::Malformed(why) => format!("{name} is no good PEM: {why}"),
        PemError::NoPassword => {
            format!("{name} has a key that is encrypted: set `ssl.key.password`")
        }
        PemError::OldEncryption => format!(
            "{name} has a key that is encrypted in the way of OpenSSL before PKCS #8, which is not \
             read: convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in {file} -out NEW`"
        ),
        PemError::Decrypt(DecryptError::WrongPassword) => format!(
            "`ssl.key.password` does not decrypt the key of {name}; whether a password fits, \
             {decrypted} shows"
        ),
        PemError::Decrypt(DecryptError::UnknownAlgorithm(identifier)) => format!(
            "{name} has a key that is encrypted by the algorithm {identifier}, which is not read: \
             convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in {file} -out NEW`"
        ),
        PemError::Decrypt(why) => format!("{name} has a key that cannot be decrypted: {why}"),
    }
}
