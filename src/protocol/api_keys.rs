//! Port of `org.apache.kafka.common.protocol.ApiKeys`: which requests there are, and which versions
//! are spoken here.

use std::ops::RangeInclusive;

use crate::protocol::types::Version;

/// Writes the enum and what it knows from one table.
macro_rules! api_keys {
    ($(
        $api:ident = $key:literal, versions $versions:expr, flexible from $flexible:expr
        $(, advertised $advertised:expr)?;
    )+) => {
        /// The APIs of this broker, and no others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        pub enum ApiKeys {
            $(#[doc = concat!("`", stringify!($api), "`, key ", $key, ".")] $api = $key,)+
        }

        impl ApiKeys {
            /// All of them, by ascending key.
            pub const ALL: &'static [ApiKeys] = &[$(ApiKeys::$api,)+];

            /// Kafka's name of the API.
            pub const fn name(self) -> &'static str {
                match self { $(ApiKeys::$api => stringify!($api),)+ }
            }

            /// The versions that are read and answered.
            pub const fn versions(self) -> RangeInclusive<i16> {
                match self { $(ApiKeys::$api => $versions,)+ }
            }

            /// The versions that ApiVersions names: none of an API that is answered with an error.
            pub const fn advertised_versions(self) -> Option<RangeInclusive<i16>> {
                match self { $(ApiKeys::$api => api_keys!(@advertised $($advertised)?),)+ }
            }

            /// The first version with compact lengths and tagged fields.
            const fn first_flexible_version(self) -> i16 {
                match self { $(ApiKeys::$api => $flexible,)+ }
            }
        }
    };

    (@advertised) => { None };
    (@advertised $versions:expr) => { Some($versions) };
}

/// In place of the first flexible version: there is none.
const NEVER: i16 = i16::MAX;

api_keys! {
    Produce                 = 0,  versions 0..=11, flexible from 9,  advertised 0..=11;
    Fetch                   = 1,  versions 0..=12, flexible from 12, advertised 0..=12;
    ListOffsets             = 2,  versions 0..=7,  flexible from 6,  advertised 0..=7;
    Metadata                = 3,  versions 0..=12, flexible from 9,  advertised 0..=12;
    OffsetCommit            = 8,  versions 0..=8,  flexible from 8,  advertised 0..=8;
    OffsetFetch             = 9,  versions 0..=8,  flexible from 6,  advertised 0..=8;
    FindCoordinator         = 10, versions 0..=4,  flexible from 3,  advertised 0..=4;
    JoinGroup               = 11, versions 0..=9,  flexible from 6,  advertised 0..=9;
    Heartbeat               = 12, versions 0..=4,  flexible from 4,  advertised 0..=4;
    LeaveGroup              = 13, versions 0..=5,  flexible from 4,  advertised 0..=5;
    SyncGroup               = 14, versions 0..=5,  flexible from 4,  advertised 0..=5;
    DescribeGroups          = 15, versions 0..=5,  flexible from 5,  advertised 0..=5;
    ListGroups              = 16, versions 0..=5,  flexible from 3,  advertised 0..=5;
    ApiVersions             = 18, versions 0..=4,  flexible from 3,  advertised 0..=4;
    CreateTopics            = 19, versions 0..=7,  flexible from 5,  advertised 0..=7;
    DeleteTopics            = 20, versions 0..=6,  flexible from 4,  advertised 0..=6;
    DeleteRecords           = 21, versions 0..=2,  flexible from 2,  advertised 0..=2;
    InitProducerId          = 22, versions 0..=4,  flexible from 2,  advertised 0..=4;
    OffsetForLeaderEpoch    = 23, versions 0..=4,  flexible from 4,  advertised 0..=4;
    DescribeAcls            = 29, versions 0..=3,  flexible from 2;
    CreateAcls              = 30, versions 0..=3,  flexible from 2;
    DeleteAcls              = 31, versions 0..=3,  flexible from 2;
    DescribeConfigs         = 32, versions 0..=4,  flexible from 4,  advertised 0..=4;
    AlterConfigs            = 33, versions 0..=2,  flexible from 2,  advertised 0..=2;
    DescribeLogDirs         = 35, versions 0..=4,  flexible from 2,  advertised 0..=4;
    CreatePartitions        = 37, versions 0..=3,  flexible from 2,  advertised 0..=3;
    DeleteGroups            = 42, versions 0..=2,  flexible from 2,  advertised 0..=2;
    IncrementalAlterConfigs = 44, versions 0..=1,  flexible from 1,  advertised 0..=1;
    OffsetDelete            = 47, versions 0..=0,  flexible from NEVER, advertised 0..=0;
    DescribeClientQuotas    = 48, versions 0..=1,  flexible from 1;
    AlterClientQuotas       = 49, versions 0..=1,  flexible from 1;
    DescribeCluster         = 60, versions 0..=1,  flexible from 0,  advertised 0..=1;
}

impl ApiKeys {
    /// Whether ApiVersions names the API.
    pub const fn is_advertised(self) -> bool {
        self.advertised_versions().is_some()
    }

    /// The number on the wire.
    pub const fn id(self) -> i16 {
        self as i16
    }

    /// The API with the number `id`, if this broker has it.
    pub fn for_id(id: i16) -> Option<Self> {
        Self::ALL.iter().copied().find(|api| api.id() == id)
    }

    /// The version with this number, if it is spoken here.
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
        assert!(ApiKeys::ALL.windows(2).all(|pair| pair[0].id() < pair[1].id()));
        for &api in ApiKeys::ALL {
            assert_eq!(ApiKeys::for_id(api.id()), Some(api));
        }
        for unknown in [-1, 4, 17, i16::MAX, i16::MIN] {
            assert_eq!(ApiKeys::for_id(unknown), None);
        }
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
