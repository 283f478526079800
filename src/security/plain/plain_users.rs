//! Port of `org.apache.kafka.common.security.plain.internals.PlainServerCallbackHandler`: the users of
//! PLAIN, who stand in the settings.

use std::collections::HashMap;
use std::fmt;

use ring::error::Unspecified;
use ring::hmac;
use ring::rand::SystemRandom;

use crate::security::auth::jaas_config::JaasEntry;

/// What stands before the name of a user among the options of the login module. The module's
/// `username` and `password` are those of the broker as a client, and make no user.
const USER_PREFIX: &str = "user_";

/// The users and their passwords. Names are compared byte by byte: two that differ in case, in a blank
/// or in their Unicode form are two users.
///
/// It keeps no password, but the code that one yields under a key that dies with the process. To compare
/// two codes takes the same time wherever they differ, and however long the passwords are.
pub struct PlainUsers {
    key: hmac::Key,
    code_of: HashMap<String, hmac::Tag>,
    /// Compared with in place of an unknown user's, so that to find nobody costs what to find
    /// somebody does.
    code_of_nobody: hmac::Tag,
    #[cfg(test)]
    comparisons: std::sync::atomic::AtomicUsize,
}

impl PlainUsers {
    /// Those of the login module.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn of(entry: &JaasEntry) -> Result<Self, Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        let users = entry.options_with_prefix(USER_PREFIX);
        let code_of = users
            .map(|(user, password)| (user.to_string(), hmac::sign(&key, password.as_bytes())))
            .collect();
        Ok(Self {
            code_of_nobody: hmac::sign(&key, b""),
            key,
            code_of,
            #[cfg(test)]
            comparisons: Default::default(),
        })
    }

    /// Whether nobody can log in.
    pub fn is_empty(&self) -> bool {
        self.code_of.is_empty()
    }

    /// Whether there is a user of this name.
    pub fn contains(&self, user: &str) -> bool {
        self.code_of.contains_key(user)
    }

    /// Whether there is a user of this name, and the password is theirs.
    pub fn authenticate(&self, user: &str, password: &str) -> bool {
        let known = self.code_of.get(user);
        let is_theirs = self.is_code_of(password, known.unwrap_or(&self.code_of_nobody));
        is_theirs & known.is_some()
    }

    fn is_code_of(&self, password: &str, code: &hmac::Tag) -> bool {
        #[cfg(test)]
        self.comparisons.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        hmac::verify(&self.key, password.as_bytes(), code.as_ref()).is_ok()
    }
}

/// Without the users: their names are nobody's business either.
impl fmt::Debug for PlainUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} users", self.code_of.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::atomic::Ordering;

    fn users(options: &str) -> PlainUsers {
        let class = "org.apache.kafka.common.security.plain.PlainLoginModule";
        let entry = JaasEntry::parse(&format!("{class} required {options};")).unwrap();
        PlainUsers::of(&entry).unwrap()
    }

    #[test]
    fn names_that_look_alike_are_different_users() {
        let names = ["alice", "Alice", "alice ", " alice", "\u{e9}ve", "e\u{301}ve"];
        let option = |name: &&str| format!("\"user_{name}\"=\"pw of {name}\" ");
        let users = users(&names.iter().map(option).collect::<String>());
        for name in names {
            for other in names {
                let is_theirs = users.authenticate(name, &format!("pw of {other}"));
                assert_eq!(is_theirs, name == other, "{name:?} {other:?}");
            }
        }
    }

    /// Counted, not timed.
    #[test]
    fn an_unknown_user_costs_what_a_wrong_password_costs() {
        let users = users("user_alice=\"a\"");
        let mut costs = Vec::new();
        for (user, password) in [("alice", "a"), ("alice", "b"), ("bob", "a"), ("bob", "")] {
            let before = users.comparisons.load(Ordering::Relaxed);
            assert_eq!(users.authenticate(user, password), (user, password) == ("alice", "a"));
            costs.push(users.comparisons.load(Ordering::Relaxed) - before);
        }
        assert_eq!(costs, [1; 4]);
    }

    #[test]
    fn the_name_and_the_password_of_the_broker_itself_make_no_user() {
        let users = users("username=\"admin\" password=\"secret\"");
        assert!(!users.authenticate("admin", "secret") && !users.authenticate("name", "admin"));
        assert!(users.is_empty());
    }

    #[test]
    fn of_two_passwords_the_last_one_counts() {
        let users = users("user_a=\"x\" user_a=\"y\"");
        assert!(users.authenticate("a", "y") && !users.authenticate("a", "x"));
    }

    #[test]
    fn nothing_of_the_users_is_shown() {
        assert_eq!(format!("{:?}", users("user_alice=\"secret\"")), "1 users");
    }
}
