//! In the place of ZooKeeper's `/kafka-acl` (`kafka.security.auth.SimpleAclAuthorizer`): the ACLs in
//! a file of the first log directory.
//!
//! ```text
//! 0                                                 the version of the format
//! 2                                                 how many ACLs follow
//! Topic Literal orders User:ANONYMOUS 10.0.0.7 Read Allow
//! Group Prefixed shop- User:* * All Allow
//! ```
//!
//! The fields are the resource type, the pattern type, the name, the principal, the host, the
//! operation and the permission. The three names in the middle are [escaped](crate::registry::escaped_text).

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;

use crate::common::acl::{
    Acl, AclBinding, Operation, PatternType, PermissionType, ResourcePattern, ResourceType,
};
use crate::common::errors::KafkaError;
use crate::registry::escaped_text::{push_escaped, unescape};
use crate::registry::registry_file::{RegistryFile, list_head};
use crate::storage::files::checkpoint_file::CheckpointFile;

/// The file of the ACLs, in the first log directory.
pub const ACL_FILE: &str = "acls";

/// For a file that cannot be read: without its ACLs the broker would either allow or deny
/// everything, and must not choose.
const REMEDY: &str = "mend the line, or put back a copy of the file; \
                      the broker does not start without its ACLs";

/// What a line holds.
const FIELDS: &str = "7 words with one space between: resource type, pattern type, name, \
                      principal, host, operation, permission";

/// Words that only filters use.
const WORDS_OF_FILTERS: [&str; 2] = ["Any", "Match"];

/// The writer of the file. It keeps no ACLs in memory: they belong to the authorizer.
#[derive(Debug)]
pub struct AclRegistry {
    file: RegistryFile,
}

impl AclRegistry {
    /// Opens the file in the directory `dir`, or makes one without an ACL, and reads it.
    ///
    /// # Errors
    /// `Corrupt` if the file is no list of ACLs; whatever the operating system reports, with the
    /// path.
    pub fn open_in(dir: &Path) -> Result<(Self, BTreeSet<AclBinding>), KafkaError> {
        let file = RegistryFile::new(dir.join(ACL_FILE), REMEDY);
        let acls = match file.read(parse)? {
            Some(acls) => acls,
            None => {
                file.write(&print(&BTreeSet::new()))?;
                BTreeSet::new()
            }
        };
        Ok((Self { file }, acls))
    }

