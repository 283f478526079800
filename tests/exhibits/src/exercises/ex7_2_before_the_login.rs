use std::io::Read;

use bench::outcome::{Outcome, failed};
use support::client::Client;
use transferto::common::errors::Errors;
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::metadata::MetadataRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::sasl_authenticate::SaslAuthenticateRequest;
use transferto::protocol::sasl_handshake::SaslHandshakeRequest;
use transferto::protocol::wire::secret_bytes::SecretBytes;

use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::Stage;
use crate::words::{Words, both};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "7.2",
    title: both("What may be said before the login", "登录之前能说什么"),
    question: both(
        "Four clients connect to a listener of SASL_PLAINTEXT with PLAIN. One asks for \
         ApiVersions, one at once for Metadata; one authenticates with a wrong password, one \
         with the right one. Which of them get an answer, and which connections are open \
         after it?",
        "四个客户端连接一个 SASL_PLAINTEXT listener，机制是 PLAIN。第一个请求 ApiVersions，第二个\
         直接请求 Metadata，第三个用错误的密码认证，第四个用正确的密码认证。哪些会得到响应？之后哪\
         些连接还开着？",
    ),
    experiment,
    answer: both(
        "ApiVersions is answered before a login, because a client has to know which version of \
         SaslHandshake it may send. Metadata is not: the connection is closed without a word, \
         for a stranger is owed no explanation. A wrong password is answered with error 58, \
         after a delay, and then the connection is closed. The right one is answered with error \
         0, and from there on requests are read.",
        "ApiVersions 在登录之前就有响应，因为客户端得先知道 SaslHandshake 能用哪个版本。Metadata \
         没有：连接直接关闭，一个字节也不回，因为对陌生人没有解释的义务。密码错误的响应是错误码 \
         58，而且要延迟一会儿，然后关闭连接。密码正确的响应是错误码 0，从这时起才读取请求。",
    ),
    pages: &[page(
        "docs/en/book-7-tls.md#before-the-first-request-sasl",
        "docs/zh/book-7-tls.md#第一个请求之前sasl",
    )],
    files: &[
        "src/transport/authenticator.rs",
        "src/transport/kafka_channel.rs",
        "src/security/authenticator/sasl_server_authenticator.rs",
    ],
};

const SETTINGS: [&str; 3] = [
    "listeners=PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0",
    "sasl.enabled.mechanisms=PLAIN",
    "listener.name.sasl_plaintext.plain.sasl.jaas.config=\
     org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"wonderland\";",
];
const ANSWERED: Words = both("answered", "有响应");
const CLOSED: Words = both("closed without an answer", "没有响应，连接关闭");

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start_untraced(&SETTINGS)?;
    let port = stage.port_of("SASL_PLAINTEXT")?;

    let mut curious = Client::connect(port);
    curious.call(0, &RequestBody::ApiVersions(ApiVersionsRequest::default()), &[]);
    sheet.saw(both("ApiVersions before the login", "登录之前的 ApiVersions"), ANSWERED);
    let error = login(&mut curious, "wonderland")?;
    let words = both(
        "ApiVersions is answered, and the login can follow",
        "ApiVersions 有响应，接着可以登录",
    );
    sheet.claim(words, error == Errors::None.code());

    let mut hasty = Client::connect(port);
    hasty.send(1, &RequestBody::Metadata(MetadataRequest::default()), &[]);
    let is_closed = has_ended(&mut hasty);
    let what = if is_closed { CLOSED } else { ANSWERED };
    sheet.saw(both("Metadata before the login", "登录之前的 Metadata"), what);
    let words =
        both("Metadata ends the connection without an answer", "Metadata 没有响应，连接关闭");
    sheet.claim(words, is_closed);

    let mut wrong = Client::connect(port);
    let error = login(&mut wrong, "looking-glass")?;
    sheet.saw(both("the wrong password: error", "密码错误：错误码"), error);
    let words = both(
        "the wrong password is answered with error 58, and the connection is closed then",
        "密码错误的响应是错误码 58，然后连接关闭",
    );
    let is_refused = error == Errors::SaslAuthenticationFailed.code();
    sheet.claim(words, is_refused && has_ended(&mut wrong));

    let mut alice = Client::connect(port);
    let error = login(&mut alice, "wonderland")?;
    sheet.saw(both("the right password: error", "密码正确：错误码"), error);
    alice.metadata(1, Some(&[]));
    sheet.saw(both("Metadata after it", "之后的 Metadata"), ANSWERED);
    let words = both("after the right one requests are answered", "密码正确之后，请求有响应");
    sheet.claim(words, error == Errors::None.code());
    Ok(())
}

/// By PLAIN, as alice. Returns the error of the last answer.
fn login(client: &mut Client, password: &str) -> Outcome<i16> {
    let handshake = SaslHandshakeRequest { mechanism: "PLAIN".to_string() };
    client.call(1, &RequestBody::SaslHandshake(handshake), &[]);
    let auth_bytes = SecretBytes(format!("\0alice\0{password}").into_bytes());
    let request = RequestBody::SaslAuthenticate(SaslAuthenticateRequest { auth_bytes });
    match client.call(2, &request, &[]).0 {
        ResponseBody::SaslAuthenticate(answer) => Ok(answer.error_code),
        other => failed(format!("an answer to something else: {other:?}")),
    }
}

/// Whether the broker closes the connection and sends nothing before.
fn has_ended(client: &mut Client) -> bool {
    matches!(client.stream.read(&mut [0]), Ok(0) | Err(_))
}
