//! Port of `org.apache.kafka.common.requests.AbstractRequest`: from a frame to a request, and back.
//!
//! A frame is what follows the 4-byte size on the wire. Bytes behind the last field are ignored, as
//! Kafka does.

use std::fmt;

use crate::common::errors::Errors;
use crate::common::memory_pool::{FREE_BYTES, MemoryDraw, Shortage, Stage};
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::api_versions::ApiVersionsResponse;
use crate::protocol::header::RequestHeader;
use crate::protocol::wire::allowance::Allowance;
use crate::protocol::wire::decode_error::{DecodeError, Malformed};
use crate::protocol::wire::types::{Reader, Version, WireType, Writer};

/// What the size in front of a frame can say.
const FRAME_BYTES_MAX: usize = i32::MAX.unsigned_abs() as usize;
/// Most responses are no longer.
const ORDINARY_BYTES: usize = 256;

/// Reads a request. The records of a Produce request stay in `frame`: the body holds ranges of it.
///
/// An ApiVersions request of an unsupported version is no error: its body is
/// [`RequestBody::UnsupportedApiVersions`], to be answered by
/// [`ApiVersionsResponse::unsupported_version`].
///
/// # Errors
/// An unknown API, an unsupported version, or bytes that are no such request. No client could read
/// a response to these: the connection is to be closed. `OutOfMemory` if `allowance` has no memory
/// for it now.
pub fn parse<'a>(
    frame: &'a [u8],
    allowance: Allowance<'a>,
) -> Result<(RequestHeader, RequestBody), DecodeError> {
    let mut reader = Reader::within(frame, allowance);
    let header = RequestHeader::read(&mut reader)?;
    let body = RequestBody::read(&header, &mut reader)?;
    Ok((header, body))
}

/// Writes the response to the request with this header, without the 4-byte size in front.
///
/// A response that is not small is counted first, and written when `memory` has drawn all of it: its
/// bytes never grow, and nothing is held while the rest is waited for.
///
/// # Errors
/// `TooLarge` for what no frame, or never the pool, can hold; `OutOfMemory` if it is not there now.
///
/// # Panics
/// If a Fetch response has records: those leave by
/// [`FetchResponseSend`](crate::protocol::fetch_response_send::FetchResponseSend) alone.
pub fn response_bytes(
    header: &RequestHeader,
    body: &ResponseBody,
    memory: &mut MemoryDraw,
) -> Result<Vec<u8>, EncodeError> {
    let write = |mut writer: Writer<'static>| {
        header.write_response_header(&mut writer);
        body.write(&mut writer, header);
        writer
    };
    let first = write(Writer::keeping(Vec::with_capacity(ORDINARY_BYTES), FREE_BYTES));
    if first.is_whole() {
        return Ok(first.into_bytes());
    }
    let size = first.size();
    let room = room_for(size, memory)?;
    Ok(write(Writer::keeping(room, size)).into_bytes())
}

/// The same for a response that is small whatever was asked for, as are those before a client is
/// known: it draws nothing.
pub fn small_response_bytes(header: &RequestHeader, body: &ResponseBody) -> Vec<u8> {
    let mut writer = Writer::keeping(Vec::with_capacity(ORDINARY_BYTES), usize::MAX);
    header.write_response_header(&mut writer);
    body.write(&mut writer, header);
    writer.into_bytes()
}

/// Room for exactly `size` bytes of an answer.
fn room_for(size: usize, memory: &mut MemoryDraw) -> Result<Vec<u8>, EncodeError> {
    if size > FRAME_BYTES_MAX.min(memory.pool().grant_max_bytes(Stage::Answer)) {
        return Err(EncodeError::TooLarge { size });
    }
    memory.grow_to(size, Stage::Answer).map_err(EncodeError::OutOfMemory)?;
    let mut room = Vec::new();
    room.try_reserve_exact(size)
        .map_err(|_| EncodeError::OutOfMemory(Shortage::of_system(size, Stage::Answer)))?;
    Ok(room)
}

