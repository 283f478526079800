//! Port of `org.apache.kafka.common.protocol.Errors` and `kafka.common.ErrorMapping`: what can go
//! wrong, and its code.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::common::record_error::RecordErrors;

/// Writes the enum, its codes, names and messages from one table.
macro_rules! errors {
    ($($variant:ident = $code:literal, $name:literal, $message:literal;)+) => {
        /// The error codes of Kafka's protocol. The number travels on the wire; the name is Kafka's
        /// own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i16)]
        pub enum Errors {
            $(#[doc = concat!("`", $name, "`: ", $message)] $variant = $code,)+
        }

        impl Errors {
            /// All codes this broker knows, in ascending order.
            pub const ALL: &'static [Errors] = &[$(Errors::$variant,)+];

            /// Kafka's name of the error, for example `OFFSET_OUT_OF_RANGE`.
            pub const fn name(self) -> &'static str {
                match self { $(Errors::$variant => $name,)+ }
            }

            /// One sentence for people.
            pub const fn message(self) -> &'static str {
                match self { $(Errors::$variant => $message,)+ }
            }
        }
    };
}

errors! {
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", "the server met an error it did not expect";
    None = 0, "NONE", "no error";
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE", "the offset is outside the range that the log holds";
    CorruptMessage = 2, "CORRUPT_MESSAGE", "a message fails its CRC or has an impossible size";
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", "this server does not host the topic or partition";
    InvalidFetchSize = 4, "INVALID_FETCH_SIZE", "the fetch size is impossible";
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE", "the partition has no leader yet";
    NotLeaderForPartition = 6, "NOT_LEADER_OR_FOLLOWER", "this server is not the partition's leader";
    RequestTimedOut = 7, "REQUEST_TIMED_OUT", "the request's time ran out before it was satisfied";
    BrokerNotAvailable = 8, "BROKER_NOT_AVAILABLE", "the broker is not available";
    ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE", "the replica is not available here";
    RecordTooLarge = 10, "MESSAGE_TOO_LARGE", "a message is larger than max.message.bytes";
    StaleControllerEpoch = 11, "STALE_CONTROLLER_EPOCH", "the controller has moved on";
    OffsetMetadataTooLarge = 12, "OFFSET_METADATA_TOO_LARGE", "the metadata of the committed offset is too large";
    NetworkException = 13, "NETWORK_EXCEPTION", "the connection was lost before the response";
    CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS", "the coordinator is still loading the group";
    CoordinatorNotAvailable = 15, "COORDINATOR_NOT_AVAILABLE", "there is no coordinator for the group";
    NotCoordinator = 16, "NOT_COORDINATOR", "this server does not coordinate the group";
    InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION", "the topic's name is illegal, or the topic is internal";
    RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE", "the set of messages is larger than a segment";
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS", "fewer replicas are in sync than min.insync.replicas asks for";
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "the messages are written, but to too few replicas";
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS", "acks is neither -1, 0 nor 1";
    IllegalGeneration = 22, "ILLEGAL_GENERATION", "the group has another generation now";
    InconsistentGroupProtocol = 23, "INCONSISTENT_GROUP_PROTOCOL", "the member shares no protocol with its group";
    InvalidGroupId = 24, "INVALID_GROUP_ID", "the group id is illegal";
    UnknownMemberId = 25, "UNKNOWN_MEMBER_ID", "the group does not know this member";
    InvalidSessionTimeout = 26, "INVALID_SESSION_TIMEOUT", "the session timeout is outside the broker's limits";
    RebalanceInProgress = 27, "REBALANCE_IN_PROGRESS", "the group is rebalancing, so rejoin";
    InvalidCommitOffsetSize = 28, "INVALID_COMMIT_OFFSET_SIZE", "the offsets to commit are too large";
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED", "not authorized for the topic";
    GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED", "not authorized for the group";
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED", "not authorized for the cluster";
    InvalidTimestamp = 32, "INVALID_TIMESTAMP", "the message's timestamp is out of the allowed range";
    UnsupportedSaslMechanism = 33, "UNSUPPORTED_SASL_MECHANISM", "the listener does not have the SASL mechanism";
    IllegalSaslState = 34, "ILLEGAL_SASL_STATE", "the request does not fit the state of the authentication";
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION", "this version of the API is not supported";
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS", "the topic already exists";
    InvalidPartitions = 37, "INVALID_PARTITIONS", "the number of partitions is impossible";
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR", "there are not enough brokers for the replication factor";
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT", "the assignment of replicas to brokers is impossible";
    InvalidConfig = 40, "INVALID_CONFIG", "a setting is illegal";
    NotController = 41, "NOT_CONTROLLER", "this node is not the active controller";
    InvalidRequest = 42, "INVALID_REQUEST", "the request contradicts itself or the protocol";
    UnsupportedForMessageFormat = 43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", "the topic's message format does not support the request";
    PolicyViolation = 44, "POLICY_VIOLATION", "a policy of the broker forbids it";
    OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER", "the producer's sequence number has a gap";
    DuplicateSequenceNumber = 46, "DUPLICATE_SEQUENCE_NUMBER", "the producer's sequence number was used already";
    InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH", "the producer's epoch is old";
    TransactionCoordinatorFenced = 52, "TRANSACTION_COORDINATOR_FENCED", "another broker coordinates the producer's transactions by now";
    TransactionalIdAuthorizationFailed = 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "not authorized for the transactional id";
    SecurityDisabled = 54, "SECURITY_DISABLED", "no authorizer is configured";
    OperationNotAttempted = 55, "OPERATION_NOT_ATTEMPTED", "the operation was not attempted";
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR", "the disk failed under the log";
    SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED", "the client has not proved who it is";
    UnknownProducerId = 59, "UNKNOWN_PRODUCER_ID", "the broker has no state for this producer";
    NonEmptyGroup = 68, "NON_EMPTY_GROUP", "the group still has members";
    GroupIdNotFound = 69, "GROUP_ID_NOT_FOUND", "there is no such group";
    FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND", "there is no such fetch session";
    InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH", "the epoch of the fetch session is not the expected one";
    ListenerNotFound = 72, "LISTENER_NOT_FOUND", "the leader has no listener of the name that the request came in by";
    TopicDeletionDisabled = 73, "TOPIC_DELETION_DISABLED", "the broker is configured not to delete topics";
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH", "the request carries an older leader epoch";
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH", "the request carries a newer leader epoch";
    UnsupportedCompressionType = 76, "UNSUPPORTED_COMPRESSION_TYPE", "this version of the API does not allow the compression type";
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH", "the broker epoch has moved on";
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE", "the leader does not know yet how far the records are committed";
    MemberIdRequired = 79, "MEMBER_ID_REQUIRED", "join again with the member id in this response";
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE", "the preferred leader is not available";
    GroupMaxSizeReached = 81, "GROUP_MAX_SIZE_REACHED", "the group has as many members as the broker allows";
    FencedInstanceId = 82, "FENCED_INSTANCE_ID", "another member has taken this static member's place";
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", "no replica may become the leader";
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED", "the partition needs no election";
    NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS", "the partition is not being reassigned";
    GroupSubscribedToTopic = 86, "GROUP_SUBSCRIBED_TO_TOPIC", "the group is subscribed to the topic";
    InvalidRecord = 87, "INVALID_RECORD", "a record is invalid";
    UnstableOffsetCommit = 88, "UNSTABLE_OFFSET_COMMIT", "there are offsets of an open transaction";
    ResourceNotFound = 91, "RESOURCE_NOT_FOUND", "what the request names does not exist";
    DuplicateResource = 92, "DUPLICATE_RESOURCE", "the request names the same thing twice";
    UnacceptableCredential = 93, "UNACCEPTABLE_CREDENTIAL", "the credential does not meet the criteria";
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION", "the feature cannot be finalized at this level";
    FeatureUpdateFailed = 96, "FEATURE_UPDATE_FAILED", "the finalized features could not be updated";
    PrincipalDeserializationFailure = 97, "PRINCIPAL_DESERIALIZATION_FAILURE", "the principal in the envelope cannot be read";
    SnapshotNotFound = 98, "SNAPSHOT_NOT_FOUND", "there is no such snapshot";
    PositionOutOfRange = 99, "POSITION_OUT_OF_RANGE", "the position is outside the snapshot";
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID", "this server does not host the topic id";
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION", "another broker with this id is registered";
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED", "no broker with this id is registered";
    InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID", "the log's topic id is not that of the request";
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID", "the cluster id is not that of the cluster";
    FetchSessionTopicIdError = 106, "FETCH_SESSION_TOPIC_ID_ERROR", "the fetch session mixes requests with and without topic ids";
    IneligibleReplica = 107, "INELIGIBLE_REPLICA", "the replica may not join the set of those in sync";
    NewLeaderElected = 108, "NEW_LEADER_ELECTED", "the change elected another leader";
    OffsetMovedToTieredStorage = 109, "OFFSET_MOVED_TO_TIERED_STORAGE", "the offset lies in tiered storage";
    MismatchedEndpointType = 114, "MISMATCHED_ENDPOINT_TYPE", "this server is not of the kind that the request is for";
    UnsupportedEndpointType = 115, "UNSUPPORTED_ENDPOINT_TYPE", "there is no such kind of server";
    InvalidRegistration = 119, "INVALID_REGISTRATION", "the controller does not take the registration as it is";
}

