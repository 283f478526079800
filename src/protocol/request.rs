//! Port of `org.apache.kafka.common.requests.AbstractRequest`: from a frame to a request, and back.
//!
//! A frame is what follows the 4-byte size on the wire. Bytes behind the last field are ignored, as
//! Kafka does.

use crate::common::errors::Errors;
use crate::protocol::alter_client_quotas::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use crate::protocol::alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::create_acls::{CreateAclsRequest, CreateAclsResponse};
use crate::protocol::create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse};
use crate::protocol::create_topics::{CreateTopicsRequest, CreateTopicsResponse};
use crate::protocol::delete_acls::{DeleteAclsRequest, DeleteAclsResponse};
use crate::protocol::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use crate::protocol::delete_records::{DeleteRecordsRequest, DeleteRecordsResponse};
use crate::protocol::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use crate::protocol::describe_acls::{DescribeAclsRequest, DescribeAclsResponse};
use crate::protocol::describe_client_quotas::{
    DescribeClientQuotasRequest, DescribeClientQuotasResponse,
};
use crate::protocol::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use crate::protocol::describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse};
use crate::protocol::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use crate::protocol::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use crate::protocol::fetch::{FetchRequest, FetchResponse};
use crate::protocol::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::protocol::header::RequestHeader;
use crate::protocol::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use crate::protocol::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::protocol::join_group::{JoinGroupRequest, JoinGroupResponse};
use crate::protocol::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use crate::protocol::list_groups::{ListGroupsRequest, ListGroupsResponse};
use crate::protocol::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
use crate::protocol::metadata::{MetadataRequest, MetadataResponse};
use crate::protocol::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
use crate::protocol::offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
use crate::protocol::offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
use crate::protocol::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};
use crate::protocol::produce::{ProduceRequest, ProduceResponse};
use crate::protocol::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use crate::protocol::sync_group::{SyncGroupRequest, SyncGroupResponse};
use crate::protocol::wire::decode_error::DecodeError;
use crate::protocol::wire::types::{Reader, WireType, Writer};

/// Reads a request. The records of a Produce request stay in `frame`: the body holds ranges of it.
///
/// An ApiVersions request of a version that is not spoken here is no error: its body is
/// [`RequestBody::UnsupportedApiVersions`], to be answered by
/// [`ApiVersionsResponse::unsupported_version`].
///
/// # Errors
/// An unknown API, a version that is not spoken here, or bytes that are no such request. There is
/// no answer to these that a client could read: the connection is to be closed.
pub fn parse(frame: &[u8]) -> Result<(RequestHeader, RequestBody), DecodeError> {
    let mut reader = Reader::new(frame);
    let header = RequestHeader::read(&mut reader)?;
    let body = RequestBody::read(&header, &mut reader)?;
    Ok((header, body))
}

/// Writes the response to the request with this header, without the 4-byte size in front.
///
/// # Panics
/// If a Fetch response has records: those leave by
/// [`FetchResponseSend`](crate::protocol::fetch_response_send::FetchResponseSend) alone.
pub fn response_bytes(header: &RequestHeader, body: &ResponseBody) -> Vec<u8> {
    let mut writer = Writer::new();
    header.write_response_header(&mut writer);
    body.write(&mut writer, header);
    writer.into_bytes()
}

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

