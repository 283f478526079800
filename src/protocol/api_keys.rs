//! Port of `org.apache.kafka.common.protocol.ApiKeys`: which requests there are, and in which
//! versions.

use std::ops::RangeInclusive;

use crate::protocol::wire::types::Version;

/// Writes the enum and its tables from two tables: the APIs of this broker, and those that it hands on. The
/// first line over a row is the purpose of the API, the rest its clients.
macro_rules! api_keys {
    ($(
        #[doc = $purpose:literal]
        $(#[doc = $clients:literal])+
        $api:ident = $key:literal, versions $versions:expr, flexible from $flexible:expr
        $(, advertised $advertised:expr)?;
    )+
    forwarded:
    $(
        #[doc = $forwarded_purpose:literal]
        $(#[doc = $forwarded_clients:literal])+
        $forwarded:ident = $forwarded_key:literal, versions $forwarded_versions:expr,
        flexible from $forwarded_flexible:expr;
    )+) => {
        /// The APIs of this broker, and those of a controller that it only hands on: no others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        pub enum ApiKeys {
            $(
                #[doc = concat!("Key ", $key, ".", $purpose)]
                $api = $key,
            )+
            $(
                #[doc = concat!("Key ", $forwarded_key, ".", $forwarded_purpose)]
                $forwarded = $forwarded_key,
            )+
        }

        impl ApiKeys {
            /// Those that this broker answers itself, by ascending key.
            pub const ALL: &'static [ApiKeys] = &[$(ApiKeys::$api,)+];

            /// Those of which this broker reads the header alone: it hands them to the cluster's controller,
            /// and a cluster of one broker does not have them. By ascending key.
            pub const FORWARDED: &'static [ApiKeys] = &[$(ApiKeys::$forwarded,)+];

            /// Whether this broker reads no more than the header of such a request.
            pub const fn is_forwarded_only(self) -> bool {
                matches!(self, $(ApiKeys::$forwarded)|+)
            }

            /// Kafka's name of the API.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ApiKeys::$api => stringify!($api),)+
                    $(ApiKeys::$forwarded => stringify!($forwarded),)+
                }
            }

            /// In a sentence.
            pub const fn purpose(self) -> &'static str {
                match self {
                    $(ApiKeys::$api => $purpose.trim_ascii(),)+
                    $(ApiKeys::$forwarded => $forwarded_purpose.trim_ascii(),)+
                }
            }

            /// Which clients send it, and what they depend on.
            pub const fn clients(self) -> &'static str {
                match self {
                    $(ApiKeys::$api => concat!($($clients),+).trim_ascii(),)+
                    $(ApiKeys::$forwarded => concat!($($forwarded_clients),+).trim_ascii(),)+
                }
            }

            /// Those that are read and answered, or handed on.
            pub const fn versions(self) -> RangeInclusive<i16> {
                match self {
                    $(ApiKeys::$api => $versions,)+
                    $(ApiKeys::$forwarded => $forwarded_versions,)+
                }
            }

            /// Those in a single node's response to ApiVersions; `None` for an API that it does not have, or
            /// answers with an error.
            pub const fn advertised_versions(self) -> Option<RangeInclusive<i16>> {
                match self {
                    $(ApiKeys::$api => api_keys!(@advertised $($advertised)?),)+
                    $(ApiKeys::$forwarded => None,)+
                }
            }

            /// The first version with compact lengths and tagged fields, or [`NEVER`].
            pub const fn first_flexible_version(self) -> i16 {
                match self {
                    $(ApiKeys::$api => $flexible,)+
                    $(ApiKeys::$forwarded => $forwarded_flexible,)+
                }
            }
        }
    };

    (@advertised) => { None };
    (@advertised $versions:expr) => { Some($versions) };
}

/// In place of the first flexible version of an API that has none.
pub const NEVER: i16 = i16::MAX;

