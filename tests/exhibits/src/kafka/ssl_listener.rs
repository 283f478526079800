//! A listener for SSL of an Apache Kafka, with a key of its own that Java's keytool makes.

use std::path::Path;
use std::process::{Command, Stdio};

use bench::outcome::{Outcome, failed};
use bench::peers::kafka::free_ports;

/// The store is made for one run and goes with its directory; Java wants a password all the same.
const PASSWORD: &str = "password";
const ALIAS: &str = "broker";
const STORE: &str = "broker.p12";
const MAKES_A_KEY: [&str; 13] = [
    "-genkeypair",
    "-alias",
    ALIAS,
    "-keyalg",
    "EC",
    "-groupname",
    "secp256r1",
    "-dname",
    "CN=localhost",
    "-ext",
    "san=dns:localhost,ip:127.0.0.1",
    "-validity",
    "30",
];

pub(crate) struct SslListener {
    pub(crate) port: u16,
    /// Signed by itself: what a client has to trust.
    pub(crate) certificate: String,
    /// The settings that name the store.
    key_settings: [String; 4],
}

impl SslListener {
    /// With a key in this directory.
    pub(crate) fn in_dir(dir: &Path) -> Outcome<Self> {
        let [port, _] = free_ports()?;
        let store = dir.join(STORE);
        keytool(&store, &MAKES_A_KEY)?;
        let certificate = keytool(&store, &["-exportcert", "-alias", ALIAS, "-rfc"])?;
        let key_settings = [
            format!("ssl.keystore.location={}", store.display()),
            "ssl.keystore.type=PKCS12".to_string(),
            format!("ssl.keystore.password={PASSWORD}"),
            format!("ssl.key.password={PASSWORD}"),
        ];
        Ok(Self { port, certificate, key_settings })
    }

    /// For a broker with a listener for PLAINTEXT on this port. Its SslTransportLayer is older than
    /// TLS 1.3, whose handshake Java's engine goes through in another order.
    pub(crate) fn settings_beside(&self, plaintext_port: u16) -> Vec<String> {
        let mut settings = vec![
            format!(
                "listeners=PLAINTEXT://127.0.0.1:{plaintext_port},SSL://127.0.0.1:{}",
                self.port
            ),
            "ssl.protocol=TLSv1.2".to_string(),
            "ssl.enabled.protocols=TLSv1.2".to_string(),
        ];
        settings.extend_from_slice(&self.key_settings);
        settings
    }

    /// For a broker that is its own controller, in place of the listeners that it would have.
    pub(crate) fn settings_of_kraft(&self) -> Outcome<Vec<String>> {
        let [plaintext_port, controller_port] = free_ports()?;
        let controller = format!("127.0.0.1:{controller_port}");
        let mut settings = vec![
            format!("controller.quorum.bootstrap.servers={controller}"),
            format!(
                "listeners=PLAINTEXT://127.0.0.1:{plaintext_port},SSL://127.0.0.1:{},\
                 CONTROLLER://{controller}",
                self.port
            ),
            "listener.security.protocol.map=\
             CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL"
                .to_string(),
        ];
        settings.extend_from_slice(&self.key_settings);
        Ok(settings)
    }
}

fn keytool(store: &Path, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new("keytool")
        .args(arguments)
        .args(["-storetype", "PKCS12", "-storepass", PASSWORD, "-keystore"])
        .arg(store)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("keytool, which comes with Java: {error}"))?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(words) } else { failed(format!("keytool: {words}")) }
}
