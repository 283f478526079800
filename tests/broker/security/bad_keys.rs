//! Keys, certificates and passwords that are wrong: the start says which file it is, what is wrong with
//! it, and what mends it; and no secret.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{KeyPair, date_time_ymd};
use support::broker::Broker;
use support::temp::TempDir;
use support::tls::{Identity, TestCa, TlsFiles, run_tool};

use crate::security::default_ssl_engine_factory::read_keys;

/// A password that no text may hold.
const SECRET: &str = "s3cret-that-nobody-may-see";

/// What the start says of a keystore.
fn refusal(path: &Path, more: &[(&str, &str)]) -> String {
    let location = [("ssl.keystore.location", path.to_str().unwrap())];
    let error = read_keys(&[&location[..], more].concat()).err().expect("a store that is refused");
    assert!(!error.contains(SECRET), "{error}");
    error
}

fn assert_says(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

fn keystore(dir: &TempDir, identity: &Identity) -> std::path::PathBuf {
    let path = dir.join("broker.pem");
    identity.write_keystore(&path);
    path
}

#[test]
fn a_broker_with_a_bad_key_does_not_start() {
    let dir = TempDir::new();
    let settings = [
        ("listeners", "SSL://127.0.0.1:0"),
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.location", "/nowhere/broker.pem"),
    ];
    let error = Broker::start_error(&dir, &settings, |builder| builder);
    assert_says(&error, &["listener SSL://127.0.0.1:0", "/nowhere/broker.pem", "No such file"]);
}

#[test]
fn a_missing_file_is_named_with_a_command_that_makes_one() {
    let dir = TempDir::new();
    let path = dir.join("broker.pem");
    let error = refusal(&path, &[("ssl.keystore.type", "PEM")]);
    assert_says(&error, &["`ssl.keystore.location=", "No such file", "`openssl req -x509"]);

    let command = error.split('`').find(|it| it.starts_with("openssl req")).unwrap();
    if run_tool("sh", &["-c", command]) {
        let location = path.to_str().unwrap();
        read_keys(&[("ssl.keystore.type", "PEM"), ("ssl.keystore.location", location)])
            .expect("what the command has made");
    }
}

#[test]
fn an_unreadable_file_is_named() {
    let dir = TempDir::new();
    let path = keystore(&dir, &TestCa::new("ca").server());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        eprintln!("left out: this user may read everything");
        return;
    }
    assert_says(&refusal(&path, &[]), &["Permission denied", "`chown USER"]);
}

#[test]
fn a_file_of_no_kind_that_is_known_is_named() {
    let dir = TempDir::new();
    let path = dir.join("store");
    for (bytes, words) in [
        (&b""[..], &["is empty"][..]),
        (b"hello", &["neither PEM nor PKCS12 nor JKS", "`file "]),
        (&[0xce, 0xce, 0xce, 0xce, 0, 0, 0, 2], &["JCEKS", "keytool -importkeystore"]),
        (&[0x30, 0x03, 2, 1, 3], &["begins as PKCS12 does"]),
        (&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2], &["cut off"]),
        (b"-----BEGIN CERTIFICATE-----\nAAAA", &["no good PEM"]),
    ] {
        fs::write(&path, bytes).unwrap();
        let password: &[_] = match bytes.first() {
            Some(b'-') => &[],
            _ => &[("ssl.keystore.password", SECRET)],
        };
        assert_says(&refusal(&path, password), words);
    }
    fs::write(&path, vec![b'x'; 17 << 20]).unwrap();
    assert_says(&refusal(&path, &[]), &["larger than 16 MiB"]);
    assert_says(&refusal(dir.path(), &[]), &["no file, but a directory"]);
}

#[test]
fn expired_early_and_foreign_certificates_are_refused() {
    let (dir, ca) = (TempDir::new(), TestCa::new("the signer"));
    let expired = ca.server_with(|it| it.not_after = date_time_ymd(2020, 1, 1));
    let words = ["expired", "days ago", "CN=the signer", "`openssl x509 -in"];
    assert_says(&refusal(&keystore(&dir, &expired), &[]), &words);
    let early = ca.server_with(|it| it.not_before = date_time_ymd(2090, 1, 1));
    assert_says(&refusal(&keystore(&dir, &early), &[]), &["not valid yet", "`date`"]);
    let foreign = Identity { key_pem: KeyPair::generate().unwrap().serialize_pem(), ..ca.server() };
    let words = ["the key does not belong to", "`openssl pkey -in"];
    assert_says(&refusal(&keystore(&dir, &foreign), &[]), &words);
}