api_keys! {
    /// Appends messages to partitions.
    /// Every producer. It begins with version 0, because librdkafka does not compress with gzip or
    /// snappy where it begins later.
    Produce                 = 0,  versions 0..=11, flexible from 9,  advertised 0..=11;
    /// Reads messages from an offset on, or waits for them.
    /// Every consumer. For versions 0 to 3 messages are converted, unless their topic keeps an old
    /// format.
    Fetch                   = 1,  versions 0..=18, flexible from 12, advertised 0..=18;
    /// Finds the offset for a time, or the ends of a partition.
    /// Every consumer without an offset to resume from.
    ListOffsets             = 2,  versions 0..=11, flexible from 6,  advertised 0..=11;
    /// Names the brokers, the topics and who leads their partitions; a first use creates a topic.
    /// Every client, before it does anything else.
    Metadata                = 3,  versions 0..=12, flexible from 9,  advertised 0..=12;
    /// Stores how far a group has read.
    /// Consumers with a group; without it they only read.
    OffsetCommit            = 8,  versions 0..=8,  flexible from 8,  advertised 0..=8;
    /// Returns how far a group has read.
    /// Consumers with a group. Some releases of librdkafka crash if there is JoinGroup without it.
    OffsetFetch             = 9,  versions 0..=8,  flexible from 6,  advertised 0..=8;
    /// Finds the broker that coordinates a group: it leads the partition in which the group is kept.
    /// Consumers with a group, and producers with transactions, which get no further.
    FindCoordinator         = 10, versions 0..=4,  flexible from 3,  advertised 0..=4;
    /// Makes a consumer a member of its group, and begins a generation.
    /// Consumers with a group.
    JoinGroup               = 11, versions 0..=9,  flexible from 6,  advertised 0..=9;
    /// Keeps a member in its group, and reports a rebalance to it.
    /// Consumers with a group.
    Heartbeat               = 12, versions 0..=4,  flexible from 4,  advertised 0..=4;
    /// Removes members before their sessions end.
    /// Consumers with a group, when they close; static members when an admin removes them.
    LeaveGroup              = 13, versions 0..=5,  flexible from 4,  advertised 0..=5;
    /// Hands the leader's assignment out to the members.
    /// Consumers with a group.
    SyncGroup               = 14, versions 0..=5,  flexible from 4,  advertised 0..=5;
    /// Returns the state of groups and their members.
    /// Admins.
    DescribeGroups          = 15, versions 0..=5,  flexible from 5,  advertised 0..=5;
    /// Lists the groups, of all states and types or of some.
    /// Admins.
    ListGroups              = 16, versions 0..=5,  flexible from 3,  advertised 0..=5;
    /// Opens an authentication, by a mechanism that the client proposes.
    /// Clients that use SASL. `SaslServerAuthenticator` answers it; on a listener without SASL it is
    /// refused, so that they fail at once instead of retrying until their time runs out.
    SaslHandshake           = 17, versions 0..=1,  flexible from NEVER, advertised 0..=1;
    /// Lists the APIs and their versions.
    /// Every client except those of Kafka 0.9 and before.
    ApiVersions             = 18, versions 0..=4,  flexible from 3,  advertised 0..=4;
    /// Creates topics with their settings.
    /// Admins, and clients that do not leave it to the first use.
    CreateTopics            = 19, versions 0..=7,  flexible from 5,  advertised 0..=7;
    /// Deletes topics, by their names or ids.
    /// Admins.
    DeleteTopics            = 20, versions 0..=6,  flexible from 4,  advertised 0..=6;
    /// Deletes the records of partitions before an offset.
    /// Admins.
    DeleteRecords           = 21, versions 0..=2,  flexible from 2,  advertised 0..=2;
    /// Gives an idempotent producer its id.
    /// The Java producer since 3.0 and kafka-python since 3.0 fail without it. With the id of a
    /// transaction it is refused.
    InitProducerId          = 22, versions 0..=4,  flexible from 2,  advertised 0..=4;
    /// Returns the end offset of a leader epoch.
    /// The consumers of Java and franz-go, before they resume from a committed offset.
    OffsetForLeaderEpoch    = 23, versions 0..=4,  flexible from 4,  advertised 0..=4;
    /// Ends transactions whose records have come here with a copy of another broker's log.
    /// The transaction coordinators of Kafka's brokers in a mixed cluster, which never finish a transaction
    /// that a broker without this API has a part in.
    WriteTxnMarkers         = 27, versions 1..=1,  flexible from 1,  advertised 1..=1;
    /// Lists access rules.
    /// Admins.
    DescribeAcls            = 29, versions 0..=3,  flexible from 2,  advertised 0..=3;
    /// Adds access rules.
    /// Admins.
    CreateAcls              = 30, versions 0..=3,  flexible from 2,  advertised 0..=3;
    /// Removes access rules.
    /// Admins.
    DeleteAcls              = 31, versions 0..=3,  flexible from 2,  advertised 0..=3;
    /// Returns the settings of topics and of the broker, and where each value comes from.
    /// Admins. Sarama needs it to list topics, too.
    DescribeConfigs         = 32, versions 0..=4,  flexible from 4,  advertised 0..=4;
    /// Replaces all that a topic or the broker overrides.
    /// Admins with older tools.
    AlterConfigs            = 33, versions 0..=2,  flexible from 2,  advertised 0..=2;
    /// Lists the log directories, and the sizes of the logs in them.
    /// Admins, and user interfaces that show sizes.
    DescribeLogDirs         = 35, versions 0..=4,  flexible from 2,  advertised 0..=4;
    /// Carries the tokens of an authentication.
    /// Clients that use SASL, after SaslHandshake in version 1; `SaslServerAuthenticator` answers it.
    /// Without it they send their tokens bare, and a failure is a closed connection.
    SaslAuthenticate        = 36, versions 0..=2,  flexible from 2,  advertised 0..=2;
    /// Adds partitions to topics.
    /// Admins.
    CreatePartitions        = 37, versions 0..=3,  flexible from 2,  advertised 0..=3;
    /// Deletes groups without members.
    /// Admins.
    DeleteGroups            = 42, versions 0..=2,  flexible from 2,  advertised 0..=2;
    /// Changes some settings of a topic or the broker, and leaves the others.
    /// Admins.
    IncrementalAlterConfigs = 44, versions 0..=1,  flexible from 1,  advertised 0..=1;
    /// Deletes a group's offsets of some partitions.
    /// Admins.
    OffsetDelete            = 47, versions 0..=0,  flexible from NEVER, advertised 0..=0;
    /// Lists quotas.
    /// Admins.
    DescribeClientQuotas    = 48, versions 0..=1,  flexible from 1,  advertised 0..=1;
    /// Sets and removes quotas.
    /// Admins.
    AlterClientQuotas       = 49, versions 0..=1,  flexible from 1,  advertised 0..=1;
    /// Lists the users of SCRAM, without what is kept of their passwords.
    /// Admins.
    DescribeUserScramCredentials = 50, versions 0..=0, flexible from 0, advertised 0..=0;
    /// Makes users of SCRAM, changes their passwords, and removes them.
    /// Admins.
    AlterUserScramCredentials = 51, versions 0..=0, flexible from 0, advertised 0..=0;
    /// Names the cluster and its brokers.
    /// Admins. Sarama and franz-go fail without it, others ask for Metadata in its place.
    DescribeCluster         = 60, versions 0..=2,  flexible from 0,  advertised 0..=2;

    forwarded:
    /// Elects the preferred leaders of partitions, or any that are left.
    /// Admins.
    ElectLeaders            = 43, versions 0..=2,  flexible from 2;
    /// Moves partitions to other brokers.
    /// Admins.
    AlterPartitionReassignments = 45, versions 0..=1, flexible from 0;
    /// Lists the partitions that are being moved.
    /// Admins.
    ListPartitionReassignments = 46, versions 0..=0, flexible from 0;
    /// Shows the controllers, and how far each follows.
    /// Admins.
    DescribeQuorum          = 55, versions 0..=2,  flexible from 0;
    /// Raises or lowers the features that the cluster has agreed on.
    /// Admins.
    UpdateFeatures          = 57, versions 0..=2,  flexible from 0;
    /// Removes the registration of a broker that is gone.
    /// Admins.
    UnregisterBroker        = 64, versions 0..=0,  flexible from 0;
    /// Adds a controller to the quorum.
    /// Admins.
    AddRaftVoter            = 80, versions 0..=1,  flexible from 0;
    /// Removes a controller from the quorum.
    /// Admins.
    RemoveRaftVoter         = 81, versions 0..=0,  flexible from 0;
    /// Removes the registration of a controller that is gone.
    /// Admins.
    UnregisterController    = 94, versions 0..=0,  flexible from 0;
}

