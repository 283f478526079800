//! Ports of Kafka's `DefaultSslEngineFactoryTest`, and the stores that keytool and OpenSSL write.

use std::fs;
use std::path::Path;

use support::temp::TempDir;
use support::tls::{Identity, TestCa, run_tool};
use transferto::config::config_reader::read_settings;
use transferto::config::dynamic_config::BrokerReconfigurable;
use transferto::config::kafka_config::KafkaConfig;
use transferto::security::ssl::ssl_factory::SslFactory;

/// The password of all stores here.
const SECRET: &str = "s3cret-of-the-store";
/// That of keys which have one of their own.
const KEY_SECRET: &str = "s3cret-of-the-key";

/// The settings of a broker with a listener of TLS.
pub(crate) fn config(settings: &[(&str, &str)]) -> KafkaConfig {
    let listener = [("listeners", "SSL://127.0.0.1:0")];
    read_settings(listener.iter().chain(settings).copied()).unwrap()
}

/// Reads what the settings of a listener name; what is wrong with it, as text.
pub(crate) fn read_keys(settings: &[(&str, &str)]) -> Result<SslFactory, String> {
    let config = config(settings);
    SslFactory::configure(&config, &config.listeners[0]).map_err(|error| error.to_string())
}

fn assert_reads(settings: &[(&str, &str)]) {
    if let Err(error) = read_keys(settings) {
        panic!("{settings:?}: {error}");
    }
}

/// A key that is encrypted with [`KEY_SECRET`], if there is an openssl.
fn encrypted(identity: &Identity, dir: &TempDir) -> Option<String> {
    let (plain, hidden) = (dir.join("plain.key"), dir.join("hidden.key"));
    fs::write(&plain, &identity.key_pem).unwrap();
    let password = format!("pass:{KEY_SECRET}");
    let [plain, hidden] = [&plain, &hidden].map(|path| path.to_str().unwrap());
    let arguments = ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", plain, "-out", hidden];
    run_tool("openssl", &[&arguments[..], &["-passout", &password]].concat())
        .then(|| fs::read_to_string(hidden).unwrap())
}

fn inline<'a>(key: &'a str, chain: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.key", key),
        ("ssl.keystore.certificate.chain", chain),
    ]
}

/// Port of `DefaultSslEngineFactoryTest.testPemKeyStoreConfigNoPassword`,
/// `DefaultSslEngineFactoryTest.testLeadingNewLines`,
/// `DefaultSslEngineFactoryTest.testTrailingNewLines` and
/// `DefaultSslEngineFactoryTest.testCarriageReturnLineFeed`.
#[test]
fn a_key_may_stand_in_the_settings_with_all_kinds_of_line_ends() {
    let server = TestCa::new("ca").server();
    let forms: [fn(&str) -> String; 5] = [
        |text| text.to_string(),
        |text| format!("\n\n{text}"),
        |text| format!("{text}\n\n"),
        |text| text.replace('\n', "\r\n"),
        |text| text.replace('\n', " "),
    ];
    for form in forms {
        assert_reads(&inline(&form(&server.key_pem), &form(&server.certificate_pem)));
    }
}

/// Port of `DefaultSslEngineFactoryTest.testPemKeyStoreConfigWithKeyPassword`.
#[test]
fn a_key_in_the_settings_may_be_encrypted() {
    let (dir, server) = (TempDir::new(), TestCa::new("ca").server());
    let Some(key) = encrypted(&server, &dir) else { return };
    let mut settings = inline(&key, &server.certificate_pem);
    let error = read_keys(&settings).err().unwrap();
    assert!(error.contains("set `ssl.key.password`"), "{error}");
    settings.push(("ssl.key.password", KEY_SECRET));
    assert_reads(&settings);
}

