//! Port of `org.apache.kafka.common.security.scram.internals.ScramFormatter`: the computations of
//! RFC 5802, section 3.
//!
//! Names and passwords are taken byte by byte, as Kafka does: none is prepared by SASLprep, so two
//! that look alike are two.

use std::num::NonZeroU32;

use ring::digest::digest;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{hmac, pbkdf2};

use crate::security::scram::scram_credential::ScramCredential;
use crate::security::scram::scram_mechanism::ScramMechanism;

/// Of a nonce and of a salt: as many as Kafka takes, and a few that are cleared.
pub(super) const RANDOM_BYTES: usize = 17;
const RANDOM_BITS: usize = 130;
/// The longest text that becomes of them.
pub(super) const RANDOM_CHARS_MAX: usize = 26;

/// The system has no random numbers to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

#[cfg(test)]
thread_local! {
    /// How many codes and hashes this thread has computed: what the time of a login depends on.
    pub(crate) static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Computes for one mechanism.
#[derive(Clone, Copy, Debug)]
pub struct ScramFormatter {
    mechanism: ScramMechanism,
}

impl ScramFormatter {
    pub fn new(mechanism: ScramMechanism) -> Self {
        Self { mechanism }
    }

    pub fn hmac(&self, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        #[cfg(test)]
        WORK.with(|work| work.set(work.get() + 1));
        let key = hmac::Key::new(self.mechanism.hmac(), key);
        hmac::sign(&key, bytes).as_ref().to_vec()
    }

    pub fn hash(&self, bytes: &[u8]) -> Vec<u8> {
        #[cfg(test)]
        WORK.with(|work| work.set(work.get() + 1));
        digest(self.mechanism.digest(), bytes).as_ref().to_vec()
    }

    /// `Hi` of the RFC, the one that takes its time: a broker needs it only where it gets a password
    /// itself.
    pub fn salted_password(&self, password: &str, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let mut salted = vec![0; self.mechanism.hash_bytes()];
        let algorithm = self.mechanism.pbkdf2();
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut salted);
        salted
    }

    pub fn client_key(&self, salted_password: &[u8]) -> Vec<u8> {
        self.hmac(salted_password, b"Client Key")
    }

    pub fn stored_key(&self, client_key: &[u8]) -> Vec<u8> {
        self.hash(client_key)
    }

    pub fn server_key(&self, salted_password: &[u8]) -> Vec<u8> {
        self.hmac(salted_password, b"Server Key")
    }

    pub fn client_proof(&self, salted_password: &[u8], auth_message: &[u8]) -> Vec<u8> {
        let client_key = self.client_key(salted_password);
        let signature = self.client_signature(&self.stored_key(&client_key), auth_message);
        xor(&client_key, &signature)
    }

    pub fn client_signature(&self, stored_key: &[u8], auth_message: &[u8]) -> Vec<u8> {
        self.hmac(stored_key, auth_message)
    }

    pub fn server_signature(&self, server_key: &[u8], auth_message: &[u8]) -> Vec<u8> {
        self.hmac(server_key, auth_message)
    }

    /// Whether `proof` was made with the password that `credential` was made of. How long it takes
    /// does not depend on how much of it is right.
    pub fn verifies(
        &self,
        credential: &ScramCredential,
        auth_message: &[u8],
        proof: &[u8],
    ) -> bool {
        let signature = self.client_signature(&credential.stored_key, auth_message);
        let shown = self.stored_key(&xor(&signature, proof));
        is_equal_constant_time(&shown, &credential.stored_key) && proof.len() == signature.len()
    }

    /// A credential with a salt that nobody had before.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn generate_credential(
        &self,
        password: &str,
        iterations: i32,
    ) -> Result<ScramCredential, NoRandomness> {
        let salt = self.secure_random_string()?.into_bytes();
        let times = NonZeroU32::new(iterations.unsigned_abs()).unwrap_or(NonZeroU32::MIN);
        let salted_password = self.salted_password(password, &salt, times);
        Ok(self.credential_of(&salted_password, salt, iterations))
    }

    /// What is kept of a salted password.
    pub fn credential_of(
        &self,
        salted_password: &[u8],
        salt: Vec<u8>,
        iterations: i32,
    ) -> ScramCredential {
        ScramCredential {
            salt,
            stored_key: self.stored_key(&self.client_key(salted_password)),
            server_key: self.server_key(salted_password),
            iterations,
        }
    }

    /// A nonce, or a salt.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn secure_random_string(&self) -> Result<String, NoRandomness> {
        let mut bytes = [0; RANDOM_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(in_base_36(bytes))
    }

    /// A name as messages have it: without a comma.
    pub fn sasl_name(username: &str) -> String {
        username.replace('=', "=3D").replace(',', "=2C")
    }

    /// The name that a message means.
    pub fn username(sasl_name: &str) -> String {
        sasl_name.replace("=2C", ",").replace("=3D", "=")
    }
}

