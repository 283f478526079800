//! Port of `org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator`: whether a token is signed
//! by somebody whom the broker believes, for this broker, and for now.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::common::json_value::JsonValue;
use crate::security::oauthbearer::json_web_key::JwsAlgorithm;
use crate::security::oauthbearer::jwks_file::JwksFile;

/// No token is longer: it is taken apart before anybody is known to have signed it.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// The last moment that a number of JSON holds to the millisecond.
const SECONDS_MAX: f64 = 9_007_199_254_740.0;

/// What a token must say, by the settings.
#[derive(Clone, Debug)]
pub struct JwtRules {
    /// Empty: it may be for anybody.
    pub expected_audience: Vec<String>,
    /// `None`: anybody may have issued it.
    pub expected_issuer: Option<String>,
    pub clock_skew_seconds: i64,
    pub sub_claim_name: String,
    pub scope_claim_name: String,
}

/// What a token says, once it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthBearerToken {
    pub principal_name: String,
    pub lifetime_ms: i64,
    pub scope: Vec<String>,
}

pub struct BrokerJwtValidator {
    keys: JwksFile,
    rules: JwtRules,
}

impl BrokerJwtValidator {
    pub fn new(keys: JwksFile, rules: JwtRules) -> Self {
        Self { keys, rules }
    }

    /// # Errors
    /// Why the token is not believed, without a word of it but what its issuer says of it.
    pub fn validate(&self, token: &str, now_ms: i64) -> Result<OAuthBearerToken, String> {
        let claims = self.signed_claims(token, now_ms)?;
        self.check_times(&claims, now_ms)?;
        self.check_parties(&claims)?;
        let sub = claims.get(&self.rules.sub_claim_name).and_then(JsonValue::as_str);
        let sub = sub.map(str::trim).filter(|it| !it.is_empty());
        let sub =
            sub.ok_or_else(|| format!("its claim `{}` names nobody", self.rules.sub_claim_name))?;
        let scope = self.scope(&claims)?;
        let lifetime_ms = milliseconds(&claims, "exp")?.ok_or("it has no claim `exp`")?;
        Ok(OAuthBearerToken { principal_name: sub.to_string(), lifetime_ms, scope })
    }

