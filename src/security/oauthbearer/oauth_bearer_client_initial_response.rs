//! Port of `org.apache.kafka.common.security.oauthbearer.internals.OAuthBearerClientInitialResponse`:
//! the first message of a client.

/// Stands between the parts of the message.
const SEPARATOR: char = '\u{1}';

/// `n,[a=authzid],^Akey=value^A..auth=Bearer token^A^A`. Not shown: who has the token is its owner.
#[derive(Clone, PartialEq, Eq)]
pub struct OAuthBearerClientInitialResponse {
    pub token: String,
    /// Empty if the client names none.
    pub authorization_id: String,
}

impl OAuthBearerClientInitialResponse {
    /// `None` if it is none. Extensions are passed over, as Kafka does unless it is told what to do
    /// with them.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let message = str::from_utf8(message).ok()?;
        let (authzid, pairs) = message.strip_prefix("n,")?.split_once(',')?;
        let authorization_id = match authzid {
            "" => String::new(),
            authzid => decoded(authzid.strip_prefix("a=")?)?,
        };
        let pairs = pairs.strip_prefix(SEPARATOR)?.strip_suffix(SEPARATOR)?;
        let mut auth = None;
        for pair in pairs.strip_suffix(SEPARATOR)?.split(SEPARATOR) {
            let (key, value) = pair.split_once('=')?;
            let is_key = !key.is_empty() && key.bytes().all(|it| it.is_ascii_alphabetic());
            let is_value = |c: char| c.is_ascii_graphic() || matches!(c, ' ' | '\t' | '\r' | '\n');
            if !is_key || !value.chars().all(is_value) {
                return None;
            }
            if key == "auth" && auth.replace(value).is_some() {
                return None;
            }
        }
        let (scheme, token) = auth?.split_once(' ')?;
        let token = token.trim_start_matches(' ');
        let is_token = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.');
        let is_bearer = scheme.eq_ignore_ascii_case("bearer");
        let is_well_formed = is_bearer && !token.is_empty() && token.bytes().all(is_token);
        is_well_formed.then(|| Self { token: token.to_string(), authorization_id })
    }
}

/// A name as SASL writes it: without commas, and with `=` only before `2C` and `3D`.
fn decoded(sasl_name: &str) -> Option<String> {
    let is_escape = |it: &str| it.starts_with("2C") || it.starts_with("3D");
    let is_name = !sasl_name.is_empty() && sasl_name.split('=').skip(1).all(is_escape);
    is_name.then(|| sasl_name.replace("=2C", ",").replace("=3D", "="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(message: &str) -> Option<(String, String)> {
        let parsed = OAuthBearerClientInitialResponse::parse(message.as_bytes())?;
        Some((parsed.token, parsed.authorization_id))
    }

    /// Port of `OAuthBearerClientInitialResponseTest.testBuildServerResponseToClientResponse`,
    /// `OAuthBearerClientInitialResponseTest.testRfc7688Example`,
    /// `OAuthBearerClientInitialResponseTest.testNoExtensionsFromByteArray` and
    /// `OAuthBearerClientInitialResponseTest.testExtensions`.
    #[test]
    fn a_message_has_a_token_and_perhaps_a_name_and_extensions() {
        let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg";
        for (message, authzid) in [
            (format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}"), ""),
            (
                format!("n,a=user@example.com,\u{1}auth=bearer   {token}\u{1}\u{1}"),
                "user@example.com",
            ),
            (
                format!("n,a=a=2Cb=3Dc,\u{1}host=x\u{1}port=1\u{1}auth=BEARER {token}\u{1}\u{1}"),
                "a,b=c",
            ),
            (format!("n,,\u{1}auth=Bearer {token}\u{1}a=b \t=\u{1}\u{1}"), ""),
        ] {
            assert_eq!(
                parse(&message),
                Some((token.to_string(), authzid.to_string())),
                "{message}"
            );
        }
    }

    /// Port of `OAuthBearerClientInitialResponseTest.testThrowsSaslExceptionOnDuplicateAuth` in spirit:
    /// what could be read in two ways is refused.
    #[test]
    fn what_is_no_such_message_is_refused() {
        for message in [
            "",
            "n,,",
            "n,,\u{1}",
            "n,,\u{1}\u{1}",
            "n,,\u{1}\u{1}\u{1}",
            "y,,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,b=c,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,a=,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,a=x=4,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,,auth=Bearer x\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}",
            "n,,\u{1}auth=Bearer x",
            "n,,\u{1}auth=Basic x\u{1}\u{1}",
            "n,,\u{1}auth=Bearer\u{1}\u{1}",
            "n,,\u{1}auth=Bearer \u{1}\u{1}",
            "n,,\u{1}auth=Bearer a b\u{1}\u{1}",
            "n,,\u{1}auth=Bearer a+b\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}auth=Bearer y\u{1}\u{1}",
            "n,,\u{1}k1=v\u{1}auth=Bearer x\u{1}\u{1}",
            "n,,\u{1}k\u{1}auth=Bearer x\u{1}\u{1}",
            "n,,\u{1}k=\u{e9}\u{1}auth=Bearer x\u{1}\u{1}",
        ] {
            assert_eq!(parse(message), None, "{message:?}");
        }
        assert!(
            OAuthBearerClientInitialResponse::parse(b"n,,\x01auth=Bearer \xff\x01\x01").is_none()
        );
    }
}
