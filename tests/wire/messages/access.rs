//! One message of each kind that is about access rules and quotas.

use transferto::protocol::acl_filter::AclFilter;
use transferto::protocol::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterEntryData, AlterEntryResponse, OpData,
};
use transferto::protocol::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use transferto::protocol::create_acls::{
    AclCreation, AclCreationResult, CreateAclsRequest, CreateAclsResponse,
};
use transferto::protocol::delete_acls::{
    DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsRequest,
    DeleteAclsResponse,
};
use transferto::protocol::describe_acls::{
    AclDescription, DescribeAclsRequest, DescribeAclsResource, DescribeAclsResponse,
};
use transferto::protocol::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData,
    EntryData, ValueData,
};
use transferto::protocol::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult, UserName,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use transferto::protocol::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use transferto::protocol::wire::secret_bytes::SecretBytes;

/// A request of each API.
pub(crate) fn requests() -> Vec<RequestBody> {
    vec![
        RequestBody::DescribeAcls(describe_acls_request()),
        RequestBody::CreateAcls(create_acls_request()),
        RequestBody::DeleteAcls(delete_acls_request()),
        RequestBody::DescribeClientQuotas(describe_client_quotas_request()),
        RequestBody::AlterClientQuotas(alter_client_quotas_request()),
        RequestBody::DescribeUserScramCredentials(describe_user_scram_credentials_request()),
        RequestBody::AlterUserScramCredentials(alter_user_scram_credentials_request()),
        RequestBody::SaslHandshake(sasl_handshake_request()),
        RequestBody::SaslAuthenticate(sasl_authenticate_request()),
    ]
}

/// A request of each API with nothing in it: null and empty wherever it may be.
pub(crate) fn empty_requests() -> Vec<RequestBody> {
    vec![
        RequestBody::DescribeAcls(DescribeAclsRequest::default()),
        RequestBody::CreateAcls(CreateAclsRequest::default()),
        RequestBody::DeleteAcls(DeleteAclsRequest::default()),
        RequestBody::DescribeClientQuotas(DescribeClientQuotasRequest::default()),
        RequestBody::AlterClientQuotas(AlterClientQuotasRequest::default()),
        RequestBody::DescribeUserScramCredentials(DescribeUserScramCredentialsRequest::default()),
        RequestBody::AlterUserScramCredentials(AlterUserScramCredentialsRequest::default()),
        RequestBody::SaslHandshake(SaslHandshakeRequest::default()),
        RequestBody::SaslAuthenticate(SaslAuthenticateRequest::default()),
    ]
}

/// A response of each API.
pub(crate) fn responses() -> Vec<ResponseBody> {
    vec![
        ResponseBody::DescribeAcls(describe_acls_response()),
        ResponseBody::CreateAcls(create_acls_response()),
        ResponseBody::DeleteAcls(delete_acls_response()),
        ResponseBody::DescribeClientQuotas(describe_client_quotas_response()),
        ResponseBody::AlterClientQuotas(alter_client_quotas_response()),
        ResponseBody::DescribeUserScramCredentials(describe_user_scram_credentials_response()),
        ResponseBody::AlterUserScramCredentials(alter_user_scram_credentials_response()),
        ResponseBody::SaslHandshake(sasl_handshake_response()),
        ResponseBody::SaslAuthenticate(sasl_authenticate_response()),
    ]
}

pub(crate) fn describe_acls_request() -> DescribeAclsRequest {
    let principal_filter = Some("User:me".into());
    DescribeAclsRequest { filter: AclFilter { principal_filter, ..acl_filter() } }
}

fn acl_filter() -> AclFilter {
    AclFilter {
        resource_type_filter: 2,
        resource_name_filter: Some("test".into()),
        pattern_type_filter: 4,
        principal_filter: None,
        host_filter: Some("*".into()),
        operation: 5,
        permission_type: 3,
    }
}

pub(crate) fn describe_acls_response() -> DescribeAclsResponse {
    let acl = AclDescription {
        principal: "User:me".into(),
        host: "*".into(),
        operation: 5,
        permission_type: 3,
    };
    let resource = DescribeAclsResource {
        resource_type: 2,
        resource_name: "test".into(),
        pattern_type: 4,
        acls: vec![acl],
    };
    DescribeAclsResponse {
        throttle_time_ms: 9,
        error_code: 54,
        error_message: Some("why".into()),
        resources: vec![resource],
    }
}

pub(crate) fn create_acls_request() -> CreateAclsRequest {
    let creation = AclCreation {
        resource_type: 2,
        resource_name: "test".into(),
        resource_pattern_type: 4,
        principal: "User:me".into(),
        host: "*".into(),
        operation: 5,
        permission_type: 3,
    };
    CreateAclsRequest { creations: vec![creation] }
}

pub(crate) fn create_acls_response() -> CreateAclsResponse {
    let results = vec![
        AclCreationResult { error_code: 54, error_message: Some("why".into()) },
        AclCreationResult { error_code: 0, error_message: None },
    ];
    CreateAclsResponse { throttle_time_ms: 9, results }
}