impl Errors {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// The error with this number; `UNKNOWN_SERVER_ERROR` for one that this broker does not know, as in Kafka.
    pub fn for_code(code: i16) -> Self {
        Self::place_of(code).map_or(Self::UnknownServerError, |place| Self::ALL[place])
    }

    /// The place in [`ALL`](Self::ALL) of the error with this number.
    pub fn place_of(code: i16) -> Option<usize> {
        Self::ALL.binary_search_by_key(&code, |error| error.code()).ok()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code())
    }
}

/// Why a call inside the broker fails: with a code for the client, by a failed disk, or on bytes on
/// disk that the broker never writes.
#[derive(Debug)]
pub enum KafkaError {
    /// The client did something, or asks for something, that has an error code. The text is for the
    /// log.
    Api(Errors, String),
    /// Records that are refused, and with them the whole batch of their producer.
    Records(Box<RecordErrors>),
    /// Compressed bytes that their codec cannot decode. Kafka answers their producer with
    /// `UNKNOWN_SERVER_ERROR`, though the fault is not the server's.
    Undecodable(String),
    Io(io::Error),
    /// A file of the broker holds bytes that it never writes.
    Corrupt {
        file: PathBuf,
        /// In bytes.
        position: u64,
        why: String,
    },
}

impl KafkaError {
    /// An error with a code for the client and a text for the log.
    pub fn api(code: Errors, why: impl Into<String>) -> Self {
        Self::Api(code, why.into())
    }

