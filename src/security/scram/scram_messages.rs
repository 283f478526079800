//! Port of `org.apache.kafka.common.security.scram.internals.ScramMessages`: the four messages of an
//! exchange (RFC 5802, section 7), of which a broker reads two and writes two.
//!
//! Kafka's patterns take a name of ASCII characters only; the RFC has no such limit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// An extension by which a client logs in with a delegation token in place of a password.
const TOKEN_AUTH: &str = "tokenauth";

/// `n,[a=authzid],[m=reserved,]n=name,r=nonce[,extension=value]...`
///
/// A client that has bound the exchange to its TLS connection, or would have, begins in another way;
/// as in Kafka it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFirstMessage {
    /// What stands before the bare message: a client repeats it at the end.
    pub gs2_header: String,
    /// The message without that, as it came: both sides sign it.
    pub bare: String,
    /// Empty if the client names none.
    pub authorization_id: String,
    /// Both names still as messages write them.
    pub sasl_name: String,
    pub nonce: String,
    pub token_authenticated: bool,
}

impl ClientFirstMessage {
    /// `None` if it is none.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let message = str::from_utf8(message).ok()?;
        let (authzid, bare) = message.strip_prefix("n,")?.split_once(',')?;
        let authorization_id = match authzid {
            "" => "",
            authzid => authzid.strip_prefix("a=").filter(|it| is_sasl_name(it))?,
        };
        let mut fields = bare.split(',').peekable();
        if let Some(reserved) = fields.next_if(|it| it.starts_with("m=")) {
            is_value(&reserved["m=".len()..]).then_some(())?;
        }
        let sasl_name = fields.next()?.strip_prefix("n=").filter(|it| is_sasl_name(it))?;
        let nonce = nonce_in(fields.next()?)?;
        let extensions: Option<Vec<_>> = fields.map(extension).collect();
        let is_token = |&(name, value): &(&str, &str)| {
            name == TOKEN_AUTH && value.eq_ignore_ascii_case("true")
        };
        Some(Self {
            gs2_header: message[..message.len() - bare.len()].to_string(),
            bare: bare.to_string(),
            authorization_id: authorization_id.to_string(),
            sasl_name: sasl_name.to_string(),
            nonce: nonce.to_string(),
            token_authenticated: extensions?.iter().any(is_token),
        })
    }
}

/// `r=nonces,s=salt,i=iterations`
pub struct ServerFirstMessage<'a> {
    /// The client's, and then the broker's.
    pub nonce: &'a str,
    pub salt: &'a [u8],
    pub iterations: i32,
}

impl ServerFirstMessage<'_> {
    pub fn to_message(&self) -> String {
        let Self { nonce, salt, iterations } = self;
        format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt))
    }
}

/// `c=binding,r=nonces[,extension=value]...,p=proof`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFinalMessage {
    pub channel_binding: Vec<u8>,
    pub nonce: String,
    pub proof: Vec<u8>,
    /// The message without the proof, as it came: both sides sign it.
    pub without_proof: String,
}

impl ClientFinalMessage {
    /// `None` if it is none.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let message = str::from_utf8(message).ok()?;
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut fields = without_proof.split(',');
        let channel_binding = STANDARD.decode(fields.next()?.strip_prefix("c=")?).ok()?;
        let nonce = nonce_in(fields.next()?)?;
        fields.map(extension).collect::<Option<Vec<_>>>()?;
        Some(Self {
            channel_binding,
            nonce: nonce.to_string(),
            proof: STANDARD.decode(proof).ok()?,
            without_proof: without_proof.to_string(),
        })
    }
}

/// `v=signature`. A failure has no message of its own here: it is an error of Kafka's.
pub struct ServerFinalMessage<'a> {
    pub server_signature: &'a [u8],
}

impl ServerFinalMessage<'_> {
    pub fn to_message(&self) -> String {
        format!("v={}", STANDARD.encode(self.server_signature))
    }
}

fn nonce_in(field: &str) -> Option<&str> {
    let nonce = field.strip_prefix("r=")?;
    (!nonce.is_empty() && nonce.bytes().all(|it| it.is_ascii_graphic())).then_some(nonce)
}

/// A name in which each `=` begins `=2C` or `=3D`.
fn is_sasl_name(name: &str) -> bool {
    let mut parts = name.split('=').skip(1);
    is_value(name) && parts.all(|it| it.starts_with("2C") || it.starts_with("3D"))
}

fn extension(field: &str) -> Option<(&str, &str)> {
    let (name, value) = field.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphabetic());
    (is_name && is_value(value)).then_some((name, value))
}