/// Writes the two enums, and how each body is read and written, from the list of APIs.
macro_rules! bodies {
    ($($api:ident: $request:ident, $response:ident;)+) => {
        /// What is asked.
        #[derive(Clone, Debug, PartialEq)]
        pub enum RequestBody {
            $(#[doc = concat!("A request of the API `", stringify!($api), "`.")] $api($request),)+
            /// An ApiVersions request of a version that is not spoken here; it was not read further
            /// than its header.
            UnsupportedApiVersions,
        }

        /// What is answered.
        #[derive(Clone, Debug, PartialEq)]
        pub enum ResponseBody {
            $(#[doc = concat!("A response of the API `", stringify!($api), "`.")] $api($response),)+
        }

        impl RequestBody {
            /// The API that the request belongs to.
            pub fn api_key(&self) -> ApiKeys {
                match self {
                    $(Self::$api(_) => ApiKeys::$api,)+
                    Self::UnsupportedApiVersions => ApiKeys::ApiVersions,
                }
            }

            /// The answer that says `error` for everything that was asked, in the shape of the
            /// request's own version.
            ///
            /// `None` if the client expects no answer (Produce with acks 0): then closing the
            /// connection is the only way to tell it.
            pub fn error_response(&self, error: Errors) -> Option<ResponseBody> {
                match self {
                    // What may go unanswered gives an `Option` already: `from` leaves it alone.
                    $(Self::$api(request) => {
                        Option::from(request.error_response(error)).map(ResponseBody::$api)
                    })+
                    Self::UnsupportedApiVersions => {
                        Some(ResponseBody::ApiVersions(ApiVersionsResponse::unsupported_version()))
                    }
                }
            }

            fn read(header: &RequestHeader, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let Some(version) = header.api_key.version(header.api_version) else {
                    return Ok(Self::UnsupportedApiVersions);
                };
                Ok(match header.api_key {
                    $(ApiKeys::$api => Self::$api(reader.read(version, stringify!($request))?),)+
                })
            }

            fn write(&self, writer: &mut Writer<'_>, header: &RequestHeader) {
                match self {
                    $(Self::$api(body) => body.write(writer, header.version()),)+
                    Self::UnsupportedApiVersions => {}
                }
            }
        }

        impl ResponseBody {
            /// The API that the response belongs to.
            pub fn api_key(&self) -> ApiKeys {
                match self {
                    $(Self::$api(_) => ApiKeys::$api,)+
                }
            }

            fn read(header: &RequestHeader, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let version = header.version();
                Ok(match header.api_key {
                    $(ApiKeys::$api => Self::$api(reader.read(version, stringify!($response))?),)+
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
    Produce:                 ProduceRequest,                 ProduceResponse;
    Fetch:                   FetchRequest,                   FetchResponse;
    ListOffsets:             ListOffsetsRequest,             ListOffsetsResponse;
    Metadata:                MetadataRequest,                MetadataResponse;
    OffsetCommit:            OffsetCommitRequest,            OffsetCommitResponse;
    OffsetFetch:             OffsetFetchRequest,             OffsetFetchResponse;
    FindCoordinator:         FindCoordinatorRequest,         FindCoordinatorResponse;
    JoinGroup:               JoinGroupRequest,               JoinGroupResponse;
    Heartbeat:               HeartbeatRequest,               HeartbeatResponse;
    LeaveGroup:              LeaveGroupRequest,              LeaveGroupResponse;
    SyncGroup:               SyncGroupRequest,               SyncGroupResponse;
    DescribeGroups:          DescribeGroupsRequest,          DescribeGroupsResponse;
    ListGroups:              ListGroupsRequest,              ListGroupsResponse;
    SaslHandshake:           SaslHandshakeRequest,           SaslHandshakeResponse;
    ApiVersions:             ApiVersionsRequest,             ApiVersionsResponse;
    CreateTopics:            CreateTopicsRequest,            CreateTopicsResponse;
    DeleteTopics:            DeleteTopicsRequest,            DeleteTopicsResponse;
    DeleteRecords:           DeleteRecordsRequest,           DeleteRecordsResponse;
    InitProducerId:          InitProducerIdRequest,          InitProducerIdResponse;
    OffsetForLeaderEpoch:    OffsetForLeaderEpochRequest,    OffsetForLeaderEpochResponse;
    DescribeAcls:            DescribeAclsRequest,            DescribeAclsResponse;
    CreateAcls:              CreateAclsRequest,              CreateAclsResponse;
    DeleteAcls:              DeleteAclsRequest,              DeleteAclsResponse;
    DescribeConfigs:         DescribeConfigsRequest,         DescribeConfigsResponse;
    AlterConfigs:            AlterConfigsRequest,            AlterConfigsResponse;
    DescribeLogDirs:         DescribeLogDirsRequest,         DescribeLogDirsResponse;
    CreatePartitions:        CreatePartitionsRequest,        CreatePartitionsResponse;
    DeleteGroups:            DeleteGroupsRequest,            DeleteGroupsResponse;
    IncrementalAlterConfigs: IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
    OffsetDelete:            OffsetDeleteRequest,            OffsetDeleteResponse;
    DescribeClientQuotas:    DescribeClientQuotasRequest,    DescribeClientQuotasResponse;
    AlterClientQuotas:       AlterClientQuotasRequest,       AlterClientQuotasResponse;
    DescribeCluster:         DescribeClusterRequest,         DescribeClusterResponse;
}