pub(crate) fn delete_acls_request() -> DeleteAclsRequest {
    DeleteAclsRequest { filters: vec![DeleteAclsFilter { filter: acl_filter() }] }
}

pub(crate) fn delete_acls_response() -> DeleteAclsResponse {
    let acl = DeleteAclsMatchingAcl {
        error_code: 54,
        error_message: Some("that".into()),
        resource_type: 2,
        resource_name: "test".into(),
        pattern_type: 4,
        principal: "User:me".into(),
        host: "*".into(),
        operation: 5,
        permission_type: 3,
    };
    let result = DeleteAclsFilterResult {
        error_code: 31,
        error_message: Some("why".into()),
        matching_acls: vec![acl],
    };
    DeleteAclsResponse { throttle_time_ms: 9, filter_results: vec![result] }
}

pub(crate) fn describe_client_quotas_request() -> DescribeClientQuotasRequest {
    let components = vec![
        ComponentData { entity_type: "user".into(), match_type: 0, match_name: Some("me".into()) },
        ComponentData { entity_type: "client-id".into(), match_type: 2, match_name: None },
    ];
    DescribeClientQuotasRequest { components, strict: true }
}

pub(crate) fn describe_client_quotas_response() -> DescribeClientQuotasResponse {
    let value = ValueData { key: "consumer_byte_rate".into(), value: 1.5 };
    let entry = EntryData { entity: entity(), values: vec![value] };
    DescribeClientQuotasResponse {
        throttle_time_ms: 9,
        error_code: 31,
        error_message: Some("why".into()),
        entries: Some(vec![entry]),
    }
}

fn entity() -> Vec<EntityData> {
    vec![
        EntityData { entity_type: "user".into(), entity_name: Some("me".into()) },
        EntityData { entity_type: "client-id".into(), entity_name: None },
    ]
}

pub(crate) fn alter_client_quotas_request() -> AlterClientQuotasRequest {
    let op = OpData { key: "consumer_byte_rate".into(), value: 1.5, remove: true };
    let entry = AlterEntryData { entity: entity(), ops: vec![op] };
    AlterClientQuotasRequest { entries: vec![entry], validate_only: true }
}

pub(crate) fn alter_client_quotas_response() -> AlterClientQuotasResponse {
    let entry =
        AlterEntryResponse { error_code: 42, error_message: Some("why".into()), entity: entity() };
    AlterClientQuotasResponse { throttle_time_ms: 9, entries: vec![entry] }
}

pub(crate) fn sasl_handshake_request() -> SaslHandshakeRequest {
    SaslHandshakeRequest { mechanism: "PLAIN".into() }
}

pub(crate) fn sasl_handshake_response() -> SaslHandshakeResponse {
    SaslHandshakeResponse { error_code: 34, mechanisms: vec!["PLAIN".into()] }
}

pub(crate) fn sasl_authenticate_request() -> SaslAuthenticateRequest {
    SaslAuthenticateRequest { auth_bytes: SecretBytes(b"\0me\0pw".to_vec()) }
}

pub(crate) fn sasl_authenticate_response() -> SaslAuthenticateResponse {
    SaslAuthenticateResponse {
        error_code: 58,
        error_message: Some("why".into()),
        auth_bytes: SecretBytes(b"v=0".to_vec()),
        session_lifetime_ms: 9,
    }
}

pub(crate) fn describe_user_scram_credentials_request() -> DescribeUserScramCredentialsRequest {
    DescribeUserScramCredentialsRequest { users: Some(vec![UserName { name: "alice".into() }]) }
}

pub(crate) fn describe_user_scram_credentials_response() -> DescribeUserScramCredentialsResponse {
    let result = DescribeUserScramCredentialsResult {
        user: "alice".into(),
        error_code: 91,
        error_message: Some("that".into()),
        credential_infos: vec![CredentialInfo { mechanism: 2, iterations: 8192 }],
    };
    DescribeUserScramCredentialsResponse {
        throttle_time_ms: 9,
        error_code: 31,
        error_message: Some("why".into()),
        results: vec![result],
    }
}

pub(crate) fn alter_user_scram_credentials_request() -> AlterUserScramCredentialsRequest {
    let upsertion = ScramCredentialUpsertion {
        name: "alice".into(),
        mechanism: 1,
        iterations: 8192,
        salt: b"salt".to_vec(),
        salted_password: SecretBytes(b"key".to_vec()),
    };
    AlterUserScramCredentialsRequest {
        deletions: vec![ScramCredentialDeletion { name: "bob".into(), mechanism: 2 }],
        upsertions: vec![upsertion],
    }
}

pub(crate) fn alter_user_scram_credentials_response() -> AlterUserScramCredentialsResponse {
    let result = AlterUserScramCredentialsResult {
        user: "alice".into(),
        error_code: 93,
        error_message: Some("why".into()),
    };
    AlterUserScramCredentialsResponse { throttle_time_ms: 9, results: vec![result] }
}