    /// Replaces the ACLs `before`, which the file holds, by `after`, which are on disk when this
    /// returns.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path; the file then still holds `before`.
    pub fn replace(
        &mut self,
        before: &BTreeSet<AclBinding>,
        after: &BTreeSet<AclBinding>,
    ) -> io::Result<()> {
        self.file.replace(&print(after), || print(before))
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

fn print(acls: &BTreeSet<AclBinding>) -> String {
    let mut text = list_head(acls.len());
    for AclBinding { pattern, acl } in acls {
        text.push_str(pattern.resource_type.name());
        text.push(' ');
        text.push_str(pattern.pattern_type.name());
        for name in [&pattern.name, &acl.principal, &acl.host] {
            text.push(' ');
            push_escaped(&mut text, name);
        }
        for name in [acl.operation.name(), acl.permission_type.name()] {
            text.push(' ');
            text.push_str(name);
        }
        text.push('\n');
    }
    text
}

fn parse(text: &str, path: &Path) -> Result<BTreeSet<AclBinding>, KafkaError> {
    let acls = CheckpointFile::read(text, path, "list of ACLs")?
        .entries("ACLs", |line| parse_binding(line).map(|binding| (binding, ())))?;
    Ok(acls.into_keys().collect())
}

/// The ACL on a line, or a sentence: which word is wrong, and what is allowed in its place.
fn parse_binding(line: &str) -> Result<AclBinding, String> {
    let words: Vec<&str> = line.split(' ').collect();
    let [resource_type, pattern_type, name, principal, host, operation, permission_type] =
        words[..]
    else {
        return Err(format!("{line:?} is {} and not {FIELDS}", words.len()));
    };
    let pattern = ResourcePattern {
        resource_type: one_of(
            ResourceType::ALL,
            ResourceType::for_name,
            "resource type",
            resource_type,
        )?,
        pattern_type: one_of(
            PatternType::ALL,
            PatternType::for_name,
            "pattern type",
            pattern_type,
        )?,
        name: unescaped("name", name)?,
    };
    let acl = Acl {
        principal: unescaped("principal", principal)?,
        host: unescaped("host", host)?,
        operation: one_of(Operation::ALL, Operation::for_name, "operation", operation)?,
        permission_type: one_of(
            PermissionType::ALL,
            PermissionType::for_name,
            "permission",
            permission_type,
        )?,
    };
    acl.check_whose()?;
    Ok(AclBinding { pattern, acl })
}

/// The variant that is called `word`, unless only filters use it.
fn one_of<T: Copy + fmt::Display>(
    all: &[T],
    for_name: fn(&str) -> Option<T>,
    field: &str,
    word: &str,
) -> Result<T, String> {
    let is_of_acls = |word: &str| !WORDS_OF_FILTERS.contains(&word);
    for_name(word).filter(|_| is_of_acls(word)).ok_or_else(|| {
        let allowed: Vec<_> =
            all.iter().map(ToString::to_string).filter(|it| is_of_acls(it)).collect();
        format!("the {field} {word:?} is none of {}", allowed.join(", "))
    })
}

fn unescaped(field: &str, word: &str) -> Result<String, String> {
    unescape(word).ok_or_else(|| {
        format!("the {field} {word:?} has a % without two hexadecimal digits of UTF-8 after it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(name: &str, principal: &str) -> AclBinding {
        AclBinding {
            pattern: ResourcePattern {
                resource_type: ResourceType::Group,
                pattern_type: PatternType::Prefixed,
                name: name.to_string(),
            },
            acl: Acl {
                principal: principal.to_string(),
                host: "fe80::1".to_string(),
                operation: Operation::All,
                permission_type: PermissionType::Deny,
            },
        }
    }

    #[test]
    fn any_name_reads_back_as_it_was_written() {
        let acls = BTreeSet::from([
            binding("*", "User:*"),
            binding("a b\nTopic", "User:CN=é,O=100%"),
            binding("", "User:"),
        ]);
        assert_eq!(parse(&print(&acls), Path::new("acls")).unwrap(), acls);
    }

    #[test]
    fn a_file_that_is_no_list_of_acls_is_reported_with_place_and_reason() {
        let line = "Topic Literal t User:a * Read Allow\n";
        assert_eq!(parse(&format!("0\n1\n{line}"), Path::new("acls")).unwrap().len(), 1);
        for (text, why) in [
            (String::new(), "position 0: line 1: unknown version"),
            (format!("1\n1\n{line}"), "version \"1\""),
            ("0\n".to_string(), "number of ACLs"),
            (format!("0\n2\n{line}"), "expected 2 ACLs, found 1"),
            (format!("0\n1\n{line}{line}x\n"), "line 5: \"x\" is 1 and not 7 words"),
            ("0\n1\nTopic Literal %f User:a * Read Allow\n".to_string(), "position 4: line 3"),
            (format!("0\n1\n{} \n", line.trim_end()), "is 8 and not 7 words"),
        ] {
            let error = parse(&text, Path::new("acls")).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_wrong_word_of_a_line_is_reported_with_its_field_and_the_allowed_words() {
        for (line, why) in [
            (
                "topic Literal t User:a * Read Allow",
                "resource type \"topic\" is none of Topic, Group, Cluster, TransactionalId, \
                 DelegationToken, User",
            ),
            ("Any Literal t User:a * Read Allow", "resource type \"Any\" is none of Topic"),
            ("Topic Any t User:a * Read Allow", "\"Any\" is none of Literal, Prefixed"),
            ("Topic Match t User:a * Read Allow", "pattern type \"Match\" is none of Literal"),
            ("Topic Literal %f User:a * Read Allow", "the name \"%f\" has a % without two"),
            ("Topic Literal t User:a * Rea Allow", "operation \"Rea\" is none of All, Read, Write"),
            ("Topic Literal t User:a * Any Allow", "operation \"Any\" is none of All, Read, Write"),
            ("Topic Literal t User:a * Read allow", "\"allow\" is none of Deny, Allow"),
        ] {
            let error = parse(&format!("0\n1\n{line}\n"), Path::new("acls"));
            let error = error.unwrap_err().to_string();
            assert!(error.contains("line 3: the ") && error.contains(why), "{error}");
        }
    }

    /// Such a line would read as if it protected something, and would never match.
    #[test]
    fn a_line_that_can_never_match_anybody_is_refused() {
        for (who, why) in [
            ("alice *", "the principal \"alice\" is not written as User:name"),
            (":alice *", "the principal \":alice\" is not"),
            ("User:a localhost", "the host \"localhost\" is neither * nor one IP address"),
            ("User:a 10.0.0.0/8", "the host \"10.0.0.0/8\" is neither"),
            ("User:a 10.0.0.*", "the host \"10.0.0.*\" is neither"),
            ("User:a 10.0.0.7:9092", "the host \"10.0.0.7:9092\" is neither"),
            ("User:a ", "the host \"\" is neither"),
        ] {
            let text = format!("0\n1\nTopic Literal t {who} Read Deny\n");
            let error = parse(&text, Path::new("acls")).unwrap_err().to_string();
            assert!(error.contains(&format!("line 3: {why}")), "{error}");
        }
        for host in ["*", "10.0.0.7", "fe80::1", "FE80:0::1", "::ffff:10.0.0.7"] {
            let text = format!("0\n1\nTopic Literal t User:a {host} Read Deny\n");
            assert_eq!(parse(&text, Path::new("acls")).unwrap().len(), 1, "{host}");
        }
    }
}