impl ApiKeys {
    /// Whether a request changes nothing, so that it can be handled twice. That the first use of a
    /// topic creates it makes no difference: the second finds it.
    pub const fn only_reads(self) -> bool {
        matches!(
            self,
            Self::Fetch
                | Self::ListOffsets
                | Self::Metadata
                | Self::OffsetFetch
                | Self::FindCoordinator
                | Self::DescribeGroups
                | Self::ListGroups
                | Self::ApiVersions
                | Self::OffsetForLeaderEpoch
                | Self::DescribeAcls
                | Self::DescribeConfigs
                | Self::DescribeLogDirs
                | Self::DescribeClientQuotas
                | Self::DescribeUserScramCredentials
                | Self::DescribeCluster
        )
    }

    /// Whether a response to ApiVersions has the API.
    pub const fn is_advertised(self) -> bool {
        self.advertised_versions().is_some()
    }

    /// The number on the wire.
    pub const fn id(self) -> i16 {
        self as i16
    }

    /// The API with the number `id`, if this broker has it or hands it on.
    pub fn for_id(id: i16) -> Option<Self> {
        Self::ALL.iter().chain(Self::FORWARDED).copied().find(|api| api.id() == id)
    }

    /// Whether a request of a client is the controller's to handle in a cluster of several brokers: Kafka's
    /// `ApiKeys.forwardable`.
    pub const fn is_forwardable(self) -> bool {
        matches!(
            self,
            Self::CreateTopics
                | Self::DeleteTopics
                | Self::CreateAcls
                | Self::DeleteAcls
                | Self::AlterConfigs
                | Self::CreatePartitions
                | Self::IncrementalAlterConfigs
                | Self::AlterClientQuotas
                | Self::AlterUserScramCredentials
        ) || self.is_forwarded_only()
    }

