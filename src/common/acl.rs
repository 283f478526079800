//! Port of `org.apache.kafka.common.acl` and `common.resource`, with the numbers of the wire: what an
//! access control list is made of. Kafka 0.9 had `Acl`, `Operation` and `Resource` in
//! `kafka.security.auth`.

use std::fmt;
use std::net::IpAddr;

use crate::common::errors::Errors;
use crate::common::kafka_principal::KafkaPrincipal;

/// As a principal's name, a host or a resource's name: all of them.
pub const WILDCARD: &str = "*";
/// The only resource of type [`ResourceType::Cluster`].
pub const CLUSTER_NAME: &str = "kafka-cluster";

/// Declares an enum whose numbers travel on the wire, and its lookups by number and by name. None of them
/// finds `Unknown`, which only the records of a cluster can hold.
macro_rules! wire_enum {
    ($(#[$meta:meta])* enum $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i8)]
        pub enum $name {
            /// What a later release has written, and this one has no name for.
            Unknown = 0,
            $($(#[$doc])* $variant = $code,)+
        }

        impl $name {
            /// In ascending order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn code(self) -> i8 {
                self as i8
            }

            /// The variant with this number on the wire, if there is one.
            pub fn for_code(code: i8) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.code() == code)
            }

            /// The variant that a record of the cluster means: Kafka's `fromCode`.
            pub fn of_record(code: i8) -> Self {
                Self::for_code(code).unwrap_or(Self::Unknown)
            }

            /// The variant that is displayed as `name`.
            pub fn for_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.name() == name)
            }

            /// The name in Kafka's tools and files.
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Unknown => "Unknown",
                    $(Self::$variant => stringify!($variant),)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

wire_enum! {
    /// What is done with a resource: Kafka's `AclOperation`.
    enum Operation {
        /// In a filter: any operation.
        Any = 1,
        /// In an ACL: every operation.
        All = 2,
        /// Fetch messages, join a group.
        Read = 3,
        /// Produce messages.
        Write = 4,
        /// Create topics.
        Create = 5,
        /// Delete topics, records, groups and offsets.
        Delete = 6,
        /// Add partitions to a topic; change ACLs.
        Alter = 7,
        /// See that something exists, and what it looks like.
        Describe = 8,
        /// Act as another broker of the cluster.
        ClusterAction = 9,
        /// Read settings.
        DescribeConfigs = 10,
        /// Change settings.
        AlterConfigs = 11,
        /// Produce idempotently.
        IdempotentWrite = 12,
        /// Create delegation tokens for a user. Accepted from the tools, never checked here.
        CreateTokens = 13,
        /// See a user's delegation tokens. Accepted from the tools, never checked here.
        DescribeTokens = 14,
        /// Commit a transaction in two phases. Accepted from the tools, never checked here.
        TwoPhaseCommit = 15,
    }
}

wire_enum! {
    /// Whether an ACL grants or denies: Kafka's `AclPermissionType`.
    enum PermissionType {
        /// In a filter: either.
        Any = 1,
        /// Deny, whatever another ACL allows.
        Deny = 2,
        /// Grant.
        Allow = 3,
    }
}

wire_enum! {
    /// The kinds of resources that have ACLs.
    enum ResourceType {
        /// In a filter: any kind.
        Any = 1,
        Topic = 2,
        Group = 3,
        /// The cluster as a whole; its only name is [`CLUSTER_NAME`].
        Cluster = 4,
        TransactionalId = 5,
        /// Accepted from the tools, never checked here.
        DelegationToken = 6,
        /// A user for whom tokens are created. Accepted from the tools, never checked here.
        User = 7,
    }
}

wire_enum! {
    /// How the name in an ACL is matched.
    enum PatternType {
        /// In a filter: either way.
        Any = 1,
        /// In a filter: either way, if the pattern covers the filter's name.
        Match = 2,
        /// Exactly this name; [`WILDCARD`] is every name.
        Literal = 3,
        /// Every name that begins with it.
        Prefixed = 4,
    }
}

impl ResourceType {
    /// The operations that apply to this type: Kafka's `AclEntry.supportedOperations`.
    pub const fn supported_operations(self) -> &'static [Operation] {
        use Operation as It;
        match self {
            Self::Unknown | Self::Any => &[],
            Self::Topic => &[
                It::Read,
                It::Write,
                It::Create,
                It::Delete,
                It::Alter,
                It::Describe,
                It::DescribeConfigs,
                It::AlterConfigs,
            ],
            Self::Group => &[It::Read, It::Delete, It::Describe],
            Self::Cluster => &[
                It::Create,
                It::Alter,
                It::Describe,
                It::ClusterAction,
                It::DescribeConfigs,
                It::AlterConfigs,
                It::IdempotentWrite,
            ],
            Self::TransactionalId => &[It::Write, It::Describe],
            Self::DelegationToken => &[It::Describe],
            Self::User => &[It::CreateTokens, It::DescribeTokens],
        }
    }

    /// The error for a client without the right to a resource of this type.
    pub const fn authorization_failed(self) -> Errors {
        match self {
            Self::Topic => Errors::TopicAuthorizationFailed,
            Self::Group => Errors::GroupAuthorizationFailed,
            Self::TransactionalId => Errors::TransactionalIdAuthorizationFailed,
            Self::Unknown | Self::Any | Self::Cluster | Self::DelegationToken | Self::User => {
                Errors::ClusterAuthorizationFailed
            }
        }
    }
}