/// Port of `DefaultSslEngineFactoryTest.testPemKeyStoreFileNoKeyPassword`,
/// `DefaultSslEngineFactoryTest.testPemKeyStoreFileWithKeyPassword` and
/// `SslTransportLayerTest.testPemFiles`.
#[test]
fn a_key_may_stand_in_a_file_with_its_certificate() {
    let (dir, server) = (TempDir::new(), TestCa::new("ca").server());
    let path = dir.join("broker.pem");
    let file = path.to_str().unwrap();
    let settings = [("ssl.keystore.type", "PEM"), ("ssl.keystore.location", file)];
    server.write_keystore(&path);
    assert_reads(&settings);
    fs::write(&path, format!("{}{}", server.certificate_pem, server.key_pem)).unwrap();
    assert_reads(&settings);

    let Some(key) = encrypted(&server, &dir) else { return };
    fs::write(&path, format!("{key}{}", server.certificate_pem)).unwrap();
    assert_reads(&[&settings[..], &[("ssl.key.password", KEY_SECRET)]].concat());
}

/// Port of `DefaultSslEngineFactoryTest.testPemTrustStoreConfigWithOneCert`,
/// `DefaultSslEngineFactoryTest.testPemTrustStoreConfigWithMultipleCerts` and
/// `DefaultSslEngineFactoryTest.testPemTrustStoreFile`.
#[test]
fn certificates_to_trust_may_stand_in_the_settings_or_in_a_file() {
    let (dir, ca) = (TempDir::new(), TestCa::new("ca"));
    let server = ca.server();
    let key = inline(&server.key_pem, &server.certificate_pem);
    let auth = [("ssl.client.auth", "required"), ("ssl.truststore.type", "PEM")];
    let one = ca.certificate_pem();
    let two = format!("{one}{}", TestCa::new("another").certificate_pem());
    for certificates in [&one, &two] {
        let inline = [("ssl.truststore.certificates", certificates.as_str())];
        assert_reads(&[&key[..], &auth, &inline].concat());
        let path = dir.join("trust.pem");
        fs::write(&path, certificates).unwrap();
        let file = [("ssl.truststore.location", path.to_str().unwrap())];
        assert_reads(&[&key[..], &auth, &file].concat());
    }
}

/// A keystore of keytool, of this type and with this password of the key.
fn keytool_keystore(path: &Path, store_type: &str, key_password: &str, algorithm: &[&str]) -> bool {
    let common = [
        "-genkeypair",
        "-alias",
        "broker",
        "-dname",
        "CN=localhost",
        "-ext",
        "SAN=dns:localhost",
        "-validity",
        "30",
        "-storepass",
        SECRET,
        "-keypass",
        key_password,
        "-storetype",
        store_type,
        "-keystore",
        path.to_str().unwrap(),
    ];
    run_tool("keytool", &[&common[..], algorithm].concat())
}

const RSA: &[&str] = &["-keyalg", "RSA", "-keysize", "2048"];
const EC: &[&str] = &["-keyalg", "EC", "-groupname", "secp256r1"];

/// Port of `SslTransportLayerTest.testECKeyPair`, and of what every tutorial makes.
#[test]
fn keystores_of_keytool_are_read_whatever_their_name_is() {
    let dir = TempDir::new();
    for (store_type, key_password, algorithm) in [
        ("PKCS12", SECRET, RSA),
        ("PKCS12", SECRET, EC),
        ("JKS", SECRET, RSA),
        ("JKS", KEY_SECRET, EC),
    ] {
        let path = dir.join(&format!("{store_type}-{key_password}-{}.jks", algorithm[1]));
        if !keytool_keystore(&path, store_type, key_password, algorithm) {
            return;
        }
        let settings = [
            ("ssl.keystore.location", path.to_str().unwrap()),
            ("ssl.keystore.password", SECRET),
            ("ssl.key.password", key_password),
        ];
        // The type that the settings name is the default, JKS.
        assert_reads(&settings);
        if key_password == SECRET {
            assert_reads(&settings[..2]);
        }
    }
}