    /// The claims of a token whose signature is right.
    fn signed_claims(&self, token: &str, now_ms: i64) -> Result<JsonValue, String> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(format!("it is longer than {TOKEN_BYTES_MAX} bytes"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or("it is not three parts")?;
        let (header, claims) = signed.split_once('.').ok_or("it is not three parts")?;
        let header = part(header, "header")?;
        let algorithm = header.get("alg").and_then(JsonValue::as_str);
        let algorithm = algorithm.ok_or("its header has no `alg`")?;
        if algorithm.eq_ignore_ascii_case("none") {
            return Err(
                "it is not signed (alg none), and anybody can make such a token".to_string()
            );
        }
        let algorithm = JwsAlgorithm::for_name(algorithm)
            .ok_or("it is signed by another algorithm than RS256, RS384, RS512, ES256 or ES384")?;
        if header.get("crit").is_some() {
            return Err(
                "its header has `crit`, which asks for what this broker has not".to_string()
            );
        }
        let key_id = header.get("kid").and_then(JsonValue::as_str);
        let keys = self.keys.keys_for(key_id, now_ms);
        if keys.is_empty() {
            return Err("the file of keys has none with the `kid` of its header".to_string());
        }
        let signature =
            URL_SAFE_NO_PAD.decode(signature).map_err(|_| "its signature is not base64url")?;
        if !keys.iter().any(|it| it.verifies(algorithm, signed.as_bytes(), &signature)) {
            return Err("its signature is wrong".to_string());
        }
        part(claims, "part of claims")
    }

    fn check_times(&self, claims: &JsonValue, now_ms: i64) -> Result<(), String> {
        let skew_ms = self.rules.clock_skew_seconds.saturating_mul(1000);
        let expires_ms = milliseconds(claims, "exp")?.ok_or("it has no claim `exp`")?;
        if now_ms.saturating_sub(skew_ms) >= expires_ms {
            return Err("it has expired".to_string());
        }
        milliseconds(claims, "iat")?.ok_or("it has no claim `iat`")?;
        match milliseconds(claims, "nbf")? {
            Some(from_ms) if now_ms.saturating_add(skew_ms) < from_ms => {
                Err("it does not hold yet (`nbf`)".to_string())
            }
            _ => Ok(()),
        }
    }

    fn check_parties(&self, claims: &JsonValue) -> Result<(), String> {
        let rules = &self.rules;
        let issuer = claims.get("iss").and_then(JsonValue::as_str);
        if rules.expected_issuer.as_deref().is_some_and(|it| issuer != Some(it)) {
            return Err("it is from another issuer (`iss`)".to_string());
        }
        if rules.expected_audience.is_empty() {
            return Ok(());
        }
        let is_expected = |it: &JsonValue| {
            it.as_str().is_some_and(|name| rules.expected_audience.iter().any(|it| it == name))
        };
        let is_for_us = match claims.get("aud") {
            Some(JsonValue::Array(names)) => names.iter().any(is_expected),
            Some(name) => is_expected(name),
            None => false,
        };
        if is_for_us { Ok(()) } else { Err("it is for somebody else (`aud`)".to_string()) }
    }

    /// One text with blanks between, or a list.
    fn scope(&self, claims: &JsonValue) -> Result<Vec<String>, String> {
        let wrong = || format!("its claim `{}` is no list of words", self.rules.scope_claim_name);
        match claims.get(&self.rules.scope_claim_name) {
            None => Ok(Vec::new()),
            Some(JsonValue::String(scope)) => {
                Ok(scope.split_whitespace().map(String::from).collect())
            }
            Some(JsonValue::Array(items)) => {
                let words = items.iter().map(|it| it.as_str().map(String::from));
                words.collect::<Option<_>>().ok_or_else(wrong)
            }
            Some(_) => Err(wrong()),
        }
    }
}

fn part(encoded: &str, what: &str) -> Result<JsonValue, String> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded);
    let bytes = bytes.map_err(|_| format!("its {what} is not base64url"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("its {what} is not UTF-8"))?;
    match JsonValue::parse(&text).map_err(|why| format!("its {what}: {why}"))? {
        object @ JsonValue::Object(_) => Ok(object),
        _ => Err(format!("its {what} is no JSON object")),
    }
}