    /// The version with this number, if it is supported.
    pub fn version(self, number: i16) -> Option<Version> {
        let is_flexible = number >= self.first_flexible_version();
        self.versions().contains(&number).then_some(Version { number, is_flexible })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ascending_and_found_by_their_number() {
        for keys in [ApiKeys::ALL, ApiKeys::FORWARDED] {
            assert!(keys.windows(2).all(|pair| pair[0].id() < pair[1].id()));
            assert!(keys.iter().all(|api| ApiKeys::for_id(api.id()) == Some(*api)));
        }
        for unknown in [-1, 4, 24, i16::MAX, i16::MIN] {
            assert_eq!(ApiKeys::for_id(unknown), None);
        }
    }

    #[test]
    fn of_what_is_forwarded_only_nothing_is_advertised_by_a_single_node() {
        assert!(ApiKeys::FORWARDED.iter().all(|api| api.is_forwarded_only()));
        assert!(ApiKeys::FORWARDED.iter().all(|api| !api.is_advertised() && !api.only_reads()));
        assert!(!ApiKeys::ALL.iter().any(|api| api.is_forwarded_only()));
    }

    #[test]
    fn what_is_advertised_is_read() {
        for &api in ApiKeys::ALL {
            for number in api.advertised_versions().into_iter().flatten() {
                assert!(api.versions().contains(&number), "{api:?} {number}");
            }
        }
    }

    #[test]
    fn a_version_outside_the_range_does_not_exist() {
        for &api in ApiKeys::ALL {
            assert_eq!(api.version(-1), None);
            assert_eq!(api.version(api.versions().end() + 1), None);
            assert!(api.versions().all(|number| api.version(number).is_some()));
        }
    }
}