/// Port of `SslTransportLayerTest.testNullTruststorePassword`: what is trusted is no secret.
#[test]
fn truststores_of_keytool_are_read() {
    let (dir, ca) = (TempDir::new(), TestCa::new("ca"));
    let server = ca.server();
    let key = inline(&server.key_pem, &server.certificate_pem);
    let certificate = dir.join("ca.pem");
    fs::write(&certificate, ca.certificate_pem()).unwrap();
    for store_type in ["PKCS12", "JKS"] {
        let path = dir.join(&format!("{store_type}.truststore"));
        let file = path.to_str().unwrap();
        let arguments = [
            "-importcert",
            "-noprompt",
            "-alias",
            "ca",
            "-file",
            certificate.to_str().unwrap(),
            "-storepass",
            SECRET,
            "-storetype",
            store_type,
            "-keystore",
            file,
        ];
        if !run_tool("keytool", &arguments) {
            return;
        }
        let trust = [("ssl.client.auth", "required"), ("ssl.truststore.location", file)];
        let with_password = [("ssl.truststore.password", SECRET)];
        assert_reads(&[&key[..], &trust, &with_password].concat());
        let without = read_keys(&[&key[..], &trust].concat());
        match store_type {
            "JKS" => assert!(without.is_ok(), "only its digest needs the password"),
            _ => {
                let error = without.err().unwrap();
                assert!(error.contains("`ssl.truststore.password` is missing"), "{error}");
            }
        }
    }
}

/// A PKCS12 file that OpenSSL has made of a key and its chain.
fn openssl_keystore(dir: &TempDir, name: &str, how: &[&str]) -> Option<String> {
    let ca = TestCa::new("ca");
    let (input, output) = (dir.join("input.pem"), dir.join(name));
    let server = ca.server();
    fs::write(
        &input,
        format!("{}{}{}", server.key_pem, server.certificate_pem, ca.certificate_pem()),
    )
    .unwrap();
    let [input, output] = [&input, &output].map(|path| path.to_str().unwrap().to_string());
    let password = format!("pass:{SECRET}");
    let common = ["pkcs12", "-export", "-in", &input, "-out", &output, "-passout", &password];
    run_tool("openssl", &[&common[..], how].concat()).then_some(output)
}

#[test]
fn keystores_of_openssl_are_read_as_far_as_they_are_encrypted_by_aes() {
    let dir = TempDir::new();
    for (name, how) in [
        ("default.p12", &[][..]),
        ("many.p12", &["-iter", "100000", "-macalg", "sha512"]),
        ("aes128.p12", &["-keypbe", "AES-128-CBC", "-certpbe", "AES-192-CBC"]),
        ("plain.p12", &["-keypbe", "NONE", "-certpbe", "NONE"]),
        ("nomac.p12", &["-nomac"]),
    ] {
        let Some(file) = openssl_keystore(&dir, name, how) else { return };
        let settings =
            [("ssl.keystore.location", file.as_str()), ("ssl.keystore.password", SECRET)];
        assert_reads(&settings);
    }
}

/// What an old way of encryption is answered with, word for word, makes it readable.
#[test]
fn a_keystore_that_is_encrypted_in_an_old_way_is_refused_with_the_command_that_converts_it() {
    let dir = TempDir::new();
    let Some(file) = openssl_keystore(&dir, "old.p12", &["-legacy"]) else { return };
    let settings = [("ssl.keystore.location", file.as_str()), ("ssl.keystore.password", SECRET)];
    let error = read_keys(&settings).err().unwrap();
    let command = error.split('`').find(|it| it.starts_with("openssl ")).expect("a command");
    let mut arguments: Vec<&str> = command.split(' ').skip(1).collect();
    let password = format!("pass:{SECRET}");
    arguments.extend(["-passin", &password]);
    assert!(run_tool("openssl", &arguments));
    let converted = format!("{file}.pem");
    assert_reads(&[("ssl.keystore.type", "PEM"), ("ssl.keystore.location", &converted)]);
}

fn pem_at(path: &Path) -> [(&str, &str); 2] {
    [("ssl.keystore.type", "PEM"), ("ssl.keystore.location", path.to_str().unwrap())]
}