/// One resource that a client wants to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource<'a> {
    pub resource_type: ResourceType,
    pub name: &'a str,
}

impl<'a> Resource<'a> {
    pub const CLUSTER: Resource<'static> =
        Resource { resource_type: ResourceType::Cluster, name: CLUSTER_NAME };

    pub const fn topic(name: &'a str) -> Self {
        Self { resource_type: ResourceType::Topic, name }
    }

    pub const fn group(name: &'a str) -> Self {
        Self { resource_type: ResourceType::Group, name }
    }

    pub const fn transactional_id(name: &'a str) -> Self {
        Self { resource_type: ResourceType::TransactionalId, name }
    }
}

/// The resources that an ACL covers: Kafka's `ResourcePattern`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourcePattern {
    pub resource_type: ResourceType,
    /// [`PatternType::Literal`] or [`PatternType::Prefixed`].
    pub pattern_type: PatternType,
    /// A name, the beginning of names, or [`WILDCARD`].
    pub name: String,
}

/// Grants or denies somebody an operation: Kafka's `Acl`, later `AccessControlEntry`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Acl {
    /// For example `User:alice`; `User:*` is everybody.
    pub principal: String,
    /// The address it applies to; [`WILDCARD`] is every address.
    pub host: String,
    pub operation: Operation,
    pub permission_type: PermissionType,
}

impl Acl {
    /// Checks that the ACL can ever apply to a client. Kafka takes any host and compares it as text:
    /// there a denial for a network or a host name looks active and protects nothing.
    ///
    /// # Errors
    /// A sentence: what is wrong with the principal or the host, and what is allowed.
    pub fn check_whose(&self) -> Result<(), String> {
        let Self { principal, host, .. } = self;
        if KafkaPrincipal::parse(principal).is_none() {
            return Err(format!("the principal {principal:?} is not written as User:name"));
        }
        if host != WILDCARD && host.parse::<IpAddr>().is_err() {
            return Err(format!(
                "the host {host:?} is neither * nor one IP address; \
                 names and networks are not known here"
            ));
        }
        Ok(())
    }
}

/// An ACL and the resources that it covers: Kafka's `AclBinding`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AclBinding {
    pub pattern: ResourcePattern,
    pub acl: Acl,
}

impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResourcePattern { resource_type, pattern_type, name } = &self.pattern;
        let Acl { principal, host, operation, permission_type } = &self.acl;
        write!(f, "{resource_type}:{pattern_type}:{name}: ")?;
        write!(f, "{principal} has {permission_type} {operation} from {host}")
    }
}

/// Selects ACLs: Kafka's `AclBindingFilter`. A field that is `None` or `Any` matches everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclBindingFilter {
    pub resource_type: ResourceType,
    pub pattern_type: PatternType,
    /// The name as it stands in the ACL, unless `pattern_type` is [`PatternType::Match`].
    pub name: Option<String>,
    pub principal: Option<String>,
    pub host: Option<String>,
    pub operation: Operation,
    pub permission_type: PermissionType,
}

impl AclBindingFilter {
    pub const ANY: Self = Self {
        resource_type: ResourceType::Any,
        pattern_type: PatternType::Any,
        name: None,
        principal: None,
        host: None,
        operation: Operation::Any,
        permission_type: PermissionType::Any,
    };

    pub fn matches(&self, binding: &AclBinding) -> bool {
        let is = |wanted: &Option<String>, it: &str| wanted.as_ref().is_none_or(|name| name == it);
        let AclBinding { pattern, acl } = binding;
        self.matches_pattern(pattern)
            && is(&self.principal, &acl.principal)
            && is(&self.host, &acl.host)
            && (self.operation == Operation::Any || self.operation == acl.operation)
            && (self.permission_type == PermissionType::Any
                || self.permission_type == acl.permission_type)
    }

