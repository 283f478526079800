//! Port of `kafka.security.auth.Authorizer`, `Acl`, `Operation` and `Resource`: who may do what with
//! what. The numbers are those of `org.apache.kafka.common.acl` and `common.resource`.

use std::fmt;
use std::net::IpAddr;

use crate::common::errors::{Errors, KafkaError};
use crate::common::kafka_principal::KafkaPrincipal;

/// In the place of a principal's name, a host or a resource's name: all of them.
pub const WILDCARD: &str = "*";
/// The name of the only resource of type [`ResourceType::Cluster`].
pub const CLUSTER_NAME: &str = "kafka-cluster";

/// Writes an enum whose numbers travel on the wire, and the ways from number and name to it.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i8)]
        pub enum $name { $($(#[$doc])* $variant = $code,)+ }

        impl $name {
            /// All of them, by ascending number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The number on the wire.
            pub const fn code(self) -> i8 {
                self as i8
            }

            /// What has this number, if it is known here.
            pub fn for_code(code: i8) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.code() == code)
            }

            /// What has this name, as it is displayed.
            pub fn for_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.name() == name)
            }

            /// Its name in Kafka.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
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
    Operation {
        /// In a filter: any operation.
        Any = 1,
        /// In an ACL: every operation.
        All = 2,
        /// Fetches messages, or takes part in a group.
        Read = 3,
        /// Produces messages.
        Write = 4,
        /// Creates topics.
        Create = 5,
        /// Deletes topics, records, groups and offsets.
        Delete = 6,
        /// Adds partitions to a topic; changes ACLs.
        Alter = 7,
        /// Learns that something exists, and what it looks like.
        Describe = 8,
        /// Speaks as another broker does.
        ClusterAction = 9,
        /// Reads settings.
        DescribeConfigs = 10,
        /// Changes settings.
        AlterConfigs = 11,
        /// Produces with a sequence.
        IdempotentWrite = 12,
        /// Makes delegation tokens for a user: kept for the tools, asked by nobody here.
        CreateTokens = 13,
        /// Sees the delegation tokens of a user: kept for the tools, asked by nobody here.
        DescribeTokens = 14,
    }
}

wire_enum! {
    /// Whether an ACL gives or takes: Kafka's `AclPermissionType`.
    PermissionType {
        /// In a filter: either.
        Any = 1,
        /// Takes, whatever another ACL gives.
        Deny = 2,
        /// Gives.
        Allow = 3,
    }
}

wire_enum! {
    /// The kinds of things that have ACLs.
    ResourceType {
        /// In a filter: any kind.
        Any = 1,
        /// A topic.
        Topic = 2,
        /// A consumer group.
        Group = 3,
        /// The cluster, which is this broker.
        Cluster = 4,
        /// The name of a transactional producer.
        TransactionalId = 5,
        /// A delegation token: kept for the tools, asked by nobody here.
        DelegationToken = 6,
        /// A user for whom tokens are made: kept for the tools, asked by nobody here.
        User = 7,
    }
}

wire_enum! {
    /// How the name in an ACL is meant.
    PatternType {
        /// In a filter: in whichever way.
        Any = 1,
        /// In a filter: in whichever way, if it covers the name that the filter gives.
        Match = 2,
        /// The name itself; `*` is every name.
        Literal = 3,
        /// The beginning of names.
        Prefixed = 4,
    }
}

impl ResourceType {
    /// What can be done with a thing of this kind: Kafka's `AclEntry.supportedOperations`.
    pub const fn supported_operations(self) -> &'static [Operation] {
        use Operation as It;
        match self {
            Self::Any => &[],
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

    /// The error for a client that has no right to a thing of this kind.
    pub const fn authorization_failed(self) -> Errors {
        match self {
            Self::Topic => Errors::TopicAuthorizationFailed,
            Self::Group => Errors::GroupAuthorizationFailed,
            Self::TransactionalId => Errors::TransactionalIdAuthorizationFailed,
            Self::Any | Self::Cluster | Self::DelegationToken | Self::User => {
                Errors::ClusterAuthorizationFailed
            }
        }
    }
}

/// One thing that a client wants to do something with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource<'a> {
    /// Its kind.
    pub resource_type: ResourceType,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Resource<'a> {
    /// The cluster, which is this broker.
    pub const CLUSTER: Resource<'static> =
        Resource { resource_type: ResourceType::Cluster, name: CLUSTER_NAME };

