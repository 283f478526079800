//! What a client of Java does once its keys have been used for long enough (`jdk.tls.keyLimits`): it asks
//! for other ones with each record that it reads. The limits of both sides are small here.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use support::kernel_tls;
use support::temp::TempDir;
use support::tls::run_tool;
use transferto::transport::user_space_tls::KeyLimits;

use crate::transport::nio_echo_server::NioEchoServer;
use crate::transport::ssl_transport_layer::{ShortLivedKeys, USER_SPACE, with_file};

const ANSWERS: &str = "4";
/// An answer holds twice as much.
const BYTES: &str = "4000000";
const JAVA_LIMIT: &str = "jdk.tls.keyLimits=AES/GCM/NoPadding KeyUpdate 2^20\n";

/// Whether a client of Java gets all its answers from a server with this limit; `None` without Java.
fn is_served(bytes: u64) -> Option<bool> {
    if !run_tool("java", &["-version"]) {
        return None;
    }
    let server = NioEchoServer::start_built(
        &[USER_SPACE],
        |dir, request| with_file(dir, &request),
        |config, metrics| {
            let limits = KeyLimits { records: u64::MAX, bytes };
            Arc::new(ShortLivedKeys::of(config, metrics, limits))
        },
    );
    let dir = TempDir::new();
    let security = dir.join("java.security");
    fs::write(&security, JAVA_LIMIT).unwrap();
    let output = Command::new("java")
        .arg(format!("-Djava.security.properties={}", security.display()))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/KeyLimits.java"))
        .arg(server.port.to_string())
        .arg(&server.files.truststore)
        .args([ANSWERS, BYTES])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    eprintln!("{}{said}", String::from_utf8_lossy(&output.stdout));
    let is_cut_off = said.contains("SSLException") || said.contains("SocketException");
    assert!(output.status.success() || is_cut_off, "{said}");
    Some(output.status.success())
}

/// By default it does so after 2^37 bytes, and the server changes its keys at 2^36.
#[test]
fn a_client_of_java_is_cut_off_unless_the_server_changes_its_keys_first() {
    if kernel_tls::is_required() {
        return;
    }
    let (Some(first), Some(never)) = (is_served(1 << 19), is_served(u64::MAX)) else { return };
    assert!(first, "the server changes its keys at half the limit of the client");
    assert!(!never, "the library puts up with 32 demands for new keys");
}