    fn matches_pattern(&self, pattern: &ResourcePattern) -> bool {
        if self.resource_type != ResourceType::Any && self.resource_type != pattern.resource_type {
            return false;
        }
        let Some(name) = &self.name else {
            return matches!(self.pattern_type, PatternType::Any | PatternType::Match)
                || self.pattern_type == pattern.pattern_type;
        };
        match (self.pattern_type, pattern.pattern_type) {
            (PatternType::Match, PatternType::Prefixed) => name.starts_with(&pattern.name),
            (PatternType::Match, _) => *name == pattern.name || pattern.name == WILDCARD,
            (PatternType::Any, _) => *name == pattern.name,
            (wanted, it) => wanted == it && *name == pattern.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(pattern_type: PatternType, name: &str) -> AclBinding {
        let name = name.to_string();
        AclBinding {
            pattern: ResourcePattern { resource_type: ResourceType::Topic, pattern_type, name },
            acl: Acl {
                principal: "User:alice".to_string(),
                host: "10.0.0.1".to_string(),
                operation: Operation::Read,
                permission_type: PermissionType::Allow,
            },
        }
    }

    #[test]
    fn numbers_and_names_lead_back_to_what_they_stand_for() {
        for &it in Operation::ALL {
            assert_eq!(Operation::for_code(it.code()), Some(it));
            assert_eq!(Operation::for_name(it.name()), Some(it));
        }
        assert_eq!((Operation::for_code(0), Operation::for_name("Unknown")), (None, None));
        assert_eq!(Operation::of_record(16), Operation::Unknown);
        assert_eq!(Operation::of_record(3), Operation::Read);
        assert_eq!(ResourceType::for_code(-1), None);
        assert_eq!(PatternType::for_name("literal"), None);
        assert_eq!(PermissionType::Allow.code(), 3);
        assert_eq!((ResourceType::User.code(), Operation::DescribeTokens.code()), (7, 14));
    }

    #[test]
    fn a_filter_of_nothing_finds_every_acl() {
        assert!(AclBindingFilter::ANY.matches(&binding(PatternType::Literal, "a")));
        assert!(AclBindingFilter::ANY.matches(&binding(PatternType::Prefixed, "a")));
        let matching =
            AclBindingFilter { pattern_type: PatternType::Match, ..AclBindingFilter::ANY };
        assert!(matching.matches(&binding(PatternType::Prefixed, "a")));
    }

    #[test]
    fn each_field_of_a_filter_narrows_what_it_finds() {
        let it = binding(PatternType::Literal, "a");
        let text = |text: &str| Some(text.to_string());
        for (filter, is_found) in [
            (AclBindingFilter { principal: text("User:alice"), ..AclBindingFilter::ANY }, true),
            (AclBindingFilter { principal: text("User:*"), ..AclBindingFilter::ANY }, false),
            (AclBindingFilter { host: text("10.0.0.1"), ..AclBindingFilter::ANY }, true),
            (AclBindingFilter { host: text("*"), ..AclBindingFilter::ANY }, false),
            (AclBindingFilter { operation: Operation::Read, ..AclBindingFilter::ANY }, true),
            (AclBindingFilter { operation: Operation::All, ..AclBindingFilter::ANY }, false),
            (
                AclBindingFilter { permission_type: PermissionType::Deny, ..AclBindingFilter::ANY },
                false,
            ),
            (
                AclBindingFilter { resource_type: ResourceType::Group, ..AclBindingFilter::ANY },
                false,
            ),
            (
                AclBindingFilter { pattern_type: PatternType::Prefixed, ..AclBindingFilter::ANY },
                false,
            ),
            (AclBindingFilter { name: text("b"), ..AclBindingFilter::ANY }, false),
        ] {
            assert_eq!(filter.matches(&it), is_found, "{filter:?}");
        }
    }

    /// Port of `ResourcePatternFilterTest.shouldMatchWildcardIfExactMatch`.
    #[test]
    fn a_name_is_looked_for_as_it_stands_or_as_what_it_covers() {
        use PatternType::{Any, Literal, Match, Prefixed};
        for (wanted, name, it, its_name, is_found) in [
            (Literal, "*", Literal, "*", true),
            (Literal, "orders", Literal, "*", false),
            (Literal, "orders", Prefixed, "orders", false),
            (Prefixed, "ord", Prefixed, "ord", true),
            (Prefixed, "orders", Prefixed, "ord", false),
            (Any, "orders", Prefixed, "orders", true),
            (Any, "orders", Literal, "*", false),
            (Match, "orders", Literal, "orders", true),
            (Match, "orders", Literal, "*", true),
            (Match, "orders", Prefixed, "ord", true),
            (Match, "ord", Prefixed, "orders", false),
            (Match, "ord", Literal, "orders", false),
        ] {
            let filter = AclBindingFilter {
                pattern_type: wanted,
                name: Some(name.to_string()),
                ..AclBindingFilter::ANY
            };
            let found = filter.matches(&binding(it, its_name));
            assert_eq!(found, is_found, "{wanted} {name} and {it} {its_name}");
        }
    }
}