    /// The same for another of those who asked for what failed: with its code and its text.
    pub fn again(&self) -> Self {
        Self::Api(self.code(), self.why())
    }

    /// There is no memory to convert or to decompress what a client sent or asks for. Every client
    /// tries again after this code.
    pub fn out_of_memory() -> Self {
        Self::api(Errors::RequestTimedOut, "there is no memory for it now")
    }

    /// As it is, and if a file is corrupt, what the operator can do about it.
    #[must_use]
    pub fn with_remedy(self, remedy: &str) -> Self {
        match self {
            Self::Corrupt { file, position, why } => {
                Self::Corrupt { file, position, why: format!("{why}; {remedy}") }
            }
            other => other,
        }
    }

    /// Whether it is no failure: the call would have had to wait, and was not allowed to.
    pub fn is_would_block(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// What went wrong, without the code: a client gets that beside it.
    pub fn why(&self) -> String {
        match self {
            Self::Api(_, why) | Self::Undecodable(why) => why.clone(),
            Self::Records(errors) => format!("{} records are refused", errors.count()),
            Self::Io(_) | Self::Corrupt { .. } => self.to_string(),
        }
    }

    /// The code that the client gets.
    pub fn code(&self) -> Errors {
        match self {
            Self::Api(code, _) => *code,
            Self::Records(errors) if errors.has_timestamp_fault() => Errors::InvalidTimestamp,
            Self::Records(_) => Errors::InvalidRecord,
            Self::Undecodable(_) => Errors::UnknownServerError,
            Self::Io(_) => Errors::KafkaStorageError,
            Self::Corrupt { .. } => Errors::CorruptMessage,
        }
    }
}

/// Whether there was no room: what is there already can still be read.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl fmt::Display for KafkaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(..) | Self::Records(_) | Self::Undecodable(_) => {
                write!(f, "{}: {}", self.code(), self.why())
            }
            Self::Io(error) => write!(f, "{error}"),
            Self::Corrupt { file, position, why } => {
                write!(f, "{} is corrupt at position {position}: {why}", file.display())
            }
        }
    }
}

impl std::error::Error for KafkaError {}

impl From<io::Error> for KafkaError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ascending_and_unique() {
        assert!(Errors::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
        for (place, error) in Errors::ALL.iter().enumerate() {
            assert_eq!(Errors::place_of(error.code()), Some(place));
        }
        assert_eq!((Errors::place_of(-2), Errors::place_of(48)), (None, None));
    }
}