/// A moment that a claim gives in seconds since 1970.
fn milliseconds(claims: &JsonValue, name: &str) -> Result<Option<i64>, String> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|it| (0.0..=SECONDS_MAX).contains(it));
    let seconds = seconds.ok_or_else(|| format!("its claim `{name}` is no time"))?;
    Ok(Some((seconds * 1000.0) as i64))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, KeyPair,
    };

    use super::*;

    /// A key of RSA, and a token that its owner has signed by `openssl dgst -sha256 -sign`.
    const RSA_N: &str = "1oGmTO6Fm7CMWCqchUXHPP25eWv_fNIYUQZvDmR7ZpayJTmV9tBnGMdXPH1-XzlErOE-8E4bNl0IwUXGxnfO\
                         4WrZgHAzE761kSwplOYdNSrAwA40Ji5rS0Vsjd7d4sZv15qeXZaAYbyrCJ1_fITctuq1wDgGrGBDJalUM6cS\
                         Iv2vQJM-UmdX-Jjgks9xHSmj_rLelCWopyeaj8vez5NILJDDKh4IO4R_mMUoYAmCe97_CX1_z7eQQiYavYhS\
                         OnybSA8juw_QaBdoKnd_t2ASu57rXqEMRB8_diGNy1gLdrV92d5Dujh9kC0oABKQ1WXGPdSXa1PYv5kWhznb\
                         6w8PIQ";
    const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaWRwIiw\
                             iYXVkIjpbImthZmthIiwieCJdLCJpYXQiOjEwMDAsImV4cCI6MjAwMCwic2NvcGUiOiJhIGIifQ.1PMOPbLX\
                             vM3DAo6hBnocr5dDvmqlenQfhrFOTYKxi8GtsxKvX3WbdOyRVmrnNdQV2mv0gGjRt-HpBNerM2bI1WgR3f9w\
                             i7PieByb2Xodl98a9tahgqfBnlmz1OHqssjMAfbTliQ8FBAXZlFDpSVrXh8ooOljFyoF85jrzoJj9tyxsaqQ\
                             FZYXJ-w9EiS_T_KGt-CVrHDODeNFvulzdCHu469wg_VEy3P9xmPlkQJh9BzankCVuh170eZxfK1vE59PetAk\
                             nnMsaRwRFdDCgJ6BnRyx_2mEYe0sGDqJrmy1TFycuT0BftcrQpyL9nySemM4-UBzEVeEKrH9xak7zSQwnw";
    /// Between the `iat` and the `exp` of the tokens.
    const NOW_MS: i64 = 1_500_000;

    /// Who signs tokens.
    struct Issuer {
        key_pair: EcdsaKeyPair,
        algorithm: &'static str,
    }

    impl Issuer {
        fn new(algorithm: &'static str) -> Self {
            let (of_ring, random) = (Self::signing(algorithm), SystemRandom::new());
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(of_ring, &random).unwrap();
            let key_pair = EcdsaKeyPair::from_pkcs8(of_ring, pkcs8.as_ref(), &random).unwrap();
            Self { key_pair, algorithm }
        }

        fn signing(algorithm: &str) -> &'static EcdsaSigningAlgorithm {
            match algorithm {
                "ES256" => &ECDSA_P256_SHA256_FIXED_SIGNING,
                _ => &ECDSA_P384_SHA384_FIXED_SIGNING,
            }
        }

        fn key(&self, key_id: &str) -> String {
            let point = &self.key_pair.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            let [x, y] = [x, y].map(|it| URL_SAFE_NO_PAD.encode(it));
            let curve = if self.algorithm == "ES256" { "P-256" } else { "P-384" };
            format!(
                r#"{{"kty":"EC","crv":"{curve}","kid":"{key_id}","use":"sig","x":"{x}","y":"{y}"}}"#
            )
        }

        fn sign(&self, header: &str, claims: &str) -> String {
            let [header, claims] = [header, claims].map(|it| URL_SAFE_NO_PAD.encode(it));
            let signed = format!("{header}.{claims}");
            let signature = self.key_pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        }

        fn token(&self, key_id: &str, claims: &str) -> String {
            self.sign(&format!(r#"{{"alg":"{}","kid":"{key_id}"}}"#, self.algorithm), claims)
        }
    }

    /// A file of keys that is gone at the end.
    struct Keys(PathBuf);

    impl Keys {
        fn of(name: &str, keys: &[String]) -> Self {
            let name = format!("transferto-jwks-{name}-{}", std::process::id());
            let file = Self(std::env::temp_dir().join(name));
            file.replace(keys);
            file
        }

        fn replace(&self, keys: &[String]) {
            fs::write(&self.0, format!(r#"{{"keys":[{}]}}"#, keys.join(","))).unwrap();
        }

        fn validator(&self, rules: JwtRules) -> BrokerJwtValidator {
            let refresh_ms = 3_600_000;
            BrokerJwtValidator::new(JwksFile::open(&self.0, refresh_ms, NOW_MS).unwrap(), rules)
        }
    }

    impl Drop for Keys {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn rsa_key() -> String {
        format!(r#"{{"kty":"RSA","kid":"rsa","alg":"RS256","n":"{RSA_N}","e":"AQAB"}}"#)
    }

    fn rules() -> JwtRules {
        JwtRules {
            expected_audience: vec!["kafka".to_string()],
            expected_issuer: Some("https://idp".to_string()),
            clock_skew_seconds: 30,
            sub_claim_name: "sub".to_string(),
            scope_claim_name: "scope".to_string(),
        }
    }

    /// Claims that are believed, with `more` behind.
    fn claims(more: &str) -> String {
        format!(
            r#"{{"sub":"alice","iss":"https://idp","aud":"kafka","iat":1000,"exp":2000{more}}}"#
        )
    }

    #[test]
    fn a_signed_token_names_its_principal_and_its_end() {
        let (es256, es384) = (Issuer::new("ES256"), Issuer::new("ES384"));
        let keys = Keys::of("signed", &[rsa_key(), es256.key("a"), es384.key("b")]);
        let validator = keys.validator(rules());
        let expected = |scope: &[&str]| OAuthBearerToken {
            principal_name: "alice".to_string(),
            lifetime_ms: 2_000_000,
            scope: scope.iter().map(|it| it.to_string()).collect(),
        };
        assert_eq!(validator.validate(RSA_TOKEN, NOW_MS), Ok(expected(&["a", "b"])));
        for (issuer, key_id) in [(&es256, "a"), (&es384, "b")] {
            let token = issuer.token(key_id, &claims(r#","nbf":1500,"scope":["c d"]"#));
            assert_eq!(validator.validate(&token, NOW_MS), Ok(expected(&["c d"])));
            let without_key_id = format!(r#"{{"alg":"{}"}}"#, issuer.algorithm);
            let token = issuer.sign(&without_key_id, &claims(""));
            assert_eq!(validator.validate(&token, NOW_MS), Ok(expected(&[])));
        }
    }

    #[test]
    fn a_token_that_is_not_right_in_every_way_is_refused() {
        let (issuer, stranger) = (Issuer::new("ES256"), Issuer::new("ES256"));
        let keys = Keys::of("wrong", &[rsa_key(), issuer.key("a")]);
        let validator = keys.validator(rules());
        let with = |from: &str, to: &str| issuer.token("a", &claims("").replace(from, to));
        let header = |header: &str| issuer.sign(header, &claims(""));
        let good = issuer.token("a", &claims(""));
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        for (token, why) in [
            (with("\"exp\":2000", "\"exp\":1470"), "it has expired"),
            (with(",\"exp\":2000", ""), "no claim `exp`"),
            (with("\"exp\":2000", "\"exp\":\"2000\""), "`exp` is no time"),
            (with("\"exp\":2000", "\"exp\":1e300"), "`exp` is no time"),
            (with("\"exp\":2000", "\"exp\":-1"), "`exp` is no time"),
            (with("\"iat\":1000,", ""), "no claim `iat`"),
            (with("\"iat\":1000", "\"iat\":1000,\"nbf\":1531"), "does not hold yet"),
            (with("https://idp", "https://idp/"), "another issuer"),
            (with("\"iss\":\"https://idp\",", ""), "another issuer"),
            (with("kafka", "Kafka"), "somebody else"),
            (with("\"aud\":\"kafka\",", ""), "somebody else"),
            (with("\"kafka\"", "[]"), "somebody else"),
            (with("\"sub\":\"alice\",", ""), "names nobody"),
            (with("alice", " "), "names nobody"),
            (with("\"alice\"", "1"), "names nobody"),
            (with("\"iat\"", "\"scope\":[1],\"iat\""), "no list of words"),
            (stranger.token("a", &claims("")), "signature is wrong"),
            (stranger.token("c", &claims("")), "none with the `kid`"),
            (format!("{signed}.{}", &signature[1..]), "signature"),
            (format!("{signed}."), "signature is wrong"),
            (format!("{unsigned}.{}.", URL_SAFE_NO_PAD.encode(claims(""))), "it is not signed"),
            (header(r#"{"alg":"NONE","kid":"a"}"#), "it is not signed"),
            (header(r#"{"alg":"HS256","kid":"a"}"#), "another algorithm"),
            (header(r#"{"alg":"ES384","kid":"a"}"#), "signature is wrong"),
            (header(r#"{"alg":"RS256","kid":"a"}"#), "signature is wrong"),
            (header(r#"{"alg":"RS512","kid":"rsa"}"#), "signature is wrong"),
            (header(r#"{"alg":"ES256","kid":"a","crit":["x"]}"#), "`crit`"),
            (header(r#"{"kid":"a"}"#), "no `alg`"),
            (header(r#"["alg"]"#), "no JSON object"),
            (header(r#"{"alg":"ES256","alg":"none"}"#), "comes twice"),
            (issuer.token("a", "[]"), "no JSON object"),
            (String::new(), "three parts"),
            ("a.b".to_string(), "three parts"),
            ("!.b.c".to_string(), "base64url"),
            ("x".repeat(100_000), "longer than"),
        ] {
            let error = validator.validate(&token, NOW_MS).unwrap_err();
            assert!(error.contains(why), "{why}: {error}");
            assert!(!error.contains("alice"), "{error}");
        }
        assert!(validator.validate(&with("2000", "1471"), NOW_MS).is_ok(), "the clocks may differ");
        let anything = JwtRules { expected_audience: vec![], expected_issuer: None, ..rules() };
        let anybodys = issuer.token("a", r#"{"sub":"alice","iat":1000,"exp":2000}"#);
        assert!(keys.validator(anything).validate(&anybodys, NOW_MS).is_ok());
    }

    #[test]
    fn a_changed_file_is_read_again_for_an_unknown_key_at_most_each_second() {
        let (old, new) = (Issuer::new("ES256"), Issuer::new("ES384"));
        let keys = Keys::of("changed", &[old.key("old")]);
        let validator = keys.validator(rules());
        let (of_old, of_new) = (old.token("old", &claims("")), new.token("new", &claims("")));
        assert!(validator.validate(&of_new, NOW_MS).is_err());
        keys.replace(&[new.key("new"), rsa_key()]);
        assert!(validator.validate(&of_new, NOW_MS + 999).is_err());
        assert!(validator.validate(&of_old, NOW_MS + 999).is_ok());
        assert!(validator.validate(&of_new, NOW_MS + 1000).is_ok());
        assert!(validator.validate(&of_old, NOW_MS + 1000).is_err());
        // What cannot be read leaves the keys as they are.
        fs::write(&keys.0, "{\"keys\":[]}").unwrap();
        let unknown = old.token("unknown", &claims(""));
        assert!(validator.validate(&unknown, NOW_MS + 5000).is_err());
        assert!(validator.validate(&of_new, NOW_MS + 5000).is_ok());
    }

    #[test]
    fn a_file_without_keys_is_refused_with_its_name() {
        for (text, why) in [
            ("", "ends too early"),
            ("{}", "array `keys`"),
            (r#"{"keys":[]}"#, "no key of RSA"),
            (r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":""}]}"#, "no key of RSA"),
            (r#"{"keys":[{"kty":"RSA","use":"enc"}]}"#, "no key of RSA"),
            (r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#, "key 1: an RSA key has 2048"),
            (r#"{"keys":[{"kty":"RSA","e":"AQAB"}]}"#, "key 1: it has no `n`"),
            (r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"}]}"#, "32 bytes"),
            (r#"{"keys":[{"crv":"P-256"}]}"#, "no `kty`"),
        ] {
            let keys = Keys::of("none", &[]);
            fs::write(&keys.0, text).unwrap();
            let error = JwksFile::open(&keys.0, 1000, NOW_MS).err().unwrap();
            assert!(error.contains(why) && error.contains("transferto-jwks"), "{error}");
        }
        assert!(JwksFile::open(&std::env::temp_dir(), 1000, NOW_MS).is_err());
    }

    #[test]
    fn a_set_of_more_keys_than_an_issuer_has_is_refused() {
        let key = Issuer::new("ES256").key("a");
        let set = |count: usize| Keys::of("many", &vec![key.clone(); count]);
        assert!(JwksFile::open(&set(64).0, 1000, NOW_MS).is_ok());
        let error = JwksFile::open(&set(65).0, 1000, NOW_MS).err().unwrap();
        assert!(error.contains("it has 65 keys; at most 64"), "{error}");
    }

    /// Each token with one byte changed is refused, and never a panic.
    #[test]
    fn a_token_with_a_changed_byte_is_refused() {
        let keys = Keys::of("bytes", &[rsa_key()]);
        let validator = keys.validator(rules());
        for at in 0..RSA_TOKEN.len() - 1 {
            let mut changed = RSA_TOKEN.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(validator.validate(&changed, NOW_MS).is_err(), "{at}");
        }
    }
}
