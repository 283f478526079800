//! That a password is nowhere in the log, whatever is logged.

use std::io::Read;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::Client;
use support::temp::TempDir;
use transferto::protocol::request::RequestBody;
use transferto::protocol::sasl_authenticate::SaslAuthenticateRequest;
use transferto::protocol::sasl_handshake::SaslHandshakeRequest;
use transferto::protocol::wire::secret_bytes::SecretBytes;

const RIGHT: &str = "hunter2-right";
const WRONG: &str = "hunter2-wrong";

fn handshake(client: &mut Client, version: i16) {
    let request = SaslHandshakeRequest { mechanism: "PLAIN".to_string() };
    client.call(version, &RequestBody::SaslHandshake(request), &[]);
}

/// As SaslAuthenticate; what is answered does not matter.
fn send_token(client: &mut Client, password: &str) {
    let auth_bytes = SecretBytes(token(password));
    let request = RequestBody::SaslAuthenticate(SaslAuthenticateRequest { auth_bytes });
    client.call(1, &request, &[]);
}

fn token(password: &str) -> Vec<u8> {
    format!("\0a\0{password}").into_bytes()
}

#[test]
fn the_trace_of_everything_holds_no_password() {
    let jaas = format!(
        "listener.name.in.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.\
         PlainLoginModule required username=\"x\" password=\"{RIGHT}\" user_a=\"{RIGHT}\";"
    );
    let dir = TempDir::new();
    let broker = BrokerProcess::start_under(
        &["env", "RUST_LOG=trace"],
        dir.path(),
        &[
            "listeners=IN://127.0.0.1:0,PLAINTEXT://127.0.0.1:0",
            "listener.security.protocol.map=IN:SASL_PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "sasl.enabled.mechanisms=PLAIN",
            "connection.failed.authentication.delay.ms=0",
            "num.network.threads=1",
            &jaas,
        ],
    );
    let mut lines = broker.first_lines.clone();
    let line = lines.iter().find(|line| line.contains("listening on IN://127.0.0.1:")).unwrap();
    let port = line.split("IN://127.0.0.1:").nth(1).unwrap();
    let port = port.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();

    for password in [RIGHT, WRONG] {
        let mut client = Client::connect(port);
        handshake(&mut client, 1);
        send_token(&mut client, password);

        let mut bare = Client::connect(port);
        handshake(&mut bare, 0);
        bare.send_frame(&token(password));
        let _ = bare.stream.read(&mut [0; 4]);
    }
    // To those who ask for no password, and in the place of a request.
    let mut known = Client::connect(port);
    handshake(&mut known, 1);
    for _ in 0..2 {
        send_token(&mut known, RIGHT);
    }
    send_token(&mut Client::connect(broker.port), RIGHT);
    let mut lost = Client::connect(port);
    lost.send_frame(&token(RIGHT));
    lost.assert_closed();

    let (_, last) = broker.end_with(Signal::SIGTERM);
    lines.extend(last);
    let text = lines.join("\n");
    assert!(text.contains("TRACE") && text.contains("failed authentication"), "{text}");
    assert!(text.contains("PLAIN: user \"a\" has given a wrong password"), "{text}");
    for secret in [RIGHT, WRONG, "hunter2", "unter2"] {
        assert!(!text.contains(secret), "{secret} is in the log:\n{text}");
    }
    // Nor a piece of one as a number.
    let bytes = token(RIGHT);
    for piece in bytes.windows(4) {
        let number = i32::from_be_bytes(piece.try_into().unwrap()).to_string();
        assert!(!text.contains(&number), "{number} is {piece:?}:\n{text}");
    }
}