/// The last 130 bits as Kafka writes them, `new BigInteger(130, random).toString(36)`: a salt does not
/// show who has made it.
pub(super) fn in_base_36(mut bytes: [u8; RANDOM_BYTES]) -> String {
    bytes[0] &= u8::MAX >> (8 * RANDOM_BYTES - RANDOM_BITS);
    let mut digits = Vec::with_capacity(RANDOM_CHARS_MAX);
    while bytes.iter().any(|it| *it != 0) {
        let mut rest = 0;
        for byte in &mut bytes {
            let dividend = rest << 8 | u32::from(*byte);
            *byte = (dividend / 36) as u8;
            rest = dividend % 36;
        }
        digits.push(char::from_digit(rest, 36).expect("less than 36"));
    }
    digits.iter().rev().collect()
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

/// Kafka's `Utils.isEqualConstantTime`: what is compared are two tags under a key of the moment, so
/// that the time tells nothing about the bytes themselves.
pub(super) fn is_equal_constant_time(one: &[u8], other: &[u8]) -> bool {
    let Ok(key) = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()) else {
        return false;
    };
    hmac::verify(&key, one, hmac::sign(&key, other).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// What a client and a broker say to each other in an example of an RFC.
    struct Example {
        mechanism: ScramMechanism,
        bare: &'static str,
        server_first: &'static str,
        without_proof: &'static str,
        salt: &'static str,
        proof: &'static str,
        signature: &'static str,
    }

    fn check(example: &Example) {
        let formatter = ScramFormatter::new(example.mechanism);
        let salt = STANDARD.decode(example.salt).unwrap();
        let salted = formatter.salted_password("pencil", &salt, NonZeroU32::new(4096).unwrap());
        let auth_message = [example.bare, example.server_first, example.without_proof].join(",");
        let proof = formatter.client_proof(&salted, auth_message.as_bytes());
        assert_eq!(STANDARD.encode(&proof), example.proof);
        let credential = formatter.credential_of(&salted, salt, 4096);
        let signature = formatter.server_signature(&credential.server_key, auth_message.as_bytes());
        assert_eq!(STANDARD.encode(signature), example.signature);
        assert!(formatter.verifies(&credential, auth_message.as_bytes(), &proof));
        assert!(!formatter.verifies(&credential, b"another exchange", &proof));
        for wrong in [&proof[1..], &[&proof[..], b"x"].concat(), b""] {
            assert!(!formatter.verifies(&credential, auth_message.as_bytes(), wrong));
        }
    }

    /// Port of `ScramFormatterTest.rfc7677Example`.
    #[test]
    fn the_example_of_rfc_7677_comes_out() {
        check(&Example {
            mechanism: ScramMechanism::ScramSha256,
            bare: "n=user,r=rOprNGfwEbeRWgbNEkqO",
            server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                           s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            without_proof: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
            proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            signature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        });
        assert_eq!(ScramMechanism::ScramSha256.min_iterations(), 4096);
    }

    /// The RFCs have none for SHA-512: this is the same exchange by Kafka's own classes.
    #[test]
    fn an_example_that_kafka_has_computed_comes_out() {
        check(&Example {
            mechanism: ScramMechanism::ScramSha512,
            bare: "n=user,r=rOprNGfwEbeRWgbNEkqO",
            server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                           s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            without_proof: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
            proof: "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTx\
                    wnYPJQ==",
            signature: "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199R\
                        VG2rR7N7Zw==",
        });
    }

    /// Port of `ScramFormatterTest.saslName`.
    #[test]
    fn a_name_is_written_without_commas_and_reads_back() {
        let names =
            ["user1", "123", "1,2", "user=A", "user==B", "user,1", "user 1", ",", "=", "=2C"];
        for name in names {
            let sasl_name = ScramFormatter::sasl_name(name);
            assert!(!sasl_name.contains(','), "{sasl_name}");
            assert!(!sasl_name.replace("=2C", "").replace("=3D", "").contains('='), "{sasl_name}");
            assert_eq!(ScramFormatter::username(&sasl_name), name);
        }
    }

    #[test]
    fn a_nonce_is_130_bits_in_base_36_and_never_comes_twice() {
        let formatter = ScramFormatter::new(ScramMechanism::ScramSha512);
        let nonces = [(); 2].map(|()| formatter.secure_random_string().unwrap());
        assert!(nonces[0] != nonces[1]);
        for nonce in nonces {
            // Shorter ones are rarer than 1 in 10^7.
            assert!((22..=RANDOM_CHARS_MAX).contains(&nonce.len()), "{nonce}");
            assert!(nonce.chars().all(|it| it.is_ascii_digit() || it.is_ascii_lowercase()));
        }
        // As Java has it: BigInteger.ONE.shiftLeft(130).subtract(BigInteger.ONE).toString(36).
        assert_eq!(in_base_36([u8::MAX; RANDOM_BYTES]), "1omfro7zwmumr3umxudzyj6scf");
        assert_eq!(in_base_36(*b"\xfc\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x24"), "84");
    }
}