    /// The topic of this name.
    pub const fn topic(name: &'a str) -> Self {
        Self { resource_type: ResourceType::Topic, name }
    }

    /// The consumer group of this name.
    pub const fn group(name: &'a str) -> Self {
        Self { resource_type: ResourceType::Group, name }
    }

    /// The transactional id of this name.
    pub const fn transactional_id(name: &'a str) -> Self {
        Self { resource_type: ResourceType::TransactionalId, name }
    }
}

/// The things that an ACL is about: Kafka's `ResourcePattern`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourcePattern {
    /// Their kind.
    pub resource_type: ResourceType,
    /// How the name is meant: [`PatternType::Literal`] or [`PatternType::Prefixed`].
    pub pattern_type: PatternType,
    /// Their name, its beginning, or [`WILDCARD`].
    pub name: String,
}

/// A right that is given to somebody, or taken: Kafka's `Acl`, later `AccessControlEntry`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Acl {
    /// Whose it is, for example `User:alice`; `User:*` is everybody.
    pub principal: String,
    /// The address that he must act from; [`WILDCARD`] is every one.
    pub host: String,
    /// What he does.
    pub operation: Operation,
    /// Whether he may.
    pub permission_type: PermissionType,
}

impl Acl {
    /// Whether it can ever hold for somebody. Kafka takes any host, and compares it as a text: a
    /// denial for a network or a host name reads as active there and protects nothing.
    ///
    /// # Errors
    /// What is wrong with the principal or the host, and what may stand there, as a sentence.
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

/// An ACL with what it is about: Kafka's `AclBinding`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AclBinding {
    /// What it is about.
    pub pattern: ResourcePattern,
    /// The right.
    pub acl: Acl,
}

/// What ACLs have in common that are looked for: Kafka's `AclBindingFilter`. What is `None` or `Any`
/// may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclBindingFilter {
    /// The kind of things.
    pub resource_type: ResourceType,
    /// How the name is meant.
    pub pattern_type: PatternType,
    /// The name, as it stands in the ACL unless `pattern_type` is [`PatternType::Match`].
    pub name: Option<String>,
    /// Whose it is.
    pub principal: Option<String>,
    /// The address that he acts from.
    pub host: Option<String>,
    /// What he does.
    pub operation: Operation,
    /// Whether he may.
    pub permission_type: PermissionType,
}

impl AclBindingFilter {
    /// Every ACL.
    pub const ANY: Self = Self {
        resource_type: ResourceType::Any,
        pattern_type: PatternType::Any,
        name: None,
        principal: None,
        host: None,
        operation: Operation::Any,
        permission_type: PermissionType::Any,
    };

    /// Whether the ACL is one of those that are looked for.
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

/// Decides who may do what. The broker asks it before it does anything for a client; a user of the
/// library may bring one of his own.
///
/// It is asked by several threads at once, and must not take long.
pub trait Authorizer: Send + Sync {
    /// Whether `principal`, who acts from the address `host`, may do this with this one thing.
    fn authorize(
        &self,
        principal: &KafkaPrincipal,
        host: IpAddr,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool;

    /// Whether he may do it with at least one thing of this kind, whatever its name.
    fn authorize_by_resource_type(
        &self,
        principal: &KafkaPrincipal,
        host: IpAddr,
        operation: Operation,
        resource_type: ResourceType,
    ) -> bool;

    /// Adds ACLs, which hold from then on, also after a restart. One that is there stays.
    ///
    /// # Errors
    /// Whatever the disk reports, and then nothing is added.
    fn add_acls(&self, bindings: Vec<AclBinding>) -> Result<(), KafkaError>;

    /// Takes away every ACL that matches one of the filters, and returns those of each filter. One
    /// that several filters match stands with the first.
    ///
    /// # Errors
    /// Whatever the disk reports, and then all of them still hold.
    fn remove_acls(&self, filters: &[AclBindingFilter])
    -> Result<Vec<Vec<AclBinding>>, KafkaError>;

    /// The ACLs that match the filter, sorted.
    fn acls(&self, filter: &AclBindingFilter) -> Vec<AclBinding>;
}

impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResourcePattern { resource_type, pattern_type, name } = &self.pattern;
        let Acl { principal, host, operation, permission_type } = &self.acl;
        write!(f, "{resource_type}:{pattern_type}:{name}: ")?;
        write!(f, "{principal} has {permission_type} {operation} from {host}")
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
        assert_eq!(Operation::for_code(0), None);
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