#[test]
fn a_certificate_of_version_1_is_refused_with_the_command_that_signs_it_anew() {
    let dir = TempDir::new();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_string();
    let (key, request, certificate) = (path("key"), path("request"), path("certificate"));
    let make_request = [
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        &key,
        "-out",
        &request,
    ];
    let sign =
        ["x509", "-req", "-in", &request, "-signkey", &key, "-days", "9", "-out", &certificate];
    if !run_tool("openssl", &make_request) || !run_tool("openssl", &sign) {
        return;
    }
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let broker = dir.join("broker.pem");
    fs::write(&broker, read(&key) + &read(&certificate)).unwrap();
    if run_tool(
        "sh",
        &["-c", &format!("openssl x509 -in {certificate} -noout -text | grep 'Version: 1'")],
    ) {
        let error = refusal(&broker, &[("ssl.keystore.type", "PEM")]);
        assert_says(&error, &["X.509 version 1", "CN=localhost", "-extfile"]);
    }
}

#[test]
fn a_file_without_a_key_or_without_a_certificate_is_named() {
    let (dir, server) = (TempDir::new(), TestCa::new("ca").server());
    let path = dir.join("broker.pem");
    fs::write(&path, &server.certificate_pem).unwrap();
    assert_says(&refusal(&path, &[]), &["no private key", "is it a truststore?"]);
    fs::write(&path, &server.key_pem).unwrap();
    assert_says(&refusal(&path, &[]), &["a key and no certificate", "`cat broker.crt"]);
}

/// Port of `SslTransportLayerTest.testInvalidKeystorePassword`,
/// `SslTransportLayerTest.testInvalidKeyPassword` and
/// `SslTransportLayerTest.testInvalidTruststorePassword`.
#[test]
fn wrong_passwords_are_named_and_not_shown() {
    let dir = TempDir::new();
    for store_type in ["PKCS12", "JKS"] {
        let path = dir.join(store_type);
        let file = path.to_str().unwrap();
        let arguments = [
            "-genkeypair",
            "-alias",
            "b",
            "-dname",
            "CN=localhost",
            "-keyalg",
            "RSA",
            "-storepass",
            "the-right-one",
            "-storetype",
            store_type,
            "-keystore",
            file,
        ];
        if !run_tool("keytool", &arguments) {
            return;
        }
        let wrong = [("ssl.keystore.password", SECRET)];
        assert_says(
            &refusal(&path, &wrong),
            &["`ssl.keystore.password` does not open", "`keytool -list"],
        );
        let right = ("ssl.keystore.password", "the-right-one");
        let error = refusal(&path, &[right, ("ssl.key.password", SECRET)]);
        assert_says(
            &error,
            &["`ssl.key.password` does not decrypt the key", "`keytool -keypasswd"],
        );
        assert_says(&refusal(&path, &[]), &["`ssl.keystore.password` is missing"]);

        let key = [("ssl.keystore.location", file), right];
        let trust = [("ssl.truststore.location", file), ("ssl.truststore.password", SECRET)];
        let error = read_keys(&[&key[..], &trust].concat()).err().unwrap();
        assert_says(&error, &["`ssl.truststore.password` does not open"]);
    }
}

/// Port of `SslTransportLayerTest.testPemFilesWithoutServerKeyPassword`, and of the rules of
/// `DefaultSslEngineFactory.createKeystore`.
#[test]
fn settings_that_contradict_one_another_are_refused() {
    let dir = TempDir::new();
    let files = TlsFiles::in_dir(dir.path());
    let (key, trust) = (files.keystore.to_str().unwrap(), files.truststore.to_str().unwrap());
    let pem = [("ssl.keystore.type", "PEM"), ("ssl.keystore.location", key)];
    for (settings, words) in [
        (&[("ssl.keystore.password", SECRET)][..], "PEM has no password for the whole"),
        (&[("ssl.keystore.key", "k"), ("ssl.keystore.certificate.chain", "c")], "both set"),
        (&[("ssl.truststore.password", SECRET)], "`ssl.truststore.location` is missing"),
        (
            &[("ssl.truststore.location", trust), ("ssl.truststore.password", SECRET)],
            "PEM has no password",
        ),
        (&[("ssl.truststore.certificates", "c")], "`ssl.truststore.type=PEM`"),
    ] {
        let error = read_keys(&[&pem[..], settings].concat()).err().unwrap();
        assert_says(&error, &[words]);
        assert!(!error.contains(SECRET), "{error}");
    }
}
