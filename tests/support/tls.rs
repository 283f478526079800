//! TLS for tests: keys and certificates made on the spot, and a blocking client.

use std::fs;
use std::fs::Permissions;
use std::io;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, ContentType, RootCertStore,
    StreamOwned, SupportedCipherSuite, SupportedProtocolVersion,
};

use crate::kernel_tls;
use crate::wait::PATIENCE;

/// The host that certificates of servers are for, beside its addresses.
pub const HOST: &str = "localhost";

/// Runs a tool that makes keys, such as keytool. `false` if this machine does not have it, which is said;
/// in CI it must have it.
pub fn run_tool(program: &str, arguments: &[&str]) -> bool {
    match Command::new(program).args(arguments).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            assert!(std::env::var_os("CI").is_none(), "CI has {program}");
            eprintln!("left out: there is no {program} on this machine");
            false
        }
        output => {
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {arguments:?}: {said}");
            true
        }
    }
}

/// One who signs certificates.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A key with its certificate.
#[derive(Clone, Debug)]
pub struct Identity {
    pub certificate_pem: String,
    pub key_pem: String,
}

impl TestCa {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = distinguished(&[(DnType::CommonName, name)]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// One whose certificate does not say that it may sign others. It is for this machine, and for both sides.
    pub fn that_may_not_sign(name: &str) -> Self {
        let mut params = Self::server_params();
        params.distinguished_name = distinguished(&[(DnType::CommonName, name)]);
        params.extended_key_usages.clear();
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    pub fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// The one who signs, with its own certificate.
    pub fn itself(&self) -> Identity {
        let key_pem = self.issuer.key().serialize_pem();
        Identity { certificate_pem: self.certificate_pem(), key_pem }
    }

    /// For a broker on this machine.
    pub fn server(&self) -> Identity {
        self.server_with(|_| ())
    }

    /// The same with other contents.
    pub fn server_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = Self::server_params();
        change(&mut params);
        self.sign(&params)
    }

    fn server_params() -> CertificateParams {
        let hosts = vec![HOST.to_string(), "127.0.0.1".to_string()];
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name = distinguished(&[(DnType::CommonName, HOST)]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
    }

    /// For the client of this name: its principal is `User:CN=name,O=transferto`.
    pub fn client(&self, name: &str) -> Identity {
        self.client_with(|params| {
            let parts = [(DnType::OrganizationName, "transferto"), (DnType::CommonName, name)];
            params.distinguished_name = distinguished(&parts);
        })
    }

    pub fn client_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        self.sign(&params)
    }

    /// For a broker whose key, in PEM, is there already.
    pub fn server_of(&self, key_pem: &str) -> Identity {
        self.sign_key(&Self::server_params(), &KeyPair::from_pem(key_pem).unwrap())
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        self.sign_key(params, &KeyPair::generate().unwrap())
    }

    fn sign_key(&self, params: &CertificateParams, key: &KeyPair) -> Identity {
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        Identity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

fn distinguished(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}

impl Identity {
    /// The key and the certificate in one file, as a keystore of PEM has them.
    pub fn write_keystore(&self, path: &Path) {
        fs::write(path, format!("{}{}", self.key_pem, self.certificate_pem)).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
}

/// The files of a broker with TLS, and those who sign for it and for its clients.
pub struct TlsFiles {
    pub ca: TestCa,
    pub keystore: PathBuf,
    pub truststore: PathBuf,
}

impl TlsFiles {
    /// Writes a keystore and a truststore into `dir`, both as PEM.
    pub fn in_dir(dir: &Path) -> Self {
        let ca = TestCa::new("the CA of a test");
        let (keystore, truststore) = (dir.join("broker.pem"), dir.join("ca.pem"));
        ca.server().write_keystore(&keystore);
        fs::write(&truststore, ca.certificate_pem()).unwrap();
        Self { ca, keystore, truststore }
    }

    /// The settings that name them.
    pub fn settings(&self) -> Vec<(String, String)> {
        let shown = |path: &Path| path.to_str().unwrap().to_string();
        [
            ("ssl.keystore.type", "PEM".to_string()),
            ("ssl.keystore.location", shown(&self.keystore)),
            ("ssl.truststore.type", "PEM".to_string()),
            ("ssl.truststore.location", shown(&self.truststore)),
            ("transferto.ktls", kernel_tls::mode().unwrap_or("off".to_string())),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into()
    }

    /// A client that trusts the broker.
    pub fn client(&self) -> TlsConnector {
        TlsConnector::trusting(&self.ca.certificate_pem())
    }
}

/// What a client connects with.
#[derive(Clone)]
pub struct TlsConnector {
    roots: RootCertStore,
    identity: Option<Identity>,
    versions: Vec<&'static SupportedProtocolVersion>,
    cipher_suites: Vec<SupportedCipherSuite>,
}

impl TlsConnector {
    /// A client without a certificate that trusts this one, in PEM.
    pub fn trusting(ca_pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        Self {
            roots,
            identity: None,
            versions: rustls::ALL_VERSIONS.to_vec(),
            cipher_suites: provider::ALL_CIPHER_SUITES.to_vec(),
        }
    }

    #[must_use]
    pub fn showing(self, identity: &Identity) -> Self {
        Self { identity: Some(identity.clone()), ..self }
    }

    #[must_use]
    pub fn with_versions(self, versions: &[&'static SupportedProtocolVersion]) -> Self {
        Self { versions: versions.to_vec(), ..self }
    }

    #[must_use]
    pub fn with_cipher_suites(self, cipher_suites: &[SupportedCipherSuite]) -> Self {
        Self { cipher_suites: cipher_suites.to_vec(), ..self }
    }

    pub fn config(&self) -> Arc<ClientConfig> {
        let cipher_suites = self.cipher_suites.clone();
        let provider = CryptoProvider { cipher_suites, ..provider::default_provider() };
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
                config.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
            }
        };
        config.enable_secret_extraction = true;
        Arc::new(config)
    }

    /// The client's end of a connection that nothing has been sent on.
    pub fn session(&self) -> ClientConnection {
        ClientConnection::new(self.config(), ServerName::try_from(HOST).unwrap()).unwrap()
    }

    /// Connects and shakes hands.
    ///
    /// With TLS 1.3 the client is done before the server has seen its certificate: what the server
    /// thinks of it comes with the first read.
    pub fn connect(&self, port: u16) -> io::Result<TlsStream> {
        self.over(TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?)
    }

    /// Shakes hands on a connection that is there.
    pub fn over(&self, stream: TcpStream) -> io::Result<TlsStream> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(self.session(), stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(TlsStream(stream))
    }
}

/// Seals records of TLS 1.3 with AES-128-GCM of any kind and with any content: what no library would
/// send.
pub struct RecordSealer {
    key: LessSafeKey,
    vector: [u8; 12],
    sequence: u64,
}

impl RecordSealer {
    /// One record of this type.
    pub fn seal(&mut self, content: ContentType, plain: &[u8]) -> Vec<u8> {
        const TAG_BYTES: usize = 16;
        let mut body = [plain, &[u8::from(content)]].concat();
        let length = u16::try_from(body.len() + TAG_BYTES).unwrap().to_be_bytes();
        let header = [u8::from(ContentType::ApplicationData), 3, 3, length[0], length[1]];
        let mut nonce = self.vector;
        nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(a, b)| *a ^= b);
        self.sequence += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(header), &mut body).unwrap();
        [&header[..], &body].concat()
    }
}

/// A connection of a client, blocking.
pub struct TlsStream(pub StreamOwned<ClientConnection, TcpStream>);

impl TlsStream {
    pub fn tcp(&self) -> &TcpStream {
        &self.0.sock
    }

    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.sock.set_read_timeout(timeout)
    }

    /// The socket, and what makes the next records that it is to carry. Of TLS 1.3 with the suite that
    /// servers prefer.
    pub fn into_sealer(self) -> (TcpStream, RecordSealer) {
        let StreamOwned { conn, sock } = self.0;
        let (sequence, secrets) = conn.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            panic!("the server prefers AES-128-GCM")
        };
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap());
        let vector = iv.as_ref().try_into().unwrap();
        (sock, RecordSealer { key, vector, sequence })
    }

    /// Says goodbye, and waits for nothing.
    pub fn close_notify(&mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        while self.0.conn.wants_write() {
            self.0.conn.write_tls(&mut self.0.sock)?;
        }
        Ok(())
    }

    /// Changes the keys that this client sends by, and asks the server to do the same.
    pub fn update_keys(&mut self) -> io::Result<()> {
        self.0.conn.refresh_traffic_keys().map_err(io::Error::other)?;
        self.0.flush()
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
