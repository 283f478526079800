//! The client's side of SASL, on any connection: SaslHandshake and SaslAuthenticate, of which the tokens
//! are PLAIN's or SCRAM's.

use std::io::{self, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::{RequestBody, ResponseBody, parse_response, request_bytes};
use transferto::protocol::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use transferto::protocol::sasl_handshake::SaslHandshakeRequest;
use transferto::protocol::wire::secret_bytes::SecretBytes;
use transferto::security::scram::scram_formatter::ScramFormatter;
use transferto::security::scram::scram_mechanism::ScramMechanism;

/// With tokens in SaslAuthenticate.
const HANDSHAKE_VERSION: i16 = 1;
const AUTHENTICATE_VERSION: i16 = 2;
/// Of the client, which needs no secrecy here.
const NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";

/// How a password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Scram(ScramMechanism),
}

impl Mechanism {
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(mechanism) => mechanism.mechanism_name(),
        }
    }
}

/// Logs in, and returns what the broker said last. It may be an error, and is never a proof that is
/// wrong.
pub fn log_in(
    stream: &mut (impl Read + Write),
    mechanism: Mechanism,
    user: &str,
    password: &str,
) -> io::Result<SaslAuthenticateResponse> {
    let asked = SaslHandshakeRequest { mechanism: mechanism.name().to_string() };
    match call(stream, HANDSHAKE_VERSION, &RequestBody::SaslHandshake(asked))? {
        ResponseBody::SaslHandshake(it) if it.error_code == 0 => {}
        other => return Err(io::Error::other(format!("no handshake: {other:?}"))),
    }
    let mechanism = match mechanism {
        Mechanism::Plain => {
            return authenticate(stream, format!("\0{user}\0{password}").into_bytes());
        }
        Mechanism::Scram(mechanism) => mechanism,
    };
    let bare = format!("n={},r={NONCE}", ScramFormatter::sasl_name(user));
    let challenge = authenticate(stream, format!("n,,{bare}").into_bytes())?;
    if challenge.error_code != 0 {
        return Ok(challenge);
    }
    let (last, expected) = prove(mechanism, &bare, &challenge.auth_bytes.0, password);
    let answer = authenticate(stream, last)?;
    if answer.error_code == 0 && answer.auth_bytes.0 != expected {
        return Err(io::Error::other("the broker does not know the password"));
    }
    Ok(answer)
}

/// The last message of the client, and the one of the broker that must follow. `bare` is the client's
/// first message without its head.
pub fn prove(
    mechanism: ScramMechanism,
    bare: &str,
    challenge: &[u8],
    password: &str,
) -> (Vec<u8>, Vec<u8>) {
    let formatter = ScramFormatter::new(mechanism);
    let challenge = std::str::from_utf8(challenge).unwrap();
    let fields: Vec<_> = challenge.split(',').map(|it| it.split_at(2).1).collect();
    let [nonce, salt, iterations] = fields[..] else { panic!("{challenge}") };
    let salt = STANDARD.decode(salt).unwrap();
    let salted = formatter.salted_password(password, &salt, iterations.parse().unwrap());
    let without_proof = format!("c=biws,r={nonce}");
    let auth_message = format!("{bare},{challenge},{without_proof}").into_bytes();
    let proof = STANDARD.encode(formatter.client_proof(&salted, &auth_message));
    let signature = formatter.server_signature(&formatter.server_key(&salted), &auth_message);
    let answer = format!("v={}", STANDARD.encode(signature));
    (format!("{without_proof},p={proof}").into_bytes(), answer.into_bytes())
}

fn authenticate(
    stream: &mut (impl Read + Write),
    token: Vec<u8>,
) -> io::Result<SaslAuthenticateResponse> {
    let request = SaslAuthenticateRequest { auth_bytes: SecretBytes(token) };
    match call(stream, AUTHENTICATE_VERSION, &RequestBody::SaslAuthenticate(request))? {
        ResponseBody::SaslAuthenticate(it) => Ok(it),
        other => Err(io::Error::other(format!("no answer to a token: {other:?}"))),
    }
}

fn call(
    stream: &mut (impl Read + Write),
    api_version: i16,
    body: &RequestBody,
) -> io::Result<ResponseBody> {
    let api_key = body.api_key();
    let client_id = Some("login".to_string());
    let header = RequestHeader { api_key, api_version, correlation_id: 1, client_id };
    let frame = request_bytes(&header, body, &[]);
    let size = u32::try_from(frame.len()).map_err(io::Error::other)?.to_be_bytes();
    stream.write_all(&[&size[..], &frame].concat())?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer)?;
    let (_, body) = parse_response(&header, &answer).map_err(io::Error::other)?;
    Ok(body)
}