/// What stands between two commas.
fn is_value(value: &str) -> bool {
    !value.is_empty() && !value.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::scram::scram_formatter::ScramFormatter;

    const VALID_EXTENSIONS: [&str; 3] = [
        "ext=val1",
        "anotherext=name1=value1 name2=another test value \"\'!$[]()",
        "first=val1,second=name1 = value ,third=123",
    ];
    const INVALID_EXTENSIONS: [&str; 5] =
        ["ext1=value", "ext", "ext=value1,value2", "ext=,", "ext =value"];

    fn client_first(message: &str) -> Option<ClientFirstMessage> {
        ClientFirstMessage::parse(message.as_bytes())
    }

    /// Port of `ScramMessagesTest.validClientFirstMessage`.
    #[test]
    fn the_first_message_of_a_client_names_a_user_and_a_nonce() {
        let reserved = ["m=reserved-value,", "m=name1=value1 name2=another test value \"\'!$[](),"];
        let with = |before: &str, after: &str| client_first(&format!("n,,{before}n=u,r=n{after}"));
        for before in [""].into_iter().chain(reserved) {
            let found = with(before, "").unwrap();
            assert_eq!((&*found.sasl_name, &*found.nonce), ("u", "n"));
            assert_eq!(found.bare, format!("{before}n=u,r=n"));
        }
        for after in VALID_EXTENSIONS.map(|it| format!(",{it}")) {
            let found = with("", &after).unwrap();
            assert_eq!((&*found.nonce, found.token_authenticated), ("n", false));
        }
        assert!(with("", ",tokenauth=true").unwrap().token_authenticated);
        assert!(!with("", ",tokenauth=false").unwrap().token_authenticated);
        for (sasl_name, name) in
            [("test=2Cuser", "test,user"), ("test=3Duser", "test=user"), ("=3D2C", "=2C")]
        {
            let found = client_first(&format!("n,a={sasl_name},n={sasl_name},r=x")).unwrap();
            assert_eq!(ScramFormatter::username(&found.sasl_name), name);
            assert_eq!(found.authorization_id, sasl_name);
            assert_eq!(found.gs2_header, format!("n,a={sasl_name},"));
        }
        assert_eq!(client_first("n,,n=\u{e9}\u{1f600},r=x").unwrap().sasl_name, "é😀");
    }

    /// Port of `ScramMessagesTest.invalidClientFirstMessage`.
    #[test]
    fn what_is_no_first_message_is_refused() {
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "n,x=something,n=testuser,r=x",
            "n,a=,n=u,r=x",
            "y,,n=u,r=x",
            "p=tls-unique,,n=u,r=x",
            "n,,n=,r=x",
            "n,,n=u",
            "n,,n=u,r=",
            "n,,n=u,r=a b",
            "n,,n=u,r=\u{e9}",
            "n,,n=u=,r=x",
            "n,,n=u=2c,r=x",
            "n,,n=u=41,r=x",
            "n,,n=u\0,r=x",
            "n,,r=x,n=u",
            "n,,m,n=u,r=x",
            "n,,m=name,value,n=u,r=x",
            "n,,m=,,n=u,r=x",
            "n,,n=u,r=x,",
        ] {
            assert_eq!(client_first(message), None, "{message}");
        }
        for extension in INVALID_EXTENSIONS {
            assert_eq!(client_first(&format!("n,,n=u,r=x,{extension}")), None, "{extension}");
        }
        assert_eq!(ClientFirstMessage::parse(b"n,,n=\xff,r=x"), None);
    }

    /// Port of `ScramMessagesTest.validClientFinalMessage`.
    #[test]
    fn the_last_message_of_a_client_has_a_proof() {
        let extensions = VALID_EXTENSIONS.map(|it| format!(",{it}"));
        for extensions in [""].into_iter().chain(extensions.iter().map(String::as_str)) {
            let without_proof = format!("c=biws,r=xy{extensions}");
            let message = format!("{without_proof},p=AQID");
            let expected = ClientFinalMessage {
                channel_binding: b"n,,".to_vec(),
                nonce: "xy".to_string(),
                proof: vec![1, 2, 3],
                without_proof,
            };
            assert_eq!(ClientFinalMessage::parse(message.as_bytes()), Some(expected));
        }
    }

    /// Port of `ScramMessagesTest.invalidClientFinalMessage`.
    #[test]
    fn what_is_no_last_message_is_refused() {
        let refused = |message: &str| ClientFinalMessage::parse(message.as_bytes()).is_none();
        for message in
            ["", "c=ab,r=x,p=AQID", "c=biws,r=x,p=123", "c=biws,r=x", "r=x,p=AQID", "c=biws,p=AQID"]
        {
            assert!(refused(message), "{message}");
        }
        for extension in INVALID_EXTENSIONS {
            assert!(refused(&format!("c=biws,r=x,{extension},p=AQID")), "{extension}");
        }
    }

    /// The half of `ScramMessagesTest.validServerFirstMessage` and
    /// `ScramMessagesTest.validServerFinalMessage` that is a broker's: it writes them.
    #[test]
    fn the_messages_of_a_broker_have_nonce_salt_iterations_and_signature() {
        let first = ServerFirstMessage { nonce: "ab", salt: &[1, 2, 3], iterations: 8192 };
        assert_eq!(first.to_message(), "r=ab,s=AQID,i=8192");
        assert_eq!(ServerFinalMessage { server_signature: &[1, 2, 3] }.to_message(), "v=AQID");
    }
}