/// Why a response cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// It could never be sent.
    TooLarge { size: usize },
    /// There is no memory for it now.
    OutOfMemory(Shortage),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size } => write!(f, "{size} bytes are too many for a response"),
            Self::OutOfMemory(shortage) => write!(f, "{shortage}"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// Writes a request, as a client does, without the 4-byte size in front. The ranges of its records
/// are ranges of `records`.
pub fn request_bytes(header: &RequestHeader, body: &RequestBody, records: &[u8]) -> Vec<u8> {
    let mut writer = Writer::with_records_from(records);
    header.write(&mut writer);
    body.write(&mut writer, header);
    writer.into_bytes()
}

/// Reads the response to the request with this header, as a client does: its correlation id and its
/// body, whose records are ranges of `frame`.
///
/// # Errors
/// What is wrong with the bytes, and where.
pub fn parse_response(
    header: &RequestHeader,
    frame: &[u8],
) -> Result<(i32, ResponseBody), DecodeError> {
    let mut reader = Reader::new(frame);
    let correlation_id = header.read_response_header(&mut reader)?;
    let body = ResponseBody::read(header, &mut reader)?;
    Ok((correlation_id, body))
}

/// Writes the two enums and their codecs from the list of APIs.
macro_rules! bodies {
    ($($api:ident: $module:ident::{$request:ident, $response:ident $(,)?};)+) => {
        #[derive(Clone, Debug, PartialEq)]
        pub enum RequestBody {
            $($api(crate::protocol::$module::$request),)+
            /// An ApiVersions request of an unsupported version: only its header was read.
            UnsupportedApiVersions,
            /// A request for the cluster's controller: only its header was read.
            Forwarded(ApiKeys),
        }

        #[derive(Clone, Debug, PartialEq)]
        pub enum ResponseBody {
            $($api(crate::protocol::$module::$response),)+
        }

        impl RequestBody {
            pub fn api_key(&self) -> ApiKeys {
                match self {
                    $(Self::$api(_) => ApiKeys::$api,)+
                    Self::UnsupportedApiVersions => ApiKeys::ApiVersions,
                    Self::Forwarded(api) => *api,
                }
            }

            /// Everything that was asked for fails with `error`, in the layout of the request's
            /// version.
            ///
            /// `None` if the client expects no response (Produce with acks 0): then it learns of
            /// the error only by a closed connection. Also of what is only
            /// [forwarded](crate::protocol::forwarded_error), which has no table here.
            pub fn error_response(&self, error: Errors) -> Option<ResponseBody> {
                match self {
                    // `from` wraps a response, and leaves the `Option` of Produce as it is.
                    $(Self::$api(request) => {
                        Option::from(request.error_response(error)).map(ResponseBody::$api)
                    })+
                    Self::UnsupportedApiVersions => {
                        Some(ResponseBody::ApiVersions(ApiVersionsResponse::unsupported_version()))
                    }
                    Self::Forwarded(_) => None,
                }
            }

            fn read(header: &RequestHeader, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let Some(version) = header.api_key.version(header.api_version) else {
                    return Ok(Self::UnsupportedApiVersions);
                };
                Ok(match header.api_key {
                    $(ApiKeys::$api => Self::$api(reader.read(version, stringify!($request))?),)+
                    forwarded => {
                        debug_assert!(forwarded.is_forwarded_only(), "{forwarded:?} has no body");
                        Self::Forwarded(forwarded)
                    }
                })
            }

            fn write(&self, writer: &mut Writer<'_>, header: &RequestHeader) {
                match self {
                    $(Self::$api(body) => body.write(writer, header.version()),)+
                    Self::UnsupportedApiVersions | Self::Forwarded(_) => {}
                }
            }
        }

        impl ResponseBody {
            pub fn api_key(&self) -> ApiKeys {
                match self {
                    $(Self::$api(_) => ApiKeys::$api,)+
                }
            }

            /// Port of `AbstractResponse.errorCounts`: calls `found` with the error code of the
            /// response as a whole and of each part of it, as far as its version has them.
            pub fn for_each_error_code(&self, version: Version, found: &mut dyn FnMut(i16)) {
                match self {
                    $(Self::$api(body) => body.for_each_error_code(version, false, found),)+
                }
            }

            fn read(header: &RequestHeader, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let version = header.version();
                Ok(match header.api_key {
                    $(ApiKeys::$api => Self::$api(reader.read(version, stringify!($response))?),)+
                    // Only the client has its table.
                    forwarded => return Err(DecodeError {
                        field: "ResponseBody",
                        position: 0,
                        what: Malformed::UnknownApiKey(forwarded.id()),
                    }),
                })
            }

            fn write(&self, writer: &mut Writer<'_>, header: &RequestHeader) {
                match self {
                    $(Self::$api(body) => body.write(writer, header.version()),)+
                }
            }
        }
    };
}

bodies! {
    Produce:                 produce::{ProduceRequest, ProduceResponse};
    Fetch:                   fetch::{FetchRequest, FetchResponse};
    ListOffsets:             list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
    Metadata:                metadata::{MetadataRequest, MetadataResponse};
    OffsetCommit:            offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
    OffsetFetch:             offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
    FindCoordinator:         find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
    JoinGroup:               join_group::{JoinGroupRequest, JoinGroupResponse};
    Heartbeat:               heartbeat::{HeartbeatRequest, HeartbeatResponse};
    LeaveGroup:              leave_group::{LeaveGroupRequest, LeaveGroupResponse};
    SyncGroup:               sync_group::{SyncGroupRequest, SyncGroupResponse};
    DescribeGroups:          describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
    ListGroups:              list_groups::{ListGroupsRequest, ListGroupsResponse};
    SaslHandshake:           sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
    ApiVersions:             api_versions::{ApiVersionsRequest, ApiVersionsResponse};
    CreateTopics:            create_topics::{CreateTopicsRequest, CreateTopicsResponse};
    DeleteTopics:            delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
    DeleteRecords:           delete_records::{DeleteRecordsRequest, DeleteRecordsResponse};
    InitProducerId:          init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
    OffsetForLeaderEpoch:    offset_for_leader_epoch::{
        OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    };
    WriteTxnMarkers:         write_txn_markers::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
    DescribeAcls:            describe_acls::{DescribeAclsRequest, DescribeAclsResponse};
    CreateAcls:              create_acls::{CreateAclsRequest, CreateAclsResponse};
    DeleteAcls:              delete_acls::{DeleteAclsRequest, DeleteAclsResponse};
    DescribeConfigs:         describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse};
    AlterConfigs:            alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
    DescribeLogDirs:         describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
    SaslAuthenticate:        sasl_authenticate::{
        SaslAuthenticateRequest, SaslAuthenticateResponse,
    };
    CreatePartitions:        create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse};
    DeleteGroups:            delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
    IncrementalAlterConfigs: incremental_alter_configs::{
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    };
    OffsetDelete:            offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
    DescribeClientQuotas:    describe_client_quotas::{
        DescribeClientQuotasRequest, DescribeClientQuotasResponse,
    };
    AlterClientQuotas:       alter_client_quotas::{
        AlterClientQuotasRequest, AlterClientQuotasResponse,
    };
    DescribeUserScramCredentials: describe_user_scram_credentials::{
        DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    };
    AlterUserScramCredentials: alter_user_scram_credentials::{
        AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    };
    DescribeCluster:         describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
}