/// Port of `SslTransportLayerTest.testServerKeystoreDynamicUpdate`: the file is exchanged, and no
/// setting is touched.
#[test]
fn a_changed_file_is_taken_and_a_bad_one_is_not() {
    let (dir, ca) = (TempDir::new(), TestCa::new("ca"));
    let path = dir.join("broker.pem");
    ca.server().write_keystore(&path);
    let settings = pem_at(&path);
    let factory = read_keys(&settings).unwrap();
    let first = factory.create_ssl_engine();
    look_twice(&factory);
    assert!(std::sync::Arc::ptr_eq(&first, &factory.create_ssl_engine()), "nothing has changed");

    fs::write(&path, "no key at all").unwrap();
    look_twice(&factory);
    assert!(
        std::sync::Arc::ptr_eq(&first, &factory.create_ssl_engine()),
        "a bad file is not taken"
    );
    fs::remove_file(&path).unwrap();
    look_twice(&factory);
    assert!(std::sync::Arc::ptr_eq(&first, &factory.create_ssl_engine()), "nor is a missing one");

    ca.server().write_keystore(&path);
    look_twice(&factory);
    assert!(!std::sync::Arc::ptr_eq(&first, &factory.create_ssl_engine()), "a good one is taken");
}

/// A change is taken when it is seen for the second time.
fn look_twice(factory: &SslFactory) {
    factory.reload_changed_files();
    factory.reload_changed_files();
}

/// A truststore that is cut off between two certificates is a good one, and so is a keystore without the
/// last one of its chain.
#[test]
fn a_file_that_is_still_being_written_is_not_taken() {
    let (dir, ca) = (TempDir::new(), TestCa::new("ca"));
    let path = dir.join("broker.pem");
    ca.server().write_keystore(&path);
    let settings =
        [("ssl.keystore.type", "PEM"), ("ssl.keystore.location", path.to_str().unwrap())];
    let factory = read_keys(&settings).unwrap();
    let first = factory.create_ssl_engine();

    ca.server().write_keystore(&path);
    factory.reload_changed_files();
    let written = fs::read_to_string(&path).unwrap();
    fs::write(&path, written + &ca.certificate_pem()).unwrap();
    factory.reload_changed_files();
    assert!(std::sync::Arc::ptr_eq(&first, &factory.create_ssl_engine()), "it has changed again");
    factory.reload_changed_files();
    assert!(!std::sync::Arc::ptr_eq(&first, &factory.create_ssl_engine()), "it has come to rest");
}

/// Whoever names the file again by `kafka-configs` is to learn that it is bad, also if the broker has
/// found that out by itself before.
#[test]
fn a_bad_file_stays_bad_however_often_it_is_looked_at() {
    let (dir, ca) = (TempDir::new(), TestCa::new("ca"));
    let path = dir.join("broker.pem");
    ca.server().write_keystore(&path);
    let settings = pem_at(&path);
    let factory = read_keys(&settings).unwrap();
    let config = config(&settings);
    assert_eq!(factory.validate(&config), Ok(()));

    fs::write(&path, "no key at all").unwrap();
    for _ in 0..2 {
        let why = factory.validate(&config).unwrap_err();
        assert!(why.contains("broker.pem"), "{why}");
        look_twice(&factory);
    }

    ca.server().write_keystore(&path);
    assert_eq!(factory.validate(&config), Ok(()));
}

/// The way of `kafka-configs`: other settings, or the same ones again (KIP-226).
#[test]
fn other_settings_are_taken_if_they_are_good() {
    let (dir, ca) = (TempDir::new(), TestCa::new("ca"));
    let [first, second] = ["first.pem", "second.pem"].map(|name| dir.join(name));
    ca.server().write_keystore(&first);
    let of = |path: &Path| config(&pem_at(path));
    let initial = of(&first);
    let factory = SslFactory::configure(&initial, &initial.listeners[0]).unwrap();
    let before = factory.create_ssl_engine();
    assert!(factory.reconfigure(&of(&second)).is_err(), "there is no such file");
    assert!(std::sync::Arc::ptr_eq(&before, &factory.create_ssl_engine()));
    ca.server().write_keystore(&second);
    factory.reconfigure(&of(&second)).unwrap();
    assert!(!std::sync::Arc::ptr_eq(&before, &factory.create_ssl_engine()));
}
