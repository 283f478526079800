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
//! The fields are the kind of thing, how the name is meant, the name, the principal, the host, the
//! operation, the permission. In the three names `%`, `=` and everything that is not printable ASCII
//! stands as `%` and two hexadecimal digits.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::common::errors::KafkaError;
use crate::server::authorizer::Acl;
use crate::server::authorizer::AclBinding;
use crate::server::authorizer::Operation;
use crate::server::authorizer::PatternType;
use crate::server::authorizer::PermissionType;
use crate::server::authorizer::ResourcePattern;
use crate::server::authorizer::ResourceType;
use crate::storage::escaped_text::push_escaped;
use crate::storage::escaped_text::unescape;
use crate::storage::log_files::{failed, write_atomically};

/// The file of the ACLs, in the first log directory.
pub const ACL_FILE: &str = "acls";

const CURRENT_VERSION: &str = "0";

/// Said of a file that cannot be read: without its ACLs the broker would either open or close
/// everything, and must not choose.
const WHAT_TO_DO: &str = "mend the line, or put back a copy of the file; \
                          the broker does not start without its ACLs";

/// The file of the ACLs.
#[derive(Debug)]
pub struct AclStore {
    path: PathBuf,
}

impl AclStore {
    /// Opens the file in the directory `dir`, or makes one without an ACL, and reads it.
    ///
    /// # Errors
    /// `Corrupt` if the file is no list of ACLs; whatever the operating system reports, with the
    /// path.
    pub fn open_in(dir: &Path) -> Result<(Self, BTreeSet<AclBinding>), KafkaError> {
        let store = Self { path: dir.join(ACL_FILE) };
        let acls = match fs::read(&store.path) {
            Ok(bytes) => parse(&bytes, &store.path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                store.write(&BTreeSet::new())?;
                BTreeSet::new()
            }
            Err(error) => return Err(failed("read", &store.path)(error).into()),
        };
        Ok((store, acls))
    }

    /// Replaces what the file holds; it is on disk when this returns.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn write(&self, acls: &BTreeSet<AclBinding>) -> io::Result<()> {
        write_atomically(&self.path, &print(acls))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn print(acls: &BTreeSet<AclBinding>) -> String {
    let mut text = format!("{CURRENT_VERSION}\n{}\n", acls.len());
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

fn parse(bytes: &[u8], path: &Path) -> Result<BTreeSet<AclBinding>, KafkaError> {
    let corrupt = |position: usize, why: String| KafkaError::Corrupt {
        file: path.to_path_buf(),
        position: position as u64,
        why: format!("{why}; {WHAT_TO_DO}"),
    };
    let text = std::str::from_utf8(bytes)
        .map_err(|error| corrupt(error.valid_up_to(), "it is no text".to_string()))?;
    let position_of =
        |line_number: usize| text.split_inclusive('\n').take(line_number).map(str::len).sum();
    let wrong = |line_number: usize, why: String| {
        corrupt(position_of(line_number), format!("line {}: {why}", line_number + 1))
    };
    let mut lines = text.lines();
    let version = lines.next().unwrap_or_default();
    if version != CURRENT_VERSION {
        return Err(wrong(0, format!("version {version:?} of the list of ACLs is not known")));
    }
    let count = lines.next().and_then(|line| line.parse::<usize>().ok());
    let count = count.ok_or_else(|| wrong(1, "the number of ACLs is missing".to_string()))?;
    let mut acls = BTreeSet::new();
    for (index, line) in lines.enumerate() {
        let binding =
            parse_binding(line).ok_or_else(|| wrong(index + 2, format!("{line:?} is no ACL")))?;
        acls.insert(binding);
    }
    if acls.len() != count {
        return Err(wrong(1, format!("{count} ACLs were announced and {} came", acls.len())));
    }
    Ok(acls)
}

fn parse_binding(line: &str) -> Option<AclBinding> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [resource_type, pattern_type, name, principal, host, operation, permission_type] =
        fields.try_into().ok()?;
    let pattern = ResourcePattern {
        resource_type: ResourceType::for_name(resource_type)
            .filter(|it| *it != ResourceType::Any)?,
        pattern_type: PatternType::for_name(pattern_type)
            .filter(|it| matches!(it, PatternType::Literal | PatternType::Prefixed))?,
        name: unescape(name)?,
    };
    let acl = Acl {
        principal: unescape(principal)?,
        host: unescape(host)?,
        operation: Operation::for_name(operation).filter(|it| *it != Operation::Any)?,
        permission_type: PermissionType::for_name(permission_type)
            .filter(|it| *it != PermissionType::Any)?,
    };
    Some(AclBinding { pattern, acl })
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
        assert_eq!(parse(print(&acls).as_bytes(), Path::new("acls")).unwrap(), acls);
    }

    #[test]
    fn what_is_no_list_of_acls_is_told_with_place_reason_and_advice() {
        let line = "Topic Literal t User:a * Read Allow\n";
        assert_eq!(parse(format!("0\n1\n{line}").as_bytes(), Path::new("acls")).unwrap().len(), 1);
        for (text, why) in [
            (String::new(), "position 0: line 1: version"),
            (format!("1\n1\n{line}"), "version \"1\""),
            ("0\n".to_string(), "number of ACLs"),
            (format!("0\n2\n{line}"), "2 ACLs were announced and 1 came"),
            (format!("0\n1\n{line}{line}x\n"), "line 5: \"x\" is no ACL"),
            ("0\n1\nTopic Any t User:a * Read Allow\n".to_string(), "is no ACL"),
            ("0\n1\nTopic Literal t User:a * Any Allow\n".to_string(), "is no ACL"),
            ("0\n1\nTopic Literal %f User:a * Read Allow\n".to_string(), "position 4: line 3"),
            ("0\n1\nTopic Literal t User:a * Read Allow \n".to_string(), "is no ACL"),
        ] {
            let error = parse(text.as_bytes(), Path::new("acls")).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("put back a copy"), "{error}");
        }
        let error = parse(b"0\n1\n\xff\n", Path::new("acls")).unwrap_err().to_string();
        assert!(error.contains("position 4: it is no text"), "{error}");
    }
}
